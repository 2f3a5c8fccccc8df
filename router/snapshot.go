package router

import (
	"cmp"
	"slices"
	"time"

	"parlor/packet"
)

// Snapshot describes a room at one moment. It shares no memory with the room.
type Snapshot struct {
	Tracks []TrackInfo // by member, source, then peer
	Sinks  []SinkInfo  // by peer, then MID
	Totals Totals
}

// TrackInfo describes a track.
type TrackInfo struct {
	Key     TrackKey
	Peer    packet.PeerID
	MID     string
	Present bool   // forwarded: not switched off, and the newest of its key
	Codec   string // of the highest layer that brings packets; "" before the first
	Layers  []LayerInfo
}

// LayerInfo describes one layer of a track, counted since its first packet.
type LayerInfo struct {
	RID            string
	SSRC, RTXSSRC  uint32 // 0: not known yet
	Live           bool
	Off            bool // nobody wants it, as its publisher has been told
	Packets, Bytes uint64
	Lost           int64 // missing of its own SSRC, repairs not counted; negative with duplicates
	Jitter         time.Duration
	Area           uint32     // width times height of the latest keyframe; 0: not known
	Watched        int        // sinks that it feeds
	Viewers        []MemberID // of those sinks, without repeats, in the order of entering; of Detail alone
	Waiting        int        // sinks that wait for its keyframe
	Level          uint8      // audio: -dBov of the latest packet, 0 loudest, 127 silence or not said (RFC 6464)
	Voice          bool       // audio: the publisher took it for speech
}

// SinkInfo describes a receiving section.
type SinkInfo struct {
	Peer           packet.PeerID
	Member         MemberID // who receives
	MID            string
	SSRC           uint32
	Want           Want
	Feeding        bool
	Layer          int // that feeds it
	Rank           int // of that layer, by its place from the lowest on, also of one inside a stream
	State          StreamState
	Waiting        bool   // for a keyframe
	Codec          string // of what feeds it
	NoCodec        bool   // the receiver has no payload type for what it wants
	Packets, Bytes uint64 // sent; bytes of payload
	Resent         uint64
	Lost           uint32        // as the receiver reports
	Fraction       float64       // lost in its last interval, 0–1
	Jitter         time.Duration // as the receiver reports
	RTT            time.Duration // of its peer; 0: not known
}

func (c *core) snapshot(int64) Snapshot {
	s := Snapshot{Totals: c.totals}
	for _, p := range c.peers {
		for mid, t := range p.tracks {
			s.Tracks = append(s.Tracks, t.info(mid))
		}
		for mid, k := range p.down.sinks {
			s.Sinks = append(s.Sinks, k.info(mid))
		}
	}
	slices.SortFunc(s.Tracks, byTrack)
	slices.SortFunc(s.Sinks, bySection)
	return s
}

func byTrack(a, b TrackInfo) int {
	return cmp.Or(cmp.Compare(a.Key.Member, b.Key.Member), cmp.Compare(a.Key.Source, b.Key.Source), cmp.Compare(a.Peer, b.Peer))
}

func bySection(a, b SinkInfo) int {
	return cmp.Or(cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.MID, b.MID))
}

func (t *track) info(mid string) TrackInfo {
	i := TrackInfo{Key: t.key, Peer: t.peer.id, MID: mid, Present: t.present}
	for _, st := range t.layers {
		if st.format != nil {
			i.Codec = st.format.codec.Name
		}
		l := LayerInfo{RID: st.rid, SSRC: st.ids.ssrc, RTXSSRC: st.ids.repair, Live: st.live, Off: st.off, Packets: st.in.packets, Bytes: st.in.bytes,
			Lost: st.in.stats.Lost(), Watched: len(st.sinks), Waiting: len(st.waiting), Level: st.in.level & 0x7f, Voice: st.in.level&0x80 != 0}
		if l.Area = st.size.Area; st.format != nil {
			l.Jitter = st.in.stats.Jitter(st.format.Clock)
		}
		i.Layers = append(i.Layers, l)
	}
	return i
}

func (s *sink) info(mid string) SinkInfo {
	i := SinkInfo{Peer: s.peer.id, Member: s.peer.member, MID: mid, SSRC: s.ssrc, Want: s.want, Feeding: s.cur != nil,
		State: s.state(), Waiting: s.next != nil, NoCodec: s.unfit, Packets: s.count.packets, Bytes: s.count.bytes, Resent: s.count.resent,
		Lost: s.count.lost, Fraction: float64(s.count.fraction) / 256, RTT: time.Duration(s.peer.rtt)}
	if s.cur != nil {
		f := s.cur.format
		i.Layer, i.Rank = s.cur.layer(), s.layerOf()
		if f != nil {
			i.Codec = f.codec.Name
			i.Jitter = time.Duration(s.count.jitter) * time.Second / time.Duration(max(f.Clock, 1))
		}
	}
	return i
}
