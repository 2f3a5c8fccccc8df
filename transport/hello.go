package transport

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"parlor/packet"
)

// A ClientHello is the one handshake message that comes unasked, so anybody who can forge the client's
// address can send one. Each that is well formed is told from the others by its hash and begins a handshake
// of its own, some at a time (dtls.go). The client's own handshake completes, whatever has come before it.

const (
	handshakeHeader = 12
	// maxHello is how many bytes a ClientHello may have. Browsers' have 150 to 250, and 1,700 with a
	// post-quantum key share; these come in two datagrams. Raising it lets strangers hold more memory.
	maxHello = 4 << 10
	// minHello is the size of the fixed part: version, random, three lengths and one each of cipher suites
	// and compression methods.
	minHello = 2 + 32 + 1 + 1 + 2 + 2 + 2
	// maxPieces is how many ClientHellos of one peer may be incomplete at a time. maxDatagrams is how many
	// datagrams each may consist of. Raising them costs memory, lowering them lets forged fragments push out
	// the client's.
	maxPieces, maxDatagrams = 4, 8
)

// earlyDelay is how long a ClientHello from a path without proof waits to be answered. A longer delay holds
// up clients that answer no checks. One shorter than a round trip lets forged ones through.
const earlyDelay = 200 * time.Millisecond

// overtakenDelay is the same from the proof of the path on, and again from its nomination. Some clients send
// their ClientHello only a round trip after these. A longer delay holds up clients whose datagrams have
// overtaken each other, for up to the second after which they send it again.
const overtakenDelay = 400 * time.Millisecond

// early is a ClientHello that came before the client had shown itself on the path. The client's own comes
// right behind its answer to the node's check, so one that comes before the answer is suspicious. Answering a
// forged one is worse than losing the client's, because the client would take the answer for its own and
// fail. So the ClientHello waits, and a later one that has to wait replaces it. After the proof it is
// dropped if a later one has begun a handshake, or if the client does not nominate the path.
type early struct {
	hello *hello
	path  *path
	timer *time.Timer
}

// drop forgets the ClientHello.
func (e *early) drop() {
	if e.hello == nil {
		return
	}
	e.timer.Stop()
	e.hello.release()
	*e = early{}
}

// restart begins the delay anew after a step of the client's on the path, so that the client's own
// ClientHello can come first.
func (e *early) restart(pt *path) {
	if e.hello != nil && e.path == pt {
		e.timer.Reset(overtakenDelay)
	}
}

func (p *Peer) postponeLocked(pt *path, h *hello) {
	e := &p.secure.early
	if e.hello != nil {
		e.hello.release()
		e.hello, e.path = h, pt
	} else {
		*e = early{hello: h, path: pt, timer: time.AfterFunc(earlyDelay, p.greetEarly)}
	}
	if !pt.proof.missing.Load() {
		e.restart(pt)
	}
}

// greetEarly answers after all: the client may be one that answers no checks, or its datagrams may have come
// in another order.
func (p *Peer) greetEarly() {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.secure.early
	p.secure.early = early{}
	switch {
	case e.hello == nil:
	case p.goneLocked() || p.secure.keyed || !e.path.proof.missing.Load() && (len(p.secure.tries) > 0 || e.path != p.ice.nominated):
		e.hello.release()
	default:
		p.greetLocked(e.path, e.hello, time.Now())
	}
}

// hello is a ClientHello, whole or in parts.
type hello struct {
	body    []byte
	have    []bool // of body
	missing int
	raw     []*packet.Buffer // the datagrams, in the order in which they came
}

func newHello(size int) *hello {
	return &hello{body: make([]byte, size), have: make([]bool, size), missing: size}
}

func (h *hello) sum() [sha256.Size]byte { return sha256.Sum256(h.body) }

func (h *hello) release() {
	for _, b := range h.raw {
		b.Release()
	}
	h.raw = nil
}

// put adds a fragment. Of two the later one counts: the client sends again what a forger may have
// overwritten.
func (h *hello) put(at int, part []byte) {
	copy(h.body[at:], part)
	for i := at; i < at+len(part); i++ {
		if !h.have[i] {
			h.have[i] = true
			h.missing--
		}
	}
}

// hellos puts ClientHellos together.
type hellos struct {
	list []*hello // incomplete ones, oldest first
}

// collect takes in a datagram of ClientHello records that has passed filterRecords. It returns the
// ClientHello that the datagram completes, for the caller to release, or nil. ok is false if the datagram is
// malformed.
func (s *hellos) collect(b *packet.Buffer) (whole *hello, ok bool) {
	for rest := b.B; len(rest) > 0; {
		end := recordHeader + int(binary.BigEndian.Uint16(rest[11:]))
		at, part, size, ok := helloFragment(rest[recordHeader:end])
		if !ok {
			return nil, false
		}
		rest = rest[end:]
		h := s.findOrAdd(size)
		h.put(at, part)
		if n := len(h.raw); n == 0 || h.raw[n-1] != b {
			if n == maxDatagrams {
				s.drop(h)
				return nil, false
			}
			b.Retain()
			h.raw = append(h.raw, b)
		}
		if h.missing == 0 {
			s.remove(h)
			if !wellFormed(h.body) {
				h.release()
				return nil, false
			}
			return h, true
		}
	}
	return nil, true
}

// findOrAdd returns the incomplete ClientHello of a size. If there is none, it adds one.
func (s *hellos) findOrAdd(size int) *hello {
	for _, h := range s.list {
		if len(h.body) == size {
			return h
		}
	}
	if len(s.list) == maxPieces {
		s.drop(s.list[0])
	}
	h := newHello(size)
	s.list = append(s.list, h)
	return h
}

func (s *hellos) remove(h *hello) {
	if i := slices.Index(s.list, h); i >= 0 {
		s.list = slices.Delete(s.list, i, i+1)
	}
}

func (s *hellos) drop(h *hello) {
	s.remove(h)
	h.release()
}

func (s *hellos) clear() {
	for _, h := range s.list {
		h.release()
	}
	s.list = nil
}

// helloFragment reads the handshake message, or fragment of one, in a record (RFC 6347, section 4.2.2).
func helloFragment(b []byte) (at int, part []byte, size int, ok bool) {
	if len(b) <= handshakeHeader || b[0] != clientHello {
		return 0, nil, 0, false
	}
	size, at = uint24(b[1:]), uint24(b[6:])
	part = b[handshakeHeader:]
	// Message 0: the node asks for no cookie, so there is no second ClientHello.
	ok = binary.BigEndian.Uint16(b[4:]) == 0 && size >= minHello && size <= maxHello && uint24(b[9:]) == len(part) && at+len(part) <= size
	return at, part, size, ok
}

func uint24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

// wellFormed checks the lengths of a ClientHello and its version (RFC 5246, section 7.4.1.2; RFC 6347,
// section 4.2.1).
func wellFormed(b []byte) bool {
	if len(b) < minHello || b[0] != 0xfe {
		return false
	}
	b = b[2+32:]
	for _, f := range []struct{ size, least, unit int }{
		{1, 0, 1}, // session id
		{1, 0, 1}, // cookie
		{2, 2, 2}, // cipher suites
		{1, 1, 1}, // compression methods
	} {
		if len(b) < f.size {
			return false
		}
		n := int(b[0])
		if f.size == 2 {
			n = int(binary.BigEndian.Uint16(b))
		}
		if n < f.least || n%f.unit != 0 || len(b) < f.size+n {
			return false
		}
		b = b[f.size+n:]
	}
	return len(b) == 0 || len(b) >= 2 && int(binary.BigEndian.Uint16(b)) == len(b)-2
}
