// Package transport is the wire of the node: one UDP port with a socket per core, ICE-TCP on the same port number, and on
// top of them ICE-lite, DTLS, SRTP and SCTP data channels. It hands opened packets to a packet.Inbox in batches and takes
// packets to seal from a room's goroutine; what the packets mean is not its business.
//
//	endpoint.go   Endpoint: binding, Run, the order of shutdown
//	options.go    Options and their defaults
//	table.go      who belongs to an ICE user name or to an address
//	peer.go       Peer: one client's connection; its life from NewPeer to Close
//	negotiate.go  Peer.Negotiate and Peer.RestartICE: offers in, answers out
//	events.go     PeerEvents and the goroutine that calls them
//
//	socket.go     raw UDP sockets, outside Go's network poller
//	mmsg.go       recvmmsg and sendmmsg
//	pktinfo.go    the local address on wildcard binds
//	addr.go       addresses as map keys and as socket addresses
//	candidates.go what clients are told of the port; interfaces.go which of the machine's addresses
//	demux.go      RFC 7983: what kind of packet is it
//	ingress.go    a read's worth of datagrams: sort, look up, open, deliver
//	reader.go     the goroutine of a UDP socket
//	tcp.go        ICE-TCP connections (RFC 6544); tcpqueue.go what waits to be written; framing.go is RFC 4571
//
//	stun.go       connectivity checks in, responses out (RFC 8445, RFC 8489)
//	agent.go      the ICE-lite agent of a peer: credentials, paths, nomination
//	validate.go   how the client shows that it is at the other end of a path; consent (RFC 7675)
//	dtls.go       the handshake; hello.go how it begins; dtlsconn.go the virtual socket under it; records.go the filter before it;
//	places.go     how many handshakes at once
//	rest.go       quiet DTLS connections without goroutines
//	cert.go       the node's certificate; fingerprints (RFC 8122)
//	srtp.go       opening packets; writer.go sealing them; lane.go over several cores;
//	egress.go     the batch that sendmmsg takes
//	sequence.go   guards the rollover counter of what is sealed
//	data.go       SCTP association and data channels (RFC 8831, RFC 8832)
//	stats.go      counters and the named reasons for drops
//	certtest/     certificates for tests
//	clocktest/    a wall clock that is set while the process runs, for tests
//
// # Slow TCP clients
//
// Media waits for 300 ms at most in the queue of a TCP connection. That also bounds what a client still gets of somebody who
// has left the room meanwhile: the room takes back what is in its batch, and 300 ms later nothing of the leaver is left in any
// queue of the node. Peer.Close takes the peer's own queue back at once.
//
// # Locks
//
// In the order in which they may be taken: description.mu, ingress.pass, Peer.mu, Endpoint.mu, lane.mu, receiver.mu; then the leaf
// locks (gate.mu, Writer.mu, line.mu, candidates.mu, identities.mu, places.mu, dtlsConn.mu, tcpQueue.mu, socket.mu, eventQueue.mu), of which
// places.mu comes before dtlsConn.mu, and that before tcpQueue.mu and socket.mu. PeerEvents are called with none of
// them held.
package transport
