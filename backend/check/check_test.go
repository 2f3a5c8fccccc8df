package check

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/control/command"
	"parlor/control/webhook"
	"parlor/session/terms"
	"parlor/session/token"
)

// TestNothingIsMissing: each package has every command with every field, and no other; and every field of
// events.
func TestNothingIsMissing(t *testing.T) {
	commands := object{}
	for _, s := range command.All() {
		commands[string(s.Action)] = object{"request": members(s.Request), "answer": members(s.Response)}
	}
	each(t, func(t *testing.T, d *driver) {
		has := d.do(object{"Do": "describe"})
		require.Equal(t, commands, has.Commands)
		require.Equal(t, members(reflect.TypeFor[terms.FeedEvent]()), has.Event)
	})
}

// members are the fields of a type in JSON, each with those in it.
func members(t reflect.Type) object {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	all := object{}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[terms.RoomID]() {
		return all
	}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			all[name] = members(f.Type)
		}
	}
	return all
}

// full is a grant in which every field is set, of whatever kind fields may be added.
func full(t *testing.T, expires time.Time) terms.Grant {
	room, err := terms.NumberRoom(123)
	require.NoError(t, err)
	g := terms.Grant{Room: room, User: "ann", Role: terms.Audience, Rights: terms.MemberRights(), Expires: expires}
	fill(t, reflect.ValueOf(&g).Elem())
	return g
}

// fill sets what is not set.
func fill(t *testing.T, v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case !f.IsZero():
		case f.Kind() == reflect.String:
			f.SetString("x")
		case f.Type() == reflect.TypeFor[*string]():
			f.Set(reflect.ValueOf(new("x")))
		case f.Kind() == reflect.Struct:
			fill(t, f)
		default:
			t.Fatalf("the field %s of a grant is not known here", v.Type().Field(i).Name)
		}
	}
}

// TestTokensAreThoseOfTheNode: with every claim that a node knows a package makes the same token as the node,
// but for the order in it.
func TestTokensAreThoseOfTheNode(t *testing.T) {
	now := time.Now()
	keys, err := token.New(nil, token.Key{ID: "first", Secret: []byte(strings.TrimPrefix(keyLine, "first:"))})
	require.NoError(t, err)
	grant := full(t, now.Add(time.Hour))
	text, err := keys.Mint(grant)
	require.NoError(t, err)
	minted, err := keys.Inspect(text)
	require.NoError(t, err)
	given := object{}
	for name, value := range minted.Claims {
		if name != "exp" && name != "iat" {
			given[name] = value
		}
	}
	given["expires"] = 3600
	each(t, func(t *testing.T, d *driver) {
		made := d.do(object{"Do": "token", "Key": keyLine, "Now": seconds(now), "Grant": given})
		require.Nil(t, made.Error)
		look, err := keys.Inspect(made.Token)
		require.NoError(t, err)
		require.True(t, look.Signed)
		require.NoError(t, look.Err)
		require.Equal(t, minted.Header, look.Header)
		names := func(claims object) (l []string) {
			for name := range claims {
				l = append(l, name)
			}
			return l
		}
		require.ElementsMatch(t, names(minted.Claims), names(look.Claims))
		got, err := keys.Parse(made.Token)
		require.NoError(t, err)
		got.Expires = grant.Expires
		require.Equal(t, grant, got)

		named := d.do(object{"Do": "token", "Key": keyLine, "Now": seconds(now), "Grant": object{"room": "123", "user": "ann", "expires": 60}})
		got, err = keys.Parse(named.Token)
		require.NoError(t, err)
		require.NotEqual(t, grant.Room, got.Room, "a name is no number")
		require.Equal(t, terms.MemberRights(), got.Rights)
		for _, wrong := range []object{
			{"Key": "first", "Grant": given}, {"Key": "first:short", "Grant": given}, {"Key": keyLine, "Grant": object{"expires": 0}},
			{"Key": keyLine, "Grant": object{"expires": 60, "lifetime": 1}}, {"Key": keyLine, "Grant": object{"expires": 1e300}},
			{"Key": keyLine, "Grant": object{"expires": 60, "rights": "publish"}},
		} {
			wrong["Do"], wrong["Now"] = "token", seconds(now)
			r := d.do(wrong)
			require.NotNil(t, r.Error, wrong)
			require.NotContains(t, r.Error.Message, "short")
		}
	})
}

// TestCommands has every command carried out, or refused with a code and a field.
func TestCommands(t *testing.T) {
	n := start(t, nil)
	each(t, func(t *testing.T, d *driver) {
		user := "user-" + strings.TrimPrefix(t.Name(), "TestCommands/")
		made := d.do(object{"Do": "token", "Key": keyLine, "Now": seconds(time.Now()), "Grant": object{"room": user, "user": user, "expires": 60}})
		c, err := client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: user, User: user, Token: made.Token})
		require.NoError(t, err)
		defer c.Close()
		done := map[string]bool{}
		give := func(action string, request object) result {
			done[action] = true
			return d.do(object{"Do": "command", "URL": n.Addrs().URL() + "/", "Key": keyLine, "Action": action, "Request": request})
		}
		does := func(action string, request object, want string) {
			t.Helper()
			r := give(action, request)
			require.Nil(t, r.Error, action)
			require.Contains(t, string(r.Answer), want, action)
		}
		fails := func(action string, request object, code, field string, status int) {
			t.Helper()
			r := give(action, request)
			require.NotNil(t, r.Error, action)
			require.Equal(t, failed{Code: code, Field: field, Status: status, Message: r.Error.Message}, *r.Error, action)
			require.NotEmpty(t, r.Error.Message)
		}
		does("ListRooms", object{"Prefix": user, "Scene": "call", "Limit": 5}, user)
		does("DescribeRoom", object{"StrRoomId": user}, `"UserList":`)
		does("DescribeUser", object{"StrRoomId": user, "UserId": user}, `"SessionId":`)
		does("SetUserBlocked", object{"StrRoomId": user, "UserId": user, "Block": "audio"}, `"audio"`)
		does("SendMessage", object{"StrRoomId": user, "CmdId": 1, "Text": "hello", "Unreliable": true}, `"Delivered"`)
		does("UpdateUser", object{"StrRoomId": user, "UserId": user, "Name": "Ann Müller", "Metadata": ""}, `"Ann Müller"`)
		does("DescribeHistory", object{"NodeId": "n1"}, `"EveryMs"`)
		does("ListEvents", object{"UserId": user, "Limit": 1}, `"user-`)
		does("ListRefusals", object{"NodeId": "n1"}, `"Refusals"`)
		does("DescribeNode", object{"NodeId": "n1"}, `"n1"`)
		fails("DrainNode", object{"NodeId": "n2", "DeadlineSeconds": 1}, "bad_request", "NodeId", http.StatusBadRequest)
		fails("RemoveUser", object{"StrRoomId": user, "UserIds": []string{user}, "BanSeconds": -1}, "bad_request", "BanSeconds", http.StatusBadRequest)
		does("RemoveUser", object{"StrRoomId": user, "UserIds": []string{user, "nobody"}, "Reason": "be kind"}, `"not_in_room"`)
		e, err := c.Await(t.Context(), client.Exited)
		require.NoError(t, err)
		require.Equal(t, "be kind", e.Text)
		fails("RemoveUserByStrRoomId", object{"RoomId": user, "UserIds": []string{user}}, "room_not_found", "RoomId", http.StatusNotFound)
		fails("DismissRoom", object{"RoomId": 77}, "room_not_found", "RoomId", http.StatusNotFound)
		fails("DismissRoomByStrRoomId", object{"RoomId": user}, "room_not_found", "RoomId", http.StatusNotFound)
		for _, s := range command.All() {
			require.True(t, done[string(s.Action)], "%s is not tried here", s.Action)
		}

		r := d.do(object{"Do": "command", "URL": n.Addrs().URL(), "Action": "ListRooms", "Request": object{}})
		require.Equal(t, "token_invalid", r.Error.Code, "no key, no token")
		require.Equal(t, http.StatusUnauthorized, r.Error.Status)
	})
}

// TestWhatIsNoNode is told from one, and no redirect is followed with a token.
func TestWhatIsNoNode(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch strings.Split(r.URL.Path, "/")[1] {
		case "gone":
			http.Error(w, "<html>", http.StatusBadGateway)
		case "away":
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case "busy":
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"title":"x","status":503,"code":"node_draining","detail":"later"}`))
		case "words":
			_, _ = w.Write([]byte("no JSON"))
		case "huge":
			_, _ = w.Write([]byte(strings.Repeat(" ", 17<<20)))
		default:
			asked++
		}
	}))
	defer s.Close()
	each(t, func(t *testing.T, d *driver) {
		for path, want := range map[string]failed{
			"/gone": {Code: "unreachable", Status: 502}, "/away": {Code: "unreachable", Status: 307}, "/words": {Code: "unreachable", Status: 200},
			"/huge": {Code: "unreachable", Status: 200}, "/busy": {Code: "node_draining", Status: 503, Message: "later", RetryAfter: 7},
		} {
			r := d.do(object{"Do": "command", "URL": s.URL + path, "Key": keyLine, "Action": "ListRooms", "Request": object{}})
			require.NotNil(t, r.Error, path)
			if want.Message == "" {
				want.Message = r.Error.Message
			}
			require.Equal(t, want, *r.Error, path)
		}
		r := d.do(object{"Do": "command", "URL": "http://127.0.0.1:9", "Key": keyLine, "Action": "ListRooms", "Request": object{}})
		require.Equal(t, "unreachable", r.Error.Code)
		require.Zero(t, r.Error.Status)
	})
	require.Zero(t, asked)
}

// TestWebhooksAreChecked as the node signs them.
func TestWebhooksAreChecked(t *testing.T) {
	now := time.Now()
	room, err := terms.StringRoom("lobby")
	require.NoError(t, err)
	event := terms.FeedEvent{ID: "a.1", Type: terms.FeedUserLeft, TimeMS: now.UnixMilli(), Node: "n1", Room: room, User: "ann", Reason: terms.FeedRemoved, Text: "be kind – ✓"}
	body, err := json.Marshal(event)
	require.NoError(t, err)
	key, other := []byte(webhookKey), strings.Repeat("o", 32)
	good := webhook.Sign(key, now, body)
	_, hexed, _ := strings.Cut(good, "v1=")
	each(t, func(t *testing.T, d *driver) {
		for name, x := range map[string]struct {
			header, body string
			keys         []string
			after        time.Duration
			code         string
		}{
			"good":                   {header: good},
			"after a space":          {header: strings.Replace(good, ",", ", ", 1)},
			"the old key":            {header: good, keys: []string{other, webhookKey}},
			"two signatures":         {header: good + ",v1=" + strings.Repeat("0", 64) + ",v2=x"},
			"as old as it may be":    {header: good, after: 299 * time.Second},
			"too old":                {header: good, after: 302 * time.Second, code: "signature_expired"},
			"from the future":        {header: good, after: -302 * time.Second, code: "signature_expired"},
			"another body":           {header: good, body: strings.Replace(string(body), "ann", "bob", 1), code: "signature_invalid"},
			"another time":           {header: "t=2" + good[3:], code: "signature_invalid"},
			"another key":            {header: good, keys: []string{other}, code: "signature_invalid"},
			"no key":                 {header: good, keys: []string{}, code: "signature_invalid"},
			"an empty key":           {header: webhook.Sign(nil, now, body), keys: []string{""}, code: "bad_request"},
			"none":                   {header: "", code: "signature_invalid"},
			"no time":                {header: "v1=" + hexed, code: "signature_invalid"},
			"no signature":           {header: good[:12], code: "signature_invalid"},
			"cut":                    {header: good[:len(good)-2], code: "signature_invalid"},
			"no hex":                 {header: good[:15] + strings.Repeat("zé", 32), code: "signature_invalid"},
			"a time that is no time": {header: webhookOver("soon", body), code: "signature_invalid"},
		} {
			if x.body == "" {
				x.body = string(body)
			}
			if x.keys == nil {
				x.keys = []string{webhookKey}
			}
			r := d.do(object{"Do": "webhook", "Header": x.header, "Body": x.body, "Keys": x.keys, "Now": seconds(now.Add(x.after))})
			if x.code != "" {
				require.NotNil(t, r.Error, name)
				require.Equal(t, x.code, r.Error.Code, name)
				require.Nil(t, r.Event, name)
				continue
			}
			require.Nil(t, r.Error, name)
			var same terms.FeedEvent
			text, err := json.Marshal(r.Event)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &same))
			require.Equal(t, event, same, name)
		}
	})
}

// webhookOver signs with whatever stands in place of the time.
func webhookOver(t string, body []byte) string {
	h := hmac.New(sha256.New, []byte(webhookKey))
	h.Write([]byte(t + "."))
	h.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(h.Sum(nil))
}
