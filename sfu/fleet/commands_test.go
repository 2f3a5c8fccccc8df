package fleet

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/client"
)

type room struct {
	StrRoomID string `json:"StrRoomId"`
}

type removal struct {
	StrRoomID string   `json:"StrRoomId"`
	UserIDs   []string `json:"UserIds"`
}

// TestOneRoomFromEveryNode: users enter at three nodes and meet; commands given at any node reach them.
func TestOneRoomFromEveryNode(t *testing.T) {
	t.Parallel()
	for _, servers := range []int{0, 1, 3} { // 0: the one inside the first node
		t.Run(fmt.Sprint(servers, " brokers"), func(t *testing.T) {
			f := newFleet(t, servers)
			var all []*person
			for i, n := range f.nodes {
				all = append(all, enter(t, n, "lobby", fmt.Sprint("user", i), func(o *client.Options) {
					o.Publish, o.Seats = []client.Source{client.Mic}, 1
				}))
			}
			for _, p := range all {
				eventually(t, p.name+" sees the two others", 5*time.Second, func() bool { return p.sees() == 2 })
				require.Equal(t, all[0].at(), p.at())
			}

			// Commands over NATS go to any node; over and over, so that each has had one.
			for range 20 {
				var d struct{ UserList []struct{} }
				require.NoError(t, f.command(t, "DescribeRoom", room{"lobby"}, &d))
				require.Len(t, d.UserList, 3)
				var list struct{ Rooms []struct{} }
				require.NoError(t, f.command(t, "ListRooms", struct{}{}, &list))
				require.Len(t, list.Rooms, 1)
			}
			var out struct {
				Users []struct{ Result string }
			}
			require.NoError(t, f.command(t, "RemoveUser", removal{"lobby", []string{"user1", "nobody"}}, &out))
			require.Equal(t, "removed", out.Users[0].Result)
			require.Equal(t, "not_in_room", out.Users[1].Result)
			all[1].putOut(t)
			require.Equal(t, 1, all[1].lastExit())
			for _, p := range []*person{all[0], all[2]} {
				eventually(t, "user1 is gone for "+p.name, 5*time.Second, func() bool { return p.sees() == 1 })
			}

			var n struct{ Users int }
			require.NoError(t, f.command(t, "DismissRoom", room{"lobby"}, &n))
			require.Equal(t, 2, n.Users)
			for _, p := range []*person{all[0], all[2]} {
				p.putOut(t)
				require.Equal(t, 2, p.lastExit())
				require.Empty(t, p.doubled)
			}
			f.nothingLeft(t)
		})
	}
}

// TestRoomThatIsNowhere: the answer comes at once, not by a time-out.
func TestRoomThatIsNowhere(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1)
	var slowest time.Duration
	for range 50 {
		began := time.Now()
		err := f.command(t, "DismissRoom", room{"nowhere"}, nil)
		slowest = max(slowest, time.Since(began))
		var r *refused
		require.True(t, errors.As(err, &r), "%v", err)
		require.Equal(t, "room_not_found", r.Code)
	}
	t.Logf("slowest answer: %s", slowest)
	require.Less(t, slowest, time.Second, "an answer, not a time-out")
}
