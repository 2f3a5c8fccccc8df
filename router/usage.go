package router

import (
	"slices"
	"time"
)

// Usage is the traffic of one member, counted since its sections were negotiated.
type Usage struct {
	Sources        [len(sourceNames)]SourceUsage // by Source: what came from it
	Packets, Bytes uint64                        // what went to it: RTP packets and bytes of their payload
	Resent         uint64                        // packets sent again to it
	Lost           uint64                        // packets that it reports as missing
	RTT            time.Duration                 // 0: not known
	Undecodable    []Undecodable                 // what cannot be sent to it, or is paused
	Network        Network
}

// Network is the network to a member, as its latest Sample tells.
type Network struct {
	Limit    Limit
	Estimate uint64 // bit/s; 0: not known
	Queue    time.Duration
	Expected uint64 // bit/s that it was expected to carry; 0: nothing was known
	Red      int
}

// SourceUsage is what came of one source, all layers together.
type SourceUsage struct {
	Codec          string // "" before the first packet
	Layers         int    // that bring packets at present
	Packets, Bytes uint64
	Lost           int64 // missing of their own SSRCs, repairs not counted; negative with duplicates
}

// Usage returns the traffic of those of the members that are in the room, also after Run has ended. The
// room's goroutine only adds up counters, a few for each of their sections, so that describing a full room
// holds up no media.
func (r *Room) Usage(members ...MemberID) map[MemberID]Usage {
	var u map[MemberID]Usage
	if r.post(func(c *core, _ int64) error { u = c.usage(members); return nil }) != nil {
		u = r.core.usage(members)
	}
	return u
}

// Detail is what one member sends and is sent, stream by stream, counted since its sections were negotiated.
type Detail struct {
	Tracks []TrackInfo // by source, then peer
	Sinks  []SinkInfo  // of sections that have a want, by peer, then MID
}

// Detail returns the streams of a member, also after Run has ended; none if it is not in the room.
func (r *Room) Detail(member MemberID) Detail {
	var d Detail
	if r.post(func(c *core, _ int64) error { d = c.detail(member); return nil }) != nil {
		d = r.core.detail(member)
	}
	return d
}

func (c *core) detail(member MemberID) Detail {
	var d Detail
	for _, p := range c.peers {
		if p.member != member {
			continue
		}
		for mid, t := range p.tracks {
			i := t.info(mid)
			for n, st := range t.layers {
				i.Layers[n].Viewers = st.viewers()
			}
			d.Tracks = append(d.Tracks, i)
		}
		for mid, s := range p.down.sinks {
			if s.active && s.want.Track.Member != 0 {
				d.Sinks = append(d.Sinks, s.info(mid))
			}
		}
	}
	slices.SortFunc(d.Tracks, byTrack)
	slices.SortFunc(d.Sinks, bySection)
	return d
}

// viewers returns the members that the stream is sent to.
func (st *stream) viewers() []MemberID {
	var l []MemberID
	for _, s := range st.sinks {
		l = append(l, s.peer.member)
	}
	slices.Sort(l)
	return slices.Compact(l)
}

func (c *core) usage(members []MemberID) map[MemberID]Usage {
	all := make(map[MemberID]Usage, len(members))
	for _, m := range members {
		all[m] = Usage{}
	}
	for _, p := range c.peers {
		u, wanted := all[p.member]
		if !wanted {
			continue
		}
		c.addUsage(p, &u)
		all[p.member] = u
	}
	return all
}

func (c *core) addUsage(p *peer, u *Usage) {
	if p.rtt != 0 {
		u.RTT = time.Duration(p.rtt)
	}
	if p.ready {
		u.Network.Red, u.Network.Limit = p.down.guard.depth(), c.limit(p)
		u.Network.Estimate, u.Network.Queue = p.down.carries()
	}
	u.Network.Expected = uint64(p.down.expects)
	for _, s := range p.down.sinks {
		u.Packets += s.count.packets
		u.Bytes += s.count.bytes
		u.Resent += s.count.resent
		if x := s.undecodable(); x.Track.Member != 0 {
			u.Undecodable = append(u.Undecodable, x)
		}
		if s.count.lost < 1<<23 { // 24 bits with a sign; below zero with duplicates (RFC 3550 section 6.4.1)
			u.Lost += uint64(s.count.lost)
		}
	}
	for _, t := range p.tracks {
		s := &u.Sources[t.key.Source]
		for _, st := range t.layers {
			if st.format != nil {
				s.Codec = st.format.codec.Name
			}
			if st.live {
				s.Layers++
			}
			s.Packets += st.in.packets
			s.Bytes += st.in.bytes
			s.Lost += st.in.stats.Lost()
		}
	}
}
