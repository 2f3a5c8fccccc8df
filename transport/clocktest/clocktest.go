// Package clocktest makes, for tests, what time.Now returns on a machine whose wall clock is set while the
// process runs. Package time has no way to make such times: Add moves both clocks.
package clocktest

import (
	"sync"
	"time"
	"unsafe"
)

// Clock is a clock whose wall reading can be set. The zero value is ready. Its methods may be called from any
// goroutine.
type Clock struct {
	mu    sync.Mutex
	begin time.Time
	ahead time.Duration // of the wall clock, by what it was set
}

// Set moves the wall clock on by d, or back if d is negative. The monotonic clock goes on as if nothing had
// happened.
func (c *Clock) Set(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// Now returns the time by both clocks. In a testing/synctest bubble time.Now has no monotonic reading; there
// the monotonic clock counts from the first call.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.begin.IsZero() {
		c.begin = now
	}
	return both(now.Add(c.ahead), now, now.Sub(c.begin))
}

// form is how package time documents that it keeps a Time.
type form struct {
	wall uint64
	ext  int64
}

// These are two constants of package time: the flag of a monotonic reading, and the year 1885. If there is a
// monotonic reading, seconds are counted from the start of that year.
const (
	hasMonotonic = 1 << 63
	wallEpoch    = -2682288000 // Unix seconds
)

// both returns a time with the wall clock's reading of wall and the monotonic reading of now, or since if now
// has none.
func both(wall, now time.Time, since time.Duration) time.Time {
	t := (*form)(unsafe.Pointer(&now))
	if t.wall&hasMonotonic == 0 {
		t.ext = int64(since)
	}
	t.wall = hasMonotonic | uint64(wall.Unix()-wallEpoch)<<30 | uint64(wall.Nanosecond())
	return now
}
