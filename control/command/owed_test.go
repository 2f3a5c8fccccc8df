package command_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"parlor/control/command"
	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
)

// TestWhatEndsSomethingIsKept: a command that ends something is kept for a node that cannot be reached, and
// no other command is. A command that no node would take is refused at once.
func TestWhatEndsSomethingIsKept(t *testing.T) {
	const away = "internal: node n9 does not answer (there is no such node); "
	const kept, repeat = away + "it carries the command out if it is back within 3m0s", away + "the command may be repeated"
	const banned = away + "the ban holds, and the node carries the command out if it is back within 3m0s"
	c, f := cluster(t, map[string][]string{"n1": {"a"}, "n2": {"b"}})
	f.holders["s:x"], f.holders["n:7"] = "n9", "n9"
	for _, tt := range []struct {
		action        command.Action
		request, want string
		owed          string
	}{
		{command.DismissRoom, `{"StrRoomId":"x","Reason":"over"}`, kept, `n9 s:x DismissRoom {"StrRoomId":"x","Reason":"over"}`},
		{command.DismissRoomByStrRoomID, `{ "RoomId": "x" }`, kept, `n9 s:x DismissRoomByStrRoomId {"RoomId":"x"}`},
		{command.RemoveUser, `{"RoomId":7,"UserIds":["ann"]}`, kept, `n9 n:7 RemoveUser {"RoomId":7,"UserIds":["ann"]}`},
		{command.RemoveUser, `{"StrRoomId":"x","UserIds":["ann","bob"],"BanSeconds":60,"Reason":"spam"}`, banned,
			`n9 s:x RemoveUser {"StrRoomId":"x","UserIds":["ann","bob"],"Reason":"spam"} ban [ann bob] 1m0s spam`},
		{command.RemoveUser, `{"StrRoomId":"x","UserIds":[]}`, "bad_request: UserIds: 1 to 10 users can be removed at once, not 0", ""},
		{command.SetUserBlocked, `{"StrRoomId":"x","UserId":"ann","Block":"both"}`, repeat, ""},
		{command.DescribeRoom, `{"StrRoomId":"x"}`, repeat, ""},
		{command.DismissRoom, `{"StrRoomId":"b"}`, `{"Users":1}`, ""},
		{command.DismissRoom, `{"StrRoomId":"nowhere"}`, `room_not_found: StrRoomId: there is no such room`, ""},
	} {
		f.owed = nil
		if got := text(t, c, tt.action, tt.request); got != tt.want {
			t.Errorf("%s %s: %s, not %s", tt.action, tt.request, got, tt.want)
		}
		if want := slices.DeleteFunc([]string{tt.owed}, func(s string) bool { return s == "" }); !slices.Equal(f.owed, want) {
			t.Errorf("%s %s: %q is kept, not %q", tt.action, tt.request, f.owed, want)
		}
	}
	f.full = true
	if got := text(t, c, command.DismissRoom, `{"StrRoomId":"x"}`); got != repeat {
		t.Errorf("what could not be kept: %s", got)
	}
}

// TestObey: a node carries out a command that was kept for it, of that room, and nothing else.
func TestObey(t *testing.T) {
	c, _ := alone(t)
	lobby, err := terms.StringRoom("lobby")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		action  command.Action
		request string
		want    terms.Code // "": it is carried out
	}{
		{command.ListRooms, `{}`, terms.CodeBadRequest},
		{command.DrainNode, `{}`, terms.CodeBadRequest},
		{command.DismissRoom, `{"StrRoomId":"hall"}`, terms.CodeNotAllowed},
		{command.DismissRoom, `{"StrRoomId":"lobby","What":1}`, terms.CodeBadRequest},
		{command.RemoveUser, `{"StrRoomId":"lobby","UserIds":["ann"]}`, ""},
		{command.DismissRoom, `{"StrRoomId":"lobby"}`, terms.CodeRoomNotFound}, // it has ended with ann
	} {
		err := c.Obey(t.Context(), command.Owed{Room: lobby, Action: tt.action, Request: []byte(tt.request)})
		if tt.want == "" && err != nil || tt.want != "" && !errors.Is(err, tt.want) {
			t.Errorf("%s %s: %v", tt.action, tt.request, err)
		}
	}
}

// TestACommandIsCarriedOutOnce: a command is carried out once, whether it comes late, as it was kept, or
// both. A command that has failed may come again.
func TestACommandIsCarriedOutOnce(t *testing.T) {
	c, _ := alone(t)
	lobby, err := terms.StringRoom("lobby")
	if err != nil {
		t.Fatal(err)
	}
	const twice = "internal: the command is carried out already"
	const here, nowhere = `{"StrRoomId":"lobby","UserIds":["bob"]}`, `{"StrRoomId":"nowhere","UserIds":["bob"]}`
	do := func(id, request string) error {
		_, err := c.DoHere(command.WithID(t.Context(), id), command.RemoveUser, []byte(request))
		return err
	}
	kept := func(id, request string) error {
		return c.Obey(t.Context(), command.Owed{Room: lobby, Action: command.RemoveUser, Request: []byte(request), ID: id})
	}
	for i, tt := range []struct {
		come        func(id, request string) error
		id, request string
		want        string
	}{
		{do, "", here, ""}, {do, "", here, ""}, {kept, "", here, ""},
		{do, "late", here, ""}, {do, "late", here, twice}, {kept, "late", here, twice},
		{kept, "early", here, ""}, {do, "early", here, twice},
		{do, "fails", nowhere, "room_not_found: StrRoomId: there is no such room"}, {kept, "fails", here, ""}, {kept, "fails", here, twice},
	} {
		got := ""
		if err := tt.come(tt.id, tt.request); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%d, %s: %q, not %q", i, tt.id, got, tt.want)
		}
	}
}

// unkept are marks that are never kept.
type unkept struct{}

func (unkept) Keep(terms.RoomID, []terms.Mark) <-chan struct{}            { return make(chan struct{}) }
func (unkept) Recall(context.Context, terms.RoomID) ([]terms.Mark, error) { return nil, nil }
func (unkept) EndBlocks(terms.RoomID)                                     {}

// TestWhatWasNotCompleteInTimeIsNotCarriedOutAgain: the user is out, but the wait for the keeping of the ban
// was in vain. A user that is back after the ban stays when the kept copy comes.
func TestWhatWasNotCompleteInTimeIsNotCarriedOutAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rooms := session.New(session.Options{Marks: unkept{}}, &fakewire.Transport{}, nil)
		defer rooms.Shutdown(context.Background())
		c := command.New(command.Options{Rooms: rooms, Node: &fakeNode{id: "n1"}})
		lobby, err := terms.StringRoom("lobby")
		if err != nil {
			t.Fatal(err)
		}
		enter := func(user string) {
			t.Helper()
			q := session.EnterRequest{Room: lobby, User: user, Grant: terms.Grant{Rights: terms.AllRights()}}
			if _, _, err := rooms.Enter(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		enter("ann")
		enter("bob")
		ctx, cancel := context.WithTimeout(command.WithID(t.Context(), "late"), time.Second)
		defer cancel()
		_, err = c.DoHere(ctx, command.RemoveUser, []byte(`{"StrRoomId":"lobby","UserIds":["bob"],"BanSeconds":1}`))
		if want := "internal: the command was not complete in time; it may be repeated"; err == nil || err.Error() != want {
			t.Fatalf("%v, not %s", err, want)
		}
		enter("bob")
		kept := command.Owed{Room: lobby, Action: command.RemoveUser, Request: []byte(`{"StrRoomId":"lobby","UserIds":["bob"]}`), ID: "late"}
		if err, want := c.Obey(t.Context(), kept), "internal: the command is carried out already"; err == nil || err.Error() != want {
			t.Errorf("the copy that was kept: %v, not %s", err, want)
		}
		if d, err := rooms.DescribeRoom(lobby, terms.Page{}); err != nil || len(d.List) != 2 {
			t.Errorf("%d inside: %v", len(d.List), err)
		}
	})
}
