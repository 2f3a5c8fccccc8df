package sfu

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"parlor/control/feed"
	"parlor/router"
	"parlor/session"
	"parlor/transport"
)

// metricsHandler serves what the collectors gather, in a registry of its own: several nodes may run in one
// process.
func metricsHandler(node string, of ...prometheus.Collector) http.Handler {
	r := prometheus.NewRegistry()
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "parlor_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": Version(), "node": node},
	}, func() float64 { return 1 })
	process := collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})
	r.MustRegister(append(of, collectors.NewGoCollector(), process, build)...)
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// metric describes one metric.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("parlor_"+name, help, labels, nil)
}

var (
	wirePeers      = metric("transport_peers", "Media connections.")
	wireHandshakes = metric("transport_handshakes", "DTLS handshakes under way.")
	wireTCP        = metric("transport_tcp_connections", "ICE-TCP connections.")
	wireRelayed    = metric("transport_relayed_paths", "Ways to clients that the TURN server passes on.")
	wirePacketsIn  = metric("transport_packets_received_total", "Datagrams and TCP frames received.")
	wireBytesIn    = metric("transport_bytes_received_total", "Bytes received.")
	wirePacketsOut = metric("transport_packets_sent_total", "SRTP and SRTCP packets sent.")
	wireBytesOut   = metric("transport_bytes_sent_total", "Bytes of SRTP and SRTCP sent.")
	wireChecks     = metric("transport_checks_total", "Valid ICE checks received.")
	wireSendWaits  = metric("transport_send_waits_total", "Batches that waited for room in a send buffer, each for 1 ms at most.")
	wireDrops      = metric("transport_dropped_total", "Packets not taken or not sent, by reason.", "reason")
)

// wireCollector reads the transport's counters when it is asked.
type wireCollector struct{ e *transport.Endpoint }

func (c *wireCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{wirePeers, wireHandshakes, wireTCP, wireRelayed, wirePacketsIn, wireBytesIn, wirePacketsOut,
		wireBytesOut, wireChecks, wireSendWaits, wireDrops} {
		out <- d
	}
}

func (c *wireCollector) Collect(out chan<- prometheus.Metric) {
	s := c.e.Stats()
	gauge(out, wirePeers, s.Peers)
	gauge(out, wireHandshakes, s.Handshakes)
	gauge(out, wireTCP, s.TCPConns)
	gauge(out, wireRelayed, s.Relayed)
	counter(out, wirePacketsIn, s.PacketsIn)
	counter(out, wireBytesIn, s.BytesIn)
	counter(out, wirePacketsOut, s.PacketsOut)
	counter(out, wireBytesOut, s.BytesOut)
	counter(out, wireChecks, s.ChecksIn)
	counter(out, wireSendWaits, s.SendWaits)
	for i, count := range s.Drops {
		counter(out, wireDrops, count, transport.Drop(i).String())
	}
}

var (
	roomRooms      = metric("rooms", "Rooms on this node.")
	roomOverloaded = metric("rooms_overloaded", "Rooms that leave media out, as they do not keep up.")
	roomUsers      = metric("users", "Users in rooms.")
	roomPublishers = metric("publishers", "Users who publish something that is on.")
	roomLoad       = metric("load_cpu_ratio", "CPU that the node took of the cores that it may use, over the last seconds.")
	roomJoins      = metric("joins_total", "Enterings, by result: entered, the name of the error, or gone for a client that did not wait.", "result")
	roomLeaves     = metric("leaves_total", "Sessions that have ended, by reason.", "reason")
)

var (
	mediaPacketsIn    = metric("media_packets_received_total", "RTP packets received from publishers.")
	mediaBytesIn      = metric("media_bytes_received_total", "Bytes of RTP received from publishers.")
	mediaPacketsOut   = metric("media_packets_forwarded_total", "RTP packets forwarded, retransmissions not counted.")
	mediaBytesOut     = metric("media_bytes_forwarded_total", "Bytes of RTP forwarded.")
	mediaRTCPIn       = metric("media_rtcp_received_total", "RTCP packets received.")
	mediaRTCPOut      = metric("media_rtcp_sent_total", "RTCP packets sent.")
	mediaResent       = metric("media_packets_resent_total", "RTP packets sent again because a receiver missed them.")
	mediaCopied       = metric("media_picture_copies_total", "Of them, packets of pictures that were sent more often than asked for, as much is lost.")
	mediaRepaired     = metric("media_packets_repaired_total", "RTP packets got again because the node missed them.")
	mediaAsked        = metric("media_nacked_total", "Packets asked for again, by who asked.", "by")
	mediaReported     = metric("media_reported_total", "Packets that transport-wide feedback of receivers tells of.")
	mediaReportedLost = metric("media_reported_lost_total", "Those of them that did not arrive.")
	mediaLayers       = metric("media_layers_switched_total", "Layers of publishers that were switched off as nobody wanted them, and on again.", "to")
	mediaFeedback     = metric("media_feedback_sent_total", "Transport-wide feedback sent to publishers.")
	mediaPaced        = metric("media_packets_paced_total", "RTP packets of publishers' bursts held so that they leave in steps.")
	mediaKeyframes    = metric("media_keyframes_total", "Keyframes received from publishers.")
	mediaWanted       = metric("media_keyframes_asked_total", "Keyframes that receivers asked for, or needed to take up a stream.")
	mediaPLI          = metric("media_keyframe_requests_total", "Keyframes asked for at publishers.")
	mediaCache        = metric("media_keyframe_cache_total", "Times that a receiver needed a keyframe to take up a stream, and got one out of the cache (hit), did not (miss), or got one that did not do (abandoned).", "result")
	mediaSwitches     = metric("media_switches_total", "Streams, or layers of streams, that receivers were switched to.")
	mediaSpeakers     = metric("media_speaker_switches_total", "Times that somebody became one of the loudest, whom players of large rooms hear.")
	mediaRefused      = metric("media_sinks_refused_total", "Receiving sections that get nothing: their client has used too many in its time.")
	mediaDrops        = metric("media_dropped_total", "RTP packets not taken, or not forwarded to a receiver, by reason.", "reason")
	mediaRTT          = metric("media_rtt_seconds", "Round trips to receivers, one for each stream and receiver report.")
	mediaLoss         = metric("media_loss_ratio", "Share of packets that receivers have missed since the report before, one for each stream and receiver report.")
	residence         = metric("residence_seconds", "Time of media in the node, from reading a batch to the end of sending what came of it; pacing is not in it.")
)

// roomCollector counts rooms, users and their media when it is asked.
type roomCollector struct {
	rooms *session.Rooms
	load  *load
}

func (c *roomCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{roomRooms, roomOverloaded, roomUsers, roomPublishers, roomLoad, roomJoins, roomLeaves, residence, mediaRTT, mediaLoss, mediaPacketsIn, mediaBytesIn, mediaPacketsOut,
		mediaBytesOut, mediaRTCPIn, mediaRTCPOut, mediaResent, mediaCopied, mediaRepaired, mediaAsked, mediaReported, mediaReportedLost,
		mediaLayers, mediaFeedback, mediaPaced, mediaKeyframes, mediaWanted, mediaPLI, mediaCache, mediaSwitches, mediaSpeakers, mediaRefused, mediaDrops} {
		out <- d
	}
}

func (c *roomCollector) Collect(out chan<- prometheus.Metric) {
	s := c.rooms.Stats()
	gauge(out, roomRooms, s.Rooms)
	gauge(out, roomOverloaded, s.Overloaded)
	gauge(out, roomUsers, s.Users)
	gauge(out, roomPublishers, s.Publishers)
	out <- prometheus.MustNewConstMetric(roomLoad, prometheus.GaugeValue, c.load.rates().cpu)
	counters(out, roomJoins, c.rooms.Joins())
	counters(out, roomLeaves, c.rooms.Leaves())
	m := c.rooms.Media()
	histogram(out, residence, m.ResidenceSeconds())
	histogram(out, mediaRTT, m.RTTSeconds())
	histogram(out, mediaLoss, m.LossRatio())
	counter(out, mediaPacketsIn, m.PacketsIn)
	counter(out, mediaBytesIn, m.BytesIn)
	counter(out, mediaPacketsOut, m.PacketsOut)
	counter(out, mediaBytesOut, m.BytesOut)
	counter(out, mediaRTCPIn, m.RTCPIn)
	counter(out, mediaRTCPOut, m.RTCPOut)
	counter(out, mediaResent, m.Resent)
	counter(out, mediaCopied, m.PictureCopies)
	counter(out, mediaRepaired, m.Repaired)
	counter(out, mediaAsked, m.NACKsIn, "receivers")
	counter(out, mediaAsked, m.NACKsOut, "node")
	counter(out, mediaReported, m.TransportReported)
	counter(out, mediaReportedLost, m.TransportReportedLost)
	counter(out, mediaLayers, m.LayersOff, "off")
	counter(out, mediaLayers, m.LayersOn, "on")
	counter(out, mediaFeedback, m.TransportFeedbacksSent)
	counter(out, mediaPaced, m.Paced)
	counter(out, mediaKeyframes, m.Keyframes)
	counter(out, mediaWanted, m.KeyframesAsked)
	counter(out, mediaPLI, m.KeyframeRequests)
	counter(out, mediaCache, m.CacheHits, "hit")
	counter(out, mediaCache, m.CacheMisses, "miss")
	counter(out, mediaCache, m.CacheAbandoned, "abandoned")
	counter(out, mediaSwitches, m.Switches)
	counter(out, mediaSpeakers, m.SpeakerSwitches)
	counter(out, mediaRefused, m.SinksRefused)
	for _, why := range router.DropReasons() {
		counter(out, mediaDrops, m.Dropped[why], why.String())
	}
}

var (
	feedConnected  = metric("nats_connected", "1 while the connection to NATS stands.")
	feedReconnects = metric("nats_reconnects_total", "How often the connection to NATS was lost and came back.")
	feedQueued     = metric("events_queued", "Events that wait for NATS.")
	feedPublished  = metric("events_published_total", "Events stored by the stream.")
	feedDropped    = metric("events_dropped_total", "Events lost because too many waited for NATS, or for too long, by reason.", "reason")
	feedCompleted  = metric("events_completed_total", "Events told in place of nodes that had died.")
)

// feedCollector counts events when it is asked.
type feedCollector struct {
	conn      *natsConn
	feed      *feed.Feed
	completer *feed.Completer
}

func (c *feedCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{feedConnected, feedReconnects, feedQueued, feedPublished, feedDropped, feedCompleted} {
		out <- d
	}
}

func (c *feedCollector) Collect(out chan<- prometheus.Metric) {
	s := c.feed.Stats()
	connected := 0
	if c.conn.IsConnected() {
		connected = 1
	}
	gauge(out, feedConnected, connected)
	counter(out, feedReconnects, c.conn.Stats().Reconnects)
	gauge(out, feedQueued, s.Queued)
	counter(out, feedPublished, s.Published)
	counter(out, feedDropped, s.Dropped.Undone, "undone")
	counter(out, feedDropped, s.Dropped.Untold, "untold")
	counter(out, feedDropped, s.Dropped.Away, "away")
	counter(out, feedCompleted, s.Completed+c.completer.Completed())
}

var (
	keysInForce = metric("keys", "Keys of tokens in force; 0: no token is asked for.")
	keyReloads  = metric("key_reloads_total", "Changes of auth.keys_file, by result: changed, or refused, after which the keys before it stay.", "result")
)

// keyCollector reads the keyring's counters when it is asked.
type keyCollector struct{ r *keyring }

func (c *keyCollector) Describe(out chan<- *prometheus.Desc) {
	out <- keysInForce
	out <- keyReloads
}

func (c *keyCollector) Collect(out chan<- prometheus.Metric) {
	gauge(out, keysInForce, int(c.r.count.Load()))
	counter(out, keyReloads, c.r.changes.Load(), "changed")
	counter(out, keyReloads, c.r.failures.Load(), "refused")
}

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, v int) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
}

func counter(out chan<- prometheus.Metric, d *prometheus.Desc, v uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

// counters writes a counter for each value of a label.
func counters(out chan<- prometheus.Metric, d *prometheus.Desc, of map[string]uint64) {
	for label, v := range of {
		counter(out, d, v, label)
	}
}

func histogram(out chan<- prometheus.Metric, d *prometheus.Desc, m router.Measure) {
	out <- prometheus.MustNewConstHistogram(d, m.Count, m.Sum, m.Buckets)
}
