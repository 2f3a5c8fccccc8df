package refusal_test

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/session"
	"parlor/session/refusal"
	"parlor/session/terms"
)

// TestOneLineAMinuteForEachReason: the log has a line a minute for each reason, with how many there were
// since. All are counted.
func TestOneLineAMinuteForEachReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		lines := func() []string {
			defer out.Reset()
			return strings.Split(strings.TrimSpace(out.String()), "\n")
		}
		l := refusal.New(zerolog.New(&out))
		room, err := terms.StringRoom("lobby")
		require.NoError(t, err)
		bad := refusal.Refusal{
			Door: "whip", From: netip.MustParseAddr("192.0.2.7"), Room: room, User: "ann",
			Err: terms.Errorf(terms.CodeTokenInvalid, "token", "the token's signature is not of this service"),
		}
		for range 5 {
			l.Note(bad)
		}
		require.Equal(t, []string{`{"level":"info","door":"whip","reason":"token_invalid","from":"192.0.2.7","room":"s:lobby","user":"ann","field":"token",` +
			`"why":"the token's signature is not of this service","message":"refused"}`}, lines())
		time.Sleep(time.Minute - time.Millisecond)
		l.Note(bad)
		require.Equal(t, []string{""}, lines())
		other := bad
		other.Door = "admin"
		l.Note(other)
		require.Len(t, lines(), 1, "another door has a minute of its own")
		time.Sleep(time.Millisecond)
		l.Note(bad)
		got := lines()
		require.Len(t, got, 1)
		require.Contains(t, got[0], `"more":5`)
		require.Equal(t, map[refusal.Kind]uint64{{Door: "whip", Reason: "token_invalid"}: 7, {Door: "admin", Reason: "token_invalid"}: 1}, l.Counts())
	})
}

// TestWhatIsLoggedIsNoneOfWhatWasShown: of what a client shows, ids alone are logged, and no text that may
// quote it.
func TestWhatIsLoggedIsNoneOfWhatWasShown(t *testing.T) {
	var out bytes.Buffer
	l := refusal.New(zerolog.New(&out))
	secret := "eyJhbGciOiJIUzI1NiJ9.sesame"
	l.Note(refusal.Refusal{Door: "websocket", User: secret + "\n", Err: terms.Errorf(terms.CodeBadRequest, "role", "not %q", secret)})
	require.NotContains(t, out.String(), "sesame")
	require.Contains(t, out.String(), `"reason":"bad_request","field":"role"`)
}

// TestWhatIsNoRefusalIsNotNoted: a client that is sent elsewhere is not noted, nor is one whose connection
// has gone.
func TestWhatIsNoRefusalIsNotNoted(t *testing.T) {
	var out bytes.Buffer
	l := refusal.New(zerolog.New(&out))
	for _, err := range []error{nil, context.Canceled, session.ErrGone, &terms.ElsewhereError{Node: "n2"}} {
		l.Note(refusal.Refusal{Door: "whep", Err: err})
	}
	(*refusal.Log)(nil).Note(refusal.Refusal{Err: terms.Errorf(terms.CodeBanned, "", "")})
	require.Empty(t, out.String())
	require.Empty(t, l.Counts())
	often := terms.Errorf(terms.CodeBanned, "user", "too often")
	often.RetryAfter = time.Second
	l.Note(refusal.Refusal{Door: "whep", Err: often})
	require.Equal(t, map[refusal.Kind]uint64{{Door: "whep", Reason: refusal.TooOften}: 1}, l.Counts())
}
