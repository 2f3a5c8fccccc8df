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

// handshake message types (RFC 5246, section 7.4).
const clientHello = 1

// recordRules says what a datagram of DTLS records may hold.
type recordRules struct {
	first       bool // nothing has come before: it has to begin a handshake
	established bool // the handshake is done
	plain       bool // plaintext handshake records are of use: the last flight may be asked for again
	data        bool // application data was negotiated
}

// records says what a datagram holds.
type records struct {
	data      bool // application data
	handshake int  // bytes of handshake records
	hello     bool // a ClientHello, or a fragment of one
	early     bool // it came before the proof of its path, in the same read
	answer    bool // more than that: the client has got the node's flight
}

// filterRecords walks the records of a datagram and tells whether all of it may go to the DTLS library. It
// stands between the network and pion/dtls because anybody who knows the addresses can forge plaintext
// records. pion/dtls ends the connection over many of them, at times with a fatal alert to the real client.
// Such are alerts, application data in epoch 0, unknown content types and malformed change_cipher_spec. So
// plaintext alerts are never taken: a handshake that fails for a reason ends by time-out. Encrypted records
// cannot be forged, and pass.
func filterRecords(b []byte, rules recordRules) (r records, ok bool) {
	if len(b) < recordHeader {
		return r, false
	}
	for len(b) > 0 {
		if len(b) < recordHeader {
			return r, false
		}
		size := int(binary.BigEndian.Uint16(b[11:]))
		if size == 0 || len(b) < recordHeader+size {
			return r, false
		}
		kind, epoch, body := b[0], binary.BigEndian.Uint16(b[3:]), b[recordHeader:recordHeader+size]
		hello := kind == recordHandshake && epoch == 0 && body[0] == clientHello
		if !rules.allow(kind, epoch, body) || rules.first && !hello {
			return r, false
		}
		switch {
		case kind == recordHandshake:
			r.handshake += recordHeader + size
			r.hello, r.answer = r.hello || hello, r.answer || !hello
		case kind == recordApplicationData:
			r.data = true
		}
		b = b[recordHeader+size:]
	}
	return r, true
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
		return encrypted
	case recordApplicationData:
		return encrypted && r.data
	}
	return false
}
