package token

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"parlor/session/terms"
)

var (
	epoch  = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	first  = Key{ID: "first", Secret: bytes.Repeat([]byte{1}, 32)}
	second = Key{ID: "second", Secret: bytes.Repeat([]byte{2}, 40)}
	lobby  = must(terms.StringRoom("lobby"))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func clock() time.Time { return epoch }

func keys(t testing.TB, k ...Key) *Keys {
	t.Helper()
	ks, err := New(clock, k...)
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

func grant() terms.Grant {
	return terms.Grant{Room: lobby, User: "ann", Rights: terms.MemberRights(), Expires: epoch.Add(time.Hour)}
}

func TestMintedTokenReadsBack(t *testing.T) {
	number := grant()
	number.Room, number.Role = must(terms.NumberRoom(123)), terms.Audience
	admin := terms.Grant{Rights: terms.AllRights(), Expires: epoch.Add(time.Minute)}
	named := grant()
	named.Profile = terms.ProfileChange{Name: new("Bob Müller"), Metadata: new("")}
	for _, g := range []terms.Grant{grant(), number, admin, named} {
		text, err := keys(t, first, second).Mint(g)
		if err != nil {
			t.Fatal(err)
		}
		got, err := keys(t, second, first).Parse(text) // the order has changed: the kid finds it
		if err != nil {
			t.Fatal(err)
		}
		if want := g.Expires.Add(leeway); !got.Expires.Equal(want) { // so that entering has the same leeway
			t.Errorf("expires %v, not %v", got.Expires, want)
		}
		got.Expires = g.Expires
		if !reflect.DeepEqual(got, g) {
			t.Errorf("got %+v, not %+v", got, g)
		}
	}
}

// sign makes any token at all.
func sign(t testing.TB, method jwt.SigningMethod, secret any, kid string, c jwt.MapClaims) string {
	t.Helper()
	tok := jwt.NewWithClaims(method, c)
	if kid != "" {
		tok.Header["kid"] = kid
	}
	s, err := tok.SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParseRefuses(t *testing.T) {
	with := func(change func(jwt.MapClaims)) jwt.MapClaims {
		c := jwt.MapClaims{"room": "lobby", "user": "ann", "rights": []string{"enter"}, "exp": epoch.Add(time.Hour).Unix()}
		change(c)
		return c
	}
	same := with(func(jwt.MapClaims) {})
	hs := jwt.SigningMethodHS256
	good := sign(t, hs, first.Secret, "first", same)
	tests := []struct {
		name, token string
		code        terms.Code
	}{
		{"good", good, ""},
		{"good without kid", sign(t, hs, second.Secret, "", same), ""},
		{"within the leeway", sign(t, hs, first.Secret, "first", with(func(c jwt.MapClaims) { c["exp"] = epoch.Unix() - 3 })), ""},
		{"none", "", terms.CodeTokenInvalid},
		{"no token", "x.y.z", terms.CodeTokenInvalid},
		{"cut", good[:len(good)-1], terms.CodeTokenInvalid},
		{"oversized", good + strings.Repeat("A", MaxToken), terms.CodeTokenInvalid},
		{"expired", sign(t, hs, first.Secret, "first", with(func(c jwt.MapClaims) { c["exp"] = epoch.Unix() - 6 })), terms.CodeTokenExpired},
		{"without end", sign(t, hs, first.Secret, "first", with(func(c jwt.MapClaims) { delete(c, "exp") })), terms.CodeTokenInvalid},
		{"of a stranger", sign(t, hs, bytes.Repeat([]byte{9}, 32), "first", same), terms.CodeTokenInvalid},
		{"expired, of a stranger", sign(t, hs, bytes.Repeat([]byte{9}, 32), "first", with(func(c jwt.MapClaims) { c["exp"] = 1 })), terms.CodeTokenInvalid},
		{"unknown kid", sign(t, hs, first.Secret, "third", same), terms.CodeTokenInvalid},
		{"another key's kid", sign(t, hs, first.Secret, "second", same), terms.CodeTokenInvalid},
		{"HS512", sign(t, jwt.SigningMethodHS512, first.Secret, "first", same), terms.CodeTokenInvalid},
		{"alg none", sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "first", same), terms.CodeTokenInvalid},
		{"no room", sign(t, hs, first.Secret, "first", with(func(c jwt.MapClaims) { delete(c, "room") })), terms.CodeTokenInvalid},
		{"no user", sign(t, hs, first.Secret, "first", with(func(c jwt.MapClaims) { delete(c, "user") })), terms.CodeTokenInvalid},
		{"no rights", sign(t, hs, first.Secret, "first", with(func(c jwt.MapClaims) { delete(c, "rights") })), terms.CodeTokenInvalid},
		{"unknown right", sign(t, hs, first.Secret, "first", with(func(c jwt.MapClaims) { c["rights"] = []string{"fly"} })), terms.CodeTokenInvalid},
		{"bad room", sign(t, hs, first.Secret, "first", with(func(c jwt.MapClaims) { c["room"] = 1.5 })), terms.CodeTokenInvalid},
		{"bad user", sign(t, hs, first.Secret, "first", with(func(c jwt.MapClaims) { c["user"] = "a b" })), terms.CodeTokenInvalid},
		{"bad role", sign(t, hs, first.Secret, "first", with(func(c jwt.MapClaims) { c["role"] = "king" })), terms.CodeTokenInvalid},
		{"bad name", sign(t, hs, first.Secret, "first", with(func(c jwt.MapClaims) { c["name"] = "a\u202eb" })), terms.CodeTokenInvalid},
		{"long metadata", sign(t, hs, first.Secret, "first", with(func(c jwt.MapClaims) { c["metadata"] = strings.Repeat("x", 2049) })), terms.CodeTokenInvalid},
		{"a name that is none", sign(t, hs, first.Secret, "first", with(func(c jwt.MapClaims) { c["name"] = nil })), ""},
	}
	ks := keys(t, first, second)
	for _, tt := range tests {
		g, err := ks.Parse(tt.token)
		if tt.code == "" {
			if err != nil || g.User != "ann" || g.Room != lobby {
				t.Errorf("%s: %+v, %v", tt.name, g, err)
			}
		} else if !errors.Is(err, tt.code) || (g != terms.Grant{}) {
			t.Errorf("%s: %+v, %v, not %s", tt.name, g, err, tt.code)
		}
	}
}

func TestAuthenticateHoldsTokenToRoomAndUser(t *testing.T) {
	ks := keys(t, first)
	text := must(ks.Mint(grant()))
	other := must(terms.NumberRoom(7))
	tests := []struct {
		room terms.RoomID
		user string
		code terms.Code
	}{
		{lobby, "ann", ""}, {terms.RoomID{}, "", ""},
		{other, "ann", terms.CodeNotAllowed}, {lobby, "bob", terms.CodeNotAllowed},
	}
	for _, tt := range tests {
		if _, err := ks.Authenticate(text, tt.room, tt.user); tt.code == "" && err != nil || tt.code != "" && !errors.Is(err, tt.code) {
			t.Errorf("%v %q: %v, not %q", tt.room, tt.user, err, tt.code)
		}
	}
}

func TestNoKeyGrantsEverything(t *testing.T) {
	g, err := keys(t).Authenticate("anything", lobby, "ann")
	if err != nil || g.Rights != terms.AllRights() {
		t.Errorf("%+v, %v", g, err)
	}
	if _, err := keys(t).Mint(grant()); err == nil {
		t.Error("minted without a key")
	}
}

func TestNewRefusesBadKeys(t *testing.T) {
	for _, ks := range [][]Key{{{ID: "", Secret: first.Secret}}, {first, first}, {{ID: "short", Secret: []byte("short")}}} {
		if _, err := New(nil, ks...); err == nil {
			t.Errorf("accepted %v", ks)
		}
	}
}

// TestReplace: tokens are judged by the keys of the moment, and bad keys change nothing.
func TestReplace(t *testing.T) {
	ks := keys(t, first)
	old := must(ks.Mint(grant()))
	for _, bad := range [][]Key{{}, {second, second}, {second, {ID: "short", Secret: []byte("short")}}} {
		if err := ks.Replace(bad...); err == nil || strings.Contains(err.Error(), string(second.Secret)) {
			t.Errorf("%d keys: %v", len(bad), err)
		}
		if _, err := ks.Parse(old); err != nil {
			t.Errorf("after bad keys: %v", err)
		}
	}
	accepted := func() (old2, new2 bool) {
		_, errOld := ks.Parse(old)
		_, errNew := ks.Parse(must(keys(t, second).Mint(grant())))
		return errOld == nil, errNew == nil
	}
	for _, step := range []struct {
		keys     []Key
		old, new bool
	}{{[]Key{first}, true, false}, {[]Key{first, second}, true, true}, {[]Key{second, first}, true, true}, {[]Key{second}, false, true}} {
		if err := ks.Replace(step.keys...); err != nil {
			t.Fatal(err)
		}
		if o, n := accepted(); o != step.old || n != step.new {
			t.Errorf("with %d keys, %s first: old %t, new %t", len(step.keys), step.keys[0].ID, o, n)
		}
	}
}

// TestReplaceWhileInUse is for the race detector: a token of a key that stays is accepted all the time.
func TestReplaceWhileInUse(t *testing.T) {
	ks := keys(t, first)
	text := must(ks.Mint(grant()))
	var users sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		users.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := ks.Authenticate(text, lobby, "ann"); err != nil {
					t.Errorf("a token of a key that stays: %v", err)
					return
				}
			}
		})
	}
	for i := range 200 {
		if err := ks.Replace([]Key{first, second}[:1+i%2]...); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	users.Wait()
}

func FuzzParse(f *testing.F) {
	ks := keys(f, first)
	good := must(ks.Mint(grant()))
	f.Add(good)
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":{}}`)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(`{"exp":1e400,"room":[],"rights":null}`)) + ".AA")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := ks.Parse(text)
		l, unreadable := ks.Inspect(text)
		if err == nil && (unreadable != nil || !l.Signed || l.Err != nil) {
			t.Fatalf("%+v, %v: it holds", l, unreadable)
		}
		if err == nil && text != good {
			// Only this package's key can sign, so only variants of one token can pass, and they must mean
			// the same.
			if g.User != "ann" || g.Room != lobby {
				t.Fatalf("forged %+v from %q", g, text)
			}
		}
		if err != nil && !errors.Is(err, terms.CodeTokenInvalid) && !errors.Is(err, terms.CodeTokenExpired) {
			t.Fatalf("%v", err)
		}
	})
}

// TestCriticalExtensionsAreRefused: critical extensions (RFC 7515, section 4.1.11) are refused, even with a
// good signature.
func TestCriticalExtensionsAreRefused(t *testing.T) {
	secret := []byte(strings.Repeat("k", MinSecret))
	keys, err := New(nil, Key{ID: "k1", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	for _, crit := range []any{nil, []string{"exp"}, []string{"b64"}, []string{}, "x"} {
		c := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"room": "a", "user": "u", "rights": []string{}, "exp": time.Now().Add(time.Hour).Unix()})
		if crit != nil {
			c.Header["crit"] = crit
		}
		text, err := c.SignedString(secret)
		if err != nil {
			t.Fatal(err)
		}
		_, err = keys.Parse(text)
		if (err == nil) != (crit == nil) {
			t.Errorf("crit %v: %v", crit, err)
		}
		if crit != nil && (terms.AsError(err).Code != terms.CodeTokenInvalid || !strings.Contains(err.Error(), "crit")) {
			t.Errorf("crit %v: %v", crit, err)
		}
	}
}

// TestInspect shows what a token says, also if it does not hold, and tells a wrong signature from a right one.
func TestInspect(t *testing.T) {
	claims := func(exp time.Time) jwt.MapClaims {
		return jwt.MapClaims{"room": 123, "user": "ann", "rights": []string{"enter"}, "exp": exp.Unix(), "further": "x"}
	}
	hs, stranger, later, before := jwt.SigningMethodHS256, bytes.Repeat([]byte{9}, 32), epoch.Add(time.Hour), epoch.Add(-time.Hour)
	for name, x := range map[string]struct {
		token  string
		signed bool
		code   terms.Code
	}{
		"good":                {sign(t, hs, second.Secret, "second", claims(later)), true, ""},
		"no kid":              {sign(t, hs, second.Secret, "", claims(later)), true, ""},
		"expired":             {sign(t, hs, first.Secret, "first", claims(before)), true, terms.CodeTokenExpired},
		"of a stranger":       {sign(t, hs, stranger, "first", claims(later)), false, terms.CodeTokenInvalid},
		"another key's kid":   {sign(t, hs, first.Secret, "second", claims(later)), false, terms.CodeTokenInvalid},
		"another algorithm":   {sign(t, jwt.SigningMethodHS512, first.Secret, "first", claims(later)), false, terms.CodeTokenInvalid},
		"without a signature": {sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "first", claims(later)), false, terms.CodeTokenInvalid},
	} {
		l, err := keys(t, first, second).Inspect(x.token)
		if err != nil || l.Signed != x.signed || (l.Err != nil) != (x.code != "") || x.code != "" && !errors.Is(l.Err, x.code) {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
		if fmt.Sprintf("%v %v %v", l.Claims["room"], l.Claims["user"], l.Claims["further"]) != "123 ann x" {
			t.Errorf("%s: %+v", name, l.Claims)
		}
	}
	for _, text := range []string{"", "x", "a.b.c", strings.Repeat("A", MaxToken+1)} {
		if _, err := keys(t, first).Inspect(text); !errors.Is(err, terms.CodeTokenInvalid) {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}
