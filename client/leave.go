package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Beacon leaves as a closing page does: POST /rtc/exit.
func (c *Client) Beacon(ctx context.Context) error {
	e := c.Entered()
	body, err := json.Marshal(map[string]string{"session": e.Session, "key": e.Key})
	if err != nil {
		return err
	}
	res, err := post(ctx, c.at(), "/rtc/exit", "text/plain", body)
	if err != nil {
		return err
	}
	if res.status != http.StatusNoContent {
		return fmt.Errorf("POST /rtc/exit: status %d", res.status)
	}
	return nil
}

// Exit leaves the room and returns when the node has said that it is complete. Then everything is released,
// whatever the error.
func (c *Client) Exit(ctx context.Context) error {
	err := c.Call(ctx, "exit", nil, nil)
	if errors.Is(err, errSignalClosed) && c.isEnded() {
		err = nil // the node closes the socket after `exited`; the answer to the request may be lost with it
	}
	c.release(false)
	return err
}

// Close goes away without a word: neither an exit nor a DTLS alert is sent. It returns when all has ended. A
// second call does nothing.
func (c *Client) Close() { c.release(true) }

func (c *Client) release(abrupt bool) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		c.running.Wait()
		return
	}
	c.closed = true
	s, p := c.signal, c.peer
	c.mu.Unlock()
	c.end()
	if s != nil {
		s.close()
	}
	if p != nil {
		p.close(abrupt)
	}
	c.running.Wait()
	c.closeEvents()
}
