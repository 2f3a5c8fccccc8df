package transport

import "sync/atomic"

// Drop is a reason for which a packet was not taken or not sent.
type Drop uint8

// These are the reasons.
const (
	DropNoise            Drop = iota // not STUN, DTLS, RTP or RTCP by its first byte
	DropOversized                    // larger than a buffer
	DropUnknownAddress               // from an address without a valid check
	DropSTUNMalformed                // not a well-formed binding request with FINGERPRINT
	DropSTUNUnauthorized             // unknown user name or wrong MESSAGE-INTEGRITY
	DropSTUNReplayed                 // a check seen before, now from another address
	DropSTUNAddressTaken             // a check from an address that another live peer uses
	DropSTUNLimited                  // error response held back by the rate limit
	DropDTLSFiltered                 // malformed or forged records, or application data nobody negotiated
	DropDTLSLimited                  // too many handshakes at once, or more packets than they can take
	DropNotReady                     // SRTP before the handshake was done
	DropMalformed                    // RTP or RTCP header that cannot be parsed
	DropAuthFailed                   // SRTP or SRTCP authentication failed
	DropReplayed                     // SRTP or SRTCP index seen before, or too old
	DropSSRCLimit                    // one more SSRC than a peer may have
	DropNotConnected                 // sent before the peer was connected or after it was lost or closed
	DropSendFull                     // the socket's send buffer was full
	DropSendFailed                   // the kernel refused to send
	DropSealFailed                   // the packet could not be sealed: bad header, too large, keys used up
	DropSlowReader                   // the queue of a TCP connection was full
	DropTCPLimit                     // a TCP connection beyond a limit, or with data but no valid check
	DropMessage                      // a message too large, a channel too many, or SCTP after EndMessages
	DropSequenceJump                 // too far from the packets sealed before, see sequence.go
	DropSTUNUnasked                  // a STUN response to no check of the node's, or with the wrong password
	DropPathUnproven                 // more than a path without proof may be sent
	DropReceiveFull                  // by the kernel: a socket's receive buffer was full; none of PacketsIn
	NumDrops
)

var dropNames = [NumDrops]string{
	"noise", "oversized", "unknown_address", "stun_malformed", "stun_unauthorized", "stun_replayed", "stun_address_taken",
	"stun_limited", "dtls_filtered", "dtls_limited", "not_ready", "malformed", "auth_failed", "replayed", "ssrc_limit",
	"not_connected", "send_full", "send_failed", "seal_failed", "slow_reader", "tcp_limit", "message", "sequence_jump",
	"stun_unasked", "path_unproven", "receive_full",
}

// String returns the reason as it appears in metrics.
func (d Drop) String() string {
	if d < NumDrops {
		return dropNames[d]
	}
	return "unknown"
}

// Stats is a snapshot of an Endpoint's counters; all but Peers, Handshakes, TCPConns and Relayed only ever grow.
type Stats struct {
	Peers, Handshakes, TCPConns int
	Relayed                     int    // ways that a TURN server passes on
	PacketsIn, BytesIn          uint64 // datagrams and TCP frames, as they came
	PacketsOut, BytesOut        uint64 // SRTP and SRTCP handed to the kernel or to a TCP queue
	ChecksIn                    uint64 // valid STUN checks
	ChecksOut                   uint64 // the node's own
	SendWaits                   uint64 // batches that waited for room in the send buffer, 1 ms each at most
	Drops                       [NumDrops]uint64
}

type counters struct {
	packetsIn, bytesIn, packetsOut, bytesOut, checksIn, checksOut, sendWaits atomic.Uint64
	drops                                                                    [NumDrops]atomic.Uint64
}

func (c *counters) drop(d Drop) { c.drops[d].Add(1) }

func (c *counters) dropN(d Drop, n int) {
	if n > 0 {
		c.drops[d].Add(uint64(n))
	}
}

// Stats returns the counters. It may be called at any time from any goroutine.
func (e *Endpoint) Stats() Stats {
	s := Stats{
		PacketsIn: e.count.packetsIn.Load(), BytesIn: e.count.bytesIn.Load(),
		PacketsOut: e.count.packetsOut.Load(), BytesOut: e.count.bytesOut.Load(),
		ChecksIn: e.count.checksIn.Load(), ChecksOut: e.count.checksOut.Load(), Handshakes: e.handshakes.count(), SendWaits: e.count.sendWaits.Load(),
	}
	for i := range s.Drops {
		s.Drops[i] = e.count.drops[i].Load()
	}
	for _, sock := range e.sockets {
		s.Drops[DropReceiveFull] += sock.overflow()
	}
	s.Peers = e.table.count()
	s.TCPConns, s.Relayed = e.tcp.count()
	return s
}
