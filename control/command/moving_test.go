package command_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parlor/control/command"
	"parlor/session"
	"parlor/session/terms"
)

// journey is a room that is moved from n2 to n3, as commands at n1 see it, under a fake clock.
type journey struct {
	t        *testing.T
	c        *command.Commands
	f        *fleet
	room     terms.RoomID
	old, new *session.Rooms
}

func newJourney(t *testing.T) *journey {
	m := &journey{t: t, f: &fleet{self: "n1", nodes: map[string]*command.Commands{}, holders: map[string]string{"s:lobby": "n2"}}}
	var err error
	if m.room, err = terms.StringRoom("lobby"); err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"n1", "n2", "n3"} {
		var names []string
		if node == "n2" {
			names = append(names, "lobby")
		}
		rooms := roomsOf(t, node, names...)
		t.Cleanup(func() { _ = rooms.Shutdown(context.Background()) })
		m.f.nodes[node] = command.New(command.Options{Rooms: rooms, Node: &fakeNode{id: node}, Elsewhere: m.f})
		switch node {
		case "n1":
			m.c = m.f.nodes[node]
		case "n2":
			m.old = rooms
		case "n3":
			m.new = rooms
		}
	}
	m.enter(m.old, "bob")
	return m
}

func (m *journey) enter(at *session.Rooms, user string) {
	m.t.Helper()
	q := session.EnterRequest{Room: m.room, User: user, Grant: terms.Grant{Rights: terms.AllRights()}}
	if _, _, err := at.Enter(context.Background(), q); err != nil {
		m.t.Fatal(err)
	}
}

// move gives the room to n3; meanwhile is called before that is so.
func (m *journey) move(meanwhile func()) {
	m.t.Helper()
	if _, err := m.old.Move(context.Background(), m.room, "", func(context.Context) string {
		meanwhile()
		m.f.holders["s:lobby"], m.f.until = "n3", time.Now().Add(4*time.Second)
		return "http://n3"
	}); err != nil {
		m.t.Fatal(err)
	}
}

// give gives a command and returns the channel on which its answer comes.
func (m *journey) give(a command.Action, request string) <-chan string {
	answer := make(chan string, 1)
	go func() { answer <- text(m.t, m.c, a, request) }()
	synctest.Wait()
	return answer
}

func (m *journey) inside() string {
	d, err := m.new.DescribeRoom(m.room, terms.Page{})
	if errors.Is(err, terms.CodeRoomNotFound) {
		return "nobody"
	}
	if err != nil {
		m.t.Fatal(err)
	}
	var users []string
	for _, u := range d.List {
		users = append(users, u.User)
	}
	slices.Sort(users)
	return strings.Join(users, " ")
}

// TestACommandMeetsWhoIsBetweenTwoNodes: a command is given while the room is being given away, when all were
// told to go, or when some have come. It meets the users between the two nodes, and says the truth about
// those that do not come.
func TestACommandMeetsWhoIsBetweenTwoNodes(t *testing.T) {
	for _, tt := range []struct {
		action        command.Action
		request, want string
		inside        string // in the end
	}{
		{command.RemoveUser, `{"StrRoomId":"lobby","UserIds":["bob"]}`, `{"Users":[{"UserId":"bob","Result":"removed"}]}`, "ann"},
		{command.RemoveUser, `{"StrRoomId":"lobby","UserIds":["bob","ann"]}`,
			`{"Users":[{"UserId":"bob","Result":"removed"},{"UserId":"ann","Result":"removed"}]}`, "nobody"},
		{command.RemoveUser, `{"StrRoomId":"lobby","UserIds":["zoe","bob"]}`,
			`{"Users":[{"UserId":"zoe","Result":"not_in_room"},{"UserId":"bob","Result":"removed"}]}`, "ann"},
		{command.DismissRoom, `{"StrRoomId":"lobby","Reason":"over"}`, `{"Users":2}`, "nobody"},
		{command.SetUserBlocked, `{"StrRoomId":"lobby","UserId":"bob","Block":"audio"}`, `{"UserId":"bob","Block":"audio"}`, "ann bob"},
		{command.SetUserBlocked, `{"StrRoomId":"lobby","UserId":"zoe","Block":"audio"}`, `user_not_found: UserId: there is no such user in the room`, "ann bob"},
		{command.SendMessage, `{"StrRoomId":"lobby","CmdId":1,"Text":"hi"}`, `{"Delivered":`, "ann bob"},
		{command.DescribeUser, `{"StrRoomId":"lobby","UserId":"bob"}`, `{"Rooms":[{"StrRoomId":"lobby","Node":"n3"`, "ann bob"},
	} {
		for _, when := range []string{"at once", "when all were told", "when ann has come"} {
			if when == "at once" && (tt.action == command.RemoveUser || tt.action == command.DismissRoom) {
				continue // those are still inside then: see TestACommandBeforeAnybodyIsTold
			}
			t.Run(string(tt.action)+" "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := newJourney(t)
					var answer <-chan string
					give := func(now string) {
						if now == when {
							answer = m.give(tt.action, tt.request)
						}
					}
					m.move(func() { give("at once") })
					give("when all were told")
					time.Sleep(time.Second)
					m.enter(m.new, "ann")
					if when != "when ann has come" {
						time.Sleep(100 * time.Millisecond)
					}
					give("when ann has come")
					time.Sleep(time.Second)
					m.enter(m.new, "bob")
					if got := <-answer; !strings.HasPrefix(got, tt.want) {
						t.Errorf("the answer is %s, not %s", got, tt.want)
					}
					if got := m.inside(); got != tt.inside {
						t.Errorf("inside is %s, not %s", got, tt.inside)
					}
				})
			})
		}
	}
}

// TestACommandBeforeAnybodyIsTold: a command that comes before anybody is told of the move is carried out on
// the node that the room leaves.
func TestACommandBeforeAnybodyIsTold(t *testing.T) {
	for request, want := range map[string]string{
		`{"StrRoomId":"lobby","UserIds":["bob"]}`: `{"Users":[{"UserId":"bob","Result":"removed"}]}`,
		`{"StrRoomId":"lobby","UserIds":["zoe"]}`: `{"Users":[{"UserId":"zoe","Result":"not_in_room"}]}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newJourney(t)
			var answer <-chan string
			m.move(func() { answer = m.give(command.RemoveUser, request) })
			if got := <-answer; got != want {
				t.Errorf("the answer is %s, not %s", got, want)
			}
		})
	}
}

// TestABanMeetsWhoIsBetweenTwoNodes: the ban is in force once the first of the banned users comes, so that
// the others are not let in.
func TestABanMeetsWhoIsBetweenTwoNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newJourney(t)
		m.move(func() {})
		answer := m.give(command.RemoveUser, `{"StrRoomId":"lobby","UserIds":["bob","ann"],"BanSeconds":60}`)
		m.enter(m.new, "ann")
		if got, want := <-answer, `{"Users":[{"UserId":"bob","Result":"not_in_room"},{"UserId":"ann","Result":"removed"}]}`; got != want {
			t.Errorf("the answer is %s, not %s", got, want)
		}
		q := session.EnterRequest{Room: m.room, User: "bob", Grant: terms.Grant{Rights: terms.AllRights()}}
		if _, _, err := m.new.Enter(t.Context(), q); !errors.Is(err, terms.CodeBanned) {
			t.Errorf("bob enters: %v", err)
		}
	})
}

// TestNobodyIsAwaitedForLong: the answer tells what is true when nobody can be on the way any more. If that
// is not known in time, the answer says so.
func TestNobodyIsAwaitedForLong(t *testing.T) {
	const removal, dismissal = `{"StrRoomId":"lobby","UserIds":["bob"]}`, `{"StrRoomId":"lobby"}`
	for _, tt := range []struct {
		action        command.Action
		request, want string
		within, takes time.Duration
	}{
		{command.RemoveUser, removal, "room_not_found: StrRoomId: there is no such room", time.Minute, 4 * time.Second},
		{command.DismissRoom, dismissal, "room_not_found: StrRoomId: there is no such room", time.Minute, 4 * time.Second},
		{command.RemoveUser, removal, "internal: the command was not complete in time; it may be repeated", time.Second, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newJourney(t)
			m.move(func() {})
			ctx, cancel := context.WithTimeout(t.Context(), tt.within)
			defer cancel()
			began := time.Now()
			answer, err := m.c.Do(ctx, tt.action, []byte(tt.request))
			if b, _ := json.Marshal(answer); err == nil || err.Error() != tt.want {
				t.Errorf("%s: %s %v, not %s", tt.action, b, err, tt.want)
			}
			if took := time.Since(began); took != tt.takes {
				t.Errorf("%s took %v, not %v", tt.action, took, tt.takes)
			}
		})
	}
}
