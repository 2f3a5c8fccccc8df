// Package cas is how nodes use key-value buckets of NATS JetStream. They find a bucket or make it, compare
// and set its entries, and end them so that nothing stays behind. The leader of a bucket compares, so what
// succeeds is exact.
package cas

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// MarkerTTL is for how long NATS keeps the marker that tells watchers of a key's end; the least that NATS
// allows. After it nothing is left of a key.
const MarkerTTL = time.Second

// ErrChanged says that the entry is not as the caller believed. Nothing was written.
var ErrChanged = errors.New("the entry has changed meanwhile")

// Bucket is what this package needs of a jetstream.KeyValue.
type Bucket interface {
	Create(ctx context.Context, key string, value []byte, o ...jetstream.KVCreateOpt) (uint64, error)
	Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	Purge(ctx context.Context, key string, o ...jetstream.KVDeleteOpt) error
}

// Open finds a bucket, whatever its settings are, or makes it. A new one has the settings of c, one value of
// each key and MarkerTTL, and one replica if c names none.
func Open(ctx context.Context, js jetstream.KeyValueManager, c jetstream.KeyValueConfig) (
	b jetstream.KeyValue, err error) {
	c.History, c.Replicas, c.LimitMarkerTTL = 1, max(c.Replicas, 1), MarkerTTL
	b, err = js.KeyValue(ctx, c.Bucket)
	if !errors.Is(err, jetstream.ErrBucketNotFound) {
		return b, err
	}
	b, err = js.CreateKeyValue(ctx, c)
	if errors.Is(err, jetstream.ErrBucketExists) { // somebody else was first, with other settings
		return js.KeyValue(ctx, c.Bucket)
	}
	return b, err
}

// Put writes an entry if its key has that revision, and returns the next one. Revision 0: if there is none.
// The error is ErrChanged, or another one, after which the entry may have been written or not.
func Put(ctx context.Context, b Bucket, key string, value []byte, revision uint64) (next uint64, err error) {
	if revision == 0 {
		next, err = b.Create(ctx, key, value)
	} else {
		next, err = b.Update(ctx, key, value, revision)
	}
	return next, compared(err)
}

// PutFor is Put of an entry that ends by itself, ttl after it was last written so, in whole seconds. subject
// is that of its key: "$KV.<bucket>.<key>".
func PutFor(ctx context.Context, js jetstream.Publisher, subject string, value []byte, revision uint64,
	ttl time.Duration) (next uint64, err error) {
	ack, err := js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: value}, jetstream.WithMsgTTL(ttl),
		jetstream.WithExpectLastSequencePerSubject(revision), jetstream.WithRetryAttempts(0))
	if err != nil {
		return 0, compared(err)
	}
	return ack.Sequence, nil
}

// Purge ends the entry of that revision in a bucket that Open has made. Its errors are those of Put.
func Purge(ctx context.Context, b Bucket, key string, revision uint64) error {
	return compared(b.Purge(ctx, key, jetstream.LastRevision(revision), jetstream.PurgeTTL(MarkerTTL)))
}

// compared tells that an entry has changed from all else that can go wrong. It looks for the server's code as
// well. Create in a replicated bucket gives neither jetstream.ErrKeyExists nor ErrKeyRevisionMismatch (v1.55)
// if a deleted key was made again meanwhile. Nor does what PutFor publishes.
func compared(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrKeyExists), errors.Is(err, jetstream.ErrKeyRevisionMismatch),
		errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		return ErrChanged
	}
	return err
}
