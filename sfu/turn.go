package sfu

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"parlor/config"
	"parlor/session/stranger"
	"parlor/session/terms"
	"parlor/transport"
	"parlor/transport/tlsport"
	"parlor/transport/turn"
)

// relay is the TURN server, and what clients are told of it. It implements session.Relay.
type relay struct {
	*turn.Server
	c    config.TURN
	node string // host of node.url, with a port if that has one; empty: none
	tls  bool   // it is behind the port of http.listen
	port int    // of turn.listen; 0: none

	packets []net.PacketConn
	streams []net.Listener
	shared  *tlsport.Port // nil: the port of http.listen is for HTTP alone
}

// relay makes the TURN server, which relays to the endpoint alone. nil: it is not configured.
func (b *builder) relay(e *transport.Endpoint) (*relay, error) {
	c := &b.n.cfg
	secure := c.TURN.TLS && c.HTTP.Secure()
	if !secure && c.TURN.Listen == "" {
		return nil, nil
	}
	server, err := turn.New(turn.Options{
		Peers: func() (at []netip.AddrPort) {
			for _, one := range e.Candidates() {
				if !one.TCP {
					at = append(at, one.Addr)
				}
			}
			return at
		},
		Relay: e.Relay, Shown: stranger.Pass, Log: b.n.log, Lifetime: c.TURN.Lifetime,
		Limits: turn.Limits{Allocations: c.TURN.Allocations, PerSession: c.TURN.SessionAllocations, PerSite: c.TURN.AddressAllocations},
	})
	if err != nil {
		return nil, err
	}
	r := &relay{Server: server, c: c.TURN, tls: secure}
	if u, err := url.Parse(c.Node.URL); err == nil {
		r.node = u.Host
	}
	r.warn(b.n.log)
	return r, nil
}

// listenTURN binds turn.listen, for UDP and TCP.
func (b *builder) listenTURN(ctx context.Context, r *relay, budget *stranger.Budget) error {
	at := b.n.cfg.TURN.Listen
	if r == nil || at == "" {
		return nil
	}
	l, addr, err := b.bind(ctx, net.ListenConfig{KeepAlive: -1}, "turn.listen", at)
	if err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(string(at))
	pc, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", net.JoinHostPort(host, strconv.Itoa(int(addr.Port()))))
	if err != nil {
		return listenError("turn.listen", at, err)
	}
	b.taken.add(func() { _ = pc.Close() })
	r.port = int(addr.Port())
	r.packets, r.streams = append(r.packets, pc), append(r.streams, budget.Listen(l, nil, false))
	return nil
}

// share has HTTPS and TURN share a port, and returns the side of HTTPS with what a server needs for it.
func (r *relay) share(l net.Listener, t *tls.Config) (net.Listener, *tls.Config) {
	if r == nil || !r.tls || t == nil {
		return l, t
	}
	t = t.Clone()
	t.NextProtos = append(slices.Clone(t.NextProtos), tlsport.ALPN)
	r.shared = tlsport.New(tls.NewListener(l, t), headerTime)
	r.streams = append(r.streams, r.shared.TURN())
	return r.shared.HTTP(), nil
}

// run is the part; nil if there is no TURN server.
func (r *relay) run() func(context.Context) error {
	if r == nil {
		return nil
	}
	return func(ctx context.Context) error { return r.Run(ctx, r.packets, r.streams) }
}

// name is the one that clients are told, and the port of HTTPS: what is configured, that of node.url, or host,
// by which the client has come.
func (r *relay) name(host string) (name, port string) {
	name, port = hostPort(cmp.Or(r.node, host))
	return cmp.Or(r.c.Host, name), port
}

// warn says that Firefox will not get in from closed networks, if that is so.
func (r *relay) warn(log zerolog.Logger) {
	name, _ := r.name("")
	if _, err := netip.ParseAddr(name); r.tls && err == nil {
		log.Warn().Str("host", name).Msg("Firefox uses TURN over TLS by a name alone, not by an address: name the node in node.url or turn.host")
	}
}

// Servers tells the client of a session where it reaches the server.
func (r *relay) Servers(session, host string) ([]terms.ICEServer, time.Duration) {
	name, port := r.name(host)
	if !validHost(name) {
		return nil, 0
	}
	var urls []string
	if r.port != 0 {
		at := net.JoinHostPort(name, strconv.Itoa(r.port))
		urls = append(urls, "turn:"+at+"?transport=udp", "turn:"+at+"?transport=tcp")
	}
	if r.tls {
		urls = append(urls, "turns:"+net.JoinHostPort(name, port)+"?transport=tcp")
	}
	c := r.Issue(session)
	return []terms.ICEServer{{URLs: urls, Username: c.Username, Credential: c.Password}}, c.Left
}

// hostPort splits what stands in a URL, or in the header Host. Without a port it is that of HTTPS.
func hostPort(authority string) (name, port string) {
	if host, port, err := net.SplitHostPort(authority); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err == nil {
			return host, port
		}
		return "", ""
	}
	return trimBrackets(authority), "443"
}

// validHost reports whether a name is one of a host, or an address, that can stand in a URL. A client has
// perhaps said it.
func validHost(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return !strings.Contains(name, "%")
	}
	const chars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._"
	return name != "" && len(name) <= 253 && strings.Trim(name, chars) == ""
}

var (
	turnAllocations = metric("turn_allocations", "Allocations of the TURN server.")
	turnConnections = metric("turn_connections", "Connections to it over TCP and TLS.")
	turnPackets     = metric("turn_packets_total", "Packets that it has relayed, by way: in from clients, out to them.", "way")
	turnBytes       = metric("turn_bytes_total", "Bytes in them, likewise.", "way")
	turnRefused     = metric("turn_refused_total", "What the TURN server has refused or ended, by reason.", "reason")
	tlsUnsorted     = metric("tls_unsorted_total", "Connections to http.listen that ended before it was known whether they are for HTTP or TURN: a failed handshake, or nothing after it.")
)

// turnCollector reads the counters of the TURN server when it is asked.
type turnCollector struct{ of *relay }

func (c *turnCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{turnAllocations, turnConnections, turnPackets, turnBytes, turnRefused, tlsUnsorted} {
		out <- d
	}
}

func (c *turnCollector) Collect(out chan<- prometheus.Metric) {
	var s turn.Stats
	var unsorted uint64
	if c.of != nil {
		s = c.of.Stats()
		if c.of.shared != nil {
			unsorted = c.of.shared.Unsorted()
		}
	}
	gauge(out, turnAllocations, s.Allocations)
	gauge(out, turnConnections, s.Connections)
	counter(out, turnPackets, s.PacketsIn, "in")
	counter(out, turnPackets, s.PacketsOut, "out")
	counter(out, turnBytes, s.BytesIn, "in")
	counter(out, turnBytes, s.BytesOut, "out")
	for i, count := range s.Refused {
		counter(out, turnRefused, count, turn.Reason(i).String())
	}
	counter(out, tlsUnsorted, unsorted)
}
