// Package client is a participant for load and for tests: a pion PeerConnection behind the signalling
// protocol of docs/protocol.md, or behind WHIP and WHEP. It is the other end, and shares no code with the
// node.
//
//	client.go   Options, Client: entering, requests, resuming
//	leave.go    leaving: as one who says so, as a page that closes, without a word
//	message.go  the protocol's messages
//	signal.go   one WebSocket: requests and answers, events
//	profile.go  what the user is called
//	roam.go     staying in a room over the loss of nodes
//	peer.go     one PeerConnection: sections, seats, offers, reading
//	messages.go custom messages
//	outgoing.go what is published, packet by packet
//	engine.go   Media: how the PeerConnection is built, with which codecs and interceptors
//	socket.go   its UDP socket
//	arrivals.go when packets came to it
//	whip.go     WHIP and WHEP
//	sample/     counting a sample of the packets only
//
// Everything that a Client started has ended when Close or Exit has returned.
package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"
)

// Options say which user enters which room of which node, and with what.
type Options struct {
	URL   string // of the node: http://host:port
	Room  any    // a string, or any integer type
	User  string
	Token string
	Role  string // anchor, audience; empty: the node's default
	Scene string // call, live; empty: the node's default

	Profile Profile // what the user is to be called; the token may say otherwise

	Publish []Source // one sending section each
	RIDs    []string // simulcast layers of Camera, lowest first; none: one plain stream
	Seats   int      // how many seats are prepared
	Silent  bool     // seats have no audio section
	Blind   bool     // seats have no video section
	Media   Media

	// OnRTP is called once for every section on which packets arrive. The function that it returns is called
	// for every packet of that section, on one goroutine per section. The bytes are valid during the call
	// only. If OnRTP is nil, packets are discarded.
	OnRTP func(Section) func(packet []byte)
	// OnEvent takes the events instead of Client.Events, on the goroutine that reads the socket. It must not
	// block and must not call the Client.
	OnEvent func(Event)
	// Prepare is called on every new PeerConnection before its first offer, for instance to open a data
	// channel.
	Prepare func(*webrtc.PeerConnection) error
	NoPing  bool         // never sends a ping
	HTTP    *http.Client // nil: http.DefaultClient

	servers []ICEServer // of the present node
}

// Section is one receiving section of a seat.
type Section struct {
	Seat  string
	Audio bool
}

// ErrEnded is the error of requests after the session has ended.
var ErrEnded = errors.New("session has ended")

// Client is one participant. Its methods may be called from any goroutine; those that negotiate wait for each
// other.
type Client struct {
	opts   Options // URL is the present node's, see at; Profile is what the node has told last
	events chan Event
	last   atomic.Uint64 // seq of the last event taken
	gaps   atomic.Uint64
	ended  chan struct{} // the event `exited` has come, or Close was called

	negotiating sync.Mutex // held over an offer and its answer; taken before mu

	mu      sync.Mutex
	entered Entered
	exited  Event // once it has come
	signal  *signal
	peer    *peer // nil: no media
	closed  bool
	running sync.WaitGroup // readers and pingers

	endOnce, eventsOnce sync.Once
}

const eventBuffer = 1024

// Dial enters the room, negotiates what the options ask for, if anything, and waits until media is connected.
// The error of a refusal is an *Error.
func Dial(ctx context.Context, o Options) (*Client, error) {
	c := &Client{opts: o, events: make(chan Event, eventBuffer), ended: make(chan struct{})}
	if err := c.enter(ctx); err != nil {
		c.Close()
		return nil, err
	}
	if len(o.Publish) == 0 && o.Seats == 0 && o.Prepare == nil {
		return c, nil
	}
	if err := c.Fresh(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) enter(ctx context.Context) error {
	o := c.at()
	body := enterMsg{Room: o.Room, User: o.User, Token: o.Token, Role: o.Role, Scene: o.Scene, Name: o.Profile.Name, Metadata: o.Profile.Metadata}
	return c.connect(ctx, "enter", body)
}

// Resume opens a new signalling connection for the same session, after the old one was lost or dropped. Media
// is not touched. Events that were missed arrive on Events.
func (c *Client) Resume(ctx context.Context) error {
	c.DropSignal()
	c.mu.Lock()
	body := resumeMsg{Session: c.entered.Session, Key: c.entered.Key, LastSeq: c.last.Load()}
	c.mu.Unlock()
	return c.connect(ctx, "resume", body)
}

// maxRedirects is how often one entering is sent on to another node.
const maxRedirects = 5

// connect makes the first request of a connection at the present node. If that names another node, as the
// room is there, connect goes on at that one.
func (c *Client) connect(ctx context.Context, typ string, body any) error {
	var elsewhere *Redirect
	for range maxRedirects + 1 {
		err := c.knock(ctx, typ, body)
		if !errors.As(err, &elsewhere) {
			return err
		}
		c.move(elsewhere.URL)
	}
	return fmt.Errorf("sent on more than %d times, last to %s", maxRedirects, elsewhere.URL)
}

// At returns the URL of the node that the client is at.
func (c *Client) At() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.opts.URL
}

func (c *Client) move(url string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opts.URL = url
}

// at returns the options with the present node's URL.
func (c *Client) at() Options {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.opts
}

// knock opens a socket and makes its first request, which answers with Entered.
func (c *Client) knock(ctx context.Context, typ string, body any) error {
	s, err := dialSignal(ctx, c.at(), c.take)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		s.abort()
		return ErrEnded
	}
	c.signal = s
	c.running.Go(func() { c.read(s) })
	c.mu.Unlock()
	var e Entered
	if err := s.call(ctx, typ, body, &e); err != nil {
		s.close()
		return fmt.Errorf("%s: %w", typ, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entered, c.opts.servers = e, e.ICEServers
	if !c.opts.NoPing && !c.closed {
		c.running.Go(func() { c.ping(s, time.Duration(e.Timers.PingMs)*time.Millisecond) })
	}
	return nil
}

func (c *Client) read(s *signal) {
	s.read()
	if c.isEnded() {
		c.closeEvents()
	}
}

// ping tells the node every so often what has been seen, until the socket ends.
func (c *Client) ping(s *signal, every time.Duration) {
	if every <= 0 {
		every = 2 * time.Second
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-t.C:
			// What ails the socket shows in done.
			_ = s.call(context.Background(), "ping", pingMsg{Ack: c.last.Load()}, nil)
		}
	}
}

// take is given every event by the socket's reader, in order.
func (c *Client) take(e Event, abort <-chan struct{}) {
	last := c.last.Load()
	if e.Seq != 0 && e.Seq <= last {
		return // sent again after a resume
	}
	if c.opts.OnEvent != nil {
		c.opts.OnEvent(e)
	} else {
		select {
		case c.events <- e:
		case <-abort:
			return
		}
	}
	if e.Seq != 0 {
		if e.Seq != last+1 {
			c.gaps.Add(1)
		}
		c.last.Store(e.Seq)
	}
	c.keepProfile(e)
	if e.Type == Exited {
		c.mu.Lock()
		c.exited = e
		c.mu.Unlock()
		c.end()
	}
}

func (c *Client) end()         { c.endOnce.Do(func() { close(c.ended) }) }
func (c *Client) closeEvents() { c.eventsOnce.Do(func() { close(c.events) }) }
func (c *Client) isEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// Events returns the events in order. The channel holds 1024; when they are not read the socket is not read
// either. It is closed after `exited`, and by Close.
func (c *Client) Events() <-chan Event { return c.events }

// Await reads Events until one of the given type comes, and returns that.
func (c *Client) Await(ctx context.Context, typ string) (Event, error) {
	for {
		select {
		case e, ok := <-c.events:
			if !ok {
				return Event{}, fmt.Errorf("await %s: %w", typ, ErrEnded)
			}
			if e.Type == typ {
				return e, nil
			}
		case <-ctx.Done():
			return Event{}, fmt.Errorf("await %s: %w", typ, ctx.Err())
		}
	}
}

// Gaps counts events whose seq did not follow the one before: each is an event that the node has lost.
func (c *Client) Gaps() uint64 { return c.gaps.Load() }

// Done is closed when the session has ended: `exited` came, or Close was called.
func (c *Client) Done() <-chan struct{} { return c.ended }

// SignalLost is closed when the present signalling connection has ended.
func (c *Client) SignalLost() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.signal.done
}

// Entered returns the node's latest answer to entering or resuming.
func (c *Client) Entered() Entered {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entered
}

// Call makes any request and decodes its answer into out, unless that is nil. It is the way to send what the
// other methods would not.
func (c *Client) Call(ctx context.Context, typ string, body, out any) error {
	c.mu.Lock()
	s := c.signal
	c.mu.Unlock()
	if s == nil {
		return ErrEnded
	}
	if err := s.call(ctx, typ, body, out); err != nil {
		return fmt.Errorf("%s: %w", typ, err)
	}
	return nil
}

// Seat says who sits in a seat.
func (c *Client) Seat(ctx context.Context, r SeatRequest) error {
	return c.Call(ctx, "seat", r.wire(), nil)
}

// SetPublishing mutes (off) or unmutes a source.
func (c *Client) SetPublishing(ctx context.Context, s Source, on bool) error {
	return c.Call(ctx, "publish", publishMsg{Source: s, On: on}, nil)
}

// SetRole switches between anchor and audience.
func (c *Client) SetRole(ctx context.Context, role string) error {
	return c.Call(ctx, "role", roleMsg{Role: role}, nil)
}

// Fresh negotiates a new PeerConnection with the sections of the old one, waits until it is connected, and
// closes the old one. What is published goes on through the same Outgoing.
func (c *Client) Fresh(ctx context.Context) error {
	c.negotiating.Lock()
	defer c.negotiating.Unlock()
	old := c.currentPeer()
	p, err := newPeer(ctx, c.at(), old)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		p.close(false)
		return ErrEnded
	}
	c.peer = p
	c.mu.Unlock()
	if old != nil {
		defer old.close(false)
	}
	if err := c.negotiate(ctx, p, offerOptions{fresh: true}); err != nil {
		return err
	}
	return p.awaitConnected(ctx)
}

// AddSeats prepares n more seats by offering again. Seats are named "0", "1" and so on.
func (c *Client) AddSeats(ctx context.Context, n int) error {
	return c.renegotiate(ctx, offerOptions{}, func(p *peer) error { return p.addSeats(n) })
}

// AddPublish publishes one more source by offering again.
func (c *Client) AddPublish(ctx context.Context, s Source) error {
	return c.renegotiate(ctx, offerOptions{}, func(p *peer) error { return p.addPublish(s, nil) })
}

// StopPublish stops sending a source by offering again.
func (c *Client) StopPublish(ctx context.Context, s Source) error {
	return c.renegotiate(ctx, offerOptions{}, func(p *peer) error { return p.stopPublish(s) })
}

// RestartICE offers again with new ICE credentials.
func (c *Client) RestartICE(ctx context.Context) error {
	return c.renegotiate(ctx, offerOptions{restart: true}, func(*peer) error { return nil })
}

func (c *Client) renegotiate(ctx context.Context, o offerOptions, change func(*peer) error) error {
	c.negotiating.Lock()
	defer c.negotiating.Unlock()
	p := c.currentPeer()
	if p == nil {
		return errors.New("no PeerConnection")
	}
	if err := change(p); err != nil {
		return err
	}
	return c.negotiate(ctx, p, o)
}

type offerOptions struct{ fresh, restart bool }

func (c *Client) negotiate(ctx context.Context, p *peer, o offerOptions) error {
	sdp, err := p.offer(ctx, o.restart)
	if err != nil {
		return err
	}
	publish, seats := p.plan()
	var a answerMsg
	if err := c.Call(ctx, "offer", offerMsg{SDP: sdp, Publish: publish, Seats: seats, Fresh: o.fresh}, &a); err != nil {
		return err
	}
	return p.answer(a.SDP)
}

func (c *Client) currentPeer() *peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peer
}

// PeerConnection returns the present one, nil without media.
func (c *Client) PeerConnection() *webrtc.PeerConnection {
	if p := c.currentPeer(); p != nil {
		return p.pc
	}
	return nil
}

// Outgoing returns what is published from a source, by layer; rid is empty without simulcast. It returns nil
// if that is not published.
func (c *Client) Outgoing(s Source, rid string) *Outgoing { return c.currentPeer().find(s, rid) }

// Sample lets the kernel drop all RTP packets but those whose sequence number is a multiple of k (a power of
// two; 1: none is dropped). What is left has no gaps in it but real ones.
func (c *Client) Sample(k int) error { return c.currentPeer().sample(k) }

// Drops returns how many packets the kernel has thrown away because this client did not read fast enough.
func (c *Client) Drops() (uint32, error) { return c.currentPeer().drops() }

// Silence cuts (true) or mends the media path as a dead network does: packets of both directions vanish.
func (c *Client) Silence(on bool) { c.currentPeer().silence(on) }

// DropSignal cuts the signalling connection without a word and waits until its reader has ended. Media goes
// on.
func (c *Client) DropSignal() {
	c.mu.Lock()
	s := c.signal
	c.mu.Unlock()
	if s != nil {
		s.close()
	}
}
