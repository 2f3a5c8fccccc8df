package transport

import (
	"encoding/binary"
	"testing"
)

// TestNoNonceTwiceAfterAGap: packets dropped while a peer is not connected must not bring pion/srtp to seal
// other packets under a nonce that it has used. Whether it does is seen by what stands on the wire: GCM
// encrypts zeros to the key stream of the nonce.
func TestNoNonceTwiceAfterAGap(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after int // packets sealed before and after the gap
		gap           int // packets dropped in it
		refused       bool
	}{
		{"no gap", 60000, 20000, 0, false},
		{"short gap", 60000, 20000, 10000, false},
		{"more than half a lap", 60000, 100, 40000, true},
		{"nearly a lap", 60000, 100, 1<<16 - 5000, true},
		{"nearly a lap, later", 140000, 100, 1<<16 - 50, true},
		{"a lap", 60000, 5000, 1<<16 + 10, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := start(t, Options{})
			p, w := wiredPeer(t, e, addrOf(sink(t)))
			to := p.dest
			streams := map[string]int{}
			seq := 0
			send := func(n int) {
				for range n {
					p.SendRTP(header(uint16(seq)), make([]byte, 32))
					if w.lanes[0].batch != nil && w.lanes[0].batch.n > 0 {
						key := string(w.lanes[0].batch.arena[0][rtpHeader : rtpHeader+32])
						if was, ok := streams[key]; ok {
							t.Fatalf("packets %d and %d are sealed under one nonce", was, seq)
						}
						streams[key] = seq
						w.lanes[0].batch.n = 0
					}
					seq++
				}
			}
			send(c.before)
			p.lane.setDest(p, nil)
			send(c.gap)
			p.lane.setDest(p, to)
			send(c.after)
			want := uint64(0)
			if c.refused {
				want = uint64(c.after)
			}
			if c.name == "nearly a lap, later" {
				want = 50 // and then the numbers are new again
			}
			if got := e.Stats().Drops[DropSequenceJump]; got != want {
				t.Errorf("%d packets refused, want %d", got, want)
			}
		})
	}
}

// TestReceiverFollowsAfterALap: what is sealed after a gap of a lap can be opened.
func TestReceiverFollowsAfterALap(t *testing.T) {
	e := start(t, Options{})
	to := sink(t)
	p, w := wiredPeer(t, e, addrOf(to))
	_, open := srtpPair(t)
	opened := func(seq int) bool {
		p.SendRTP(header(uint16(seq)), []byte("x"))
		w.Flush()
		plain, err := open.DecryptRTP(nil, readPacket(t, to), nil)
		return err == nil && binary.BigEndian.Uint16(plain[2:]) == uint16(seq)
	}
	if !opened(40000) || !opened(50000) {
		t.Fatal("cannot be opened before the gap")
	}
	dest := p.dest
	p.lane.setDest(p, nil)
	for seq := 50001; seq < 50010+1<<16; seq++ {
		p.SendRTP(header(uint16(seq)), nil)
	}
	p.lane.setDest(p, dest)
	if !opened(50010 + 1<<16) {
		t.Error("cannot be opened after the gap")
	}
	p.SendRTP(header(50009), []byte("late, from within the gap"))
	w.Flush()
	if n := e.Stats().Drops[DropSequenceJump]; n != 1 {
		t.Errorf("%d packets refused, want the late one", n)
	}
}

func TestLatePacketsAreAdmitted(t *testing.T) {
	s := newSequence(10)
	for _, seq := range []uint16{9, 65535, 11, 3, 65530, 16000, 2} {
		if !s.admit(seq) {
			t.Errorf("%d is refused", seq)
		}
	}
	if s.admit(40000) {
		t.Error("a jump of 24000 is admitted")
	}
}
