package fleet

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/client"
)

// The wall clock of a node in a test cannot be set without setting the machine's: so the node is built with a
// package time whose Now adds to the wall reading what two signals say, and leaves the monotonic one as it
// is. It goes for all that the node consists of, the NATS server in it, too.
const (
	setOn    = 120 * time.Second
	setBack  = time.Hour
	nowReads = "sec, nsec, mono := runtimeNow()\n"

	timeAddition = `package time

var wallSet int64

// SetWall sets the wall clock on by some seconds.
func SetWall(by int64) { wallSet += by }
`
	mainAddition = `package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

func init() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range c {
			by := int64(%d)
			if s == syscall.SIGUSR2 {
				by = -%d
			}
			time.SetWall(by)
		}
	}()
}
`
)

// settable returns the path of a node whose clock is set on by SIGUSR1, and back by SIGUSR2.
var settable = sync.OnceValues(func() (string, error) {
	dir, err := workshop()
	if err != nil {
		return "", err
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	text, err := os.ReadFile(filepath.Join(source, "time.go"))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), nowReads); n != 1 {
		return "", fmt.Errorf("%s: %d lines %q: how Now reads the clocks has changed", source, n, nowReads)
	}
	main, err := filepath.Abs("../../cmd/sfu")
	if err != nil {
		return "", err
	}
	replaced := map[string]string{}
	for to, text := range map[string]string{
		filepath.Join(source, "time.go"):    strings.Replace(string(text), nowReads, nowReads+"\tsec += wallSet\n", 1),
		filepath.Join(source, "wallset.go"): timeAddition,
		filepath.Join(main, "wallset.go"):   fmt.Sprintf(mainAddition, int(setOn.Seconds()), int(setBack.Seconds())),
	} {
		from := filepath.Join(dir, fmt.Sprintf("clock-%d.go", len(replaced)))
		if err := os.WriteFile(from, []byte(text), 0o600); err != nil {
			return "", err
		}
		replaced[to] = from
	}
	list, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	overlay, path := filepath.Join(dir, "clock.json"), filepath.Join(dir, "sfu-clock")
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		return "", err
	}
	if out, err := exec.Command("go", "build", "-overlay", overlay, "-o", path, "parlor/cmd/sfu").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build a node whose clock can be set: %w\n%s", err, out)
	}
	return path, nil
})

// TestTheMachinesClockIsSet: under a node with the NATS server in it, the wall clock leaps. Users that are in
// stay in. Users that are gone have left when the time for coming back has passed. What is new can be begun.
func TestTheMachinesClockIsSet(t *testing.T) {
	t.Parallel()
	path, err := settable()
	require.NoError(t, err)
	const patience = 6 * time.Second
	for _, x := range []struct {
		name string
		by   os.Signal
	}{{"on by two minutes", syscall.SIGUSR1}, {"back by an hour", syscall.SIGUSR2}} {
		t.Run(x.name, func(t *testing.T) {
			n := startBinary(t, path, "a", "", "--nats.listen", fmt.Sprintf("127.0.0.1:%d", freePort(t)), "--timers.timeout", fmt.Sprint(patience),
				"--timers.lost", "3s", "--timers.ping", "1s")
			ann := enter(t, n, "lobby", "ann", func(o *client.Options) { o.Publish = []client.Source{client.Mic} })
			ben := enter(t, n, "lobby", "ben")
			l := newLink(t, strings.TrimPrefix(n.url, "http://"))
			cid := enter(t, n, "lobby", "cid", func(o *client.Options) { o.URL = "http://" + l.listener.Addr().String() })
			eventually(t, "all are there", 5*time.Second, func() bool { return ann.sees() == 2 && ben.sees() == 2 && cid.sees() == 2 })
			// A ping each, by which the node knows that they have heard it.
			time.Sleep(1500 * time.Millisecond)

			l.set(true)
			gone := time.Now()
			n.signal(x.by)
			eventually(t, "the clock of the node is set", time.Second, func() bool {
				off := time.Until(n.clock(t))
				return off > time.Minute || off < -time.Minute
			})
			for time.Since(gone) < patience-time.Second {
				require.Equal(t, []int{2, 2}, []int{ann.sees(), ben.sees()}, "%v after cid went", time.Since(gone))
				time.Sleep(20 * time.Millisecond)
			}
			eventually(t, "cid has left", 2500*time.Millisecond, func() bool { return ann.sees() == 1 && ben.sees() == 1 })
			for _, p := range []*person{ann, ben} {
				require.Equal(t, 1, p.entered(), "%s entered", p.name)
				require.Equal(t, -1, p.lastExit(), "%s was put out", p.name)
			}
			enter(t, n, "lobby", "dan")
			enter(t, n, "another", "eve")
			require.Equal(t, http.StatusOK, n.get("/readyz"))
		})
	}
}

// clock returns the node's time of day.
func (n *node) clock(t *testing.T) time.Time {
	t.Helper()
	res, err := http.Get(n.url + "/healthz")
	require.NoError(t, err)
	defer res.Body.Close()
	at, err := http.ParseTime(res.Header.Get("Date"))
	require.NoError(t, err)
	return at
}
