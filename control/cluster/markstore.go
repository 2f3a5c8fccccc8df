package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"parlor/control/bus"
	"parlor/session/terms"
)

// MarksBucket has the bans and blocks of rooms. It is kept on disk. Its keys are "<room>.ban.<user>", which
// live as long as the ban, "<room>.block.<user>", which live as long as the room, and "<room>.owed.<which>",
// see owed.go.
const MarksBucket = "SFU_MARKS"

const (
	banPart   = ".ban."
	blockPart = ".block."
	// marksSubject begins the subjects of the bucket's keys.
	marksSubject = "$KV." + MarksBucket + "."
)

// MarkRecord is the value of a key in SFU_MARKS.
type MarkRecord struct {
	User    string      `json:"user"`
	UntilMS int64       `json:"until,omitempty"` // of a ban: its end, Unix milliseconds
	Text    string      `json:"text,omitempty"`  // of a ban
	Block   terms.Block `json:"block,omitempty"`
}

func markRecord(m terms.Mark) MarkRecord {
	r := MarkRecord{User: m.User, Text: m.Text, Block: m.Block}
	if !m.Until.IsZero() {
		r.UntilMS = m.Until.UnixMilli()
	}
	return r
}

func markKey(token string, m terms.Mark) string {
	part := blockPart
	if !m.Until.IsZero() {
		part = banPart
	}
	return token + part + bus.UserToken(m.User)
}

// decodeMark reads the value of a key of the room with that token. Others may have written it: if it is no
// mark, that is an error.
func decodeMark(token, key string, value []byte) (terms.Mark, error) {
	r, err := decode[MarkRecord](key, value)
	if err != nil {
		return terms.Mark{}, err
	}
	m := terms.Mark{User: r.User, Text: r.Text, Block: r.Block}
	if r.UntilMS != 0 {
		m.Until, m.Block = time.UnixMilli(r.UntilMS), ""
	}
	if err := m.Check(); err != nil {
		return terms.Mark{}, fmt.Errorf("entry %s: %w", key, err)
	}
	if markKey(token, m) != key {
		return terms.Mark{}, fmt.Errorf("entry %s: it is of another user or kind", key)
	}
	return m, nil
}

// putMark writes a mark in place of the one before. With ttl it ends by itself.
func (s *store) putMark(ctx context.Context, key string, r MarkRecord, ttl time.Duration) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.putMarks(ctx, key, value, ttl)
}

// putMarks writes a key of SFU_MARKS, whatever stands there. With ttl it ends by itself.
func (s *store) putMarks(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if _, _, err := s.marks(ctx); err != nil { // it may have to be made
		return err
	}
	var o []jetstream.PublishOpt
	if ttl > 0 { // in whole seconds for NATS
		o = append(o, jetstream.WithMsgTTL((ttl + time.Second - 1).Truncate(time.Second)))
	}
	o = append(o, jetstream.WithRetryAttempts(0)) // the caller tries again
	_, err := s.js.PublishMsg(ctx, &nats.Msg{Subject: marksSubject + key, Data: value}, o...)
	return s.marksOutcome(err)
}

// purgeMarks deletes keys, of which a last part may be *, and leaves nothing behind. The options limit which
// revisions of them are deleted.
func (s *store) purgeMarks(ctx context.Context, keys string, o ...jetstream.StreamPurgeOpt) error {
	_, stream, err := s.marks(ctx)
	if err != nil {
		return err
	}
	err = s.marksOutcome(stream.Purge(ctx, append(o, jetstream.WithPurgeSubject(marksSubject+keys))...))
	if errors.Is(err, errAbsent) {
		return nil
	}
	return err
}

// readMarks returns the marks of a room, in no order, and what is owed of it, in the order in which that was
// written. If the room has neither, that takes one request.
func (s *store) readMarks(ctx context.Context, token string) ([]terms.Mark, []owed, error) {
	found, bucket, err := s.readKeys(ctx, token)
	if err != nil {
		return nil, nil, err
	}
	var list []terms.Mark
	var owing []owed
	for key, e := range found {
		if o, err := decodeOwed(token, key, e.Value()); err == nil {
			o.version = version{bucket, e.Revision()}
			owing = append(owing, o)
		} else if m, err := decodeMark(token, key, e.Value()); err == nil {
			list = append(list, m)
		}
	}
	slices.SortFunc(owing, func(a, b owed) int { return cmp.Compare(a.revision, b.revision) })
	return list, owing, nil
}

// readKeys returns what stands in SFU_MARKS of a room, by key, and when that bucket was made.
func (s *store) readKeys(ctx context.Context, token string) (map[string]change, time.Time, error) {
	kv, stream, err := s.marks(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	// The leader is asked, so that nothing is missed that was acknowledged. The server that hands out values
	// may be late.
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(marksSubject+token+".>"))
	if err = s.marksOutcome(err); errors.Is(err, errAbsent) {
		return nil, time.Time{}, nil // the bucket is gone, with all that was in it
	}
	if err != nil || len(info.State.Subjects) == 0 {
		return nil, time.Time{}, err
	}
	missing := info.State.Subjects
	w, err := kv.Watch(ctx, token+".>")
	if err != nil {
		return nil, time.Time{}, s.because(MarksBucket, err)
	}
	defer endWatch(w)
	found, all := map[string]change{}, false
	for !all || len(missing) > 0 {
		select {
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return nil, time.Time{}, fmt.Errorf("%s: the reading was cut off", MarksBucket)
			case e == nil:
				all = true
				continue
			}
			delete(missing, marksSubject+e.Key())
			delete(found, e.Key())
			if !ended(e) {
				found[e.Key()] = e
			}
		case <-ctx.Done():
			return nil, time.Time{}, s.because(MarksBucket, ctx.Err())
		}
	}
	return found, info.Created, nil
}

// marked returns the tokens of the rooms that have marks, and those of the rooms of which something is owed.
// Only keys that match are looked at.
func (s *store) marked(ctx context.Context, keys string) (marked, owing map[string]bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*s.timeout)
	defer cancel()
	_, stream, err := s.marks(ctx)
	if err != nil {
		return nil, nil, err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(marksSubject+keys))
	if err = s.marksOutcome(err); err != nil {
		return nil, nil, err
	}
	marked, owing = map[string]bool{}, map[string]bool{}
	for subject := range info.State.Subjects {
		key := strings.TrimPrefix(subject, marksSubject)
		token, _, _ := strings.Cut(key, ".")
		if strings.HasPrefix(key, token+owedPart) {
			owing[token] = true
		} else {
			marked[token] = true
		}
	}
	return marked, owing, nil
}

// marks returns the bucket, which it finds or makes if that has not been done.
func (s *store) marks(ctx context.Context) (jetstream.KeyValue, jetstream.Stream, error) {
	s.mu.Lock()
	kv, stream := s.marksKV, s.marksStream
	s.mu.Unlock()
	if kv != nil {
		return kv, stream, nil
	}
	kv, err := s.find(ctx, jetstream.KeyValueConfig{
		Bucket: MarksBucket, Description: "Parlor: who is banned from a room, or blocked in it", Storage: jetstream.FileStorage,
	})
	if err != nil {
		return nil, nil, err
	}
	if stream, err = s.js.Stream(ctx, "KV_"+MarksBucket); err != nil {
		return nil, nil, s.because(MarksBucket, err)
	}
	if created := stream.CachedInfo().Created; !s.another(MarksBucket, created) {
		// If it is another one, marksAnew notices that, and has the marks written again.
		s.identify(MarksBucket, created, s.now())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marksKV, s.marksStream = kv, stream
	return kv, stream, nil
}

// marksAnew makes the bucket if it is gone. It reports whether the bucket is another one than when this was
// last asked.
func (s *store) marksAnew(ctx context.Context) (other bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	stream, err := s.js.Stream(ctx, "KV_"+MarksBucket)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_ = s.marksOutcome(err) // so that the next call makes it
		if _, stream, err = s.marks(ctx); err == nil {
			stream, err = s.js.Stream(ctx, "KV_"+MarksBucket)
		}
	}
	if err != nil {
		return false, s.because(MarksBucket, err)
	}
	created := stream.CachedInfo().Created
	if s.another(MarksBucket, created) {
		s.mu.Lock()
		s.marksKV, s.marksStream = nil, nil
		s.mu.Unlock()
		if _, _, err := s.marks(ctx); err != nil { // with its settings set right
			return false, err // it is another one still when this is asked again
		}
	}
	return s.identify(MarksBucket, created, s.now()), nil
}

// marksOutcome notices that the bucket is gone, which is an errAbsent: the next call makes it anew.
func (s *store) marksOutcome(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrNoStreamResponse):
		if s.gone != nil {
			s.gone()
		}
		s.mu.Lock()
		s.marksKV, s.marksStream = nil, nil
		s.mu.Unlock()
		return fmt.Errorf("%s: %w: %s", MarksBucket, errAbsent, strings.TrimPrefix(err.Error(), "nats: "))
	}
	return s.because(MarksBucket, err)
}
