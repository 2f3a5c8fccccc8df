package router

import (
	"fmt"
	"slices"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"

	"parlor/lab/link"
	"parlor/packet"
	"parlor/router/clock"
)

// The receivers of the simulation. They report and ask as Chromium does (libwebrtc: NackRequester,
// RemoteEstimatorProxy, VideoReceiveStream2).

// These are the values that Chromium goes by.
const (
	nackEvery   = 20 * time.Millisecond  // between two looks at what is missing
	nackTries   = 10                     // for pictures
	soundTries  = 3                      // for sound, which has been concealed then
	keyAgain    = 200 * ms               // between requests for the first keyframe
	keyPatience = 3 * int64(time.Second) // without a picture, then a keyframe is asked for
	rrEvery     = time.Second
)

// viewer is a receiver with a seat for a picture, "s", and one for sound, "a".
type viewer struct {
	s      *sim
	id     packet.PeerID
	ssrc   uint32
	ledger *ledger
	buffer buffer

	picture gaps
	sound   gaps
	// heard is sound that came, by itself or with others, and how long after it was in the room.
	heard   map[origin]time.Duration
	asked   int64 // when a keyframe was asked for last
	sr      lastReport
	twcc    *twcc.Recorder
	clock   int64         // its clock, ahead of the simulation's
	every   time.Duration // between transport-wide feedback
	stats   watched
	tells   tells
	foreign foreign

	suspended bool
}

// lastReport is the room's latest sender report, to be told back.
type lastReport struct {
	middle uint32
	at     int64
}

// watched is what a viewer has seen.
type watched struct {
	nacks, plis, bytes int
	held               [2]time.Duration // the longest time in the room: of the picture, of sound
}

func (s *sim) viewer(id packet.PeerID, rtx bool) *viewer { return s.viewerThat(id, rtx, tellsAll) }

// viewerThat is one that tells something of its network.
func (s *sim) viewerThat(id packet.PeerID, rtx bool, tells tells) *viewer {
	v := &viewer{s: s, id: id, tells: tells, ssrc: uint32(id) * 1000, ledger: newLedger(s.t, uint32(id)*1000),
		picture: newGaps(nackTries, false), sound: newGaps(soundTries, true), heard: map[origin]time.Duration{}, twcc: twcc.NewRecorder(1), every: time.Duration(50+s.rng.IntN(201)) * time.Millisecond}
	v.buffer.viewer = v
	p, err := link.Parse(s.usual)
	s.must(err)
	v.ledger.strict = p[0].Shape == link.Shape{Delay: p[0].Delay}
	s.must(s.c.attach(id, MemberID(id), v, s.now))
	s.must(s.c.update(id, v.sections(rtx), nil, s.now))
	s.must(s.c.ready(id, s.now))
	for _, tick := range []struct {
		every time.Duration
		do    func()
	}{{nackEvery, v.ask}, {v.every, v.report}, {rrEvery, v.receiverReport}} {
		s.tick(v, tick.every, tick.do)
	}
	if tells == tellsRates {
		s.tick(v, time.Duration(rateEvery), v.estimate)
	}
	return v
}

func (v *viewer) sections(rtx bool) []packet.Section {
	sec := seatVideo("s", v.ssrc)
	if !rtx {
		sec.RTXSSRC = 0
		for i := range sec.Codecs {
			sec.Codecs[i].RTX = 0
		}
	}
	sound := seatSound("a", v.ssrc+soundSSRC)
	if !rtx {
		sound.Codecs = sound.Codecs[:1]
	}
	if v.tells != tellsAll {
		sec.Ext.TransportCC = 0
		if v.tells != tellsSound {
			sound.Ext.TransportCC = 0
		}
	}
	return []packet.Section{sec, sound}
}

// tick does something again and again while the viewer is there.
func (s *sim) tick(v *viewer, every time.Duration, do func()) {
	s.after(every, func() {
		if s.c.peers[v.id] != nil {
			do()
			s.tick(v, every, do)
		}
	})
}

// SendRTCP takes sender reports.
func (v *viewer) SendRTCP(b []byte) {
	ps, err := rtcp.Unmarshal(slices.Clone(b))
	v.s.must(err)
	v.s.send(v.id, true, len(b)+wireOverhead, func() {
		for _, p := range ps {
			if r, ok := p.(*rtcp.SenderReport); ok && r.SSRC == v.ssrc {
				v.sr = lastReport{clock.Middle(r.NTPTime), v.s.now}
			}
		}
	})
}

// SendRTP takes the packets that leave the room.
func (v *viewer) SendRTP(header, payload []byte) {
	if v.suspended {
		v.s.t.Fatalf("viewer %d: a packet leaves though it is suspended", v.id)
	}
	d := v.ledger.take(header, payload)
	if k := v.s.c.peers[v.id].down.sinks["s"]; k == nil || k.burst == nil { // the cache's packets are older
		v.stats.hold(v.s, &d)
	}
	at := v.s.now
	v.s.send(v.id, true, d.size, func() {
		if v.tells != tellsAll {
			v.receive(&d, v.s.now-at)
		}
		v.take(&d)
	})
}

// hold notes how long a packet was in the room.
func (r *watched) hold(s *sim, d *departure) {
	at, kind := int64(0), 0
	switch {
	case d.sound != nil && !d.again:
		at, kind = s.came[d.sound[len(d.sound)-1]], 1
	case d.seen != nil && d.seen.raw != nil && !d.again:
		at = s.came[origin{d.seen.truth, d.seen.frame, d.seen.idx}]
	}
	if at != 0 {
		r.held[kind] = max(r.held[kind], time.Duration(s.now-at))
	}
}

// take takes the packets that the network brings.
func (v *viewer) take(d *departure) {
	now := v.s.now
	v.stats.bytes += d.size
	if d.told {
		v.twcc.Record(1, d.number, (now+v.clock-v.s.began)/1e3+1e10)
	}
	switch {
	case d.sound != nil:
		v.listen(d)
	case d.seen != nil:
		fresh, times := v.picture.take(d.ext, now, d.again)
		if !fresh {
			return
		}
		if v.picture.full() {
			v.askKeyframe()
		}
		v.nack(v.ssrc, v.picture.fresh(now))
		if d.wait >= 0 {
			v.buffer.least = d.wait
		}
		if d.seen.raw != nil {
			v.buffer.add(d.ext, d.seen, times > 0)
		}
	}
}

// listen takes sound.
func (v *viewer) listen(d *departure) {
	now := v.s.now
	if fresh, _ := v.sound.take(d.ext, now, d.again); !fresh {
		return
	}
	for _, x := range d.sound {
		if _, ok := v.heard[x]; !ok {
			v.heard[x] = time.Duration(now - v.s.came[x])
		}
	}
	v.nack(v.ssrc+soundSSRC, v.sound.fresh(now))
}

// ask asks again for packets that are missing still, and for a keyframe if there is no picture.
func (v *viewer) ask() {
	v.nack(v.ssrc, v.picture.old(v.s.now))
	v.nack(v.ssrc+soundSSRC, v.sound.old(v.s.now))
	patience := keyPatience
	if v.buffer.shown == 0 {
		patience = keyAgain
	}
	if len(v.picture.got) > 0 && v.s.now-max(v.buffer.shown, v.asked) > patience {
		v.askKeyframe()
	}
}

func (v *viewer) askKeyframe() {
	v.asked = v.s.now
	v.stats.plis++
	v.tell(&rtcp.PictureLossIndication{MediaSSRC: v.ssrc})
}

// nack asks for packets of one SSRC.
func (v *viewer) nack(ssrc uint32, seqs []uint16) {
	if len(seqs) > 0 {
		v.stats.nacks += len(seqs)
		v.tell(&rtcp.TransportLayerNack{MediaSSRC: ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers(seqs)})
	}
}

// report sends transport-wide feedback. The windows of reports overlap if packets have come late.
func (v *viewer) report() {
	for _, p := range v.twcc.BuildFeedbackPacket() {
		v.tell(p)
	}
}

// receiverReport lets the room know the round trip.
func (v *viewer) receiverReport() {
	if v.tells != tellsAll {
		v.reportLosses()
		return
	}
	if v.sr.at == 0 {
		return
	}
	v.tell(&rtcp.ReceiverReport{SSRC: 1, Reports: []rtcp.ReceptionReport{{SSRC: v.ssrc, LastSequenceNumber: uint32(v.picture.high),
		LastSenderReport: v.sr.middle, Delay: uint32(clock.Ticks(v.s.now-v.sr.at, 1<<16))}}})
}

func (v *viewer) tell(p rtcp.Packet) {
	raw, err := rtcp.Marshal([]rtcp.Packet{p})
	v.s.must(err)
	v.s.send(v.id, false, len(raw)+wireOverhead, func() {
		if v.s.c.peers[v.id] != nil {
			v.s.deliver(v.id, true, raw)
		}
	})
}

// verdict is what has become of the picture.
type verdict struct {
	judgement
	decoded, holes int
	freeze         time.Duration // longest time without a picture, after the first
	frozen         time.Duration // all times that a viewer notices
}

func (v verdict) String() string {
	return fmt.Sprintf("%d frames, %d whole, %d decoded, %d holes, %d switches, frozen %v at most", v.frames, v.whole, v.decoded, v.holes, v.switches, v.freeze)
}

// judge checks what has left for the viewer, and counts what its decoder could make of what came.
func (v *viewer) judge() verdict {
	r := verdict{judgement: v.ledger.judge(), decoded: v.buffer.decoded, holes: v.picture.holes(v.picture.first, v.picture.high)}
	b := v.buffer
	b.stand(v.s.ended)
	r.freeze, r.frozen = time.Duration(b.freeze), time.Duration(b.frozen)
	return r
}
