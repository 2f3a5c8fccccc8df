package packet

import (
	"testing"
	"time"
)

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s does not panic", what)
		}
	}()
	f()
}

func TestMisuseOfABufferPanics(t *testing.T) {
	b := Get()
	if len(b.B) != Size || cap(b.B) != Size {
		t.Errorf("a new Buffer has length %d and capacity %d, want %d", len(b.B), cap(b.B), Size)
	}
	b.Retain()
	b.Release()
	if b.B == nil {
		t.Error("a Buffer with an owner has been taken away")
	}
	b.Release()
	mustPanic(t, "releasing more often than owned", b.Release)
	mustPanic(t, "retaining what nobody owns", func() { new(Buffer).Retain() })
}

func TestABatchReleasesWhatItHolds(t *testing.T) {
	kept, at := Get(), time.Unix(1, 0)
	b := GetBatch(at)
	b.Add(7, kept, true)
	b.Add(8, Get(), false)
	if !b.At.Equal(at) || len(b.Items) != 2 || b.Items[0] != (Item{Buf: kept, Peer: 7, RTCP: true}) {
		t.Errorf("batch holds %+v", b)
	}
	kept.Retain()
	b.Release()
	if kept.refs.Load() != 1 || kept.B == nil {
		t.Errorf("a packet that somebody retained has %d owners, want 1", kept.refs.Load())
	}
	kept.Release()
	if next := GetBatch(at); len(next.Items) != 0 {
		t.Error("a new batch is not empty")
	}
}
