package router

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"parlor/packet"
)

// ear is a member with a section for each place of the floor.
type ear struct {
	*capture
	ssrcs []uint32
}

func (w *world) ear(id MemberID, places int) *ear { return w.earOf(packet.PeerID(id), id, places) }

func (w *world) earOf(id packet.PeerID, m MemberID, places int) *ear {
	w.t.Helper()
	e := &ear{}
	var secs []packet.Section
	for i := range places {
		ssrc := uint32(id)*1000 + uint32(i)
		e.ssrcs = append(e.ssrcs, ssrc)
		secs = append(secs, seatAudio(fmt.Sprint("p", i), ssrc))
	}
	e.capture = w.join(id, m, nil, secs...)
	for i := range places {
		w.must(w.c.watch(id, fmt.Sprint("p", i), Want{Track: Loudest(i, places)}, w.now))
	}
	return e
}

// heardPacket is a packet that came in a section, as its talker and its number.
type heardPacket struct {
	who MemberID
	n   uint32
}

// mark makes the talker's packets say whose they are.
func (k *talker) mark() *talker {
	k.says = []byte{0xfc, byte(k.member)}
	return k
}

// heard returns the packets that came in a section.
func (e *ear) heard(section int) []heardPacket {
	var l []heardPacket
	for _, p := range e.rtp {
		if p.SSRC == e.ssrcs[section] {
			l = append(l, heardPacket{MemberID(p.Payload[1]), binary.BigEndian.Uint32(p.Payload[2:])})
		}
	}
	return l
}

// who returns whose packets came, in turn, by section.
func (e *ear) who() string {
	out := ""
	for i := range e.ssrcs {
		var l []MemberID
		for _, h := range e.heard(i) {
			l = append(l, h.who)
		}
		out += fmt.Sprint(slices.Compact(l))
	}
	return out
}

func (w *world) talkers(n int) []*talker {
	var all []*talker
	for i := range n {
		all = append(all, w.talker(MemberID(i+1)).mark())
	}
	return all
}

func TestTheFirstSyllableIsHeard(t *testing.T) {
	w := newWorld(t)
	all := w.talkers(5)
	e := w.ear(20, 3)
	w.talk(2*time.Second, all...)
	if len(e.rtp) != 0 {
		t.Fatalf("%d packets of silence were forwarded", len(e.rtp))
	}
	bob := all[1]
	began := bob.n // his first packet that is not silence is the next: soft, then louder
	for _, level := range []uint8{55, 50, 45, 35, 28} {
		bob.level = level
		w.talk(20*time.Millisecond, all...)
	}
	bob.level = speaks
	w.talk(time.Second, all...)
	got := e.heard(0)
	if len(got) == 0 || e.who() != "[2][][]" {
		t.Fatalf("heard %s", e.who())
	}
	if first := got[0].n; first > began+1 || first+6 < began+1 {
		t.Errorf("heard from his packet %d on, when he began with %d", first, began+1)
	}
	for i := range got {
		if got[i].n != got[0].n+uint32(i) {
			t.Fatalf("packet %d follows %d", got[i].n, got[i-1].n)
		}
	}
	p := e.rtp[0]
	if !p.Marker || e.rtp[1].Marker {
		t.Error("the beginning is not marked as that of a talkspurt")
	}
	if d := e.at[len(got)-1] - e.at[0]; d < int64(900*time.Millisecond) {
		t.Errorf("heard for %d ms", d/ms)
	}
}

// TestEarlierPacketsAreNotLate: packets of the past that are sent have timestamps that go on from now.
func TestEarlierPacketsAreNotLate(t *testing.T) {
	w := newWorld(t)
	all := w.talkers(2)
	e := w.ear(20, 1)
	ann, bob := all[0], all[1]
	ann.level = speaks
	w.talk(2*time.Second, all...)
	w.talk(2*time.Second, bob) // ann's silence is not sent
	bob.level = speaks
	w.talk(100*time.Millisecond, bob)
	n := slices.IndexFunc(e.heard(0), func(h heardPacket) bool { return h.who == 2 })
	if n < 0 {
		t.Fatalf("heard %v", e.who())
	}
	first, last, at := e.rtp[n], e.rtp[n-1], e.at[n-1]
	passed := uint32((e.at[n] - at) * 48 / int64(time.Millisecond))
	if d := first.Timestamp - last.Timestamp; d < passed || d > passed+960 {
		t.Errorf("timestamps go on by %d when %d have passed", d, passed)
	}
	for i := n + 1; i < len(e.rtp); i++ {
		if d := e.rtp[i].Timestamp - e.rtp[i-1].Timestamp; d != 960 || e.rtp[i].SequenceNumber != e.rtp[i-1].SequenceNumber+1 {
			t.Errorf("packet %d: %d ticks after the one before", i, d)
		}
	}
	if e.at[n] != e.at[n+1] {
		t.Error("nothing came of what was before")
	}
}

func TestTheLoudestHaveTheFloor(t *testing.T) {
	const soft = 42
	w := newWorld(t)
	all := w.talkers(5)
	e := w.ear(20, 3)
	speak := func(levels ...uint8) {
		for i, l := range levels {
			all[i].level = l
		}
		e.clear()
		w.talk(4*time.Second, all...)
	}
	for _, x := range []struct {
		name   string
		levels []uint8
		who    string
	}{
		{"three places", []uint8{speaks, silence, silence, silence, silence}, "[1][][]"},
		{"the next", []uint8{speaks, soft, silence, silence, silence}, "[1][2][]"},
		{"and the next", []uint8{speaks, soft, speaks, silence, silence}, "[1][2][3]"},
		{"a fourth, as soft", []uint8{speaks, soft, speaks, soft, silence}, "[1][2][3]"},
		{"a fourth, louder than the softest", []uint8{speaks, soft, speaks, soft, speaks}, "[1][2 5][3]"},
		{"who is silent stays", []uint8{speaks, silence, silence, silence, silence}, "[1][5][3]"},
		{"until the place is needed", []uint8{speaks, silence, silence, soft, silence}, "[1][5 4][3]"},
	} {
		speak(x.levels...)
		if got := e.who(); got != x.who {
			t.Errorf("%s: heard %s, not %s", x.name, got, x.who)
		}
	}
}

func TestNobodyHearsItself(t *testing.T) {
	w := newWorld(t)
	all := w.talkers(2)
	e := w.ear(20, 1)
	own := w.earOf(90, 1, 1) // another connection of the first talker
	all[0].level = speaks
	w.talk(time.Second, all...)
	if e.who() != "[1]" || len(own.rtp) != 0 {
		t.Errorf("others hear %s, it hears %s of itself", e.who(), own.who())
	}
}

// TestAPlaceEndsWithItsTrack: no packet comes afterwards, and the place is free.
func TestAPlaceEndsWithItsTrack(t *testing.T) {
	for _, how := range []string{"muted", "gone"} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			all := w.talkers(2)
			e := w.ear(20, 1)
			all[0].level, all[1].level = shouts, speaks
			w.talk(time.Second, all...)
			if e.who() != "[1]" {
				t.Fatalf("heard %s", e.who())
			}
			if how == "muted" {
				w.must(w.c.setPublishing(TrackKey{1, Mic}, false, w.now))
			} else {
				w.must(w.c.detach(1, w.now))
			}
			if f := w.c.floors.sizes[0]; f.tracks[0] != nil || f.voices[0] != nil {
				t.Error("the place is not free")
			}
			e.clear()
			w.talk(time.Second, all...)
			if e.who() != "[2]" {
				t.Errorf("heard %s", e.who())
			}
		})
	}
}

// TestWhoComesLaterHearsWhoHasThePlace: a receiver that comes later hears the talker that has the place. One
// that leaves costs nothing.
func TestWhoComesLaterHearsWhoHasThePlace(t *testing.T) {
	w := newWorld(t)
	all := w.talkers(2)
	e := w.ear(20, 2)
	all[0].level = speaks
	w.talk(time.Second, all...)
	late := w.ear(21, 2)
	w.talk(200*time.Millisecond, all...)
	if late.who() != "[1][]" {
		t.Errorf("heard %s", late.who())
	}
	w.must(w.c.detach(20, w.now))
	w.must(w.c.watch(21, "p0", Want{}, w.now))
	w.must(w.c.detach(21, w.now))
	if w.c.floors.sinks != 0 {
		t.Errorf("%d sinks of places are counted when there is none", w.c.floors.sinks)
	}
	e.clear()
	w.talk(time.Second, all...)
	if len(e.rtp) != 0 || w.c.tracks[TrackKey{2, Mic}][0].layers[0].ring.Len() != 0 {
		t.Error("packets are kept for nobody")
	}
}

// TestFloorsOfAllSizes: a receiver with room for one voice hears one of those that others hear. A key that is
// no place shows nothing.
func TestFloorsOfAllSizes(t *testing.T) {
	w := newWorld(t)
	all := w.talkers(3)
	three, one, none := w.ear(20, 3), w.ear(21, 1), w.ear(22, MaxLoudest)
	for _, k := range all {
		w.talk(2*time.Second, all...)
		for _, x := range all {
			x.level = silence
		}
		k.level = speaks
	}
	w.talk(2*time.Second, all...)
	if three.who() != "[1][2][3]" || one.who() != "[1 2 3]" || len(none.rtp) != 0 {
		t.Errorf("heard %s, %s and %s", three.who(), one.who(), none.who())
	}
	for _, key := range []TrackKey{Loudest(2, 2), Loudest(0, MaxLoudest), {Member: 1<<64 - 1, Source: Mic}} {
		w.must(w.c.watch(20, "p0", Want{Track: key}, w.now))
	}
	w.must(w.c.watch(20, "p0", Want{}, w.now))
	if w.c.floors.sinks != 3 {
		t.Errorf("%d sinks are counted, not 3", w.c.floors.sinks)
	}
}

// TestPlacesBesideASeat: a member is seated as well as on the floor, before and after. Each of its packets is
// sent once in each section.
func TestPlacesBesideASeat(t *testing.T) {
	w := newWorld(t)
	all := w.talkers(2)
	seat := w.join(30, 30, nil, seatAudio("s", 77))
	w.watch(30, "s", 1, Mic, High)
	e := w.ear(20, 1)
	w.talk(time.Second, all...)
	all[0].level = speaks
	w.talk(time.Second, all...)
	seqs := seat.seqs(77)
	for i := 1; i < len(seqs); i++ {
		if seqs[i] != seqs[i-1]+1 {
			t.Fatalf("seat: %d follows %d", seqs[i], seqs[i-1])
		}
	}
	if len(seqs) != 100 || e.who() != "[1]" {
		t.Errorf("%d packets in the seat, on the floor %s", len(seqs), e.who())
	}
}

// TestPlacesBesideASeatInABatch is the same if what the seat gets waits for the end of the batch.
func TestPlacesBesideASeatInABatch(t *testing.T) {
	w := newWorld(t)
	ann := w.talker(1).mark()
	w.join(30, 30, nil, seatAudio("s", 77))
	w.watch(30, "s", 1, Mic, High)
	e := w.ear(20, 1)
	for i := range 20 {
		var batch [][]byte
		for range 4 {
			if i == 10 && len(batch) == 2 {
				ann.level = speaks
			}
			batch = append(batch, ann.next())
		}
		w.deliver(1, false, batch...)
		w.pass(80 * time.Millisecond)
	}
	got := e.heard(0)
	for i := 1; i < len(got); i++ {
		if got[i].n != got[i-1].n+1 {
			t.Fatalf("packet %d follows %d", got[i].n, got[i-1].n)
		}
	}
	if len(got) < 38 {
		t.Errorf("%d packets", len(got))
	}
}

// TestTheFloorOverABadNetwork: six talk at random, and packets come late, twice or not at all. No number is
// given to two packets, and timestamps rise with numbers. A member that speaks alone for a while is heard
// from the beginning.
func TestTheFloorOverABadNetwork(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			w := newWorld(t)
			all := w.talkers(6)
			e := w.ear(20, 2)
			late := map[*talker][]byte{}
			for step := range 3000 {
				for _, k := range all {
					if rng.IntN(60) == 0 {
						k.level = []uint8{silence, silence, silence, speaks, shouts, 45}[rng.IntN(6)]
					}
					raw := k.next()
					switch n := rng.IntN(50); {
					case n == 0: // lost
					case n == 1:
						late[k] = raw
					case n == 2:
						w.deliver(k.peer, false, raw, raw)
					default:
						w.deliver(k.peer, false, raw)
						if l := late[k]; l != nil {
							w.deliver(k.peer, false, l)
							delete(late, k)
						}
					}
				}
				if step%500 == 250 {
					k := all[rng.IntN(len(all))]
					w.must(w.c.setPublishing(TrackKey{k.member, Mic}, step%1000 == 250, w.now))
				}
				w.pass(20 * time.Millisecond)
			}
			for i := range e.ssrcs {
				e.check(t, i)
			}
		})
	}
}

// check looks at the order of what came in a section.
func (e *ear) check(t *testing.T, section int) {
	t.Helper()
	type sent struct {
		ts uint32
		heardPacket
	}
	by := map[uint16]sent{}
	heard := e.heard(section)
	n := 0
	for _, p := range e.rtp {
		if p.SSRC != e.ssrcs[section] {
			continue
		}
		now := sent{p.Timestamp, heard[n]}
		n++
		if old, ok := by[p.SequenceNumber]; ok && old != now {
			t.Fatalf("number %d is given to %v and %v", p.SequenceNumber, old, now)
		} else if ok {
			t.Fatalf("number %d is sent twice", p.SequenceNumber)
		}
		if before, ok := by[p.SequenceNumber-1]; ok && int32(now.ts-before.ts) <= 0 {
			t.Fatalf("number %d: timestamp goes back, %v after %v", p.SequenceNumber, now, before)
		}
		by[p.SequenceNumber] = now
	}
	if n < 300 {
		t.Errorf("only %d packets in section %d", n, section)
	}
}

// TestTheFloorDoesNotAllocate: it does not allocate per packet. Its change does not allocate more than once
// for each receiver.
func TestTheFloorDoesNotAllocate(t *testing.T) {
	l := newLoad(t, 20, Mic, false)
	for i := range 20 {
		if err := l.c.watch(packet.PeerID(10+i), "5", Want{Track: Loudest(0, 1)}, l.now); err != nil {
			t.Fatal(err)
		}
	}
	for range 3000 {
		l.deliver(1, 1)
	}
	before := l.out.packets
	const runs = 200
	got := testing.AllocsPerRun(runs, func() { l.deliver(1, 8) })
	if n := l.out.packets - before; n != (runs+1)*8*20 {
		t.Fatalf("%d packets forwarded", n)
	}
	if got > 0.5 && !raceEnabled {
		t.Errorf("%v allocations per batch of 8 packets to 20 sinks", got)
	}
}
