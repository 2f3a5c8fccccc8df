package session_test

import (
	"encoding/json"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parlor/session"
)

// TestStatistics: a client that sends or receives is told every two seconds while something flows, and then
// no more.
func TestStatistics(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob, idle := n.enter("ann"), n.enter("bob"), n.enter("idle")
		wire := ann.publishMic(0)
		bob.negotiate(nil, 1, false)
		bob.hear("ann")
		idle.negotiate(nil, 1, false)
		var mu sync.Mutex
		got := map[string][]string{}
		for _, c := range []*client{ann, bob, idle} {
			c.Reports(func(m []byte) {
				mu.Lock()
				defer mu.Unlock()
				got[c.User()] = append(got[c.User()], string(m))
			})
		}
		take := func() map[string][]string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			l := got
			got = map[string][]string{}
			return l
		}
		time.Sleep(time.Minute) // of the bubble
		if l := take(); len(l) != 0 {
			t.Errorf("told when nothing flows: %v", l)
		}
		speak(10*time.Second, 25, wire)
		l := take()
		if a, b := len(l["ann"]), len(l["bob"]); a < 4 || a > 6 || b < 4 || b > 6 || len(l["idle"]) != 0 {
			t.Errorf("told %d, %d and %d times in 10 s", a, b, len(l["idle"]))
		}
		type stream struct {
			User, Source string
			Kbps         int
			Loss         *float64
		}
		type report struct {
			Type     string
			Up, Down struct {
				Quality, Kbps int
				Loss          *float64
			}
			Users []struct {
				User    string
				Quality int
			}
			Sent, Received []stream
		}
		var a, b report
		for who, into := range map[string]*report{"ann": &a, "bob": &b} {
			if err := json.Unmarshal([]byte(l[who][3]), into); err != nil {
				t.Fatalf("%s: %v", l[who][3], err)
			}
		}
		if a.Type != "statistics" || a.Up.Quality != 1 || a.Down.Quality != 0 || a.Up.Kbps < 5 || a.Up.Loss == nil || *a.Up.Loss != 0 ||
			len(a.Sent) != 1 || a.Sent[0].Source != "mic" || len(a.Received) != 0 || len(a.Users) != 0 {
			t.Errorf("ann was told %s", l["ann"][3])
		}
		if b.Up.Quality != 0 || b.Down.Loss != nil || len(b.Users) != 1 || b.Users[0].User != "ann" || b.Users[0].Quality != 1 ||
			len(b.Received) != 1 || b.Received[0].User != "ann" || b.Received[0].Source != "mic" || b.Received[0].Kbps < 1 {
			t.Errorf("bob was told %s", l["bob"][3])
		}
		if err := bob.SetStatistics(false); err != nil {
			t.Fatal(err)
		}
		speak(10*time.Second, 25, wire)
		if l := take(); len(l["ann"]) < 4 || len(l["bob"]) != 0 {
			t.Errorf("told %d times, and %d times who wants none", len(l["ann"]), len(l["bob"]))
		}
		if err := bob.SetStatistics(true); err != nil {
			t.Fatal(err)
		}
		speak(3*time.Second, 25, wire)
		if l := take(); len(l["bob"]) == 0 {
			t.Error("not told who wants them again")
		}
		time.Sleep(time.Minute)
		if l := take(); len(l["ann"]) > 3 || len(l["bob"]) > 3 {
			t.Errorf("told %d and %d times after the end", len(l["ann"]), len(l["bob"]))
		}
		time.Sleep(time.Minute)
		if l := take(); len(l) != 0 {
			t.Errorf("told when nothing flows any more: %v", l)
		}
	})
}
