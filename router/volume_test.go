package router

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"

	"parlor/packet"
)

// notes is an Observer that keeps what it is told.
type notes struct {
	w       *world
	deaf    bool
	volumes []Volumes
	at      []int64
	samples []Sample

	undecodable []Undecodable
	demands     []Demand
}

func (n *notes) Demand(d Demand) { n.demands = append(n.demands, d) }

func (n *notes) Undecodable(u Undecodable) { n.undecodable = append(n.undecodable, u) }

func (n *notes) Samples(l []Sample) { n.samples = append(n.samples, l...) }

// last returns the last sample of a member.
func (n *notes) last(m MemberID) (s Sample) {
	for _, x := range n.samples {
		if x.Member == m {
			s = x
		}
	}
	return s
}

func (n *notes) Listening() bool { return !n.deaf }

func (n *notes) Volumes(v Volumes) {
	n.volumes = append(n.volumes, v)
	n.at = append(n.at, n.w.now)
}

// String returns the volumes as "active:member,member".
func (n *notes) String() string {
	var l []string
	for _, v := range n.volumes {
		var who []string
		for _, x := range v.Speaking {
			who = append(who, fmt.Sprint(x.Member))
		}
		l = append(l, fmt.Sprintf("%d:%s", v.Active, strings.Join(who, ",")))
	}
	return strings.Join(slices.Compact(l), " ")
}

// talker is a member with a microphone.
type talker struct {
	sender
	member MemberID
	level  uint8 // of what it says, -dBov
	bare   bool  // without the extension
	says   []byte
}

// observed returns a world whose room is listened to.
func observed(t *testing.T) (*world, *notes) {
	w := newWorld(t)
	n := &notes{w: w}
	w.c.o.Observer = n
	return w, n
}

// talker joins as peer and member id, silent at first.
func (w *world) talker(id MemberID) *talker {
	w.t.Helper()
	peer := packet.PeerID(id)
	w.join(peer, id, map[string]Source{"a": Mic}, pubAudio("a", uint32(id)*100))
	return &talker{sender: sender{w: w, peer: peer, ssrc: uint32(id) * 100, pt: opus.PT, seq: uint16(id) * 1000, ts: uint32(id) * 99999}, member: id, level: silence, says: []byte{0xfc}}
}

const (
	silence = 127
	speaks  = 30
	shouts  = 15
)

// next returns the next packet of 20 ms. Its payload ends with the number of the packet.
func (k *talker) next() []byte {
	raw := k.packet(false, slices.Clone(k.says))
	k.ts += 960
	if k.bare {
		return raw
	}
	var p rtp.Packet
	k.w.must(p.Unmarshal(raw))
	k.w.must(p.SetExtension(pubExt.AudioLevel, []byte{k.level}))
	raw, err := p.Marshal()
	k.w.must(err)
	return raw
}

// talk makes all of them send for so long, each at its level.
func (w *world) talk(d time.Duration, all ...*talker) {
	for ; d > 0; d -= 20 * time.Millisecond {
		for _, k := range all {
			w.deliver(k.peer, false, k.next())
		}
		w.pass(20 * time.Millisecond)
	}
}

func TestVolumesOfThoseWhoSpeak(t *testing.T) {
	w, n := observed(t)
	ann, bob, eve := w.talker(1), w.talker(2), w.talker(3)
	w.talk(time.Second, ann, bob, eve)
	if len(n.volumes) != 0 {
		t.Fatalf("told of silence: %v", n)
	}
	ann.level, bob.level = speaks, shouts
	w.talk(time.Second, ann, bob, eve)
	last := n.volumes[len(n.volumes)-1]
	if len(last.Speaking) != 2 || last.Speaking[0].Member != 2 || last.Speaking[1].Member != 1 || last.Active != 2 {
		t.Errorf("%+v", last)
	}
	if v := last.Speaking; v[0].Level < 90 || v[0].Level > 100 || v[1].Level < 55 || v[1].Level > 70 {
		t.Errorf("%+v", v)
	}
	if len(n.volumes) < 9 || len(n.volumes) > 11 {
		t.Errorf("told %d times in a second", len(n.volumes))
	}
	for i, at := range n.at {
		if at%ns(VolumeInterval) != 0 || n.volumes[i].Tick != at/ns(VolumeInterval) {
			t.Errorf("told at %d, tick %d", at, n.volumes[i].Tick)
		}
	}
}

func TestVolumesEndWithSilence(t *testing.T) {
	for _, dtx := range []bool{false, true} {
		t.Run(fmt.Sprint("dtx ", dtx), func(t *testing.T) {
			w, n := observed(t)
			ann := w.talker(1)
			ann.level = speaks
			w.talk(time.Second, ann)
			ann.level = silence
			if dtx {
				w.pass(3 * time.Second)
			} else {
				w.talk(3*time.Second, ann)
			}
			last := n.volumes[len(n.volumes)-1]
			if len(last.Speaking) != 0 || !last.Changed || last.Active != 1 {
				t.Fatalf("the last word was %+v", last)
			}
			if before := n.volumes[len(n.volumes)-2]; len(before.Speaking) == 0 {
				t.Errorf("silence told twice")
			}
			told := len(n.volumes)
			w.talk(5*time.Second, ann)
			if len(n.volumes) != told || w.c.due[dueVolumes] != 0 {
				t.Errorf("told %d more times, next at %d", len(n.volumes)-told, w.c.due[dueVolumes])
			}
		})
	}
}

func TestNobodyListensNothingIsTold(t *testing.T) {
	w, n := observed(t)
	ann := w.talker(1)
	ann.level = speaks
	n.deaf = true
	w.talk(time.Second, ann)
	if len(n.volumes) != 0 || w.c.due[dueVolumes] != 0 {
		t.Fatalf("told %v, next at %d", n, w.c.due[dueVolumes])
	}
	n.deaf = false
	w.talk(300*time.Millisecond, ann)
	if len(n.volumes) < 2 || !n.volumes[0].Changed || n.volumes[0].Active != 1 {
		t.Errorf("who comes to listen hears %+v", n.volumes)
	}
	n.deaf = true
	w.talk(300*time.Millisecond, ann)
	if w.c.due[dueVolumes] != 0 {
		t.Error("goes on when nobody listens any more")
	}
}

func TestActiveSpeakerTakesTurns(t *testing.T) {
	w, n := observed(t)
	ann, bob := w.talker(1), w.talker(2)
	for _, x := range []struct{ ann, bob uint8 }{{speaks, silence}, {silence, speaks}, {silence, silence}, {speaks, silence}} {
		ann.level, bob.level = x.ann, x.bob
		w.talk(2*time.Second, ann, bob)
	}
	var turns []MemberID
	changes := 0
	for _, v := range n.volumes {
		turns = append(turns, v.Active)
		if v.Changed && len(v.Speaking) > 0 {
			changes++
		}
	}
	if got := fmt.Sprint(slices.Compact(turns)); got != "[0 1 2 1]" && got != "[1 2 1]" || changes != 3 {
		t.Errorf("turns %v, %d changes", got, changes)
	}
}

func TestWhoIsMutedOrGoneIsNotHeard(t *testing.T) {
	for _, how := range []string{"muted", "gone"} {
		t.Run(how, func(t *testing.T) {
			w, n := observed(t)
			ann, bob := w.talker(1), w.talker(2)
			ann.level, bob.level = shouts, speaks
			w.talk(time.Second, ann, bob)
			if how == "muted" {
				w.must(w.c.setPublishing(TrackKey{1, Mic}, false, w.now))
			} else {
				w.must(w.c.detach(1, w.now))
			}
			n.volumes = nil
			w.talk(400*time.Millisecond, bob)
			for _, v := range n.volumes {
				if v.Active == 1 || slices.ContainsFunc(v.Speaking, func(x Volume) bool { return x.Member == 1 }) {
					t.Fatalf("still heard: %+v", v)
				}
			}
			if got := n.volumes[0]; !got.Changed || got.Active != 2 {
				t.Errorf("first told %+v", got)
			}
			w.must(w.c.detach(2, w.now))
			w.pass(time.Second)
			if last := n.volumes[len(n.volumes)-1]; last.Active != 0 || len(last.Speaking) != 0 {
				t.Errorf("told last: %+v", last)
			}
		})
	}
}

// TestWhoHasTheFloorInSilenceLosesItByLeaving: this holds though no packet comes.
func TestWhoHasTheFloorInSilenceLosesItByLeaving(t *testing.T) {
	w, n := observed(t)
	ann := w.talker(1)
	ann.level = speaks
	w.talk(time.Second, ann)
	w.pass(10 * time.Second)
	n.volumes = nil
	w.must(w.c.detach(1, w.now))
	w.pass(time.Second)
	if len(n.volumes) != 1 || n.volumes[0].Active != 0 || !n.volumes[0].Changed {
		t.Errorf("told %+v", n.volumes)
	}
}

// TestWhoDoesNotSayHowLoud: such a member has no volume, and nothing is told of it.
func TestWhoDoesNotSayHowLoud(t *testing.T) {
	w, n := observed(t)
	ann := w.talker(1)
	ann.bare = true
	w.talk(time.Second, ann)
	if len(n.volumes) != 0 || w.c.due[dueVolumes] != 0 {
		t.Errorf("told %v, next at %d", n, w.c.due[dueVolumes])
	}
}

// TestVolumesAreBounded: a hundred members speak, and the loudest of them are told.
func TestVolumesAreBounded(t *testing.T) {
	w, n := observed(t)
	var all []*talker
	for id := range MemberID(100) {
		k := w.talker(id + 1)
		k.level = speaks
		if id == 77 {
			k.level = shouts
		}
		all = append(all, k)
	}
	w.talk(500*time.Millisecond, all...)
	last := n.volumes[len(n.volumes)-1]
	if len(last.Speaking) != maxVolumes || last.Speaking[0].Member != 78 {
		t.Errorf("%d told, first %v", len(last.Speaking), last.Speaking[0])
	}
}
