package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// workshop is the directory of what is built for the tests.
var workshop = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "parlor-fleet-") })

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := workshop(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// binaries are built once for all tests.
var binaries = sync.OnceValues(func() (string, error) {
	dir, err := workshop()
	if err != nil {
		return "", err
	}
	for name, pkg := range map[string]string{"sfu": "parlor/cmd/sfu", "nats-server": "github.com/nats-io/nats-server/v2"} {
		if out, e := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg).CombinedOutput(); e != nil {
			err = errors.Join(err, fmt.Errorf("build %s: %w\n%s", pkg, e, out))
		}
	}
	return dir, err
})

// binary returns the path of "sfu" or "nats-server".
func binary(t *testing.T, name string) string {
	t.Helper()
	dir, err := binaries()
	require.NoError(t, err)
	return filepath.Join(dir, name)
}

func eventually(t *testing.T, what string, within time.Duration, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, within, 20*time.Millisecond, what)
}

// process is a program that runs until the test ends, or until it is killed.
type process struct {
	name string
	cmd  *exec.Cmd
	end  chan struct{} // it has ended

	mu  sync.Mutex
	log bytes.Buffer
}

func start(t *testing.T, name, path string, args ...string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(path, args...), end: make(chan struct{})}
	p.cmd.Dir = t.TempDir()
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // how it ended is in its log
		close(p.end)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGTERM)
		select {
		case <-p.end:
		case <-time.After(15 * time.Second):
			t.Errorf("%s does not end", name)
			p.signal(syscall.SIGKILL)
			<-p.end
		}
		if t.Failed() {
			t.Logf("log of %s:\n%s", name, p.said())
		}
	})
	return p
}

// Write implements io.Writer for what the process says.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) } // fails where it has ended

func (p *process) ended() bool {
	select {
	case <-p.end:
		return true
	default:
		return false
	}
}

// kill ends the process as a crash of the machine does.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.end
}

// freePort finds a port of loopback that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// broker is one of the NATS servers.
type broker struct {
	*process
	args    []string
	port    int
	monitor string
}

// brokers starts n NATS servers with JetStream; more than one make a cluster.
func brokers(t *testing.T, n int) []*broker {
	t.Helper()
	return brokersIn(t, n, t.TempDir)
}

// brokersIn is brokers that store in directories of the caller's choice.
func brokersIn(t *testing.T, n int, dir func() string) []*broker {
	t.Helper()
	path := binary(t, "nats-server")
	var ports, clusters []int
	var routes []string
	for range n {
		ports, clusters = append(ports, freePort(t)), append(clusters, freePort(t))
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", clusters[len(clusters)-1]))
	}
	var all []*broker
	for i := range n {
		b := &broker{port: ports[i], monitor: fmt.Sprintf("127.0.0.1:%d", freePort(t))}
		b.args = []string{"-a", "127.0.0.1", "-p", fmt.Sprint(ports[i]), "-js", "-sd", dir(), "-n", fmt.Sprintf("nats-%d", i), "-l", os.DevNull,
			"-m", strings.Split(b.monitor, ":")[1]}
		if n > 1 {
			b.args = append(b.args, "-cluster_name", "fleet", "-cluster", routes[i], "-routes", strings.Join(routes, ","))
		}
		b.process = start(t, fmt.Sprintf("nats-%d", i), path, b.args...)
		all = append(all, b)
	}
	for _, b := range all {
		eventually(t, "JetStream of "+b.name+" is ready", 30*time.Second, b.healthy)
	}
	return all
}

func (b *broker) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", b.port) }

func (b *broker) healthy() bool {
	res, err := http.Get("http://" + b.monitor + "/healthz")
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// again starts a broker that was killed, with what it has stored.
func (b *broker) again(t *testing.T) {
	t.Helper()
	b.process = start(t, b.name, b.cmd.Path, b.args...)
	eventually(t, b.name+" is back", 30*time.Second, b.healthy)
}

// link is a way to a TCP server that can be cut, so that nothing passes in either direction, and mended.
type link struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	l := &link{to: to, conns: map[net.Conn]bool{}}
	var err error
	l.listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = l.listener.Close()
		l.set(true)
	})
	go func() {
		for {
			c, err := l.listener.Accept()
			if err != nil {
				return
			}
			go l.carry(c)
		}
	}()
	return l
}

func (l *link) url() string { return "nats://" + l.listener.Addr().String() }

func (l *link) carry(in net.Conn) {
	out, err := net.Dial("tcp", l.to)
	if err != nil {
		_ = in.Close()
		return
	}
	if !l.add(in, out) {
		return
	}
	var both sync.WaitGroup
	pipe := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_, _ = to.Close(), from.Close()
	}
	both.Go(func() { pipe(in, out) })
	both.Go(func() { pipe(out, in) })
	both.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, in)
	delete(l.conns, out)
}

func (l *link) add(cs ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range cs {
		if l.cut {
			_ = c.Close()
		} else {
			l.conns[c] = true
		}
	}
	return !l.cut
}

// set cuts or mends the link. Connections that are cut end.
func (l *link) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	if cut {
		for c := range l.conns {
			_ = c.Close()
		}
	}
}

// node is a media node.
type node struct {
	*process
	id, url string
}

// startNode starts a node on free ports, with the given NATS servers.
func startNode(t *testing.T, id, natsURL string, args ...string) *node {
	t.Helper()
	return startBinary(t, binary(t, "sfu"), id, natsURL, args...)
}

// startBinary is startNode for a program other than the usual one.
func startBinary(t *testing.T, path, id, natsURL string, args ...string) *node {
	t.Helper()
	port := freePort(t)
	n := &node{id: id, url: fmt.Sprintf("http://127.0.0.1:%d", port)}
	all := append([]string{"--node.id", id, "--http.listen", fmt.Sprintf("127.0.0.1:%d", port), "--media.listen", "127.0.0.1:0",
		"--log.format", "json", "--log.level", "info"}, args...)
	if natsURL != "" {
		all = append(all, "--nats.url", natsURL)
	}
	n.process = start(t, "node "+id, path, all...)
	eventually(t, "node "+id+" is ready", 30*time.Second, func() bool { return n.ended() || n.get("/readyz") == http.StatusOK })
	require.False(t, n.ended(), "node %s: %s", id, n.said())
	return n
}

func (n *node) get(path string) int {
	res, err := http.Get(n.url + path)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	return res.StatusCode
}

// fleet is three nodes and their brokers.
type fleet struct {
	brokers []*broker
	nodes   []*node
	nats    *nats.Conn
}

// urls returns the URLs of brokers as a node takes them.
func urls(all []*broker) string {
	var list []string
	for _, b := range all {
		list = append(list, b.url())
	}
	return strings.Join(list, ",")
}

// newFleet starts three nodes with as many brokers as said; 0: with the one inside the first node.
func newFleet(t *testing.T, servers int, args ...string) *fleet {
	t.Helper()
	if servers == 0 {
		return newEmbeddedFleet(t, args...)
	}
	f := &fleet{brokers: brokers(t, servers)}
	args = append([]string{"--nats.replicas", fmt.Sprint(servers)}, args...)
	for _, id := range []string{"a", "b", "c"} {
		f.nodes = append(f.nodes, startNode(t, id, urls(f.brokers), args...))
	}
	f.dial(t, urls(f.brokers))
	return f
}

func newEmbeddedFleet(t *testing.T, args ...string) *fleet {
	t.Helper()
	listen := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	f := &fleet{nodes: []*node{startNode(t, "a", "", append([]string{"--nats.listen", listen}, args...)...)}}
	// The others end first: what is inside the first one is theirs, too.
	for _, id := range []string{"b", "c"} {
		f.nodes = append(f.nodes, startNode(t, id, "nats://"+listen, args...))
	}
	f.dial(t, "nats://"+listen)
	return f
}

// dial is the operator's connection to NATS.
func (f *fleet) dial(t *testing.T, url string) {
	t.Helper()
	var err error
	f.nats, err = nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(f.nats.Close)
}

// command gives a command over NATS, at whichever node takes it, and decodes its answer.
func (f *fleet) command(t *testing.T, action string, request, answer any) error {
	t.Helper()
	return f.ask(t, "sfu.v1."+action, request, answer)
}

// refused is the error of a command.
type refused struct{ Code, Field, Message string }

func (r *refused) Error() string { return r.Code + " " + r.Field + ": " + r.Message }

func (f *fleet) ask(t *testing.T, subject string, request, answer any) error {
	t.Helper()
	body, err := json.Marshal(request)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	m, err := f.nats.RequestWithContext(ctx, subject, body)
	if err != nil {
		return err
	}
	if code := m.Header.Get("Nats-Service-Error-Code"); code != "" {
		r := &refused{Code: code}
		require.NoError(t, json.Unmarshal(m.Data, r), "%s", m.Data)
		return r
	}
	if answer != nil {
		require.NoError(t, json.Unmarshal(m.Data, answer), "%s", m.Data)
	}
	return nil
}

// node returns the node at a URL.
func (f *fleet) at(t *testing.T, url string) *node {
	t.Helper()
	for _, n := range f.nodes {
		if n.url == strings.TrimSuffix(url, "/") {
			return n
		}
	}
	t.Fatalf("no node at %s", url)
	return nil
}
