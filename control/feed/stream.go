package feed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"parlor/control/bus"
	"parlor/session/terms"
)

// Stream is the name of the JetStream stream that holds the events of all nodes.
const Stream = "SFU_EVENTS"

// duplicateTime is for how long the stream knows the ids of what it has stored. An event whose
// acknowledgement was lost is sent again as soon as NATS is back. If that takes longer, the event may be
// stored twice in a row. Higher takes memory of the server for each event of that time.
const duplicateTime = 5 * time.Minute

// StreamOptions are those of the stream, if the Feed makes it: one that is there is left as it is. Zero
// values stand for the defaults.
type StreamOptions struct {
	Replicas int           // servers that store each event; 1
	MaxAge   time.Duration // events are kept this long; 24 h
	MaxBytes int64         // and no more of them than this; 256 MiB
	MaxMsgs  int64         // and no more than so many; 0: there is no such bound
	// Own says that the server is in this process, so that MaxMsgs also holds for a stream that is there
	// already.
	Own bool
}

func (o *StreamOptions) defaults() {
	if o.Replicas <= 0 {
		o.Replicas = 1
	}
	if o.MaxAge <= 0 {
		o.MaxAge = 24 * time.Hour
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 256 << 20
	}
}

// bound is MaxMsgs as a stream has it.
func (o *StreamOptions) bound() int64 {
	if o.MaxMsgs <= 0 {
		return -1
	}
	return o.MaxMsgs
}

// fit bounds the number of events of a stream that is there already, if the server is this process's own.
func (f *Feed) fit(ctx context.Context, js jetstream.JetStream) error {
	if !f.opts.Stream.Own {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ackTime)
	defer cancel()
	s, err := js.Stream(ctx, Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at the stream %s: %w", Stream, err)
	}
	c := s.CachedInfo().Config
	if c.MaxMsgs == f.opts.Stream.bound() {
		return nil
	}
	f.opts.Log.Info().Int64("events", f.opts.Stream.bound()).Int64("before", c.MaxMsgs).Msg("the stream of events keeps another number of them")
	c.MaxMsgs = f.opts.Stream.bound()
	if _, err := js.UpdateStream(ctx, c); err != nil {
		return fmt.Errorf("bounding the stream %s: %w", Stream, err)
	}
	return nil
}

func (o *StreamOptions) config() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: Stream, Description: "Parlor: rooms and users", Subjects: []string{bus.Prefix + ".events.>"},
		Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardOld,
		Replicas: o.Replicas, MaxAge: o.MaxAge, MaxBytes: o.MaxBytes, MaxMsgs: o.bound(), Duplicates: min(duplicateTime, o.MaxAge),
	}
}

// makeStream makes the stream if there is none. One that is there has to take the next event.
func (f *Feed) makeStream(ctx context.Context, js jetstream.JetStream) error {
	ctx, cancel := context.WithTimeout(ctx, ackTime)
	defer cancel()
	asked := f.opts.Stream.config()
	bytes := asked.MaxBytes
	_, err := js.CreateStream(ctx, asked)
	for ; noRoom(err) && asked.MaxBytes/2 >= leastStream; _, err = js.CreateStream(ctx, asked) {
		asked.MaxBytes /= 2
	}
	if noRoom(err) {
		return fmt.Errorf("making the stream %s of %d MB: %w; free disk space, or raise max_file_store of the server", Stream, asked.MaxBytes>>20, err)
	}
	if err == nil && asked.MaxBytes < bytes {
		f.opts.Log.Warn().Int64("mb", asked.MaxBytes>>20).Int64("wanted_mb", bytes>>20).
			Msg("the server has no room for nats.events_mb: the stream of events is smaller, and forgets sooner")
	}
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return f.checkStream(ctx, js)
	}
	if err != nil {
		return fmt.Errorf("making the stream %s: %w", Stream, err)
	}
	f.opts.Log.Info().Str("stream", Stream).Int64("events", f.opts.Stream.bound()).Stringer("age", f.opts.Stream.MaxAge).
		Int64("mb", f.opts.Stream.MaxBytes>>20).Msg("made the stream of events")
	return nil
}

// leastStream is the smallest stream in bytes that is made if the server has no room for the one that is
// wanted.
const leastStream = 8 << 20

// noRoom reports whether the server, or the account, may not store as much.
func noRoom(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == storageExceeded || api.ErrorCode == accountExceeded)
}

// Codes of the server that the library has no names for.
const (
	accountExceeded jetstream.ErrorCode = 10002
	storageExceeded jetstream.ErrorCode = 10047
)

// checkStream looks whether a stream that somebody else has made takes the next event.
func (f *Feed) checkStream(ctx context.Context, js jetstream.JetStream) error {
	s, err := js.Stream(ctx, Stream)
	if err != nil {
		return fmt.Errorf("looking at the stream %s: %w", Stream, err)
	}
	next, ok := f.next()
	subject, takes := Subject(next.Node, next.Room, next.Type), s.CachedInfo().Config.Subjects
	if ok && !slices.ContainsFunc(takes, func(pattern string) bool { return matches(pattern, subject) }) {
		return fmt.Errorf("the stream %s takes %q, not %s", Stream, takes, subject)
	}
	return nil
}

// matches says whether a subject with wildcards holds a subject.
func matches(pattern, subject string) bool {
	for {
		p, restP, moreP := strings.Cut(pattern, ".")
		s, restS, moreS := strings.Cut(subject, ".")
		switch {
		case p == ">":
			return true
		case p != "*" && p != s, moreP != moreS:
			return false
		case !moreP:
			return true
		}
		pattern, subject = restP, restS
	}
}

// Subject returns where an event is published. A room's token is "n-" and the number, or "s-" and the name if
// that is made of letters, digits, - and _. Otherwise it is "b-" and the name in URL-safe base64.
func Subject(node string, room terms.RoomID, t terms.FeedType) string {
	return fmt.Sprintf("%s.events.%s.%s.%d", bus.Prefix, bus.NodeToken(node), bus.RoomToken(room), t)
}
