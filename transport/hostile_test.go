package transport

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"
)

// stranger is a socket of somebody else, with which tests talk STUN by hand.
type stranger struct {
	t    testing.TB
	conn *net.UDPConn
}

func newStranger(t testing.TB, e *Endpoint) *stranger {
	t.Helper()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(e.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &stranger{t, c}
}

func (s *stranger) send(b []byte) {
	s.t.Helper()
	if _, err := s.conn.Write(b); err != nil {
		s.t.Fatal(err)
	}
}

// ask sends a request and returns the response to it.
func (s *stranger) ask(m *stun.Message) *stun.Message {
	s.t.Helper()
	s.send(m.Raw)
	buf := make([]byte, 1500)
	for {
		_ = s.conn.SetReadDeadline(time.Now().Add(patience))
		n, err := s.conn.Read(buf)
		if err != nil {
			s.t.Fatal(err)
		}
		r := &stun.Message{Raw: buf[:n]}
		if err := r.Decode(); err != nil {
			s.t.Fatal(err)
		}
		if r.TransactionID == m.TransactionID {
			return r
		}
	}
}

func build(t testing.TB, s ...stun.Setter) *stun.Message {
	t.Helper()
	m, err := stun.Build(append([]stun.Setter{stun.TransactionID, stun.BindingRequest}, s...)...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// offered makes a peer with credentials and no client.
func offered(t testing.TB, e *Endpoint) (*Peer, *credential, *witness) {
	t.Helper()
	seen := newWitness()
	p, err := e.NewPeer(PeerOptions{Inbox: newBox(), Writer: e.NewWriter(), Events: seen})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Negotiate(newClient(t, clientOptions{}).offer(false), nil); err != nil {
		t.Fatal(err)
	}
	return p, p.credentialInUse(), seen
}

// useCandidate is the attribute without a value.
type useCandidate struct{}

func (useCandidate) AddTo(m *stun.Message) error { m.Add(stun.AttrUseCandidate, nil); return nil }

func TestCheckResponses(t *testing.T) {
	e := start(t, Options{})
	_, c, _ := offered(t, e)
	s := newStranger(t, e)
	user, fp := stun.NewUsername(c.ufrag+":x"), stun.Fingerprint
	required, controlled := stun.RawAttribute{Type: 0x7777, Value: []byte{1, 2, 3, 4}}, stun.RawAttribute{Type: stun.AttrICEControlled, Value: make([]byte, 8)}
	for _, tc := range []struct {
		name string
		ask  []stun.Setter
		code stun.ErrorCode // 0: success
	}{
		{"good", []stun.Setter{user, c.key, fp}, 0},
		{"nomination", []stun.Setter{user, useCandidate{}, c.key, fp}, 0},
		{"no user name", []stun.Setter{c.key, fp}, stun.CodeBadRequest},
		{"no integrity", []stun.Setter{user, fp}, stun.CodeBadRequest},
		{"unknown user", []stun.Setter{stun.NewUsername("nobody:x"), c.key, fp}, stun.CodeUnauthorized},
		{"wrong password", []stun.Setter{user, stun.NewShortTermIntegrity("wrong"), fp}, stun.CodeUnauthorized},
		{"unknown attribute", []stun.Setter{user, required, c.key, fp}, stun.CodeUnknownAttribute},
		{"client controlled", []stun.Setter{user, controlled, c.key, fp}, stun.CodeRoleConflict},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := s.ask(build(t, tc.ask...))
			if err := fp.Check(r); err != nil {
				t.Errorf("fingerprint of the response: %v", err)
			}
			var got stun.ErrorCodeAttribute
			_ = got.GetFrom(r)
			if got.Code != tc.code {
				t.Fatalf("error code %d, want %d", got.Code, tc.code)
			}
			if tc.code != 0 {
				return
			}
			if err := c.key.Check(r); err != nil {
				t.Errorf("integrity of the response: %v", err)
			}
			var mapped stun.XORMappedAddress
			if err := mapped.GetFrom(r); err != nil || mapped.String() != s.conn.LocalAddr().String() {
				t.Errorf("mapped address %v (%v), want %v", mapped, err, s.conn.LocalAddr())
			}
		})
	}
}

// TestCheckWithoutFingerprint: it may not be STUN at all, so there is no answer.
func TestCheckWithoutFingerprint(t *testing.T) {
	e := start(t, Options{})
	p, c, _ := offered(t, e)
	s := newStranger(t, e)
	good := build(t, stun.NewUsername(c.ufrag+":x"), c.key, stun.Fingerprint).Raw
	wrong := slices.Clone(good)
	wrong[len(wrong)-1] ^= 1
	s.send(wrong)
	s.send(build(t, stun.NewUsername(c.ufrag+":x"), c.key).Raw)
	eventually(t, "both are counted", func() bool { return e.Stats().Drops[DropSTUNMalformed] == 2 })
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ice.paths) != 0 || e.Stats().ChecksIn != 0 {
		t.Error("a check without FINGERPRINT was accepted")
	}
}

// TestAttributeAfterIntegrity: what stands behind MESSAGE-INTEGRITY is not protected by it, so it must not
// nominate.
func TestAttributeAfterIntegrity(t *testing.T) {
	e := start(t, Options{})
	p, c, _ := offered(t, e)
	s := newStranger(t, e)
	s.ask(build(t, stun.NewUsername(c.ufrag+":x"), c.key, useCandidate{}, stun.Fingerprint))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ice.nominated != nil {
		t.Error("an unprotected USE-CANDIDATE has nominated")
	}
	if len(p.ice.paths) != 1 {
		t.Errorf("%d paths", len(p.ice.paths))
	}
}

// TestErrorResponsesAreLimited: a flood of bad checks is not reflected.
func TestErrorResponsesAreLimited(t *testing.T) {
	e := start(t, Options{Sockets: 1})
	s := newStranger(t, e)
	m := build(t, stun.NewUsername("nobody:x"), stun.NewShortTermIntegrity("x"), stun.Fingerprint)
	for range 5 * errorBurst {
		s.send(m.Raw)
	}
	eventually(t, "responses are held back", func() bool { return e.Stats().Drops[DropSTUNLimited] > errorBurst })
}

// TestAddressIsNotTakenOver: a valid check of one peer from the (forged) address of another live one changes
// nothing.
func TestAddressIsNotTakenOver(t *testing.T) {
	e := start(t, Options{})
	w := newWire(t)
	k := dial(t, e, clientOptions{setting: w.setting})
	k.checkUp(1, 3)
	_, c, _ := offered(t, e)
	w.inject(t, e, build(t, stun.NewUsername(c.ufrag+":x"), useCandidate{}, c.key, stun.Fingerprint).Raw)
	eventually(t, "the check is refused", func() bool { return e.Stats().Drops[DropSTUNAddressTaken] == 1 })
	k.checkUp(4, 3)
	k.checkDown(1, 3)
}

// tapped is a call over a wire that has recorded what the client sends.
func tapped(t *testing.T, e *Endpoint) (k *call, w *wire, of func(class) [][]byte) {
	t.Helper()
	w = newWire(t)
	var mu sync.Mutex
	var sent [][]byte
	tap := func(b []byte) {
		mu.Lock()
		sent = append(sent, slices.Clone(b))
		mu.Unlock()
	}
	w.tap.Store(&tap)
	k = dial(t, e, clientOptions{setting: w.setting})
	k.checkUp(1, 5)
	k.checkDown(1, 5)
	k.checkRTCP()
	return k, w, func(c class) (list [][]byte) {
		mu.Lock()
		defer mu.Unlock()
		for _, b := range sent {
			if classify(b) == c {
				list = append(list, b)
			}
		}
		return list
	}
}

// mutations are truncated and altered forms of a packet.
func mutations(b []byte) (list [][]byte) {
	for n := 0; n < len(b); n += 1 + len(b)/40 {
		list = append(list, slices.Clone(b[:n]))
	}
	for range 100 {
		m := slices.Clone(b)
		m[rand.IntN(len(m))] ^= byte(1 + rand.IntN(255))
		list = append(list, m)
	}
	return append(list, append(slices.Clone(b), 0, 0, 0, 0))
}

// undisturbed checks that a call still works and nobody was told anything.
func (k *call) undisturbed(up, down uint16) {
	k.t.Helper()
	k.checkUp(up, 5)
	k.checkDown(down, 5)
	if len(k.seen.lost)+len(k.seen.connected) > 0 {
		k.t.Error("the session was disturbed")
	}
	if s := k.pc.ConnectionState(); s != webrtc.PeerConnectionStateConnected {
		k.t.Errorf("the client is %v", s)
	}
}

// TestForgedPackets sends rubbish from the client's own address, from where it is hardest to tell apart.
func TestForgedPackets(t *testing.T) {
	e := start(t, Options{})
	k, w, of := tapped(t, e)
	t.Run("STUN", func(t *testing.T) {
		checks := of(classSTUN)
		for _, m := range mutations(checks[len(checks)-1]) {
			w.inject(t, e, m)
		}
		k.undisturbed(100, 100)
	})
	t.Run("SRTP", func(t *testing.T) {
		future := slices.Clone(of(classRTP)[0])
		future[2] ^= 0x40 // a sequence number not seen, so that not all are taken for replays
		for _, m := range append(mutations(future), mutations(of(classRTCP)[0])...) {
			w.inject(t, e, m)
		}
		eventually(t, "authentication failures are counted", func() bool { return e.Stats().Drops[DropAuthFailed] > 50 })
		k.undisturbed(200, 200)
	})
	t.Run("DTLS", func(t *testing.T) {
		record := func(kind byte, epoch uint16, body ...byte) []byte {
			b := make([]byte, recordHeader, recordHeader+len(body))
			b[0], b[1], b[2] = kind, 0xfe, 0xfd
			binary.BigEndian.PutUint16(b[3:], epoch)
			b[10] = 200
			binary.BigEndian.PutUint16(b[11:], uint16(len(body)))
			return append(b, body...)
		}
		forged := [][]byte{
			record(recordAlert, 0, 2, 40), record(recordAlert, 0, 1, 0), record(recordAlert, 1, 2, 40),
			record(recordApplicationData, 0, 1, 2, 3), record(recordApplicationData, 1, make([]byte, 40)...),
			record(recordChangeCipherSpec, 0, 2), record(recordChangeCipherSpec, 0, 1), record(24, 0, 1), record(63, 1, 1, 2),
			record(recordHandshake, 0, make([]byte, 30)...), record(recordHandshake, 7, 1),
		}
		for _, b := range of(classDTLS) {
			forged = append(forged, b) // played back
			forged = append(forged, mutations(b)...)
		}
		for _, b := range forged {
			w.inject(t, e, b)
		}
		eventually(t, "filtered records are counted", func() bool { return e.Stats().Drops[DropDTLSFiltered] > 50 })
		k.undisturbed(300, 300)
	})
}

// TestReplays plays back what a client has sent, from its own address and from another one.
func TestReplays(t *testing.T) {
	e := start(t, Options{})
	k, w, of := tapped(t, e)
	media := append(of(classRTP), of(classRTCP)...)
	before := k.nominated()
	for _, b := range media {
		w.inject(t, e, b)
	}
	eventually(t, "replays are counted", func() bool { return e.Stats().Drops[DropReplayed] >= uint64(len(media)) })
	select {
	case <-k.box.rtp:
		t.Error("a replayed packet was delivered")
	default:
	}
	s := newStranger(t, e)
	for _, list := range [][][]byte{of(classSTUN), of(classDTLS), media} {
		for _, b := range list {
			s.send(b)
		}
	}
	eventually(t, "replayed checks are counted", func() bool { return e.Stats().Drops[DropSTUNReplayed] > 0 })
	eventually(t, "media from elsewhere is counted", func() bool {
		return e.Stats().Drops[DropUnknownAddress] >= uint64(len(media)+len(of(classDTLS)))
	})
	if k.nominated() != before {
		t.Error("a replayed check has moved the session")
	}
	k.undisturbed(50, 50)
}

// TestFailedChecksDoNotDisturb names a running session with wrong passwords, from elsewhere.
func TestFailedChecksDoNotDisturb(t *testing.T) {
	e := start(t, Options{})
	k := dial(t, e, clientOptions{})
	k.checkUp(1, 3)
	k.checkDown(1, 3)
	s := newStranger(t, e)
	user := stun.NewUsername(k.peer.credentialInUse().ufrag + ":x")
	for range 300 {
		s.send(build(t, user, useCandidate{}, stun.NewShortTermIntegrity("guess"), stun.Fingerprint).Raw)
	}
	eventually(t, "they are counted", func() bool { return e.Stats().Drops[DropSTUNUnauthorized] >= 300 })
	k.undisturbed(10, 10)
}

// TestFloodFromStrangers: rubbish leaves nothing behind.
func TestFloodFromStrangers(t *testing.T) {
	e := start(t, Options{})
	k := dial(t, e, clientOptions{})
	k.checkUp(1, 3)
	k.checkDown(1, 3)
	s := newStranger(t, e)
	before := e.Stats()
	for i := range 2000 {
		b := make([]byte, rand.IntN(1600))
		for j := range b {
			b[j] = byte(rand.Uint32())
		}
		if len(b) > 0 {
			b[0] = []byte{0, 1, 22, 23, 80, 128, 144, 200}[i%8]
		}
		s.send(b)
	}
	eventually(t, "the flood was read", func() bool { return e.Stats().PacketsIn >= before.PacketsIn+1500 })
	k.undisturbed(10, 10)
	e.table.mu.RLock()
	defer e.table.mu.RUnlock()
	if len(e.table.peers) != 1 || len(e.table.byUFrag) != 1 || len(e.table.byFlow) != 1 {
		t.Errorf("left behind: %d peers, %d credentials, %d addresses", len(e.table.peers), len(e.table.byUFrag), len(e.table.byFlow))
	}
	if len(k.seen.lost) > 0 || e.Stats().Handshakes != 0 {
		t.Error("the flood had an effect")
	}
}

// TestPathLimit: a client that checks from many addresses does not hold more than maxPaths.
func TestPathLimit(t *testing.T) {
	e := start(t, Options{})
	p, c, _ := offered(t, e)
	for range 2 * maxPaths {
		newStranger(t, e).ask(build(t, stun.NewUsername(c.ufrag+":x"), c.key, stun.Fingerprint))
	}
	p.mu.Lock()
	n := len(p.ice.paths)
	p.mu.Unlock()
	e.table.mu.RLock()
	defer e.table.mu.RUnlock()
	if n != maxPaths || len(e.table.byFlow) != maxPaths {
		t.Errorf("%d paths, %d addresses", n, len(e.table.byFlow))
	}
}

// TestSSRCLimit: an authenticated client cannot make the node hold endless replay windows.
func TestSSRCLimit(t *testing.T) {
	e := start(t, Options{Limits: Limits{SSRCs: 8}})
	send, recv := srtpPair(t)
	p, _ := wiredPeer(t, e, netip.MustParseAddrPort("127.0.0.1:9"))
	p.rx.ctx, p.rx.ssrcs = recv, map[uint32]*source{}
	var s openScratch
	for i := range uint32(20) {
		h := rtp.Header{Version: 2, SSRC: 100 + i, SequenceNumber: 1}
		b, err := send.EncryptRTP(nil, append(must(h.Marshal()), 1, 2, 3), nil)
		if err != nil {
			t.Fatal(err)
		}
		p.rx.mu.Lock()
		_, reason, ok := p.rx.openLocked(b, false, &s, e.o.Limits.SSRCs)
		p.rx.mu.Unlock()
		if want := i < 8; ok != want || !ok && reason != DropSSRCLimit {
			t.Errorf("SSRC %d: opened %v, %v", i, ok, reason)
		}
	}
}

// checkOf builds a nominating check for a credential.
func checkOf(t testing.TB, c *credential) []byte {
	t.Helper()
	return build(t, stun.NewUsername(c.ufrag+":x"), useCandidate{}, c.key, stun.Fingerprint).Raw
}
