package client

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Pauses of Roam between two rounds of trying, the first and the longest.
const (
	roamPause    = 100 * time.Millisecond
	longestPause = 2 * time.Second
	// roamTry is the longest that one try takes: a node that cannot say yet where a room is lets users wait
	// for two leases.
	roamTry = 12 * time.Second
)

// exitedShutdown is the reason of `exited` after which somebody goes on elsewhere.
const exitedShutdown = 4

// Roam keeps a participant in a room over the loss of nodes, as the browser client does. A lost connection is
// resumed if the session is still known. Else the room is entered anew: at the node that a leaving one has
// named, at the one that was lost, or at another that it had named. entered is called with every new Client.
// The callee does not close it; its events must be read or taken by Options.OnEvent. Roam returns nil when
// ctx is done, and then nobody is in the room. Else it returns why the room was left: the error of a refusal,
// or ErrEnded if the user was put out.
func Roam(ctx context.Context, o Options, prepare func(*Options), entered func(*Client)) error {
	urls := []string{o.URL}
	for {
		c, err := reenter(ctx, o, urls, prepare)
		if err != nil {
			return err
		}
		if c == nil {
			return nil
		}
		entered(c)
		next, err := c.stay(ctx)
		known := append([]string{next, c.At(), o.URL}, c.Entered().Nodes...)
		c.Close()
		if err != nil || ctx.Err() != nil {
			return err
		}
		urls = urls[:0]
		for _, u := range known {
			if u != "" && !slices.Contains(urls, u) {
				urls = append(urls, u)
			}
		}
	}
}

// reenter tries the nodes in turn until one lets the user in. nil, nil: ctx is done.
func reenter(ctx context.Context, o Options, urls []string, prepare func(*Options)) (*Client, error) {
	for wait := roamPause; ; wait = min(2*wait, longestPause) {
		for _, o.URL = range urls {
			if prepare != nil {
				prepare(&o)
			}
			try, cancel := context.WithTimeout(ctx, roamTry)
			c, err := Dial(try, o)
			cancel()
			var refusal *Error
			switch {
			case err == nil:
				return c, nil
			case ctx.Err() != nil:
				return nil, nil //nolint:nilerr // ctx is done, which has ended Dial: whoever asked no longer wants to be in the room
			case errors.As(err, &refusal) && refusal.Code != "node_draining" && refusal.Code != "internal":
				return nil, err
			}
		}
		if !sleep(ctx, wait) {
			return nil, nil
		}
	}
}

// stay returns when the session has to go on elsewhere, with the node's own idea of where. It also returns
// when the user is out (ErrEnded), or when ctx is done and the user has left.
func (c *Client) stay(ctx context.Context) (next string, err error) {
	for {
		select {
		case <-ctx.Done():
			leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), roamTry)
			defer cancel()
			return "", c.Exit(leave)
		case <-c.SignalLost():
		}
		if c.isEnded() {
			if e := c.farewell(); e.Reason == exitedShutdown {
				return e.Next, nil
			}
			return "", ErrEnded
		}
		// A user that is to leave meanwhile does so once connected: without a word the room would wait for
		// them.
		try, cancel := context.WithTimeout(context.WithoutCancel(ctx), roamTry)
		err := c.Resume(try)
		cancel()
		if err != nil {
			return "", nil // the node, or its memory of the session, is lost: entering anew says more
		}
	}
}

// farewell returns the event `exited` after it has come.
func (c *Client) farewell() Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.exited
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
