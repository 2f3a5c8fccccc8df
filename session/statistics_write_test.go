package session

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"parlor/router"
	"parlor/session/terms"
)

// TestStatisticsAsWritten: a report has every field, sorted, each user once, and nothing that may not be
// seen.
func TestStatisticsAsWritten(t *testing.T) {
	rm, samples := reported(3)
	s := &samples[0]
	delete(rm.numbered, 4) // has left meanwhile
	s.Received[1].State, s.Received[3].State, s.Received[3].Layer = router.StreamPaused, router.StreamSwitching, 1
	s.Received[0].Lost, s.Received[0].Expected = 0, 9
	for _, rid := range []string{"m", "h"} {
		s.Sent = append(s.Sent, router.StreamSample{Track: router.TrackKey{Member: 1, Source: router.Camera}, RID: rid, Bytes: 25_000,
			Expected: 100, Lost: 5, Jitter: 1234 * time.Microsecond})
	}
	var got string
	rm.numbered[1].p.report.attach(1, func(m []byte) { got = string(m) })
	rm.tellStatistics(samples, &rm.reports.statistics)
	const want = `{"type":"statistics","up":{"quality":1,"kbps":200,"loss":0.05},"down":{"quality":1,"kbps":6000,"loss":0.009},"rttMs":23,` +
		`"users":[{"user":"user-2","quality":1},{"user":"user-3","quality":1}],` +
		`"sent":[{"source":"camera","rid":"h","kbps":100,"loss":0.05,"jitterMs":1.2},{"source":"camera","rid":"m","kbps":100,"loss":0.05,"jitterMs":1.2}],` +
		`"received":[{"user":"user-2","source":"camera","kbps":1000,"loss":0.004,"jitterMs":3,"state":"paused"},{"user":"user-2","source":"mic","kbps":1000,"loss":null,"jitterMs":3},` +
		`{"user":"user-3","source":"camera","kbps":1000,"loss":0.008,"jitterMs":3,"state":"switching","layer":1},{"user":"user-3","source":"mic","kbps":1000,"loss":0.008,"jitterMs":3}]}`
	if got != want {
		t.Errorf("told\n%s\nwant\n%s", got, want)
	}
	if rm.numbered[1].up.Quality != QualityExcellent {
		t.Errorf("its quality for the others is %d", rm.numbered[1].up.Quality)
	}
	s.Estimate, s.Queue = 1_234_567, 12345*time.Microsecond
	rm.tellStatistics(samples, &rm.reports.statistics)
	if estimated := strings.Replace(want, `"loss":0.009}`, `"loss":0.009,"estimateKbps":1234,"queueMs":12.3}`, 1); got != estimated {
		t.Errorf("told\n%s\nwant\n%s", got, estimated)
	}
	s.Red, s.Limit = 4, router.LimitDelay
	rm.tellStatistics(samples, &rm.reports.statistics)
	if guarded := strings.Replace(want, `"loss":0.009}`, `"loss":0.009,"estimateKbps":1234,"queueMs":12.3,"limitedBy":"delay","red":4}`, 1); got != guarded {
		t.Errorf("told\n%s\nwant\n%s", got, guarded)
	}
	rm.tellStatistics([]router.Sample{{Member: 1}}, &rm.reports.statistics)
	const silence = `{"type":"statistics","up":{"quality":0,"kbps":0,"loss":null},"down":{"quality":0,"kbps":0,"loss":null},"users":[],"sent":[],"received":[]}`
	if got != silence {
		t.Errorf("told of nothing %s", got)
	}
	if !json.Valid([]byte(want)) || rm.numbered[1].up.Quality != QualityUnknown {
		t.Error("no JSON, or the quality is kept")
	}
}

// TestNoReportAfterTheLeave: no report follows the leave, even if one was being written when the user left.
func TestNoReportAfterTheLeave(t *testing.T) {
	var r reporter
	told := 0
	r.attach(1, func([]byte) { told++ })
	if r.tell(nil); told != 1 || !r.open() {
		t.Fatalf("told %d times", told)
	}
	r.end()
	r.tell(nil)
	r.attach(2, func([]byte) { told++ }) // of a client that resumes to learn of it
	if r.tell(nil); told != 1 || r.open() {
		t.Errorf("told %d times", told)
	}
}

// TestStatisticsOfWhomNobodyTells: some do not want statistics, are away or have no signalling. Their quality
// is noted all the same.
func TestStatisticsOfWhomNobodyTells(t *testing.T) {
	for name, leave := range map[string]func(*participant){
		"wants none": func(p *participant) { p.noNetwork = true }, "away": func(p *participant) { p.report.detach(1) },
		"media only": func(p *participant) { p.mediaOnly = true },
	} {
		rm, samples := reported(1)
		m := rm.numbered[1]
		m.p.report.attach(1, func([]byte) { t.Errorf("%s: told", name) })
		leave(m.p)
		m.up.Quality = QualityBad
		var r statistics
		if rm.tellStatistics(samples, &r); m.up.Quality != QualityUnknown || r.json != nil {
			t.Errorf("%s: quality %d, wrote %s", name, m.up.Quality, r.json)
		}
	}
}

func TestAReportIsOneAllocation(t *testing.T) {
	rm, samples := reported(20)
	rm.numbered[1].p.report.attach(1, func([]byte) {})
	if n := testing.AllocsPerRun(100, func() { rm.tellStatistics(samples, &rm.reports.statistics) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

// reported returns a room of n publishers and somebody who receives them. It also returns what the router
// says every two seconds of that receiver.
func reported(n int) (*room, []router.Sample) {
	rm := newRoom(&Rooms{}, terms.RoomID{})
	rm.scene = terms.Call
	s := router.Sample{Member: 1, Over: 2 * time.Second, RTT: 23 * time.Millisecond}
	for i := range n + 1 {
		id := router.MemberID(i + 1)
		m := &member{id: id, user: fmt.Sprint("user-", id), up: Direction{Quality: QualityExcellent}}
		m.p = &participant{room: rm, m: m, identity: identity{user: m.user}}
		rm.members[m.user], rm.numbered[id] = m, m
		for _, source := range []router.Source{router.Mic, router.Camera} {
			if i > 0 {
				s.Received = append(s.Received, router.StreamSample{Track: router.TrackKey{Member: id, Source: source},
					Bytes: 250_000, Expected: 240, Lost: uint64(i), Jitter: 3 * time.Millisecond})
			}
		}
	}
	return rm, []router.Sample{s}
}

// BenchmarkStatistics makes and encodes a report.
func BenchmarkStatistics(b *testing.B) {
	for _, n := range []int{1, 8, 50} {
		b.Run(fmt.Sprintf("receiving=%d", n), func(b *testing.B) {
			rm, samples := reported(n)
			told := 0
			rm.numbered[1].p.report.attach(1, func(m []byte) { told += len(m) })
			b.ReportAllocs()
			for b.Loop() {
				rm.tellStatistics(samples, &rm.reports.statistics)
			}
			if told == 0 {
				b.Error("nothing was told")
			}
		})
	}
}
