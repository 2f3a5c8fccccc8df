package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"parlor/control/bus"
	"parlor/session/terms"
)

func dismissal(r terms.RoomID) Owed {
	return Owed{Room: r, Action: "DismissRoom", Request: []byte(`{"Reason":"over"}`)}
}

func removal(r terms.RoomID, user string) Owed {
	return Owed{Room: r, Action: "RemoveUser", Request: fmt.Appendf(nil, `{"UserIds":[%q]}`, user)}
}

func (m *member) owe(t *testing.T, node string, o Owed) {
	t.Helper()
	within, err := m.Owe(t.Context(), node, o)
	require.NoError(t, err)
	require.Equal(t, m.o.Forget, within)
}

// pair returns two nodes that know each other. Node a has the lobby. It carries out what it owes with obeying
// if that is not nil.
func pair(t *testing.T, obeying func(context.Context, Owed) error) (b *broker, a, other *member, lobby terms.RoomID) {
	t.Helper()
	b = newBroker(t)
	a = prepare(t, b.url(), "a", nil)
	a.rooms.obeying = obeying
	a.run(t)
	<-a.Opened()
	other = join(t, b.url(), "b", nil)
	a.knows(t, 2)
	other.knows(t, 2)
	lobby = room(t, "lobby")
	a.claim(t, lobby)
	return b, a, other, lobby
}

// seized makes the claim on a room busy and returns it. Nobody else looks at what is owed of the room then.
func (m *member) seized(t *testing.T, r terms.RoomID) *claim {
	t.Helper()
	m.mu.Lock()
	cl := m.claims[bus.RoomToken(r)]
	m.mu.Unlock()
	require.True(t, m.seize(t.Context(), cl, func() bool { return true }))
	return cl
}

// obeyNow carries out what a member owes of a room that the caller has made busy.
func (m *member) obeyNow(t *testing.T, cl *claim) {
	t.Helper()
	_, list, err := m.store.readMarks(t.Context(), cl.token)
	require.NoError(t, err)
	require.NoError(t, m.obey(t.Context(), cl, list))
}

// entryOfRoom returns a room's entry as NATS has it.
func (m *member) entryOfRoom(t *testing.T, r terms.RoomID) entry[RoomRecord] {
	t.Helper()
	e, err := get[RoomRecord](t.Context(), m.store, RoomsBucket, bus.RoomToken(r))
	require.NoError(t, err)
	return e
}

// TestWhatIsOwedIsDoneAfterACut: owed commands are carried out before anybody enters, in the order in which
// they were given, once.
func TestWhatIsOwedIsDoneAfterACut(t *testing.T) {
	b, k, a, other, lobby, hall := apart(t)
	k.set(true)
	await(t, "a is gone", func() bool { return len(other.Nodes()) == 1 })
	ban := removal(lobby, "ann")
	ban.Ban = Ban{[]string{"ann"}, time.Hour, "spam"}
	other.owe(t, "a", removal(lobby, "bob"))
	other.owe(t, "a", ban)
	want := []string{`s:lobby RemoveUser {"UserIds":["ann"]}`}
	for i := range 12 {
		other.owe(t, "a", removal(lobby, fmt.Sprint("user", i)))
		want = append(want, fmt.Sprintf(`s:lobby RemoveUser {"UserIds":["user%d"]}`, i))
	}
	other.owe(t, "a", removal(lobby, "bob")) // again: it waits once, and at the end
	other.owe(t, "a", dismissal(hall))
	require.Equal(t, []string{"ban ann 1h0m0s spam"}, other.recall(t, lobby), "who takes the room over knows of the ban")
	marked, owing, err := other.store.marked(t.Context(), ">")
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"s-lobby": true}, marked, "what is owed is no mark")
	require.Equal(t, map[string]bool{"s-lobby": true, "s-hall": true}, owing)
	require.Empty(t, a.rooms.heard())

	k.set(false)
	await(t, "a takes entries again", func() bool { return a.Open() == nil })
	heard := a.rooms.heard()
	require.Contains(t, heard, `s:hall DismissRoom {"Reason":"over"}`)
	var inLobby []string
	for _, h := range heard {
		if strings.HasPrefix(h, "s:lobby") {
			inLobby = append(inLobby, h)
		}
	}
	require.Equal(t, append(want, `s:lobby RemoveUser {"UserIds":["bob"]}`), inLobby)
	a.rooms.mu.Lock()
	require.Len(t, a.rooms.heeded["s:lobby"], 1, "it knows of the ban as well")
	a.rooms.mu.Unlock()
	require.EqualValues(t, 1, b.messages(MarksBucket), "nothing but the ban is left")
	await(t, "a looks again", func() bool { return a.obeyAll(t.Context()) == nil })
	require.Len(t, a.rooms.heard(), len(heard))
	require.Empty(t, other.rooms.heard())
}

// TestWhatIsOwedOfARoomThatWasTakenOver: a command is carried out on those inside before they are sent after
// the room. It is void for the node that has taken the room.
func TestWhatIsOwedOfARoomThatWasTakenOver(t *testing.T) {
	_, k, a, other, lobby, hall := apart(t)
	await(t, "b's bucket is a lease old", func() bool { return other.store.olderThanLease(NodesBucket) })
	k.set(true)
	await(t, "a is gone", func() bool { return len(other.Nodes()) == 1 })
	other.owe(t, "a", dismissal(lobby))
	other.claim(t, lobby)
	node, err := other.Locate(t.Context(), hall)
	require.NoError(t, err)
	require.Equal(t, "a", node, "it was fenced off, and has people in its other room perhaps")
	other.owe(t, "a", dismissal(hall))
	_, err = other.Owe(t.Context(), "a", removal(lobby, "bob"))
	require.ErrorIs(t, err, errMoved, "commands on it reach b by now")
	await(t, "b looks", func() bool { return other.obeyAll(t.Context()) == nil })

	k.set(false)
	await(t, "a takes entries again", func() bool { return a.Open() == nil })
	require.ElementsMatch(t, []string{`s:lobby DismissRoom {"Reason":"over"}`, `s:hall DismissRoom {"Reason":"over"}`}, a.rooms.heard())
	_, moved := a.rooms.of(lobby)
	require.True(t, moved)
	require.Empty(t, other.rooms.heard())
	_, owing, err := other.store.marked(t.Context(), ">")
	require.NoError(t, err)
	require.Empty(t, owing)
}

// TestWhatIsOwedTouchesNoBlocksOfOthers: a room that is dismissed after another node has got it leaves that
// node its blocks.
func TestWhatIsOwedTouchesNoBlocksOfOthers(t *testing.T) {
	b := newBroker(t)
	a := prepare(t, b.url(), "a", nil)
	a.rooms.obeying = func(ctx context.Context, o Owed) error {
		_ = a.rooms.obey(ctx, o)
		return a.flushLast(ctx, bus.RoomToken(o.Room), true)
	}
	a.run(t)
	<-a.Opened()
	other := join(t, b.url(), "b", nil)
	a.knows(t, 2)
	other.knows(t, 2)
	lobby := room(t, "lobby")
	a.claim(t, lobby)
	a.keepNow(t, lobby, blocked("bob", terms.BlockAudio))
	cl := a.seized(t, lobby)
	other.owe(t, "a", dismissal(lobby))
	record := roomRecord("b", other.incarnation(), time.Now(), "")
	_, err := put(t.Context(), other.store, RoomsBucket, "s-lobby", record, other.entryOfRoom(t, lobby).revision)
	require.NoError(t, err)
	await(t, "a knows", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.onAnotherLocked(a.view.rooms["s-lobby"])
	})
	a.handOn(t.Context(), cl, "b")
	require.Equal(t, []string{`s:lobby DismissRoom {"Reason":"over"}`}, a.rooms.heard())
	require.Equal(t, []string{"block bob audio"}, other.recall(t, lobby))
}

// TestWhatIsOwedIsLeftWhereTheNodeEnds: the farewell does not wait for commands that are carried out before a
// room is handed on.
func TestWhatIsOwedIsLeftWhereTheNodeEnds(t *testing.T) {
	began, ended := make(chan struct{}), make(chan error, maxOwed)
	_, a, other, lobby := pair(t, func(ctx context.Context, _ Owed) error {
		close(began)
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	})
	cl := a.seized(t, lobby)
	other.owe(t, "a", dismissal(lobby))
	require.True(t, a.background(func(ctx context.Context) { a.handOn(ctx, cl, "b") }))
	<-began
	a.stop()
	require.ErrorIs(t, <-ended, context.Canceled)
}

// TestWhatIsOwedByANodeThatIsDrained: the command is carried out before the node's rooms are moved. It would
// be void for their next node.
func TestWhatIsOwedByANodeThatIsDrained(t *testing.T) {
	_, a, other, lobby := pair(t, nil)
	other.owe(t, "a", dismissal(lobby))
	a.Drain()
	a.MoveAll(t.Context())
	require.Equal(t, []string{`s:lobby DismissRoom {"Reason":"over"}`}, a.rooms.heard())
	_, moved := a.rooms.of(lobby)
	require.True(t, moved)
}

// TestWhatIsOwedOfManyRoomsIsDoneAtOnce: a node is drained. A room whose command takes long keeps no other
// room's command from being carried out.
func TestWhatIsOwedOfManyRoomsIsDoneAtOnce(t *testing.T) {
	const rooms = 3
	var begun atomic.Int64
	all := make(chan struct{})
	failed := make(chan error, rooms)
	var a *member
	_, a, other, lobby := pair(t, func(ctx context.Context, owed Owed) error {
		if begun.Add(1) == rooms {
			close(all)
		}
		select {
		case <-all:
			return a.rooms.obey(ctx, owed)
		case <-ctx.Done():
			failed <- ctx.Err()
			return ctx.Err()
		}
	})
	other.owe(t, "a", dismissal(lobby))
	want := []string{`s:lobby DismissRoom {"Reason":"over"}`}
	for _, name := range []string{"hall", "yard"} {
		a.claim(t, room(t, name))
		other.owe(t, "a", dismissal(room(t, name)))
		want = append(want, `s:`+name+` DismissRoom {"Reason":"over"}`)
	}
	a.Drain()
	a.MoveAll(t.Context())
	require.Empty(t, failed)
	require.ElementsMatch(t, want, a.rooms.heard())
}

// TestWhatIsOwedByANodeThatKeptItsLease: the node hung for a moment, and only the giver of the command
// noticed. The command is carried out.
func TestWhatIsOwedByANodeThatKeptItsLease(t *testing.T) {
	b, a, other, lobby := pair(t, nil)
	was, o := a.incarnation(), dismissal(lobby)
	o.ID = "one"
	other.owe(t, "a", o)
	await(t, "it is done", func() bool { return len(a.rooms.heard()) == 1 })
	await(t, "it is cleared away", func() bool { return b.messages(MarksBucket) == 0 })
	require.Equal(t, was, a.incarnation())
	require.Equal(t, "one", a.rooms.lastID)
}

// TestWhatIsOwedIsVoid: a command is void for another process of its node, for the next room of that name,
// and once it is done.
func TestWhatIsOwedIsVoid(t *testing.T) {
	b := newBroker(t)
	a := join(t, b.url(), "a", nil)
	lobby := room(t, "lobby")
	release := a.claim(t, lobby)
	before := a.entryOfRoom(t, lobby)
	release()
	await(t, "the room is nobody's", func() bool { return a.Counters().Rooms == 0 })
	a.claim(t, lobby)
	now := a.entryOfRoom(t, lobby)
	cl := a.seized(t, lobby)
	defer a.keepOn(cl)
	obey := func() {
		await(t, "all is done", func() bool {
			_, list, err := a.store.readMarks(t.Context(), "s-lobby")
			return err == nil && a.obey(t.Context(), cl, list) == nil
		})
	}
	put := func(action string, e entry[RoomRecord]) {
		value, err := json.Marshal(OwedRecord{Action: action, Request: []byte("{}"), Incarnation: e.record.Incarnation, Entry: e.revision})
		require.NoError(t, err)
		require.NoError(t, a.store.putMarks(t.Context(), owedKey("s-lobby", Owed{Action: action}), value, time.Minute))
	}
	put("BeforeIt", before)
	foreign := now
	foreign.record.Incarnation = "another"
	put("Foreign", foreign)
	put("Done", now)
	_, list, err := a.store.readMarks(t.Context(), "s-lobby")
	require.NoError(t, err)
	for _, o := range list {
		if o.Action == "Done" {
			a.marks.carry(o)
		}
	}
	obey()
	put("Now", now)
	obey()
	require.Equal(t, []string{"s:lobby Now {}"}, a.rooms.heard())
	require.EqualValues(t, 2, b.messages(MarksBucket), "what is void ends by itself")
	a.mu.Lock()
	cl.first = 0 // as in another bucket: a command for the room before cannot be told apart any more
	a.mu.Unlock()
	obey()
	require.Contains(t, a.rooms.heard(), "s:lobby BeforeIt {}")
}

// TestWhatCannotBeOwed: a command that cannot be owed is refused at once.
func TestWhatCannotBeOwed(t *testing.T) {
	b := newBroker(t)
	a, other := join(t, b.url(), "a", nil), join(t, b.url(), "b", nil)
	other.knows(t, 2)
	lobby := room(t, "lobby")
	other.claim(t, lobby)
	e := other.entryOfRoom(t, lobby) // its incarnation stands for that of a node that is away
	_, err := put(t.Context(), a.store, RoomsBucket, "s-away", roomRecord("gone", e.record.Incarnation, time.Now(), ""), 0)
	require.NoError(t, err)
	away := room(t, "away")
	for name, c := range map[string]struct {
		node string
		o    Owed
		want string
	}{
		"a room that is nowhere":        {"b", dismissal(room(t, "nowhere")), errMoved.Error()},
		"a room of another node":        {"gone", dismissal(lobby), errMoved.Error()},
		"a room of this node":           {"b", dismissal(lobby), errMoved.Error()},
		"a command that is far too big": {"gone", removal(away, strings.Repeat("x", maxOwedBytes)), "bytes"},
		"a command that is not JSON":    {"gone", Owed{Room: away, Action: "x", Request: []byte("{")}, "JSON"},
	} {
		by := a
		if c.node == "b" {
			by = other
		}
		_, err := by.Owe(t.Context(), c.node, c.o)
		require.ErrorContains(t, err, c.want, name)
	}
	require.Zero(t, b.messages(MarksBucket))
	for i := range maxOwed {
		a.owe(t, "gone", removal(away, fmt.Sprint("user", i)))
	}
	_, err = a.Owe(t.Context(), "gone", removal(away, "one too many"))
	require.ErrorIs(t, err, errOwed)
	a.owe(t, "gone", removal(away, "user0")) // which waits already
	require.EqualValues(t, maxOwed, b.messages(MarksBucket))
}

// TestWhatIsOwedStaysOwed: a command stays owed if a repeat of it ends with an error.
func TestWhatIsOwedStaysOwed(t *testing.T) {
	b := newBroker(t)
	a, other := join(t, b.url(), "a", nil), prepare(t, b.url(), "b", nil)
	var gets atomic.Int64
	other.store.wrap = func(name string, k bucket) bucket { return unread{k, &gets} }
	other.run(t)
	<-other.Opened()
	other.knows(t, 2)
	lobby := room(t, "lobby")
	a.claim(t, lobby)
	cl := a.seized(t, lobby)
	defer a.keepOn(cl)
	other.owe(t, "a", dismissal(lobby))
	gets.Store(2) // the second one is to see that the room is still that node's
	_, err := other.Owe(t.Context(), "a", dismissal(lobby))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.EqualValues(t, 1, b.messages(MarksBucket))
	a.obeyNow(t, cl)
	require.Equal(t, []string{`s:lobby DismissRoom {"Reason":"over"}`}, a.rooms.heard())
}

// unread is a bucket that counts down with each read of the lobby's entry. The read that comes to 0 fails.
type unread struct {
	bucket
	gets *atomic.Int64
}

func (u unread) Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	if key == "s-lobby" && u.gets.Add(-1) == 0 {
		return nil, context.DeadlineExceeded
	}
	return u.bucket.Get(ctx, key)
}

// TestWhatIsCarriedOutAndStands: a command that cannot be deleted holds up nobody, and is not carried out
// again. The same command is carried out if it is given in another bucket, whose revisions are lower.
func TestWhatIsCarriedOutAndStands(t *testing.T) {
	b, a, other, lobby := pair(t, nil)
	cl := a.seized(t, lobby)
	defer a.keepOn(cl)
	other.owe(t, "a", removal(lobby, "bob"))
	other.owe(t, "a", dismissal(lobby))
	_, list, err := a.store.readMarks(t.Context(), "s-lobby")
	require.NoError(t, err)
	a.store.mu.Lock()
	stream := a.store.marksStream
	a.store.marksStream = unpurged{stream}
	a.store.mu.Unlock()
	for range 2 {
		require.NoError(t, a.obey(t.Context(), cl, slices.Clone(list)))
	}
	all := []string{`s:lobby RemoveUser {"UserIds":["bob"]}`, `s:lobby DismissRoom {"Reason":"over"}`}
	require.Equal(t, all, a.rooms.heard())
	require.EqualValues(t, 2, b.messages(MarksBucket))
	a.store.mu.Lock()
	a.store.marksStream = stream
	a.store.mu.Unlock()

	require.NoError(t, b.js().DeleteKeyValue(t.Context(), MarksBucket))
	await(t, "it is made anew", func() bool {
		_, err := b.js().KeyValue(t.Context(), MarksBucket)
		return err == nil
	})
	await(t, "it is owed anew", func() bool {
		_, err := other.Owe(t.Context(), "a", dismissal(lobby))
		return err == nil
	})
	a.obeyNow(t, cl)
	require.Equal(t, append(all, all[1]), a.rooms.heard())
	require.Zero(t, b.messages(MarksBucket))
}

// unpurged is a stream of which nothing can be deleted.
type unpurged struct{ jetstream.Stream }

func (unpurged) Purge(context.Context, ...jetstream.StreamPurgeOpt) error {
	return context.DeadlineExceeded
}

// TestWhatIsOwedIsNotCrowdedOut: commands are crowded out neither by void ones nor by those that others give
// at the same moment.
func TestWhatIsOwedIsNotCrowdedOut(t *testing.T) {
	b := newBroker(t)
	a := join(t, b.url(), "a", nil)
	lobby := room(t, "lobby")
	a.claim(t, lobby)
	cl := a.seized(t, lobby)
	defer a.keepOn(cl)
	put := func(action, incarnation string) {
		value, err := json.Marshal(OwedRecord{Action: action, Request: []byte("{}"), Incarnation: incarnation, Entry: a.entryOfRoom(t, lobby).revision})
		require.NoError(t, err)
		require.NoError(t, a.store.putMarks(t.Context(), owedKey("s-lobby", Owed{Action: action}), value, time.Minute))
	}
	for i := range maxOwed {
		put(fmt.Sprint("Void", i), "another")
	}
	var want []string
	for i := range maxOwed + 3 {
		put(fmt.Sprint("Good", i), a.incarnation())
		want = append(want, fmt.Sprintf("s:lobby Good%d {}", i))
	}
	a.obeyNow(t, cl)
	require.Equal(t, want, a.rooms.heard())
}

// TestWhatIsOwedInAnotherBucket: this node has registered anew. It has written its rooms into a bucket whose
// revisions are lower than those of the bucket before, and has not noticed otherwise. A command that is owed
// from then on is carried out.
func TestWhatIsOwedInAnotherBucket(t *testing.T) {
	_, a, other, lobby := pair(t, nil)
	cl := a.seized(t, lobby)
	defer a.keepOn(cl)
	a.mu.Lock()
	cl.first += 5000 // as in the bucket before
	a.mu.Unlock()
	owner, err := a.rewrite(t.Context(), cl, a.incarnation())
	require.NoError(t, err)
	require.Empty(t, owner)
	other.owe(t, "a", dismissal(lobby))
	a.obeyNow(t, cl)
	require.Equal(t, []string{`s:lobby DismissRoom {"Reason":"over"}`}, a.rooms.heard())
}

func FuzzOwed(f *testing.F) {
	value, _ := json.Marshal(OwedRecord{"DismissRoom", []byte(`{"StrRoomId":"lobby"}`), "x", 7, "id"})
	f.Add("s-lobby.owed.00", value)
	f.Add("s-lobby.owed.", []byte(`{"action":"x","request":[]}`))
	f.Add("s-lobby.ban.ann", []byte(`{"request":null,"entry":-1}`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		o, err := decodeOwed("s-lobby", key, value)
		if err != nil {
			return
		}
		_, err = decodeMark("s-lobby", key, value)
		require.Error(t, err, "it is both")
		again, err := json.Marshal(o.OwedRecord)
		require.NoError(t, err)
		require.True(t, json.Valid(o.Request) && o.Request[0] == '{')
		if len(again) <= maxOwedBytes {
			same, err := decodeOwed("s-lobby", key, again)
			require.NoError(t, err)
			require.Equal(t, o.Entry, same.Entry)
		}
	})
}
