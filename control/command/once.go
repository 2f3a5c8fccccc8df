package command

import (
	"context"
	"crypto/rand"
	"sync"
)

// A command for another node that gives no sign of life may be kept for it and reach it all the same. Then
// the command was late, or its answer. So such commands have ids, by which that node carries out each of them
// once.

// maxID bounds an id, in bytes.
const maxID = 64

// maxOnce is how many ids are remembered, twice that at most. Higher takes 100 bytes for each. An id is of
// use until what was kept is looked for, which is seconds, or minutes if NATS is away.
const maxOnce = 4096

type idKey struct{}

// WithID returns a context of the command that has that id; "": it has none.
func WithID(ctx context.Context, id string) context.Context {
	if id == "" || len(id) > maxID {
		return ctx
	}
	return context.WithValue(ctx, idKey{}, id)
}

// withNewID is WithID for a command that is about to be given to other nodes.
func withNewID(ctx context.Context) context.Context { return WithID(ctx, rand.Text()) }

// IDOf returns the id of the command that is carried out, or "".
func IDOf(ctx context.Context) string {
	id, _ := ctx.Value(idKey{}).(string)
	return id
}

// once knows which commands were carried out, by their ids.
type once struct {
	mu          sync.Mutex
	now, before map[string]bool
}

// begin reports whether a command is to be carried out; those without an id always are.
func (o *once) begin(id string) bool {
	if id == "" {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.now[id] || o.before[id] {
		return false
	}
	if len(o.now) >= maxOnce {
		o.now, o.before = nil, o.now
	}
	if o.now == nil {
		o.now = map[string]bool{}
	}
	o.now[id] = true
	return true
}

// failed notes that a command was refused, and nothing came of it: it may be carried out yet.
func (o *once) failed(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.now, id)
	delete(o.before, id)
}
