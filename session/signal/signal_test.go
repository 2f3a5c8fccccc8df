package signal_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/packet"
	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/refusal"
	"parlor/session/signal"
	"parlor/session/terms"
	"parlor/session/token"
	"parlor/transport/negotiate"
)

func TestTwoMeetAndOneExits(t *testing.T) {
	d := open(t, signal.Options{})
	ann, entered := d.enter(t, "ann")
	require.Equal(t, "lobby", entered["room"])
	require.Equal(t, "node-1", entered["node"])
	require.Equal(t, []any{"candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host"}, entered["candidates"])
	require.EqualValues(t, 3000, entered["timers"].(map[string]any)["pingMs"])
	bob, entered := d.enter(t, "bob")
	require.Equal(t, "ann", entered["users"].([]any)[0].(map[string]any)["user"])

	m := ann.read()
	require.Equal(t, "user_entered", m["type"])
	require.EqualValues(t, 1, m["seq"])
	require.Equal(t, "bob", m["user"].(map[string]any)["user"])

	a := bob.ask(bob.offer())
	require.Equal(t, "answer", a["type"], "%v", a)
	require.Contains(t, a["sdp"], "a=ice-lite")
	require.Equal(t, "ok", bob.ask(message{"type": "seat", "seat": "a", "user": "ann", "video": "camera", "audio": nil, "quality": "low"})["type"])
	require.Equal(t, "ok", bob.ask(message{"type": "sizes", "seats": []message{{"seat": "a", "width": 640, "height": 360}}})["type"])
	require.Equal(t, "ok", bob.ask(message{"type": "seat", "seat": "a", "user": nil, "width": 0, "height": 0})["type"])
	require.Equal(t, []any{map[string]any{"source": "camera", "on": true}}, ann.read()["streams"])
	require.Equal(t, "ok", bob.ask(message{"type": "publish", "source": "camera", "on": false})["type"])
	require.Equal(t, []any{map[string]any{"source": "camera", "on": false}}, ann.read()["streams"])
	require.Equal(t, "pong", ann.ask(message{"type": "ping", "ack": 3})["type"])

	bob.send(message{"type": "exit"})
	m = bob.read()
	require.Equal(t, "exited", m["type"])
	require.EqualValues(t, 0, m["reason"])
	m = bob.read()
	require.Equal(t, "ok", m["type"])
	require.EqualValues(t, bob.last, m["re"])
	require.Equal(t, websocket.StatusNormalClosure, bob.closed())
	m = ann.read()
	require.Equal(t, "user_left", m["type"])
	require.Equal(t, "bob", m["user"])
	require.EqualValues(t, 0, m["reason"])
	require.EqualValues(t, 4, m["seq"])
}

func TestNamesTravel(t *testing.T) {
	d := open(t, signal.Options{})
	bob := d.dial(t)
	require.Equal(t, "name", bob.ask(message{"type": "enter", "room": "lobby", "user": "bob", "name": "\u200b"})["field"])
	entered := bob.ask(message{"type": "enter", "room": "lobby", "user": "bob", "name": " Bob Mu\u0308ller", "metadata": "{}"})
	require.Equal(t, []any{"Bob Müller", "{}"}, []any{entered["name"], entered["metadata"]})
	ann, entered := d.enter(t, "ann")
	require.NotContains(t, entered, "name")
	require.Equal(t, "Bob Müller", entered["users"].([]any)[0].(map[string]any)["name"])
	require.NotContains(t, bob.read()["user"], "name")
	bob.send(message{"type": "profile", "name": ""})
	for _, m := range []message{ann.read(), bob.read(), bob.read()} {
		if m["type"] == "profile" {
			require.Equal(t, message{"type": "profile", "re": float64(bob.last), "name": "", "metadata": "{}"}, m)
		} else {
			delete(m, "seq")
			require.Equal(t, message{"type": "user_updated", "user": "bob", "name": "", "metadata": "{}"}, m)
		}
	}
}

func TestBadMessagesAreAnsweredAndHarmNothing(t *testing.T) {
	d := open(t, signal.Options{})
	bob, _ := d.enter(t, "bob")
	ann, _ := d.enter(t, "ann")
	stranger := d.dial(t)
	require.Equal(t, "user_entered", bob.read()["type"])
	for _, x := range []struct {
		from             *client
		raw, code, field string
	}{
		{ann, `{`, "bad_request", ""},
		{ann, ``, "bad_request", ""},
		{ann, `[]`, "bad_request", ""},
		{ann, `null`, "bad_request", ""},
		{ann, `{"type":"ping"}`, "bad_request", "id"},
		{ann, `{"type":"ping","id":"1"}`, "bad_request", "id"},
		{ann, `{"type":"ping","id":1.5}`, "bad_request", "id"},
		{ann, `{"id":1}`, "bad_request", "type"},
		{ann, `{"type":7,"id":1}`, "bad_request", "type"},
		{ann, `{"type":"dance","id":1}`, "bad_request", "type"},
		{ann, `{"type":"enter","id":1,"room":"x","user":"ann"}`, "bad_request", "type"},
		{ann, `{"type":"resume","id":1}`, "bad_request", "type"},
		{ann, `{"type":"ping","id":1,"ack":-1}`, "bad_request", "ack"},
		{ann, `{"type":"offer","id":1,"sdp":5}`, "bad_request", "sdp"},
		{ann, `{"type":"offer","id":1,"sdp":"nonsense"}`, "bad_request", "sdp"},
		{ann, `{"type":"offer","id":1,"sdp":"v=0","publish":{"0":"hat"}}`, "bad_request", "publish"},
		{ann, `{"type":"offer","id":1,"sdp":"v=0","seats":{}}`, "bad_request", "seats"},
		{ann, `{"type":"seat","id":1,"seat":"none","user":"bob"}`, "bad_request", "seat"},
		{ann, `{"type":"seat","id":1,"seat":"a","user":""}`, "bad_request", "user"},
		{ann, `{"type":"seat","id":1,"seat":"a","user":"bob","video":"hat"}`, "bad_request", "video"},
		{ann, `{"type":"seat","id":1,"seat":"a","user":"bob","audio":""}`, "bad_request", "audio"},
		{ann, `{"type":"seat","id":1,"seat":"a","quality":"best"}`, "bad_request", "quality"},
		{ann, `{"type":"seat","id":1,"seat":"a","user":"bob","width":640}`, "bad_request", "width"},
		{ann, `{"type":"seat","id":1,"seat":"a","user":"bob","width":1.5,"height":1}`, "bad_request", "width"},
		{ann, `{"type":"sizes","id":1,"seats":{}}`, "bad_request", "seats"},
		{ann, `{"type":"sizes","id":1,"seats":[{"seat":"a","width":1,"height":1}]}`, "bad_request", "seats"},
		{ann, `{"type":"sizes","id":1,"seats":[{"seat":"a","width":"1","height":1}]}`, "bad_request", "seats.width"},
		{ann, `{"type":"profile","id":1}`, "bad_request", "name"},
		{ann, `{"type":"profile","id":1,"name":7}`, "bad_request", "name"},
		{ann, `{"type":"profile","id":1,"name":"a\u202eb"}`, "bad_request", "name"},
		{ann, `{"type":"profile","id":1,"metadata":"` + strings.Repeat("x", 2049) + `"}`, "bad_request", "metadata"},
		{ann, `{"type":"profile","id":1,"metadata":"` + strings.Repeat("x", 100_000) + `"}`, "bad_request", ""},
		{ann, `{"type":"publish","id":1,"source":"camera"}`, "bad_request", "on"},
		{ann, `{"type":"publish","id":1,"source":"hat","on":true}`, "bad_request", "source"},
		{ann, `{"type":"role","id":1,"role":"king"}`, "bad_request", "role"},
		{ann, `{"type":"statistics","id":1}`, "bad_request", "on"},
		{ann, `{"type":"statistics","id":1,"on":0}`, "bad_request", "on"},
		{ann, `{"type":"volume","id":1}`, "bad_request", "intervalMs"},
		{ann, `{"type":"volume","id":1,"intervalMs":"300"}`, "bad_request", "intervalMs"},
		{ann, `{"type":"volume","id":1,"intervalMs":-1}`, "bad_request", "intervalMs"},
		{ann, `{"type":"volume","id":1,"intervalMs":99}`, "bad_request", "intervalMs"},
		{ann, `{"type":"volume","id":1,"intervalMs":10001}`, "bad_request", "intervalMs"},
		{ann, `{"type":"volume","id":1,"intervalMs":9223372036854775807}`, "bad_request", "intervalMs"},
		{ann, `{"type":"message","id":1,"data":""}`, "bad_request", "cmdId"},
		{ann, `{"type":"message","id":1,"cmdId":0,"data":""}`, "bad_request", "cmdId"},
		{ann, `{"type":"message","id":1,"cmdId":11,"data":""}`, "bad_request", "cmdId"},
		{ann, `{"type":"message","id":1,"cmdId":1.5,"data":""}`, "bad_request", "cmdId"},
		{ann, `{"type":"message","id":1,"cmdId":1}`, "bad_request", "data"},
		{ann, `{"type":"message","id":1,"cmdId":1,"data":"a"}`, "bad_request", "data"},
		{ann, `{"type":"message","id":1,"cmdId":1,"data":"` + base64.StdEncoding.EncodeToString(make([]byte, 1001)) + `"}`, "bad_request", "data"},
		{ann, `{"type":"message","id":1,"cmdId":1,"data":"","reliable":"no"}`, "bad_request", "reliable"},
		{stranger, `{"type":"ping","id":1}`, "bad_request", "type"},
		{stranger, `{"type":"enter","id":1,"user":"ann"}`, "bad_request", "room"},
		{stranger, `{"type":"enter","id":1,"room":true,"user":"ann"}`, "bad_request", "room"},
		{stranger, `{"type":"enter","id":1,"room":0,"user":"ann"}`, "bad_request", "room"},
		{stranger, `{"type":"enter","id":1,"room":"a/b","user":"ann"}`, "bad_request", "room"},
		{stranger, `{"type":"enter","id":1,"room":"x","user":"a b"}`, "bad_request", "user"},
		{stranger, `{"type":"enter","id":1,"room":"x","user":"ann","role":"king"}`, "bad_request", "role"},
		{stranger, `{"type":"enter","id":1,"room":"x","user":"ann","scene":"hall"}`, "bad_request", "scene"},
		{stranger, `{"type":"enter","id":1,"room":"lobby","user":"eve","scene":"live"}`, "scene_mismatch", "scene"},
		{stranger, `{"type":"resume","id":1,"session":"x","key":"y"}`, "user_not_found", "session"},
	} {
		x.from.write(x.raw)
		m := x.from.read()
		require.Equal(t, "error", m["type"], x.raw)
		require.Equal(t, x.code, m["code"], "%s: %v", x.raw, m)
		if x.field != "" {
			require.Equal(t, x.field, m["field"], "%s: %v", x.raw, m)
		}
		require.NotEmpty(t, m["message"], x.raw)
	}
	require.Equal(t, "pong", ann.ask(message{"type": "ping"})["type"], "the connection goes on")
	require.Equal(t, "pong", bob.ask(message{"type": "ping"})["type"], "nobody else has noticed anything")
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	d := open(t, signal.Options{})
	c := d.dial(t)
	require.Equal(t, "entered", c.ask(message{"type": "enter", "room": 7, "user": "ann", "mood": "good"})["type"])
}

func TestResumeBringsEveryEventThatWasMissed(t *testing.T) {
	d := open(t, signal.Options{})
	ann, entered := d.enter(t, "ann")
	bob, _ := d.enter(t, "bob")
	require.EqualValues(t, 1, ann.read()["seq"])
	_ = ann.ws.CloseNow()
	d.enter(t, "cat")
	bob.send(message{"type": "exit"})
	bob.closed()

	again := d.dial(t)
	resume := message{"type": "resume", "session": entered["session"], "key": entered["key"], "lastSeq": 1}
	m := again.ask(resume)
	require.Equal(t, "resumed", m["type"], "%v", m)
	require.Equal(t, entered["session"], m["session"])
	require.Len(t, m["users"], 1, "only cat is left")
	m = again.read()
	require.Equal(t, "user_entered", m["type"])
	require.EqualValues(t, 2, m["seq"])
	m = again.read()
	require.Equal(t, "user_left", m["type"])
	require.EqualValues(t, 3, m["seq"])

	third := d.dial(t)
	resume["key"] = "wrong"
	require.Equal(t, "user_not_found", third.ask(resume)["code"])
	resume["key"], resume["lastSeq"] = entered["key"], 3
	require.Equal(t, "resumed", third.ask(resume)["type"])
	require.EqualValues(t, 4001, again.closed(), "the connection that was taken over")
	require.Equal(t, "pong", third.ask(message{"type": "ping", "ack": 3})["type"])
}

func TestRemovedUserIsToldAndTheSocketClosed(t *testing.T) {
	d := open(t, signal.Options{})
	ann, _ := d.enter(t, "ann")
	room, err := terms.StringRoom("lobby")
	require.NoError(t, err)
	_, err = d.rooms.RemoveUsers(t.Context(), room, []string{"ann"}, "be kind", 0)
	require.NoError(t, err)
	m := ann.read()
	require.Equal(t, "exited", m["type"])
	require.EqualValues(t, 1, m["reason"])
	require.Equal(t, "be kind", m["text"])
	require.Equal(t, websocket.StatusNormalClosure, ann.closed())
}

func TestBeaconIsAnExit(t *testing.T) {
	d := open(t, signal.Options{})
	ann, entered := d.enter(t, "ann")
	bob, _ := d.enter(t, "bob")
	ann.read()
	post := func(body string) int {
		res, err := http.Post(d.url+"/rtc/exit", "text/plain", strings.NewReader(body))
		require.NoError(t, err)
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	require.Equal(t, http.StatusBadRequest, post(`x`))
	require.Equal(t, http.StatusRequestEntityTooLarge, post(`{"session":"`+strings.Repeat("x", 2000)+`"}`))
	wrong := `{"session":"` + entered["session"].(string) + `","key":"wrong"}`
	require.Equal(t, http.StatusNoContent, post(wrong), "nobody learns which sessions there are")
	require.Equal(t, "pong", ann.ask(message{"type": "ping"})["type"], "and nobody is put out by it")
	require.Equal(t, "pong", bob.ask(message{"type": "ping"})["type"])
	require.Equal(t, http.StatusNoContent, post(`{"session":"`+entered["session"].(string)+`","key":"`+entered["key"].(string)+`"}`))
	m := bob.read()
	require.Equal(t, "user_left", m["type"])
	require.EqualValues(t, 0, m["reason"])
	require.Equal(t, "exited", ann.read()["type"])
	require.Equal(t, websocket.StatusNormalClosure, ann.closed())
}

func TestWhoDoesNotEnterIsClosed(t *testing.T) {
	d := open(t, signal.Options{EnterWithin: 50 * time.Millisecond})
	stranger := d.dial(t)
	ann := d.dial(t)
	require.Equal(t, "entered", ann.ask(message{"type": "enter", "room": "lobby", "user": "ann"})["type"])
	require.EqualValues(t, 4002, stranger.closed())
	require.Equal(t, "pong", ann.ask(message{"type": "ping"})["type"], "who has entered stays")
}

// TestWhoWaitsToEnterIsNotClosed: the time for entering does not cut off a request under way, however long
// the request takes.
func TestWhoWaitsToEnterIsNotClosed(t *testing.T) {
	keys, err := token.New(nil)
	require.NoError(t, err)
	asked, let := make(chan struct{}), make(chan struct{})
	d := open(t, signal.Options{EnterWithin: 50 * time.Millisecond, Auth: func(text string, room terms.RoomID, user string) (terms.Grant, error) {
		close(asked)
		<-let
		return keys.Authenticate(text, room, user)
	}})
	ann := d.dial(t)
	entered := make(chan message, 1)
	go func() { entered <- ann.ask(message{"type": "enter", "room": "lobby", "user": "ann"}) }()
	<-asked
	require.EqualValues(t, 4002, d.dial(t).closed(), "by now the time is over for ann as well")
	close(let)
	require.Equal(t, "entered", (<-entered)["type"])
	require.Equal(t, "pong", ann.ask(message{"type": "ping"})["type"])
}

func TestFormsThatAreRefusedCloseTheSocket(t *testing.T) {
	d := open(t, signal.Options{})
	large, _ := d.enter(t, "ann")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// the node may close before all is written
	_ = large.ws.Write(ctx, websocket.MessageText, make([]byte, 384<<10+1))
	require.Equal(t, websocket.StatusMessageTooBig, large.closed())

	binary, _ := d.enter(t, "bob")
	require.NoError(t, binary.ws.Write(ctx, websocket.MessageBinary, []byte(`{"type":"ping","id":1}`)))
	require.Equal(t, websocket.StatusUnsupportedData, binary.closed())

	ws, _, err := d.connect(t, nil)
	require.NoError(t, err)
	require.Equal(t, websocket.StatusPolicyViolation, (&client{t: t, ws: ws}).closed(), "no subprotocol")
}

// TestLargestMessageIsTaken: the largest offer is taken, with its seats. Each of its line ends takes four
// bytes in JSON.
func TestLargestMessageIsTaken(t *testing.T) {
	d := open(t, signal.Options{})
	c, _ := d.enter(t, "ann")
	line := "a=x:" + strings.Repeat("x", 24) + "\r\n"
	var seats []message
	for i := range 128 {
		seats = append(seats, message{"id": fmt.Sprint("seat-", i), "video": fmt.Sprint(2 * i), "audio": fmt.Sprint(2*i + 1)})
	}
	offer := message{"type": "offer", "sdp": strings.Repeat(line, negotiate.MaxOfferSize/len(line)), "seats": seats}
	m := c.ask(offer)
	require.Equal(t, "bad_request", m["code"])
	require.Equal(t, "sdp", m["field"], "it was read")
}

func TestForeignPagesAreRefused(t *testing.T) {
	d := open(t, signal.Options{Origin: func(r *http.Request) bool {
		return r.Header.Get("Origin") == "https://meet.example.org" || r.Header.Get("Origin") == "http://"+r.Host
	}})
	for origin, status := range map[string]int{
		"https://evil.example":     http.StatusForbidden,
		"null":                     http.StatusForbidden,
		"https://meet.example.org": http.StatusSwitchingProtocols,
		d.url:                      http.StatusSwitchingProtocols,
	} {
		ws, res, err := d.connect(t, &websocket.DialOptions{
			Subprotocols: []string{signal.Subprotocol}, HTTPHeader: http.Header{"Origin": {origin}},
		})
		require.Equal(t, status, res.StatusCode, origin)
		if err == nil {
			_ = ws.CloseNow()
		}
	}
}

// TestSlowClientHoldsUpNobody has a client that never reads, in a room with more events than a socket holds.
func TestSlowClientHoldsUpNobody(t *testing.T) {
	const (
		events = 30_000
		stall  = time.Minute // for how long the slow client holds up whoever waits for it
	)
	d := open(t, signal.Options{WriteTimeout: stall})
	d.enter(t, "slow")
	reader, entered := d.enter(t, "reader")
	room, err := terms.StringRoom("lobby")
	require.NoError(t, err)
	noisy, _, err := d.rooms.Enter(t.Context(), session.EnterRequest{
		Room: room, User: "noisy", Grant: terms.Grant{Rights: terms.MemberRights()},
	})
	require.NoError(t, err)
	_, err = noisy.Negotiate(t.Context(), session.OfferPlan{
		SDP:     fakewire.Offer(fakewire.Section{MID: "0", Kind: packet.Video, Send: true}),
		Publish: map[string]terms.Source{"0": terms.Camera},
	})
	require.NoError(t, err)
	began := time.Now()
	ended := make(chan error, 1)
	go func() {
		for i := range events {
			if err := noisy.SetPublishing(terms.Camera, i%2 == 1); err != nil {
				ended <- err
				return
			}
		}
		ended <- noisy.Exit(context.Background())
	}()
	read := 0
	var last any = 0
	for m := (message{}); m["type"] != "user_left"; {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, raw, err := reader.ws.Read(ctx)
		cancel()
		if websocket.CloseStatus(err) == 4001 { // the node was thousands of events ahead
			reader = d.dial(t)
			m = reader.ask(message{"type": "resume", "session": entered["session"], "key": entered["key"], "lastSeq": last})
			require.Equal(t, "resumed", m["type"], "%v", m)
			continue
		}
		require.NoError(t, err)
		m = nil
		require.NoError(t, json.Unmarshal(raw, &m))
		if m["seq"] == nil {
			continue
		}
		last = m["seq"]
		if read++; read%500 == 0 {
			reader.send(message{"type": "ping", "ack": last})
		}
	}
	require.NoError(t, <-ended)
	require.Less(t, time.Since(began), stall/2)
	require.Greater(t, read, 100)
}

func TestFastSenderIsSlowedDown(t *testing.T) {
	d := open(t, signal.Options{MessageRate: 20})
	c, _ := d.enter(t, "ann")
	began := time.Now()
	for range 60 { // 40 at once, with the entering one less, then 20 a second
		c.send(message{"type": "ping"})
	}
	for range 60 {
		require.Equal(t, "pong", c.read()["type"])
	}
	require.Greater(t, time.Since(began), 800*time.Millisecond)
}

// TestFastSizesAreSlowedDown: a client that resizes all the time costs the room no more than one that does so
// now and then.
func TestFastSizesAreSlowedDown(t *testing.T) {
	d := open(t, signal.Options{})
	c, _ := d.enter(t, "ann")
	began := time.Now()
	for range 16 { // 10 at once, then 10 a second
		c.send(message{"type": "sizes", "seats": []message{}})
	}
	for range 16 {
		require.Equal(t, "ok", c.read()["type"])
	}
	require.Greater(t, time.Since(began), 500*time.Millisecond)
}

func TestTokenIsAskedFor(t *testing.T) {
	keys, err := token.New(nil, token.Key{ID: "k", Secret: []byte(strings.Repeat("s", 32))})
	require.NoError(t, err)
	d := open(t, signal.Options{Auth: keys.Authenticate})
	lobby, err := terms.StringRoom("lobby")
	require.NoError(t, err)
	text, err := keys.Mint(terms.Grant{Room: lobby, User: "ann", Rights: terms.MemberRights(), Expires: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	c := d.dial(t)
	require.Equal(t, "token_invalid", c.ask(message{"type": "enter", "room": "lobby", "user": "ann"})["code"])
	require.Equal(t, "token_invalid", c.ask(message{"type": "enter", "room": "lobby", "user": "ann", "token": text + "x"})["code"])
	require.Equal(t, "not_allowed", c.ask(message{"type": "enter", "room": "lobby", "user": "bob", "token": text})["code"])
	require.Equal(t, "not_allowed", c.ask(message{"type": "enter", "room": "other", "user": "ann", "token": text})["code"])
	m := c.ask(message{"type": "enter", "room": "lobby", "user": "ann", "token": text})
	require.Equal(t, "entered", m["type"], "%v", m)
}

// TestTokenIsRenewed: a client is told of its token, and a bad token changes nothing.
func TestTokenIsRenewed(t *testing.T) {
	keys, err := token.New(nil, token.Key{ID: "k", Secret: []byte(strings.Repeat("s", 32))})
	require.NoError(t, err)
	foreign, err := token.New(nil, token.Key{ID: "k", Secret: []byte(strings.Repeat("f", 32))})
	require.NoError(t, err)
	d := open(t, signal.Options{Auth: keys.Authenticate})
	lobby, err := terms.StringRoom("lobby")
	require.NoError(t, err)
	mint := func(k *token.Keys, user string, left time.Duration, rights terms.Rights) string {
		text, err := k.Mint(terms.Grant{Room: lobby, User: user, Rights: rights, Expires: time.Now().Add(left)})
		require.NoError(t, err)
		return text
	}
	all := terms.MemberRights()
	c := d.dial(t)
	m := c.ask(message{"type": "enter", "room": "lobby", "user": "ann", "token": mint(keys, "ann", time.Hour, all)})
	require.Equal(t, "entered", m["type"], "%v", m)
	require.InDelta(t, 3_605_000, m["expiresInMs"], 10_000, "an hour and the leeway")
	audio, err := terms.NewRights(terms.RightSendAudio)
	require.NoError(t, err)
	none := "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJyb29tIjoibG9iYnkiLCJ1c2VyIjoiYW5uIiwicmlnaHRzIjpbImVudGVyIl0sImV4cCI6NDEwMjQ0NDgwMH0."
	for name, x := range map[string]struct {
		token       any
		code, field string
	}{
		"missing":        {nil, "token_invalid", "token"},
		"a number":       {5, "bad_request", "token"},
		"an object":      {message{"jwt": "x"}, "bad_request", "token"},
		"nonsense":       {"x.y.z", "token_invalid", "token"},
		"unsigned":       {none, "token_invalid", "token"},
		"foreign":        {mint(foreign, "ann", time.Hour, all), "token_invalid", "token"},
		"expired":        {mint(keys, "ann", -time.Hour, all), "token_expired", "token"},
		"another user's": {mint(keys, "bob", time.Hour, all), "not_allowed", "user"},
		"without enter":  {mint(keys, "ann", time.Hour, audio), "not_allowed", "token"},
	} {
		m := c.ask(message{"type": "token", "token": x.token})
		require.Equal(t, "error", m["type"], "%s: %v", name, m)
		require.Equal(t, x.code, m["code"], "%s: %v", name, m)
		require.Equal(t, x.field, m["field"], "%s: %v", name, m)
	}
	enter, err := terms.NewRights(terms.RightEnter)
	require.NoError(t, err)
	m = c.ask(message{"type": "token", "token": mint(keys, "ann", 10*time.Second, enter)})
	require.Equal(t, "token", m["type"], "%v", m)
	require.Equal(t, []any{"enter"}, m["rights"])
	require.InDelta(t, 15_000, m["expiresInMs"], 10_000)
	e := c.read()
	require.Equal(t, "token_expiring", e["type"], "%v", e)
	require.InDelta(t, 7_500, e["inMs"], 2_500)
	require.Equal(t, "bad_request", d.dial(t).ask(message{"type": "token", "token": "x"})["code"], "who has not entered")
}

// TestPingFramesAreHeldBack: each ping costs a write, so pings come no faster than messages may.
func TestPingFramesAreHeldBack(t *testing.T) {
	d := open(t, signal.Options{MessageRate: 20})
	c, _ := d.enter(t, "ann")
	began := time.Now()
	var pinging sync.WaitGroup
	pinging.Go(func() { // reads the pongs
		_, _, _ = c.ws.Read(t.Context())
	})
	for range 60 { // 40 at once, and 20 of a second
		require.NoError(t, c.ws.Ping(t.Context()))
	}
	require.Greater(t, time.Since(began), 900*time.Millisecond)
	require.NoError(t, c.ws.CloseNow())
	pinging.Wait()
}

// TestWhoIsRefusedEnteringIsLogged: a refusal to enter is logged, and so is another token that is shown in
// vain. The line has address, room and user, never the token.
func TestWhoIsRefusedEnteringIsLogged(t *testing.T) {
	var log bytes.Buffer
	refusals := refusal.New(zerolog.New(&log))
	d := open(t, signal.Options{Refusals: refusals, Auth: func(token string, _ terms.RoomID, _ string) (terms.Grant, error) {
		if token == "" {
			return terms.Grant{Rights: terms.AllRights()}, nil
		}
		return terms.Grant{}, terms.Errorf(terms.CodeTokenInvalid, "token", "the token cannot be read")
	}})
	c := d.dial(t)
	require.Equal(t, "token_invalid", c.ask(message{"type": "enter", "room": "lobby", "user": "ann", "token": "sesame"})["code"])
	require.Equal(t, "bad_request", c.ask(message{"type": "enter", "room": "lobby", "user": "ann", "role": 3})["code"])
	require.Equal(t, "bad_request", c.ask(message{"type": "seat", "seat": "a"})["code"])
	require.Equal(t, "entered", c.ask(message{"type": "enter", "room": "lobby", "user": "ann"})["type"])
	require.Equal(t, "token_invalid", c.ask(message{"type": "token", "token": "sesame"})["code"])
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	require.Len(t, lines, 2)
	require.Equal(t, `{"level":"info","door":"websocket","reason":"token_invalid","from":"127.0.0.1","room":"s:lobby","user":"ann","field":"token",`+
		`"why":"the token cannot be read","message":"refused"}`, lines[0])
	require.Contains(t, lines[1], `"reason":"bad_request"`)
	require.NotContains(t, log.String(), "sesame")
	require.Equal(t, map[refusal.Kind]uint64{{Door: "websocket", Reason: "token_invalid"}: 2, {Door: "websocket", Reason: "bad_request"}: 1}, refusals.Counts())
	joins := d.rooms.Joins()
	require.EqualValues(t, 1, joins["token_invalid"])
	require.EqualValues(t, 1, joins["bad_request"])
	require.EqualValues(t, 1, joins["entered"])
}
