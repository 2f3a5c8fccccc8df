package transport

import (
	"sync"
	"time"

	"parlor/packet"
)

// arrival is one datagram of a read.
type arrival struct {
	buf   *packet.Buffer // nil after it was handed on
	from  addr
	local localIP // on a wildcard address: where it was sent to
	kind  class
	path  *path // nil: from an address without a valid check
	early bool  // DTLS that came before the proof of its path, in the same read
}

// ingress takes what one read brought through sorting, look-up, opening and delivery. Each reading goroutine
// has its own; only pass is shared.
type ingress struct {
	ep   *Endpoint
	sock *socket  // UDP
	tcp  *tcpConn // or TCP

	// pass is held while a read is worked on. Peer.Close waits for it, to be sure that nothing is delivered
	// any more. The Inbox is called under it, so Inbox.Deliver must not call Peer.Close.
	pass sync.Mutex

	errors   *tokens
	arrivals []arrival
	batches  []inboxBatch
	scratch  openScratch
	stun     stunScratch
	to       rawSockaddr // scratch for responses
}

type inboxBatch struct {
	inbox packet.Inbox
	batch *packet.Batch
}

// process works on the first n arrivals. Afterwards those whose buf is nil need a new one.
func (in *ingress) process(n int, at time.Time) {
	in.pass.Lock()
	defer in.pass.Unlock()
	list := in.arrivals[:n]
	rest := false
	bytes := 0
	for i := range list {
		a := &list[i]
		bytes += len(a.buf.B)
		// Checks come first: what follows in the same read may come from the address that they make known.
		switch a.kind = classify(a.buf.B); a.kind {
		case classSTUN:
			if in.takeSTUN(a.buf.B, origin{addr: a.from, local: a.local, sock: in.sock, tcp: in.tcp}, at) {
				markEarly(list[:i], a.from)
			}
		case classNoise:
			in.ep.count.drop(DropNoise)
		default:
			rest = true
		}
	}
	in.ep.count.packetsIn.Add(uint64(n))
	in.ep.count.bytesIn.Add(uint64(bytes))
	if rest {
		in.lookUp(list)
		in.open(list, at)
		in.deliver()
	}
}

// markEarly marks what has come from an address before the answer that proves its path.
func markEarly(list []arrival, from addr) {
	for i := range list {
		list[i].early = list[i].early || list[i].from == from
	}
}

// lookUp finds the paths of a read's packets under one lock.
func (in *ingress) lookUp(list []arrival) {
	if in.tcp != nil {
		pt := in.tcp.path.Load()
		for i := range list {
			list[i].path = pt
		}
		return
	}
	var last flow
	var pt *path
	in.ep.table.mu.RLock()
	defer in.ep.table.mu.RUnlock()
	for i := range list {
		a := &list[i]
		if a.kind < classDTLS {
			continue
		}
		if a.from != last.remote || a.local != last.local {
			last = flow{a.from, a.local}
			pt = in.ep.table.byFlow[last]
		}
		a.path = pt
	}
}

// open hands DTLS to its connection and opens media, runs of one peer at a time.
func (in *ingress) open(list []arrival, at time.Time) {
	for i := 0; i < len(list); {
		a := &list[i]
		switch {
		case a.kind < classDTLS:
			i++
		case a.path == nil:
			in.ep.count.drop(DropUnknownAddress)
			i++
		case a.kind == classDTLS:
			if a.path.peer.takeRecords(a.path, a.buf, at, a.early) {
				a.buf = nil
			}
			i++
		default:
			j := i + 1
			for j < len(list) && list[j].path == a.path && list[j].kind > classDTLS {
				j++
			}
			in.openRun(a.path, list[i:j], at)
			i = j
		}
	}
}

// openRun opens the media packets of one path into the batch for its Inbox.
func (in *ingress) openRun(pt *path, run []arrival, at time.Time) {
	p := pt.peer
	opened, newer := 0, false
	p.rx.mu.Lock()
	for i := range run {
		a := &run[i]
		isRTCP, size := a.kind == classRTCP, len(a.buf.B)
		plain, reason, ok := p.rx.openLocked(a.buf.B, isRTCP, &in.scratch, in.ep.o.Limits.SSRCs)
		if !ok {
			in.ep.count.drop(reason)
			continue
		}
		a.buf.B = plain
		in.batchFor(p.inbox, at).Add(p.id, a.buf, isRTCP)
		a.buf = nil
		opened++
		newer = newer || in.scratch.newer
		pt.countReceived(size)
	}
	p.rx.mu.Unlock()
	if opened > 0 {
		now := in.ep.instant(at)
		pt.heard.Store(now)
		p.heard.Store(now)
	}
	if newer && p.unsettled.Load() {
		p.noteMedia(pt, at)
	}
}

func (in *ingress) batchFor(inbox packet.Inbox, at time.Time) *packet.Batch {
	for i := len(in.batches) - 1; i >= 0; i-- {
		if in.batches[i].inbox == inbox {
			return in.batches[i].batch
		}
	}
	b := packet.GetBatch(at)
	in.batches = append(in.batches, inboxBatch{inbox, b})
	return b
}

func (in *ingress) deliver() {
	for i, b := range in.batches {
		b.inbox.Deliver(b.batch)
		in.batches[i] = inboxBatch{}
	}
	in.batches = in.batches[:0]
}
