package session_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parlor/session"
	"parlor/session/terms"
)

// marks keep bans and blocks as a test wants them.
type marks struct {
	mu      sync.Mutex
	calls   []string
	kept    []terms.Mark  // what Recall returns
	refusal error         // of Recall
	slow    chan struct{} // what Keep returns; nil: a closed one
}

func (m *marks) note(what ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, strings.Join(what, " "))
}

// took returns and forgets what was called until everybody waits.
func (m *marks) took() []string {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	defer func() { m.calls = nil }()
	return m.calls
}

func (m *marks) Keep(room terms.RoomID, list []terms.Mark) <-chan struct{} {
	for _, k := range list {
		if k.Until.IsZero() {
			m.note(room.Key(), "block", k.User, string(k.Block))
		} else {
			m.note(room.Key(), "ban", k.User, time.Until(k.Until).String(), k.Text)
		}
	}
	if m.slow != nil {
		return m.slow
	}
	done := make(chan struct{})
	close(done)
	return done
}

func (m *marks) Recall(_ context.Context, room terms.RoomID) ([]terms.Mark, error) {
	m.note("recall", room.Key())
	return m.kept, m.refusal
}

func (m *marks) EndBlocks(room terms.RoomID) { m.note("end", room.Key()) }

// TestMarksAreKept: the marks of a command are kept. They are recalled only if the room is not here.
func TestMarksAreKept(t *testing.T) {
	k := &marks{}
	inNode(t, session.Options{Marks: k}, func(n *node) {
		n.enter("ann")
		bob := n.enter("bob")
		n.expect("entering", k.took(), "recall s:lobby")
		remove := func(d time.Duration, users ...string) {
			t.Helper()
			if _, err := n.RemoveUsers(context.Background(), lobby, users, "spam", d); err != nil {
				t.Fatal(err)
			}
		}
		remove(0, "zoe")
		n.expect("removing without a ban", k.took())
		remove(time.Minute, "ann", "zoe")
		n.expect("banning", k.took(), "s:lobby ban ann 1m0s spam", "s:lobby ban zoe 1m0s spam")
		n.block("bob", terms.BlockNone)
		n.expect("lifting what was not blocked", k.took())
		n.block("bob", terms.BlockAudio)
		n.block("bob", terms.BlockNone)
		n.expect("blocking", k.took(), "s:lobby block bob audio", "s:lobby block bob none")
		if err := n.SetUserBlocked(context.Background(), lobby, "nobody", terms.BlockBoth); code(err) != terms.CodeUserNotFound {
			t.Error(err)
		}
		n.expect("refused", k.took())
		_ = bob.Exit(context.Background())
		n.expect("the end of a room that had blocks", k.took(), "end s:lobby")
		cid := n.enter("cid")
		_ = cid.Exit(context.Background())
		n.expect("and of one that had none", k.took(), "recall s:lobby")
	})
}

// TestMarksHold: bans and blocks of a room that comes from elsewhere are in force before anybody is in.
func TestMarksHold(t *testing.T) {
	k := &marks{}
	inNode(t, session.Options{Marks: k}, func(n *node) {
		k.kept = []terms.Mark{
			{User: "ann", Until: time.Now().Add(time.Minute), Text: "spam"}, {User: "bob", Block: terms.BlockVideo},
			{User: "cid", Block: terms.BlockNone}, {User: "old", Until: time.Now().Add(-time.Second)},
		}
		if _, _, err := n.Enter(context.Background(), n.request("ann")); code(err) != terms.CodeBanned {
			t.Errorf("ann is banned but enters: %v", err)
		}
		bob := n.enter("bob")
		if bob.entered.Block != terms.BlockVideo {
			t.Errorf("bob is blocked %q", bob.entered.Block)
		}
		n.enter("old")
		if cid := n.enter("cid"); cid.entered.Block != terms.BlockNone {
			t.Errorf("cid is blocked %q", cid.entered.Block)
		}
		cid := n.enter("dan")
		from, at := bob.negotiate(map[string]terms.Source{"mic": terms.Mic, "cam": terms.Camera}, 0, false), cid.negotiate(nil, 1, false)
		cid.hear("bob")
		if flows(from, "cam", at, "v0") || !flows(from, "mic", at, "a0") {
			t.Error("the block does not hold")
		}
		if _, _, err := n.Enter(context.Background(), n.request("ann")); code(err) != terms.CodeBanned {
			t.Errorf("ann is banned but enters the room that is here: %v", err)
		}
		k.took()
		if n.DismissRoom(context.Background(), lobby, ""); !slices.Equal(k.took(), []string{"end s:lobby"}) {
			t.Error("the blocks do not end with the room")
		}
	})
}

// TestAShorterBanHolds: a room was elsewhere meanwhile. The marks that are kept are newer than those that
// this node remembers.
func TestAShorterBanHolds(t *testing.T) {
	k := &marks{}
	inNode(t, session.Options{Marks: k}, func(n *node) {
		n.enter("ann")
		if _, err := n.RemoveUsers(context.Background(), lobby, []string{"ann", "bob"}, "", time.Hour); err != nil {
			t.Fatal(err)
		}
		k.kept = []terms.Mark{{User: "ann", Until: time.Now().Add(time.Second)}}
		if _, _, err := n.Enter(context.Background(), n.request("ann")); code(err) != terms.CodeBanned {
			t.Errorf("ann: %v", err)
		}
		time.Sleep(time.Second)
		n.enter("ann")
		if _, _, err := n.Enter(context.Background(), n.request("bob")); code(err) != terms.CodeBanned {
			t.Errorf("bob: %v", err)
		}
	})
}

// TestARoomThatIsMovedKeepsItsBlocks: a room that is moved keeps its blocks, since it does not end.
func TestARoomThatIsMovedKeepsItsBlocks(t *testing.T) {
	k := &marks{}
	inNode(t, session.Options{Marks: k}, func(n *node) {
		n.enter("ann")
		n.block("ann", terms.BlockBoth)
		k.took()
		if _, err := n.Move(context.Background(), lobby, "", func(context.Context) string { return "http://b" }); err != nil {
			t.Fatal(err)
		}
		n.expect("moved", k.took())
	})
}

// TestMarksAreHeededAsTheyStand: it takes time to put somebody out, and a command that comes meanwhile holds.
func TestMarksAreHeededAsTheyStand(t *testing.T) {
	k := &marks{}
	inNode(t, session.Options{Marks: k}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		ann.publishMic(0)
		bob.publishMic(0)
		until := time.Now().Add(time.Hour)
		var mu sync.Mutex
		newer := map[string]bool{"cid": true}
		stands := func(m terms.Mark) bool {
			mu.Lock()
			defer mu.Unlock()
			return !newer[m.User]
		}
		release := n.wire.Hold()
		heeded := make(chan error, 1)
		go func() {
			heeded <- n.Heed(context.Background(), lobby, []terms.Mark{
				{User: "ann", Until: until}, {User: "bob", Block: terms.BlockBoth}, {User: "cid", Until: until},
			}, stands)
		}()
		synctest.Wait()
		mu.Lock()
		newer["bob"] = true
		mu.Unlock()
		release()
		if err := <-heeded; err != nil {
			t.Error(err)
		}
		ann.isOut()
		for _, e := range bob.saw() {
			if strings.HasPrefix(e, "blocked") {
				t.Errorf("bob was told %s", e)
			}
		}
		n.enter("cid")
		if _, _, err := n.Enter(context.Background(), n.request("ann")); !errors.Is(err, terms.CodeBanned) {
			t.Errorf("ann may enter: %v", err)
		}
	})
}

// TestNobodyEntersWhereMarksAreNotKnown: nobody enters a room whose marks are not known, and the room's place
// is given up.
func TestNobodyEntersWhereMarksAreNotKnown(t *testing.T) {
	p, k := &cluster{}, &marks{refusal: terms.Errorf(terms.CodeNodeDraining, "", "try again")}
	inNode(t, session.Options{Cluster: p, Marks: k}, func(n *node) {
		if _, _, err := n.Enter(context.Background(), n.request("ann")); code(err) != terms.CodeNodeDraining {
			t.Errorf("%v", err)
		}
		if p.holds != 0 {
			t.Errorf("%d holds", p.holds)
		}
		k.refusal = nil
		n.enter("ann")
	})
}

// TestKeepingComesAfterTheEffect: a command is answered when its marks are kept, and is in force before.
func TestKeepingComesAfterTheEffect(t *testing.T) {
	k := &marks{}
	inNode(t, session.Options{Marks: k}, func(n *node) {
		k.slow = make(chan struct{}) // of this bubble
		ann, bob := n.enter("ann"), n.enter("bob")
		x := n.removing(time.Minute, "ann")
		blocked := make(chan error, 1)
		go func() { blocked <- n.SetUserBlocked(context.Background(), lobby, "bob", terms.BlockAudio) }()
		synctest.Wait()
		ann.isOut()
		n.expect("bob saw", bob.saw(), "user_left ann 2", "blocked audio")
		select {
		case err := <-blocked:
			t.Errorf("answered before it is kept: %v", err)
		case <-x.end:
			t.Errorf("answered before it is kept: %v", x.err)
		default:
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancelled := make(chan error, 1)
		go func() {
			_, err := n.RemoveUsers(ctx, lobby, []string{"zoe"}, "", time.Minute)
			cancelled <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-cancelled; !errors.Is(err, context.Canceled) {
			t.Errorf("who asks no more: %v", err)
		}
		close(k.slow)
		if err := <-blocked; err != nil {
			t.Error(err)
		}
		if <-x.end; x.err != nil {
			t.Error(x.err)
		}
	})
}
