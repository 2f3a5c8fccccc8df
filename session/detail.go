package session

import (
	"sync/atomic"

	"parlor/router"
	"parlor/session/terms"
	"parlor/transport"
)

// Direction is how one way of a user's network was at its last report.
type Direction struct {
	Quality NetworkQuality
	Loss    float64 // share of packets that were lost, 0–1, before repair
	Known   bool    // Loss is; else there were too few packets
}

func (d direction) described() Direction {
	loss, known := d.loss()
	return Direction{Quality: d.quality(), Loss: loss, Known: known}
}

// worse returns the worse quality of the two.
func worse(a, b Direction) NetworkQuality { return max(a.Quality, b.Quality) }

// Layer is what a user sends of one source, or one simulcast layer of that.
type Layer struct {
	Source terms.Source
	router.LayerInfo
	SeenBy []string // users that it is sent to at present, in the order of entering
}

// View is what a user is to be sent of another one's source that there is.
type View struct {
	User   string
	Source terms.Source
	router.SinkInfo
}

// Streams are all streams from a user and to it.
type Streams struct {
	Sent []Layer
	Seen []View
}

// detail returns the streams of a member.
func (rm *room) detail(id router.MemberID) Streams {
	var s Streams
	r := rm.media.running.Load()
	if r == nil {
		return s // there never was media
	}
	d := r.Detail(id)
	rm.mu.Lock()
	defer rm.mu.Unlock()
	for _, t := range d.Tracks {
		for _, l := range t.Layers {
			x := Layer{Source: sourceOf(t.Key.Source), LayerInfo: l}
			for _, m := range l.Viewers {
				if o := rm.numbered[m]; o != nil {
					x.SeenBy = append(x.SeenBy, o.user)
				}
			}
			s.Sent = append(s.Sent, x)
		}
	}
	for _, k := range d.Sinks {
		source := sourceOf(k.Want.Track.Source)
		if o := rm.numbered[k.Want.Track.Member]; o != nil && o.present.has(source) {
			s.Seen = append(s.Seen, View{o.user, source, k})
		}
	}
	return s
}

// subject is a user that is being described.
type subject struct {
	id   router.MemberID
	peer *Peer // nil: it has none
}

func (m *member) subject() subject { return subject{m.id, m.p.media.heard.Load()} }

// way returns how the user is reached.
func (s subject) way() transport.Way {
	if s.peer == nil {
		return transport.Way{}
	}
	return (*s.peer).Way()
}

// Qualities returns how many users have each quality, in the worse of both directions.
func (r *Rooms) Qualities() (n [QualityDown + 1]int) {
	for _, rm := range r.list() {
		rm.mu.Lock()
		for _, m := range rm.members {
			n[worse(m.up, m.down)]++
		}
		rm.mu.Unlock()
	}
	return n
}

// Losses count the packets of all users in both directions since the node's start, before repair, as far as
// receivers report.
type Losses struct {
	ExpectedUp, LostUp, ExpectedDown, LostDown uint64
}

// losses count for Losses.
type losses struct{ expectedUp, lostUp, expectedDown, lostDown atomic.Uint64 }

func (l *losses) add(up, down direction) {
	l.expectedUp.Add(up.expected)
	l.lostUp.Add(up.lost)
	l.expectedDown.Add(down.expected)
	l.lostDown.Add(down.lost)
}

// Losses returns how much was lost on the way to the node and from it.
func (r *Rooms) Losses() Losses {
	l := &r.losses
	return Losses{l.expectedUp.Load(), l.lostUp.Load(), l.expectedDown.Load(), l.lostDown.Load()}
}
