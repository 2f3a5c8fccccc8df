package token

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/session/terms"
)

// The vectors were made by the public signing library (npm tls-sig-api-v2, 1.0.2) at the time signedAt.
const (
	signedAt  = 1790000000
	appSecret = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e"

	// xiaojun, for 180 days
	sigVector = "eJyrVgrxCdYrSy1SslIy0jNQ0gHzM1NS80oy0zLBwhWZiflZpXlQqeKU7MSCgswUJStDEwMogMiUZOamKlkZmluiiKZWFGQWgcRNTU2N4KLFmelKVkpeaZZJIfpFIc55Xk6*Zsn5bkZu6QV5VVGWyaVmYVGJwY5GJm6R5f4ZJiHJtkq1AJhFMdQ_"
	// xiaojun, for an hour, in room 10000 with all privileges
	mapVector = "eJxVjUsLgkAUhf-L3RbiWGQNtLgEFfagl1JLpxnt5hN1zIr*e-RadBYHzvctzh12861RqwI4WIYJ7fcmqdKKAnrjhvzsrNOvKmXk5zlJ4KxrfvMxFSUKOLMHf1Q1ORUKeKf3I7pUhdABcEDEqZrEJ2HlTMTL6y5ExNFx7RdjJ0JEXPVfjb9rCoHDsR54ktxGXLJebS88l7FWpCwZmih04gWH23kzc4Rw99kQHk-ku0Ns"
	// xiaojun, for an hour, in room "lobby" with the privileges to enter and to receive
	nameVector = "eJxVjrsOgkAURP-l1sbwMKibUFCoBJVkfYXQse4FrotKFjEY478beRRONXNOM284bPbjJ2pgYI0NGLWbJN4elFKLG0rul-rWq0qqpCxJAjMnRp-OPOiKwMzp-I9iU5JGYLYzkLpCLeoUGHjc83FV5MIqTVGEr0PmtUn0MlC-sr53wDtVwgoIuesONygDBvNcxzKPgm2jlLQp4cUEw501M5R0BEXG2eZ*yJdxvTi68PkCG4tGhA__"
)

func appKeys(t testing.TB, at int64) *Keys {
	t.Helper()
	k, err := New(func() time.Time { return time.Unix(at, 0) }, Key{ID: "1400000000", Secret: []byte(appSecret)},
		Key{ID: "main", Secret: []byte(strings.Repeat("m", MinSecret))})
	require.NoError(t, err)
	return k
}

func TestUserSig(t *testing.T) {
	k := appKeys(t, signedAt+60)
	lobby, number := must(terms.StringRoom("lobby")), must(terms.NumberRoom(10000))

	g, err := k.Authenticate(sigVector, lobby, "xiaojun")
	require.NoError(t, err)
	require.Equal(t, terms.MemberRights(), g.Rights)
	require.True(t, g.Room.IsZero(), "every room")
	require.Equal(t, time.Unix(signedAt+86400*180, 0).Add(leeway), g.Expires)
	_, err = k.Authenticate(sigVector, lobby, "other")
	require.ErrorContains(t, err, "another user")

	g, err = k.Authenticate(sigVector+"."+mapVector, number, "xiaojun")
	require.NoError(t, err)
	require.Equal(t, terms.MemberRights(), g.Rights)
	require.Equal(t, number, g.Room)
	require.Equal(t, time.Unix(signedAt+3600, 0).Add(leeway), g.Expires, "the sooner end of both")
	_, err = k.Authenticate(sigVector+"."+mapVector, must(terms.StringRoom("10000")), "xiaojun")
	require.ErrorContains(t, err, "another room")

	g, err = k.Authenticate(sigVector+"."+nameVector, lobby, "xiaojun")
	require.NoError(t, err)
	require.Equal(t, must(terms.NewRights(terms.RightEnter, terms.RightRecvAudio, terms.RightRecvVideo, terms.RightRecvScreen, terms.RightSendMessage)), g.Rights)
	require.Equal(t, lobby, g.Room)
}

// TestUserSigNeedsAPrivateMapKey: if the node says so.
func TestUserSigNeedsAPrivateMapKey(t *testing.T) {
	k := appKeys(t, signedAt)
	k.RequirePrivateMapKeys()
	_, err := k.Parse(sigVector)
	require.ErrorContains(t, err, "private map key is needed")
	for _, text := range []string{sigVector + "." + mapVector, mapVector} {
		_, err := k.Parse(text)
		require.NoError(t, err)
	}
}

// open returns what a UserSig holds.
func open(t testing.TB, text string) map[string]any {
	t.Helper()
	packed, err := base64.StdEncoding.DecodeString(alphabet.Replace(text))
	require.NoError(t, err)
	z, err := zlib.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	var doc map[string]any
	require.NoError(t, json.NewDecoder(z).Decode(&doc))
	return doc
}

// pack makes a UserSig of whatever it is to hold.
func pack(text []byte) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write(text)
	_ = z.Close()
	return strings.NewReplacer("+", "*", "/", "-", "=", "_").Replace(base64.StdEncoding.EncodeToString(b.Bytes()))
}

// TestUserSigIsRefused: expired, foreign, truncated, inflated without end, and changed in any field.
func TestUserSigIsRefused(t *testing.T) {
	k := appKeys(t, signedAt)
	changed := func(of, field string, to any) string {
		doc := open(t, of)
		doc[field] = to
		text, err := json.Marshal(doc)
		require.NoError(t, err)
		return pack(text)
	}
	require.NotEmpty(t, must(k.Parse(pack(must(json.Marshal(open(t, sigVector)))))).User, "unchanged it counts")
	for name, c := range map[string]struct{ text, says string }{
		"another user":            {changed(sigVector, "TLS.identifier", "admin"), "no key of application"},
		"no user":                 {changed(sigVector, "TLS.identifier", "a b"), "no user id"},
		"another application":     {changed(sigVector, "TLS.sdkappid", 1400000001), "no key of application 1400000001"},
		"a key without a number":  {changed(sigVector, "TLS.sdkappid", 0), "no key of application"},
		"longer":                  {changed(sigVector, "TLS.expire", 86400*360), "no key of application"},
		"times that overflow":     {changed(sigVector, "TLS.expire", int64(1)<<62), "no time"},
		"a time before all":       {changed(sigVector, "TLS.time", -1), "no time"},
		"another version":         {changed(sigVector, "TLS.ver", "1.0"), "version"},
		"no signature":            {changed(sigVector, "TLS.sig", ""), "no key of application"},
		"without the userbuf":     {changed(mapVector, "TLS.userbuf", ""), "no key of application"},
		"another userbuf":         {changed(mapVector, "TLS.userbuf", open(t, nameVector)["TLS.userbuf"]), "no key of application"},
		"a userbuf in a UserSig":  {changed(sigVector, "TLS.userbuf", open(t, mapVector)["TLS.userbuf"]), "no key of application"},
		"truncated":               {sigVector[:len(sigVector)-24], "cut off"},
		"not deflated":            {base64.StdEncoding.EncodeToString([]byte(`{"TLS.ver":"2.0"}`)), "neither a JWT nor a UserSig"},
		"no base64":               {"eJ?", "neither a JWT nor a UserSig"},
		"no JSON":                 {pack([]byte("hello")), "no JSON"},
		"a field of another kind": {changed(sigVector, "TLS.time", "now"), "no JSON"},
		"inflated without end":    {pack(make([]byte, 4<<20)), "more than"},
		"inflated beyond bounds":  {pack(append([]byte(`{"TLS.ver":"`), bytes.Repeat([]byte("a"), maxInflated)...)), "more than"},
		"a UserSig as map key":    {sigVector + "." + sigVector, "names no room"},
		"a map key of rubbish":    {sigVector + ".eJ", "private map key"},
	} {
		_, err := k.Parse(c.text)
		var refused *terms.Error
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, terms.CodeTokenInvalid, refused.Code, name)
		require.ErrorContains(t, err, c.says, name)
	}
	for text, at := range map[string]int64{sigVector: signedAt + 86400*180 + 6, sigVector + "." + mapVector: signedAt + 3606} {
		_, err := appKeys(t, at).Parse(text)
		var refused *terms.Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, terms.CodeTokenExpired, refused.Code)
	}
}

func failure(_ int64, err error) error { return err }

// TestTheLatestEndIsLater: the sum of the largest times does not turn round to a time that is over.
func TestTheLatestEndIsLater(t *testing.T) {
	k := appKeys(t, signedAt)
	require.Equal(t, int64(2*maxTime), k.at(2*maxTime).Unix())
}

// TestRestrictReadsTheWholeUserbuf: one that is cut off anywhere, or goes on, is refused.
func TestRestrictReadsTheWholeUserbuf(t *testing.T) {
	buf := must(base64.StdEncoding.DecodeString(open(t, nameVector)["TLS.userbuf"].(string)))
	s := userSig{Identifier: "xiaojun", SDKAppID: 1400000000}
	for n := range buf {
		s.Userbuf = base64.StdEncoding.EncodeToString(buf[:n])
		require.Error(t, failure(s.restrict(&terms.Grant{})), n)
	}
	s.Userbuf = base64.StdEncoding.EncodeToString(append(bytes.Clone(buf), 0))
	require.Error(t, failure(s.restrict(&terms.Grant{})))
	s.Userbuf = base64.StdEncoding.EncodeToString(buf)
	require.NoError(t, failure(s.restrict(&terms.Grant{})))
	s.Identifier = "other"
	require.Error(t, failure(s.restrict(&terms.Grant{})))
}

// FuzzUserSig: whatever comes, nothing is granted that no key has signed.
func FuzzUserSig(f *testing.F) {
	for _, text := range []string{sigVector, mapVector, nameVector, sigVector + "." + mapVector, "eJ", "."} {
		f.Add(text)
	}
	k := appKeys(f, signedAt)
	docs := map[string]bool{}
	for _, v := range []string{sigVector, mapVector, nameVector} {
		docs[open(f, v)["TLS.sig"].(string)] = true
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := readUserSig(text)
		if err == nil && k.made(s) {
			require.True(t, docs[s.Sig], text)
		}
		_, _ = k.Parse(text)
	})
}
