// Package speech judges who speaks, and how loud, from the audio levels that publishers send beside their
// packets (RFC 6464), without decoding.
//
// A Voice follows the level of one track on three scales of time. The active speaker is decided by comparing
// voices on the two longer ones, after Volfin and Cohen, "Dominant speaker identification for multipoint
// videoconferencing" (Computer Speech & Language 27, 2013). A cough is loud for a moment, but not for a third
// of a second; "mhm" is not louder over two seconds. Their scores are likelihood ratios of speech in
// sub-bands of time. Here they are smoothed decibels, in which the margins below are given.
//
//	speech.go  Voice: the level of one track
//	choose.go  Dominates, Seat: the decisions
package speech

import "math"

// Quiet is the level, in -dBov, from which on a packet counts as silent. Higher hears whispers, and fans.
const Quiet = 60

// loud is what counts as speech, in dB above Quiet, on the short scale. Lower takes up softer speakers and
// more noise.
const loud = 12

// Unknown stands for the level of a packet that has none, in -dBov. A publisher without the extension is
// taken for one that speaks softly all the time, so that it is heard while there is a place.
const Unknown = Quiet - loud - 2

// The scales of time, in seconds. The short one finds the beginning of speech: longer misses plosives,
// shorter hears clicks. The medium one is what a person would call loudness. The long one tells who holds the
// floor.
const (
	short  = 0.03
	medium = 0.3
	long   = 2.0
)

// Times in ns.
const (
	// HoldOver is for how long somebody counts as speaking after the last loud packet. Higher rides out
	// longer pauses between words, lower frees a place sooner.
	HoldOver = 600e6
	// patience is for how long a missing packet is put down to the network, not to silence (DTX).
	patience = 100e6
)

// frame is the length of a packet of which nothing else is known, and longest the longest that Opus makes, in
// seconds. What is more between two timestamps is silence that was not sent (DTX).
const (
	frame   = 0.02
	longest = 0.12
)

// Voice is the loudness of one track. The zero value is silent, and ready. It takes time from timestamps if
// it can, since packets come in bursts.
type Voice struct {
	short, medium, long float32 // dB above Quiet, smoothed
	ts                  uint32  // of the latest packet
	at                  int64   // its arrival, ns; 0: none yet
	spoke               int64   // arrival of the latest loud one, ns; 0: none
	known               bool    // the packets say their level
}

// Packet takes in a packet: its level in -dBov (0 the loudest, 127 silence; the voice activity bit does not
// matter), whether it said its level at all, its timestamp with the clock rate, and its arrival in ns. Late
// packets and repeated ones do not count. Packet reports whether the packet belongs to speech.
func (v *Voice) Packet(level uint8, known bool, timestamp, rate uint32, at int64) bool {
	d := int32(timestamp - v.ts)
	if v.at != 0 && d <= 0 && d > -2*int32(rate) {
		return false
	}
	length := float32(frame)
	if v.at != 0 && d > 0 && rate > 0 {
		length = float32(d) / float32(rate)
	}
	if length > longest {
		v.decay(length - frame)
		length = frame
	}
	if !known {
		level = Unknown
	}
	x := float32(max(Quiet-int(level&0x7f), 0))
	v.short += (x - v.short) * length / (short + length)
	v.medium += (x - v.medium) * length / (medium + length)
	v.long += (x - v.long) * length / (long + length)
	v.ts, v.at, v.known = timestamp, at, known
	if v.short < loud || x < loud {
		return false
	}
	v.spoke = at
	return true
}

// decay lets so many seconds of silence go by.
func (v *Voice) decay(seconds float32) {
	fall := func(scale float32) float32 { return float32(math.Exp(float64(-seconds / scale))) }
	v.short *= fall(short)
	v.medium *= fall(medium)
	v.long *= fall(long)
}

// after returns the voice as it is at now, when nothing has come since.
func (v Voice) after(now int64) Voice {
	if gap := now - v.at - patience; gap > 0 {
		v.decay(float32(gap) / 1e9)
	}
	return v
}

// Speaking says whether it speaks, or has only just paused.
func (v *Voice) Speaking(now int64) bool { return v.spoke != 0 && now-v.spoke <= HoldOver }

// fullVolume is the smoothed level, in dB above Quiet, that counts as 100: speech close to a microphone, at
// -15 dBov.
const fullVolume = 45

// Volume returns the loudness as people are shown it, from 0, silent, to 100. It is 0 if the packets do not
// say their level.
func (v *Voice) Volume(now int64) int {
	if !v.known {
		return 0
	}
	return min(int(v.after(now).medium*100/fullVolume), 100)
}
