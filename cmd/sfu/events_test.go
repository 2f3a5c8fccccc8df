package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/control/natstest"
	"parlor/session/terms"
)

// TestEventLines are what people read.
func TestEventLines(t *testing.T) {
	lobby, _ := terms.StringRoom("lobby")
	spaced, _ := terms.StringRoom("two words")
	numbered, _ := terms.NumberRoom(123)
	at := time.Date(2026, 1, 2, 3, 4, 5, 67e6, time.Local).UnixMilli()
	for _, x := range []struct {
		e    terms.FeedEvent
		want string
	}{
		{terms.FeedEvent{Type: 101, Room: lobby}, "room-created    lobby  on n1"},
		{terms.FeedEvent{Type: 102, Room: numbered, Reason: 5}, "room-dismissed  #123  shutdown on n1"},
		{terms.FeedEvent{Type: 103, Room: spaced, User: "ann", Role: terms.Anchor, Reason: 1}, `user-entered    "two words"  ann  anchor on n1`},
		{terms.FeedEvent{Type: 104, Room: lobby, User: "ann", Reason: 3, Text: "be kind\x1b[2J"}, `user-left       lobby  ann  removed "be kind\x1b[2J" on n1`},
		{terms.FeedEvent{Type: 104, Room: lobby, User: "ann", Reason: 2, By: "n2"}, "user-left       lobby  ann  timeout on n1 as told by n2"},
		{terms.FeedEvent{Type: 105, Room: lobby, User: "ann", Role: terms.Audience}, "role-changed    lobby  ann  audience on n1"},
		{terms.FeedEvent{Type: 205, Room: lobby, User: "ann"}, "screen-started  lobby  ann  on n1"},
		{terms.FeedEvent{Type: 999, Room: lobby, Reason: 99}, "999             lobby  99 on n1"},
	} {
		x.e.TimeMS, x.e.Node = at, "n1"
		require.Equal(t, "2026-01-02 03:04:05.067  "+x.want, eventLine(x.e))
	}
}

// TestEventFlags: a wrong one is named, before NATS is asked for.
func TestEventFlags(t *testing.T) {
	for line, want := range map[string]string{
		"more": "too many arguments", "--room a/b": "--room: ", "--room-id 0": "--room-id: ", "--room-id 4294967296": "--room-id: ", "--user a/b": "--user: ",
		"--kind user-lefft": "did you mean user-left?", "--kind 999": "room-created (101)", "--last -1": "--last", "--last 1000000": "--last",
		"--since yesterday": "--since", "--since 1h --last 3": "both", "--knd 101": "did you mean --kind?",
	} {
		_, err := do(append(append([]string{"events"}, strings.Fields(line)...), "--nats.url=nats://127.0.0.1:9")...)
		require.ErrorContains(t, err, want, line)
		require.Equal(t, exitUsage, exitCode(err), line)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	for text, want := range map[string]time.Time{
		"90s": now.Add(-90 * time.Second), "2026-01-01T00:00:00Z": time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		"2026-01-01": time.Date(2026, 1, 1, 0, 0, 0, 0, time.Local), "2026-01-01 12:30": time.Date(2026, 1, 1, 12, 30, 0, 0, time.Local),
	} {
		at, err := timeOf(text, now)
		require.NoError(t, err, text)
		require.True(t, want.Equal(at), "%s: %v", text, at)
	}
	o, err := (&eventFlags{kinds: []string{"104", "user-entered"}}).options(now)
	require.NoError(t, err)
	require.Equal(t, []terms.FeedType{104, 103}, o.Types)
}

// TestEventsOfARunningNode: from the past and as they happen, chosen and as JSON.
func TestEventsOfARunningNode(t *testing.T) {
	n := start(t, nil)
	at := "--nats.url=" + n.Addrs().NATS
	ann := enter(t, n, "lobby", "ann", "")
	enter(t, n, 123, "bob", "")
	has := func(parts ...string) func(string) bool {
		return func(out string) bool {
			for _, p := range parts {
				if !regexp.MustCompile(p).MatchString(out) {
					return false
				}
			}
			return true
		}
	}
	follow := func(until func(string) bool, args ...string) string {
		t.Helper()
		out, err := watched(t, until, append([]string{"events", at}, args...)...)
		require.NoError(t, err)
		return out
	}
	follow(has(`room-created +lobby +on`, `user-entered +lobby +ann +anchor`, `user-entered +#123 +bob`), "--since", "1h")
	out := follow(has(`bob`), "--last=5", "--room-id=123")
	require.NotContains(t, out, "lobby")
	out = follow(has(`"user":"bob"`), "--last=5", "--kind=103", "--user=bob", "--json")
	var e terms.FeedEvent
	require.NoError(t, json.Unmarshal([]byte(out), &e))
	require.Equal(t, terms.FeedUserEntered, e.Type)

	left := false
	out = follow(func(out string) bool {
		if !left && strings.Contains(out, "user-entered") { // it follows
			left = true
			require.NoError(t, ann.Exit(t.Context()))
		}
		return has(`user-left +lobby +ann +normal`)(out)
	}, "--last=1", "--user=ann")
	require.Equal(t, 2, strings.Count(out, "\n"), out)
}

// TestEventsOutliveANode: they go on when NATS, which is inside the node, is back, and end with Ctrl-C.
func TestEventsOutliveANode(t *testing.T) {
	nats, store := fmt.Sprintf("127.0.0.1:%d", natstest.FreePort(t)), t.TempDir()
	node := func() *process {
		return launch(t, "--http.listen=127.0.0.1:0", "--media.listen=127.0.0.1:0", "--nats.listen="+nats, "--nats.store_dir="+store)
	}
	visit := func(p *process, user string) {
		t.Helper()
		c, err := client.Dial(t.Context(), client.Options{URL: p.addr["open"], Room: "lobby", User: user})
		require.NoError(t, err)
		require.NoError(t, c.Exit(t.Context()))
	}
	first := node()
	var out, errOut natstest.Journal
	follow := exec.Command(os.Args[0], "events", "--kind=user-left", "--nats.listen="+nats)
	follow.Env, follow.Stdout, follow.Stderr = append(os.Environ(), asCommand+"=1"), &out, &errOut
	require.NoError(t, follow.Start())
	t.Cleanup(func() { _ = follow.Process.Kill() })
	natstest.Eventually(t, "it waits for the stream", func() bool { return errOut.Count("makes it with the first event") == 1 })
	visit(first, "ann")
	natstest.Eventually(t, "ann", func() bool { return out.Count("ann", "normal") == 1 })
	require.NoError(t, first.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, first.cmd.Wait())
	second := node()
	visit(second, "bob")
	natstest.Eventually(t, "bob", func() bool { return out.Count("bob", "normal") == 1 })
	require.Equal(t, 1, out.Count("ann"))
	require.NoError(t, second.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, follow.Process.Signal(syscall.SIGINT))
	require.NoError(t, follow.Wait(), "exit code 0")
}
