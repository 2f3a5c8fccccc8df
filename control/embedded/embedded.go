// Package embedded runs a NATS server with JetStream inside the process, so that one command is a whole
// working system.
//
//	embedded.go  Options, Start, Server, Shutdown
//	asks.go      who may connect
//	store.go     the directory: one server each, no more of the disk than there is
//	watch.go     starting it again once a fault of its disk is over
package embedded

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rs/zerolog"
)

// tlsTime bounds a TLS handshake.
const tlsTime = 5 * time.Second

// startTime bounds the start of the server; recovering a large store takes longest.
const startTime = 30 * time.Second

// Options of the server.
type Options struct {
	Listen string // host:port; port 0: any
	Dir    string // JetStream's store; empty: a temporary one, removed at the end
	Log    zerolog.Logger

	// The user that may connect. No user: everybody that reaches the port may.
	User, Password string
	TLS            *tls.Config // nil: plain TCP. Connections of this process need no TLS, and no certificate

	// Bounds; 0: as below.
	MaxStore       int64 // bytes on disk, 1 GiB; never more than three quarters of what is free
	MaxMemory      int64 // bytes of streams in memory, 64 MiB
	MaxConnections int   // 256
}

func (o *Options) defaults() {
	if o.MaxStore <= 0 {
		o.MaxStore = 1 << 30
	}
	if o.MaxMemory <= 0 {
		o.MaxMemory = 64 << 20
	}
	if o.MaxConnections <= 0 {
		o.MaxConnections = 256
	}
}

// Server is a running NATS server. After it was started again it is another one inside, under the same
// address.
type Server struct {
	o     *server.Options
	log   zerolog.Logger
	addr  net.Addr
	temp  string // directory to remove
	lock  io.Closer
	once  sync.Once
	ended chan struct{}
	// maxStore is what the server found that it may store at the first start. When it is started again less
	// is free, as the store is there.
	maxStore int64

	life sync.Mutex // held while it is started again or stopped
	mu   sync.Mutex
	s    *server.Server
}

// Start starts a server and returns when it takes connections. Whoever started it calls Shutdown. An error
// names the address if that is the reason. The store of a server that runs already is left alone.
func Start(ctx context.Context, o Options) (*Server, error) {
	o.defaults()
	host, port, err := splitListen(o.Listen)
	if err != nil {
		return nil, err
	}
	if err := free(ctx, o.Listen); err != nil {
		return nil, err
	}
	e := &Server{ended: make(chan struct{})}
	if o.Dir == "" {
		if e.temp, err = os.MkdirTemp("", "sfu-nats-"); err != nil {
			return nil, fmt.Errorf("directory for the embedded NATS server: %w", err)
		}
		o.Dir = e.temp
	}
	if e.lock, err = lock(o.Dir); err != nil {
		e.cleanUp()
		return nil, err
	}
	e.log = o.Log.With().Str("part", "nats-server").Logger()
	e.o = o.server(host, port)
	if err := e.start(ctx, o.Listen); err != nil {
		return nil, errors.Join(err, e.Shutdown(context.WithoutCancel(ctx)))
	}
	return e, nil
}

const (
	// pingInterval is how often the server asks a client whether it lives, which pingsOut times may go
	// unanswered. Higher ones keep nodes that hang for longer. Lower ones drop nodes whose network is slow.
	pingInterval = 3 * time.Second
	pingsOut     = 2
)

// server returns the library's options.
func (o *Options) server(host string, port int) *server.Options {
	s := &server.Options{
		ServerName: "sfu-embedded", Host: host, Port: port, NoSigs: true, MaxConn: o.MaxConnections,
		JetStream: true, StoreDir: o.Dir, JetStreamMaxStore: bounded(o.Dir, o.MaxStore), JetStreamMaxMemory: o.MaxMemory,
		// A client that does not answer is dropped within about ten seconds: another node that hangs gets no
		// commands then.
		PingInterval: pingInterval, MaxPingsOut: pingsOut,
	}
	if o.User != "" {
		s.CustomClientAuthentication = asks{o.User, o.Password}
	}
	if o.TLS != nil {
		s.TLS, s.TLSConfig, s.TLSVerify, s.TLSTimeout = true, o.TLS, o.TLS.ClientCAs != nil, tlsTime.Seconds()
	}
	return s
}

// free makes sure that nobody listens on the address, before anything of the store is touched.
func free(ctx context.Context, listen string) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("embedded NATS server on %s: %w", listen, err)
	}
	return l.Close()
}

// start starts a server with the options of this one.
func (e *Server) start(ctx context.Context, listen string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	log := &logger{log: e.log, fatal: make(chan string, 1)}
	s, err := server.NewServer(e.o.Clone())
	if err != nil {
		return fmt.Errorf("embedded NATS server: %w", err)
	}
	e.mu.Lock()
	e.s = s
	e.mu.Unlock()
	s.SetLoggerV2(log, false, false, false)
	s.Start()
	ready := make(chan bool, 1)
	go func() { ready <- s.ReadyForConnections(startTime) }()
	select {
	case text := <-log.fatal:
		return fmt.Errorf("embedded NATS server on %s: %s", listen, text)
	case ok := <-ready:
		if !ok {
			return fmt.Errorf("embedded NATS server on %s: not ready within %v", listen, startTime)
		}
		if e.addr == nil {
			e.addr = s.Addr()
			if c := s.JetStreamConfig(); c != nil {
				e.maxStore = c.MaxStore
			}
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("embedded NATS server on %s: %w", listen, ctx.Err())
	}
}

func splitListen(listen string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("listening address of the embedded NATS server: %w", err)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("listening address of the embedded NATS server: %q is no port", text)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

// URL returns where clients connect.
func (e *Server) URL() string { return e.server().ClientURL() }

// server returns the one that is inside now; nil: none has been started.
func (e *Server) server() *server.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.s
}

// InProcessConn returns a connection to the server that needs no socket.
func (e *Server) InProcessConn() (net.Conn, error) { return e.server().InProcessConn() }

// Addr returns the bound address.
func (e *Server) Addr() net.Addr { return e.addr }

// Shutdown stops the server: no new connections, those there closed, the store written. It returns when that
// is done, or with ctx's error while it goes on. It may be called several times.
func (e *Server) Shutdown(ctx context.Context) error {
	e.once.Do(func() {
		go func() {
			defer close(e.ended)
			e.life.Lock() // for good: it is not started again
			if s := e.server(); s != nil {
				s.Shutdown()
				s.WaitForShutdown()
			}
			e.cleanUp()
		}()
	})
	select {
	case <-e.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stopping the embedded NATS server: %w", ctx.Err())
	}
}

func (e *Server) cleanUp() {
	if e.lock != nil {
		e.lock.Close()
	}
	if e.temp != "" {
		_ = os.RemoveAll(filepath.Clean(e.temp)) // a temporary directory; the system clears what is left
	}
}

// logger is a server.Logger. The server is talkative: its notices are debug messages here.
type logger struct {
	log   zerolog.Logger
	fatal chan string // the first
}

func (l *logger) Noticef(format string, v ...any) { l.log.Debug().Msgf(format, v...) }
func (l *logger) Warnf(format string, v ...any)   { l.log.Warn().Msgf(format, v...) }
func (l *logger) Errorf(format string, v ...any)  { l.log.Error().Msgf(format, v...) }
func (l *logger) Debugf(format string, v ...any)  { l.log.Debug().Msgf(format, v...) }
func (l *logger) Tracef(format string, v ...any)  { l.log.Trace().Msgf(format, v...) }

// Fatalf keeps the message, which Start returns as an error.
func (l *logger) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
	}
}
