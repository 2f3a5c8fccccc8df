package sfu_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/config"
	"parlor/control/cluster/placing"
)

// startCluster starts n nodes, named a, b, c …, of which the first has NATS inside; its store is at least a
// lease old when they are returned, so that nobody has to wait for that.
func startCluster(t *testing.T, n int, change ...func(*config.Config)) []*live {
	t.Helper()
	var nodes []*live
	for i := range n {
		nodes = append(nodes, startLive(t, append([]func(*config.Config){func(c *config.Config) {
			c.Node.ID, c.Cluster.Lease = string(rune('a'+i)), time.Second
			if i > 0 {
				c.NATS.URL = nodes[0].Addrs().NATS
			}
		}}, change...)...))
	}
	for _, l := range nodes {
		eventually(t, "the nodes know each other", func() bool { return l.gauge(t, "parlor_cluster_nodes") == n })
	}
	return nodes
}

// clusterEnter enters and returns the client, which has followed where it was sent.
func clusterEnter(t *testing.T, l *live, o client.Options) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	o.URL = l.url
	if o.Room == nil {
		o.Room = "lobby"
	}
	c, err := client.Dial(ctx, o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func clusterAwait(t *testing.T, c *client.Client, typ string) client.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	e, err := c.Await(ctx, typ)
	require.NoError(t, err)
	return e
}

// TestARoomIsFoundFromEveryNode enters one room at three nodes, by every door, and commands it from where it
// is not.
func TestARoomIsFoundFromEveryNode(t *testing.T) {
	nodes := startCluster(t, 3)
	a, b, c := nodes[0], nodes[1], nodes[2]
	ann := clusterEnter(t, a, client.Options{User: "ann"})
	require.Equal(t, "a", ann.Entered().Node)
	require.ElementsMatch(t, []string{b.url, c.url}, ann.Entered().Nodes)
	bob := clusterEnter(t, b, client.Options{User: "bob"})
	require.Equal(t, "a", bob.Entered().Node, "bob was sent on")
	require.Equal(t, "bob", clusterAwait(t, ann, client.UserEntered).User)
	metricsHave(t, b.url, "parlor_cluster_redirects_total 1")

	direct := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	offer, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url+"/whip/lobby?user=cat&scene=call", strings.NewReader(sdpOffer))
	require.NoError(t, err)
	offer.Header.Set("Content-Type", "application/sdp")
	res, err := direct.Do(offer)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusTemporaryRedirect, res.StatusCode, "%s", body)
	require.Equal(t, a.url+"/whip/lobby?user=cat&scene=call", res.Header.Get("Location"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	whip, err := client.WHIP(ctx, client.Options{URL: c.url, Room: "lobby", User: "cat", Publish: []client.Source{client.Mic}})
	require.NoError(t, err)
	defer whip.Close()
	require.True(t, strings.HasPrefix(whip.Location, a.url+"/"), whip.Location)

	// Over b's own connection the endpoints of one node are asked, whichever NATS chooses: ask often enough
	// for all.
	for range 12 {
		began := time.Now()
		m, err := b.nats.Request("sfu.v1.DescribeRoom", []byte(`{"StrRoomId":"nowhere"}`), 5*time.Second)
		require.NoError(t, err)
		require.Equal(t, "room_not_found", m.Header.Get("Nats-Service-Error-Code"))
		require.Less(t, time.Since(began), 2*time.Second, "at once")
		b.command(t, "DescribeRoom", `{"StrRoomId":"lobby"}`)
	}
	b.command(t, "RemoveUser", `{"StrRoomId":"lobby","UserIds":["bob"]}`)
	require.Equal(t, 1, clusterAwait(t, bob, client.Exited).Reason)
	c.command(t, "DismissRoom", `{"StrRoomId":"lobby"}`)
	require.Equal(t, 2, clusterAwait(t, ann, client.Exited).Reason)
	eventually(t, "its place is free", func() bool {
		m, err := c.nats.Request("sfu.v1.DescribeRoom", []byte(`{"StrRoomId":"lobby"}`), 5*time.Second)
		return err == nil && m.Header.Get("Nats-Service-Error-Code") == "room_not_found"
	})
	require.Equal(t, "c", clusterEnter(t, c, client.Options{User: "ann"}).Entered().Node, "the room is where it is entered first")
}

// sdpOffer is an offer that a node refuses only after it has looked where the room is.
const sdpOffer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=fingerprint:sha-256 " +
	"00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\na=ice-ufrag:abcd\r\n" +
	"a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\n" +
	"a=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=ssrc:1 cname:x\r\n"

// TestResumeAtAnotherNode: a client that has lost its node's address is sent back there, and whom nobody
// knows is told so.
func TestResumeAtAnotherNode(t *testing.T) {
	nodes := startCluster(t, 2)
	a, b := nodes[0], nodes[1]
	ann := clusterEnter(t, a, client.Options{User: "ann"})
	ask := func(node string) map[string]any {
		ws, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(b.url, "http")+"/rtc", &websocket.DialOptions{
			Subprotocols: []string{"parlor.v1"}, HTTPHeader: http.Header{"Origin": {a.url}}, // a's page
		})
		require.NoError(t, err)
		defer func() { _ = ws.CloseNow() }()
		require.NoError(t, wsjson.Write(t.Context(), ws, map[string]any{
			"type": "resume", "id": 7, "session": ann.Entered().Session, "key": ann.Entered().Key, "node": node,
		}))
		var answer map[string]any
		require.NoError(t, wsjson.Read(t.Context(), ws, &answer))
		if answer["type"] == "redirect" {
			_, _, err = ws.Read(t.Context())
			require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err))
		}
		return answer
	}
	require.Equal(t, map[string]any{"type": "redirect", "re": 7., "node": "a", "url": a.url}, ask("a"))
	require.Equal(t, "user_not_found", ask("gone")["code"])
	require.Equal(t, "user_not_found", ask("")["code"])
	require.Equal(t, "user_not_found", ask("b")["code"])
}

// TestANodeThatStopsSendsItsRoomsOn stops a node with people in it: the room goes on at another one, with
// them.
func TestANodeThatStopsSendsItsRoomsOn(t *testing.T) {
	nodes := startCluster(t, 2)
	a := nodes[0]
	c := free(func(c *config.Config) {
		c.Node.ID, c.Cluster.Lease, c.NATS.URL = "z", time.Second, a.Addrs().NATS
	})
	z := run(t, c, io.Discard)
	at := &live{Node: z.Node, url: strings.TrimSuffix(z.Addrs().URL(), "/")}
	eventually(t, "z is known", func() bool { return a.gauge(t, "parlor_cluster_nodes") == 3 })

	ctx, leave := context.WithCancel(t.Context())
	entered := make(chan *client.Client, 16)
	gone := make(chan error, 2)
	for _, user := range []string{"ann", "bob"} {
		go func() {
			gone <- client.Roam(ctx, client.Options{URL: at.url, Room: "lobby", User: user}, nil, func(c *client.Client) { entered <- c })
		}()
	}
	for range 2 {
		require.Equal(t, "z", (<-entered).Entered().Node)
	}
	cat := clusterEnter(t, at, client.Options{User: "cat"})
	require.NoError(t, z.stop())
	told := clusterAwait(t, cat, client.Exited)
	require.Equal(t, 4, told.Reason)
	require.Contains(t, []string{nodes[0].url, nodes[1].url}, told.Next)
	var where []string
	for range 2 {
		where = append(where, (<-entered).Entered().Node)
	}
	require.Equal(t, where[0], where[1], "they meet again")
	require.NotEqual(t, "z", where[0])
	leave()
	for range 2 {
		require.NoError(t, <-gone)
	}
}

// TestDrainingLetsRoomsEnd drains a node by a command: its room goes on until it ends, new ones are
// elsewhere, and then it is gone.
func TestDrainingLetsRoomsEnd(t *testing.T) {
	nodes := startCluster(t, 2)
	a := nodes[0]
	c := free(func(c *config.Config) { c.Node.ID, c.Cluster.Lease, c.NATS.URL = "z", time.Second, a.Addrs().NATS })
	z := run(t, c, io.Discard)
	at := &live{Node: z.Node, url: strings.TrimSuffix(z.Addrs().URL(), "/")}
	eventually(t, "it knows the others", func() bool { return at.gauge(t, "parlor_cluster_nodes") == 3 })
	ann := clusterEnter(t, at, client.Options{User: "ann"})
	require.Equal(t, "z", ann.Entered().Node)
	a.command(t, "DrainNode", `{"NodeId":"z","DeadlineSeconds":3600}`)
	res, body := get(t, at.url+"/readyz", nil)
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode, body)
	require.Equal(t, "z", clusterEnter(t, at, client.Options{User: "bob"}).Entered().Node, "the room is still there")
	require.NotEqual(t, "z", clusterEnter(t, at, client.Options{User: "cat", Room: "another"}).Entered().Node)
	a.command(t, "DismissRoom", `{"StrRoomId":"lobby"}`)
	require.Equal(t, 2, clusterAwait(t, ann, client.Exited).Reason)
	eventually(t, "z has ended", func() bool {
		c, err := net.DialTimeout("tcp", z.Addrs().HTTP.String(), time.Second)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	require.NoError(t, z.stop())
}

// TestCutOffFromNATS cuts one node off from NATS: it says so and takes nobody, and those inside go on.
func TestCutOffFromNATS(t *testing.T) {
	b := newBroker(t)
	b.start(t)
	l := startLive(t, func(c *config.Config) { c.NATS.URL, c.Cluster.Lease = b.url(), time.Second })
	ann := l.join(t, "ann", client.Options{Publish: []client.Source{client.Camera}})
	bob := l.join(t, "bob", client.Options{Seats: 1})
	bob.watch(t, seatName(1), "ann")
	ann.publish(t, client.Camera)
	b.stop(t)
	eventually(t, "the lease runs out", func() bool { return l.gauge(t, "parlor_cluster_lease") == 0 })
	res, body := get(t, l.url+"/readyz", nil)
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Contains(t, body, "lease")
	res, _ = get(t, l.url+"/healthz", nil)
	require.Equal(t, http.StatusOK, res.StatusCode)
	_, err := client.Dial(t.Context(), client.Options{URL: l.url, Room: "lobby", User: "cat"})
	var refusal *client.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, "node_draining", refusal.Code)
	require.Contains(t, refusal.Message, "those inside go on")
	whip, err := http.Post(l.url+"/whip/lobby?user=cat", "application/sdp", strings.NewReader(sdpOffer))
	require.NoError(t, err)
	whip.Body.Close()
	require.Equal(t, http.StatusServiceUnavailable, whip.StatusCode)
	require.NotEmpty(t, whip.Header.Get("Retry-After"))

	bob.DropSignal()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, bob.Resume(ctx))
	s := client.Section{Seat: seatName(1)}
	from := bob.received(s)
	eventually(t, "media goes on", func() bool { return bob.received(s) > from+200 })
	require.NoError(t, ann.Exit(ctx))
	require.Equal(t, "ann", bob.await(t, client.UserLeft).User)

	b.start(t)
	eventually(t, "it takes users again", func() bool { return l.gauge(t, "parlor_cluster_lease") == 1 })
	clusterEnter(t, l, client.Options{User: "cat"})
	require.Equal(t, "cat", bob.await(t, client.UserEntered).User)
}

func TestNodeURLs(t *testing.T) {
	l := startLive(t, func(c *config.Config) { c.Node.ID, c.Node.URL, c.Node.Region = "a", "https://a.example:8443", "north" })
	m, err := l.nats.Request("$JS.API.DIRECT.GET.KV_SFU_NODES.$KV.SFU_NODES.a", nil, 5*time.Second)
	require.NoError(t, err)
	var r struct{ URL, Region string }
	require.NoError(t, json.Unmarshal(m.Data, &r))
	require.Equal(t, "https://a.example:8443", r.URL)
	require.Equal(t, "north", r.Region)
}

// TestPlacingRulesAreThoseOfTheConfiguration: config is a leaf and names them itself.
func TestPlacingRulesAreThoseOfTheConfiguration(t *testing.T) {
	for _, name := range placing.Names() {
		c := free(func(c *config.Config) { c.Cluster.Placing = name })
		require.NoError(t, c.Complete())
	}
	c := free(func(c *config.Config) { c.Cluster.Placing = "dice" })
	require.ErrorContains(t, c.Complete(), strings.Join(placing.Names(), ", "))
	require.ErrorContains(t, func() error {
		c := free(func(c *config.Config) { c.Node.URL = fmt.Sprint("https://a.example", "/") })
		return c.Complete()
	}(), "node.url")
}
