package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"parlor/control/bus"
	"parlor/session/terms"
)

// A command that ends something is owed if it is given while the node of its room cannot be reached. It waits
// in SFU_MARKS until that node carries it out. If the node has to register anew, it does so before anybody
// enters; otherwise with its next look. The command is void for other nodes that get the room, and for a
// later room of the same name.
const (
	owedPart = ".owed."
	// maxOwed is how many commands on one room are owed at a time. Higher makes a node that is back take
	// longer until users enter.
	maxOwed = 32
	// maxObeyed is how many are carried out at a time. It is higher, as nodes that give commands at the same
	// moment exceed maxOwed together.
	maxObeyed = 2 * maxOwed
	// maxOwedBytes bounds what is read of one: the largest command with what is said of it.
	maxOwedBytes = 4 << 10
	// obeyWithin is how long carrying one out is waited for. Higher makes users that enter wait for longer if
	// a room is very large. Lower cuts more commands short.
	obeyWithin = 5 * time.Second
	// obeyTries is how often what is owed of a room is read before those inside are sent after it.
	obeyTries = 10
	// maxCarried bounds what is remembered of what was carried out and could not be deleted yet.
	maxCarried = 1024
)

var (
	errMoved = errors.New("the room is no longer that node's")
	errOwed  = fmt.Errorf("%d commands on the room wait already", maxOwed)
)

// Owed is a command for a node that cannot be reached.
type Owed struct {
	Room    terms.RoomID
	Action  string
	Request []byte // a JSON object; a ban is not in it
	ID      string // as the node may have got it otherwise; "": it cannot have
	Ban     Ban
}

// Ban bans users from entering the room, from now on; the zero value bans nobody.
type Ban struct {
	Users []string
	For   time.Duration
	Text  string
}

// OwedRecord is the value of a key "<room>.owed.<which>" in SFU_MARKS.
type OwedRecord struct {
	Action      string          `json:"action"`
	Request     json.RawMessage `json:"request"`
	Incarnation string          `json:"incarnation"` // of who owes it, as the room's entry named it
	Entry       uint64          `json:"entry"`       // that entry's revision
	ID          string          `json:"id,omitempty"`
}

// owed is an OwedRecord as it was read.
type owed struct {
	OwedRecord
	key string
	version
}

// version says which of what was written with a key is meant. Revisions begin anew with another bucket.
type version struct {
	bucket   time.Time // when it was made
	revision uint64
}

// owedKey is the same for the same command, so that one which is given again and again waits once.
func owedKey(token string, o Owed) string {
	sum := sha256.Sum256(append([]byte(o.Action+"\n"), o.Request...))
	return token + owedPart + hex.EncodeToString(sum[:12])
}

// decodeOwed reads the value of a key of the room with that token. Others may have written it: if it is no
// command, that is an error.
func decodeOwed(token, key string, value []byte) (owed, error) {
	which, ok := strings.CutPrefix(key, token+owedPart)
	if !ok || which == "" || len(value) > maxOwedBytes {
		return owed{}, fmt.Errorf("entry %s: it is no command that is owed", key)
	}
	r, err := decode[OwedRecord](key, value)
	if err != nil {
		return owed{}, err
	}
	if r.Action == "" || len(r.Request) == 0 || r.Request[0] != '{' || r.Incarnation == "" {
		return owed{}, fmt.Errorf("entry %s: something is missing", key)
	}
	return owed{OwedRecord: r, key: key}, nil
}

// Owe keeps a command for the node that has a room by its entry and cannot be reached. That node carries it
// out once it is back, if that is within the returned time. A ban holds from now on. If there is an error,
// the command may be kept or not.
func (c *Cluster) Owe(ctx context.Context, node string, o Owed) (within time.Duration, err error) {
	token := bus.RoomToken(o.Room)
	e, err := c.entryOf(ctx, token, node)
	if err != nil {
		return 0, err
	}
	if err := c.banNow(ctx, token, o); err != nil {
		return 0, err
	}
	value, err := json.Marshal(OwedRecord{o.Action, o.Request, e.record.Incarnation, e.revision, o.ID})
	if err == nil && len(value) > maxOwedBytes {
		err = fmt.Errorf("it has %d bytes", len(value))
	}
	if err != nil {
		return 0, fmt.Errorf("keeping a command: %w", err)
	}
	key := owedKey(token, o)
	if err := c.store.putOwed(ctx, token, key, value, c.o.Forget); err != nil {
		return 0, err
	}
	if _, err := c.entryOf(ctx, token, node); err != nil {
		// It stays, as it may have been promised before. For the node that has the room now it is void.
		return 0, err
	}
	c.o.Log.Info().Str("room", o.Room.Key()).Str("action", o.Action).Str("other", node).Msg("a command is kept for a node that does not answer")
	return c.o.Forget, nil
}

// entryOf returns a room's entry, if it names that node.
func (c *Cluster) entryOf(ctx context.Context, token, node string) (entry[RoomRecord], error) {
	e, err := get[RoomRecord](ctx, c.store, RoomsBucket, token)
	if errors.Is(err, errAbsent) || err == nil && (e.record.Node != node || node == c.o.Node) {
		err = errMoved
	}
	return e, err
}

// banNow writes the bans of a command on a room that is another node's.
func (c *Cluster) banNow(ctx context.Context, token string, o Owed) error {
	if len(o.Ban.Users) == 0 {
		return nil
	}
	var list []terms.Mark
	for _, user := range o.Ban.Users {
		list = append(list, terms.Mark{User: user, Until: c.o.Now().Add(o.Ban.For), Text: o.Ban.Text})
	}
	<-c.Keep(o.Room, list)
	return c.flush(ctx, token)
}

// putOwed writes a command, unless too many wait.
func (s *store) putOwed(ctx context.Context, token, key string, value []byte, ttl time.Duration) error {
	_, stream, err := s.marks(ctx)
	if err != nil {
		return err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(marksSubject+token+owedPart+"*"))
	if err := s.marksOutcome(err); err != nil {
		return err
	}
	if _, again := info.State.Subjects[marksSubject+key]; !again && len(info.State.Subjects) >= maxOwed {
		return errOwed
	}
	return s.putMarks(ctx, key, value, ttl)
}

// keepObeying carries out what this node has come to owe although it did not lose its lease. It hung for a
// moment, or others could not reach it.
func (c *Cluster) keepObeying(ctx context.Context) {
	for ctx.Err() == nil {
		sleep(ctx, c.store.length()/3)
		if c.Open() != nil { // what is owed then is read before it opens
			continue
		}
		if err := c.obeyAll(ctx); err != nil && ctx.Err() == nil {
			c.o.Log.Debug().Err(err).Msg("looking for commands that are owed")
		}
	}
}

func (c *Cluster) obeyAll(ctx context.Context) error {
	_, owing, err := c.store.marked(ctx, "*"+owedPart+"*")
	if err != nil {
		return err
	}
	for token := range owing {
		c.mu.Lock()
		cl := c.claims[token]
		ours := cl != nil && !cl.room.IsZero()
		c.mu.Unlock()
		if ours {
			err = errors.Join(err, c.heed(ctx, cl))
		}
	}
	return err
}

// owing returns the tokens of rooms of which something is owed, by any node. It is read before rooms are
// given away; if that fails, it is logged.
func (c *Cluster) owing(ctx context.Context) map[string]bool {
	ctx, cancel := context.WithTimeout(ctx, obeyWithin)
	defer cancel()
	_, owing, err := c.store.marked(ctx, "*"+owedPart+"*")
	if err != nil {
		c.o.Log.Warn().Err(err).Msg("whether something is owed of the rooms that are given to other nodes could not be read")
	}
	return owing
}

// obeyLast carries out what this node still owes of a room before it gives it away.
func (c *Cluster) obeyLast(ctx context.Context, cl *claim) {
	ctx, cancel := context.WithTimeout(ctx, obeyWithin)
	defer cancel()
	if err := c.heed(ctx, cl); err != nil {
		c.o.Log.Warn().Err(err).Str("room", cl.room.Key()).Msg("not all that is owed of a room that is given to another node could be carried out")
	}
}

// obeyFirst carries out what is owed of a room that another node has taken over. The caller has made the
// claim busy.
func (c *Cluster) obeyFirst(ctx context.Context, cl *claim) {
	ctx, cancel := c.untilOver(ctx)
	defer cancel()
	var err error
	for range obeyTries {
		var list []owed
		within, cancel := context.WithTimeout(ctx, c.store.timeout)
		_, list, err = c.store.readMarks(within, cl.token)
		cancel()
		if err == nil {
			err = c.obey(ctx, cl, list)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		sleep(ctx, tryEvery)
	}
	c.o.Log.Warn().Err(err).Str("room", cl.room.Key()).Msg("whether something is owed of a room that was taken over could not be read")
}

// obey carries out what this node owes of a room, in order, each command once, and deletes it. What cannot be
// deleted now keepObeying deletes later. The caller has made the claim busy. The error is ctx's.
func (c *Cluster) obey(ctx context.Context, cl *claim, list []owed) error {
	list = slices.DeleteFunc(list, func(o owed) bool { return !c.owes(cl, o) })
	list = list[:min(len(list), maxObeyed)] // the next look finds the others
	for _, o := range list {
		if err := c.carryOut(ctx, cl, o); err != nil {
			return err
		}
	}
	for _, o := range list {
		if err := c.clearOwed(ctx, o); err != nil {
			c.o.Log.Debug().Err(err).Str("room", cl.room.Key()).Msg("deleting commands that are carried out")
			break
		}
	}
	return ctx.Err()
}

// carryOut carries out one command, if it was not before. The error is ctx's.
func (c *Cluster) carryOut(ctx context.Context, cl *claim, o owed) error {
	if c.marks.hasCarried(o) {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, obeyWithin)
	defer cancel()
	err := c.node.Obey(within, Owed{Room: cl.room, Action: o.Action, Request: o.Request, ID: o.ID})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.marks.carry(o)
	c.o.Log.Warn().AnErr("result", err).Str("room", cl.room.Key()).Str("action", o.Action).
		Msg("a command is carried out that was given while this node could not be reached")
	return nil
}

// clearOwed deletes a command that is carried out.
func (c *Cluster) clearOwed(ctx context.Context, o owed) error {
	ctx, cancel := context.WithTimeout(ctx, c.store.timeout)
	defer cancel()
	err := c.store.purgeMarks(ctx, o.key, jetstream.WithPurgeSequence(o.revision+1)) // nothing given since
	if err == nil {
		c.marks.cleared(o)
	}
	return err
}

// owes reports whether a command is for this process, and for the room that it has now.
func (c *Cluster) owes(cl *claim, o owed) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.me.mine[o.Incarnation] && o.Entry >= cl.first
}

// hasCarried reports whether a command was carried out that could not be deleted then.
func (m *marks) hasCarried(o owed) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.carried[o.key]
	return was.revision >= o.revision && was.bucket.Equal(o.bucket)
}

// carry notes that a command was carried out.
func (m *marks) carry(o owed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.carried) >= maxCarried {
		clear(m.carried)
	}
	m.carried[o.key] = o.version
}

// cleared notes that it was deleted.
func (m *marks) cleared(o owed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.carried, o.key)
}
