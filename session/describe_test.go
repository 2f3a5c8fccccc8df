package session_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"parlor/session"
	"parlor/session/terms"
)

var (
	hall   = must(terms.StringRoom("hall"))
	number = must(terms.NumberRoom(5))
)

func into(room terms.RoomID, scene terms.Scene, role terms.Role) func(*session.EnterRequest) {
	return func(q *session.EnterRequest) { q.Room, q.Scene, q.Role = room, scene, role }
}

var comesFrom = session.Client{Addr: netip.MustParseAddr("2001:db8::7"), Agent: "Player/1.0"}

// TestAgentsAreLinesOfText: what a client calls itself is shown to people, and it may be anything.
func TestAgentsAreLinesOfText(t *testing.T) {
	for header, want := range map[string]string{
		"": "", "Mozilla/5.0 (X11; Linux x86_64)": "Mozilla/5.0 (X11; Linux x86_64)", "<b>נגן\u202e": "<b>נגן\u202e",
		"a\x00b\r\nc\xffd": "abcd", strings.Repeat("é", 200): strings.Repeat("é", 128), strings.Repeat("€", 100): strings.Repeat("€", 85),
	} {
		if got := session.AgentOf(header); got != strings.ReplaceAll(want, "\u202e", "") {
			t.Errorf("%q became %q", header, got)
		}
	}
}

// TestUsersAreDescribedAsTheyAre: a description has a user's rights, block, streams and the packets that have
// flowed.
func TestUsersAreDescribedAsTheyAre(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob", func(q *session.EnterRequest) {
			q.Grant.Rights = must(terms.NewRights(terms.RightEnter, terms.RightRecvAudio, terms.RightRecvVideo))
			q.Client = comesFrom
		})
		mic, ears := ann.publishMic(0), bob.negotiate(nil, 1, false)
		bob.hear("ann")
		for range 3 {
			if !flows(mic, "mic", ears, "a0") {
				t.Fatal("bob hears nothing")
			}
		}
		if err := n.SetUserBlocked(context.Background(), lobby, "ann", terms.BlockAudio); err != nil {
			t.Fatal(err)
		}
		d := must(n.DescribeRoom(lobby, terms.Page{}))
		if len(d.List) != 2 || !d.Time.Equal(time.Now()) {
			t.Fatalf("%+v", d)
		}
		a, b := d.List[0], d.List[1]
		if a.User != "ann" || a.Block != terms.BlockAudio || !a.Streams[0].Blocked || a.Usage.Of(terms.Mic).Packets != 3 || a.Usage.Packets != 0 {
			t.Errorf("ann: %+v", a)
		}
		if b.Rights.Has(terms.RightSendAudio) || !b.Rights.Has(terms.RightRecvAudio) || b.Block != terms.BlockNone || b.Usage.Packets != 3 {
			t.Errorf("bob: %+v", b)
		}
		u := must(n.DescribeUser(lobby, "bob", terms.Page{}))
		if len(u.List) != 1 || u.List[0].Room != lobby || u.List[0].Node != "node-1" || u.List[0].Usage.Packets != 3 {
			t.Fatalf("bob alone: %+v", u)
		}
		if b := u.List[0]; b.Client != comesFrom || b.Way.Protocol != "udp" || len(b.Detail.Seen) != 1 || b.Detail.Seen[0].User != "ann" || b.Detail.Seen[0].Packets != 3 {
			t.Errorf("bob in detail: %+v %+v", b.Client, b.Detail)
		}
		if a := must(n.DescribeUser(lobby, "ann", terms.Page{})).List[0].Detail; len(a.Seen) != 0 || len(a.Sent) != 1 || a.Sent[0].Source != terms.Mic || a.Sent[0].Packets != 3 {
			t.Errorf("ann in detail: %+v", a)
		}
	})
}

// TestDescribeUserFindsAllItsRooms: all rooms of a user are found, a page at a time. An error says what is
// not found.
func TestDescribeUserFindsAllItsRooms(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		for i := range 7 {
			room := must(terms.StringRoom(fmt.Sprintf("room%d", i)))
			n.enter("bob", into(room, "", ""))
			if i%2 == 0 {
				n.enter("ann", into(room, "", ""))
			}
		}
		for limit := 1; limit <= 5; limit++ {
			var found []string
			page := terms.Page{Limit: limit}
			for {
				d := must(n.DescribeUser(terms.RoomID{}, "ann", page))
				if len(d.List) > limit {
					t.Fatalf("%d rooms on a page of %d", len(d.List), limit)
				}
				for _, u := range d.List {
					found = append(found, u.Room.String())
				}
				if page.After = d.Next; page.After == "" {
					break
				}
			}
			n.expect(fmt.Sprintf("pages of %d", limit), found, "room0", "room2", "room4", "room6")
		}
		for what, tt := range map[string]struct {
			room terms.RoomID
			user string
			code terms.Code
		}{
			"another's room":   {must(terms.StringRoom("room1")), "ann", terms.CodeUserNotFound},
			"no room":          {hall, "ann", terms.CodeRoomNotFound},
			"nobody":           {terms.RoomID{}, "zoe", terms.CodeUserNotFound},
			"no name":          {terms.RoomID{}, "", terms.CodeBadRequest},
			"an impossible id": {terms.RoomID{}, "a b", terms.CodeBadRequest},
		} {
			if _, err := n.DescribeUser(tt.room, tt.user, terms.Page{}); code(err) != tt.code {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func TestRoomsAreFiltered(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		n.enter("ann", into(lobby, terms.Call, ""))
		n.enter("ann", into(hall, terms.Live, terms.Anchor))
		n.enter("ann", into(number, terms.Live, terms.Anchor))
		for _, tt := range []struct {
			filter terms.RoomFilter
			want   []string
		}{
			{terms.RoomFilter{}, []string{"5", "hall", "lobby"}},
			{terms.RoomFilter{Prefix: "l"}, []string{"lobby"}},
			{terms.RoomFilter{Prefix: "5"}, []string{"5"}},
			{terms.RoomFilter{Prefix: "n:"}, nil},
			{terms.RoomFilter{Scene: terms.Live}, []string{"5", "hall"}},
			{terms.RoomFilter{Scene: terms.Live, Prefix: "h"}, []string{"hall"}},
			{terms.RoomFilter{Scene: terms.Call, Prefix: "h"}, nil},
		} {
			var got []string
			for _, r := range must(n.ListRooms(tt.filter, terms.Page{})).Rooms {
				got = append(got, r.Room.String())
			}
			n.expect(fmt.Sprintf("%+v", tt.filter), got, tt.want...)
		}
		l := must(n.ListRooms(terms.RoomFilter{Scene: terms.Live}, terms.Page{Limit: 1}))
		if len(l.Rooms) != 1 || l.Next != "n:5" {
			t.Errorf("the first of two: %+v", l)
		}
		if l = must(n.ListRooms(terms.RoomFilter{Scene: terms.Live}, terms.Page{Limit: 1, After: l.Next})); len(l.Rooms) != 1 || l.Next != "" {
			t.Errorf("the second of two: %+v", l)
		}
		if _, err := n.ListRooms(terms.RoomFilter{Scene: "party"}, terms.Page{}); code(err) != terms.CodeBadRequest {
			t.Error(err)
		}
	})
}

// TestDrainingMakesNoNewRooms: a node that is drained makes no new rooms, but lets people into those that
// there are.
func TestDrainingMakesNoNewRooms(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann")
		n.Drain()
		n.Drain()
		if !n.Has(lobby) || n.Has(hall) {
			t.Error("Has is wrong")
		}
		n.enter("bob")
		_, _, err := n.Enter(context.Background(), session.EnterRequest{Room: hall, User: "cid", Grant: granted, Signal: true})
		if code(err) != terms.CodeNodeDraining {
			t.Errorf("a new room: %v", err)
		}
		if _, err := n.DismissRoom(context.Background(), lobby, ""); err != nil {
			t.Fatal(err)
		}
		ann.isOut()
		_, _, err = n.Enter(context.Background(), n.request("ann"))
		if code(err) != terms.CodeNodeDraining || n.Has(lobby) {
			t.Errorf("a room that has ended: %v", err)
		}
	})
}
