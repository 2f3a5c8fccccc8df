package webhook

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"parlor/control/cas"
)

// Bucket is the key-value bucket with the entry of the node that sends; it is empty while none does.
const Bucket = "SFU_WEBHOOK"

const turnKey = "sender"

// turn is this node's time to send. Its entry in Bucket is removed by the server when it is not renewed for
// ttl. This node counts from before each renewal, and no more than four fifths of ttl, as clocks do not run
// alike. So it has stopped before another one can begin.
type turn struct {
	kv       jetstream.KeyValue
	node     string
	position *position // which the entry tells others
	ttl      time.Duration
	revision uint64
	began    time.Time
	until    atomic.Int64 // ns after began, by the monotonic clock
}

// acquire waits until there is no entry of another node, and makes one.
func acquire(ctx context.Context, js jetstream.JetStream, o Options, p *position) (*turn, error) {
	kv, err := cas.Open(ctx, js, jetstream.KeyValueConfig{
		Bucket: Bucket, Description: "Parlor: the node that sends webhooks",
		TTL: o.Turn, Replicas: o.Replicas,
	})
	if err != nil {
		return nil, fmt.Errorf("the bucket %s: %w", Bucket, err)
	}
	status, err := kv.Status(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the bucket %s: %w", Bucket, err)
	case status.TTL() <= 0:
		return nil, fmt.Errorf("the bucket %s was not made by a node: its entries do not run out", Bucket)
	}
	t := &turn{kv: kv, node: o.Node, position: p, ttl: status.TTL(), began: time.Now()}
	for {
		asked := time.Now()
		t.revision, err = cas.Put(ctx, kv, turnKey, p.entry(o.Node), 0)
		switch {
		case err == nil:
			t.renewed(asked)
			return t, nil
		case !errors.Is(err, cas.ErrChanged):
			return nil, fmt.Errorf("whose turn it is: %w", err)
		}
		if theirs, err := kv.Get(ctx, turnKey); err == nil {
			p.learn(theirs.Value())
		}
		if !sleep(ctx, t.ttl/5) {
			return nil, ctx.Err()
		}
	}
}

func (t *turn) renewed(asked time.Time) { t.until.Store(int64(asked.Sub(t.began) + t.ttl*4/5)) }

// left says for how long it still is this node's turn.
func (t *turn) left() time.Duration { return time.Duration(t.until.Load()) - time.Since(t.began) }

func (t *turn) valid() bool { return t.left() > 0 }

// keep renews the entry until ctx is done. An error means that the turn is over.
func (t *turn) keep(ctx context.Context) error {
	renew := time.NewTicker(t.ttl / 4)
	defer renew.Stop()
	for {
		end := time.NewTimer(t.left())
		select {
		case <-renew.C:
			end.Stop()
		case <-end.C:
			return errors.New("the turn to send webhooks could not be renewed in time")
		case <-ctx.Done():
			end.Stop()
			return nil
		}
		asked := time.Now()
		within, cancel := context.WithTimeout(ctx, min(t.left(), t.ttl/4))
		revision, err := cas.Put(within, t.kv, turnKey, t.position.entry(t.node), t.revision)
		cancel()
		switch {
		case err == nil:
			t.revision = revision
			t.renewed(asked)
		case errors.Is(err, cas.ErrChanged):
			return errors.New("it is the turn of another node to send webhooks")
		}
	}
}

// release gives the turn to another node at once, if NATS is there.
func (t *turn) release() {
	ctx, cancel := context.WithTimeout(context.Background(), t.ttl/15)
	defer cancel()
	_ = t.kv.Delete(ctx, turnKey, jetstream.LastRevision(t.revision)) // else it runs out
}
