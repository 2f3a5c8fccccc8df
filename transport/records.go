package transport

import "encoding/binary"

// DTLS record content types (RFC 6347, RFC 5246).
const (
	recordChangeCipherSpec = 20
	recordAlert            = 21
	recordHandshake        = 22
	recordApplicationData  = 23

	recordHeader = 13
)

// recordRules says what a datagram of DTLS records may hold.
type recordRules struct {
	established bool // the handshake is done: no plaintext alerts any more
	plain       bool // handshake records in plaintext are still of use: the last flight may be asked for again
	data        bool // application data was negotiated
}

// checkRecords walks the records of a datagram and tells whether all of it may go to the DTLS library, and whether it has
// application data. It stands between the network and pion/dtls because that one answers some forged plaintext records,
// which anybody can send who knows the addresses, with a fatal alert to the real client: application data in epoch 0,
// unknown content types, malformed change_cipher_spec. What is encrypted cannot be forged and passes.
func checkRecords(b []byte, rules recordRules) (ok, hasData bool) {
	if len(b) < recordHeader {
		return false, false
	}
	for len(b) > 0 {
		if len(b) < recordHeader {
			return false, false
		}
		size := int(binary.BigEndian.Uint16(b[11:]))
		if size == 0 || len(b) < recordHeader+size {
			return false, false
		}
		if !rules.allow(b[0], binary.BigEndian.Uint16(b[3:]), b[recordHeader:recordHeader+size]) {
			return false, false
		}
		hasData = hasData || b[0] == recordApplicationData
		b = b[recordHeader+size:]
	}
	return true, hasData
}

func (r recordRules) allow(kind uint8, epoch uint16, body []byte) bool {
	if epoch > 1 {
		return false
	}
	encrypted := epoch == 1
	switch kind {
	case recordHandshake:
		return encrypted || !r.established || r.plain
	case recordChangeCipherSpec:
		return !encrypted && len(body) == 1 && body[0] == 1 && (!r.established || r.plain)
	case recordAlert:
		return encrypted || !r.established && len(body) == 2
	case recordApplicationData:
		return encrypted && r.data
	}
	return false
}
