package call

import (
	"fmt"
	"strings"
	"time"

	"parlor/lab/link"
)

// Scenario is what network a call has. Profiles begin when the trouble does, before which every link is calm.
type Scenario struct {
	Name, Title string
	Duration    time.Duration
	// The links of the viewer, and of the publisher.
	Up, Down, PublisherUp, PublisherDown link.Profile
}

// calm is every link without trouble.
const calm = "delay=40ms"

// Named are the scenarios that have a name.
func Named() []Scenario {
	s := func(name, title string) Scenario {
		return Scenario{Name: name, Title: title, Duration: 20 * time.Second, Up: drawn(calm), Down: drawn(calm), PublisherUp: drawn(calm), PublisherDown: drawn(calm)}
	}
	down := func(name, title, shape string) Scenario {
		x := s(name, title)
		x.Down = drawn(calm + " " + shape)
		return x
	}
	uplink := func(percent string) Scenario {
		x := s("uplink-loss"+percent, "publisher's uplink: "+percent+" % random loss")
		x.PublisherUp = drawn(calm + " loss=" + percent + "%")
		return x
	}
	both := down("loss70-both", "70 % random loss, both ways", "loss=70%")
	both.Up = both.Down
	step := down("step", "2 M → 300 k (15 s) → 2 M (40 s), 400 ms queue", "rate=2M queue=400ms @15s rate=300k @40s rate=2M")
	step.Duration = 58 * time.Second
	return []Scenario{
		s("clean", "no trouble"),
		down("loss10", "10 % random loss", "loss=10%"),
		down("loss30", "30 % random loss", "loss=30%"),
		down("loss50", "50 % random loss", "loss=50%"),
		both,
		down("loss80", "80 % random loss", "loss=80%"),
		down("bursts10", "10 % in runs of 8", "runs=10%/8"),
		down("narrow800", "800 kbit/s, 300 ms queue", "rate=800k queue=300ms"),
		down("narrow400", "400 kbit/s, 300 ms queue", "rate=400k queue=300ms"),
		down("narrow200", "200 kbit/s, 300 ms queue", "rate=200k queue=300ms"),
		step,
		down("bloat700", "700 kbit/s, 2 s queue", "rate=700k queue=2s"),
		down("jitter200", "jitter 0–200 ms, reordering", "jitter=200ms overtake"),
		down("jitter1000", "jitter 0–1000 ms, reordering", "jitter=1s overtake"),
		uplink("10"), uplink("30"), uplink("50"),
	}
}

// drawn parses a shape of ours.
func drawn(text string) link.Profile {
	p, err := link.Parse(text)
	if err != nil {
		panic("call: " + err.Error())
	}
	return p
}

// Find returns the scenarios with these names, or an error that lists all. "all" is each of them.
func Find(names []string) (list []Scenario, err error) {
	all := Named()
	var known []string
	byName := map[string]Scenario{}
	for _, s := range all {
		known = append(known, s.Name)
		byName[s.Name] = s
	}
	for _, name := range names {
		s, ok := byName[name]
		switch {
		case name == "all":
			list = append(list, all...)
		case ok:
			list = append(list, s)
		default:
			return nil, fmt.Errorf("there is no network %q; there are: all, %s", name, strings.Join(known, ", "))
		}
	}
	return list, nil
}

// shaped is the link that the trouble is on: the viewer's downlink, or the publisher's uplink.
func (s Scenario) shaped() (l link.Profile, uplink bool) {
	if s.OnUplink() {
		return s.PublisherUp, true
	}
	return s.Down, false
}

// OnUplink reports whether the trouble is on the publisher's uplink, rather than on the viewer's links.
func (s Scenario) OnUplink() bool { return s.PublisherUp.String() != calm }

// rate is the bits a second that the link lets pass at a time; 0: as much as comes.
func rate(p link.Profile, at time.Duration) (r int64) {
	for _, step := range p {
		if step.At <= at {
			r = step.Rate
		}
	}
	return r
}

// steadyAfter is how long after a change of the link its estimate counts. It is the 3 s in which the change
// is to be found, and the 2 s between which the estimate is told.
const steadyAfter = 5 * time.Second

// steady reports whether the link has been as it is for that long.
func steady(p link.Profile, at time.Duration) bool {
	for _, step := range p {
		if step.At <= at && at < step.At+steadyAfter {
			return false
		}
	}
	return true
}
