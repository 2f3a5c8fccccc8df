package router

import (
	"slices"

	"parlor/packet"
	"parlor/router/clock"
	"parlor/router/header"
)

// binding says what an SSRC of a publisher is.
type binding struct {
	stream *stream
	repair bool // retransmissions of the stream (RFC 4588)
}

// rebind is the shortest time between two changes of a layer's SSRC, in ns. Lower follows a publisher that
// changes often, and lets two senders under one MID and RID wear out the ring and the receivers.
const rebind = 200e6

// bindDeclared binds the SSRCs that the section declares and did not declare before: those that it only
// repeats may have changed since. If the section has RIDs, SSRCs do not say which layer they are.
func (c *core) bindDeclared(t *track, before *packet.Section) {
	if len(t.section.RIDs) > 0 {
		return
	}
	for i, ssrc := range t.section.SSRCs {
		if st := t.layers[i]; ssrc != 0 && st.ids.ssrc != ssrc && !slices.Contains(before.SSRCs, ssrc) {
			c.setSSRC(st, ssrc)
		}
	}
	for repair, ssrc := range t.section.RTXOf {
		if before.RTXOf[repair] == ssrc {
			continue
		}
		if b, ok := t.peer.bySSRC[ssrc]; ok && b.stream.track == t && !b.repair && b.stream.ids.repair != repair {
			setRepair(b.stream, repair, c.now)
		}
	}
}

// bind finds the stream of a packet with an unknown SSRC. It goes by what the section says of the SSRC, by
// MID and RID (RFC 8852, RFC 8843 section 9.2), or by a payload type that only one section has.
func (c *core) bind(p *peer, m *header.Packet) (binding, bool) {
	st, repair := p.streamOf(m)
	if st == nil {
		c.drop(DropSSRC)
		return binding{}, false
	}
	known, since := st.ids.ssrc, st.ids.ssrcAt
	if repair {
		known, since = st.ids.repair, st.ids.repairAt
	}
	if known != 0 && c.now-since < rebind {
		c.drop(DropSSRCChange)
		return binding{}, false
	}
	if repair {
		setRepair(st, m.SSRC, c.now)
	} else {
		c.setSSRC(st, m.SSRC)
	}
	return binding{st, repair}, true
}

// formerLayer is what an SSRC was while its section was a track.
type formerLayer struct {
	mid, rid string
	repair   bool
}

// maxFormer bounds the former layers of a peer: some simulcast sections with their retransmissions.
const maxFormer = 64

// remember keeps what a simulcast SSRC was after its track has ended. If the section is published again, a
// browser does not name RIDs any more, since they were acknowledged before.
func (p *peer) remember(ssrc uint32, b binding) {
	if b.stream.rid == "" || len(p.former) >= maxFormer {
		return
	}
	if p.former == nil {
		p.former = map[uint32]formerLayer{}
	}
	p.former[ssrc] = formerLayer{b.stream.track.section.MID, b.stream.rid, b.repair}
}

// streamOf returns the layer that the packet belongs to, nil if that cannot be told. It also says whether the
// packet is a retransmission.
func (p *peer) streamOf(m *header.Packet) (*stream, bool) {
	if m.Has&(header.RID|header.RepairedRID) == 0 {
		if f, ok := p.former[m.SSRC]; ok {
			if t := p.tracks[f.mid]; t != nil {
				return t.layerOf(f.rid), f.repair
			}
			return nil, false // not another section's, even if the payload type fits only there
		}
	}
	if t := p.sectionOf(m); t != nil {
		return t.streamOf(m)
	}
	return nil, false
}

// layerOf returns the layer of a RID, nil if there is none.
func (t *track) layerOf(rid string) *stream {
	for _, st := range t.layers {
		if st.rid == rid {
			return st
		}
	}
	return nil
}

// sectionOf returns the track whose section the packet belongs to, nil if that cannot be told.
func (p *peer) sectionOf(m *header.Packet) *track {
	if m.Has&header.MID != 0 {
		return p.tracks[string(m.MID)]
	}
	var found *track
	for _, t := range p.tracks {
		if _, ok := t.section.RTXOf[m.SSRC]; ok {
			return t
		}
		if t.byPT[m.PT] == 0 && t.repairs[m.PT] == 0 {
			continue
		}
		if found != nil {
			return nil
		}
		found = t
	}
	return found
}

// streamOf returns the layer that the packet belongs to, nil if that cannot be told. It also says whether the
// packet is a retransmission.
func (t *track) streamOf(m *header.Packet) (*stream, bool) {
	if ssrc, ok := t.section.RTXOf[m.SSRC]; ok {
		if b := t.peer.bySSRC[ssrc]; b.stream != nil && b.stream.track == t {
			return b.stream, true
		}
	}
	rid, repair := m.RID, t.repairs[m.PT] != 0
	if m.Has&header.RepairedRID != 0 {
		rid, repair = m.RRID, true
	}
	if len(rid) == 0 || len(t.section.RIDs) == 0 {
		if len(t.layers) == 1 {
			return t.layers[0], repair
		}
		return nil, false
	}
	return t.layerOf(string(rid)), repair
}

// setSSRC makes ssrc the stream's. What came under the old one is over.
func (c *core) setSSRC(st *stream, ssrc uint32) {
	p := st.track.peer
	if st.ids.ssrc != 0 {
		p.unbind(st.ids.ssrc, binding{st, false})
		st.in.line, st.in.srNTP = clock.Line{}, 0
		st.seq.Anew()
	}
	st.ids.ssrc, st.ids.ssrcAt = ssrc, c.now
	p.bySSRC[ssrc] = binding{st, false}
	if len(st.waiting) > 0 {
		c.askIfWaited(st)
	}
}

func setRepair(st *stream, ssrc uint32, now int64) {
	p := st.track.peer
	if st.ids.repair != 0 {
		p.unbind(st.ids.repair, binding{st, true})
	}
	st.ids.repair, st.ids.repairAt = ssrc, now
	p.bySSRC[ssrc] = binding{st, true}
}

// unbind takes back a binding, unless the SSRC has become something else since.
func (p *peer) unbind(ssrc uint32, b binding) {
	if p.bySSRC[ssrc] == b {
		delete(p.bySSRC, ssrc)
	}
}
