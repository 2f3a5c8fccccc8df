package natsapi

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/micro"
	"github.com/rs/zerolog"

	"parlor/control/command"
)

// lateRequest is a command that the library hands over. Nobody waits for an answer to it.
type lateRequest struct {
	micro.Request
	headers micro.Headers
}

func (lateRequest) Data() []byte             { return nil }
func (lateRequest) Reply() string            { return "" }
func (r lateRequest) Headers() micro.Headers { return r.headers }

type library struct{ micro.Service }

func (library) Stop() error { return nil }

// TestNoCommandBeginsAfterStop: the library drains in the background, so commands come until long after it
// was stopped.
func TestNoCommandBeginsAfterStop(t *testing.T) {
	s := &Service{
		log: zerolog.Nop(), micro: library{}, peers: func() []string { return nil },
		slots:   make(chan struct{}, maxCommands),
		refused: map[command.Action]*atomic.Uint64{command.ListRooms: new(atomic.Uint64)},
	}
	var stopped atomic.Bool
	handle := s.endpoint(command.ListRooms, func(context.Context, command.Action, []byte) (any, error) {
		if stopped.Load() {
			t.Error("a command is under way after Stop")
		}
		return nil, nil
	}, false)
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for range 1000 {
				handle(lateRequest{})
			}
		})
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	stopped.Store(true)
	callers.Wait()
	handle(lateRequest{})
	s.running.Wait()
	if s.refused[command.ListRooms].Load() == 0 {
		t.Error("what comes late is not refused")
	}
}

// TestTheCallersTimeIsKept: a command is given up when nobody waits for it any more.
func TestTheCallersTimeIsKept(t *testing.T) {
	s := &Service{
		peers: func() []string { return nil }, log: zerolog.Nop(), micro: library{},
		slots: make(chan struct{}, maxCommands),
	}
	has := make(chan time.Duration, 1)
	handle := s.endpoint(command.ListRooms, func(ctx context.Context, _ command.Action, _ []byte) (any, error) {
		end, _ := ctx.Deadline()
		has <- time.Until(end)
		return nil, nil
	}, false)
	for header, most := range map[string]time.Duration{"": commandTime, "1500": 1500 * time.Millisecond, "3600000": commandTime} {
		handle(lateRequest{headers: micro.Headers{TimeoutHeader: {header}}})
		if left := <-has; left > most || left < most-time.Second {
			t.Errorf("%q: %v left", header, left)
		}
	}
	s.running.Wait()
}

// TestCommandsAreBounded: a command beyond the bound is refused at once. The slot of a command that has ended
// is free again.
func TestCommandsAreBounded(t *testing.T) {
	s := &Service{
		peers: func() []string { return nil },
		log:   zerolog.Nop(), micro: library{}, slots: make(chan struct{}, 1),
		refused: map[command.Action]*atomic.Uint64{command.ListRooms: new(atomic.Uint64)},
	}
	begun, end := make(chan struct{}), make(chan struct{})
	handle := s.endpoint(command.ListRooms, func(context.Context, command.Action, []byte) (any, error) {
		begun <- struct{}{}
		<-end
		return nil, nil
	}, false)
	for range 2 {
		before := s.refused[command.ListRooms].Load()
		handle(lateRequest{})
		<-begun
		handle(lateRequest{})
		if n := s.refused[command.ListRooms].Load(); n != before+1 {
			t.Errorf("%d were refused", n-before)
		}
		end <- struct{}{}
		s.running.Wait()
	}
}
