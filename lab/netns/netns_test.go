package netns_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/lab/link"
	"parlor/lab/netns"
	"parlor/web/browser"
)

// abandoned, in the environment, makes this process leave a network behind, see TestNothingStaysBehind.
const abandoned = "PARLOR_TEST_ABANDONED"

func TestMain(m *testing.M) {
	if os.Getenv(abandoned) != "" {
		abandon()
	}
	if err := browser.Isolate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func network(t *testing.T) *netns.Network {
	t.Helper()
	n, err := netns.New()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

func host(t *testing.T, n *netns.Network, name string) *netns.Host {
	t.Helper()
	h, err := n.Host(name, 1)
	require.NoError(t, err)
	return h
}

func shape(t *testing.T, h *netns.Host, up, down string) {
	t.Helper()
	u, err := link.Parse(up)
	require.NoError(t, err)
	d, err := link.Parse(down)
	require.NoError(t, err)
	require.NoError(t, h.Shape(u, d))
}

// echo answers datagrams at a port of the machine.
func echo(t *testing.T, h *netns.Host) net.Addr {
	t.Helper()
	c, err := h.ListenPacket("0")
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	go func() {
		for buffer := make([]byte, 1500); ; {
			n, from, err := c.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(buffer[:n], from)
		}
	}()
	return c.LocalAddr()
}

// ping returns the shortest of several round trips, which a busy machine does not make longer.
func ping(t *testing.T, from *netns.Host, to net.Addr) time.Duration {
	t.Helper()
	c, err := from.Dial(t.Context(), "udp", to.String())
	require.NoError(t, err)
	defer c.Close()
	least := time.Hour
	for range 10 {
		sent := time.Now()
		_, err := c.Write([]byte("ping"))
		require.NoError(t, err)
		require.NoError(t, c.SetReadDeadline(sent.Add(10*time.Second)))
		_, err = c.Read(make([]byte, 10))
		require.NoError(t, err)
		least = min(least, time.Since(sent))
	}
	return least
}

// transfer sends bytes over TCP and returns how long they took from the first to the last.
func transfer(t *testing.T, from, to *netns.Host, size int) time.Duration {
	t.Helper()
	l, err := to.Listen("0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		c, err := from.Dial(context.Background(), "tcp", l.Addr().String())
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Write(make([]byte, size))
	}()
	c, err := l.Accept()
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(30*time.Second)))
	_, err = io.ReadFull(c, make([]byte, 1))
	require.NoError(t, err)
	began := time.Now()
	n, err := io.Copy(io.Discard, c)
	require.NoError(t, err)
	require.Equal(t, int64(size-1), n)
	return time.Since(began)
}

// Blocked UDP passes in neither direction while TCP does, and passes again later.
func TestBlockUDP(t *testing.T) {
	n := network(t)
	a, b := host(t, n, "a"), host(t, n, "b")
	at := echo(t, b)
	ping(t, a, at)
	for _, blocked := range []*netns.Host{a, b} {
		blocked.BlockUDP(true)
		c, err := a.Dial(t.Context(), "udp", at.String())
		require.NoError(t, err)
		_, err = c.Write([]byte("ping"))
		require.NoError(t, err)
		require.NoError(t, c.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
		_, err = c.Read(make([]byte, 10))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, c.Close())
		transfer(t, a, b, 10000)
		blocked.BlockUDP(false)
		ping(t, a, at)
	}
}

// Delays are those that were drawn, both ways, and change when they are drawn anew.
func TestDelay(t *testing.T) {
	n := network(t)
	a, b := host(t, n, "a"), host(t, n, "b")
	at := echo(t, b)
	near := ping(t, a, at)
	t.Logf("without any delay: %s", near)
	require.Less(t, near, 20*time.Millisecond)

	shape(t, a, "delay=20ms", "delay=10ms")
	shape(t, b, "delay=15ms", "delay=5ms")
	fifty := ping(t, a, at)
	require.GreaterOrEqual(t, fifty, 50*time.Millisecond)
	shape(t, a, "delay=70ms", "delay=10ms")
	require.InEpsilon(t, 2, float64(ping(t, a, at))/float64(fifty), 0.1)
}

// Rates are those that were drawn, for TCP as for all else.
func TestRate(t *testing.T) {
	n := network(t)
	a, b := host(t, n, "a"), host(t, n, "b")
	const size = 1_000_000
	shape(t, b, "", "rate=4M queue=200ms delay=5ms")
	slow := transfer(t, a, b, size)
	_, down := b.Traffic()
	require.Greater(t, int(down.Bytes), size)
	require.NotEmpty(t, down.Waited)
	require.GreaterOrEqual(t, slow, time.Duration(float64(size)*8/4e6*float64(time.Second)*0.95))
	shape(t, b, "", "rate=8M queue=200ms delay=5ms")
	require.InEpsilon(t, 2, float64(slow)/float64(transfer(t, a, b, size)), 0.1)

	shape(t, a, "rate=8M queue=200ms", "")
	shape(t, b, "", "")
	require.InEpsilon(t, 2, float64(slow)/float64(transfer(t, a, b, size)), 0.1, "an uplink")
}

// It carries as much as calls need, and adds next to no delay of its own.
func TestKeepsUp(t *testing.T) {
	n := network(t)
	a, b := host(t, n, "a"), host(t, n, "b")
	shape(t, a, "", "delay=1ms")
	shape(t, b, "", "rate=50M queue=50ms delay=1ms")
	took := transfer(t, a, b, 10_000_000)
	p50, p99 := n.Late()
	t.Logf("80 Mbit at 50 Mbit/s took %s; later than drawn by %s, p99 %s", took, p50, p99)
	require.Greater(t, took.Seconds(), 1.6*0.95)
	require.Less(t, took.Seconds(), 2*1.6) // a machine that is busy with other tests
	require.Less(t, p50, 10*time.Millisecond)
	require.Eventually(t, func() bool { p50, p99 := n.Late(); return p50+p99 == 0 }, 10*time.Second, 10*time.Millisecond, "since the previous look")
}

// Losses and duplicates are those that were drawn, on both ways, and are counted; no packet becomes another
// one.
func TestLoss(t *testing.T) {
	n := network(t)
	a, b := host(t, n, "a"), host(t, n, "b")
	shape(t, a, "loss=30% duplicate=30%", "")
	shape(t, b, "", "duplicate=30% delay=15ms jitter=30ms")
	c, err := b.ListenPacket("0")
	require.NoError(t, err)
	defer c.Close()
	from, err := a.Dial(t.Context(), "udp", c.LocalAddr().String())
	require.NoError(t, err)
	defer from.Close()
	const sent = 250
	for i := range sent {
		_, err := from.Write([]byte{byte(i)})
		require.NoError(t, err)
		if i%5 == 0 {
			<-time.After(2 * time.Millisecond) // so that some arrive while others are sent
		}
	}
	var up netns.Traffic
	require.Eventually(t, func() bool { // the kernel hands packets over a moment later
		up, _ = a.Traffic()
		_, down := b.Traffic()
		return up.Sent == sent && down.Sent == sent-up.Dropped[link.Lost]+up.Duplicated
	}, 5*time.Second, time.Millisecond)
	_, down := b.Traffic()
	require.InDelta(t, 0.3*sent, up.Dropped[link.Lost], 30)
	require.InDelta(t, 0.3*float64(sent-up.Dropped[link.Lost]), up.Duplicated, 30)

	came := map[byte]int{}
	buffer := make([]byte, 10)
	for range down.Sent + down.Duplicated {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
		size, _, err := c.ReadFrom(buffer)
		require.NoError(t, err)
		require.Equal(t, 1, size)
		came[buffer[0]]++
		require.LessOrEqual(t, came[buffer[0]], 4)
	}
	require.Len(t, came, sent-int(up.Dropped[link.Lost]))
}

// A command runs on its machine.
func TestStart(t *testing.T) {
	n := network(t)
	a := host(t, n, "a")
	var out bytes.Buffer
	cmd := exec.Command("ip", "-brief", "addr")
	cmd.Stdout = &out
	ended, err := a.Start(cmd)
	require.NoError(t, err)
	require.NoError(t, <-ended)
	require.Contains(t, out.String(), a.Addr().String())
	here, err := net.InterfaceAddrs()
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprint(here), a.Addr().String(), "it is another machine")
	_, err = a.Start(exec.Command("/no/such/program"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// This process is a machine too, whose address and route are gone with the network.
func TestHere(t *testing.T) {
	for range 2 {
		n, err := netns.New()
		require.NoError(t, err)
		here, err := n.Here(1)
		require.NoError(t, err)
		there := host(t, n, "there")
		shape(t, there, "delay=20ms", "delay=10ms")
		require.GreaterOrEqual(t, ping(t, there, echo(t, here)), 30*time.Millisecond)
		require.GreaterOrEqual(t, ping(t, here, echo(t, there)), 30*time.Millisecond)
		require.Empty(t, here.Namespace())
		require.NoError(t, n.Close())
		addrs, err := net.InterfaceAddrs()
		require.NoError(t, err)
		require.NotContains(t, fmt.Sprint(addrs), here.Addr().String())
	}
}

// abandon makes a network with a program on it, tells the process ids of both, and waits to be killed.
func abandon() {
	err := func() error {
		n, err := netns.New()
		if err != nil {
			return err
		}
		h, err := n.Host("a", 1)
		if err != nil {
			return err
		}
		cmd := exec.Command("sleep", "600")
		if _, err := h.Start(cmd); err != nil {
			return err
		}
		fmt.Println(filepath.Base(filepath.Dir(filepath.Dir(h.Namespace()))), cmd.Process.Pid)
		select {}
	}()
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Where the process is killed, namespaces and programs go with it.
func TestNothingStaysBehind(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), abandoned+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	pids := strings.Fields(line)
	require.Len(t, pids, 2)
	for _, pid := range pids {
		require.DirExists(t, "/proc/"+pid)
	}
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	for _, pid := range pids {
		require.Eventually(t, func() bool { return gone(pid) }, 10*time.Second, 10*time.Millisecond, pid)
	}
}

// gone reports whether a process has ended; a zombie, whom nobody has waited for yet, has.
func gone(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return true
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z")
}
