package bwe

import "math"

// What turning these costs is said of each.
const (
	// ceilingLoss is the share of the last second from which on loss is put down to the ceiling. Lower takes
	// stray losses for it.
	ceilingLoss = 0.02
	// ceilingKeep is the share of what arrived that the ceiling is.
	ceilingKeep = 0.97
	// ceilingHold is how long the ceiling stays, in ns. It is twice as long with each loss, up to
	// ceilingMost. Longer finds room later, and loses less.
	ceilingHold, ceilingMost = 10e9, 30e9
	// ceilingLearn is how long after the ceiling begins the remaining loss is measured, in ns. That loss is
	// taken to have nothing to do with the rate. Sooner includes packets that were sent before the ceiling
	// was heeded.
	ceilingLearn = 2e9
	// ceilingGrowth is the share a second by which the ceiling rises once it was held for that long. It
	// doubles every ceilingFaster ns without loss.
	ceilingGrowth, ceilingFaster = 0.02, 5e9
	// ceilingUsed is how long after one probe another may raise the ceiling, in ns. The rate that a probe has
	// shown is to be used first, as bursts slip through a policer's bucket. Less takes links for many times
	// what they carry. More finds room later.
	ceilingUsed = 3e9
)

// ceiling is the rate above which a policer, or a queue too short to be seen, drops packets: the loss was
// found to depend on the rate.
type ceiling struct {
	rate  float64 // bit/s; 0: there is none
	found float32 // likewise, when something was lost last
	rest  float32 // the share that is lost below it as well
	learn int64   // when that is looked at, in ns; 0: it has been
	hold  int64   // for how long it stays, in ns
	until int64
	grown int64
}

// loosen takes that a probe has raised it.
func (c *ceiling) loosen(now int64, rate float64) { c.rate, c.until = rate, now+ceilingUsed }

// begin begins with the rate that arrived while too much was sent. rest is the share that is lost all the
// same. learn says that this share is yet to be found out.
func (c *ceiling) begin(now int64, arrived, rest float64, learn bool) {
	rate := ceilingKeep * arrived / (1 - min(rest, 0.9))
	*c = ceiling{rate: rate, found: float32(rate), rest: float32(rest), hold: ceilingHold, until: now + ceilingHold, grown: now}
	if learn {
		c.learn = now + ceilingLearn
	}
}

// observe follows an observation: the share lost of late and what arrives.
func (c *ceiling) observe(now int64, share, arrived float64) {
	switch {
	case c.learn == 0:
	case now < c.learn:
		share = 0
	default:
		rest := max(share, 0) // what chance may lose was taken off
		c.rate /= 1 - min(rest, 0.9)
		c.found, c.rest, c.learn = float32(c.rate), float32(rest), 0
	}
	rest := float64(c.rest)
	arrived /= 1 - min(rest, 0.9)
	if share > ceilingLoss+rest && now-c.until > -c.hold+1e9 {
		if arrived < c.rate {
			c.found = float32(ceilingKeep * arrived)
			c.rate = max(ceilingKeep*arrived, 0.8*c.rate)
		}
		c.hold = min(2*c.hold, ceilingMost)
		c.until = now + c.hold
	}
	if now > c.until {
		speed := ceilingGrowth
		for at := c.until + ceilingFaster; at < now && speed < 0.5; at += ceilingFaster {
			speed *= 2
		}
		c.rate *= 1 + speed*float64(min(now-max(c.grown, c.until), 1e9))/1e9
	}
	c.grown = now
}

// chance is how much more of so many kB may be lost by chance alone: two standard deviations, if a packet has
// a kB.
func (c *ceiling) chance(kB float64) float64 {
	return 2 * math.Sqrt(max(float64(c.rest), ceilingLoss/2)/max(kB, 1))
}
