package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/session/terms"
	"parlor/session/token"
)

// TestTokensLetIn: a node that has the key takes the token, for that room and user alone.
func TestTokensLetIn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sfu.keys")
	secret := strings.Repeat("s", token.MinSecret)
	require.NoError(t, os.WriteFile(path, []byte("# made today\n\nmain:"+secret+"\n"), 0o600))
	k, err := readKey(path)
	require.NoError(t, err)
	now := time.Now()
	keys, err := token.New(func() time.Time { return now }, token.Key{ID: "main", Secret: []byte(secret)})
	require.NoError(t, err)
	text := k.token("lobby", "ann", now)
	lobby, err := terms.StringRoom("lobby")
	require.NoError(t, err)
	g, err := keys.Authenticate(text, lobby, "ann")
	require.NoError(t, err)
	for _, r := range []terms.Right{terms.RightEnter, terms.RightCreate, terms.RightSendVideo, terms.RightRecvAudio} {
		require.True(t, g.Rights.Has(r), r)
	}
	require.False(t, g.Rights.Has(terms.RightAdmin))
	_, err = keys.Authenticate(text, lobby, "bob")
	require.Error(t, err)

	require.Empty(t, key{}.token("lobby", "ann", now), "a node without keys needs none")
}

// TestAFileWithoutAKey: the error says how to make one, and nothing of what is in the file.
func TestAFileWithoutAKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sfu.keys")
	for _, text := range []string{"", "# nothing\n", "hush-hush\n"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := readKey(path)
		require.ErrorContains(t, err, "sfu key create")
		require.NotContains(t, err.Error(), "hush")
	}
	_, err := readKey(path + ".absent")
	require.ErrorContains(t, err, "--server-keys")
	none, err := readKey("")
	require.NoError(t, err)
	require.Zero(t, none)
}
