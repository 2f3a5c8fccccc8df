package router

import (
	"slices"

	"parlor/packet"
	"parlor/router/clock"
	"parlor/router/header"
)

// peer is one transport connection of a member.
type peer struct {
	id     packet.PeerID
	member MemberID
	out    Out
	ready  bool // its transport is connected; until then nothing is sent, nor numbered
	steers bool // its client is told which layers to send

	// What it publishes.
	ids    header.IDs
	bySSRC map[uint32]binding
	former map[uint32]formerLayer // of sections that were a track before; nil: none
	tracks map[string]*track      // by MID
	offset clock.Offset           // of its clock

	down    downlink
	sampled sampled
	reports peerReports
	rtt     int64 // smoothed, ns; 0: not known
}

func (c *core) attach(id packet.PeerID, m MemberID, out Out, now int64) error {
	c.setNow(now)
	if c.peers[id] != nil {
		return ErrPeerExists
	}
	c.peers[id] = &peer{
		id: id, member: m, out: out, bySSRC: map[uint32]binding{}, tracks: map[string]*track{},
		down:    downlink{sinks: map[string]*sink{}, sinkOf: map[uint32]*sink{}, credit: maxCredit},
		reports: peerReports{early: earlyReports},
	}
	return nil
}

func (c *core) update(id packet.PeerID, sections []packet.Section, publish map[string]Source, now int64) error {
	c.setNow(now)
	p := c.peers[id]
	if p == nil {
		return ErrUnknownPeer
	}
	for i := range sections {
		s := &sections[i]
		if src, ok := publish[s.MID]; ok && s.Publish && src.Kind() != s.Kind {
			return ErrKind
		}
	}
	c.sendRuns()
	for _, t := range p.tracks { // what is held cannot be read with other extension ids or payload types
		for _, st := range t.layers {
			c.releaseAll(st)
		}
	}
	before := p.ids
	p.ids = header.IDs{}
	stays := func(mid string, publish bool) bool {
		return slices.ContainsFunc(sections, func(s packet.Section) bool { return s.MID == mid && s.Publish == publish })
	}
	for mid, t := range p.tracks {
		if !stays(mid, true) {
			c.removeTrack(t)
		}
	}
	for mid, s := range p.down.sinks {
		if !stays(mid, false) {
			c.closeSink(mid, s)
		}
	}
	for i := range sections {
		if s := &sections[i]; s.Publish {
			p.ids.Add(s.Ext)
			src, ok := publish[s.MID]
			c.updateTrack(p, s, src, ok && s.Active)
		} else {
			c.updateSink(p, s)
		}
	}
	if p.ids != before {
		p.forgetPackets()
	}
	return nil
}

// forgetPackets lets go of what is kept for sending again. Read with other extension ids, it would not give
// the very bytes that were sent under the same number.
func (p *peer) forgetPackets() {
	for _, t := range p.tracks {
		for _, st := range t.layers {
			if st.ring != nil {
				st.ring.Clear()
			}
		}
	}
}

func (c *core) ready(id packet.PeerID, now int64) error {
	c.setNow(now)
	p := c.peers[id]
	if p == nil {
		return ErrUnknownPeer
	}
	p.ready = true
	for _, s := range p.down.sinks {
		c.retarget(s)
	}
	for _, t := range p.tracks { // what could not be asked before
		for _, st := range t.layers {
			c.askIfWaited(st)
		}
	}
	return nil
}

// suspend has nothing sent to the peer until the next ready. Its sinks leave what they show instead of
// numbering packets that nobody seals. After 2^15 of them SRTP would guess the rollover counter wrong, and
// seal under a nonce that was used.
func (c *core) suspend(id packet.PeerID, now int64) error {
	c.setNow(now)
	p := c.peers[id]
	if p == nil {
		return ErrUnknownPeer
	}
	p.ready = false
	for _, s := range p.down.sinks {
		c.retarget(s)
	}
	return nil
}

func (c *core) detach(id packet.PeerID, now int64) error {
	c.setNow(now)
	p := c.peers[id]
	if p == nil {
		return ErrUnknownPeer
	}
	for mid, s := range p.down.sinks {
		c.closeSink(mid, s)
	}
	for _, t := range p.tracks {
		c.removeTrack(t)
	}
	delete(c.peers, id)
	c.unlist(p)
	c.forgetMember(p.member)
	return nil
}

// unlist takes a peer off the lists of those to which something is due.
func (c *core) unlist(p *peer) {
	c.reports.due = slices.DeleteFunc(c.reports.due, func(x *peer) bool { return x == p })
	c.nets.followed = slices.DeleteFunc(c.nets.followed, func(x *peer) bool { return x == p })
	c.nets.probing = slices.DeleteFunc(c.nets.probing, func(x *peer) bool { return x == p })
	c.reports.recording = slices.DeleteFunc(c.reports.recording, func(x *peer) bool { return x == p })
}

// forgetMember drops what was switched off for a member without any peer left.
func (c *core) forgetMember(m MemberID) {
	for _, p := range c.peers {
		if p.member == m {
			return
		}
	}
	for k := range c.off {
		if k.Member == m {
			delete(c.off, k)
		}
	}
}
