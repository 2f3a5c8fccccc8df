package session

import (
	"parlor/router"
	"parlor/transport"
	"parlor/transport/negotiate"
)

// OverEndpoint returns e as a Transport.
func OverEndpoint(e *transport.Endpoint) Transport { return endpoint{e} }

type endpoint struct{ e *transport.Endpoint }

func (t endpoint) Candidates() []string {
	l := []string{}
	for _, value := range negotiate.CandidateValues(t.e.Candidates()) {
		l = append(l, "candidate:"+value)
	}
	return l
}

func (t endpoint) NewWriter() router.Flusher { return t.e.NewWriter() }

func (t endpoint) NewPeer(o PeerOptions) (Peer, error) {
	w, _ := o.Writer.(*transport.Writer)
	p, err := t.e.NewPeer(transport.PeerOptions{Inbox: o.Inbox, Writer: w, Events: o.Events})
	if err != nil {
		return nil, err // not p: a nil *transport.Peer in a Peer would not be nil
	}
	return p, nil
}
