package check

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/config"
	"parlor/sfu"
)

const (
	keyLine    = "first:0123456789abcdef0123456789abcdef"
	webhookKey = "a webhook key of more than 32 bytes"
)

// languages has a command for each that drives the package in it. A Go program is built first.
var languages = map[string]func(t *testing.T) *exec.Cmd{
	"go":     func(*testing.T) *exec.Cmd { return exec.Command(driveGo) },
	"node":   func(*testing.T) *exec.Cmd { return exec.Command("node", filepath.Join("testdata", "drive.mjs")) },
	"python": func(*testing.T) *exec.Cmd { return exec.Command("python3", filepath.Join("testdata", "drive.py")) },
}

// driveGo is the program of testdata/drive.
var driveGo string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "parlor-backend-")
	if err != nil {
		panic(err)
	}
	driveGo = filepath.Join(dir, "drive")
	code := 1
	if out, err := compile(filepath.Join("testdata", "drive"), driveGo); err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, "building the Go package:", string(out), err)
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// compile builds the Go program of a module, which needs nothing that is not there.
func compile(dir, program string) ([]byte, error) {
	c := exec.Command("go", "build", "-o", program, ".")
	c.Dir, c.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	return c.CombinedOutput()
}

// build builds the Go program of a module.
func build(t *testing.T, dir string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	out, err := compile(dir, program)
	require.NoError(t, err, string(out))
	return program
}

// driver is a package that does what it is told.
type driver struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

// each runs a test for every package.
func each(t *testing.T, test func(t *testing.T, d *driver)) {
	require.Len(t, languages, 3)
	for name, command := range languages {
		t.Run(name, func(t *testing.T) {
			c := command(t)
			in, err := c.StdinPipe()
			require.NoError(t, err)
			out, err := c.StdoutPipe()
			require.NoError(t, err)
			c.Stderr = os.Stderr
			require.NoError(t, c.Start())
			defer func() {
				require.NoError(t, in.Close())
				require.NoError(t, c.Wait())
			}()
			test(t, &driver{t, in, bufio.NewReader(out)})
		})
	}
}

// object is a JSON object.
type object = map[string]any

// failed is how a package says what went wrong.
type failed struct {
	Code, Field, Message string
	Status               int
	RetryAfter           float64
}

// result is what a package has done.
type result struct {
	Token    string
	Answer   json.RawMessage
	Event    object
	Commands object
	Error    *failed
}

func (d *driver) do(task object) (r result) {
	d.t.Helper()
	line, err := json.Marshal(task)
	require.NoError(d.t, err)
	_, err = d.in.Write(append(line, '\n'))
	require.NoError(d.t, err)
	answer, err := d.out.ReadBytes('\n')
	require.NoError(d.t, err, "%s", line)
	require.NoError(d.t, json.Unmarshal(answer, &r), string(answer))
	return r
}

// start runs a node for the length of a test.
func start(t *testing.T, change func(*config.Config)) *sfu.Node {
	t.Helper()
	c := config.Default()
	c.HTTP.Listen, c.Media.Listen, c.NATS.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	c.Node.ID, c.Auth.Keys = "n1", []config.Key{keyLine}
	if change != nil {
		change(&c)
	}
	n, err := sfu.New(c, zerolog.Nop())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	select {
	case <-n.Ready():
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	}
	return n
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
