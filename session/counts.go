package session

import (
	"errors"
	"sync/atomic"

	"parlor/session/terms"
)

// counts are how often users have entered, or been refused, and left since the node's start.
type counts struct {
	entered, failed atomic.Uint64
	redirected      atomic.Uint64
	often           atomic.Uint64
	refused         [len(codes)]atomic.Uint64
	left            [len(effects)]atomic.Uint64
}

// codes are the codes with which entering is refused.
var codes = [...]terms.Code{terms.CodeBadRequest, terms.CodeTokenInvalid, terms.CodeTokenExpired, terms.CodeNotAllowed, terms.CodeRoomFull, terms.CodePublisherLimit, terms.CodeSceneMismatch,
	terms.CodeBanned, terms.CodeNodeDraining, terms.CodeInternal}

// joined counts the outcome of an entering.
func (c *counts) joined(err error) {
	if err == nil {
		c.entered.Add(1)
		return
	}
	var elsewhere *terms.ElsewhereError
	if errors.As(err, &elsewhere) {
		c.redirected.Add(1)
		return
	}
	var e *terms.Error
	if errors.As(err, &e) {
		if e.RetryAfter > 0 {
			c.often.Add(1)
			return
		}
		for i, code := range codes {
			if e.Code == code {
				c.refused[i].Add(1)
				return
			}
		}
	}
	c.failed.Add(1)
}

// Refused counts an entering that a door has refused before Enter was called, such as one with a bad token.
func (r *Rooms) Refused(err error) { r.counts.joined(err) }

// Joins returns how many enterings there were, by result. That is `entered`, `redirected` to another node, or
// the code of the error. It is `too_often` for a user that has entered too often, and `gone` for a client
// that did not wait. A client that was let in before it was known to be gone counts as `entered`, too.
func (r *Rooms) Joins() map[string]uint64 {
	m := map[string]uint64{"entered": r.counts.entered.Load(), "gone": r.counts.failed.Load() + r.counts.left[causeGone].Load(), "redirected": r.counts.redirected.Load(), "too_often": r.counts.often.Load()}
	for i, code := range codes {
		m[string(code)] = r.counts.refused[i].Load()
	}
	return m
}

// Leaves returns how many sessions have ended, by cause.
func (r *Rooms) Leaves() map[string]uint64 {
	m := make(map[string]uint64, len(effects))
	for c, e := range effects {
		m[e.name] = r.counts.left[c].Load()
	}
	return m
}
