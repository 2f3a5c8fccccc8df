package fakewire

import (
	"slices"

	"parlor/transport"
)

// SendMessage implements session.Peer on the channels that OpenChannel has opened.
func (p *Peer) SendMessage(label string, b []byte, _ bool) error {
	p.mu.Lock()
	gate, held := p.gate, p.held
	p.mu.Unlock()
	if gate != nil {
		select {
		case held <- struct{}{}:
		default:
		}
		<-gate
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, open := p.messages[label]
	switch {
	case p.closed || p.ended:
		return transport.ErrClosed
	case !open:
		return transport.ErrNoChannel
	case p.stuck:
		return transport.ErrBacklog
	}
	p.messages[label] = append(p.messages[label], slices.Clone(b))
	return nil
}

// EndMessages implements session.Peer.
func (p *Peer) EndMessages() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
}

// OpenChannel opens a data channel, as the client does.
func (p *Peer) OpenChannel(label string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.messages == nil {
		p.messages = map[string][][]byte{}
	}
	p.messages[label] = [][]byte{}
}

// HoldMessages has every sender of a message to the client wait from now on, until release is called. held
// gets something when one sends.
func (p *Peer) HoldMessages() (held <-chan struct{}, release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate, p.held = make(chan struct{}), make(chan struct{}, 1)
	return p.held, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		close(p.gate)
		p.gate = nil
	}
}

// Stick has the client read no channel any more, or again.
func (p *Peer) Stick(stuck bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stuck = stuck
}

// Tell is a message of the client on a channel.
func (p *Peer) Tell(label string, b []byte) {
	p.o.Events.PeerMessage(p.id, transport.Message{Label: label, Data: b})
}

// Messages returns and forgets what the client got on a channel.
func (p *Peer) Messages(label string) [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.messages[label]
	p.messages[label] = l[:0:0]
	return l
}
