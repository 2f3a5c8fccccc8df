package fakewire

import (
	"slices"
	"time"

	"github.com/pion/rtp"

	"parlor/packet"
)

// Publish has the client send n packets, each a whole frame and a keyframe, in the section mid, as of now.
func (p *Peer) Publish(now time.Time, mid string, n int) {
	b := packet.GetBatch(now)
	for range n {
		b.Add(p.id, p.packet(mid, "", nil), false)
	}
	p.o.Inbox.Deliver(b)
}

// Report delivers a compound RTCP packet of the client.
func (p *Peer) Report(now time.Time, compound []byte) {
	buf := packet.Get()
	buf.B = buf.B[:copy(buf.B, compound)]
	b := packet.GetBatch(now)
	b.Add(p.id, buf, true)
	p.o.Inbox.Deliver(b)
}

// PublishLayers is Publish of a packet of each of some simulcast layers, each of which is larger than the one
// before.
func (p *Peer) PublishLayers(now time.Time, mid string, rids ...string) {
	b := packet.GetBatch(now)
	for _, rid := range rids {
		b.Add(p.id, p.packet(mid, rid, nil), false)
	}
	p.o.Inbox.Deliver(b)
}

// Say is Publish of 20 ms of sound of a level in -dBov (RFC 6464).
func (p *Peer) Say(now time.Time, mid string, level uint8) {
	b := packet.GetBatch(now)
	b.Add(p.id, p.packet(mid, "", []byte{level}), false)
	p.o.Inbox.Deliver(b)
}

func (p *Peer) packet(mid, rid string, level []byte) *packet.Buffer {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := ssrc("client", p.id, mid+rid)
	p.next[from]++
	pk := rtp.Packet{Header: rtp.Header{
		Version: 2, Marker: true, PayloadType: 111, SequenceNumber: p.next[from], Timestamp: uint32(p.next[from]) * 960, SSRC: from,
	}, Payload: []byte{0xf8, 0xff, 0xfe}}
	for _, s := range p.sections {
		if s.MID == mid && s.Kind == packet.Video {
			pk.PayloadType = 96
			pk.Payload = []byte{0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01, 0, 0}
			pk.Payload[8] += byte(max(slices.Index(s.RIDs, rid), 0)) // the upper byte of the width
		}
	}
	if err := pk.SetExtension(midExtension, []byte(mid)); err != nil {
		panic(err)
	}
	if rid != "" {
		if err := pk.SetExtension(ridExtension, []byte(rid)); err != nil {
			panic(err)
		}
	}
	if level != nil {
		if err := pk.SetExtension(levelExtension, level); err != nil {
			panic(err)
		}
	}
	buf := packet.Get()
	n, err := pk.MarshalTo(buf.B)
	if err != nil {
		panic(err)
	}
	buf.B = buf.B[:n]
	return buf
}
