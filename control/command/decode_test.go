package command_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"parlor/control/command"
	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
)

// FuzzCommand has every command read every body: there is an answer, or an error that a caller can use.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{
		``, `{}`, `{"RoomId":1}`, `{"StrRoomId":"lobby","UserIds":["ann"]}`, `{"RoomId":"lobby"}`, `{"StrRoomId":null,"RoomId":null}`,
		`{"RoomId":1e3}`, `{"StrRoomId":"lobby","UserIds":["ann"],"BanSeconds":1}`, `{"Limit":1,"After":"x"}`, `{"UserIds":[[[[`, "{\"\xff\":1}",
		`{"RoomId":{"a":[1]}}`, `{"Reason":"\ud800"}`, `{"UserId":"ann"}`, `{"UserId":"ann","StrRoomId":"lobby"}`, `{"NodeId":"n1","DeadlineSeconds":9}`,
		`{"Prefix":"lo","Scene":"call"}`, `{"StrRoomId":"lobby","CmdId":1,"Data":"aGk="}`, `{"StrRoomId":"lobby","CmdId":10,"Text":"hi","UserIds":["ann"]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, _ := alone(t)
		for _, s := range command.All() {
			answer, err := c.Do(context.Background(), s.Action, body)
			if err == nil {
				if _, err := json.Marshal(answer); err != nil {
					t.Errorf("%s %q: %v", s.Action, body, err)
				}
				continue
			}
			if !errors.Is(err, terms.CodeBadRequest) && !errors.Is(err, terms.CodeRoomNotFound) && !errors.Is(err, terms.CodeUserNotFound) {
				t.Errorf("%s %q: %v", s.Action, body, err)
			}
		}
	})
}

// fakeNode is a node that only says who it is and what it was told.
type fakeNode struct {
	id      string
	drained []time.Duration
	history command.History
}

func (n *fakeNode) ID() string               { return n.id }
func (n *fakeNode) History() command.History { return n.history }

func (n *fakeNode) Describe() command.NodeInfo {
	return command.NodeInfo{Node: n.id, Draining: len(n.drained) > 0}
}
func (n *fakeNode) Drain(_ context.Context, d time.Duration) error {
	n.drained = append(n.drained, d)
	return nil
}

// alone is a node n1 with ann in the room "lobby".
func alone(t *testing.T) (*command.Commands, *fakeNode) {
	t.Helper()
	n := &fakeNode{id: "n1"}
	return command.New(command.Options{Rooms: roomsOf(t, "n1", "lobby"), Node: n}), n
}

// roomsOf has ann in each of the rooms.
func roomsOf(t *testing.T, node string, rooms ...string) *session.Rooms {
	t.Helper()
	r := session.New(session.Options{Node: node}, &fakewire.Transport{}, nil)
	for _, name := range rooms {
		id, err := terms.StringRoom(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = r.Enter(context.Background(), session.EnterRequest{Room: id, User: "ann", Grant: terms.Grant{Rights: terms.AllRights()}}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}
