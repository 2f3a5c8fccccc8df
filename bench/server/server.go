// Package server runs a node for a measurement: it builds it, waits until it takes users, ends it, and tells
// what it had to say.
package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	startTime = 20 * time.Second
	stopTime  = 10 * time.Second
	// tail is how many lines of its log a node that fails is quoted with.
	tail = 15
)

// Build builds the node of this tree into a directory, unless a binary is given. It returns the absolute
// path.
func Build(ctx context.Context, binary, dir string) (string, error) {
	if binary != "" {
		return filepath.Abs(binary)
	}
	binary = filepath.Join(dir, "sfu")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "parlor/cmd/sfu").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the node: %w\n%s", err, out)
	}
	return binary, nil
}

// Process is a node that was started here; nil: one that was not, for which all methods do nothing. They are
// for one goroutine at a time.
type Process struct {
	cmd   *exec.Cmd
	log   bytes.Buffer // read after ended
	ended <-chan error // nil: it has, and somebody was told
}

// Start starts a node in a directory of its own. The directory goes with the node, also if this fails. start
// is told to start the command, and returns what gets the result of its Wait.
func Start(cmd *exec.Cmd, dir string, start func(*exec.Cmd) (ended <-chan error, err error)) (p *Process, err error) {
	p = &Process{cmd: cmd}
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &p.log, &p.log
	if p.ended, err = start(cmd); err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("start the node: %w", err)
	}
	return p, nil
}

// Here starts a command beside this process; it is for Start.
func Here(cmd *exec.Cmd) (<-chan error, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return ended, nil
}

// PID is the process id; 0 for nil.
func (p *Process) PID() int {
	if p == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Await looks again and again, for 20 s at most, until that is no error. A node that ends meanwhile is one.
func (p *Process) Await(ctx context.Context, look func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var ended <-chan error
	if p != nil {
		ended = p.ended
	}
	for {
		err := look(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no healthy node: %w", err)
		case end := <-ended:
			p.ended = nil
			return errors.Join(errors.New("the node has ended"), end)
		case <-tick.C:
		}
	}
}

// Stop ends the node, by force if it takes longer than 10 s, and removes its directory. A second call does
// nothing.
func (p *Process) Stop() (err error) {
	if p == nil {
		return nil
	}
	defer os.RemoveAll(p.cmd.Dir)
	if p.ended == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails if it has ended by itself
	select {
	case err = <-p.ended:
	case <-time.After(stopTime):
		_ = p.cmd.Process.Kill()
		err = errors.Join(fmt.Errorf("it did not stop within %s of SIGTERM", stopTime), <-p.ended)
	}
	if p.ended = nil; err != nil {
		return fmt.Errorf("the node ended with: %w", err)
	}
	return nil
}

// Explain stops the node, and adds to an error how it ended and what it had to say.
func (p *Process) Explain(err error) error {
	if p == nil {
		return err
	}
	err = errors.Join(err, p.Stop())
	if p.log.Len() == 0 {
		return err
	}
	lines := strings.Split(strings.TrimSpace(p.log.String()), "\n")
	return fmt.Errorf("%w\nlast lines of the node:\n%s", err, strings.Join(lines[max(0, len(lines)-tail):], "\n"))
}
