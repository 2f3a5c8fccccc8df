package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/coder/websocket"
)

// bidi is a connection to a browser that speaks WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/):
// requests and answers with ids, and events between them.
type bidi struct {
	conn *websocket.Conn

	mu      sync.Mutex
	next    uint64
	pending map[uint64]chan bidiMessage
	events  map[string]func(json.RawMessage) // by browsing context; called on the reading goroutine
	lost    error                            // why nothing more will come; set once

	done chan struct{} // closed when the reader has ended
}

// bidiMessage is whatever the browser sends.
type bidiMessage struct {
	Type    string          `json:"type"` // success, error, event
	ID      uint64          `json:"id"`
	Result  json.RawMessage `json:"result"`
	Error   string          `json:"error"`
	Message string          `json:"message"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

// errGone is what calls get after the connection has ended.
var errGone = errors.New("the browser has closed the connection")

// dialBidi connects; dial opens TCP connections, nil for the usual way.
func dialBidi(ctx context.Context, url string, dial func(context.Context, string, string) (net.Conn, error)) (*bidi, error) {
	client := &http.Client{Transport: &http.Transport{DialContext: dial}}
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(-1) // screenshots
	b := &bidi{conn: conn, pending: map[uint64]chan bidiMessage{}, events: map[string]func(json.RawMessage){}, done: make(chan struct{})}
	go b.read()
	return b, nil
}

// read hands out what arrives until the connection ends.
func (b *bidi) read() {
	defer close(b.done)
	for {
		_, data, err := b.conn.Read(context.Background())
		if err != nil {
			b.fail(err)
			return
		}
		var m bidiMessage
		if err := json.Unmarshal(data, &m); err != nil {
			b.fail(err)
			return
		}
		b.dispatch(m)
	}
}

func (b *bidi) dispatch(m bidiMessage) {
	b.mu.Lock()
	if m.Type != "event" {
		ch := b.pending[m.ID]
		delete(b.pending, m.ID)
		b.mu.Unlock()
		if ch != nil {
			ch <- m
		}
		return
	}
	var origin struct {
		Context string                   `json:"context"`
		Source  struct{ Context string } `json:"source"`
	}
	_ = json.Unmarshal(m.Params, &origin) // an event of no context finds no listener
	listen := b.events[origin.Context+origin.Source.Context]
	b.mu.Unlock()
	if listen != nil {
		listen(m.Params)
	}
}

// fail answers all calls that wait.
func (b *bidi) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost = fmt.Errorf("%w: %w", errGone, err)
	for id, ch := range b.pending {
		delete(b.pending, id)
		ch <- bidiMessage{Type: "error", Error: "connection lost", Message: b.lost.Error()}
	}
}

// call sends a command and decodes its result into out, unless that is nil.
func (b *bidi) call(ctx context.Context, method string, params, out any) error {
	ch := make(chan bidiMessage, 1)
	b.mu.Lock()
	if b.lost != nil {
		b.mu.Unlock()
		return b.lost
	}
	b.next++
	id := b.next
	b.pending[id] = ch
	b.mu.Unlock()
	defer b.forget(id)

	data, err := json.Marshal(map[string]any{"id": id, "method": method, "params": params})
	if err != nil {
		return err
	}
	// Not with ctx: coder/websocket closes the connection when the context of a call to it ends.
	if err := b.conn.Write(context.Background(), websocket.MessageText, data); err != nil {
		return err
	}
	select {
	case m := <-ch:
		if m.Type == "error" {
			return fmt.Errorf("%s: %s: %s", method, m.Error, m.Message)
		}
		if out == nil {
			return nil
		}
		return json.Unmarshal(m.Result, out)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, context.Cause(ctx))
	}
}

func (b *bidi) forget(id uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.pending, id)
}

// listen calls f for every event of a browsing context; nil ends it.
func (b *bidi) listen(browsingContext string, f func(json.RawMessage)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if f == nil {
		delete(b.events, browsingContext)
		return
	}
	b.events[browsingContext] = f
}

// close ends the connection and waits for the reader.
func (b *bidi) close() {
	_ = b.conn.CloseNow()
	<-b.done
}
