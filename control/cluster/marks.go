package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"parlor/control/bus"
	"parlor/session/terms"
)

const (
	// keepWithin bounds how long a command waits until its bans or its block are in SFU_MARKS. Higher has
	// more commands answered only when other nodes know of them. Lower answers sooner if NATS is slow.
	keepWithin = 500 * time.Millisecond
	// keepAgain is how often what could not be written is tried again.
	keepAgain = time.Second
)

// errLate: it cannot be said now whether the room is still this node's.
var errLate = errors.New("this node is taking up its rooms again")

// marks are the bans and blocks that are to be written, by the room's token. An entry stays until all of it
// is written.
type marks struct {
	mu    sync.Mutex
	rooms map[string]*unwritten
	late  bool // that something is written later has been logged
	// carried is what was owed and is carried out, by its key: perhaps it stands there yet.
	carried map[string]version
	// since is what was wanted since the marks of a room were read, by the room's token and then the mark's
	// key. A room is in it while its marks are being heeded.
	since map[string]map[string]bool

	kick          chan struct{} // buffered: something is to be written later
	written, held atomic.Uint64
}

// unwritten is what is to be written of one room. If ended is set, its blocks are ended first; then all of
// wanted is written.
type unwritten struct {
	busy   chan struct{} // closed when the writer has ended; nil: nobody writes
	ended  bool
	wanted map[string]*terms.Mark // by key
}

func (m *marks) roomLocked(token string) *unwritten {
	u := m.rooms[token]
	if u == nil {
		u = &unwritten{wanted: map[string]*terms.Mark{}}
		m.rooms[token] = u
	}
	return u
}

// want has marks written by the next flush.
func (m *marks) want(token string, list []terms.Mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, since := m.roomLocked(token), m.since[token]
	for _, mark := range list {
		key := markKey(token, mark)
		u.wanted[key] = &mark
		if since != nil {
			since[key] = true
		}
	}
}

// reading begins to heed the marks of a room, which the caller reads after it. stands reports for one of them
// whether nothing else was wanted since, nor waits to be written. Only one caller at a time may read those of
// a room.
func (m *marks) reading(token string) (stands func(terms.Mark) bool, end func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	since := map[string]bool{}
	m.since[token] = since
	stands = func(mark terms.Mark) bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		key, block, u := markKey(token, mark), mark.Until.IsZero(), m.rooms[token]
		return !since[key] && !(block && since[blockPart]) && (u == nil || u.wanted[key] == nil && !(block && u.ended))
	}
	return stands, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.since, token)
	}
}

// end has the blocks of a room ended by the next flush.
func (m *marks) end(token string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.roomLocked(token)
	u.ended = true
	if since := m.since[token]; since != nil {
		since[blockPart] = true // all of them
	}
	maps.DeleteFunc(u.wanted, func(_ string, mark *terms.Mark) bool { return mark.Until.IsZero() })
}

// waiting returns how much is to be written, and of which rooms.
func (m *marks) waiting() (n int, tokens []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for token, u := range m.rooms {
		tokens = append(tokens, token)
		n += len(u.wanted)
		if u.ended {
			n++
		}
	}
	return n, tokens
}

// begin makes the caller the only writer of a room; nil: there is nothing to write.
func (m *marks) begin(ctx context.Context, token string) (*unwritten, error) {
	for {
		m.mu.Lock()
		u := m.rooms[token]
		if u == nil || u.busy == nil {
			if u != nil {
				u.busy = make(chan struct{})
			}
			m.mu.Unlock()
			return u, nil
		}
		busy := u.busy
		m.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// finish lets others write. It reports whether nothing of any room is left to be written, after it was logged
// that something was.
func (m *marks) finish(token string, u *unwritten) (over bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(u.busy)
	u.busy = nil
	if !u.ended && len(u.wanted) == 0 {
		delete(m.rooms, token)
	}
	over = m.late && len(m.rooms) == 0
	m.late = m.late && !over
	return over
}

// snapshot returns what is to be written.
func (m *marks) snapshot(u *unwritten) (ended bool, wanted map[string]*terms.Mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return u.ended, maps.Clone(u.wanted)
}

// wrote notes that a mark is written.
func (m *marks) wrote(u *unwritten, key string, mark *terms.Mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u.wanted[key] == mark {
		delete(u.wanted, key)
	}
}

// Keep writes bans and blocks of a room that is this node's into SFU_MARKS. The channel is closed when that
// is done, or after half a second at most: then they are written later. Keep does not block.
func (c *Cluster) Keep(room terms.RoomID, list []terms.Mark) <-chan struct{} {
	token := bus.RoomToken(room)
	c.marks.want(token, list)
	for _, m := range list {
		if m.Until.IsZero() {
			c.setMarked(token)
		}
	}
	done := make(chan struct{})
	if !c.background(func(ctx context.Context) {
		defer close(done)
		c.flushOrLater(ctx, token)
	}) {
		close(done)
	}
	return done
}

// EndBlocks has the blocks of a room of this node deleted, after the room has ended. It does not block.
func (c *Cluster) EndBlocks(room terms.RoomID) {
	token := bus.RoomToken(room)
	c.marks.end(token)
	c.background(func(ctx context.Context) { c.flushOrLater(ctx, token) })
}

// Recall returns what SFU_MARKS holds of a room that this node has claimed. The error is a *terms.Error with
// node_draining if NATS does not say, or ctx's.
func (c *Cluster) Recall(ctx context.Context, room terms.RoomID) ([]terms.Mark, error) {
	token := bus.RoomToken(room)
	bounded, cancel := context.WithTimeout(ctx, c.store.timeout)
	defer cancel()
	err := c.flush(bounded, token)
	var list []terms.Mark
	if err == nil {
		list, _, err = c.store.readMarks(bounded, token)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		c.o.Log.Warn().Err(err).Str("room", room.Key()).Msg("bans and blocks of a room could not be read: nobody enters it yet")
		return nil, terms.Errorf(terms.CodeNodeDraining, "", "it cannot be said yet who is banned from the room; try again")
	}
	for _, m := range list {
		if m.Until.IsZero() {
			c.setMarked(token)
		}
	}
	return list, nil
}

// setMarked notes that a room has blocks in SFU_MARKS, or will have.
func (c *Cluster) setMarked(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cl := c.claims[token]; cl != nil {
		cl.marked = true
	}
}

// flushOrLater flushes, and sees to it that what cannot be written now is written later.
func (c *Cluster) flushOrLater(ctx context.Context, token string) {
	ctx, cancel := context.WithTimeout(ctx, keepWithin)
	defer cancel()
	err := c.flush(ctx, token)
	if err == nil {
		return
	}
	c.marks.held.Add(1)
	c.marks.mu.Lock()
	first := !c.marks.late
	c.marks.late = true
	c.marks.mu.Unlock()
	if first {
		c.o.Log.Warn().Err(err).Msg("bans and blocks cannot be kept in NATS: other nodes do not know of them; they are written later")
	}
	signal(c.marks.kick)
}

// flush writes what is to be written of a room. If all is written already, it waits for nothing.
func (c *Cluster) flush(ctx context.Context, token string) error {
	u, err := c.marks.begin(ctx, token)
	if u == nil {
		return err
	}
	err = c.writeMarks(ctx, token, u)
	if c.marks.finish(token, u) {
		c.o.Log.Info().Msg("all bans and blocks are kept in NATS again")
	}
	return err
}

func (c *Cluster) writeMarks(ctx context.Context, token string, u *unwritten) error {
	c.mu.Lock()
	cl := c.claims[token]
	ours := cl != nil && !cl.theirs
	theirs := !ours && c.occupiedLocked(c.view.rooms[token]) // with the blocks that stand there
	c.mu.Unlock()
	switch {
	case !c.nc.IsConnected():
		return fmt.Errorf("%s: there is no connection to NATS", MarksBucket)
	case ours && c.Open() != nil:
		return errLate
	}
	ended, wanted := c.marks.snapshot(u)
	if ended && !theirs {
		if err := c.store.purgeMarks(ctx, token+blockPart+"*"); err != nil {
			return err
		}
	}
	if ended {
		c.marks.mu.Lock()
		u.ended = false
		c.marks.mu.Unlock()
	}
	failed := make(chan error, len(wanted))
	for key, mark := range wanted { // RemoveUser brings ten at most, so there are few
		go func() {
			err := c.writeMark(ctx, key, *mark, ours)
			if err == nil {
				c.marks.wrote(u, key, mark)
			}
			failed <- err
		}()
	}
	var err error
	for range wanted {
		err = errors.Join(err, <-failed)
	}
	return err
}

// occupiedLocked reports whether the entry of a room is that of another process that lives. A node that is
// still taking up its rooms counts, too.
func (c *Cluster) occupiedLocked(s *seenRoom) bool {
	if s == nil || c.me.mine[s.record.Incarnation] {
		return false
	}
	worth := c.view.judge(s.record)
	return worth == valid || worth == pending
}

// writeMark writes one mark. Blocks of a room that another node has, or nobody, are nothing any more.
func (c *Cluster) writeMark(ctx context.Context, key string, m terms.Mark, ours bool) (err error) {
	now := c.o.Now()
	left := m.Until.Sub(now)
	switch {
	case m.Until.IsZero() && !ours, !m.Until.IsZero() && left <= 0:
		return nil
	case m.Until.IsZero() && m.Block == terms.BlockNone:
		err = c.store.purgeMarks(ctx, key)
	case m.Until.IsZero():
		err = c.store.putMark(ctx, key, markRecord(m), 0)
	default:
		m.Until = now.Add(left) // by the wall clock as it is now
		err = c.store.putMark(ctx, key, markRecord(m), left)
	}
	if err == nil {
		c.marks.written.Add(1)
	}
	return err
}

// keepMarks writes what could not be written at once.
func (c *Cluster) keepMarks(ctx context.Context) {
	for {
		select {
		case <-c.marks.kick:
		case <-ctx.Done():
			return
		}
		for n, tokens := c.marks.waiting(); n > 0; n, tokens = c.marks.waiting() {
			sleep(ctx, keepAgain)
			if ctx.Err() != nil {
				return
			}
			for _, token := range tokens {
				c.flushLater(ctx, token)
			}
		}
	}
}

func (c *Cluster) flushLater(ctx context.Context, token string) {
	ctx, cancel := context.WithTimeout(ctx, c.store.timeout)
	defer cancel()
	if err := c.flush(ctx, token); err != nil {
		c.o.Log.Debug().Err(err).Str("room", token).Msg("bans and blocks are still to be kept")
	}
}

// flushLast writes what is to be written of a room that this node is about to give up. With end, no node has
// the room then, so its blocks end. The caller has made the claim busy.
func (c *Cluster) flushLast(ctx context.Context, token string, end bool) error {
	if end {
		c.marks.end(token)
	}
	ctx, cancel := context.WithTimeout(ctx, c.store.timeout)
	defer cancel()
	return c.flush(ctx, token)
}
