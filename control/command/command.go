// Package command is what operators and back ends can have a node do: remove users, dismiss rooms, look at
// both, drain the node. It is the one implementation behind all doors: NATS, admin HTTP, and through them the
// command line. A door hands over an action's name and the bytes of a request. It gets a value to answer as
// JSON, or an error that names the field.
//
//	command.go    Commands: Do, DoHere
//	action.go     Action, and the table of all of them
//	messages.go   the JSON of rooms and users
//	detail.go     the JSON of one user's network and streams
//	node.go       the JSON of nodes; Node: what this package needs of the node
//	decode.go     reading requests, and what is said about bad ones
//	message.go    SendMessage
//	rooms.go      the other commands on rooms and users
//	nodes.go      the commands on nodes
//	history.go    DescribeHistory: the last quarter of an hour
//	recent.go     ListEvents; Recent: the latest events
//	refused.go    ListRefusals
//	page.go       shorter pages; which commands may be repeated
//	elsewhere.go  Elsewhere: the other nodes; to which a command goes, merging of lists
//	owed.go       commands that a node carries out later, as it cannot be reached
//	moving.go     commands on a room that moves from node to node
//	once.go       ids of commands, so that such a node carries each out once
package command

import (
	"context"
	"errors"
	"time"

	"parlor/session"
	"parlor/session/refusal"
	"parlor/session/terms"
	"parlor/tracing"
)

// Options of Commands.
type Options struct {
	Rooms     *session.Rooms
	Node      Node
	Elsewhere Elsewhere // nil: the node is alone
	// Observe is told of every command that was given here, for metrics, wherever it was carried out: how
	// long it took, and with what error. Commands that other nodes pass on are counted there. nil: nobody is
	// told. It must not block.
	Observe func(a Action, took time.Duration, err error)
	Trace   *tracing.Tracer // nil: none

	// Application reports whether there is an application of that number; nil: there is none.
	Application func(sdkAppID uint32) bool

	Recent   *Recent      // of the feed of Rooms; nil: nothing is remembered
	Refusals *refusal.Log // of the node's doors; nil: none
}

// Commands carry out commands. Safe for concurrent use.
type Commands struct {
	o    Options
	only terms.RoomID // zero: any
	once *once
}

// New returns the commands of a node. It starts nothing.
func New(o Options) *Commands { return &Commands{o: o, once: new(once)} }

// Within returns the commands that concern one room, for callers that may give no others; for the zero room,
// all.
func (c *Commands) Within(room terms.RoomID) *Commands { return &Commands{c.o, room, c.once} }

// task is a request that was read and is well-formed.
type task struct {
	// here carries it out on this node; called again, it also reaches those that it has missed before.
	here   func(ctx context.Context) (any, error)
	awaits awaiting // if it is about a room

	// At most one of these says which nodes it concerns besides this one; with none it is this one alone.
	room terms.RoomID                               // the holder of this room
	node string                                     // the node of this id
	all  func(context.Context, []byte) (any, error) // all nodes: asks them and merges the answers

	owed *owing // what the room's node is to do when it is back; nil: nothing
}

// Do carries out a command, wherever the room is that it is about, and returns what to answer as JSON once it
// is true. The deadline is ctx's. An error that the caller is to be told is a *terms.Error, whose Field is as
// the request names it. Any other is a fault of the node (see terms.AsError).
func (c *Commands) Do(ctx context.Context, a Action, request []byte) (answer any, err error) {
	if observe := c.o.Observe; observe != nil && a.Known() {
		defer func(began time.Time) { observe(a, time.Since(began), err) }(time.Now())
	}
	return c.do(ctx, a, request, c.route)
}

// DoHere is Do for this node alone, as if there were no other: other nodes ask it. A command with the id
// (WithID) of one that was carried out is an error. That holds also if the first was not complete in time.
func (c *Commands) DoHere(ctx context.Context, a Action, request []byte) (answer any, err error) {
	return c.doOnce(ctx, a, request, c.patiently)
}

func (c *Commands) doOnce(ctx context.Context, a Action, request []byte, run func(context.Context, task) (any, error)) (answer any, err error) {
	id := IDOf(ctx)
	if !c.once.begin(id) {
		return nil, terms.Errorf(terms.CodeInternal, "", "the command is carried out already")
	}
	defer func() {
		if err != nil && !mayBeDone(err) {
			c.once.failed(id)
		}
	}()
	return c.do(ctx, a, request, func(ctx context.Context, _ Action, _ []byte, t task) (any, error) { return run(ctx, t) })
}

func (c *Commands) do(ctx context.Context, a Action, request []byte,
	run func(context.Context, Action, []byte, task) (any, error)) (answer any, err error) {
	s, ok := specs[a]
	if !ok {
		return nil, Unknown(a)
	}
	ctx, span := c.o.Trace.Start(ctx, string(a), "node", c.o.Node.ID())
	defer func() { span.End(err) }()
	t, err := s.read(c, request)
	if err == nil && !c.only.IsZero() && t.room != c.only {
		err = terms.Errorf(terms.CodeNotAllowed, "token", "the token is for one room only")
	}
	if err == nil {
		answer, err = run(ctx, a, request, t)
	}
	if err != nil {
		return nil, told(err)
	}
	return answer, nil
}

// mayBeDone reports whether a command that ended with an error may have been carried out all the same, or be
// under way.
func mayBeDone(err error) bool { return terms.AsError(err).Code == terms.CodeInternal }

// told is an error as the caller is told it.
func told(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return terms.Errorf(terms.CodeInternal, "", "the command was not complete in time; it may be repeated")
	}
	return err
}
