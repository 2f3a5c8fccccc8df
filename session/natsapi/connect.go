package natsapi

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

const (
	// reconnectWait is the time between two attempts to reach a server, up to as much again at random. Raising it makes
	// commands work later after a restart, lowering it makes a fleet of nodes hammer a server that has trouble.
	reconnectWait = 500 * time.Millisecond
	// dialTime bounds one attempt to connect.
	dialTime = 2 * time.Second
)

// Server says where NATS is.
type Server struct {
	URL    string
	Inside nats.InProcessConnProvider // the server, where it is in this process; nil: it is reached by URL
}

// Conn is a connection, for those who only pass it on.
type Conn = nats.Conn

// options are what all connections to the server have.
func (s Server) options(name string, log zerolog.Logger) []nats.Option {
	o := []nats.Option{
		nats.Name(name), nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn().Err(err).Msg("NATS") }),
	}
	if s.Inside != nil {
		o = append(o, nats.InProcessServer(s.Inside))
	}
	return o
}

// Connect returns a connection to a server. It goes on trying for ever, in the background, also when none can be
// reached yet; only an unusable URL is an error. The caller closes it. Further options win over its own.
func Connect(at Server, name string, log zerolog.Logger, further ...nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect(at.URL, append(append(at.options(name, log), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait), nats.ReconnectJitter(reconnectWait, reconnectWait),
		nats.IgnoreAuthErrorAbort(), // a server whose accounts are being changed
		nats.ConnectHandler(func(nc *nats.Conn) { log.Info().Str("url", nc.ConnectedUrlRedacted()).Msg("connected to NATS") }),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info().Str("url", nc.ConnectedUrlRedacted()).Msg("connected to NATS again") }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn().Err(err).Msg("connection to NATS lost")
			}
		}),
	), further...)...)
	if err != nil {
		return nil, fmt.Errorf("connecting to NATS: %w", err)
	}
	return nc, nil
}

// Dial returns a connection that, once it breaks, is closed for good.
func Dial(at Server, name string, log zerolog.Logger) (*nats.Conn, error) {
	return nats.Connect(at.URL, append(at.options(name, log), nats.NoReconnect(), nats.Timeout(dialTime))...)
}
