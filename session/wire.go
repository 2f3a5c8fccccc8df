package session

import (
	"time"

	"parlor/packet"
	"parlor/router"
	"parlor/transport"
	"parlor/transport/negotiate"
)

// Transport makes what a room needs of the wire. OverEndpoint is the real one.
type Transport interface {
	// NewWriter returns the egress of one room. It needs no closing.
	NewWriter() router.Flusher
	// NewPeer returns a transport connection that is not negotiated yet.
	NewPeer(o PeerOptions) (Peer, error)
	// Candidates returns where the node can be reached now, as values of the attribute candidate (RFC 8839),
	// best first. It may return others later, as the machine's interfaces change. A list that was returned
	// stays as it is.
	Candidates() []string
}

// PeerOptions say where a peer belongs.
type PeerOptions struct {
	Inbox  packet.Inbox
	Writer router.Flusher // of the same Transport
	Events transport.PeerEvents
}

// Peer is one transport connection; see transport.Peer.
type Peer interface {
	router.Out
	ID() packet.PeerID
	Negotiate(o *negotiate.Offer, streams map[string]string) (answer string, sections []packet.Section, err error)
	RestartICE(ufrag, pwd string) (fragment string, err error)
	SendMessage(label string, b []byte, text bool) error
	EndMessages()
	LastHeard() time.Time
	Way() transport.Way
	Close() error
}
