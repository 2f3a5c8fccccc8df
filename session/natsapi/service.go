package natsapi

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/rs/zerolog"

	"parlor/session"
)

const (
	// maxCommands is how many commands are carried out at a time. Commands wait for slow clients, not for the machine, so
	// raising it costs little; at the bound a command is refused, not queued.
	maxCommands = 256
	// commandTime bounds a command; with session's own bounds it is never reached.
	commandTime = 10 * time.Second
)

// handler carries out one command and returns what is answered.
type handler func(ctx context.Context, data []byte) (any, error)

// flushTime bounds the wait for the server to know the endpoints, where it is there.
const flushTime = 2 * time.Second

// Service answers commands on a connection.
type Service struct {
	rooms   *session.Rooms
	log     zerolog.Logger
	nc      *nats.Conn
	micro   micro.Service
	places  chan struct{}
	refused map[Action]*atomic.Uint64 // its keys are fixed

	mu      sync.Mutex
	stopped bool // no command is begun any more
	running sync.WaitGroup
}

// Register takes commands from here on; Run must follow. The connection may be down: what is needed of it is done at
// every reconnect. Where it is up, commands find the endpoints as soon as Register has returned.
func Register(nc *nats.Conn, rooms *session.Rooms, version string, log zerolog.Logger) (*Service, error) {
	s := &Service{rooms: rooms, log: log, nc: nc, places: make(chan struct{}, maxCommands),
		refused: map[Action]*atomic.Uint64{}}
	for action := range s.handlers() {
		s.refused[action] = new(atomic.Uint64)
	}
	var err error
	s.micro, err = micro.AddService(nc, micro.Config{
		Name: "sfu", Version: version, Description: "Parlor media node: rooms and users", StatsHandler: s.stats,
	})
	if err != nil {
		return nil, fmt.Errorf("serving commands over NATS: %w", err)
	}
	for action, h := range s.handlers() {
		err := s.micro.AddEndpoint(string(action), s.endpoint(action, h), micro.WithEndpointSubject(action.Subject()))
		if err != nil {
			_ = s.micro.Stop() // the first error is the one that counts
			return nil, fmt.Errorf("serving %s over NATS: %w", action, err)
		}
	}
	if nc.IsConnected() {
		_ = nc.FlushTimeout(flushTime) // the server has gone: the next one will know
	}
	return s, nil
}

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

func (s *Service) handlers() map[Action]handler {
	return map[Action]handler{
		RemoveUser:             func(ctx context.Context, d []byte) (any, error) { return s.removeUser(ctx, d, false) },
		RemoveUserByStrRoomID:  func(ctx context.Context, d []byte) (any, error) { return s.removeUser(ctx, d, true) },
		DismissRoom:            func(ctx context.Context, d []byte) (any, error) { return s.dismissRoom(ctx, d, false) },
		DismissRoomByStrRoomID: func(ctx context.Context, d []byte) (any, error) { return s.dismissRoom(ctx, d, true) },
		ListRooms:              s.listRooms,
		DescribeRoom:           s.describeRoom,
	}
}

// endpoint runs each command on a goroutine of its own, so that one that waits for a slow client holds up no other. What
// is under way when Run ends is still answered.
func (s *Service) endpoint(action Action, h handler) micro.HandlerFunc {
	return func(r micro.Request) {
		select {
		case s.places <- struct{}{}:
		default:
			s.answer(r, action, nil, session.Errorf(session.CodeInternal, "", "too many commands at once"))
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
			ctx, cancel := context.WithTimeout(context.Background(), commandTime)
			defer cancel()
			result, err := h(ctx, r.Data())
			s.answer(r, action, result, err)
		}()
	}
}

// answer sends the result or the error. It publishes to the reply subject itself: the request's own methods keep the error
// in the request for the library's statistics, which read it when the endpoint returns, and that is before now.
func (s *Service) answer(r micro.Request, action Action, result any, err error) {
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
func refusal(e *session.Error) (nats.Header, ErrorBody) {
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
	return h, ErrorBody{Code: e.Code, Field: e.Field, Message: e.Text}
}

// endpointStats is what $SRV.STATS tells of an endpoint beside the library's own counters, which end when a command begins.
type endpointStats struct {
	Refused uint64 `json:"refused"` // commands answered with an error
}

func (s *Service) stats(e *micro.Endpoint) any {
	n, ok := s.refused[Action(e.Name)]
	if !ok {
		return nil
	}
	return endpointStats{Refused: n.Load()}
}

func (s *Service) removeUser(ctx context.Context, data []byte, stringForm bool) (any, error) {
	var q RemoveUserRequest
	if err := decode(data, &q); err != nil {
		return nil, err
	}
	room, err := q.room(stringForm)
	if err != nil {
		return nil, err
	}
	if limit := int64(session.MaxBan / time.Second); q.BanSeconds < 0 || q.BanSeconds > limit {
		return nil, bad("BanSeconds", "a ban lasts 0 to %d seconds, not %d", limit, q.BanSeconds)
	}
	results, err := s.rooms.RemoveUsers(ctx, room, q.UserIDs, q.Reason, time.Duration(q.BanSeconds)*time.Second)
	if err != nil {
		return nil, named(err, q.RoomRef)
	}
	var a RemoveUserResponse
	for _, r := range results {
		u := RemovedUser{UserID: r.User, Result: ResultNotInRoom}
		if r.Removed {
			u.Result = ResultRemoved
		}
		a.Users = append(a.Users, u)
	}
	return a, nil
}

func (s *Service) dismissRoom(ctx context.Context, data []byte, stringForm bool) (any, error) {
	var q DismissRoomRequest
	if err := decode(data, &q); err != nil {
		return nil, err
	}
	room, err := q.room(stringForm)
	if err != nil {
		return nil, err
	}
	n, err := s.rooms.DismissRoom(ctx, room, q.Reason)
	if err != nil {
		return nil, named(err, q.RoomRef)
	}
	return DismissRoomResponse{Users: n}, nil
}

func (s *Service) listRooms(_ context.Context, data []byte) (any, error) {
	var q ListRoomsRequest
	if err := decode(data, &q); err != nil {
		return nil, err
	}
	l, err := s.rooms.ListRooms(session.Page{After: q.After, Limit: q.Limit})
	if err != nil {
		return nil, named(err, RoomRef{})
	}
	a := ListRoomsResponse{Rooms: []Room{}, Next: l.Next}
	for _, i := range l.Rooms {
		a.Rooms = append(a.Rooms, roomOf(i))
	}
	return a, nil
}

func (s *Service) describeRoom(_ context.Context, data []byte) (any, error) {
	var q DescribeRoomRequest
	if err := decode(data, &q); err != nil {
		return nil, err
	}
	room, err := q.room(false)
	if err != nil {
		return nil, err
	}
	d, err := s.rooms.DescribeRoom(room, session.Page{After: q.After, Limit: q.Limit})
	if err != nil {
		return nil, named(err, q.RoomRef)
	}
	a := DescribeRoomResponse{Room: roomOf(d.RoomInfo), UserList: []User{}, Next: d.Next}
	for _, u := range d.List {
		a.UserList = append(a.UserList, userOf(u))
	}
	return a, nil
}
