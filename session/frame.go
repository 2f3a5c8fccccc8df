package session

import "parlor/session/terms"

// What travels on the data channels of messages, as docs/protocol.md has it.

// The labels of the data channels on which messages travel. The client opens them.
const (
	ChannelReliable   = "parlor.messages"
	ChannelUnreliable = "parlor.messages.unreliable"
)

// parseFrame reads a message of a client: its cmdId, then the data. data is a part of b.
func parseFrame(b []byte) (cmdID int, data []byte, err error) {
	if len(b) == 0 {
		return 0, nil, terms.Errorf(terms.CodeBadRequest, "cmdId", "a message begins with its cmdId")
	}
	return int(b[0]), b[1:], nil
}

// appendFrame writes a message to a client: its cmdId, the length of the sender's id, the id, the data.
// Without a sender it is of the server.
func appendFrame(b []byte, from string, m terms.Message) []byte {
	b = append(b, byte(m.CmdID), byte(len(from)))
	b = append(b, from...)
	return append(b, m.Data...)
}

// appendErrorFrame writes to a client why its message was not sent: 0, the message's cmdId, the code.
func appendErrorFrame(b []byte, cmdID int, code terms.Code) []byte {
	return append(append(b, 0, byte(cmdID)), code...)
}
