package transport

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/stun/v4"
)

// TestAStrangersCertificateEndsNobody: whoever plays a check back may finish a handshake from an address of
// its own.
func TestAStrangersCertificateEndsNobody(t *testing.T) {
	e := start(t, Options{Timers: Timers{Connect: 1500 * time.Millisecond}})
	p, c, seen := offered(t, e)
	cert, _, err := newCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := newStranger(t, e)
	s.ask(build(t, stun.NewUsername(c.ufrag+":x"), c.key, stun.Fingerprint))
	d, err := dtls.ClientWithOptions(aside{s.conn}, s.conn.RemoteAddr(), dtls.WithCertificates(cert),
		dtls.WithInsecureSkipVerify(true), dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	go func() { _ = d.HandshakeContext(ctx); _ = d.Close() }()
	eventually(t, "the handshake has failed", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return errors.Is(p.secure.failure, ErrFingerprint) || p.failed
	})
	p.mu.Lock()
	gone := p.goneLocked()
	p.mu.Unlock()
	if gone {
		t.Fatal("the peer has ended")
	}
	if err := wait(t, "PeerLost", seen.lost); !errors.Is(err, ErrNoConnection) || !errors.Is(err, ErrFingerprint) {
		t.Errorf("lost by %v, which does not tell why", err)
	}
}

// TestSurplusTriesGiveWay: one peer's handshakes beside another of its own keep no other peer out.
func TestSurplusTriesGiveWay(t *testing.T) {
	s, at := handshakes{limit: 3}, time.Unix(1000, 0)
	list := []*handshake{}
	crowd := new(Peer)
	for _, p := range []*Peer{new(Peer), crowd, crowd, new(Peer)} {
		pl := &handshake{peer: p, conn: new(dtlsConn), cancel: func() {}, since: at}
		list = append(list, pl)
		if !s.enter(pl) {
			t.Fatal("refused")
		}
	}
	if list[0].givenUp.Load() || !list[1].givenUp.Load() || list[2].givenUp.Load() {
		t.Error("another than the older one of the two gave way")
	}
	if s.enter(&handshake{peer: new(Peer), conn: new(dtlsConn), cancel: func() {}, since: at}) {
		t.Error("a peer's only handshake gave way within its time")
	}
}

// TestWhatWasWantedBeforeTakesNoMedia: a path that the client nominated before it nominated the one in use
// again.
func TestWhatWasWantedBeforeTakesNoMedia(t *testing.T) {
	w := wired(t, Options{})
	away := newSite(t, w.e, w.c, false)
	away.send(checkOf(t, w.c))
	eventually(t, "the node asks", func() bool { return away.asked.Load() == 1 })
	n := w.e.Stats().ChecksIn
	w.home.send(checkOf(t, w.c))
	eventually(t, "the check at home", func() bool { return w.e.Stats().ChecksIn > n })
	away.answers.Store(true)
	away.send(build(t, stun.NewUsername(w.c.ufrag+":x"), w.c.key, stun.Fingerprint).Raw)
	eventually(t, "the proof", func() bool {
		w.p.mu.Lock()
		defer w.p.mu.Unlock()
		return len(w.p.ice.paths) == 2 && !w.p.ice.paths[1].proof.missing.Load()
	})
	if w.at() != w.home.conn.LocalAddr().String() {
		t.Error("media went to the older one")
	}
}

// TestMediaFromAPathThatIsGone: a packet may have been looked up before its path was removed.
func TestMediaFromAPathThatIsGone(t *testing.T) {
	w := wired(t, Options{})
	away := newSite(t, w.e, w.c, false)
	away.send(checkOf(t, w.c))
	eventually(t, "the node asks", func() bool { return away.asked.Load() == 1 })
	w.p.mu.Lock()
	pt := w.p.ice.paths[1]
	w.p.ice.remove(pt)
	w.p.ep.table.removePath(pt)
	w.p.mu.Unlock()
	w.p.noteMedia(pt, time.Now())
	if w.at() != w.home.conn.LocalAddr().String() {
		t.Error("a path that is gone carries media")
	}
}

// TestNATRebindingWithoutNomination: a client that nominates once, and knows nothing of its new port.
func TestNATRebindingWithoutNomination(t *testing.T) {
	w := wired(t, Options{})
	away := newSite(t, w.e, w.c, true)
	plain := func() { away.send(build(t, stun.NewUsername(w.c.ufrag+":x"), w.c.key, stun.Fingerprint).Raw) }
	plain()
	eventually(t, "the proof", func() bool {
		w.p.mu.Lock()
		defer w.p.mu.Unlock()
		return len(w.p.ice.paths) == 2 && !w.p.ice.paths[1].proof.missing.Load()
	})
	if w.at() != w.home.conn.LocalAddr().String() {
		t.Fatal("moved while the path in use was checked")
	}
	w.p.mu.Lock()
	w.p.ice.nominated.checked = time.Now().Add(-checkOverdue - time.Second)
	w.p.ice.paths[1].proof.since = time.Now().Add(-proofAge) // as long as that takes
	w.p.mu.Unlock()
	away.answers.Store(false)
	plain()
	eventually(t, "the node asks again", func() bool { return away.asked.Load() == 2 })
	if w.at() != w.home.conn.LocalAddr().String() {
		t.Fatal("moved without an answer")
	}
	away.answers.Store(true)
	plain()
	w.nominates(away)
	w.down(1, 20)
	eventually(t, "media at the new port", func() bool { return away.media.Load() == 20 })
}
