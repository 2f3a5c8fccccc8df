package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// node is the server under load.
type node struct {
	url   string
	debug string // URL where it serves profiles; empty: it serves none
	probe probe

	// Of one that was started here:
	cmd *exec.Cmd
	dir string
	log *bytes.Buffer // written by exec until the process has ended
	end chan error    // the process has ended
}

const (
	startTime = 20 * time.Second
	stopTime  = 10 * time.Second
)

// open attaches to a running node, or builds and starts one.
func open(ctx context.Context, o output) (*node, error) {
	n := &node{url: strings.TrimSuffix(o.server, "/")}
	n.probe = probe{pid: o.pid, http: &http.Client{Timeout: 5 * time.Second}}
	if n.url == "" {
		if err := n.start(ctx, o); err != nil {
			return nil, errors.Join(n.explain(err), n.stop())
		}
	}
	n.probe.metrics = n.url + "/metrics"
	if err := n.healthy(ctx); err != nil {
		return nil, errors.Join(n.explain(err), n.stop())
	}
	return n, nil
}

func (n *node) start(ctx context.Context, o output) (err error) {
	if n.dir, err = os.MkdirTemp("", "parlor-bench-"); err != nil {
		return err
	}
	binary, err := filepath.Abs(o.binary)
	if err != nil {
		return err
	}
	if o.binary == "" {
		binary = filepath.Join(n.dir, "sfu")
		build := exec.CommandContext(ctx, "go", "build", "-o", binary, "parlor/cmd/sfu")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build the node: %w\n%s", err, out)
		}
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	n.url = "http://" + address
	n.log = &bytes.Buffer{}
	n.cmd = exec.Command(binary, "--http.listen", address, "--media.listen", "127.0.0.1:0", "--nats.listen", "127.0.0.1:0",
		"--log.level", "warn")
	n.cmd.Dir = n.dir                                       // whatever it keeps goes away with it
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for bench, which lets everybody leave first
	if o.dir != "" {
		n.cmd.Args = append(n.cmd.Args, "--debug.listen", "127.0.0.1:0")
		n.cmd.Env = append(os.Environ(), "GODEBUG=memprofilerate=8192") // the node is too small for the usual rate
	}
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	if o.files > 0 {
		args := []string{"-c", `ulimit -n "$0" && exec "$@"`, strconv.Itoa(o.files)}
		n.cmd.Path, n.cmd.Args = "/bin/sh", slices.Concat([]string{"sh"}, args, n.cmd.Args)
	}
	if err := n.cmd.Start(); err != nil {
		return fmt.Errorf("start the node: %w", err)
	}
	n.probe.pid = n.cmd.Process.Pid
	n.end = make(chan error, 1)
	go func() { n.end <- n.cmd.Wait() }()
	return nil
}

// freeAddress finds a port for HTTP, the one that has to be known before the node can be asked for the others.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// healthy waits until the node answers and takes users.
func (n *node) healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		h, err := n.health(ctx)
		if err == nil {
			err = n.isReady(ctx)
		}
		if err == nil {
			if h.Debug != "" {
				n.debug = "http://" + h.Debug
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no healthy node at %s: %w", n.url, err)
		case e := <-n.end: // never, where it was not started here
			n.end <- e
			return errors.Join(errors.New("the node has ended"), e)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// health is what a node says of itself.
type health struct{ Media, NATS, Debug string }

func (n *node) health(ctx context.Context) (h health, err error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+"/healthz", nil)
	if err != nil {
		return h, err
	}
	res, err := n.probe.http.Do(q)
	if err != nil {
		return h, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return h, fmt.Errorf("/healthz: status %d", res.StatusCode)
	}
	if err := json.NewDecoder(res.Body).Decode(&h); err != nil {
		return h, fmt.Errorf("/healthz: %w", err)
	}
	return h, nil
}

// isReady asks whether the node takes users. It says why not.
func (n *node) isReady(ctx context.Context) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := n.probe.http.Do(q)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		reason, _ := io.ReadAll(io.LimitReader(res.Body, 1000)) // the status says enough
		return fmt.Errorf("/readyz: status %d: %s", res.StatusCode, bytes.TrimSpace(reason))
	}
	return nil
}

// explain adds to an error what a node that was started here has logged. The node is stopped for that.
func (n *node) explain(err error) error {
	if n.cmd == nil || n.cmd.Process == nil {
		return err
	}
	if e := n.stop(); e != nil {
		err = errors.Join(err, e)
	}
	if n.log.Len() == 0 {
		return err
	}
	lines := strings.Split(strings.TrimSpace(n.log.String()), "\n")
	const tail = 15
	return fmt.Errorf("%w\nlast lines of the node:\n%s", err, strings.Join(lines[max(0, len(lines)-tail):], "\n"))
}

// stop ends a node that was started here and removes what it left; again does nothing.
func (n *node) stop() (err error) {
	if n.end != nil {
		_ = n.cmd.Process.Signal(syscall.SIGTERM) // fails where it has ended by itself
		select {
		case e := <-n.end:
			if e != nil {
				err = fmt.Errorf("the node ended with: %w", e)
			}
		case <-time.After(stopTime):
			_ = n.cmd.Process.Kill()
			err = errors.Join(fmt.Errorf("the node did not stop within %s of SIGTERM", stopTime), <-n.end)
		}
		n.end = nil
	}
	if n.dir != "" {
		_ = os.RemoveAll(n.dir)
		n.dir = ""
	}
	return err
}
