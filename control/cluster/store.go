package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"parlor/control/cas"
)

var (
	// errAbsent: there is no such entry.
	errAbsent = errors.New("there is no such entry")
	// errGone: nothing answers for the bucket: somebody has deleted it, or JetStream is not there.
	errGone = errors.New("the bucket seems to be gone")
)

// bucket is what is used of a jetstream.KeyValue.
type bucket interface {
	cas.Bucket
	Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error)
	WatchAll(ctx context.Context, o ...jetstream.WatchOpt) (jetstream.KeyWatcher, error)
}

// store is the buckets. All calls are bounded in time. The leader of the bucket compares and sets what is
// written, so what succeeds is exact. If a write fails with another error than cas.ErrChanged and errAbsent,
// it may have happened or not.
type store struct {
	js       jetstream.JetStream
	lease    time.Duration // TTL of a new SFU_NODES
	replicas int
	timeout  time.Duration
	now      func() time.Time
	seal     *sealer
	log      zerolog.Logger
	wrap     func(name string, b bucket) bucket // tests put faults here; nil: nothing

	mu    sync.Mutex
	nodes bucket
	rooms bucket
	// SFU_MARKS, see markstore.go; nil: to be found.
	marksKV     jetstream.KeyValue
	marksStream jetstream.Stream

	ttl  time.Duration        // of SFU_NODES, as it is
	born map[string]time.Time // when each bucket was made, by the local clock
	// first says when the first bucket of each name that this process has seen was made, by the server's
	// clock.
	first map[string]time.Time
	anew  map[string]bool // it is another one by now
	gone  func()          // called if a bucket seems to be gone; it does not block
	last  uint64          // the highest revision that was seen in SFU_ROOMS
}

// open finds the buckets, or makes them. It is called again when they seem to be gone.
func (s *store) open(ctx context.Context) error {
	nodes, err := s.find(ctx, jetstream.KeyValueConfig{
		Bucket: NodesBucket, Description: "Parlor: media nodes with a lease", TTL: s.lease, Storage: jetstream.MemoryStorage,
	})
	if err != nil {
		return err
	}
	rooms, err := s.find(ctx, jetstream.KeyValueConfig{
		Bucket: RoomsBucket, Description: "Parlor: which node has which room", Storage: jetstream.FileStorage,
	})
	if err != nil {
		return err
	}
	if _, _, err := s.marks(ctx); err != nil {
		return err
	}
	ttl, err := s.measure(ctx, nodes, rooms)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes, s.rooms, s.ttl = nodes, rooms, ttl
	if s.wrap != nil {
		s.nodes, s.rooms = s.wrap(NodesBucket, nodes), s.wrap(RoomsBucket, rooms)
	}
	return nil
}

func (s *store) find(ctx context.Context, c jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	c.Replicas = s.replicas
	ctx, cancel := context.WithTimeout(ctx, 2*s.timeout)
	defer cancel()
	kv, err := cas.Open(ctx, s.js, c)
	if err != nil {
		return nil, s.because("bucket "+c.Bucket, err)
	}
	return kv, s.mend(ctx, c)
}

// mend gives a bucket that somebody else has made the settings without which entries would vanish or stay for
// ever.
func (s *store) mend(ctx context.Context, want jetstream.KeyValueConfig) error {
	stream, err := s.js.Stream(ctx, "KV_"+want.Bucket)
	if err != nil {
		return s.because("bucket "+want.Bucket, err)
	}
	c := stream.CachedInfo().Config
	wrong := mended(&c, want)
	if len(wrong) == 0 {
		return nil
	}
	if _, err := s.js.UpdateStream(ctx, c); err != nil {
		return fmt.Errorf("bucket %s was made by somebody else, with another %s, which cannot be changed (%w): delete it, and the nodes make it anew",
			want.Bucket, strings.Join(wrong, ", "), err)
	}
	s.log.Warn().Str("bucket", want.Bucket).Strs("settings", wrong).Msg("a bucket was made by somebody else, with other settings: they are set right")
	return nil
}

// mended changes what a bucket needs to be otherwise, and names it. A lease that somebody has given holds.
func mended(c *jetstream.StreamConfig, want jetstream.KeyValueConfig) (wrong []string) {
	differs := func(name string, is bool) {
		if is {
			wrong = append(wrong, name)
		}
	}
	differs("history", c.MaxMsgsPerSubject != 1)
	differs("time to live", (c.MaxAge > 0) != (want.TTL > 0))
	differs("marker time to live", !c.AllowMsgTTL || c.SubjectDeleteMarkerTTL != cas.MarkerTTL)
	differs("size", c.MaxBytes > 0 || c.MaxMsgs > 0 || c.MaxMsgSize > 0)
	if len(wrong) == 0 {
		return nil
	}
	c.MaxMsgsPerSubject, c.AllowMsgTTL, c.SubjectDeleteMarkerTTL = 1, true, cas.MarkerTTL
	c.MaxBytes, c.MaxMsgs, c.MaxMsgSize = -1, -1, -1
	if (c.MaxAge > 0) != (want.TTL > 0) {
		c.MaxAge = want.TTL
		c.Duplicates = min(c.Duplicates, max(want.TTL, 0))
		if want.TTL == 0 {
			c.Duplicates = 2 * time.Minute
		}
	}
	return wrong
}

// measure reads the lease that holds for all nodes, and the age of the buckets.
func (s *store) measure(ctx context.Context, buckets ...jetstream.KeyValue) (ttl time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*s.timeout)
	defer cancel()
	born := map[string]time.Time{}
	for _, kv := range buckets {
		asked := s.now()
		stream, err := s.js.Stream(ctx, "KV_"+kv.Bucket())
		if err != nil {
			return 0, fmt.Errorf("bucket %s: %w", kv.Bucket(), err)
		}
		info := stream.CachedInfo()
		s.identify(kv.Bucket(), info.Created)
		age := info.TimeStamp.Sub(info.Created)
		if info.TimeStamp.IsZero() || age < 0 {
			age = 0
		}
		born[kv.Bucket()] = asked.Add(-age)
		if kv.Bucket() == NodesBucket {
			if ttl = info.Config.MaxAge; ttl <= 0 {
				return 0, fmt.Errorf("bucket %s was made by somebody else: its entries have no time to live", NodesBucket)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.born = born
	return ttl, nil
}

// identify takes when a bucket was made. It reports whether it is another one than before.
func (s *store) identify(name string, created time.Time) (other bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == nil {
		s.first, s.anew = map[string]time.Time{}, map[string]bool{}
	}
	if _, known := s.first[name]; !known {
		s.first[name] = created
	}
	other = s.anotherLocked(name, created)
	if other {
		s.first[name], s.anew[name] = created, true
	}
	if other && name == RoomsBucket {
		s.last = 0
	}
	return other
}

func (s *store) anotherLocked(name string, created time.Time) bool {
	was, known := s.first[name]
	return known && !was.Equal(created)
}

// another is identify for callers that have something to do first: asked again it says the same.
func (s *store) another(name string, created time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.anotherLocked(name, created)
}

// original reports whether the bucket is the one that this process has found, or made, at first.
func (s *store) original(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.anew[name]
}

// olderThanLease reports whether the bucket is more than a lease old. If so, a node that had a lease by an
// older bucket of that name has lost it, or has written itself into this one.
func (s *store) olderThanLease(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	born, ok := s.born[name]
	return ok && s.now().Sub(born) > s.ttl
}

func (s *store) bucket(name string) (bucket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.nodes
	if name == RoomsBucket {
		b = s.rooms
	}
	if b == nil {
		return nil, errors.New("NATS has not been reached yet")
	}
	return b, nil
}

// entry is a record with the revision at which it was read.
type entry[T NodeRecord | RoomRecord] struct {
	record   T
	revision uint64
}

func get[T NodeRecord | RoomRecord](ctx context.Context, s *store, name, key string) (e entry[T], err error) {
	b, err := s.bucket(name)
	if err != nil {
		return e, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	got, err := b.Get(ctx, key)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, jetstream.ErrKeyDeleted):
		return e, errAbsent
	case err != nil:
		return e, s.because(name, err)
	}
	e.revision = got.Revision()
	// What is no record is nobody's: it is replaced like that of a dead node.
	if e.record, err = unseal[T](s.seal, name, key, got.Value()); err != nil {
		var nobody T
		e.record = nobody
		s.log.Debug().Err(err).Str("bucket", name).Msg("an entry that is none")
	}
	return e, nil
}

// put writes a record: revision 0 makes a new entry, any other one replaces the entry of that revision.
func put[T NodeRecord | RoomRecord](ctx context.Context, s *store, name, key string, r T, revision uint64) (uint64, error) {
	b, err := s.bucket(name)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	made := revision == 0
	revision, err = cas.Put(ctx, b, key, encode(s.seal, name, key, r), revision)
	if err = s.outcome(name, err); err == nil && name == RoomsBucket {
		err = s.follows(ctx, b, key, revision, made)
	}
	return revision, err
}

// follows is called with the revision of an entry that was just written into SFU_ROOMS, or made there. The
// bucket may be another one by now, in which the nodes have perhaps not written yet which rooms they have.
// Then follows takes the entry back, as nothing may be placed there. A revision that is not higher than all
// before says that the bucket may be another one. A higher one proves little if the entry was made, as others
// may have written a lot into the new bucket.
func (s *store) follows(ctx context.Context, b bucket, key string, revision uint64, made bool) error {
	s.mu.Lock()
	higher := revision > s.last
	s.last = max(s.last, revision)
	was := s.first[RoomsBucket]
	s.mu.Unlock()
	if higher && !made {
		return nil
	}
	stream, err := s.js.Stream(ctx, "KV_"+RoomsBucket)
	if err != nil {
		return s.because(RoomsBucket, err)
	}
	if stream.CachedInfo().Created.Equal(was) { // it was written before another one that was told of first
		return nil
	}
	s.gone()
	err = b.Purge(ctx, key, jetstream.LastRevision(revision))
	return errors.Join(fmt.Errorf("%s: %w: it is another one", RoomsBucket, errGone), err)
}

// purge ends the entry of that revision and leaves nothing behind.
func (s *store) purge(ctx context.Context, name, key string, revision uint64) error {
	b, err := s.bucket(name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.outcome(name, cas.Purge(ctx, b, key, revision))
}

// outcome tells conflicts from all else that can go wrong with a write.
func (s *store) outcome(name string, err error) error {
	if err == nil || errors.Is(err, cas.ErrChanged) {
		return err
	}
	return s.because(name, err)
}

// because says of which bucket an error is, and what the library means by those that nobody would understand.
func (s *store) because(name string, err error) error {
	switch {
	case errors.Is(err, nats.ErrReconnectBufExceeded):
		return fmt.Errorf("%s: there is no connection to NATS", name)
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, jetstream.ErrStreamNotFound),
		errors.Is(err, jetstream.ErrBucketNotFound), errors.Is(err, nats.ErrNoResponders):
		if s.gone != nil {
			s.gone()
		}
		return fmt.Errorf("%s: %w (%s)", name, errGone, strings.TrimPrefix(err.Error(), "nats: "))
	}
	return fmt.Errorf("%s: %w", name, err)
}

// length returns the lease that holds for all nodes.
func (s *store) length() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ttl
}
