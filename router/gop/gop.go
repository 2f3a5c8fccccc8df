// Package gop decides how a receiver begins with a stream of video. One way is a burst of the newest keyframe
// that is still there and all that has come since. The other is a keyframe that has yet to be asked for. The
// package chooses what shows the present picture sooner.
package gop

import (
	"slices"
	"time"
)

// What turning these costs is said of each.
const (
	// Speed is how many times as fast as the receiver's network is estimated a burst goes. libwebrtc's pacer
	// has the same. Higher ends bursts sooner if there is room, and makes longer queues if there is none.
	Speed = 2.5
	// MaxRate bounds the rate of a burst, in bit/s. Higher ends large ones sooner. It also makes the room
	// send more in one go to many that come at once.
	MaxRate = 20e6
	// Limit is how long a burst may take. Longer spares publishers keyframes, and fills the queue of a
	// receiver whose network is worse than estimated.
	Limit = 400 * time.Millisecond
	// Fresh is the age of a keyframe up to which what has come since is always worth sending.
	Fresh = 100 * time.Millisecond
	// UsualWait is the time from a request to its keyframe if nothing is known of the publisher.
	UsualWait = 300 * time.Millisecond
)

// Stream is what a stream has to offer to a receiver that begins.
type Stream struct {
	Age  time.Duration // of the newest keyframe
	Size int           // bytes of all packets from it on
	Key  int           // bytes of the keyframe alone
	Rate float64       // bit/s that come on top meanwhile
	Wait time.Duration // until the next keyframe comes if it is asked for
}

// Rate returns how fast a burst goes to a receiver whose network is estimated to carry so much, in bit/s.
func Rate(estimate float64) float64 { return min(Speed*estimate, MaxRate) }

// Choose says whether a receiver should get the burst, at a rate in bit/s.
func Choose(s Stream, rate float64) bool {
	takes := lasts(s.Size, rate-s.Rate)
	return takes < Limit && (s.Age < Fresh || takes < s.Wait+lasts(s.Key, rate))
}

// lasts is how long it takes to send so many bytes.
func lasts(bytes int, rate float64) time.Duration {
	if rate <= 0 {
		return time.Hour
	}
	return time.Duration(float64(bytes) * 8 / rate * float64(time.Second))
}

// remembered is of how many requests it is known how long they took. More are less sensitive to single ones,
// and learn later.
const remembered = 5

// Waits is how long the last requests for keyframes took. The zero value knows of none.
type Waits struct {
	last [remembered]time.Duration
	n    int
}

// Add notes one.
func (w *Waits) Add(d time.Duration) {
	w.last[w.n%remembered] = d
	if w.n++; w.n == 2*remembered {
		w.n = remembered
	}
}

// Median returns the usual one.
func (w *Waits) Median() time.Duration {
	if w.n == 0 {
		return UsualWait
	}
	sorted := w.last
	known := sorted[:min(w.n, remembered)]
	slices.Sort(known)
	return known[len(known)/2]
}
