package natsapi

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/rs/zerolog"

	"parlor/session"
	"parlor/session/command"
	"parlor/tracing"
)

const (
	// maxCommands is how many commands are carried out at a time. Commands wait for slow clients, not for the machine, so
	// raising it costs little; at the bound a command is refused, not queued.
	maxCommands = 256
	// commandTime bounds a command; with session's own bounds it is never reached.
	commandTime = 10 * time.Second
)

// TimeoutHeader of a command says for how many milliseconds who sends it waits for the answer. It is given up after that, or
// after 10 s.
const TimeoutHeader = "Parlor-Timeout-Ms"

// timeout returns the time that a command has, by its header.
func timeout(header string) (time.Duration, error) {
	if header == "" {
		return commandTime, nil
	}
	ms, err := strconv.ParseInt(header, 10, 64)
	if err != nil || ms < 1 {
		return 0, session.Errorf(session.CodeBadRequest, TimeoutHeader, "%.32q is no number of milliseconds, from 1 on", header)
	}
	return time.Duration(min(ms, commandTime.Milliseconds())) * time.Millisecond, nil
}

// flushTime bounds the wait for the server to know the endpoints, where it is there.
const flushTime = 2 * time.Second

// Service answers commands on a connection.
type Service struct {
	commands *command.Commands
	log      zerolog.Logger
	trace    *tracing.Tracer
	nc       *nats.Conn
	micro    micro.Service
	places   chan struct{}
	refused  map[command.Action]*atomic.Uint64 // its keys are fixed

	mu      sync.Mutex
	stopped bool // no command is begun any more
	running sync.WaitGroup
}

// ServiceOptions say what a Service answers with, and as whom.
type ServiceOptions struct {
	Commands *command.Commands
	Node     string // the node's name, for the subjects that are this node's alone
	Version  string // semantic
	Log      zerolog.Logger
	Trace    *tracing.Tracer // nil: none
}

// Register takes commands from here on; Run must follow. The connection may be down: what is needed of it is done at
// every reconnect. Where it is up, commands find the endpoints as soon as Register has returned.
func Register(nc *nats.Conn, o ServiceOptions) (*Service, error) {
	s := &Service{commands: o.Commands, log: o.Log, trace: o.Trace, nc: nc, places: make(chan struct{}, maxCommands),
		refused: map[command.Action]*atomic.Uint64{}}
	for _, spec := range command.All() {
		s.refused[spec.Action] = new(atomic.Uint64)
	}
	var err error
	s.micro, err = micro.AddService(nc, micro.Config{
		Name: "sfu", Version: o.Version, Description: "Parlor media node: rooms and users", StatsHandler: s.stats,
		Metadata: map[string]string{"node": o.Node},
	})
	if err != nil {
		return nil, fmt.Errorf("serving commands over NATS: %w", err)
	}
	for _, spec := range command.All() {
		if err := s.add(spec.Action, o.Node); err != nil {
			_ = s.micro.Stop() // the first error is the one that counts
			return nil, fmt.Errorf("serving %s over NATS: %w", spec.Action, err)
		}
	}
	if nc.IsConnected() {
		_ = nc.FlushTimeout(flushTime) // the server has gone: the next one will know
	}
	return s, nil
}

// add makes the two endpoints of a command: the one of all nodes, of which one answers, and that of this node alone.
func (s *Service) add(a command.Action, node string) error {
	one := s.micro.AddEndpoint(string(a), s.endpoint(a, s.commands.Do), micro.WithEndpointSubject(CommandSubject(a)))
	if one != nil {
		return one
	}
	return s.micro.AddEndpoint(hereName+string(a), s.endpoint(a, s.commands.DoHere),
		micro.WithEndpointSubject(NodeSubject(node, a)), micro.WithEndpointQueueGroupDisabled())
}

// hereName begins the names of endpoints that are a single node's.
const hereName = "Here"

// Run returns when ctx is done, no new commands are taken and those under way are answered.
func (s *Service) Run(ctx context.Context) error {
	<-ctx.Done()
	err := s.Stop()
	if err != nil && s.nc.IsConnected() {
		return fmt.Errorf("stopping to serve commands over NATS: %w", err)
	}
	return nil
}

// Stop takes no new commands and returns when those under way are answered. What the library still hands over of those that
// came before is refused. Run does it by itself.
func (s *Service) Stop() error {
	err := s.micro.Stop()
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.running.Wait()
	return err
}

// begin counts a command as under way, unless the service has stopped.
func (s *Service) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.running.Add(1)
	return true
}

// doer is Commands.Do or DoHere.
type doer func(context.Context, command.Action, []byte) (any, error)

// endpoint runs each command on a goroutine of its own, so that one that waits for a slow client holds up no other. What
// is under way when Run ends is still answered.
func (s *Service) endpoint(action command.Action, do doer) micro.HandlerFunc {
	return func(r micro.Request) {
		within, err := timeout(r.Headers().Get(TimeoutHeader))
		if err != nil {
			s.answer(r, action, nil, err)
			return
		}
		select {
		case s.places <- struct{}{}:
		default:
			s.answer(r, action, nil, session.Errorf(session.CodeInternal, "", "too many commands at once; it may be repeated"))
			return
		}
		if !s.begin() {
			<-s.places
			s.answer(r, action, nil, session.Errorf(session.CodeNodeDraining, "", "this node is shutting down"))
			return
		}
		go func() {
			defer s.running.Done()
			defer func() { <-s.places }()
			ctx, cancel := context.WithTimeout(context.Background(), within)
			defer cancel()
			result, err := do(s.trace.Join(ctx, r.Headers().Get), action, r.Data())
			s.answer(r, action, result, err)
		}()
	}
}

// answer sends the result or the error. It publishes to the reply subject itself: the request's own methods keep the error
// in the request for the library's statistics, which read it when the endpoint returns, and that is before now.
func (s *Service) answer(r micro.Request, action command.Action, result any, err error) {
	m := &nats.Msg{Subject: r.Reply()}
	if err != nil {
		s.log.Debug().Err(err).Str("action", string(action)).Msg("command refused")
		s.refused[action].Add(1)
		m.Header, result = refusal(session.AsError(err))
	}
	if m.Subject == "" {
		return // nobody waits for an answer
	}
	m.Data, err = json.Marshal(result)
	if err == nil {
		err = s.nc.PublishMsg(m)
	}
	if err != nil {
		s.log.Warn().Err(err).Str("action", string(action)).Msg("a command's answer could not be sent")
	}
}

// refusal is an error as the headers and the body of an answer.
func refusal(e *session.Error) (nats.Header, command.ErrorBody) {
	text := e.Text
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	text = strings.Map(func(c rune) rune { // a header is one line
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, text)
	h := nats.Header{micro.ErrorHeader: {text}, micro.ErrorCodeHeader: {string(e.Code)}}
	return h, command.ErrorBody{Code: e.Code, Field: e.Field, Message: e.Text}
}

// endpointStats is what $SRV.STATS tells of an endpoint beside the library's own counters, which end when a command begins.
type endpointStats struct {
	Refused uint64 `json:"refused"` // commands answered with an error
}

func (s *Service) stats(e *micro.Endpoint) any {
	n, ok := s.refused[command.Action(e.Name)]
	if !ok {
		return nil
	}
	return endpointStats{Refused: n.Load()}
}
