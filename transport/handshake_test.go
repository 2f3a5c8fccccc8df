package transport

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// dtlsRecord is a record as anybody can forge it.
func dtlsRecord(kind byte, epoch uint16, body ...byte) []byte {
	b := make([]byte, recordHeader, recordHeader+len(body))
	b[0], b[1], b[2] = kind, 0xfe, 0xfd
	binary.BigEndian.PutUint16(b[3:], epoch)
	b[10] = 200
	binary.BigEndian.PutUint16(b[11:], uint16(len(body)))
	return append(b, body...)
}

// TestForgedAlertsDuringTheHandshake: fifteen bytes from somebody who knows the addresses do not keep a
// client out.
func TestForgedAlertsDuringTheHandshake(t *testing.T) {
	e := start(t, Options{})
	w := newWire(t)
	tap := func(b []byte) {
		if classify(b) == classDTLS {
			w.inject(t, e, dtlsRecord(recordAlert, 0, 2, 40))
			w.inject(t, e, dtlsRecord(recordAlert, 0, 1, 0))
		}
	}
	w.tap.Store(&tap)
	dial(t, e, clientOptions{setting: w.setting}).checkUp(1, 3)
	if n := e.Stats().Drops[DropDTLSFiltered]; n < 4 {
		t.Errorf("%d filtered", n)
	}
}

// pathTo makes a peer with a path and no client.
func pathTo(t *testing.T, e *Endpoint) (*Peer, *path) {
	t.Helper()
	p, c, _ := offered(t, e)
	newStranger(t, e).ask(build(t, stun.NewUsername(c.ufrag+":x"), c.key, stun.Fingerprint))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ice.paths[0].proof.missing.Store(false)
	return p, p.ice.paths[0]
}

func TestAHandshakeBeginsWithAClientHello(t *testing.T) {
	e := start(t, Options{})
	p, pt := pathTo(t, e)
	for name, b := range map[string][]byte{
		"another message":     dtlsRecord(recordHandshake, 0, append([]byte{11}, make([]byte, 20)...)...),
		"encrypted":           dtlsRecord(recordHandshake, 1, append([]byte{clientHello}, make([]byte, 20)...)...),
		"change_cipher_spec":  dtlsRecord(recordChangeCipherSpec, 0, 1),
		"an encrypted alert":  dtlsRecord(recordAlert, 1, make([]byte, 20)...),
		"a hello, then other": append(dtlsRecord(recordHandshake, 0, clientHello), dtlsRecord(recordChangeCipherSpec, 0, 1)...),
	} {
		if p.takeDTLS(pt, bufferOf(b), time.Now()) || len(p.secure.tries) > 0 {
			t.Errorf("%s begins a handshake", name)
		}
	}
	if p.takeDTLS(pt, bufferOf(dtlsRecord(recordHandshake, 0, helloBody(1)...)), time.Now()) || p.triesNow() != 1 {
		t.Error("a ClientHello does not begin a handshake")
	}
}

// TestHandshakeBudget: records that pass the filter are no way to make the node work without end.
func TestHandshakeBudget(t *testing.T) {
	for _, c := range []struct {
		name   string
		keyed  bool
		budget int
	}{{"before", false, handshakeBytes}, {"after", true, lastFlightBytes}} {
		s, at := secure{keyed: c.keyed}, time.Unix(1000, 0)
		n := 0
		for s.charge(1000, at) {
			n += 1000
		}
		if n > c.budget || n < c.budget-1000 {
			t.Errorf("%s the handshake: %d bytes taken", c.name, n)
		}
		if !s.charge(0, at) {
			t.Errorf("%s the handshake: what is no handshake record is refused", c.name)
		}
		if !s.charge(c.budget-1000, at.Add(16*time.Second)) {
			t.Errorf("%s the handshake: what was used up is not filled up again", c.name)
		}
	}
	k := dial(t, start(t, Options{}), clientOptions{})
	pt := k.nominated()
	hello := dtlsRecord(recordHandshake, 0, append([]byte{clientHello}, make([]byte, 986)...)...)
	taken := 0
	for range 40 {
		k.peer.takeDTLS(pt, bufferOf(hello), time.Now())
		if k.peer.ep.Stats().Drops[DropDTLSLimited] == 0 {
			taken++
		}
	}
	if taken > 16 {
		t.Errorf("%d KB of handshake taken after the handshake", taken)
	}
	k.undisturbed(1, 1)
}

// TestStalledHandshakesGiveWay: clients that say ClientHello and nothing more do not keep others out.
func TestStalledHandshakesGiveWay(t *testing.T) {
	e := start(t, Options{Limits: Limits{Handshakes: 1}})
	w := newWire(t)
	w.deaf.Store(true)
	stalled := dialNoWait(t, e, clientOptions{setting: w.setting})
	eventually(t, "the handshake is under way", func() bool { return e.Stats().Handshakes == 1 })
	dial(t, e, clientOptions{}).checkUp(1, 3)
	if len(stalled.seen.lost) > 0 {
		t.Error("the other one was given up")
	}
	w.deaf.Store(false)
	stalled.waitConnected()
	stalled.checkUp(1, 3)
}

func TestPlaces(t *testing.T) {
	s, at := handshakes{limit: 2}, time.Unix(1000, 0)
	enter := func(after time.Duration) (*handshake, bool) {
		p := &handshake{peer: new(Peer), conn: new(dtlsConn), cancel: func() {}, since: at.Add(after)}
		return p, s.enter(p)
	}
	a, ok1 := enter(0)
	b, ok2 := enter(time.Millisecond)
	if _, ok := enter(handshakeGrace - 1); !ok1 || !ok2 || ok {
		t.Errorf("entered: %v %v, and a third within the grace: %v", ok1, ok2, ok)
	}
	a.answered.Store(true)
	if _, ok := enter(handshakeGrace); ok {
		t.Error("a handshake that goes on gave way")
	}
	c, ok := enter(handshakeGrace + time.Millisecond)
	if !ok || !b.givenUp.Load() || !b.conn.muted || a.givenUp.Load() || s.count() != 2 {
		t.Errorf("entered %v; gave way: %v %v; %d taken", ok, a.givenUp.Load(), b.givenUp.Load(), s.count())
	}
	c.answered.Store(true)
	if _, ok := enter(answeredGrace - 1); ok {
		t.Error("a handshake that goes on gave way before its time")
	}
	if _, ok := enter(answeredGrace); !ok || !a.givenUp.Load() {
		t.Error("answered handshakes may stall for ever")
	}
	s.leave(b)
	s.leave(a)
	s.leave(c)
	if s.count() != 1 {
		t.Errorf("%d taken", s.count())
	}
}
