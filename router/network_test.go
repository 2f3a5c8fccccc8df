package router

import (
	"testing"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/stretchr/testify/require"

	"parlor/router/bwe"
	"parlor/router/sent"
)

// feedback makes peer 4 report all packets that it has got since the last time, each with a delay in ms. Lost
// ones are left out.
func (w *world) feedback(r *twcc.Recorder, from int, delay func(i int) (ms int64, lost bool)) int {
	w.t.Helper()
	o := w.outs[4]
	for i := from; i < len(o.rtp); i++ {
		if d, lost := delay(i); !lost {
			r.Record(1, transportNumber(w.t, o, i), (o.at[i]/1e6+d)%1e9*1e3)
		}
	}
	for _, p := range r.BuildFeedbackPacket() {
		w.rtcp(4, p)
	}
	return len(o.rtp)
}

// TestEstimateOfANetwork: it is told with the samples, and falls if packets wait ever longer. It ends with
// the flow, and with its peer's leave.
func TestEstimateOfANetwork(t *testing.T) {
	w, n := observed(t)
	pub := w.talker(1)
	w.join(4, 4, nil, seatAudio("s", 77))
	w.watch(4, "s", 1, Mic, High)
	last := func() Sample { return n.last(4) }
	w.talk(4*time.Second, pub)
	require.Zero(t, last().Estimate, "without feedback nothing is known")

	r, told := twcc.NewRecorder(1), len(w.outs[4].rtp)
	told = w.feedback(r, told-1, func(int) (int64, bool) { return 30, false })
	w.talk(2*time.Second, pub)
	require.Zero(t, last().Estimate, "one report measures nothing")
	for range 50 {
		w.talk(100*time.Millisecond, pub)
		told = w.feedback(r, told, func(int) (int64, bool) { return 30, false })
	}
	before := last()
	require.NotZero(t, before.Estimate)
	require.Less(t, before.Queue, 20*time.Millisecond)

	waits := int64(30)
	for range 50 {
		w.talk(100*time.Millisecond, pub)
		told = w.feedback(r, told, func(int) (int64, bool) { waits += 10; return waits, false })
	}
	require.Less(t, last().Estimate, before.Estimate*9/10)
	require.Greater(t, last().Queue, 500*time.Millisecond)

	w.pass(time.Minute)
	require.Zero(t, w.c.next(), "the room sleeps: %v", w.c.due)
	w.talk(time.Second, pub)
	require.Len(t, w.c.nets.followed, 1, "and wakes")
	w.must(w.c.detach(4, w.now))
	require.Empty(t, w.c.nets.followed)
	w.pass(time.Second)
}

// TestEstimateIsOfWhatWasSent: a receiver that gets sound alone is not told for ever of a rate that nothing
// has shown.
func TestEstimateIsOfWhatWasSent(t *testing.T) {
	w, n := observed(t)
	pub := w.talker(1)
	w.join(4, 4, nil, seatAudio("s", 77))
	w.watch(4, "s", 1, Mic, High)
	r, told := twcc.NewRecorder(1), 0
	for range 400 {
		w.talk(100*time.Millisecond, pub)
		told = w.feedback(r, told, func(int) (int64, bool) { return 30, false })
	}
	require.NotZero(t, n.last(4).Estimate)
	require.Less(t, n.last(4).Estimate, uint64(bwe.StartRate/2))
}

// TestLossIsBookedWithoutFurtherReports: a packet that the last report has left missing is lost after a
// while.
func TestLossIsBookedWithoutFurtherReports(t *testing.T) {
	w, _ := observed(t)
	pub := w.talker(1)
	w.join(4, 4, nil, seatAudio("s", 77))
	w.watch(4, "s", 1, Mic, High)
	w.talk(time.Second, pub)
	r := twcc.NewRecorder(1)
	w.feedback(r, 0, func(i int) (int64, bool) { return 30, i == 10 || i == 11 })
	books := &w.c.peers[4].down.told
	w.talk(sent.Patience/2, pub)
	require.Zero(t, books.lost, "they may come yet")
	w.talk(sent.Patience, pub)
	require.EqualValues(t, 2, books.lost)
}
