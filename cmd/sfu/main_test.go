package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/config"
	"parlor/control/command"
	"parlor/sfu"
)

// asCommand makes the test binary the command itself, so that signals and exit codes are those of a process.
const asCommand = "PARLOR_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// do runs the command line in this process.
func do(args ...string) (out string, err error) {
	var b bytes.Buffer
	c := rootCommand()
	c.SetArgs(args)
	c.SetOut(&b)
	c.SetErr(&b)
	err = c.ExecuteContext(context.Background())
	return b.String(), err
}

func start(t *testing.T, change func(*config.Config)) *sfu.Node {
	t.Helper()
	c := config.Default()
	c.HTTP.Listen, c.Media.Listen, c.NATS.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	if change != nil {
		change(&c)
	}
	n, err := sfu.New(c, zerolog.Nop())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	select {
	case <-n.Ready():
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	}
	return n
}

func enter(t *testing.T, n *sfu.Node, room any, user, token string) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: room, User: user, Token: token})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func exited(t *testing.T, c *client.Client) client.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	e, err := c.Await(ctx, client.Exited)
	require.NoError(t, err)
	return e
}

func TestOperatorSteersARunningNode(t *testing.T) {
	n := start(t, func(c *config.Config) { c.Node.ID = "n1" })
	at := "--nats.url=" + n.Addrs().NATS
	out, err := do("room", "list", at)
	require.NoError(t, err)
	require.Equal(t, "There is no room.\n", out)

	ann, bob := enter(t, n, "the lobby", "ann", ""), enter(t, n, "the lobby", "bob", "")
	cat := enter(t, n, 123, "cat", "")
	out, err = do("room", "list", at)
	require.NoError(t, err)
	require.Contains(t, out, `"the lobby"`)
	require.Contains(t, out, "#123")
	require.Contains(t, out, "n1")
	out, err = do("room", "list", at, "--json")
	require.NoError(t, err)
	var rooms command.ListRoomsResponse
	require.NoError(t, json.Unmarshal([]byte(out), &rooms))
	require.Len(t, rooms.Rooms, 2)
	out, err = do("room", "show", "the lobby", at)
	require.NoError(t, err)
	require.Contains(t, out, "2 users")
	require.Regexp(t, `ann +anchor`, out)

	out, err = do("user", "remove", "the lobby", "ann", "eve", "--ban", "10m", "--reason", "be kind", at)
	require.NoError(t, err)
	require.Regexp(t, `ann +removed`, out)
	require.Regexp(t, `eve +not in room`, out)
	e := exited(t, ann)
	require.Equal(t, 1, e.Reason)
	require.Equal(t, "be kind", e.Text)
	_, err = client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: "the lobby", User: "ann"})
	require.ErrorIs(t, err, &client.Error{Code: "banned"})

	out, err = do("user", "remove", "--room-id", "123", "cat", at)
	require.NoError(t, err)
	require.Regexp(t, `cat +removed`, out)
	require.Equal(t, 1, exited(t, cat).Reason)

	out, err = do("room", "dismiss", "the lobby", at)
	require.NoError(t, err)
	require.Contains(t, out, "put out: 1 user.")
	require.Equal(t, 2, exited(t, bob).Reason)

	_, err = do("room", "dismiss", "the lobby", at)
	require.Equal(t, exitNotFound, exitCode(err))
	_, err = do("room", "describe", "--room-id", "123", at)
	require.Equal(t, exitNotFound, exitCode(err))
	_, err = do("user", "remove", "the lobby", "no user", at)
	require.Equal(t, exitUsage, exitCode(err), "%v", err)
}

func TestTokensLetIn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	first, err := do("key", "create", "--id", "first")
	require.NoError(t, err)
	second, err := do("key", "create", "--id", "second")
	require.NoError(t, err)
	require.NotEqual(t, strings.TrimPrefix(first, "first:"), strings.TrimPrefix(second, "second:"))
	require.NoError(t, os.WriteFile(file, []byte(first+second), 0o600))
	n := start(t, func(c *config.Config) {
		c.Auth.Keys = []config.Key{config.Key(strings.TrimSpace(first)), config.Key(strings.TrimSpace(second))}
	})
	for _, flags := range []string{"--room lobby --user ann", "--room lobby --user ann --key second --rights enter,create", "--rights admin,enter,create"} {
		text, err := do(append([]string{"token", "create", "--auth.keys_file", file}, strings.Fields(flags)...)...)
		require.NoError(t, err)
		c := enter(t, n, "lobby", "ann", strings.TrimSpace(text))
		require.NoError(t, c.Exit(t.Context()))
	}
	text, err := do("token", "create", "--auth.keys_file", file, "--room-id", "123", "--user", "ann")
	require.NoError(t, err)
	enter(t, n, 123, "ann", strings.TrimSpace(text))
	_, err = client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: "123", User: "ann", Token: strings.TrimSpace(text)})
	require.ErrorIs(t, err, &client.Error{Code: "not_allowed"}, "the name 123 is another room")
}

func TestWrongArgumentsSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_DATA_HOME", dir)
	nobody := "--nats.url=nats://127.0.0.1:9"
	for _, x := range []struct {
		args string
		code int
		says string
	}{
		{"nonsense", exitUsage, "unknown command"},
		{"room nonsense", exitUsage, "sfu room --help"},
		{"room list more", exitUsage, ""},
		{"--nonsense", exitUsage, "sfu --help"},
		{"--http.listen=x", exitUsage, "http.listen (from --http.listen)"},
		{"--config=/nowhere", exitUsage, "/nowhere"},
		{"room list " + nobody, exitFailed, "--nats.url"},
		{"user remove lobby ann --ban 1s " + nobody, exitFailed, "no NATS server answers"},
		{"room list --admin http://127.0.0.1:9", exitFailed, "no node answers at http://127.0.0.1:9"},
		{"user show", exitUsage, ""},
		{"node show", exitUsage, ""},
		{"token create --room lobby --user ann", exitUsage, "sfu key create"},
		{"token create --room lobby", exitUsage, "--user"},
		{"token create --user ann", exitUsage, "--room"},
		{"token create --user ann --room a --room-id 1", exitUsage, "not both"},
		{"token create --user ann --room a --name a\u202eb", exitUsage, "--name: the name cannot hold U+202E"},
		{"token create --user ann --room a/b", exitUsage, "cannot hold"},
		{"token create --user ann --room a --rights fly", exitUsage, "send_audio"},
		{"token create --user ann --room a --ttl 0s", exitUsage, "--ttl"},
		{"token create --user ann --room a --auth.keys k:0123456789abcdef0123456789abcdef --key other", exitUsage, `"k"`},
		{"key create --id a:b", exitUsage, "--id"},
		{"healthcheck --http.listen 127.0.0.1:0", exitUsage, "--url"},
		{"healthcheck --http.listen 127.0.0.1:9", exitFailed, "no node answers"},
		{"healthcheck --http.listen :9", exitFailed, "http://127.0.0.1:9"},
		{"healthcheck --http.listen :9 --http.acme.agree --http.acme.hosts sfu.example.org", exitFailed, "https://127.0.0.1:9"},
	} {
		_, err := do(strings.Fields(x.args)...)
		require.Error(t, err, x.args)
		require.Equal(t, x.code, exitCode(err), "%s: %v", x.args, err)
		require.Contains(t, explain(err), x.says, x.args)
	}
	n := start(t, nil)
	at := "--nats.url=" + n.Addrs().NATS
	for args, says := range map[string]string{
		"user remove lobby": "which user", "user remove": "which room", "room dismiss --room-id 1 x": "not both",
		"user remove lobby ann --ban 1ms": "whole seconds", "user block lobby ann": "none, both, audio or video", "user block lobby": "which user",
		"user show lobby ann --room-id 1": "not both", "room message lobby": "which message", "user message lobby --text x": "which user",
		"node drain --deadline 1ms": "whole seconds", "room list --scene party": "call or live", "user block lobby ann all": "none, both",
		"node show nowhere": "there is no node", "room message lobby --text x --cmd-id 11": "1 to 10", "room list --admin localhost:80": "http://host:port",
	} {
		_, err := do(append(strings.Fields(args), at)...)
		require.Equal(t, exitUsage, exitCode(err), args)
		require.ErrorContains(t, err, says)
	}
}

func TestConfigPrintsWhatIsInForce(t *testing.T) {
	t.Setenv("SFU_LIMITS_SEATS", "7")
	out, err := do("config", "--auth.keys", "k:0123456789abcdef0123456789abcdef", "--timers.ping", "1s")
	require.NoError(t, err)
	require.Contains(t, out, "seats: 7\n")
	require.Contains(t, out, "ping: 1s\n")
	require.NotContains(t, out, "0123456789abcdef")
	_, err = do("config", "--http.listen", "x")
	require.Equal(t, exitUsage, exitCode(err))
}

func TestVersion(t *testing.T) {
	out, err := do("version")
	require.NoError(t, err)
	require.Equal(t, sfu.Version()+"\n", out)
}

// process is the command as a process of its own.
type process struct {
	cmd  *exec.Cmd
	addr map[string]string // what the line "serving" says
	log  atomic.Value      // string: the lines after it
}

func launch(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], args...)}
	p.log.Store("")
	p.cmd.Env = append(os.Environ(), asCommand+"=1")
	stderr, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		var line map[string]any
		require.NoError(t, json.Unmarshal(lines.Bytes(), &line), "logs are JSON without a terminal: %s", lines.Text())
		if line["message"] == "serving" {
			p.addr = map[string]string{}
			for k, v := range line {
				p.addr[k] = fmt.Sprint(v)
			}
			break
		}
	}
	require.NotNil(t, p.addr, "the node has not started")
	go func() {
		for lines.Scan() {
			p.log.Store(p.log.Load().(string) + lines.Text() + "\n")
		}
	}()
	return p
}

func TestProcessServesUntilASignal(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		p := launch(t, "--http.listen=127.0.0.1:0", "--media.listen=127.0.0.1:0", "--nats.listen=127.0.0.1:0")
		res, err := http.Get(p.addr["open"] + "healthz")
		require.NoError(t, err)
		var h sfu.Health
		require.NoError(t, json.NewDecoder(res.Body).Decode(&h))
		res.Body.Close()
		require.Equal(t, p.addr["media"], h.Media)
		_, err = do("healthcheck", "--url", p.addr["open"]+"healthz")
		require.NoError(t, err)
		c, err := client.Dial(t.Context(), client.Options{URL: p.addr["open"], Room: "lobby", User: "ann"})
		require.NoError(t, err)
		defer c.Close()

		began := time.Now()
		require.NoError(t, p.cmd.Process.Signal(sig))
		require.Equal(t, 4, exited(t, c).Reason)
		require.NoError(t, p.cmd.Wait(), "exit code 0 after %v", sig)
		require.Less(t, time.Since(began), 5*time.Second)
	}
}

// TestProcessReadsKeysAgain changes the keys where the process does not look, so that the signal is what
// makes it look.
func TestProcessReadsKeysAgain(t *testing.T) {
	real, link := filepath.Join(t.TempDir(), "real.keys"), filepath.Join(t.TempDir(), "sfu.keys")
	write := func(ids ...string) {
		var text string
		for _, id := range ids {
			text += id + ":" + strings.Repeat(id, 40) + "\n"
		}
		require.NoError(t, os.WriteFile(real, []byte(text), 0o600))
	}
	write("a")
	require.NoError(t, os.Symlink(real, link))
	p := launch(t, "--http.listen=127.0.0.1:0", "--media.listen=127.0.0.1:0", "--nats.listen=127.0.0.1:0", "--auth.keys_file="+link)
	enter := func(id string) error {
		text, err := do("token", "create", "--auth.keys", id+":"+strings.Repeat(id, 40), "--room", "lobby", "--user", "user-"+id)
		require.NoError(t, err)
		c, err := client.Dial(t.Context(), client.Options{URL: p.addr["open"], Room: "lobby", User: "user-" + id, Token: strings.TrimSpace(text)})
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return err
	}
	require.NoError(t, enter("a"))
	require.Error(t, enter("b"))
	for _, step := range []struct {
		keys     []string
		reloads  string
		accepted map[string]bool
	}{
		{[]string{"a", "b"}, `parlor_key_reloads_total{result="changed"} 1`, map[string]bool{"a": true, "b": true}},
		{nil, `parlor_key_reloads_total{result="refused"} 1`, map[string]bool{"a": true, "b": true}},
		{[]string{"b"}, `parlor_key_reloads_total{result="changed"} 2`, map[string]bool{"a": false, "b": true}},
	} {
		write(step.keys...)
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
		require.Eventually(t, func() bool {
			res, err := http.Get(p.addr["open"] + "metrics")
			require.NoError(t, err)
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			return strings.Contains(string(body), step.reloads)
		}, 10*time.Second, 10*time.Millisecond, step.reloads)
		for id, ok := range step.accepted {
			require.Equal(t, ok, enter(id) == nil, "key %s with %v", id, step.keys)
		}
	}
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.cmd.Wait())
}

// TestHangupEndsNothing: a node without a file of keys goes on, as one with a file does.
func TestHangupEndsNothing(t *testing.T) {
	p := launch(t, "--http.listen=127.0.0.1:0", "--media.listen=127.0.0.1:0", "--nats.listen=127.0.0.1:0")
	for range 3 {
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
		time.Sleep(50 * time.Millisecond) // what must not happen would by then
		res, err := http.Get(p.addr["open"] + "healthz")
		require.NoError(t, err)
		res.Body.Close()
	}
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.cmd.Wait())
}

// TestHangupReadsTheConfiguration again. A fault in it is said with its setting, and nothing changes.
func TestHangupReadsTheConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sfu.yaml")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	key := func(id string) string { return id + ":" + strings.Repeat(id, 40) }
	write("auth.keys: [" + key("a") + "]\n")
	p := launch(t, "--config="+file, "--http.listen=127.0.0.1:0", "--media.listen=127.0.0.1:0", "--nats.listen=127.0.0.1:0")
	hangup := func(text string, says ...string) {
		write(text)
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
		for _, line := range says {
			require.Eventually(t, func() bool { return strings.Contains(p.log.Load().(string), line) }, 10*time.Second, 10*time.Millisecond, "%s\n%s", line, p.log.Load())
		}
	}
	status := func(id string) int {
		text, err := do("token", "create", "--auth.keys", key(id), "--room", "lobby", "--user", "ann", "--rights", "admin")
		require.NoError(t, err)
		r, err := http.NewRequestWithContext(t.Context(), "POST", p.addr["open"]+"admin/v1/ListRooms", strings.NewReader("{}"))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(text))
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		res.Body.Close()
		return res.StatusCode
	}
	allowed := func() string {
		r, err := http.NewRequestWithContext(t.Context(), "POST", p.addr["open"]+"rtc/exit", nil)
		require.NoError(t, err)
		r.Header.Set("Origin", "https://app.example")
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		res.Body.Close()
		return res.Header.Get("Access-Control-Allow-Origin")
	}
	require.NotEqual(t, 401, status("a"))
	require.Empty(t, allowed())
	hangup("auth.keys: ["+key("b")+"]\nlog.level: loud\nlimits.seats: 1000\n", `"setting":"log.level"`, `"setting":"limits.seats"`, `"from":"`+file+`"`)
	require.NotContains(t, p.log.Load(), strings.Repeat("b", 40))
	require.Equal(t, 401, status("b"), "nothing has changed")
	require.Eventually(t, func() bool { return strings.Contains(p.log.Load().(string), `"reason":"token_invalid"`) }, 10*time.Second, 10*time.Millisecond, "the level, too, is as it was")
	require.NotContains(t, p.log.Load(), "from the next start on")
	hangup("auth.keys: [" + key("b") + "]\nlog.level: error\nlimits.seats: 9\nhttp.origins: https://app.example\n")
	require.Eventually(t, func() bool { return status("b") != 401 }, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, 401, status("a"))
	require.Equal(t, "https://app.example", allowed())
	hangup("log.level: info\nlimits.seats: 9\n", `"settings":["auth.keys","limits.seats"]`)
	require.NotContains(t, p.log.Load(), "keys have changed", "which is info, and was not logged")
	require.NotContains(t, p.log.Load(), "node.id", "one that is made up is no change")
	require.NotEqual(t, 401, status("b"), "no node stops asking for tokens while it runs")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.cmd.Wait())
}

// TestWhatIsMistyped: what was meant is said, and nothing that may be a secret.
func TestWhatIsMistyped(t *testing.T) {
	const secret = "8f2b6c1de94f0a7733c5aa01be42d917"
	for line, want := range map[string]string{
		"roomm": "did you mean `sfu room`?", "room lst": "did you mean `sfu room list`?", "--medai.listen :1": "did you mean --media.listen?",
		"room list --jsn": "did you mean --json?", "-auth.keys=k1:" + secret: "two dashes", "auth.keys=k1:" + secret: "unknown command",
		"--auth.kyes=k1:" + secret: "did you mean --auth.keys?", "room list auth.keys=k1:" + secret: "`sfu room list [flags]`", "config auth.keys=k1:" + secret: "`sfu config [flags]`",
		"node show": "too few: it is written `sfu node show NODE [flags]`", "room message lobby hello": "[flags]`",
		"room list --timeout 0": "no time", "healthcheck --timeout -1s": "no time",
	} {
		_, err := do(strings.Fields(line)...)
		require.ErrorContains(t, err, want, line)
		require.Equal(t, exitUsage, exitCode(err), line)
		require.NotContains(t, err.Error(), secret, line)
	}
}

// TestKeysGoIntoFilesOfTheirOwner.
func TestKeysGoIntoFilesOfTheirOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sfu.keys")
	for _, id := range []string{"a", "b"} {
		out, err := do("key", "create", "--id", id, "--out", path)
		require.NoError(t, err)
		require.Empty(t, out)
		if id == "a" { // an editor has left out the end of the line
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, bytes.TrimSpace(text), 0o600))
		}
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	cfg, err := config.Load(config.Sources{Environ: []string{"SFU_AUTH_KEYS_FILE=" + path}})
	require.NoError(t, err)
	require.Len(t, cfg.Auth.Keys, 2)
	_, err = do("key", "create", "--id", "b", "--out", path)
	require.ErrorContains(t, err, "already")
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o640: true, 0o644: true} {
		f, err := os.OpenFile(filepath.Join(t.TempDir(), "out"), os.O_CREATE|os.O_WRONLY, mode)
		require.NoError(t, err)
		require.NoError(t, f.Chmod(mode))
		var said bytes.Buffer
		warnReadable(&said, f)
		require.Equal(t, warned, strings.Contains(said.String(), "--out"), mode)
		f.Close()
	}
}

func TestProcessFailsWithACodeAndAReason(t *testing.T) {
	c := exec.Command(os.Args[0], "--http.listen=:8080", "--limits.users=0")
	c.Env = append(os.Environ(), asCommand+"=1")
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit), "%v", err)
	require.Equal(t, exitUsage, exit.ExitCode())
	require.Contains(t, string(out), "http.listen (from --http.listen)")
	require.Contains(t, string(out), "limits.users (from --limits.users)")
}

// TestADrainingNodeIsWell: who ends containers that are not would end its calls.
func TestADrainingNodeIsWell(t *testing.T) {
	for status, well := range map[string]bool{"ok": true, "draining": true, "something else": false} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(sfu.Health{Status: status, Node: "n1"})
		}))
		err := checkHealth(t.Context(), s.URL, 10*time.Second)
		s.Close()
		require.Equal(t, well, err == nil, "%s: %v", status, err)
	}
}

// TestWhoStartsItIsToldThatNATSIsAway, on a terminal and in a log, with the cause and without the password.
func TestWhoStartsItIsToldThatNATSIsAway(t *testing.T) {
	cfg := config.Default()
	n := start(t, func(c *config.Config) { c.NATS.URL = "nats://me:sesame@127.0.0.1:1" })
	var terminal, lines bytes.Buffer
	announce(n, cfg, zerolog.Nop(), true, &terminal)
	announce(n, cfg, zerolog.New(&lines), false, io.Discard)
	require.Regexp(t, `NATS +nats://\S+@127\.0\.0\.1:1 cannot be reached \(.*refused\)`, terminal.String())
	require.Contains(t, terminal.String(), "Nobody can enter until it is")
	require.Regexp(t, `"nats_away":".*refused"`, lines.String())
	require.NotContains(t, terminal.String()+lines.String(), "sesame")
}
