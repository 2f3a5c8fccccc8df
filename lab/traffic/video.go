package traffic

import (
	"encoding/binary"
	"time"

	"github.com/pion/rtp"
)

const (
	fps       = 30
	clockRate = 90000

	// PacketSize is the size in bytes of every video packet, RTP header included.
	PacketSize = 1200
	headerSize = 12

	// keyframeFactor is how many times larger than the mean frame a keyframe is. What it takes is saved on
	// the frames after it, so that the bitrate holds. Raising it makes bursts longer.
	keyframeFactor = 4

	width, height = 1280, 720
)

// Video is a Stream of VP8 at 30 frames per second with one temporal layer. Every packet has PacketSize
// bytes. A frame has as many packets as the bitrate asks for, one at least. The pictures themselves are
// filling and cannot be decoded.
type Video struct {
	stream  uint32
	bitrate int // bits per second, RTP headers included
	every   time.Duration

	credit  float64 // packets saved up or, below zero, overdrawn
	begun   bool
	lastKey time.Duration
	frames  uint16 // also the picture id
	count   uint64
	packets []*rtp.Packet
}

// NewVideo returns a stream of the given bitrate, in bits per second with RTP headers. It has a keyframe at
// the start, when asked for, and whenever the given time has gone by (0: never).
func NewVideo(stream uint32, bitrate int, keyframeEvery time.Duration) *Video {
	return &Video{stream: stream, bitrate: bitrate, every: keyframeEvery}
}

// SetBitrate changes the bitrate from the next frame on.
func (v *Video) SetBitrate(bitrate int) { v.bitrate = bitrate }

// Interval implements Stream.
func (v *Video) Interval() time.Duration { return time.Second / fps }

// Count implements Stream.
func (v *Video) Count() uint64 { return v.count }

// Next implements Stream.
func (v *Video) Next(at time.Duration, keyframe bool) []*rtp.Packet {
	keyframe = keyframe || !v.begun || v.every > 0 && at-v.lastKey >= v.every
	if keyframe {
		v.begun, v.lastKey = true, at
	}
	n := v.size(keyframe)
	frame := v.take(n)
	for i, p := range frame {
		p.Marker = i == n-1
		p.SequenceNumber = uint16(v.count)
		p.Timestamp = uint32(at * clockRate / time.Second)
		v.fill(p.Payload, i == 0, keyframe, n)
		Stamp{Stream: v.stream, Seq: v.count}.put(p.Payload)
		v.count++
	}
	v.frames++
	return frame
}

// size returns the number of packets of the next frame.
func (v *Video) size(keyframe bool) int {
	mean := float64(v.bitrate) / 8 / fps / PacketSize
	v.credit += mean
	n := int(v.credit)
	if keyframe {
		n = int(mean*keyframeFactor + 0.5)
	}
	n = max(n, 1)
	v.credit -= float64(n)
	return n
}

// take returns n packets to write on.
func (v *Video) take(n int) []*rtp.Packet {
	for len(v.packets) < n {
		p := &rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, PacketSize-headerSize)}
		for i := range p.Payload {
			p.Payload[i] = byte(i * 7)
		}
		v.packets = append(v.packets, p)
	}
	return v.packets[:n]
}

// descriptorSize is the size of the payload descriptor that fill writes (RFC 7741, section 4.2).
const descriptorSize = 6

// fill writes payload descriptor and, on a frame's first packet, the frame's header.
func (v *Video) fill(b []byte, first, keyframe bool, packets int) {
	b[0] = 0x80 // X
	if first {
		b[0] |= 0x10 // S, partition 0
	}
	b[1] = 0xe0                                       // I, L, T
	binary.BigEndian.PutUint16(b[2:], v.frames|1<<15) // M, 15 bits of picture id
	b[4] = byte(v.frames)                             // TL0PICIDX: every frame is of layer 0
	b[5] = 0                                          // TID 0
	if !first {
		return
	}
	// Frame tag (RFC 6386, section 9.1): inverse keyframe flag, version 0, show_frame, size of the first
	// partition.
	part := uint32(packets*(len(b)-descriptorSize) - 10)
	tag := 1<<4 | (part&(1<<19-1))<<5
	if !keyframe {
		tag |= 1
	}
	b[6], b[7], b[8] = byte(tag), byte(tag>>8), byte(tag>>16)
	if keyframe {
		copy(b[9:], []byte{0x9d, 0x01, 0x2a}) // start code
		binary.LittleEndian.PutUint16(b[12:], width)
		binary.LittleEndian.PutUint16(b[14:], height)
	}
}

// IsKeyframe reports whether a whole RTP packet without padding begins a VP8 keyframe.
func IsKeyframe(packet []byte) bool {
	var h rtp.Header
	n, err := h.Unmarshal(packet)
	if err != nil || len(packet) <= n {
		return false
	}
	return keyframeStart(packet[n:])
}

// keyframeStart reads a payload: S and partition 0 in the descriptor, and the flag of the frame tag behind
// it.
func keyframeStart(b []byte) bool {
	if b[0]&0x17 != 0x10 {
		return false
	}
	size := 1
	if b[0]&0x80 != 0 {
		if len(b) < 3 {
			return false
		}
		size++
		if b[1]&0x80 != 0 { // I
			size++
			if b[2]&0x80 != 0 { // M
				size++
			}
		}
		if b[1]&0x40 != 0 { // L
			size++
		}
		if b[1]&0x30 != 0 { // T, K
			size++
		}
	}
	return len(b) > size && b[size]&1 == 0
}
