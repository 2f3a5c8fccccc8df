package session

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"parlor/session/terms"
)

// ErrDetached is returned by Next when the hold no longer is the session's signalling connection. Then
// another one has resumed the session, Detached was called, or the client let too many events go
// unacknowledged. The caller closes its connection; the client may resume.
var ErrDetached = errors.New("session: signalling is detached")

const (
	// maxUnacked is how many events may be sent to a client that acknowledges none of them. At this number
	// the attachment is dropped; the client then resumes and says what it has. Higher costs memory per
	// client that never acknowledges. Lower makes bursts of entering in large rooms cost reconnects.
	// Clients acknowledge with every ping.
	maxUnacked = 4096
	// minCoalesce is how many events that were never sent are kept before their net effect replaces them.
	// Lower hides short-lived changes from slow clients earlier.
	minCoalesce = 512
	// maxMessages is how many custom messages wait to be sent or acknowledged. A client that has as many
	// loses further ones. Higher costs memory per client that acknowledges late. Lower loses messages to
	// clients that acknowledge with their pings only.
	maxMessages = 512
)

// mailbox keeps a client's events from when they happen until they are acknowledged. It loses none. What was
// sent is kept for a resume; what was never sent is at most replaced by its net effect (coalesce). Both are
// bounded, so that a slow or silent client costs nobody else anything. Safe for use from several goroutines.
//
// An event's number is its place: events[i] has the number acked+1+i.
type mailbox struct {
	mu     sync.Mutex
	events []terms.Event
	acked  uint64 // number of the last acknowledged event
	sent   int    // events[:sent] were handed to the present attachment
	pinned int    // the answer to its resume has told the present attachment the effect of events[:pinned]
	limit  int    // coalesce when more than that are free

	messages int // how many of events are custom messages

	attachment uint64 // number of the present or last signalling connection; they are numbered from 1
	attached   bool
	wake       func() // called once, when a reader that found nothing must look again; nil: nobody waits

	exitOnly  bool          // nobody reads but the end: media-only sessions
	closed    bool          // nothing is taken any more
	exit      bool          // the last event is, or was, `exited`
	told      bool          // `exited` was handed to a connection that lived on
	concluded chan struct{} // closed when told, or when there is nobody to tell
}

// newMailbox returns a mailbox without an attachment. With exitOnly it keeps `exited` only, and nobody
// needs to be told.
func newMailbox(exitOnly bool) *mailbox {
	return &mailbox{exitOnly: exitOnly, limit: minCoalesce, concluded: make(chan struct{})}
}

// push adds an event. After close it does nothing.
func (m *mailbox) push(e terms.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.exitOnly {
		return
	}
	m.addLocked(e)
}

// pushMessage adds a custom message. If ok is false it was not added, and why says the reason.
func (m *mailbox) pushMessage(e terms.Event, reliable bool) (why MessageDrop, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed || m.exitOnly:
		return MessageNoWay, false
	case !m.attached && !reliable:
		return MessageAway, false
	case m.messages >= maxMessages:
		return MessageSlowSocket, false
	}
	m.messages++
	m.addLocked(e)
	return 0, true
}

// hasMessages reports whether a custom message waits to be sent or acknowledged.
func (m *mailbox) hasMessages() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.messages > 0
}

func (m *mailbox) addLocked(e terms.Event) {
	if e.Type == terms.EventUserLeft {
		from := m.freeLocked()
		rest, untold := undo(m.events[from:], e.User.User)
		if m.events = m.events[:from+len(rest)]; untold {
			return
		}
	}
	if e.Type == terms.EventLayers {
		from := m.freeLocked()
		rest := slices.DeleteFunc(m.events[from:], func(x terms.Event) bool { return x.Type == terms.EventLayers && x.Layers.Source == e.Layers.Source })
		m.events = m.events[:from+len(rest)]
	}
	m.events = append(m.events, e)
	if len(m.events)-m.freeLocked() > m.limit {
		m.coalesceLocked(m.freeLocked())
	}
	m.wakeLocked()
}

// freeLocked returns the place from which on the client knows nothing of the events' effect. Others may
// replace them.
func (m *mailbox) freeLocked() int { return max(m.sent, m.pinned) }

// pin keeps the events as they are, if the attachment is the present one. The answer to the resume of its
// client tells the client their effect.
func (m *mailbox) pin(attachment uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if attachment != m.attachment {
		return
	}
	if len(m.events)-m.sent > minCoalesce {
		// else the events of a client that resumes again and again without reading would grow
		m.coalesceLocked(m.sent)
	}
	m.pinned = len(m.events)
}

// close takes `exited` as the last event, or ends the mailbox without one if last is nil. Custom messages
// that were not sent are forgotten.
func (m *mailbox) close(last *terms.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.closed = true
	m.dropMessagesLocked()
	if last != nil {
		m.exit = true
		m.events = append(m.events, *last)
	}
	if last == nil || !m.attached || m.exitOnly {
		m.concludeLocked()
	}
	m.wakeLocked()
}

// dropMessagesLocked forgets the custom messages that were not sent on the present attachment.
func (m *mailbox) dropMessagesLocked() {
	before := len(m.events)
	unsent := slices.DeleteFunc(m.events[m.sent:], func(e terms.Event) bool { return e.Type == terms.EventMessage })
	m.events = m.events[:m.sent+len(unsent)]
	m.messages -= before - len(m.events)
	m.pinned = min(m.pinned, len(m.events))
}

// coalesceLocked replaces the events from that place on by their net effect.
func (m *mailbox) coalesceLocked(from int) {
	rest := coalesce(m.events[from:])
	m.limit = max(minCoalesce, 2*len(rest))
	m.events = append(slices.Clip(m.events[:from]), rest...)
}

func (m *mailbox) wakeLocked() {
	if wake := m.wake; wake != nil {
		m.wake = nil
		wake()
	}
}

// concludeLocked says that nobody need wait any longer for `exited` to be handed out.
func (m *mailbox) concludeLocked() {
	select {
	case <-m.concluded:
	default:
		close(m.concluded)
	}
}

// next returns the next event of an attachment, waiting for it. A further call says that the event before
// has been handed to the connection. After the last event next returns io.EOF; if the attachment is not
// the present one, ErrDetached.
func (m *mailbox) next(ctx context.Context, attachment uint64) (terms.Event, error) {
	woken := make(chan struct{}, 1)
	for {
		if e, err, ok := m.poll(attachment, func() { woken <- struct{}{} }); ok {
			return e, err
		}
		select {
		case <-woken:
		case <-ctx.Done():
			return terms.Event{}, ctx.Err()
		}
	}
}

// poll is next without waiting. If there is nothing, ok is false, and wake is called once as soon as there
// is. It is called with the mailbox locked.
func (m *mailbox) poll(attachment uint64, wake func()) (e terms.Event, err error, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, err, ok = m.takeLocked(attachment); !ok {
		m.wake = wake
	}
	return e, err, ok
}

func (m *mailbox) takeLocked(attachment uint64) (e terms.Event, err error, ok bool) {
	switch {
	case attachment != m.attachment || !m.attached:
		return e, ErrDetached, true
	case m.sent >= maxUnacked:
		m.detachLocked()
		return e, ErrDetached, true
	case m.sent < len(m.events):
		e = m.events[m.sent]
		m.sent++
		e.Seq = m.acked + uint64(m.sent)
		return e, nil, true
	case m.closed:
		m.told = m.exit
		m.concludeLocked()
		return e, io.EOF, true
	}
	return e, nil, false
}

// ack forgets the events up to the given number, as far as they were sent.
func (m *mailbox) ack(seq uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if seq <= m.acked {
		return
	}
	n := int(min(seq-m.acked, uint64(m.sent)))
	m.forgetLocked(n)
	if m.exit && len(m.events) == 0 {
		m.told = true
		m.concludeLocked()
	}
}

func (m *mailbox) forgetLocked(n int) {
	for i := range m.events[:n] {
		if m.events[i].Type == terms.EventMessage {
			m.messages--
		}
	}
	rest := copy(m.events, m.events[n:])
	clear(m.events[rest:])
	if m.events = m.events[:rest]; rest == 0 {
		m.events = nil // a burst leaves no memory behind
	}
	m.acked += uint64(n)
	m.sent -= n
	m.pinned = max(m.pinned-n, 0)
}

// open makes attachment 1, that of the connection that entered, the present one.
func (m *mailbox) open() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.attachment, m.attached = 1, true
}

// attach makes a new attachment the present one. lastSeq is the last event that the client has; those
// after it are sent again. It returns a bad_request if the client claims to have an event that was never
// sent.
func (m *mailbox) attach(lastSeq uint64) (attachment uint64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if lastSeq > m.acked+uint64(m.sent) {
		return 0, terms.Errorf(terms.CodeBadRequest, "lastSeq", "event %d was never sent", lastSeq)
	}
	if lastSeq > m.acked {
		m.forgetLocked(int(lastSeq - m.acked))
	}
	m.sent, m.pinned = 0, 0
	m.attachment++
	m.attached = true
	m.wakeLocked()
	return m.attachment, nil
}

// detach ends the attachment if it is the present one.
func (m *mailbox) detach(attachment uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if attachment == m.attachment {
		m.detachLocked()
	}
}

func (m *mailbox) detachLocked() {
	m.attached = false
	if m.closed {
		m.concludeLocked()
	}
	m.wakeLocked()
}

// isPresent reports whether no other attachment has come after that one.
func (m *mailbox) isPresent(attachment uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return attachment == m.attachment
}

// isAttached reports whether there is an attachment.
func (m *mailbox) isAttached() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.attached
}

// wasTold reports whether `exited` has reached a connection that lived on.
func (m *mailbox) wasTold() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.told
}

// exited reports whether the mailbox ended with `exited`.
func (m *mailbox) exited() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.exit
}
