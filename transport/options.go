package transport

import (
	"net/netip"
	"runtime"
	"time"

	"github.com/rs/zerolog"
)

// Options configures an Endpoint. The zero value of every field but Listen means its default.
type Options struct {
	// Listen is where UDP and ICE-TCP are bound, on one port number. Port 0 means any that is free for both.
	// The address :: takes IPv4 as well.
	Listen netip.AddrPort
	// ExternalIPs are announced as candidates instead of the addresses of the machine, for a node behind
	// one-to-one NAT.
	ExternalIPs []netip.Addr
	// Addresses chooses among the addresses of the machine, if ExternalIPs is empty and Listen is on all of
	// them.
	Addresses AddressChoice
	// Sockets is the number of UDP sockets, each with a reader goroutine. Default: GOMAXPROCS. More than
	// cores only adds goroutines, fewer leaves cores out.
	Sockets int
	Log     zerolog.Logger

	Limits Limits
	Timers Timers
	// NoGSO turns off segmentation offload. Otherwise it is tried, and given up if the kernel refuses it, for
	// one path or for a socket.
	NoGSO bool
}

// Limits bounds what strangers and clients can make the node hold.
type Limits struct {
	// Peers is how many peers there may be at once. Default 20000.
	Peers int
	// Handshakes is how many handshakes may be under way at once. A client beyond it displaces one that has
	// been silent for a second, or is heard at a later retransmission (handshakes.go). Raising it lets a
	// burst of joins compete for the CPU with media, lowering it makes them queue. Default 256.
	Handshakes int
	// TCPConns is how many TCP connections there may be at once. Of these, TCPStrangers may be without a
	// valid check so far. Default 4096 and 256.
	TCPConns, TCPStrangers int
	// TCPStrangersPerIP is how many of the strangers may come from one address, or one /64 of IPv6. Default
	// 16.
	TCPStrangersPerIP int
	// TCPQueue is how many bytes of memory the packets that wait for one slow TCP reader may take, for media
	// and for the rest each. Packets beyond it are dropped, and so is media that waits for more than 300 ms.
	// Raising it costs memory, lowering it loses large keyframes. Default 512 KiB.
	TCPQueue int
	// SSRCs is how many sending SSRCs one peer may have; each holds a replay window. Default 512.
	SSRCs int
	// Channels is how many data channels one peer may open. Default 16. MessageSize is the largest message in
	// bytes taken or sent. Default 64 KiB. DataBacklog is how many bytes may wait in one channel to be sent
	// or acknowledged. Raising it lets a slow reader cost more memory, lowering it loses messages to clients
	// with a long way. Default 128 KiB. MessageRate is how many messages a second are read from one channel,
	// after a burst of twice as many; faster ones wait at the client. Default 100.
	Channels, MessageSize, DataBacklog, MessageRate int
	// SocketBuffer is the size in bytes asked for the receive and for the send buffer of each UDP socket. Too
	// small loses packets in bursts, too large lets delay build up unseen. Default 4 MiB.
	SocketBuffer int
}

// Timers are the time-outs of a connection.
type Timers struct {
	// Consent is how long the node goes on sending without consent on the nominated path (RFC 7675). Answers
	// to the node's checks give consent. From a client that has never answered one, its own valid checks do.
	// Default 30 s.
	Consent time.Duration
	// Connect is how long a peer may take from its last negotiation to being connected. Default 30 s.
	Connect time.Duration
	// Handshake is how long a DTLS handshake may take. Default 10 s.
	Handshake time.Duration
	// Stranger is how long a TCP connection may be open without a valid check. Default 10 s.
	Stranger time.Duration
	// TCPWrite is how long one write of up to 16 KiB to a TCP connection may block before the connection is
	// closed. Default 10 s.
	TCPWrite time.Duration
}

func (o Options) withDefaults() Options {
	set(&o.Sockets, runtime.GOMAXPROCS(0))
	set(&o.Limits.Peers, 20000)
	set(&o.Limits.Handshakes, 256)
	set(&o.Limits.TCPConns, 4096)
	set(&o.Limits.TCPStrangers, 256)
	set(&o.Limits.TCPStrangersPerIP, 16)
	set(&o.Limits.TCPQueue, 512<<10)
	set(&o.Limits.SSRCs, 512)
	set(&o.Limits.Channels, 16)
	set(&o.Limits.MessageSize, 64<<10)
	set(&o.Limits.DataBacklog, 128<<10)
	set(&o.Limits.MessageRate, 100)
	set(&o.Limits.SocketBuffer, 4<<20)
	set(&o.Timers.Consent, 30*time.Second)
	set(&o.Timers.Connect, 30*time.Second)
	set(&o.Timers.Handshake, 10*time.Second)
	set(&o.Timers.Stranger, 10*time.Second)
	set(&o.Timers.TCPWrite, 10*time.Second)
	return o
}

func set[T int | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}
