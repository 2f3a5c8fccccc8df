package router

import (
	"flag"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"parlor/lab/link"
	"parlor/packet"
)

var calls = flag.Int("calls", 2, "how many calls over each bad network are simulated, each by another seed")

// In a call, one member shows a picture in three layers, and another one speaks. One viewer watches over a
// bad network. Another one has a good network, and takes up, leaves and comes back all the time. For some
// seconds all is well.
const (
	calmFor    = 3 * time.Second
	troubleFor = 15 * time.Second
	calm       = "delay=40ms"
	far        = "delay=150ms"
)

// trouble is a network, and what may come of it.
type trouble struct {
	name     string
	down, up string // of the viewer
	from     string // uplink of the camera; empty: calm
	far      bool   // the viewer is 150 ms away, each way
	scaled   bool   // the picture has temporal layers
	exact    bool   // the viewer knows no RTX, and gets the very same packets again
	tells    tells  // what the viewer tells of its network
	allowed
}

// allowed is the most that the mean of all seeds may be.
type allowed struct {
	frozen float64       // seconds in which the picture stands still, of a minute
	queue  time.Duration // for which 95 of 100 packets wait at most
	sound  float64       // share of it that is lost
	lost   float64       // share of all packets; 0: any
}

// mostlyFull is how long 95 of 100 packets wait at most in a queue of 300 ms that is full now and then. If it
// always is full, they wait for 295 ms.
const mostlyFull = 292 * time.Millisecond

var troubles = []trouble{
	{name: "none", scaled: true},
	{name: "none, exact", exact: true},
	{name: "loss 10 %", down: "loss=10%", scaled: true, allowed: allowed{frozen: 1.5, sound: 0.01}},
	{name: "loss 10 %, exact", down: "loss=10%", up: "loss=10%", exact: true, allowed: allowed{frozen: 6, sound: 0.02}},
	{name: "loss 30 %", down: "loss=30%", up: "loss=10%", scaled: true, allowed: allowed{frozen: 4, sound: 0.01}},
	{name: "loss 50 %", down: "loss=50%", scaled: true, allowed: allowed{frozen: 6, sound: 0.02}},
	{name: "loss 70 %, both ways", down: "loss=70%", up: "loss=70%", scaled: true, allowed: allowed{frozen: 30, sound: 0.2}},
	{name: "loss 80 %", down: "loss=80%", scaled: true, allowed: allowed{frozen: 28, sound: 0.2}},
	{name: "loss 10 %, far", down: "loss=10%", far: true, scaled: true, allowed: allowed{frozen: 9, sound: 0.01}},
	{name: "bursts", down: "bursts=5%/8", allowed: allowed{frozen: 4, sound: 0.01}},
	{name: "jitter", down: "jitter=200ms overtake late=2%/300ms duplicate=5%", scaled: true, allowed: allowed{frozen: 4, sound: 0.01}},
	{name: "jitter, loss 10 %", down: "jitter=200ms overtake loss=10%", scaled: true, allowed: allowed{frozen: 8, sound: 0.01}},
	{name: "jitter 1 s", down: "jitter=1s overtake", scaled: true, allowed: allowed{frozen: 13, sound: 0.01}},
	{name: "800k", down: "rate=800k queue=300ms", scaled: true, allowed: allowed{3, 230 * time.Millisecond, 0.003, 0.02}},
	{name: "400k", down: "rate=400k queue=300ms", scaled: true, allowed: allowed{6, 270 * time.Millisecond, 0.01, 0.1}},
	{name: "400k, exact", down: "rate=400k queue=300ms", scaled: true, exact: true, allowed: allowed{8, 275 * time.Millisecond, 0.02, 0.1}},
	{name: "200k", down: "rate=200k queue=300ms", scaled: true, allowed: allowed{20, 280 * time.Millisecond, 0.015, 0.12}},
	{name: "700k, 2 s queue", down: "rate=700k queue=2s", scaled: true, allowed: allowed{3, 400 * time.Millisecond, 0.005, 0.01}},
	{name: "policed 500k", down: "police=500k/20kB", scaled: true, allowed: allowed{frozen: 16, sound: 0.01}},
	{name: "2M, 300k, 2M", down: "rate=2M queue=400ms @8s rate=300k @13s rate=2M", scaled: true, allowed: allowed{16, 250 * time.Millisecond, 0.02, 0.05}},
	{name: "none, REMB", tells: tellsRates, scaled: true},
	{name: "400k, REMB", down: "rate=400k queue=300ms", tells: tellsRates, scaled: true, allowed: allowed{20, mostlyFull, 0.03, 0.23}},
	{name: "400k, REMB, exact", down: "rate=400k queue=300ms", tells: tellsRates, exact: true, allowed: allowed{20, mostlyFull, 0.03, 0.23}},
	{name: "none, reports", tells: tellsLosses, scaled: true},
	{name: "loss 30 %, reports", down: "loss=30%", tells: tellsLosses, scaled: true, allowed: allowed{frozen: 32, sound: 0.03}},
	{name: "400k, reports", down: "rate=400k queue=300ms", tells: tellsLosses, scaled: true, allowed: allowed{18, mostlyFull, 0.04, 0.3}},
	{name: "400k, reports, exact", down: "rate=400k queue=300ms", tells: tellsLosses, exact: true, allowed: allowed{18, mostlyFull, 0.04, 0.3}},
	{name: "none, half", tells: tellsSound, scaled: true},
	{name: "400k, half", down: "rate=400k queue=300ms", tells: tellsSound, scaled: true, allowed: allowed{9, mostlyFull, 0.005, 0.16}},
	{name: "400k, half, exact", down: "rate=400k queue=300ms", tells: tellsSound, exact: true, allowed: allowed{9, mostlyFull, 0.005, 0.16}},
	{name: "publisher's uplink", from: "loss=5% jitter=30ms overtake duplicate=2%", scaled: true, allowed: allowed{frozen: 4, sound: 0.01}},
	{name: "publisher's uplink, loss 50 %", from: "loss=50%", scaled: true, allowed: allowed{frozen: 20, sound: 0.01}},
}

// drawn is a link that is calm at first, in a way.
func drawn(calm, text string) string { return fmt.Sprintf("%s @%s %s", calm, calmFor, text) }

// figures are what the viewer has got in the time of trouble.
type figures struct {
	Frames      float64 // shown a second
	Frozen      float64 // seconds of a minute
	Queue       float64 // ms that 95 of 100 packets waited at most
	Kbps        float64 // that came
	Estimate    float64 // kbit/s that the room thinks the network carries
	Lost        float64 // share of packets
	Told        float64 // share of which the room knows that they are lost
	Mute        float64 // share of the sound that is lost
	Delay       float64 // ms that 95 of 100 packets of sound took at most
	NACKs, PLIs float64
	Held        float64 // ms that the room held a packet of the picture at most
}

// summarize sums up the figures of calls: the mean, and the most of each.
func summarize(list []figures) (mean, most figures) {
	means, mosts := reflect.ValueOf(&mean).Elem(), reflect.ValueOf(&most).Elem()
	for _, f := range list {
		for i := range means.NumField() {
			x := reflect.ValueOf(f).Field(i).Float()
			means.Field(i).SetFloat(means.Field(i).Float() + x/float64(len(list)))
			mosts.Field(i).SetFloat(max(mosts.Field(i).Float(), x))
		}
	}
	return mean, most
}

// TestCallsOverBadNetworks: no two packets have one number, and no frame is undecodable but for what was
// lost. Sound goes before all, and those with good links notice nothing. The figures of the others are
// measured (-v), and have bounds.
func TestCallsOverBadNetworks(t *testing.T) {
	all, guessed := make([][]figures, len(troubles)), make([]guesses, len(troubles))
	if testing.Short() {
		*calls = 1
	}
	for i, x := range troubles {
		for seed := range uint64(*calls) {
			t.Run(fmt.Sprintf("%s/%d", x.name, seed), func(t *testing.T) { all[i] = append(all[i], x.call(t, seed, &guessed[i])) })
		}
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "network\tframes/s\tfrozen s/min, worst\tqueue p95 ms, worst\tkbit/s, estimate\testimate of the link %: used; unused\tlost, told %\tsound lost %, p95 ms\tasked for, keyframes\theld ms")
	for i, x := range troubles {
		if len(all[i]) == 0 {
			continue // not chosen, or it has failed
		}
		m, most := summarize(all[i])
		fmt.Fprintf(w, "%s\t%.1f\t%.1f, %.1f\t%.0f, %.0f\t%.0f, %.0f\t%s\t%.1f, %.1f\t%.1f, %.0f\t%.0f, %.1f\t%.0f\n", x.name, m.Frames, m.Frozen, most.Frozen, m.Queue,
			most.Queue, m.Kbps, m.Estimate, &guessed[i], 100*m.Lost, 100*m.Told, 100*m.Mute, m.Delay, m.NACKs, m.PLIs, most.Held)
		x.hold(t, m)
		if x.tells == tellsAll && !x.exact {
			guessed[i].hold(t, x.name)
		}
	}
	w.Flush()
	t.Log("\n" + text.String())
}

// hold holds the means against what is allowed.
func (x *trouble) hold(t *testing.T, m figures) {
	if m.Frozen > x.frozen || m.Queue > x.queue.Seconds()*1e3 || m.Mute > x.sound || x.lost != 0 && m.Lost > x.lost {
		t.Errorf("%s: frozen %.1f s/min, queue %.0f ms, %.1f %% lost, of the sound %.1f %%; allowed: %+v", x.name, m.Frozen, m.Queue, 100*m.Lost, 100*m.Mute, x.allowed)
	}
	// The knowledge of the room lags behind. No feedback tells of packets without a transport-wide number.
	if !x.exact && x.tells == tellsAll && (m.Told < 0.7*m.Lost || m.Told > 1.1*m.Lost+0.02) {
		t.Errorf("%s: the room was told that %.1f %% are lost, of %.1f %%", x.name, 100*m.Told, 100*m.Lost)
	}
}

// call runs one.
func (x *trouble) call(t *testing.T, seed uint64, g *guesses) figures {
	s := newSim(t, seed, calm)
	s.pad, s.keys = 560, 8
	n := &notes{w: s.world}
	s.c.o.Observer = n
	at := calm
	if x.far {
		at = far
	}
	down := s.draw(11, true, drawn(at, x.down))
	s.draw(11, false, drawn(at, x.up))
	s.draw(1, false, drawn(calm, x.from))
	s.camera(1, 1, 1, 3, 8).scaled = x.scaled
	s.talk(50, s.now+int64(calmFor+troubleFor))
	v, other := s.viewerThat(11, !x.exact, x.tells), s.viewer(12, true)
	v.ledger.strict, other.ledger.strict = x.from == "", x.from == ""
	for _, who := range []*viewer{v, other} {
		s.watch(who.id, "s", 1, Camera, High)
		s.watch(who.id, "a", 50, Mic, High)
	}
	v.guess(down.profile, g)
	s.run(calmFor)
	v.buffer.frozen, n.samples = 0, nil
	before, from := *v, s.now
	beforeLink, waited := down.Counters(), len(down.waited)
	for end := s.now + int64(troubleFor); s.now < end; {
		s.run(min(time.Duration(100+s.rng.IntN(900))*time.Millisecond, time.Duration(end-s.now)))
		if end-s.now > 200*ms {
			other.restless()
		}
	}
	f := v.since(&before)
	f.Estimate, f.Told = n.network(v.id)
	after := down.Counters()
	f.Lost = 1 - float64(after.Dropped[link.Passed]-beforeLink.Dropped[link.Passed])/float64(after.Sent-beforeLink.Sent)
	f.Queue = percentile(down.waited[waited:], 95)
	s.end()
	f.Mute, f.Delay = v.listened(from)
	f.Frozen = v.judge().frozen.Seconds() / troubleFor.Seconds() * 60
	x.check(s, v, other)
	return f
}

// since returns the figures from a moment on.
func (v *viewer) since(before *viewer) (f figures) {
	now, then := &v.stats, &before.stats
	f.Frames = float64(v.buffer.decoded-before.buffer.decoded) / troubleFor.Seconds()
	f.Kbps = float64(now.bytes-then.bytes) * 8 / 1e3 / troubleFor.Seconds()
	f.NACKs, f.PLIs = float64(now.nacks-then.nacks), float64(now.plis-then.plis)
	f.Held = now.held[0].Seconds() * 1e3
	return f
}

// listened returns which share of the sound since then was lost. It also returns how many ms 95 of 100 others
// took at most.
func (v *viewer) listened(from int64) (mute, delay float64) {
	var took []time.Duration
	all := 0
	for x, at := range v.s.came {
		if x.layer != voice || at < from {
			continue
		}
		all++
		if d, ok := v.heard[x]; ok {
			took = append(took, d)
		}
	}
	return 1 - float64(len(took))/float64(all), percentile(took, 95)
}

// network is what the room has told of the network to a member. It is the mean estimate, and the share that
// was lost.
func (n *notes) network(id packet.PeerID) (kbps, lost float64) {
	samples, expected := 0., 0.
	for _, x := range n.samples {
		if x.Member == MemberID(id) {
			samples, kbps = samples+1, kbps+float64(x.Estimate)/1e3
			expected, lost = expected+float64(x.Expected), lost+float64(x.Lost)
		}
	}
	return kbps / samples, lost / expected
}

// percentile is of times, in ms.
func percentile(list []time.Duration, p int) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)*p/100].Seconds() * 1e3
}

// holdFor bounds how long the room may hold a picture's packet: bursts are spread over so much.
const holdFor = 30 * time.Millisecond

// check checks all that holds whatever the network is.
func (x *trouble) check(s *sim, v, other *viewer) {
	for i, who := range []*viewer{v, other} {
		r := who.judge()
		if held := who.stats.held; x.from == "" && held[0] > holdFor || held[1] > 0 {
			s.t.Errorf("viewer %d: the picture was held for %v, sound for %v", i, held[0], held[1])
		}
		if r.frames < 50 {
			s.t.Errorf("viewer %d: hardly anything was sent: %v", i, r)
		}
		if calmLink := i == 1 || x.down == ""; calmLink && x.from == "" && (r.holes > 0 || r.decoded < r.whole) {
			s.t.Errorf("viewer %d lost something on a good link: %v", i, r)
		}
	}
}

// restless changes something about the packets that a viewer gets.
func (v *viewer) restless() {
	s := v.s
	if v.suspended {
		v.suspended = false
		s.must(s.c.ready(v.id, s.now))
		return
	}
	switch s.rng.IntN(8) {
	case 0:
		s.must(s.c.suspend(v.id, s.now))
		v.suspended = true
	case 1:
		s.must(s.c.watch(v.id, "s", Want{}, s.now))
	case 2: // its section goes, and comes back with the same SSRC
		s.must(s.c.update(v.id, v.sections(true)[1:], nil, s.now))
		s.run(200 * time.Millisecond)
		v.buffer.reset()
		v.ledger.anew = true
		s.must(s.c.update(v.id, v.sections(true), nil, s.now))
		s.watch(v.id, "s", 1, Camera, High)
	default:
		s.watch(v.id, "s", 1, Camera, Quality(s.rng.IntN(3)))
	}
}
