package signal_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/session/signal"
	"parlor/session/terms"
)

func TestMessagesBySocket(t *testing.T) {
	d := open(t, signal.Options{})
	ann, _ := d.enter(t, "ann")
	bob, _ := d.enter(t, "bob")
	require.Equal(t, "user_entered", ann.read()["type"])

	require.Equal(t, "ok", ann.ask(message{"type": "message", "cmdId": 3, "data": "AP8="})["type"])
	require.Equal(t, message{"type": "message", "seq": 1.0, "user": "ann", "cmdId": 3.0, "data": "AP8="}, bob.read())
	require.Equal(t, "ok", bob.ask(message{"type": "message", "cmdId": 10, "data": "", "reliable": false})["type"])
	require.Equal(t, message{"type": "message", "seq": 2.0, "user": "bob", "cmdId": 10.0, "data": ""}, ann.read())

	again := message{"type": "message", "cmdId": 1, "data": "", "n": 1}
	require.Equal(t, "ok", ann.ask(again)["type"])
	require.Equal(t, "ok", ann.ask(again)["type"], "asked again after a resume")
	require.Equal(t, "ok", ann.ask(message{"type": "message", "cmdId": 2, "data": "", "n": 2})["type"])
	require.Equal(t, 1.0, bob.read()["cmdId"])
	require.Equal(t, 2.0, bob.read()["cmdId"], "the one that came twice was sent once")

	room, err := terms.StringRoom("lobby")
	require.NoError(t, err)
	delivered, missed, err := d.rooms.SendMessage(context.Background(), room, nil, terms.Message{CmdID: 1, Data: []byte("x")})
	require.NoError(t, err)
	require.Equal(t, []int{2, 0}, []int{delivered, missed})
	require.Equal(t, message{"type": "message", "seq": 4.0, "cmdId": 1.0, "data": "eA=="}, bob.read(), "the server has no user id")
	require.Equal(t, "message", ann.read()["type"])
}
