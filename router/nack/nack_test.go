package nack

import (
	"slices"
	"testing"
)

const ms = int64(1e6)

func TestListAsksAgainAndGivesUp(t *testing.T) {
	var l List
	l.Missing(10, 13, 0, 0)
	if got := l.Due(l.Next()-1, 50*ms, 1000*ms, Tries, nil); len(got) != 0 {
		t.Errorf("asks before it is due: %v", got)
	}
	if got := l.Due(l.Next(), 50*ms, 1000*ms, Tries, nil); !slices.Equal(got, []uint16{10, 11, 12}) {
		t.Errorf("asks for %v", got)
	}
	if !l.Received(11) || l.Received(11) || l.Received(9) {
		t.Error("Received")
	}
	asked, last := 0, l.Next()
	for now := l.Next(); now != 0; now = l.Next() {
		if got := l.Due(now, 50*ms, 5000*ms, Tries, nil); len(got) > 0 {
			asked++
			if now-last < 62*ms && asked > 1 {
				t.Errorf("asks again after %d ms with a round trip of 50", (now-last)/ms)
			}
			last = now
		}
	}
	if asked != Tries-1 || l.Len() != 0 {
		t.Errorf("asked %d times more, %d left", asked, l.Len())
	}
	l.Missing(20, 21, 0, 0)
	if got := l.Due(2000*ms, 50*ms, 1000*ms, Tries, nil); len(got) != 0 || l.Len() != 0 {
		t.Errorf("asks for what is too old: %v", got)
	}
}

func TestNewLossesDoNotWaitForOlderOnes(t *testing.T) {
	var l List
	l.Missing(10, 11, 0, 0)
	l.Due(l.Next(), 400*ms, 1000*ms, Tries, nil) // asked again after 500 ms
	l.Missing(20, 21, 0, 10*ms)
	if l.Next() != 10*ms+reorder {
		t.Errorf("due in %d ms, want %d", (l.Next()-10*ms)/ms, reorder/ms)
	}
	if got := l.Due(l.Next(), 400*ms, 1000*ms, Tries, nil); !slices.Equal(got, []uint16{20}) {
		t.Errorf("asks for %v, want the new loss", got)
	}
}

func TestListIsBounded(t *testing.T) {
	var l List
	l.Missing(0, 1_000_000, 0, 0)
	l.Missing(1_000_001, 1_000_100, 0, 0)
	if l.Len() != limit || cap(l.items) > 2*limit {
		t.Errorf("%d on the list", l.Len())
	}
	if got := l.Due(1000*ms, 0, 2000*ms, Tries, nil); got[len(got)-1] != uint16(1_000_099%65536) {
		t.Errorf("the newest is %d", got[len(got)-1])
	}
	l.Before(1_000_090)
	if l.Len() != 10 {
		t.Errorf("%d left, want 10", l.Len())
	}
	l.Clear()
	if l.Next() != 0 {
		t.Error("due though empty")
	}
}

func TestListWithHugeGapLater(t *testing.T) {
	var l List
	l.Missing(1, 400, 0, 0)
	l.Missing(1000, 1500, 0, 0)
	if l.Len() != limit || !l.Received(1499) || l.Received(1) {
		t.Errorf("%d on the list", l.Len())
	}
}

// TestAsked counts packets, however often they are asked for.
func TestAsked(t *testing.T) {
	var l List
	l.Missing(10, 13, 0, 0)
	if l.Asked() != 0 {
		t.Error("before anything was asked for")
	}
	for now := int64(0); now < 500e6; now += 10e6 {
		l.Due(now, 40e6, 1e9, Tries, nil)
	}
	l.Missing(20, 21, 0, 500e6)
	l.Received(20)
	if l.Due(600e6, 40e6, 1e9, Tries, nil); l.Asked() != 3 {
		t.Errorf("%d of 3", l.Asked())
	}
}
