// Package packet holds what the transport and the router share: the pooled datagram buffer, the batch of
// opened packets between a socket and a room, and the description of a negotiated section.
//
// It is a leaf: it imports nothing of the project.
//
//	buffer.go   Buffer and its pool
//	batch.go    Item, Batch, Inbox
//	section.go  Codec, Extensions, Section: what offer and answer agreed on
package packet

import (
	"sync"
	"sync/atomic"
)

// Size is the capacity of a Buffer in bytes: an Ethernet frame's worth. Higher lets larger datagrams in, and
// costs memory in every socket batch and every track ring. WebRTC senders stay near 1200.
const Size = 1536

// Buffer holds one datagram. It has one owner at a time. To keep it beyond a hand-over call Retain; every
// owner calls Release once. The bytes are read-only for everybody as soon as there is more than one owner.
type Buffer struct {
	// B is the valid part of the store: for RTP the whole opened packet, header included.
	B []byte

	refs  atomic.Int32
	store [Size]byte
}

var pool = sync.Pool{New: func() any { return new(Buffer) }}

// Get returns a Buffer with one owner, whose B has length and capacity Size and undefined content.
func Get() *Buffer {
	b := pool.Get().(*Buffer)
	b.refs.Store(1)
	b.B = b.store[:]
	return b
}

// Retain adds an owner.
func (b *Buffer) Retain() {
	if b.refs.Add(1) <= 1 {
		panic("packet: Retain of a released Buffer")
	}
}

// Release gives up one ownership; the last one returns the Buffer to the pool. Releasing more often than
// owned panics: it would hand one store to two packets.
func (b *Buffer) Release() {
	switch n := b.refs.Add(-1); {
	case n == 0:
		b.B = nil
		pool.Put(b)
	case n < 0:
		panic("packet: Release of a released Buffer")
	}
}
