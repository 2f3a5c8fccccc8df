package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/coder/websocket"
)

const (
	subprotocol = "parlor.v1"
	readLimit   = 4 << 20 // bytes of one message; the node's own limit for what it takes is 384 KB
)

var errSignalClosed = errors.New("signalling connection has ended")

// signal is one WebSocket. Requests may be made from any goroutine; one goroutine runs read.
type signal struct {
	ws     *websocket.Conn
	handle func(e Event, abort <-chan struct{}) // may block until abort
	done   chan struct{}                        // closed when read has ended
	aborts chan struct{}                        // closed by abort

	abortOnce sync.Once

	mu      sync.Mutex
	next    int64
	pending map[int64]chan []byte // nil: read has ended
	err     error
}

// dialSignal opens the socket. The caller runs read.
func dialSignal(ctx context.Context, o Options, handle func(Event, <-chan struct{})) (*signal, error) {
	url := strings.TrimSuffix(o.URL, "/") + "/rtc"
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{subprotocol}, HTTPClient: o.HTTP})
	if err != nil {
		return nil, fmt.Errorf("open signalling: %w", err)
	}
	ws.SetReadLimit(readLimit)
	return &signal{ws: ws, handle: handle, done: make(chan struct{}), aborts: make(chan struct{}),
		pending: map[int64]chan []byte{}}, nil
}

// read takes messages until the socket ends.
func (s *signal) read() {
	defer close(s.done)
	for {
		_, raw, err := s.ws.Read(context.Background()) // ends with abort
		if err == nil {
			err = s.dispatch(raw)
		}
		if err != nil {
			s.fail(err)
			return
		}
	}
}

// dispatch gives an answer to the call that waits for it, and an event to the handler.
func (s *signal) dispatch(raw []byte) error {
	var h header
	if err := json.Unmarshal(raw, &h); err != nil {
		return fmt.Errorf("message of the node: %w", err)
	}
	if h.Re == nil && h.Type != "error" {
		e, err := parseEvent(raw)
		if err != nil {
			return err
		}
		s.handle(e, s.aborts)
		return nil
	}
	if h.Re == nil {
		return fmt.Errorf("error of the node: %s", raw)
	}
	s.mu.Lock()
	reply := s.pending[*h.Re]
	delete(s.pending, *h.Re)
	s.mu.Unlock()
	if reply != nil {
		reply <- raw
	}
	return nil
}

func (s *signal) fail(err error) {
	s.abort()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = fmt.Errorf("%w: %w", errSignalClosed, err)
	for _, reply := range s.pending {
		close(reply)
	}
	s.pending = nil
}

// call sends a request and waits for its answer.
func (s *signal) call(ctx context.Context, typ string, body, out any) error {
	reply := make(chan []byte, 1)
	s.mu.Lock()
	if s.pending == nil {
		defer s.mu.Unlock()
		return s.err
	}
	s.next++
	id := s.next
	s.pending[id] = reply
	s.mu.Unlock()
	defer s.forget(id)

	msg, err := encode(typ, id, body)
	if err != nil {
		return err
	}
	if err := s.ws.Write(ctx, websocket.MessageText, msg); err != nil {
		return fmt.Errorf("%w: %w", errSignalClosed, err)
	}
	select {
	case raw, ok := <-reply:
		if !ok {
			return s.failure()
		}
		return decodeAnswer(raw, out)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *signal) forget(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, id)
}

func (s *signal) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// close cuts the connection and waits until read has ended.
func (s *signal) close() {
	s.abort()
	<-s.done
}

// abort cuts the connection; read, if it runs, ends soon.
func (s *signal) abort() {
	s.abortOnce.Do(func() {
		close(s.aborts)
		_ = s.ws.CloseNow()
	})
}

// decodeAnswer returns an *Error for an error answer.
func decodeAnswer(raw []byte, out any) error {
	var h header
	if err := json.Unmarshal(raw, &h); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	var refused error
	switch h.Type {
	case "error":
		refused = &Error{}
	case "redirect":
		refused = &Redirect{}
	}
	if refused != nil {
		if err := json.Unmarshal(raw, refused); err != nil {
			return fmt.Errorf("answer %s: %w", h.Type, err)
		}
		return refused
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("answer %s: %w", h.Type, err)
	}
	return nil
}
