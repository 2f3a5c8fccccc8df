package router

import (
	"cmp"
	"slices"
	"time"

	"parlor/packet"
	"parlor/router/codec"
	"parlor/router/header"
	"parlor/router/speech"
)

// VolumeInterval is the time between two Volumes while somebody speaks.
const VolumeInterval = 100 * time.Millisecond

// maxVolumes bounds the users in Volumes; the softest are left out. Nobody can follow more, and a room may
// have hundreds.
const maxVolumes = 32

// Volume is how loud a member's microphone is.
type Volume struct {
	Member MemberID
	Level  int // 1–100
}

// Volumes is who speaks in a room at a moment.
type Volumes struct {
	Speaking []Volume // the loudest first; empty: everybody has gone silent
	Active   MemberID // who has the floor: the present speaker, or the last; 0: nobody yet, or gone
	Changed  bool     // Active is another one than the last time, or Speaking has become empty
	Tick     int64    // the moment, in VolumeIntervals
}

// Observer is told what a room notices. The room's goroutine calls it. It must not block, nor call the Room.
type Observer interface {
	// Listening says whether anybody wants Volumes.
	Listening() bool
	// Volumes is called every VolumeInterval while somebody listens and somebody speaks, and once when all
	// have gone silent. What it is given is the observer's to keep.
	Volumes(Volumes)
	// Undecodable is called when a section cannot show what it is to show, and when that is over, a second
	// later at most.
	Undecodable(Undecodable)
	// Demand is called when other layers of a track are wanted than before, and when a track begins. What it
	// is given is the observer's to keep.
	Demand(Demand)
	// Samples is called with those of some peers of the room. Each peer has one every SampleInterval while
	// media flows to or from it, and once more after that. They are the observer's to keep.
	Samples([]Sample)
}

// volumes is what a room knows of who speaks.
type volumes struct {
	active  MemberID
	told    MemberID // active, as observers know it
	audible bool     // the last Volumes had somebody in it
}

// hear takes in the level of a packet of an audio track that is forwarded.
func (c *core) hear(t *track, m *media) {
	known := m.Has&header.AudioLevel != 0
	if !known && m.format.ID != codec.Opus && m.format.ID != codec.RED {
		return // G.711 and G.722 go on during silence: that packets come does not say that somebody speaks
	}
	loud := t.voice.Packet(m.AudioLevel, known, m.Timestamp, m.format.Clock, m.at)
	if loud {
		c.takePlaces(t, m)
	}
	if loud && known && c.due[dueVolumes] == 0 && c.listened() {
		c.at(dueVolumes, onVolumeGrid(c.now))
	}
}

// listened says whether somebody wants Volumes.
func (c *core) listened() bool { return c.o.Observer != nil && c.o.Observer.Listening() }

// onVolumeGrid returns the next moment for Volumes after now.
func onVolumeGrid(now int64) int64 { return (now/ns(VolumeInterval) + 1) * ns(VolumeInterval) }

// tellVolumes tells the observer who speaks.
func (c *core) tellVolumes() {
	if !c.listened() {
		c.volumes.audible, c.volumes.told = false, 0
		return
	}
	v := Volumes{Tick: c.now / ns(VolumeInterval)}
	for key := range c.tracks {
		if t := c.present(key); t != nil && key.Source == Mic {
			if level := t.voice.Volume(c.now); level > 0 {
				v.Speaking = append(v.Speaking, Volume{key.Member, level})
			}
		}
	}
	slices.SortFunc(v.Speaking, func(a, b Volume) int {
		return cmp.Or(cmp.Compare(b.Level, a.Level), cmp.Compare(a.Member, b.Member))
	})
	v.Speaking = v.Speaking[:min(len(v.Speaking), maxVolumes)]
	c.volumes.active = c.activeSpeaker(v.Speaking)
	c.tell(v)
}

// activeSpeaker returns the member that has the floor after this. It is the loudest that takes it over, or
// still the one that has it.
func (c *core) activeSpeaker(speaking []Volume) MemberID {
	active := c.present(TrackKey{c.volumes.active, Mic})
	for _, v := range speaking {
		if t := c.present(TrackKey{v.Member, Mic}); t != active && t.voice.Dominates(voiceOf(active), c.now) {
			return v.Member
		}
	}
	if active == nil {
		return 0
	}
	return active.key.Member
}

// tell passes volumes on, unless they are of silence that is known, and comes back while there is sound.
func (c *core) tell(v Volumes) {
	audible := len(v.Speaking) > 0
	v.Active = c.volumes.active
	v.Changed = v.Active != c.volumes.told || c.volumes.audible && !audible
	if audible || v.Changed {
		c.o.Observer.Volumes(v)
	}
	c.volumes.told, c.volumes.audible = v.Active, audible
	if audible {
		c.at(dueVolumes, onVolumeGrid(c.now))
	}
}

func voiceOf(t *track) *speech.Voice {
	if t == nil {
		return nil
	}
	return &t.voice
}

// quiet has the observer told soon that a track is not heard any more.
func (c *core) quiet(t *track) {
	if t.key.Source.Kind() != packet.Audio {
		return
	}
	t.voice = speech.Voice{}
	if t.key.Member == c.volumes.told && c.listened() {
		c.at(dueVolumes, c.now)
	}
}
