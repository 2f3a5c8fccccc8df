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

	ttl     time.Duration        // of SFU_NODES, as it is
	created map[string]time.Time // when each bucket was made, by the server's clock
	born    map[string]time.Time // the same by the local clock
	roomsID string               // of SFU_ROOMS, by created
	anew    map[string]bool      // it is another one than the first that this process has seen
	gone    func()               // called if a bucket seems to be gone; it does not block
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
	for _, kv := range buckets {
		asked := s.now()
		stream, err := s.js.Stream(ctx, "KV_"+kv.Bucket())
		if err != nil {
			return 0, fmt.Errorf("bucket %s: %w", kv.Bucket(), err)
		}
		info := stream.CachedInfo()
		age := info.TimeStamp.Sub(info.Created)
		if info.TimeStamp.IsZero() || age < 0 {
			age = 0
		}
		s.identify(kv.Bucket(), info.Created, asked.Add(-age))
		if kv.Bucket() == NodesBucket {
			if ttl = info.Config.MaxAge; ttl <= 0 {
				return 0, fmt.Errorf("bucket %s was made by somebody else: its entries have no time to live", NodesBucket)
			}
		}
	}
	return ttl, nil
}

// identify takes when a bucket was made, by the server's clock and by the local one. It reports whether it is
// another one than before.
func (s *store) identify(name string, created, born time.Time) (other bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.created == nil {
		s.created, s.born, s.anew = map[string]time.Time{}, map[string]time.Time{}, map[string]bool{}
	}
	if other = s.anotherLocked(name, created); other {
		s.anew[name] = true
	}
	if s.created[name], s.born[name] = created, born; name == RoomsBucket {
		s.roomsID = bucketID(created)
	}
	return other
}

func (s *store) anotherLocked(name string, created time.Time) bool {
	was, known := s.created[name]
	return known && !was.Equal(created)
}

// roomsBucket returns which SFU_ROOMS this node knows, as RoomRecord.Bucket has it. placeable says that rooms
// that are nowhere may be placed in it, see rule 5; own is Options.Own.
func (s *store) roomsBucket(own bool) (id string, placeable bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.roomsID, own && !s.anew[RoomsBucket] || s.olderThanLeaseLocked(RoomsBucket)
}

// another is identify for callers that have something to do first: asked again it says the same.
func (s *store) another(name string, created time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.anotherLocked(name, created)
}

// bucketID tells a bucket from the others of its name, by when it was made.
func bucketID(created time.Time) string { return created.UTC().Format(time.RFC3339Nano) }

// olderThanLease reports whether the bucket is more than a lease old. If so, a node that had a lease by an
// older bucket of that name has lost it, or has written itself into this one.
func (s *store) olderThanLease(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.olderThanLeaseLocked(name)
}

func (s *store) olderThanLeaseLocked(name string) bool {
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
	return entry[T]{read[T](s, name, key, got.Value()), got.Revision()}, nil
}

// read returns the record of an entry. What is no record is nobody's: it is replaced like that of a dead node.
func read[T NodeRecord | RoomRecord](s *store, name, key string, value []byte) T {
	r, err := unseal[T](s.seal, name, key, value)
	if err != nil {
		var nobody T
		s.log.Debug().Err(err).Str("bucket", name).Msg("an entry that is none")
		return nobody
	}
	return r
}

// roomNow returns a room's entry as the bucket's leader has it. What get returns may be older, as any server
// that has the bucket answers it. The bucket is the one that this node knows, or the error is errGone.
func (s *store) roomNow(ctx context.Context, key string) (e entry[RoomRecord], err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	// The library's older interface is the one that can ask the leader.
	leader, err := s.js.Conn().JetStream()
	if err != nil {
		return e, err
	}
	bucket, _ := s.roomsBucket(false)
	got, err := leader.GetLastMsg("KV_"+RoomsBucket, "$KV."+RoomsBucket+"."+key, nats.Context(ctx))
	if other := s.stillIn(ctx, bucket); other != nil {
		return e, other
	}
	switch {
	case errors.Is(err, nats.ErrMsgNotFound),
		err == nil && (got.Header.Get("KV-Operation") != "" || got.Header.Get(jetstream.MarkerReasonHeader) != ""):
		return e, errAbsent
	case err != nil:
		return e, s.because(RoomsBucket, err)
	}
	return entry[RoomRecord]{read[RoomRecord](s, RoomsBucket, key, got.Data), got.Sequence}, nil
}

// stillIn returns errGone if SFU_ROOMS is another bucket by now.
func (s *store) stillIn(ctx context.Context, bucket string) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	stream, err := s.js.Stream(ctx, "KV_"+RoomsBucket)
	if err != nil {
		return s.because(RoomsBucket, err)
	}
	if bucketID(stream.CachedInfo().Created) == bucket {
		return nil
	}
	s.gone()
	return fmt.Errorf("%s: %w: it is another one", RoomsBucket, errGone)
}

// put writes a record: revision 0 makes a new entry, any other one replaces the entry of that revision.
func put[T NodeRecord | RoomRecord](ctx context.Context, s *store, name, key string, r T, revision uint64) (uint64, error) {
	b, err := s.bucket(name)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	revision, err = cas.Put(ctx, b, key, encode(s.seal, name, key, r), revision)
	return revision, s.outcome(name, err)
}

// take is put of a room that was not the writer's before. The bucket may be another one than that of the
// record, in which the nodes have perhaps not written yet which rooms they have. Then take puts out what it
// has written, and the error is errGone. Until then the record is void for all that know the bucket.
func (s *store) take(ctx context.Context, key string, r RoomRecord, revision uint64) (uint64, error) {
	revision, err := put(ctx, s, RoomsBucket, key, r, revision)
	if err != nil {
		return 0, err
	}
	ctx = context.WithoutCancel(ctx) // a user who goes away leaves nothing behind
	if err = s.stillIn(ctx, r.Bucket); errors.Is(err, errGone) {
		err = errors.Join(err, s.purge(ctx, RoomsBucket, key, revision))
	}
	return revision, err
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
