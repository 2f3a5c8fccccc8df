package allocate

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	k = 1000
	m = 1000 * k
	s = int64(1e9)
)

// camera is three simulcast layers, each at half and at all of its frames.
func camera() []Rung {
	return []Rung{
		{Layer: 0, Temporal: 0, FPS: 12, Live: true, Rate: 100 * k, Area: 240 * 135},
		{Layer: 0, Temporal: 1, FPS: 25, Live: true, Rate: 150 * k, Area: 240 * 135},
		{Layer: 1, Temporal: 0, FPS: 12, Live: true, Rate: 300 * k, Area: 480 * 270},
		{Layer: 1, Temporal: 1, FPS: 25, Live: true, Rate: 450 * k, Area: 480 * 270},
		{Layer: 2, Temporal: 0, FPS: 12, Live: true, Rate: 1000 * k, Area: 960 * 540},
		{Layer: 2, Temporal: 1, FPS: 25, Live: true, Rate: 1500 * k, Area: 960 * 540},
	}
}

func screen() []Rung {
	return []Rung{
		{Layer: 0, FPS: 5, Live: true, Rate: 300 * k, Area: 960 * 540},
		{Layer: 1, FPS: 5, Live: true, Rate: 800 * k, Area: 1920 * 1080},
		{Layer: 1, Temporal: 1, FPS: 15, Live: true, Rate: 2 * m, Area: 1920 * 1080},
	}
}

// room is seats with their states.
type room struct {
	seats   []Seat
	states  []State
	scratch Scratch
}

func of(seats ...Seat) *room {
	for i := range seats {
		seats[i].ID = uint32(i)
	}
	return &room{seats: seats, states: make([]State, len(seats))}
}

func (r *room) at(n Network) []int {
	if n.Least == 0 {
		n.Least = n.Budget
	}
	Allocate(n, r.seats, r.states, &r.scratch)
	taken := make([]int, len(r.states))
	for i := range r.states {
		taken[i] = r.states[i].Rung
	}
	return taken
}

func (r *room) cost() (bits uint32) {
	for i, st := range r.states {
		if st.Rung >= 0 {
			bits += r.seats[i].Rungs[st.Rung].Rate
		}
	}
	return bits
}

func TestWhoGetsWhat(t *testing.T) {
	one := func(area uint32) Seat { return Seat{Rungs: camera(), Area: area} }
	stage := Seat{Rungs: camera(), Area: 960 * 540, Stage: true}
	for name, c := range map[string]struct {
		seats []Seat
		net   Network
		want  []int
	}{
		"all of it":                               {[]Seat{one(0)}, Network{Budget: 5 * m}, []int{5}},
		"the largest that fits":                   {[]Seat{one(0)}, Network{Budget: 800 * k}, []int{3}},
		"half the frames before a smaller layer":  {[]Seat{one(0)}, Network{Budget: 120 * k}, []int{0}},
		"paused where not even that fits":         {[]Seat{one(0)}, Network{Budget: 90 * k}, []int{Paused}},
		"sound comes first":                       {[]Seat{one(0)}, Network{Budget: 480 * k, Audio: 40 * k}, []int{1}},
		"sound alone is too much":                 {[]Seat{one(0)}, Network{Budget: 30 * k, Audio: 40 * k}, []int{Paused}},
		"repairs are paid for":                    {[]Seat{one(0)}, Network{Budget: 1000 * k, Repair: 1.5}, []int{1}},
		"everybody before anybody gets more":      {[]Seat{one(0), one(0), one(0)}, Network{Budget: 310 * k}, []int{0, 0, 0}},
		"the largest before others":               {[]Seat{one(300 * 200), one(900 * 500), one(600 * 300)}, Network{Budget: 210 * k}, []int{Paused, 0, 0}},
		"a screen before faces":                   {[]Seat{one(0), {Rungs: screen(), Screen: true}}, Network{Budget: 390 * k}, []int{Paused, 0}},
		"a screen is sharp before a face is":      {[]Seat{one(0), {Rungs: screen(), Screen: true}}, Network{Budget: 960 * k}, []int{1, 1}},
		"the stage before others":                 {[]Seat{{Rungs: camera()[:2], Area: 240 * 135}, stage}, Network{Budget: 1200 * k}, []int{1, 3}},
		"what is not live is wanted and not sent": {[]Seat{{Rungs: dead(camera(), 4, 5)}}, Network{Budget: 5 * m}, []int{3}},
		"no rung": {[]Seat{{}}, Network{Budget: 5 * m}, []int{Paused}},
		"nobody":  {nil, Network{Budget: 5 * m}, []int{}},
	} {
		t.Run(name, func(t *testing.T) {
			r := of(c.seats...)
			require.Equal(t, c.want, r.at(c.net))
		})
	}
}

func dead(rungs []Rung, which ...int) []Rung {
	for _, i := range which {
		rungs[i].Live = false
	}
	return rungs
}

func TestWhatIsNotLiveIsWanted(t *testing.T) {
	r := of(Seat{Rungs: dead(camera(), 4, 5)})
	r.at(Network{Budget: 5 * m})
	require.Equal(t, 5, r.states[0].Want)
	require.Equal(t, 3, r.states[0].Rung)

	// The lower layers are off, as nobody has wanted them. The one above is sent until they are there, if it
	// fits.
	r = of(Seat{Rungs: dead(camera(), 0, 1, 2, 3)})
	require.Equal(t, []int{4}, r.at(Network{Budget: 1100 * k}))
	require.Equal(t, 3, r.states[0].Want)
	r = of(Seat{Rungs: dead(camera(), 0, 1, 2, 3)})
	require.Equal(t, []int{Paused}, r.at(Network{Budget: 900 * k}))
	require.Equal(t, 3, r.states[0].Want)
}

// A step up is paid from the least estimate of late. A rung that is there is paid from the estimate now, and
// goes down at once.
func TestGoingUpTakesMoreThanStaying(t *testing.T) {
	r := of(Seat{Rungs: camera()})
	require.Equal(t, []int{3}, r.at(Network{Now: 10 * s, Budget: 500 * k}))
	require.Equal(t, []int{3}, r.at(Network{Now: 11 * s, Budget: 1600 * k, Least: 500 * k}), "it was less a moment ago")
	require.Equal(t, []int{5}, r.at(Network{Now: 14 * s, Budget: 1600 * k, Least: 1550 * k}))
	require.Equal(t, []int{5}, r.at(Network{Now: 14 * s, Budget: 1500 * k, Least: 100 * k}), "what is there may stay")
	require.Equal(t, []int{3}, r.at(Network{Now: 14 * s, Budget: 460 * k, Least: 100 * k}))
}

// More frames of the same layer are taken at once, and are not blamed for a network that turns out to be
// full. A larger layer is blamed for it.
func TestMoreFramesAreNoRise(t *testing.T) {
	r := of(Seat{Rungs: camera()})
	require.Equal(t, []int{0}, r.at(Network{Now: 10 * s, Budget: 120 * k}))
	require.Equal(t, []int{1}, r.at(Network{Now: 10*s + 1, Budget: 160 * k}))
	require.Equal(t, []int{0}, r.at(Network{Now: 11 * s, Budget: 120 * k, Failed: 11 * s}))
	require.Equal(t, []int{1}, r.at(Network{Now: 11*s + 1, Budget: 160 * k}))
	require.Equal(t, []int{3}, r.at(Network{Now: 12 * s, Budget: 460 * k}))
	require.Equal(t, []int{1}, r.at(Network{Now: 13 * s, Budget: 160 * k, Failed: 13 * s}))
	require.Equal(t, []int{1}, r.at(Network{Now: 16 * s, Budget: 460 * k}))
}

// A seat keeps, while a queue is emptied, the frames of its lowest layer that the network carries. It does
// not keep those of higher layers.
func TestAQueueTakesNoFramesOfTheLowestLayer(t *testing.T) {
	r := of(Seat{Rungs: camera()})
	r.at(Network{Now: 10 * s, Budget: 500 * k})
	require.Equal(t, []int{1}, r.at(Network{Now: 11 * s, Budget: 160 * k, Carry: 500 * k}))
	require.Equal(t, []int{1}, r.at(Network{Now: 12 * s, Budget: 120 * k, Carry: 500 * k}))
	require.Equal(t, []int{0}, r.at(Network{Now: 13 * s, Budget: 110 * k, Carry: 130 * k}))
	require.Equal(t, []int{0}, r.at(Network{Now: 14 * s, Budget: 110 * k, Carry: 500 * k}), "more is paid from the budget")
}

// A rung that does not exist is never taken, and the rungs after it keep their places.
func TestRungsThatAreNot(t *testing.T) {
	rungs := camera()
	rungs[0], rungs[2] = Rung{Layer: 0, None: true, Rate: 100 * k, FPS: 99, Area: 1e6}, Rung{Layer: 1, None: true, Rate: 150 * k, FPS: 99, Area: 1e7}
	r := of(Seat{Rungs: rungs})
	for _, x := range []struct {
		budget uint32
		want   int
	}{{120 * k, Paused}, {200 * k, 1}, {420 * k, 1}, {500 * k, 3}, {1200 * k, 3}, {1600 * k, 5}} {
		r.states[0] = State{}
		require.Equal(t, []int{x.want}, r.at(Network{Now: 10 * s, Budget: x.budget}), "%d", x.budget)
	}
}

// A rung that has filled the network up is not tried again for a while, longer each time.
func TestWhatHasFailedWaits(t *testing.T) {
	r, now := of(Seat{Rungs: camera()}), 10*s
	r.at(Network{Now: now, Budget: 500 * k})
	rises := func() bool { return r.at(Network{Now: now, Budget: 1600 * k})[0] == 5 }
	for _, wait := range []int64{5, 10, 20, 40, 60, 60} {
		require.True(t, rises())
		now += 1 * s
		require.Equal(t, []int{3}, r.at(Network{Now: now, Budget: 480 * k, Failed: now}))
		now += wait*s - 1
		require.NotEqual(t, 5, r.at(Network{Now: now, Budget: 1600 * k})[0], "after %d s", wait)
		r.states[0].Want, r.states[0].Rung = 3, 3 // a smaller step was free
		r.states[0].rose = 0
		now++
	}
	require.True(t, rises())
	now += 4 * s
	require.Equal(t, []int{5}, r.at(Network{Now: now, Budget: 1600 * k, Failed: now}), "it has been well for long: that is not why")
	r.at(Network{Now: now, Budget: 480 * k})
	now += 10 * s
	require.True(t, rises())
	r.at(Network{Now: now + s, Budget: 480 * k, Failed: now + s})
	r.states[0].Forgive()
	now += 2 * s
	require.True(t, rises(), "the network is another one")
}

// Packets that were sent before a picture got better say nothing of the better one.
func TestWhatWasSentBeforeARiseIsNoReason(t *testing.T) {
	for _, x := range []struct {
		sent int64
		want int
	}{{10*s - 1, 5}, {10 * s, 3}} {
		r := of(Seat{Rungs: camera()})
		r.at(Network{Now: 5 * s, Budget: 500 * k})
		require.Equal(t, []int{5}, r.at(Network{Now: 10 * s, Budget: 1600 * k}))
		r.at(Network{Now: 11 * s, Budget: 480 * k, Failed: x.sent})
		require.Equal(t, []int{x.want}, r.at(Network{Now: 12*s + patience, Budget: 1600 * k}))
	}
}

// A picture that was paused and has come back is not tried again and again.
func TestComingBackCanFail(t *testing.T) {
	r := of(Seat{Rungs: camera()})
	require.Equal(t, []int{0}, r.at(Network{Now: s, Budget: 120 * k}))
	require.Equal(t, []int{0}, r.at(Network{Now: 2 * s, Budget: 50 * k}))
	require.Equal(t, []int{Paused}, r.at(Network{Now: 2*s + patience, Budget: 50 * k}))
	require.Equal(t, []int{0}, r.at(Network{Now: 5 * s, Budget: 120 * k}))
	require.Equal(t, []int{Paused}, r.at(Network{Now: 6 * s, Budget: 120 * k, Failed: 6 * s}))
	require.Equal(t, []int{Paused}, r.at(Network{Now: 7*s - 1, Budget: 120 * k}))
	require.Equal(t, []int{0}, r.at(Network{Now: 7 * s, Budget: 120 * k}))
	require.Equal(t, []int{Paused}, r.at(Network{Now: 8 * s, Budget: 120 * k, Failed: 8 * s}))
	require.Equal(t, []int{Paused}, r.at(Network{Now: 10*s - 1, Budget: 120 * k}), "twice as long")
	require.Equal(t, []int{0}, r.at(Network{Now: 10 * s, Budget: 120 * k}))
}

// A picture is not paused while a queue is emptied. Nor is it paused as soon as a little is missing.
func TestPausingIsPatient(t *testing.T) {
	r := of(Seat{Rungs: camera()})
	require.Equal(t, []int{5}, r.at(Network{Now: 1 * s, Budget: 1600 * k}))
	require.Equal(t, []int{0}, r.at(Network{Now: 2 * s, Budget: 30 * k, Carry: 110 * k}))
	require.Equal(t, []int{0}, r.at(Network{Now: 9 * s, Budget: 30 * k, Carry: 110 * k}))
	require.Equal(t, []int{0}, r.at(Network{Now: 10 * s, Budget: 75 * k}))
	require.Equal(t, []int{0}, r.at(Network{Now: 11*s - 1, Budget: 75 * k}))
	require.Equal(t, []int{Paused}, r.at(Network{Now: 11 * s, Budget: 75 * k}))
	require.Equal(t, []int{Paused}, r.at(Network{Now: 12 * s, Budget: 75 * k, Carry: 110 * k}), "what is paused waits until there is room")
	require.Equal(t, []int{0}, r.at(Network{Now: 13 * s, Budget: 110 * k}))
	require.Equal(t, []int{0}, r.at(Network{Now: 14 * s, Budget: 65 * k}))
	require.Equal(t, []int{0}, r.at(Network{Now: 14*s + haste - 1, Budget: 65 * k}))
	require.Equal(t, []int{Paused}, r.at(Network{Now: 14*s + haste, Budget: 65 * k, Full: true}), "sooner where packets wait for long")
}

// A shortage counts no longer when all has fitted since.
func TestPausingForgetsWhatIsOver(t *testing.T) {
	r := of(Seat{Rungs: camera()})
	require.Equal(t, []int{0}, r.at(Network{Now: 1 * s, Budget: 110 * k}))
	require.Equal(t, []int{0}, r.at(Network{Now: 2 * s, Budget: 50 * k}))
	require.Equal(t, []int{0}, r.at(Network{Now: 2*s + 200e6, Budget: 50 * k, Keep: 10 * m}))
	require.Equal(t, []int{0}, r.at(Network{Now: 9 * s, Budget: 50 * k}))
	require.Equal(t, []int{0}, r.at(Network{Now: 10*s - 1, Budget: 50 * k}))
	require.Equal(t, []int{Paused}, r.at(Network{Now: 10 * s, Budget: 50 * k}))
}

// A rung that gets through without trouble stays, whatever the estimate.
func TestWhatIsShownMayBeKept(t *testing.T) {
	r := of(Seat{Rungs: camera()}, Seat{Rungs: camera()})
	require.Equal(t, []int{5, 3}, r.at(Network{Now: 1 * s, Budget: 2 * m}))
	require.Equal(t, []int{5, 3}, r.at(Network{Now: 5 * s, Budget: 100 * k, Keep: 10 * m}))
	require.Equal(t, []int{3, 3}, r.at(Network{Now: 9 * s, Budget: 100 * k, Keep: 1 * m}))
}

// fleet is seats at random.
func fleet(r *rand.Rand) []Seat {
	seats := make([]Seat, 1+r.IntN(25))
	for i := range seats {
		x := &seats[i]
		x.Screen, x.Stage = r.IntN(10) == 0, r.IntN(6) == 0
		x.Area = uint32(r.IntN(4)) * uint32(r.IntN(500*k))
		for range r.IntN(MaxRungs + 3) {
			x.Rungs = append(x.Rungs, Rung{Live: r.IntN(5) > 0, Rate: uint32(r.IntN(3 * m)), Area: uint32(r.IntN(3 * m)), FPS: uint8(r.IntN(30))})
		}
		slices.SortFunc(x.Rungs, func(a, b Rung) int { return int(a.Rate) - int(b.Rate) })
	}
	return seats
}

// The network is not given more than it carries, whatever the seats. The order of seats does not matter, and
// the same input gives the same result.
func TestProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		a := of(fleet(r)...)
		n := Network{Now: 100 * s, Budget: uint32(r.IntN(10 * m)), Audio: uint32(r.IntN(300 * k)), Repair: r.Float64()}
		n.Least = uint32(r.IntN(int(n.Budget) + 1))
		taken := a.at(n)
		require.LessOrEqual(t, float64(a.cost())*(1+n.Repair), max(float64(n.Budget)-float64(n.Audio), 0)+1)
		require.Equal(t, taken, (&room{seats: a.seats, states: make([]State, len(a.seats))}).at(n), "again")

		mixed := &room{seats: slices.Clone(a.seats), states: make([]State, len(a.seats))}
		r.Shuffle(len(mixed.seats), func(i, j int) { mixed.seats[i], mixed.seats[j] = mixed.seats[j], mixed.seats[i] })
		other := mixed.at(n)
		for i := range mixed.seats {
			require.Equal(t, taken[mixed.seats[i].ID], other[i], "in another order")
		}
		for range 5 { // from what was chosen before
			n.Now += int64(r.IntN(5)) * s
			n.Budget, n.Failed = uint32(r.IntN(10*m)), int64(r.IntN(3)/2)*n.Now
			a.at(n)
			n.Failed = 0
			for range 3 { // trying one after the other may exhaust the patience
				n.Now += patience
				a.at(n)
			}
			require.LessOrEqual(t, float64(a.cost())*(1+n.Repair), max(float64(n.Budget)-float64(n.Audio), 0)+1)
		}
	}
}

// More budget never takes the lowest rung from a seat. Nor does it take from a single picture what it has.
func TestMoreIsNeverLess(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		seats := fleet(r)
		for i := range seats {
			seats[i].Rungs = camera()
		}
		shown, last := 0, Paused
		for budget := uint32(0); budget < 8*m; budget += 200 * k {
			a := of(slices.Clone(seats)...)
			now := 0
			for _, x := range a.at(Network{Budget: budget}) {
				if x != Paused {
					now++
				}
			}
			require.GreaterOrEqual(t, now, shown)
			shown = now
			x := of(seats[0]).at(Network{Budget: budget})[0]
			require.GreaterOrEqual(t, x, last)
			last = x
		}
	}
}

// An estimate that is up and down by a tenth does not change pictures all the time.
func TestNoiseDoesNotFlap(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, budget := range []float64{250 * k, 480 * k, 1.05 * m, 1.6 * m, 2.2 * m} {
		a := of(Seat{Rungs: camera()}, Seat{Rungs: camera()})
		var window []uint32
		changes, last := 0, []int(nil)
		for i := range 600 { // ten a second
			window = append(window, uint32(budget*(.9+.2*r.Float64())))
			window = window[max(0, len(window)-25):]
			taken := a.at(Network{Now: int64(i) * s / 10, Budget: window[len(window)-1], Least: uint32(.95 * float64(slices.Min(window)))})
			if i > 50 && last != nil && !slices.Equal(taken, last) {
				changes++
			}
			last = taken
		}
		require.LessOrEqual(t, changes, 2, "at %v in a minute", budget)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	r := of(fleet(rand.New(rand.NewPCG(7, 8)))...)
	n := Network{Budget: 3 * m, Least: 3 * m}
	require.Zero(t, testing.AllocsPerRun(100, func() { Allocate(n, r.seats, r.states, &r.scratch) }))
}

func BenchmarkTenSeats(b *testing.B) {
	var seats []Seat
	for range 10 {
		seats = append(seats, Seat{Rungs: camera(), Area: 300 * 200})
	}
	r, n := of(seats...), Network{Budget: 3 * m, Least: 3 * m}
	for b.Loop() {
		Allocate(n, r.seats, r.states, &r.scratch)
	}
}
