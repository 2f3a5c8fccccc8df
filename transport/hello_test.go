package transport

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/stun/v4"
)

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

func helloRecord(random byte) []byte {
	return dtlsRecord(recordHandshake, 0, helloBody(random)...)
}

// triesNow returns how many handshakes of a peer are under way.
func (p *Peer) triesNow() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.secure.tries)
}

// TestForgedHellos: what anybody can send before the client's own ClientHello, and after it, does not keep
// the client out.
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
					// The client is about to answer.
					case when == "before" && requestOf(b) != nil && n.Add(1) == 1:
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

// TestAHelloAfterForgedOnesIsAnswered at once: three that others have sent take up nothing that the client
// needs.
func TestAHelloAfterForgedOnesIsAnswered(t *testing.T) {
	p, pt := pathTo(t, start(t, Options{}))
	at := time.Now()
	for i := range byte(4) {
		p.takeDTLS(pt, bufferOf(helloRecord(i)), at)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := (&hello{body: helloBody(3)[handshakeHeader:]}).sum()
	if !slices.ContainsFunc(p.secure.tries, func(t *handshake) bool { return t.hello == sum }) {
		t.Errorf("%d tries, none of them the client's", len(p.secure.tries))
	}
}

// TestAHandshakeThatTimedOutBeginsAgain: a forged ClientHello holds nobody up for longer than it takes to
// end.
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

// TestTriesAreBounded: a flood of ClientHellos makes few handshakes, and after a while there is room
// again.
func TestTriesAreBounded(t *testing.T) {
	e := start(t, Options{})
	p, pt := pathTo(t, e)
	at := time.Now()
	for i := range byte(50) {
		p.takeDTLS(pt, bufferOf(dtlsRecord(recordHandshake, 0, helloBody(i)...)), at)
	}
	p.mu.Lock()
	if at.Sub(p.secure.began[0]) < handshakeGrace-time.Second || p.secure.began[0].IsZero() || len(p.secure.tries) > maxTries {
		t.Errorf("%d tries, begun at %v", len(p.secure.tries), p.secure.began)
	}
	p.mu.Unlock()
	if n := e.Stats().Drops[DropDTLSLimited]; n < 50-maxTries {
		t.Errorf("%d refused", n)
	}
	sum := (&hello{body: helloBody(60)[handshakeHeader:]}).sum()
	p.takeDTLS(pt, bufferOf(dtlsRecord(recordHandshake, 0, helloBody(60)...)), at.Add(handshakeGrace))
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.secure.tries); n == 0 || n > maxTries || p.secure.tries[n-1].hello != sum {
		t.Errorf("%d tries, and the last ClientHello has none", n)
	}
}

// TestAHelloInFragments, as Chromium sends it with a post-quantum key share, is put together in any order and
// past forged parts.
func TestAHelloInFragments(t *testing.T) {
	body := helloBody(9)[handshakeHeader:]
	part := func(at, n int) []byte {
		return dtlsRecord(recordHandshake, 0, append(handshakePart(len(body), at, n), body[at:at+n]...)...)
	}
	forged := part(0, 40)
	forged[len(forged)-1] ^= 1
	head, tail := part(0, 40), part(40, len(body)-40)
	for name, order := range map[string][][]byte{"overwritten": {forged, head, tail}, "completed": {forged, tail, head, tail}, "turned round": {tail, head}} {
		p, pt := pathTo(t, start(t, Options{}))
		for _, b := range order {
			p.takeDTLS(pt, bufferOf(b), time.Now())
		}
		p.mu.Lock()
		want := (&hello{body: body}).sum()
		if !slices.ContainsFunc(p.secure.tries, func(t *handshake) bool { return t.hello == want }) {
			t.Errorf("%s: %d tries, none of them the client's", name, len(p.secure.tries))
		}
		p.mu.Unlock()
	}
}

// TestAHelloBeforeTheProofIsNotLost: datagrams overtake each other, in a read and between reads.
func TestAHelloBeforeTheProofIsNotLost(t *testing.T) {
	for _, name := range []string{"another read", "the same read"} {
		for _, again := range []bool{false, true} {
			e := start(t, Options{})
			p, c, _ := offered(t, e)
			s := newSite(t, e, c, false)
			s.send(checkOf(t, c))
			eventually(t, "the node asks", func() bool { return s.asked.Load() == 1 })
			p.mu.Lock()
			pt := p.ice.paths[0]
			m := &stun.Message{TransactionID: pt.proof.asked}
			p.mu.Unlock()
			answer := responseTo(t, m, c)
			if name == "another read" {
				p.takeDTLS(pt, bufferOf(helloRecord(1)), time.Now())
				s.send(answer)
			} else {
				in := &ingress{ep: e, sock: pt.sock, errors: new(tokens), arrivals: make([]arrival, batchLen)}
				in.arrivals[0] = arrival{buf: bufferOf(helloRecord(1)), from: pt.addr, local: pt.local}
				in.arrivals[1] = arrival{buf: bufferOf(answer), from: pt.addr, local: pt.local}
				in.process(2, time.Now())
			}
			eventually(t, "the proof", func() bool { return !pt.proof.missing.Load() })
			if n := p.triesNow(); n != 0 {
				t.Errorf("%s: answered at once, though a stranger may have sent it", name)
			}
			if again { // the client's own
				p.takeDTLS(pt, bufferOf(helloRecord(2)), time.Now())
				time.Sleep(overtakenDelay + 100*time.Millisecond)
			}
			eventually(t, "a handshake, "+name, func() bool { return p.triesNow() == 1 })
			p.mu.Lock()
			if got, want := p.secure.tries[0].hello, (&hello{body: helloBody(2)[handshakeHeader:]}).sum(); again != (got == want) {
				t.Errorf("%s: the handshake of the other ClientHello is under way", name)
			}
			p.mu.Unlock()
		}
	}
}

// TestARefusedHelloEndsNoOther: neither does one beyond the quota, nor is the quota used up if none is
// free.
func TestARefusedHelloEndsNoOther(t *testing.T) {
	e := start(t, Options{Limits: Limits{Handshakes: 1}})
	p, pt := pathTo(t, e)
	at := time.Now()
	other := &handshake{peer: new(Peer), conn: new(dtlsConn), cancel: func() {}, since: at}
	if !e.handshakes.enter(other) {
		t.Fatal("refused")
	}
	for i := range byte(2 * maxTries) {
		p.takeDTLS(pt, bufferOf(helloRecord(i)), at)
	}
	e.handshakes.leave(other)
	p.takeDTLS(pt, bufferOf(helloRecord(50)), at)
	if p.triesNow() != 1 {
		t.Fatal("the quota is used up by handshakes that were refused")
	}
	p.mu.Lock()
	own := p.secure.tries[0]
	own.conn.first.Store(nil) // as if it had sent nothing yet
	own.conn.hushed.Store(true)
	for i := range p.secure.began {
		p.secure.began[i] = at
	}
	p.mu.Unlock()
	p.takeDTLS(pt, bufferOf(helloRecord(51)), at)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.secure.tries, own) || own.givenUp.Load() {
		t.Error("a ClientHello beyond the quota has ended the client's handshake")
	}
}

// TestTheNodesFirstHelloIsSentAgainSoon: if the node is the DTLS client, the first one may come before the
// other side listens.
func TestTheNodesFirstHelloIsSentAgainSoon(t *testing.T) {
	e := start(t, Options{})
	seen := newWitness()
	p, err := e.NewPeer(PeerOptions{Inbox: newBox(), Writer: e.NewWriter(), Events: seen})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Negotiate(newClient(t, clientOptions{}).offerEdited(false, passiveOffer), nil); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, e, p.credentialInUse(), true)
	s.send(checkOf(t, s.c))
	eventually(t, "the first", func() bool { return s.dtls.Load() == 1 })
	began := time.Now()
	eventually(t, "the second", func() bool { return s.dtls.Load() == 2 })
	if took := time.Since(began); took > 600*time.Millisecond {
		t.Errorf("after %v", took)
	}
}
