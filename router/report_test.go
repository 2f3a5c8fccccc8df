package router

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"parlor/packet"
	"parlor/router/clock"
)

func TestAudioAndVideoStayInSync(t *testing.T) {
	w := newWorld(t)
	w.join(1, 1, map[string]Source{"v": Camera, "a": Mic}, pubVideo("v", 100), pubAudio("a", 101))
	w.join(2, 2, map[string]Source{"v": Camera, "a": Mic}, pubVideo("v", 200), pubAudio("a", 201))
	sub := w.join(3, 3, nil, seatVideo("5", 5000), seatAudio("6", 6000))
	w.watch(3, "5", 2, Camera, High)
	w.watch(3, "6", 2, Mic, High)
	w.deliver(2, false, w.vp8(2, 200).frame(true, 1)...)
	w.deliver(2, false, (&sender{w: w, ssrc: 201, pt: opus.PT, ts: 99}).audio())
	sub.clear()
	w.watch(3, "5", 1, Camera, High) // another occupant: timestamps are rewritten
	w.watch(3, "6", 1, Mic, High)
	v := w.vp8(1, 100)
	a := &sender{w: w, ssrc: 101, pt: opus.PT, ts: 5}
	sent := w.now - 7200e9 // the publisher's clock is two hours late
	vts, ats := v.ts, a.ts // captured at the same time
	w.deliver(1, false, v.frame(true, 1)...)
	w.deliver(1, false, a.audio())
	w.now += 20 * ms
	w.rtcp(1, &rtcp.SenderReport{SSRC: 100, NTPTime: clock.ToNTP(sent + 1e9), RTPTime: vts + 90000})
	w.now += 300 * ms // the other report took longer
	w.rtcp(1, &rtcp.SenderReport{SSRC: 101, NTPTime: clock.ToNTP(sent + 1e9), RTPTime: ats + 48000})
	w.pass(3 * time.Second)
	w.deliver(1, false, v.frame(false, 1)...)
	w.deliver(1, false, a.audio())
	sub.rtcp = nil
	w.pass(3 * time.Second)
	at := map[uint32]int64{}
	for _, p := range sub.rtcp {
		if r, ok := p.(*rtcp.SenderReport); ok {
			rate, first := uint32(90000), sub.rtp[0]
			if r.SSRC == 6000 {
				rate, first = 48000, sub.rtp[1]
			}
			if d := clock.FromNTP(r.NTPTime) - w.now; d > 0 || d < -4e9 {
				t.Errorf("report is not in the node's time: %v", time.Duration(d))
			}
			at[r.SSRC] = clock.NewLine(clock.FromNTP(r.NTPTime), r.RTPTime, rate).Time(first.Timestamp)
		}
	}
	if d := at[5000] - at[6000]; len(at) != 2 || d > 2*ms || d < -2*ms {
		t.Errorf("captured together, by the reports %v apart (%v)", time.Duration(d), at)
	}
}

func TestReportsFollowASwitchOfOccupantAtOnce(t *testing.T) {
	w, a, b, sub := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 1)...)
	for range 100 {
		w.pass(40 * time.Millisecond)
		w.deliver(1, false, a.frame(false, 1)...)
	}
	w.watch(3, "5", 2, Camera, High)
	sub.clear()
	w.deliver(2, false, b.frame(true, 1)...)
	reports := func() (l []*rtcp.SenderReport) {
		for _, p := range sub.rtcp {
			if r, ok := p.(*rtcp.SenderReport); ok {
				l = append(l, r)
			}
		}
		return l
	}
	w.pass(25 * time.Millisecond)
	if l := reports(); len(l) != 1 || l[0].SSRC != 5000 || l[0].RTPTime-sub.rtp[0].Timestamp > 25*90 {
		t.Fatalf("no report of the new occupant's timestamps: %v", l)
	}
	w.deliver(2, false, b.frame(false, 1)...)
	w.pass(200 * time.Millisecond)
	if n := len(reports()); n != 2 {
		t.Errorf("%d reports in the first 200 ms, want 2", n)
	}
}

// A large room must not wake up, and look at all of its peers, for each of them.
func TestReportsOfManyPeersShareWakeUps(t *testing.T) {
	w := newWorld(t)
	const peers = 300
	for id := packet.PeerID(1); id <= peers; id++ {
		w.join(id, MemberID(id), map[string]Source{"a": Mic}, pubAudio("a", 10*uint32(id)), seatAudio("6", 10_000*uint32(id)))
	}
	senders := make([]*sender, peers)
	for i := range senders {
		senders[i] = &sender{w: w, ssrc: 10 * uint32(i+1), pt: opus.PT}
		w.watch(packet.PeerID(i+1), "6", MemberID(1+(i+1)%peers), Mic, High)
	}
	wakes, turn := 0, 0
	for range 500 { // 5 s
		for range 3 {
			turn += 7
			s := senders[turn%peers]
			raw := s.audio()
			var p rtp.Packet
			w.must(p.Unmarshal(raw))
			w.must(p.SetExtension(pubExt.TransportCC, raw[2:4]))
			raw, _ = p.Marshal()
			w.deliver(packet.PeerID(s.ssrc/10), false, raw)
		}
		for end := w.now + 10*ms; ; wakes++ {
			next := w.c.next()
			if next == 0 || next > end {
				w.now = end
				break
			}
			w.now = max(next, w.now)
			w.c.tick(w.now)
		}
	}
	if wakes == 0 || wakes > 5000/20+300 {
		t.Errorf("woke up %d times in 5 s", wakes)
	}
	reports := 0
	for id := packet.PeerID(1); id <= peers; id++ {
		for _, p := range w.outs[id].rtcp {
			if _, ok := p.(*rtcp.ReceiverReport); ok {
				reports++
			}
		}
		w.must(w.c.detach(id, w.now))
	}
	if reports < peers || w.c.totals.TransportFeedbacksSent < peers || len(w.c.reports.due)+len(w.c.reports.recording) != 0 {
		t.Errorf("%d reports, %d feedbacks; %d and %d peers left", reports, w.c.totals.TransportFeedbacksSent, len(w.c.reports.due), len(w.c.reports.recording))
	}
}

func TestReportsToPublishers(t *testing.T) {
	w, a, _, _ := meeting(t)
	pub := w.outs[1]
	w.deliver(1, false, a.frame(true, 3)...)
	w.rtcp(1, &rtcp.SenderReport{SSRC: 100, NTPTime: 0x1234_5678_9abc_def0, RTPTime: 1})
	a.seq++ // one is lost
	w.deliver(1, false, a.frame(false, 4)...)
	w.pass(2 * time.Second)
	var rr *rtcp.ReceptionReport
	for _, p := range pub.rtcp {
		if r, ok := p.(*rtcp.ReceiverReport); ok && len(r.Reports) == 1 {
			rr = &r.Reports[0]
		}
	}
	if rr == nil || rr.SSRC != 100 || rr.TotalLost != 1 || rr.FractionLost != 32 || rr.LastSenderReport != 0x5678_9abc ||
		uint16(rr.LastSequenceNumber) != a.seq-1 {
		t.Errorf("report %+v", rr)
	}
}

func TestRoundTripFromReports(t *testing.T) {
	w, _, _, _ := meeting(t)
	sent := w.now
	w.now += 120 * ms
	w.rtcp(3, &rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 5000, FractionLost: 64, TotalLost: 9,
		LastSenderReport: clock.Middle(clock.ToNTP(sent)), Delay: 1 << 16 / 50}}})
	i := w.c.snapshot(0).Sinks[0]
	if i.RTT < 99*time.Millisecond || i.RTT > 101*time.Millisecond || i.Fraction != 0.25 || i.Lost != 9 {
		t.Errorf("%+v", i)
	}
	if rtt := w.c.totals.RTTSeconds(); rtt.Count != 1 || rtt.Sum != i.RTT.Seconds() {
		t.Errorf("round trips %+v", rtt)
	}
	if loss := w.c.totals.LossRatio(); loss.Count != 1 || loss.Sum != 0.25 || loss.Buckets[51./256] != 0 || loss.Buckets[0.25] != 1 {
		t.Errorf("loss %+v", loss)
	}
}

func TestTransportFeedback(t *testing.T) {
	w := newWorld(t)
	pub := w.join(1, 1, map[string]Source{"v": Camera}, pubVideo("v", 100))
	for i := range uint16(30) {
		if i%3 == 1 {
			continue
		}
		p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: vp8.PT, SequenceNumber: i, SSRC: 100}, Payload: []byte{0x10, 0}}
		w.must(p.SetExtension(pubExt.TransportCC, binary.BigEndian.AppendUint16(nil, 65530+i)))
		raw, err := p.Marshal()
		w.must(err)
		w.deliver(1, false, raw)
		w.pass(10 * time.Millisecond)
	}
	w.pass(time.Second)
	reports, received, covered := 0, 0, 0
	for _, p := range pub.rtcp {
		if r, ok := p.(*rtcp.TransportLayerCC); ok {
			reports++
			received += len(r.RecvDeltas)
			covered += int(r.PacketStatusCount)
			w.rtcp(1, r) // what a receiver would say
		}
	}
	if reports < 2 || reports > 5 || received != 20 || covered != 30 {
		t.Errorf("%d feedbacks tell of %d packets of %d", reports, received, covered)
	}
	if w.c.totals.TransportReported != 30 || w.c.totals.TransportReportedLost != 10 {
		t.Errorf("totals %+v", w.c.totals)
	}
}

// TestTransportLeapsAreBounded: a publisher's transport-wide numbers leap about, or come from long ago.
func TestTransportLeapsAreBounded(t *testing.T) {
	for name, number := range map[string]func(i int) uint16{
		"forward":     func(i int) uint16 { return uint16(i * 20000) },
		"a little":    func(i int) uint16 { return uint16(i * 999) },
		"to and fro":  func(i int) uint16 { return uint16(i%2*900 + i) },
		"every other": func(i int) uint16 { return uint16(2 * i) },
		"backward":    func(i int) uint16 { return uint16(-i) },
		"long ago":    func(i int) uint16 { return uint16(i - i%200/199*900) },
		"in a row":    func(i int) uint16 { return uint16(i) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			pub := w.join(1, 1, map[string]Source{"v": Camera}, pubVideo("v", 100))
			const packets = 6000
			for i := range packets {
				p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: vp8.PT, SequenceNumber: uint16(i), SSRC: 100}, Payload: []byte{0x10, 0}}
				w.must(p.SetExtension(pubExt.TransportCC, binary.BigEndian.AppendUint16(nil, number(i))))
				raw, err := p.Marshal()
				w.must(err)
				w.deliver(1, false, raw)
				w.pass(100 * time.Microsecond) // 10,000 a second
			}
			w.pass(time.Second)
			told, missing := 0, 0
			for _, p := range pub.rtcp {
				r, ok := p.(*rtcp.TransportLayerCC)
				if !ok {
					continue
				}
				told += len(r.RecvDeltas)
				missing = max(missing, int(r.PacketStatusCount)-len(r.RecvDeltas))
				if n := r.MarshalSize(); n > maxFeedback {
					t.Fatalf("feedback of %d bytes", n)
				}
			}
			if missing > maxTransportLeap+1 {
				t.Errorf("%d missing in one feedback", missing)
			}
			if name == "in a row" && (told != packets || w.c.totals.Dropped[DropTransportLeap] != 0) {
				t.Errorf("told of %d packets, %d leaps", told, w.c.totals.Dropped[DropTransportLeap])
			}
		})
	}
}
