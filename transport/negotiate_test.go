package transport

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"parlor/transport/negotiate"
)

// offerOf makes an offer of receiving sections with the given mids; a mid with a bang is stopped.
func offerOf(t testing.TB, mids ...string) *negotiate.Offer {
	t.Helper()
	var lines, group strings.Builder
	for _, mid := range mids {
		mid, stopped := strings.CutSuffix(mid, "!")
		port := 9
		if stopped {
			port = 0
		} else {
			group.WriteString(" " + mid)
		}
		fmt.Fprintf(&lines, "m=video %d UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:%s\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n", port, mid)
	}
	o, err := negotiate.ParseOffer("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE" + group.String() + "\r\n" +
		"a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=setup:actpass\r\na=fingerprint:sha-256 " +
		strings.TrimSuffix(strings.Repeat("4E:", 32), ":") + "\r\n" + lines.String())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestReoffersKeepTheirLines: what an offer may do to the m= lines of those before it.
func TestReoffersKeepTheirLines(t *testing.T) {
	e := start(t, Options{})
	for _, c := range []struct {
		name   string
		offers string // separated by slashes
		refuse bool   // the last one
	}{
		{"the same", "a b/a b", false},
		{"more", "a b/a b c d", false},
		{"stopped", "a b/a b!", false},
		{"recycled", "a b/a b!/a c", false},
		{"recycled at once", "a b!/a c", false},
		{"renamed", "a b/a b/a c", true},
		{"dropped", "a b/a b/a", true},
		{"a stopped one dropped", "a b/a b!/a b!/a", true},
		{"another order", "a b/a b/b a", true},
		{"renamed after recycling", "a b/a b!/a c/a c/a d", true},
		{"taken back: the answer was lost", "a/a b c/a d e", false},
		{"taken back twice", "a/a b/a c/a d", false},
		{"taken back and dropped", "a/a b/a", false},
		{"taken back too late", "a/a b/a b/a c", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := e.NewPeer(PeerOptions{Inbox: newBox(), Writer: e.NewWriter(), Events: newWitness()})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			list := strings.Split(c.offers, "/")
			for i, mids := range list {
				_, _, err := p.Negotiate(offerOf(t, strings.Fields(mids)...), nil)
				refused := errors.As(err, new(*negotiate.Error))
				if want := c.refuse && i == len(list)-1; refused != want || err != nil && !refused {
					t.Errorf("offer %d: %v", i+1, err)
				}
			}
		})
	}
}

// TestFreshMIDsAreLimited: a client that stops and recycles a section for ever does not make the node
// remember for ever.
func TestFreshMIDsAreLimited(t *testing.T) {
	e := start(t, Options{})
	p, err := e.NewPeer(PeerOptions{Inbox: newBox(), Writer: e.NewWriter(), Events: newWitness()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * maxSeats {
		mid := fmt.Sprintf("m%d", i)
		if i%2 == 1 {
			mid = fmt.Sprintf("m%d!", i-1)
		}
		_, _, err = p.Negotiate(offerOf(t, "first", mid), nil)
		if err != nil {
			break
		}
	}
	if !errors.As(err, new(*negotiate.Error)) || len(p.sdp.ssrcs) != maxSeats {
		t.Errorf("%v after %d sections", err, len(p.sdp.ssrcs))
	}
	if _, _, err := p.Negotiate(offerOf(t, "first", "m0"), nil); err != nil && !strings.Contains(err.Error(), "m0") {
		t.Errorf("a section known from before: %v", err)
	}
}

// watched is a source of randomness that tells of each read.
type watched struct {
	io.Reader
	read func(n int)
}

func (w watched) Read(b []byte) (int, error) { w.read(len(b)); return w.Reader.Read(b) }

// TestAnAnswerIsBuiltWithoutThePeersLock: readers need it for every check and DTLS record. SSRCs are drawn
// while it is built.
func TestAnAnswerIsBuiltWithoutThePeersLock(t *testing.T) {
	e := start(t, Options{})
	p, err := e.NewPeer(PeerOptions{Inbox: newBox(), Writer: e.NewWriter(), Events: newWitness()})
	if err != nil {
		t.Fatal(err)
	}
	free, locked := 0, 0
	source := rand.Reader
	defer func() { rand.Reader = source }()
	rand.Reader = watched{source, func(n int) {
		if n != 4 {
			return
		}
		if p.mu.TryLock() {
			p.mu.Unlock()
			free++
		} else {
			locked++
		}
	}}
	if _, _, err := p.Negotiate(offerOf(t, "a", "b", "c"), nil); err != nil {
		t.Fatal(err)
	}
	if free < 6 || locked > 0 {
		t.Errorf("of the random numbers in the answer, %d were drawn without the lock and %d under it", free, locked)
	}
}
