package call

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"parlor/bench/netns"
)

// node is the server, on a machine of its own.
type node struct {
	binary string
	dir    string // whatever it keeps
	url    string
	key    string
	log    bytes.Buffer // read after ended
	cmd    *exec.Cmd
	ended  <-chan error
	http   *http.Client
}

const (
	nodePort  = "8080"
	mediaPort = "7882"
	startTime = 20 * time.Second
	stopTime  = 10 * time.Second
)

// Build builds the node of this tree into a directory, unless a binary is given.
func Build(ctx context.Context, binary, dir string) (string, error) {
	if binary != "" {
		return filepath.Abs(binary)
	}
	binary = filepath.Join(dir, "sfu")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "parlor/cmd/sfu").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the node: %w\n%s", err, out)
	}
	return binary, nil
}

// startNode starts a node at an address that is not of loopback, for which it needs a key.
func startNode(ctx context.Context, h *netns.Host, binary string) (n *node, err error) {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	n = &node{binary: binary, key: "bench:" + hex.EncodeToString(secret), url: "http://" + h.Addr().String() + ":" + nodePort}
	n.http = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: h.Dial}}
	if n.dir, err = os.MkdirTemp("", "parlor-bench-"); err != nil {
		return nil, err
	}
	n.cmd = exec.Command(binary, "--http.listen", h.Addr().String()+":"+nodePort, "--media.listen", h.Addr().String()+":"+mediaPort,
		"--nats.listen", "127.0.0.1:0", "--log.level", "warn")
	n.cmd.Env = append(os.Environ(), "SFU_AUTH_KEYS="+n.key) // not for everybody who lists processes
	n.cmd.Dir, n.cmd.Stdout, n.cmd.Stderr = n.dir, &n.log, &n.log
	if n.ended, err = h.Start(n.cmd); err != nil {
		_ = os.RemoveAll(n.dir)
		return nil, fmt.Errorf("start the node: %w", err)
	}
	if err := n.healthy(ctx); err != nil {
		return nil, n.explain(errors.Join(err, n.stop()))
	}
	return n, nil
}

// healthy waits until the node answers.
func (n *node) healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+"/healthz", nil)
		if err != nil {
			return err
		}
		response, err := n.http.Do(request)
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("/healthz: status %d", response.StatusCode)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no healthy node at %s: %w", n.url, err)
		case end := <-n.ended:
			n.ended = nil
			return errors.Join(errors.New("the node has ended"), end)
		case <-tick.C:
		}
	}
}

// entry is who enters where.
type entry struct {
	Room  string `json:"room"`
	User  string `json:"user"`
	Token string `json:"token"`
}

// entry mints a token, by the node's own command.
func (n *node) entry(ctx context.Context, room, user string) (entry, error) {
	cmd := exec.CommandContext(ctx, n.binary, "token", "create", "--room", room, "--user", user)
	cmd.Env = n.cmd.Env
	out, err := cmd.Output()
	if err != nil {
		return entry{}, fmt.Errorf("make a token: %w", err)
	}
	return entry{room, user, strings.TrimSpace(string(out))}, nil
}

// stop ends the node; again does nothing.
func (n *node) stop() (err error) {
	defer os.RemoveAll(n.dir)
	if n.ended == nil {
		return nil
	}
	_ = n.cmd.Process.Signal(syscall.SIGTERM) // fails where it has ended by itself
	select {
	case err = <-n.ended:
	case <-time.After(stopTime):
		_ = n.cmd.Process.Kill()
		err = errors.Join(fmt.Errorf("it did not stop within %s of SIGTERM", stopTime), <-n.ended)
	}
	n.ended = nil
	if err != nil {
		return fmt.Errorf("the node ended with: %w", err)
	}
	return nil
}

// explain adds what a node that has stopped had to say.
func (n *node) explain(err error) error {
	const tail = 15
	lines := strings.Split(strings.TrimSpace(n.log.String()), "\n")
	return fmt.Errorf("%w\nlast lines of the node:\n%s", err, strings.Join(lines[max(0, len(lines)-tail):], "\n"))
}
