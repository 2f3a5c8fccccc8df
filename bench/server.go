package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"parlor/bench/server"
)

// node is the server under load.
type node struct {
	url   string
	debug string // URL where it serves profiles; empty: it serves none
	key   key    // makes the tokens that it asks for
	probe probe

	*server.Process // nil: it was not started here
}

// open attaches to a running node, or builds and starts one.
func open(ctx context.Context, o output) (*node, error) {
	n := &node{url: strings.TrimSuffix(o.server, "/")}
	var err error
	if n.key, err = readKey(o.keys); err != nil {
		return nil, err
	}
	n.probe = probe{pid: o.pid, http: &http.Client{Timeout: 5 * time.Second}}
	if n.url == "" {
		if err := n.start(ctx, o); err != nil {
			return nil, err
		}
	}
	n.probe.metrics = n.url + "/metrics"
	if err := n.Await(ctx, n.takesUsers); err != nil {
		return nil, fmt.Errorf("%s: %w", n.url, n.Explain(err))
	}
	return n, nil
}

func (n *node) start(ctx context.Context, o output) (err error) {
	dir, err := os.MkdirTemp("", "parlor-bench-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	binary, err := server.Build(ctx, o.binary, dir)
	if err != nil {
		return err
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	n.url = "http://" + address
	cmd := exec.Command(binary, "--http.listen", address, "--media.listen", "127.0.0.1:0", "--nats.listen", "127.0.0.1:0",
		"--log.level", "warn")
	// Ctrl-C is for bench, which lets everybody leave first.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if o.dir != "" {
		cmd.Args = append(cmd.Args, "--debug.listen", "127.0.0.1:0")
		// The node is too small for the usual rate.
		cmd.Env = append(os.Environ(), "GODEBUG=memprofilerate=8192")
	}
	if o.files > 0 {
		args := []string{"-c", `ulimit -n "$0" && exec "$@"`, strconv.Itoa(o.files)}
		cmd.Path, cmd.Args = "/bin/sh", slices.Concat([]string{"sh"}, args, cmd.Args)
	}
	if n.Process, err = server.Start(cmd, dir, server.Here); err != nil {
		return err
	}
	n.probe.pid = n.PID()
	return nil
}

// freeAddress finds a port for HTTP, the one that has to be known before the node can be asked for the
// others.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// takesUsers asks whether the node answers and takes users.
func (n *node) takesUsers(ctx context.Context) error {
	h, err := n.health(ctx)
	if err != nil {
		return err
	}
	if h.Debug != "" {
		n.debug = "http://" + h.Debug
	}
	return n.isReady(ctx)
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
