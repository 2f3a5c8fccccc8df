package sfu

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"parlor/config"
	"parlor/control/bus"
	"parlor/control/cluster"
	"parlor/control/cluster/placing"
	"parlor/control/command"
	"parlor/control/natsapi"
	"parlor/session"
	"parlor/session/terms"
)

// leaseWait bounds how long the start waits for the node's registration if NATS answers. If it takes longer,
// the node starts as well, and takes users once it is registered. Higher lets the start take longer if the
// lease of an earlier process must run out.
const leaseWait = 3 * time.Second

// member is the node's part among others, with a connection of its own.
type member struct {
	*cluster.Cluster
	conn *bus.Conn
}

func (b *builder) member(at bus.Server) (member, error) {
	n, c := b.n, &b.n.cfg
	rule, err := placing.ByName(c.Cluster.Placing)
	if err != nil {
		return member{}, &config.Error{Key: "cluster.placing", Reason: err.Error()}
	}
	quiet := n.log.Level(max(n.log.GetLevel(), zerolog.ErrorLevel)) // the other connection says the same
	nc, err := bus.Connect(at, "sfu "+n.ID()+" cluster", quiet, cluster.Connection()...)
	if err != nil {
		return member{}, joinError(c.NATS, err)
	}
	b.taken.add(nc.Close)
	m := member{conn: nc}
	m.Cluster, err = cluster.New(nc, cluster.Options{
		Node: n.ID(), Region: c.Node.Region, Version: Version(), Lease: c.Cluster.Lease, Forget: c.Cluster.Forget, Replicas: c.NATS.Replicas,
		Own: c.NATS.URL == "", Place: rule, Log: n.log, Unsealed: c.Cluster.Unsealed,
	})
	if err != nil {
		return member{}, err
	}
	n.ring.follow(m.seal(n.log))
	return m, nil
}

// connected closes the connection when ctx is done.
func (m member) connected(ctx context.Context) error {
	<-ctx.Done()
	m.conn.Close()
	return nil
}

// among returns the part that takes part in the cluster.
func (m member) among(h here) func(context.Context) error {
	return func(ctx context.Context) error { return m.Run(ctx, h) }
}

// seal returns what has records sealed with what follows from the keys of tokens.
func (m member) seal(log zerolog.Logger) func([]config.Key) {
	return func(keys []config.Key) {
		derived := make([]cluster.RecordKey, 0, len(keys))
		for _, k := range keys {
			key, err := cluster.DeriveKey(k.ID(), []byte(k.Secret()))
			if err != nil { // the library refuses secrets that config has refused before
				log.Error().Err(err).Msg("records of the cluster are not sealed with a key")
				continue
			}
			derived = append(derived, key)
		}
		m.SetKeys(derived)
	}
}

// awaitLease waits until the node is registered, if that can be soon.
func (n *Node) awaitLease(ctx context.Context) {
	if !n.conn.IsConnected() {
		n.conn.awaitCause(ctx)
		return
	}
	late := time.NewTimer(leaseWait)
	defer late.Stop()
	select {
	case <-n.cluster.Opened():
	case <-ctx.Done():
	case <-late.C:
		n.log.Warn().AnErr("reason", n.cluster.Ready()).Msg("the node takes nobody yet")
	}
}

// here is this node, as far as the cluster calls it.
type here struct {
	*session.Rooms
	media    media
	commands *command.Commands
	limits   config.Limits
	url      string // for clients
}

// Report is what the other nodes are told of this one.
func (h here) Report() cluster.Report {
	count, rates, limits := h.Stats(), h.media.load.rates(), &h.limits
	share := func(n, of int) float64 { return float64(n) / float64(max(of, 1)) }
	busy := max(rates.cpu, share(count.Users, limits.Users), share(count.Rooms, limits.Rooms),
		share(h.media.endpoint.Stats().Peers, limits.Peers))
	return cluster.Report{URL: h.url, Load: cluster.Load{
		CPU: rates.cpu, PacketsPerSecond: rates.packetsIn + rates.packetsOut, BitsPerSecond: rates.bitsIn + rates.bitsOut,
		Participants: count.Users, Rooms: count.Rooms, Busy: busy,
	}}
}

// Obey carries out a command that was given while this node could not be reached.
func (h here) Obey(ctx context.Context, o cluster.Owed) error {
	return h.commands.Obey(ctx, command.Owed{Room: o.Room, Action: command.Action(o.Action), Request: o.Request, ID: o.ID})
}

// clientURL returns node.url, or else the address at which clients probably reach the HTTP listener.
func clientURL(c *config.Config, a Addrs) string {
	if c.Node.URL != "" {
		return c.Node.URL
	}
	if a.Host != "" {
		return "https://" + a.Host
	}
	scheme := "http://"
	if a.TLS {
		scheme = "https://"
	}
	at := a.HTTP
	if at.Addr().IsUnspecified() {
		at = netip.AddrPortFrom(publicAddr(c.Media.ExternalIPs), at.Port())
	}
	return scheme + at.String()
}

// publicAddr returns the address of this machine that others are most likely to reach.
func publicAddr(external []netip.Addr) netip.Addr {
	if len(external) > 0 {
		return external[0]
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	best := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if ip := p.Addr().Unmap(); err == nil && ip.IsGlobalUnicast() && (best.IsLoopback() || ip.Is4() && best.Is6()) {
			best = ip
		}
	}
	return best
}

// others are the other nodes, for commands.
type others struct {
	*cluster.Cluster
	client *natsapi.Client
}

// Holder returns the node that has a room, or "".
func (o others) Holder(ctx context.Context, room terms.RoomID) (string, error) {
	return o.Locate(ctx, room)
}

// Nodes returns the names of the other nodes.
func (o others) Nodes(context.Context) ([]string, error) { return o.Cluster.OtherIDs(), nil }

// Ask has another node carry out a command.
func (o others) Ask(ctx context.Context, node string, a command.Action, request []byte) (json.RawMessage, error) {
	return o.client.Ask(ctx, node, a, request)
}

// Owe keeps a command for a node that cannot be reached.
func (o others) Owe(ctx context.Context, node string, owed command.Owed) (time.Duration, error) {
	return o.Cluster.Owe(ctx, node, cluster.Owed{
		Room: owed.Room, Action: string(owed.Action), Request: owed.Request, ID: owed.ID, Ban: cluster.Ban(owed.Ban),
	})
}

var (
	clusterLease     = metric("cluster_lease", "1 while the node's lease holds and it takes users.")
	clusterPlaceable = metric("cluster_placeable", "1 while the node takes users and a new room can be placed: what /readyz says.")
	clusterRestored  = metric("cluster_rooms_restored_total", "Rooms whose entry in NATS somebody had taken away, written again.")
	clusterBuckets   = metric("cluster_buckets_lost_total", "Times that a bucket was gone, or another one, and was filled again.")
	clusterStoodIn   = metric("commands_stood_in_total", "Commands carried out in the place of a node that got them and hangs.")
	clusterLost      = metric("cluster_lease_lost_total", "Times that the lease ran out before it could be renewed.")
	clusterRenewals  = metric("cluster_renewals_total", "Renewals of the lease, by result.", "result")
	clusterNodes     = metric("cluster_nodes", "Nodes that are registered, this one included.")
	clusterPlacings  = metric("cluster_placements_total", "Rooms that this node has placed, by where: here or elsewhere.", "where")
	clusterRedirects = metric("cluster_redirects_total", "Users sent to another node because the room is there.")
	clusterTakeovers = metric("cluster_takeovers_total", "Rooms taken over from nodes that had died.")
	clusterMoved     = metric("cluster_rooms_moved_total", "Rooms moved to other nodes because this one was drained.")
	clusterHandedOn  = metric("cluster_rooms_handed_on_total", "Rooms that other nodes had taken over while this one was cut off.")
	clusterRefused   = metric("cluster_records_refused_total", "Records of other nodes that were not believed, by bucket and why.", "bucket", "reason")
	clusterMarks     = metric("cluster_marks_written_total", "Bans and blocks written for other nodes to find.")
	clusterLate      = metric("cluster_marks_late_total", "Times that bans or blocks could not be written when the command was answered.")
	clusterWaiting   = metric("cluster_marks_waiting", "Bans and blocks that are in force here and still to be written.")
)

// clusterCollector counts the node's part among others when it is asked.
type clusterCollector struct {
	cluster *cluster.Cluster
	service *natsapi.Service
}

func (c clusterCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{clusterLease, clusterPlaceable, clusterRestored, clusterBuckets, clusterStoodIn, clusterLost, clusterRenewals,
		clusterNodes, clusterPlacings, clusterRedirects, clusterTakeovers, clusterMoved, clusterHandedOn, clusterRefused, clusterMarks, clusterLate, clusterWaiting} {
		out <- d
	}
}

func (c clusterCollector) Collect(out chan<- prometheus.Metric) {
	s := c.cluster.Counters()
	truth := map[bool]int{true: 1}
	gauge(out, clusterLease, truth[s.LeaseHeld])
	gauge(out, clusterPlaceable, truth[s.Placeable])
	counter(out, clusterRestored, s.Restored)
	counter(out, clusterBuckets, s.LostBuckets)
	counter(out, clusterStoodIn, c.service.StoodIn())
	counter(out, clusterLost, s.LeaseLost)
	counter(out, clusterRenewals, s.Renewals, "renewed")
	counter(out, clusterRenewals, s.Failed, "failed")
	gauge(out, clusterNodes, s.Nodes)
	counter(out, clusterPlacings, s.Here, "here")
	counter(out, clusterPlacings, s.Elsewhere, "elsewhere")
	counter(out, clusterRedirects, s.Redirects)
	counter(out, clusterTakeovers, s.Takeovers)
	counter(out, clusterMoved, s.Moved)
	counter(out, clusterHandedOn, s.HandedOn)
	for bucket, refused := range map[string]map[string]uint64{cluster.NodesBucket: s.RefusedNodes, cluster.RoomsBucket: s.RefusedRooms} {
		for reason, n := range refused {
			counter(out, clusterRefused, n, bucket, reason)
		}
	}
	counter(out, clusterMarks, s.MarksWritten)
	counter(out, clusterLate, s.MarksLate)
	gauge(out, clusterWaiting, s.MarksWaiting)
}
