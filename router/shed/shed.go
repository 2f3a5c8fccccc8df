// Package shed decides how much a room that does not keep up leaves out, and which frames of a stream those
// are.
//
// What tells of overload is how long packets have waited, and of that the least within a window, as in CoDel
// (RFC 8289 section 3). A pause of the process or one long flush makes some packets late. But only what does
// not keep up makes all of them late.
//
//	shed.go  Level, Controller: how much, by what has waited
//	gate.go  Gate: which frames, by temporal layers
package shed

// Level is how much is left out. Each includes those before it.
type Level uint8

// The levels.
const (
	Nothing  Level = iota
	TopLayer       // the highest temporal layer of each stream, and frames to which nothing refers
	Layers         // all temporal layers but the base
	MidQuality
	LowQuality // no simulcast layer above the middle one, then the lowest
	Half       // streams that make half of what video costs, the dearest first
	Most       // three quarters of it
	Video      // all video
)

// What turning these costs is said of each; times in ns.
const (
	// High is how long all packets of a window have waited when more is left out. Lower ones take what a busy
	// moment does for overload. Higher ones delay everybody longer before something is done.
	High = 60e6
	// Low is below which a room keeps up. Nearer to High more is taken up again too soon.
	Low = 15e6
	// Window is how long is watched. Shorter ones go up faster, and know less.
	Window = 100e6
	// Late is a wait from which on windows are only Quick long. Higher ones let more wait, in the hope that
	// the last step does.
	Late  = 400e6
	Quick = 25e6
	// Settle is how long a lower simulcast layer is given to show its effect. It begins with a keyframe that
	// has to be asked for.
	Settle = 300e6
	// Calm is how long a room must keep up before it takes up one level more. The time is twice as long after
	// each time that this was too much, and MaxCalm at most. Longer ones keep pictures worse for longer,
	// shorter ones try again what does not go.
	Calm    = 500e6
	MaxCalm = 8e9
)

// Controller is fed with what has waited and says at which level to be: up quickly, down slowly. The zero
// value is ready.
type Controller struct {
	level    Level
	opened   int64 // when the window began, 0: none has
	least    int64 // wait in the window
	before   int64 // least of the window before
	settled  int64 // when the last step up must have shown its effect
	calm     int64 // since when the room has kept up at this level, 0: it does not
	patience int64 // how long it must have, 0: Calm
	lowered  int64 // when the level went down last, 0: never, or up since
}

// Level returns the level to be at.
func (c *Controller) Level() Level { return c.level }

// Observe takes in that at the time now packets are worked off that have waited for wait, in ns. crowded says
// that much more waits. Observe returns whether the level has changed.
func (c *Controller) Observe(now, wait int64, crowded bool) bool {
	if c.opened == 0 {
		c.opened, c.least = now, wait
		return false
	}
	c.least = min(c.least, wait)
	took, window := now-c.opened, int64(Window)
	hurry := crowded || wait >= Late
	if hurry {
		window = Quick
	}
	if took < window {
		return false
	}
	least, before := c.least, c.before
	c.opened, c.least, c.before = now, wait, least
	if least >= High {
		c.calm = 0
		falls := before-least > took/4 // what waits will soon be worked off
		if before < High || falls || now < c.settled && !hurry || c.level == Video {
			return false
		}
		c.up(now)
		return true
	}
	return c.down(now, least)
}

func (c *Controller) up(now int64) {
	if c.lowered != 0 && now-c.lowered < MaxCalm {
		c.patience = min(2*max(c.patience, Calm), MaxCalm)
	}
	c.level++
	c.lowered, c.settled = 0, now
	if c.level == MidQuality || c.level == LowQuality {
		c.settled = now + Settle
	}
}

// down takes a level off once the room has been calm for long enough.
func (c *Controller) down(now, least int64) bool {
	switch {
	case least >= Low:
		c.calm = 0
		return false
	case c.calm == 0:
		c.calm = now
		return false
	case now-c.calm < max(c.patience, Calm):
		return false
	case c.level == Nothing:
		c.patience = 0
		return false
	}
	if c.lowered != 0 { // the last step down has held
		c.patience /= 2
	}
	c.level--
	c.lowered, c.calm = now, now
	return true
}

var names = [...]string{"nothing", "top_layer", "layers", "mid_quality", "low_quality", "half", "most", "video"}

// String returns the name for logs.
func (l Level) String() string { return names[min(l, Video)] }
