package svc

import "math"

// windowSize is for how many frame numbers it is remembered what became of them, a power of two. It is nearly
// three seconds with 30 pictures a second of three layers. More recognises packets that come later, for two
// bits each.
const windowSize = 256

// window remembers what became of the latest frames.
type window struct {
	newest        uint16
	any           bool
	passed, ended [windowSize / 64]uint64 // by the low bits of a number; ended: it was left out
}

// fate is what became of a frame.
type fate uint8

const (
	unseen fate = iota // it may still come
	passed
	omitted
)

// of returns what became of a frame.
func (w *window) of(number uint16) fate {
	if !w.any || w.newest-number >= windowSize {
		return unseen
	}
	word, bit := number/64%(windowSize/64), uint64(1)<<(number%64)
	switch {
	case w.passed[word]&bit != 0:
		return passed
	case w.ended[word]&bit != 0:
		return omitted
	}
	return unseen
}

// late says whether a frame comes after one with a higher number.
func (w *window) late(number uint16) bool { return w.any && late(number, w.newest) }

// note notes what became of a frame.
func (w *window) note(number uint16, what fate) {
	if w.late(number) {
		if w.newest-number >= windowSize {
			return
		}
	} else {
		w.advance(number)
	}
	word, bit := number/64%(windowSize/64), uint64(1)<<(number%64)
	w.passed[word] &^= bit
	w.ended[word] &^= bit
	if what == passed {
		w.passed[word] |= bit
	} else {
		w.ended[word] |= bit
	}
}

// advance makes a frame the newest, and forgets those whose places are used again. What was before the very
// first one counts as left out.
func (w *window) advance(number uint16) {
	switch {
	case !w.any:
		*w = window{newest: number, any: true}
		for i := range w.ended {
			w.ended[i] = math.MaxUint64
		}
		return
	case number-w.newest >= windowSize:
		*w = window{newest: number, any: true}
		return
	}
	for w.newest != number {
		w.newest++
		word, bit := w.newest/64%(windowSize/64), uint64(1)<<(w.newest%64)
		w.passed[word] &^= bit
		w.ended[word] &^= bit
	}
}
