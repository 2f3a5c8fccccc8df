package sfu_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/config"
	"parlor/control/command"
	"parlor/session/problem"
)

// outcome is what a door answered: a body, or an error's code and field.
type outcome struct {
	body        string
	code, field string
}

// doorway is one of the network doors to a node's commands.
type doorway func(t *testing.T, action, body string) outcome

// doors returns all network doors. What goes through HTTP is checked against the node's OpenAPI document by a
// reader that is not ours: every answer, and every request that the node takes.
func (l *live) doors(t *testing.T) map[string]doorway {
	t.Helper()
	_, text := get(t, l.url+"/admin/v1/openapi.json", nil)
	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	require.NoError(t, err)
	doc.Servers = openapi3.Servers{{URL: l.url}}
	routes, err := gorillamux.NewRouter(doc)
	require.NoError(t, err)
	return map[string]doorway{
		"nats":      func(t *testing.T, a, body string) outcome { return l.overNATS(t, "sfu.v1."+a, body) },
		"nats node": func(t *testing.T, a, body string) outcome { return l.overNATS(t, "sfu.v1.node."+l.ID()+"."+a, body) },
		"http":      func(t *testing.T, a, body string) outcome { return l.overHTTP(t, routes, a, body) },
	}
}

func (l *live) overNATS(t *testing.T, subject, body string) outcome {
	t.Helper()
	m, err := l.nats.Request(subject, []byte(body), 10*time.Second)
	require.NoError(t, err)
	if m.Header.Get("Nats-Service-Error-Code") == "" {
		return outcome{body: string(m.Data)}
	}
	var e command.ErrorBody
	require.NoError(t, json.Unmarshal(m.Data, &e))
	require.NotEmpty(t, e.Message)
	return outcome{code: string(e.Code), field: e.Field}
}

func (l *live) overHTTP(t *testing.T, routes routers.Router, action, body string) outcome {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, l.url+"/admin/v1/"+action, strings.NewReader(body))
	require.NoError(t, err)
	q.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(q)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)

	if body == "" { // which stands for {}
		body = "{}"
	}
	again, err := http.NewRequestWithContext(t.Context(), http.MethodPost, l.url+"/admin/v1/"+action, strings.NewReader(body))
	require.NoError(t, err)
	again.Header.Set("Content-Type", "application/json")
	route, _, err := routes.FindRoute(again)
	require.NoError(t, err, action)
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true}
	input := &openapi3filter.RequestValidationInput{Request: again, Route: route, Options: options}
	if res.StatusCode == http.StatusOK {
		require.NoError(t, openapi3filter.ValidateRequest(t.Context(), input), "the document forbids what the node takes: %s %s", action, body)
	}
	require.NoError(t, openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: res.StatusCode, Header: res.Header, Body: io.NopCloser(bytes.NewReader(text)), Options: options,
	}), "%s %s: %s", action, body, text)
	if res.StatusCode == http.StatusOK {
		return outcome{body: string(text)}
	}
	var p problem.Document
	require.NoError(t, json.Unmarshal(text, &p))
	require.NotEmpty(t, p.Detail)
	return outcome{code: string(p.Code), field: p.Field}
}

// TestEveryCommandThroughEveryDoor gives each command at each door of a node with a call, and once more:
// repeating it gives the same, or what is true by then.
func TestEveryCommandThroughEveryDoor(t *testing.T) {
	l := startLive(t, func(c *config.Config) { c.Node.ID = "n1" })
	for name, do := range l.doors(t) {
		t.Run(name, func(t *testing.T) {
			ann := l.join(t, "ann", client.Options{Publish: []client.Source{client.Camera, client.Mic}})
			bob := l.join(t, "bob", client.Options{Seats: 1})
			dan, eve := l.join(t, "dan", client.Options{Room: 123, Seats: 1}), l.join(t, "eve", client.Options{Room: "123", Seats: 1})
			bob.watch(t, seatName(1), "ann")
			ann.publish(t, client.Camera, client.Mic)
			eventually(t, "bob sees ann", func() bool { return bob.received(client.Section{Seat: seatName(1)}) > 50 })
			done := map[string]bool{}
			says := func(action, body string, want ...string) {
				t.Helper()
				done[action] = true
				o := do(t, action, body)
				require.Empty(t, o.code, "%s %s: %+v", action, body, o)
				for _, w := range want {
					require.Contains(t, o.body, w, "%s %s", action, body)
				}
			}
			refuses := func(action, body, code, field string) {
				t.Helper()
				require.Equal(t, outcome{code: code, field: field}, do(t, action, body), "%s %s", action, body)
			}

			says("ListRooms", ``, `"RoomId":123`, `"StrRoomId":"123"`, `"StrRoomId":"lobby","Scene":"call"`)
			says("ListRooms", `{"Prefix":"lob","Scene":"call","Limit":1}`, `"StrRoomId":"lobby"`, `"Users":2`, `"Publishers":1`)
			says("ListRooms", `{"Scene":"live"}`, `{"Rooms":[],"Total":0}`)
			says("DescribeRoom", `{"StrRoomId":"lobby"}`, `"UserId":"ann"`, `"UserId":"bob"`, `"Source":"camera","On":true,"Codec":"VP8"`)
			seen := l.describe(t, do, "ann")
			require.Greater(t, seen.Streams[0].Packets, uint64(50))
			require.Greater(t, seen.Streams[0].Bytes, seen.Streams[0].Packets*100)
			require.Zero(t, seen.Received.Packets)
			require.Greater(t, l.describe(t, do, "bob").Received.Packets, uint64(50))
			says("DescribeUser", `{"UserId":"eve"}`, `"StrRoomId":"123","Node":"n1","UserId":"eve"`)
			says("DescribeUser", `{"UserId":"dan","RoomId":123}`, `"RoomId":123`)
			says("DescribeUser", `{"UserId":"ann"}`, `"SeenBy":["bob"]`, `"Address":"127.0.0.1"`, `"Protocol":"udp"`, `"UserAgent":"Go-http-client/1.1"`)
			says("DescribeUser", `{"UserId":"bob"}`, `"Views":[{"UserId":"ann","Source":"camera","State":"live"`)
			says("DescribeHistory", `{}`, `{"Nodes":[{"Node":"n1","EveryMs":5000,"Points":[`)
			says("ListRefusals", `{}`, `{"Refusals":[`)

			for range 2 {
				says("SetUserBlocked", `{"StrRoomId":"lobby","UserId":"ann","Block":"video"}`, `"Block":"video"`)
			}
			require.True(t, l.describe(t, do, "ann").Streams[0].Blocked)
			says("SetUserBlocked", `{"StrRoomId":"lobby","UserId":"ann","Block":"none"}`, `"Block":"none"`)

			says("UpdateUser", `{"StrRoomId":"lobby","UserId":"ann","Name":"Анна"}`, `"Name":"Анна"`)

			says("SendMessage", `{"StrRoomId":"lobby","CmdId":7,"Text":"hallo"}`, `{"Delivered":2,"Missed":0}`)
			require.Equal(t, "hallo", bob.message(t))
			says("SendMessage", `{"StrRoomId":"lobby","CmdId":7,"Data":"AAH/","UserIds":["bob","zoe"]}`, `{"Delivered":1,"Missed":1}`)
			require.Equal(t, "\x00\x01\xff", bob.message(t))

			says("RemoveUser", `{"StrRoomId":"lobby","UserIds":["bob","zoe"],"Reason":"x"}`, `{"UserId":"bob","Result":"removed"},{"UserId":"zoe","Result":"not_in_room"}`)
			says("RemoveUser", `{"StrRoomId":"lobby","UserIds":["bob"]}`, `"not_in_room"`)
			require.Equal(t, 1, bob.await(t, client.Exited).Reason)
			refuses("DescribeUser", `{"UserId":"bob"}`, "user_not_found", "UserId")
			refuses("DescribeUser", `{"UserId":"bob","StrRoomId":"lobby"}`, "user_not_found", "UserId")
			says("RemoveUserByStrRoomId", `{"RoomId":"123","UserIds":["eve"]}`, `"removed"`)
			require.Equal(t, 1, eve.await(t, client.Exited).Reason)
			says("DismissRoom", `{"RoomId":123}`, `{"Users":1}`)
			require.Equal(t, 2, dan.await(t, client.Exited).Reason)
			refuses("DismissRoom", `{"RoomId":123}`, "room_not_found", "RoomId")
			says("DismissRoomByStrRoomId", `{"StrRoomId":"lobby"}`, `{"Users":1}`)
			require.Equal(t, 2, ann.await(t, client.Exited).Reason)
			says("ListEvents", `{"StrRoomId":"lobby","UserId":"bob"}`, `"Type":104,"Node":"n1","UserId":"bob","Reason":3,"Text":"x"`)
			says("DescribeNode", `{}`, `{"Nodes":[{"Node":"n1","Version":`, `"Draining":false`)
			says("DescribeNode", `{"NodeId":"n1"}`, `"Node":"n1"`)
			for _, s := range command.All() {
				if s.Action != command.DrainNode { // which ends the node: TestDrain
					require.True(t, done[string(s.Action)], "%s is not tried", s.Action)
				}
			}
		})
	}
	require.NotZero(t, l.sample(t, "parlor_commands_total", map[string]string{"action": "DismissRoom", "result": "room_not_found"}))
	require.NotZero(t, l.sample(t, "parlor_command_seconds_count", map[string]string{"action": "DismissRoom"}))
}

// message waits for a message of the server.
func (g *guest) message(t *testing.T) string {
	t.Helper()
	var m struct {
		CmdID int
		Data  []byte
	}
	require.NoError(t, json.Unmarshal(g.await(t, "message").Raw, &m))
	require.Equal(t, 7, m.CmdID)
	return string(m.Data)
}

// describe returns what is said about a user of the lobby.
func (l *live) describe(t *testing.T, do doorway, user string) command.UserInRoom {
	t.Helper()
	o := do(t, "DescribeUser", fmt.Sprintf(`{"UserId":%q,"StrRoomId":"lobby"}`, user))
	var a command.DescribeUserResponse
	require.NoError(t, json.Unmarshal([]byte(o.body), &a), "%+v", o)
	require.Len(t, a.Rooms, 1)
	return a.Rooms[0]
}

// sample reads one series of /metrics in the text form.
func (l *live) sample(t *testing.T, name string, labels map[string]string) float64 {
	t.Helper()
	_, text := get(t, l.url+"/metrics", nil)
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, name+"{") {
			continue
		}
		all := true
		for k, v := range labels {
			all = all && strings.Contains(line, fmt.Sprintf("%s=%q", k, v))
		}
		if all {
			var value float64
			_, err := fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &value)
			require.NoError(t, err, line)
			return value
		}
	}
	return 0
}

// TestBadCommandsAtEveryDoor: the same code and field wherever a bad command comes in, and nothing is changed
// by it.
func TestBadCommandsAtEveryDoor(t *testing.T) {
	l := startLive(t)
	ann := l.join(t, "ann", client.Options{Seats: 1})
	doors := l.doors(t)
	ids := strings.TrimSuffix(strings.Repeat(`"u",`, 11), ",")
	for _, tt := range []struct{ action, body, code, field string }{
		{"RemoveUser", `{`, "bad_request", ""},
		{"RemoveUser", `[]`, "bad_request", ""},
		{"RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"]}{}`, "bad_request", ""},
		{"RemoveUser", `{"UserIds":["ann"]}`, "bad_request", "RoomId"},
		{"RemoveUser", `{"RoomId":1,"StrRoomId":"lobby","UserIds":["ann"]}`, "bad_request", "StrRoomId"},
		{"RemoveUser", `{"RoomId":"lobby","UserIds":["ann"]}`, "bad_request", "RoomId"},
		{"RemoveUser", `{"RoomId":0,"UserIds":["ann"]}`, "bad_request", "RoomId"},
		{"RemoveUser", `{"RoomId":-1,"UserIds":["ann"]}`, "bad_request", "RoomId"},
		{"RemoveUser", `{"RoomId":4294967295,"UserIds":["ann"]}`, "bad_request", "RoomId"},
		{"RemoveUser", `{"RoomId":1.5,"UserIds":["ann"]}`, "bad_request", "RoomId"},
		{"RemoveUser", `{"StrRoomId":"lob/by","UserIds":["ann"]}`, "bad_request", "StrRoomId"},
		{"RemoveUser", `{"StrRoomId":7,"UserIds":["ann"]}`, "bad_request", "StrRoomId"},
		{"RemoveUser", `{"StrRoomId":"lobby"}`, "bad_request", "UserIds"},
		{"RemoveUser", `{"StrRoomId":"lobby","UserIds":[` + ids + `]}`, "bad_request", "UserIds"},
		{"RemoveUser", `{"StrRoomId":"lobby","UserIds":"ann"}`, "bad_request", "UserIds"},
		{"RemoveUser", `{"StrRoomId":"lobby","UserIds":[7]}`, "bad_request", "UserIds"},
		{"RemoveUser", `{"StrRoomId":"lobby","UserIds":["a b"]}`, "bad_request", "UserIds"},
		{"RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"],"BanSeconds":-1}`, "bad_request", "BanSeconds"},
		{"RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"],"BanSeconds":31536001}`, "bad_request", "BanSeconds"},
		{"RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"],"BanSeconds":99999999999999999999}`, "bad_request", "BanSeconds"},
		{"RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"],"BanSeconds":"1"}`, "bad_request", "BanSeconds"},
		{"RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"],"Reason":"` + strings.Repeat("x", 257) + `"}`, "bad_request", "Reason"},
		{"RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"],"Ban":1}`, "bad_request", "Ban"},
		{"RemoveUser", `{"strroomid":"lobby","UserIds":["ann"]}`, "bad_request", "strroomid"},
		{"RemoveUser", `{"StrRoomId":"lobby","StrRoomId":"hall","UserIds":["ann"]}`, "bad_request", "StrRoomId"},
		{"RemoveUser", `{"StrRoomId":"nowhere","UserIds":["ann"]}`, "room_not_found", "StrRoomId"},
		{"RemoveUserByStrRoomId", `{"RoomId":7,"UserIds":["ann"]}`, "bad_request", "RoomId"},
		{"DismissRoom", `{"RoomId":5}`, "room_not_found", "RoomId"},
		{"DismissRoomByStrRoomId", `{}`, "bad_request", "StrRoomId"},
		{"SetUserBlocked", `{"StrRoomId":"lobby","UserId":"ann"}`, "bad_request", "Block"},
		{"SetUserBlocked", `{"StrRoomId":"lobby","UserId":"ann","Block":"all"}`, "bad_request", "Block"},
		{"SetUserBlocked", `{"StrRoomId":"lobby","UserId":"","Block":"both"}`, "bad_request", "UserId"},
		{"SetUserBlocked", `{"StrRoomId":"lobby","UserId":"zoe","Block":"both"}`, "user_not_found", "UserId"},
		{"SetUserBlocked", `{"StrRoomId":"nowhere","UserId":"ann","Block":"both"}`, "room_not_found", "StrRoomId"},
		{"SendMessage", `{"StrRoomId":"lobby","CmdId":1}`, "bad_request", "Data"},
		{"SendMessage", `{"StrRoomId":"lobby","CmdId":1,"Data":"!"}`, "bad_request", "Data"},
		{"SendMessage", `{"StrRoomId":"lobby","CmdId":1,"Data":"` + base64.StdEncoding.EncodeToString(make([]byte, 1001)) + `"}`, "bad_request", "Data"},
		{"SendMessage", `{"StrRoomId":"lobby","CmdId":1,"Text":"` + strings.Repeat("x", 1001) + `"}`, "bad_request", "Text"},
		{"SendMessage", `{"StrRoomId":"lobby","CmdId":1,"Text":"x","Data":"eA=="}`, "bad_request", "Text"},
		{"SendMessage", `{"StrRoomId":"lobby","CmdId":0,"Text":"x"}`, "bad_request", "CmdId"},
		{"SendMessage", `{"StrRoomId":"lobby","CmdId":11,"Text":"x"}`, "bad_request", "CmdId"},
		{"SendMessage", `{"StrRoomId":"lobby","CmdId":1,"Text":"x","UserIds":[]}`, "bad_request", "UserIds"},
		{"SendMessage", `{"StrRoomId":"lobby","CmdId":1,"Text":"x","UserIds":[` + ids + `]}`, "bad_request", "UserIds"},
		{"SendMessage", `{"StrRoomId":"nowhere","CmdId":1,"Text":"x"}`, "room_not_found", "StrRoomId"},
		{"ListRooms", `{"Limit":1001}`, "bad_request", "Limit"},
		{"ListRooms", `{"Limit":-1}`, "bad_request", "Limit"},
		{"ListRooms", `{"Scene":"party"}`, "bad_request", "Scene"},
		{"ListRooms", `{"Prefix":"` + strings.Repeat("x", 65) + `"}`, "bad_request", "Prefix"},
		{"ListRooms", `{"After":1}`, "bad_request", "After"},
		{"DescribeRoom", `{"StrRoomId":"lobby","Limit":1001}`, "bad_request", "Limit"},
		{"DescribeRoom", `{"StrRoomId":"nowhere"}`, "room_not_found", "StrRoomId"},
		{"DescribeUser", `{}`, "bad_request", "UserId"},
		{"DescribeUser", `{"UserId":"ann","StrRoomId":""}`, "bad_request", "StrRoomId"},
		{"DescribeUser", `{"UserId":"ann","RoomId":9}`, "room_not_found", "RoomId"},
		{"DescribeUser", `{"UserId":"zoe"}`, "user_not_found", "UserId"},
		{"DescribeNode", `{"NodeId":"elsewhere"}`, "bad_request", "NodeId"},
		{"DescribeNode", `{"NodeId":7}`, "bad_request", "NodeId"},
		{"DescribeNode", `{"NodeId":"` + strings.Repeat("x", 65) + `"}`, "bad_request", "NodeId"},
		{"DrainNode", `{"NodeId":"elsewhere"}`, "bad_request", "NodeId"},
		{"DrainNode", `{"DeadlineSeconds":-1}`, "bad_request", "DeadlineSeconds"},
		{"DrainNode", `{"DeadlineSeconds":604801}`, "bad_request", "DeadlineSeconds"},
		{"DrainNode", `{"DeadlineSeconds":1.5}`, "bad_request", "DeadlineSeconds"},
	} {
		for name, do := range doors {
			require.Equal(t, outcome{code: tt.code, field: tt.field}, do(t, tt.action, tt.body), "%s at %s: %.100s", tt.action, name, tt.body)
		}
	}
	require.Equal(t, 1, l.Stats().Users)
	require.Equal(t, "ok", l.health(t))
	require.NoError(t, ann.Exit(t.Context()), "ann was touched")
	_, err := l.nats.Request("sfu.v1.Nonsense", nil, time.Second)
	require.ErrorIs(t, err, nats.ErrNoResponders)
}

func (l *live) health(t *testing.T) string {
	t.Helper()
	_, text := get(t, l.url+"/healthz", nil)
	var h struct{ Status string }
	require.NoError(t, json.Unmarshal([]byte(text), &h))
	return h.Status
}

// TestDrain: a draining node makes no new rooms, lets people into those it has, and ends with its last room.
func TestDrain(t *testing.T) {
	n := run(t, free(nil), io.Discard)
	l := &live{Node: n.Node, url: "http://" + n.Addrs().HTTP.String()}
	var err error
	l.nats, err = nats.Connect(n.Addrs().NATS)
	require.NoError(t, err)
	defer l.nats.Close()
	ann := l.join(t, "ann", client.Options{Seats: 1})
	do := l.doors(t)["http"]
	for range 2 {
		o := do(t, "DrainNode", `{"DeadlineSeconds":600}`)
		require.Contains(t, o.body, `"Draining":true`)
		require.Contains(t, o.body, `"Rooms":1,"Participants":1`)
	}
	require.Equal(t, "draining", l.health(t))
	res, _ := get(t, l.url+"/readyz", nil)
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	_, err = client.Dial(t.Context(), client.Options{URL: l.url, Room: "another", User: "bob"})
	require.ErrorIs(t, err, &client.Error{Code: "node_draining"})
	bob := l.join(t, "bob", client.Options{Seats: 1})
	require.Equal(t, "bob", ann.await(t, client.UserEntered).User)
	require.NoError(t, ann.Exit(t.Context()))
	require.NoError(t, bob.Exit(t.Context()))
	require.NoError(t, n.wait(), "the node ends with its last room")
}

// TestDrainEndsAtItsDeadline, whoever is still there: they are told.
func TestDrainEndsAtItsDeadline(t *testing.T) {
	n := run(t, free(nil), io.Discard)
	l := &live{Node: n.Node, url: "http://" + n.Addrs().HTTP.String()}
	var err error
	l.nats, err = nats.Connect(n.Addrs().NATS)
	require.NoError(t, err)
	defer l.nats.Close()
	ann := l.join(t, "ann", client.Options{Seats: 1})
	require.Empty(t, l.doors(t)["nats"](t, "DrainNode", `{"DeadlineSeconds":1}`).code)
	require.Equal(t, 4, ann.await(t, client.Exited).Reason)
	require.NoError(t, n.wait())
}
