package browser

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// find looks an executable up. The error says how to install it.
func find(name, debian string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is missing: run `make tools` or `apt-get install -y %s`: %w", name, debian, err)
	}
	return path, nil
}

// namespace is the one that the browser is to run in; empty: that of this process.
func (o Options) namespace() string {
	switch {
	case o.Site != nil:
		return o.Site.space.Path()
	case o.Host != nil:
		return o.Host.Namespace()
	}
	return ""
}

// dialer is how this process reaches the browser; nil: the usual way.
func (o Options) dialer() func(context.Context, string, string) (net.Conn, error) {
	switch {
	case o.Site != nil:
		return o.Site.Dial
	case o.Host != nil:
		return o.Host.Dial
	}
	return nil
}

// confine makes cmd run in a network namespace (empty: stay where it is), with a home directory of its own.
// cmd dies with this process.
func confine(cmd *exec.Cmd, namespace, home string) error {
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home, "MOZ_HEADLESS=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if namespace == "" {
		return nil
	}
	nsenter, err := find("nsenter", "util-linux")
	if err != nil {
		return err
	}
	cmd.Args = append([]string{"nsenter", "--net=" + namespace, "--", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = nsenter
	return nil
}

// process is a started command and the group of processes that it leads.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the leader has ended
	err  error         // of Wait; read after done
}

// start starts cmd. The thread that starts it must live as long as the process does, or Pdeathsig strikes
// early.
func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// stop waits for the process to end by itself until ctx is done, then kills its whole group.
func (p *process) stop(ctx context.Context) {
	select {
	case <-p.done:
	case <-ctx.Done():
	}
	// Children that outlived the leader are in its group still.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}
