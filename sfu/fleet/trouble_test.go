package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// body returns what a node answers to a GET.
func (n *node) body(path string) string {
	res, err := http.Get(n.url + path)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body) // what is there of it
	return string(b)
}

// smallDisk mounts a disk of so many megabytes, which takes root.
func smallDisk(t *testing.T, mb int) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mb)), "mounting a small disk takes root")
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fill fills a disk to its last byte, and returns what frees it.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "filler")
	f, err := os.Create(name)
	require.NoError(t, err)
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
			size /= 2
		}
	}
	return func() { require.NoError(t, os.Remove(name)) }
}

// pad writes into the streams until they have met with the full disk: a last page may still have room for
// small entries.
func (f *fleet) pad(t *testing.T) {
	t.Helper()
	js, err := jetstream.New(f.nats)
	require.NoError(t, err)
	filler := fmt.Sprintf(`{"ID":"pad","filler":%q}`, strings.Repeat("x", 5000))
	for _, subject := range []string{"$KV.SFU_ROOMS.node.pad", "sfu.v1.events.pad.s-pad.0"} {
		eventually(t, "the disk is full for "+subject, 20*time.Second, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := js.Publish(ctx, subject, []byte(filler), jetstream.WithRetryAttempts(0))
			return err != nil
		})
	}
}

// onDisk starts nodes whose NATS stores on a disk, external or inside the first one.
func onDisk(t *testing.T, dir string, nodes int, external bool, args ...string) *fleet {
	t.Helper()
	args = append([]string{"--nats.events_mb", "8"}, args...)
	f := &fleet{}
	url := ""
	if external {
		f.brokers = brokersIn(t, 1, func() string { return dir })
		url = f.brokers[0].url()
	}
	for _, id := range []string{"a", "b", "c"}[:nodes] {
		all := args
		if url == "" {
			all = append(slices.Clone(args), "--nats.listen", fmt.Sprintf("127.0.0.1:%d", freePort(t)), "--nats.store_dir", dir)
		}
		n := startNode(t, id, url, all...)
		f.nodes = append(f.nodes, n)
		if url == "" {
			url = strings.Split(strings.SplitN(n.body("/healthz"), `"nats":"`, 2)[1], `"`)[0]
		}
	}
	f.dial(t, url)
	return f
}

// TestTheDiskOfNATSIsFull fills it and frees it again. The nodes say what is wrong, those inside go on, new
// rooms are placed within seconds of the space being there, and no event is lost.
func TestTheDiskOfNATSIsFull(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		nodes    int
		external bool
	}{{1, false}, {3, false}, {1, true}, {3, true}} {
		t.Run(fmt.Sprintf("%d nodes, external %v", c.nodes, c.external), func(t *testing.T) {
			dir := smallDisk(t, 48)
			f := onDisk(t, dir, c.nodes, c.external)
			all := f.crowd(t, "lobby", 4)
			home := f.home(t, all)
			eventually(t, "everybody's entering is stored", 10*time.Second, func() bool { return home.gauge(t, "parlor_events_queued") == 0 })
			free := fill(t, dir)
			f.pad(t)
			require.NoError(t, all[3].leave()) // which is an event
			rest := all[:3]
			for _, n := range f.nodes {
				eventually(t, "node "+n.id+" says that no room can be placed", 30*time.Second, func() bool {
					return n.get("/readyz") == http.StatusServiceUnavailable && n.gauge(t, "parlor_cluster_placeable") == 0
				})
				t.Logf("node %s: %s", n.id, strings.TrimSpace(n.body("/readyz")))
			}
			require.Contains(t, home.body("/readyz"), "SFU_", "what is wrong")
			time.Sleep(6 * time.Second) // longer than a lease
			for _, p := range rest {
				require.Equal(t, 1, p.entered(), "%s has noticed", p.name)
				eventually(t, p.name+" sees the others", 5*time.Second, func() bool { return p.sees() == 2 })
			}
			free()
			began := time.Now()
			for _, n := range f.nodes {
				eventually(t, "node "+n.id+" is ready again", 30*time.Second, func() bool { return n.get("/readyz") == http.StatusOK })
			}
			t.Logf("ready %.1f s after there was space", time.Since(began).Seconds())
			late := enter(t, f.nodes[0], "another", "dora")
			t.Logf("a new room %.1f s after there was space", time.Since(began).Seconds())
			if c.external { // such a server stores no more events until it is restarted
				f.brokers[0].kill()
				f.brokers[0].again(t)
				for _, n := range f.nodes {
					eventually(t, "node "+n.id+" has registered again", 20*time.Second, func() bool {
						return n.get("/readyz") == http.StatusOK && n.gauge(t, "parlor_events_queued") == 0
					})
				}
			}
			for _, p := range append(rest, late) {
				require.Equal(t, 1, p.entered(), "%s has noticed", p.name)
				require.NoError(t, p.leave())
			}
			f.complete(t)
			f.nothingLeft(t)
			entered := 0
			for _, e := range f.feed(t) {
				if e.Type == 103 {
					entered++
				}
			}
			require.Equal(t, 5, entered, "no event is lost")
		})
	}
}

// TestANodeEndsWhileTheDiskIsFull: what its queue held is completed by its next process.
func TestANodeEndsWhileTheDiskIsFull(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 48)
	f := onDisk(t, dir, 1, false)
	all := f.crowd(t, "lobby", 4)
	n := f.nodes[0]
	eventually(t, "everybody's entering is stored", 10*time.Second, func() bool { return n.gauge(t, "parlor_events_queued") == 0 })
	free := fill(t, dir)
	f.pad(t)
	for _, p := range all[:3] {
		require.NoError(t, p.leave())
	}
	eventually(t, "events wait", 20*time.Second, func() bool { return n.gauge(t, "parlor_events_queued") > 0 })
	n.signal(syscall.SIGTERM)
	<-n.end
	_ = all[3].leave() // its node is gone
	free()
	f.nats.Close()
	listen := n.cmd.Args[slices.Index(n.cmd.Args, "--nats.listen")+1]
	again := startNode(t, "a", "", "--nats.listen", listen, "--nats.store_dir", dir, "--nats.events_mb", "8")
	f.nodes = []*node{again}
	f.dial(t, "nats://"+listen)
	eventually(t, "what was owed is told", 30*time.Second, func() bool {
		in := map[string]int{}
		rooms := 0
		for _, e := range f.feed(t) {
			switch e.Type {
			case 101:
				rooms++
			case 102:
				rooms--
			case 103:
				in[e.User]++
			case 104:
				in[e.User]--
			}
		}
		for _, left := range in {
			rooms += left
		}
		return len(in) == 4 && rooms == 0
	})
	f.complete(t)
}

// TestANodeHangs stops a node, with everything that it has, and wakes it. Commands given anywhere are
// answered within a second, or say which node does not answer; what it got meanwhile it does not carry out.
func TestANodeHangs(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1)
	all := f.crowd(t, "lobby", 3)
	home := f.home(t, all)
	other := f.elsewhere(t, home)
	hung := f.home(t, other)
	theirs := other[0].room
	hung.signal(syscall.SIGSTOP)
	woken := false
	defer func() {
		if !woken {
			hung.signal(syscall.SIGCONT)
		}
	}()
	slowest := time.Duration(0)
	for i := range 20 {
		began := time.Now()
		var d struct{ UserList []struct{} }
		require.NoError(t, f.command(t, "DescribeRoom", room{"lobby"}, &d), "command %d", i)
		require.Len(t, d.UserList, 3)
		slowest = max(slowest, time.Since(began))
	}
	t.Logf("slowest answer: %v", slowest)
	require.Less(t, slowest, time.Second)

	began := time.Now()
	err := f.command(t, "DescribeRoom", room{theirs}, nil)
	took := time.Since(began)
	var r *refused
	require.True(t, errors.As(err, &r), "%v", err)
	require.Contains(t, r.Message, "node "+hung.id+" does not answer")
	t.Logf("told after %v: %v", took, r)
	require.Less(t, took, 1500*time.Millisecond)
	owing := &refused{}
	require.ErrorAs(t, f.command(t, "RemoveUser", removal{theirs, []string{other[3].name}}, nil), &owing)
	require.Contains(t, owing.Message, "node "+hung.id+" does not answer")
	require.Contains(t, owing.Message, "it carries the command out if it is back within 3m0s")

	for range 10 { // of which the node that hangs gets some
		require.Error(t, f.command(t, "DismissRoom", room{"victim"}, nil))
	}
	eventually(t, "its lease has run out", 20*time.Second, func() bool { return home.gauge(t, "parlor_cluster_nodes") == 2 })
	victim := enter(t, home, "victim", "vic")
	hung.signal(syscall.SIGCONT)
	woken = true
	eventually(t, "it is back", 30*time.Second, func() bool { return hung.get("/readyz") == http.StatusOK })
	other[3].putOut(t)
	require.Equal(t, 1, other[3].lastExit(), "what was kept for it is done")
	other = other[:3]
	time.Sleep(2 * time.Second)
	require.Equal(t, 1, victim.entered())
	require.Equal(t, -1, victim.lastExit(), "an old command was carried out")
	for _, p := range slices.Concat(all, other, []*person{victim}) {
		require.Equal(t, 1, p.entered(), "%s has noticed", p.name)
		require.NoError(t, p.leave())
		require.Empty(t, p.doubled, p.name)
	}
	f.nothingLeft(t)
}

// TestTheBucketOfRoomsIsDeleted under running nodes, and a single key of it: rooms stay one room each, and
// new ones are placed.
func TestTheBucketOfRoomsIsDeleted(t *testing.T) {
	t.Parallel()
	for _, servers := range []int{0, 1, 3} {
		t.Run(fmt.Sprint(servers, " brokers"), func(t *testing.T) {
			f := newFleet(t, servers)
			all := f.crowd(t, "lobby", 6)
			js, err := jetstream.New(f.nats)
			require.NoError(t, err)
			kv, err := js.KeyValue(t.Context(), "SFU_ROOMS")
			require.NoError(t, err)
			require.NoError(t, kv.Purge(t.Context(), "s-lobby"))
			eventually(t, "it is written again", 5*time.Second, func() bool { return slices.Contains(f.keys(t, "SFU_ROOMS"), "s-lobby") })
			require.NoError(t, js.DeleteKeyValue(t.Context(), "SFU_ROOMS"))
			for i, n := range f.nodes {
				all = append(all, enter(t, n, "lobby", fmt.Sprint("late", i)))
			}
			f.home(t, all)
			for _, p := range all {
				eventually(t, p.name+" sees all", 5*time.Second, func() bool { return p.sees() == len(all)-1 })
			}
			for i, n := range f.nodes {
				all = append(all, enter(t, n, fmt.Sprint("new", i), fmt.Sprint("new", i)))
			}
			for _, p := range all {
				require.Equal(t, 1, p.entered(), "%s has noticed", p.name)
				require.NoError(t, p.leave())
			}
			f.nothingLeft(t)
			f.complete(t)
		})
	}
}
