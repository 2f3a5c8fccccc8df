package web_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/session/terms"
)

// A screen is shared: the other sees it beside the camera, and it ends for the other when it ends.
func TestScreenShare(t *testing.T) {
	n := startNode(t)
	b := shared.get(t)
	ann, ben := join(t, b, n, "screen", "ann"), joinAs(t, b, n, entry{Room: "screen", User: "ben", Video: false, Audio: false})
	third := join(t, b, n, "screen", "cleo")
	third.sees("ann")
	cleo := third.watch(ann)
	ann.eval("probe.parlor.startScreenShare()", nil)
	ben.told("remote-video-available", map[string]any{"userId": "ann", "streamType": "sub"})
	var width int
	ben.call(&width, "shown", "ann", "sub")
	require.Greater(t, width, 320, "that is the camera")
	ben.frames("ann", ben.received("ann"), 5)
	cleo.undisturbedBut("remote-video-available")

	since := ben.now()
	ann.eval("probe.parlor.stopScreenShare()", nil)
	ben.toldSince(since, "remote-video-unavailable", map[string]any{"userId": "ann", "streamType": "sub"})
	var held []string
	ann.call(&held, "held")
	require.ElementsMatch(t, []string{"audio", "video"}, held, "the screen and its sound are let go, camera and microphone are not")
}

// One no longer wants to hear, then to see another one: just that stops coming in, for nobody else, and comes
// again.
func TestMuteAndStopRemote(t *testing.T) {
	n := startNode(t)
	ann, ben, cleo := meet(t, n, "remote")
	ben.eval("probe.parlor.muteRemoteAudio('ann', true)", nil)
	ben.becomesSilent("ann", "audio")
	ben.frames("ann", ben.received("ann"), 5)
	ben.eval("probe.parlor.muteRemoteAudio('ann', false)", nil)
	ben.comesIn("ann", "audio")

	ben.eval("probe.parlor.stopRemoteVideo({userId: 'ann'})", nil)
	ben.becomesSilent("ann", "video")
	ben.comesIn("ann", "audio")
	ben.eval("probe.parlor.startRemoteVideo({userId: 'ann', view: probe.views.get('ann/main')})", nil)
	ben.comesIn("ann", "video")
	ben.sees("ann")
	cleo.undisturbed()
	for _, e := range ann.events() {
		require.NotEqual(t, "error", e.Name)
	}
}

// In a live room the audience sees the anchors and nobody sees it, until it becomes one itself, and again
// afterwards.
func TestLiveRoles(t *testing.T) {
	n := startNode(t)
	b := shared.get(t)
	const room, live = "live", "live"
	ann := joinAs(t, b, n, entry{Room: room, User: "ann", Scene: live})
	ben := joinAs(t, b, n, entry{Room: room, User: "ben", Scene: live, Role: "audience", Video: false, Audio: false})
	third := joinAs(t, b, n, entry{Room: room, User: "cleo", Scene: live, Role: "audience", Video: false, Audio: false})
	ben.sees("ann")
	ben.hears("ann")
	cleo := third.watch(ann)
	var code string
	ben.eval("probe.parlor.startLocalAudio().catch(e => e.code)", &code)
	require.Equal(t, "not_allowed", code, "the audience does not send")

	t.Log("ben becomes anchor")
	ben.eval("probe.parlor.switchRole('anchor')", nil)
	ben.told("role-changed", map[string]any{"role": "anchor"})
	enter := ann.told("remote-user-enter", nil)
	require.Equal(t, "ben", enter.UserID, "the first of whom ann hears")
	ben.eval("Promise.all([probe.parlor.startLocalVideo({width: 320, height: 180, frameRate: 15}), probe.parlor.startLocalAudio()])", nil)
	ann.sees("ben")
	ann.hears("ben")
	cleo.undisturbed()

	t.Log("ben becomes audience again")
	ben.eval("probe.parlor.switchRole('audience')", nil)
	ann.told("remote-user-exit", map[string]any{"userId": "ben", "reason": leftBecameAudience})
	ben.released()
	ben.frames("ann", ben.received("ann"), 5)
	cleo.undisturbed()
	var users []string
	ann.eval("probe.parlor.remoteUsers", &users)
	require.Empty(t, users)
}

// One leaves before the answer to entering has been read: the node may have let it in, and is told at once.
func TestExitWhileEntering(t *testing.T) {
	n := startNode(t)
	b := shared.get(t)
	cleo := join(t, b, n, "hasty", "cleo")
	ann := openPage(t, b, n, "ann")
	var code string
	ann.call(&code, "enterAndExit", entry{Room: "hasty", User: "ann"})
	require.Equal(t, "aborted", code)
	require.Eventually(t, func() bool { return slices.Equal([]string{"cleo"}, n.users("hasty")) }, limit, 50*time.Millisecond, "ann is still in")
	join(t, b, n, "hasty", "dan") // whoever is told of dan has been told of ann
	cleo.told("remote-user-enter", map[string]any{"userId": "dan"})
	heard := cleo.cameAndWent()
	if len(heard) > 1 { // ann was told before she was gone
		require.Equal(t, []string{"ann enters", fmt.Sprintf("ann exits for %d", leftExit)}, heard[:len(heard)-1])
	}
	require.Equal(t, "dan enters", heard[len(heard)-1])
	cleo.await("nobody else is there", "probe.parlor.remoteUsers.join() === 'dan'")
	for _, e := range ann.events() {
		require.NotEqual(t, "exit-room", e.Name, "it was never in")
	}
}

// cameAndWent is what somebody was told of others who entered and exited, in order.
func (p *person) cameAndWent() []string {
	p.t.Helper()
	var all []string
	for _, e := range p.events() {
		switch e.Name {
		case "remote-user-enter":
			all = append(all, e.UserID+" enters")
		case "remote-user-exit":
			all = append(all, fmt.Sprintf("%s exits for %d", e.UserID, *e.Reason))
		}
	}
	return all
}

// Somebody enters with a camera on and no right to send its picture: that is said, the camera is let go, and
// the microphone is heard.
func TestEnterWithoutRight(t *testing.T) {
	n := startNodeAt(t, netip.MustParseAddr("127.0.0.1"), timers{})
	b := shared.get(t)
	cleo := join(t, b, n, "rights", "cleo")
	rights, err := terms.NewRights(terms.RightEnter, terms.RightSendAudio, terms.RightRecvAudio, terms.RightRecvVideo)
	require.NoError(t, err)
	ann := joinAs(t, b, n, entry{Room: "rights", User: "ann", Token: n.mint("rights", "ann", rights)})
	ann.told("error", map[string]any{"code": "not_allowed", "field": "camera"})
	cleo.hears("ann")
	ann.sees("cleo")
	var held []string
	ann.call(&held, "held")
	require.Equal(t, []string{"audio"}, held)
}

// The room has all the publishers that it takes: who comes is told so for each device, holds none, and sees
// and hears the others; when there is a place again, starting the microphone publishes it.
func TestPublisherLimit(t *testing.T) {
	cfg := nodeConfig(t, netip.MustParseAddr("127.0.0.1"), timers{})
	cfg.Limits.CallPublishers = 1
	n := runNode(t, cfg, nil)
	b := shared.get(t)
	cleo, ann := join(t, b, n, "crowd", "cleo"), join(t, b, n, "crowd", "ann")
	ann.told("error", map[string]any{"code": "publisher_limit", "field": "camera"})
	ann.told("error", map[string]any{"code": "publisher_limit", "field": "mic"})
	ann.released()
	ann.sees("cleo")
	ann.hears("cleo")
	cleo.exit()
	ann.eval("probe.parlor.startLocalAudio()", nil)
	join(t, b, n, "crowd", "dan").hears("ann")
}

// All the seats that the client ever prepares at once: the node takes an offer of that size, and they work.
func TestAllSeats(t *testing.T) {
	n := startNode(t)
	b := shared.get(t)
	join(t, b, n, "seats", "ann")
	ben := openPage(t, b, n, "ben")
	var largest int
	ben.eval(`(() => {
		const { send } = WebSocket.prototype
		window.largest = 0
		WebSocket.prototype.send = function (text) {
			window.largest = Math.max(window.largest, new TextEncoder().encode(text).length)
			send.call(this, text)
		}
	})()`, nil)
	ben.enter(n, entry{Room: "seats", User: "ben", Seats: map[string]int{"initial": 100, "max": 100}})
	ben.sees("ann")
	ben.hears("ann")
	ben.eval("largest", &largest)
	t.Logf("the offer has %d bytes", largest)
	require.Less(t, largest, 216<<10, "the offer leaves room for a screen, and for a browser with another codec (20 KB)")
}

// becomesSilent waits until nothing of that kind comes in of that user.
func (p *person) becomesSilent(user, kind string) {
	p.t.Helper()
	p.wait(limit, expression(p.t, "silent", user, kind), nil, "still gets %s of %s", kind, user)
}

// comesIn waits until more of that kind comes in of that user.
func (p *person) comesIn(user, kind string) {
	p.t.Helper()
	condition := fmt.Sprintf("%s.then(s => !s)", expression(p.t, "silent", user, kind))
	p.wait(limit, condition, nil, "gets no %s of %s", kind, user)
}
