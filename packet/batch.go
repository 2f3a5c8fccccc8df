package packet

import (
	"sync"
	"time"
)

// PeerID names one transport connection on this node. It is never used again within a process; 0 names none.
type PeerID uint64

// Item is one opened (decrypted and authenticated) packet.
type Item struct {
	Buf  *Buffer
	Peer PeerID
	RTCP bool // a compound RTCP packet; otherwise RTP
}

// Batch is what one read of a socket brought for one Inbox.
type Batch struct {
	At    time.Time // when the read returned
	Items []Item    // in order of arrival
}

// Inbox takes opened packets, typically a room. Deliver owns the batch from then on, and releases every
// buffer and the batch itself. It never blocks, and may be called from several goroutines at once. What does
// not fit is dropped and counted by the Inbox.
type Inbox interface {
	Deliver(b *Batch)
}

var batches = sync.Pool{New: func() any { return &Batch{Items: make([]Item, 0, 64)} }}

// GetBatch returns an empty Batch.
func GetBatch(at time.Time) *Batch {
	b := batches.Get().(*Batch)
	b.At = at
	return b
}

// Add appends a packet and takes over the caller's ownership of buf.
func (b *Batch) Add(p PeerID, buf *Buffer, rtcp bool) {
	b.Items = append(b.Items, Item{Buf: buf, Peer: p, RTCP: rtcp})
}

// Release releases every buffer still in the batch and returns the batch to its pool. A receiver that keeps a
// packet retains its Buffer first.
func (b *Batch) Release() {
	for i := range b.Items {
		b.Items[i].Buf.Release()
		b.Items[i] = Item{}
	}
	b.Items = b.Items[:0]
	batches.Put(b)
}
