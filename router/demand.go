package router

import (
	"slices"

	"parlor/packet"
	"parlor/router/codec"
)

// Which layers publishers are to send: those that somebody gets, waits for, or would get if they came, and
// always the lowest. A publisher that is told so (PeerOptions.Steered) stops sending the others, and begins
// again when it is told otherwise. A layer that is off can be had, so receivers want it like one that comes.
// Until it does, they get the nearest, or what they have.

// Demand says which layers of a track are wanted.
type Demand struct {
	Peer   packet.PeerID
	Track  TrackKey
	Layers []LayerDemand // all of the track
}

// LayerDemand says whether a layer is wanted.
type LayerDemand struct {
	RID string
	On  bool
}

// The comment of each says what changing it costs. All are in ns.
const (
	// unwantedFor is for how long nobody has to want a layer before it is off while somebody watches the
	// track. Lower spares the publisher's network and machine sooner. It has encoders begin anew, with
	// keyframes, if receivers change their minds.
	unwantedFor = 5e9
	// unwatchedFor is the same if nobody watches the track. Lower has whoever comes soon after wait for a
	// sharp picture.
	unwatchedFor = 30e9
	// comesWithin is for how long a layer is waited for after it was asked for. Then it counts as stopped, as
	// one that the publisher does not send by itself. Lower gives up on slow networks, higher keeps receivers
	// with less for longer.
	comesWithin = 2e9
	// lookWithin is how soon a track is looked at if nothing has to be switched on. Lower costs more in rooms
	// with much coming and going.
	lookWithin = 500e6
)

// demand is when a track is to be looked at.
type demand struct {
	listed bool  // on core.demanded
	at     int64 // when that is to be
	none   int64 // since when nobody watches; 0: somebody does
}

// presence is whether a layer comes, and whether it is to.
type presence struct {
	live   bool
	lastAt int64

	sought bool  // by some sink, see seek
	idle   int64 // since when nobody wants it although it comes; 0: not so
	off    bool  // nobody wants it, as its publisher has been told
	asked  int64 // when its publisher was told otherwise, while that is waited for; 0: it is not
}

// obtainable says whether a layer that does not come would, or will.
func (l *presence) obtainable(now int64) bool {
	return l.off || l.asked != 0 && now-l.asked < comesWithin
}

// addObtainable has layers, which describe has made, count as live that can be had.
func (t *track) addObtainable(layers []Layer, formats []codec.Format, now int64) {
	for n, i := range t.order {
		if st := t.layers[i]; st.obtainable(now) && st.fits(formats) {
			layers[n].Live = true
		}
	}
}

func (c *core) steer(id packet.PeerID, now int64) error {
	c.setNow(now)
	p := c.peers[id]
	if p == nil {
		return ErrUnknownPeer
	}
	p.steers = true
	return nil
}

// steered returns the newest track of a key if layers of it can be off, else nil.
func (c *core) steered(key TrackKey) *track {
	if c.o.Observer == nil || key.Source.Kind() != packet.Video {
		return nil
	}
	all := c.tracks[key]
	if len(all) == 0 {
		return nil
	}
	if t := all[len(all)-1]; t.peer.steers && len(t.layers) > 1 && len(t.section.RIDs) == len(t.layers) {
		return t
	}
	return nil
}

// beginDemand has the observer told that all of a new track is wanted: the client may know otherwise of one
// before.
func (c *core) beginDemand(key TrackKey) {
	if t := c.steered(key); t != nil {
		c.tellDemand(t)
		c.lookAt(t, c.now)
	}
}

// demandChanged has the track of a key looked at soon, as less may be wanted of it than before.
func (c *core) demandChanged(key TrackKey) {
	if t := c.steered(key); t != nil {
		c.lookAt(t, c.now+lookWithin)
	}
}

// demands has the track that a sink is to show looked at: at once if the sink wants a layer that is off.
func (c *core) demands(s *sink) {
	t := c.steered(s.want.Track)
	if t == nil {
		return
	}
	at := c.now + lookWithin
	if st := c.sought(s, t); st != nil && st.off {
		at = c.now
	}
	c.lookAt(t, at)
}

// watches says whether a sink is to show something, whether or not that is there.
func (s *sink) watches() bool {
	return s.want.Track.Member != 0 && !s.want.Hidden && s.active && s.peer.ready
}

// sought returns the layer that a sink would get if all came that can be had; nil if it gets none.
func (c *core) sought(s *sink, t *track) *stream {
	if !s.watches() || s.allowed.paused {
		return nil
	}
	i := c.wantedRank(s, t, true)
	most := int(s.allowed.wanted)
	if s.onlyBaseOf(t) {
		most = 1
	}
	if most != 0 {
		i = min(i, most-1, len(t.order)-1)
	}
	return t.layers[t.order[i]]
}

// expect has the layers of a track that are on waited for, as the first of them comes: after a pause, for
// example.
func (c *core) expect(t *track, first *stream) {
	if c.steered(t.key) != t {
		return
	}
	for _, st := range t.layers {
		if st.live && st != first {
			return
		}
	}
	for _, st := range t.layers {
		if !st.off && st != first {
			st.asked = c.now
		}
	}
}

// lookAt has a track looked at at a time, or sooner.
func (c *core) lookAt(t *track, at int64) {
	if d := &t.demand; d.listed {
		d.at = min(d.at, at)
	} else {
		d.listed, d.at = true, at
		c.demanded = append(c.demanded, t)
	}
	c.at(dueDemand, at)
}

// stepDemand looks at the tracks of which that is due.
func (c *core) stepDemand() {
	list := c.demanded
	c.demanded = nil
	for _, t := range list {
		again := t.demand.at
		t.demand.listed = false
		if again <= c.now {
			again = c.look(t)
		}
		if again != 0 {
			c.lookAt(t, again)
		}
	}
}

// look switches layers of a track on and off, and returns when to look again; 0: when something else changes.
func (c *core) look(t *track) (again int64) {
	wait := int64(unwatchedFor)
	switch watched := c.seek(t); {
	case watched && t.peer.reports.arrivals.heavy:
		wait = 0 // what it takes from the others is more than it will save
	case watched:
		wait = unwantedFor
	}
	if !slices.ContainsFunc(t.layers, func(st *stream) bool { return st.live }) {
		return 0 // it is muted, say, and which layers will come is not known
	}
	changed, lower := false, false // lower: one below comes
	for n, i := range t.order {
		st, was := t.layers[i], t.layers[i].off
		if n == 0 || st.sought {
			c.switchOn(st)
		} else {
			again = sooner(again, c.switchOff(st, lower, wait))
		}
		changed, lower = changed || st.off != was, lower || st.live
	}
	if changed {
		c.tellDemand(t)
	}
	return sooner(again, c.awaitLayers(t))
}

// sooner returns the earlier of two times, of which 0 is never.
func sooner(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// seek notes which layers of a track its sinks get, wait for, or would get. It reports whether anybody
// watches the track.
func (c *core) seek(t *track) (watched bool) {
	for _, st := range t.layers {
		st.sought = len(st.sinks)+len(st.waiting) > 0
	}
	for _, s := range c.wants[t.key] {
		watched = watched || s.watches()
		if st := c.sought(s, t); st != nil {
			st.sought = true
		}
	}
	switch d := &t.demand; {
	case !watched && d.none == 0:
		d.none = c.now
	case watched && d.none != 0:
		d.none = 0
		for _, st := range t.layers {
			st.idle = 0 // a viewer that has just come may want more in a moment
		}
	}
	return watched
}

func (c *core) switchOn(st *stream) {
	st.idle = 0
	if st.off {
		st.off, st.asked = false, c.now
		c.totals.LayersOn++
	}
}

// switchOff switches a layer off that nobody has wanted for long enough. It returns when that is; 0: the
// layer does not come. lower says whether one below comes: the lowest that does stays. What has stopped by
// itself may come again by itself.
func (c *core) switchOff(st *stream, lower bool, wait int64) (at int64) {
	switch {
	case st.off:
	case !st.live || !lower:
		st.idle = 0
	case st.idle == 0:
		st.idle = c.now
		return c.now + wait
	case c.now < st.idle+wait:
		return st.idle + wait
	default:
		st.off, st.idle, st.asked = true, 0, 0
		c.totals.LayersOff++
	}
	return 0
}

// awaitLayers notes which layers that were asked for have come. One that has not come in time counts as
// stopped.
func (c *core) awaitLayers(t *track) (again int64) {
	late := false
	for _, st := range t.layers {
		switch {
		case st.asked == 0:
		case st.live && st.lastAt > st.asked: // not just still
			st.asked = 0
		case st.obtainable(c.now):
			again = sooner(again, st.asked+comesWithin)
		default:
			st.asked, late = 0, true
		}
	}
	if late {
		c.chooseLayers(t)
	}
	return again
}

// tellDemand has the observer told what is wanted of a track.
func (c *core) tellDemand(t *track) {
	d := Demand{Peer: t.peer.id, Track: t.key}
	for _, st := range t.layers {
		d.Layers = append(d.Layers, LayerDemand{st.rid, !st.off})
	}
	c.o.Observer.Demand(d)
}
