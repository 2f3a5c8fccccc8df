package session_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"parlor/session"
	"parlor/session/terms"
)

// issuer is a TURN server that notes who has credentials.
type issuer struct{ has map[string]int }

func (i *issuer) Servers(id, host string) ([]terms.ICEServer, time.Duration) {
	i.has[id]++
	return []terms.ICEServer{{URLs: []string{"turns:" + host}, Username: fmt.Sprintf("%d:%s", i.has[id], id)}}, time.Hour
}

func (i *issuer) End(id string) { delete(i.has, id) }

// TestWhoIsToldOfTURN: those who are in and may use media, on entering, resuming and asking, until they leave.
func TestWhoIsToldOfTURN(t *testing.T) {
	relay := &issuer{has: map[string]int{}}
	inNode(t, session.Options{Relay: relay}, func(n *node) {
		called := func(q *session.EnterRequest) { q.Host = "sfu.example.org" }
		s, e, err := n.Enter(context.Background(), n.request("ann"))
		if err != nil || len(e.ICEServers) != 1 {
			t.Fatalf("%+v, %v", e, err)
		}
		n.client(s, e)
		ben := n.request("ben")
		called(&ben)
		second, e, err := n.Enter(context.Background(), ben)
		if err != nil || e.ICEServers[0].URLs[0] != "turns:sfu.example.org" || e.ICEExpiresInMS != 3_600_000 {
			t.Fatalf("%+v, %v", e, err)
		}
		n.client(second, e)
		if again := second.Entered(); again.ICEServers[0].Username != "2:"+e.Session || again.ICEServers[0].URLs[0] != "turns:sfu.example.org" {
			t.Errorf("on resuming %+v", again.ICEServers)
		}
		if list, left, err := second.ICEServers(); err != nil || list[0].Username != "3:"+e.Session || left != time.Hour {
			t.Errorf("%+v, %v, %v", list, left, err)
		}
		_, e, err = n.Enter(context.Background(), func() session.EnterRequest {
			q := n.request("carl")
			rights(terms.RightEnter, terms.RightCreate)(&q)
			return q
		}())
		if err != nil || e.ICEServers != nil || e.ICEExpiresInMS != 0 {
			t.Errorf("somebody who may neither send nor receive is told %+v, %v", e.ICEServers, err)
		}
		if len(relay.has) != 2 {
			t.Errorf("%v have credentials", relay.has)
		}
		if err := s.Exit(context.Background()); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.ICEServers(); err == nil {
			t.Error("somebody who has left is told")
		}
		if relay.has[s.ID()] != 0 || len(relay.has) != 1 {
			t.Errorf("%v have credentials", relay.has)
		}
	})
	if len(relay.has) != 0 {
		t.Errorf("%v have credentials in the end", relay.has)
	}
}
