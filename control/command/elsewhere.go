package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"parlor/session/terms"
)

// Elsewhere is the other nodes, as this package needs them. Its methods may be called from any goroutine.
// Only Do calls them, except Arriving, which DoHere calls, too.
type Elsewhere interface {
	// Holder returns the name of the node that holds the room, "" if none does. It may be this one.
	Holder(ctx context.Context, room terms.RoomID) (node string, err error)
	// Nodes returns the names of all nodes that live but this one, in any order.
	Nodes(ctx context.Context) ([]string, error)
	// Ask has another node carry out a command by itself alone (Commands.DoHere) and returns its answer. An
	// error that the node answers with is a *terms.Error. The error is ErrNoNode if nobody answers to that
	// name, ErrSilent if the node hangs. The time that ctx leaves holds for that node, too, and so does the
	// id of the command (IDOf).
	Ask(ctx context.Context, node string, a Action, request []byte) (json.RawMessage, error)
	// Arriving returns for how long people that were inside on another node may yet come to a room of this
	// one; 0: nobody does.
	Arriving(ctx context.Context, room terms.RoomID) time.Duration
	// Owe keeps a command for a node that has a room and cannot be reached. The node carries it out when it
	// is back (Commands.Obey), if that is within the returned time.
	Owe(ctx context.Context, node string, o Owed) (within time.Duration, err error)
}

var (
	// ErrNoNode is returned by Elsewhere.Ask if there is no such node, or it cannot be reached at the moment.
	ErrNoNode = errors.New("there is no such node")
	// ErrSilent is returned by Elsewhere.Ask if the node takes what is sent to it, and gives no sign that it
	// lives.
	ErrSilent = errors.New("it gives no sign that it lives")
)

// askTime bounds what a list waits for another node. Higher makes lists wait for longer for nodes that hang.
// Lower makes rooms missing from them if nodes are busy.
const askTime = 2 * time.Second

// maxTries is how many nodes a command is given to, one after the other, because its room moves. Higher
// follows rooms that move again and again for longer.
const maxTries = 3

// route has a task carried out where it belongs.
func (c *Commands) route(ctx context.Context, a Action, request []byte, t task) (any, error) {
	switch {
	case c.o.Elsewhere == nil:
	case t.all != nil:
		return t.all(ctx, request)
	case !t.room.IsZero():
		return c.follow(ctx, a, request, t)
	case t.node != "" && t.node != c.o.Node.ID():
		answer, err := c.ask(ctx, t.node, a, request)
		switch {
		case errors.Is(err, ErrNoNode):
			return nil, noNode(t.node)
		case errors.Is(err, ErrSilent):
			return nil, silent(a, t.node, err)
		}
		return answer, err
	}
	return t.here(ctx)
}

// follow has a task carried out by the node that has its room. If the room is not there any more it looks
// again, as rooms move.
func (c *Commands) follow(ctx context.Context, a Action, request []byte, t task) (answer any, err error) {
	if t.owed != nil {
		ctx = withNewID(ctx)
	}
	at := c.o.Node.ID()
	if !c.o.Rooms.Has(t.room) {
		if at, err = c.holder(ctx, t.room); err != nil {
			return nil, err
		}
	}
	for try := 1; ; try++ {
		if at == "" {
			// It says that there is no such room.
			return t.here(ctx)
		}
		if at == c.o.Node.ID() {
			answer, err = c.patiently(ctx, t)
		} else {
			answer, err = c.ask(ctx, at, a, request)
		}
		lost := errors.Is(err, ErrNoNode) || errors.Is(err, ErrSilent)
		if !errors.Is(err, terms.CodeRoomNotFound) && !lost {
			return answer, err
		}
		next, unknown := c.holder(ctx, t.room)
		if unknown == nil && next != at && try < maxTries {
			at = next
			continue
		}
		// The node has the room nevertheless, as far as its lease tells: perhaps with people in it.
		if lost {
			return nil, c.owe(ctx, a, at, t, err)
		}
		return nil, err
	}
}

// holder returns the node that has a room, "" if none has.
func (c *Commands) holder(ctx context.Context, room terms.RoomID) (string, error) {
	node, err := c.o.Elsewhere.Holder(ctx, room)
	if err != nil {
		return "", terms.Errorf(terms.CodeInternal, "", "it cannot be said which node has the room (%v); the command may be repeated", err)
	}
	return node, nil
}

// ask has another node carry out a command.
func (c *Commands) ask(ctx context.Context, node string, a Action, request []byte) (any, error) {
	answer, err := c.o.Elsewhere.Ask(ctx, node, a, request)
	var theirs *terms.Error
	switch {
	case err == nil:
		return answer, nil
	case errors.As(err, &theirs), errors.Is(err, ErrNoNode), errors.Is(err, ErrSilent):
		return nil, err
	}
	return nil, silent(a, node, err)
}

func silent(a Action, node string, err error) *terms.Error {
	if !a.Repeatable() && !errors.Is(err, ErrNoNode) {
		return terms.Errorf(terms.CodeInternal, "", "node %s does not answer (%v); whether the command was carried out is not known", node, err)
	}
	return terms.Errorf(terms.CodeInternal, "", "node %s does not answer (%v); the command may be repeated", node, err)
}

// everywhere carries out a command here and on all other nodes and merges the answers. A node that has
// nothing to tell answers with a not-found; if all do, so does this. Nodes that do not answer are handed to
// missing.
func everywhere[A any](ctx context.Context, c *Commands, a Action, request []byte, here func(context.Context) (A, error),
	merge func([]A) A, missing func(*A, []string)) (A, error) {
	var none A
	nodes, err := c.o.Elsewhere.Nodes(ctx)
	if err != nil {
		return none, fmt.Errorf("looking for the other nodes: %w", err)
	}
	slices.Sort(nodes)
	theirs := askAll[A](ctx, c.o.Elsewhere, nodes, a, request)
	mine, err := here(ctx)
	answers, silent := []A{mine}, []string(nil)
	if err != nil {
		if !notFound(err) {
			return none, err
		}
		answers = nil
	}
	for i, t := range theirs {
		switch {
		case t.err == nil:
			answers = append(answers, t.answer)
		case notFound(t.err): // nothing of it there
		default:
			silent = append(silent, nodes[i])
		}
	}
	if len(answers) == 0 && len(silent) == 0 {
		return none, err
	}
	merged := merge(answers)
	missing(&merged, silent)
	return merged, nil
}

func notFound(err error) bool {
	return errors.Is(err, terms.CodeRoomNotFound) || errors.Is(err, terms.CodeUserNotFound)
}

type reply[A any] struct {
	answer A
	err    error
}

// askAll asks all nodes at once.
func askAll[A any](ctx context.Context, e Elsewhere, nodes []string, a Action, request []byte) []reply[A] {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	replies := make([]reply[A], len(nodes))
	var asked sync.WaitGroup
	for i, node := range nodes {
		asked.Go(func() {
			r := &replies[i]
			var answer json.RawMessage
			if answer, r.err = e.Ask(ctx, node, a, request); r.err == nil {
				r.err = json.Unmarshal(answer, &r.answer)
			}
		})
	}
	asked.Wait()
	return replies
}

// mergePage puts entries of several nodes' pages in order and keeps one page of them. nexts are those of the
// pages, empty if it was the node's last one. If a page has a next one, what lies beyond its end waits, since
// entries of that node may come before it. Entries of one key, of nodes that both believe to hold a room,
// stay on one page.
func mergePage[E any](all []E, nexts []string, limit int, key func(E) string) (page []E, next string) {
	if limit == 0 {
		limit = terms.DefaultPage
	}
	slices.SortStableFunc(all, func(a, b E) int { return cmp.Compare(key(a), key(b)) })
	more := false
	for _, end := range nexts {
		if end != "" {
			more = true
			all = slices.DeleteFunc(all, func(e E) bool { return key(e) > end })
		}
	}
	n := min(limit, len(all))
	for n > 0 && n < len(all) && key(all[n]) == key(all[n-1]) {
		n++
	}
	if n > 0 && (n < len(all) || more) {
		next = key(all[n-1])
	}
	if all == nil {
		all = []E{}
	}
	return all[:n:n], next
}

// keyOf is the key of a room that a node has named.
func keyOf(r RoomRef) string {
	id, err := r.Room()
	if err != nil {
		return ""
	}
	return id.Key()
}
