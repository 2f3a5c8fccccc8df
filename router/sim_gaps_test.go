package router

import (
	"maps"
	"slices"
)

// gaps is what a receiver misses of a stream, and asks for. It is libwebrtc's NackRequester for pictures, and
// nearly its NackTracker for sound.
type gaps struct {
	tries int // then a packet is given up
	// patient: it waits so long before it asks, if packets come in another order anyway. That for pictures
	// never does.
	patient bool
	got     map[uint64]int64
	first   uint64
	high    uint64
	missing map[uint64]*asked
	swaps   [128]int // by how many numbers packets came late by themselves, how often
}

// asked is what is asked for.
type asked struct {
	from  uint64 // once this number has come
	at    int64
	times int // 0: not yet
}

// nackAgain is the time after which a packet is asked for again, before libwebrtc knows a round trip. At most
// nackMost may be missing at a time.
const (
	nackAgain = 100 * ms
	nackMost  = 1000
)

func newGaps(tries int, patient bool) gaps {
	return gaps{tries: tries, patient: patient, got: map[uint64]int64{}, missing: map[uint64]*asked{}}
}

// take notes a packet. It reports false if it came before, and how often it was asked for. If again, the
// packet was sent again, which shows nothing of what is missing before it.
func (g *gaps) take(ext uint64, now int64, again bool) (fresh bool, times int) {
	if g.high == 0 {
		g.high, g.first = ext, ext
	}
	g.first = min(g.first, ext)
	if _, ok := g.got[ext]; ok {
		return false, 0
	}
	g.got[ext] = now
	if a := g.missing[ext]; a != nil {
		times = a.times
		delete(g.missing, ext)
	}
	switch {
	case ext > g.high && again && !g.patient:
		return true, times
	case ext < g.high && !again && g.patient:
		g.swaps[min(g.high-ext, uint64(len(g.swaps)-1))]++
	}
	for e := g.high + 1; e < ext; e++ {
		if _, ok := g.got[e]; !ok {
			g.missing[e] = &asked{from: e + g.usual()}
		}
	}
	g.high = max(g.high, ext)
	return true, times
}

// full says whether too much is missing. Then all of it is given up.
func (g *gaps) full() bool {
	if len(g.missing) <= nackMost {
		return false
	}
	clear(g.missing)
	return true
}

// clearTo gives up all that is missing before a number, as nobody needs it any more.
func (g *gaps) clearTo(ext uint64) {
	maps.DeleteFunc(g.missing, func(e uint64, _ *asked) bool { return e < ext })
}

// usual is the median of swaps.
func (g *gaps) usual() uint64 {
	all, sum := 0, 0
	for _, n := range g.swaps {
		all += n
	}
	for by, n := range g.swaps {
		if sum += n; sum*2 > all {
			return uint64(by)
		}
	}
	return 0
}

// fresh returns the packets that are to be asked for as a packet has come. They are asked for at once, or
// later if packets come in another order anyway.
func (g *gaps) fresh(now int64) []uint16 {
	return g.due(now, func(a *asked) bool { return a.times == 0 && a.from <= g.high })
}

// old returns the packets that are to be asked for again.
func (g *gaps) old(now int64) []uint16 {
	return g.due(now, func(a *asked) bool { return (a.times > 0 || !g.patient) && now-a.at >= nackAgain })
}

func (g *gaps) due(now int64, is func(*asked) bool) (list []uint16) {
	for _, e := range slices.Sorted(maps.Keys(g.missing)) {
		a := g.missing[e]
		if !is(a) {
			continue
		}
		if a.at = now; a.times == g.tries {
			delete(g.missing, e)
			continue
		}
		a.times++
		list = append(list, uint16(e))
	}
	return list
}

// holes is how many numbers of some have never come, the last one included.
func (g *gaps) holes(from, to uint64) (n int) {
	for e := from; e <= to; e++ {
		if _, ok := g.got[e]; !ok {
			n++
		}
	}
	return n
}
