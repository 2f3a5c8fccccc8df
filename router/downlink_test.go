package router

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"

	"parlor/router/clock"
)

// transportNumber returns the transport-wide number in a packet to a receiver.
func transportNumber(t *testing.T, o *capture, i int) uint16 {
	ext := o.rtp[i].GetExtension(subExt.TransportCC)
	require.Len(t, ext, 2)
	return binary.BigEndian.Uint16(ext)
}

// TestTransportWideLoss: the samples of a receiver say what its feedback says of what was sent to it. Reports
// that overlap, repeat or come late count once. A packet that is late is taken back, and the numbers of
// others do not count.
func TestTransportWideLoss(t *testing.T) {
	w, n := observed(t)
	pub := w.talker(1)
	sub := w.join(4, 4, nil, seatAudio("s", 77))
	w.watch(4, "s", 1, Mic, High)
	w.talk(2*time.Second, pub)
	require.Greater(t, len(sub.rtp), 90)
	r := twcc.NewRecorder(1)
	report := func() {
		for _, p := range r.BuildFeedbackPacket() {
			w.rtcp(4, &rtcp.ReceiverReport{}, p)
			w.rtcp(4, &rtcp.ReceiverReport{}, p) // again
		}
	}
	for i := range 80 {
		if i%10 == 5 {
			continue
		}
		r.Record(1, transportNumber(t, sub, i), int64(i)*20e3+1e9)
		if i == 40 {
			report()
		}
	}
	report()
	told := &w.c.peers[4].down.told
	require.EqualValues(t, 72, told.arrived)
	require.EqualValues(t, 8, told.lost)
	before := w.c.peers[4].down.guard.Share()
	r.Record(1, transportNumber(t, sub, 75), 3e9) // late
	r.Record(1, transportNumber(t, sub, 80), 3e9)
	report()
	r = twcc.NewRecorder(1)
	r.Record(1, transportNumber(t, sub, 80)+20_000, 3e9) // never sent
	report()
	require.EqualValues(t, 74, told.arrived)
	require.EqualValues(t, 7, told.lost)
	require.Less(t, w.c.peers[4].down.guard.Share(), before-0.01, "redundancy is by what is really lost")

	n.samples = nil
	w.talk(2*time.Second, pub)
	var expected, lost uint64
	for _, s := range n.samples {
		if s.Member == 4 {
			expected, lost = expected+s.Expected, lost+s.Lost
		}
	}
	require.EqualValues(t, 81, expected)
	require.EqualValues(t, 7, lost)
}

// TestRoundTripOfWhoOnlyPublishes: it echoes the node's time, and how long it has kept that. Forged and
// foreign echoes say nothing.
func TestRoundTripOfWhoOnlyPublishes(t *testing.T) {
	w := newWorld(t)
	pub := w.talker(1)
	out := w.outs[1]
	w.talk(3*time.Second, pub)
	var told uint64
	for _, p := range out.rtcp {
		if x, ok := p.(*rtcp.ExtendedReport); ok {
			told = x.Reports[0].(*rtcp.ReceiverReferenceTimeReportBlock).NTPTimestamp
		}
	}
	require.NotZero(t, told, "it is told the node's time")
	echo := func(ssrc, middle, delay uint32) {
		w.rtcp(1, &rtcp.ExtendedReport{SenderSSRC: 9, Reports: []rtcp.ReportBlock{&rtcp.DLRRReportBlock{
			Reports: []rtcp.DLRRReport{{SSRC: ssrc, LastRR: middle, DLRR: delay}}}}})
	}
	at := clock.FromNTP(told)
	w.now = at + 250*ms
	echo(w.c.ssrc+1, clock.Middle(told), 0)
	echo(w.c.ssrc, 0, 0)
	require.Zero(t, w.c.peers[1].rtt)
	echo(w.c.ssrc, clock.Middle(told), uint32(clock.Ticks(200*ms, 1<<16)))
	require.InDelta(t, 50*ms, w.c.peers[1].rtt, float64(ms))
	echo(w.c.ssrc, clock.Middle(told), uint32(clock.Ticks(300*ms, 1<<16))) // later than it can be
	require.InDelta(t, 50*ms, w.c.peers[1].rtt, float64(ms))
}

// TestWhoAsksForTheRoundTripIsTold: a receiver that tells its time gets it back once, with how long ago that
// was.
func TestWhoAsksForTheRoundTripIsTold(t *testing.T) {
	w := newWorld(t)
	pub := w.talker(1)
	out := w.join(4, 4, nil, seatAudio("s", 77))
	w.watch(4, "s", 1, Mic, High)
	w.talk(time.Second, pub)
	asked := w.now
	w.rtcp(4, &rtcp.ReceiverReport{SSRC: 9}, &rtcp.ExtendedReport{SenderSSRC: 9, Reports: []rtcp.ReportBlock{
		&rtcp.ReceiverReferenceTimeReportBlock{NTPTimestamp: 0x0001_2345_6789_0000}}})
	var got []rtcp.DLRRReport
	for range 200 {
		before := len(out.rtcp)
		w.talk(20*time.Millisecond, pub)
		for _, p := range out.rtcp[before:] {
			if x, ok := p.(*rtcp.ExtendedReport); ok {
				got = append(got, x.Reports[0].(*rtcp.DLRRReportBlock).Reports...)
				require.InDelta(t, clock.Ticks(w.now-asked, 1<<16), got[0].DLRR, float64(clock.Ticks(20*ms, 1<<16)))
			}
		}
	}
	require.Len(t, got, 1)
	require.EqualValues(t, 9, got[0].SSRC)
	require.EqualValues(t, 0x2345_6789, got[0].LastRR)
}

// TestExtendedReportsThatAreNone: they change nothing. Those that end too soon are counted.
func TestExtendedReportsThatAreNone(t *testing.T) {
	for name, x := range map[string]struct {
		body      []byte
		malformed bool
	}{
		"no sender":                {nil, true},
		"a block beyond the end":   {[]byte{0, 0, 0, 9, 4, 0, 0, 9, 1, 1, 1, 1}, true},
		"the second one beyond it": {[]byte{0, 0, 0, 9, 77, 0, 0, 0, 5, 0, 0, 1}, true},
		"a reference of one word":  {[]byte{0, 0, 0, 9, 4, 0, 0, 1, 1, 1, 1, 1}, false},
		"one of three":             {[]byte{0, 0, 0, 9, 4, 0, 0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, false},
		"a DLRR cut short":         {[]byte{0, 0, 0, 9, 5, 0, 0, 1, 1, 1, 1, 1}, false},
		"another type":             {[]byte{0, 0, 0, 9, 77, 0, 0, 0}, false},
	} {
		w := newWorld(t)
		w.join(1, 1, map[string]Source{"0": Mic}, pubAudio("0", 100))
		w.deliver(1, true, append([]byte{0x80, 207, 0, byte(len(x.body) / 4)}, x.body...))
		require.Zero(t, w.c.peers[1].rtt, name)
		require.Zero(t, w.c.peers[1].reports.heard, name)
		require.Equal(t, x.malformed, w.drops(DropMalformed) == 1, name)
	}
}

// TestOneEchoOfAReport: one echo counts, however many there are, in one block or in many.
func TestOneEchoOfAReport(t *testing.T) {
	for _, perBlock := range []int{80, 8, 4} {
		w := newWorld(t)
		w.join(1, 1, map[string]Source{"0": Mic}, pubAudio("0", 100))
		report := &rtcp.ExtendedReport{SenderSSRC: 9}
		for i := range int64(80) {
			if int(i)%perBlock == 0 {
				report.Reports = append(report.Reports, &rtcp.DLRRReportBlock{Reports: []rtcp.DLRRReport{{SSRC: w.c.ssrc + 1, LastRR: 5}}})
			}
			echoes := report.Reports[len(report.Reports)-1].(*rtcp.DLRRReportBlock)
			at := clock.Middle(clock.ToNTP(w.now - 100*ms - i*10*ms))
			echoes.Reports = append(echoes.Reports, rtcp.DLRRReport{SSRC: w.c.ssrc, LastRR: at})
		}
		w.rtcp(1, report)
		require.InDelta(t, 100*ms, w.c.peers[1].rtt, float64(ms), "%d in a block", perBlock)
		require.EqualValues(t, w.c.peers[1].rtt, w.c.totals.RTT.Sum, "counted once")
	}
}
