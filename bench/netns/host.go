package netns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"parlor/bench/link"
)

// Host is a machine of a Network. Its methods may be called from any goroutine.
type Host struct {
	name   string
	net    *Network
	addr   netip.Addr
	seed   uint64
	keeper *exec.Cmd
	stdin  io.Closer // of the keeper
	ns     *os.File
	tun    int // file descriptor of the device; -1: none

	up, down way // under net.mu
}

// Addr is the machine's address.
func (h *Host) Addr() netip.Addr { return h.addr }

// Namespace is a file of the machine's network namespace, for programs such as nsenter, while the network is.
func (h *Host) Namespace() string { return fmt.Sprintf("/proc/%d/ns/net", h.keeper.Process.Pid) }

func (h *Host) upSeed() uint64   { return 2 * h.seed }
func (h *Host) downSeed() uint64 { return 2*h.seed + 1 }

// Shape draws the machine's links anew; their profiles begin now. What is under way arrives as it would have.
func (h *Host) Shape(up, down link.Profile) error {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	now := h.net.now()
	return errors.Join(h.up.shape(now, up, h.upSeed()), h.down.shape(now, down, h.downSeed()))
}

// Traffic is what has passed one direction of a machine's cable since the latest Shape.
type Traffic struct {
	link.Counters
	Queueing time.Duration   // that a packet would meet now
	Backlog  int             // bytes that wait
	Waited   []time.Duration // of each packet since the previous look
}

// Traffic looks at both directions.
func (h *Host) Traffic() (up, down Traffic) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	now := h.net.now()
	return h.up.look(now), h.down.look(now)
}

// open makes the namespace and the device.
func (h *Host) open() (err error) {
	h.keeper = exec.Command("cat")
	h.keeper.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if h.stdin, err = h.keeper.StdinPipe(); err != nil {
		return err
	}
	if err = h.keeper.Start(); err != nil {
		return fmt.Errorf("new namespace (root is needed): %w", err)
	}
	if h.ns, err = os.Open(h.Namespace()); err != nil {
		return err
	}
	if err := h.Do(func() (err error) { h.tun, err = openTUN(); return err }); err != nil {
		return err
	}
	return h.ip(fmt.Sprintf(`link set lo up
link set %[1]s mtu 1500 txqueuelen 10000 addrgenmode none up
addr add %[2]s/32 dev %[1]s
route add default dev %[1]s`, tunName, h.addr))
}

// ip runs iproute2 commands on the machine, one a line.
func (h *Host) ip(script string) error {
	path, err := exec.LookPath("ip")
	if err != nil {
		return fmt.Errorf("ip is missing: run `apt-get install -y iproute2`: %w", err)
	}
	cmd := exec.Command(path, "-batch", "-")
	cmd.Stdin = strings.NewReader(script + "\n")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := h.Do(cmd.Run); err != nil {
		return fmt.Errorf("ip: %s: %w", strings.TrimSpace(out.String()), err)
	}
	return nil
}

// close ends what open has made, as far as it came.
func (h *Host) close() {
	if h.tun >= 0 {
		_ = unix.Close(h.tun)
		h.tun = -1
	}
	if h.ns != nil {
		h.ns.Close()
	}
	if h.stdin != nil {
		h.stdin.Close()
	}
	if h.keeper.Process != nil {
		_ = h.keeper.Wait() // it ends as its input does
	}
}

// Do calls f on a thread of the machine: sockets that it opens and processes that it starts are there. Goroutines that it
// starts are not.
func (h *Host) Do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		// The thread is never unlocked, so the runtime ends it with the goroutine and nothing else ever runs on it.
		runtime.LockOSThread()
		if err := unix.Setns(int(h.ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter the namespace: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}

// Start starts a command on the machine and returns a channel that gets what Wait returns, once. The command is killed with this
// process; whatever else it starts in turn is in a group of its own with it.
func (h *Host) Start(cmd *exec.Cmd) (ended <-chan error, err error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, syscall.SIGKILL
	started, end := make(chan error, 1), make(chan error, 1)
	go func() {
		// The kernel kills the command when the thread ends that has started it, so that thread waits.
		failed := h.Do(func() error {
			err := cmd.Start()
			started <- err
			if err == nil {
				end <- cmd.Wait()
			}
			return nil
		})
		if failed != nil {
			started <- failed
		}
	}()
	return end, <-started
}

// Dial connects from the machine. The address must be a literal: nothing resolves names there.
func (h *Host) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = h.Do(func() (err error) { c, err = new(net.Dialer).DialContext(ctx, network, address); return err })
	return c, err
}

// Listen opens a TCP port of the machine, ListenPacket one of UDP.
func (h *Host) Listen(port string) (l net.Listener, err error) {
	err = h.Do(func() (err error) { l, err = net.Listen("tcp", net.JoinHostPort(h.addr.String(), port)); return err })
	return l, err
}

// ListenPacket opens a UDP port of the machine.
func (h *Host) ListenPacket(port string) (c net.PacketConn, err error) {
	err = h.Do(func() (err error) {
		c, err = net.ListenPacket("udp", net.JoinHostPort(h.addr.String(), port))
		return err
	})
	return c, err
}
