// Package transport is the wire of the node. It has one UDP port with a socket per core, and ICE-TCP on the
// same port number. On top of them it speaks ICE-lite, DTLS, SRTP and SCTP data channels. It hands opened
// packets to a packet.Inbox in batches, and takes packets to seal from a room's goroutine. The meaning of
// the packets is not its business.
//
//	endpoint.go   Endpoint: binding, Run, the order of shutdown
//	options.go    Options and their defaults
//	table.go      which peer an ICE user name or an address belongs to
//	way.go        Way: how a client is reached
//	peer.go       Peer: one client's connection; its life from NewPeer to Close
//	negotiate.go  Peer.Negotiate and Peer.RestartICE: offers in, answers out
//	events.go     PeerEvents and the goroutine that calls them
//
//	socket.go     raw UDP sockets, outside Go's network poller
//	mmsg.go       recvmmsg and sendmmsg
//	pktinfo.go    the local address on wildcard binds
//	addr.go       addresses as map keys and as socket addresses
//	candidates.go the addresses that clients are told
//	interfaces.go the machine's addresses, and which of them count
//	demux.go      RFC 7983: what kind of packet is it
//	ingress.go    the datagrams of one read: sort, look up, open, deliver
//	reader.go     the goroutine of a UDP socket
//	tcp.go        ICE-TCP connections (RFC 6544)
//	tcpqueue.go   what waits to be written to a TCP connection
//	framing.go    packets on a TCP connection (RFC 4571)
//	relay.go      clients behind the TURN server
//
//	stun.go       connectivity checks in, responses out (RFC 8445, RFC 8489)
//	agent.go      the ICE-lite agent of a peer: credentials, paths, nomination
//	validate.go   how the client shows that it is at the other end of a path; consent (RFC 7675)
//	dtls.go       the handshake
//	hello.go      how a handshake begins
//	dtlsconn.go   the virtual socket under DTLS
//	records.go    the filter before DTLS
//	handshakes.go how many handshakes at once
//	rest.go       quiet DTLS connections without goroutines
//	cert.go       the node's certificate; fingerprints (RFC 8122)
//	srtp.go       opening packets
//	writer.go     sealing packets
//	lane.go       sealing and sending over several cores
//	egress.go     the batch that sendmmsg takes
//	sequence.go   guards the rollover counter of what is sealed
//	data.go       SCTP association and data channels (RFC 8831, RFC 8832)
//	stats.go      counters and the named reasons for drops
//	negotiate/    SDP offers and the node's answers
//	turn/         the TURN server, which relays to this port alone
//	tlsport/      HTTP and TURN on one port of TLS
//	certtest/     certificates for tests
//	clocktest/    a wall clock that is set while the process runs, for tests
//
// # Slow TCP clients
//
// Media waits for 300 ms at most in the queue of a TCP connection. That also bounds what a client still gets
// of a participant that has left the room meanwhile. The room takes back what is in its batch, and 300 ms
// later nothing of that participant is left in any queue of the node. Peer.Close takes the peer's own queue
// back at once.
//
// # Locks
//
// Locks are taken in this order: sdpState.mu, ingress.pass, Peer.mu, table.mu, lane.mu, receiver.mu, and
// then the leaf locks. The leaf locks are gate.mu, Writer.mu, draftQueue.mu, candidates.mu, identities.mu,
// handshakes.mu, tokens.mu, tcpListener.mu, dtlsConn.mu, tcpQueue.mu, socket.mu and eventQueue.mu. Of these,
// gate.mu and handshakes.mu come before dtlsConn.mu, and dtlsConn.mu before tcpQueue.mu and socket.mu.
// tcpListener.mu comes before tcpQueue.mu, too. PeerEvents are called with none of them held.
package transport
