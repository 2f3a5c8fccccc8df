package speech

import (
	"slices"
	"testing"
	"time"
)

const rate = 48000

// person speaks into a Voice in packets of 20 ms.
type person struct {
	Voice
	now  int64
	time uint32 // RTP
}

func newPerson() *person { return &person{now: 1_700_000_000e9} }

// say sends packets of a level for so long, and returns how many of them were speech.
func (p *person) say(level uint8, d time.Duration) (speech int) {
	for ; d > 0; d -= 20 * time.Millisecond {
		p.now += 20e6
		p.time += rate / 50
		if p.Packet(level, true, p.time, rate, p.now) {
			speech++
		}
	}
	return speech
}

// pause lets time pass without packets.
func (p *person) pause(d time.Duration) {
	p.now += int64(d)
	p.time += uint32(d.Seconds() * rate)
}

func TestVolume(t *testing.T) {
	for _, c := range []struct {
		name   string
		speak  func(p *person)
		volume [2]int // at least, at most
	}{
		{"nothing yet", func(*person) {}, [2]int{0, 0}},
		{"loud", func(p *person) { p.say(15, time.Second) }, [2]int{90, 100}},
		{"as loud as can be", func(p *person) { p.say(0, time.Second) }, [2]int{100, 100}},
		{"speech at a distance", func(p *person) { p.say(35, time.Second) }, [2]int{50, 56}},
		{"a noisy room", func(p *person) { p.say(58, time.Second) }, [2]int{1, 5}},
		{"a silent room", func(p *person) { p.say(70, time.Second) }, [2]int{0, 0}},
		{"muted", func(p *person) { p.say(127, time.Second) }, [2]int{0, 0}},
		{"the voice bit does not count", func(p *person) { p.say(0x80|127, time.Second) }, [2]int{0, 0}},
		{"silence afterwards", func(p *person) { p.say(15, time.Second); p.say(127, 2*time.Second) }, [2]int{0, 0}},
		{"nothing sent afterwards", func(p *person) { p.say(15, time.Second); p.pause(2 * time.Second) }, [2]int{0, 0}},
		{"a lost packet", func(p *person) { p.say(15, time.Second); p.pause(40 * time.Millisecond) }, [2]int{90, 100}},
		{"DTX between", func(p *person) {
			p.say(15, time.Second)
			for range 5 {
				p.pause(380 * time.Millisecond)
				p.say(80, 20*time.Millisecond)
			}
		}, [2]int{0, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPerson()
			c.speak(p)
			if v := p.Volume(p.now); v < c.volume[0] || v > c.volume[1] {
				t.Errorf("volume %d, not %v", v, c.volume)
			}
		})
	}
}

func TestSpeechBeginsSoonAndLastsOverPauses(t *testing.T) {
	p := newPerson()
	p.say(75, time.Second)
	if p.Speaking(p.now) {
		t.Fatal("speaks in a quiet room")
	}
	if n := p.say(30, 60*time.Millisecond); n < 2 {
		t.Errorf("of three packets of speech %d were taken for speech", n)
	}
	p.say(75, 500*time.Millisecond)
	if !p.Speaking(p.now) {
		t.Error("a pause between words ends speech")
	}
	p.say(75, 500*time.Millisecond)
	if p.Speaking(p.now) {
		t.Error("speaks a second after the end")
	}
}

func TestLatePacketsDoNotCount(t *testing.T) {
	p := newPerson()
	p.say(80, time.Second)
	before := p.Voice
	for _, back := range []uint32{0, 960, 4800, rate} {
		if p.Packet(0, true, p.time-back, rate, p.now) || p.Voice != before {
			t.Fatalf("a packet from %d ticks ago counts", back)
		}
	}
}

func TestAnotherBeginningOfTimestampsGoesOn(t *testing.T) {
	p := newPerson()
	p.say(80, time.Second)
	p.time -= 1 << 30
	if n := p.say(20, 200*time.Millisecond); n < 8 {
		t.Errorf("after a restart %d of ten packets are speech", n)
	}
}

func TestUnknownLevelsAreSoftSpeech(t *testing.T) {
	var v, soft Voice
	for i := range 300 {
		v.Packet(0, false, uint32(i)*960, rate, int64(i)*20e6+1)
		soft.Packet(40, true, uint32(i)*960, rate, int64(i)*20e6+1)
	}
	now := int64(300 * 20e6)
	if !v.Speaking(now) || v.Volume(now) != 0 {
		t.Errorf("speaking %v, volume %d", v.Speaking(now), v.Volume(now))
	}
	if Seat([]*Voice{&v}, &soft, now) != 0 || Seat([]*Voice{&soft}, &v, now) != -1 {
		t.Error("who says nothing of the level holds a place against one who speaks")
	}
}

// TestDominates plays two people, and asks every 100 ms which of them has the floor.
func TestDominates(t *testing.T) {
	const quiet, soft, normal, loud = 75, 42, 30, 18
	type part struct {
		ann, bob uint8
		d        time.Duration
	}
	for _, c := range []struct {
		name string
		play []part
		want string // who has the floor at the end of each part
	}{
		{"one speaks", []part{{normal, quiet, time.Second}}, "a"},
		{"nobody speaks", []part{{quiet, quiet, time.Second}}, "-"},
		{"the last one keeps it", []part{{normal, quiet, time.Second}, {quiet, quiet, 5 * time.Second}}, "aa"},
		{"turns", []part{{normal, quiet, 2 * time.Second}, {quiet, normal, time.Second}, {normal, quiet, time.Second}}, "aba"},
		{"a cough", []part{{normal, quiet, 2 * time.Second}, {normal, loud, 120 * time.Millisecond}, {normal, quiet, time.Second}}, "aaa"},
		{"mhm", []part{{normal, quiet, 3 * time.Second}, {normal, normal, 400 * time.Millisecond}, {normal, quiet, time.Second}}, "aaa"},
		{"a click into silence", []part{{quiet, loud, 20 * time.Millisecond}, {quiet, quiet, time.Second}}, "--"},
		{"an interjection, louder", []part{{normal, quiet, 3 * time.Second}, {normal, loud, 600 * time.Millisecond}, {normal, quiet, time.Second}}, "aaa"},
		{"a little louder for long", []part{{normal, quiet, 2 * time.Second}, {normal, normal - 3, 10 * time.Second}}, "aa"},
		{"both as loud", []part{{normal, quiet, 2 * time.Second}, {normal, normal, 5 * time.Second}}, "aa"},
		{"louder for long", []part{{soft, quiet, 3 * time.Second}, {soft, loud, 3 * time.Second}}, "ab"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ann, bob := newPerson(), newPerson()
			var floor *Voice
			names := map[*Voice]string{nil: "-", &ann.Voice: "a", &bob.Voice: "b"}
			got := ""
			for _, x := range c.play {
				for n := range int(x.d / (20 * time.Millisecond)) {
					ann.say(x.ann, 20*time.Millisecond)
					bob.say(x.bob, 20*time.Millisecond)
					for _, v := range []*Voice{&ann.Voice, &bob.Voice} {
						if n%5 == 4 && v != floor && v.Dominates(floor, ann.now) {
							floor = v
						}
					}
				}
				got += names[floor]
			}
			if got != c.want {
				t.Errorf("%q has the floor, not %q", got, c.want)
			}
		})
	}
}

func TestSeat(t *testing.T) {
	const now = 1_700_000_000e9
	speaking := func(level float32) *Voice {
		return &Voice{short: level, medium: level, long: level, at: now, spoke: now}
	}
	silent := func(since time.Duration) *Voice { return &Voice{at: now, spoke: now - int64(since)} }
	for _, c := range []struct {
		name    string
		sitting []*Voice
		v       *Voice
		want    int
	}{
		{"a free place", []*Voice{speaking(30), nil, silent(time.Hour)}, speaking(13), 1},
		{"of the longest silent", []*Voice{silent(time.Second), silent(3 * time.Second), silent(2 * time.Second)}, speaking(13), 1},
		{"not of who pauses", []*Voice{{medium: 8, long: 25, at: now, spoke: now - 400e6}, speaking(30)}, speaking(13), -1},
		{"of the softest", []*Voice{speaking(30), speaking(20), speaking(25)}, speaking(28), 1},
		{"not without a margin", []*Voice{speaking(30), speaking(20), speaking(25)}, speaking(23), -1},
		{"not of who is louder", []*Voice{speaking(30), speaking(30)}, speaking(20), -1},
		{"no places", nil, speaking(30), -1},
		{"who never spoke goes first", []*Voice{silent(time.Hour), {}}, speaking(13), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := slices.Clone(c.sitting)
			if got := Seat(c.sitting, c.v, now); got != c.want {
				t.Errorf("place %d, not %d", got, c.want)
			}
			if !slices.Equal(before, c.sitting) {
				t.Error("changed what it was given")
			}
		})
	}
}
