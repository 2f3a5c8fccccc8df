package call

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/lab/netns"
)

// alone is a machine without others.
func alone(t *testing.T) *netns.Host {
	t.Helper()
	n, err := netns.New()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	h, err := n.Host("alone", 1)
	require.NoError(t, err)
	return h
}

// A page that does not open is an error, and its browser has ended.
func TestPageDoesNotOpen(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), joinTime)
	defer cancel()
	p, err := openPage(ctx, alone(t), &node{url: "http://127.0.0.1:1"}, "", entry{Room: room, User: "viewer"})
	require.ErrorContains(t, err, "http://127.0.0.1:1/")
	require.Nil(t, p)
}

// Clients that do not end by themselves are killed.
func TestClientsAreKilled(t *testing.T) {
	p := &process{cmd: exec.Command("sleep", "600")}
	stdin, err := p.cmd.StdinPipe()
	require.NoError(t, err)
	p.stdin = stdin
	p.ended, err = alone(t).Start(p.cmd)
	require.NoError(t, err)
	require.ErrorContains(t, p.end(time.Millisecond), "signal: killed")
	require.NoError(t, p.end(0), "again does nothing")
}

// The film can be read by others, and does not stay behind.
func TestFilm(t *testing.T) {
	dir := t.TempDir()
	f, err := film(t.Context(), dir)
	require.NoError(t, err)
	defer f.Close()
	name := filepath.Join(dir, cameraName)
	head, err := exec.Command("head", "-c", "9", name).Output()
	require.NoError(t, err)
	require.Equal(t, "YUV4MPEG2", string(head))
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(cameraSeconds*frames*width*height*3/2))
	f.Close()
	_, err = os.Stat(name)
	require.ErrorIs(t, err, os.ErrNotExist)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "the link alone")
}
