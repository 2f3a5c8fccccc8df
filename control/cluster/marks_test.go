package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/session/terms"
)

// keepNow keeps marks and waits until they are kept.
func (m *member) keepNow(t *testing.T, r terms.RoomID, list ...terms.Mark) {
	t.Helper()
	select {
	case <-m.Keep(r, list):
	case <-time.After(5 * time.Second):
		t.Fatal("a command waits for its marks")
	}
}

// recall returns what is kept of a room, in order. A ban comes with the time that is left, rounded to
// minutes.
func (m *member) recall(t *testing.T, r terms.RoomID) []string {
	t.Helper()
	got, err := m.Recall(t.Context(), r)
	require.NoError(t, err)
	var l []string
	for _, k := range got {
		if k.Until.IsZero() {
			l = append(l, fmt.Sprintf("block %s %s", k.User, k.Block))
		} else {
			l = append(l, strings.TrimSpace(fmt.Sprintf("ban %s %s %s", k.User, k.Until.Sub(m.clock.now()).Round(time.Minute), k.Text)))
		}
	}
	slices.Sort(l)
	return l
}

func (m *member) ban(user string, d time.Duration, text string) terms.Mark {
	return terms.Mark{User: user, Until: m.clock.now().Add(d), Text: text}
}

func blocked(user string, b terms.Block) terms.Mark { return terms.Mark{User: user, Block: b} }

// TestMarksGoWithTheRoom: the marks that one node has kept are there for the next node that gets the room.
// Blocks end with the room.
func TestMarksGoWithTheRoom(t *testing.T) {
	b := newBroker(t)
	a, other := join(t, b.url(), "a", nil), join(t, b.url(), "b", nil)
	a.knows(t, 2)
	other.knows(t, 2)
	lobby, hall := room(t, "lobby"), room(t, "a hall")
	release := a.claim(t, lobby)
	a.claim(t, hall)
	a.keepNow(t, lobby, a.ban("ann@example.org", time.Hour, "spam"), a.ban("zoe", time.Minute, ""))
	a.keepNow(t, lobby, blocked("bob", terms.BlockAudio), blocked("cid", terms.BlockBoth))
	a.keepNow(t, lobby, blocked("bob", terms.BlockVideo), blocked("cid", terms.BlockNone), a.ban("zoe", 2*time.Minute, ""))
	a.keepNow(t, hall, blocked("ann", terms.BlockBoth))
	all := []string{"ban ann@example.org 1h0m0s spam", "ban zoe 2m0s", "block bob video"}
	require.Equal(t, all, other.recall(t, lobby))
	require.Equal(t, []string{"block ann both"}, other.recall(t, hall))
	require.Empty(t, other.recall(t, room(t, "another")))
	require.Zero(t, a.Counters().MarksLate)
	require.EqualValues(t, 8, a.Counters().MarksWritten)

	a.EndBlocks(lobby)
	release()
	await(t, "the room is nobody's", func() bool { return a.Counters().Rooms == 1 })
	other.claim(t, lobby)
	require.Equal(t, all[:2], other.recall(t, lobby), "bans outlive the room, blocks do not")
	require.Equal(t, []string{"block ann both"}, other.recall(t, hall))
}

// TestBansEndByThemselves: bans end by themselves and leave nothing behind.
func TestBansEndByThemselves(t *testing.T) {
	b := newBroker(t)
	a := join(t, b.url(), "a", nil)
	lobby := room(t, "lobby")
	a.claim(t, lobby)
	a.keepNow(t, lobby, a.ban("ann", time.Second, ""), a.ban("bob", time.Hour, ""))
	require.Len(t, a.recall(t, lobby), 2)
	await(t, "one has ended", func() bool { return b.messages(MarksBucket) == 1 })
	require.Equal(t, []string{"ban bob 1h0m0s"}, a.recall(t, lobby))
}

// TestABlockDoesNotComeBack: a room ends and is made again at once, on the same node, while somebody holds
// it. The block does not come back.
func TestABlockDoesNotComeBack(t *testing.T) {
	b := newBroker(t)
	a := join(t, b.url(), "a", nil)
	lobby := room(t, "lobby")
	release := a.claim(t, lobby)
	a.keepNow(t, lobby, blocked("bob", terms.BlockAudio))
	a.claim(t, lobby) // the next room's hold
	a.EndBlocks(lobby)
	release()
	require.Empty(t, a.recall(t, lobby))
	require.Zero(t, b.messages(MarksBucket))
}

// TestARoomThatIsPlacedAnewHasItsMarks: a room that another node takes over has its marks. A room that nobody
// comes back to leaves nothing but its bans.
func TestARoomThatIsPlacedAnewHasItsMarks(t *testing.T) {
	b := newBroker(t)
	k := newLink(t, b.at)
	a, other := join(t, k.url(), "a", nil), join(t, b.url(), "b", nil)
	a.knows(t, 2)
	other.knows(t, 2)
	lobby, hall := room(t, "lobby"), room(t, "hall")
	for _, r := range []terms.RoomID{lobby, hall} {
		a.claim(t, r)
		a.keepNow(t, r, a.ban("ann", time.Hour, ""), blocked("bob", terms.BlockBoth))
	}
	await(t, "b's bucket is a lease old", func() bool { return other.store.olderThanLease(NodesBucket) })
	k.set(true)
	var release func()
	await(t, "b takes over", func() (ok bool) {
		var err error
		release, err = other.Claim(t.Context(), lobby, true)
		return err == nil
	})
	require.Equal(t, []string{"ban ann 1h0m0s", "block bob both"}, other.recall(t, lobby))
	release() // without a word of its blocks, as when the room could not be moved
	await(t, "the room is nobody's", func() bool { return other.Counters().Rooms == 0 })
	require.Equal(t, []string{"ban ann 1h0m0s"}, other.recall(t, lobby))

	now := other.clock.now()
	other.sweep(t.Context(), now)
	other.sweep(t.Context(), now.Add(other.o.Forget))
	require.Equal(t, []string{"ban ann 1h0m0s"}, other.recall(t, hall), "a room that was swept away")
}

// TestARoomThatIsMovedHasItsMarks: marks that are just being written go with the room, too.
func TestARoomThatIsMovedHasItsMarks(t *testing.T) {
	b := newBroker(t)
	a, other := join(t, b.url(), "a", nil), join(t, b.url(), "b", nil)
	a.knows(t, 2)
	lobby := room(t, "lobby")
	a.claim(t, lobby)
	token := "s-lobby"
	a.marks.want(token, []terms.Mark{blocked("bob", terms.BlockBoth)}) // nobody writes it
	a.Drain()
	a.MoveAll(t.Context())
	url, _ := a.rooms.of(lobby)
	require.Equal(t, "http://b.test", url)
	other.claim(t, lobby)
	require.Equal(t, []string{"block bob both"}, other.recall(t, lobby))
}

// TestMarksWhileNATSIsAway: commands are answered all the same, and their marks are written later. Of a room
// that another node has got meanwhile only the bans are written.
func TestMarksWhileNATSIsAway(t *testing.T) {
	_, k, a, other, lobby, hall := apart(t)
	await(t, "b's bucket is a lease old", func() bool { return other.store.olderThanLease(NodesBucket) })
	k.set(true)
	await(t, "a knows that NATS is away", func() bool { return !a.nc.IsConnected() })
	for _, r := range []terms.RoomID{lobby, hall} {
		a.keepNow(t, r, a.ban("ann", time.Hour, ""), blocked("bob", terms.BlockBoth))
	}
	require.Equal(t, 4, a.Counters().MarksWaiting)
	require.EqualValues(t, 2, a.Counters().MarksLate)
	await(t, "b takes over", func() bool {
		_, err := other.Claim(t.Context(), lobby, true)
		return err == nil
	})
	_, err := a.Recall(t.Context(), room(t, "another"))
	require.ErrorIs(t, err, terms.CodeNodeDraining, "nothing can be said")
	k.set(false)
	await(t, "all is written", func() bool { return a.Counters().MarksWaiting == 0 })
	require.Equal(t, []string{"ban ann 1h0m0s"}, other.recall(t, lobby))
	require.Equal(t, []string{"ban ann 1h0m0s", "block bob both"}, other.recall(t, hall))
}

// TestMarksInABucketThatIsGone: a bucket that is gone is made anew.
func TestMarksInABucketThatIsGone(t *testing.T) {
	b := newBroker(t)
	a := join(t, b.url(), "a", nil)
	lobby := room(t, "lobby")
	a.claim(t, lobby)
	a.keepNow(t, lobby, blocked("ann", terms.BlockBoth))
	require.NoError(t, a.store.js.DeleteKeyValue(t.Context(), MarksBucket))
	require.Empty(t, a.recall(t, lobby))
	a.keepNow(t, lobby, blocked("bob", terms.BlockBoth))
	require.Contains(t, a.recall(t, lobby), "block bob both")
	require.NoError(t, a.store.js.DeleteKeyValue(t.Context(), MarksBucket))
	a.keepNow(t, lobby, blocked("cid", terms.BlockBoth))
	await(t, "it is written later", func() bool { return a.Counters().MarksWaiting == 0 })
	// The server at times brings back what was written a moment before the bucket was deleted.
	require.Contains(t, a.recall(t, lobby), "block cid both")
}

// TestBlocksOfANodeThatTakesUpItsRooms: a room ends on this node, and another node has it by then. Its blocks
// stay.
func TestBlocksOfANodeThatTakesUpItsRooms(t *testing.T) {
	b := newBroker(t)
	a := join(t, b.url(), "a", nil)
	lobby := room(t, "lobby")
	a.claim(t, lobby)
	a.keepNow(t, lobby, blocked("bob", terms.BlockAudio))
	cl := a.seized(t, lobby)
	a.mu.Lock()
	last := a.view.rooms["s-lobby"].revision
	a.view.setNode("b", entry[NodeRecord]{NodeRecord{ID: "b", Incarnation: "2", Claiming: true}, 1 << 30})
	a.view.setRoom("s-lobby", entry[RoomRecord]{roomRecord("b", "1", time.Now(), ""), last + 1})
	require.Equal(t, pending, a.view.judge(a.view.rooms["s-lobby"].record))
	cl.theirs = true
	a.mu.Unlock()
	require.NoError(t, a.flushLast(t.Context(), "s-lobby", true))
	a.keepOn(cl)
	require.Equal(t, []string{"block bob audio"}, a.recall(t, lobby))
}

// TestMarksThatAreReplacedWhileTheyAreHeeded: the marks that were read do not undo a command that came after
// the reading, even if that command's marks are written by then.
func TestMarksThatAreReplacedWhileTheyAreHeeded(t *testing.T) {
	b := newBroker(t)
	a := prepare(t, b.url(), "a", nil)
	lobby := room(t, "lobby")
	var meanwhile func()
	a.rooms.heeding = func() { meanwhile() }
	a.run(t)
	<-a.Opened()
	a.claim(t, lobby)
	a.mu.Lock()
	cl := a.claims["s-lobby"]
	a.mu.Unlock()
	for what, c := range map[string]struct {
		do   func()
		want []string
	}{
		"nothing":           {func() {}, []string{"ann", "bob", "cid"}},
		"a block is lifted": {func() { a.keepNow(t, lobby, blocked("bob", terms.BlockNone)) }, []string{"ann", "cid"}},
		"another ban":       {func() { a.keepNow(t, lobby, a.ban("ann", time.Minute, "")) }, []string{"bob", "cid"}},
		"the room's end":    {func() { a.EndBlocks(lobby); require.NoError(t, a.flush(t.Context(), "s-lobby")) }, []string{"ann"}},
	} {
		a.keepNow(t, lobby, a.ban("ann", time.Hour, ""), blocked("bob", terms.BlockBoth), blocked("cid", terms.BlockAudio))
		meanwhile = c.do
		require.NoError(t, a.heed(t.Context(), cl))
		var heeded []string
		for _, m := range a.rooms.heeded["s:lobby"] {
			heeded = append(heeded, m.User)
		}
		require.ElementsMatch(t, c.want, heeded, what)
		_, waiting := a.marks.waiting()
		require.Empty(t, waiting)
	}
	require.Empty(t, a.marks.since)
}

// TestMarksOfOthersAreNotTrusted: a mark that cannot have come from a command is passed over.
func TestMarksOfOthersAreNotTrusted(t *testing.T) {
	b := newBroker(t)
	a := join(t, b.url(), "a", nil)
	lobby := room(t, "lobby")
	a.claim(t, lobby)
	kv := b.bucket(MarksBucket)
	for key, value := range map[string]string{
		"s-lobby.ban.s-ann":    `{"user":"bob","until":9000000000000}`, // another's
		"s-lobby.ban.s-bob":    `{"user":"bob","block":"both"}`,
		"s-lobby.block.s-cid":  `{"user":"cid","block":"everything"}`,
		"s-lobby.block.s-dan":  `what`,
		"s-lobby.block.s-good": `{"user":"good","block":"both"}`,
	} {
		_, err := kv.PutString(t.Context(), key, value)
		require.NoError(t, err)
	}
	require.Equal(t, []string{"block good both"}, a.recall(t, lobby))
}

func FuzzMark(f *testing.F) {
	for _, m := range []terms.Mark{{User: "ann", Until: time.UnixMilli(9e12), Text: "spam"}, {User: "a@b", Block: terms.BlockAudio}} {
		value, _ := json.Marshal(markRecord(m))
		f.Add(markKey("s-lobby", m), value)
	}
	f.Add("s-lobby.ban.", []byte(`{"user":"","until":-1}`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		m, err := decodeMark("s-lobby", key, value)
		if err != nil {
			return
		}
		again, err := json.Marshal(markRecord(m))
		require.NoError(t, err)
		same, err := decodeMark("s-lobby", key, again)
		require.NoError(t, err)
		require.Equal(t, m, same)
	})
}
