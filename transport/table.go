package transport

import "sync"

// table says which peers there are, and which of them an ICE user name or an address belongs to.
type table struct {
	mu      sync.RWMutex
	closing bool // no peer is added any more
	peers   map[*Peer]struct{}
	byUFrag map[string]*credential
	byFlow  map[flow]*path
}

func newTable() table {
	return table{peers: map[*Peer]struct{}{}, byUFrag: map[string]*credential{}, byFlow: map[flow]*path{}}
}

// addPeer adds a peer. It fails if the endpoint is closing, or has limit peers.
func (t *table) addPeer(p *Peer, limit int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing {
		return ErrClosed
	}
	if len(t.peers) >= limit {
		return ErrTooManyPeers
	}
	t.peers[p] = struct{}{}
	return nil
}

func (t *table) removePeer(p *Peer) {
	t.mu.Lock()
	delete(t.peers, p)
	t.mu.Unlock()
}

// close keeps new peers out.
func (t *table) close() {
	t.mu.Lock()
	t.closing = true
	t.mu.Unlock()
}

func (t *table) count() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.peers)
}

// allPeers returns the peers of this moment.
func (t *table) allPeers() []*Peer {
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := make([]*Peer, 0, len(t.peers))
	for p := range t.peers {
		list = append(list, p)
	}
	return list
}

// addCredential registers an ICE user name fragment. It returns false if the name is in use.
func (t *table) addCredential(c *credential) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, taken := t.byUFrag[c.ufrag]; taken {
		return false
	}
	t.byUFrag[c.ufrag] = c
	return true
}

func (t *table) removeCredential(c *credential) {
	t.mu.Lock()
	delete(t.byUFrag, c.ufrag)
	t.mu.Unlock()
}

func (t *table) credential(ufrag []byte) *credential {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byUFrag[string(ufrag)]
}

// pathOf returns the path that something has come on, or nil.
func (t *table) pathOf(from origin) *path {
	if from.tcp != nil {
		return from.tcp.path.Load()
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byFlow[flow{from.addr, from.local}]
}

// flow is what a UDP path is found by: the client's address, and on a wildcard address the node's address
// that the client sends to.
type flow struct {
	remote addr
	local  localIP
}

func (pt *path) flow() flow { return flow{pt.addr, pt.local} }

// addPath registers a UDP path under its addresses. It fails if another peer uses them and was heard there
// since alive, an Endpoint.instant. Otherwise anybody who can forge a source address could take over a
// session with a valid check of their own. A client that has been silent for longer loses the addresses.
func (t *table) addPath(pt *path, alive int64) bool {
	if pt.tcp != nil {
		return pt.tcp.setPath(pt)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if old := t.byFlow[pt.flow()]; old != nil && old.peer != pt.peer && old.heard.Load() > alive {
		return false
	}
	t.byFlow[pt.flow()] = pt
	return true
}

// removePath forgets a path, and closes its connection if it is one of TCP.
func (t *table) removePath(pt *path) {
	if pt.tcp != nil {
		pt.tcp.close()
		return
	}
	t.mu.Lock()
	if t.byFlow[pt.flow()] == pt {
		delete(t.byFlow, pt.flow())
	}
	t.mu.Unlock()
}
