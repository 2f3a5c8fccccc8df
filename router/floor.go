package router

import (
	"slices"

	"parlor/packet"
	"parlor/router/speech"
)

// The floor: places for the loudest of a room. A section that watches a place (Loudest) hears whoever has it.
// The room decides who that is by the packets that come in. So a change costs a look at the sinks of one
// place, whatever the number of publishers. Receivers with room for fewer voices have a floor of their own
// size.

// MaxLoudest bounds Options.Loudest.
const MaxLoudest = 16

// The members that stand for places: no caller numbers a user like that.
const firstPlace = MemberID(1<<64 - MaxLoudest*MaxLoudest)

// Loudest returns what to watch to hear the n-th of the so many loudest (of), n from 0 to of-1, of from 1 to
// Options.Loudest. A member that has a place keeps it, silent too, until another one that speaks needs it. A
// member does not hear itself: while it has the place, that is silent.
func Loudest(n, of int) TrackKey {
	return TrackKey{Member: firstPlace + MemberID((of-1)*MaxLoudest+n), Source: Mic}
}

// place returns which place a key stands for, and of which size of floor, less 1.
func (k TrackKey) place() (n, size int, ok bool) {
	i := int(k.Member - firstPlace)
	return i % MaxLoudest, i / MaxLoudest, k.Member >= firstPlace
}

// lookBack is how much of what came before the packet with which somebody is found to speak is sent as well,
// in ns. It is the beginning of the first syllable, which is softer. Higher keeps more of it, and has that
// talkspurt played later by as much.
const lookBack = 100e6

// floor is who has the places. Two lists, since what decides about them knows voices only.
type floor struct {
	tracks []*track        // by place; nil: free
	voices []*speech.Voice // of tracks
	sinks  int             // that watch places; without any nobody takes one
}

// floors are those of a room.
type floors struct {
	sizes []floor // by size, less 1
	sinks int     // that watch places of any
}

// newFloors returns a floor of each size.
func newFloors(most int) []floor {
	all := make([]floor, most)
	for i := range all {
		all[i] = floor{tracks: make([]*track, i+1), voices: make([]*speech.Voice, i+1)}
	}
	return all
}

// shown returns the track that a sink is to show, nil if it is not there.
func (c *core) shown(s *sink) *track {
	n, size, ok := s.want.Track.place()
	if !ok {
		return c.present(s.want.Track)
	}
	if size >= len(c.floors.sizes) || n > size {
		return nil
	}
	if t := c.floors.sizes[size].tracks[n]; t != nil && t.present && t.key.Member != s.peer.member {
		return t
	}
	return nil
}

// countPlaces notes that a sink watches another key than before.
func (c *core) countPlaces(old, now TrackKey) {
	for _, x := range [...]struct {
		k TrackKey
		n int
	}{{old, -1}, {now, 1}} {
		if _, size, ok := x.k.place(); ok && size < len(c.floors.sizes) {
			c.floors.sizes[size].sinks += x.n
			c.floors.sinks += x.n
		}
	}
}

// keepsUnwatched says whether the packets of a stream that nobody gets are kept, since its publisher may get
// the floor.
func (c *core) keepsUnwatched(t *track) bool {
	return c.floors.sinks > 0 && t.key.Source.Kind() == packet.Audio
}

// takePlaces gives places to the track of a packet with which it is found to speak, if it is louder than
// others. The packet is in the ring, and not forwarded yet.
func (c *core) takePlaces(t *track, m *media) {
	taken := false
	for size := range c.floors.sizes {
		f := &c.floors.sizes[size]
		if f.sinks == 0 || slices.Contains(f.tracks, t) {
			continue
		}
		n := speech.Seat(f.voices, &t.voice, m.at)
		if n < 0 {
			continue
		}
		c.sendRuns()
		f.tracks[n], f.voices[n] = t, &t.voice
		c.totals.SpeakerSwitches++
		c.retargetPlace(n, size)
		taken = true
	}
	if taken {
		c.beginEarlier(t.layers[0], m)
	}
}

// leavePlaces takes its places from a track that is no longer forwarded.
func (c *core) leavePlaces(t *track) {
	for size := range c.floors.sizes {
		f := &c.floors.sizes[size]
		if n := slices.Index(f.tracks, t); n >= 0 {
			f.tracks[n], f.voices[n] = nil, nil
			c.retargetPlace(n, size)
		}
	}
}

func (c *core) retargetPlace(n, size int) {
	for _, s := range c.wants[Loudest(n, size+1)] {
		c.retarget(s)
	}
}

// beginEarlier has those that wait for a stream of sound begin with what came shortly before a packet. Its
// timestamps go on from now, not from when it came: a receiver would throw away what lies before what it has
// played.
func (c *core) beginEarlier(st *stream, m *media) {
	first := m.ext
	for s := st.ring.Get(first - 1); s != nil && m.at-s.At <= lookBack; s = st.ring.Get(first - 1) {
		first--
	}
	if first == m.ext || len(st.waiting) == 0 {
		return // they begin with the packet
	}
	earlier := c.slot()
	defer c.free(earlier)
	if c.recall(st, first, earlier) {
		earlier.at = m.at
		begun := c.beginWaiting(st, earlier)
		begins := st.sinks[len(st.sinks)-begun:]
		for _, s := range begins {
			c.send(s, earlier)
		}
		c.catchUp(st, first, begins)
	}
}
