package transport

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"
)

// requestOf returns the check that a datagram is, or nil.
func requestOf(b []byte) *stun.Message {
	m := &stun.Message{Raw: slices.Clone(b)}
	if !plausibleSTUN(b) || m.Decode() != nil || m.Type != stun.BindingRequest {
		return nil
	}
	return m
}

// responseTo is the client's answer to a check of the node's.
func responseTo(t testing.TB, m *stun.Message, c *credential) []byte {
	t.Helper()
	r, err := stun.Build(stun.BindingSuccess, stun.NewTransactionIDSetter(m.TransactionID), c.remoteKey, stun.Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	return r.Raw
}

// site is an address from which a test sends by hand. It counts what comes, and answers the node's checks if it is told to.
type site struct {
	*stranger
	c       *credential
	answers atomic.Bool
	in, out atomic.Int64 // bytes of IP that came and were sent
	media   atomic.Int64 // datagrams of SRTP that came
	asked   atomic.Int64 // checks of the node's
	dtls    atomic.Int64 // datagrams of DTLS that came
}

func newSite(t testing.TB, e *Endpoint, c *credential, answers bool) *site {
	s := &site{stranger: newStranger(t, e), c: c}
	s.answers.Store(answers)
	go func() {
		buf := make([]byte, 2000)
		for {
			n, err := s.conn.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			s.in.Add(int64(n) + datagramOverhead)
			m := requestOf(buf[:n])
			if m != nil {
				s.asked.Add(1)
			}
			switch {
			case m != nil && s.answers.Load():
				_, _ = s.conn.Write(responseTo(t, m, c))
			case classify(buf[:n]) == classRTP:
				s.media.Add(1)
			case classify(buf[:n]) == classDTLS:
				s.dtls.Add(1)
			}
		}
	}()
	return s
}

func (s *site) send(b []byte) {
	s.t.Helper()
	s.out.Add(int64(len(b)) + datagramOverhead)
	s.stranger.send(b)
}

// wiredCall is a peer with keys that is connected to a site by hand.
type wiredCall struct {
	t    *testing.T
	e    *Endpoint
	p    *Peer
	c    *credential
	seen *witness
	home *site
	keys *srtp.Context // the client's, for sending
	seq  uint16
}

func wired(t *testing.T, o Options) *wiredCall {
	t.Helper()
	e := start(t, o)
	p, c, seen := offered(t, e)
	w := &wiredCall{t: t, e: e, p: p, c: c, seen: seen, home: newSite(t, e, c, true)}
	var open *srtp.Context
	w.keys, open = srtpPair(t)
	send, _ := srtpPair(t)
	p.rx.mu.Lock()
	p.rx.ctx, p.rx.ssrcs = open, map[uint32]*source{}
	p.rx.mu.Unlock()
	p.lane.setOut(p, send)
	p.mu.Lock()
	p.secure.keyed = true
	p.mu.Unlock()
	w.home.send(checkOf(t, c))
	w.nominates(w.home)
	w.sealed(w.home)
	eventually(t, "the first SRTP", p.rx.proven)
	wait(t, "PeerConnected", seen.connected)
	return w
}

// at returns the address of the nominated path.
func (w *wiredCall) at() string {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	if w.p.ice.nominated == nil {
		return ""
	}
	return w.p.ice.nominated.addr.String()
}

func (w *wiredCall) nominates(s *site) {
	w.t.Helper()
	eventually(w.t, "the path is nominated", func() bool { return w.at() == s.conn.LocalAddr().String() })
}

// sealed sends one packet of SRTP from a site.
func (w *wiredCall) sealed(s *site) {
	w.t.Helper()
	w.seq++
	s.send(w.packet(w.seq))
}

func (w *wiredCall) packet(seq uint16) []byte {
	w.t.Helper()
	h := rtp.Header{Version: 2, SSRC: 4711, SequenceNumber: seq, PayloadType: 96}
	b, err := w.keys.EncryptRTP(nil, append(must(h.Marshal()), make([]byte, 200)...), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// highest is the newest sequence number that has come.
func (w *wiredCall) highest() uint16 {
	w.p.rx.mu.Lock()
	defer w.p.rx.mu.Unlock()
	return w.p.rx.ssrcs[4711].seq
}

// down has the node send n packets of 1,200 bytes.
func (w *wiredCall) down(from uint16, n int) {
	for i := range n {
		w.p.SendRTP(header(from+uint16(i)), make([]byte, 1188))
	}
	w.p.writer.Flush()
}

// settled returns when all that has been sent to a site before has come.
func (s *site) settled(t testing.TB) {
	t.Helper()
	last := int64(-1)
	eventually(t, "quiet", func() bool {
		now := s.in.Load()
		same := now == last
		last = now
		time.Sleep(20 * time.Millisecond)
		return same
	})
}

// TestAnAddressThatNeverAnsweredGetsNoMedia: a client nominates an address that is not its own.
func TestAnAddressThatNeverAnsweredGetsNoMedia(t *testing.T) {
	w := wired(t, Options{})
	victim := newSite(t, w.e, w.c, false)
	for i := range 20 {
		victim.send(checkOf(t, w.c))
		w.down(uint16(20*i), 20)
		eventually(t, "media at home", func() bool { return w.home.media.Load() == int64(20*(i+1)) })
	}
	victim.settled(t)
	if in, out := victim.in.Load(), victim.out.Load(); victim.media.Load() != 0 || in > 3*out+amplificationSlack {
		t.Errorf("%d packets of media; %d bytes for %d", victim.media.Load(), in, out)
	}
	if w.at() != w.home.conn.LocalAddr().String() {
		t.Error("the session has moved")
	}
}

// TestADTLSFlightStaysInTheLimit: before anything is proven a handshake is no amplifier either, retransmissions included.
func TestADTLSFlightStaysInTheLimit(t *testing.T) {
	e := start(t, Options{})
	_, c, _ := offered(t, e)
	victim := newSite(t, e, c, false)
	victim.send(build(t, stun.NewUsername(c.ufrag+":x"), c.key, stun.Fingerprint).Raw)
	eventually(t, "the check is taken", func() bool { return e.Stats().ChecksIn == 1 })
	victim.send(realHello(t))
	eventually(t, "the flight", func() bool { return victim.dtls.Load() > 0 })
	for i := range 8 {
		victim.send(realHello(t))
		victim.send(dtlsRecord(recordHandshake, 0, helloBody(byte(i))...))
	}
	time.Sleep(1200 * time.Millisecond) // until flights are sent again
	victim.settled(t)
	if in, out := victim.in.Load(), victim.out.Load(); in > 3*out+amplificationSlack {
		t.Errorf("%d bytes for %d", in, out)
	}
}

// TestReplayedChecksMoveNothing: more checks than are remembered are played back in a circle, from elsewhere and from home.
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
	thief.settled(t)
	if thief.media.Load() != 0 || w.at() != w.home.conn.LocalAddr().String() {
		t.Errorf("%d packets went to who played checks back", thief.media.Load())
	}
	if in, out := thief.in.Load(), thief.out.Load(); in > 3*out+amplificationSlack {
		t.Errorf("%d bytes for %d", in, out)
	}
}

// TestAReplayOverTCPMovesNothing: the address of a TCP connection cannot be forged, and still it may be anybody's.
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
	w.home.settled(t)
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
	w.home.settled(t)
	if w.at() != away.conn.LocalAddr().String() {
		t.Error("moved back")
	}
}

// TestSRTPMovesOnTrial: who sends media from a new address is the client, and its address may still be forged.
func TestSRTPMovesOnTrial(t *testing.T) {
	w := wired(t, Options{})
	late := w.packet(100) // is kept back by somebody
	w.seq = 200
	before := w.highest()
	w.sealed(w.home)
	eventually(t, "the later packet", func() bool { return w.highest() > before })
	silent := newSite(t, w.e, w.c, false)
	silent.send(checkOf(t, w.c))
	silent.send(late)
	silent.settled(t)
	if w.at() != w.home.conn.LocalAddr().String() {
		t.Fatal("moved by a packet that is older than others")
	}
	w.sealed(silent)
	w.nominates(silent)
	w.down(1, 100)
	silent.settled(t)
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
}

// TestWithoutThePassword: the node cannot ask, so DTLS proves the first path and the client's own checks are its consent.
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
	time.Sleep(time.Second)
	k.undisturbed(1, 1)
	if e.Stats().ChecksOut > asked+1 {
		t.Errorf("%d checks", e.Stats().ChecksOut)
	}
}

// rebind has the client's packets leave from another port, as a NAT does that has forgotten it.
func (w *wire) rebind(t *testing.T, e *Endpoint) *net.UDPConn {
	t.Helper()
	other, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	node := net.UDPAddrFromAddrPort(e.Addr())
	inside := w.PacketConn.LocalAddr()
	go func() {
		buf := make([]byte, 2000)
		for {
			n, err := other.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = other.WriteTo(buf[:n], inside)
			}
		}
	}()
	w.nat.Store(&natted{out: other, node: node})
	return other
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

// joinByHand joins as a client that answers no checks, over DTLS alone.
func joinByHand(t *testing.T, e *Endpoint, o clientOptions) (*Peer, *witness, *dtls.Conn) {
	t.Helper()
	cert, print, err := newCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	seen := newWitness()
	p, err := e.NewPeer(PeerOptions{Inbox: newBox(), Writer: e.NewWriter(), Events: seen})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Negotiate(newClient(t, o).offerEdited(false, func(s string) string {
		return fingerprintLine.ReplaceAllString(s, "a=fingerprint:"+print)
	}), nil); err != nil {
		t.Fatal(err)
	}
	s := newStranger(t, e)
	c := p.credentialInUse()
	s.ask(build(t, stun.NewUsername(c.ufrag+":x"), useCandidate{}, c.key, stun.Fingerprint))
	d, err := dtls.ClientWithOptions(aside{s.conn}, s.conn.RemoteAddr(), dtls.WithCertificates(cert),
		dtls.WithInsecureSkipVerify(true), dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait(t, "PeerConnected", seen.connected)
	return p, seen, d
}

// TestJoinWithoutAnswersIsNotHeldUp: a client that answers no checks before its handshake has it within the limit.
func TestJoinWithoutAnswersIsNotHeldUp(t *testing.T) {
	e := start(t, Options{})
	began := time.Now()
	p, _, _ := joinByHand(t, e, clientOptions{})
	if took := time.Since(began); took > 900*time.Millisecond { // a flight that is not sent is asked for again after a second
		t.Errorf("took %v", took)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ice.nominated == nil || p.ice.nominated.proof.missing.Load() || p.ice.answers {
		t.Error("the handshake is no proof")
	}
}

// realHello is the ClientHello of somebody else.
func realHello(t testing.TB) []byte {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cert, _, err := newCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	d, err := dtls.ClientWithOptions(conn, c.LocalAddr(), dtls.WithCertificates(cert), dtls.WithInsecureSkipVerify(true),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret), dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { _ = d.HandshakeContext(ctx); close(done) }()
	defer func() { cancel(); <-done; _ = d.Close() }()
	return readPacket(t, c)
}

// helloBody is a ClientHello that anybody can make, in one handshake message.
func helloBody(random byte) []byte {
	body := append([]byte{0xfe, 0xfd}, bytes.Repeat([]byte{random}, 32)...)
	body = append(body, 0, 0, 0, 2, 0xc0, 0x2b, 1, 0)
	ext := []byte{0, 10, 0, 4, 0, 2, 0, 29, 0, 11, 0, 2, 1, 0, 0, 13, 0, 4, 0, 2, 4, 3, 0, 14, 0, 5, 0, 2, 0, 7, 0, 0, 23, 0, 0}
	body = append(binary.BigEndian.AppendUint16(body, uint16(len(ext))), ext...)
	return append(handshakePart(len(body), 0, len(body)), body...)
}

func handshakePart(size, at, n int) []byte {
	return []byte{clientHello, 0, byte(size >> 8), byte(size), 0, 0, 0, byte(at >> 8), byte(at), 0, byte(n >> 8), byte(n)}
}

// TestForgedHellos: what anybody can send before the client's own ClientHello, and after it, does not keep the client out.
func TestForgedHellos(t *testing.T) {
	first := realHello(t)
	garbage := make([]byte, 60)
	_, _ = rand.Read(garbage)
	valid := helloBody(7)
	for name, forged := range map[string][][]byte{
		"valid":    {first},
		"garbage":  {dtlsRecord(recordHandshake, 0, append(handshakePart(60, 0, 60), garbage...)...)},
		"fragment": {dtlsRecord(recordHandshake, 0, append(handshakePart(300, 0, 20), valid[handshakeHeader:handshakeHeader+20]...)...)},
		"several": {
			realHello(t), dtlsRecord(recordHandshake, 0, helloBody(2)...), realHello(t), realHello(t),
		},
	} {
		for _, when := range []string{"before", "after", "between"} {
			t.Run(name+" "+when, func(t *testing.T) {
				e := start(t, Options{})
				w := newWire(t)
				inject := func() {
					for _, b := range forged {
						w.inject(t, e, b)
					}
				}
				var n atomic.Int32
				tap := func(b []byte) {
					if when == "between" && classify(b) == classDTLS && n.Add(1) > 1 {
						inject()
					}
				}
				w.tap.Store(&tap)
				read := func(b []byte) {
					switch {
					case when == "before" && requestOf(b) != nil && n.Add(1) == 1: // the client is about to answer
						inject()
					case when == "after" && classify(b) == classDTLS:
						inject()
					}
				}
				w.read.Store(&read)
				began := time.Now()
				dial(t, e, clientOptions{setting: w.setting}).checkUp(1, 3)
				if took := time.Since(began); took > 900*time.Millisecond {
					t.Errorf("took %v", took)
				}
			})
		}
	}
}

// TestAHandshakeThatTimedOutBeginsAgain: a forged ClientHello holds nobody up for longer than it takes to end.
func TestAHandshakeThatTimedOutBeginsAgain(t *testing.T) {
	e := start(t, Options{Timers: Timers{Handshake: 100 * time.Millisecond}})
	p, pt := pathTo(t, e)
	for i := range byte(3) {
		p.takeDTLS(pt, bufferOf(dtlsRecord(recordHandshake, 0, helloBody(i)...)), time.Now())
		if n := e.Stats().Handshakes; n != 1 {
			t.Fatalf("%d handshakes at round %d", n, i)
		}
		eventually(t, "it has ended", func() bool { return e.Stats().Handshakes == 0 })
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.goneLocked() || len(p.secure.tries) != 0 {
		t.Error("the peer has ended with a handshake that anybody could begin")
	}
}

// TestTriesAreBounded: a flood of ClientHellos makes few handshakes, and after a while there is a place again.
func TestTriesAreBounded(t *testing.T) {
	e := start(t, Options{})
	p, pt := pathTo(t, e)
	at := time.Now()
	for i := range byte(50) {
		p.takeDTLS(pt, bufferOf(dtlsRecord(recordHandshake, 0, helloBody(i)...)), at)
	}
	p.mu.Lock()
	if at.Sub(p.secure.began[0]) < placeGrace-time.Second || p.secure.began[0].IsZero() || len(p.secure.tries) > maxTries {
		t.Errorf("%d tries, begun at %v", len(p.secure.tries), p.secure.began)
	}
	p.mu.Unlock()
	if n := e.Stats().Drops[DropDTLSLimited]; n < 50-maxTries {
		t.Errorf("%d refused", n)
	}
	sum := (&hello{body: helloBody(60)[handshakeHeader:]}).sum()
	p.takeDTLS(pt, bufferOf(dtlsRecord(recordHandshake, 0, helloBody(60)...)), at.Add(placeGrace))
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.secure.tries); n == 0 || n > maxTries || p.secure.tries[n-1].hello != sum {
		t.Errorf("%d tries, and the last ClientHello has none", n)
	}
}

// TestAHelloInFragments, as Chromium sends it with a post-quantum key share, is put together in any order and past forged parts.
func TestAHelloInFragments(t *testing.T) {
	body := helloBody(9)[handshakeHeader:]
	part := func(at, n int) []byte {
		return dtlsRecord(recordHandshake, 0, append(handshakePart(len(body), at, n), body[at:at+n]...)...)
	}
	e := start(t, Options{})
	p, pt := pathTo(t, e)
	forged := part(0, 40)
	forged[len(forged)-1] ^= 1
	for _, b := range [][]byte{forged, part(40, len(body)-40), part(0, 40), part(40, len(body)-40)} {
		p.takeDTLS(pt, bufferOf(b), time.Now())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	want := (&hello{body: body}).sum()
	if !slices.ContainsFunc(p.secure.tries, func(t *place) bool { return t.hello == want }) {
		t.Errorf("%d tries, none of them the client's", len(p.secure.tries))
	}
}
