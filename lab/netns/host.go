package netns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"parlor/lab/link"
)

// Host is a machine of a Network. Its methods may be called from any goroutine.
type Host struct {
	net   *Network
	space *Space // nil until open, and here
	here  bool   // it is this process
	addr  netip.Addr
	seed  uint64
	tun   int // file descriptor of the device; -1: none

	up, down way    // under net.mu
	noUDP    bool   // under net.mu
	onlyTCP  uint16 // under net.mu; 0: everything
}

// Addr is the machine's address.
func (h *Host) Addr() netip.Addr { return h.addr }

// Namespace is a file of the machine's network namespace, for programs such as nsenter, as long as the
// network is there. It is empty if the machine is this process.
func (h *Host) Namespace() string {
	if h.here {
		return ""
	}
	return h.space.Path()
}

// Do calls f on a thread of the machine, see [Space.Do].
func (h *Host) Do(f func() error) error {
	if h.here {
		return f()
	}
	return h.space.Do(f)
}

// Dial connects from the machine. The address must be a literal: nothing resolves names there.
func (h *Host) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = h.Do(func() (err error) { c, err = new(net.Dialer).DialContext(ctx, network, address); return err })
	return c, err
}

func (h *Host) upSeed() uint64   { return 2 * h.seed }
func (h *Host) downSeed() uint64 { return 2*h.seed + 1 }

// Shape draws the machine's links anew; their profiles begin now. What is under way arrives as it would have.
func (h *Host) Shape(up, down link.Profile) error {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	now := h.net.now()
	return errors.Join(h.up.shape(now, up, h.upSeed()), h.down.shape(now, down, h.downSeed()))
}

// BlockUDP makes the machine's cable drop every UDP packet in both directions from now on, as firewalls do,
// or lets them pass again. Dropped ones are in no counter of Traffic.
func (h *Host) BlockUDP(blocked bool) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.noUDP = blocked
}

// AllowTCP makes the machine's cable drop everything but TCP to or from that port from now on, as closed networks
// do; 0 lets everything pass again. Dropped packets are in no counter of Traffic.
func (h *Host) AllowTCP(port uint16) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.onlyTCP = port
}

// blocks returns whether the machine's cable drops a packet whatever its links are.
func (h *Host) blocks(p *packet) bool {
	const protocol = 9
	if h.onlyTCP != 0 && (p.data[protocol] != unix.IPPROTO_TCP || !p.hasPort(h.onlyTCP)) {
		return true
	}
	return h.noUDP && p.data[protocol] == unix.IPPROTO_UDP
}

// hasPort reports whether a packet of TCP or UDP comes from or goes to a port.
func (p *packet) hasPort(port uint16) bool {
	ports := p.data[4*int(p.data[0]&15):] // behind the header of IPv4
	return binary.BigEndian.Uint16(ports) == port || binary.BigEndian.Uint16(ports[2:]) == port
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
	others := "default"
	if h.here {
		others = netip.PrefixFrom(h.addr, 24).Masked().String()
	} else if h.space, err = NewSpace(); err != nil {
		return err
	}
	if err := h.Do(func() (err error) { h.tun, err = openTUN(); return err }); err != nil {
		return err
	}
	return h.Do(func() error {
		return IP(fmt.Sprintf(`link set lo up
link set %[1]s mtu 1500 txqueuelen 10000 addrgenmode none up
addr add %[2]s/32 dev %[1]s
route add %[3]s dev %[1]s`, tunName, h.addr, others))
	})
}

// close ends what open has made, as far as it came.
func (h *Host) close() {
	if h.tun >= 0 {
		_ = unix.Close(h.tun)
		h.tun = -1
	}
	if h.space != nil {
		_ = h.space.Close() // its keeper ends as its input does
	}
}

// Start starts a command on the machine and returns a channel that gets what Wait returns, once. The command
// is killed with this process. Whatever else it starts is in one process group with it.
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

// Listen opens a TCP port of the machine.
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
