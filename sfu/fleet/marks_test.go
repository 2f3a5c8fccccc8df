package fleet

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/client"
)

type banning struct {
	removal
	BanSeconds int
	Reason     string
}

type blocking struct {
	StrRoomID string `json:"StrRoomId"`
	UserID    string `json:"UserId"`
	Block     string
}

// ban removes somebody from the lobby and keeps them out for that long.
func (f *fleet) ban(t *testing.T, user string, seconds int) {
	t.Helper()
	var out struct {
		Users []struct{ Result string }
	}
	require.NoError(t, f.command(t, "RemoveUser", banning{removal{"lobby", []string{user}}, seconds, "spam"}, &out))
	require.Equal(t, "removed", out.Users[0].Result)
}

func (f *fleet) block(t *testing.T, user, kind string) {
	t.Helper()
	require.NoError(t, f.command(t, "SetUserBlocked", blocking{"lobby", user, kind}, nil))
}

// refuses requires that somebody may not enter the lobby, at whichever node.
func (f *fleet) refuses(t *testing.T, user string) {
	t.Helper()
	for _, n := range f.nodes {
		if n.ended() {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		_, err := client.Dial(ctx, client.Options{URL: n.url, Room: "lobby", User: user})
		cancel()
		require.ErrorIs(t, err, &client.Error{Code: "banned"}, "at node %s", n.id)
	}
}

// described is a user as commands see it.
type described struct {
	Rooms []struct {
		Block   string
		Streams []struct{ On, Blocked bool }
	}
}

// off waits until the node that has the lobby knows of the user's only stream and does not forward it.
func (f *fleet) off(t *testing.T, user string) {
	t.Helper()
	eventually(t, "what "+user+" publishes is blocked", 10*time.Second, func() bool {
		var d described
		request := struct {
			StrRoomID string `json:"StrRoomId"`
			UserID    string `json:"UserId"`
		}{"lobby", user}
		if err := f.command(t, "DescribeUser", request, &d); err != nil || len(d.Rooms) != 1 || len(d.Rooms[0].Streams) != 1 {
			return false
		}
		u := d.Rooms[0]
		require.Equal(t, "audio", u.Block)
		require.True(t, u.Streams[0].Blocked)
		require.False(t, u.Streams[0].On, "it is forwarded")
		return true
	})
}

// TestBansAndBlocksGoWithTheRoom to the node that gets it, whether the one before is told to end or dies.
func TestBansAndBlocksGoWithTheRoom(t *testing.T) {
	t.Parallel()
	for how, end := range map[string]func(*node){
		"told to end": func(n *node) { n.signal(syscall.SIGTERM) },
		"killed":      func(n *node) { n.kill() },
	} {
		t.Run(how, func(t *testing.T) {
			f := newFleet(t, 1)
			all := f.crowd(t, "lobby", 3) // the first one publishes
			home := f.home(t, all)
			f.block(t, all[0].name, "audio")
			f.ban(t, all[1].name, 10)
			until := time.Now().Add(10 * time.Second)
			all[1].putOut(t)
			f.off(t, all[0].name)
			rest := []*person{all[0], all[2]}
			require.Len(t, f.keys(t, "SFU_MARKS"), 2)

			end(home)
			together(t, rest, 2, 10*time.Second)
			require.NotEqual(t, home.url, f.home(t, rest).url)
			f.off(t, all[0].name)
			if time.Now().Before(until) {
				f.refuses(t, all[1].name)
			}
			for _, p := range rest {
				require.NoError(t, p.leave())
			}
			f.nothingLeft(t)
		})
	}
}

// TestABanOutlivesItsRoom: it holds where the room is made again, on whichever node.
func TestABanOutlivesItsRoom(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1)
	all := f.crowd(t, "lobby", 2)
	home := f.home(t, all)
	f.block(t, all[0].name, "audio")
	f.ban(t, all[1].name, 3600)
	require.NoError(t, all[0].leave())
	eventually(t, "the room has ended", 10*time.Second, func() bool { return len(f.keys(t, "SFU_ROOMS")) == 0 })
	require.Len(t, f.keys(t, "SFU_MARKS"), 1, "the block has ended with it")

	home.signal(syscall.SIGTERM) // so that it is made elsewhere
	<-home.end
	f.refuses(t, all[1].name)
	p := enter(t, f.nodes[(slices.Index(f.nodes, home)+1)%3], "lobby", "another")
	require.NotEqual(t, home.url, p.at())
	f.refuses(t, all[1].name)

	// A shorter ban in its place, which then is over.
	require.NoError(t, f.command(t, "RemoveUser", banning{removal{"lobby", []string{all[1].name}}, 1, ""}, nil))
	require.NoError(t, p.leave())
	f.nothingLeft(t)
	enter(t, f.at(t, p.at()), "lobby", all[1].name)
}

// TestBansWhileNATSIsAway: a node that is cut off obeys at once, and writes later what it has been told.
func TestBansWhileNATSIsAway(t *testing.T) {
	t.Parallel()
	f := &fleet{brokers: brokers(t, 1)}
	f.dial(t, f.brokers[0].url())
	l := newLink(t, strings.TrimPrefix(f.brokers[0].url(), "nats://"))
	// It goes on taking entries for a while.
	f.nodes = append(f.nodes, startNode(t, "a", l.url(), "--cluster.lease", "15s"))
	home := f.nodes[0]
	ann := enter(t, home, "lobby", "ann")
	bob := enter(t, home, "lobby", "bob")
	l.set(true)
	began := time.Now()
	res, err := http.Post(home.url+"/admin/v1/RemoveUser", "application/json",
		strings.NewReader(`{"StrRoomId":"lobby","UserIds":["bob"],"BanSeconds":15}`))
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Less(t, time.Since(began), 5*time.Second, "a command waits for NATS only shortly")
	bob.putOut(t)
	f.refuses(t, "bob")
	require.NotZero(t, home.gauge(t, "parlor_cluster_marks_waiting"))
	require.Empty(t, f.keys(t, "SFU_MARKS"))
	l.set(false)
	eventually(t, "the ban is written", 20*time.Second, func() bool { return home.gauge(t, "parlor_cluster_marks_waiting") == 0 })
	require.Len(t, f.keys(t, "SFU_MARKS"), 1)
	require.NotZero(t, home.gauge(t, "parlor_cluster_marks_late_total"))
	require.NoError(t, ann.leave())
	f.nothingLeft(t)
}
