//go:build !race

package transport

import "testing"

// Under the race detector sync.Pool drops items at random, so allocations are counted without it: `make test-go` has a
// run of its own for them.

func TestSendAllocatesNothing(t *testing.T) {
	peers, w := room(t, start(t, Options{}), 10)
	head, payload := header(0), make([]byte, 1188)
	seq := uint16(0)
	if n := testing.AllocsPerRun(500, func() {
		seq++
		fanOut(peers, w, head, payload, seq)
	}); n > 0 {
		t.Errorf("%.1f allocations for 10 packets", n)
	}
}

func TestReceiveAllocatesNothing(t *testing.T) {
	b := newReceiveBench(t, 64)
	// The pools are emptied by the garbage collector now and then, hence not quite 0.
	if n := testing.AllocsPerRun(300, b.round); n >= 1 {
		t.Errorf("%.1f allocations for 64 packets", n)
	}
	if b.got == 0 {
		t.Error("nothing was delivered")
	}
}
