package transport

import (
	"encoding/binary"
	"net"
	"testing"
	"time"
)

// largeRoom makes a Writer with as many lanes as asked for and n peers, each with a socket of its own to send
// to.
func largeRoom(t testing.TB, e *Endpoint, n int) (*Writer, []*Peer, []*net.UDPConn) {
	t.Helper()
	w := e.NewWriter()
	var peers []*Peer
	var conns []*net.UDPConn
	for range n {
		c := sink(t)
		p, err := e.NewPeer(PeerOptions{Inbox: newBox(), Writer: w, Events: newWitness()})
		if err != nil {
			t.Fatal(err)
		}
		send, _ := srtpPair(t)
		p.lane.setOut(p, send)
		p.lane.setDest(p, newPath(p, origin{addr: addrFrom(c.LocalAddr().(*net.UDPAddr).AddrPort()), sock: p.lane.sock}))
		peers, conns = append(peers, p), append(conns, c)
	}
	return w, peers, conns
}

// TestLanesFollowTheSize: a small room has one lane, a large one as many as there are sockets, with as many
// peers each.
func TestLanesFollowTheSize(t *testing.T) {
	e := start(t, Options{Sockets: 3})
	w, peers, _ := largeRoom(t, e, lanePeers-1)
	if len(w.lanes) != 1 || w.lanes[0].away {
		t.Fatalf("%d lanes for %d peers", len(w.lanes), len(peers))
	}
	_, more, _ := largeRoom(t, e, 0)
	for len(peers)+len(more) < 5*lanePeers {
		p, err := e.NewPeer(PeerOptions{Inbox: newBox(), Writer: w, Events: newWitness()})
		if err != nil {
			t.Fatal(err)
		}
		more = append(more, p)
	}
	if len(w.lanes) != 3 {
		t.Fatalf("%d lanes for %d peers", len(w.lanes), 5*lanePeers)
	}
	socks := map[*socket]bool{}
	for i, l := range w.lanes {
		socks[l.sock] = true
		if l.peers < 5*lanePeers/3 || l.peers > 5*lanePeers/3+1 || l.away != (i > 0) {
			t.Errorf("lane %d: %d peers, away %v", i, l.peers, l.away)
		}
	}
	if len(socks) != 3 {
		t.Errorf("%d sockets", len(socks))
	}
	for _, p := range append(peers, more...) {
		_ = p.Close()
		_ = p.Close()
	}
	for i, l := range w.lanes {
		if l.peers != 0 || w.peers != 0 {
			t.Errorf("lane %d: %d peers left, %d in all", i, l.peers, w.peers)
		}
	}
}

// TestLanesKeepOrder: whatever lane a peer has, it gets all its packets, in order, and Flush returns when
// they are sent.
func TestLanesKeepOrder(t *testing.T) {
	const n, rounds, run = 3 * lanePeers, 30, 5
	e := start(t, Options{Sockets: 3})
	w, peers, conns := largeRoom(t, e, n)
	payload := make([]byte, 300)
	for r := range rounds {
		for _, p := range peers {
			for k := range run {
				p.SendRTP(header(uint16(r*run+k)), payload)
			}
		}
		w.Flush()
		if got := e.Stats().PacketsOut; got != uint64(n*run*(r+1)) {
			t.Fatalf("round %d: %d packets are out when Flush returns, not %d", r, got, n*run*(r+1))
		}
	}
	b := make([]byte, 1500)
	for i, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		for seq := range rounds * run {
			if _, err := c.Read(b); err != nil {
				t.Fatalf("peer %d, packet %d: %v", i, seq, err)
			}
			if got := binary.BigEndian.Uint16(b[2:]); got != uint16(seq) {
				t.Fatalf("peer %d: packet %d after %d", i, got, seq-1)
			}
		}
	}
}

// TestNothingAfterCloseOnLanes: what is queued for a peer when it is closed is not sent.
func TestNothingAfterCloseOnLanes(t *testing.T) {
	e := start(t, Options{Sockets: 2})
	w, peers, conns := largeRoom(t, e, 2*lanePeers)
	for round := range 5 {
		for i, p := range peers {
			p.SendRTP(header(uint16(round)), make([]byte, 100))
			if round == 2 && i > 3 && i%8 == 0 {
				_ = peers[i-2].Close() // its packet waits in a batch or a draft
			}
		}
		w.Flush()
	}
	for i, c := range conns {
		want := 5
		if j := i + 2; j > 3 && j%8 == 0 && j < len(peers) {
			want = 2
		}
		got := 0
		for got < want {
			if classify(readPacket(t, c)) == classRTP {
				got++
			}
		}
		for b := readWaiting(t, c); b != nil; b = readWaiting(t, c) {
			if classify(b) == classRTP {
				got++
			}
		}
		// A batch that was full before the peer was closed is out already.
		if got != want && !(want == 2 && got == 3) {
			t.Errorf("peer %d got %d packets, not %d", i, got, want)
		}
	}
}

// TestLanesOfManyRooms: senders are shared; a room that finds none idle does the work itself.
func TestLanesOfManyRooms(t *testing.T) {
	e := start(t, Options{Sockets: 2})
	type room struct {
		w     *Writer
		peers []*Peer
	}
	var rooms []room
	for range 4 {
		w, peers, _ := largeRoom(t, e, 2*lanePeers)
		rooms = append(rooms, room{w, peers})
	}
	done := make(chan struct{})
	for _, r := range rooms {
		go func() {
			defer func() { done <- struct{}{} }()
			for seq := range uint16(50) {
				for _, p := range r.peers {
					p.SendRTP(header(seq), make([]byte, 50))
				}
				r.w.Flush()
			}
		}()
	}
	for range rooms {
		wait(t, "a room to finish", done)
	}
	if got, want := e.Stats().PacketsOut, uint64(4*2*lanePeers*50); got != want {
		t.Errorf("%d packets out, not %d", got, want)
	}
}

// BenchmarkSendLanes is BenchmarkSendRuns for a room of 256 peers on as many lanes as the machine has cores.
func BenchmarkSendLanes(b *testing.B) {
	e := start(b, Options{})
	w := e.NewWriter()
	var peers []*Peer
	for range 256 {
		p, err := e.NewPeer(PeerOptions{Inbox: newBox(), Writer: w, Events: newWitness()})
		if err != nil {
			b.Fatal(err)
		}
		send, _ := srtpPair(b)
		p.lane.setOut(p, send)
		p.lane.setDest(p, newPath(p, origin{addr: addrFrom(drained(b)), sock: p.lane.sock}))
		peers = append(peers, p)
	}
	head, payload := header(0), make([]byte, 1188)
	b.ReportAllocs()
	seq := uint16(0)
	defer cpu(b)()
	for i := 0; b.Loop(); i++ {
		if i%(4*len(peers)) != 0 {
			continue
		}
		for _, p := range peers {
			for k := range uint16(4) {
				binary.BigEndian.PutUint16(head[2:], seq+k)
				p.SendRTP(head, payload)
			}
		}
		seq += 4
		w.Flush()
	}
}
