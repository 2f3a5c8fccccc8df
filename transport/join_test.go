package transport

import (
	"context"
	"net"
	"os"
	"regexp"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/stun/v4"

	"parlor/packet"
	"parlor/transport/negotiate"
)

// aside is what a DTLS client needs of a connected socket: it reads over answers to checks.
type aside struct{ *net.UDPConn }

func (c aside) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, err := c.Read(b)
		if err != nil || classify(b[:n]) == classDTLS {
			return n, c.RemoteAddr(), err
		}
	}
}

func (c aside) WriteTo(b []byte, _ net.Addr) (int, error) { return c.Write(b) }

var fingerprintLine = regexp.MustCompile(`a=fingerprint:\S+ \S+`)

// BenchmarkJoin is a client's way in, from the text of its offer to PeerConnected, and out again. cpu-ns/op
// has both ends in it, whose handshakes cost about the same. For the node's part alone, take a profile and
// leave out what is labelled:
//
//	go test -run xxx -bench Join -cpuprofile cpu ./transport &&
//	go tool pprof -tagignore client transport.test cpu
func BenchmarkJoin(b *testing.B) {
	text, err := os.ReadFile("negotiate/testdata/chromium-client.sdp")
	if err != nil {
		b.Fatal(err)
	}
	cert, print, err := newCertificate(time.Now())
	if err != nil {
		b.Fatal(err)
	}
	sdp := fingerprintLine.ReplaceAllString(string(text), "a=fingerprint:"+print)
	e := start(b, Options{})
	w, inbox := e.NewWriter(), &countingBox{new(int)}
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		offer, err := negotiate.ParseOffer(sdp)
		if err != nil {
			b.Fatal(err)
		}
		seen := &witness{connected: make(chan packet.PeerID, 1), lost: make(chan error, 4)}
		p, err := e.NewPeer(PeerOptions{Inbox: inbox, Writer: w, Events: seen})
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := p.Negotiate(offer, nil); err != nil {
			b.Fatal(err)
		}
		pprof.Do(b.Context(), pprof.Labels("side", "client"), func(ctx context.Context) {
			joinAs(ctx, b, e, p.credentialInUse(), dtls.WithCertificates(cert))
		})
		wait(b, "PeerConnected", seen.connected)
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func joinAs(ctx context.Context, b *testing.B, e *Endpoint, c *credential, cert dtls.ClientOption) {
	s := newStranger(b, e)
	defer s.conn.Close()
	s.ask(build(b, stun.NewUsername(c.ufrag+":x"), useCandidate{}, c.key, stun.Fingerprint))
	d, err := dtls.ClientWithOptions(aside{s.conn}, s.conn.RemoteAddr(), cert,
		dtls.WithInsecureSkipVerify(true), dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM))
	if err != nil {
		b.Fatal(err)
	}
	if err := d.HandshakeContext(ctx); err != nil {
		b.Fatal(err)
	}
	go func() { // takes the close_notify
		_, _ = d.Read(make([]byte, 100))
		_ = d.Close()
	}()
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

// TestJoinWithoutAnswersIsNotHeldUp: a client that answers no checks before its handshake has it within the
// limit.
func TestJoinWithoutAnswersIsNotHeldUp(t *testing.T) {
	e := start(t, Options{})
	began := time.Now()
	p, _, _ := joinByHand(t, e, clientOptions{})
	// A flight that is not sent is asked for again after a second.
	if took := time.Since(began); took > 900*time.Millisecond {
		t.Errorf("took %v", took)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ice.nominated == nil || p.ice.nominated.proof.missing.Load() || p.ice.answers {
		t.Error("the handshake is no proof")
	}
}
