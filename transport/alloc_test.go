//go:build !race

package transport

import (
	"encoding/binary"
	"testing"
)

// Under the race detector sync.Pool drops items at random, so allocations are counted without it: `make
// test-go` has a run of its own for them.

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

func TestLanesAllocateNothing(t *testing.T) {
	e := start(t, Options{Sockets: 2})
	w, peers, _ := largeRoom(t, e, 2*lanePeers)
	payload, h, seq := make([]byte, 1000), header(0), uint16(0)
	once := func() {
		seq++
		binary.BigEndian.PutUint16(h[2:], seq)
		for _, p := range peers {
			p.SendRTP(h, payload)
		}
		w.Flush()
	}
	for range 20 {
		once()
	}
	if n := testing.AllocsPerRun(100, once); n >= 1 {
		t.Errorf("%v allocations for %d packets", n, len(peers))
	}
}

// TestWholePathAllocatesNothing: from the reader through the room to sendmmsg. The call that the test waits
// with allocates, and the garbage collector empties pools now and then.
func TestWholePathAllocatesNothing(t *testing.T) {
	x := newWholePath(t, 50)
	x.outlastEarlyReports()
	wait := testing.AllocsPerRun(200, func() { _ = x.room.Totals() })
	if n := testing.AllocsPerRun(200, func() { x.deliver(4) }) - wait; n >= 1 {
		t.Errorf("%.1f allocations for 200 forwarded packets", n)
	}
}
