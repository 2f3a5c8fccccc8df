package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"parlor/control/bus"
	"parlor/session/terms"
)

const (
	// rereadAfter is the time between two attempts to read the stream. Higher shows events later after an
	// outage.
	rereadAfter = 300 * time.Millisecond
	// readBeat is how often the server says that it is there. After two that are missing the stream is opened
	// anew.
	readBeat = 500 * time.Millisecond
	// widen is how much further back is looked for the last events, if too few of those looked at are wanted.
	widen = 8
	// MaxLast is the highest ReadOptions.Last: as many events are held.
	MaxLast = 100_000
)

// ReadOptions say which events are read. The zero value stands for all that are stored from now on.
type ReadOptions struct {
	Rooms []terms.RoomID   // only events of these; none: of all
	Types []terms.FeedType // only these; none: all
	Users []string         // only events of these; none: of all, and of rooms

	Since time.Time // also those that were stored from then on
	Last  int       // also the last so many that were stored; 0 to MaxLast, not along with Since

	// Trouble is called with what keeps Read from reading; it goes on trying. Nil: nobody is told.
	Trouble func(error)
}

// Read calls take for each event of the stream that o asks for, as it is and as it is stored, in the order of
// the stream. Events of a room are in order, and repeats are left out. Read goes on after outages, also if
// there is no stream yet or another one in its place. It returns nil when ctx is done, or the error that take
// has returned. nc stays the caller's.
func Read(ctx context.Context, nc *bus.Conn, o ReadOptions, take func(e terms.FeedEvent, stored []byte) error) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if o.Trouble == nil {
		o.Trouble = func(error) {}
	}
	r := &reader{js: js, o: o, take: take, seen: map[string]bool{}}
	for {
		err := r.read(ctx)
		var own *takeError
		if errors.As(err, &own) {
			return own.error
		}
		if ctx.Err() == nil {
			o.Trouble(err)
		}
		select {
		case <-time.After(rereadAfter):
		case <-ctx.Done():
			return nil
		}
	}
}

// takeError is an error of the function that takes events.
type takeError struct{ error }

// reader is a Read under way.
type reader struct {
	js   jetstream.JetStream
	o    ReadOptions
	take func(terms.FeedEvent, []byte) error

	made time.Time // when the stream was made that was read
	next uint64    // the number from which it is read; 0: the options say
	late bool      // there was no stream when Read began, so all of it is new

	seen, before map[string]bool // ids of the latest events, for leaving out repeats
}

// read opens the stream and reads it until something is wrong.
func (r *reader) read(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, ackTime)
	defer cancel()
	s, err := r.js.Stream(short, Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		r.late = true
		return fmt.Errorf("there is no stream %s yet: a node makes it with the first event", Stream)
	}
	if err != nil {
		return fmt.Errorf("opening the stream %s: %w", Stream, err)
	}
	info := s.CachedInfo()
	if another := !r.made.IsZero() && !r.made.Equal(info.Created); another || r.late {
		r.next, r.late = 1, false
	}
	r.made = info.Created
	p, err := r.start(ctx, s, info.State)
	if err != nil {
		return err
	}
	defer p.messages.Stop()
	for {
		m, err := p.read(ctx)
		if err != nil {
			return err
		}
		if err := r.pass(m); err != nil {
			return err
		}
		r.next = m.number + 1
	}
}

// start begins to read where the last read has ended, or where the options say.
func (r *reader) start(ctx context.Context, s jetstream.Stream, has jetstream.StreamState) (*pull, error) {
	switch {
	case r.next > 0:
		return r.open(ctx, s, from(r.next))
	case !r.o.Since.IsZero():
		return r.open(ctx, s, jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &r.o.Since})
	case r.o.Last > 0:
		return r.last(ctx, s, has)
	}
	r.next = has.LastSeq + 1
	return r.open(ctx, s, from(r.next))
}

func from(number uint64) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(number, 1)}
}

// last passes on the last events that are wanted. It looks further and further back for them, since the
// server cannot say which users events are of.
func (r *reader) last(ctx context.Context, s jetstream.Stream, has jetstream.StreamState) (*pull, error) {
	for window := uint64(r.o.Last); ; window *= widen {
		first := has.FirstSeq
		if has.LastSeq >= window {
			first = max(first, has.LastSeq-window+1)
		}
		p, err := r.open(ctx, s, from(first))
		if err != nil {
			return nil, err
		}
		var found []message
		for p.pending > 0 && err == nil {
			var m message
			if m, err = p.read(ctx); err == nil && r.wanted(m) {
				found = append(found[max(0, len(found)+1-r.o.Last):], m)
			}
		}
		if err == nil && len(found) < r.o.Last && first > has.FirstSeq {
			p.messages.Stop()
			continue
		}
		for _, m := range found {
			err = errors.Join(err, r.pass(m))
			r.next = m.number + 1
		}
		if r.next == 0 {
			r.next = has.LastSeq + 1
		}
		if err != nil {
			p.messages.Stop()
		}
		return p, err
	}
}

// wanted reports whether a message is an event of the users that are asked for.
func (r *reader) wanted(m message) bool {
	return m.ok && (len(r.o.Users) == 0 || slices.Contains(r.o.Users, m.event.User))
}

// pass hands on an event that is wanted and no repeat.
func (r *reader) pass(m message) error {
	if !m.ok {
		r.o.Trouble(fmt.Errorf("message %d of the stream %s is no event that can be read, and is left out", m.number, Stream))
		return nil
	}
	if !r.wanted(m) || r.seen[m.event.ID] || r.before[m.event.ID] {
		return nil
	}
	const most = 4096
	if r.seen[m.event.ID] = true; len(r.seen) >= most {
		r.before, r.seen = r.seen, map[string]bool{}
	}
	if err := r.take(m.event, m.stored); err != nil {
		return &takeError{err}
	}
	return nil
}

// message is a message of the stream.
type message struct {
	number uint64
	event  terms.FeedEvent
	stored []byte
	ok     bool // it can be read
}

// pull reads the stream by a consumer of its own, which the server forgets by itself.
type pull struct {
	messages jetstream.MessagesContext
	count    uint64 // messages that have come
	pending  uint64 // messages that are stored already, and have not come
}

func (r *reader) open(ctx context.Context, s jetstream.Stream, c jetstream.ConsumerConfig) (*pull, error) {
	ctx, cancel := context.WithTimeout(ctx, ackTime)
	defer cancel()
	c.Description, c.AckPolicy, c.MemoryStorage, c.Replicas, c.InactiveThreshold = "Parlor: sfu events", jetstream.AckNonePolicy, true, 1, time.Minute
	c.FilterSubjects = r.subjects()
	consumer, err := s.CreateConsumer(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("reading the stream %s: %w", Stream, err)
	}
	messages, err := consumer.Messages(jetstream.PullHeartbeat(readBeat), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return nil, fmt.Errorf("reading the stream %s: %w", Stream, err)
	}
	return &pull{messages: messages, pending: consumer.CachedInfo().NumPending}, nil
}

// subjects are those of the rooms and types that are wanted.
func (r *reader) subjects() []string {
	types := orAll(r.o.Types, func(t terms.FeedType) string { return strconv.Itoa(int(t)) })
	var all []string
	for _, room := range orAll(r.o.Rooms, bus.RoomToken) {
		for _, t := range types {
			all = append(all, fmt.Sprintf("%s.events.*.%s.%s", bus.Prefix, room, t))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// orAll returns the parts of subjects that stand for what is wanted, or the one that stands for everything.
func orAll[T any](wanted []T, part func(T) string) []string {
	if len(wanted) == 0 {
		return []string{"*"}
	}
	parts := make([]string, len(wanted))
	for i, w := range wanted {
		parts[i] = part(w)
	}
	return parts
}

// read returns the next message. It is an error if one is missing.
func (p *pull) read(ctx context.Context) (message, error) {
	m, err := p.messages.Next(jetstream.NextContext(ctx))
	if err != nil {
		return message{}, fmt.Errorf("reading the stream %s: %w", Stream, err)
	}
	meta, err := m.Metadata()
	if err != nil {
		return message{}, fmt.Errorf("reading the stream %s: %w", Stream, err)
	}
	if p.count++; meta.Sequence.Consumer != p.count {
		return message{}, fmt.Errorf("reading the stream %s: %w", Stream, errMissing)
	}
	p.pending = meta.NumPending
	out := message{number: meta.Sequence.Stream, stored: m.Data()}
	out.ok = json.Unmarshal(out.stored, &out.event) == nil && out.event.ID != ""
	return out, nil
}

var errMissing = errors.New("a message is missing")
