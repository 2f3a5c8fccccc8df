package router

import (
	"errors"
	"time"

	"github.com/rs/zerolog"

	"parlor/packet"
)

// Why a call on a Room fails.
var (
	ErrClosed         = errors.New("router: room is closed")
	ErrRunning        = errors.New("router: Run was called before")
	ErrPeerExists     = errors.New("router: peer is attached already")
	ErrUnknownPeer    = errors.New("router: peer is not attached")
	ErrUnknownSection = errors.New("router: peer has no receiving section of this MID")
	ErrKind           = errors.New("router: source and section differ in media kind")
)

// MemberID is a user in a room, as the caller numbers them. It survives reconnects: several peers belong to
// one member, one after the other or for a moment side by side. The zero MemberID is nobody.
type MemberID uint64

// Source says which of a member's streams a track is.
type Source uint8

// The sources.
const (
	Camera Source = iota
	Screen
	Mic
	ScreenAudio
)

var sourceNames = [...]string{"camera", "screen", "mic", "screen-audio"}

// String returns the name that the signalling protocol uses.
func (s Source) String() string {
	if int(s) < len(sourceNames) {
		return sourceNames[s]
	}
	return "unknown"
}

// Kind returns the media kind of the source.
func (s Source) Kind() packet.Kind {
	if s == Mic || s == ScreenAudio {
		return packet.Audio
	}
	return packet.Video
}

// TrackKey names a track across reconnects of its publisher.
type TrackKey struct {
	Member MemberID
	Source Source
}

// Quality is the simulcast layer that a receiver asks for.
type Quality uint8

// The qualities. If there are fewer layers, the nearest is meant.
const (
	Low Quality = iota
	Mid
	High
)

// Want is what a receiving section is to show. The zero TrackKey is nobody.
type Want struct {
	Track   TrackKey
	Quality Quality // at most
	Area    uint32  // of the picture where it is shown, in device pixels: more is of no use; 0: not said
	Hidden  bool    // it is not shown at the moment, and nothing is sent
}

// Out is the way to one peer. Only the room's goroutine uses it. The slices are the Room's and valid only
// during the call.
type Out interface {
	// SendRTP seals and queues one packet. The two parts lie in different memory; both are read-only.
	SendRTP(header, payload []byte)
	// SendRTCP seals and queues one compound packet.
	SendRTCP(compound []byte)
}

// Flusher sends what the Outs of a room have queued.
type Flusher interface{ Flush() }

// Options tunes a Room. Zero values stand for the defaults.
type Options struct {
	Log zerolog.Logger
	// Now is the clock; default time.Now.
	Now func() time.Time
	// CNAME goes into the source descriptions towards receivers; default "parlor".
	CNAME string
	// InboxPackets bounds the packets that wait for the room's goroutine; default 8192. From half of it on
	// each peer has a share. Higher bridges a longer stall at up to 1.5 KB each, lower drops sooner.
	InboxPackets int
	// KeyframeInterval is the shortest time between two keyframe requests for one track; default 200 ms.
	// Lower starts receivers sooner, higher spares the publisher's bitrate.
	KeyframeInterval time.Duration
	// History is for how long a packet can be sent again, audio for 400 ms at most; default 1 s. Higher
	// repairs over longer round trips and costs memory: the stream's bytes of that time.
	History time.Duration
	// LayerTimeout is after which silence a simulcast layer counts as stopped; default 1 s. Lower falls back
	// sooner, higher lets slow layers (a still screen) pause.
	LayerTimeout time.Duration
	// ReportInterval is the time between sender and receiver reports; default 1 s.
	ReportInterval time.Duration
	// FeedbackInterval is the time between transport-wide feedback to a publisher; default 80 ms. Lower lets
	// its bandwidth estimator react sooner and costs packets.
	FeedbackInterval time.Duration
	// Loudest is how many places the loudest have (see the function of that name); default 3, at most
	// MaxLoudest. Higher lets more be heard at the same time, lower costs less.
	Loudest int
	// Observer is told what the room notices; nil: nobody.
	Observer Observer
	// NoPacing has bursts forwarded as they come, instead of spread over up to 25 ms.
	NoPacing bool
	// NoCache has every receiver that begins with a stream of video wait for a new keyframe.
	NoCache bool
	// NoEstimate has what receivers' networks carry neither divided among their pictures nor probed. Each
	// receiver is sent all that it asks for. Sound is protected all the same.
	NoEstimate bool
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.CNAME == "" {
		o.CNAME = "parlor"
	}
	if o.Loudest <= 0 {
		o.Loudest = 3
	}
	o.Loudest = min(o.Loudest, MaxLoudest)
	if o.InboxPackets <= 0 {
		o.InboxPackets = 8192
	}
	for _, d := range []struct {
		v *time.Duration
		d time.Duration
	}{
		{&o.KeyframeInterval, 200 * time.Millisecond}, {&o.History, time.Second}, {&o.LayerTimeout, time.Second},
		{&o.ReportInterval, time.Second}, {&o.FeedbackInterval, 80 * time.Millisecond},
	} {
		if *d.v <= 0 {
			*d.v = d.d
		}
	}
	return o
}
