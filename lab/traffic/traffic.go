// Package traffic makes the packets that clients under load and in tests send. They are video with the frame
// and keyframe structure of VP8, and audio with the rhythm of Opus. Both have a Stamp at the end of every
// payload. The package is a leaf without goroutines, sockets or clocks: time is an argument.
//
//	traffic.go  Stream
//	stamp.go    Stamp: what a packet says about itself
//	video.go    Video (RFC 7741, RFC 6386)
//	audio.go    Audio (RFC 7587)
package traffic

import (
	"time"

	"github.com/pion/rtp"
)

// Stream makes one stream's packets, frame by frame. It is for one goroutine.
type Stream interface {
	// Interval is the time between two frames.
	Interval() time.Duration
	// Next returns the packets of the frame that is due at the given time since the stream's start. The frame
	// is a keyframe if one is asked for or due. Packets and payloads are overwritten by the next call. Their
	// stamps lack only the time of sending: call Sent before each is sent.
	Next(at time.Duration, keyframe bool) []*rtp.Packet
	// Count is the number of packets made so far, which is the Seq of the next one.
	Count() uint64
}
