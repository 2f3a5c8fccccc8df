package uplink

import (
	"slices"
	"testing"
)

const ms = int64(1e6)

// told is what a publisher makes of the reports. It has, of each number, the latest word on whether it came.
type told map[uint16]bool

// tell has an account tell all that is due now, and returns how many reports that takes.
func (w told) tell(a *Account, now, whole int64) (reports int) {
	a.Tell(now, whole, func(r Run) {
		reports++
		from, to := r.a.base+uint16(r.from), r.a.base+uint16(r.to)
		for n := from; n != to; n++ {
			w[n] = w[n] || false
		}
		r.Each(func(number uint16, at int64) { w[number] = at >= 0 })
	})
	return reports
}

func (w told) lost() (numbers []uint16) {
	for n, came := range w {
		if !came {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers
}

func numbers(n ...uint16) []uint16 { return n }

// TestWhatIsSparedIsInNoReport: a spared packet is in no report until nothing is missing of what was sent by
// then. It is told to have come after that. Numbers begin anew at 0.
func TestWhatIsSparedIsInNoReport(t *testing.T) {
	var a Account
	w := told{}
	a.Came(65533, 0, false)
	a.Came(65534, 1*ms, false)
	a.Came(1, 2*ms, true)  // 65535 and 0 are spared
	a.Came(3, 3*ms, false) // 2 is lost
	if a.Untold() != 7 {
		t.Errorf("%d are untold", a.Untold())
	}
	if n := w.tell(&a, 80*ms, 2*ms); n != 2 || !slices.Equal(w.lost(), numbers(2)) || len(w) != 5 {
		t.Errorf("%d reports: %v", n, w)
	}
	if n := w.tell(&a, 160*ms, 2*ms); n != 0 {
		t.Errorf("%d reports before they have come: %v", n, w)
	}
	if n := w.tell(&a, 240*ms, 3*ms); n != 1 || !slices.Equal(w.lost(), numbers(2)) || len(w) != 7 {
		t.Errorf("%d reports after that: %v", n, w)
	}
	if n := w.tell(&a, 320*ms, 320*ms); n != 0 || a.Untold() != 0 || len(a.all) != 1 {
		t.Errorf("%d reports of nothing, %d kept", n, len(a.all))
	}
}

// TestWhatIsLostFirstIsTold: it is told in a report that begins with the last packet before it.
func TestWhatIsLostFirstIsTold(t *testing.T) {
	var a Account
	w := told{}
	a.Came(0, 0, false)
	w.tell(&a, 80*ms, 80*ms)
	a.Came(3, 81*ms, false)
	if n := w.tell(&a, 160*ms, 160*ms); n != 1 || !slices.Equal(w.lost(), numbers(1, 2)) {
		t.Errorf("%d reports: %v", n, w)
	}
	if n := w.tell(&a, 240*ms, 240*ms); n != 0 {
		t.Error("it is told twice")
	}
}

// TestWhatIsLostIsToldOnce: it is told once, although the packets before and after it are told to have come
// later.
func TestWhatIsLostIsToldOnce(t *testing.T) {
	var a Account
	a.Came(0, 0, false)
	a.Came(2, 1*ms, true)
	a.Came(4, 2*ms, false)
	a.Came(6, 3*ms, true)
	lost := 0
	for range 3 {
		a.Tell(4*ms, 4*ms, func(r Run) {
			for i := r.from; i < r.to; i++ {
				if r.a.all[i].state != came {
					lost++
				}
			}
		})
	}
	if lost != 1 {
		t.Errorf("told %d times", lost)
	}
}

// TestLongReportsAreSeveral: each has as many packets as fit.
func TestLongReportsAreSeveral(t *testing.T) {
	var a Account
	w := told{}
	for i := range uint16(2*longest + 1) {
		a.Came(i, int64(i), false)
	}
	if n := w.tell(&a, ms, ms); n != 3 || len(w) != 2*longest+1 || w.lost() != nil {
		t.Errorf("%d reports of %d packets, %v lost", n, len(w), w.lost())
	}
}

// TestPatienceEnds: a packet whose fate is unknown for long is never told of. The packets that came later are
// told then.
func TestPatienceEnds(t *testing.T) {
	var a Account
	w := told{}
	a.Came(0, 0, false)
	a.Came(2, 1*ms, true)
	a.Came(4, 900*ms, true)
	w.tell(&a, 900*ms, 0)
	if w.tell(&a, 2+patience+ms, 0); len(w) != 3 || len(a.all) != 2 {
		t.Errorf("%v, %d kept", w, len(a.all))
	}
	if w.tell(&a, 2+patience+2*ms, 901*ms); !w[3] || len(w) != 4 {
		t.Error(w)
	}
}

// TestWhatWasToldLostIsToldToHaveCome: once something is spared, a packet that was told lost is told to have
// come.
func TestWhatWasToldLostIsToldToHaveCome(t *testing.T) {
	var a Account
	w := told{}
	a.Came(0, 0, true)
	a.Came(2, 10*ms, true)
	a.Told(20 * ms)
	a.Came(3, 1200*ms, true)
	a.Came(5, 1210*ms, true)
	a.Told(1220 * ms)
	a.Came(6, 1230*ms, true)
	if n := w.tell(&a, 1240*ms, 1240*ms); n != 2 || !w[4] || !w[6] || len(w) != 2 {
		t.Errorf("%d reports: %v", n, w)
	}
}

// TestWhatWasOvertakenHasCome: a packet that was overtaken has come, and is not told twice.
func TestWhatWasOvertakenHasCome(t *testing.T) {
	var a Account
	w := told{}
	a.Came(0, 0, false)
	a.Came(4, 1*ms, true)
	a.Came(2, 2*ms, false)
	a.Came(2, 3*ms, false)
	if at := a.all[2].at; at != 2*ms {
		t.Errorf("what comes once more came at %d", at)
	}
	w.tell(&a, 80*ms, 0)
	a.Came(0, 81*ms, false)
	if a.all[0].state != came {
		t.Error("it is told twice")
	}
	a.Came(1, 81*ms, false)
	a.Came(1, 82*ms, false)
	a.Came(65000, 82*ms, false)
	if w.tell(&a, 160*ms, 0); len(w) != 3 {
		t.Error(w)
	}
	w.tell(&a, 240*ms, 240*ms)
	if len(w) != 5 || w.lost() != nil {
		t.Error(w)
	}
}

// TestAnAccountIsBounded: it is bounded whatever numbers come.
func TestAnAccountIsBounded(t *testing.T) {
	var a Account
	for i := range uint16(200) {
		a.Came(i*900, int64(i)*ms, i%2 == 0)
		if len(a.all) > most {
			t.Fatalf("%d kept", len(a.all))
		}
	}
	w := told{}
	if w.tell(&a, 200*ms, 200*ms); a.Untold() != 0 {
		t.Errorf("%d untold", a.Untold())
	}
}
