package natsapi

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/rs/zerolog"

	"parlor/session"
	"parlor/session/fakewire"
)

// FuzzCommand has every command read every body: there is an answer, or an error that a caller can use.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{
		``, `{}`, `{"RoomId":1}`, `{"StrRoomId":"lobby","UserIds":["ann"]}`, `{"RoomId":"lobby"}`, `{"StrRoomId":null,"RoomId":null}`,
		`{"RoomId":1e3}`, `{"StrRoomId":"lobby","UserIds":["ann"],"BanSeconds":1}`, `{"Limit":1,"After":"x"}`, `{"UserIds":[[[[`, "{\"\xff\":1}",
		`{"RoomId":{"a":[1]}}`, `{"Reason":"\ud800"}`,
	} {
		f.Add([]byte(s))
	}
	lobby, err := session.StringRoom("lobby")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		rooms := session.New(session.Options{}, &fakewire.Transport{}, nil)
		_, _, err := rooms.Enter(context.Background(), session.EnterRequest{
			Room: lobby, User: "ann", Grant: session.Grant{Rights: session.AllRights()},
		})
		if err != nil {
			t.Fatal(err)
		}
		s := &Service{rooms: rooms, log: zerolog.Nop()}
		for action, h := range s.handlers() {
			answer, err := h(context.Background(), body)
			if err == nil {
				if _, err := json.Marshal(answer); err != nil {
					t.Errorf("%s %q: %v", action, body, err)
				}
				continue
			}
			if !errors.Is(err, session.CodeBadRequest) && !errors.Is(err, session.CodeRoomNotFound) {
				t.Errorf("%s %q: %v", action, body, err)
			}
		}
	})
}
