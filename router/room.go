package router

import (
	"context"
	"sync/atomic"
	"time"

	"parlor/packet"
)

// Room forwards the media of one room. Its methods may be called from any goroutine, but not from within an
// Out or Flusher. The goroutine of Run carries out calls one after the other, between batches; what they
// return is true on the wire. Calls wait for Run to begin and fail with ErrClosed once it has ended.
type Room struct {
	o       Options
	flush   Flusher
	inbox   inbox
	calls   chan call
	started atomic.Bool
	done    chan struct{} // closed when Run has ended
	core    *core         // Run's; after done anybody's, to read
	unsent  []int64       // Run's: when the batches were read of which something may not be sent yet
}

type call struct {
	do  func(c *core, now int64) error
	err chan error
}

// NewRoom returns a room that flushes f at the end of each batch. It starts nothing.
func NewRoom(o Options, f Flusher) *Room {
	o = o.withDefaults()
	return &Room{
		o: o, flush: f, core: newCore(o), calls: make(chan call), done: make(chan struct{}),
		inbox: inbox{limit: o.InboxPackets, wake: make(chan struct{}, 1)},
	}
}

// Run is the room's goroutine. It returns when ctx is done, after every buffer has been released and every
// waiting call has been answered with ErrClosed. The error is then nil. A second Run returns ErrRunning.
func (r *Room) Run(ctx context.Context) error {
	if r.started.Swap(true) {
		return ErrRunning
	}
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	var armed int64
	for ctx.Err() == nil {
		if next := r.core.next(); next != armed {
			armed = next
			r.arm(timer, next)
		}
		select {
		case <-ctx.Done():
		case <-r.inbox.wake:
			r.drain(ctx)
		case c := <-r.calls:
			r.drain(ctx) // reports may wait there
			r.carryOut(c)
		case <-timer.C:
			armed = 0
			if !r.drain(ctx) { // reports may wait there, and nothing else come
				r.core.tick(r.now())
				r.send()
			}
		}
	}
	r.inbox.close()
	r.core.close()
	close(r.done)
	return nil
}

// arm sets the timer for the next thing due; with nothing due the room sleeps.
func (r *Room) arm(t *time.Timer, next int64) {
	if next == 0 {
		t.Stop()
		return
	}
	t.Reset(time.Duration(max(next-r.now(), 0)))
}

func (r *Room) now() int64 { return r.core.time.at(r.o.Now()) }

// drain works off the inbox, and reports whether anything was there. Between two batches it does what is due
// and carries out calls: a participant that leaves does not wait for all that has piled up.
func (r *Room) drain(ctx context.Context) bool {
	b, crowded := r.inbox.pop()
	if b == nil {
		return false
	}
	for ; b != nil; b, crowded = r.inbox.pop() {
		now := r.now()
		r.core.over.crowded = crowded
		if r.core.batch(b, now) {
			r.unsent = append(r.unsent, r.core.arrived(b, now))
		}
		r.core.sendRuns()
		r.core.tick(now)
		b.Release()
		if r.carryOutPending(); ctx.Err() != nil {
			break
		}
	}
	r.send()
	return true
}

// send has all that is queued sent, and notes how long it was in the node. The clock is read once for all
// batches.
func (r *Room) send() {
	r.flush.Flush()
	if len(r.unsent) == 0 {
		return
	}
	now := r.now()
	for _, at := range r.unsent {
		r.core.totals.Residence.observe(now-at, &residenceBounds)
	}
	r.unsent = r.unsent[:0]
}

// maxCalls is how many calls are carried out between two batches. More lets a storm of them hold up media.
const maxCalls = 16

func (r *Room) carryOutPending() {
	for range maxCalls {
		select {
		case c := <-r.calls:
			r.carryOut(c)
		default:
			return
		}
	}
}

func (r *Room) carryOut(c call) {
	err := c.do(r.core, r.now())
	r.send()
	c.err <- err
}

// Deliver implements packet.Inbox.
func (r *Room) Deliver(b *packet.Batch) { r.inbox.put(b) }

// post has do carried out by the room's goroutine and waits for it.
func (r *Room) post(do func(c *core, now int64) error) error {
	c := call{do: do, err: make(chan error, 1)}
	select {
	case r.calls <- c:
		return <-c.err
	case <-r.done:
		return ErrClosed
	}
}

// PeerOptions is what is known of a peer when it is attached. The zero value: nothing.
type PeerOptions struct {
	// Steered says that its client is told of what Observer.Demand says.
	Steered bool
	// Carries is what its network is expected to carry, in bit/s. The network is taken for that until
	// feedback says otherwise. A value that is not above 0 says nothing.
	Carries float64
}

// Attach lets a peer of a member in. Nothing is sent to it before Ready. It fails with ErrPeerExists.
func (r *Room) Attach(peer packet.PeerID, m MemberID, out Out, o PeerOptions) error {
	return r.post(func(c *core, now int64) error {
		if err := c.attach(peer, m, out, now); err != nil {
			return err
		}
		if o.Steered {
			if err := c.steer(peer, now); err != nil {
				return err
			}
		}
		return c.expectRate(peer, o.Carries, now)
	})
}

// Update tells what has been negotiated with a peer, each time anew: all of its sections, and which source
// each publishing section is. publish maps MIDs to sources; a section that is not in it is not forwarded.
// Sections that stay keep their tracks and sinks. Update fails with ErrUnknownPeer or ErrKind and then
// changes nothing.
func (r *Room) Update(peer packet.PeerID, sections []packet.Section, publish map[string]Source) error {
	return r.post(func(c *core, now int64) error {
		err := c.update(peer, sections, publish, now)
		if err == nil {
			r.inbox.setAudio(peer, sections)
		}
		return err
	})
}

// Ready says that the peer's transport is connected: its sinks begin, or begin anew after Suspend.
func (r *Room) Ready(peer packet.PeerID) error {
	return r.post(func(c *core, now int64) error { return c.ready(peer, now) })
}

// Suspend says that the peer's transport is not connected any more. It may come back: then call Ready. After
// Suspend has returned, no sequence number is given to a packet for the peer.
func (r *Room) Suspend(peer packet.PeerID) error {
	return r.post(func(c *core, now int64) error { return c.suspend(peer, now) })
}

// Detach ends the tracks and sinks of a peer. After it has returned, not one packet comes from the peer or
// goes to it.
func (r *Room) Detach(peer packet.PeerID) error {
	return r.post(func(c *core, now int64) error {
		r.inbox.setAudio(peer, nil)
		return c.detach(peer, now)
	})
}

// SetPublishing switches the forwarding of a member's track on or off, whichever peer it comes from. Off
// lasts over reconnects, until it is switched on or the member's last peer is detached. The track need not
// exist. After switching off has returned, not one packet of the track is sent, retransmissions included.
func (r *Room) SetPublishing(m MemberID, s Source, on bool) error {
	return r.post(func(c *core, now int64) error { return c.setPublishing(TrackKey{m, s}, on, now) })
}

// Watch says what a receiving section of a peer shows from now on. After it has returned, not one packet of
// what the section showed before is sent to it. If that is the same track, the layer changes at the next
// keyframe instead. The track need not exist yet; the section takes it up whenever it appears, from whichever
// peer of the member. Watch fails with ErrUnknownPeer, ErrUnknownSection or ErrKind.
func (r *Room) Watch(peer packet.PeerID, mid string, w Want) error {
	return r.post(func(c *core, now int64) error { return c.watch(peer, mid, w, now) })
}

// Snapshot describes the room. After Run has ended it holds the last totals.
func (r *Room) Snapshot() Snapshot {
	var s Snapshot
	if r.post(func(c *core, now int64) error { s = c.snapshot(now); return nil }) != nil {
		s = r.core.snapshot(0)
	}
	r.inbox.addDrops(&s.Totals)
	return s
}

// Totals returns the room's counters alone, also after Run has ended. That costs the room's goroutine next to
// nothing.
func (r *Room) Totals() Totals {
	var t Totals
	if r.post(func(c *core, _ int64) error { t = c.totals; return nil }) != nil {
		t = r.core.totals
	}
	r.inbox.addDrops(&t)
	return t
}
