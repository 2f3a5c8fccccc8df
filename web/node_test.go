package web_test

import (
	"context"
	"encoding/json"
	"net/netip"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/config"
	"parlor/session/terms"
	"parlor/session/token"
	"parlor/sfu"
	"parlor/transport/certtest"
)

// node is one under test, in this process, with its own NATS server.
type node struct {
	t    *testing.T
	url  string // of its pages
	keys *token.Keys
	nats *nats.Conn // an operator's
	stop func()     // as SIGTERM does; returns when it has ended
}

// timers are those of the configuration that tests shorten; zero: the default.
type timers struct{ Ping, Lost, Reconnect, Timeout time.Duration }

const (
	keyID  = "test"
	secret = "only for tests, and long enough for HS256"
)

// startNode starts a node on loopback, where nobody is asked for a token.
func startNode(t *testing.T) *node {
	t.Helper()
	cfg := nodeConfig(t, netip.MustParseAddr("127.0.0.1"), timers{})
	return runNode(t, cfg, nil)
}

// startNodeAt starts a node as it is in production, on an address that other machines reach: HTTPS, because
// browsers give their devices to no other page, and tokens.
func startNodeAt(t *testing.T, addr netip.Addr, tm timers) *node {
	t.Helper()
	cfg := nodeConfig(t, addr, tm)
	cfg.HTTP.TLS.Cert, cfg.HTTP.TLS.Key = certtest.New(t).Files(t, t.TempDir(), addr.String())
	cfg.Auth.Keys = []config.Key{keyID + ":" + secret}
	keys, err := token.New(nil, token.Key{ID: keyID, Secret: []byte(secret)})
	require.NoError(t, err)
	return runNode(t, cfg, keys)
}

func nodeConfig(t *testing.T, addr netip.Addr, tm timers) config.Config {
	t.Helper()
	cfg := config.Default()
	listen := config.Address(netip.AddrPortFrom(addr, 0).String())
	cfg.HTTP.Listen, cfg.Media.Listen = listen, listen
	cfg.NATS.Listen = "127.0.0.1:0"
	cfg.NATS.StoreDir = t.TempDir()
	cfg.Node.ID = "test"
	set := func(to *time.Duration, d time.Duration) {
		if d != 0 {
			*to = d
		}
	}
	set(&cfg.Timers.Ping, tm.Ping)
	set(&cfg.Timers.Lost, tm.Lost)
	set(&cfg.Timers.Reconnect, tm.Reconnect)
	set(&cfg.Timers.Timeout, tm.Timeout)
	return cfg
}

// runNode runs a node until the test is over, and holds it to ending in time.
func runNode(t *testing.T, cfg config.Config, keys *token.Keys) *node {
	t.Helper()
	log := zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.InfoLevel)
	s, err := sfu.New(cfg, log)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(cfg.Timers.Shutdown + 2*time.Second):
			t.Error("the node did not end in time")
		}
	})
	t.Cleanup(stop)
	select {
	case <-s.Ready():
	case err := <-done:
		done <- err
		t.Fatalf("the node did not start: %v", err)
	case <-time.After(limit):
		t.Fatal("the node did not become ready")
	}
	n := &node{t: t, keys: keys, stop: stop, url: strings.TrimSuffix(s.Addrs().URL(), "/")}
	n.nats, err = nats.Connect(s.Addrs().NATS)
	require.NoError(t, err)
	t.Cleanup(n.nats.Close)
	return n
}

// token is what a user enters with; empty where nobody is asked for one.
func (n *node) token(room, user string) string {
	n.t.Helper()
	if n.keys == nil {
		return ""
	}
	return n.mint(room, user, terms.MemberRights())
}

// mint makes a token with just these rights.
func (n *node) mint(room, user string, rights terms.Rights) string {
	n.t.Helper()
	return n.mintFor(room, user, rights, time.Hour)
}

// mintFor makes one that ends soon.
func (n *node) mintFor(room, user string, rights terms.Rights, left time.Duration) string {
	n.t.Helper()
	id, err := terms.StringRoom(room)
	require.NoError(n.t, err)
	text, err := n.keys.Mint(terms.Grant{Room: id, User: user, Rights: rights, Expires: time.Now().Add(left)})
	require.NoError(n.t, err)
	return text
}

// command sends a command over NATS, as an operator does, and returns its answer.
func (n *node) command(action string, body any) map[string]any {
	n.t.Helper()
	data, err := json.Marshal(body)
	require.NoError(n.t, err)
	answer, err := n.nats.Request("sfu.v1."+action, data, 5*time.Second)
	require.NoError(n.t, err, action)
	require.Empty(n.t, answer.Header.Get("Nats-Service-Error"), "%s: %s", action, answer.Data)
	var fields map[string]any
	require.NoError(n.t, json.Unmarshal(answer.Data, &fields), "%s", answer.Data)
	return fields
}

// users asks the node who is in a room, sorted.
func (n *node) users(room string) []string {
	n.t.Helper()
	answer := n.command("DescribeRoom", map[string]any{"StrRoomId": room})
	list, _ := answer["UserList"].([]any)
	var ids []string
	for _, u := range list {
		fields, _ := u.(map[string]any)
		id, _ := fields["UserId"].(string)
		ids = append(ids, id)
	}
	sort.Strings(ids)
	return ids
}
