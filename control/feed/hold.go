package feed

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"parlor/control/bus"
	"parlor/control/cas"
)

// Bucket is the key-value bucket that has a key for each node whose feed is not complete: the node runs, or
// has died.
const Bucket = "SFU_FEEDS"

const (
	// DefaultForget is after which time without a sign of its feed a node counts as gone for good. Higher
	// keeps users that are gone inside for longer. Lower has a node that is cut off from NATS tell its rooms
	// anew after a shorter outage; what happened meanwhile is lost.
	DefaultForget = 3 * time.Minute
	// renewals is how often a feed gives that sign in this time.
	renewals = 6
	// endTime is how long a feed of the same name may take to end in order, before a new one takes it for
	// dead.
	endTime = 10 * time.Second
)

// feedRecord is the value of a node's key in Bucket.
type feedRecord struct {
	Node string `json:"node"`
	// Process differs with every start of every node; "": the feed is being completed.
	Process string `json:"process,omitempty"`
	By      string `json:"by,omitempty"` // then: by that node
}

var (
	errFenced = errors.New("the feed is being completed, or has been, by another node")
	errInUse  = errors.New("another process publishes the events of a node of that name")
)

// feeds is the bucket.
type feeds struct {
	kv      jetstream.KeyValue
	timeout time.Duration // of a request
}

// openFeeds finds the bucket, or makes it.
func openFeeds(ctx context.Context, js jetstream.JetStream, replicas int, timeout time.Duration) (b feeds, err error) {
	ctx, cancel := context.WithTimeout(ctx, ackTime)
	defer cancel()
	b.timeout = timeout
	b.kv, err = cas.Open(ctx, js, jetstream.KeyValueConfig{
		Bucket: Bucket, Description: "Parlor: nodes whose events are not complete", Replicas: replicas, Storage: jetstream.FileStorage,
	})
	if err != nil {
		return b, fmt.Errorf("bucket %s: %w", Bucket, err)
	}
	return b, nil
}

// get returns a node's record and its revision; 0: there is none.
func (b feeds) get(ctx context.Context, node string) (r feedRecord, revision uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	e, err := b.kv.Get(ctx, bus.NodeToken(node))
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return r, 0, nil
	case err != nil:
		return r, 0, fmt.Errorf("%s: %w", Bucket, err)
	}
	_ = json.Unmarshal(e.Value(), &r) // what is no record is nobody's
	return r, e.Revision(), nil
}

// put writes a record if the key has that revision; 0: if there is no key. If not, the error is errFenced.
func (b feeds) put(ctx context.Context, r feedRecord, revision uint64) (next uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	body, err := json.Marshal(r)
	if err != nil {
		return 0, err
	}
	next, err = cas.Put(ctx, b.kv, bus.NodeToken(r.Node), body, revision)
	return next, fenced(err)
}

// purge ends a key of that revision.
func (b feeds) purge(ctx context.Context, node string, revision uint64) error {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	return fenced(cas.Purge(ctx, b.kv, bus.NodeToken(node), revision))
}

// fenced says what it means that a key has changed.
func fenced(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, cas.ErrChanged):
		return errFenced
	}
	return fmt.Errorf("%s: %w", Bucket, err)
}

// hold is a process's right to publish its node's events: its key in Bucket, which it renews. It belongs to
// the goroutine of Feed.Run.
type hold struct {
	feeds
	node     string
	process  string
	revision uint64    // 0: it never had the key
	sent     time.Time // when the sign that was last stored was sent
}

func newHold(node string) hold { return hold{node: node, process: rand.Text()} }

// renew gives a sign of the feed. errFenced means that it has lost the key.
func (h *hold) renew(ctx context.Context) error {
	sent := time.Now()
	next, err := h.put(ctx, feedRecord{Node: h.node, Process: h.process}, h.revision)
	if err == nil {
		h.revision, h.sent = next, sent
	}
	return err
}

// again renews on a new connection. It also does so if an answer was lost before, or if somebody has deleted
// the key or the bucket. In the latter case the key is made anew. Nobody can have completed the feed before
// forget has passed since the last sign of it was sent.
func (h *hold) again(ctx context.Context, forget time.Duration) error {
	err := h.renew(ctx)
	if !errors.Is(err, errFenced) {
		return err
	}
	r, revision, lookErr := h.get(ctx, h.node)
	switch {
	case lookErr != nil:
		return lookErr
	case r.Process == h.process:
		h.revision = revision
		return h.renew(ctx)
	case r.Process != "":
		return errInUse
	case revision == 0 && time.Since(h.sent) < forget:
		h.revision = 0
		if err := h.renew(ctx); err != nil {
			h.revision = lostKey
			return err
		}
		return nil
	}
	return err
}

// lostKey is a revision that no key has: the feed had one.
const lostKey = 1<<63 - 1

// take gets the key from whoever has it and is gone.
func (h *hold) take(ctx context.Context) error {
	_, revision, err := h.get(ctx, h.node)
	if err != nil {
		return err
	}
	sent := time.Now()
	next, err := h.put(ctx, feedRecord{Node: h.node, Process: h.process}, revision)
	if err == nil {
		h.revision, h.sent = next, sent
	}
	return err
}

// predecessor waits until a process of the same name that has the key has ended in order. It waits for at
// most that time, after which that process must have died.
func (h *hold) predecessor(ctx context.Context, most time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	w, err := h.kv.Watch(ctx, bus.NodeToken(h.node))
	if err != nil {
		return fmt.Errorf("%s: %w", Bucket, err)
	}
	defer func() { _ = w.Stop() }()
	theirs := false
	for {
		select {
		case e, ok := <-w.Updates():
			var r feedRecord
			switch {
			case !ok:
				return bus.ErrAway
			case e != nil && e.Operation() == jetstream.KeyValuePut:
				_ = json.Unmarshal(e.Value(), &r)
				theirs = r.Process != "" && r.Process != h.process
			case e != nil:
				theirs = false
			}
			if !theirs {
				return nil
			}
		case <-ctx.Done():
			return nil // whether it was the caller's is for the next request to say
		}
	}
}

// release ends the key: the feed is complete.
func (h *hold) release(ctx context.Context) error {
	if h.revision == 0 {
		return nil
	}
	return h.purge(ctx, h.node, h.revision)
}
