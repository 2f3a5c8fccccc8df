// Package header reads the RTP headers that come in and writes those that go out (RFC 3550 section 5.1, RFC
// 8285).
//
// It knows only the header extensions that a forwarding node needs, keeps nothing and allocates nothing. A
// parsed Packet points into the datagram that it was read from.
//
//	header.go  IDs, Packet, Parse
//	write.go   Template: the header of one receiver
package header

import (
	"encoding/binary"
	"errors"

	"parlor/packet"
)

// Why a datagram is not an RTP packet that can be forwarded.
var (
	ErrShort     = errors.New("header: packet is shorter than its header says")
	ErrVersion   = errors.New("header: not RTP version 2")
	ErrPadding   = errors.New("header: padding is longer than the payload")
	ErrExtension = errors.New("header: extension element runs over the end of its block")
)

// Set says which extensions a Packet carried.
type Set uint16

// The members of a Set, one bit each.
const (
	MID Set = 1 << iota
	RID
	RepairedRID
	AbsSendTime
	TransportCC
	AudioLevel
	VideoOrientation
	PlayoutDelay
	DependencyDescriptor
)

// IDs tells what each extension id of a connection means; 0 is an extension that nobody asked for.
type IDs [256]Set

// Add notes the ids of a section. In a bundle an id means the same in every section (RFC 8843 section 9), so
// one IDs serves all sections of a peer.
func (t *IDs) Add(e packet.Extensions) {
	for _, x := range [...]struct {
		id  uint8
		set Set
	}{
		{e.MID, MID}, {e.RID, RID}, {e.RepairedRID, RepairedRID}, {e.AbsSendTime, AbsSendTime},
		{e.TransportCC, TransportCC}, {e.AudioLevel, AudioLevel}, {e.VideoOrientation, VideoOrientation},
		{e.PlayoutDelay, PlayoutDelay}, {e.DependencyDescriptor, DependencyDescriptor},
	} {
		if x.id != 0 {
			t[x.id] = x.set
		}
	}
}

// Packet is a parsed RTP packet. Its slices point into the datagram.
type Packet struct {
	Payload   []byte // without padding
	Timestamp uint32
	SSRC      uint32
	Seq       uint16
	PT        uint8
	Marker    bool

	HeaderLen uint16 // bytes in front of the payload, extensions included
	Has       Set

	TransportCC      uint16
	AudioLevel       uint8 // RFC 6464: voice activity bit and -dBov
	VideoOrientation uint8
	PlayoutDelay     [3]byte
	MID, RID, RRID   []byte
	DD               []byte // dependency descriptor
}

// Parse reads the datagram b into p, whatever p held before. On an error p is not to be used.
func Parse(p *Packet, b []byte, ids *IDs) error {
	if len(b) < 12 {
		return ErrShort
	}
	if b[0]>>6 != 2 {
		return ErrVersion
	}
	*p = Packet{
		Marker: b[1]&0x80 != 0, PT: b[1] & 0x7f, Seq: binary.BigEndian.Uint16(b[2:]),
		Timestamp: binary.BigEndian.Uint32(b[4:]), SSRC: binary.BigEndian.Uint32(b[8:]),
	}
	n := 12 + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 {
		if len(b) < n+4 {
			return ErrShort
		}
		profile, end := binary.BigEndian.Uint16(b[n:]), n+4+4*int(binary.BigEndian.Uint16(b[n+2:]))
		if len(b) < end {
			return ErrShort
		}
		if err := p.extensions(b[n+4:end], profile, ids); err != nil {
			return err
		}
		n = end
	}
	if len(b) < n {
		return ErrShort
	}
	p.HeaderLen = uint16(n)
	p.Payload = b[n:]
	if b[0]&0x20 != 0 {
		return p.unpad()
	}
	return nil
}

func (p *Packet) unpad() error {
	if len(p.Payload) == 0 {
		return ErrPadding
	}
	pad := int(p.Payload[len(p.Payload)-1])
	if pad == 0 || pad > len(p.Payload) {
		return ErrPadding
	}
	p.Payload = p.Payload[:len(p.Payload)-pad]
	return nil
}

// extensions walks a block in the one-byte or the two-byte form. A block of another profile is skipped.
func (p *Packet) extensions(b []byte, profile uint16, ids *IDs) error {
	switch {
	case profile == 0xBEDE:
		return p.oneByte(b, ids)
	case profile&0xfff0 == 0x1000:
		return p.twoByte(b, ids)
	}
	return nil
}

func (p *Packet) oneByte(b []byte, ids *IDs) error {
	for i := 0; i < len(b); {
		id, n := b[i]>>4, int(b[i]&0x0f)+1
		switch {
		case b[i] == 0: // padding
			i++
			continue
		case id == 15: // reserved: stop here
			return nil
		case i+1+n > len(b):
			return ErrExtension
		}
		p.take(ids[id], b[i+1:i+1+n])
		i += 1 + n
	}
	return nil
}

func (p *Packet) twoByte(b []byte, ids *IDs) error {
	for i := 0; i < len(b); {
		if b[i] == 0 {
			i++
			continue
		}
		if i+2 > len(b) || i+2+int(b[i+1]) > len(b) {
			return ErrExtension
		}
		n := int(b[i+1])
		p.take(ids[b[i]], b[i+2:i+2+n])
		i += 2 + n
	}
	return nil
}

// take notes one element; one of a wrong length is as good as absent.
func (p *Packet) take(kind Set, v []byte) {
	switch {
	case kind == 0:
		return
	case kind == TransportCC && len(v) >= 2:
		p.TransportCC = binary.BigEndian.Uint16(v)
	case kind == AudioLevel && len(v) >= 1:
		p.AudioLevel = v[0]
	case kind == VideoOrientation && len(v) >= 1:
		p.VideoOrientation = v[0]
	case kind == PlayoutDelay && len(v) == 3:
		p.PlayoutDelay = [3]byte(v)
	case kind == DependencyDescriptor && len(v) >= 3:
		p.DD = v
	case kind == MID && len(v) > 0:
		p.MID = v
	case kind == RID && len(v) > 0:
		p.RID = v
	case kind == RepairedRID && len(v) > 0:
		p.RRID = v
	case kind == AbsSendTime:
	default:
		return
	}
	p.Has |= kind
}
