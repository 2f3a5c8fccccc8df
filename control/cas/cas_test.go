package cas

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"parlor/control/natstest"
)

// bucketOf opens a bucket of an embedded server.
func bucketOf(t *testing.T) (jetstream.JetStream, jetstream.KeyValue) {
	t.Helper()
	b := natstest.Embedded(t)
	b.Start(t)
	t.Cleanup(func() { b.Stop(t) })
	nc, err := nats.Connect(b.URL())
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	kv, err := Open(t.Context(), js, jetstream.KeyValueConfig{Bucket: "TEST"})
	require.NoError(t, err)
	return js, kv
}

func TestEntriesAreComparedAndSet(t *testing.T) {
	_, b := bucketOf(t)
	put := func(value string, revision uint64) (uint64, error) {
		return Put(t.Context(), b, "k", []byte(value), revision)
	}
	first, err := put("a", 0)
	require.NoError(t, err)
	_, err = put("b", 0)
	require.ErrorIs(t, err, ErrChanged, "there is one")
	second, err := put("b", first)
	require.NoError(t, err)
	require.Greater(t, second, first)
	_, err = put("c", first)
	require.ErrorIs(t, err, ErrChanged, "it is another one")
	require.ErrorIs(t, Purge(t.Context(), b, "k", first), ErrChanged)
	e, err := b.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, "b", string(e.Value()), "what has failed has changed nothing")
	require.NoError(t, Purge(t.Context(), b, "k", second))
	_, err = put("c", second)
	require.ErrorIs(t, err, ErrChanged, "it is gone")
	_, err = put("d", 0)
	require.NoError(t, err, "where one was before")
}

// TestAnEntryEndsByItself: an entry ends by itself unless it is written again.
func TestAnEntryEndsByItself(t *testing.T) {
	js, b := bucketOf(t)
	put := func(revision uint64) (uint64, error) {
		return PutFor(t.Context(), js, "$KV.TEST.k", []byte("a"), revision, time.Second)
	}
	first, err := put(0)
	require.NoError(t, err)
	_, err = put(0)
	require.ErrorIs(t, err, ErrChanged)
	second, err := put(first)
	require.NoError(t, err)
	_, err = put(first)
	require.ErrorIs(t, err, ErrChanged)
	e, err := b.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, second, e.Revision())
	natstest.Eventually(t, "it has ended", func() bool {
		_, err := b.Get(t.Context(), "k")
		return errors.Is(err, jetstream.ErrKeyNotFound)
	})
}

// TestNothingIsLeftOfAnEntry: nothing is left of an entry once its marker has had its time.
func TestNothingIsLeftOfAnEntry(t *testing.T) {
	js, b := bucketOf(t)
	revision, err := Put(t.Context(), b, "k", nil, 0)
	require.NoError(t, err)
	require.NoError(t, Purge(t.Context(), b, "k", revision))
	natstest.Eventually(t, "the marker is gone", func() bool {
		s, err := js.Stream(t.Context(), "KV_TEST")
		return err == nil && s.CachedInfo().State.Msgs == 0
	})
}

// manager has a bucket as a node may find it if another node starts at the same time.
type manager struct {
	jetstream.KeyValueManager
	is    jetstream.KeyValue
	there bool // from the second look on
}

func (m *manager) KeyValue(context.Context, string) (jetstream.KeyValue, error) {
	if !m.there {
		m.there = true
		return nil, jetstream.ErrBucketNotFound
	}
	return m.is, nil
}

func (m *manager) CreateKeyValue(context.Context, jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	return nil, fmt.Errorf("%w: TEST", jetstream.ErrBucketExists)
}

func TestABucketThatAnotherNodeMakesMeanwhile(t *testing.T) {
	_, b := bucketOf(t)
	found, err := Open(t.Context(), &manager{is: b}, jetstream.KeyValueConfig{Bucket: "TEST"})
	require.NoError(t, err)
	require.Equal(t, b, found)
}

func TestABucketOfSomebodyElseStaysAsItIs(t *testing.T) {
	js, _ := bucketOf(t)
	theirs := jetstream.KeyValueConfig{Bucket: "THEIRS", History: 5, TTL: time.Hour}
	_, err := js.CreateKeyValue(t.Context(), theirs)
	require.NoError(t, err)
	b, err := Open(t.Context(), js, jetstream.KeyValueConfig{Bucket: "THEIRS"})
	require.NoError(t, err)
	s, err := b.Status(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 5, s.History())
	require.Equal(t, time.Hour, s.TTL())
}

// TestWhatAConflictIs: the library's errors of a conflict are one, the server's of a replicated bucket is
// too, and no other error is.
func TestWhatAConflictIs(t *testing.T) {
	replicated := &jetstream.APIError{ErrorCode: jetstream.JSErrCodeStreamWrongLastSequenceConstant}
	for _, err := range []error{
		jetstream.ErrKeyExists, jetstream.ErrKeyRevisionMismatch,
		&jetstream.APIError{ErrorCode: jetstream.JSErrCodeStreamWrongLastSequence},
		fmt.Errorf("wrapped: %w", replicated),
	} {
		require.Equal(t, ErrChanged, compared(err), "%v", err)
	}
	for _, err := range []error{
		nil, nats.ErrNoResponders, context.DeadlineExceeded, jetstream.ErrNoStreamResponse,
		&jetstream.APIError{ErrorCode: 10077},
	} {
		require.Equal(t, err, compared(err))
		require.False(t, errors.Is(compared(err), ErrChanged))
	}
}
