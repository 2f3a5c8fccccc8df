package session_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"parlor/session"
	"parlor/session/terms"
)

// TestLeaving is the table of leaving. It has what the user, the others and the feed are told.
func TestLeaving(t *testing.T) {
	ctx := context.Background()
	tests := []struct {
		name   string
		leave  func(n *node, ann *client)
		self   []string
		others []string
		feed   []string
	}{
		{"exit", func(n *node, ann *client) { _ = ann.Exit(ctx) },
			[]string{"exited 0"}, []string{"user_left ann 0"}, []string{"104 ann 1"}},
		{"timeout", func(n *node, ann *client) {
			ann.cut()
			for range 100 { // the others live on
				time.Sleep(time.Second)
				n.touchAll()
			}
		}, nil, []string{"user_left ann 1"}, []string{"104 ann 2"}},
		{"removed", func(n *node, ann *client) { _, _ = n.RemoveUsers(ctx, lobby, []string{"ann"}, "", 0) },
			[]string{"exited 1"}, []string{"user_left ann 2"}, []string{"104 ann 3"}},
		{"dismissed", func(n *node, ann *client) { _, _ = n.DismissRoom(ctx, lobby, "") },
			[]string{"exited 2"}, []string{"exited 2"}, []string{"102 3", "104 ann 3", "104 bob 3", "104 cid 3"}},
		{"shutdown", func(n *node, ann *client) { _ = n.Shutdown(ctx) },
			[]string{"exited 4"}, []string{"exited 4"}, []string{"102 5", "104 ann 5", "104 bob 5", "104 cid 5"}},
		{"replaced", func(n *node, ann *client) { n.enter("ann") },
			[]string{"exited 3"}, []string{"streams ann"}, []string{"104 ann 4", "103 ann 1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inNode(t, session.Options{}, func(n *node) {
				ann, bob, cid := n.enter("ann"), n.enter("bob"), n.enter("cid")
				annPeer := ann.publishMic(0)
				bobPeer := bob.publishMic(1)
				bob.hear("ann")
				if !flows(annPeer, "mic", bobPeer, "a0") {
					t.Fatal("ann is not heard before she leaves")
				}
				ann.saw()
				bob.saw()
				cid.saw()
				n.feed.take()
				n.living = []*client{bob, cid}
				tt.leave(n, ann)
				if flows(annPeer, "mic", bobPeer, "a0") {
					t.Error("a packet of ann reached bob after she had left")
				}
				n.expect("ann saw", ann.saw(), tt.self...)
				n.expect("bob saw", bob.saw(), tt.others...)
				n.expect("cid saw", cid.saw(), tt.others...)
				n.expect("feed", n.feed.take(), tt.feed...)
				if tt.self != nil {
					ann.isOut()
				}
				if !annPeer.Closed() {
					t.Error("ann's transport is still open")
				}
				if _, err := n.Resume(ctx, ann.ID(), ann.Key(), 0); code(err) != terms.CodeUserNotFound {
					t.Errorf("ann's session is kept although she was told: %v", err)
				}
			})
		})
	}
}

func TestBecomingAudienceLooksLikeLeaving(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann", live(terms.Anchor)), n.enter("bob", live(terms.Audience))
		annPeer := ann.publishMic(0)
		bobPeer := bob.negotiate(nil, 1, false)
		bob.hear("ann")
		if !flows(annPeer, "mic", bobPeer, "a0") {
			t.Fatal("ann is not heard")
		}
		bob.saw()
		n.feed.take()
		if err := ann.SwitchRole(terms.Audience); err != nil {
			t.Fatal(err)
		}
		if flows(annPeer, "mic", bobPeer, "a0") {
			t.Error("a packet of ann reached bob after she became audience")
		}
		n.expect("ann", ann.saw(), "role audience")
		n.expect("bob", bob.saw(), "user_left ann 3")
		n.expect("feed", n.feed.take(), "204 ann", "105 ann")
		if err := ann.SetPublishing(terms.Mic, true); code(err) != terms.CodeNotAllowed {
			t.Errorf("the audience publishes: %v", err)
		}
		if err := ann.SwitchRole(terms.Anchor); err != nil {
			t.Fatal(err)
		}
		n.expect("bob", bob.saw(), "user_entered ann mic=false")
		if flows(annPeer, "mic", bobPeer, "a0") {
			t.Error("ann is heard without having switched her microphone on")
		}
		if err := ann.SetPublishing(terms.Mic, true); err != nil {
			t.Fatal(err)
		}
		n.expect("bob", bob.saw(), "streams ann mic=true")
		bob.hear("ann")
		if !flows(annPeer, "mic", bobPeer, "a0") {
			t.Error("ann is not heard again")
		}
		n.expect("feed", n.feed.take(), "105 ann", "203 ann")
	})
}

// TestOrderOfLeaving looks at the state when the others are told and when the user is told.
func TestOrderOfLeaving(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		annPeer, bobPeer := ann.publishMic(1), bob.publishMic(1)
		bob.hear("ann")
		ann.hear("bob")
		synctest.Wait()
		ann.cancel() // from here on ann's events are read by hand
		<-ann.ended
		bob.saw()
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			if _, err := n.RemoveUsers(n.t.Context(), lobby, []string{"ann"}, "spam", 0); err != nil {
				t.Error(err)
			}
		}()
		n.expect("bob", bob.saw(), "user_left ann 2")
		if flows(annPeer, "mic", bobPeer, "a0") || flows(bobPeer, "mic", annPeer, "a0") {
			t.Error("packets flow from or to ann although bob was told that she left")
		}
		if annPeer.Closed() {
			t.Error("ann's transport is closed before she was told")
		}
		if err := ann.SetSeat(session.SeatRequest{Seat: "seat0"}); code(err) != terms.CodeUserNotFound {
			t.Errorf("something new is accepted from ann: %v", err)
		}
		n.enter("cid") // after step 1: nothing of it is for ann
		for {          // ann was told of bob before
			e, err := ann.Next(n.t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if e.User.User == "cid" {
				t.Error("ann is told of cid after her leaving has begun")
			}
			if e.Type == terms.EventExited {
				if e.Exited != terms.ExitedRemoved || e.Text != "spam" {
					t.Errorf("ann is told %+v", e)
				}
				break
			}
		}
		synctest.Wait()
		select {
		case <-answered:
			t.Error("the command was answered before ann's connection had the event")
		default:
		}
		if _, err := ann.Next(n.t.Context()); err == nil {
			t.Error("an event after exited")
		}
		synctest.Wait()
		select {
		case <-answered:
		default:
			t.Error("the command is not answered although ann is told")
		}
		if !annPeer.Closed() {
			t.Error("ann's transport is open after she was told")
		}
	})
}

// TestStuckClientHoldsUpNothing has a client that reads none of its events.
func TestStuckClientHoldsUpNothing(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		ann.cancel()
		<-ann.ended
		start := time.Now()
		if _, err := n.RemoveUsers(n.t.Context(), lobby, []string{"ann"}, "", 0); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("the command took %v, not Timers.Tell", took)
		}
		n.expect("bob", bob.saw(), "user_left ann 2")
		again, err := n.Resume(n.t.Context(), ann.ID(), ann.Key(), 0)
		if err != nil {
			t.Fatalf("ann cannot learn of it: %v", err)
		}
		late := n.client(again, terms.Entered{})
		n.expect("ann", late.saw(), "user_entered bob", "exited 1")
		late.isOut()
	})
}

// TestRemovedWhileAwayIsTold: a user that is put out while not connected learns of it on resuming, and does
// not just enter anew.
func TestRemovedWhileAwayIsTold(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann")
		n.enter("bob")
		ann.cut()
		start := time.Now()
		if _, err := n.RemoveUsers(n.t.Context(), lobby, []string{"ann"}, "", 0); err != nil || time.Since(start) != 0 {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
		again, err := n.Resume(n.t.Context(), ann.ID(), ann.Key(), 1)
		if err != nil {
			t.Fatal(err)
		}
		n.expect("ann", n.client(again, terms.Entered{}).saw(), "exited 1")
		time.Sleep(2 * time.Minute)
		if _, err := n.Resume(n.t.Context(), ann.ID(), ann.Key(), 1); code(err) != terms.CodeUserNotFound {
			t.Errorf("the session is kept for ever: %v", err)
		}
	})
}

func TestRemoveUsers(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		n.enter("ann")
		n.enter("bob")
		n.enter("cid")
		got, err := n.RemoveUsers(n.t.Context(), lobby, []string{"ann", "zoe", "bob", "ann"}, "", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		want := []session.RemoveResult{{"ann", true}, {"zoe", false}, {"bob", true}, {"ann", true}}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%+v, not %+v", got[i], want[i])
			}
		}
		again, err := n.RemoveUsers(n.t.Context(), lobby, []string{"ann"}, "", 0)
		if err != nil || again[0].Removed {
			t.Errorf("removing again: %+v, %v", again, err)
		}
		for _, user := range []string{"ann", "zoe"} {
			if _, _, err := n.Enter(n.t.Context(), n.request(user)); code(err) != terms.CodeBanned {
				t.Errorf("%s is banned but enters: %v", user, err)
			}
		}
		time.Sleep(time.Minute)
		n.enter("ann")
	})
}

func TestCommandsRefuse(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		n.enter("ann")
		eleven := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"}
		nowhere := must(terms.NumberRoom(5))
		text := string(make([]byte, terms.MaxReasonText+1))
		for name, tt := range map[string]struct {
			room  terms.RoomID
			users []string
			text  string
			ban   time.Duration
			code  terms.Code
			field string
		}{
			"room missing":   {terms.RoomID{}, eleven[:1], "", 0, terms.CodeBadRequest, "room"},
			"nobody":         {lobby, nil, "", 0, terms.CodeBadRequest, "users"},
			"eleven":         {lobby, eleven, "", 0, terms.CodeBadRequest, "users"},
			"no user id":     {lobby, []string{"a b"}, "", 0, terms.CodeBadRequest, "users"},
			"negative ban":   {lobby, eleven[:1], "", -time.Second, terms.CodeBadRequest, "ban"},
			"endless ban":    {lobby, eleven[:1], "", terms.MaxBan + 1, terms.CodeBadRequest, "ban"},
			"long text":      {lobby, eleven[:1], text, 0, terms.CodeBadRequest, "reason"},
			"room not there": {nowhere, eleven[:1], "", 0, terms.CodeRoomNotFound, "room"},
		} {
			_, err := n.RemoveUsers(n.t.Context(), tt.room, tt.users, tt.text, tt.ban)
			if e := terms.AsError(err); err == nil || e.Code != tt.code || e.Field != tt.field {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := n.DismissRoom(n.t.Context(), nowhere, ""); code(err) != terms.CodeRoomNotFound {
			t.Error(err)
		}
		if _, err := n.DescribeRoom(nowhere, terms.Page{}); code(err) != terms.CodeRoomNotFound {
			t.Error(err)
		}
		if got, err := n.DismissRoom(n.t.Context(), lobby, ""); got != 1 || err != nil {
			t.Error(got, err)
		}
		if _, err := n.DismissRoom(n.t.Context(), lobby, ""); code(err) != terms.CodeRoomNotFound {
			t.Error(err)
		}
	})
}

// TestWhenRoomsEnd is the table of how a room ends.
func TestWhenRoomsEnd(t *testing.T) {
	anchor, audience := live(terms.Anchor), live(terms.Audience)
	call := func(*session.EnterRequest) {}
	exit := func(n *node, c *client) { _ = c.Exit(context.Background()) }
	lose := func(n *node, c *client) { c.cut(); time.Sleep(92 * time.Second) }
	tests := []struct {
		name        string
		first, last func(*session.EnterRequest)
		leave       func(*node, *client)
		after       time.Duration
	}{
		{"call", call, call, exit, 0},
		{"live, anchor last", audience, anchor, exit, 0},
		{"live, audience last", anchor, audience, exit, 10 * time.Minute},
		{"live, audience last, lost", anchor, audience, lose, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inNode(t, session.Options{}, func(n *node) {
				ann, bob := n.enter("ann", tt.first), n.enter("bob", tt.last)
				exit(n, ann)
				if n.Stats().Rooms != 1 {
					t.Fatal("the room has ended with bob in it")
				}
				tt.leave(n, bob)
				if tt.after > 0 {
					time.Sleep(tt.after - 5*time.Second)
					if n.Stats().Rooms != 1 {
						t.Error("the room has ended early")
					}
					time.Sleep(7 * time.Second)
				}
				if n.Stats().Rooms != 0 {
					t.Error("the room is still there")
				}
			})
		})
	}
}

func TestEmptyLiveRoomIsTakenUpAgain(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann", live(terms.Audience))
		_ = ann.Exit(n.t.Context())
		time.Sleep(9 * time.Minute)
		if _, _, err := n.Enter(n.t.Context(), n.request("bob")); err != nil { // without a scene: the room's
			t.Fatal(err)
		}
		n.expect("feed", n.feed.take(), "101", "103 ann 1", "104 ann 1", "103 bob 1")
		time.Sleep(80 * time.Second)
		if n.Stats().Rooms != 1 {
			t.Error("the room has ended with somebody in it")
		}
	})
}

func TestShutdownRefusesNewUsers(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		n.enter("ann")
		if err := n.Shutdown(n.t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, _, err := n.Enter(n.t.Context(), n.request("bob")); code(err) != terms.CodeNodeDraining {
			t.Error(err)
		}
	})
}

// TestShutdownIsBounded has a client that does not read.
func TestShutdownIsBounded(t *testing.T) {
	o := session.Options{Timers: session.Timers{Tell: time.Hour}}
	inNode(t, o, func(n *node) {
		ann := n.enter("ann")
		ann.cancel()
		<-ann.ended
		ctx, cancel := context.WithTimeout(n.t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		if err := n.Shutdown(ctx); err == nil || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// TestBansAreBounded: a node takes so many bans and no more, whatever is asked. It has place again when some
// have ended.
func TestBansAreBounded(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		n.living = []*client{n.enter("ann")}
		users := make([]string, terms.MaxRemoveUsers)
		ban := func(i int) error {
			for k := range users {
				users[k] = fmt.Sprintf("u%d", terms.MaxRemoveUsers*i+k)
			}
			_, err := n.RemoveUsers(context.Background(), lobby, users, "", time.Minute)
			return err
		}
		for i := range session.MaxBans / terms.MaxRemoveUsers {
			if err := ban(i); err != nil {
				t.Fatalf("command %d: %v", i, err)
			}
		}
		if e := terms.AsError(ban(-1)); e.Code != terms.CodeBadRequest || e.Field != "ban" {
			t.Errorf("one more: %v", e)
		}
		n.stay(time.Minute + time.Second)
		if err := ban(-1); err != nil {
			t.Errorf("when the others have ended: %v", err)
		}
	})
}

// TestRoomsAreBounded: a room that waits for somebody to come back has a place, too.
func TestRoomsAreBounded(t *testing.T) {
	inNode(t, session.Options{Limits: session.Limits{Rooms: 1}}, func(n *node) {
		bob := n.enter("bob", live(terms.Audience))
		if err := bob.Exit(context.Background()); err != nil {
			t.Fatal(err)
		}
		other := n.request("ann")
		other.Room = must(terms.StringRoom("other"))
		_, _, err := n.Enter(context.Background(), other)
		if e := terms.AsError(err); e.Code != terms.CodeRoomFull || e.Field != "" {
			t.Errorf("another room: %v", err)
		}
		if err := n.enter("ann", live(terms.Audience)).Exit(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Minute)
		s, _, err := n.Enter(context.Background(), other)
		if err != nil {
			t.Fatalf("when the room has ended: %v", err)
		}
		if _, err := n.RemoveUsers(context.Background(), other.Room, []string{s.User()}, "", 0); err != nil {
			t.Fatal(err)
		}
	})
}
