package router

import (
	"math/rand/v2"
	"slices"

	"parlor/packet"
	"parlor/router/codec"
	"parlor/router/header"
	"parlor/router/seqmap"
)

// Receiving sections open sinks and close them. An SSRC that one had is never begun anew.

func (c *core) updateSink(p *peer, sec *packet.Section) {
	s := p.down.sinks[sec.MID]
	if s != nil && s.ssrc != sec.SSRC {
		c.closeSink(sec.MID, s)
		s = nil
	}
	if s == nil {
		if s = c.openSink(p, sec.SSRC); s == nil {
			return
		}
		p.down.sinks[sec.MID] = s
	}
	if s.section.Ext != sec.Ext || !slices.Equal(s.section.Codecs, sec.Codecs) || s.section.MID != sec.MID {
		c.leave(s) // what was sent cannot be told again, and payload types may mean something else
		s.configure(sec)
	}
	codecs := c.intern(sec.Codecs)
	s.section, s.active, s.formats = *sec, sec.Active && sec.SSRC != 0, codecs.formats
	s.section.Codecs = codecs.codecs
	c.takeUp(s, byReceiver)
}

// numbers is what must go on where it was when an SSRC is used again.
type numbers struct {
	seq    uint64 // of the next packet
	repair uint16 // of the next retransmission
}

// maxSSRCs bounds the SSRCs of a peer, former ones included. More lets a client renegotiate longer with new
// sections each time. Each costs 24 bytes for the life of its connection.
const maxSSRCs = 4096

// openSink returns a sink for the SSRC, or for a section that is not in use (0). It returns nil if that
// cannot be: another section has the SSRC, or too many have been used.
func (c *core) openSink(p *peer, ssrc uint32) *sink {
	s := &sink{peer: p, out: p.out, ssrc: ssrc}
	if ssrc == 0 {
		s.seq = seqmap.New[rewrite](0)
		return s
	}
	n, known := p.down.retired[ssrc]
	switch {
	case p.down.sinkOf[ssrc] != nil, !known && len(p.down.sinkOf)+len(p.down.retired) >= maxSSRCs:
		c.totals.SinksRefused++
		return nil
	case known:
		s.seq, s.repair.seq = seqmap.Resume[rewrite](n.seq), n.repair
		delete(p.down.retired, ssrc)
	default:
		s.seq, s.repair.seq = seqmap.New[rewrite](uint16(rand.N(1<<14))), uint16(rand.N(1<<14))
	}
	p.down.sinkOf[ssrc] = s
	return s
}

func (s *sink) configure(sec *packet.Section) {
	s.tmpl = header.NewTemplate(sec.Ext, sec.MID)
	s.acked = false
}

// codecList is what receiving sections have agreed on. Browsers of a kind agree on the same, so a room has
// few different ones for thousands of sinks.
type codecList struct {
	codecs  []packet.Codec
	formats []codec.Format
}

// maxLists bounds the codec lists of a room that are shared. Another one takes half a kilobyte of each sink
// that has it.
const maxLists = 32

// intern returns the list of the codecs that is shared within the room.
func (c *core) intern(codecs []packet.Codec) codecList {
	for _, l := range c.lists {
		if slices.Equal(l.codecs, codecs) {
			return l
		}
	}
	l := codecList{codecs: codecs, formats: make([]codec.Format, len(codecs))}
	for i, k := range codecs {
		l.formats[i] = codec.FormatOf(k)
	}
	if len(c.lists) < maxLists {
		c.lists = append(c.lists, l)
	}
	return l
}

// closeSink ends the sink of a section. What must never begin anew stays with the peer.
func (c *core) closeSink(mid string, s *sink) {
	c.leave(s)
	c.setWant(s, Want{})
	s.active = false
	p := s.peer
	delete(p.down.sinks, mid)
	if s.ssrc == 0 {
		return
	}
	delete(p.down.sinkOf, s.ssrc)
	if p.down.retired == nil {
		p.down.retired = map[uint32]numbers{}
	}
	p.down.retired[s.ssrc] = numbers{s.seq.Next(), s.repair.seq}
}
