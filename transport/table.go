package transport

// addPeer makes room for a peer. It fails if the endpoint is closing or full.
func (e *Endpoint) addPeer(p *Peer) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		return ErrClosed
	}
	if len(e.peers) >= e.o.Limits.Peers {
		return ErrTooManyPeers
	}
	e.peers[p] = struct{}{}
	return nil
}

func (e *Endpoint) removePeer(p *Peer) {
	e.mu.Lock()
	delete(e.peers, p)
	e.mu.Unlock()
}

// allPeers returns the peers of this moment.
func (e *Endpoint) allPeers() []*Peer {
	e.mu.RLock()
	defer e.mu.RUnlock()
	list := make([]*Peer, 0, len(e.peers))
	for p := range e.peers {
		list = append(list, p)
	}
	return list
}

// addCredential registers an ICE user name fragment. It returns false if the name is in use.
func (e *Endpoint) addCredential(c *credential) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, taken := e.byUFrag[c.ufrag]; taken {
		return false
	}
	e.byUFrag[c.ufrag] = c
	return true
}

func (e *Endpoint) removeCredential(c *credential) {
	e.mu.Lock()
	delete(e.byUFrag, c.ufrag)
	e.mu.Unlock()
}

func (e *Endpoint) credential(ufrag []byte) *credential {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.byUFrag[string(ufrag)]
}

// pathOf returns the path that something has come on, or nil.
func (e *Endpoint) pathOf(from origin) *path {
	if from.tcp != nil {
		return from.tcp.bound.Load()
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.byFlow[flow{from.addr, from.local}]
}

// flow is what a UDP path is found by: the client's address, and on a wildcard address the node's address
// that the client sends to.
type flow struct {
	remote addr
	local  localIP
}

func (pt *path) flow() flow { return flow{pt.addr, pt.local} }

// addPath registers a UDP path under its addresses. It fails if another peer uses them and was heard there
// since the instant alive (by mark). Otherwise anybody who can forge a source address could take over a
// session with a valid check of their own. A client that has been silent for longer loses the addresses.
func (e *Endpoint) addPath(pt *path, alive int64) bool {
	if pt.tcp != nil {
		return pt.tcp.bind(pt)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if old := e.byFlow[pt.flow()]; old != nil && old.peer != pt.peer && old.heard.Load() > alive {
		return false
	}
	e.byFlow[pt.flow()] = pt
	return true
}

// removePath forgets a path, and closes its connection if it is one of TCP.
func (e *Endpoint) removePath(pt *path) {
	if pt.tcp != nil {
		pt.tcp.close()
		return
	}
	e.mu.Lock()
	if e.byFlow[pt.flow()] == pt {
		delete(e.byFlow, pt.flow())
	}
	e.mu.Unlock()
}
