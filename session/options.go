package session

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"parlor/router"
	"parlor/session/terms"
	"parlor/tracing"
)

// Limits bound what users can take. A zero field gets its default.
type Limits struct {
	CallUsers      int // users in a call room; 300
	CallPublishers int // of them, publishing at the same time; 50
	LiveAnchors    int // anchors in a live room; 50
	Rooms          int // rooms on the node, empty ones included; 20,000
	Users          int // users on the node, which also bounds the audience of a live room; 20,000
	Seats          int // seats of one user; 128
	Entries        int // a minute by one user into a room, and at once; 60. Into all rooms: ten times that
}

// Timers are the session layer's times. A zero field gets its default.
type Timers struct {
	// Ping is how often the client sends a ping; 3 s. Pings are what an idle user costs. Lower costs CPU.
	// Higher has clients report connection-lost later, since they check as often for how long they have heard
	// nothing.
	Ping      time.Duration
	Lost      time.Duration // without contact the client reports connection-lost; 8 s
	Reconnect time.Duration // after that it starts to reconnect; 3 s
	// Timeout is for how long neither signalling nor media show life before the user is let go; 90 s. Lower
	// frees places sooner, and throws out users on bad networks.
	Timeout time.Duration
	// Media replaces Timeout for users that have nothing but media (WHIP, WHEP); 30 s (RFC 7675). It is for
	// how long there may be no connectivity check, RTP or RTCP before such a user is let go. Lower frees
	// places of dead encoders sooner, and throws out users on bad networks.
	Media time.Duration
	// EmptyLive is for how long a live room goes on without anybody after its last audience has left; 10 min.
	EmptyLive time.Duration
	// TokenExpiring is how long before the end of its token a client is told to renew it; 30 s. If half of
	// what the token holds for is less, it is that. Lower leaves a client that is reconnecting less time.
	TokenExpiring time.Duration
	// Tell bounds how long leaving waits for `exited` to be handed to the user's connection; 1 s. Higher
	// makes commands that put out a stuck client slower to answer. Lower lets busy clients learn of it only
	// by a resume.
	Tell time.Duration
}

// Cluster says which rooms are this node's, if there are other nodes. Its methods may be called from any
// goroutine. They are called without locks, except Others, which must not block.
type Cluster interface {
	// Open returns why nobody may enter this node now, a *terms.Error; nil: everybody may. It is asked for
	// every user that enters, and costs next to nothing.
	Open() error
	// Claim makes sure that a room is this node's until release is called, once for each Claim. With create
	// the room may be one that is nowhere yet. Errors: *terms.ElsewhereError, room_not_found if the room is
	// nowhere and is not to be created, node_draining, or ctx's.
	Claim(ctx context.Context, room terms.RoomID, create bool) (release func(), err error)
	// Others returns the URLs of a few other nodes, read-only.
	Others() []string
}

// alone is the only node.
type alone struct{}

func (alone) Open() error      { return nil }
func (alone) Others() []string { return nil }
func (alone) Claim(_ context.Context, _ terms.RoomID, create bool) (func(), error) {
	if !create {
		return nil, errNoRoom()
	}
	return func() {}, nil
}

// Options of a node's rooms. The zero Options are valid.
type Options struct {
	Node    string // the node's id
	Limits  Limits
	Timers  Timers
	Cluster Cluster // nil: there are no other nodes, and all rooms are here
	Marks   Marks   // nil: bans and blocks are in this node's memory only
	Relay   Relay   // nil: there is no TURN server
	Log     zerolog.Logger
	Trace   *tracing.Tracer  // nil: none
	Now     func() time.Time // nil: time.Now
	// Loudest is how many of a room's anchors are heard in automatic seats, if there are more: those who
	// speak loudest. 0: all. At most router.MaxLoudest.
	Loudest int
	Router  router.Options // for every room; Log and Now are set from here
}

func (o Options) withDefaults() Options {
	num := func(p *int, d int) {
		if *p <= 0 {
			*p = d
		}
	}
	dur := func(p *time.Duration, d time.Duration) {
		if *p <= 0 {
			*p = d
		}
	}
	num(&o.Limits.CallUsers, 300)
	num(&o.Limits.CallPublishers, 50)
	num(&o.Limits.LiveAnchors, 50)
	num(&o.Limits.Rooms, 20_000)
	num(&o.Limits.Users, 20_000)
	num(&o.Limits.Seats, 128)
	num(&o.Limits.Entries, 60)
	dur(&o.Timers.Ping, 3*time.Second)
	dur(&o.Timers.Lost, 8*time.Second)
	dur(&o.Timers.Reconnect, 3*time.Second)
	dur(&o.Timers.Timeout, 90*time.Second)
	dur(&o.Timers.Media, 30*time.Second)
	dur(&o.Timers.EmptyLive, 10*time.Minute)
	dur(&o.Timers.TokenExpiring, 30*time.Second)
	dur(&o.Timers.Tell, time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Cluster == nil {
		o.Cluster = alone{}
	}
	if o.Marks == nil {
		o.Marks = noMarks{}
	}
	if o.Relay == nil {
		o.Relay = noRelay{}
	}
	o.Loudest = min(max(o.Loudest, 0), router.MaxLoudest)
	o.Router.Log, o.Router.Now, o.Router.Loudest = o.Log, o.Now, o.Loudest
	return o
}

func clientTimers(t Timers) terms.ClientTimers {
	ms := func(d time.Duration) int64 { return d.Milliseconds() }
	return terms.ClientTimers{LostMS: ms(t.Lost), ReconnectMS: ms(t.Reconnect), TimeoutMS: ms(t.Timeout), PingMS: ms(t.Ping)}
}
