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

	"parlor/control/bus"
	"parlor/control/command"
	"parlor/session/terms"
	"parlor/tracing"
)

const (
	// maxCommands is how many commands are carried out at a time. At the bound a command is refused, not
	// queued. Commands wait for slow clients, not for the machine, so higher costs little.
	maxCommands = 256
	// commandTime bounds a command; with session's own bounds it is never reached.
	commandTime = 10 * time.Second
)

// TimeoutHeader of a command says for how many milliseconds its sender waits for the answer. The command is
// given up after that, or after 10 s.
const TimeoutHeader = "Parlor-Timeout-Ms"

// IDHeader of a command for one node alone is what that node knows it by, see command.WithID.
const IDHeader = "Parlor-Command-Id"

// timeout returns the time that a command has, by its header.
func timeout(header string) (time.Duration, error) {
	if header == "" {
		return commandTime, nil
	}
	ms, err := strconv.ParseInt(header, 10, 64)
	if err != nil || ms < 1 {
		return 0, terms.Errorf(terms.CodeBadRequest, TimeoutHeader, "%.32q is no number of milliseconds, from 1 on", header)
	}
	return time.Duration(min(ms, commandTime.Milliseconds())) * time.Millisecond, nil
}

// flushTime bounds the wait for the server to know the endpoints, if it is there.
const flushTime = 2 * time.Second

// Service answers commands on a connection.
type Service struct {
	commands *command.Commands
	log      zerolog.Logger
	trace    *tracing.Tracer
	nc       *nats.Conn
	micro    micro.Service
	slots    chan struct{}                     // one for each command under way
	refused  map[command.Action]*atomic.Uint64 // its keys are fixed
	peers    func() []string
	tell     func() bool // all peers say what they take
	pulse    pulse
	standby  *standby
	alive    *nats.Subscription
	stoodIn  atomic.Uint64

	mu      sync.Mutex
	stopped bool // no command is begun any more
	running sync.WaitGroup
}

// ServiceOptions say what a Service answers with, and as which node.
type ServiceOptions struct {
	Commands *command.Commands
	Node     string // the node's name, for the subjects that are this node's alone
	Version  string // semantic
	Log      zerolog.Logger
	Trace    *tracing.Tracer // nil: none
	Peers    func() []string // the names of the other nodes that live, in any order; nil: none
	// PeersTell reports whether all of them say on sfu.v1.taken which commands they got; nil: they do. If one
	// does not, nobody stands in.
	PeersTell func() bool
}

// StoodIn returns how many commands this node has carried out in the place of a node that did not take them.
func (s *Service) StoodIn() uint64 { return s.stoodIn.Load() }

// Register takes commands from here on; Run must follow. The connection may be down: what is needed of it is
// done at every reconnect. If it is up, commands find the endpoints as soon as Register has returned.
func Register(nc *nats.Conn, o ServiceOptions) (*Service, error) {
	s := &Service{
		commands: o.Commands, log: o.Log, trace: o.Trace, nc: nc, slots: make(chan struct{}, maxCommands),
		refused: map[command.Action]*atomic.Uint64{}, peers: o.Peers, tell: o.PeersTell,
		pulse: pulse{log: o.Log},
	}
	if s.peers == nil {
		s.peers = func() []string { return nil }
	}
	if s.tell == nil {
		s.tell = func() bool { return true }
	}
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
	if err := s.listen(o); err != nil {
		_ = s.Stop() // the first error is the one that counts
		return nil, fmt.Errorf("serving commands over NATS: %w", err)
	}
	if nc.IsConnected() {
		_ = nc.FlushTimeout(flushTime) // the server has gone: the next one will know
	}
	return s, nil
}

// listen makes the node hear the commands that others get, and give signs of its life.
func (s *Service) listen(o ServiceOptions) (err error) {
	s.alive, err = s.nc.Subscribe(aliveSubject(o.Node), func(m *nats.Msg) {
		if s.pulse.look() != stale {
			// If the connection is gone, nobody waits any more.
			_ = m.Respond(nil)
		}
	})
	if err != nil {
		return err
	}
	s.standby = &standby{service: s, self: o.Node, peers: s.peers, log: o.Log}
	return s.standby.listen(s.nc)
}

// add makes the two endpoints of a command: that of all nodes, of which one answers, and that of this node
// alone.
func (s *Service) add(a command.Action, node string) error {
	one := s.micro.AddEndpoint(string(a), s.endpoint(a, s.commands.Do, false), micro.WithEndpointSubject(CommandSubject(a)))
	if one != nil {
		return one
	}
	return s.micro.AddEndpoint(hereName+string(a), s.endpoint(a, s.commands.DoHere, true),
		micro.WithEndpointSubject(NodeSubject(node, a)), micro.WithEndpointQueueGroupDisabled())
}

// hereName begins the names of endpoints that are a single node's.
const hereName = "Here"

// Run returns when ctx is done, no new commands are taken and those under way are answered.
func (s *Service) Run(ctx context.Context) error {
	var watchers sync.WaitGroup
	watchers.Go(func() { s.pulse.run(ctx) })
	watchers.Go(func() { s.standby.run(ctx) })
	watchers.Wait() // until ctx is done
	err := s.Stop()
	if err != nil && s.nc.IsConnected() {
		return fmt.Errorf("stopping to serve commands over NATS: %w", err)
	}
	return nil
}

// Stop takes no new commands and returns when those under way are answered. Commands that came before and
// that the library still hands over are refused. Run calls it by itself.
func (s *Service) Stop() error {
	err := s.micro.Stop()
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	if s.alive != nil {
		_ = s.alive.Unsubscribe() // the connection may be gone
	}
	s.running.Wait()
	return err
}

// enter counts a command as under way, unless the service has stopped.
func (s *Service) enter() bool {
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

// request is a command that came over NATS.
type request struct {
	action command.Action
	reply  string // where the answer is awaited; "": nobody waits
	header func(string) string
	data   []byte
	id     string // of a command for this node alone
}

// endpoint takes commands that any node may carry out, or with here those for this node alone. The other
// nodes hear the first kind, too.
func (s *Service) endpoint(action command.Action, do doer, here bool) micro.HandlerFunc {
	return func(r micro.Request) {
		q := request{action: action, reply: r.Reply(), header: r.Headers().Get, data: r.Data()}
		alone := here || !s.othersStandIn()
		switch age := s.pulse.look(); {
		case age == stale && alone:
			s.answer(q, nil, terms.Errorf(terms.CodeInternal, "", "this node has hung; the command may be repeated"))
			return
		case age != fresh && !alone:
			// One of the others has it, or this node stands in for itself as soon as it knows that none has.
			return
		}
		if here {
			q.id = q.header(IDHeader)
		} else {
			s.take(q.reply)
		}
		s.begin(q, do)
	}
}

// othersStandIn reports whether others carry out what this node does not take.
func (s *Service) othersStandIn() bool { return len(s.peers()) > 0 && s.tell() }

// take tells the others that this node has a command.
func (s *Service) take(reply string) {
	if reply != "" {
		// If the connection is gone, nobody waits any more.
		_ = s.nc.Publish(bus.Prefix+"."+takenName, []byte(reply))
	}
}

// begin carries out a command on a goroutine of its own, so that one that waits for a slow client holds up no
// other. What is under way when Run ends is still answered.
func (s *Service) begin(q request, do doer) {
	within, err := timeout(q.header(TimeoutHeader))
	if err != nil {
		s.answer(q, nil, err)
		return
	}
	select {
	case s.slots <- struct{}{}:
	default:
		s.answer(q, nil, terms.Errorf(terms.CodeInternal, "", "too many commands at once; it may be repeated"))
		return
	}
	if !s.enter() {
		<-s.slots
		s.answer(q, nil, terms.Errorf(terms.CodeNodeDraining, "", "this node is shutting down"))
		return
	}
	go func() {
		defer s.running.Done()
		defer func() { <-s.slots }()
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		ctx = command.WithID(s.trace.Join(ctx, q.header), q.id)
		result, err := do(ctx, q.action, q.data)
		body, err := s.fit(ctx, q, do, result, err)
		s.answer(q, body, err)
	}()
}

// answerRoom is what an answer leaves free of what the server takes in one message, for its headers.
const answerRoom = 512

// shortenings bounds how often a page is made shorter, to an answer that fits. Each time it is at most half
// as long.
const shortenings = 12

// fit returns the answer as JSON. If it is larger than what the server takes, it is a shorter page.
func (s *Service) fit(ctx context.Context, q request, do doer, result any, err error) (json.RawMessage, error) {
	if err != nil || q.reply == "" {
		return nil, err
	}
	most := int(s.nc.MaxPayload()) - answerRoom
	asked := q.data
	for range shortenings {
		body, err := json.Marshal(result)
		if err != nil || most <= 0 || len(body) <= most {
			return body, err
		}
		shorter, ok := command.Shorten(q.action, asked, len(body), most)
		if !ok {
			return nil, terms.Errorf(terms.CodeInternal, "", "the answer has %d bytes, more than the NATS server takes (max_payload %d)",
				len(body), s.nc.MaxPayload())
		}
		asked = shorter
		result, err = do(ctx, q.action, asked)
		if err != nil {
			return nil, err
		}
	}
	return nil, terms.Errorf(terms.CodeInternal, "Limit", "the answer does not fit into what the NATS server takes (max_payload %d)", s.nc.MaxPayload())
}

// answer sends the result or the error. It publishes to the reply subject itself. The request's own methods
// keep the error in the request for the library's statistics. Those read it when the endpoint returns, and
// that is before now.
func (s *Service) answer(q request, body json.RawMessage, err error) {
	m := &nats.Msg{Subject: q.reply, Data: body}
	var result any
	if err != nil {
		s.log.Debug().Err(err).Str("action", string(q.action)).Msg("command refused")
		s.refused[q.action].Add(1)
		m.Header, result = refusal(terms.AsError(err))
	}
	if m.Subject == "" {
		return // nobody waits for an answer
	}
	if err != nil {
		m.Data, err = json.Marshal(result)
	}
	if err == nil {
		err = s.nc.PublishMsg(m)
	}
	if err != nil {
		s.log.Warn().Err(err).Str("action", string(q.action)).Msg("a command's answer could not be sent")
	}
}

// refusal is an error as the headers and the body of an answer.
func refusal(e *terms.Error) (nats.Header, command.ErrorBody) {
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

// endpointStats is what $SRV.STATS tells of an endpoint beside the library's own counters, which end when a
// command begins.
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
