package session_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
)

// told is a report as a client reads it.
type told struct {
	Type  string
	Users []struct {
		User   string
		Volume int
	}
	Active *string
	Count  int
	at     time.Time
}

// ear collects the reports to a client.
type ear struct {
	mu      sync.Mutex
	reports []told
}

// listen has a client's reports collected.
func (c *client) listen() *ear {
	e := &ear{}
	c.Reports(func(message []byte) {
		var r told
		if err := json.Unmarshal(message, &r); err != nil {
			c.n.t.Errorf("report %s: %v", message, err)
		}
		r.at = time.Now()
		e.mu.Lock()
		defer e.mu.Unlock()
		e.reports = append(e.reports, r)
	})
	return e
}

// take returns and forgets the reports of a type.
func (e *ear) take(kind string) []told {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	l := slices.DeleteFunc(slices.Clone(e.reports), func(r told) bool { return r.Type != kind })
	e.reports = nil
	return l
}

// volumes returns and forgets who was heard, as "ann:bob,cat" (active: speaking), without repeats.
func (e *ear) volumes() string {
	var l []string
	for _, r := range e.take("audio_volume") {
		var who []string
		for _, u := range r.Users {
			who = append(who, u.User)
		}
		active := "-"
		if r.Active != nil {
			active = *r.Active
		}
		l = append(l, active+":"+strings.Join(who, ","))
	}
	return strings.Join(slices.Compact(l), " ")
}

// speak has peers send sound at a level for so long.
func speak(d time.Duration, level uint8, peers ...*fakewire.Peer) {
	for ; d > 0; d -= 20 * time.Millisecond {
		for _, p := range peers {
			p.Say(time.Now(), "mic", level)
		}
		time.Sleep(20 * time.Millisecond) // of the bubble
		synctest.Wait()
	}
}

// TestAudioVolumes: a client that asked is told at the interval that it chose. A client that did not ask is
// told nothing.
func TestAudioVolumes(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob, cat := n.enter("ann"), n.enter("bob"), n.enter("cat")
		wire := ann.publishMic(0)
		fast, slow, none := ann.listen(), bob.listen(), cat.listen()
		for c, d := range map[*client]time.Duration{ann: 100 * time.Millisecond, bob: 450 * time.Millisecond} {
			if err := c.SetVolumeInterval(d); err != nil {
				t.Fatal(err)
			}
		}
		speak(time.Second, 127, wire)
		if l := fast.take("audio_volume"); len(l) != 0 {
			t.Errorf("told of silence: %v", l)
		}
		speak(3*time.Second, 25, wire)
		l := fast.take("audio_volume")
		if len(l) < 28 || len(l) > 31 {
			t.Errorf("told %d times in 3 s", len(l))
		}
		if last := l[len(l)-1]; len(last.Users) != 1 || last.Users[0].User != "ann" || last.Users[0].Volume < 60 || *last.Active != "ann" {
			t.Errorf("told %+v", last)
		}
		l = slow.take("audio_volume")
		if len(l) < 6 || len(l) > 8 {
			t.Errorf("told %d times in 3 s at every 450 ms", len(l))
		}
		for i := 2; i < len(l); i++ { // the first change of who is active is told out of turn
			if d := l[i].at.Sub(l[i-1].at); d != 500*time.Millisecond {
				t.Errorf("told after %v", d)
			}
		}
		speak(3*time.Second, 127, wire)
		for who, e := range map[string]*ear{"ann": fast, "bob": slow} {
			l := e.take("audio_volume")
			if last := l[len(l)-1]; len(last.Users) != 0 || *last.Active != "ann" {
				t.Errorf("%s was told last %+v", who, last)
			}
		}
		speak(3*time.Second, 127, wire)
		if l := fast.take("audio_volume"); len(l) != 0 {
			t.Errorf("told of silence again: %v", l)
		}
		if l := none.take("audio_volume"); len(l) != 0 {
			t.Errorf("told who did not ask: %v", l)
		}
		if err := ann.SetVolumeInterval(0); err != nil {
			t.Fatal(err)
		}
		speak(time.Second, 25, wire)
		if l := fast.take("audio_volume"); len(l) != 0 {
			t.Errorf("told who has ended it: %v", l)
		}
	})
}

func TestActiveSpeakerIsTold(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob, cat := n.enter("ann"), n.enter("bob"), n.enter("cat")
		a, b := ann.publishMic(0), bob.publishMic(0)
		e := cat.listen()
		if err := cat.SetVolumeInterval(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		speak(2*time.Second, 25, a)
		speak(2*time.Second, 25, b)
		if got := e.volumes(); got != "ann:ann bob:bob" && got != "ann:ann bob:bob,ann" {
			t.Errorf("told %q", got)
		}
		speak(time.Second, 25, b)
		if err := bob.SetPublishing(terms.Mic, false); err != nil {
			t.Fatal(err)
		}
		speak(time.Second, 25, b)
		if got := e.volumes(); got != "-:" {
			t.Errorf("after bob has muted: %q", got)
		}
	})
}

// TestVolumesNameNobodyWhoIsGone: volumes name nobody who is gone, and reach nobody who is.
func TestVolumesNameNobodyWhoIsGone(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob, cat := n.enter("ann"), n.enter("bob"), n.enter("cat")
		a, b := ann.publishMic(0), bob.publishMic(0)
		e, gone := cat.listen(), bob.listen()
		for _, c := range []*client{bob, cat} {
			if err := c.SetVolumeInterval(session.MinVolumeInterval); err != nil {
				t.Fatal(err)
			}
		}
		speak(time.Second, 25, a, b)
		if err := bob.Exit(context.Background()); err != nil {
			t.Fatal(err)
		}
		e.volumes()
		gone.volumes()
		speak(time.Second, 25, a, b)
		if got := e.volumes(); got != "ann:ann" {
			t.Errorf("told %q", got)
		}
		if got := gone.volumes(); got != "" {
			t.Errorf("told who is gone %q", got)
		}
		if got := code(bob.SetVolumeInterval(time.Second)); got != terms.CodeUserNotFound {
			t.Errorf("who is gone asks: %s", got)
		}
	})
}

func TestVolumeIntervalIsChecked(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann")
		deaf := n.enter("bob", func(q *session.EnterRequest) {
			q.Grant.Rights = must(terms.NewRights(terms.RightEnter, terms.RightCreate, terms.RightRecvVideo))
		})
		for _, x := range []struct {
			c *client
			d time.Duration
			terms.Code
		}{
			{ann, 0, ""}, {ann, 100 * time.Millisecond, ""}, {ann, 10 * time.Second, ""}, {ann, 99 * time.Millisecond, terms.CodeBadRequest},
			{ann, 10*time.Second + 1, terms.CodeBadRequest}, {ann, -time.Second, terms.CodeBadRequest},
			{deaf, time.Second, terms.CodeNotAllowed}, {deaf, 0, ""},
		} {
			if err := x.c.SetVolumeInterval(x.d); code(err) != x.Code {
				t.Errorf("%s, %v: %v", x.c.User(), x.d, err)
			}
		}
	})
}

// TestReportsEndWithTheLink: another connection of the session takes the reports over. None is kept
// meanwhile.
func TestReportsEndWithTheLink(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann")
		wire := ann.publishMic(0)
		old := ann.listen()
		if err := ann.SetVolumeInterval(session.MinVolumeInterval); err != nil {
			t.Fatal(err)
		}
		speak(time.Second, 25, wire)
		ann.cut()
		old.take("audio_volume")
		speak(time.Second, 25, wire)
		s, err := n.Resume(context.Background(), ann.ID(), ann.Key(), 0)
		if err != nil {
			t.Fatal(err)
		}
		again := n.client(s, s.Entered())
		e := again.listen()
		ann.listen() // an older hold has no say
		ann.Detached()
		if l := e.take("audio_volume"); len(l) != 0 {
			t.Errorf("%d reports were kept", len(l))
		}
		speak(time.Second, 25, wire)
		if got := e.volumes(); got != "ann:ann" {
			t.Errorf("told %q", got)
		}
		if l := old.take("audio_volume"); len(l) != 0 {
			t.Errorf("%d reports to the old connection", len(l))
		}
	})
}

// TestHundredsAreToldTheSame: a report that hundreds are told is written once.
func TestHundredsAreToldTheSame(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann")
		wire := ann.publishMic(0)
		var mu sync.Mutex
		seen := map[*byte]int{}
		for i := range 200 {
			c := n.enter(fmt.Sprint("user-", i))
			c.Reports(func(m []byte) {
				mu.Lock()
				defer mu.Unlock()
				seen[&m[0]]++
			})
			if err := c.SetVolumeInterval(time.Second); err != nil {
				t.Fatal(err)
			}
		}
		speak(3*time.Second, 25, wire)
		mu.Lock()
		defer mu.Unlock()
		if len(seen) < 3 || len(seen) > 5 {
			t.Errorf("%d messages were written", len(seen))
		}
		for _, n := range seen {
			if n != 200 {
				t.Errorf("%d were told", n)
			}
		}
	})
}

// TestVolumesNeedTheRightWhileTheyAreTold: a grant that takes the right away ends the reports of volumes.
func TestVolumesNeedTheRightWhileTheyAreTold(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		wire := ann.publishMic(0)
		e := bob.listen()
		if err := bob.SetVolumeInterval(time.Second); err != nil {
			t.Fatal(err)
		}
		for _, x := range []struct {
			rights terms.Rights
			hears  bool
		}{
			{granted.Rights, true}, {must(terms.NewRights(terms.RightEnter, terms.RightRecvVideo)), false}, {granted.Rights, true},
		} {
			if _, err := bob.Renew(terms.Grant{Rights: x.rights}); err != nil {
				t.Fatal(err)
			}
			e.volumes()
			speak(2*time.Second, 25, wire)
			if got := e.volumes(); (got != "") != x.hears {
				t.Errorf("with the rights %v told %q", x.rights.List(), got)
			}
		}
	})
}

// TestNoReportFollowsTheLeave: a report is on its way to several clients. It is not handed over to one that
// has left meanwhile.
func TestNoReportFollowsTheLeave(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		wire := n.enter("ann").publishMic(0)
		first, goOn := make(chan string, 1), make(chan struct{})
		var mu sync.Mutex
		told := map[string]int{}
		users := map[string]*client{"bob": n.enter("bob"), "cat": n.enter("cat")}
		for name, c := range users {
			c.Reports(func([]byte) {
				select {
				case first <- name:
					<-goOn // as a scheduler may have it
				default:
				}
				mu.Lock()
				defer mu.Unlock()
				told[name]++
			})
			if err := c.SetStatistics(false); err != nil {
				t.Fatal(err)
			}
			if err := c.SetVolumeInterval(10 * time.Second); err != nil {
				t.Fatal(err)
			}
		}
		speak(time.Second, 25, wire)
		other := map[string]string{"bob": "cat", "cat": "bob"}[<-first]
		if err := users[other].Exit(context.Background()); err != nil {
			t.Fatal(err)
		}
		close(goOn)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if told[other] != 0 {
			t.Errorf("%d reports after the leave", told[other])
		}
	})
}
