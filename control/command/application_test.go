package command_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/control/command"
	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
)

// TestApplicationOfARequest: commands may name the application that they are for, and are refused for another one.
func TestApplicationOfARequest(t *testing.T) {
	rooms := session.New(session.Options{Node: "n1"}, &fakewire.Transport{}, nil)
	room, err := terms.NumberRoom(7)
	require.NoError(t, err)
	_, _, err = rooms.Enter(t.Context(), session.EnterRequest{Room: room, User: "ann", Grant: terms.Grant{Rights: terms.AllRights()}})
	require.NoError(t, err)
	c := command.New(command.Options{Rooms: rooms, Node: &fakeNode{id: "n1"}, Application: func(id uint32) bool { return id == 1400000001 }})
	for action, rest := range map[command.Action]string{
		command.SetUserBlocked: `"UserId":"ann","Block":"both"`, command.RemoveUser: `"UserIds":["ann"]`, command.DismissRoom: `"Reason":""`,
	} {
		_, err := c.Do(t.Context(), action, []byte(`{"SdkAppId":1400000002,"RoomId":7,`+rest+`}`))
		e := terms.AsError(err)
		require.Equal(t, terms.CodeBadRequest, e.Code, "%s: %v", action, err)
		require.Equal(t, "SdkAppId", e.Field)
	}
	_, err = c.Do(t.Context(), command.SetUserBlocked, []byte(`{"SdkAppId":1400000001,"RoomId":7,"UserId":"ann","Block":"both"}`))
	require.NoError(t, err)
	_, err = command.New(command.Options{Rooms: rooms, Node: &fakeNode{id: "n1"}}).Do(t.Context(), command.DismissRoom, []byte(`{"SdkAppId":1400000001,"RoomId":7}`))
	require.Equal(t, "SdkAppId", terms.AsError(err).Field, "a node without applications")
}
