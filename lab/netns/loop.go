package netns

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// The loop has a thread of its own, with a timer of the kernel's: those of Go are up to a millisecond late.

// What epoll says of descriptors that are no machine's.
const (
	timerReady = -1 - iota
	wakeReady
)

const (
	// readBatch is how many packets are read of one machine before the others and the timers have their turn.
	readBatch = 64
	// maxLate bounds how many delays Late knows.
	maxLate = 1 << 16
)

func (n *Network) open() (err error) {
	n.epoll, n.timer, n.wake = -1, -1, -1
	if n.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if n.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return fmt.Errorf("timerfd: %w", err)
	}
	if n.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	return errors.Join(n.listen(n.timer, timerReady), n.listen(n.wake, wakeReady))
}

func (n *Network) listen(fd, what int) error {
	return unix.EpollCtl(n.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(what)})
}

// stop makes the loop end.
func (n *Network) stop() {
	_, _ = unix.Write(n.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// carry is the loop.
func (n *Network) carry() {
	defer close(n.ended)
	runtime.LockOSThread() // for ever: its priority is no other goroutine's
	// A priority of its own keeps a busy machine from changing what is drawn. Without the right to it, Late
	// tells what that costs.
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Flags: unix.SCHED_FLAG_RESET_ON_FORK, Priority: 1,
	}, 0)
	events := make([]unix.EpollEvent, 64)
	for ended := false; !ended; {
		count, err := unix.EpollWait(n.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			n.err = fmt.Errorf("network: wait for packets: %w", err)
			break
		}
		ended = n.step(events[:max(count, 0)])
	}
	n.closeFiles()
}

func (n *Network) closeFiles() {
	for _, fd := range []int{n.epoll, n.timer, n.wake} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// step reads, carries and writes what there is, and sets the timer for what comes next.
func (n *Network) step(events []unix.EpollEvent) (ended bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range events {
		switch what := int(e.Fd); what {
		case timerReady:
			var count [8]byte
			_, _ = unix.Read(n.timer, count[:])
		case wakeReady:
			ended = true
		default:
			n.read(n.hosts[what])
		}
	}
	n.advance()
	n.setTimer()
	return ended
}

// read takes packets that a machine sends.
func (n *Network) read(h *Host) {
	for range readBatch {
		p := n.take()
		size, err := unix.Read(h.tun, p.data[:])
		if err != nil { // EAGAIN: that was all
			n.give(p)
			return
		}
		p.size = size
		if to := n.receiver(p); to == nil || h.blocks(p) || to.blocks(p) || !h.up.send(n.now(), p) {
			n.give(p)
		}
	}
}

// receiver is the machine that a packet is for.
func (n *Network) receiver(p *packet) *Host {
	const header, destination = 20, 16
	d := p.data[destination:header]
	if p.size < header || p.data[0]>>4 != 4 || d[0] != 198 || d[1] != 19 || d[2] != 0 || d[3] == 0 || int(d[3]) > len(n.hosts) {
		return nil
	}
	return n.hosts[d[3]-1]
}

// advance moves what has passed the uplinks on to the downlinks, at the time at which it has. It moves what
// has passed the downlinks to the machines.
func (n *Network) advance() {
	now := n.now()
	for _, h := range n.hosts {
		for p, at, ok := h.up.receive(now); ok; p, at, ok = h.up.receive(now) {
			if p.copies--; p.copies > 0 { // a duplicate goes its own way
				twin := n.take()
				twin.data, twin.size = p.data, p.size
				p = twin
			}
			n.pass(at, p)
		}
	}
	for _, h := range n.hosts {
		for p, at, ok := h.down.receive(now); ok; p, at, ok = h.down.receive(now) {
			n.write(h, p, at)
		}
	}
}

// pass hands a packet to the downlink of its receiver.
func (n *Network) pass(at time.Duration, p *packet) {
	if !n.receiver(p).down.send(at, p) {
		n.give(p)
	}
}

func (n *Network) write(h *Host, p *packet, at time.Duration) {
	if len(n.late) < maxLate {
		n.late = append(n.late, n.now()-at)
	}
	_, _ = unix.Write(h.tun, p.data[:p.size]) // the kernel drops what it has no room for, as any network card
	if p.copies--; p.copies == 0 {
		n.give(p)
	}
}

// setTimer sets it to the next arrival.
func (n *Network) setTimer() {
	next, some := time.Duration(0), false
	for _, h := range n.hosts {
		for _, w := range []*way{&h.up, &h.down} {
			if at, ok := w.next(); ok && (!some || at < next) {
				next, some = at, true
			}
		}
	}
	spec := unix.ItimerSpec{} // zero: not at all
	if some {
		spec.Value = unix.NsecToTimespec(int64(max(next-n.now(), 1)))
	}
	_ = unix.TimerfdSettime(n.timer, 0, &spec, nil)
}

// take and give recycle packets.
func (n *Network) take() *packet {
	if last := len(n.free) - 1; last >= 0 {
		p := n.free[last]
		n.free = n.free[:last]
		return p
	}
	return new(packet)
}

func (n *Network) give(p *packet) { n.free = append(n.free, p) }
