package transport

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"
)

// TestAnAddressThatNeverAnsweredGetsNoMedia: a client nominates an address that is not its own.
func TestAnAddressThatNeverAnsweredGetsNoMedia(t *testing.T) {
	w := wired(t, Options{})
	victim := newSite(t, w.e, w.c, false)
	for i := range 20 {
		victim.send(checkOf(t, w.c))
		w.down(uint16(20*i), 20)
		eventually(t, "media at home", func() bool { return w.home.media.Load() == int64(20*(i+1)) })
	}
	victim.catchUp(t)
	if in, out := victim.in.Load(), victim.out.Load(); victim.media.Load() != 0 || in > 3*out+amplificationSlack {
		t.Errorf("%d packets of media; %d bytes for %d", victim.media.Load(), in, out)
	}
	if w.at() != w.home.conn.LocalAddr().String() {
		t.Error("the session has moved")
	}
}

// TestADTLSFlightStaysInTheLimit: before anything is proven a handshake is no amplifier either,
// retransmissions included.
func TestADTLSFlightStaysInTheLimit(t *testing.T) {
	e := start(t, Options{})
	_, c, _ := offered(t, e)
	victim := newSite(t, e, c, false)
	victim.send(build(t, stun.NewUsername(c.ufrag+":x"), c.key, stun.Fingerprint).Raw)
	eventually(t, "the check is taken", func() bool { return e.Stats().ChecksIn == 1 })
	victim.send(realHello(t))
	eventually(t, "the flight", func() bool { return victim.dtls.Load() > 0 })
	within := func(of string) {
		victim.catchUp(t)
		if in, out := victim.in.Load(), victim.out.Load(); in > 3*out+amplificationSlack {
			t.Errorf("after %s: %d bytes for %d", of, in, out)
		}
	}
	time.Sleep(1200 * time.Millisecond) // until it is sent again
	within("one ClientHello")
	for i := range 8 {
		victim.send(realHello(t))
		victim.send(dtlsRecord(recordHandshake, 0, helloBody(byte(i))...))
	}
	within("many")
}

// TestReplayedChecksMoveNothing: more checks than are remembered are played back in a circle, from elsewhere
// and from home.
func TestReplayedChecksMoveNothing(t *testing.T) {
	w := wired(t, Options{})
	var heard [][]byte
	for range seenChecks + 1 {
		b := checkOf(t, w.c)
		heard = append(heard, b)
		w.home.send(b)
	}
	eventually(t, "they are taken", func() bool { return w.e.Stats().ChecksIn >= seenChecks+2 })
	thief := newSite(t, w.e, w.c, false)
	for range 3 {
		for i, b := range heard {
			thief.send(b)
			if i%50 == 0 {
				w.down(uint16(i), 1)
			}
		}
	}
	eventually(t, "they have come", func() bool { return w.e.Stats().ChecksIn >= 3*seenChecks })
	thief.catchUp(t)
	if thief.media.Load() != 0 || w.at() != w.home.conn.LocalAddr().String() {
		t.Errorf("%d packets went to who played checks back", thief.media.Load())
	}
	if in, out := thief.in.Load(), thief.out.Load(); in > 3*out+amplificationSlack {
		t.Errorf("%d bytes for %d", in, out)
	}
}

// TestAReplayOverTCPMovesNothing: the address of a TCP connection cannot be forged, and still it may be
// anybody's.
func TestAReplayOverTCPMovesNothing(t *testing.T) {
	w := wired(t, Options{})
	c := dialTCP(t, w.e)
	if _, err := c.Write(frame(checkOf(t, w.c))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the check is taken", func() bool { return w.e.Stats().ChecksIn == 2 })
	w.down(1, 20)
	eventually(t, "media at home", func() bool { return w.home.media.Load() == 20 })
}

// TestReplayedChecksAreNoConsent: they neither keep a client alive that is gone, nor bring it back.
func TestReplayedChecksAreNoConsent(t *testing.T) {
	w := wired(t, Options{Timers: Timers{Consent: 600 * time.Millisecond}})
	w.home.answers.Store(false)
	for end := time.Now().Add(patience); len(w.seen.lost) == 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		w.home.send(checkOf(t, w.c)) // as one that has been forgotten
	}
	if err := wait(t, "PeerLost", w.seen.lost); !errors.Is(err, ErrConsent) {
		t.Fatalf("lost by %v", err)
	}
	for range 10 {
		w.home.send(checkOf(t, w.c))
	}
	w.home.catchUp(t)
	if len(w.seen.connected) > 0 {
		t.Error("a check that may be an old one has brought back who was gone")
	}
	w.home.answers.Store(true)
	w.home.send(checkOf(t, w.c))
	wait(t, "PeerConnected again", w.seen.connected)
}

// TestConsentByAnswersAlone: who answers the node's checks is there, also without checks of its own.
func TestConsentByAnswersAlone(t *testing.T) {
	w := wired(t, Options{Timers: Timers{Consent: 300 * time.Millisecond}})
	time.Sleep(900 * time.Millisecond)
	if len(w.seen.lost) > 0 || w.home.asked.Load() < 4 {
		t.Errorf("lost; %d checks", w.home.asked.Load())
	}
}

// TestAMoveTakesOneRoundTrip: one nominating check from a new address, its answer, and media goes there.
func TestAMoveTakesOneRoundTrip(t *testing.T) {
	w := wired(t, Options{})
	away := newSite(t, w.e, w.c, true)
	away.send(checkOf(t, w.c))
	w.nominates(away)
	if n := away.asked.Load(); n != 1 {
		t.Errorf("%d checks of the node's", n)
	}
	w.down(1, 50)
	eventually(t, "media at the new address", func() bool { return away.media.Load() == 50 })
	home := w.home.media.Load()
	w.home.send(checkOf(t, w.c)) // and back, which takes a proof, too
	w.nominates(w.home)
	w.down(100, 50)
	eventually(t, "media at the old address", func() bool { return w.home.media.Load() == home+50 })
}

// TestAPathThatWasLeftCountsAgainWhenItAnswers: nobody is sent back to an address by an old check.
func TestAPathThatWasLeftCountsAgainWhenItAnswers(t *testing.T) {
	w := wired(t, Options{})
	away := newSite(t, w.e, w.c, true)
	away.send(checkOf(t, w.c))
	w.nominates(away)
	w.home.answers.Store(false)
	for range 5 {
		w.home.send(checkOf(t, w.c))
	}
	w.home.catchUp(t)
	if w.at() != away.conn.LocalAddr().String() {
		t.Error("moved back")
	}
}

// TestSRTPMovesOnTrial: whoever sends media from a new address is the client, and its address may still be
// forged.
func TestSRTPMovesOnTrial(t *testing.T) {
	w := wired(t, Options{})
	late := w.packet(170) // is kept back by somebody, and within the replay window of 200
	w.seq = 200
	before := w.highest()
	w.sealed(w.home)
	eventually(t, "the later packet", func() bool { return w.highest() > before })
	silent := newSite(t, w.e, w.c, false)
	silent.send(checkOf(t, w.c))
	silent.send(late)
	silent.catchUp(t)
	if w.at() != w.home.conn.LocalAddr().String() {
		t.Fatal("moved by a packet that is older than others")
	}
	w.sealed(silent)
	w.nominates(silent)
	w.down(1, 100)
	silent.catchUp(t)
	if in, out := silent.in.Load(), silent.out.Load(); in > 3*out+amplificationSlack || silent.media.Load() > 1 {
		t.Errorf("%d bytes for %d, %d packets of media", in, out, silent.media.Load())
	}
	if w.e.Stats().Drops[DropPathUnproven] < 99 {
		t.Errorf("%d packets held back", w.e.Stats().Drops[DropPathUnproven])
	}
	w.sealed(w.home) // the client is still where it was
	w.nominates(w.home)
	w.down(200, 10)
	eventually(t, "media at home", func() bool { return w.home.media.Load() >= 10 })
}

// TestOnTrialUntilItAnswers: an answer lifts the limit.
func TestOnTrialUntilItAnswers(t *testing.T) {
	w := wired(t, Options{})
	away := newSite(t, w.e, w.c, false)
	away.send(checkOf(t, w.c))
	w.sealed(away)
	w.nominates(away)
	away.answers.Store(true)
	away.send(checkOf(t, w.c))
	eventually(t, "the proof", func() bool {
		w.p.mu.Lock()
		defer w.p.mu.Unlock()
		return !w.p.ice.nominated.proof.missing.Load()
	})
	w.down(1, 50)
	eventually(t, "media at the new address", func() bool { return away.media.Load() == 50 })
}

// TestAnswersAreNotForged: only the node's own transaction with the client's password counts, and once.
func TestAnswersAreNotForged(t *testing.T) {
	w := wired(t, Options{})
	away := newSite(t, w.e, w.c, false)
	before := w.e.Stats().Drops[DropSTUNUnasked]
	away.send(checkOf(t, w.c))
	eventually(t, "the node asks", func() bool { return away.asked.Load() == 1 })
	w.p.mu.Lock()
	pt := w.p.ice.paths[len(w.p.ice.paths)-1]
	id := pt.proof.asked
	w.p.mu.Unlock()
	for _, s := range [][]stun.Setter{
		{stun.TransactionID, w.c.remoteKey}, {stun.NewTransactionIDSetter(id), stun.NewShortTermIntegrity("guess")},
		{stun.NewTransactionIDSetter(id), w.c.key}, {stun.NewTransactionIDSetter(id)},
	} {
		away.send(must(stun.Build(append(append([]stun.Setter{stun.BindingSuccess}, s...), stun.Fingerprint)...)).Raw)
	}
	good := must(stun.Build(stun.BindingSuccess, stun.NewTransactionIDSetter(id), w.c.remoteKey, stun.Fingerprint)).Raw
	newSite(t, w.e, w.c, false).send(good) // from elsewhere
	w.home.send(good)
	eventually(t, "they are counted", func() bool { return w.e.Stats().Drops[DropSTUNUnasked] == before+6 })
	if w.at() != w.home.conn.LocalAddr().String() {
		t.Error("moved by a forged answer")
	}
	away.send(good)
	w.nominates(away)
	away.send(good)
	eventually(t, "the second time it is none", func() bool { return w.e.Stats().Drops[DropSTUNUnasked] == before+7 })
}

// TestWithoutThePassword: the node cannot ask, so DTLS proves the first path and the client's own checks are
// its consent.
func TestWithoutThePassword(t *testing.T) {
	e := start(t, Options{Timers: Timers{Consent: 500 * time.Millisecond}})
	k := dialNoWait(t, e, clientOptions{setting: func(se *webrtc.SettingEngine) {
		se.SetICETimeouts(time.Minute, 2*time.Minute, 50*time.Millisecond)
	}})
	k.peer.mu.Lock()
	for _, c := range k.peer.ice.creds {
		c.remoteKey = nil
	}
	asked := e.Stats().ChecksOut
	k.peer.mu.Unlock()
	k.waitConnected()
	if k.nominated().proof.missing.Load() {
		t.Error("the handshake is no proof")
	}
	time.Sleep(time.Second)
	k.undisturbed(1, 1)
	if e.Stats().ChecksOut > asked+1 {
		t.Errorf("%d checks", e.Stats().ChecksOut)
	}
}

// TestNATRebinding: a PeerConnection that knows nothing of its new address goes on there.
func TestNATRebinding(t *testing.T) {
	e := start(t, Options{})
	w := newWire(t)
	k := dial(t, e, clientOptions{setting: func(se *webrtc.SettingEngine) {
		w.setting(se)
		se.SetICETimeouts(time.Minute, 2*time.Minute, 100*time.Millisecond)
	}})
	k.checkUp(1, 3)
	k.checkDown(1, 3)
	// pion nominates once, so a browser's next nominating check comes by hand, from the new port.
	other := w.rebind(t, e)
	c := k.peer.credentialInUse()
	if _, err := other.WriteTo(build(t, stun.NewUsername(c.ufrag+":"+c.remoteUFrag), useCandidate{}, c.key, stun.Fingerprint).Raw,
		net.UDPAddrFromAddrPort(e.Addr())); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new port is nominated", func() bool { return k.nominated().addr == addrFrom(addrOf(other)) })
	k.undisturbed(50, 50)
}
