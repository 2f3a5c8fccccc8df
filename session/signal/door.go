// Package signal is the WebSocket door: the protocol of docs/protocol.md over one connection per client.
//
//	door.go     Options, Door: accepting connections, the exit beacon
//	conn.go     one connection: reading requests, answering, pumping events
//	handed.go   what the kernel knows of the client: whether it has the answer, and whether it is there
//	requests.go what each request does
//	message.go  the wire forms and their strict decoding
//	report.go   reports, which nobody waits for
//	guest.go    clients that have not entered, and what they may cost
//	hijack.go   the connection's buffers
//	ping.go     the short way of the message that clients send all the time
//
// A connection has one goroutine, which reads requests and has them answered one after the other. While the
// client is not in, it reads on meanwhile, so that the client's end is noticed. While there are events,
// another goroutine hands them to the socket. A client that does not read blocks its own goroutines only.
package signal

import (
	"context"
	"io"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/coder/websocket"
	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"parlor/session"
	"parlor/session/refusal"
	"parlor/session/remote"
	"parlor/session/stranger"
	"parlor/session/terms"
	"parlor/tracing"
)

// Subprotocol is what a client has to ask for.
const Subprotocol = "parlor.v1"

const (
	maxMessage = 384 << 10 // bytes of one message: an offer in JSON, with its seats
	maxBeacon  = 1 << 10   // bytes of the body of POST /rtc/exit
	exitWait   = 5 * time.Second
)

// Authenticator returns what a token allows to user in room. Its errors are those of package terms,
// token_invalid and token_expired among them.
type Authenticator func(token string, room terms.RoomID, user string) (terms.Grant, error)

// Options of the door. Zero durations and rates get their defaults.
type Options struct {
	Rooms *session.Rooms
	Auth  Authenticator
	// Origin reports whether the page that a request is of may connect. A request without Origin always may.
	// nil: pages of the node's own host may.
	Origin func(r *http.Request) bool
	// NodeURL returns where another node that lives can be reached, for resuming a session of that node. nil:
	// there are none.
	NodeURL func(node string) (url string, ok bool)
	// Guest returns what a client that has not entered may cost. ok is false for a client that may not even
	// come in. nil: nothing bounds them.
	Guest func(r *http.Request) (g *stranger.Guest, ok bool)
	// Refusals is told of clients that were refused entering, or another token; nil: nobody is told.
	Refusals *refusal.Log
	Log      zerolog.Logger
	Trace    *tracing.Tracer // nil: none

	EnterWithin  time.Duration // a connection that has neither entered nor resumed is closed after it; 10 s
	WriteTimeout time.Duration // a message that the client does not take in it ends the connection; 10 s
	// MessageRate is how many messages a second are read from one client, after a burst of twice as many; 50.
	// Faster ones wait in the client's socket. Higher lets one client cost more.
	MessageRate int
}

// Door serves /rtc and /rtc/exit. Connections end when their http.Server's BaseContext is done.
type Door struct{ o Options }

// New returns a door. It starts nothing.
func New(o Options) *Door {
	if o.EnterWithin <= 0 {
		o.EnterWithin = 10 * time.Second
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = 10 * time.Second
	}
	if o.MessageRate <= 0 {
		o.MessageRate = 50
	}
	return &Door{o: o}
}

// Take takes one WebSocket connection over and returns. ended is called when the connection has ended, or was
// refused. The connection goes on without the request. Else the request's goroutine, buffers and headers
// would be kept for as long as the client stays.
func (d *Door) Take(w http.ResponseWriter, r *http.Request, ended func()) {
	h, taken := &hijack{ResponseWriter: w}, false
	defer func() {
		if !taken {
			ended()
		}
	}()
	guest, ok := d.guest(r)
	if !ok {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many connections of this address that nobody has entered on (limits.strangers_per_address)", http.StatusTooManyRequests)
		return
	}
	limit := d.limiter()
	ws := d.accept(h, r, &pings{limit})
	if ws == nil {
		return
	}
	taken = true
	// From here on nothing else of h and r is used, which hold the request.
	ctx, wire, host := tracing.Along(baseContext(r), r.Context()), h.conn, remote.Host(r)
	from := session.Client{Addr: remote.Of(r).Addr, Agent: session.AgentOf(r.UserAgent())}
	go func() {
		defer ended()
		defer func() { // as net/http has it
			if fault := recover(); fault != nil {
				d.o.Log.Error().Any("panic", fault).Bytes("stack", debug.Stack()).Msg("signalling connection failed")
				_ = wire.Close()
			}
		}()
		c := &conn{d: d, ws: ws, wire: wire, from: from, limit: limit}
		c.guest.Guest, c.guest.host = guest, host
		c.serve(ctx)
	}()
}

// limiter returns what holds back the messages of one connection, its control frames among them.
func (d *Door) limiter() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(d.o.MessageRate), 2*d.o.MessageRate)
}

// baseContext returns the context of the request's server.
func baseContext(r *http.Request) context.Context {
	s, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok || s.BaseContext == nil {
		return context.Background()
	}
	return s.BaseContext(nil)
}

// accept returns the connection, or nil if the client was refused.
func (d *Door) accept(w http.ResponseWriter, r *http.Request, p *pings) *websocket.Conn {
	origin := r.Header.Get("Origin")
	if d.o.Origin != nil && origin != "" && !d.o.Origin(r) {
		http.Error(w, "pages of "+origin+" may not use this node (http.origins)", http.StatusForbidden)
		return nil
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: d.o.Origin != nil, // it was looked at
		Subprotocols:       []string{Subprotocol},
		CompressionMode:    websocket.CompressionDisabled, // costs memory per connection, and SDP is rare
		OnPingReceived: func(ctx context.Context, payload []byte) bool {
			p.wait(ctx, payload)
			return true
		},
		OnPongReceived: p.wait,
	})
	if err != nil {
		d.o.Log.Debug().Err(err).Str("from", r.RemoteAddr).Msg("WebSocket refused")
		return nil // Accept has answered
	}
	if ws.Subprotocol() != Subprotocol {
		_ = ws.Close(websocket.StatusPolicyViolation, "ask for the subprotocol "+Subprotocol)
		return nil
	}
	ws.SetReadLimit(maxOpening)
	return ws
}

// Exit serves POST /rtc/exit, the beacon of a page that goes away.
func (d *Door) Exit(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBeacon))
	if err != nil {
		http.Error(w, "the body has at most 1024 bytes", http.StatusRequestEntityTooLarge)
		return
	}
	var q exitBeacon
	if err := decode(body, &q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s, err := d.o.Rooms.Lookup(q.Session, q.Key)
	if err != nil { // most often the page's last message on the socket came first
		w.WriteHeader(http.StatusNoContent)
		return
	}
	// The page is gone and does not wait, so neither does its request's context count.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), exitWait)
	defer cancel()
	if err := s.Exit(ctx); err != nil {
		s.Log().Warn().Err(err).Msg("exit by beacon takes long")
	}
	w.WriteHeader(http.StatusNoContent)
}
