package traffic

import (
	"time"

	"github.com/pion/rtp"
)

const (
	audioInterval = 20 * time.Millisecond
	audioClock    = 48000
	// audioPayload is the size in bytes of an Opus packet: 80 is 32 kbit/s, usual for speech.
	audioPayload = 80
	opusTOC      = 0xf8 // CELT, full band, 20 ms, mono, one frame (RFC 6716, section 3.1)
)

// Audio is a Stream of 50 packets a second, sized like Opus speech. The sound itself is filling.
type Audio struct {
	stream uint32
	count  uint64
	packet [1]*rtp.Packet
}

// NewAudio returns a stream.
func NewAudio(stream uint32) *Audio {
	p := &rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, audioPayload)}
	p.Payload[0] = opusTOC
	return &Audio{stream: stream, packet: [1]*rtp.Packet{p}}
}

// Interval implements Stream.
func (a *Audio) Interval() time.Duration { return audioInterval }

// Count implements Stream.
func (a *Audio) Count() uint64 { return a.count }

// Next implements Stream. There are no keyframes.
func (a *Audio) Next(at time.Duration, _ bool) []*rtp.Packet {
	p := a.packet[0]
	p.Marker = a.count == 0
	p.SequenceNumber = uint16(a.count)
	p.Timestamp = uint32(at * audioClock / time.Second)
	Stamp{Stream: a.stream, Seq: a.count}.put(p.Payload)
	a.count++
	return a.packet[:]
}
