package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"parlor/transport/negotiate"
)

// Endpoint is the node's media port: the sockets, the peers that they serve, and what these share.
type Endpoint struct {
	o          Options
	log        zerolog.Logger
	addr       netip.AddrPort
	began      time.Time // fixed, with a monotonic reading
	candidates candidates
	identities identities

	sockets    []*socket
	tcp        *tcpListener
	readers    []*reader
	handshakes handshakes
	events     eventQueue
	lanes      chan *lane // from rooms to idle senders; unbuffered
	count      counters
	table      table
	writers    atomic.Uint32 // how many there have been, to spread them over the sockets
	lastID     atomic.Uint64
	work       sync.WaitGroup // goroutines of peers and TCP connections
}

// Listen binds UDP and TCP on one port number and makes the certificate. It starts nothing: Run does. An
// Endpoint that is not run must be closed by Close. The error names the address.
func Listen(o Options) (*Endpoint, error) {
	o = o.withDefaults()
	e := &Endpoint{
		o: o, log: o.Log, began: time.Now(),
		handshakes: handshakes{limit: o.Limits.Handshakes},
		events:     eventQueue{wake: make(chan struct{}, 1)},
		lanes:      make(chan *lane),
		table:      newTable(),
	}
	var err error
	if _, err = e.identities.at(time.Now()); err != nil {
		return nil, err
	}
	if err = e.bind(); err != nil {
		return nil, fmt.Errorf("listen on %v (UDP and TCP): %w", o.Listen, err)
	}
	e.candidates = candidates{bound: e.addr, external: o.ExternalIPs, choice: o.Addresses, interfaces: machineInterfaces}
	if _, err = e.candidates.list(time.Now()); err != nil {
		_ = e.Close()
		return nil, err
	}
	e.warnOfSmallBuffers()
	for _, s := range e.sockets {
		e.readers = append(e.readers, newReader(e, s))
	}
	return e, nil
}

// instant returns a time in ns since the endpoint was made, by the monotonic clock. Setting the wall clock
// neither makes a living peer silent nor keeps a silent one.
func (e *Endpoint) instant(at time.Time) int64 { return int64(at.Sub(e.began)) }

// bind finds a port that is free for TCP and UDP. UDP is tried without SO_REUSEPORT first. With it, a second
// node would silently share the port of the first, and port 0 might choose a port in use.
func (e *Endpoint) bind() error {
	const attempts = 50 // only with port 0, when the port that TCP got is taken in UDP
	for i := 0; ; i++ {
		err := e.bindOnce()
		if err == nil || e.o.Listen.Port() != 0 || i == attempts || !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
}

// withoutIPv6 says what to listen on instead if the machine's kernel has no IPv6 at all: the wildcard means
// whatever there is.
func withoutIPv6(at netip.AddrPort, err error) (netip.AddrPort, bool) {
	if !errors.Is(err, syscall.EAFNOSUPPORT) || at.Addr() != netip.IPv6Unspecified() {
		return at, false
	}
	return netip.AddrPortFrom(netip.IPv4Unspecified(), at.Port()), true
}

func (e *Endpoint) bindOnce() error {
	err := e.bindTo(e.o.Listen)
	if at, ok := withoutIPv6(e.o.Listen, err); ok {
		return e.bindTo(at)
	}
	return err
}

func (e *Endpoint) bindTo(listen netip.AddrPort) error {
	network := "tcp"
	if listen.Addr().Is4() {
		network = "tcp4"
	}
	l, err := net.ListenTCP(network, net.TCPAddrFromAddrPort(listen))
	if err != nil {
		return err
	}
	at := netip.AddrPortFrom(listen.Addr(), uint16(l.Addr().(*net.TCPAddr).Port))
	sockets, err := openGroup(at, e.o.Sockets, e.o.Limits.SocketBuffer)
	if err != nil {
		_ = l.Close()
		return err
	}
	for _, s := range sockets {
		s.gso.Store(!e.o.NoGSO)
	}
	e.addr, e.sockets, e.tcp = at, sockets, newTCPListener(e, l)
	return nil
}

func openGroup(at netip.AddrPort, n, buffer int) ([]*socket, error) {
	probe, err := openSocket(at, false, 0)
	if err != nil {
		return nil, err
	}
	_ = probe.close()
	var group []*socket
	for range n {
		s, err := openSocket(at, true, buffer)
		if err != nil {
			for _, s := range group {
				_ = s.close()
			}
			return nil, err
		}
		group = append(group, s)
	}
	return group, nil
}

// warnOfSmallBuffers warns the operator if the sockets have smaller buffers than asked for.
func (e *Endpoint) warnOfSmallBuffers() {
	asked := e.o.Limits.SocketBuffer
	receive, send := e.sockets[0].bufferSizes()
	if receive >= asked && send >= asked {
		return
	}
	e.log.Warn().Int("asked", asked).Int("receive", receive).Int("send", send).
		Msg("the UDP sockets have smaller buffers than asked for, which loses packets in bursts; raise net.core.rmem_max and net.core.wmem_max by sysctl")
}

// Addr returns the bound address, with the real port.
func (e *Endpoint) Addr() netip.AddrPort { return e.addr }

// Candidates returns the addresses of the port that clients are told. On a wildcard address they follow the
// machine's interfaces, up to some seconds behind.
func (e *Endpoint) Candidates() []negotiate.Candidate {
	list, err := e.candidates.list(time.Now())
	if err != nil {
		e.log.Error().Err(err).Msg("clients are told the addresses of before")
	}
	return slices.Clone(list)
}

// Run serves the port until ctx is done, and returns when everything has stopped. Peers are closed first,
// with DTLS close_notify, and after that nothing is read any more. Then the goroutines of peers and the
// senders end, and last the sockets close. Run is called once.
func (e *Endpoint) Run(ctx context.Context) error {
	var serving, calling sync.WaitGroup
	for _, r := range e.readers {
		serving.Go(r.run)
	}
	serving.Go(e.tcp.run)
	var sending sync.WaitGroup
	stopSending := make(chan struct{})
	for range e.sockets {
		sending.Go(func() { e.runSender(stopSending) })
	}
	callCtx, stopCalling := context.WithCancel(context.Background())
	calling.Go(func() { e.events.run(callCtx) })

	e.tick(ctx)

	e.closePeers()
	e.tcp.close()
	for _, r := range e.readers {
		r.stop()
	}
	serving.Wait()
	e.work.Wait()
	close(stopSending)
	sending.Wait()
	stopCalling()
	calling.Wait()
	return e.Close()
}

// tick lets time pass for the peers until ctx is done.
func (e *Endpoint) tick(ctx context.Context) {
	every := min(time.Second, e.o.Timers.Consent/10, e.o.Timers.Connect/10)
	t := time.NewTicker(max(every, 10*time.Millisecond))
	defer t.Stop()
	for {
		select {
		case now := <-t.C:
			for _, p := range e.table.allPeers() {
				p.tick(now)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (e *Endpoint) closePeers() {
	e.table.close()
	for _, p := range e.table.allPeers() {
		_ = p.Close()
	}
}

// Close frees the port of an Endpoint that was never run. Run frees it by itself. Close is idempotent.
func (e *Endpoint) Close() error {
	e.closePeers()
	e.tcp.close()
	var errs []error
	for _, s := range e.sockets {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// quiesce waits until no reader is in the middle of a batch, so that all of them know what was changed
// before.
func (e *Endpoint) quiesce() {
	for _, r := range e.readers {
		r.in.pass.Lock()
		r.in.pass.Unlock() //nolint:staticcheck // only to wait for the read that the reader is working on
	}
}
