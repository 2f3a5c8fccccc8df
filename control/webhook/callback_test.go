package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/control/bus"
	"parlor/session/terms"
)

// TestCallbacks: every event is as a back end of another RTC engine has it.
func TestCallbacks(t *testing.T) {
	at := time.UnixMilli(1687770731932)
	for _, x := range []struct{ event, info string }{
		{`"type":101,"room":12345`, `"RoomId":12345`},
		{`"type":102,"room":"12345","reason":1`, `"RoomId":"12345"`},
		{`"type":103,"room":"lobby","user":"ann","name":"Ann","role":"anchor","reason":1`, `"RoomId":"lobby","UserId":"ann","Role":20,"Reason":1`},
		{`"type":103,"room":"lobby","user":"ann","role":"audience","reason":1`, `"RoomId":"lobby","UserId":"ann","Role":21,"Reason":1`},
		{`"type":104,"room":"lobby","user":"ann","reason":1`, `"RoomId":"lobby","UserId":"ann","Reason":1`},
		{`"type":104,"room":"lobby","user":"ann","reason":2`, `"RoomId":"lobby","UserId":"ann","Reason":2`},
		{`"type":104,"room":"lobby","user":"ann","reason":3,"text":"bye"`, `"RoomId":"lobby","UserId":"ann","Reason":3`},
		{`"type":104,"room":"lobby","user":"ann","reason":4`, `"RoomId":"lobby","UserId":"ann","Reason":3`},
		{`"type":104,"room":"lobby","user":"ann","reason":5`, `"RoomId":"lobby","UserId":"ann","Reason":2`},
		{`"type":104,"room":"lobby","user":"ann","reason":6`, `"RoomId":"lobby","UserId":"ann","Reason":3`},
		{`"type":105,"room":"lobby","user":"ann","role":"audience"`, `"RoomId":"lobby","UserId":"ann","Role":21`},
		{`"type":201,"room":"lobby","user":"ann"`, `"RoomId":"lobby","UserId":"ann"`},
		{`"type":202,"room":"lobby","user":"ann"`, `"RoomId":"lobby","UserId":"ann","Reason":0`},
		{`"type":205,"room":"lobby","user":"ann"`, `"RoomId":"lobby","UserId":"ann"`},
		{`"type":206,"room":"lobby","user":"ann"`, `"RoomId":"lobby","UserId":"ann","Reason":0`},
	} {
		event := fmt.Sprintf(`{"id":"e1","timeMs":1687770731831,"node":"n1",%s}`, x.event)
		body, err := callback([]byte(event), at)
		require.NoError(t, err)
		var kind struct{ Type int }
		require.NoError(t, json.Unmarshal([]byte(event), &kind))
		want := fmt.Sprintf(`{"EventGroupId":%d,"EventType":%d,"CallbackTs":1687770731932,"EventInfo":{"EventTs":1687770731,"EventMsTs":1687770731831,%s}}`,
			kind.Type/100, kind.Type, x.info)
		require.JSONEq(t, want, string(body))
	}
	for _, kind := range terms.FeedTypes() {
		require.Equal(t, kind != terms.FeedUserUpdated, callbacks(int(kind)))
	}
	_, err := callback([]byte(`{`), at)
	require.Error(t, err)
}

// TestCallbackIsSigned: by the key over the whole body, for the application.
func TestCallbackIsSigned(t *testing.T) {
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		_, _ = io.WriteString(w, `{"code":0}`)
	}))
	defer server.Close()
	p := newPoster(Options{URL: server.URL, Key: key, App: 1400000001, Timeout: time.Minute, Agent: "parlor/test"})
	defer p.close()
	e := &event{id: "e1", kind: 103, body: []byte(`{"id":"e1","type":103,"timeMs":1687770731831,"node":"n1","room":"lobby","user":"ann","role":"anchor","reason":1}`)}
	o, err := p.send(t.Context(), e)
	require.NoError(t, err)
	require.Equal(t, taken, o)
	require.Equal(t, "1400000001", got.Header.Get("SdkAppId"))
	require.Empty(t, got.Header.Get(SignatureHeader))
	h := hmac.New(sha256.New, key)
	h.Write(body)
	require.Equal(t, base64.StdEncoding.EncodeToString(h.Sum(nil)), got.Header.Get("Sign"))
	require.Contains(t, string(body), `"EventType":103`)

	o, err = p.send(t.Context(), &event{id: "e2", kind: 103, body: []byte(`{"type":"what"}`)})
	require.Error(t, err)
	require.Equal(t, refused, o, "it never can be sent")

	s := New(bus.Server{}, Options{App: 1, Types: []int{103, 106}})
	require.True(t, s.wants(103))
	require.False(t, s.wants(106), "there is no callback for it")
	require.False(t, s.wants(104))
}
