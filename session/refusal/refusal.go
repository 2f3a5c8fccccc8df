// Package refusal says who was refused at a node's doors, and why: in the log, and as counts.
//
// Strangers cause refusals as often as they like. So the log has one line a minute for each door and reason,
// with how many there were since. The counts have them all. The lines are information, no warnings: the node
// does as it was told, and an alert is made of the counts. What was shown is never logged. So the text of a
// bad request is not logged either, as it may quote that.
//
//	refusal.go  Log: lines and counts
//	latest.go   the latest refusals, for operators
package refusal

import (
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"parlor/session/terms"
)

// every is how long the same is not logged again. Lower lets strangers fill the log. Higher leaves a reader
// of its end without a clue.
const every = time.Minute

// TooOften is the reason of a refusal that says when to come again, whatever its code.
const TooOften = "too_often"

// Refusal is one.
type Refusal struct {
	Door string     // such as whip; one of few
	From netip.Addr // not valid: not known
	// Room and User are those of the entering that was refused, if known. What is no id is not logged.
	Room terms.RoomID
	User string
	Err  error // a *terms.Error; another kind: nothing was refused, and nothing happens
}

// Kind is what is counted.
type Kind struct{ Door, Reason string }

// Log counts and logs refusals. Safe for concurrent use. A nil *Log does neither.
type Log struct {
	log zerolog.Logger

	mu    sync.Mutex
	kinds map[Kind]*kind
	last  latest
}

// kind is what is known of one.
type kind struct {
	all  uint64
	at   time.Time // of the last line
	more uint64    // since then
}

// New returns one that has counted nothing.
func New(log zerolog.Logger) *Log { return &Log{log: log, kinds: map[Kind]*kind{}} }

// Note counts a refusal, and logs it if the last line of its kind is old enough. What failed within the node,
// such as a client that has gone, is logged where it is known, or nowhere.
func (l *Log) Note(r Refusal) {
	e := terms.AsError(r.Err)
	if l == nil || r.Err == nil || e.Code == terms.CodeInternal {
		return
	}
	reason := string(e.Code)
	if e.RetryAfter > 0 {
		reason = TooOften
	}
	now := time.Now()
	x := entryOf(r, e, reason, now)
	if more, due := l.count(x, now); due {
		l.write(x, more)
	}
}

// count keeps a refusal. It reports whether a line is due, and how many were not logged since the last one.
func (l *Log) count(x Entry, now time.Time) (more uint64, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last.add(x)
	of := x.Kind
	k := l.kinds[of]
	if k == nil {
		k = &kind{at: now.Add(-every)}
		l.kinds[of] = k
	}
	k.all++
	if now.Sub(k.at) < every {
		k.more++
		return 0, false
	}
	more = k.more
	k.at, k.more = now, 0
	return more, true
}

func (l *Log) write(x Entry, more uint64) {
	line := l.log.Info().Str("door", x.Door).Str("reason", x.Reason)
	if x.From.IsValid() {
		line = line.Stringer("from", x.From)
	}
	if !x.Room.IsZero() {
		line = line.Str("room", x.Room.Key())
	}
	if x.User != "" {
		line = line.Str("user", x.User)
	}
	if x.Field != "" {
		line = line.Str("field", x.Field)
	}
	if x.Why != "" {
		line = line.Str("why", x.Why)
	}
	if more > 0 {
		line = line.Uint64("more", more)
	}
	line.Msg("refused")
}

// Counts returns how many refusals there were of each kind.
func (l *Log) Counts() map[Kind]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := make(map[Kind]uint64, len(l.kinds))
	for of, k := range l.kinds {
		m[of] = k.all
	}
	return m
}
