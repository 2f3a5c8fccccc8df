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

const leaseKey = "sender"

// lease is an entry that the server removes when it is not renewed for ttl. Its holder counts from before
// each renewal, and no more than four fifths of ttl, as clocks do not run alike. So it has stopped before
// another one can begin.
type lease struct {
	kv       jetstream.KeyValue
	node     string
	place    *place // which the entry tells others
	ttl      time.Duration
	revision uint64
	began    time.Time
	until    atomic.Int64 // ns after began, by the monotonic clock
}

// acquire waits until there is no entry of another node, and makes one.
func acquire(ctx context.Context, js jetstream.JetStream, o Options, p *place) (*lease, error) {
	kv, err := cas.Open(ctx, js, jetstream.KeyValueConfig{
		Bucket: Bucket, Description: "Parlor: the node that sends webhooks", TTL: o.Lease, Replicas: o.Replicas,
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
	l := &lease{kv: kv, node: o.Node, place: p, ttl: status.TTL(), began: time.Now()}
	for {
		asked := time.Now()
		l.revision, err = cas.Put(ctx, kv, leaseKey, p.entry(o.Node), 0)
		switch {
		case err == nil:
			l.renewed(asked)
			return l, nil
		case !errors.Is(err, cas.ErrChanged):
			return nil, fmt.Errorf("whose turn it is: %w", err)
		}
		if theirs, err := kv.Get(ctx, leaseKey); err == nil {
			p.learn(theirs.Value())
		}
		if !pause(ctx, l.ttl/5) {
			return nil, ctx.Err()
		}
	}
}

func (l *lease) renewed(asked time.Time) { l.until.Store(int64(asked.Sub(l.began) + l.ttl*4/5)) }

// left says how long the lease still holds.
func (l *lease) left() time.Duration { return time.Duration(l.until.Load()) - time.Since(l.began) }

func (l *lease) valid() bool { return l.left() > 0 }

// keep renews the lease until ctx is done. An error means that it is lost.
func (l *lease) keep(ctx context.Context) error {
	renew := time.NewTicker(l.ttl / 4)
	defer renew.Stop()
	for {
		end := time.NewTimer(l.left())
		select {
		case <-renew.C:
			end.Stop()
		case <-end.C:
			return errors.New("the lease of the webhooks could not be renewed in time")
		case <-ctx.Done():
			end.Stop()
			return nil
		}
		asked := time.Now()
		within, cancel := context.WithTimeout(ctx, min(l.left(), l.ttl/4))
		revision, err := cas.Put(within, l.kv, leaseKey, l.place.entry(l.node), l.revision)
		cancel()
		switch {
		case err == nil:
			l.revision = revision
			l.renewed(asked)
		case errors.Is(err, cas.ErrChanged):
			return errors.New("another node has the lease of the webhooks")
		}
	}
}

// release gives the turn to another node at once, if NATS is there.
func (l *lease) release() {
	ctx, cancel := context.WithTimeout(context.Background(), l.ttl/15)
	defer cancel()
	_ = l.kv.Delete(ctx, leaseKey, jetstream.LastRevision(l.revision)) // else it runs out
}
