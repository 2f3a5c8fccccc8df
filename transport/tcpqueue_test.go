package transport

import (
	"bytes"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"parlor/packet"
)

// deadlines is a connection that notes its write deadline.
type deadlines struct{ at time.Time }

func (d *deadlines) SetWriteDeadline(at time.Time) error { d.at = at; return nil }

// taken is what the next chunk holds.
func taken(q *tcpQueue, at time.Time) (texts []string, c chunk) {
	q.take(&c, at, 10*time.Second)
	for _, f := range c.list {
		texts = append(texts, string(f.B[frameHeader:]))
	}
	q.endWrite(at)
	return texts, c
}

func TestTCPQueueOrder(t *testing.T) {
	d := new(deadlines)
	q, at := newTCPQueue(d), time.Unix(1000, 0)
	must(q.addMedia([]byte("m1"), 1<<20, at))
	must(q.addMedia([]byte("m2"), 1<<20, at.Add(mediaAge)))
	_ = q.addUrgent([]byte("dtls"), false, 1<<20)
	_ = q.addUrgent([]byte("stun"), true, 1<<20)
	now := at.Add(mediaAge + time.Millisecond)
	got, c := taken(q, now)
	if want := []string{"dtls", "stun", "m2"}; !slices.Equal(got, want) || c.dropped != 1 {
		t.Errorf("taken %q, want %q; %d dropped, want the old one", got, want, c.dropped)
	}
	if !d.at.Equal(now.Add(10 * time.Second)) {
		t.Errorf("to be written until %v", d.at)
	}
	if got, _ := taken(q, at); got != nil || q.media != nil || q.urgent != nil || q.replies != 0 {
		t.Errorf("left: %q", got)
	}
}

// TestTCPChunks: each write has a deadline of its own, and what is urgent waits for no more than one of them.
func TestTCPChunks(t *testing.T) {
	q, at := newTCPQueue(new(deadlines)), time.Unix(1000, 0)
	for range 100 {
		must(q.addMedia(make([]byte, 1200), 1<<20, at))
	}
	total := 0
	for i := 0; ; i++ {
		got, c := taken(q, at)
		if c.bytes > tcpChunk {
			t.Errorf("a chunk of %d bytes", c.bytes)
		}
		if total += c.bytes; len(got) == 0 {
			break
		}
		if i == 1 {
			_ = q.addUrgent([]byte("dtls"), false, 1<<20)
		}
		if i == 2 && got[0] != "dtls" {
			t.Error("what is urgent does not come next")
		}
	}
	if want := 100*(1200+frameHeader) + 4 + frameHeader; total != want {
		t.Errorf("%d bytes, want %d", total, want)
	}
}

// TestTCPQueueLimits: memory counts, not bytes of payload, and replies have a limit of their own.
func TestTCPQueueLimits(t *testing.T) {
	q, at := newTCPQueue(new(deadlines)), time.Unix(1000, 0)
	for i := range 12 {
		_, err := q.addMedia([]byte{1}, 10*packet.Size, at)
		if want := i >= 10; errors.Is(err, errQueueFull) != want {
			t.Errorf("packet %d: %v", i, err)
		}
	}
	if dropped, err := q.addMedia([]byte{1}, 10*packet.Size, at.Add(2*mediaAge)); dropped != 10 || err != nil {
		t.Errorf("a new one: %d old ones dropped, %v", dropped, err)
	}
	for i := range maxReplies + 2 {
		err := q.addUrgent([]byte{2}, true, 1<<20)
		if want := i >= maxReplies; errors.Is(err, errQueueFull) != want {
			t.Errorf("reply %d: %v", i, err)
		}
	}
	if err := q.addUrgent([]byte{3}, false, 1<<20); err != nil {
		t.Errorf("DTLS after the replies: %v", err)
	}
	q.close(at)
	if err := q.addUrgent([]byte{3}, false, 1<<20); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

// TestClosedTCPQueue: last words may be said, for a moment.
func TestClosedTCPQueue(t *testing.T) {
	d := new(deadlines)
	q, at := newTCPQueue(d), time.Unix(1000, 0)
	for range 2 * tcpChunk / 1000 {
		must(q.addMedia(make([]byte, 1000), 1<<20, at))
	}
	q.close(at.Add(lastWrite))
	for last := false; !last; {
		_, c := taken(q, at)
		if last = c.last; len(c.list) == 0 {
			t.Error("an empty chunk before the last")
		}
		if !d.at.Equal(at.Add(lastWrite)) {
			t.Errorf("to be written until %v", d.at)
		}
	}
}

// TestErrorResponsesOverTCPAreLimited: many connections are no way around the limit.
func TestErrorResponsesOverTCPAreLimited(t *testing.T) {
	e := start(t, Options{})
	bad := frame(build(t, stun.NewUsername("nobody:x"), stun.NewShortTermIntegrity("x"), stun.Fingerprint).Raw)
	const conns = 8
	for range conns {
		if _, err := dialTCP(t, e).Write(bytes.Repeat(bad, errorBurst/2)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all are refused", func() bool { return e.Stats().Drops[DropSTUNUnauthorized] == conns*errorBurst/2 })
	if n := e.Stats().Drops[DropSTUNLimited]; n < errorBurst {
		t.Errorf("%d responses held back", n)
	}
}
