package server

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// script starts a shell in place of a node.
func script(t *testing.T, text string) *Process {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "node")
	require.NoError(t, os.Mkdir(dir, 0o755))
	p, err := Start(exec.Command("sh", "-c", text), dir, Here)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, p.Stop())
		require.NoDirExists(t, dir)
	})
	return p
}

func never(context.Context) error { return http.ErrServerClosed }

// A node that ends is waited for no longer. How it ended and what it said is told once.
func TestEnds(t *testing.T) {
	p := script(t, "echo no luck; exit 3")
	err := p.Explain(p.Await(t.Context(), never))
	require.ErrorContains(t, err, "the node has ended")
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "last lines of the node:\nno luck")
}

// A node is asked to end, and what it says then is told as well.
func TestStops(t *testing.T) {
	p := script(t, "trap 'echo bye; exit 4' TERM; echo there; while :; do sleep 0.01; done")
	require.NotZero(t, p.PID())
	looks := 0
	require.NoError(t, p.Await(t.Context(), func(context.Context) error {
		if looks++; looks < 3 {
			return errors.New("not yet")
		}
		return nil
	}))
	require.Equal(t, 3, looks)
	cause := errors.New("some cause")
	err := p.Explain(cause)
	require.ErrorIs(t, err, cause)
	require.ErrorContains(t, err, "the node ended with: exit status 4")
	require.ErrorContains(t, err, "there\nbye")
}

// A node that was not started here is only looked at.
func TestNobody(t *testing.T) {
	var p *Process
	require.Zero(t, p.PID())
	require.NoError(t, p.Stop())
	require.ErrorIs(t, p.Explain(http.ErrServerClosed), http.ErrServerClosed)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.Await(ctx, never), http.ErrServerClosed)
	dir := t.TempDir()
	_, err := Start(exec.Command("/no/such/node"), dir, Here)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoDirExists(t, dir)
}
