package link

import "time"

// Pipe is a link with the packets that are under way, of whatever type. Its methods are for one goroutine at
// a time.
type Pipe[P any] struct {
	*Link
	heap  []travelling[P] // by time of arrival, then by order
	order uint64
}

type travelling[P any] struct {
	at     time.Duration
	order  uint64
	packet P
}

// NewPipe returns an empty pipe; see New.
func NewPipe[P any](p Profile, seed uint64) (*Pipe[P], error) {
	l, err := New(p, seed)
	if err != nil {
		return nil, err
	}
	return &Pipe[P]{Link: l}, nil
}

// Send hands over a packet of so many bytes. Unless it is dropped, the pipe keeps it until it has been
// received, twice if it is duplicated.
func (p *Pipe[P]) Send(now time.Duration, size int, packet P) Fate {
	f := p.Link.Send(now, size)
	for _, at := range f.At[:f.Copies] {
		p.push(travelling[P]{at, p.order, packet})
		p.order++
	}
	return f
}

// Next is when the next packet arrives, if any is under way.
func (p *Pipe[P]) Next() (at time.Duration, ok bool) {
	if len(p.heap) == 0 {
		return 0, false
	}
	return p.heap[0].at, true
}

// Receive returns the next packet if it has arrived by now.
func (p *Pipe[P]) Receive(now time.Duration) (packet P, ok bool) {
	if len(p.heap) == 0 || p.heap[0].at > now {
		return packet, false
	}
	return p.pop(), true
}

// Underway is how many packets are.
func (p *Pipe[P]) Underway() int { return len(p.heap) }

func (p *Pipe[P]) less(i, j int) bool {
	a, b := &p.heap[i], &p.heap[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}

func (p *Pipe[P]) swap(i, j int) { p.heap[i], p.heap[j] = p.heap[j], p.heap[i] }

func (p *Pipe[P]) push(t travelling[P]) {
	p.heap = append(p.heap, t)
	for i := len(p.heap) - 1; i > 0 && p.less(i, (i-1)/2); i = (i - 1) / 2 {
		p.swap(i, (i-1)/2)
	}
}

func (p *Pipe[P]) pop() P {
	first, last := p.heap[0].packet, len(p.heap)-1
	p.swap(0, last)
	p.heap[last] = travelling[P]{}
	p.heap = p.heap[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child+1 < last && p.less(child+1, child) {
			child++
		}
		if child >= last || !p.less(child, i) {
			return first
		}
		p.swap(i, child)
		i = child
	}
}
