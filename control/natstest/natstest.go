// Package natstest runs NATS servers for tests: in the process, and in processes of their own. Only tests
// import it.
//
//	natstest.go  Broker: a server that can be stopped and started again; Each
//	journal.go   Journal: a log that tests read; Eventually
package natstest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"parlor/control/embedded"
)

// binary is a nats-server, built from its module.
var binary string

// Main builds nats-server and runs a package's tests. It does not return.
func Main(m *testing.M) {
	dir, err := os.MkdirTemp("", "nats-server-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "nats-server")
	build := exec.Command("go", "build", "-o", binary, "github.com/nats-io/nats-server/v2")
	build.Stderr = os.Stderr
	code := 1
	if err := build.Run(); err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, "building nats-server:", err)
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// Command returns nats-server with arguments, not started. The package's TestMain has to be Main.
func Command(args ...string) *exec.Cmd { return exec.Command(binary, args...) }

// Broker is a NATS server that can be stopped and started again at the same address, with the same store.
type Broker interface {
	URL() string
	Start(t *testing.T)
	Stop(t *testing.T)
}

// Each runs a test against the embedded server and against one in a process of its own. Neither is started.
func Each(t *testing.T, f func(t *testing.T, b Broker)) {
	port := FreePort(t)
	t.Run("embedded", func(t *testing.T) {
		b := &inside{listen: fmt.Sprintf("127.0.0.1:%d", port), dir: t.TempDir()}
		defer b.Stop(t)
		f(t, b)
	})
	t.Run("process", func(t *testing.T) {
		b := &outside{port: port, dir: t.TempDir()}
		defer b.Stop(t)
		f(t, b)
	})
}

// FreePort returns a TCP port of this machine that nobody listens on.
func FreePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// Embedded returns an embedded server, which is not started.
func Embedded(t *testing.T) Broker {
	t.Helper()
	return &inside{listen: fmt.Sprintf("127.0.0.1:%d", FreePort(t)), dir: t.TempDir()}
}

type inside struct {
	listen, dir string
	s           *embedded.Server
}

func (b *inside) URL() string { return "nats://" + b.listen }

func (b *inside) Start(t *testing.T) {
	t.Helper()
	s, err := embedded.Start(t.Context(), embedded.Options{Listen: b.listen, Dir: b.dir, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	b.s = s
}

func (b *inside) Stop(t *testing.T) {
	if b.s == nil {
		return
	}
	if err := b.s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	b.s = nil
}

type outside struct {
	port int
	dir  string
	cmd  *exec.Cmd
}

func (b *outside) URL() string { return fmt.Sprintf("nats://127.0.0.1:%d", b.port) }

func (b *outside) Start(t *testing.T) {
	t.Helper()
	b.cmd = Command("-a", "127.0.0.1", "-p", fmt.Sprint(b.port), "-js", "-sd", b.dir)
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "nats-server listens", func() bool {
		nc, err := nats.Connect(b.URL())
		if err != nil {
			return false
		}
		nc.Close()
		return true
	})
}

func (b *outside) Stop(t *testing.T) {
	if b.cmd == nil {
		return
	}
	if err := b.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	_ = b.cmd.Wait() // its exit code after a signal tells nothing
	b.cmd = nil
}

// WithoutJetStream starts a NATS server for the length of a test.
func WithoutJetStream(t *testing.T, o server.Options) *server.Server {
	t.Helper()
	o.Host, o.Port, o.NoSigs = "127.0.0.1", server.RANDOM_PORT, true
	s, err := server.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Shutdown)
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	return s
}
