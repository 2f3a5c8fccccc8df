package terms

// Bounds of custom messages. Those of one user are fixed by clients that exist.
const (
	MaxCmdID        = 10
	MaxMessage      = 1000 // bytes of one message
	MaxMessageUsers = 10   // that a command names
)

// Message is a custom message between users, whose meaning is the application's affair.
type Message struct {
	CmdID    int    // 1–10: which of the application's kinds
	Data     []byte // at most 1000 bytes; read-only once it is handed over
	Reliable bool   // and in order among the sender's; otherwise it is lost rather than late
	// Number rises from message to message of a session. It is for messages that are sent again when their
	// answer is lost: a message that was sent before is not sent again. 0: none.
	Number uint64
}

// Check returns a bad_request for a message that cannot be sent.
func (m Message) Check() error {
	switch {
	case m.CmdID < 1 || m.CmdID > MaxCmdID:
		return Errorf(CodeBadRequest, "cmdId", "a cmdId is 1 to %d, not %d", MaxCmdID, m.CmdID)
	case len(m.Data) > MaxMessage:
		return Errorf(CodeBadRequest, "data", "a message has at most %d bytes, this one has %d", MaxMessage, len(m.Data))
	}
	return nil
}
