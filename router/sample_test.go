package router

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
)

// TestSamplesOfWhatFlows: rates and losses of a publisher and a receiver, every two seconds.
func TestSamplesOfWhatFlows(t *testing.T) {
	w, n := observed(t)
	ann := w.talker(1)
	w.join(4, 4, nil, seatAudio("s", 77))
	w.watch(4, "s", 1, Mic, High)
	for i := range 1000 { // 20 s, one packet in ten lost on the way in
		raw := ann.next()
		if i%10 != 3 {
			w.deliver(1, false, raw)
		}
		if i%50 == 49 { // one in five on the way out, as the receiver says, with a round trip of 80 ms
			w.rtcp(4, &rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 77, LastSequenceNumber: 1<<16 + uint32(i), TotalLost: uint32(i / 5),
				LastSenderReport: uint32(ntpMiddle(w.now - 100*ms)), Delay: 65536 / 50}}})
		}
		w.pass(20 * time.Millisecond)
	}
	var up, down []Sample
	for _, s := range n.samples {
		if s.Member == 1 {
			up = append(up, s)
		} else {
			down = append(down, s)
		}
	}
	if len(up) < 9 || len(up) > 11 || len(down) < 9 || len(down) > 11 {
		t.Fatalf("%d and %d samples in 20 s", len(up), len(down))
	}
	a, b := up[5], down[5]
	if a.Over != SampleInterval || len(a.Sent) != 1 || len(a.Received) != 0 || a.Sent[0].Track != (TrackKey{1, Mic}) {
		t.Fatalf("%+v", a)
	}
	if s := a.Sent[0]; s.Expected < 99 || s.Expected > 101 || s.Lost < 9 || s.Lost > 11 || s.Bytes < 90*20 {
		t.Errorf("sent: %+v", s)
	}
	if len(b.Received) != 1 || len(b.Sent) != 0 || b.Received[0].Track != (TrackKey{1, Mic}) {
		t.Fatalf("%+v", b)
	}
	if s := b.Received[0]; s.Expected < 50 || s.Expected > 150 || s.Lost*5 < s.Expected*9/10 || s.Lost*5 > s.Expected*11/10 || s.Bytes == 0 {
		t.Errorf("received: %+v", s)
	}
	if b.RTT < 75*time.Millisecond || b.RTT > 85*time.Millisecond || b.Down {
		t.Errorf("%+v", b)
	}
}

func ntpMiddle(t int64) uint64 {
	return (uint64(t/1e9+2208988800)<<32 | uint64(t%1e9)<<32/1e9) >> 16 & 0xffffffff
}

// TestNoSamplesWhereNothingFlows: there is one more sample, of silence. Then the room sleeps.
func TestNoSamplesWhereNothingFlows(t *testing.T) {
	w, n := observed(t)
	ann := w.talker(1)
	w.join(4, 4, nil, seatAudio("s", 77))
	w.watch(4, "s", 1, Mic, High)
	w.pass(time.Minute)
	if len(n.samples) != 0 || w.c.next() != 0 {
		t.Fatalf("%d samples, due %v", len(n.samples), w.c.due)
	}
	w.talk(4*time.Second, ann)
	n.samples = nil
	w.pass(time.Minute)
	if len(n.samples) < 2 || len(n.samples) > 8 || w.c.next() != 0 {
		t.Errorf("%d samples after the end, due %v", len(n.samples), w.c.due)
	}
	for _, id := range []MemberID{1, 4} {
		var last *Sample
		for i := range n.samples {
			if n.samples[i].Member == id {
				last = &n.samples[i]
			}
		}
		if last == nil || len(last.Sent)+len(last.Received) != 0 {
			t.Errorf("the last sample of %d: %+v", id, last)
		}
	}
}

// TestWhoIsNotHeardIsDown: a peer is down if packets are sent to it and no word comes from it.
func TestWhoIsNotHeardIsDown(t *testing.T) {
	w, n := observed(t)
	ann := w.talker(1)
	w.join(4, 4, nil, seatAudio("s", 77))
	w.watch(4, "s", 1, Mic, High)
	last := func() Sample { return n.last(4) }
	w.pass(time.Minute) // nothing to hear, and nothing to report
	w.talk(8*time.Second, ann)
	if s := last(); s.Down || len(s.Received) == 0 {
		t.Errorf("after 8 s: %+v", s)
	}
	w.talk(8*time.Second, ann)
	if !last().Down {
		t.Errorf("after 16 s: %+v", last())
	}
	w.rtcp(4, &rtcp.ReceiverReport{})
	w.talk(4*time.Second, ann)
	if last().Down {
		t.Errorf("heard again: %+v", last())
	}
	w.must(w.c.suspend(4, w.now))
	w.talk(3*time.Second, ann)
	if !last().Down {
		t.Errorf("suspended: %+v", last())
	}
}
