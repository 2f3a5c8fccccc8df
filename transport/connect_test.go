package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/webrtc/v4"

	"parlor/transport/negotiate"
)

func tcp4(se *webrtc.SettingEngine) { se.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4}) }

// udp6 brings the socket along, because pion gathers no ::1 by itself.
func udp6(se *webrtc.SettingEngine) {
	se.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP6})
	c, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
	if err != nil {
		panic(err)
	}
	se.SetICEUDPMux(webrtc.NewICEUDPMux(nil, c))
}

// TestNetworks connects over each address family and transport, on each kind of listening address.
func TestNetworks(t *testing.T) {
	loop4, loop6 := []netip.Addr{netip.MustParseAddr("127.0.0.1")}, []netip.Addr{netip.MustParseAddr("::1")}
	second := []netip.Addr{netip.MustParseAddr("127.0.0.2")} // the kernel would answer from the first one
	for _, c := range []struct {
		name, listen string
		external     []netip.Addr
		setting      func(*webrtc.SettingEngine)
	}{
		{"udp4", "127.0.0.1:0", nil, nil},
		{"udp4 on any", "0.0.0.0:0", loop4, nil},
		{"udp4 on dual", "[::]:0", loop4, nil},
		{"udp4 on any, not the first address", "0.0.0.0:0", second, nil},
		{"udp4 on dual, not the first address", "[::]:0", second, nil},
		{"udp6", "[::1]:0", nil, udp6},
		{"udp6 on dual", "[::]:0", loop6, udp6},
		{"tcp4", "127.0.0.1:0", nil, tcp4},
		{"tcp4 on dual", "[::]:0", loop4, tcp4},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := start(t, Options{Listen: netip.MustParseAddrPort(c.listen), ExternalIPs: c.external})
			k := dial(t, e, clientOptions{setting: c.setting})
			k.checkUp(10, 5)
			k.checkDown(10, 70)
			k.checkRTCP()
			if got, want := e.Stats().TCPConns > 0, strings.HasPrefix(c.name, "tcp"); got != want {
				t.Errorf("over TCP: %v, want %v", got, want)
			}
		})
	}
}

func TestSRTPProfiles(t *testing.T) {
	all := []dtls.SRTPProtectionProfile{
		dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AEAD_AES_128_GCM,
	}
	for _, c := range []struct {
		name   string
		offer  []dtls.SRTPProtectionProfile
		chosen dtls.SRTPProtectionProfile
	}{
		{"GCM-128 is preferred", all, dtls.SRTP_AEAD_AES_128_GCM},
		{"GCM-256", all[1:2], dtls.SRTP_AEAD_AES_256_GCM},
		{"AES-CM", all[:1], dtls.SRTP_AES128_CM_HMAC_SHA1_80},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := dial(t, start(t, Options{}), clientOptions{setting: func(se *webrtc.SettingEngine) {
				se.SetSRTPProtectionProfiles(c.offer...)
			}})
			if got, _ := k.peer.dtlsNow().SelectedSRTPProtectionProfile(); got != c.chosen {
				t.Errorf("profile %v, want %v", got, c.chosen)
			}
			k.checkUp(65530, 10)
			k.checkDown(65500, 80) // across the rollover
			k.checkRTCP()
		})
	}
}

// dialEdited connects with an offer that is changed on its way to the node.
func dialEdited(t *testing.T, e *Endpoint, edit func(string) string) *call {
	t.Helper()
	k := &call{client: newClient(t, clientOptions{}), writer: e.NewWriter(), box: newBox(), seen: newWitness()}
	var err error
	if k.peer, err = e.NewPeer(PeerOptions{Inbox: k.box, Writer: k.writer, Events: k.seen}); err != nil {
		t.Fatal(err)
	}
	answer, sections, err := k.peer.Negotiate(k.offerEdited(false, edit), nil)
	if err != nil {
		t.Fatal(err)
	}
	k.sections = sections
	k.accept(answer)
	return k
}

// passiveOffer makes the node the DTLS client.
func passiveOffer(s string) string {
	return strings.ReplaceAll(s, "a=setup:actpass", "a=setup:passive")
}

// TestDTLSClientRole: the client insists on being the DTLS server.
func TestDTLSClientRole(t *testing.T) {
	k := dialEdited(t, start(t, Options{}), passiveOffer)
	k.waitConnected()
	k.peer.mu.Lock()
	client := k.peer.secure.client
	k.peer.mu.Unlock()
	if !client {
		t.Error("the node is not the DTLS client")
	}
	k.checkUp(1, 5)
	k.checkDown(1, 20)
}

func TestWrongFingerprintIsRefused(t *testing.T) {
	e := start(t, Options{})
	k := dialEdited(t, e, func(s string) string {
		i := strings.Index(s, "a=fingerprint:sha-256 ") + len("a=fingerprint:sha-256 ")
		wrong := "00"
		if s[i:i+2] == wrong {
			wrong = "01"
		}
		return strings.ReplaceAll(s, s[i:i+95], wrong+s[i+2:i+95])
	})
	if err := wait(t, "PeerLost", k.seen.lost); !errors.Is(err, ErrFingerprint) {
		t.Errorf("lost by %v, want %v", err, ErrFingerprint)
	}
	if len(k.seen.connected) > 0 {
		t.Error("told connected")
	}
	if _, _, err := k.peer.Negotiate(newClient(t, clientOptions{}).offer(false), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Negotiate after the loss: %v", err)
	}
}

func TestFingerprints(t *testing.T) {
	_, stated, err := newCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, own, err := newCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	der := cert.Certificate[0]
	fp := func(algo, v string) negotiate.Fingerprint { return negotiate.Fingerprint{Algo: algo, Value: v} }
	right, wrong := strings.TrimPrefix(own, "sha-256 "), strings.TrimPrefix(stated, "sha-256 ")
	right512 := fingerprintOf(fingerprintHashes[0].hash, der)
	for _, c := range []struct {
		name string
		list []negotiate.Fingerprint
		ok   bool
	}{
		{"right", []negotiate.Fingerprint{fp("sha-256", right)}, true},
		{"lower case", []negotiate.Fingerprint{fp("SHA-256", strings.ToLower(right))}, true},
		{"wrong", []negotiate.Fingerprint{fp("sha-256", wrong)}, false},
		{"one of two", []negotiate.Fingerprint{fp("sha-256", wrong), fp("sha-256", right)}, true},
		{"sha-512", []negotiate.Fingerprint{fp("sha-512", right512)}, true},
		{"the stronger one counts", []negotiate.Fingerprint{fp("sha-256", right), fp("sha-512", wrong)}, false},
		{"only unknown", []negotiate.Fingerprint{fp("sha-1", right)}, false},
		{"none", nil, false},
	} {
		if err := verifyFingerprint(der, c.list); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestICERestart: new credentials and a new port, under running media; DTLS and SRTP go on.
func TestICERestart(t *testing.T) {
	e := start(t, Options{})
	k := dial(t, e, clientOptions{})
	k.checkUp(1, 5)
	k.checkDown(1, 10)
	before, conn := k.nominated(), k.peer.dtlsNow()
	k.negotiate(true)
	eventually(t, "another address is nominated", func() bool { pt := k.nominated(); return pt != nil && pt != before })
	k.checkUp(6, 5)
	k.checkDown(11, 10)
	if k.peer.dtlsNow() != conn {
		t.Error("DTLS began anew")
	}
	if n := len(k.seen.connected) + len(k.seen.lost); n > 0 {
		t.Errorf("%d events by a restart", n)
	}
	eventually(t, "the old credentials are gone", func() bool {
		e.table.mu.RLock()
		defer e.table.mu.RUnlock()
		return len(e.table.byUFrag) == 1
	})
}

// TestICERestartByFragment is the restart of WHIP and WHEP.
func TestICERestartByFragment(t *testing.T) {
	k := dial(t, start(t, Options{}), clientOptions{})
	k.checkUp(1, 2)
	before := k.nominated()
	offer := k.offer(true)
	ufrag, pwd := offer.ICE()
	text, err := k.peer.RestartICE(ufrag, pwd)
	if err != nil {
		t.Fatal(err)
	}
	again, err := k.peer.RestartICE(ufrag, pwd)
	if err != nil || again != text {
		t.Errorf("asked again with the same credentials: %v, %q and %q", err, text, again)
	}
	f, err := negotiate.ParseFragment(text)
	if err != nil {
		t.Fatal(err)
	}
	answer, _, err := k.peer.Negotiate(offer, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(answer, "a=ice-ufrag:"+f.UFrag) {
		t.Error("the fragment and the answer to the same restart differ")
	}
	k.accept(answer)
	eventually(t, "another address is nominated", func() bool { pt := k.nominated(); return pt != nil && pt != before })
	k.checkUp(3, 5)
}

func (k *call) nominated() *path {
	k.peer.mu.Lock()
	defer k.peer.mu.Unlock()
	return k.peer.ice.nominated
}

// TestReoffer: the answer's version rises, SSRCs and credentials stay.
func TestReoffer(t *testing.T) {
	k := dial(t, start(t, Options{}), clientOptions{})
	before := k.seat().SSRC
	if _, err := k.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{
		Direction: webrtc.RTPTransceiverDirectionRecvonly,
	}); err != nil {
		t.Fatal(err)
	}
	k.negotiate(false)
	if len(k.sections) != 3 || k.seat().SSRC != before || k.sections[2].SSRC == before {
		t.Errorf("sections after the re-offer: %+v", k.sections)
	}
	k.checkUp(1, 5)
	k.checkDown(1, 5)
	other := newClient(t, clientOptions{})
	if _, _, err := k.peer.Negotiate(other.offer(false), nil); !errors.Is(err, ErrOtherClient) {
		t.Errorf("offer of another PeerConnection: %v", err)
	}
	k.checkUp(6, 5)
}

// TestConsent: a client that falls silent is lost in time, nothing is sent to it, and it can come back.
func TestConsent(t *testing.T) {
	e := start(t, Options{Timers: Timers{Consent: 700 * time.Millisecond}})
	w := newWire(t)
	k := dial(t, e, clientOptions{setting: func(se *webrtc.SettingEngine) {
		w.setting(se)
		se.SetICETimeouts(time.Minute, 2*time.Minute, 50*time.Millisecond) // the client does not give up
	}})
	k.checkUp(1, 5)
	k.checkDown(1, 5)
	w.cut.Store(true)
	if err := wait(t, "PeerLost", k.seen.lost); !errors.Is(err, ErrConsent) {
		t.Fatalf("lost by %v", err)
	}
	dropped := e.Stats().Drops[DropNotConnected]
	k.sendDown(6, 10)
	if got := e.Stats().Drops[DropNotConnected] - dropped; got != 10 {
		t.Errorf("%d of 10 packets dropped after the loss", got)
	}
	w.cut.Store(false)
	wait(t, "PeerConnected again", k.seen.connected)
	k.checkUp(6, 5)
	k.checkDown(16, 5)
}

// TestNoDTLSWithoutConsent: what SCTP wants to send to a client that has fallen silent is not sent, nor is a
// close_notify.
func TestNoDTLSWithoutConsent(t *testing.T) {
	e := start(t, Options{Timers: Timers{Consent: 700 * time.Millisecond}})
	var channel *webrtc.DataChannel
	w := newWire(t)
	k := dial(t, e, clientOptions{data: true, channel: &channel, setting: func(se *webrtc.SettingEngine) {
		w.setting(se)
		se.SetICETimeouts(time.Minute, 2*time.Minute, 50*time.Millisecond)
	}})
	eventually(t, "the channel is open", func() bool { return k.peer.SendMessage("chat", []byte("x"), true) == nil })
	to := k.nominated()
	w.cut.Store(true)
	if err := wait(t, "PeerLost", k.seen.lost); !errors.Is(err, ErrConsent) {
		t.Fatalf("lost by %v", err)
	}
	var after atomic.Int32
	reached, marker := make(chan struct{}), []byte{80, 'm', 'a', 'r', 'k'}
	read := func(b []byte) {
		switch {
		case string(b) == string(marker):
			close(reached)
		case classify(b) == classDTLS:
			after.Add(1)
		}
	}
	w.read.Store(&read)
	if err := k.peer.SendMessage("chat", []byte("into the void"), true); !errors.Is(err, ErrNotConnected) {
		t.Fatal(err)
	}
	// This is for SCTP, which sends when it likes.
	if _, err := k.peer.dtlsNow().Write([]byte("something")); err != nil {
		t.Fatal(err)
	}
	if err := k.peer.Close(); err != nil {
		t.Fatal(err)
	}
	// Datagrams of one sender stay in order.
	if err := to.send(marker); err != nil {
		t.Fatal(err)
	}
	wait(t, "the marker", reached)
	if n := after.Load(); n > 0 {
		t.Errorf("%d datagrams of DTLS without consent", n)
	}
}

// TestASecondCloseWaits for the first one: who calls it relies on what Close promises too.
func TestASecondCloseWaits(t *testing.T) {
	e := start(t, Options{Sockets: 1})
	p, _, _ := offered(t, e)
	pass := &e.readers[0].in.pass
	pass.Lock() // a delivery is under way, for which Close has to wait
	first, second := make(chan struct{}), make(chan struct{})
	go func() { _ = p.Close(); close(first) }()
	eventually(t, "the first Close has begun", p.closed.Load)
	go func() { _ = p.Close(); close(second) }()
	select {
	case <-second:
		t.Error("the second Close did not wait")
	case <-time.After(100 * time.Millisecond):
	}
	pass.Unlock()
	wait(t, "the first Close", first)
	wait(t, "the second Close", second)
}

func TestNeverConnected(t *testing.T) {
	e := start(t, Options{Timers: Timers{Connect: 100 * time.Millisecond}})
	seen := newWitness()
	p, err := e.NewPeer(PeerOptions{Inbox: newBox(), Writer: e.NewWriter(), Events: seen})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Negotiate(newClient(t, clientOptions{}).offer(false), nil); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, "PeerLost", seen.lost); !errors.Is(err, ErrNoConnection) {
		t.Errorf("lost by %v", err)
	}
}

// TestClientCloses is about UDP alone: when its DTLS ends, pion closes a TCP connection too, at times before
// its writer goroutine has written the close_notify.
func TestClientCloses(t *testing.T) {
	k := dial(t, start(t, Options{}), clientOptions{})
	if err := k.pc.SCTP().Transport().Stop(); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, "PeerLost", k.seen.lost); !errors.Is(err, ErrRemoteClosed) {
		t.Errorf("lost by %v", err)
	}
}

func TestNodeCloses(t *testing.T) {
	for name, setting := range map[string]func(*webrtc.SettingEngine){"udp": nil, "tcp": tcp4} {
		t.Run(name, func(t *testing.T) {
			k := dial(t, start(t, Options{}), clientOptions{setting: setting})
			told := make(chan struct{}, 8)
			k.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
				if s == webrtc.PeerConnectionStateClosed || s == webrtc.PeerConnectionStateFailed {
					told <- struct{}{}
				}
			})
			k.pc.SCTP().Transport().OnStateChange(func(s webrtc.DTLSTransportState) {
				if s == webrtc.DTLSTransportStateClosed {
					told <- struct{}{}
				}
			})
			if err := k.peer.Close(); err != nil {
				t.Fatal(err)
			}
			wait(t, "close_notify at the client", told)
			if err := k.peer.Close(); err != nil {
				t.Errorf("closed twice: %v", err)
			}
			if len(k.seen.lost) > 0 {
				t.Error("PeerLost after Close")
			}
		})
	}
}

func TestListen(t *testing.T) {
	a, err := Listen(Options{Listen: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := Listen(Options{Listen: a.Addr()}); err == nil {
		b.Close()
		t.Error("a port in use was shared")
	} else if !strings.Contains(err.Error(), a.Addr().String()) {
		t.Errorf("the error does not name the address: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	taken, err := openSocket(a.Addr(), true, 0) // the same port, in UDP only, by somebody who would share it
	if err != nil {
		t.Fatal(err)
	}
	defer taken.close()
	if b, err := Listen(Options{Listen: a.Addr()}); err == nil {
		b.Close()
		t.Error("a UDP port in use was shared")
	}
	if _, err := a.NewPeer(PeerOptions{Inbox: newBox(), Writer: a.NewWriter(), Events: newWitness()}); !errors.Is(err, ErrClosed) {
		t.Errorf("NewPeer after Close: %v", err)
	}
}

func TestRunEndsWithPeers(t *testing.T) {
	e, err := Listen(Options{Listen: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	var channel *webrtc.DataChannel
	k := dial(t, e, clientOptions{data: true, channel: &channel})
	k2 := dial(t, e, clientOptions{setting: tcp4})
	cancel()
	if err := wait(t, "Run", done); err != nil {
		t.Error(err)
	}
	k.sendDown(1, 3)
	k2.sendDown(1, 3)
	if s := e.Stats(); s.Peers != 0 || s.TCPConns != 0 {
		t.Errorf("left behind: %+v", s)
	}
}
