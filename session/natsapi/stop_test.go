package natsapi

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go/micro"
	"github.com/rs/zerolog"

	"parlor/session/command"
)

// lateRequest is a command that the library hands over, to which nobody waits for an answer.
type lateRequest struct{ micro.Request }

func (lateRequest) Data() []byte  { return nil }
func (lateRequest) Reply() string { return "" }

type library struct{ micro.Service }

func (library) Stop() error { return nil }

// TestNoCommandBeginsAfterStop: the library drains in the background, so commands come until long after it was stopped.
func TestNoCommandBeginsAfterStop(t *testing.T) {
	s := &Service{
		log: zerolog.Nop(), micro: library{}, places: make(chan struct{}, maxCommands),
		refused: map[command.Action]*atomic.Uint64{command.ListRooms: new(atomic.Uint64)},
	}
	var stopped atomic.Bool
	handle := s.endpoint(command.ListRooms, func(context.Context, command.Action, []byte) (any, error) {
		if stopped.Load() {
			t.Error("a command is under way after Stop")
		}
		return nil, nil
	})
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
