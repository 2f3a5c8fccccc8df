package web_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Reasons of docs/protocol.md: what the user itself is told, and what the others are told.
const (
	exitedByItself = 0
	exitedRemoved  = 1
	exitedDismiss  = 2
	exitedReplaced = 3

	leftExit           = 0
	leftTimeout        = 1
	leftRemoved        = 2
	leftBecameAudience = 3
)

// What is promised: others are told of an exit within 100 ms; who is put out hears of it after the others,
// and after the client has released everything; pictures and sound are there within 2 s.
const (
	told    = 100 * time.Millisecond
	kicking = 500 * time.Millisecond
	seen    = 2 * time.Second
	// quick is how long two peer connections without a node between them take at most on a machine that is
	// held to what is promised. On a slower one a meeting may take longer in proportion, up to slowest.
	quick   = 400 * time.Millisecond
	slowest = 5 * time.Second
)

// meet brings ann, ben and cleo into a room, all seeing and hearing each other; cleo is the witness of ben.
func meet(t *testing.T, n *node, room string) (ann, ben *person, cleo *witness) {
	t.Helper()
	b := shared.get(t)
	ann, ben = join(t, b, n, room, "ann"), join(t, b, n, room, "ben")
	third := join(t, b, n, room, "cleo")
	ann.sees("ben")
	ben.sees("ann")
	third.sees("ann")
	return ann, ben, third.watch(ben)
}

// Two pages meet: pictures that move and sound both ways within 2 s of entering. A third that was there with
// another before sees no difference.
func TestMeet(t *testing.T) {
	n := startNode(t)
	b := shared.get(t)
	cleo, dan := join(t, b, n, "meet", "cleo"), join(t, b, n, "meet", "dan")
	dan.sees("cleo")
	w := cleo.watch(dan)
	ann, ben := openPage(t, b, n, "ann"), openPage(t, b, n, "ben")
	most := meetingTime(ann, ben)
	ann.enter(n, entry{Room: "meet", User: "ann"})
	ben.enter(n, entry{Room: "meet", User: "ben"})

	meetInTime(t, ann, ben, most)
	ann.told("remote-user-enter", map[string]any{"userId": "ben"})
	w.undisturbed()

	// It goes on.
	goesOn(t, ann, ben)
	goesOn(t, ben, ann)
}

// meetingTime is how long two pages may take to see and hear each other, from entering on. They have not
// entered yet.
func meetingTime(pages ...*person) time.Duration {
	took := make([]float64, len(pages))
	var wg sync.WaitGroup
	for i, p := range pages { // side by side, as they will meet
		wg.Go(func() { p.eval("probe.meetsItself()", &took[i]) })
	}
	wg.Wait()
	longest := time.Duration(slices.Max(took) * float64(time.Millisecond))
	pages[0].t.Logf("without a node between them: %v", longest.Round(time.Millisecond))
	return seenWithin(longest)
}

// seenWithin is how long a meeting may take on a machine that takes so long for two peer connections alone.
func seenWithin(alone time.Duration) time.Duration {
	return min(slowest, time.Duration(float64(seen)*max(1, float64(alone)/float64(quick))))
}

func TestSeenWithin(t *testing.T) {
	for alone, want := range map[time.Duration]time.Duration{
		100 * time.Millisecond: seen, quick: seen, // what is promised
		600 * time.Millisecond: 3 * time.Second, 10 * time.Second: slowest,
	} {
		require.Equal(t, want, seenWithin(alone), "%v", alone)
	}
}

// meetInTime holds two who enter, b as the second, to seeing and hearing each other soon enough.
func meetInTime(t *testing.T, a, b *person, most time.Duration) {
	t.Helper()
	var aSees, bSees, aHears, bHears float64
	var wg sync.WaitGroup
	wg.Go(func() { aSees = a.sees(b.name) })
	wg.Go(func() { bSees = b.sees(a.name) })
	wg.Go(func() { aHears = a.hears(b.name) })
	wg.Go(func() { bHears = b.hears(a.name) })
	wg.Wait()
	soon(t, a.name+" sees "+b.name, b.called, aSees, most)
	soon(t, a.name+" hears "+b.name, b.called, aHears, most)
	soon(t, b.name+" sees "+a.name, b.called, bSees, most)
	soon(t, b.name+" hears "+a.name, b.called, bHears, most)
}

// goesOn holds what a gets of b to be complete.
func goesOn(t *testing.T, a, b *person) {
	t.Helper()
	before := a.received(b.name)
	after := a.frames(b.name, before, 30)
	require.Zero(t, after.Video.PacketsLost)
	require.Zero(t, after.Audio.PacketsLost)
	soundful(t, before, after)
}

// One exits: it is told so, the others are told reason 0 within 100 ms, and its picture and sound end.
func TestExit(t *testing.T) {
	n := startNode(t)
	ann, ben, cleo := meet(t, n, "exit")

	asked, done := ann.exit()
	e := ben.told("remote-user-exit", map[string]any{"userId": "ann", "reason": leftExit})
	soon(t, "ben is told of ann's exit", asked, e.At, told, ann, ben)
	e = cleo.told("remote-user-exit", map[string]any{"userId": "ann", "reason": leftExit})
	soon(t, "cleo is told of ann's exit", asked, e.At, told, ann, cleo.person)
	e = ann.told("exit-room", map[string]any{"reason": exitedByItself})
	require.LessOrEqual(t, e.At, done, "exitRoom resolves when the exit is complete")
	for _, e := range ann.events() {
		require.NotEqual(t, "kicked-out", e.Name)
	}
	var users []string
	ben.eval("probe.parlor.remoteUsers", &users)
	require.Equal(t, []string{"cleo"}, users)
	cleo.undisturbed()

	// It may come again, and is seen again.
	ann.enter(n, entry{Room: "exit", User: "ann"})
	again := ben.toldSince(e.At, "remote-user-enter", map[string]any{"userId": "ann"})
	ben.toldSince(again.At, "remote-video-available", map[string]any{"userId": "ann"})
	cleo.undisturbed()
}

// RemoveUser over NATS: the user is told 1, the others 2, both before the command is answered.
func TestRemove(t *testing.T) {
	n := startNode(t)
	ann, ben, cleo := meet(t, n, "remove")

	asked := ben.now()
	n.command("RemoveUser", map[string]any{"StrRoomId": "remove", "UserIds": []string{"ann"}, "Reason": "house rules"})
	kicked := ann.told("kicked-out", map[string]any{"reason": exitedRemoved})
	require.Equal(t, "house rules", kicked.Text)
	soon(t, "ann is told that she is removed", asked, kicked.At, kicking, ann)
	ann.told("exit-room", map[string]any{"reason": exitedRemoved})
	ann.released()
	e := ben.told("remote-user-exit", map[string]any{"userId": "ann", "reason": leftRemoved})
	soon(t, "ben is told that ann was removed", asked, e.At, told, ben)
	cleo.told("remote-user-exit", map[string]any{"userId": "ann", "reason": leftRemoved})
	cleo.undisturbed()
	require.Equal(t, []string{"ben", "cleo"}, n.users("remove"))
}

// DismissRoom: everybody in it is told 2; another room does not notice.
func TestDismiss(t *testing.T) {
	n := startNode(t)
	b := shared.get(t)
	ann, ben := join(t, b, n, "dismissed", "ann"), join(t, b, n, "dismissed", "ben")
	dan, third := join(t, b, n, "kept", "dan"), join(t, b, n, "kept", "cleo")
	dan.sees("cleo")
	cleo := third.watch(dan)
	ann.sees("ben")

	asked := ben.now()
	n.command("DismissRoom", map[string]any{"StrRoomId": "dismissed", "Reason": "closing time"})
	for _, p := range []*person{ann, ben} {
		e := p.told("kicked-out", map[string]any{"reason": exitedDismiss, "text": "closing time"})
		soon(t, p.name+" is told that the room is dismissed", asked, e.At, kicking, p)
		p.told("exit-room", map[string]any{"reason": exitedDismiss})
	}
	cleo.undisturbed()
	require.Equal(t, []string{"cleo", "dan"}, n.users("kept"))
}

// A page that is closed has exited: reason 0, at once, not when a timer runs out.
func TestClosedPage(t *testing.T) {
	n := startNode(t)
	ann, ben, cleo := meet(t, n, "closed")
	asked := ben.now()
	require.NoError(t, ann.page.Close(within(t, limit)))
	e := ben.told("remote-user-exit", map[string]any{"userId": "ann", "reason": leftExit})
	// Closing a page takes the browser some of the second.
	soon(t, "ben is told of ann's closed page", asked, e.At, time.Second, ben)
	cleo.told("remote-user-exit", map[string]any{"userId": "ann", "reason": leftExit})
	cleo.undisturbed()
}

// The same user enters elsewhere: the older page is told 3; the others see neither a leave nor an enter, and
// see the newer page's picture.
func TestReplaced(t *testing.T) {
	n := startNode(t)
	old, ben, cleo := meet(t, n, "twice")
	since := ben.now()
	join(t, shared.get(t), n, "twice", "ann")
	old.told("kicked-out", map[string]any{"reason": exitedReplaced})
	old.told("exit-room", map[string]any{"reason": exitedReplaced})

	before := ben.received("ann")
	ben.frames("ann", before, 30)
	cleo.undisturbed()
	for _, e := range ben.events() {
		coming := e.Name == "remote-user-enter" || e.Name == "remote-user-exit"
		require.False(t, coming && e.At > since, "ben saw that ann was replaced: %+v", e)
	}
	require.Equal(t, []string{"ann", "ben", "cleo"}, n.users("twice"))
}

// Camera and microphone are stopped and started: the others are told, and see and hear it again.
func TestStopAndStart(t *testing.T) {
	n := startNode(t)
	ann, ben, cleo := meet(t, n, "pause")
	since := ben.now()
	ann.eval("Promise.all([probe.parlor.stopLocalVideo(), probe.parlor.updateLocalAudio({mute: true})])", nil)
	ben.toldSince(since, "remote-video-unavailable", map[string]any{"userId": "ann"})
	ben.toldSince(since, "remote-audio-unavailable", map[string]any{"userId": "ann"})
	cleo.undisturbed()
	ann.eval("Promise.all([probe.parlor.startLocalVideo({width: 320, height: 180}), probe.parlor.updateLocalAudio({mute: false})])", nil)
	ben.toldSince(since, "remote-video-available", map[string]any{"userId": "ann"})
	ben.toldSince(since, "remote-audio-available", map[string]any{"userId": "ann"})
	ben.frames("ann", ben.received("ann"), 15)
	cleo.undisturbed()
}
