package netns

import (
	"time"

	"parlor/lab/link"
)

// packet is an IP packet under way.
type packet struct {
	data   [2048]byte
	size   int
	copies int // that are under way still
}

// way is one direction of a machine's cable: the link that is drawn now, and earlier ones whose packets are
// still under way.
type way struct {
	now    based
	before []based
	waited []time.Duration
}

// based is a link whose time begins at base of the network's.
type based struct {
	pipe *link.Pipe[*packet]
	base time.Duration
}

// maxWaited bounds what is kept if nobody ever looks.
const maxWaited = 1 << 16

func (w *way) shape(now time.Duration, p link.Profile, seed uint64) error {
	pipe, err := link.NewPipe[*packet](p, seed)
	if err != nil {
		return err
	}
	if w.now.pipe != nil && w.now.pipe.Underway() > 0 {
		w.before = append(w.before, w.now)
	}
	w.now = based{pipe, now}
	return nil
}

// send returns whether the packet is under way.
func (w *way) send(now time.Duration, p *packet) bool {
	f := w.now.pipe.Send(now-w.now.base, p.size, p)
	p.copies = f.Copies
	if f.Drop != link.Full && f.Drop != link.Policed && len(w.waited) < maxWaited {
		w.waited = append(w.waited, f.Waiting)
	}
	return f.Copies > 0
}

// next is when the next packet arrives, if any does.
func (w *way) next() (at time.Duration, ok bool) {
	at, ok = w.now.next()
	for i := range w.before {
		if t, some := w.before[i].next(); some && (!ok || t < at) {
			at, ok = t, true
		}
	}
	return at, ok
}

func (b *based) next() (time.Duration, bool) {
	at, ok := b.pipe.Next()
	return at + b.base, ok
}

// receive returns the next packet that has arrived by now, and when it did.
func (w *way) receive(now time.Duration) (p *packet, at time.Duration, ok bool) {
	for len(w.before) > 0 {
		if p, at, ok = w.before[0].receive(now); ok || w.before[0].pipe.Underway() > 0 {
			break
		}
		w.before = w.before[1:]
	}
	if ok {
		return p, at, true
	}
	return w.now.receive(now)
}

func (b *based) receive(now time.Duration) (p *packet, at time.Duration, ok bool) {
	at, _ = b.next()
	p, ok = b.pipe.Receive(now - b.base)
	return p, at, ok
}

// look is what Traffic tells.
func (w *way) look(now time.Duration) Traffic {
	at := now - w.now.base
	t := Traffic{Counters: w.now.pipe.Counters(), Queueing: w.now.pipe.Queueing(at), Backlog: w.now.pipe.Backlog(at), Waited: w.waited}
	w.waited = nil
	return t
}
