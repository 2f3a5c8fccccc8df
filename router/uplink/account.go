package uplink

// Account is what has become of a publisher's packets, by their transport-wide numbers, if not all of it is
// told.
//
// What is missing and spared is left out of reports: libwebrtc takes what no report covers neither for
// received nor for lost. Later it is told to have come, as libwebrtc cannot send again what it knows to have
// come. That happens once the publisher cannot be asked for it any more. The zero value is ready.
type Account struct {
	base uint16 // number of the first entry
	told int    // entries from this one on were in no report yet
	all  []entry
}

type entry struct {
	at    int64 // when it came, or when it was found to be missing
	state state
}

type state uint8

const (
	came   state = iota
	lost         // to be told
	spare        // not told of
	forgot       // the same for good
)

// Tunables of an Account.
const (
	// patience is for how long a packet may be told to have come after all, in ns. libwebrtc looks at what
	// came within the last 750 ms.
	patience = 1e9
	// longest is of how many packets in a row a report tells. Each takes 3 bytes at most.
	longest = 256
	// most is how many packets an Account keeps.
	most = 1024
)

// Came takes a packet, and whether those before it that are missing are not to be told of.
func (a *Account) Came(number uint16, at int64, spared bool) {
	if len(a.all) == 0 {
		a.base = number
	}
	step := int(int16(number - a.base - uint16(len(a.all))))
	if step < 0 {
		a.late(len(a.all)+step, at)
		return
	}
	missing := entry{at: at, state: lost}
	if spared {
		missing.state = spare
	}
	for range step {
		a.all = append(a.all, missing)
	}
	a.all = append(a.all, entry{at: at})
	if len(a.all) > most {
		a.drop(len(a.all) - most*3/4) // many at once: what is kept moves
	}
}

// late takes a packet that others have overtaken. It is told with the next that cannot be missing any more.
func (a *Account) late(i int, at int64) {
	if i < 0 || a.all[i].state == came {
		return
	}
	a.all[i] = entry{at: at, state: spare}
	if i >= a.told {
		a.all[i].state = came
	}
}

// Untold returns how many packets were in no report yet.
func (a *Account) Untold() int { return len(a.all) - a.told }

// Told says that all has been told, the way it was. What was missing can be told to have come after all.
func (a *Account) Told(now int64) {
	a.told = len(a.all)
	n := 0
	for n < len(a.all)-1 && now-a.all[n].at > patience {
		n++
	}
	a.drop(n)
}

// Run is packets in a row that are told of: those that came by At, the others are lost.
type Run struct {
	a        *Account
	from, to int
}

// Each calls do with each packet of a run that came.
func (r Run) Each(do func(number uint16, at int64)) {
	for i := r.from; i < r.to; i++ {
		if e := &r.a.all[i]; e.state == came {
			do(r.a.base+uint16(i), e.at)
		}
	}
}

// Tell calls do with the runs that are to be told now. Nothing that was sent up to whole is missing any more.
// now and whole are in ns.
func (a *Account) Tell(now, whole int64, do func(Run)) {
	from := a.told
	if from > 0 && from < len(a.all) && a.all[from].state == lost {
		from-- // what is lost follows one that has come
	}
	a.runs(from, len(a.all), do)
	known := a.told
	for ; a.told < len(a.all); a.told++ {
		if e := &a.all[a.told]; e.state == lost {
			e.state = forgot // once is enough
		}
	}
	first, last := -1, 0
	for i := range known {
		e := &a.all[i]
		if e.state != spare {
			continue
		}
		if e.at >= whole && now-e.at <= patience {
			known = i
			break
		}
		if e.at >= whole {
			e.state = forgot
			continue
		}
		e.state = came
		if last = i; first < 0 {
			first = i
		}
	}
	if first >= 0 {
		a.runs(first, last+1, do)
	}
	a.drop(min(known, len(a.all)-1))
}

// runs calls do with the runs between two entries.
func (a *Account) runs(from, to int, do func(Run)) {
	for i := from; i < to; i++ {
		if a.all[i].state != came {
			continue
		}
		r := Run{a, i, i}
		for ; i < to && a.all[i].state <= lost && i < r.from+longest; i++ {
			if a.all[i].state == came {
				r.to = i + 1
			}
		}
		do(r)
		i--
	}
}

// drop forgets the first n entries.
func (a *Account) drop(n int) {
	if n <= 0 {
		return
	}
	a.all = append(a.all[:0], a.all[n:]...)
	a.base += uint16(n)
	a.told = max(a.told-n, 0)
}
