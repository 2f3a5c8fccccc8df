package clocktest

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestSettingTheClock holds the clock to what the machine's does: the time of day leaps, what has passed does
// not.
func TestSettingTheClock(t *testing.T) {
	for _, by := range []time.Duration{120 * time.Second, -time.Hour, 0} {
		synctest.Test(t, func(t *testing.T) {
			var c Clock
			began, before := time.Now(), c.Now()
			time.Sleep(3 * time.Second)
			c.Set(by)
			after := c.Now()
			if d := after.Sub(before); d != 3*time.Second {
				t.Errorf("%v: %v have passed", by, d)
			}
			if d := after.Round(0).Sub(before.Round(0)); d != 3*time.Second+by {
				t.Errorf("%v: the time of day is %v later", by, d)
			}
			if want := began.Add(3*time.Second + by); !after.Round(0).Equal(want) {
				t.Errorf("%v: it is %v, not %v", by, after, want)
			}
			if !after.After(before) || after.Add(-4*time.Second).After(before) {
				t.Errorf("%v: After goes by the time of day", by)
			}
		})
	}
}

// TestItGoesWithTheProcess: its times can be compared with those of time.Now.
func TestItGoesWithTheProcess(t *testing.T) {
	var c Clock
	c.Set(-time.Hour)
	before, at, after := time.Now(), c.Now(), time.Now()
	if at.Before(before) || at.After(after) || after.Round(0).Sub(at.Round(0)) < time.Hour {
		t.Errorf("%v is not between %v and %v", at, before, after)
	}
}
