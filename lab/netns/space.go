package netns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Space is a network namespace. It lives while its keeper does, a process that does nothing and that ends
// with this one. Its methods may be called from any goroutine. Close is the exception: it comes after all
// others.
type Space struct {
	keeper *exec.Cmd
	stdin  io.Closer // the keeper ends when this closes, also because this process died
	file   *os.File
}

// NewSpace makes a namespace with nothing in it but a loopback interface that is down. It needs root.
func NewSpace() (s *Space, err error) {
	s = &Space{keeper: exec.Command("cat")}
	s.keeper.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if s.stdin, err = s.keeper.StdinPipe(); err != nil {
		return nil, err
	}
	if err = s.keeper.Start(); err != nil {
		s.stdin.Close()
		return nil, fmt.Errorf("new namespace (root is needed): %w", err)
	}
	if s.file, err = os.Open(s.Path()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// PID is the process id of the keeper, by which programs such as ip know the namespace.
func (s *Space) PID() int { return s.keeper.Process.Pid }

// Path names the namespace for programs such as nsenter.
func (s *Space) Path() string { return fmt.Sprintf("/proc/%d/ns/net", s.PID()) }

// Close lets go of the namespace. The kernel takes it away once nothing runs there any more.
func (s *Space) Close() error {
	s.stdin.Close()
	err := s.keeper.Wait()
	if s.file != nil {
		s.file.Close()
	}
	return err
}

// Do calls f on a thread of the namespace: sockets that it opens and processes that it starts are there.
// Goroutines that it starts are not.
func (s *Space) Do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		// The thread is never unlocked, so the runtime ends it with the goroutine and nothing else ever runs
		// on it.
		runtime.LockOSThread()
		if err := unix.Setns(int(s.file.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter the namespace: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}

// Dial connects from the namespace. The address must be a literal: nothing resolves names there.
func (s *Space) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = s.Do(func() (err error) { c, err = new(net.Dialer).DialContext(ctx, network, address); return err })
	return c, err
}

// IP runs iproute2 commands in the namespace, one a line.
func (s *Space) IP(script string) error { return s.Do(func() error { return IP(script) }) }

// IP runs iproute2 commands, one a line, in the namespace of the calling thread.
func IP(script string) error {
	path, err := exec.LookPath("ip")
	if err != nil {
		return fmt.Errorf("ip is missing: run `make tools` or `apt-get install -y iproute2`: %w", err)
	}
	cmd := exec.Command(path, "-batch", "-")
	cmd.Stdin = strings.NewReader(script + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %s: %w", script, strings.TrimSpace(string(out)), err)
	}
	return nil
}
