package adminhttp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/control/adminhttp"
	"parlor/control/command"
	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/problem"
	"parlor/session/refusal"
	"parlor/session/terms"
	"parlor/session/token"
)

// self is a node that only knows its name.
type self string

func (n self) ID() string                               { return string(n) }
func (n self) Describe() command.NodeInfo               { return command.NodeInfo{Node: string(n)} }
func (n self) History() command.History                 { return command.History{Node: string(n)} }
func (self) Drain(context.Context, time.Duration) error { return nil }

// door is the handler of a node with ann in the rooms lobby and hall. With a secret it asks for tokens.
type door struct {
	t     *testing.T
	h     http.Handler
	rooms *session.Rooms
	keys  *token.Keys
	log   bytes.Buffer // of refusals
}

func open(t *testing.T, keys ...token.Key) *door {
	t.Helper()
	k, err := token.New(nil, keys...)
	require.NoError(t, err)
	d := &door{t: t, keys: k, rooms: session.New(session.Options{Node: "n1"}, &fakewire.Transport{}, nil)}
	for _, name := range []string{"lobby", "hall"} {
		_, _, err := d.rooms.Enter(t.Context(), session.EnterRequest{Room: room(t, name), User: "ann", Grant: terms.Grant{Rights: terms.AllRights()}})
		require.NoError(t, err)
	}
	d.h = adminhttp.New(command.New(command.Options{Rooms: d.rooms, Node: self("n1")}), k, zerolog.Nop(), refusal.New(zerolog.New(&d.log)), nil)
	return d
}

func room(t *testing.T, name string) terms.RoomID {
	t.Helper()
	id, err := terms.StringRoom(name)
	require.NoError(t, err)
	return id
}

// do posts a command and returns the answer; change may be nil.
func (d *door) do(action, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	q := httptest.NewRequestWithContext(d.t.Context(), http.MethodPost, adminhttp.Path+action, strings.NewReader(body))
	q.Header.Set("Content-Type", "application/json")
	if change != nil {
		change(q)
	}
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, q)
	return w
}

// says is the problem that was answered.
func (d *door) says(w *httptest.ResponseRecorder) problem.Document {
	d.t.Helper()
	require.Equal(d.t, "application/problem+json", w.Header().Get("Content-Type"), "%d %s", w.Code, w.Body)
	var p problem.Document
	require.NoError(d.t, json.Unmarshal(w.Body.Bytes(), &p))
	require.Equal(d.t, w.Code, p.Status)
	require.NotEmpty(d.t, p.Detail)
	return p
}

var key = token.Key{ID: "k", Secret: []byte("only for tests, and long enough for HS256")}

func (d *door) token(g terms.Grant) func(*http.Request) {
	d.t.Helper()
	if g.Expires.IsZero() {
		g.Expires = time.Now().Add(time.Hour)
	}
	text, err := d.keys.Mint(g)
	require.NoError(d.t, err)
	return func(q *http.Request) { q.Header.Set("Authorization", "Bearer "+text) }
}

// TestWhoMayCommand: a command is carried out for the right admin alone. The right is looked at for each
// command, and a command of anybody else changes nothing.
func TestWhoMayCommand(t *testing.T) {
	d := open(t, key)
	foreign, err := token.New(nil, token.Key{ID: "k", Secret: []byte("another secret, also long enough for HS256")})
	require.NoError(t, err)
	forged, err := foreign.Mint(terms.Grant{Rights: terms.AllRights(), Expires: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	admin := terms.Grant{Rights: terms.AllRights()}
	const list, dismiss = "ListRooms", "DismissRoom"
	for name, tt := range map[string]struct {
		show   func(*http.Request)
		action string
		body   string
		status int
		code   terms.Code
		field  string
	}{
		"nothing":    {nil, dismiss, `{"StrRoomId":"lobby"}`, 401, terms.CodeTokenInvalid, "token"},
		"basic":      {func(q *http.Request) { q.SetBasicAuth("admin", "admin") }, list, ``, 401, terms.CodeTokenInvalid, "token"},
		"rubbish":    {func(q *http.Request) { q.Header.Set("Authorization", "Bearer x.y.z") }, list, ``, 401, terms.CodeTokenInvalid, "token"},
		"forged":     {func(q *http.Request) { q.Header.Set("Authorization", "Bearer "+forged) }, dismiss, `{"StrRoomId":"lobby"}`, 401, terms.CodeTokenInvalid, "token"},
		"expired":    {d.token(terms.Grant{Rights: terms.AllRights(), Expires: time.Now().Add(-time.Minute)}), list, ``, 401, terms.CodeTokenExpired, "token"},
		"member":     {d.token(terms.Grant{Room: room(t, "lobby"), User: "ann", Rights: terms.MemberRights()}), dismiss, `{"StrRoomId":"lobby"}`, 403, terms.CodeNotAllowed, "token"},
		"other room": {d.token(terms.Grant{Room: room(t, "hall"), Rights: terms.AllRights()}), dismiss, `{"StrRoomId":"lobby"}`, 403, terms.CodeNotAllowed, "token"},
		"room, list": {d.token(terms.Grant{Room: room(t, "hall"), Rights: terms.AllRights()}), list, ``, 403, terms.CodeNotAllowed, "token"},
		"room, node": {d.token(terms.Grant{Room: room(t, "hall"), Rights: terms.AllRights()}), "DrainNode", ``, 403, terms.CodeNotAllowed, "token"},
		"room, user": {d.token(terms.Grant{Room: room(t, "hall"), Rights: terms.AllRights()}), "DescribeUser", `{"UserId":"ann"}`, 403, terms.CodeNotAllowed, "token"},
		"unknown":    {nil, "Nonsense", ``, 401, terms.CodeTokenInvalid, "token"},
		"admin":      {d.token(admin), list, ``, 200, "", ""},
		"same room":  {d.token(terms.Grant{Room: room(t, "hall"), Rights: terms.AllRights()}), "DescribeRoom", `{"StrRoomId":"hall"}`, 200, "", ""},
		"lower case": {func(q *http.Request) {
			d.token(admin)(q)
			q.Header.Set("Authorization", strings.Replace(q.Header.Get("Authorization"), "Bearer", "bearer", 1))
		}, list, ``, 200, "", ""},
		"other pages": {func(q *http.Request) { d.token(admin)(q); q.Header.Set("Origin", "https://elsewhere.example") }, list, ``, 403, terms.CodeNotAllowed, "Origin"},
	} {
		t.Run(name, func(t *testing.T) {
			w := d.do(tt.action, tt.body, tt.show)
			require.Equal(t, tt.status, w.Code, "%s", w.Body)
			if tt.status == 200 {
				return
			}
			p := d.says(w)
			require.Equal(t, tt.code, p.Code)
			require.Equal(t, tt.field, p.Field)
			require.Equal(t, tt.status == 401, w.Header().Get("WWW-Authenticate") != "")
		})
	}
	require.Equal(t, 2, d.rooms.Stats().Users, "somebody was put out")
}

// TestBadRequestsOfHTTP: a request that is wrong before its command is read is refused. The rest is the same
// for all doors.
func TestBadRequestsOfHTTP(t *testing.T) {
	d := open(t)
	for name, tt := range map[string]struct {
		action, body string
		change       func(*http.Request)
		status       int
		field        string
	}{
		"form":         {"ListRooms", ``, func(q *http.Request) { q.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 415, "Content-Type"},
		"text":         {"ListRooms", `{}`, func(q *http.Request) { q.Header.Set("Content-Type", "text/plain") }, 415, "Content-Type"},
		"no type":      {"ListRooms", `{}`, func(q *http.Request) { q.Header.Del("Content-Type") }, 415, "Content-Type"},
		"large":        {"ListRooms", strings.Repeat(" ", command.MaxRequest+1), nil, 413, ""},
		"get":          {"ListRooms", ``, func(q *http.Request) { q.Method = http.MethodGet }, 405, ""},
		"put":          {"DismissRoom", `{"StrRoomId":"lobby"}`, func(q *http.Request) { q.Method = http.MethodPut }, 405, ""},
		"unknown":      {"Nonsense", `{}`, nil, 404, "Action"},
		"none":         {"", `{}`, nil, 404, "Action"},
		"deeper":       {"ListRooms/more", `{}`, nil, 404, "Action"},
		"other site":   {"DismissRoom", `{"StrRoomId":"lobby"}`, func(q *http.Request) { q.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, "Origin"},
		"other origin": {"DismissRoom", `{"StrRoomId":"lobby"}`, func(q *http.Request) { q.Header.Set("Origin", "null") }, 403, "Origin"},
	} {
		t.Run(name, func(t *testing.T) {
			w := d.do(tt.action, tt.body, tt.change)
			require.Equal(t, tt.status, w.Code, "%s", w.Body)
			require.Equal(t, tt.field, d.says(w).Field)
		})
	}
	require.Equal(t, 2, d.rooms.Stats().Users, "somebody was put out")
	w := d.do("DismissRoom", `{"StrRoomId":"lobby"}`, func(q *http.Request) { q.Header.Set("Content-Type", `application/json; charset="utf-8"`) })
	require.Equal(t, 200, w.Code)
	require.JSONEq(t, `{"Users":1}`, w.Body.String())
}

// TestTheDocumentIsOpenAPI: a reader that is not ours takes it, and finds every command in it.
func TestTheDocumentIsOpenAPI(t *testing.T) {
	d := open(t, key)
	q := httptest.NewRequestWithContext(t.Context(), http.MethodGet, adminhttp.Path+"openapi.json", nil)
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, q)
	require.Equal(t, 200, w.Code)
	doc, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes())
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	require.Equal(t, len(command.All()), doc.Paths.Len())
	for _, s := range command.All() {
		p := doc.Paths.Find(adminhttp.Path + string(s.Action))
		require.NotNil(t, p, s.Action)
		require.NotNil(t, p.Post, s.Action)
	}
}

// TestWhoMayNotCommandIsLogged: a refusal is logged with the address and without the token.
func TestWhoMayNotCommandIsLogged(t *testing.T) {
	d := open(t, key)
	d.do("ListRooms", ``, func(q *http.Request) { q.Header.Set("Authorization", "Bearer sesame.open") })
	require.Contains(t, d.log.String(), `"door":"admin","reason":"token_invalid","from":"192.0.2.1","field":"token","why":"the token is neither a JWT nor a UserSig"`)
	require.NotContains(t, d.log.String(), "sesame")
	d.log.Reset()
	d.do("ListRooms", ``, d.token(terms.Grant{Room: room(t, "lobby"), User: "ann", Rights: terms.MemberRights()}))
	require.Contains(t, d.log.String(), `"reason":"not_allowed"`)
	d.log.Reset()
	d.do("ListRooms", ``, d.token(terms.Grant{Rights: terms.AllRights()}))
	require.Empty(t, d.log.String())
}
