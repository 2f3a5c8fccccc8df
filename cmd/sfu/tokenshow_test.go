package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"parlor/session/token"
)

// doWith is do with something on standard input.
func doWith(stdin string, args ...string) (string, error) {
	var b bytes.Buffer
	c := rootCommand()
	c.SetArgs(args)
	c.SetIn(strings.NewReader(stdin))
	c.SetOut(&b)
	c.SetErr(&b)
	err := c.ExecuteContext(context.Background())
	return b.String(), err
}

const (
	oneKey     = "one:0123456789abcdef0123456789abcdef"
	anotherKey = "one:another-secret-that-is-long-enough"
)

func TestTokenShow(t *testing.T) {
	made, err := do("token", "create", "--auth.keys", oneKey, "--room-id", "123", "--user", "ann", "--role", "audience", "--rights", "enter,recv_audio", "--ttl", "2h")
	require.NoError(t, err)
	made = strings.TrimSpace(made)
	for _, args := range [][]string{{"token", "show", made}, {"token", "show", "-"}, {"token", "show"}} {
		out, err := doWith(made+"\n", append(args, "--auth.keys", oneKey)...)
		require.NoError(t, err)
		require.Regexp(t, `^Token for user ann in room #123
  rights:    enter recv_audio
  role:      audience
  made:      \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, \d s ago
  ends:      \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, in 1 h 59 min
  signature: right, key one
A node with these keys takes it\.
$`, out)
		require.NotContains(t, out, "0123456789abcdef")
	}
	out, err := doWith(made, "token", "show", "--auth.keys", anotherKey)
	require.ErrorContains(t, err, "the token does not hold: the token's signature is not of this service")
	require.Equal(t, exitFailed, exitCode(err))
	require.Contains(t, out, "Token for user ann in room #123\n")
	require.Contains(t, out, "signature: of none of the configured keys, key one\nA node with these keys does not take it: ")
	require.NotContains(t, out+err.Error(), "another-secret")
	out, err = doWith(made, "token", "show")
	require.NoError(t, err)
	require.Contains(t, out, "signature: not checked, since no key is configured")
	require.NotContains(t, out, "takes it")

	out, err = doWith(made, "token", "show", "--json", "--auth.keys", oneKey)
	require.NoError(t, err)
	var s shownToken
	require.NoError(t, json.Unmarshal([]byte(out), &s))
	require.True(t, s.Accepted)
	require.Equal(t, "right", s.Signature)
	require.Equal(t, "ann", s.Claims["user"])
	for _, text := range []string{"", "not a token", "a.b.c"} {
		_, err = doWith(text, "token", "show")
		require.Equal(t, exitUsage, exitCode(err), text)
	}
}

// TestTokenShowIsNotTricked by what is in a token, which anybody may have made; and shows what it does not know.
func TestTokenShowIsNotTricked(t *testing.T) {
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"user": "ann\x1b[2J", "room": "a\nb", "exp": time.Now().Add(-26 * time.Hour).Unix(), "name": "Ännchen", "metadata": map[string]any{"a": "\u009b"}, "role": 7,
	}).SignedString([]byte(strings.TrimPrefix(oneKey, "one:")))
	require.NoError(t, err)
	out, err := doWith(text, "token", "show", "--auth.keys", oneKey)
	require.ErrorContains(t, err, "does not hold")
	require.Contains(t, out, `Token for user "ann\x1b[2J" in room "a\nb"`)
	require.Contains(t, out, "  name:      Ännchen\n")
	require.Contains(t, out, "  metadata:  \"{\\\"a\\\":\\\"\\u009b\\\"}\"\n")
	require.Contains(t, out, ", 1 d 2 h ago\n")
	require.Contains(t, out, "  rights:    none are named\n")
	require.NotContains(t, out, "\x1b")
}

// TestTokenCreateURL: the address of the demo page has the token where browsers send it to nobody.
func TestTokenCreateURL(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(file, []byte(oneKey), 0o600))
	keys, err := token.New(nil, token.Key{ID: "one", Secret: []byte(strings.TrimPrefix(oneKey, "one:"))})
	require.NoError(t, err)
	for flags, want := range map[string]string{
		"--room lobby --user ann": "http://127.0.0.1:8080/?room=lobby&user=ann",
		"--room a&b --user ann --role audience --node.url https://sfu.example.org":                     "https://sfu.example.org/?role=audience&room=a%26b&user=ann",
		"--rights admin,enter --http.listen :8443 --http.tls.cert " + file + " --http.tls.key " + file: "https://127.0.0.1:8443/",
	} {
		out, err := do(append(strings.Fields("token create --url --auth.keys_file "+file), strings.Fields(flags)...)...)
		require.NoError(t, err, flags)
		page, text, _ := strings.Cut(strings.TrimSpace(out), "#token=")
		require.Equal(t, want, page)
		_, err = url.Parse(page)
		require.NoError(t, err)
		_, err = keys.Parse(text)
		require.NoError(t, err)
	}
	for flags, want := range map[string]string{
		"--room-id 123 --user ann": "by their names", "--room lobby --user ann --http.demo=false": "http.demo", "--room lobby --user ann --http.listen 127.0.0.1:0": "--node.url",
		"--room lobby --user ann --rights entre": "did you mean enter?", "--room lobby --user ann --role audiense": "did you mean audience?",
	} {
		_, err := do(append(strings.Fields("token create --url --auth.keys_file "+file), strings.Fields(flags)...)...)
		require.ErrorContains(t, err, want, flags)
		require.Equal(t, exitUsage, exitCode(err), flags)
	}
}
