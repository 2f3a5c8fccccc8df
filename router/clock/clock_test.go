package clock

import (
	"testing"
	"time"
)

func TestNTP(t *testing.T) {
	at := time.Date(2024, 2, 29, 12, 0, 0, 500_000_000, time.UTC).UnixNano()
	n := ToNTP(at)
	if n>>32 != uint64(at/1e9+2208988800) || uint32(n) != 1<<31 {
		t.Errorf("%x", n)
	}
	for _, x := range []int64{0, 1, -1, at, at + 1, -2208988800e9, 999_999_999} {
		if d := FromNTP(ToNTP(x)) - x; d > 0 || d < -1 {
			t.Errorf("%d comes back %d off", x, d)
		}
	}
	if Middle(0x1122334455667788) != 0x33445566 {
		t.Error("Middle")
	}
	if a, b := AbsSend(at), AbsSend(at+1e9); (b-a)&0xffffff != 1<<18 {
		t.Errorf("a second is %x", b-a)
	}
}

func TestLine(t *testing.T) {
	l := NewLine(5e9, 1<<32-45000, 90000)
	if got := l.RTP(6e9); got != 45000 {
		t.Errorf("one second later: %d", got)
	}
	if got := l.RTP(4e9); got != 1<<32-135000 {
		t.Errorf("one second earlier: %d", got)
	}
	if got := l.Time(45000); got != 6e9 {
		t.Errorf("time is %d", got)
	}
	if (Line{}).Known() || !l.Known() {
		t.Error("Known")
	}
	if Ticks(3600e9*24*365, 90000) != 3600*24*365*90000 || Ticks(-1e9, 48000) != -48000 {
		t.Error("Ticks")
	}
}

func TestOffsetTakesTheShortestWay(t *testing.T) {
	var o Offset
	if o.Known() {
		t.Error("known before anything came")
	}
	for i, delay := range []int64{50, 20, 300, 21} {
		sent := int64(i) * 1e9
		o.Observe(sent-7e9, sent+delay*1e6)
	}
	if got := o.Sender(10e9); got != 10e9-7e9-20e6 {
		t.Errorf("%d", got)
	}
	for i := int64(10); i < 120; i++ { // the sender's clock drifts away by 1 ms a second
		o.Observe(i*1e9-7e9-i*1e6, i*1e9)
	}
	if got := o.Sender(120e9) - (120e9 - 7e9 - 120e6); got < 0 || got > 65e6 {
		t.Errorf("does not follow a drift: %v off", time.Duration(got))
	}
}

// TestOffsetFollowsASenderWhoseClockIsSet: a sender's wall clock leaps, either way, and the next report says
// so.
func TestOffsetFollowsASenderWhoseClockIsSet(t *testing.T) {
	for _, by := range []int64{120e9, -3600e9, -6e9} {
		var o Offset
		o.Observe(1e9, 1e9+20e6)
		o.Observe(6e9+by, 6e9+30e6)
		if got := o.Sender(7e9) - (7e9 + by - 30e6); got < 0 || got > 10e6 {
			t.Errorf("set by %v: %v off", time.Duration(by), time.Duration(got))
		}
	}
	var o Offset
	o.Observe(1e9, 1e9+20e6)
	o.Observe(6e9, 10e9) // four seconds on the way are no leap
	if got := o.Sender(7e9); got != 7e9-20e6 {
		t.Errorf("after a stalled path: %v", time.Duration(got))
	}
}
