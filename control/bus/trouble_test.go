package bus_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"parlor/control/bus"
	"parlor/control/embedded"
	"parlor/control/natstest"
)

// TestWhyNATSIsNotReached: one line for all connections tells the reason, the address without its password,
// and what to do.
func TestWhyNATSIsNotReached(t *testing.T) {
	s, err := embedded.Start(t.Context(), embedded.Options{Listen: "127.0.0.1:0", User: "sfu", Password: "right-password", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(t.Context()) })
	junk := filepath.Join(t.TempDir(), "none.creds")
	if err := os.WriteFile(junk, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		at      bus.Server
		why, do string
	}{
		"nobody listens": {bus.Server{URL: fmt.Sprintf("nats://u:secret@127.0.0.1:%d", natstest.FreePort(t))}, "refused", "start the NATS server"},
		"wrong password": {bus.Server{URL: "nats://sfu:secret@" + s.Addr().String()}, "Authorization Violation", "password"},
		"no user":        {bus.Server{URL: "nats://" + s.Addr().String()}, "Authorization Violation", "nats.user"},
		"no TLS there":   {bus.Server{URL: "tls://sfu:secret@" + s.Addr().String()}, "secure connection", "nats.tls"},
		"unknown host":   {bus.Server{URL: "nats://secret@no-such-host.invalid:4222"}, "no-such-host.invalid", "host name"},
	} {
		t.Run(name, func(t *testing.T) {
			log := new(natstest.Journal)
			now := time.Now()
			c.at.Trouble = bus.NewTrouble(func() time.Time { return now }) // stands still
			tries := make(chan string, 100)
			c.at.Failed = func(why string) { tries <- why }
			for range 3 { // a node has several
				nc, err := bus.Connect(c.at, "test", zerolog.New(log))
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
			}
			for range 6 {
				select {
				case <-tries:
				case <-time.After(20 * time.Second):
					t.Fatal("it is not tried again")
				}
			}
			if n := log.Count("NATS cannot be reached", c.why, c.do, "127.0.0.1"); n != 1 && name != "unknown host" {
				t.Errorf("said %d times: %s", n, log.String())
			}
			if n := log.Count("NATS cannot be reached"); n != 1 {
				t.Errorf("said %d times: %s", n, log.String())
			}
			if n := log.Count(`"level":"warn"`); n > 2 { // the library tells of passwords twice
				t.Errorf("%d warnings: %s", n, log.String())
			}
			if log.Count("secret@") != 0 || log.Count("right-password") != 0 {
				t.Error("a password in the log")
			}
		})
	}
}

// TestTroubleIsToldAgain: trouble is told again a minute later, with how often it was.
func TestTroubleIsToldAgain(t *testing.T) {
	log := new(natstest.Journal)
	now := time.Now()
	trouble := bus.NewTrouble(func() time.Time { return now })
	say := func(text string) { trouble.Warn(zerolog.New(log), "trouble", fmt.Errorf("%s", text)) }
	for range 30 {
		say("one")
	}
	say("another")
	now = now.Add(time.Minute)
	say("one")
	if n := log.Count(`"trouble"`); n != 3 {
		t.Errorf("%d lines: %s", n, log.String())
	}
	if log.Count(`"again":29`) != 1 {
		t.Error(log.String())
	}
	for i := range 100 { // a server that says something else each time
		say(strings.Repeat("x", i))
	}
}
