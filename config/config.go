// Package config holds every setting of a node: its defaults, where values come from, and what is refused.
//
// A setting is a field of Config; its key is the path of `koanf` tags (`http.listen`) and its meaning the
// `doc` tag. The same key is a line of the YAML file, an environment variable (SFU_HTTP_LISTEN) and a flag
// (--http.listen). Later ones win, in this order. Load reports everything that is wrong at once, each fault
// with its key and where the value came from.
//
// It is a leaf: it imports nothing of the project. Only cmd and sfu read it, and tests.
//
//	config.go    Config and Default
//	address.go   Address: host and port
//	acme.go      what is checked of ACME
//	webhook.go   Secret, and what is checked of webhooks
//	nats.go      what is checked of NATS
//	keys.go      Key: a signing key, and the file of keys
//	fields.go    the table of keys, built from Config's tags
//	parse.go     values of file, environment and flags to Go values
//	load.go      Load: layers, unknown keys, errors
//	nearest.go   what was perhaps meant
//	validate.go  rules between settings, derived settings
//	print.go     the effective configuration as YAML with comments
package config

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Config is the whole configuration of a node. The values of Load are valid and complete: settings that are
// derived if they are empty (media.listen, nats.store_dir, node.id) are filled in.
type Config struct {
	HTTP    HTTP    `koanf:"http"`
	Monitor Monitor `koanf:"monitor"`
	Media   Media   `koanf:"media"`
	TURN    TURN    `koanf:"turn"`
	NATS    NATS    `koanf:"nats"`
	Node    Node    `koanf:"node"`
	Cluster Cluster `koanf:"cluster"`
	Auth    Auth    `koanf:"auth"`
	Log     Log     `koanf:"log"`
	Debug   Debug   `koanf:"debug"`
	Webhook Webhook `koanf:"webhook"`
	Room    Room    `koanf:"room"`
	Trace   Trace   `koanf:"trace"`
	Limits  Limits  `koanf:"limits"`
	Timers  Timers  `koanf:"timers"`
}

// HTTP is the listener of the pages, the WebSocket, WHIP, WHEP, health and metrics.
type HTTP struct {
	Listen   Address  `koanf:"listen" doc:"Address of the demo page, /rtc, /whip, /whep, /healthz, /readyz and /metrics. Beyond loopback it needs a key (auth.keys)."`
	Origins  []string `koanf:"origins" doc:"Web origins besides the node's own whose pages may connect, such as https://meet.example.org; * means any. Without keys those of this machine may, on any port."`
	BasePath string   `koanf:"base_path" doc:"Path under which clients see the node behind a proxy, such as /media: Location begins with it, and requests that still have it are taken. Empty: none, or what a trusted proxy says (X-Forwarded-Prefix)."`
	// TrustedProxies are masked: no bits are set beyond the length of a prefix.
	TrustedProxies []netip.Prefix `koanf:"trusted_proxies" doc:"Proxies in front, addresses or networks such as 10.0.0.0/8: what they say of the client (http.proxy_header, X-Forwarded-Prefix) counts. Empty: nobody is believed."`
	ProxyHeader    string         `koanf:"proxy_header" doc:"Header in which they tell who the client is: x-forwarded-for, with -proto and -host, or forwarded (RFC 7239). The others are not read, as proxies pass on what they do not write."`
	Demo           bool           `koanf:"demo" doc:"Serve the demo page at /. Without it a node has no page in whose address others could put a room; the client stays at /client/."`
	Stream         bool           `koanf:"stream" doc:"Serve the pages /publish/{room}, /play/{room} and /play/{room}/{user}, the last two also for frames of other pages."`
	TLS            TLS            `koanf:"tls"`
	ACME           ACME           `koanf:"acme"`
}

// Secure reports whether the listener is HTTPS.
func (h *HTTP) Secure() bool { return h.TLS.Cert != "" || len(h.ACME.Hosts) > 0 }

// Values of HTTP.ProxyHeader.
const (
	XForwardedFor = "x-forwarded-for"
	Forwarded     = "forwarded"
)

// Monitor is a listener for those that watch over the node.
type Monitor struct {
	Listen Address        `koanf:"listen" doc:"Address of a listener of its own for /healthz, /readyz and /metrics, such as 127.0.0.1:8081, which strangers cannot fill. Empty: none. Beyond loopback it needs monitor.allow."`
	Allow  []netip.Prefix `koanf:"allow" doc:"Addresses or networks that may connect to monitor.listen, such as 10.0.0.0/8. Others are hung up on. Empty: all that reach it."`
}

// TLS names the certificate of the HTTP listener.
type TLS struct {
	Cert string `koanf:"cert" doc:"PEM file with the certificate chain; with http.tls.key it makes the listener HTTPS. Read again when it changes, and on SIGHUP. Beside http.acme.hosts it is for other names, and until there is one of ACME."`
	Key  string `koanf:"key" doc:"PEM file with the private key of http.tls.cert. Read again likewise."`
}

// ACME says for which hosts the HTTP listener gets certificates by itself, and from whom.
type ACME struct {
	Hosts     []string `koanf:"hosts" doc:"Host names for which certificates are got and renewed by ACME, such as sfu.example.org; the listener is HTTPS then. They have to lead to this node, with port 443 to http.listen, or port 80 to http.acme.listen."`
	Agree     bool     `koanf:"agree" doc:"You have read the terms of the authority of http.acme.directory, and agree."`
	Email     string   `koanf:"email" doc:"Where the authority writes to, such as ops@example.org. Empty: nowhere."`
	Directory string   `koanf:"directory" doc:"Address of the authority's ACME directory. Let's Encrypt has one for trying: https://acme-staging-v02.api.letsencrypt.org/directory."`
	CA        string   `koanf:"ca" doc:"PEM file with the authorities that the certificate of that server has to be from. Empty: those of the system."`
	StoreDir  string   `koanf:"store_dir" doc:"Directory in which the account and the certificates are kept, with their private keys, one for each node. Empty: acme in the user's data directory."`
	Listen    Address  `koanf:"listen" doc:"Address of a listener for port 80, such as :80. The authority can then check hosts by HTTP-01 as well; browsers are sent to HTTPS. Empty: none, and hosts are checked by TLS-ALPN-01 alone."`
}

// Media is the one port of all media.
type Media struct {
	Listen      Address      `koanf:"listen" doc:"Address of media, the same port number for UDP and TCP. Empty: port 7882, on loopback if http.listen is on loopback, else on every interface."`
	ExternalIPs []netip.Addr `koanf:"external_ips" doc:"Addresses under which clients reach media.listen (public addresses behind NAT); empty: those of the interfaces."`
	Interfaces  []string     `koanf:"interfaces" doc:"Interfaces whose addresses clients are told, such as eth* or !wg0 (not that one). Without one that includes: all but those of container networks (docker*, br-*, veth*, cni*, cali*, and so on), which count if they are all there is."`
	Networks    []string     `koanf:"networks" doc:"Networks whose addresses clients are told, such as 10.0.0.0/8 or !2001:db8::/32 (not that one). Without one that includes: all."`
}

// TURN is the relay for clients whose network lets nothing else out. It relays to the media port alone.
type TURN struct {
	TLS                bool          `koanf:"tls" doc:"TURN over TLS on the port of http.listen, where that is HTTPS: for clients that may reach nothing but port 443."`
	Listen             Address       `koanf:"listen" doc:"Address of TURN over UDP and TCP without TLS, on one port number, such as :3478. Empty: none."`
	Host               string        `koanf:"host" doc:"Host name or address in the turn: and turns: URLs that clients are told; it has to lead to this node, past proxies of HTTP. Firefox takes TURN over TLS by a name alone. Empty: that of node.url, or the one by which the client has come."`
	Lifetime           time.Duration `koanf:"lifetime" doc:"For how long a client's credentials are good for a new allocation, at least 1m. What is in use goes on until the user leaves; clients get newer ones in time."`
	Allocations        int           `koanf:"allocations" doc:"Allocations on this node, about 60 KB each with their connection. Browsers make one for each network and URL; those that carry nothing for a minute are ended."`
	SessionAllocations int           `koanf:"allocations_per_session" doc:"The same of one user in one room."`
	AddressAllocations int           `koanf:"allocations_per_address" doc:"The same of one address, or /64 of IPv6. Fewer keeps crowds behind one address out."`
}

// Prefixes returns what Networks says: the networks that are included, and those that are excluded. The error
// names the faulty one.
func (m *Media) Prefixes() (include, exclude []netip.Prefix, err error) {
	for _, s := range m.Networks {
		text, not := strings.CutPrefix(s, "!")
		p, err := netip.ParsePrefix(text)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("%q is no network, such as 10.0.0.0/8 or !2001:db8::/32", s)
		case not:
			exclude = append(exclude, p)
		default:
			include = append(include, p)
		}
	}
	return include, exclude, nil
}

// NATS says which server carries commands and events.
type NATS struct {
	URL          string  `koanf:"url" doc:"NATS server to join, such as nats://user:password@host:4222. Empty: a server with JetStream inside this process."`
	Listen       Address `koanf:"listen" doc:"Address of the NATS server inside this process. Beyond loopback it needs nats.password, or nats.tls.cert with nats.tls.ca."`
	User         string  `koanf:"user" doc:"User name for the server of nats.url, or that the server inside this process asks for."`
	Password     Secret  `koanf:"password" doc:"Password of nats.user; of at least 16 bytes for the server inside this process."`
	PasswordFile string  `koanf:"password_file" doc:"File that holds nats.password."`
	Credentials  string  `koanf:"credentials" doc:"File with a user's JWT and seed for the server of nats.url, as nsc writes it (.creds). Read with each connection."`
	TLS          NATSTLS `koanf:"tls"`
	StoreDir     string  `koanf:"store_dir" doc:"Directory of the inner server's JetStream. Empty: nats-PORT in the user's data directory, or a temporary one if the port of nats.listen is 0."`
	// Bounds of the inner server.
	StoreMB     int `koanf:"store_mb" doc:"Megabytes of disk that the inner server's JetStream may take, but never more than three quarters of what is free. Above nats.events_mb."`
	MemoryMB    int `koanf:"memory_mb" doc:"Megabytes of memory that streams of the inner server may be kept in; the nodes' own take less than one."`
	Connections int `koanf:"connections" doc:"Connections that the inner server takes; a node has five."`
	Replicas    int `koanf:"replicas" doc:"Servers of a NATS cluster that store each event, 1 to 5; 3 goes on when one is lost. Where the stream exists already: nats stream edit SFU_EVENTS --replicas 3."`
	// The stream's bounds, if this node makes it.
	EventsAge time.Duration `koanf:"events_age" doc:"The stream keeps events for this long, if a node has to make it."`
	EventsMB  int           `koanf:"events_mb" doc:"The stream keeps this many megabytes of events, if a node has to make it; beyond that the oldest go. Where there is less room, it is made smaller."`
	EventsMax int           `koanf:"events_max" doc:"The stream keeps this many events, each some 500 bytes of the NATS server's memory. 0: with the server inside this process 10,000 to 500,000, for a 64th of its memory; else no bound."`
}

// NATSTLS says how this process proves itself to NATS, and whose certificates it believes.
type NATSTLS struct {
	CA   string `koanf:"ca" doc:"PEM file with the authorities that the certificate of the other side has to be from: of the server of nats.url (empty: those of the system), or of those who connect to the server inside this process."`
	Cert string `koanf:"cert" doc:"PEM file with this process's certificate chain: shown to the server of nats.url, or that of the server inside this process, which then speaks TLS only. Read again when it changes, and with each connection."`
	Key  string `koanf:"key" doc:"PEM file with the private key of nats.tls.cert."`
}

// Node says how this node is known among others.
type Node struct {
	ID     string `koanf:"id" doc:"Name of this node in answers, events and metrics, [A-Za-z0-9_-]. Empty: made up at start."`
	URL    string `koanf:"url" doc:"Base URL at which clients reach this node, such as https://sfu-1.example.org, for those who come to another node first. Empty: made of http.listen."`
	Region string `koanf:"region" doc:"Where this node is, for cluster.placing region; any text."`
}

// Cluster says how nodes on one NATS share the rooms.
type Cluster struct {
	Lease    time.Duration `koanf:"lease" doc:"A node that cannot renew its registration for this long is taken for dead, and its rooms are placed anew; the first node of a cluster sets it for all."`
	Forget   time.Duration `koanf:"forget" doc:"A node that has given no sign of its event feed for this long is gone for good: others tell that its users have left. Not below cluster.lease."`
	Unsealed bool          `koanf:"unsealed" doc:"Believe what nodes of versions before say of themselves, which has no MAC, while they are being replaced. Then whoever reaches NATS can send users anywhere."`
	Placing  string        `koanf:"placing" doc:"Which node gets a new room: load, the least busy or the one where the user has come to if that is about as good; region, the same within node.region; spread, the one with the fewest rooms."`
}

// Auth holds the keys that tokens are signed with.
type Auth struct {
	Keys     []Key  `koanf:"keys" doc:"Keys of tokens as id:secret, secrets of at least 32 bytes. The first one signs, all are accepted. None: no token is asked for, and HTTP stays on loopback."`
	KeysFile string `koanf:"keys_file" doc:"File with further keys, one id:secret a line; # starts a comment. Read again when it changes, and on SIGHUP."`
	RestKeys []Key  `koanf:"rest_keys" doc:"Keys of back ends as SecretId:SecretKey, secrets of at least 32 bytes, for the REST actions of another RTC engine: POST / with X-TC-Action. They act for the applications among auth.keys. None: no such action is taken."`
	MapKeys  bool   `koanf:"private_map_keys" doc:"Users who come with a UserSig need a private map key as well, which names the room and what they may do there. Tokens (JWT) always name both."`

	fromFile int // of Keys, the last ones
}

// Log says what is logged, and how.
type Log struct {
	Level  string `koanf:"level" doc:"Least level that is logged: trace, debug, info, warn or error."`
	Format string `koanf:"format" doc:"console, json, or auto: console on a terminal, else json."`
}

// Debug holds switches for looking for a fault.
type Debug struct {
	Listen Address `koanf:"listen" doc:"Address of a listener of its own with Go's profiles under /debug/pprof/, such as 127.0.0.1:6060. Empty: none. Beyond loopback it needs debug.open."`
	Open   bool    `koanf:"open" doc:"Let debug.listen be beyond loopback. It asks nobody who they are, and profiles show the memory: only in a closed network."`
}

// Room says how rooms behave.
type Room struct {
	Loudest int `koanf:"loudest" doc:"Where more are on stage, only so many are heard of them by WHEP players, those who speak loudest: 1 to 16; 0: all are."`
	// NoKeyframeCache is for receivers that show what comes fast too late.
	NoKeyframeCache bool `koanf:"no_keyframe_cache" doc:"Have everybody who begins to watch wait for a new keyframe, in place of getting at once what came since the last one. The first picture comes later, and publishers make more keyframes."`
	// NoEstimate is for networks that estimates get wrong.
	NoEstimate bool `koanf:"no_estimate" doc:"Send everybody all that is asked for, whatever their networks carry. What does not fit is lost: pictures freeze and sound breaks up, where it would have been sent smaller, or paused."`
}

// Trace says where traces of joins and commands go.
type Trace struct {
	Endpoint string `koanf:"endpoint" doc:"Where traces of joins and commands go, OTLP over HTTP, such as http://127.0.0.1:4318. Empty: nowhere. They name rooms and users."`
}

// Webhook says where events are sent to by HTTP.
type Webhook struct {
	URL      string        `koanf:"url" doc:"Address that gets every event as an HTTP POST, such as https://app.example.org/parlor. Empty: none does."`
	Key      Secret        `koanf:"key" doc:"Secret of at least 32 bytes that signs the requests."`
	KeyFile  string        `koanf:"key_file" doc:"File that holds webhook.key."`
	Form     string        `koanf:"form" doc:"parlor; or trtc: bodies and signatures as the callbacks of another RTC engine have them."`
	App      int           `koanf:"app" doc:"Number of the application (SdkAppId) that requests of the form trtc are for."`
	Events   []int         `koanf:"events" doc:"Types of the events that are sent, such as 103,104. Empty: all."`
	Timeout  time.Duration `koanf:"timeout" doc:"A request that is not answered within this time has failed."`
	RetryFor time.Duration `koanf:"retry_for" doc:"An event that is older than this when a request for it fails is given up; before, it is sent again."`
}

// Limits bound what one node takes on.
type Limits struct {
	CallUsers      int `koanf:"call_users" doc:"Users in a call room."`
	CallPublishers int `koanf:"call_publishers" doc:"Users publishing at the same time in a call room."`
	LiveAnchors    int `koanf:"live_anchors" doc:"Anchors in a live room."`
	Rooms          int `koanf:"rooms" doc:"Rooms on this node, those that wait for somebody to come back included."`
	Users          int `koanf:"users" doc:"Users on this node, all rooms together; bounds the audience of live rooms."`
	Seats          int `koanf:"seats" doc:"Seats of one user: how many others it can receive at the same time, 128 at most. Each takes about 4 KB."`
	Peers          int `koanf:"peers" doc:"Media connections on this node. More costs memory, about 75 KB each and 4 KB for each seat."`
	Handshakes     int `koanf:"handshakes" doc:"DTLS handshakes at the same time; more admits crowds sooner and takes CPU from running calls."`
	Signals        int `koanf:"signals" doc:"WebSocket connections on this node of those who have entered, at most half of the open files that the process may have."`
	Events         int `koanf:"events" doc:"Events kept while NATS is away or slow, about 300 bytes each; beyond, the rooms and users with the most lose some."`
	Strangers      int `koanf:"strangers" doc:"Connections to http.listen of those who have not entered, in all, and at most a quarter of the open files that the process may have. More costs about 40 KB each, fewer slows a crowd that comes at once."`
	StrangersPer   int `koanf:"strangers_per_address" doc:"The same of one address, or /64 of IPv6. Beyond that the oldest idle one is closed. More lets one address take more of limits.strangers, fewer slows crowds behind one address."`
	StrangersCPU   int `koanf:"strangers_cpu" doc:"Share of a core, in percent, for work that strangers cause; one address gets a quarter. More lets floods take CPU from calls, less makes pages and entering slow under a flood."`
	AddressEntries int `koanf:"address_entries" doc:"Enterings and resumes a second of one address, after twenty times as many at once; more wait, and are refused after 5 s. More lets one address make more work, fewer slows crowds behind one address."`
	SignalRate     int `koanf:"signal_rate" doc:"Messages per second of one WebSocket connection, after a burst of twice as many; faster ones wait."`
	Entries        int `koanf:"entries" doc:"Entries of one user into one room in a minute, and as many at once; into all rooms of this node ten times as many."`
}

// Timers are the durations of the session layer and the transport.
type Timers struct {
	Lost          time.Duration `koanf:"lost" doc:"No contact for this long: the client reports connection-lost."`
	Reconnect     time.Duration `koanf:"reconnect" doc:"Then, after this long, the client starts to reconnect."`
	Timeout       time.Duration `koanf:"timeout" doc:"No life of signalling or media for this long: the user has left with reason timeout."`
	Ping          time.Duration `koanf:"ping" doc:"The client pings this often."`
	EmptyLive     time.Duration `koanf:"empty_live" doc:"A live room whose last user was audience ends after this long without anybody."`
	TokenExpiring time.Duration `koanf:"token_expiring" doc:"This long before its token ends a client is told, so that it can send another one; who does not is put out at the end."`
	Enter         time.Duration `koanf:"enter" doc:"A WebSocket that has not entered or resumed by then is closed."`
	Consent       time.Duration `koanf:"consent" doc:"No ICE check of a peer for this long: nothing more is sent to it (RFC 7675). A WHIP or WHEP client of which nothing at all came for so long has timed out, in place of timers.timeout."`
	Handshake     time.Duration `koanf:"handshake" doc:"A DTLS handshake that takes longer is given up."`
	Shutdown      time.Duration `koanf:"shutdown" doc:"Bound of the orderly shutdown."`
}

// Default returns the settings of a node that nobody has configured. Settings that are derived are still
// empty.
func Default() Config {
	return Config{
		HTTP:    HTTP{Listen: "127.0.0.1:8080", ProxyHeader: XForwardedFor, Demo: true, Stream: true, ACME: ACME{Directory: letsEncrypt}},
		NATS:    NATS{Listen: "127.0.0.1:4222", StoreMB: 1024, MemoryMB: 64, Connections: 256, Replicas: 1, EventsAge: 24 * time.Hour, EventsMB: 256},
		Cluster: Cluster{Lease: 5 * time.Second, Forget: 3 * time.Minute, Placing: "load"},
		Webhook: Webhook{Form: WebhookParlor, Timeout: 5 * time.Second, RetryFor: time.Hour},
		Log:     Log{Level: "info", Format: "auto"},
		Media:   Media{},
		TURN:    TURN{TLS: true, Lifetime: time.Hour, Allocations: 2000, SessionAllocations: 24, AddressAllocations: 500},
		Room:    Room{Loudest: 3},
		Limits: Limits{
			CallUsers: 300, CallPublishers: 50, LiveAnchors: 50,
			Rooms: 20000, Users: 20000, Seats: 128, Peers: 20000, Handshakes: 256, Signals: 20000, Events: 100000, SignalRate: 50, Entries: 60,
			Strangers: 1024, StrangersPer: 256, StrangersCPU: 10, AddressEntries: 100,
		},
		Timers: Timers{
			Lost: 8 * time.Second, Reconnect: 3 * time.Second, Timeout: 90 * time.Second, Ping: 3 * time.Second,
			EmptyLive: 10 * time.Minute, TokenExpiring: 30 * time.Second, Enter: 10 * time.Second,
			Consent: 30 * time.Second, Handshake: 10 * time.Second, Shutdown: 5 * time.Second,
		},
	}
}
