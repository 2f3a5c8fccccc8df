package sfu_test

import (
	"bytes"
	"encoding/json"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/client"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	all []map[string]any
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for one := range bytes.Lines(b) {
		m := map[string]any{}
		if err := json.Unmarshal(one, &m); err != nil {
			return 0, err
		}
		l.all = append(l.all, m)
	}
	return len(b), nil
}

// find returns the lines of a message.
func (l *lines) find(message string) (found []map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.all {
		if m["message"] == message {
			found = append(found, m)
		}
	}
	return found
}

// TestLogsNameNodeRoomUserAndSession in what they say about a session, whichever layer says it.
func TestLogsNameNodeRoomUserAndSession(t *testing.T) {
	log := &lines{}
	n := run(t, free(nil), log)
	ann, err := client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: "lobby", User: "ann", Publish: []client.Source{client.Mic}})
	require.NoError(t, err)
	eventually(t, "media", func() bool { return len(log.find("media connected")) > 0 })
	require.NoError(t, ann.Exit(t.Context()))
	ann.Close()
	require.NoError(t, n.stop())
	for _, message := range []string{"user entered", "media connected", "signalling connection ended", "user left"} {
		found := log.find(message)
		require.Len(t, found, 1, message)
		for _, field := range []string{"session", "room", "user", "node"} {
			require.NotEmpty(t, found[0][field], "%s: %s", message, field)
		}
		require.Equal(t, []any{"s:lobby", "ann", n.ID()}, []any{found[0]["room"], found[0]["user"], found[0]["node"]}, message)
	}
	for _, m := range log.all {
		require.Equal(t, n.ID(), m["node"], m["message"])
	}
}
