package signal

import (
	"bytes"
	"strconv"
)

// maxDigits keeps numbers that are read by parsePing within 64 bits.
const maxDigits = 18

// parsePing reads a ping as clients write it, with neither blanks nor escapes. It is most of what clients
// send, so this is worth more than encoding/json. If a ping is written otherwise, ok is false, and it is read
// like all requests.
func parsePing(raw []byte) (id int64, ack uint64, ok bool) {
	rest, found := bytes.CutPrefix(raw, []byte("{"))
	var isPing, hasID, hasAck bool
	for found {
		switch {
		case !isPing && cut(&rest, `"type":"ping"`):
			isPing = true
		case !hasID && cut(&rest, `"id":`):
			hasID = true
			n, fits := cutNumber(&rest)
			if id = int64(n); !fits {
				return 0, 0, false
			}
		case !hasAck && cut(&rest, `"ack":`):
			hasAck = true
			n, fits := cutNumber(&rest)
			if ack = n; !fits {
				return 0, 0, false
			}
		default:
			return 0, 0, false
		}
		if string(rest) == "}" {
			return id, ack, isPing && hasID
		}
		found = cut(&rest, ",")
	}
	return 0, 0, false
}

// cut takes a prefix away if it is there.
func cut(b *[]byte, prefix string) bool {
	if len(*b) < len(prefix) || string((*b)[:len(prefix)]) != prefix {
		return false
	}
	*b = (*b)[len(prefix):]
	return true
}

// cutNumber takes a JSON number without sign, fraction and exponent away.
func cutNumber(b *[]byte) (n uint64, ok bool) {
	i := 0
	for ; i < len(*b) && (*b)[i] >= '0' && (*b)[i] <= '9'; i++ {
		n = 10*n + uint64((*b)[i]-'0')
	}
	if i == 0 || i > maxDigits || i > 1 && (*b)[0] == '0' {
		return 0, false
	}
	*b = (*b)[i:]
	return n, true
}

func appendPong(b []byte, re int64) []byte {
	return append(strconv.AppendInt(append(b, `{"type":"pong","re":`...), re, 10), '}')
}
