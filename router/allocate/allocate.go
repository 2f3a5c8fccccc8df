// Package allocate divides what a receiver's network carries among the pictures that it is to be shown. It is
// a pure function: what was chosen before comes in, and what is chosen now goes out.
//
//	allocate.go  Allocate: which seat gets which rung
//	ladder.go    the rungs of a seat that are worth choosing
//	state.go     State: what keeps choices from flapping
//
// Sound comes first and is never paused. Then every picture gets its lowest rung, in the order screen, stage,
// larger before smaller. What is left goes where it helps most: the step with the best gain for its bits is
// taken until nothing fits. This is a greedy knapsack over convex ladders, as in libwebrtc's and Signal's
// allocators and in the Jitsi Videobridge. A rung above the one before is paid from the least estimate of
// late. One that stays is paid from the estimate as it is (after Signal's calling server).
package allocate

import (
	"cmp"
	"slices"
)

// Rung is one way of sending a source: a simulcast or spatial layer up to a temporal layer.
type Rung struct {
	Layer    uint8  // as the caller counts them, the lowest first
	Temporal uint8  // the highest temporal layer that is sent
	FPS      uint8  // frames a second; 0: not known
	None     bool   // there is no such rung, it keeps the place of one
	Live     bool   // it is being sent by the publisher: what is not may be wanted but not be taken
	Rate     uint32 // bits a second
	Area     uint32 // pixels of the picture; 0: not known
}

// Seat is a place for a picture.
type Seat struct {
	ID     uint32 // decides between seats that are alike otherwise; unique
	Screen bool
	Stage  bool   // pinned, or of the speaker
	Area   uint32 // pixels of the element in which it is shown; 0: not known, as large as there is
	// Rungs are ordered by rate, the lowest first, up to what is of use there. They are at most MaxRungs:
	// further ones are not looked at.
	Rungs []Rung
}

// Network is what there is to divide.
type Network struct {
	Now    int64  // ns
	Budget uint32 // bits a second that may be sent, now
	// Keep is how many bits a second may be taken by what is shown. It is more than Budget while a short
	// queue is emptied; below Budget it counts as Budget.
	Keep uint32
	// Carry is how many bits a second the network carries, for what is shown of a seat's lowest layer. Below
	// Keep it counts as Keep.
	Carry  uint32
	Least  uint32  // the least of late, from which what is new is paid; above Budget it counts as that
	Audio  uint32  // bits a second of sound, which is sent whatever is here
	Repair float64 // bits that are sent again for each bit of pictures, 0 to 2
	// Failed is when the last packet was sent that shows that the network is full, in ns; 0: it has not
	// turned out to be. A seat that was given more shortly before goes back, and waits before the next try.
	Failed int64
	Full   bool // packets wait for so long that what does not fit must end soon
}

// Paused is the choice of no rung.
const Paused = -1

// MaxRungs is how many rungs of a seat are looked at.
const MaxRungs = 24

// The weights of a gain by what a seat is. Of other seats the weight is their share of what all want to show.
const (
	screenWeight = 4
	stageWeight  = 3
)

// Allocate chooses for all seats. states are theirs, in the same order, and are changed. The zero State is
// that of a seat that has shown nothing. No memory is allocated once scratch has grown to as many seats.
func Allocate(n Network, seats []Seat, states []State, scratch *Scratch) {
	a := allocation{net: n, seats: seats, states: states, s: scratch}
	budget := share(n.Budget, n.Audio, n.Repair)
	a.fresh = min(budget, share(n.Least, n.Audio, n.Repair))
	a.pictures = max(budget, share(n.Keep, n.Audio, n.Repair))
	a.floor = max(a.pictures, share(n.Carry, n.Audio, n.Repair))
	a.prepare()
	a.base()
	a.first()
	a.upgrade()
	a.finish()
}

// share returns what of an estimate is left for pictures.
func share(estimate, audio uint32, repair float64) float64 {
	return max(float64(estimate)-float64(audio), 0) / (1 + min(max(repair, 0), 2))
}

// Scratch is memory of Allocate, one for all receivers of a goroutine. The zero value is ready.
type Scratch struct {
	order   []int
	ladders []ladder
}

type allocation struct {
	net    Network
	seats  []Seat
	states []State
	s      *Scratch
	// Bits a second: for what stays as it is, for what is new, and for what stays of lowest layers.
	pictures, fresh, floor float64
	spent                  float64
	wanted                 uint64 // pixels that all seats want to show
}

// prepare puts the seats in order and makes their ladders.
func (a *allocation) prepare() {
	a.s.order, a.s.ladders = a.s.order[:0], slices.Grow(a.s.ladders[:0], len(a.seats))[:len(a.seats)]
	for i := range a.seats {
		a.s.order = append(a.s.order, i)
		a.states[i].begin(&a.net, a.seats[i].Rungs)
		a.s.ladders[i].build(&a.seats[i])
		a.wanted += uint64(a.seats[i].Area)
	}
	slices.SortFunc(a.s.order, func(i, j int) int {
		x, y := &a.seats[i], &a.seats[j]
		return cmp.Or(before(x.Screen, y.Screen), before(x.Stage, y.Stage), cmp.Compare(y.Area, x.Area),
			before(a.states[i].shown(), a.states[j].shown()), cmp.Compare(x.ID, y.ID))
	})
}

// before orders what is so before what is not.
func before(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return -1
	}
	return 1
}

// fits reports whether a seat can go from one step of its ladder to another.
func (a *allocation) fits(i, from, to int) bool {
	l, st := &a.s.ladders[i], &a.states[i]
	limit, rung := a.pictures, int(l.steps[to])
	switch {
	case rung > st.held():
		if !st.mayRise(a.net.Now, rung) {
			return false
		}
		limit = a.fresh
	case rung <= st.Rung && a.sameLayer(i, rung, int(l.steps[0])):
		limit = a.floor
	}
	return a.spent+a.cost(i, to)-a.cost(i, from) <= limit
}

// cost is what a step of a ladder takes; that of no step nothing.
func (a *allocation) cost(i, step int) float64 {
	if step < 0 {
		return 0
	}
	l := &a.s.ladders[i]
	return float64(a.seats[i].Rungs[l.steps[step]].Rate)
}

func (a *allocation) set(i, step int) {
	l := &a.s.ladders[i]
	a.spent += a.cost(i, step) - a.cost(i, l.at)
	l.at = step
}

// base gives every seat its lowest rung, as far as that goes. What is shown is not paused for a queue that is
// being emptied, and never at once.
func (a *allocation) base() {
	for _, i := range a.s.order {
		if a.s.ladders[i].n == 0 {
			continue
		}
		if a.fits(i, Paused, 0) {
			a.states[i].Enough()
			a.set(i, 0)
		} else if a.stays(i) {
			a.set(i, 0)
		}
	}
}

// stays reports whether a picture stays although the budget does not allow it.
func (a *allocation) stays(i int) bool {
	st, cost := &a.states[i], a.cost(i, 0)
	switch {
	case !st.shown():
		return false
	case a.spent+cost <= a.floor:
		st.Enough()
		return true
	case st.short == 0:
		st.short = a.net.Now
	}
	if a.net.Full {
		return a.net.Now-st.short < haste
	}
	return a.net.Now-st.short < patience
}

// first raises screens to what can be read and stages to what can be looked at, before others get more.
func (a *allocation) first() {
	for _, i := range a.s.order {
		s := &a.seats[i]
		if !s.Screen && !s.Stage {
			continue
		}
		for l := &a.s.ladders[i]; l.at >= 0 && l.at+1 < l.n && !a.enough(i) && a.fits(i, l.at, l.at+1); {
			a.set(i, l.at+1)
		}
	}
}

// stageArea is what one looks at without strain, in pixels: 640 × 360.
const stageArea = 640 * 360

// enough reports whether a screen is as sharp as it is shared, or a stage large enough.
func (a *allocation) enough(i int) bool {
	s, l := &a.seats[i], &a.s.ladders[i]
	area := s.Rungs[l.steps[l.at]].Area
	if s.Screen {
		return area == s.Rungs[l.steps[l.n-1]].Area
	}
	return area >= stageArea
}

// upgrade takes the best step until none fits.
func (a *allocation) upgrade() {
	for {
		best, gain := -1, 0.0
		for _, i := range a.s.order {
			l := &a.s.ladders[i]
			if l.at < 0 || l.at+1 >= l.n || !a.fits(i, l.at, l.at+1) {
				continue
			}
			if g := a.gain(i); g > gain {
				best, gain = i, g
			}
		}
		if best < 0 {
			return
		}
		a.set(best, a.s.ladders[best].at+1)
	}
}

// gain is what the next step of a seat is worth for each bit.
func (a *allocation) gain(i int) float64 {
	s, l := &a.seats[i], &a.s.ladders[i]
	weight := 1.0
	switch {
	case s.Screen:
		weight = screenWeight
	case s.Stage:
		weight = stageWeight
	case a.wanted > 0 && s.Area > 0:
		weight = float64(s.Area) / float64(a.wanted) * float64(len(a.seats))
	}
	return weight * (l.worth[l.at+1] - l.worth[l.at]) / max(a.cost(i, l.at+1)-a.cost(i, l.at), 1)
}

// finish writes what was chosen into the states.
func (a *allocation) finish() {
	for _, i := range a.s.order {
		l := &a.s.ladders[i]
		want := Paused
		if l.at >= 0 {
			want = int(l.steps[l.at])
		}
		if l.at != 0 {
			a.states[i].short = 0
		}
		a.states[i].choose(a.net.Now, want, a.taken(i, want), a.sameLayer(i, want, a.states[i].held()))
	}
}

// sameLayer reports whether two rungs of a seat are of one layer.
func (a *allocation) sameLayer(i, x, y int) bool {
	rungs := a.seats[i].Rungs
	return x >= 0 && y >= 0 && rungs[x].Layer == rungs[y].Layer
}

// taken returns the rung that is sent if want was chosen. It is the highest live one up to want. If there is
// none, it is the lowest live one above that fits: the publisher has been asked for want, and brings it soon.
func (a *allocation) taken(i, want int) int {
	rungs := a.seats[i].Rungs
	for r := want; r >= 0; r-- {
		if rungs[r].Live {
			return r
		}
	}
	for r := want + 1; want >= 0 && r < min(len(rungs), MaxRungs); r++ {
		if more := float64(rungs[r].Rate) - float64(rungs[want].Rate); rungs[r].Live && a.spent+more <= a.pictures {
			a.spent += more
			return r
		}
	}
	return Paused
}
