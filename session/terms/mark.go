package terms

import "time"

// Block says which of a user's streams the node does not forward, whatever the user does.
type Block string

// The blocks.
const (
	BlockNone  Block = "none"
	BlockBoth  Block = "both"
	BlockAudio Block = "audio" // microphone and the sound of the screen
	BlockVideo Block = "video" // camera and screen
)

// Check returns a bad_request for what is no block.
func (b Block) Check() error {
	switch b {
	case BlockNone, BlockBoth, BlockAudio, BlockVideo:
		return nil
	}
	return Errorf(CodeBadRequest, "block", "a block is none, both, audio or video, not %.32q", string(b))
}

// Mark is what a command has said of a user in a room: a ban if Until is set, or else a block. Of either kind
// a user has one in a room at most.
type Mark struct {
	User  string
	Until time.Time // the end of a ban
	Text  string    // shown to a user that is put out because of the ban
	Block Block     // BlockNone: it was lifted
}

// Check returns a bad_request for what no command can have said.
func (m Mark) Check() error {
	if err := CheckUser(m.User); err != nil {
		return err
	}
	if m.Until.IsZero() {
		if err := m.Block.Check(); err != nil {
			return err
		}
	}
	return CheckReason(m.Text)
}
