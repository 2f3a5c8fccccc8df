package router

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"parlor/packet"
	"parlor/router/pace"
)

// big makes packets as large as those of a keyframe.
func big(raws [][]byte) [][]byte {
	for i, raw := range raws {
		raws[i] = append(raw, make([]byte, 1200-len(raw))...)
	}
	return raws
}

// delays returns how many packets were sent so many steps after at, in ms.
func (o *capture) delays(at int64) map[int64]int {
	n := map[int64]int{}
	for _, t := range o.at {
		n[(t-at)/ms]++
	}
	return n
}

// inARow fails unless the numbers of an SSRC are consecutive.
func (o *capture) inARow(ssrc uint32, want int) {
	o.w.t.Helper()
	got := o.seqs(ssrc)
	for i := range got {
		if got[i] != got[0]+uint16(i) {
			o.w.t.Fatalf("numbers %v, want them in a row", got)
		}
	}
	if len(got) != want {
		o.w.t.Fatalf("%d packets, want %d", len(got), want)
	}
}

func TestBurstLeavesInSteps(t *testing.T) {
	for _, off := range []bool{false, true} {
		t.Run(fmt.Sprintf("off %v", off), func(t *testing.T) {
			w := newWorld(t)
			w.c.o.NoPacing = off
			w.join(1, 1, map[string]Source{"0": Camera}, pubVideo("0", 100))
			var subs []*capture
			for id := packet.PeerID(10); id < 40; id++ {
				subs = append(subs, w.join(id, MemberID(id), nil, seatVideo("5", uint32(id)*1000)))
				w.watch(id, "5", 1, Camera, High)
			}
			s := w.vp8(1, 100)
			began := w.now
			w.deliver(1, false, big(s.frame(true, 60))...)
			steps := 0
			for w.c.due[duePace] != 0 {
				w.now = w.c.due[duePace]
				w.c.tick(w.now)
				steps++
			}
			for i, sub := range subs {
				sub.inARow(uint32(10+i)*1000, 60)
				d := sub.delays(began)
				if off {
					if d[0] != 60 {
						t.Fatalf("with pacing off packets left as follows: %v", d)
					}
					continue
				}
				if d[0] < 16 || d[0] > 30 || len(d) < 4 {
					t.Fatalf("packets by ms of delay: %v, want some at once and the rest in steps", d)
				}
				for at, n := range d {
					if at > pace.Bound/ms || at > 0 && n > 15 {
						t.Fatalf("packets by ms of delay: %v, want no second burst, and all within the bound", d)
					}
				}
			}
			held := w.c.totals.Paced
			if off && (held != 0 || steps != 0) || !off && (held < 30 || held > 44 || steps > 5) {
				t.Errorf("%d packets held, %d wake-ups for 30 receivers", held, steps)
			}
			if len(w.c.pacing) != 0 || len(w.c.out.free) != maxSlots {
				t.Errorf("%d streams still paced, %d slots free", len(w.c.pacing), len(w.c.out.free))
			}
			w.pass(time.Second)
			w.deliver(1, false, big(s.frame(false, 1))...)
			if n := len(subs[0].rtp); n != 61 {
				t.Errorf("%d packets, want a lone one at once", n)
			}
		})
	}
}

// A burst of one publisher, and what others send meanwhile.
func TestBurstsDelayNobodyElse(t *testing.T) {
	w, a, b, _ := meeting(t)
	w.join(4, 4, map[string]Source{"1": Mic}, pubAudio("1", 400))
	mic := &sender{w: w, peer: 4, ssrc: 400, pt: opus.PT, seq: 5}
	seats := []packet.Section{seatVideo("5", 5000), seatVideo("6", 6000), seatAudio("7", 7000)}
	sub := w.join(9, 9, nil, seats...)
	w.watch(9, "5", 1, Camera, High)
	w.watch(9, "6", 2, Camera, High)
	w.watch(9, "7", 4, Mic, High)
	w.deliver(2, false, big(b.frame(true, 1))...)
	w.pass(time.Second)
	sub.clear()
	w.deliver(1, false, big(a.frame(true, 60))...)
	if n := len(sub.seqs(5000)); n == 60 {
		t.Fatal("the burst is not paced")
	}
	w.deliver(2, false, big(b.frame(false, 1))...)
	var sound [][]byte
	for range 60 {
		sound = append(sound, mic.audio())
	}
	w.deliver(4, false, big(sound)...)
	if v, s := len(sub.seqs(6000)), len(sub.seqs(7000)); v != 1 || s != 60 {
		t.Fatalf("%d video and %d audio packets beside a burst of somebody else, want 1 and 60", v, s)
	}
	w.pass(3 * time.Millisecond)
	second := w.now
	w.deliver(2, false, big(b.frame(false, 59))...)
	for w.c.due[duePace] != 0 {
		w.pass(time.Duration(w.c.due[duePace] - w.now))
		if late := w.now - second; late > pace.Bound {
			t.Fatalf("packets are still held after %d ms", late/ms)
		}
	}
	sub.inARow(5000, 60)
	sub.inARow(6000, 60)
	for i, p := range sub.rtp {
		if p.SSRC == 5000 && sub.at[i] > second-3*ms+pace.Bound {
			t.Fatal("the second burst delays the first")
		}
	}
}

// Packets that a browser's pacer has spread are forwarded as they come. They are frames of 2.5 Mbit/s,
// keyframes among them, 5 ms or 40 ms at a time.
func TestWhatIsPacedAlreadyIsNotDelayed(t *testing.T) {
	for _, every := range []int64{5, 40} {
		w, a, _, sub := meeting(t)
		w.watch(3, "5", 1, Camera, High)
		var queue [][]byte
		budget := int64(0)
		for i := range int64(10_000) { // ms
			if i%40 == 0 {
				n := 10
				if i%2000 == 0 {
					n = 60
				}
				queue = append(queue, big(a.frame(i%2000 == 0, n))...)
			}
			if i%every == 0 {
				budget = min(budget+every*780, every*780) // bytes: two and a half times the bitrate
				for len(queue) > 0 && budget > 0 {
					w.deliver(1, false, queue[0])
					if int(a.n)-len(queue)+1 != len(sub.rtp) {
						t.Fatalf("a packet is held after %d ms", i)
					}
					budget -= 1200
					queue = queue[1:]
				}
			}
			w.pass(time.Millisecond)
		}
		if w.c.totals.Paced != 0 || len(sub.rtp) < 2400 {
			t.Errorf("%d of %d packets held", w.c.totals.Paced, len(sub.rtp))
		}
	}
}

// backlog makes packets of the first publisher be held.
func backlog(t *testing.T) (w *world, a *sender, sub *capture) {
	w, a, _, sub = meeting(t)
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, big(a.frame(true, 60))...)
	if n := len(sub.rtp); n == 0 || n > 40 {
		t.Fatalf("%d packets of 60 left at once", n)
	}
	return w, a, sub
}

func TestNotOnePacketOfABacklogAfterwards(t *testing.T) {
	for name, end := range exits {
		t.Run(name, func(t *testing.T) {
			w, a, sub := backlog(t)
			w.pass(6 * time.Millisecond)
			seqs := sub.seqs(5000)
			end(w)
			sub.clear()
			w.pass(time.Second)
			w.deliver(1, false, big(a.frame(true, 60))...)
			w.pass(time.Second)
			w.rtcp(3, &rtcp.TransportLayerNack{MediaSSRC: 5000, Nacks: rtcp.NackPairsFromSequenceNumbers(seqs)})
			if len(sub.rtp) != 0 {
				t.Errorf("%d packets afterwards", len(sub.rtp))
			}
			if len(w.c.pacing) != 0 || w.c.due[duePace] != 0 || len(w.c.out.free) != maxSlots {
				t.Errorf("%d streams still paced, %d slots free", len(w.c.pacing), len(w.c.out.free))
			}
		})
	}
}

// A camera is off and on again within a step. Nothing of before comes, and what comes is numbered on.
func TestBacklogEndsWithPublishing(t *testing.T) {
	w, a, sub := backlog(t)
	n := len(sub.rtp)
	w.must(w.c.setPublishing(TrackKey{1, Camera}, false, w.now))
	if d := int(w.drops(DropOff)); d != 60-n {
		t.Errorf("%d packets counted as dropped, want %d", d, 60-n)
	}
	w.must(w.c.setPublishing(TrackKey{1, Camera}, true, w.now))
	w.deliver(1, false, big(a.frame(true, 60))...)
	if len(w.c.pacing) != 1 {
		t.Errorf("the stream is listed %d times", len(w.c.pacing))
	}
	w.pass(50 * time.Millisecond)
	sub.inARow(5000, n+60)
	for i, p := range sub.rtp {
		if i >= n && binary.BigEndian.Uint32(p.Payload[7:]) <= 60 {
			t.Fatal("a packet from before it was off")
		}
	}
}

// Packets that came before are forwarded first, whatever ends the way in which a stream is forwarded.
func TestBacklogGoesBeforeWhatComesNext(t *testing.T) {
	for name, next := range map[string]func(w *world, a *sender){
		"codec": func(_ *world, a *sender) { a.pt = vp9.PT },
		"restart": func(w *world, a *sender) {
			a.seq += 20_000
			w.deliver(1, false, big(a.frame(false, 1))...) // the first strange number is not believed
		},
		"leap": func(_ *world, a *sender) { a.seq += 300 },
		"payload types": func(w *world, _ *sender) {
			sec := pubVideo("0", 100)
			sec.Codecs = sec.Codecs[1:]
			w.must(w.c.update(1, []packet.Section{sec}, map[string]Source{"0": Camera}, w.now))
		},
		"extensions": func(w *world, _ *sender) {
			sec := pubVideo("0", 100)
			sec.Ext.MID, sec.Ext.AbsSendTime = sec.Ext.AbsSendTime, sec.Ext.MID
			w.must(w.c.update(1, []packet.Section{sec}, map[string]Source{"0": Camera}, w.now))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, a, sub := backlog(t)
			next(w, a)
			w.deliver(1, false, big(a.frame(false, 1))...)
			if len(sub.rtp) < 60 {
				t.Fatalf("%d packets, want the 60 from before", len(sub.rtp))
			}
			w.pass(50 * time.Millisecond)
			for i, p := range sub.rtp[:60] {
				if n := binary.BigEndian.Uint32(p.Payload[7:]); n != uint32(i+1) {
					t.Fatalf("packet %d is the publisher's %d", i, n)
				}
			}
			if w.drops(DropTooOld) != 0 {
				t.Errorf("%d packets were lost", w.drops(DropTooOld))
			}
		})
	}
}

// A sink that waits begins with a keyframe when its turn has come. It gets all that belongs to the keyframe,
// each packet once.
func TestBeginsWithAHeldKeyframe(t *testing.T) {
	w, a, sub := backlog(t)
	w.uncached()
	late := w.join(4, 4, nil, seatVideo("6", 6000))
	w.watch(4, "6", 1, Camera, High)
	f := big(a.frame(true, 12))
	w.deliver(1, false, f[3], f[0], f[1], f[2]) // one packet has overtaken the first
	w.deliver(1, false, f[4:]...)
	if len(late.rtp) != 0 {
		t.Fatalf("%d packets overtake those that are held", len(late.rtp))
	}
	w.pass(50 * time.Millisecond)
	got := late.seqs(6000)
	slices.Sort(got)
	if len(got) != 12 || len(slices.Compact(got)) != 12 {
		t.Errorf("numbers %v, want 12 different ones", late.seqs(6000))
	}
	for _, p := range late.rtp {
		if binary.BigEndian.Uint32(p.Payload[7:]) <= 60 {
			t.Error("a packet from before the keyframe")
		}
	}
	if n := len(sub.seqs(5000)); n != 72 {
		t.Errorf("%d packets to the one that was there before, want 72", n)
	}
}

// A receiver that changes to another layer gets the rest of the frame before, and the others get it in steps.
func TestLayerChangeInTheMidstOfABurst(t *testing.T) {
	w := newWorld(t)
	w.uncached()
	sec := pubVideo("0")
	sec.RIDs = []string{"l", "h"}
	w.join(1, 1, map[string]Source{"0": Camera}, sec)
	low, high := w.vp8(1, 100), w.vp8(1, 200)
	low.mid, low.rid, high.mid, high.rid = "0", "l", "0", "h"
	stays, goes := w.join(2, 2, nil, seatVideo("5", 5000)), w.join(3, 3, nil, seatVideo("5", 6000))
	w.watch(2, "5", 1, Camera, Low)
	w.watch(3, "5", 1, Camera, Low)
	w.deliver(1, false, big(high.frame(true, 1))...)
	w.deliver(1, false, big(low.frame(true, 1))...)
	stays.clear()
	goes.clear()
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, big(low.frame(true, 60))...)
	if len(goes.rtp) == 60 {
		t.Fatal("the burst is not paced")
	}
	w.deliver(1, false, big(high.frame(true, 2))...)
	goes.inARow(6000, 62)
	for i, p := range goes.rtp {
		if p.Marker != (i == 59 || i == 61) {
			t.Fatalf("packet %d: the end of the frame before is missing", i)
		}
	}
	if len(stays.rtp) == 60 {
		t.Error("the burst is let go of for others than the one who leaves")
	}
	w.pass(50 * time.Millisecond)
	stays.inARow(5000, 60)
	goes.inARow(6000, 62)
}

// A receiver that is gone when a backlog is let go of is not sent it. A packet that comes for nobody ends it.
// Else a receiver that comes back would begin in it and miss what came meanwhile.
func TestBacklogForNobody(t *testing.T) {
	w, a, sub := backlog(t)
	w.deliver(1, false, big(a.frame(true, 5))...)
	w.watch(3, "5", 2, Camera, High)
	sub.clear()
	w.deliver(1, false, big(a.frame(false, 60))...)
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, big(a.frame(true, 5))...)
	w.pass(50 * time.Millisecond)
	sub.inARow(5000, 5)
}

// Nobody gets a backlog but a receiver that waits for a keyframe in it.
func TestBacklogForWhoWaits(t *testing.T) {
	w, a, sub := backlog(t)
	w.uncached()
	w.deliver(1, false, big(a.frame(true, 12))...)
	n := len(sub.rtp)
	w.watch(3, "5", 2, Camera, High)
	late := w.join(4, 4, nil, seatVideo("6", 6000))
	w.watch(4, "6", 1, Camera, High)
	w.deliver(1, false, big(a.frame(true, 12))...)
	w.pass(50 * time.Millisecond)
	late.inARow(6000, 24)
	if len(sub.rtp) != n {
		t.Errorf("%d packets to the one who left", len(sub.rtp)-n)
	}
}

// Receivers get the same packets with and without pacing, in the same order under the same numbers. This
// holds whatever publishers send.
func TestPacingChangesNothingButTime(t *testing.T) {
	seeds, held := uint64(60), uint64(0)
	if raceEnabled {
		seeds = 15 // it is about what is sent, not about who runs when
	}
	for seed := range seeds {
		worlds := [2]*world{newWorld(t), newWorld(t)}
		worlds[1].c.o.NoPacing = true
		worlds[0].uncached()
		worlds[1].uncached()
		var subs [2][]*capture
		for i, w := range worlds {
			w.join(1, 1, map[string]Source{"0": Camera}, pubVideo("0", 100))
			for id := packet.PeerID(10); id < 13; id++ {
				subs[i] = append(subs[i], w.join(id, MemberID(id), nil, seatVideo("5", uint32(id)*1000)))
			}
		}
		script := rand.New(rand.NewPCG(seed, 2))
		a := worlds[0].vp8(1, 100)
		for range 40 {
			raws := mangle(script, a)
			gap := time.Duration(script.IntN(30)) * time.Millisecond
			if script.IntN(4) == 0 {
				gap = 100 * time.Millisecond
			}
			change, who, on := script.IntN(6) == 0, packet.PeerID(10+script.IntN(3)), MemberID(script.IntN(2))
			for _, w := range worlds {
				w.deliver(1, false, raws...)
				w.pass(gap)
				if change {
					w.pass(50 * time.Millisecond)
					w.watch(who, "5", on, Camera, High)
				}
			}
		}
		for _, w := range worlds {
			w.pass(100 * time.Millisecond)
		}
		held += worlds[0].c.totals.Paced
		for i := range subs[0] {
			same(t, seed, subs[0][i].rtp, subs[1][i].rtp)
		}
	}
	if held < 100*seeds {
		t.Errorf("only %d packets were held", held)
	}
}

// mangle makes a frame or several, out of order, with losses and repeats. Some are of another codec, or from
// a sender that has begun anew.
func mangle(r *rand.Rand, a *sender) [][]byte {
	if r.IntN(15) == 0 {
		a.pt = vp8.PT + vp9.PT - a.pt
	}
	if r.IntN(15) == 0 {
		a.seq += uint16(r.IntN(1 << 16))
	}
	if r.IntN(15) == 0 {
		a.seq += uint16(r.IntN(600))
	}
	var raws [][]byte
	for range 1 + r.IntN(3) {
		raws = append(raws, big(a.frame(r.IntN(4) == 0, 1+r.IntN(60)))...)
	}
	for i := range raws {
		if r.IntN(12) == 0 {
			j := min(i+r.IntN(8), len(raws)-1)
			raws[i], raws[j] = raws[j], raws[i]
		}
		switch r.IntN(60) {
		case 0:
			raws[i] = raws[r.IntN(len(raws))]
		case 1:
			raws[i] = slices.Clone(raws[i])
			raws[i][0] |= 0x20 // nothing but padding
			raws[i] = raws[i][:len(raws[i])-900]
			raws[i][len(raws[i])-1] = byte(min(len(raws[i])-12, 255))
		}
	}
	return raws
}

func same(t *testing.T, seed uint64, got, want []*rtp.Packet) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("seed %d: %d packets, without pacing %d", seed, len(got), len(want))
	}
	for i, p := range got {
		q := want[i]
		if p.SequenceNumber-got[0].SequenceNumber != q.SequenceNumber-want[0].SequenceNumber || p.Timestamp != q.Timestamp || p.Marker != q.Marker ||
			p.PayloadType != q.PayloadType || string(p.Payload) != string(q.Payload) {
			t.Fatalf("seed %d, packet %d: %v, without pacing %v", seed, i, p, q)
		}
	}
}

// TestRoomPacesByItsTimer: the room's goroutine wakes up by itself, and Detach is exact while packets are
// held.
func TestRoomPacesByItsTimer(t *testing.T) {
	for _, off := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := NewRoom(Options{NoPacing: off}, &noFlush{})
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- r.Run(ctx) }()
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			join := func(id packet.PeerID, out Out, sec packet.Section, publish map[string]Source) {
				must(r.Attach(id, MemberID(id), out, PeerOptions{}))
				must(r.Update(id, []packet.Section{sec}, publish))
				must(r.Ready(id))
			}
			join(1, &counting{}, pubVideo("0", 100), map[string]Source{"0": Camera})
			stays, goes := &counting{}, &counting{}
			join(2, stays, seatVideo("5", 5000), nil)
			join(3, goes, seatVideo("5", 6000), nil)
			for id := packet.PeerID(2); id <= 3; id++ {
				must(r.Watch(id, "5", Want{Track: TrackKey{1, Camera}, Quality: High}))
			}
			var raws [][]byte
			for i := range 60 {
				raws = append(raws, vp8Packet(t, 100, uint16(i), i == 0))
			}
			p := &pool{}
			r.Deliver(p.batch(1, big(raws)...))
			synctest.Wait()
			at := [2]int{stays.packets(), goes.packets()}
			must(r.Detach(3))
			time.Sleep(pace.Bound)
			synctest.Wait()
			if stays.packets() != 60 || goes.packets() != at[1] || off != (at[0] == 60) || off != (r.Totals().Paced == 0) {
				t.Errorf("off %v: %v packets at once, then %d, %d to the one who left", off, at, stays.packets(), goes.packets())
			}
			r.Deliver(p.batch(1, big([][]byte{vp8Packet(t, 100, 60, true), vp8Packet(t, 100, 61, false)})...))
			cancel()
			must(<-ended)
			if n := p.owned(); n != 0 {
				t.Errorf("%d buffers are still owned", n)
			}
		})
	}
}

// Bursts, the steps in which they leave included.
func TestPacingDoesNotAllocate(t *testing.T) {
	l := newLoad(t, 20, Camera, true)
	burst := func() {
		l.now += 500 * ms
		l.deliver(1, 60)
		for l.c.due[duePace] != 0 {
			l.now += pace.Step
			l.c.due[duePace] = 0
			l.c.setNow(l.now)
			l.c.step()
		}
	}
	burst()
	burst()
	before, held := l.out.packets, l.c.totals.Paced
	const runs = 100
	got := testing.AllocsPerRun(runs, burst)
	if n := l.out.packets - before; n != (runs+1)*60*20 || l.c.totals.Paced-held < runs*20 {
		t.Fatalf("%d packets forwarded, %d held", n, l.c.totals.Paced-held)
	}
	if got > 0.5 && !raceEnabled {
		t.Errorf("%v allocations per burst of 60 packets to 20 sinks", got)
	}
}

func TestSimulatedCallWithBursts(t *testing.T) {
	for seed := range uint64(2) {
		for _, off := range []bool{false, true} {
			t.Run(fmt.Sprintf("seed %d off %v", seed, off), func(t *testing.T) {
				s := newCall(t, seed)
				s.c.o.NoPacing = off
				s.pad, s.keys = 1100, 10
				judgeCall(s, seed%2 == 0, 3)
				if held := s.c.totals.Paced; off != (held < 100) {
					t.Errorf("%d packets held", held)
				}
			})
		}
	}
}
