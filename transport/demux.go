package transport

// class is the kind of a packet that arrives on the shared port.
type class uint8

const (
	classNoise class = iota
	classSTUN
	classDTLS
	classRTP
	classRTCP
)

// classify tells the protocols on one port apart by the first byte (RFC 7983, section 7). It tells RTCP from
// RTP by the second (RFC 5761, section 4). Ranges of protocols that this node does not speak (ZRTP, TURN
// channels) are noise.
func classify(b []byte) class {
	if len(b) < 2 {
		return classNoise
	}
	switch first := b[0]; {
	case first < 4:
		return classSTUN
	case first >= 20 && first < 64:
		return classDTLS
	case first >= 128 && first < 192:
		if b[1] >= 192 && b[1] <= 223 {
			return classRTCP
		}
		return classRTP
	}
	return classNoise
}
