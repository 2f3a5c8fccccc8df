package session_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parlor/session"
	"parlor/session/terms"
)

func change(name, metadata string) terms.ProfileChange {
	return terms.ProfileChange{Name: &name, Metadata: &metadata}
}

func called(name string) func(*session.EnterRequest) {
	return func(q *session.EnterRequest) { q.Profile.Name = &name }
}

// fixed gives the user a token that says its name.
func fixed(name string) func(*session.EnterRequest) {
	return func(q *session.EnterRequest) { q.Grant.Profile.Name = &name }
}

// nameOf is what commands are told that the user is called.
func (n *node) nameOf(user string) string {
	n.t.Helper()
	d, err := n.DescribeUser(lobby, user, terms.Page{})
	if err != nil {
		n.t.Fatal(err)
	}
	return d.List[0].Name
}

func TestNamesAreToldToOthers(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		bob := n.enter("bob", called(" Bob Mu\u0308ller "))
		if bob.entered.Name != "Bob Müller" {
			t.Errorf("it is told %q itself", bob.entered.Name)
		}
		ann := n.enter("ann", func(q *session.EnterRequest) { q.Profile = change("安", `{"seat":1}`) })
		if u := ann.entered.Users[0]; u.Name != "Bob Müller" {
			t.Errorf("bob is %+v", u)
		}
		if u := bob.met(); u.Name != "安" || u.Metadata != `{"seat":1}` {
			t.Errorf("ann enters as %+v", u)
		}
		bob.saw()
		p, err := ann.SetProfile(terms.ProfileChange{Metadata: new(`{"seat":2}`)})
		if want := (terms.Profile{Name: "安", Metadata: `{"seat":2}`}); p != want || err != nil {
			t.Errorf("became %+v, %v", p, err)
		}
		n.expect("bob", bob.saw(), `user_updated ann "安" "{\"seat\":2}"`)
		n.expect("ann", ann.saw(), `user_updated ann "安" "{\"seat\":2}"`)
		if _, err := ann.SetProfile(change("安", `{"seat":2}`)); err != nil || len(bob.saw())+len(ann.saw()) > 0 {
			t.Errorf("the same again is told, %v", err)
		}
		for _, e := range n.feed.all() {
			if e.Type == terms.FeedUserEntered && e.Name == "" || e.Type == terms.FeedUserUpdated {
				t.Errorf("the feed is told %+v", e)
			}
		}
		if _, err := ann.SetProfile(terms.ProfileChange{Name: new("Ann")}); err != nil {
			t.Error(err)
		}
		if l := n.feed.all(); l[len(l)-1].Type != terms.FeedUserUpdated || l[len(l)-1].Name != "Ann" {
			t.Errorf("the feed is told %+v", l[len(l)-1])
		}
		if n.nameOf("ann") != "Ann" {
			t.Errorf("ann is described as %q", n.nameOf("ann"))
		}
	})
}

// TestNamesSurvive: entering again, by whatever way, keeps what was said.
func TestNamesSurvive(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		watcher := n.enter("watcher")
		ann := n.enter("ann", called("Ann"))
		watcher.saw()
		ann.cut()
		s, err := n.Resume(context.Background(), ann.ID(), ann.Key(), 0)
		if err != nil || s.Entered().Name != "Ann" {
			t.Fatalf("resumed as %+v, %v", s.Entered(), err)
		}
		if again := n.enter("ann"); again.entered.Name != "Ann" {
			t.Errorf("a second session is %q", again.entered.Name)
		}
		n.expect("watcher", watcher.saw())
		if third := n.enter("ann", called("Anna")); third.entered.Name != "Anna" {
			t.Errorf("a session with another name is %q", third.entered.Name)
		}
		n.expect("watcher", watcher.saw(), `user_updated ann "Anna" ""`)
		if fourth := n.enter("ann", called("")); fourth.entered.Name != "" {
			t.Errorf("a session without a name is %q", fourth.entered.Name)
		}
	})
}

// TestTokensFixNames: what a token says wins over what its user says, and stays when the token is exchanged
// for one that says nothing.
func TestTokensFixNames(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		bob := n.enter("bob")
		ann := n.enter("ann", called("Queen"), fixed("Ann"))
		if ann.entered.Name != "Ann" {
			t.Errorf("she is told %q", ann.entered.Name)
		}
		bob.saw()
		_, err := ann.SetProfile(change("Queen", "m"))
		if e := terms.AsError(err); e.Code != terms.CodeNotAllowed || e.Field != "name" {
			t.Errorf("another name than the token's: %v", err)
		}
		if p, err := ann.SetProfile(change("Ann", "m")); err != nil || p.Metadata != "m" {
			t.Errorf("the same name and metadata: %+v, %v", p, err)
		}
		n.expect("bob", bob.saw(), `user_updated ann "Ann" "m"`)
		other := granted
		other.Profile.Name = new("Dr. Ann")
		if _, err := ann.Renew(other); err != nil {
			t.Fatal(err)
		}
		n.expect("bob", bob.saw(), `user_updated ann "Dr. Ann" "m"`)
		if _, err := ann.Renew(granted); err != nil {
			t.Fatal(err)
		}
		n.expect("bob", bob.saw())
		if _, err := ann.SetProfile(change("Queen", "")); err != nil {
			t.Error(err)
		}
		n.expect("bob", bob.saw(), `user_updated ann "Queen" ""`)
		dan := n.enter("dan", fixed("Dan"))
		if _, err := dan.Renew(granted); err != nil || n.nameOf("dan") != "Dan" {
			t.Errorf("a token without a name takes his away: %q, %v", n.nameOf("dan"), err)
		}
		nobody := n.enter("cid", called("King"), func(q *session.EnterRequest) { q.Grant.Profile.Name = new("") })
		if nobody.entered.Name != "" {
			t.Errorf("a token that says he has no name lets him be %q", nobody.entered.Name)
		}
	})
}

func TestCommandsWinOverNames(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ctx := context.Background()
		bob := n.enter("bob")
		ann := n.enter("ann", fixed("Ann"))
		bob.saw()
		p, err := n.UpdateUser(ctx, lobby, "ann", terms.ProfileChange{Name: new("Guest 1")})
		if p.Name != "Guest 1" || err != nil {
			t.Fatalf("%+v, %v", p, err)
		}
		n.expect("bob", bob.saw(), `user_updated ann "Guest 1" ""`)
		n.expect("ann", ann.saw(), `user_updated ann "Guest 1" ""`)
		if _, err := ann.SetProfile(terms.ProfileChange{Name: new("Ann")}); !errors.Is(err, terms.CodeNotAllowed) {
			t.Errorf("she takes her name back: %v", err)
		}
		if err := ann.Exit(ctx); err != nil {
			t.Fatal(err)
		}
		if again := n.enter("ann", fixed("Ann")); again.entered.Name != "Guest 1" {
			t.Errorf("after leaving she is %q", again.entered.Name)
		}
		if p, err := n.UpdateUser(ctx, lobby, "ann", terms.ProfileChange{Name: new("")}); p.Name != "Ann" || err != nil {
			t.Errorf("lifted: %+v, %v", p, err)
		}
		for _, bad := range []struct {
			room  terms.RoomID
			user  string
			c     terms.ProfileChange
			code  terms.Code
			field string
		}{
			{lobby, "nobody", change("x", ""), terms.CodeUserNotFound, "user"},
			{lobby, "a b", change("x", ""), terms.CodeBadRequest, "user"},
			{lobby, "ann", change("a\u202eb", ""), terms.CodeBadRequest, "name"},
			{lobby, "ann", change("", strings.Repeat("x", 2049)), terms.CodeBadRequest, "metadata"},
			{must(terms.StringRoom("none")), "ann", change("x", ""), terms.CodeRoomNotFound, "room"},
		} {
			_, err := n.UpdateUser(ctx, bad.room, bad.user, bad.c)
			if e := terms.AsError(err); e.Code != bad.code || e.Field != bad.field {
				t.Errorf("%+v: %v", bad, err)
			}
		}
	})
}

// TestAudienceIsNamedToNobody: in a live room the name of somebody who watches is told to nobody, until that
// user goes on stage.
func TestAudienceIsNamedToNobody(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		host := n.enter("host", live(terms.Anchor), called("Host"))
		eve := n.enter("eve", live(terms.Audience), called("Eve"))
		if _, err := eve.SetProfile(terms.ProfileChange{Name: new("Eva")}); err != nil {
			t.Error(err)
		}
		n.expect("host", host.saw())
		n.expect("eve", eve.saw(), `user_updated eve "Eva" ""`)
		if _, err := host.SetProfile(terms.ProfileChange{Name: new("Hostess")}); err != nil {
			t.Error(err)
		}
		n.expect("eve", eve.saw(), `user_updated host "Hostess" ""`)
		host.saw()
		if err := eve.SwitchRole(terms.Anchor); err != nil {
			t.Error(err)
		}
		if u := host.met(); u.Name != "Eva" {
			t.Errorf("she goes on stage as %+v", u)
		}
	})
}

func TestNamesChangeSoOften(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann")
		set := func(name string) error {
			_, err := ann.SetProfile(terms.ProfileChange{Name: &name})
			return err
		}
		for i := range 5 {
			if err := set(strings.Repeat("x", i+1)); err != nil {
				t.Fatal(err)
			}
		}
		err := set("y")
		if e := terms.AsError(err); e.Code != terms.CodeMessageLimit || e.RetryAfter != time.Second {
			t.Fatalf("the sixth at once: %+v", e)
		}
		if err := set("xxxxx"); err != nil {
			t.Errorf("what she is called already: %v", err)
		}
		time.Sleep(time.Second)
		if err := set("y"); err != nil {
			t.Errorf("a second later: %v", err)
		}
	})
}

func TestBadNamesDoNotEnter(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		first := n.enter("ann", called("Ann"))
		for field, c := range map[string]terms.ProfileChange{
			"name": change("a\nb", ""), "metadata": change("", strings.Repeat("x", terms.MaxMetadata+1)),
		} {
			q := n.request("ann")
			q.Profile = c
			_, _, err := n.Enter(context.Background(), q)
			if e := terms.AsError(err); e.Code != terms.CodeBadRequest || e.Field != field {
				t.Errorf("%s: %v", field, err)
			}
		}
		if n.nameOf("ann") != "Ann" || first.err != nil {
			t.Error("the session inside has suffered")
		}
	})
}

// met returns the last user that the client was told to have entered.
func (c *client) met() (u terms.UserState) {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		if e.Type == terms.EventUserEntered {
			u = e.User
		}
	}
	return u
}
