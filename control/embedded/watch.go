package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// watchEvery is how often it is looked whether the server stores. Lower has the server started again
	// sooner after a fault.
	watchEvery = time.Second
	// spaceNeeded is how many bytes must fit onto the disk again before the server is started again. Higher
	// makes it wait for longer. Lower makes it meet with the same fault soon.
	spaceNeeded = 4 << 20
	// restartTime bounds one try to start it again.
	restartTime = 20 * time.Second
)

// Watch looks after the server until ctx is done. If a NATS server's disk was full, it never again writes
// into a stream that has met with that, and may turn JetStream off. So it is started again, under the same
// address, once something can be written. Connections come back by themselves.
func (e *Server) Watch(ctx context.Context) {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	told := false
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		fault := e.Fault()
		if fault == "" {
			told = false
			continue
		}
		if !told {
			e.log.Error().Str("fault", fault).Str("directory", e.o.StoreDir).
				Msg("the NATS server inside this process cannot store anything; it is started again once it can")
			told = true
		}
		if err := writable(e.o.StoreDir); err != nil {
			e.log.Debug().Err(err).Msg("nothing can be written yet")
			continue
		}
		if err := e.again(ctx); err != nil {
			e.log.Error().Err(err).Msg("starting the NATS server inside this process again")
			continue
		}
		e.log.Warn().Msg("the NATS server inside this process was started again: it can store")
	}
}

// Fault says what keeps JetStream from storing anything, until the server is started again; "": nothing.
func (e *Server) Fault() string {
	s := e.server()
	if !s.Running() {
		return "it does not run"
	}
	if !s.JetStreamEnabled() {
		return "JetStream was turned off"
	}
	for _, h := range s.Healthz(&server.HealthzOptions{Details: true}).Errors {
		if strings.Contains(h.Error, "write error") {
			return h.Error
		}
	}
	return ""
}

// writable finds out whether there is space in a directory.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, "space-")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, spaceNeeded))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// again starts the server again.
func (e *Server) again(ctx context.Context) error {
	if !e.life.TryLock() {
		return nil // it is being stopped
	}
	defer e.life.Unlock()
	ctx, cancel := context.WithTimeout(ctx, restartTime)
	defer cancel()
	old := e.server()
	old.Shutdown()
	old.WaitForShutdown()
	_, port, err := splitListen(e.addr.String())
	if err != nil {
		return err
	}
	e.o.Port, e.o.JetStreamMaxStore = port, e.maxStore
	if err := e.start(ctx, e.addr.String()); err != nil {
		return fmt.Errorf("after a fault: %w", err)
	}
	return nil
}
