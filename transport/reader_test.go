package transport

import (
	"net"
	"net/netip"
	"testing"

	"github.com/rs/zerolog"
)

// TestAStoppedReaderLeavesAFloodAlone: drain reads as long as full batches come, so without a look at stopped
// a flood could hold up the end of the node.
func TestAStoppedReaderLeavesAFloodAlone(t *testing.T) {
	e, err := Listen(Options{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Sockets: 1, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c, err := net.Dial("udp", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const sent = 3 * batchLen
	for range sent {
		if _, err := c.Write([]byte("noise")); err != nil {
			t.Fatal(err)
		}
	}
	r := e.readers[0]
	r.ring = newReceiveRing(false)
	r.refill(r.slots)
	r.stopped.Store(true)
	r.drain()
	if n := e.Stats().PacketsIn; n != 0 {
		t.Errorf("a stopped reader has read %d packets", n)
	}
	r.stopped.Store(false)
	r.drain()
	if n := e.Stats().PacketsIn; n != sent {
		t.Errorf("a running reader has read %d packets of %d", n, sent)
	}
}
