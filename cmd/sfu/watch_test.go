package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/control/natstest"
)

// TestArgumentsComeFirst: what is wrong with them is said also if no NATS server answers.
func TestArgumentsComeFirst(t *testing.T) {
	long := strings.Repeat("x", 257)
	for line, want := range map[string]string{
		"room list --scene cal": "call or live", "room list more": "too many arguments", "room list --watch 5s": "--watch=5s",
		"room list --watch=1ms": "shortest", "room list --watch=5": "unit",
		"room show": "which room?", "room show --room-id 1 lobby": "not both", "room show a/b": "cannot hold",
		"room dismiss": "which room?", "room dismiss lobby --reason " + long: "at most 256 bytes",
		"room message lobby": "--text or --base64", "room message --text hello": "which room?", "room message lobby --text x --cmd-id 11": "1 to 10",
		"room message lobby --base64 ?": "in base64", "room message lobby --text " + strings.Repeat(long, 4): "at most 1000 bytes",
		"user show": "too few", "user show a/b": "user id", "user show lobby ann --room-id 7": "not both", "user show --watch 5s ann": "--watch=5s",
		"user remove": "which room?", "user remove lobby": "which user?", "user remove lobby a/b": "user id", "user remove lobby ann --ban 1ms": "whole seconds",
		"user remove lobby 1 2 3 4 5 6 7 8 9 10 11": "1 to 10 users", "user remove lobby ann --ban 9999h": "a ban lasts",
		"user block": "which room?", "user block lobby": "which user?", "user block lobby ann": "what is blocked?",
		"user block lobby ann aduio": "did you mean audio?", "user message lobby --text hello": "which user?", "user message lobby ann": "--text or --base64",
		"node list more": "too many arguments", "node show": "too few", "node drain n1 --deadline 1ms": "whole seconds", "node drain n1 n2": "too many arguments",
	} {
		_, err := do(append(strings.Fields(line), "--nats.url=nats://127.0.0.1:9")...)
		require.ErrorContains(t, err, want, line)
		require.Equal(t, exitUsage, exitCode(err), line)
	}
}

// TestWatchOutlivesANode: a list that is watched goes on when the node, with NATS inside, is back. Ctrl-C ends
// it, and that is no failure.
func TestWatchOutlivesANode(t *testing.T) {
	nats := fmt.Sprintf("127.0.0.1:%d", natstest.FreePort(t))
	node := func() *process {
		return launch(t, "--http.listen=127.0.0.1:0", "--media.listen=127.0.0.1:0", "--nats.listen="+nats, "--nats.store_dir="+t.TempDir(), "--node.id=n1")
	}
	first := node()
	var out, errOut natstest.Journal
	watch := exec.Command(os.Args[0], "node", "list", "--watch=200ms", "--timeout=1s", "--nats.listen="+nats)
	watch.Env, watch.Stdout, watch.Stderr = append(os.Environ(), asCommand+"=1"), &out, &errOut
	require.NoError(t, watch.Start())
	t.Cleanup(func() { _ = watch.Process.Kill() })
	natstest.Eventually(t, "two looks", func() bool { return out.Count("n1", "serving") >= 2 })

	require.NoError(t, first.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, first.cmd.Wait())
	natstest.Eventually(t, "it says that there is no answer", func() bool { return errOut.Count("no answer, trying again") > 0 })
	before := out.Count("n1", "serving")
	second := node()
	natstest.Eventually(t, "further looks", func() bool { return out.Count("n1", "serving") > before })
	require.NoError(t, second.cmd.Process.Signal(os.Interrupt))

	require.NoError(t, watch.Process.Signal(syscall.SIGINT))
	require.NoError(t, watch.Wait(), "exit code 0")
	require.Regexp(t, `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n NODE`, out.String(), "each answer has its time")
	require.NotContains(t, out.String(), "\x1b")
}

// TestWatchSaysAtOnceThatNothingAnswers, as without --watch.
func TestWatchSaysAtOnceThatNothingAnswers(t *testing.T) {
	n := start(t, nil)
	_, err := do("room", "show", "nowhere", "--watch", "--nats.url="+n.Addrs().NATS)
	require.Equal(t, exitNotFound, exitCode(err), "%v", err)
	_, err = do("room", "list", "--watch", "--nats.url=nats://127.0.0.1:9")
	require.ErrorContains(t, err, "no NATS server answers")
}

// TestWatchedJSONIsOneDocumentAfterTheOther, with nothing between.
func TestWatchedJSONIsOneDocumentAfterTheOther(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out, &out, false)
	s.show("title", time.Time{}, "{}\n", "")
	s.show("title", time.Time{}, "{}\n", "")
	require.Equal(t, "{}\n{}\n", out.String())
}

// TestScreenDrawsInPlace: each answer over the one before, no larger than the terminal, also if it is shorter.
func TestScreenDrawsInPlace(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out bytes.Buffer
	s := &screen{out: &out, errOut: &out, place: true, titled: true, size: func() (int, int) { return 44, 7 }}
	drawn := func() string {
		defer out.Reset()
		return strings.NewReplacer(clearLine+"\n", "$\n", goHome, "<home>", "\x1b[2J", "<all>", clearBelow, "<below>").Replace(out.String())
	}
	s.show("Every 2s: sfu room list", at, strings.Repeat("a", 50)+"\nb\nc\nd\ne\n", "")
	require.Equal(t, "<home><home><all>Every 2s: sfu room list   03:04:05$\n$\n"+strings.Repeat("a", 44)+"$\nb$\nc$\n… 2 lines more$\n<below>", drawn())
	s.show("Every 2s: sfu room list", at, "b\n", "not in the list: n2\n")
	require.Equal(t, "<home>Every 2s: sfu room list   03:04:05$\n$\nb$\nnot in the list: n2$\n<below>", drawn())
	s.trouble("Every 2s: sfu room list", at, errors.New("away\nsee the manual"))
	require.Equal(t, "<home>Every 2s: sfu room list   03:04:05$\nNo answer, trying again: away$\nb$\n<below>", drawn(), "what was there stays")
}

// TestTroubleIsSaidOnce where it would stand below itself.
func TestTroubleIsSaidOnce(t *testing.T) {
	var out, errOut bytes.Buffer
	s := newScreen(&out, &errOut, true)
	for range 3 {
		s.trouble("title", time.Time{}, errors.New("away"))
	}
	s.show("title", time.Time{}, "b\n", "")
	s.trouble("title", time.Time{}, errors.New("away"))
	require.Equal(t, 2, strings.Count(errOut.String(), "away"))
}

// watched runs a command that does not end by itself until it has said enough.
func watched(t *testing.T, enough func(out string) bool, args ...string) (string, error) {
	t.Helper()
	var out natstest.Journal
	c := rootCommand()
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(&out)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- c.ExecuteContext(ctx) }()
	for {
		select {
		case err := <-ended:
			return out.String(), err
		case <-time.After(10 * time.Millisecond):
			if enough(out.String()) {
				stop()
				return out.String(), <-ended
			}
		}
	}
}
