package traffic

import (
	"encoding/binary"
	"time"
)

// Stamp is carried in the last StampSize bytes of every payload, where no rewriting of headers reaches it.
// Loss and delay are counted by it.
type Stamp struct {
	Stream uint32 // which stream
	Seq    uint64 // counts the stream's packets from 0
	Sent   int64  // Unix time in nanoseconds at the send call
}

// StampSize is the size of a Stamp in bytes.
const StampSize = 24

const magic = 0x5041524c // "PARL"

func (s Stamp) put(payload []byte) {
	b := payload[len(payload)-StampSize:]
	binary.BigEndian.PutUint32(b, magic)
	binary.BigEndian.PutUint32(b[4:], s.Stream)
	binary.BigEndian.PutUint64(b[8:], s.Seq)
	binary.BigEndian.PutUint64(b[16:], uint64(s.Sent))
}

// Sent writes the time of sending into a stamped payload.
func Sent(payload []byte, now time.Time) {
	binary.BigEndian.PutUint64(payload[len(payload)-8:], uint64(now.UnixNano()))
}

// Read returns the stamp at the end of b, a payload or a whole RTP packet without padding. It is false for
// anything else.
func Read(b []byte) (Stamp, bool) {
	if len(b) < StampSize {
		return Stamp{}, false
	}
	b = b[len(b)-StampSize:]
	if binary.BigEndian.Uint32(b) != magic {
		return Stamp{}, false
	}
	return Stamp{
		Stream: binary.BigEndian.Uint32(b[4:]),
		Seq:    binary.BigEndian.Uint64(b[8:]),
		Sent:   int64(binary.BigEndian.Uint64(b[16:])),
	}, true
}
