package bus

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

const (
	// reconnectWait is the time between two attempts to reach a server, up to as much again at random. Higher
	// makes commands work later after a restart. Lower makes a fleet of nodes hammer a server that has
	// trouble.
	reconnectWait = 500 * time.Millisecond
	// dialTime bounds one attempt to connect.
	dialTime = 2 * time.Second
)

// ErrAway says that there is no connection to a server.
var ErrAway = errors.New("NATS is away")

// Server says where NATS is, and how this process proves itself to it. All but URL may be empty.
type Server struct {
	URL      string
	Inside   nats.InProcessConnProvider // the server, if it is in this process; nil: it is reached by URL
	User     string
	Password string

	Credentials string // file with a user's JWT and seed
	CA          string // PEM file with the authorities of the server's certificate; empty: the system's
	Cert, Key   string // PEM files with the certificate that the server is shown

	// Trouble is shared by all connections of a process, so that one trouble is logged once; nil: one for
	// each.
	Trouble *Trouble
	// Failed is called with the reason of each attempt of Connect that fails, once that is logged, on some
	// goroutine; nil: it is not.
	Failed func(why string)
}

// Conn is a connection, for packages that only pass it on.
type Conn = nats.Conn

// options are what all connections to the server have.
func (s Server) options(name string, log zerolog.Logger) []nats.Option {
	trouble := s.trouble()
	o := []nats.Option{
		nats.Name(name), nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { trouble.Warn(log, "NATS", err) }),
	}
	if s.User != "" {
		o = append(o, nats.UserInfo(s.User, s.Password))
	}
	if s.Inside != nil { // which needs no TLS
		return append(o, nats.InProcessServer(s.Inside))
	}
	if s.Credentials != "" {
		o = append(o, nats.UserCredentials(s.Credentials))
	}
	if s.CA != "" {
		o = append(o, nats.RootCAs(s.CA))
	}
	if s.Cert != "" {
		o = append(o, nats.ClientCert(s.Cert, s.Key))
	}
	return o
}

func (s Server) trouble() *Trouble {
	if s.Trouble == nil {
		return NewTrouble(nil)
	}
	return s.Trouble
}

// Connect returns a connection to a server. It goes on trying for ever, in the background, also if none can
// be reached yet. Only an unusable URL, or a file that cannot be read, is an error. The caller closes the
// connection. Further options win over those of Connect.
func Connect(at Server, name string, log zerolog.Logger, further ...nats.Option) (*nats.Conn, error) {
	at.Trouble = at.trouble()
	var made atomic.Pointer[nats.Conn]
	nc, err := nats.Connect(at.URL, append(append(at.options(name, log), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(func(int) time.Duration {
			// The library calls ReconnectErrHandler if dialing fails, but not if the server refuses.
			if nc := made.Load(); nc != nil && nc.LastError() != nil {
				at.failed(log, nc.LastError())
			}
			return reconnectWait + rand.N(reconnectWait)
		}),
		nats.IgnoreAuthErrorAbort(), // a server whose accounts are being changed
		nats.ConnectHandler(func(nc *nats.Conn) { at.reached(log, nc, "connected to NATS") }),
		nats.ReconnectHandler(func(nc *nats.Conn) { at.reached(log, nc, "connected to NATS again") }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { at.failed(log, err) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				at.Trouble.Warn(log, "connection to NATS lost", err)
			}
		}),
	), further...)...)
	if err != nil {
		return nil, fmt.Errorf("connecting to NATS: %w", err)
	}
	made.Store(nc)
	return nc, nil
}

func (s Server) reached(log zerolog.Logger, nc *nats.Conn, what string) {
	s.Trouble.over()
	log.Info().Str("url", nc.ConnectedUrlRedacted()).Msg(what)
}

func (s Server) failed(log zerolog.Logger, err error) {
	// This is of all servers. What is wrong with each comes with the next attempts.
	if errors.Is(err, nats.ErrNoServers) {
		return
	}
	s.Trouble.warn(log, "NATS cannot be reached; trying again", err,
		map[string]string{"url": redact(s.URL), "do": advice(err)})
	if s.Failed != nil {
		s.Failed(reason(err))
	}
}

// Dial returns a connection that, once it breaks, is closed for good.
func Dial(at Server, name string, log zerolog.Logger) (*nats.Conn, error) {
	return nats.Connect(at.URL, append(at.options(name, log), nats.NoReconnect(), nats.Timeout(dialTime))...)
}
