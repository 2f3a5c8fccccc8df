package router

import (
	"math"

	"github.com/pion/rtcp"

	"parlor/router/clock"
	"parlor/router/reception"
)

// Receivers of the simulation that give no transport-wide feedback.

// tells says what a receiver tells of its network.
type tells uint8

const (
	tellsAll    tells = iota // each packet, by transport-wide feedback
	tellsRates               // what it takes (REMB), and how much is lost
	tellsLosses              // how much is lost, in receiver reports
	tellsSound               // that of the picture, and all of sound
)

// foreign is such a receiver.
type foreign struct {
	got    [2]reception.Stats // of the picture, of sound
	least  int64              // on the way
	queue  int64              // of the last packet
	bytes  int                // since at
	at     int64
	rate   float64 // that comes
	takes  float64 // 0: not known yet
	told   float64
	toldAt int64
}

// rateEvery is how often the rate is looked at.
const rateEvery = 200 * ms

// receive takes a packet, so long after it has left.
func (v *viewer) receive(d *departure, took int64) {
	f, now := &v.foreign, v.s.now
	if f.least == 0 {
		f.least = took
	}
	f.least = min(f.least, took)
	f.queue = took - f.least
	f.bytes += d.size
	switch {
	case d.sound != nil:
		f.got[1].Packet(d.ext, 0, now, 48000)
	case d.seen != nil && !d.rtx:
		f.got[0].Packet(d.ext, d.seen.ts, now, 90000)
	}
}

// estimate follows the rate that comes and how long packets wait, nearly as libwebrtc's AimdRateControl does.
// It is so much less than what comes while packets wait. Else it grows by 8 % a second, up to half as much
// again as comes.
func (v *viewer) estimate() {
	f, now := &v.foreign, v.s.now
	span := float64(now - f.at)
	f.rate += (float64(f.bytes)*8e9/span - f.rate) * 0.4
	f.bytes, f.at = 0, now
	switch {
	case f.queue > 50*ms:
		if f.takes == 0 {
			f.takes = math.Inf(1)
		}
		f.takes = min(f.takes, 0.85*f.rate)
	case f.takes != 0:
		f.takes = min(f.takes*math.Pow(1.08, span/1e9), max(1.5*f.rate+10e3, f.takes))
	case now-v.s.began > 5*int64(1e9):
		f.takes = f.rate
	}
	if f.takes == 0 || f.takes > 0.97*f.told && now-f.toldAt < 1e9 {
		return
	}
	f.told, f.toldAt = f.takes, now
	v.tell(&rtcp.ReceiverEstimatedMaximumBitrate{SenderSSRC: 1, Bitrate: float32(f.takes), SSRCs: []uint32{v.ssrc, v.ssrc + soundSSRC}})
}

// reportLosses sends a receiver report of both streams.
func (v *viewer) reportLosses() {
	var blocks []rtcp.ReceptionReport
	for i := range v.foreign.got {
		if g := &v.foreign.got[i]; g.Began() {
			r := g.Report()
			blocks = append(blocks, rtcp.ReceptionReport{SSRC: v.ssrc + uint32(i)*soundSSRC, FractionLost: r.Fraction, TotalLost: r.Lost,
				LastSequenceNumber: r.High, Jitter: r.Jitter})
		}
	}
	if len(blocks) > 0 && v.sr.at != 0 {
		blocks[0].LastSenderReport, blocks[0].Delay = v.sr.middle, uint32(clock.Ticks(v.s.now-v.sr.at, 1<<16))
	}
	v.tell(&rtcp.ReceiverReport{SSRC: 1, Reports: blocks})
}
