// Package clocktest makes what time.Now returns on a machine whose wall clock is set while the process runs, for tests. Package
// time has no way to make such times: Add moves both clocks.
package clocktest

import (
	"sync"
	"time"
	"unsafe"
)

// Clock is a clock of which the wall reading can be set. The zero value is ready. Its methods may be called from any goroutine.
type Clock struct {
	mu    sync.Mutex
	begin time.Time
	ahead time.Duration // of the wall clock, by what it was set
}

// Set sets the wall clock on by d, or back. The monotonic clock goes on as if nothing had been.
func (c *Clock) Set(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// Now returns the time by both clocks. In a testing/synctest bubble, where time.Now has no monotonic reading, that counts from
// the first call.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.begin.IsZero() {
		c.begin = now
	}
	return both(now.Add(c.ahead), now, now.Sub(c.begin))
}

// form is how package time documents a Time to be kept.
type form struct {
	wall uint64
	ext  int64
}

// Two constants of it: the flag of a monotonic reading, and the year 1885, from which on seconds are counted where there is one.
const (
	hasMonotonic = 1 << 63
	wallEpoch    = -2682288000 // Unix seconds
)

// both returns a time with the wall clock's reading of wall, and the monotonic one of now, or since where that has none.
func both(wall, now time.Time, since time.Duration) time.Time {
	t := (*form)(unsafe.Pointer(&now))
	if t.wall&hasMonotonic == 0 {
		t.ext = int64(since)
	}
	t.wall = hasMonotonic | uint64(wall.Unix()-wallEpoch)<<30 | uint64(wall.Nanosecond())
	return now
}
