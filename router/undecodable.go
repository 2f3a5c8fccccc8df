package router

import (
	"time"

	"parlor/packet"
	"parlor/router/codec"
)

// Undecodable says that nothing of a track can be sent to a receiving section that is to show it. Either its
// receiver has negotiated no payload type that takes it, or its network does not carry it. With a zero Track
// this is over.
type Undecodable struct {
	Peer    packet.PeerID
	Member  MemberID // who receives
	MID     string
	Track   TrackKey // whose, never a place of the loudest
	Sent    string   // the track's codec and profile; one of some dozens of labels
	Offered string   // what the receiver has instead: its profile of the codec, or the names of its codecs
	Paused  bool     // the receiver's network does not carry it; Sent and Offered are empty
}

// undecodableEvery is how long a section goes without a stream that it cannot take before the observer is
// told. It is also the least time between two times that the observer is told of one section. Lower tells
// sooner, higher has a publisher that changes its codec all the time cost less.
const undecodableEvery = time.Second

// pauseChanged has the observer told that the sink's network does not carry what it is to show, or that this
// is over. The former is told once it has been so for a moment.
func (c *core) pauseChanged(s *sink) {
	c.doubt(s)
	if c.o.Observer != nil {
		c.at(dueUndecodable, max(c.now, s.allowed.tellAt))
	}
}

// setAside has a sink that waits for nothing wait for another format of the stream.
func (c *core) setAside(s *sink, st *stream) {
	s.count.unfit++
	c.drop(DropCodec)
	s.next, s.nextAt, s.unfit = st, len(st.unfit), true
	st.unfit = append(st.unfit, s)
	c.doubt(s)
}

// doubt has the observer told if the sink cannot show something, unless that is over soon.
func (c *core) doubt(s *sink) {
	if c.o.Observer == nil || s.doubted {
		return
	}
	s.doubted = true
	c.doubts = append(c.doubts, s)
	c.at(dueUndecodable, c.now+ns(undecodableEvery))
}

// undecodable describes what the sink cannot show.
func (s *sink) undecodable() Undecodable {
	u := Undecodable{Peer: s.peer.id, Member: s.peer.member, MID: s.section.MID}
	if s.allowed.paused && s.active && s.peer.ready {
		u.Track, u.Paused = s.want.Track, true
		return u
	}
	if s.cur != nil || s.next == nil || s.peer.down.sinks[s.section.MID] != s {
		return u
	}
	st := s.next
	switch {
	case st.format == nil && s.told != nil && s.told.Track == st.track.key:
		return *s.told // its codec is changing; until it is known, that is how things are
	case st.fits(s.formats):
		return u
	}
	u.Track, u.Sent, u.Offered = st.track.key, st.format.Label(), codec.Offered(st.format.Format, s.formats)
	return u
}

// tellUndecodable tells the observer what has changed, and comes back while there is a sink that cannot show
// something.
func (c *core) tellUndecodable() {
	kept := c.doubts[:0]
	for _, s := range c.doubts {
		if s.allowed.paused && c.now < s.allowed.tellAt {
			kept = append(kept, s)
			c.at(dueUndecodable, s.allowed.tellAt)
			continue
		}
		u := s.undecodable()
		is := u.Track.Member != 0
		if is && (s.told == nil || *s.told != u) || !is && s.told != nil {
			c.o.Observer.Undecodable(u)
		}
		s.doubted, s.told = is, nil
		if is {
			s.told = &u
			kept = append(kept, s)
		}
	}
	clear(c.doubts[len(kept):])
	if c.doubts = kept; len(kept) > 0 {
		c.at(dueUndecodable, c.now+ns(undecodableEvery))
	}
}
