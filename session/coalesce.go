package session

import (
	"slices"

	"parlor/session/terms"
)

// coalesce returns the net effect of events that the client has seen none of, in as few events as can be. Per
// user there is at most one user_left and one user_entered, or one streams and one user_updated. What concerns oneself is there
// once per type, layers once per source. What cannot be decoded or is paused is there once per seat and
// source, unless a leave has ended it. A user who entered and left again within events leaves no trace.
// Everybody else's leave stays, with the reason of the first. coalesce neither changes nor keeps events.
func coalesce(events []terms.Event) []terms.Event {
	net := map[string]*effect{}
	own := map[terms.EventType]int{} // the last event of those that concern oneself
	layers := map[terms.Source]int{}
	undecodable := map[section]int{}
	for i, e := range events {
		switch e.Type {
		case terms.EventRole, terms.EventBlocked, terms.EventTokenExpiring:
			own[e.Type] = i
		case terms.EventLayers:
			layers[e.Layers.Source] = i
		case terms.EventUndecodable, terms.EventPaused:
			undecodable[sectionOf(e)] = i
		case terms.EventUserEntered, terms.EventUserLeft, terms.EventStreams, terms.EventUserUpdated:
			x := net[e.User.User]
			if x == nil {
				x = &effect{left: -1, over: -1, state: -1, at: -1, updated: -1}
				net[e.User.User] = x
			}
			x.add(i, e)
		}
	}
	out := make([]terms.Event, 0, 2*len(net)+len(own)+1)
	for i, e := range events {
		switch e.Type {
		case terms.EventRole, terms.EventBlocked, terms.EventTokenExpiring:
			if i == own[e.Type] {
				out = append(out, e)
			}
		case terms.EventLayers:
			if i == layers[e.Layers.Source] {
				out = append(out, e)
			}
		case terms.EventUndecodable, terms.EventPaused:
			of := net[e.Undecodable.User]
			if i == undecodable[sectionOf(e)] && (of == nil || i > of.over) {
				out = append(out, e)
			}
		case terms.EventUserEntered, terms.EventUserLeft, terms.EventStreams, terms.EventUserUpdated:
			x := net[e.User.User]
			if i == x.left || i == x.updated {
				out = append(out, e)
			}
			if i == x.at {
				out = append(out, x.present(events[x.state]))
			}
		default:
			out = append(out, e)
		}
	}
	return out
}

// undo takes out of events, in place, what they tell of a user who leaves, if they also tell that the user
// entered. The client has not been told of events yet. If untold is true, the leave need not be told, either.
// So pairs of entering and leaving cost nothing for a client that is behind.
func undo(events []terms.Event, user string) (rest []terms.Event, untold bool) {
	from := -1
	for i, e := range events {
		if e.User.User != user {
			continue
		}
		switch e.Type {
		case terms.EventUserEntered:
			if from < 0 {
				from, untold = i, true
			}
		case terms.EventUserLeft: // told of before
			from, untold = -1, false
		}
	}
	if !untold {
		return events, false
	}
	kept := slices.DeleteFunc(events[from:], func(e terms.Event) bool {
		if e.Undecodable != nil {
			return e.Undecodable.User == user
		}
		switch e.Type {
		case terms.EventUserEntered, terms.EventStreams, terms.EventUserUpdated:
			return e.User.User == user
		}
		return false
	})
	return events[:from+len(kept)], true
}

// section is what an undecodable or paused event is about.
type section struct {
	of         terms.EventType
	seat, user string
	source     terms.Source
}

func sectionOf(e terms.Event) section {
	return section{e.Type, e.Undecodable.Seat, e.Undecodable.User, e.Undecodable.Source}
}

// effect is what events do to one user, in places of the events. -1: nothing.
type effect struct {
	known   bool       // to the client before the events
	decided bool       // known is set
	left    int        // the leave of the user that the client knew
	over    int        // the last leave
	state   int        // the last event of the user that is there in the end
	at      int        // place where that is told: the entering, since what else is of the user follows
	role    terms.Role // with which it entered anew
	entered bool       // anew, after left or without having been known
	updated int        // the last change of the profile, if that is told by itself

	name, metadata string // the last, if it entered anew
}

func (x *effect) add(i int, e terms.Event) {
	if !x.decided {
		x.decided, x.known = true, e.Type != terms.EventUserEntered
	}
	switch e.Type {
	case terms.EventUserLeft:
		if x.known && x.left < 0 {
			x.left = i
		}
		x.over, x.state, x.at, x.entered, x.updated = i, -1, -1, false, -1
	case terms.EventUserEntered:
		x.state, x.at, x.entered, x.role = i, i, true, e.User.Role
		x.name, x.metadata = e.User.Name, e.User.Metadata
	case terms.EventStreams:
		if x.state = i; !x.entered {
			x.at = i
		}
	case terms.EventUserUpdated:
		if x.name, x.metadata = e.User.Name, e.User.Metadata; !x.entered {
			x.updated = i
		}
	}
}

// present returns the event that puts the user into its last state.
func (x *effect) present(last terms.Event) terms.Event {
	if x.entered {
		last = last.Alone()
		last.Type = terms.EventUserEntered
		last.User.Role, last.User.Name, last.User.Metadata = x.role, x.name, x.metadata
	}
	return last
}
