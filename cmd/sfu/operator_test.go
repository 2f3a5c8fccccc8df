package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/config"
	"parlor/control/command"
)

// TestEveryCommandOnTheCommandLine, for people and for scripts, over NATS and over a node's admin HTTP.
func TestEveryCommandOnTheCommandLine(t *testing.T) {
	key, err := do("key", "create")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(file, []byte(key), 0o600))
	mint := func(flags ...string) string {
		text, err := do(append([]string{"token", "create", "--auth.keys_file", file}, flags...)...)
		require.NoError(t, err)
		return strings.TrimSpace(text)
	}
	n := start(t, func(c *config.Config) {
		c.Node.ID, c.Auth.Keys = "n1", []config.Key{config.Key(strings.TrimSpace(key))}
	})
	t.Setenv("PARLOR_TOKEN", mint("--rights", "admin"))
	for name, at := range map[string]string{"nats": "--nats.url=" + n.Addrs().NATS, "http": "--admin=" + n.Addrs().URL()} {
		t.Run(name, func(t *testing.T) {
			says := func(args string, want ...string) {
				t.Helper()
				out, err := do(append(strings.Fields(args), at)...)
				require.NoError(t, err, args)
				for _, w := range want {
					require.Regexp(t, w, out, args)
				}
			}
			reads := func(args string, into any) {
				t.Helper()
				out, err := do(append(strings.Fields(args), "--json", at)...)
				require.NoError(t, err, args)
				require.NoError(t, json.Unmarshal([]byte(out), into), out)
			}
			fails := func(args string, code int, want string) {
				t.Helper()
				_, err := do(append(strings.Fields(args), at)...)
				require.ErrorContains(t, err, want, args)
				require.Equal(t, code, exitCode(err), args)
			}
			ann := enter(t, n, "lobby", "ann", mint("--room", "lobby", "--user", "ann"))
			bob := enter(t, n, "lobby", "bob", mint("--room", "lobby", "--user", "bob", "--name", "Bob"))

			says("room list --prefix lob --scene call", `lobby +call +2 +2 +0 `)
			says("room list --prefix x", `^There is no room.\n$`)
			var rooms command.ListRoomsResponse
			reads("room list", &rooms)
			require.Equal(t, 2, rooms.Rooms[0].Users)
			says("room show lobby", `ann +anchor +- +0 B +0 B`, `bob +Bob +anchor`)
			says("user show ann", `User ann in room lobby on n1`, `rights: enter create .*; blocked: none`)
			says("user show lobby bob", `User bob in room lobby`)
			var user command.DescribeUserResponse
			reads("user show ann", &user)
			require.Equal(t, "ann", user.Rooms[0].UserID)
			says("user block lobby ann audio", `Blocked of ann: audio\.`)
			says("user show ann", `blocked: audio`)
			says("user update lobby ann --name Anna", `^ann: name "Anna", metadata ""\.\n$`)
			says("room show lobby", `ann +Anna +anchor`)
			says("user show ann", `  name "Anna", metadata ""`)
			says("user update lobby ann --name= --metadata={}", `^ann: name "", metadata "{}"\.\n$`)
			fails("user update lobby ann", exitUsage, "--name, --metadata or both")
			fails("user update lobby ann --name=\u202eanna", exitUsage, "U+202E")
			says("user block lobby ann none", `Blocked of ann: none\.`)
			says("room message lobby --text hello --cmd-id 2", `Delivered to 2 users; missed: 0\.`)
			says("user message lobby ann zoe --base64 AAE=", `Delivered to 1 user; missed: 1\.`)
			says("node list", `n1 +\S+ +serving +1 +2 `)
			says("node show n1", `Users +2, 0 publishing`)
			var nodes command.DescribeNodeResponse
			reads("node list", &nodes)
			require.NotZero(t, nodes.Nodes[0].StartedMS)
			fails("user show zoe", exitNotFound, "sfu room show")
			fails("user block lobby zoe both", exitNotFound, "sfu room show")
			fails("room show nowhere", exitNotFound, "sfu room list")
			says("user remove lobby ann zoe", `ann +removed`, `zoe +not in room`)
			require.Equal(t, 1, exited(t, ann).Reason)
			says("room dismiss lobby", `put out: 1 user\.`)
			require.Equal(t, 2, exited(t, bob).Reason)
		})
	}
	for _, token := range []string{"", "x.y.z", mint("--room", "lobby", "--user", "ann")} {
		t.Setenv("PARLOR_TOKEN", token)
		_, err := do("room", "list", "--admin", n.Addrs().URL())
		require.ErrorContains(t, err, "sfu token create --rights admin")
		require.Equal(t, exitFailed, exitCode(err))
	}
}

func TestDrainOnTheCommandLine(t *testing.T) {
	n := start(t, func(c *config.Config) { c.Node.ID = "n1" })
	ann := enter(t, n, "lobby", "ann", "")
	at := "--nats.url=" + n.Addrs().NATS
	out, err := do("node", "drain", "n1", "--deadline", "1h", at)
	require.NoError(t, err)
	require.Contains(t, out, "Node n1 takes no new rooms. Still there: 1 room, 1 user.")
	t.Setenv("SFU_HTTP_LISTEN", ":8080") // as in a container, where the node may have its key by a flag
	out, err = do("node", "list", at)
	require.NoError(t, err)
	require.Regexp(t, `n1 +\S+ +draining until `, out)
	_, err = client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: "another", User: "bob"})
	require.ErrorIs(t, err, &client.Error{Code: "node_draining"})
	require.NoError(t, ann.Exit(t.Context()))
}

// TestWhatAnyPageLacksIsSaid: a node that has answered for the last page may not have for the first.
func TestWhatAnyPageLacksIsSaid(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct{ After string }
		_ = json.NewDecoder(r.Body).Decode(&q)
		if q.After == "" {
			_, _ = w.Write([]byte(`{"Rooms":[],"Next":"s:a","NodesMissing":["n3","n2"]}`))
			return
		}
		_, _ = w.Write([]byte(`{"Rooms":[],"NodesMissing":["n3"]}`))
	}))
	defer s.Close()
	for _, args := range [][]string{{"room", "list"}, {"user", "show", "ann"}} {
		out, err := do(append(args, "--json", "--admin", s.URL)...)
		require.NoError(t, err)
		require.Contains(t, out, "have not answered: nodes n2, n3\n")
		require.Regexp(t, `"NodesMissing": \[\s+"n2",\s+"n3"\s+\]`, out)
	}
}

// TestWhatAUserCannotPlayIsSaid, in the words of people.
func TestWhatAUserCannotPlayIsSaid(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"Rooms":[{"Node":"n1","StrRoomId":"lobby","UserId":"ann","Role":"anchor","Block":"none","Undecodable":[
			{"UserId":"bob","Source":"camera","Codec":"VP9 profile 2","Offered":"VP8+H264"},
			{"UserId":"bob","Source":"mic","Codec":"PCMU","Offered":""}]}]}`))
	}))
	defer s.Close()
	out, err := do("user", "show", "ann", "--admin", s.URL)
	require.NoError(t, err)
	require.Contains(t, out, "  cannot play the camera of bob, which comes as VP9 profile 2: the client of ann takes VP8, H264\n")
	require.Contains(t, out, "  cannot play the microphone of bob, which comes as PCMU: the client of ann takes nothing of the kind\n")
}
