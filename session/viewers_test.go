package session_test

import (
	"fmt"
	"testing"
	"time"

	"parlor/session"
	"parlor/session/terms"
)

// TestViewersAreCounted: everybody in a live room is told how many watch, at most once a second, and only of
// changes.
func TestViewersAreCounted(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		host := n.enter("host", live(terms.Anchor))
		heard := host.listen()
		if host.entered.Viewers == nil || *host.entered.Viewers != 0 {
			t.Errorf("alone the host is told %v", host.entered.Viewers)
		}
		for i := range 5 {
			n.enter(fmt.Sprint("eve", i), live(terms.Audience))
		}
		time.Sleep(1100 * time.Millisecond)
		n.expect("host", heard.viewers(), "5")
		late := n.enter("late", live(terms.Audience))
		if *late.entered.Viewers != 5 {
			t.Errorf("who comes later is told %d", *late.entered.Viewers)
		}
		ear := late.listen()
		time.Sleep(1100 * time.Millisecond)
		n.expect("late", ear.viewers(), "6")
		n.expect("host", heard.viewers(), "6")
		time.Sleep(5 * time.Second)
		n.expect("host", heard.viewers())
		if err := late.SwitchRole(terms.Anchor); err != nil {
			t.Fatal(err)
		}
		d, err := n.DescribeRoom(lobby, terms.Page{})
		if err != nil || d.Viewers != 5 || d.Anchors != 2 {
			t.Errorf("described as %+v, %v", d.RoomInfo, err)
		}
		time.Sleep(1100 * time.Millisecond)
		n.expect("host", heard.viewers(), "5")
	})
}

// TestManyViewersAreToldSeldom: the more are told, the less often.
func TestManyViewersAreToldSeldom(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		host := n.enter("host", live(terms.Anchor))
		heard := host.listen()
		for i := range 2500 {
			q := n.request(fmt.Sprint("eve", i))
			live(terms.Audience)(&q)
			if _, _, err := n.Enter(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		told := 0
		for i := range 30 {
			n.enter(fmt.Sprint("late", i), live(terms.Audience))
			time.Sleep(time.Second)
			told += len(heard.viewers())
		}
		if told < 8 || told > 11 { // every 3 s
			t.Errorf("told %d times in 30 s", told)
		}
	})
}

// TestCallsHaveNoViewers.
func TestCallsHaveNoViewers(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann")
		heard := ann.listen()
		bob := n.enter("bob")
		time.Sleep(3 * time.Second)
		if n.expect("ann", heard.viewers()); bob.entered.Viewers != nil {
			t.Errorf("bob is told of %d viewers", *bob.entered.Viewers)
		}
	})
}

// viewers returns and forgets how many are said to watch.
func (e *ear) viewers() (l []string) {
	for _, r := range e.take("viewer_count") {
		l = append(l, fmt.Sprint(r.Count))
	}
	return l
}
