package session

import (
	"sync/atomic"

	"parlor/session/terms"
)

// MessageDrop is why a receiver did not get a message that was sent.
type MessageDrop uint8

// The reasons for which messages are dropped.
const (
	MessageSlowChannel MessageDrop = iota // too much waits for it in its data channel
	MessageSlowSocket                     // too many wait at its WebSocket, to be sent or acknowledged
	MessageAway                           // not connected at the moment, and the message unreliable
	MessageNoWay                          // it has neither WebSocket nor data channel
	messageDrops
)

// String returns the reason's name in metrics.
func (d MessageDrop) String() string {
	return [...]string{"slow_channel", "slow_socket", "away", "no_way"}[d]
}

// messageCodes are the codes with which messages are refused.
var messageCodes = [...]terms.Code{terms.CodeBadRequest, terms.CodeNotAllowed, terms.CodeMessageLimit, terms.CodeUserNotFound}

// messageCounts count custom messages since the node's start.
type messageCounts struct {
	sent      atomic.Uint64
	byChannel atomic.Uint64
	bySocket  atomic.Uint64
	refused   [len(messageCodes)]atomic.Uint64
	dropped   [messageDrops]atomic.Uint64
}

func (c *messageCounts) refuse(err error) {
	code := terms.AsError(err).Code
	for i, known := range messageCodes {
		if known == code {
			c.refused[i].Add(1)
		}
	}
}

// MessageTotals are the counters of custom messages since the node's start.
type MessageTotals struct {
	Sent    uint64 // taken of users and commands
	Channel uint64 // deliveries by data channel, each receiver counted
	Socket  uint64 // deliveries by WebSocket
	Refused map[terms.Code]uint64
	Dropped map[MessageDrop]uint64 // per receiver that did not get one
}

// Messages returns the counters of custom messages.
func (r *Rooms) Messages() MessageTotals {
	c := &r.messages
	t := MessageTotals{
		Sent: c.sent.Load(), Channel: c.byChannel.Load(), Socket: c.bySocket.Load(),
		Refused: map[terms.Code]uint64{}, Dropped: map[MessageDrop]uint64{},
	}
	for i, code := range messageCodes {
		t.Refused[code] = c.refused[i].Load()
	}
	for d := range messageDrops {
		t.Dropped[d] = c.dropped[d].Load()
	}
	return t
}
