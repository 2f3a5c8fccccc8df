package tc3

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/control/command"
	"parlor/session/terms"
)

const (
	secretID  = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE"
	secretKey = "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE"
	app       = 1400000001
)

var now = time.Date(2026, 12, 1, 0, 2, 0, 0, time.UTC)

// TestDocumentedSignature is the example in the documentation of signature method v3.
func TestDocumentedSignature(t *testing.T) {
	body := `{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}`
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://cvm.tencentcloudapi.com/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	text := canonical(r, []string{"content-type", "host"}, []byte(body))
	require.Equal(t, "5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031", hash([]byte(text)))
	signature := sign([]byte("Gu5t9xGARNpq86cd98joQYCN3*******"), "2019-02-25", "cvm", "1551113065", text)
	require.Equal(t, "2230eefd229f582d8b1b891af7107b91597240707d778ab3738f756258d7652c", hex.EncodeToString(signature))
}

// node carries out commands, and says which.
type node struct {
	got []string
	err error
}

func (n *node) Do(_ context.Context, a command.Action, request []byte) (any, error) {
	n.got = append(n.got, string(a)+" "+string(request))
	return nil, n.err
}

// call is a request of a back end. Its fields may be changed before it is signed, and after by spoil.
type call struct {
	action, version, body, host, kind string
	at                                time.Time
	id, key, date                     string
	spoil                             func(*http.Request)
}

func good(action, body string) *call {
	return &call{
		action: action, version: "2019-07-22", body: body, host: "media.example.org:8443", kind: "application/json",
		at: now, id: secretID, key: secretKey, date: now.Format(time.DateOnly),
	}
}

// to has the node answer, and returns the code of the error; empty: none.
func (c *call) to(t *testing.T, n *node) (code, message string) {
	t.Helper()
	h := New(Options{
		Commands: n, Keys: map[string][]byte{secretID: []byte(secretKey)}, Application: func(id uint32) bool { return id == app },
		Now: func() time.Time { return now }, Log: zerolog.Nop(),
	})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+c.host+"/", strings.NewReader(c.body))
	r.Header.Set("Content-Type", c.kind)
	r.Header.Set("X-TC-Action", c.action)
	r.Header.Set("X-TC-Version", c.version)
	stamp := fmt.Sprint(c.at.Unix())
	r.Header.Set("X-TC-Timestamp", stamp)
	signed := []string{"content-type", "host", "x-tc-action"}
	signature := sign([]byte(c.key), c.date, service, stamp, canonical(r, signed, []byte(c.body)))
	r.Header.Set("Authorization", fmt.Sprintf("TC3-HMAC-SHA256 Credential=%s/%s/trtc/tc3_request, SignedHeaders=%s, Signature=%x",
		c.id, c.date, strings.Join(signed, ";"), signature))
	if c.spoil != nil {
		c.spoil(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	var answer struct {
		Response struct {
			RequestID string `json:"RequestId"`
			Error     *struct{ Code, Message string }
		}
	}
	d := json.NewDecoder(w.Body)
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&answer))
	require.Regexp(t, "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", answer.Response.RequestID)
	if e := answer.Response.Error; e != nil {
		require.NotEmpty(t, e.Message)
		return e.Code, e.Message
	}
	return "", ""
}

// TestActions: each becomes its command.
func TestActions(t *testing.T) {
	for _, x := range []struct{ action, body, command string }{
		{"RemoveUser", `{"SdkAppId":1400000001,"RoomId":7,"UserIds":["ann"]}`, `RemoveUser {"RoomId":7,"UserIds":["ann"]}`},
		{"RemoveUserByStrRoomId", `{"SdkAppId":1400000001,"RoomId":"a","UserIds":["ann"]}`, `RemoveUserByStrRoomId {"RoomId":"a","UserIds":["ann"]}`},
		{"DismissRoom", `{"SdkAppId":1400000001,"RoomId":7}`, `DismissRoom {"RoomId":7}`},
		{"DismissRoomByStrRoomId", `{"SdkAppId":1400000001,"RoomId":"7"}`, `DismissRoomByStrRoomId {"RoomId":"7"}`},
		{"SetUserBlocked", `{"SdkAppId":1400000001,"RoomId":7,"UserId":"ann","IsMute":1}`, `SetUserBlocked {"Block":"both","RoomId":7,"UserId":"ann"}`},
		{"SetUserBlockedByStrRoomId", `{"SdkAppId":1400000001,"StrRoomId":"a","UserId":"ann","IsMute":0}`, `SetUserBlocked {"Block":"none","StrRoomId":"a","UserId":"ann"}`},
	} {
		n := new(node)
		code, message := good(x.action, x.body).to(t, n)
		require.Empty(t, code, "%s: %s", x.action, message)
		require.Equal(t, []string{x.command}, n.got)
	}
}

// TestWhoMayNot: nothing is carried out for a request that is not signed as it should be.
func TestWhoMayNot(t *testing.T) {
	const body = `{"SdkAppId":1400000001,"RoomId":7}`
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	parts := func(old, to string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, to, 1))
		}
	}
	for what, x := range map[string]struct {
		code   string
		change func(*call)
	}{
		"another secret":           {"AuthFailure.SignatureFailure", func(c *call) { c.key = strings.Repeat("x", 32) }},
		"an unknown id":            {"AuthFailure.SecretIdNotFound", func(c *call) { c.id = "AKIDother" }},
		"another action":           {"AuthFailure.SignatureFailure", func(c *call) { c.spoil = header("X-TC-Action", "RemoveUser") }},
		"another time":             {"AuthFailure.SignatureFailure", func(c *call) { c.spoil = header("X-TC-Timestamp", fmt.Sprint(now.Unix()-1)) }},
		"another host":             {"AuthFailure.SignatureFailure", func(c *call) { c.spoil = func(r *http.Request) { r.Host = "other" } }},
		"a query":                  {"AuthFailure.SignatureFailure", func(c *call) { c.spoil = func(r *http.Request) { r.URL.RawQuery = "a=b" } }},
		"too old":                  {"AuthFailure.SignatureExpire", func(c *call) { c.at, c.date = now.Add(-301*time.Second), "2026-11-30" }},
		"too new":                  {"AuthFailure.SignatureExpire", func(c *call) { c.at = now.Add(301 * time.Second) }},
		"the end of time":          {"AuthFailure.SignatureExpire", func(c *call) { c.spoil = header("X-TC-Timestamp", "-9223372036854775808") }},
		"no time":                  {"InvalidParameter", func(c *call) { c.spoil = header("X-TC-Timestamp", "soon") }},
		"the date of yesterday":    {"AuthFailure.InvalidAuthorization", func(c *call) { c.date = "2026-11-30" }},
		"no authorization":         {"MissingParameter", func(c *call) { c.spoil = header("Authorization", "") }},
		"the older signature":      {"AuthFailure.InvalidAuthorization", func(c *call) { c.spoil = header("Authorization", "HmacSHA1 x") }},
		"another service":          {"AuthFailure.InvalidAuthorization", func(c *call) { c.spoil = parts("/trtc/", "/cvm/") }},
		"the host is not signed":   {"AuthFailure.InvalidAuthorization", func(c *call) { c.spoil = parts(";host;", ";") }},
		"half a signature":         {"AuthFailure.InvalidAuthorization", func(c *call) { c.spoil = parts("Signature=", "Signature=0") }},
		"two signatures":           {"AuthFailure.InvalidAuthorization", func(c *call) { c.spoil = parts("Signature=", "Signature=00, Signature=") }},
		"signed for another one":   {"AuthFailure.SignatureFailure", func(c *call) { c.spoil = flip }},
		"not JSON by content type": {"UnsupportedProtocol", func(c *call) { c.kind = "text/plain" }},
	} {
		c, n := good("DismissRoom", body), new(node)
		x.change(c)
		code, message := c.to(t, n)
		require.Equal(t, x.code, code, "%s: %s", what, message)
		require.Empty(t, n.got, what)
		require.NotContains(t, message, secretKey)
	}
	c := good("DismissRoom", body)
	c.at = now.Add(-5 * time.Minute)
	c.date = "2026-11-30"
	code, message := c.to(t, new(node))
	require.Empty(t, code, "five minutes are none too many: %s", message)
}

// flip changes the last digit of the signature.
func flip(r *http.Request) {
	text := r.Header.Get("Authorization")
	last := "0"
	if strings.HasSuffix(text, "0") {
		last = "1"
	}
	r.Header.Set("Authorization", text[:len(text)-1]+last)
}

// TestBadRequests: each is told what is wrong, by the name of the field.
func TestBadRequests(t *testing.T) {
	for _, x := range []struct{ action, body, code string }{
		{"RemoveUser", `{"RoomId":7,"UserIds":["ann"]}`, "MissingParameter.SdkAppId"},
		{"RemoveUser", `{"SdkAppId":1400000001,"RoomId":7}`, "MissingParameter.UserIds"},
		{"RemoveUser", `{"SdkAppId":1400000001,"RoomId":null,"UserIds":["ann"]}`, "MissingParameter.RoomId"},
		{"RemoveUser", `{"SdkAppId":1,"RoomId":7,"UserIds":["ann"]}`, "UnauthorizedOperation.SdkAppId"},
		{"RemoveUser", `{"SdkAppId":"1400000001","RoomId":7,"UserIds":["ann"]}`, "InvalidParameter.SdkAppId"},
		{"RemoveUser", `{"SdkAppId":-1,"RoomId":7,"UserIds":["ann"]}`, "InvalidParameter.SdkAppId"},
		{"RemoveUser", `{"SdkAppId":1400000001,"RoomId":7,"UserIds":["ann"],"BanSeconds":5}`, "UnknownParameter"},
		{"RemoveUser", `{"SdkAppId":1400000001,"SdkAppId":1400000001,"RoomId":7,"UserIds":["ann"]}`, "InvalidParameter"},
		{"SetUserBlocked", `{"SdkAppId":1400000001,"RoomId":7,"UserId":"ann","IsMute":2}`, "InvalidParameter.IsMute"},
		{"RemoveUser", `[]`, "InvalidRequest"},
		{"RemoveUser", ``, "InvalidRequest"},
		{"RemoveUser", `{"SdkAppId":1400000001,`, "InvalidRequest"},
		{"RemoveUser", `{} {}`, "InvalidRequest"},
		{"RemoveUser", strings.Repeat(" ", command.MaxRequest+1), "RequestSizeLimitExceeded"},
		{"StartPublishCdnStream", `{}`, "UnsupportedOperation"},
		{"Reboot", `{}`, "InvalidAction"},
		{"", `{}`, "InvalidAction"},
	} {
		n := new(node)
		code, message := good(x.action, x.body).to(t, n)
		require.Equal(t, x.code, code, "%s %s: %s", x.action, x.body, message)
		require.Empty(t, n.got)
	}
	c := good("RemoveUser", `{}`)
	c.version = "2017-03-12"
	code, _ := c.to(t, new(node))
	require.Equal(t, "NoSuchVersion", code)
}

// TestErrorsOfCommands: they have the codes of that API.
func TestErrorsOfCommands(t *testing.T) {
	for code, err := range map[string]error{
		"FailedOperation.RoomNotExist": terms.Errorf(terms.CodeRoomNotFound, "RoomId", "there is no such room"),
		"FailedOperation.UserNotExist": terms.Errorf(terms.CodeUserNotFound, "UserId", "the user is not in the room"),
		"InvalidParameter.UserIds":     terms.Errorf(terms.CodeBadRequest, "UserIds", "it is empty"),
		"InvalidParameter":             terms.Errorf(terms.CodeBadRequest, "", "it is no command"),
		"FailedOperation":              terms.Errorf(terms.CodeNodeDraining, "", "the node is about to end"),
		"InternalError":                errors.New("a secret of the node"),
	} {
		n := &node{err: err}
		got, message := good("DismissRoom", `{"SdkAppId":1400000001,"RoomId":7}`).to(t, n)
		require.Equal(t, code, got)
		require.NotContains(t, message, "secret")
		require.Len(t, n.got, 1)
	}
}

// TestTooManyAtOnce: more than there is space for are refused, and may be repeated.
func TestTooManyAtOnce(t *testing.T) {
	h := &handler{o: Options{Commands: new(node)}, slots: make(chan struct{}, 1)}
	h.slots <- struct{}{}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody)
	require.Equal(t, "RequestLimitExceeded", h.do(r, command.DismissRoom, nil).Code)
	<-h.slots
	require.Nil(t, h.do(r, command.DismissRoom, []byte(`{}`)))
	require.Empty(t, h.slots, "the place is free again")
}

func FuzzAuthorization(f *testing.F) {
	f.Add("TC3-HMAC-SHA256 Credential=AKID/2026-12-01/trtc/tc3_request, SignedHeaders=content-type;host, Signature=" + strings.Repeat("0", 64))
	f.Add("TC3-HMAC-SHA256 Credential=,,,=")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAuthorization(text)
		if err != nil {
			require.NotEmpty(t, err.refused)
			return
		}
		require.NotEmpty(t, a.secretID)
		require.Len(t, a.signature, 32)
		require.Contains(t, a.signed, "host")
	})
}

func FuzzRequest(f *testing.F) {
	f.Add("RemoveUser", `{"SdkAppId":1400000001,"RoomId":7,"UserIds":["ann"]}`)
	f.Add("SetUserBlocked", `{"SdkAppId":1400000001,"RoomId":7,"UserId":"ann","IsMute":1}`)
	f.Fuzz(func(t *testing.T, name, body string) {
		a, ok := actions[name]
		if !ok {
			return
		}
		request, err := a.translate([]byte(body), func(uint32) bool { return true })
		if err == nil {
			require.True(t, json.Valid(request))
			require.NotContains(t, string(request), "SdkAppId\":")
		}
	})
}
