package call

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"parlor/bench/server"
	"parlor/lab/netns"
)

// node is the server, on a machine of its own.
type node struct {
	*server.Process
	binary string
	url    string
	env    []string // its key
	http   *http.Client
}

const (
	nodePort  = "8080"
	mediaPort = "7882"
)

// startNode starts a node at an address that is not of loopback, for which it needs a key.
func startNode(ctx context.Context, h *netns.Host, binary string) (n *node, err error) {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	n = &node{binary: binary, url: "http://" + h.Addr().String() + ":" + nodePort}
	// The key is in the environment, as arguments are shown to everybody that lists processes.
	n.env = append(os.Environ(), "SFU_AUTH_KEYS=bench:"+hex.EncodeToString(secret))
	n.http = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: h.Dial}}
	dir, err := os.MkdirTemp("", "parlor-bench-")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, "--http.listen", h.Addr().String()+":"+nodePort, "--media.listen", h.Addr().String()+":"+mediaPort,
		"--nats.listen", "127.0.0.1:0", "--log.level", "warn")
	cmd.Env = n.env
	if n.Process, err = server.Start(cmd, dir, h.Start); err != nil {
		return nil, err
	}
	if err := n.Await(ctx, n.answers); err != nil {
		return nil, fmt.Errorf("%s: %w", n.url, n.Explain(err))
	}
	return n, nil
}

// answers asks whether it does.
func (n *node) answers(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+"/healthz", nil)
	if err != nil {
		return err
	}
	response, err := n.http.Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("/healthz: status %d", response.StatusCode)
	}
	return nil
}

// entry is a user that enters a room.
type entry struct {
	Room  string `json:"room"`
	User  string `json:"user"`
	Token string `json:"token"`
}

// entry mints a token, by the node's own command.
func (n *node) entry(ctx context.Context, room, user string) (entry, error) {
	cmd := exec.CommandContext(ctx, n.binary, "token", "create", "--room", room, "--user", user)
	cmd.Env = n.env
	out, err := cmd.Output()
	if err != nil {
		return entry{}, fmt.Errorf("make a token: %w", err)
	}
	return entry{room, user, strings.TrimSpace(string(out))}, nil
}
