package web_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/session/terms"
)

// exitedExpired is the client's ExitReason.EXPIRED.
const exitedExpired = 5

// Somebody's picture is blocked by a command, then everything: it stops at the others, who are told, and the
// sound goes on or stops; when the block is lifted all of it comes back by itself. Another one's streams go
// on undisturbed.
func TestBlocked(t *testing.T) {
	n := startNode(t)
	ann, ben, cleo := meet(t, n, "blocked")
	witness := cleo.watch(ben)
	block := func(b string) {
		t.Helper()
		n.command("SetUserBlocked", map[string]any{"StrRoomId": "blocked", "UserId": "ann", "Block": b})
	}
	since := ben.now()
	block("video")
	ann.told("blocked", map[string]any{"block": "video"})
	ben.toldSince(since, "remote-video-unavailable", map[string]any{"userId": "ann", "streamType": "main"})
	ben.becomesSilent("ann", "video")
	ben.comesIn("ann", "audio")

	block("both")
	ann.told("blocked", map[string]any{"block": "both"})
	ben.toldSince(since, "remote-audio-unavailable", map[string]any{"userId": "ann"})
	ben.becomesSilent("ann", "audio")

	t.Log("ann stops and starts its camera, which does not help")
	ann.eval("probe.parlor.stopLocalVideo().then(() => probe.parlor.startLocalVideo({width: 320, height: 180, frameRate: 15}))", nil)
	var silent bool
	ben.call(&silent, "silent", "ann", "video")
	require.True(t, silent, "ben gets the picture of ann")

	since = ben.now()
	block("none")
	ann.told("blocked", map[string]any{"block": "none"})
	ben.toldSince(since, "remote-video-available", map[string]any{"userId": "ann", "streamType": "main"})
	ben.comesIn("ann", "video")
	ben.comesIn("ann", "audio")
	ben.sees("ann")
	witness.undisturbedBut("remote-video-unavailable", "remote-audio-unavailable", "remote-video-available", "remote-audio-available")
}

// Tokens are short: who gets others stays without anybody noticing, who does not is put out, with a reason.
// Of both, the first token comes from the callback too.
func TestTokenRenewedInTime(t *testing.T) {
	n := startNodeAt(t, netip.MustParseAddr("127.0.0.1"), timers{})
	b := shared.get(t)
	const room = "tokens"
	mint := func(user string, left time.Duration) string {
		return n.mintFor(room, user, terms.MemberRights(), left)
	}
	// first: a slow machine must not have her miss dan
	cleo := joinAs(t, b, n, entry{Room: room, User: "cleo", Video: false, Audio: false})
	// Tokens end at whole seconds and hold for the leeway of 5 s longer, so these for 8 to 9 s.
	minted := float64(time.Now().UnixMilli())
	ann := joinAs(t, b, n, entry{Room: room, User: "ann", Tokens: []string{mint("ann", 4*time.Second), mint("ann", time.Hour)}})
	dan := joinAs(t, b, n, entry{Room: room, User: "dan", Tokens: []string{mint("dan", 4*time.Second)}, Video: false})
	cleo.sees("ann")
	witness := cleo.watch(ann)
	ann.told("token-expiring", nil)
	dan.told("token-expiring", nil)
	ann.await("she was asked for another token", "probe.given.length === 2")
	dan.told("error", map[string]any{"code": "token_unavailable", "field": "token"})
	out := dan.told("exit-room", map[string]any{"reason": exitedExpired})
	require.Greater(t, out.At, minted+8000, "dan was put out before its token had ended")
	dan.released()
	cleo.told("remote-user-exit", map[string]any{"userId": "dan", "reason": leftRemoved})
	ann.await("her first token has ended", fmt.Sprintf("probe.now() > %f", minted+11000))
	require.Equal(t, []string{"ann", "cleo"}, n.users(room))
	witness.undisturbed()
	for _, e := range ann.events() {
		require.NotContains(t, []string{"error", "connection-lost", "exit-room"}, e.Name)
	}
}

// A token that allows less takes the picture away, at the others and from the camera; one that allows it
// again brings it back, when the camera is started. What else is negotiated meanwhile works.
func TestTokenWithFewerRights(t *testing.T) {
	n := startNodeAt(t, netip.MustParseAddr("127.0.0.1"), timers{})
	b := shared.get(t)
	const room = "fewer"
	ann := joinAs(t, b, n, entry{Room: room, User: "ann", Seats: map[string]int{"initial": 1, "chunk": 1, "max": 8}})
	ben := join(t, b, n, room, "ben")
	ben.sees("ann")
	ben.hears("ann")
	ann.sees("ben")
	renew := func(rights ...terms.Right) {
		t.Helper()
		set, err := terms.NewRights(append(rights, terms.RightEnter)...)
		require.NoError(t, err)
		ann.eval(fmt.Sprintf("probe.parlor.renewToken(%q)", n.mint(room, "ann", set)), nil)
	}
	renew(terms.RightSendAudio, terms.RightRecvAudio)
	ann.told("error", map[string]any{"code": "not_allowed", "field": "camera"})
	ben.told("remote-video-unavailable", map[string]any{"userId": "ann"})
	ben.becomesSilent("ann", "video")
	ben.comesIn("ann", "audio")
	ann.becomesSilent("ben", "video")
	ann.comesIn("ben", "audio")
	var held []string
	ann.call(&held, "held")
	require.Equal(t, []string{"audio"}, held)
	var code string
	ann.eval("probe.parlor.startLocalVideo().then(() => '', e => e.code)", &code)
	require.Equal(t, "not_allowed", code)

	t.Log("somebody comes for whom ann needs another seat: the offer of that names what may still be sent")
	joinAs(t, b, n, entry{Room: room, User: "cleo", Video: false})
	ann.hears("cleo")
	ben.comesIn("ann", "audio")

	since := ben.now()
	renew(terms.RightSendAudio, terms.RightSendVideo, terms.RightRecvAudio, terms.RightRecvVideo)
	ann.comesIn("ben", "video")
	ann.eval("probe.parlor.startLocalVideo({width: 320, height: 180, frameRate: 15})", nil)
	ben.toldSince(since, "remote-video-available", map[string]any{"userId": "ann"})
	ben.comesIn("ann", "video")
}
