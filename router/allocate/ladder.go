package allocate

import "math"

// ladder is the rungs of a seat that are worth choosing. Each costs more than the one before and is worth
// more. None gives more for its bits than the one before it (the upper convex hull). So the best next step is
// also the best way up.
type ladder struct {
	steps [MaxRungs]uint8   // indices of rungs
	worth [MaxRungs]float64 // of them
	n     int
	at    int // the step that is chosen; Paused
}

// build makes the ladder of a seat.
func (l *ladder) build(s *Seat) {
	l.n, l.at = 0, Paused
	fastest := uint8(1)
	rungs := s.Rungs[:min(len(s.Rungs), MaxRungs)]
	for i := range rungs {
		fastest = max(fastest, rungs[i].FPS)
	}
	for i := range rungs {
		if rungs[i].None {
			continue
		}
		l.add(uint8(i), worth(&rungs[i], s.Screen, fastest), rungs)
	}
}

// add puts a rung on top, in the place of those that it makes useless.
func (l *ladder) add(i uint8, worth float64, rungs []Rung) {
	if l.n > 0 && worth <= l.worth[l.n-1] {
		return // dearer and not better
	}
	for l.n > 0 {
		top := &rungs[l.steps[l.n-1]]
		if rungs[i].Rate <= top.Rate { // better and not dearer
			l.n--
			continue
		}
		if l.n < 2 {
			break
		}
		under := &rungs[l.steps[l.n-2]]
		if slope(l.worth[l.n-1], worth, top.Rate, rungs[i].Rate) < slope(l.worth[l.n-2], l.worth[l.n-1], under.Rate, top.Rate) {
			break
		}
		l.n-- // going straight to this one is the better way
	}
	l.steps[l.n], l.worth[l.n] = i, worth
	l.n++
}

func slope(from, to float64, low, high uint32) float64 { return (to - from) / float64(high-low) }

// How much of a picture's worth is left at half of its frames a second: faces suffer, documents hardly do.
const (
	cameraHalf = .8
	screenHalf = .95
)

// worth is how good a rung is to look at: twice the pixels add as much everywhere.
func worth(r *Rung, screen bool, fastest uint8) float64 {
	w := 1 + math.Log2(1+float64(r.Area))
	if r.Area == 0 {
		w = 1 + math.Log2(1+float64(r.Rate)/1000)
	}
	if r.FPS == 0 || r.FPS >= fastest {
		return w
	}
	half := cameraHalf
	if screen {
		half = screenHalf
	}
	return w * math.Pow(half, math.Log2(float64(fastest)/float64(r.FPS)))
}
