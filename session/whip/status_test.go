package whip_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/refusal"
	"parlor/session/remote"
	"parlor/session/stranger"
	"parlor/session/terms"
	"parlor/session/token"
	"parlor/session/whip"
	"parlor/transport"
	"parlor/transport/negotiate"
)

const head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n" +
	"a=setup:actpass\r\na=fingerprint:sha-256 " +
	"4E:7F:77:DB:7E:A3:A6:4E:5D:27:EB:39:D2:1B:96:9F:91:C9:58:8B:30:B4:AA:0F:77:60:5A:F3:86:60:03:F3\r\n"

const sections = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"

const sendOffer = head + sections

var recvOffer = strings.ReplaceAll(sendOffer, "sendonly", "recvonly")

const fragment = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n" +
	"a=candidate:1 1 udp 2130706431 192.0.2.1 4000 typ host\r\n"

var restart = strings.NewReplacer("abcd\r", "wxyz\r").Replace(fragment)

// house is a node's rooms with the doors before them and no wire.
type house struct {
	t     *testing.T
	rooms *session.Rooms
	wire  *fakewire.Transport
	url   string
}

func newHouse(t *testing.T, o session.Options, keys ...token.Key) *house {
	t.Helper()
	auth, err := token.New(nil, keys...)
	require.NoError(t, err)
	h := &house{t: t, wire: new(fakewire.Transport)}
	h.rooms = session.New(o, h.wire, nil)
	srv := httptest.NewServer(whip.New(h.rooms, auth, nil))
	h.url = srv.URL
	t.Cleanup(func() {
		srv.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(t, h.rooms.Shutdown(ctx))
		require.Zero(t, h.wire.Open(), "peers left after shutdown")
	})
	return h
}

// do sends a request; headers come in pairs.
func (h *house) do(method, path, body string, headers ...string) (*http.Response, string) {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	require.NoError(h.t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(h.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(h.t, err)
	require.Equal(h.t, "*", resp.Header.Get("Access-Control-Allow-Origin"))
	return resp, string(b)
}

func (h *house) post(path, offer string, headers ...string) (*http.Response, string) {
	h.t.Helper()
	return h.do(http.MethodPost, path, offer, append([]string{"Content-Type", "application/sdp"}, headers...)...)
}

func (h *house) patch(path, body string, headers ...string) (*http.Response, string) {
	h.t.Helper()
	return h.do(http.MethodPatch, path, body, append([]string{"Content-Type", "application/trickle-ice-sdpfrag"}, headers...)...)
}

// users lists who is in a room.
func (h *house) users(room string) []string {
	h.t.Helper()
	id, err := terms.StringRoom(room)
	require.NoError(h.t, err)
	info, err := h.rooms.DescribeRoom(id, terms.Page{})
	if err != nil {
		require.ErrorIs(h.t, err, terms.CodeRoomNotFound)
		return nil
	}
	var l []string
	for _, u := range info.List {
		l = append(l, u.User)
	}
	return l
}

// requireProblem checks a problem document.
func requireProblem(t *testing.T, resp *http.Response, body string, status int, code terms.Code, field string) {
	t.Helper()
	require.Equal(t, status, resp.StatusCode, body)
	require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
	var p struct {
		Title, Detail, Code, Field string
		Status                     int
	}
	require.NoError(t, json.Unmarshal([]byte(body), &p), body)
	require.Equal(t, status, p.Status)
	require.Equal(t, http.StatusText(status), p.Title)
	require.NotEmpty(t, p.Detail)
	require.Equal(t, string(code), p.Code, body)
	require.Equal(t, field, p.Field, body)
}

func TestNameOfAnEncoder(t *testing.T) {
	h := newHouse(t, session.Options{})
	resp, answer := h.post("/whip/lobby?user=cam&name=K%C3%BCche%201", sendOffer)
	require.Equal(t, http.StatusCreated, resp.StatusCode, answer)
	d, err := h.rooms.DescribeUser(terms.RoomID{}, "cam", terms.Page{})
	require.NoError(t, err)
	require.Equal(t, "Küche 1", d.List[0].Name)
	resp, body := h.post("/whip/lobby?user=cam2&name=a%0Ab", sendOffer)
	requireProblem(t, resp, body, http.StatusBadRequest, terms.CodeBadRequest, "name")
}

func TestPublishTrickleRestartExit(t *testing.T) {
	h := newHouse(t, session.Options{})
	resp, answer := h.post("/whip/lobby?user=ann", sendOffer)
	require.Equal(t, http.StatusCreated, resp.StatusCode, answer)
	require.Equal(t, "application/sdp", resp.Header.Get("Content-Type"))
	require.Contains(t, answer, "a=recvonly\r\n")
	location, etag := resp.Header.Get("Location"), resp.Header.Get("ETag")
	require.Regexp(t, `^/whip/lobby/session/[A-Z2-7]{26}$`, location)
	require.Regexp(t, `^"[^"]+"$`, etag)
	require.Equal(t, []string{"ann"}, h.users("lobby"))

	resp, body := h.patch(location, fragment, "If-Match", etag)
	require.Equal(t, http.StatusNoContent, resp.StatusCode, body)
	require.Empty(t, resp.Header.Get("ETag"))
	resp, _ = h.patch(location, "a=end-of-candidates\r\n", "If-Match", `"other", `+etag)
	require.Equal(t, http.StatusNoContent, resp.StatusCode)

	resp, body = h.patch(location, restart, "If-Match", "*")
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	require.Equal(t, "application/trickle-ice-sdpfrag", resp.Header.Get("Content-Type"))
	f, err := negotiate.ParseFragment(body)
	require.NoError(t, err)
	require.Equal(t, "node1", f.UFrag)
	again := resp.Header.Get("ETag")
	require.NotEqual(t, etag, again)

	resp, body = h.patch(location, restart, "If-Match", etag)
	requireProblem(t, resp, body, http.StatusPreconditionFailed, terms.CodeBadRequest, "If-Match")
	resp, _ = h.patch(location, restart, "If-Match", again)
	require.Equal(t, http.StatusNoContent, resp.StatusCode, "the same credentials are a trickle")
	resp, _ = h.patch(location, fragment, "If-Match", `"*"`)
	require.Equal(t, http.StatusOK, resp.StatusCode)

	resp, _ = h.do(http.MethodDelete, location, "")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Empty(t, h.users("lobby"))
	require.Zero(t, h.wire.Open())
	resp, body = h.do(http.MethodDelete, location, "")
	requireProblem(t, resp, body, http.StatusNotFound, terms.CodeUserNotFound, "session")
	resp, body = h.patch(location, fragment, "If-Match", "*")
	requireProblem(t, resp, body, http.StatusNotFound, terms.CodeUserNotFound, "session")
}

func TestPatchRefusals(t *testing.T) {
	h := newHouse(t, session.Options{})
	resp, _ := h.post("/whip/lobby", sendOffer)
	location, etag := resp.Header.Get("Location"), resp.Header.Get("ETag")
	resp, body := h.patch(location, fragment)
	requireProblem(t, resp, body, http.StatusPreconditionRequired, terms.CodeBadRequest, "If-Match")
	resp, body = h.patch(location, fragment, "If-Match", "W/"+etag)
	requireProblem(t, resp, body, http.StatusPreconditionFailed, terms.CodeBadRequest, "If-Match")
	resp, body = h.patch(location, "hello", "If-Match", etag)
	requireProblem(t, resp, body, http.StatusBadRequest, terms.CodeBadRequest, "body")
	resp, body = h.patch(location, "a=end-of-candidates\r\n", "If-Match", "*")
	requireProblem(t, resp, body, http.StatusBadRequest, terms.CodeBadRequest, "body")
	resp, body = h.patch(location, fragment, "If-Match", etag, "Content-Type", "application/sdp")
	requireProblem(t, resp, body, http.StatusUnsupportedMediaType, terms.CodeBadRequest, "Content-Type")
	require.Equal(t, "application/trickle-ice-sdpfrag", resp.Header.Get("Accept-Patch"))
	resp, body = h.patch(location, strings.Repeat("a=x\r\n", 8<<10), "If-Match", etag)
	requireProblem(t, resp, body, http.StatusRequestEntityTooLarge, terms.CodeBadRequest, "")
	resp, body = h.patch(strings.Replace(location, "lobby", "other", 1), fragment, "If-Match", etag)
	requireProblem(t, resp, body, http.StatusNotFound, terms.CodeUserNotFound, "session")
	resp, _ = h.patch(location, fragment, "If-Match", etag)
	require.Equal(t, http.StatusNoContent, resp.StatusCode, "the session is as it was")
}

func TestPostRefusals(t *testing.T) {
	h := newHouse(t, session.Options{Limits: session.Limits{CallUsers: 3}})
	resp, _ := h.post("/whip/lobby?user=ann", sendOffer)
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	location := resp.Header.Get("Location")
	three := strings.Replace(sendOffer, "BUNDLE 0 1", "BUNDLE 0 1 2 3", 1) +
		strings.NewReplacer("mid:0", "mid:2", "mid:1", "mid:3").Replace(sections)
	four := strings.Replace(three, "BUNDLE 0 1 2 3", "BUNDLE 0 1 2 3 4 5", 1) +
		strings.NewReplacer("mid:0", "mid:4", "mid:1", "mid:5").Replace(sections)
	for name, c := range map[string]struct {
		path, offer, contentType string
		status                   int
		code                     terms.Code
		field                    string
	}{
		"not SDP":             {"/whip/lobby?user=ann", "hello", "", 400, terms.CodeBadRequest, "sdp"},
		"empty":               {"/whip/lobby?user=ann", "", "", 400, terms.CodeBadRequest, "sdp"},
		"no ufrag":            {"/whip/lobby?user=ann", strings.Replace(sendOffer, "ice-ufrag", "x", 1), "", 400, terms.CodeBadRequest, "sdp"},
		"nothing sent":        {"/whip/lobby?user=ann", recvOffer, "", 422, terms.CodeBadRequest, "sdp"},
		"three cameras":       {"/whip/lobby?user=ann", four, "", 422, terms.CodeBadRequest, "sdp"},
		"nothing received":    {"/whep/lobby?user=ann", sendOffer, "", 422, terms.CodeBadRequest, "sdp"},
		"no codec":            {"/whip/lobby?user=ann", strings.NewReplacer("opus", "x", "VP8", "y").Replace(sendOffer), "", 422, terms.CodeBadRequest, "sdp"},
		"one codec unknown":   {"/whip/lobby?user=ann", strings.Replace(sendOffer, "VP8", "y", 1), "", 422, terms.CodeBadRequest, "sdp"},
		"content type":        {"/whip/lobby?user=ann", sendOffer, "text/plain", 415, terms.CodeBadRequest, "Content-Type"},
		"WHIP too large":      {"/whip/lobby?user=ann", strings.Repeat("a=x\r\n", 14<<10), "", 413, terms.CodeBadRequest, ""},
		"WHEP too large":      {"/whep/lobby?user=ann", strings.Repeat("a=x\r\n", 70<<10), "", 413, terms.CodeBadRequest, ""},
		"bad user":            {"/whip/lobby?user=a%20b", sendOffer, "", 400, terms.CodeBadRequest, "user"},
		"bad user to watch":   {"/whep/lobby/a%20b?user=ann", recvOffer, "", 400, terms.CodeBadRequest, "user"},
		"sends and receives":  {"/whip/lobby?user=ann", strings.Replace(sendOffer, "mid:1\r\na=sendonly", "mid:1\r\na=recvonly", 1), "", 422, terms.CodeBadRequest, "sdp"},
		"player that sends":   {"/whep/lobby?user=ann", strings.Replace(recvOffer, "mid:1\r\na=recvonly", "mid:1\r\na=sendonly", 1), "", 422, terms.CodeBadRequest, "sdp"},
		"room is a step":      {"/whip/%2E", sendOffer, "", 400, terms.CodeBadRequest, "room"},
		"room is a step up":   {"/whip/%2E%2E", sendOffer, "", 400, terms.CodeBadRequest, "room"},
		"step up, to play":    {"/whep/%2E%2e", recvOffer, "", 400, terms.CodeBadRequest, "room"},
		"user is a step up":   {"/whep/lobby/%2E%2E", recvOffer, "", 400, terms.CodeBadRequest, "user"},
		"named as a step up":  {"/whip/lobby?user=..", sendOffer, "", 400, terms.CodeBadRequest, "user"},
		"bad room":            {"/whip/a%2Fb", sendOffer, "", 400, terms.CodeBadRequest, "room"},
		"room too long":       {"/whip/" + strings.Repeat("a", 65), sendOffer, "", 400, terms.CodeBadRequest, "room"},
		"room no number":      {"/whip/lobby?number=1", sendOffer, "", 400, terms.CodeBadRequest, "room"},
		"number no bool":      {"/whip/1?number=x", sendOffer, "", 400, terms.CodeBadRequest, "number"},
		"scene unknown":       {"/whip/lobby?scene=opera&user=ann", sendOffer, "", 400, terms.CodeBadRequest, "scene"},
		"scene of another":    {"/whip/lobby?scene=live&user=bob", sendOffer, "", 409, terms.CodeSceneMismatch, "scene"},
		"path of nothing":     {"/whip/lobby/x", sendOffer, "", 404, terms.CodeBadRequest, ""},
		"session of nobody":   {"/whip/lobby/session/x", sendOffer, "", 405, terms.CodeBadRequest, ""},
		"path below a player": {"/whep/lobby/ann/x", sendOffer, "", 404, terms.CodeBadRequest, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.contentType == "" {
				c.contentType = "application/sdp; charset=utf-8"
			}
			resp, body := h.do(http.MethodPost, c.path, c.offer, "Content-Type", c.contentType)
			requireProblem(t, resp, body, c.status, c.code, c.field)
			if c.status == http.StatusUnsupportedMediaType {
				require.Equal(t, "application/sdp", resp.Header.Get("Accept-Post"))
			}
		})
	}
	// none of them has touched the room: ann's session is the one that she had
	require.Equal(t, []string{"ann"}, h.users("lobby"))
	require.Equal(t, 1, h.wire.Open())
	resp, _ = h.patch(location, restart, "If-Match", "*")
	require.Equal(t, http.StatusOK, resp.StatusCode)

	resp, _ = h.post("/whip/lobby?user=bob", three)
	require.Equal(t, http.StatusCreated, resp.StatusCode, "screen and its sound are taken")
	resp, _ = h.post("/whep/lobby", recvOffer)
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	resp, body := h.post("/whep/lobby", recvOffer)
	requireProblem(t, resp, body, http.StatusConflict, terms.CodeRoomFull, "room")
}

func TestPublisherLimitLeavesNobodyBehind(t *testing.T) {
	h := newHouse(t, session.Options{Limits: session.Limits{CallPublishers: 1}})
	resp, _ := h.post("/whip/lobby?user=ann", sendOffer)
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	resp, body := h.post("/whip/lobby?user=bob", sendOffer)
	requireProblem(t, resp, body, http.StatusConflict, terms.CodePublisherLimit, "publish")
	require.Equal(t, []string{"ann"}, h.users("lobby"))
}

// TestRefusedPostsLeaveTheRunningSession: a request that must fail has not put the user's older session out.
func TestRefusedPostsLeaveTheRunningSession(t *testing.T) {
	key := token.Key{ID: "k", Secret: []byte(strings.Repeat("s", token.MinSecret))}
	keys, err := token.New(nil, key)
	require.NoError(t, err)
	mint := func(user string, role terms.Role) string {
		text, err := keys.Mint(terms.Grant{
			Room: must(terms.StringRoom("lobby")), User: user, Role: role, Rights: terms.MemberRights(), Expires: time.Now().Add(time.Hour),
		})
		require.NoError(t, err)
		return "Bearer " + text
	}
	h := newHouse(t, session.Options{Limits: session.Limits{CallPublishers: 1, Seats: 1}}, key)
	three := strings.Replace(sendOffer, "BUNDLE 0 1", "BUNDLE 0 1 2 3", 1) +
		strings.NewReplacer("mid:0", "mid:2", "mid:1", "mid:3").Replace(sections)
	resp, _ := h.post("/whip/lobby", sendOffer, "Authorization", mint("ann", ""))
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	for name, c := range map[string]struct {
		path, offer string
		role        terms.Role
		wire        error
		status      int
		code        terms.Code
		field       string
	}{
		"audience publishes": {"/whip/lobby", sendOffer, terms.Audience, nil, 403, terms.CodeNotAllowed, "role"},
		"too many publish":   {"/whip/lobby", sendOffer, "", nil, 409, terms.CodePublisherLimit, "publish"},
		"too many seats":     {"/whep/lobby", strings.ReplaceAll(three, "sendonly", "recvonly"), "", nil, 400, terms.CodeBadRequest, "sdp"},
		"too many peers":     {"/whep/lobby", recvOffer, "", transport.ErrTooManyPeers, 503, terms.CodeRoomFull, ""},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := h.post("/whep/lobby", recvOffer, "Authorization", mint("bob", ""))
			require.Equal(t, http.StatusCreated, resp.StatusCode, body)
			running := resp.Header.Get("Location")
			h.wire.FailPeers(c.wire)
			resp, body = h.post(c.path, c.offer, "Authorization", mint("bob", c.role))
			h.wire.FailPeers(nil)
			requireProblem(t, resp, body, c.status, c.code, c.field)
			require.Equal(t, c.status == 503, resp.Header.Get("Retry-After") != "")
			resp, body = h.patch(running, restart, "If-Match", "*")
			require.Equal(t, http.StatusOK, resp.StatusCode, body)
			resp, _ = h.do(http.MethodDelete, running, "")
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Equal(t, 1, h.wire.Open(), "only ann's")
		})
	}
	resp, body := h.post("/whip/lobby", sendOffer, "Authorization", mint("ann", ""))
	require.Equal(t, http.StatusCreated, resp.StatusCode, "who publishes keeps her place: %s", body)
	require.Eventually(t, func() bool { return h.wire.Open() == 1 }, 5*time.Second, time.Millisecond)
}

// TestWhoHasEnteredGetsNoEntryBack: a client gets no entry back if its offer cannot be answered. The others
// in the room have seen each client come and go.
func TestWhoHasEnteredGetsNoEntryBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(fakewire.Transport)
		rooms := session.New(session.Options{}, wire, nil)
		defer func() { require.NoError(t, rooms.Shutdown(context.Background())) }()
		auth, err := token.New(nil)
		require.NoError(t, err)
		always, never := func(*http.Request) bool { return true }, func(*http.Request) bool { return false }
		budget := stranger.New(stranger.Limits{Conns: 1, ConnsPerSite: 1, Inside: 1, CPU: 100, Entries: 1})
		door := budget.Handler(whip.New(rooms, auth, nil), never, always, never)
		post := func(offer string) int {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/whip/lobby", strings.NewReader(offer))
			r.Header.Set("Content-Type", "application/sdp")
			w := httptest.NewRecorder()
			door.ServeHTTP(w, r)
			return w.Code
		}
		wire.FailNegotiations(errors.New("a test"))
		began := time.Now()
		for range 60 {
			require.Equal(t, http.StatusBadRequest, post("hello"))
		}
		for range 20 { // which are saved up
			require.Equal(t, http.StatusInternalServerError, post(sendOffer))
		}
		require.Zero(t, time.Since(began))
		require.Equal(t, http.StatusInternalServerError, post(sendOffer))
		require.Equal(t, time.Second, time.Since(began), "one waits for the next entry")
	})
}

func TestFullNodeAsksToComeBack(t *testing.T) {
	h := newHouse(t, session.Options{Limits: session.Limits{Users: 1}})
	resp, _ := h.post("/whip/lobby?user=ann", sendOffer)
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	resp, body := h.post("/whip/lobby?user=bob", sendOffer)
	requireProblem(t, resp, body, http.StatusServiceUnavailable, terms.CodeRoomFull, "")
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
}

func TestInternalErrorsSayNothing(t *testing.T) {
	h := newHouse(t, session.Options{})
	h.wire.FailPeers(errors.New("the wire is cut, and this is nobody's business"))
	resp, body := h.post("/whip/lobby?user=ann", sendOffer)
	requireProblem(t, resp, body, http.StatusInternalServerError, terms.CodeInternal, "")
	require.NotContains(t, body, "wire")
	require.Empty(t, h.users("lobby"))
	require.Zero(t, h.wire.Open())
}

func TestMethodsAndOptions(t *testing.T) {
	h := newHouse(t, session.Options{})
	const endpoint, resource = "GET, HEAD, POST, OPTIONS", "GET, HEAD, PATCH, DELETE, OPTIONS"
	for path, allow := range map[string]string{
		"/whip/lobby": endpoint, "/whep/lobby": endpoint, "/whep/lobby/ann": endpoint, "/whip/lobby/": endpoint, "/whep/lobby/ann/": endpoint,
		"/whip/lobby/session/x": resource, "/whep/lobby/session/x": resource, "/whep/lobby/session/x/": resource,
	} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodPost} {
			if strings.Contains(allow, method) {
				continue
			}
			resp, body := h.do(method, path, "")
			requireProblem(t, resp, body, http.StatusMethodNotAllowed, terms.CodeBadRequest, "")
			require.Equal(t, allow, resp.Header.Get("Allow"))
		}
		resp, _ := h.do(http.MethodOptions, path, "", "Origin", "https://example.org", "Access-Control-Request-Method", "POST")
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, allow, resp.Header.Get("Access-Control-Allow-Methods"))
		require.Equal(t, "Authorization, Content-Type, If-Match", resp.Header.Get("Access-Control-Allow-Headers"))
		if strings.Contains(allow, "POST") {
			require.Equal(t, "application/sdp", resp.Header.Get("Accept-Post"))
		} else {
			require.Equal(t, "application/trickle-ice-sdpfrag", resp.Header.Get("Accept-Patch"))
		}
	}
}

// TestLooking: GET and HEAD answer without content (RFC 9725 §4.1), and a player knows a WHEP endpoint by its
// content type.
func TestLooking(t *testing.T) {
	h := newHouse(t, session.Options{})
	resp, _ := h.post("/whip/lobby", sendOffer)
	location := resp.Header.Get("Location")
	for path, want := range map[string]struct {
		status      int
		contentType string
	}{
		"/whip/lobby": {204, ""}, "/whip/lobby/": {204, ""}, location: {204, ""}, location + "/": {204, ""},
		"/whep/lobby": {200, "application/sdp"}, "/whep/lobby/ann": {200, "application/sdp"}, "/whep/elsewhere/": {200, "application/sdp"},
		"/whip/lobby/session/x": {404, "application/problem+json"}, "/whep/a%2Fb": {400, "application/problem+json"},
		"/whep/lobby/a%2Fb": {400, "application/problem+json"},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			resp, body := h.do(method, path, "")
			require.Equal(t, want.status, resp.StatusCode, "%s %s", method, path)
			require.Equal(t, want.contentType, resp.Header.Get("Content-Type"), "%s %s", method, path)
			require.Equal(t, method == http.MethodHead || want.status < 300, body == "", "%s %s: %s", method, path, body)
		}
	}
	_, err := h.rooms.DescribeRoom(must(terms.StringRoom("elsewhere")), terms.Page{})
	require.ErrorIs(t, err, terms.CodeRoomNotFound, "looking makes no room")
}

// TestSlashAtTheEnd: it changes nothing, also on the session that was made.
func TestSlashAtTheEnd(t *testing.T) {
	h := newHouse(t, session.Options{})
	resp, body := h.post("/whip/lobby/?user=ann", sendOffer)
	require.Equal(t, http.StatusCreated, resp.StatusCode, body)
	location := resp.Header.Get("Location")
	require.Regexp(t, `^/whip/lobby/session/[A-Z2-7]{26}$`, location)
	resp, body = h.patch(location+"/", restart, "If-Match", "*")
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	resp, body = h.post("/whep/lobby/ann/?user=bob", recvOffer)
	require.Equal(t, http.StatusCreated, resp.StatusCode, body)
	require.Equal(t, []string{"ann", "bob"}, h.users("lobby"))
	resp, _ = h.do(http.MethodDelete, location+"/", "")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, []string{"bob"}, h.users("lobby"))
	resp, body = h.post("/whip//hall?user=ann", sendOffer)
	require.NotContains(t, []int{301, 302}, resp.StatusCode)
	require.NotEqual(t, http.StatusMethodNotAllowed, resp.StatusCode, "a POST that became a GET: %s", body)
}

// TestLocationUnderAPrefix: the prefix that a proxy puts in front stands in Location, and the session is
// reached both ways.
func TestLocationUnderAPrefix(t *testing.T) {
	auth, err := token.New(nil)
	require.NoError(t, err)
	h := newHouse(t, session.Options{})
	srv := httptest.NewServer(remote.Proxies{Networks: remote.Networks{netip.MustParsePrefix("127.0.0.0/8")}}.Handler(remote.Base("/media").Handler(whip.New(h.rooms, auth, nil))))
	t.Cleanup(srv.Close)
	h.url = srv.URL
	resp, body := h.post("/media/whip/lobby?user=ann", sendOffer)
	require.Equal(t, http.StatusCreated, resp.StatusCode, body)
	location := resp.Header.Get("Location")
	require.Regexp(t, `^/media/whip/lobby/session/[A-Z2-7]{26}$`, location)
	resp, body = h.patch(location, restart, "If-Match", "*")
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	resp, _ = h.do(http.MethodDelete, strings.TrimPrefix(location, "/media"), "")
	require.Equal(t, http.StatusOK, resp.StatusCode, "a proxy that takes the prefix off")
	resp, body = h.post("/whep/lobby", recvOffer, "X-Forwarded-Prefix", "/live")
	require.Equal(t, http.StatusCreated, resp.StatusCode, body)
	require.Regexp(t, `^/live/whep/lobby/session/`, resp.Header.Get("Location"))
}

// TestErrorsNameCharacters: errors name characters, not bytes.
func TestErrorsNameCharacters(t *testing.T) {
	h := newHouse(t, session.Options{})
	for path, want := range map[string]string{
		"/whip/M%C3%BCnchen":        `"ü" (character 2)`,
		"/whip/%E4%BC%9A%E8%AD%B0":  `"会" (character 1)`,
		"/whip/a%FCb":               `"\xfc" (character 2)`,
		"/whip/lobby?user=J%C3%BCn": `"ü" (character 2)`,
	} {
		resp, body := h.post(path, sendOffer)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode)
		var p struct{ Detail string }
		require.NoError(t, json.Unmarshal([]byte(body), &p))
		require.Contains(t, p.Detail, want)
	}
}

// TestWHEPDirections: a player that offers sendrecv, or no direction, gets what it came for (WHEP draft,
// media direction).
func TestWHEPDirections(t *testing.T) {
	h := newHouse(t, session.Options{})
	for name, direction := range map[string]string{"recvonly": "a=recvonly\r\n", "sendrecv": "a=sendrecv\r\n", "none": ""} {
		resp, answer := h.post("/whep/lobby?user="+name, strings.ReplaceAll(sendOffer, "a=sendonly\r\n", direction))
		require.Equal(t, http.StatusCreated, resp.StatusCode, answer)
		require.Equal(t, 2, strings.Count(answer, "a=sendonly\r\n"), "%s: %s", name, answer)
	}
	for name, direction := range map[string]string{"sendrecv": "a=sendrecv\r\n", "none": ""} {
		resp, answer := h.post("/whip/lobby?user="+name, strings.ReplaceAll(sendOffer, "a=sendonly\r\n", direction))
		require.Equal(t, http.StatusCreated, resp.StatusCode, answer)
		require.Equal(t, 2, strings.Count(answer, "a=recvonly\r\n"), "%s: %s", name, answer)
	}
}

// TestOfferWithoutTheLastLineEnd posts such an offer, as $(cat offer.sdp) sends it.
func TestOfferWithoutTheLastLineEnd(t *testing.T) {
	h := newHouse(t, session.Options{})
	resp, body := h.post("/whip/lobby", strings.TrimSuffix(sendOffer, "\r\n"))
	require.Equal(t, http.StatusCreated, resp.StatusCode, body)
	resp, body = h.post("/whip/lobby", strings.Replace(sendOffer, "m=video 9", "m=video x", 1))
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	require.Contains(t, body, "line 15: m: the port", "where it is and what was expected")
}

func TestTokens(t *testing.T) {
	key := token.Key{ID: "k", Secret: []byte(strings.Repeat("s", token.MinSecret))}
	keys, err := token.New(nil, key)
	require.NoError(t, err)
	lobby, err := terms.StringRoom("lobby")
	require.NoError(t, err)
	mint := func(user string, until time.Duration, rights ...terms.Right) string {
		set, err := terms.NewRights(rights...)
		require.NoError(t, err)
		text, err := keys.Mint(terms.Grant{Room: lobby, User: user, Rights: set, Expires: time.Now().Add(until)})
		require.NoError(t, err)
		return "Bearer " + text
	}
	all := []terms.Right{terms.RightEnter, terms.RightCreate, terms.RightSendAudio, terms.RightSendVideo}
	h := newHouse(t, session.Options{}, key)
	for name, c := range map[string]struct {
		path, authorization string
		status              int
		code                terms.Code
		field               string
	}{
		"none":            {"/whip/lobby", "", 401, terms.CodeTokenInvalid, "token"},
		"no bearer":       {"/whip/lobby", "Basic YTpi", 401, terms.CodeTokenInvalid, "token"},
		"no token":        {"/whip/lobby", "Bearer x.y.z", 401, terms.CodeTokenInvalid, "token"},
		"expired":         {"/whip/lobby", mint("ann", -time.Minute, all...), 401, terms.CodeTokenExpired, "token"},
		"another room":    {"/whip/hall", mint("ann", time.Minute, all...), 403, terms.CodeNotAllowed, "room"},
		"another user":    {"/whip/lobby?user=bob", mint("ann", time.Minute, all...), 403, terms.CodeNotAllowed, "user"},
		"may not enter":   {"/whip/lobby", mint("ann", time.Minute, all[1:]...), 403, terms.CodeNotAllowed, "token"},
		"may not create":  {"/whip/lobby", mint("ann", time.Minute, terms.RightEnter, terms.RightSendAudio, terms.RightSendVideo), 403, terms.CodeNotAllowed, "room"},
		"may not publish": {"/whip/lobby", mint("ann", time.Minute, all[:3]...), 403, terms.CodeNotAllowed, "sdp"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := h.post(c.path, sendOffer, "Authorization", c.authorization)
			requireProblem(t, resp, body, c.status, c.code, c.field)
			if c.status == http.StatusUnauthorized {
				require.Contains(t, resp.Header.Get("WWW-Authenticate"), "Bearer")
				tried := strings.HasPrefix(c.authorization, "Bearer ")
				require.Equal(t, tried, strings.Contains(resp.Header.Get("WWW-Authenticate"), "error="), "RFC 6750 §3.1")
			}
			require.Empty(t, h.users("lobby"))
		})
	}
	resp, _ := h.post("/whip/lobby", sendOffer, "Authorization", strings.Replace(mint("ann", time.Minute, all...), "Bearer", "bearer", 1))
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	require.Equal(t, []string{"ann"}, h.users("lobby"), "the user is the token's")
}

// TestTokenOfPatch: any PATCH may carry a token, which takes the place of the session's or changes nothing.
func TestTokenOfPatch(t *testing.T) {
	key := token.Key{ID: "k", Secret: []byte(strings.Repeat("s", token.MinSecret))}
	keys := must(token.New(nil, key))
	foreign := must(token.New(nil, token.Key{ID: "k", Secret: []byte(strings.Repeat("f", token.MinSecret))}))
	lobby := must(terms.StringRoom("lobby"))
	mint := func(k *token.Keys, user string, left time.Duration, rights ...terms.Right) string {
		set := must(terms.NewRights(append(rights, terms.RightEnter, terms.RightCreate)...))
		return "Bearer " + must(k.Mint(terms.Grant{Room: lobby, User: user, Rights: set, Expires: time.Now().Add(left)}))
	}
	send := []terms.Right{terms.RightSendAudio, terms.RightSendVideo}
	h := newHouse(t, session.Options{}, key)
	resp, _ := h.post("/whip/lobby", sendOffer, "Authorization", mint(keys, "ann", time.Minute, send...))
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	location, etag := resp.Header.Get("Location"), resp.Header.Get("ETag")
	for name, c := range map[string]struct {
		authorization string
		status        int
		code          terms.Code
		field         string
	}{
		"nonsense":     {"Bearer x", 401, terms.CodeTokenInvalid, "token"},
		"foreign":      {mint(foreign, "ann", time.Minute, send...), 401, terms.CodeTokenInvalid, "token"},
		"expired":      {mint(keys, "ann", -time.Minute, send...), 401, terms.CodeTokenExpired, "token"},
		"another user": {mint(keys, "bob", time.Minute, send...), 403, terms.CodeNotAllowed, "user"},
	} {
		resp, body := h.patch(location, fragment, "If-Match", etag, "Authorization", c.authorization)
		requireProblem(t, resp, body, c.status, c.code, c.field)
		require.Equal(t, []string{"ann"}, h.users("lobby"), name)
	}
	on := func() (on []string) {
		for _, s := range must(h.rooms.DescribeRoom(lobby, terms.Page{})).List[0].Streams {
			if s.On {
				on = append(on, s.Source.String())
			}
		}
		return on
	}
	require.Equal(t, []string{"camera", "mic"}, on())
	resp, body := h.patch(location, fragment, "If-Match", etag, "Authorization", mint(keys, "ann", time.Minute, send[0]))
	require.Equal(t, http.StatusNoContent, resp.StatusCode, body)
	require.Equal(t, []string{"mic"}, on(), "with a fragment")
	resp, body = h.do(http.MethodPatch, location, "", "Authorization", mint(keys, "ann", time.Minute))
	require.Equal(t, http.StatusNoContent, resp.StatusCode, body)
	require.Empty(t, on(), "alone")
	resp, body = h.do(http.MethodPatch, location, "")
	requireProblem(t, resp, body, http.StatusUnsupportedMediaType, terms.CodeBadRequest, "Content-Type")
}

func TestBannedAndDraining(t *testing.T) {
	h := newHouse(t, session.Options{})
	resp, _ := h.post("/whip/lobby?user=ann", sendOffer)
	location := resp.Header.Get("Location")
	_, err := h.rooms.RemoveUsers(t.Context(), must(terms.StringRoom("lobby")), []string{"ann"}, "", time.Minute)
	require.NoError(t, err)
	resp, body := h.do(http.MethodDelete, location, "")
	requireProblem(t, resp, body, http.StatusNotFound, terms.CodeUserNotFound, "session")
	resp, body = h.post("/whip/lobby?user=ann", sendOffer)
	requireProblem(t, resp, body, http.StatusForbidden, terms.CodeBanned, "user")
	require.NoError(t, h.rooms.Shutdown(t.Context()))
	resp, body = h.post("/whip/lobby?user=bob", sendOffer)
	requireProblem(t, resp, body, http.StatusServiceUnavailable, terms.CodeNodeDraining, "")
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
}

func TestNewerSessionReplacesOlder(t *testing.T) {
	h := newHouse(t, session.Options{})
	first, _ := h.post("/whip/lobby?user=ann", sendOffer)
	second, _ := h.post("/whip/lobby?user=ann", sendOffer)
	require.NotEqual(t, first.Header.Get("Location"), second.Header.Get("Location"))
	require.Eventually(t, func() bool {
		resp, _ := h.patch(first.Header.Get("Location"), fragment, "If-Match", first.Header.Get("ETag"))
		return resp.StatusCode == http.StatusNotFound
	}, 5*time.Second, 10*time.Millisecond)
	resp, _ := h.patch(second.Header.Get("Location"), fragment, "If-Match", second.Header.Get("ETag"))
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
	require.Equal(t, []string{"ann"}, h.users("lobby"))
}

func TestRoomsAndScenes(t *testing.T) {
	h := newHouse(t, session.Options{})
	resp, _ := h.post("/whip/123?number=1&user=ann", sendOffer)
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	require.Empty(t, h.users("123"))
	_, err := h.rooms.DescribeRoom(must(terms.NumberRoom(123)), terms.Page{})
	require.NoError(t, err)
	resp, _ = h.do(http.MethodDelete, resp.Header.Get("Location"), "")
	require.Equal(t, http.StatusOK, resp.StatusCode)

	resp, _ = h.post("/whip/a%20room%3F?scene=live&user=ann", sendOffer)
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	require.Contains(t, resp.Header.Get("Location"), "/whip/a%20room%3F/session/")
	resp, _ = h.post("/whep/a%20room%3F?user=bob", recvOffer)
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	resp, _ = h.do(http.MethodDelete, resp.Header.Get("Location"), "")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	resp, _ = h.post("/whep/a%20room%3F?user=bob", recvOffer)
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	info, err := h.rooms.DescribeRoom(must(terms.StringRoom("a room?")), terms.Page{})
	require.NoError(t, err)
	roles := map[string]terms.Role{}
	for _, u := range info.List {
		roles[u.User] = u.Role
	}
	require.Equal(t, map[string]terms.Role{"ann": terms.Anchor, "bob": terms.Audience}, roles)

	resp, _ = h.post("/whep/call?scene=call&user=cat", recvOffer)
	require.Equal(t, http.StatusCreated, resp.StatusCode, "a player may come first, and into a call room")
	require.Equal(t, []string{"cat"}, h.users("call"))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// goesAtAnswer is a client that is gone when its answer comes.
type goesAtAnswer struct {
	*httptest.ResponseRecorder
	leave context.CancelFunc
}

func (g goesAtAnswer) WriteHeader(status int) {
	g.ResponseRecorder.WriteHeader(status)
	g.leave()
}

// TestWhoHasGoneDoesNotStay: a client that has gone does not stay, whether it went before it entered or when
// the answer is written.
func TestWhoHasGoneDoesNotStay(t *testing.T) {
	h := newHouse(t, session.Options{})
	auth, err := token.New(nil)
	require.NoError(t, err)
	door := whip.New(h.rooms, auth, nil)
	for _, when := range []string{"before", "at the answer"} {
		ctx, leave := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/whip/lobby?user=ann", strings.NewReader(sendOffer))
		r.Header.Set("Content-Type", "application/sdp")
		if when == "before" {
			leave()
		}
		door.ServeHTTP(goesAtAnswer{httptest.NewRecorder(), leave}, r)
		require.Empty(t, h.users("lobby"), when)
	}
	require.EqualValues(t, 2, h.rooms.Joins()["gone"])
	require.EqualValues(t, 1, h.rooms.Joins()["entered"])
}

// TestEncoderThatEntersTooOften: an encoder that enters too often is told when it may enter again.
func TestEncoderThatEntersTooOften(t *testing.T) {
	h := newHouse(t, session.Options{Limits: session.Limits{Entries: 1}})
	resp, _ := h.post("/whip/lobby?user=ann", sendOffer)
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	resp, body := h.post("/whip/lobby?user=ann", sendOffer)
	requireProblem(t, resp, body, http.StatusTooManyRequests, terms.CodeBanned, "user")
	require.Equal(t, "60", resp.Header.Get("Retry-After"))
}

// TestWhoIsRefusedAtTheDoorsIsLogged: a refusal at the doors is logged, with address, room and user, and
// counted. The token is never logged.
func TestWhoIsRefusedAtTheDoorsIsLogged(t *testing.T) {
	key := token.Key{ID: "k", Secret: []byte("only for tests, and long enough for HS256")}
	auth, err := token.New(nil, key)
	require.NoError(t, err)
	var log bytes.Buffer
	h := &house{t: t, wire: new(fakewire.Transport)}
	h.rooms = session.New(session.Options{}, h.wire, nil)
	refusals := refusal.New(zerolog.New(&log))
	srv := httptest.NewServer(whip.New(h.rooms, auth, refusals))
	defer srv.Close()
	h.url = srv.URL
	for door, path := range map[string]string{"whip": "/whip/lobby?user=ann", "whep": "/whep/lobby?user=ann"} {
		resp, _ := h.post(path, sendOffer, "Authorization", "Bearer sesame")
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
		require.Contains(t, log.String(), `"door":"`+door+`","reason":"token_invalid","from":"127.0.0.1","room":"s:lobby","user":"ann","field":"token"`)
	}
	lobby, err := terms.StringRoom("lobby")
	require.NoError(t, err)
	good, err := auth.Mint(terms.Grant{Room: lobby, User: "bob", Rights: terms.MemberRights(), Expires: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	resp, _ := h.post("/whip/lobby", "nonsense", "Authorization", "Bearer "+good)
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	require.Contains(t, log.String(), `"door":"whip","reason":"bad_request","from":"127.0.0.1","room":"s:lobby","user":"bob","field":"sdp"`)
	require.NotContains(t, log.String(), "sesame")
	require.NotContains(t, log.String(), good)
	joins := h.rooms.Joins()
	require.EqualValues(t, 2, joins["token_invalid"])
	require.EqualValues(t, 1, joins["bad_request"])
	resp, body := h.post("/whip/lobby", sendOffer, "Authorization", "Bearer "+good)
	require.Equal(t, http.StatusCreated, resp.StatusCode, body)
	resp, _ = h.patch(resp.Header.Get("Location"), "", "Authorization", "Bearer "+good+"x")
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	require.EqualValues(t, 2, refusals.Counts()[refusal.Kind{Door: "whip", Reason: "token_invalid"}], "with the one that was to replace another")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	require.NoError(t, h.rooms.Shutdown(ctx))
}
