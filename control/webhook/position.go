package webhook

import (
	"encoding/json"
	"sync"
	"time"
)

// position is how far the events of a stream are done. The durable consumer knows it too, and goes by it.
// This is for when somebody deletes the consumer, and for what is handed out again when a turn begins. Safe
// for use from several goroutines.
type position struct {
	mu     sync.Mutex
	stream time.Time       // when the stream was made: its numbers begin anew with it
	floor  uint64          // all events up to that number are done; 0: that is not known
	order  []uint64        // the events after it that this turn was given
	done   map[uint64]bool // what is done of those after floor
}

// report is a position as the entry of the turn has it, for other nodes.
type report struct {
	Node   string    `json:"node"`
	Stream time.Time `json:"stream,omitzero"`
	Floor  uint64    `json:"floor,omitempty"`
}

// begin is the beginning of a turn with a stream, whose last event has the number last. What is beyond that
// is forgotten. A server that has lost its last writes, for example with its power, gives their numbers to
// other events.
func (p *position) begin(stream time.Time, last uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.atLocked(stream)
	p.order = nil
	p.floor = min(p.floor, last)
	for n := range p.done {
		if n > last {
			delete(p.done, n)
		}
	}
}

// atLocked forgets what is known of another stream.
func (p *position) atLocked(stream time.Time) {
	if !p.stream.Equal(stream) {
		p.stream, p.floor, p.done = stream, 0, nil
	}
}

// learn takes over how far another node has come.
func (p *position) learn(entry []byte) {
	var r report
	if json.Unmarshal(entry, &r) != nil || r.Floor == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.atLocked(r.Stream)
	p.floor = max(p.floor, r.Floor)
	for n := range p.done {
		if n <= p.floor {
			delete(p.done, n)
		}
	}
}

// entry is what other nodes learn from.
func (p *position) entry(node string) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	b, err := json.Marshal(report{Node: node, Stream: p.stream, Floor: p.floor})
	if err != nil { // a year beyond 9999
		return []byte(node)
	}
	return b
}

// next returns the number of the first event that may not be done; 0: that is not known.
func (p *position) next() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.floor == 0 {
		return 0
	}
	return p.floor + 1
}

// given notes an event, which comes after those before.
func (p *position) given(n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.order) == 0 {
		for old := range p.done { // of before another node's turn
			if old < n {
				delete(p.done, old)
			}
		}
	}
	p.order = append(p.order, n)
}

// isDone reports whether an event was done before.
func (p *position) isDone(n uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return n <= p.floor || p.done[n]
}

// finished notes that an event is done.
func (p *position) finished(n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == nil {
		p.done = map[uint64]bool{}
	}
	if n > p.floor {
		p.done[n] = true
	}
	for len(p.order) > 0 && (p.order[0] <= p.floor || p.done[p.order[0]]) {
		p.floor = max(p.floor, p.order[0])
		delete(p.done, p.order[0])
		p.order = p.order[1:]
	}
}
