package router

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"

	"parlor/packet"
	"parlor/router/remb"
)

// foreigner is a seat of a receiver that knows no transport-wide feedback.
func foreigner(s packet.Section) packet.Section {
	s.Ext.TransportCC = 0
	return s
}

// afb is an application layer feedback message.
func afb(fci ...byte) []byte {
	raw := binary.BigEndian.AppendUint16([]byte{0x8f, 206}, uint16(2+len(fci)/4))
	return append(append(raw, make([]byte, 8)...), fci...)
}

// foreigners is a camera and a mic, and 4 and 5 that watch them. These know no transport-wide feedback.
func foreigners(t *testing.T) (s *sim, views []*viewer) {
	s = newSim(t, 1, calm)
	s.pad = 500
	s.camera(1, 1, 1, 3, 8)
	s.talk(50, s.now+int64(time.Hour))
	for _, id := range []packet.PeerID{4, 5} {
		v := s.viewerThat(id, true, tellsLosses)
		s.watch(v.id, "s", 1, Camera, High)
		s.watch(v.id, "a", 50, Mic, High)
		views = append(views, v)
	}
	s.run(3 * time.Second)
	return s, views
}

// got returns how many kbit/s of pictures, and how many packets of sound a second, come in some seconds.
func (v *viewer) got(d time.Duration) (kbps, sound float64) {
	before, heard := v.stats.bytes, len(v.heard)
	v.s.run(d)
	return float64(v.stats.bytes-before) * 8 / 1e3 / d.Seconds(), float64(len(v.heard)-heard) / d.Seconds()
}

// TestRatesThatAreTold: a rate bounds only the receiver that tells it. A rate that nobody can mean is
// counted, and sound is whole.
func TestRatesThatAreTold(t *testing.T) {
	for name, c := range map[string]struct {
		fci      []byte
		want     float64 // bit/s
		counted  uint64
		compound uint64 // DropMalformed
	}{
		"300 kbit/s":          {fci: []byte("REMB\x01\x06\x49\xf0\x00\x00\x0f\xa0"), want: 300000},
		"0":                   {fci: []byte("REMB\x00\x00\x00\x00"), want: remb.Least, counted: 1},
		"the most":            {fci: []byte("REMB\x00\xff\xff\xff"), want: remb.Unlimited, counted: 1},
		"2^63":                {fci: []byte("REMB\x00\xba\x00\x00"), want: remb.Unlimited, counted: 1},
		"nothing of it":       {fci: []byte("REMB\x01\x00\x00\x00\x00\x00\x00\x01"), want: remb.Unlimited, counted: 1},
		"many others":         {fci: append([]byte("REMB\xff\x00\x00\x00"), make([]byte, 4*255)...), want: remb.Unlimited, counted: 1},
		"many, one is there":  {fci: append(append([]byte("REMB\xff\x06\x49\xf0"), make([]byte, 4*254)...), 0, 0, 0x0f, 0xa0), want: 300000},
		"more than there are": {fci: []byte("REMB\x09\x00\x00\x00"), want: remb.Unlimited, compound: 1},
		"something else":      {fci: []byte("NEMO\x09\x00\x00\x00"), want: remb.Unlimited},
	} {
		t.Run(name, func(t *testing.T) {
			s, views := foreigners(t)
			s.deliver(4, true, afb(c.fci...))
			require.InDelta(t, c.want, s.c.peers[4].down.net.bound.Rate(), 100)
			require.InDelta(t, min(c.want, startRate), s.c.peers[4].down.estimate(), 100, "a burst of the cache goes as fast")
			require.EqualValues(t, remb.Unlimited, s.c.peers[5].down.net.bound.Rate())
			require.Equal(t, []uint64{c.counted, c.compound}, []uint64{s.drops(DropREMB), s.drops(DropMalformed)})
			s.run(time.Second)
			kbps, sound := views[0].got(time.Second)
			require.Less(t, kbps, max(c.want*1.25, 60e3)/1e3)
			require.InDelta(t, 50, sound, 2)
			kbps, _ = views[1].got(time.Second)
			require.Greater(t, kbps, 900.)
		})
	}
}

// TestTransportWideFeedbackRules: a rate bounds nothing if its receiver gives transport-wide feedback. A
// receiver that begins to give it is no longer bounded.
func TestTransportWideFeedbackRules(t *testing.T) {
	s, views := foreigners(t)
	v := s.viewer(6, true)
	s.watch(6, "s", 1, Camera, High)
	s.run(2 * time.Second)
	all := &rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: 60e3}
	s.join(7, 7, nil, seatVideo("s", 8000))
	s.rtcp(7, all)
	require.Nil(t, s.c.peers[7].down.net, "it will give it")
	s.rtcp(6, all)
	require.Nil(t, s.c.peers[6].down.net.bound)
	kbps, _ := v.got(time.Second)
	require.Greater(t, kbps, 900.)

	s.rtcp(4, all)
	s.run(2 * time.Second)
	require.True(t, s.c.peers[4].down.sinks["s"].allowed.paused)
	views[0].tells = tellsAll
	s.must(s.c.update(4, views[0].sections(true), nil, s.now))
	s.run(5 * time.Second)
	require.Nil(t, s.c.peers[4].down.net.bound)
	require.False(t, s.c.peers[4].down.sinks["s"].allowed.paused)
}

// TestNothingIsBoundedWithoutEstimates: the option applies to these receivers too.
func TestNothingIsBoundedWithoutEstimates(t *testing.T) {
	s, views := foreigners(t)
	s.c.o.NoEstimate = true
	s.c.nets.followed = nil
	s.c.peers[4].down.net = nil
	s.rtcp(4, &rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: 60e3})
	kbps, _ := views[0].got(2 * time.Second)
	require.Greater(t, kbps, 900.)
}

// TestWhoIsSentNothingIsNotBounded: reports of a peer that has no section to receive in yet say nothing. They
// do not keep the sections that it gets then from being measured.
func TestWhoIsSentNothingIsNotBounded(t *testing.T) {
	s, _ := foreigners(t)
	sub := s.join(6, 6, nil)
	for range 3 {
		s.rtcp(6, &rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: 60e3}, &rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 77, FractionLost: 255}}})
		s.run(time.Second)
	}
	require.Nil(t, s.c.peers[6].down.net)
	s.must(s.c.update(6, []packet.Section{seatVideo("s", 7000)}, nil, s.now))
	s.watch(6, "s", 1, Camera, High)
	s.run(2 * time.Second)
	require.Nil(t, s.c.peers[6].down.net)
	require.NotEmpty(t, sub.rtp)
}

// TestWhatABoundedNetworkCarriesByNowIsFound: a link that gets wide again carries all that is wanted within a
// minute. This holds also for a receiver that tells of losses alone.
func TestWhatABoundedNetworkCarriesByNowIsFound(t *testing.T) {
	for _, tells := range []tells{tellsRates, tellsLosses} {
		s := newSim(t, 1, calm)
		s.pad, s.keys = 560, 8
		s.camera(1, 1, 1, 3, 8).scaled = true
		s.draw(4, true, drawn(calm, "rate=400k queue=300ms @18s rate=5M"))
		v := s.viewerThat(4, true, tells)
		s.watch(4, "s", 1, Camera, High)
		s.run(15 * time.Second)
		kbps, _ := v.got(3 * time.Second)
		require.Less(t, kbps, 400., "%v", tells)
		s.run(50 * time.Second)
		kbps, _ = v.got(3 * time.Second)
		require.Greater(t, kbps, 1000., "%v", tells)
	}
}

// FuzzForeignReports makes a receiver that is bounded by what it tells send any RTCP.
func FuzzForeignReports(f *testing.F) {
	f.Add(afb([]byte("REMB\x01\x00\x00\x00\x00\x00\x13\x88")...), uint16(900))
	f.Add(afb([]byte("REMB\x00\xff\xff\xff")...), uint16(0))
	report, err := (&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 5000, FractionLost: 255, TotalLost: 1 << 22, LastSequenceNumber: 1 << 31}}}).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(report, afb([]byte("REMB\x00\x00\x00\x01")...)...), uint16(1000))
	f.Fuzz(func(t *testing.T, raw []byte, gap uint16) {
		w := newWorld(t)
		pub := w.vp8(1, 100)
		w.join(1, 1, map[string]Source{"v": Camera}, pubVideo("v", 100))
		w.join(4, 4, nil, foreigner(seatVideo("s", 5000)))
		w.join(5, 5, nil, foreigner(seatVideo("s", 6000)))
		w.watch(4, "s", 1, Camera, High)
		w.watch(5, "s", 1, Camera, High)
		for i := range 8 {
			w.deliver(1, false, pub.frame(i == 0, 3)...)
			w.deliver(4, true, raw[:min(len(raw), packet.Size)])
			w.pass(time.Duration(gap) * time.Millisecond)
		}
		if n := w.c.peers[4].down.net; n != nil && n.bound != nil && !(n.bound.Rate() >= remb.Least) {
			t.Fatalf("bounded to %v", n.bound.Rate())
		}
		if w.c.peers[5].down.net != nil {
			t.Fatal("somebody else is bounded")
		}
		w.must(w.c.detach(4, w.now))
	})
}
