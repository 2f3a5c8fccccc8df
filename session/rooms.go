package session

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"sync"
	"sync/atomic"
	"time"

	"parlor/session/terms"
)

// Rooms are all rooms of a node. Its methods may be called from any goroutine.
type Rooms struct {
	opts        Options
	transport   Transport
	events      Events
	totals      totals
	undecodable pairs
	counts      counts
	losses      losses
	messages    messageCounts
	candidates  atomic.Pointer[[]string] // of the transport, as the sweep has seen them last
	arrivals    atomic.Uint64
	entries     *entries

	mu         sync.Mutex
	rooms      map[string]*room        // by RoomID.Key
	sessions   map[string]*participant // by id: those inside, and those entering
	tombs      tombs                   // sessions that ended without the user being told
	bans       map[banned]ban
	epoch      uint64 // of the feed, see Retell
	draining   bool   // nobody enters any more
	noNewRooms bool   // see Drain
	stopped    bool   // nothing is spawned any more
	spawned    sync.WaitGroup
}

// banned is a user that may not enter a room.
type banned struct{ room, user string }

// ban says until when a user may not enter, and what it is told if it is put out because of that.
type ban struct {
	until time.Time
	text  string
}

// New returns a node's rooms. It starts nothing.
func New(o Options, t Transport, ev Events) *Rooms {
	if ev == nil {
		ev = NoEvents{}
	}
	r := &Rooms{
		opts: o.withDefaults(), transport: t, events: ev,
		rooms: map[string]*room{}, sessions: map[string]*participant{}, bans: map[banned]ban{},
	}
	r.entries = newEntries(r.opts.Limits.Entries)
	if t != nil {
		r.lookAtCandidates()
	}
	return r
}

// lookAtCandidates notes at which addresses the media port is reached now.
func (r *Rooms) lookAtCandidates() {
	if r.transport == nil {
		return
	}
	list := r.transport.Candidates()
	r.candidates.Store(&list)
}

// candidateList is what clients are told of that.
func (r *Rooms) candidateList() []string {
	if list := r.candidates.Load(); list != nil {
		return *list
	}
	return nil
}

// Resume gives a new signalling connection the session of an earlier one, which loses it: its Next returns
// ErrDetached. lastSeq is the last event that the client has; those after it come again from Next. It returns
// a user_not_found if there is no such session (any more) or the key is wrong. A session whose user was put
// out while it was not connected can still be resumed for a while, to learn of it. If the user was put out
// because its token ended, the error is token_expired.
func (r *Rooms) Resume(_ context.Context, id, key string, lastSeq uint64) (*Session, error) {
	p, err := r.find(id, key)
	if err != nil {
		return nil, err
	}
	if p.mediaOnly {
		return nil, terms.Errorf(terms.CodeBadRequest, "session", "this session has no signalling")
	}
	if p.expired(r.opts.Now()) {
		return nil, terms.Errorf(terms.CodeTokenExpired, "session", "the session has ended with its token")
	}
	attachment, err := p.box.attach(lastSeq)
	if err != nil {
		return nil, err
	}
	p.signs.doubt.Store(nil)
	p.touch()
	return &Session{p: p, attachment: attachment}, nil
}

// Lookup returns a hold on a session that is not its signalling connection, for requests that come beside it.
func (r *Rooms) Lookup(id, key string) (*Session, error) {
	p, err := r.find(id, key)
	if err != nil {
		return nil, err
	}
	return &Session{p: p}, nil
}

func (r *Rooms) find(id, key string) (*participant, error) {
	r.mu.Lock()
	p := r.sessions[id]
	if p == nil {
		p = r.tombs.find(id)
	}
	r.mu.Unlock()
	if p == nil || subtle.ConstantTimeCompare([]byte(p.key), []byte(key)) != 1 {
		return nil, terms.Errorf(terms.CodeUserNotFound, "session", "there is no such session")
	}
	return p, nil
}

// Limits returns the limits in force.
func (r *Rooms) Limits() Limits { return r.opts.Limits }

// room returns the room of that id, or nil.
func (r *Rooms) room(id terms.RoomID) *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rooms[id.Key()]
}

// list returns all rooms in no order.
func (r *Rooms) list() []*room {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := make([]*room, 0, len(r.rooms))
	for _, rm := range r.rooms {
		l = append(l, rm)
	}
	return l
}

// spawn runs f on a goroutine that Shutdown waits for. After Shutdown f is not run.
func (r *Rooms) spawn(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stopped {
		r.spawned.Go(f)
	}
}

// done is the end of a session: everything that it held is freed.
type done struct {
	gone  chan struct{} // closed then
	after []func()      // what is to be called then; under Rooms.mu
}

// afterDone has f called when p is gone.
func (r *Rooms) afterDone(p *participant, f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-p.done.gone:
		go f()
	default:
		p.done.after = append(p.done.after, f)
	}
}

// freed says that p is gone.
func (r *Rooms) freed(p *participant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(p.done.gone)
	for _, f := range p.done.after {
		go f()
	}
	p.done.after = nil
}

// forget takes a session that has ended out of the index. It keeps the session for a late resume if its user
// does not know of the end.
func (r *Rooms) forget(p *participant) {
	keep := !p.mediaOnly && p.box.exited() && !p.box.wasTold()
	r.opts.Relay.End(p.id)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sessions[p.id] != p {
		return
	}
	delete(r.sessions, p.id)
	if keep {
		r.tombs.add(p, r.opts.Now().Add(r.opts.Timers.Timeout))
	}
}

// remove takes an ended room out of the index, and gives it up to other nodes.
func (r *Rooms) remove(rm *room) {
	blocks := rm.endsBlocks()
	r.mu.Lock()
	there := r.rooms[rm.key] == rm
	if there {
		delete(r.rooms, rm.key)
		if blocks { // here, so that the room has none when it is made again
			r.opts.Marks.EndBlocks(rm.id)
		}
	}
	r.mu.Unlock()
	if there {
		rm.release()
	}
}

// maxTombs bounds the memory for sessions whose users were put out while not connected. Beyond it the oldest
// is forgotten; its client then gets user_not_found on resuming.
const maxTombs = 4096

// tombs are ended sessions, oldest first.
type tombs []tomb

type tomb struct {
	p     *participant
	until time.Time
}

func (t *tombs) add(p *participant, until time.Time) {
	if len(*t) >= maxTombs {
		*t = (*t)[1:]
	}
	*t = append(*t, tomb{p, until})
}

func (t tombs) find(id string) *participant {
	for _, e := range t {
		if e.p.id == id {
			return e.p
		}
	}
	return nil
}

func (t *tombs) expire(now time.Time) {
	n := 0
	for n < len(*t) && !now.Before((*t)[n].until) {
		n++
	}
	*t = append(tombs(nil), (*t)[n:]...)
}

// newID returns an id or a secret of 26 characters that nobody can guess.
func newID() string { return rand.Text() }
