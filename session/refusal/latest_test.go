package refusal_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/session/refusal"
	"parlor/session/terms"
)

// TestTheLatestRefusalsAreKept: a hundred, newest first. What is refused again is told once. One address does
// not push out all others.
func TestTheLatestRefusalsAreKept(t *testing.T) {
	l := refusal.New(zerolog.Nop())
	from := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}) }
	note := func(from netip.Addr, user string) {
		l.Note(refusal.Refusal{Door: "websocket", From: from, User: user, Err: terms.Errorf(terms.CodeBanned, "user", "banned")})
	}
	for i := range 60 {
		note(from(i), "ann")
	}
	for range 1000 {
		note(from(5), "ann")
	}
	all := l.Latest()
	require.Len(t, all, 60)
	require.Equal(t, from(5), all[0].From)
	require.EqualValues(t, 1001, all[0].Times)
	require.Equal(t, from(59), all[1].From)
	for i := range 1000 {
		note(from(7), fmt.Sprint("user", i))
	}
	all = l.Latest()
	require.Len(t, all, 100)
	others := 0
	for _, x := range all {
		if x.From != from(7) {
			others++
		}
	}
	require.Equal(t, 50, others)
	require.Equal(t, "user999", all[0].User)
	note(from(8), "bob")
	for i := range 1000 { // of one /64
		note(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 14: byte(i >> 8), 15: byte(i)}), "eve")
	}
	all = l.Latest()
	require.Len(t, all, 100)
	require.Equal(t, "bob", all[50].User)
	require.Nil(t, (*refusal.Log)(nil).Latest())
	secret := "eyJhbGciOiJIUzI1NiJ9.sesame"
	l.Note(refusal.Refusal{Door: "whip", User: secret + "\n", Err: terms.Errorf(terms.CodeBadRequest, "role", "not %q", secret)})
	require.NotContains(t, fmt.Sprint(l.Latest()[0]), "sesame")
}
