package transport

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
)

// TestNothingIsLeftBehind connects and closes 200 clients, some at a time, over UDP and TCP, with and without
// data channels, closed by either side, and compares goroutines and tables with before.
func TestNothingIsLeftBehind(t *testing.T) {
	const rounds, atOnce = 25, 8
	e := start(t, Options{})
	round := func(i int) {
		var channel *webrtc.DataChannel
		o := clientOptions{data: i%3 == 0, channel: &channel}
		if i%4 == 1 {
			o.setting = tcp4
		}
		k := dialNoWait(t, e, o)
		switch i % 5 {
		case 0: // in the middle of connecting
		case 1:
			wait(t, "PeerConnected", k.seen.connected)
			k.close()
		default:
			wait(t, "PeerConnected", k.seen.connected)
			k.sendDown(1, 3)
		}
		if err := k.peer.Close(); err != nil {
			t.Error(err)
		}
		k.close()
	}
	round(2)
	settled := func() int {
		n := runtime.NumGoroutine()
		for range 50 { // the client's own goroutines take a while to end
			time.Sleep(10 * time.Millisecond)
			m := runtime.NumGoroutine()
			if m >= n {
				return m
			}
			n = m
		}
		return n
	}
	before := settled()
	for i := range rounds {
		var clients sync.WaitGroup
		for j := range atOnce {
			clients.Go(func() { round(i*atOnce + j) })
		}
		clients.Wait()
	}
	eventually(t, "goroutines are as before", func() bool { return runtime.NumGoroutine() <= before+2 })
	eventually(t, "handshakes have ended", func() bool { return e.Stats().Handshakes == 0 })
	e.table.mu.RLock()
	defer e.table.mu.RUnlock()
	if len(e.table.peers)+len(e.table.byUFrag)+len(e.table.byFlow) != 0 {
		t.Errorf("left behind: %d peers, %d credentials, %d addresses", len(e.table.peers), len(e.table.byUFrag), len(e.table.byFlow))
	}
	eventually(t, "TCP connections are gone", func() bool { s := e.Stats(); return s.TCPConns+s.Relayed == 0 })
}
