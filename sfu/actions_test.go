package sfu_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/config"
	"parlor/session/terms"
	"parlor/session/token"
)

// act sends an action as the back end of another RTC engine does, signed by hand.
func act(t *testing.T, url, secret, action, body string) string {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		_, _ = io.WriteString(h, text)
		return h.Sum(nil)
	}
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	now := time.Now().UTC()
	day, stamp := now.Format(time.DateOnly), fmt.Sprint(now.Unix())
	canonical := "POST\n/\n\ncontent-type:application/json\nhost:" + q.URL.Host + "\n\ncontent-type;host\n" + hash(body)
	key := mac(mac(mac([]byte("TC3"+secret), day), "trtc"), "tc3_request")
	signature := mac(key, "TC3-HMAC-SHA256\n"+stamp+"\n"+day+"/trtc/tc3_request\n"+hash(canonical))
	for name, value := range map[string]string{
		"Content-Type": "application/json", "X-TC-Action": action, "X-TC-Version": "2019-07-22", "X-TC-Timestamp": stamp,
		"Authorization": fmt.Sprintf("TC3-HMAC-SHA256 Credential=AKIDtest/%s/trtc/tc3_request, SignedHeaders=content-type;host, Signature=%x", day, signature),
	} {
		q.Header.Set(name, value)
	}
	a, err := http.DefaultClient.Do(q)
	require.NoError(t, err)
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	require.NoError(t, err)
	return fmt.Sprint(a.StatusCode, " ", string(text))
}

// TestActionsOfAnotherEngine: its back ends put users out by the actions that they know, at a node that has a key
// for that.
func TestActionsOfAnotherEngine(t *testing.T) {
	const secret = "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE"
	const app = "1400000001"
	keys := []config.Key{config.Key(app + ":" + strings.Repeat(app, 40))}
	l := startLive(t, func(c *config.Config) { c.Auth.Keys, c.Auth.RestKeys = keys, []config.Key{"AKIDtest:" + secret} })
	mint, err := token.New(nil, token.Key{ID: app, Secret: []byte(strings.Repeat(app, 40))})
	require.NoError(t, err)
	text, err := mint.Mint(terms.Grant{Rights: terms.AllRights(), Expires: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	ann, err := client.Dial(t.Context(), client.Options{URL: l.url + "/", Room: "lobby", User: "ann", Token: text})
	require.NoError(t, err)
	t.Cleanup(ann.Close)
	const body = `{"SdkAppId":1400000001,"RoomId":"lobby","UserIds":["ann"]}`
	require.Contains(t, act(t, l.url, strings.Repeat("x", 32), "RemoveUserByStrRoomId", body), `200 {"Response":{"Error":{"Code":"AuthFailure.SignatureFailure"`)
	select {
	case <-ann.Done():
		t.Fatal("put out by nobody")
	default:
	}
	require.Regexp(t, `^200 \{"Response":\{"RequestId":"[0-9a-f-]{36}"\}\}$`, act(t, l.url, secret, "RemoveUserByStrRoomId", body))
	<-ann.Done()
	require.Contains(t, act(t, l.url, secret, "DismissRoom", `{"SdkAppId":1400000001,"RoomId":7}`), "FailedOperation.RoomNotExist")

	require.Contains(t, act(t, l.url, secret, "DismissRoomByStrRoomId", `{"SdkAppId":1400000001,"RoomId":7}`), `"InvalidParameter.RoomId"`)
	require.Contains(t, act(t, l.url, secret, "DismissRoom", `{"SdkAppId":1400000001,"RoomId":"7"}`), `"InvalidParameter.RoomId"`)

	without := startLive(t, func(c *config.Config) { c.Auth.Keys = keys })
	require.Contains(t, act(t, without.url, secret, "DismissRoom", `{"SdkAppId":1400000001,"RoomId":7}`), "405 ")
}
