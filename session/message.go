package session

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"parlor/session/terms"
	"parlor/transport"
)

// maxDeliveries is how many messages per second the users of one room may have delivered, receivers counted
// one by one. A message to 1,000 costs the node what 1,000 to one do. Higher lets a large room that chats
// take CPU from media. Lower refuses messages in smaller ones.
const maxDeliveries = 200_000

// SendMessage gives a message of the user to everybody else in the room. In a live room the audience may
// send, too. A user of the audience is announced to nobody, but its messages name it. SendMessage does not
// wait for the receivers: one that does not keep up loses the message. Errors: bad_request, not_allowed,
// message_limit, user_not_found; then nobody gets it.
func (s *Session) SendMessage(m terms.Message) error { return s.p.sendMessage(m) }

// sending is how far the messages of a user are.
type sending struct {
	mu   sync.Mutex // held while one is handed out; before room.mu
	last uint64     // Message.Number of the last one that was sent; under mu
}

func (p *participant) sendMessage(m terms.Message) error {
	// What takes p out of the room waits for this (stop), so that nothing of p comes later.
	p.sending.mu.Lock()
	defer p.sending.mu.Unlock()
	if m.Number != 0 && m.Number <= p.sending.last {
		return nil
	}
	to, err := p.admitMessage(m)
	if err != nil {
		p.rooms.messages.refuse(err)
		return err
	}
	p.sending.last = max(p.sending.last, m.Number)
	p.rooms.messages.sent.Add(1)
	newPost(p.user, m).deliver(p.rooms, to)
	return nil
}

// admitMessage checks a message and returns the sessions that are to get it.
func (p *participant) admitMessage(m terms.Message) ([]*participant, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	if err := p.granted().Need(terms.RightSendMessage, "message"); err != nil {
		return nil, err
	}
	rm := p.room
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if p.left != nil {
		return nil, errGone()
	}
	now := p.rooms.opts.Now()
	if p.m.quota == nil {
		p.m.quota = new(quota)
	}
	if !p.m.quota.allows(now, len(m.Data)) {
		return nil, terms.Errorf(terms.CodeMessageLimit, "message", "a user sends at most %d messages and %d bytes a second", quotaMessages, quotaBytes)
	}
	to := rm.hearersLocked(func(o *member) bool { return o != p.m })
	if !rm.spendLocked(now, len(to)) {
		return nil, terms.Errorf(terms.CodeMessageLimit, "message", "too many messages in this room at the moment")
	}
	p.m.quota.take(now, len(m.Data))
	return to, nil
}

// spendLocked takes n deliveries, and reports whether the room had them left.
func (rm *room) spendLocked(now time.Time, n int) bool {
	if rm.deliveries == nil {
		rm.deliveries = rate.NewLimiter(maxDeliveries, maxDeliveries)
	}
	return rm.deliveries.AllowN(now, min(n, maxDeliveries))
}

// hearersLocked returns the sessions of those members that are in.
func (rm *room) hearersLocked(which func(*member) bool) []*participant {
	l := make([]*participant, 0, len(rm.members))
	for _, m := range rm.members {
		if m.p.left == nil && which(m) {
			l = append(l, m.p)
		}
	}
	return l
}

// SendMessage gives a message of the server to users of a room; nil: to all. The receivers see no sender.
// delivered is to how many it was handed, or for how many it is kept until they are connected again. missed
// is how many of those meant were missed: not in the room, without a way to be reached, or not keeping up.
// The limits per second are not for it. Errors: bad_request, room_not_found, or ctx's.
func (r *Rooms) SendMessage(ctx context.Context, id terms.RoomID, users []string, m terms.Message) (delivered, missed int, err error) {
	if err := errors.Join(ctx.Err(), checkCommandMessage(id, users, m)); err != nil {
		return 0, 0, err
	}
	rm := r.room(id)
	if rm == nil {
		return 0, 0, errNoRoom()
	}
	rm.mu.Lock()
	exists := rm.existsLocked()
	to := rm.hearersLocked(func(m *member) bool { return users == nil || slices.Contains(users, m.user) })
	rm.mu.Unlock()
	if !exists {
		return 0, 0, errNoRoom()
	}
	meant := len(to)
	if users != nil {
		meant = len(slices.Compact(slices.Sorted(slices.Values(users))))
	}
	r.messages.sent.Add(1)
	m.Data = slices.Clone(m.Data)
	delivered = newPost("", m).deliver(r, to)
	return delivered, meant - delivered, nil
}

func checkCommandMessage(id terms.RoomID, users []string, m terms.Message) error {
	if err := id.Check(); err != nil {
		return err
	}
	if users != nil && (len(users) < 1 || len(users) > terms.MaxMessageUsers) {
		return terms.Errorf(terms.CodeBadRequest, "users", "a message is to 1 to %d users or to all, not to %d", terms.MaxMessageUsers, len(users))
	}
	for _, u := range users {
		if err := terms.CheckUser(u); err != nil {
			return terms.Errorf(terms.CodeBadRequest, "users", "%s", terms.AsError(err).Text)
		}
	}
	return m.Check()
}

// post is one message on its way: in the two forms in which it may reach a receiver, each shared by all.
type post struct {
	reliable bool
	event    terms.Event
	frame    []byte
}

// newPost takes over the message's data. An empty sender is the server.
func newPost(from string, m terms.Message) post {
	if m.Data == nil {
		m.Data = []byte{}
	}
	return post{
		reliable: m.Reliable, frame: appendFrame(nil, from, m),
		event: terms.Event{Type: terms.EventMessage, User: terms.UserState{User: from}, Message: &m}.Shared(),
	}
}

// deliver hands the message to each and returns to how many. It does not block.
func (m post) deliver(r *Rooms, to []*participant) (delivered int) {
	for _, p := range to {
		if m.deliverTo(p, &r.messages) {
			delivered++
		}
	}
	return delivered
}

func (m post) deliverTo(p *participant, count *messageCounts) bool {
	switch err := m.byChannel(p); {
	case err == nil:
		count.byChannel.Add(1)
		return true
	case errors.Is(err, transport.ErrBacklog):
		count.dropped[MessageSlowChannel].Add(1)
		return false
	}
	if why, ok := p.box.pushMessage(m.event, m.reliable); !ok {
		count.dropped[why].Add(1)
		return false
	}
	count.bySocket.Add(1)
	return true
}

// errNoWay: there is no data channel to a receiver, or not yet.
var errNoWay = errors.New("no data channel")

// byChannel sends the message by the receiver's data channel.
func (m post) byChannel(p *participant) error {
	peer := p.media.heard.Load()
	if peer == nil {
		return errNoWay
	}
	if !m.reliable {
		if err := (*peer).SendMessage(ChannelUnreliable, m.frame, false); !errors.Is(err, transport.ErrNoChannel) {
			return err
		}
	}
	if p.box.hasMessages() { // which the client may still be waiting for: a channel would overtake them
		return errNoWay
	}
	return (*peer).SendMessage(ChannelReliable, m.frame, false)
}

// takeFrame takes a client's message on a data channel. What is wrong with it goes back on the same channel.
func (p *participant) takeFrame(peer Peer, f transport.Message) {
	if f.Label != ChannelReliable && f.Label != ChannelUnreliable {
		return // somebody else's protocol
	}
	cmdID, data, err := parseFrame(f.Data)
	if err != nil {
		p.rooms.messages.refuse(err)
	} else {
		err = p.sendMessage(terms.Message{CmdID: cmdID, Data: data, Reliable: f.Label == ChannelReliable})
	}
	if err == nil {
		return
	}
	// If this one does not fit either, the client sends without reading.
	_ = peer.SendMessage(f.Label, appendErrorFrame(nil, cmdID, terms.AsError(err).Code), false)
}
