package transport

import (
	"net"
	"testing"
)

// overTCP connects the client of a call over TCP as well, and nominates that once; the path has a proof then.
func (w *wiredCall) overTCP() net.Conn {
	w.t.Helper()
	c := dialTCP(w.t, w.e)
	greet(w.t, c, w.c)
	w.t.Cleanup(func() { _ = c.Close() })
	eventually(w.t, "the connection has a proof", func() bool {
		w.p.mu.Lock()
		defer w.p.mu.Unlock()
		for _, pt := range w.p.ice.paths {
			if pt.addr.String() == c.LocalAddr().String() {
				return !pt.proof.missing.Load()
			}
		}
		return false
	})
	return c
}

func (w *wiredCall) uses(a interface{ LocalAddr() net.Addr }) {
	w.t.Helper()
	eventually(w.t, "the path is in use", func() bool { return w.at() == a.LocalAddr().String() })
}

// sealedOver sends one packet of SRTP on a connection.
func (w *wiredCall) sealedOver(c net.Conn) {
	w.t.Helper()
	w.seq++
	if _, err := c.Write(frame(w.packet(w.seq))); err != nil {
		w.t.Fatal(err)
	}
}

// TestAllThatWorkNominatedMeansUDP: Firefox nominates every path that works, and uses UDP.
func TestAllThatWorkNominatedMeansUDP(t *testing.T) {
	w := wired(t, Options{})
	w.overTCP()
	if at := w.at(); at != w.home.conn.LocalAddr().String() {
		t.Fatalf("media goes to %s", at)
	}
	w.sealed(w.home)
	eventually(t, "nothing is open", func() bool { return !w.p.unsettled.Load() })
	w.down(1, 50)
	eventually(t, "media over UDP", func() bool { return w.home.media.Load() == 50 })
}

// TestTCPIsTakenByWhoMeansIt: who sends media there, or nominates it again.
func TestTCPIsTakenByWhoMeansIt(t *testing.T) {
	t.Run("media", func(t *testing.T) {
		w := wired(t, Options{})
		c := w.overTCP()
		w.sealedOver(c)
		w.uses(c)
		w.sealed(w.home)
		w.uses(w.home.conn)
	})
	t.Run("nominated again", func(t *testing.T) {
		w := wired(t, Options{})
		c := w.overTCP()
		if _, err := c.Write(frame(checkOf(t, w.c))); err != nil {
			t.Fatal(err)
		}
		w.uses(c)
	})
	t.Run("UDP is silent", func(t *testing.T) {
		w := wired(t, Options{})
		w.p.mu.Lock()
		w.p.ice.nominated.heard.Store(w.p.ice.nominated.heard.Load() - int64(proofAge))
		w.p.mu.Unlock()
		w.uses(w.overTCP())
	})
}

// TestUDPTakesThePlaceOfTCP: on networks that lose much TCP is often proven first.
func TestUDPTakesThePlaceOfTCP(t *testing.T) {
	e := start(t, Options{})
	_, c, _ := offered(t, e)
	w := &wiredCall{t: t, e: e, p: c.peer, c: c, home: newSite(t, e, c, false)}
	w.home.send(checkOf(t, c))
	w.home.catchUp(t)
	conn := w.overTCP()
	w.uses(conn)
	w.home.answers.Store(true)
	w.uses(w.home.conn)
}
