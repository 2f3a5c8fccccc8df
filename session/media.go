package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"parlor/packet"
	"parlor/router"
	"parlor/session/terms"
	"parlor/tracing"
	"parlor/transport"
	"parlor/transport/negotiate"
)

// media is a participant's media: one peer, what it publishes, its seats.
type media struct {
	mu        sync.Mutex             // first in the lock order; held across calls of router and peer
	closed    bool                   // leaving, step 2: nothing is attached any more
	peer      Peer                   // nil before the first negotiation
	ahead     Peer                   // made for the first negotiation, by connectAhead; nil: none
	published sources                // sources of the last negotiation
	muted     sources                // of them, those that were turned off
	off       sources                // what the router does not forward
	wants     map[string]router.Want // what the router sends, by the receiving section's MID; absent: nothing
	seats     []*seat                // in the order of the last negotiation
	auto      *autoSeats             // nil: the client says who sits where

	undecodable map[string]*terms.Undecodable // by MID: what the client was told cannot be sent; nil: none
	logged      []Formats                     // of it, pairs that are in the log

	// layers says which layers are to be sent, by RID, as the client knows or is being told; no entry: all.
	layers map[terms.Source]map[string]bool

	heard   atomic.Pointer[Peer] // peer, for lastHeard
	expects float64              // bit/s that the next peer's network is expected to carry; 0: not known

	connecting tracing.Span // of the peer that is not connected yet
}

// OfferPlan is a client's offer and what its sections are for. It states the whole: what is not named is not
// in use.
type OfferPlan struct {
	SDP     string
	Publish map[string]terms.Source // by MID: every sending section in use
	Seats   []SeatPlan
	New     bool // the offer is of another PeerConnection than the one before
	Player  bool // the client only receives: sections for both directions are seats
}

// SeatPlan is the receiving half: one user's video and audio, or either.
type SeatPlan struct {
	ID    string `json:"id"`    // 1–64 bytes, chosen by the client; also the media stream's id
	Video string `json:"video"` // MID; empty: none
	Audio string `json:"audio"` // MID; empty: none
}

// Negotiate takes a client's offer and returns the answer's SDP. The first time, and if the plan says that it
// is New, it makes a transport connection. Otherwise it changes the one there is (more sections, ICE
// restart). An error leaves things as they were: bad_request (with the field), not_allowed if a right is
// missing, or publisher_limit.
func (s *Session) Negotiate(ctx context.Context, plan OfferPlan) (answer string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	_, span := s.p.rooms.opts.Trace.Start(s.p.traced(ctx), "offer", s.p.attributes()...)
	defer func() { span.End(err) }()
	parse := negotiate.ParseOffer
	if plan.Player {
		parse = negotiate.ParsePlayer
	}
	offer, err := parse(plan.SDP)
	if err != nil {
		return "", terms.Errorf(terms.CodeBadRequest, "sdp", "%s", err)
	}
	if err := plan.check(offer, s.p.rooms.opts.Limits.Seats); err != nil {
		return "", err
	}
	return s.p.negotiate(offer, plan)
}

// check compares the plan with the offer.
func (plan OfferPlan) check(offer *negotiate.Offer, maxSeats int) error {
	if len(plan.Seats) > maxSeats {
		return terms.Errorf(terms.CodeBadRequest, "seats", "%d seats are more than the %d allowed", len(plan.Seats), maxSeats)
	}
	sections := map[string]negotiate.OfferedSection{}
	for _, s := range offer.Sections() {
		sections[s.MID] = s
	}
	// take claims a section for one use.
	take := func(field, mid string, kind packet.Kind, publish bool) error {
		s, ok := sections[mid]
		switch {
		case !ok:
			return terms.Errorf(terms.CodeBadRequest, field, "the offer has no unused section with mid %.32q", mid)
		case s.Kind != kind:
			return terms.Errorf(terms.CodeBadRequest, field, "section %.32q is %s, not %s", mid, s.Kind, kind)
		case s.Publish != publish && publish:
			return terms.Errorf(terms.CodeBadRequest, field, "section %.32q does not send", mid)
		case s.Publish != publish:
			return terms.Errorf(terms.CodeBadRequest, field, "section %.32q does not receive", mid)
		}
		delete(sections, mid)
		return nil
	}
	if err := plan.checkPublish(take); err != nil {
		return err
	}
	return plan.checkSeats(take)
}

type takeSection func(field, mid string, kind packet.Kind, publish bool) error

func (plan OfferPlan) checkPublish(take takeSection) error {
	var seen sources
	for mid, s := range plan.Publish {
		if s == terms.NoSource || s > terms.ScreenAudio || seen.has(s) {
			return terms.Errorf(terms.CodeBadRequest, "publish", "section %.32q has no source of its own", mid)
		}
		seen = seen.with(s)
		if err := take("publish", mid, kindOf(s), true); err != nil {
			return err
		}
	}
	return nil
}

func (plan OfferPlan) checkSeats(take takeSection) error {
	ids := map[string]bool{}
	for _, s := range plan.Seats {
		if s.ID == "" || len(s.ID) > 64 || ids[s.ID] || s.Video == "" && s.Audio == "" {
			return terms.Errorf(terms.CodeBadRequest, "seats", "a seat has an id of its own of 1 to 64 bytes and a section")
		}
		ids[s.ID] = true
		if s.Video != "" {
			if err := take("seats", s.Video, packet.Video, false); err != nil {
				return err
			}
		}
		if s.Audio != "" {
			if err := take("seats", s.Audio, packet.Audio, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// streams returns the media stream id of each receiving section.
func (plan OfferPlan) streams() map[string]string {
	m := map[string]string{}
	for _, s := range plan.Seats {
		if s.Video != "" {
			m[s.Video] = s.ID
		}
		if s.Audio != "" {
			m[s.Audio] = s.ID
		}
	}
	return m
}

func (p *participant) negotiate(offer *negotiate.Offer, plan OfferPlan) (string, error) {
	m := &p.media
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return "", errGone()
	}
	if err := p.reserve(plan.Publish); err != nil {
		return "", err
	}
	answer, err := p.connectLocked(offer, plan)
	p.endReservation(err == nil)
	return answer, err
}

// connectLocked does the negotiation with the peer, old or new, and tells the router.
func (p *participant) connectLocked(offer *negotiate.Offer, plan OfferPlan) (string, error) {
	m := &p.media
	r := p.room.router()
	peer, old := m.peer, Peer(nil)
	if peer == nil || plan.New {
		fresh, err := m.ahead, error(nil)
		if fresh == nil {
			fresh, err = p.newPeer(p.room, r)
		}
		if err != nil {
			return "", err
		}
		m.ahead = nil
		peer, old = fresh, m.peer
	}
	answer, sections, err := peer.Negotiate(offer, plan.streams())
	if err != nil {
		if peer != m.peer {
			err = errors.Join(err, peer.Close())
		}
		return "", negotiateError(err)
	}
	if peer != m.peer {
		if err := p.swapPeerLocked(r, old, peer); err != nil {
			return "", err
		}
	}
	if err := p.updateLocked(r, sections, plan.Publish); err != nil {
		return "", fmt.Errorf("telling the router what was negotiated: %w", err)
	}
	return answer, p.setSeatsLocked(plan.Seats)
}

// newPeer makes a transport connection in a room whose router is r.
func (p *participant) newPeer(rm *room, r *router.Room) (Peer, error) {
	peer, err := p.rooms.transport.NewPeer(PeerOptions{Inbox: r, Writer: rm.media.writer, Events: peerEvents{p, new(atomic.Bool)}})
	switch {
	case errors.Is(err, transport.ErrTooManyPeers):
		return nil, terms.Errorf(terms.CodeRoomFull, "", "the node has no place for another media connection")
	case errors.Is(err, transport.ErrClosed):
		return nil, terms.Errorf(terms.CodeNodeDraining, "", "this node is shutting down")
	case err != nil:
		return nil, fmt.Errorf("making a transport connection: %w", err)
	}
	return peer, nil
}

// connectAhead makes the transport connection of p's first negotiation. If the room has ended it does
// nothing.
func (rm *room) connectAhead(p *participant) error {
	r := rm.router()
	if r == nil {
		return nil
	}
	peer, err := p.newPeer(rm, r)
	if err != nil {
		return err
	}
	p.media.mu.Lock()
	defer p.media.mu.Unlock()
	p.media.ahead = peer
	return nil
}

// hasPeer reports whether there is a transport connection, be it in advance.
func (m *media) hasPeer() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.peer != nil || m.ahead != nil
}

// updateLocked tells the router what was negotiated. What was muted stays so.
func (p *participant) updateLocked(r *router.Room, sections []packet.Section, plan map[string]terms.Source) error {
	m := &p.media
	publish := make(map[string]router.Source, len(plan))
	var published sources
	for mid, s := range plan {
		publish[mid] = routerSource(s)
		published = published.with(s)
	}
	blocked := p.blocked()
	err := error(nil)
	// before there is a track
	(published & blocked).each(func(s terms.Source) { err = errors.Join(err, p.forwardLocked(s, false)) })
	if err = errors.Join(err, r.Update(m.peer.ID(), sections, publish)); err != nil {
		return err
	}
	for mid := range m.wants { // a section that comes later under the MID of one that is gone shows nothing
		if !slices.ContainsFunc(sections, func(s packet.Section) bool { return s.MID == mid && !s.Publish }) {
			delete(m.wants, mid)
		}
	}
	m.published = published
	m.muted &= published
	return p.forwardAllLocked(blocked)
}

// negotiateError tells what the client has done wrong from a fault of the node.
func negotiateError(err error) error {
	var bad *negotiate.Error
	switch {
	case errors.As(err, &bad):
		return terms.Errorf(terms.CodeBadRequest, "sdp", "%s", bad)
	case errors.Is(err, transport.ErrOtherClient):
		return terms.Errorf(terms.CodeBadRequest, "fresh", "the offer is of another PeerConnection than the one before, which it has to say")
	case errors.Is(err, transport.ErrClosed):
		return terms.Errorf(terms.CodeBadRequest, "fresh", "the transport connection is closed; only a new PeerConnection can be offered")
	}
	return fmt.Errorf("answering the offer: %w", err)
}

// swapPeerLocked puts a new peer into the place of old (nil: none), whose tracks end first.
func (p *participant) swapPeerLocked(r *router.Room, old, peer Peer) error {
	m := &p.media
	if old != nil {
		m.expectLocked(r.Usage(p.m.id)[p.m.id].Network.Estimate)
		err := errors.Join(r.Detach(old.ID()), old.Close())
		if err != nil {
			p.log().Warn().Err(err).Msg("closing the older transport connection")
		}
		m.peer = nil
		m.heard.Store(nil)
		p.forgetUndecodableLocked()
	}
	m.off, m.wants = 0, map[string]router.Want{} // which the router forgets with the peer
	if err := r.Attach(peer.ID(), p.m.id, peer, router.PeerOptions{
		Steered: !p.mediaOnly, // nobody can tell it what to send
		Carries: m.expects,
	}); err != nil {
		return errors.Join(fmt.Errorf("attaching to the room: %w", err), peer.Close())
	}
	m.peer = peer
	m.heard.Store(&peer)
	m.connecting.End(errNotConnected)
	_, m.connecting = p.rooms.opts.Trace.Start(p.traced(context.Background()), "connect", p.attributes()...)
	return nil
}

// hoped is the share of what a network has carried that it is expected to carry over another connection.
// Higher shows more at once, and queues longer if the network carries less by now.
const hoped = 0.8

// expectLocked has the next peer's network taken for nearly what it has carried until now, in bit/s; 0: not
// known.
func (m *media) expectLocked(carried uint64) {
	if carried > 0 {
		m.expects = hoped * float64(carried)
	}
}

// RestartICE restarts ICE without a new offer, as WHIP and WHEP do. It returns the node's half as an SDP
// fragment.
func (s *Session) RestartICE(ufrag, pwd string) (fragment string, err error) {
	m := &s.p.media
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return "", errGone()
	case m.peer == nil:
		return "", terms.Errorf(terms.CodeBadRequest, "ice-ufrag", "nothing was negotiated yet")
	}
	fragment, err = m.peer.RestartICE(ufrag, pwd)
	if errors.Is(err, transport.ErrClosed) {
		return "", errGone() // there is nothing left to restart, and soon no session
	}
	if err != nil {
		return "", negotiateError(err)
	}
	return fragment, nil
}

// stop is step 2 of leaving. When it returns, no packet or message of the user reaches anybody any more, and
// none reaches the user.
func (p *participant) stop() {
	p.sending.mu.Lock()
	p.sending.mu.Unlock() //nolint:staticcheck // only to wait for a message that is being handed out
	m := &p.media
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	if m.peer == nil {
		return
	}
	m.peer.EndMessages()
	if err := p.room.router().Detach(m.peer.ID()); err != nil && !errors.Is(err, router.ErrClosed) {
		p.log().Error().Err(err).Msg("detaching from the room")
	}
}

// close closes the transport.
func (m *media) close() {
	m.mu.Lock()
	peers := [...]Peer{m.peer, m.ahead}
	m.peer, m.ahead, m.seats, m.auto = nil, nil, nil, nil
	m.heard.Store(nil)
	m.connecting.End(errNotConnected)
	m.mu.Unlock()
	for _, peer := range peers {
		if peer != nil {
			_ = peer.Close() // the client is gone or about to be: there is nobody to tell
		}
	}
}

// lastHeard returns when the peer was last heard; zero without one.
func (m *media) lastHeard() time.Time {
	if peer := m.heard.Load(); peer != nil {
		return (*peer).LastHeard()
	}
	return time.Time{}
}

// peerEvents takes what one peer of a participant reports, on goroutines of the transport.
type peerEvents struct {
	p  *participant
	up *atomic.Bool // what was reported last
}

// PeerConnected has the router start to send.
func (e peerEvents) PeerConnected(id packet.PeerID) {
	e.up.Store(true)
	e.p.rooms.spawn(func() { e.p.ready(id, e.up) })
}

// PeerLost leaves the rest to the timers while there is a way back: signalling, or an ICE restart. A
// media-only session whose connection is over for good has lost its only way back, and is let go.
func (e peerEvents) PeerLost(id packet.PeerID, err error) {
	e.up.Store(false)
	if e.p.media.heard.Load() == nil {
		return // made in advance, and its participant may not be in yet
	}
	e.p.log().Info().Err(err).Uint64("peer", uint64(id)).Msg("transport connection lost")
	e.p.rooms.spawn(func() { e.p.ready(id, e.up) })
	if e.p.mediaOnly && !errors.Is(err, transport.ErrConsent) && !errors.Is(err, transport.ErrNoConnection) {
		e.p.rooms.spawn(func() { e.p.lostPeer(id) })
	}
}

// PeerMessage takes a message that the client sends on a data channel.
func (e peerEvents) PeerMessage(id packet.PeerID, m transport.Message) {
	if peer := e.p.media.heard.Load(); peer != nil && (*peer).ID() == id {
		e.p.takeFrame(*peer, m)
	}
}

// ready has the router send to a peer that is up, and number nothing for one that is not. It looks at up
// itself: events that follow each other closely may be carried out in any order.
func (p *participant) ready(id packet.PeerID, up *atomic.Bool) {
	m := &p.media
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.peer == nil || m.peer.ID() != id {
		return
	}
	r, change := p.room.router(), (*router.Room).Suspend
	if up.Load() {
		m.connecting.End(nil)
		p.log().Debug().Uint64("peer", uint64(id)).Msg("media connected")
		change = (*router.Room).Ready
	}
	if err := change(r, id); err != nil && !errors.Is(err, router.ErrClosed) {
		p.log().Error().Err(err).Bool("up", up.Load()).Msg("starting or stopping to send")
	}
}

// lostPeer lets a media-only user go, unless it has another peer by now.
func (p *participant) lostPeer(id packet.PeerID) {
	p.media.mu.Lock()
	current := p.media.peer != nil && p.media.peer.ID() == id
	p.media.mu.Unlock()
	if current {
		p.leave(causeTimeout, "")
	}
}
