package web_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/config"
	"parlor/session/token"
	"parlor/transport/certtest"
	"parlor/web/browser"
)

// startClosed starts a node at port 443 of a network that is drawn.
func startClosed(t *testing.T) *drawn {
	t.Helper()
	d := newDrawn(t)
	addr := d.here
	cfg := nodeConfig(t, addr, timers{})
	cfg.HTTP.Listen = config.Address(netip.AddrPortFrom(addr, 443).String())
	cfg.HTTP.TLS.Cert, cfg.HTTP.TLS.Key = certtest.New(t).Files(t, t.TempDir(), addr.String())
	cfg.Auth.Keys = []config.Key{keyID + ":" + secret}
	keys, err := token.New(nil, token.Key{ID: keyID, Secret: []byte(secret)})
	require.NoError(t, err)
	d.node = runNode(t, cfg, keys)
	return d
}

// TestACallFromAClosedNetwork: a firewall passes nothing but TCP to port 443. People see and hear each other all
// the same, through TURN over TLS on the port of the page.
func TestACallFromAClosedNetwork(t *testing.T) {
	d := startClosed(t)
	ann := join(t, shared.get(t), d.node, "closed", "ann")
	at := d.away(browser.StartChromium)
	at.host.AllowTCP(443)
	ben := join(t, at.browser, d.node, "closed", "ben")
	for _, p := range [][2]*person{{ann, ben}, {ben, ann}} {
		p[0].sees(p[1].name)
		p[0].hears(p[1].name)
	}
	var carrier string
	ben.call(&carrier, "carrier")
	require.Equal(t, "relay tls", carrier)
	require.Equal(t, "turn", d.transportOf("closed", "ben"))
	require.Equal(t, "udp", d.transportOf("closed", "ann"))
	require.Zero(t, d.metric(`parlor_turn_refused_total{reason="foreign_peer"}`))
	ben.exit()
	require.Eventually(t, func() bool { return d.metric("parlor_transport_relayed_paths") == 0 }, limit, 100*time.Millisecond)
	ann.exit()
	require.Eventually(t, func() bool { return d.metric("parlor_turn_allocations") == 0 }, limit, 100*time.Millisecond)
}

// transportOf asks the node what a user's media takes.
func (n *node) transportOf(room, user string) string {
	n.t.Helper()
	answer := n.command("DescribeUser", map[string]any{"StrRoomId": room, "UserId": user})
	return answer["Rooms"].([]any)[0].(map[string]any)["Transport"].(string)
}

// TestACallFromAClosedNetworkInFirefox: likewise.
func TestACallFromAClosedNetworkInFirefox(t *testing.T) {
	d := startClosed(t)
	ann := join(t, shared.get(t), d.node, "closed", "ann")
	at := d.away(browser.StartFirefox)
	at.host.AllowTCP(443)
	ben := join(t, at.browser, d.node, "closed", "ben")
	ann.sees("ben")
	ben.hears("ann")
	require.Equal(t, "turn", d.transportOf("closed", "ben"))
}

// hello is how a browser begins TURN over TLS.
type hello struct {
	names  []string // of ALPN
	first  byte     // after the handshake
	failed error    // of the handshake
}

// TestBrowsersNameNothingForTURN: so the first byte has to tell TURN from HTTP on the port that they share.
func TestBrowsersNameNothingForTURN(t *testing.T) {
	d := newDrawn(t)
	d.node = startNodeAt(t, d.here, timers{})
	l, err := net.Listen("tcp", netip.AddrPortFrom(d.here, 0).String())
	require.NoError(t, err)
	defer l.Close()
	heard := make(chan hello, 16)
	go greet(l, &tls.Config{Certificates: []tls.Certificate{certtest.New(t).Issue(t, d.here.String())}}, heard)
	for name, start := range map[string]func(browser.Options) (*browser.Browser, error){"chromium": browser.StartChromium, "firefox": browser.StartFirefox} {
		p := openPage(t, d.away(start).browser, d.node, name)
		p.eval(fmt.Sprintf(`(async () => {
			window.pc = new RTCPeerConnection({ iceServers: [{ urls: 'turns:%s?transport=tcp', username: 'x', credential: 'y' }] });
			pc.createDataChannel('x');
			await pc.setLocalDescription();
		})()`, l.Addr()), nil)
		select {
		case h := <-heard:
			t.Logf("%s: %+v", name, h)
			require.Empty(t, h.names, name)
			require.Zero(t, h.first, name)
		case <-time.After(limit):
			t.Errorf("%s does not come", name)
		}
	}
}

// greet takes TLS connections, and tells how they begin.
func greet(l net.Listener, config *tls.Config, heard chan<- hello) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			var h hello
			own := config.Clone()
			own.GetConfigForClient = func(i *tls.ClientHelloInfo) (*tls.Config, error) {
				h.names = i.SupportedProtos
				return nil, nil
			}
			secure := tls.Server(c, own)
			first := make([]byte, 1)
			_, h.failed = secure.Read(first)
			h.first = first[0]
			heard <- h
		}()
	}
}
