package natsapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/rs/zerolog"

	"parlor/control/bus"
	"parlor/control/command"
	"parlor/control/natsapi"
	"parlor/control/natstest"
	"parlor/session"
	"parlor/session/terms"
)

// TestCommands sends what anybody can send with the nats command line, and reads what it shows.
func TestCommands(t *testing.T) {
	natstest.Each(t, func(t *testing.T, b natstest.Broker) {
		b.Start(t)
		n := startNode(t, b, session.Options{})
		n.serving()
		for _, u := range []string{"ann", "bob", "cid", "dan"} {
			n.enter(lobby, u)
			n.enter(must(terms.NumberRoom(123)), u)
			n.enter(must(terms.StringRoom("123")), u)
		}
		nc := n.dial()
		for _, tt := range []struct{ action, body, want string }{
			{"RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann","zoe"]}`, `{"Users":[{"UserId":"ann","Result":"removed"},{"UserId":"zoe","Result":"not_in_room"}]}`},
			{"RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"]}`, `{"Users":[{"UserId":"ann","Result":"not_in_room"}]}`},
			{"RemoveUser", `{"RoomId":123,"UserIds":["ann"],"BanSeconds":60,"Reason":"spam"}`, `{"Users":[{"UserId":"ann","Result":"removed"}]}`},
			{"RemoveUserByStrRoomId", `{"StrRoomId":"123","UserIds":["bob"]}`, `{"Users":[{"UserId":"bob","Result":"removed"}]}`},
			{"RemoveUserByStrRoomId", `{"RoomId":"lobby","UserIds":["bob"]}`, `{"Users":[{"UserId":"bob","Result":"removed"}]}`},
			{"DismissRoom", `{"RoomId":123}`, `{"Users":3}`},
			{"DismissRoomByStrRoomId", `{"RoomId":"123","Reason":"over"}`, `{"Users":3}`},
			{"ListRooms", ``, `"StrRoomId":"lobby","Scene":"call"`},
			{"ListRooms", `{"Limit":1}`, `"Users":2,"Anchors":2,"Viewers":0,"Publishers":0,"Poor":0,"Node":"node-1"}],"Total":1}`},
			{"DescribeRoom", `{"StrRoomId":"lobby","Limit":1}`, `"UserList":[{"UserId":"cid","Role":"anchor","Rights":["enter",`},
			{"DescribeRoom", `{"StrRoomId":"lobby","Limit":1}`, `"Next":"cid",`},
			{"DescribeRoom", `{"StrRoomId":"lobby","After":"cid"}`, `"UserList":[{"UserId":"dan",`},
			{"DismissRoom", `{"StrRoomId":"lobby"}`, `{"Users":2}`},
			{"ListRooms", `{}`, `{"Rooms":[],"Total":0}`},
		} {
			m := request(t, nc, tt.action, tt.body)
			if e := m.Header.Get(micro.ErrorHeader); e != "" || !strings.Contains(string(m.Data), tt.want) {
				t.Errorf("%s %s: %s %s, not %s", tt.action, tt.body, e, m.Data, tt.want)
			}
		}
	})
}

func request(t *testing.T, nc *nats.Conn, action, body string) *nats.Msg {
	t.Helper()
	m, err := nc.Request("sfu.v1."+action, []byte(body), 10*time.Second)
	if err != nil {
		t.Fatalf("%s %s: %v", action, body, err)
	}
	return m
}

// TestBadCommands: a bad command is answered at once with a code and a text that names the field, and changes
// nothing.
func TestBadCommands(t *testing.T) {
	natstest.Each(t, func(t *testing.T, b natstest.Broker) {
		b.Start(t)
		n := startNode(t, b, session.Options{})
		n.serving()
		n.enter(lobby, "ann")
		nc := n.dial()
		eleven := strings.TrimSuffix(strings.Repeat(`"u",`, 11), ",")
		for _, tt := range []struct{ action, body, code, text string }{
			{"RemoveUser", ``, "bad_request", "RoomId: the room is missing"},
			{"RemoveUser", `{`, "bad_request", "JSON"},
			{"RemoveUser", `[]`, "bad_request", "no JSON object"},
			{"RemoveUser", `null`, "bad_request", "no JSON object"},
			{"RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"]} x`, "bad_request", "something follows"},
			{"RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"],"Ban":3}`, "bad_request", "Ban: there is no such field"},
			{"RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"]` + strings.Repeat(" ", command.MaxRequest) + `}`, "bad_request", "more than 16384"},
			{"RemoveUser", `{"StrRoomId":"lobby"}`, "bad_request", "UserIds: 1 to 10"},
			{"RemoveUser", `{"StrRoomId":"lobby","UserIds":[` + eleven + `]}`, "bad_request", "UserIds: 1 to 10"},
			{"RemoveUser", `{"StrRoomId":"lobby","UserIds":"ann"}`, "bad_request", "UserIds: a JSON string"},
			{"RemoveUser", `{"StrRoomId":"lobby","UserIds":["a\nb"]}`, "bad_request", "UserIds: "},
			{"RemoveUser", `{"StrRoomId":"lobby","UserIds":[1]}`, "bad_request", "UserIds: a JSON number"},
			{"RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"],"BanSeconds":-1}`, "bad_request", "BanSeconds: "},
			{"RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"],"BanSeconds":9223372036854775807}`, "bad_request", "BanSeconds: "},
			{"RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"],"BanSeconds":1.5}`, "bad_request", "BanSeconds: "},
			{"RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"],"Reason":"` + strings.Repeat("x", 257) + `"}`, "bad_request", "Reason: "},
			{"RemoveUser", `{"StrRoomId":"lob/by","UserIds":["ann"]}`, "bad_request", "StrRoomId: "},
			{"RemoveUser", `{"StrRoomId":7,"UserIds":["ann"]}`, "bad_request", "StrRoomId: a JSON number"},
			{"RemoveUser", `{"RoomId":"lobby","UserIds":["ann"]}`, "bad_request", "RoomId: RoomId is an integer"},
			{"RemoveUser", `{"RoomId":0,"UserIds":["ann"]}`, "bad_request", "RoomId: "},
			{"RemoveUser", `{"RoomId":4294967295,"UserIds":["ann"]}`, "bad_request", "RoomId: "},
			{"RemoveUser", `{"RoomId":1,"StrRoomId":"lobby","UserIds":["ann"]}`, "bad_request", "StrRoomId: only one"},
			{"RemoveUser", `{"StrRoomId":"nowhere","UserIds":["ann"]}`, "room_not_found", "StrRoomId: there is no such room"},
			{"RemoveUserByStrRoomId", `{"RoomId":123,"UserIds":["ann"]}`, "bad_request", "RoomId: this form"},
			{"RemoveUserByStrRoomId", `{"UserIds":["ann"]}`, "bad_request", "StrRoomId: the room is missing"},
			{"DismissRoom", `{"RoomId":5}`, "room_not_found", "RoomId: there is no such room"},
			{"DismissRoomByStrRoomId", `{"StrRoomId":""}`, "bad_request", "StrRoomId: "},
			{"ListRooms", `{"Limit":1001}`, "bad_request", "Limit: "},
			{"DescribeRoom", `{"StrRoomId":"lobby","Limit":-1}`, "bad_request", "Limit: "},
			{"DescribeRoom", `{"StrRoomId":"nowhere"}`, "room_not_found", "StrRoomId: "},
		} {
			start := time.Now()
			m := request(t, nc, tt.action, tt.body)
			code, text := m.Header.Get(micro.ErrorCodeHeader), m.Header.Get(micro.ErrorHeader)
			if code != tt.code || !strings.Contains(text, tt.text) {
				t.Errorf("%s %.80s: %s %q, not %s %q", tt.action, tt.body, code, text, tt.code, tt.text)
			}
			var body command.ErrorBody
			if err := json.Unmarshal(m.Data, &body); err != nil || string(body.Code) != code || !strings.HasSuffix(text, body.Message) {
				t.Errorf("%s %.80s: body %s", tt.action, tt.body, m.Data)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("%s %.80s: answered after %v", tt.action, tt.body, took)
			}
		}
		if s := n.Stats(); s.Users != 1 {
			t.Errorf("something has changed: %+v", s)
		}
		if _, err := nc.Request("sfu.v1.Nonsense", nil, time.Second); !errors.Is(err, nats.ErrNoResponders) {
			t.Errorf("an unknown command: %v", err)
		}
	})
}

// TestRefusalsAreInStats: the library's statistics close when a command begins, so refusals are counted
// beside them.
func TestRefusalsAreInStats(t *testing.T) {
	natstest.Each(t, func(t *testing.T, b natstest.Broker) {
		b.Start(t)
		n := startNode(t, b, session.Options{})
		n.serving()
		nc := n.dial()
		for range 3 {
			request(t, nc, "DismissRoom", `{"StrRoomId":"nowhere"}`)
		}
		request(t, nc, "ListRooms", `{}`)
		m, err := nc.Request("$SRV.STATS.sfu", nil, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var stats micro.Stats
		if err := json.Unmarshal(m.Data, &stats); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, e := range stats.Endpoints {
			got[e.Name] = string(e.Data)
		}
		if got["DismissRoom"] != `{"refused":3}` || got["ListRooms"] != `{"refused":0}` {
			t.Errorf("%v", got)
		}
	})
}

func TestServiceIsDiscovered(t *testing.T) {
	natstest.Each(t, func(t *testing.T, b natstest.Broker) {
		b.Start(t)
		n := startNode(t, b, session.Options{})
		n.serving()
		m, err := n.dial().Request("$SRV.INFO.sfu", nil, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var info micro.Info
		if err := json.Unmarshal(m.Data, &info); err != nil || len(info.Endpoints) != 2*len(command.All()) || info.Version != "1.2.3" {
			t.Errorf("%s, %v", m.Data, err)
		}
	})
}

func TestClient(t *testing.T) {
	natstest.Each(t, func(t *testing.T, b natstest.Broker) {
		b.Start(t)
		n := startNode(t, b, session.Options{})
		n.serving()
		seven := must(terms.NumberRoom(7))
		for i := range 3 {
			n.enter(seven, fmt.Sprintf("u%d", i))
		}
		c, ctx := natsapi.NewClient(n.dial()), t.Context()
		var list command.ListRoomsResponse
		err := c.Do(ctx, command.ListRooms, command.ListRoomsRequest{}, &list)
		if err != nil || len(list.Rooms) != 1 || list.Rooms[0].Users != 3 {
			t.Errorf("%+v, %v", list, err)
		}
		if id, err := list.Rooms[0].Room(); id != seven || err != nil {
			t.Errorf("%v, %v", id, err)
		}
		var d command.DescribeRoomResponse
		err = c.Do(ctx, command.DescribeRoom, command.DescribeRoomRequest{RoomRef: command.Ref(seven)}, &d)
		if err != nil || len(d.UserList) != 3 || !d.UserList[0].MediaOnly {
			t.Errorf("%+v, %v", d, err)
		}
		answer, err := c.Ask(ctx, "node-1", command.RemoveUser, []byte(`{"RoomId":7,"UserIds":["u0"]}`))
		if err != nil || string(answer) != `{"Users":[{"UserId":"u0","Result":"removed"}]}` {
			t.Errorf("%s, %v", answer, err)
		}
		one := command.WithID(ctx, "one")
		for i := range 2 {
			_, err := c.Ask(one, "node-1", command.RemoveUser, []byte(`{"RoomId":7,"UserIds":["nobody"]}`))
			if again := i > 0; again != (err != nil) {
				t.Errorf("a command with an id, again %t: %v", again, err)
			}
		}
		var gone command.DismissRoomResponse
		err = c.Do(ctx, command.DismissRoom, command.DismissRoomRequest{RoomRef: command.Ref(seven)}, &gone)
		if err != nil || gone.Users != 2 {
			t.Errorf("%+v, %v", gone, err)
		}
		err = c.Do(ctx, command.DismissRoom, command.DismissRoomRequest{RoomRef: command.Ref(seven)}, nil)
		if e := terms.AsError(err); e.Code != terms.CodeRoomNotFound || e.Field != "RoomId" {
			t.Errorf("%v", err)
		}
	})
}

func TestClientWithoutNode(t *testing.T) {
	natstest.Each(t, func(t *testing.T, b natstest.Broker) {
		b.Start(t)
		nc, err := nats.Connect(b.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		c := natsapi.NewClient(nc)
		if err := c.Do(t.Context(), command.ListRooms, command.ListRoomsRequest{}, nil); !errors.Is(err, natsapi.ErrNoNode) {
			t.Error(err)
		}
		if _, err := c.Ask(t.Context(), "node-9", command.ListRooms, nil); !errors.Is(err, command.ErrNoNode) {
			t.Error(err)
		}
	})
}

// TestCommandsWorkAgain: commands work again after NATS was away.
func TestCommandsWorkAgain(t *testing.T) {
	natstest.Each(t, func(t *testing.T, b natstest.Broker) {
		b.Start(t)
		n := startNode(t, b, session.Options{})
		n.serving()
		b.Stop(t)
		b.Start(t)
		n.serving()
		n.enter(lobby, "ann")
		m := request(t, n.dial(), "RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"]}`)
		if !strings.Contains(string(m.Data), "removed") {
			t.Errorf("%s", m.Data)
		}
	})
}

// TestTheCallersTimeIsSent: the caller's time is sent with a command. A header that holds no time is refused.
func TestTheCallersTimeIsSent(t *testing.T) {
	natstest.Each(t, func(t *testing.T, b natstest.Broker) {
		b.Start(t)
		n := startNode(t, b, session.Options{})
		n.serving()
		nc := n.dial()
		m := nats.NewMsg("sfu.v1.ListRooms")
		for _, bad := range []string{"0", "-1", "1.5", "5s", "99999999999999999999"} {
			m.Header.Set(natsapi.TimeoutHeader, bad)
			answer, err := nc.RequestMsg(m, 8*time.Second)
			if err != nil || answer.Header.Get(micro.ErrorCodeHeader) != "bad_request" || !strings.HasPrefix(answer.Header.Get(micro.ErrorHeader), natsapi.TimeoutHeader+": ") {
				t.Errorf("%s: %+v, %v", bad, answer, err)
			}
		}
		said := make(chan string, 1)
		if _, err := nc.Subscribe("sfu.v1.node.other.ListRooms", func(m *nats.Msg) {
			said <- m.Header.Get(natsapi.TimeoutHeader)
			_ = m.Respond([]byte(`{}`))
		}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := natsapi.NewClient(nc).Ask(ctx, "other", command.ListRooms, nil); err != nil {
			t.Fatal(err)
		}
		if ms, err := strconv.Atoi(<-said); err != nil || ms < 1 || ms > 5000 {
			t.Errorf("%d ms, %v", ms, err)
		}
	})
}

// TestNothingIsSentLate: a command fails at once while NATS is away, and is not carried out when NATS is
// back.
func TestNothingIsSentLate(t *testing.T) {
	nc, err := bus.Connect(bus.Server{URL: "nats://127.0.0.1:1"}, "test", zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = natsapi.NewClient(nc).Ask(ctx, "n1", command.ListRooms, nil)
	if err == nil || !strings.Contains(err.Error(), "NATS is away") || nc.Stats().OutMsgs != 0 {
		t.Errorf("%v, %d messages wait", err, nc.Stats().OutMsgs)
	}
}

// TestSlowCommandHoldsUpNoOther: a command that waits for a client that does not read holds up no other.
func TestSlowCommandHoldsUpNoOther(t *testing.T) {
	natstest.Each(t, func(t *testing.T, b natstest.Broker) {
		b.Start(t)
		n := startNode(t, b, session.Options{Timers: session.Timers{Tell: time.Hour}})
		n.serving()
		stuck, _, err := n.Enter(t.Context(), session.EnterRequest{
			Room: lobby, User: "ann", Grant: terms.Grant{Rights: terms.AllRights()}, Signal: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		nc := n.dial()
		answered := make(chan *nats.Msg, 1)
		go func() {
			m, _ := nc.Request("sfu.v1.RemoveUser", []byte(`{"StrRoomId":"lobby","UserIds":["ann"]}`), 20*time.Second)
			answered <- m
		}()
		natstest.Eventually(t, "ann is put out", func() bool { return n.Stats().Users == 0 })
		request(t, nc, "ListRooms", "")
		if len(answered) != 0 {
			t.Error("the command is answered although ann was not told")
		}
		for range 2 {
			_, _ = stuck.Next(t.Context())
		}
		if m := <-answered; m == nil || !strings.Contains(string(m.Data), `"removed"`) {
			t.Errorf("answered %v", m)
		}
	})
}
