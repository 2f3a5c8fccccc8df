package web_test

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/config"
	"parlor/session/token"
	"parlor/transport/certtest"
	"parlor/web/browser"
)

// startClosed starts a node at port 443 of a network that is drawn. Its TURN server has a name: Firefox takes no
// address in a turns: URL.
func startClosed(t *testing.T) *drawn {
	t.Helper()
	const name = "node.test"
	d := newDrawn(t)
	addr := d.here
	cfg := nodeConfig(t, addr, timers{})
	cfg.HTTP.Listen = config.Address(netip.AddrPortFrom(addr, 443).String())
	cfg.TURN.Host = name
	cfg.HTTP.TLS.Cert, cfg.HTTP.TLS.Key = certtest.New(t).Files(t, t.TempDir(), name)
	cfg.Auth.Keys = []config.Key{keyID + ":" + secret}
	keys, err := token.New(nil, token.Key{ID: keyID, Secret: []byte(secret)})
	require.NoError(t, err)
	d.node = runNode(t, cfg, keys)
	return d
}

// TestACallFromAClosedNetwork: firewalls pass nothing but TCP to port 443. People behind them see and hear each
// other all the same, through TURN over TLS on the port of the page.
func TestACallFromAClosedNetwork(t *testing.T) {
	d := startClosed(t)
	ann := join(t, shared.get(t), d.node, "closed", "ann")
	inside := []*person{ann}
	for i, name := range []string{"ben", "fred"} {
		at := d.away([]func(browser.Options) (*browser.Browser, error){browser.StartChromium, browser.StartFirefox}[i])
		at.host.AllowTCP(443)
		p := join(t, at.browser, d.node, "closed", name)
		for _, other := range inside {
			p.sees(other.name)
			p.hears(other.name)
			other.sees(name)
			other.hears(name)
		}
		inside = append(inside, p)
		var carrier string
		p.call(&carrier, "carrier")
		require.Equal(t, "relay tls", carrier, name)
		require.Equal(t, "turn", d.transportOf("closed", name))
	}
	require.Equal(t, "udp", d.transportOf("closed", "ann"))
	require.Zero(t, d.metric(`parlor_turn_refused_total{reason="foreign_peer"}`))
	for _, p := range inside[1:] {
		p.exit()
	}
	require.Eventually(t, func() bool { return d.metric("parlor_transport_relayed_paths") == 0 }, limit, 100*time.Millisecond)
	ann.exit()
	require.Eventually(t, func() bool { return d.metric("parlor_turn_allocations") == 0 }, limit, 100*time.Millisecond)
}

// transportOf asks the node what a user's media takes.
func (n *node) transportOf(room, user string) string {
	n.t.Helper()
	answer := n.command("DescribeUser", map[string]any{"StrRoomId": room, "UserId": user})
	return answer["Rooms"].([]any)[0].(map[string]any)["Media"].(map[string]any)["Protocol"].(string)
}

// hello is how a browser begins TURN over TLS.
type hello struct {
	names []string // of ALPN
	first byte     // after the handshake
}

// TestChromiumNamesNothingForTURN: so the first byte has to tell TURN from HTTP on the port that they share.
func TestChromiumNamesNothingForTURN(t *testing.T) {
	authority := certtest.New(t)
	heard := make(chan hello, 16)
	names := make(chan []string, 16)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{authority.Issue(t, "127.0.0.1")},
		GetConfigForClient: func(i *tls.ClientHelloInfo) (*tls.Config, error) {
			names <- i.SupportedProtos
			return nil, nil
		},
	})
	require.NoError(t, err)
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		first := make([]byte, 1)
		if _, err := c.Read(first); err == nil {
			heard <- hello{<-names, first[0]}
		}
	}()
	p := openPage(t, shared.get(t), startNode(t), "ann")
	p.eval(fmt.Sprintf(`(async () => {
		window.pc = new RTCPeerConnection({ iceServers: [{ urls: 'turns:%s?transport=tcp', username: 'x', credential: 'y' }] });
		pc.createDataChannel('x');
		await pc.setLocalDescription();
	})()`, l.Addr()), nil)
	select {
	case h := <-heard:
		require.Empty(t, h.names)
		require.Zero(t, h.first)
	case <-time.After(limit):
		t.Fatal("it does not come")
	}
}
