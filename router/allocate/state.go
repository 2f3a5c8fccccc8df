package allocate

// State is what was chosen for a seat, and what keeps the next choices from flapping. The zero value is that
// of a seat that has shown nothing.
type State struct {
	Want int // the rung that was chosen, by its index; Paused
	Rung int // the rung that is sent, of those that are live; Paused

	made  bool
	seen  bool  // something has been chosen before
	rose  int64 // when a higher rung was last chosen; 0: never
	tried int   // which one that was

	short int64 // since when not even the lowest rung fits, though it is sent; 0: it does

	failed int   // the lowest rung that the network did not carry
	until  int64 // until when it is not tried again; 0: nothing has failed
	wait   int64 // how long that was
}

// What turning these costs is said of each. All are in ns.
const (
	// dwell is how long a seat stays after it has risen. Longer makes pictures get better later. Shorter
	// makes them change more often.
	dwell = 2e9
	// blame is how long after a rise the rise is blamed if the network turns out to be full.
	blame = 3e9
	// firstWait is for how long a rung that has failed is not tried again, the first time, and longestWait
	// the most. pausedWait and longestPause are the same for the lowest rung.
	firstWait, longestWait   = 5e9, 60e9
	pausedWait, longestPause = 1e9, 10e9
	// patience is how long a picture is not paused although it does not fit, and haste the same if packets
	// wait for long. Longer keeps more pictures that stutter. Shorter pauses more of them if a machine was
	// only busy for a moment.
	patience, haste = 1e9, 400e6
)

// Showing is the state of a seat that shows a rung that no Allocate has chosen.
func Showing(rung int) State { return State{Want: rung, Rung: rung, made: true, seen: true} }

// Enough takes that the lowest rung fits: what was short before is over.
func (s *State) Enough() { s.short = 0 }

// shown reports whether something is sent.
func (s *State) shown() bool { return s.made && s.Rung != Paused }

// begin takes in what has happened since the last choice. rungs are those that there are now.
func (s *State) begin(n *Network, rungs []Rung) {
	if !s.made {
		s.made, s.Want, s.Rung = true, Paused, Paused
	}
	s.Rung, s.Want = min(s.Rung, len(rungs)-1), min(s.Want, len(rungs)-1) // the ladder may have got shorter
	if s.rose != 0 && s.rose <= n.Failed && n.Now-s.rose < blame {
		s.fail(n.Now, below(rungs, s.tried))
	}
}

// below returns the rung below one, Paused if that is the lowest.
func below(rungs []Rung, i int) int {
	for i = min(i, len(rungs)) - 1; i >= 0 && rungs[i].None; i-- {
	}
	return max(i, Paused)
}

// fail notes that the rung to which the seat has risen was too much, and has it go back to the one below.
func (s *State) fail(now int64, below int) {
	wait, longest := int64(firstWait), int64(longestWait)
	if below == Paused {
		wait, longest = pausedWait, longestPause
	}
	if s.wait != 0 && s.failed == s.tried {
		wait = min(2*s.wait, longest)
	}
	s.failed, s.wait, s.until, s.rose = s.tried, wait, now+wait, 0
	s.Want, s.Rung = min(s.Want, below), min(s.Rung, below)
}

// HasFailed reports whether a rung has failed since before.
func (s *State) HasFailed(before *State) bool { return s.until != before.until && s.until != 0 }

// held is the rung up to which nothing is new.
func (s *State) held() int { return max(s.Want, s.Rung) }

// mayRise reports whether a rung above the one that is held may be chosen.
func (s *State) mayRise(now int64, rung int) bool {
	if s.until != 0 && rung >= s.failed && now < s.until {
		return false
	}
	return s.rose == 0 || now-s.rose >= dwell
}

// Forgive forgets what has failed: the network is another one, or has turned out to carry much more.
func (s *State) Forgive() { s.failed, s.until, s.wait = 0, 0, 0 }

// choose takes the choice. More frames of the same layer are no rise that has to prove itself: they can be
// taken back at once, without a keyframe.
func (s *State) choose(now int64, want, taken int, sameLayer bool) {
	if want > s.held() && s.seen && !sameLayer {
		s.rose, s.tried = now, want
	}
	s.seen = s.seen || want != Paused
	s.Want, s.Rung = want, taken
}
