package transport

import "net/netip"

// Way is how a client is reached.
type Way struct {
	Addr     netip.AddrPort // not valid: no path is nominated yet
	Protocol string         // udp, tcp, or turn: then Addr is the relayed address
}

// Way returns how the client's media comes and goes at present; zero: it does not.
func (p *Peer) Way() Way {
	p.mu.Lock()
	defer p.mu.Unlock()
	pt := p.ice.nominated
	switch {
	case pt == nil:
		return Way{}
	case pt.tcp != nil && pt.tcp.relayed:
		return Way{pt.addr.addrPort(), "turn"}
	case pt.tcp != nil:
		return Way{pt.addr.addrPort(), "tcp"}
	}
	return Way{pt.addr.addrPort(), "udp"}
}
