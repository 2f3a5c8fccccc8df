package session

import (
	"maps"

	"parlor/router"
	"parlor/session/terms"
)

// Demand implements router.Observer. What was not delivered yet of a track is replaced by what is newer.
func (o observer) Demand(d router.Demand) {
	r := &o.rm.reports
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.demands == nil {
		r.demands = map[router.TrackKey]router.Demand{}
	}
	r.demands[d.Track] = d
	o.rm.startDelivering()
}

// tellLayers tells publishers which layers are wanted.
func (rm *room) tellLayers(all map[router.TrackKey]router.Demand) {
	for _, d := range all {
		rm.mu.Lock()
		var p *participant
		if m := rm.numbered[d.Track.Member]; m != nil {
			p = m.p
		}
		rm.mu.Unlock()
		if p != nil {
			p.tellLayers(d)
		}
	}
}

// tellLayers tells the user's client what it does not know. At first a client takes it that all layers are
// sent, also in a session that has entered anew.
func (p *participant) tellLayers(d router.Demand) {
	m := &p.media
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.peer == nil || m.peer.ID() != d.Peer {
		return // of a peer that was replaced: the track of the next one is told of anew
	}
	l := &terms.Layers{Source: sourceOf(d.Track.Source), RIDs: map[string]bool{}}
	all := true
	for _, x := range d.Layers {
		l.RIDs[x.RID] = x.On
		all = all && x.On
	}
	known := m.layers[l.Source]
	if known == nil && all || maps.Equal(known, l.RIDs) {
		return
	}
	if m.layers == nil {
		m.layers = map[terms.Source]map[string]bool{}
	}
	m.layers[l.Source] = l.RIDs
	p.box.push(terms.Event{Type: terms.EventLayers, Layers: l})
}
