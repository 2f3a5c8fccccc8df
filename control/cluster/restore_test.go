package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"parlor/control/cas"
	"parlor/session/terms"
)

// js is somebody else's JetStream.
func (b *broker) js() jetstream.JetStream {
	b.t.Helper()
	nc, err := nats.Connect(b.url())
	require.NoError(b.t, err)
	b.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(b.t, err)
	return js
}

// outsideLease is the lease of nodes whose buckets somebody spoils. A node that stands still for longer while
// it writes its rooms again loses them to others, as it should. A busy machine stops several clusters at once
// for a second.
const outsideLease = 3 * testLease

func outside(o *Options) { o.Own, o.Lease = false, outsideLease }

// three starts three nodes that know each other, in buckets in which rooms can be placed.
func three(t *testing.T, b *broker) []*member {
	t.Helper()
	var all []*member
	for _, id := range []string{"a", "b", "c"} {
		all = append(all, join(t, b.url(), id, outside))
	}
	for _, m := range all {
		m.knows(t, 3)
	}
	await(t, "the buckets are a lease old", func() bool {
		return all[0].store.olderThanLease(RoomsBucket) && all[0].store.olderThanLease(NodesBucket)
	})
	return all
}

// owners are the nodes that let somebody enter a room.
func owners(t *testing.T, all []*member, r terms.RoomID) (l []string) {
	t.Helper()
	for _, m := range all {
		ctx, cancel := context.WithTimeout(t.Context(), 2*outsideLease)
		release, err := m.Claim(ctx, r, true)
		cancel()
		if err == nil {
			l = append(l, m.o.Node)
			t.Cleanup(release)
		}
	}
	return l
}

// sentOn waits until users that come for a room to this member are sent to the node that has it. Meanwhile
// nobody is let in.
func (m *member) sentOn(t *testing.T, r terms.RoomID, node string) {
	t.Helper()
	await(t, "users are sent on", func() bool {
		_, err := m.Claim(t.Context(), r, true)
		require.Error(t, err, "%s takes the room, too", m.o.Node)
		var e *terms.ElsewhereError
		return errors.As(err, &e) && e.Node == node
	})
}

// TestAPurgedEntryIsWrittenAgain: somebody purges a room's key, deletes it, or puts something else in its
// place. The room stays with the node that has it.
func TestAPurgedEntryIsWrittenAgain(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, jetstream.KeyValue){
		"purged":  func(t *testing.T, kv jetstream.KeyValue) { require.NoError(t, kv.Purge(t.Context(), "s-lobby")) },
		"deleted": func(t *testing.T, kv jetstream.KeyValue) { require.NoError(t, kv.Delete(t.Context(), "s-lobby")) },
		"no record": func(t *testing.T, kv jetstream.KeyValue) {
			_, err := kv.Put(t.Context(), "s-lobby", []byte("nonsense"))
			require.NoError(t, err)
		},
		"of a node that nobody knows": func(t *testing.T, kv jetstream.KeyValue) {
			_, err := kv.Put(t.Context(), "s-lobby", encode(nil, RoomsBucket, "s-lobby", RoomRecord{Node: "ghost", Incarnation: "x"}))
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t)
			all := three(t, b)
			lobby := room(t, "lobby")
			all[0].claim(t, lobby)
			was := all[0].incarnation()
			spoil(t, b.bucket(RoomsBucket))
			await(t, "a writes it again", func() bool {
				e, err := get[RoomRecord](t.Context(), all[1].store, RoomsBucket, "s-lobby")
				return err == nil && e.record.Node == "a" && e.record.Incarnation == was
			})
			require.Equal(t, []string{"a"}, owners(t, all, lobby))
			require.EqualValues(t, 1, all[0].Counters().Restored)
			_, moved := all[0].rooms.of(lobby)
			require.False(t, moved, "nobody inside notices")
		})
	}
}

// TestAPurgedEntryThatAnotherNodeTook: somebody has entered elsewhere before the purge was noticed. All end
// in one room.
func TestAPurgedEntryThatAnotherNodeTook(t *testing.T) {
	b := newBroker(t)
	all := three(t, b)
	lobby := room(t, "lobby")
	all[0].claim(t, lobby)
	took := RoomRecord{Node: "b", Incarnation: all[1].incarnation()}
	// as if b had been quicker than a's watch
	_, err := b.bucket(RoomsBucket).Put(t.Context(), "s-lobby", encode(nil, RoomsBucket, "s-lobby", took))
	require.NoError(t, err)
	await(t, "a sends those inside to b", func() bool {
		url, moved := all[0].rooms.of(lobby)
		return moved && url == "http://b.test"
	})
	require.Equal(t, []string{"b"}, owners(t, all, lobby))
}

// TestABucketIsDeleted deletes each bucket under running nodes, or has somebody make it anew with other
// settings. Rooms stay where they are, new ones are placed, and no mark of a user is forgotten.
func TestABucketIsDeleted(t *testing.T) {
	anew := map[string]func(*testing.T, jetstream.JetStream, string){
		"deleted": func(t *testing.T, js jetstream.JetStream, name string) {
			require.NoError(t, js.DeleteKeyValue(t.Context(), name))
		},
		"made anew by somebody else": func(t *testing.T, js jetstream.JetStream, name string) {
			require.NoError(t, js.DeleteKeyValue(t.Context(), name))
			_, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: name, History: 5})
			if err != nil { // a node was quicker
				require.ErrorIs(t, err, jetstream.ErrBucketExists)
			}
		},
	}
	for how, spoil := range anew {
		for _, name := range []string{RoomsBucket, NodesBucket, MarksBucket} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				b := newBroker(t)
				all := three(t, b)
				lobby := room(t, "lobby")
				ban := terms.Mark{User: "carl", Until: time.Now().Add(time.Hour)}
				all[0].claim(t, lobby)
				all[0].rooms.mu.Lock()
				all[0].rooms.marks = map[terms.RoomID][]terms.Mark{lobby: {ban, {User: "dora", Block: terms.BlockAudio}}}
				all[0].rooms.mu.Unlock()
				<-all[0].Keep(lobby, all[0].rooms.Marks()[lobby])
				spoil(t, b.js(), name)
				// Somebody else starts right now: he makes the bucket, if nobody else does.
				late := append(slices.Clone(all), join(t, b.url(), "d", outside))
				for _, m := range late[1:] {
					m.sentOn(t, lobby, "a")
				}
				await(t, "a takes entries", func() bool { return all[0].Open() == nil })
				require.Equal(t, []string{"a"}, owners(t, late, lobby))
				_, moved := all[0].rooms.of(lobby)
				require.False(t, moved, "nobody inside notices")
				for i, m := range late {
					await(t, "new rooms are placed", func() bool {
						_, err := m.Claim(t.Context(), room(t, "new"+m.o.Node), true)
						return err == nil
					})
					require.NoError(t, m.Ready(), "node %d", i)
				}
				await(t, "carl and dora are still what they were", func() bool {
					l, _, err := all[1].store.readMarks(t.Context(), "s-lobby")
					return err == nil && len(l) == 2
				})
				s, err := b.js().Stream(t.Context(), "KV_"+name)
				require.NoError(t, err)
				c := s.CachedInfo().Config
				require.Equal(t, name == NodesBucket, c.MaxAge > 0, "time to live %v", c.MaxAge)
				require.True(t, c.AllowMsgTTL)
			})
		}
	}
}

// slow is a JetStream that does not answer in time when it is asked for SFU_MARKS, for so many times.
type slow struct {
	jetstream.JetStream
	times atomic.Int32
}

func (s *slow) KeyValue(ctx context.Context, bucket string) (jetstream.KeyValue, error) {
	if bucket == MarksBucket && s.times.Add(-1) >= 0 {
		return nil, context.DeadlineExceeded
	}
	return s.JetStream.KeyValue(ctx, bucket)
}

// TestMarksAreWrittenAgainWhereNATSIsSlow: a bucket is gone, and the server is in trouble. The bucket's marks
// are written again as soon as that can be done, not only at the first attempt.
func TestMarksAreWrittenAgainWhereNATSIsSlow(t *testing.T) {
	b := newBroker(t)
	a := prepare(t, b.url(), "a", nil)
	s := &slow{JetStream: a.store.js}
	a.store.js = s
	a.run(t)
	await(t, "a takes entries", func() bool { return a.Open() == nil })
	lobby := room(t, "lobby")
	a.claim(t, lobby)
	marks := []terms.Mark{{User: "carl", Until: time.Now().Add(time.Hour)}, {User: "dora", Block: terms.BlockAudio}}
	a.rooms.mu.Lock()
	a.rooms.marks = map[terms.RoomID][]terms.Mark{lobby: marks}
	a.rooms.mu.Unlock()
	<-a.Keep(lobby, marks)
	require.EqualValues(t, 2, b.messages(MarksBucket))

	s.times.Store(3)
	js := b.js()
	require.NoError(t, js.DeleteKeyValue(t.Context(), MarksBucket))
	_, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: MarksBucket})
	if err != nil { // the node was quicker
		require.ErrorIs(t, err, jetstream.ErrBucketExists)
	}
	await(t, "the ban and the block are there again", func() bool { return b.messages(MarksBucket) == 2 })
	require.Negative(t, s.times.Load(), "NATS was slow")
}

// anew makes SFU_ROOMS anew, as a node would.
func (b *broker) anew() jetstream.KeyValue {
	b.t.Helper()
	js := b.js()
	require.NoError(b.t, js.DeleteKeyValue(b.t.Context(), RoomsBucket))
	kv, err := js.CreateKeyValue(b.t.Context(), jetstream.KeyValueConfig{Bucket: RoomsBucket, LimitMarkerTTL: cas.MarkerTTL})
	require.NoError(b.t, err)
	return kv
}

// TestNothingIsPlacedInABucketThatLooksOlder: SFU_ROOMS is made anew. By the time that a node places a room
// there, others have written more than it had seen of the bucket before. The node that has the room may not
// have said so yet.
func TestNothingIsPlacedInABucketThatLooksOlder(t *testing.T) {
	b := newBroker(t)
	a := prepare(t, b.url(), "a", outside) // does not run, and so does not notice by itself
	require.NoError(t, a.store.open(t.Context()))
	bucket, _ := a.store.roomsBucket(false)
	record := roomRecord("a", "x", time.Now(), bucket)
	_, err := a.store.take(t.Context(), "s-before", record, 0)
	require.NoError(t, err)
	kv := b.anew()
	for range 5 {
		_, err = kv.PutString(t.Context(), "node.b", "x")
		require.NoError(t, err)
	}
	_, err = a.store.take(t.Context(), "s-lobby", record, 0)
	require.ErrorIs(t, err, errGone)
	_, err = kv.Get(t.Context(), "s-lobby")
	require.ErrorIs(t, err, jetstream.ErrKeyNotFound, "it is taken back")
}

// interrupted does something else just before and after an entry is made.
type interrupted struct {
	bucket
	before, after func()
}

func (i interrupted) Create(ctx context.Context, key string, value []byte, o ...jetstream.KVCreateOpt) (uint64, error) {
	i.before()
	defer i.after()
	return i.bucket.Create(ctx, key, value, o...)
}

// TestNothingIsPlacedInABucketThatIsMadeMeanwhile: the node finds that SFU_ROOMS is old enough, and learns of
// a new one before it writes.
func TestNothingIsPlacedInABucketThatIsMadeMeanwhile(t *testing.T) {
	b := newBroker(t)
	a := join(t, b.url(), "a", outside)
	await(t, "the bucket is a lease old", func() bool { return a.store.olderThanLease(RoomsBucket) })
	var made jetstream.KeyValue
	once := sync.OnceFunc(func() {
		made = b.anew()
		require.NoError(t, a.store.open(t.Context()))
	})
	a.store.wrap = func(name string, b bucket) bucket {
		if name != RoomsBucket {
			return b
		}
		return interrupted{b, once, func() {}}
	}
	require.NoError(t, a.store.open(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), outsideLease/4)
	defer cancel()
	_, err := a.Claim(ctx, room(t, "lobby"), true)
	require.ErrorIs(t, err, terms.CodeNodeDraining)
	_, err = made.Get(t.Context(), "s-lobby")
	require.ErrorIs(t, err, jetstream.ErrKeyNotFound)
}

// TestAnEntryForAnotherBucketIsVoid: SFU_ROOMS is made anew. A node that does not notice makes an entry there
// for the room that a has, and does not come to take the entry back. The room stays with a.
func TestAnEntryForAnotherBucketIsVoid(t *testing.T) {
	b := newBroker(t)
	all := three(t, b)
	lobby := room(t, "lobby")
	all[0].claim(t, lobby)
	was := all[0].incarnation()
	slow := NodeRecord{ID: "slow", Incarnation: "1", URL: "http://slow.test"}
	_, err := put(t.Context(), all[1].store, NodesBucket, "slow", slow, 0)
	require.NoError(t, err)
	all[0].knows(t, 4)
	bucket, _ := all[1].store.roomsBucket(false)
	record := roomRecord("slow", "1", time.Now(), bucket)
	kv := b.anew()
	_, err = kv.Create(t.Context(), "s-lobby", encode(nil, RoomsBucket, "s-lobby", record))
	require.NoError(t, err)
	await(t, "a has noticed", func() bool { return all[0].incarnation() != was && all[0].Open() == nil })
	for _, m := range all[1:] {
		m.sentOn(t, lobby, "a")
	}
	require.Equal(t, []string{"a"}, owners(t, all, lobby))
	_, moved := all[0].rooms.of(lobby)
	require.False(t, moved, "nobody inside notices")
}

// TestAnEntryOfTheBucketBeforeIsNotTakenOver: node b has seen a room's entry in the SFU_ROOMS before. By
// chance, its revision is that of the entry that a has written anew.
func TestAnEntryOfTheBucketBeforeIsNotTakenOver(t *testing.T) {
	b := newBroker(t)
	all := three(t, b)
	lobby := room(t, "lobby")
	all[0].claim(t, lobby)
	was := all[1].entryOfRoom(t, lobby).record
	b.anew()
	await(t, "all have written into the new one", func() bool {
		for _, m := range all {
			if m.Counters().LostBuckets == 0 || m.Open() != nil {
				return false
			}
		}
		e, err := get[RoomRecord](t.Context(), all[1].store, RoomsBucket, "s-lobby")
		return err == nil && e.record.Incarnation == all[0].incarnation()
	})
	await(t, "a has said that it has its rooms", func() bool {
		all[1].mu.Lock()
		defer all[1].mu.Unlock()
		return all[1].view.judge(was) == stale
	})
	now := all[1].entryOfRoom(t, lobby)
	all[1].mu.Lock()
	delete(all[1].view.rooms, "s-lobby")
	all[1].view.setRoom("s-lobby", entry[RoomRecord]{was, now.revision})
	all[1].mu.Unlock()
	all[1].elsewhere(t, lobby, "a")
	require.Zero(t, all[1].Counters().Takeovers)
}

// hung does not store proofs of one node for as long as it is on.
type hung struct {
	jetstream.JetStream
	node string
	on   atomic.Bool
}

func (h *hung) PublishMsg(ctx context.Context, m *nats.Msg, o ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if h.on.Load() && strings.HasSuffix(m.Subject, "."+proofPrefix+h.node) {
		return nil, context.DeadlineExceeded
	}
	return h.JetStream.PublishMsg(ctx, m, o...)
}

// TestANodeThatHadProvenNothing: SFU_ROOMS stores nothing when node x registers, and is made anew then.
// Nothing that x has written tells it of that. The room that it has stays its own, and the rooms of others
// are found.
func TestANodeThatHadProvenNothing(t *testing.T) {
	for name, reopened := range map[string]bool{"": false, "its buckets are opened anew": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t)
			all := three(t, b)
			lobby, hall := room(t, "lobby"), room(t, "hall")
			all[0].claim(t, lobby)
			x := prepare(t, b.url(), "x", outside)
			h := &hung{JetStream: x.store.js, node: "x"}
			h.on.Store(true)
			x.store.js = h
			x.run(t)
			<-x.Opened()
			x.knows(t, 4)
			x.claim(t, hall)
			was := x.incarnation()
			b.anew()
			await(t, "the others have noticed", func() bool {
				return !slices.ContainsFunc(all, func(m *member) bool { return m.Counters().LostBuckets == 0 || m.Open() != nil })
			})
			if reopened {
				require.NoError(t, x.reopen(t.Context()))
			}
			h.on.Store(false)
			await(t, "x has registered anew", func() bool { return x.incarnation() != was && x.Open() == nil })
			x.elsewhere(t, lobby, "a")
			all[1].sentOn(t, hall, "x")
			await(t, "x takes new rooms", func() bool {
				_, err := x.Claim(t.Context(), room(t, "new"), true)
				return err == nil
			})
		})
	}
}

// restored says of SFU_ROOMS that it was made at another time, as after a copy of it was put in its place.
type restored struct {
	jetstream.JetStream
	now *atomic.Bool
}

type restoredStream struct {
	jetstream.Stream
	info *jetstream.StreamInfo
}

func (s restoredStream) CachedInfo() *jetstream.StreamInfo { return s.info }

func (r restored) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	s, err := r.JetStream.Stream(ctx, name)
	if err != nil || name != "KV_"+RoomsBucket || !r.now.Load() {
		return s, err
	}
	info := *s.CachedInfo()
	info.Created = info.Created.Add(-time.Hour)
	return restoredStream{s, &info}, nil
}

// TestACopyOfTheBucketIsRestored: the copy has what the nodes have written, for the bucket that was copied.
// The nodes write their rooms again.
func TestACopyOfTheBucketIsRestored(t *testing.T) {
	b := newBroker(t)
	var now atomic.Bool
	a, other := prepare(t, b.url(), "a", outside), prepare(t, b.url(), "b", outside)
	for _, m := range []*member{a, other} {
		m.store.js = restored{m.store.js, &now}
		m.run(t)
		<-m.Opened()
	}
	other.knows(t, 2)
	lobby := room(t, "lobby")
	a.claim(t, lobby)
	now.Store(true)
	await(t, "both have noticed", func() bool { return a.Counters().LostBuckets == 1 && other.Counters().LostBuckets == 1 })
	await(t, "both take entries", func() bool { return a.Open() == nil && other.Open() == nil })
	other.sentOn(t, lobby, "a")
	await(t, "new rooms are placed", func() bool {
		_, err := other.Claim(t.Context(), room(t, "new"), true)
		return err == nil
	})
	require.EqualValues(t, 1, a.Counters().LostBuckets)
}

// TestAUserWhoGoesLeavesNoVoidEntry: the user goes away when the node has just written into another bucket
// than it believed.
func TestAUserWhoGoesLeavesNoVoidEntry(t *testing.T) {
	b := newBroker(t)
	a := prepare(t, b.url(), "a", outside) // does not run, and so does not notice by itself
	ctx, cancel := context.WithCancel(t.Context())
	var kv jetstream.KeyValue
	a.store.wrap = func(name string, in bucket) bucket {
		if name != RoomsBucket {
			return in
		}
		return interrupted{in, func() { kv = b.anew() }, cancel}
	}
	require.NoError(t, a.store.open(t.Context()))
	bucket, _ := a.store.roomsBucket(false)
	_, err := a.store.take(ctx, "s-lobby", roomRecord("a", "x", time.Now(), bucket), 0)
	require.ErrorIs(t, err, errGone)
	require.Error(t, ctx.Err())
	_, err = kv.Get(t.Context(), "s-lobby")
	require.ErrorIs(t, err, jetstream.ErrKeyNotFound)
}

// TestAVoidEntryIsReplaced: a void entry is replaced once its bucket is a lease old, whatever node the entry
// names.
func TestAVoidEntryIsReplaced(t *testing.T) {
	b := newBroker(t)
	all := three(t, b)
	lobby := room(t, "lobby")
	record := roomRecord("b", all[1].incarnation(), time.Now(), "2026-01-01T00:00:00Z")
	_, err := b.bucket(RoomsBucket).Create(t.Context(), "s-lobby", encode(nil, RoomsBucket, "s-lobby", record))
	require.NoError(t, err)
	_, err = all[0].Claim(t.Context(), lobby, false)
	require.ErrorIs(t, err, terms.CodeRoomNotFound)
	all[0].claim(t, lobby)
	require.Equal(t, []string{"a"}, owners(t, all, lobby))
}

// TestALivingRoomsBlocksStay: a living room's blocks stay if a node sweeps that does not know the bucket yet.
func TestALivingRoomsBlocksStay(t *testing.T) {
	b := newBroker(t)
	a := join(t, b.url(), "a", outside)
	lobby := room(t, "lobby")
	a.claim(t, lobby)
	<-a.Keep(lobby, []terms.Mark{{User: "dora", Block: terms.BlockAudio}})
	sweeper := join(t, b.url(), "0", outside)
	sweeper.elsewhere(t, lobby, "a")
	e := a.entryOfRoom(t, lobby)
	sweeper.store.mu.Lock()
	sweeper.store.roomsID = "2026-01-01T00:00:00Z"
	sweeper.store.mu.Unlock()
	cl := &claim{token: "s-lobby", revision: e.revision, busy: make(chan struct{})}
	sweeper.mu.Lock()
	require.Equal(t, void, sweeper.judgeLocked(e.record))
	sweeper.claims["s-lobby"] = cl
	sweeper.mu.Unlock()
	sweeper.clear(t.Context(), cl)
	l, _, err := a.store.readMarks(t.Context(), "s-lobby")
	require.NoError(t, err)
	require.Len(t, l, 1)
	require.Equal(t, e.revision, a.entryOfRoom(t, lobby).revision)
}

// late answers reads by the entry that was there at first, as a server may that is behind the bucket's
// leader.
type late struct {
	bucket
	mu    sync.Mutex
	reads int // so many
	first jetstream.KeyValueEntry
}

func (l *late) Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	e, err := l.bucket.Get(ctx, key)
	l.mu.Lock()
	defer l.mu.Unlock()
	if key != "s-lobby" {
		return e, err
	}
	if l.first == nil {
		l.first = e
	}
	if l.first != nil && l.reads > 0 {
		l.reads--
		return l.first, nil
	}
	return e, err
}

// TestAPurgedEntryThatIsStillRead: somebody purges a room's entry. A server that has not heard of that yet
// goes on answering reads.
func TestAPurgedEntryThatIsStillRead(t *testing.T) {
	b := newBroker(t)
	behind := &late{reads: 3}
	a := prepare(t, b.url(), "a", nil)
	a.store.wrap = func(name string, b bucket) bucket {
		if name != RoomsBucket {
			return b
		}
		behind.mu.Lock()
		defer behind.mu.Unlock()
		behind.bucket = b
		return behind
	}
	a.run(t)
	<-a.Opened()
	lobby := room(t, "lobby")
	a.claim(t, lobby)
	was := a.entryOfRoom(t, lobby)
	kv := b.bucket(RoomsBucket)
	require.NoError(t, kv.Purge(t.Context(), "s-lobby"))
	await(t, "a writes it again", func() bool {
		e, err := kv.Get(t.Context(), "s-lobby")
		return err == nil && e.Revision() > was.revision
	})
	await(t, "it is counted", func() bool { return a.Counters().Restored == 1 })
}
