package router

import (
	"slices"

	"parlor/packet"
	"parlor/router/codec"
	"parlor/router/header"
	"parlor/router/seqmap"
	"parlor/router/svc"
)

// sink is one receiving section of a peer: one outgoing SSRC.
type sink struct {
	peer  *peer
	out   Out
	seq   seqmap.Map[rewrite]
	tmpl  header.Template
	ssrc  uint32
	acked bool // the receiver reports on the SSRC, so it knows the MID by now

	feed
	doubted bool // on core.doubts
	told    *Undecodable

	loss    pictureLoss
	allowed allowance
	thin    *thinning // nil: it gets all frames
	section packet.Section
	formats []codec.Format // of section.Codecs; both are shared
	active  bool
	want    Want
	last    carried
	count   sinkCounts
	repair  repairs
}

// sinkCounts is what a sink has sent and what its receiver says of it.
type sinkCounts struct {
	packets, bytes  uint64 // bytes of payload
	reportedPackets uint64
	resent          uint64
	unfit           uint64
	lost            uint32
	fraction        uint8
	jitter          uint32

	highReported       uint32 // the receiver's highest sequence number, 0: not reported yet
	lostReported       int64
	expected, received uint64 // since its first report, as it says
	tallied            tallied
}

// feed is where a sink stands.
type feed struct {
	cur, next     *stream     // fed by; waiting for a keyframe of
	curAt, nextAt int         // indices in their lists
	filter        *svc.Filter // of what feeds it; nil: it gets everything
	unfit         bool        // no format of the section fits next: on next.unfit until it has another one
	hushed        int64       // until then it waits without asking, see downlink.takesUp
	burst         *burst      // what it gets of next meanwhile; nil: nothing
}

func (c *core) watch(id packet.PeerID, mid string, w Want, now int64) error {
	c.setNow(now)
	p := c.peers[id]
	if p == nil {
		return ErrUnknownPeer
	}
	s := p.down.sinks[mid]
	switch {
	case s == nil:
		return ErrUnknownSection
	case w.Track.Member != 0 && w.Track.Source.Kind() != s.section.Kind:
		return ErrKind
	}
	c.setWant(s, w)
	c.takeUp(s, byReceiver)
	return nil
}

func (c *core) setWant(s *sink, w Want) {
	if old := s.want.Track; old != w.Track {
		c.demandChanged(old)
		c.leave(s)
		c.allowAll(s)
		c.countPlaces(old, w.Track)
		if rest := slices.DeleteFunc(c.wants[old], func(x *sink) bool { return x == s }); len(rest) > 0 {
			c.wants[old] = rest
		} else {
			delete(c.wants, old)
		}
		if w.Track.Member != 0 {
			c.wants[w.Track] = append(c.wants[w.Track], s)
		}
	}
	s.want = w
}

// retarget has the sink take up what it wants, as far as that is there.
func (c *core) retarget(s *sink) { c.takeUp(s, byOthers) }

// cause is what has a sink take something up.
type cause uint8

const (
	byOthers   cause = iota // the publisher, or the room
	byReceiver              // the receiver, which has a quota of keyframes
	byNetwork               // the network to the receiver, within that quota
)

// takeUp is retarget for a cause.
func (c *core) takeUp(s *sink, by cause) {
	c.demands(s)
	t := c.shown(s)
	if t == nil || s.want.Track.Member == 0 || s.want.Hidden || s.allowed.paused || !s.active || !s.peer.ready {
		c.leave(s)
		return
	}
	if s.cur != nil && s.cur.track != t || s.next != nil && s.next.track != t {
		c.leave(s)
	}
	st, spatial := c.choose(s, t)
	takes := s.cur != st || c.aim(s, spatial)
	if s.next == st && takes {
		return
	}
	s.unwait()
	if !takes {
		return
	}
	if !st.fits(s.formats) {
		c.setAside(s, st)
		return
	}
	s.await(st)
	if st.track.key.Source.Kind() == packet.Video {
		if c.serve(s, by) {
			return
		}
		if s.cur == nil {
			c.totals.CacheMisses++
		}
		if by != byOthers {
			c.hush(s, st, by)
		}
	}
	c.askIfWaited(st)
}

// noHurry is how long a sink that goes down to a lower layer waits for somebody else's keyframe, in ns,
// before one is asked for. It does not wait if its receiver's network is short. Lower spares that network
// sooner; higher spares all others keyframes while the receiver's layout still moves.
const noHurry = 1e9

// hush says until when a sink waits for a keyframe without asking for one. Its receiver, or the network to
// that receiver, has it take up a stream.
func (c *core) hush(s *sink, st *stream, by cause) {
	at := s.peer.down.takesUp(st.track.key, c.now)
	if at > c.now {
		c.drop(DropKeyframeQuota)
	}
	if s.cur != nil {
		switch down := s.goesDown(st); {
		case down && by == byReceiver:
			at = max(at, c.now+noHurry)
		case !down && by == byNetwork && st.track.crowded():
			at = max(at, (c.now/crowdInterval+1)*crowdInterval) // all that go up in that time do so together
		}
	}
	if at > c.now {
		s.hushed, s.loss.free = at, false
	}
}

// goesDown says whether a stream is to bring less to a sink than it gets now.
func (s *sink) goesDown(st *stream) bool {
	if st == s.cur {
		return s.filter != nil && s.filter.Lowers()
	}
	return st.track.rank(st) < st.track.rank(s.cur)
}

// rank returns where a layer stands among those of the track, from the lowest to the highest.
func (t *track) rank(st *stream) int { return slices.Index(t.order, st.layer()) }

// choose picks the stream that a sink should get, and up to which of the layers inside.
func (c *core) choose(s *sink, t *track) (st *stream, spatial uint8) {
	if t.layering() == nil {
		return t.layers[c.chooseStream(s, t)], svc.AllSpatial
	}
	i := c.wantedRank(s, t, false)
	if most := s.most(t); most > 0 {
		i = min(i, most-1)
	}
	return t.layers[0], uint8(i)
}

// chooseStream picks the stream that a sink should get. A sink that gets a stream keeps it while another one
// is about to come.
func (c *core) chooseStream(s *sink, t *track) int {
	i, most := c.wantedRank(s, t, false), s.most(t)
	if s.cur != nil && s.cur.live && (most == 0 || t.rank(s.cur) < most) {
		if st := c.sought(s, t); st != nil && !st.live && st.obtainable(c.now) {
			return s.cur.layer()
		}
	}
	for j := most - 1; j >= 0 && i >= most; j-- {
		if st := t.layers[t.order[j]]; st.live && st.fits(s.formats) {
			return t.order[j]
		}
	}
	return t.order[i]
}

// wantedRank returns the rank of the layer that a sink wants. It chooses among the layers that come; with
// obtainable also among those that would come.
func (c *core) wantedRank(s *sink, t *track, obtainable bool) int {
	if t.height() == 1 {
		return 0
	}
	var buf [8]Layer
	layers := t.describe(buf[:0], s.formats)
	if obtainable {
		t.addObtainable(layers, s.formats, c.now)
	}
	return ChooseLayer(layers, c.quality(s.want.Quality), s.want.Area)
}

// describe appends what a choice among the layers goes by, from the lowest to the highest. A layer that the
// receiver cannot take counts as stopped.
func (t *track) describe(layers []Layer, formats []codec.Format) []Layer {
	if l := t.layering(); l != nil {
		return l.describe(layers, t.layers[0].live)
	}
	mixed := t.mixed()
	for _, i := range t.order {
		st := t.layers[i]
		layers = append(layers, Layer{Live: st.live && (!mixed || st.fits(formats)), Area: st.size.Area})
	}
	return layers
}

// mixed says whether the layers of the track are of different formats, which few publishers do.
func (t *track) mixed() bool {
	var one *format
	for _, st := range t.layers {
		if st.format != nil && one != nil && st.format != one {
			return true
		}
		if st.format != nil {
			one = st.format
		}
	}
	return false
}

// fits says whether a receiver of these formats can take the stream, as far as its format is known.
func (st *stream) fits(formats []codec.Format) bool {
	return st.format == nil || codec.Fit(st.format.Format, formats) >= 0
}

// sized notes the area of a layer's pictures, by which its sinks choose.
func (c *core) sized(st *stream, area uint32) {
	if area == 0 || area == st.size.Area {
		return
	}
	st.size.Area = area
	if t := st.track; len(t.layers) > 1 {
		t.sortLayers()
		c.chooseLayers(t)
	}
}

// sortLayers puts the layers of the track in order by what is known of them. It reports whether the order has
// changed.
func (t *track) sortLayers() bool {
	var buf [8]LayerSize
	sizes := buf[:0]
	for _, st := range t.layers {
		sizes = append(sizes, st.size)
	}
	return SortLayers(t.order, sizes)
}

// chooseLayers chooses anew for every sink of the track.
func (c *core) chooseLayers(t *track) {
	c.demandChanged(t.key)
	if !t.present {
		return
	}
	for _, s := range c.wants[t.key] {
		c.retarget(s)
	}
}

// checkLayers measures layers, and finds those that have stopped.
func (c *core) checkLayers() {
	for _, all := range c.tracks {
		for _, t := range all {
			c.checkTrack(t)
		}
	}
}

func (c *core) checkTrack(t *track) {
	if t.key.Source.Kind() == packet.Audio {
		return
	}
	changed := false
	for _, st := range t.layers {
		st.measure(c.now)
		switch {
		case st.live && c.now-st.lastAt >= ns(c.o.LayerTimeout):
			st.live, changed = false, true
		case st.live:
			c.at(dueLayers, c.now+ns(c.o.LayerTimeout)/4)
		}
	}
	if len(t.layers) > 1 && (t.sortLayers() || changed) {
		c.chooseLayers(t)
	}
}

// leave ends what feeds the sink, and forgets what was sent: not even a retransmission of it follows.
func (c *core) leave(s *sink) {
	c.sendRuns()
	s.uncur()
	s.unwait()
	s.seq.Forget()
	s.thin, s.filter = nil, nil
}

// stall has the sinks of a stream wait for its next beginning.
func (c *core) stall(st *stream) {
	c.sendRuns()
	c.releaseAll(st)
	st.reconsider()
	for _, s := range st.waiting {
		if s.burst != nil {
			s.endBurst()
			s.seq.Stop()
		}
	}
	for len(st.sinks) > 0 {
		s := st.sinks[len(st.sinks)-1]
		s.uncur()
		s.seq.Stop()
		if s.next == nil {
			s.await(st)
		}
	}
	c.askIfWaited(st)
}

func (s *sink) uncur() {
	if s.cur == nil {
		return
	}
	l := s.cur.sinks
	end := len(l) - 1
	l[s.curAt] = l[end]
	l[s.curAt].curAt = s.curAt
	l[end] = nil
	s.cur.sinks, s.cur, s.filter = l[:end], nil, nil
}

// await has the sink wait for a keyframe of the stream.
func (s *sink) await(st *stream) {
	s.loss.free, s.hushed = true, 0
	s.next, s.nextAt = st, len(st.waiting)
	st.waiting = append(st.waiting, s)
}

func (s *sink) unwait() {
	if s.next == nil {
		return
	}
	s.endBurst()
	list := &s.next.waiting
	if s.unfit {
		list = &s.next.unfit
	}
	l := *list
	end := len(l) - 1
	l[s.nextAt] = l[end]
	l[s.nextAt].nextAt = s.nextAt
	l[end] = nil
	*list, s.next, s.unfit = l[:end], nil, false
}

// reconsider has the sinks that could not take the format of a stream wait for another one.
func (st *stream) reconsider() {
	for len(st.unfit) > 0 {
		s := st.unfit[len(st.unfit)-1]
		s.unwait()
		s.await(st)
	}
}
