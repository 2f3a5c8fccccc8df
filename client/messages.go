package client

import (
	"context"
	"fmt"
	"sync"

	"github.com/pion/webrtc/v4"
)

// Said is a custom message from the node, or its refusal of one.
type Said struct {
	User    string // the sender; empty: the server
	CmdID   int
	Data    []byte
	Refused string // one's own message with this cmdId was not sent: the error's code
	Channel bool   // it came by data channel
}

// Messages are the data channels for custom messages of one client. Its Prepare is meant for Options.Prepare.
type Messages struct {
	// On takes what comes by the channels, on goroutines of theirs. nil discards.
	On func(Said)

	mu                   sync.Mutex
	reliable, unreliable *webrtc.DataChannel
	open                 chan struct{} // closed when both are
}

// Prepare opens the channels on a PeerConnection, in the place of those of any before.
func (m *Messages) Prepare(pc *webrtc.PeerConnection) error {
	no, none := false, uint16(0)
	reliable, err := pc.CreateDataChannel("parlor.messages", nil)
	if err != nil {
		return fmt.Errorf("data channel: %w", err)
	}
	unreliable, err := pc.CreateDataChannel("parlor.messages.unreliable", &webrtc.DataChannelInit{Ordered: &no, MaxRetransmits: &none})
	if err != nil {
		return fmt.Errorf("data channel: %w", err)
	}
	open := make(chan struct{})
	var both sync.WaitGroup
	both.Add(2)
	for _, ch := range []*webrtc.DataChannel{reliable, unreliable} {
		ch.OnOpen(both.Done)
		ch.OnMessage(func(f webrtc.DataChannelMessage) {
			if s, ok := parseSaid(f.Data); ok && m.On != nil {
				m.On(s)
			}
		})
	}
	go func() {
		both.Wait()
		close(open)
	}()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reliable, m.unreliable, m.open = reliable, unreliable, open
	return nil
}

// Await waits until the channels are open.
func (m *Messages) Await(ctx context.Context) error {
	m.mu.Lock()
	open := m.open
	m.mu.Unlock()
	select {
	case <-open:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("open data channels: %w", ctx.Err())
	}
}

// Send sends a message by data channel; whether the node takes it comes by On, if it does not.
func (m *Messages) Send(cmdID byte, data []byte, reliable bool) error {
	m.mu.Lock()
	ch := m.unreliable
	if reliable {
		ch = m.reliable
	}
	m.mu.Unlock()
	return ch.Send(append([]byte{cmdID}, data...))
}

type messageMsg struct {
	CmdID    int    `json:"cmdId"`
	Data     []byte `json:"data"`
	Reliable bool   `json:"reliable"`
}

// SendMessage sends a custom message over the signalling connection.
func (c *Client) SendMessage(ctx context.Context, cmdID int, data []byte, reliable bool) error {
	if data == nil {
		data = []byte{}
	}
	return c.Call(ctx, "message", messageMsg{cmdID, data, reliable}, nil)
}

// parseSaid reads a frame of the node.
func parseSaid(b []byte) (Said, bool) {
	switch {
	case len(b) < 2:
		return Said{}, false
	case b[0] == 0:
		return Said{CmdID: int(b[1]), Refused: string(b[2:]), Channel: true}, true
	case len(b) < 2+int(b[1]):
		return Said{}, false
	}
	end := 2 + int(b[1])
	return Said{User: string(b[2:end]), CmdID: int(b[0]), Data: b[end:], Channel: true}, true
}
