package session

import (
	"cmp"
	"slices"
	"sync"

	"parlor/packet"
	"parlor/router"
	"parlor/session/terms"
)

// undecodableKey is a receiving section.
type undecodableKey struct {
	peer packet.PeerID
	mid  string
}

// Undecodable implements router.Observer. What was not delivered yet of a section is replaced by what is
// newer.
func (o observer) Undecodable(u router.Undecodable) {
	r := &o.rm.reports
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.undecodable == nil {
		r.undecodable = map[undecodableKey]router.Undecodable{}
	}
	r.undecodable[undecodableKey{u.Peer, u.MID}] = u
	o.rm.startDelivering()
}

// tellUndecodable tells users and the log what cannot be sent to them, and that it is over.
func (rm *room) tellUndecodable(all map[undecodableKey]router.Undecodable) {
	for _, u := range all {
		rm.mu.Lock()
		var p *participant
		if m := rm.numbered[u.Member]; m != nil {
			p = m.p
		}
		rm.mu.Unlock()
		if p != nil {
			p.tellUndecodable(u)
		}
	}
}

func (p *participant) tellUndecodable(u router.Undecodable) {
	m := &p.media
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.peer == nil || m.peer.ID() != u.Peer {
		return // of a peer that was replaced, see forgetUndecodableLocked
	}
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	if before := m.undecodable[u.MID]; before != nil {
		delete(m.undecodable, u.MID)
		if p.room.members[before.User] != nil { // nothing follows a leave
			p.box.push(terms.Event{Type: before.EventType(), Undecodable: before})
		}
	}
	of := p.room.numbered[u.Track.Member]
	if of == nil || p.left != nil {
		return
	}
	x := &terms.Undecodable{Seat: m.seatOf(u.MID), User: of.user, Source: sourceOf(u.Track.Source), Sent: u.Sent, Offered: u.Offered, Paused: u.Paused}
	if m.undecodable == nil {
		m.undecodable = map[string]*terms.Undecodable{}
	}
	m.undecodable[u.MID] = x
	p.box.push(terms.Event{Type: x.EventType(), Undecodable: x, On: true})
	if x.Paused {
		return
	}
	p.rooms.undecodable.count(x.Sent, x.Offered)
	p.logUndecodable(x)
}

// logUndecodable writes a line for each pair of formats that a user meets. media.mu is held.
func (p *participant) logUndecodable(x *terms.Undecodable) {
	pair := Formats{x.Sent, x.Offered}
	if slices.Contains(p.media.logged, pair) {
		return
	}
	p.media.logged = append(p.media.logged, pair)
	p.log().Warn().Str("of", x.User).Str("source", x.Source.String()).Str("sent", x.Sent).Str("offered", x.Offered).
		Msg("nothing of a stream can be sent: the receiver has offered no codec that decodes it")
}

// forgetUndecodableLocked says that what could not be sent over a peer that is gone is over. media.mu is
// held.
func (p *participant) forgetUndecodableLocked() {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	for mid, x := range p.media.undecodable {
		delete(p.media.undecodable, mid)
		if p.room.members[x.User] != nil {
			p.box.push(terms.Event{Type: x.EventType(), Undecodable: x})
		}
	}
}

// seatOf returns the id of the seat that a section belongs to; empty if there is none.
func (m *media) seatOf(mid string) string {
	for _, s := range m.seats {
		if s.plan.Video == mid || s.plan.Audio == mid {
			return s.plan.ID
		}
	}
	return ""
}

// undecodableOf describes what cannot be sent to users, by member.
func (rm *room) undecodableOf(all map[router.MemberID]router.Usage) map[router.MemberID][]terms.Undecodable {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	found := map[router.MemberID][]terms.Undecodable{}
	for id, usage := range all {
		for _, u := range usage.Undecodable {
			if of := rm.numbered[u.Track.Member]; of != nil {
				found[id] = append(found[id], terms.Undecodable{User: of.user, Source: sourceOf(u.Track.Source), Sent: u.Sent, Offered: u.Offered, Paused: u.Paused})
			}
		}
		slices.SortFunc(found[id], func(a, b terms.Undecodable) int {
			return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Source, b.Source))
		})
	}
	return found
}

// maxPairs bounds the pairs of formats that are counted one by one. A metric has a series for each. What is
// beyond is counted as "other".
const maxPairs = 100

// Formats is a pair of what is sent and what a receiver has offered.
type Formats struct{ Sent, Offered string }

// pairs counts by pair of formats.
type pairs struct {
	mu sync.Mutex
	n  map[Formats]uint64
}

func (c *pairs) count(sent, offered string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[Formats]uint64{}
	}
	f := Formats{sent, offered}
	if _, known := c.n[f]; !known && len(c.n) >= maxPairs {
		f = Formats{"other", "other"}
	}
	c.n[f]++
}

// Undecodable returns how often a user was told that nothing of a stream can be sent to it. The counts are by
// what is sent and what the user's client has offered. There are some hundred pairs at most.
func (r *Rooms) Undecodable() map[Formats]uint64 {
	c := &r.undecodable
	c.mu.Lock()
	defer c.mu.Unlock()
	m := make(map[Formats]uint64, len(c.n))
	for f, n := range c.n {
		m[f] = n
	}
	return m
}
