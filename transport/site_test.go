package transport

import (
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v4"
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

// site is an address from which a test sends by hand. It counts what comes, and answers the node's checks if
// it is told to.
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

// catchUp returns when all that has been sent to a site before has come.
func (s *site) catchUp(t testing.TB) {
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
