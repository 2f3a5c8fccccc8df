package natsapi

import (
	"context"
	"testing"

	"github.com/nats-io/nats.go"
)

// RunService registers a node's service and runs it for the length of a test.
func RunService(t *testing.T, nc *nats.Conn, o ServiceOptions) *Service {
	t.Helper()
	service, err := Register(nc, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return service
}
