package router

import (
	"time"

	"parlor/packet"
)

// SampleInterval is the time between two Samples of a peer to or from which media flows.
const SampleInterval = 2 * time.Second

// sampleSlots is in how many parts the peers of a room are sampled, one after the other within
// SampleInterval. More spreads the work of large rooms further, and wakes small ones more often.
const sampleSlots = 4

// silentAfter is after how long without any RTCP a peer that is sent media counts as silent, in ns. Receivers
// of sound report every 5 s at least.
const silentAfter = 10e9

// Sample is what went to and came from a peer since its sample before.
type Sample struct {
	Peer   packet.PeerID
	Member MemberID
	Over   time.Duration
	RTT    time.Duration // 0: not known
	// Down says that nothing gets through: the transport is not connected any more, or nothing is heard of a
	// peer that is sent media.
	Down bool
	// Expected is how many packets that were sent to the peer its transport-wide feedback tells of. Lost is
	// how many of them were lost on the way. 0: there is no feedback.
	Expected, Lost uint64
	// Estimate is what the network to the peer carries, in bits per second, as far as what is sent has shown
	// it of late. Queue is how long packets wait on the way. 0: not known, or nothing is sent.
	Estimate uint64
	Queue    time.Duration
	Limit    Limit          // what keeps the peer from larger pictures
	Red      int            // frames that went before, or copies, that go with each packet of sound to it
	Sent     []StreamSample // by the peer; only what flowed
	Received []StreamSample // by the peer; only what flowed, and pictures that are paused
}

// StreamSample is what flowed of one stream.
type StreamSample struct {
	Track    TrackKey
	RID      string // of what a peer has sent; "" without simulcast
	Bytes    uint64 // of what it has sent: as opened, header included; of what it received: of payload
	Expected uint64 // packets that should have arrived, without repairs; if received, as far as reported
	Lost     uint64 // of Expected; it may have been repaired
	Jitter   time.Duration
	State    StreamState // of a picture that it received
	Layer    int         // that was received, by its place from the lowest on
}

// tallied is what a stream had counted at the sample before.
type tallied struct {
	bytes, expected, received uint64
}

// sampled is what a peer's samples go by. A time is 0 until it comes for the first time.
type sampled struct {
	flowedAt int64 // media to or from it, as flows knows it
	at       int64
	heardAt  int64 // RTCP
	flowsAt  int64 // since when media flows without a pause
}

// flows notes that media flows to or from a peer.
func (c *core) flows(p *peer) {
	if c.o.Observer == nil {
		return
	}
	if c.now-p.sampled.at > 2*ns(SampleInterval) {
		p.sampled.at = c.now
	}
	if p.sampled.flowedAt == 0 {
		p.sampled.flowsAt = c.now
	}
	p.sampled.flowedAt, c.reports.flowing = c.now, c.now
	c.at(dueSamples, onSampleGrid(c.now))
}

// onSampleGrid returns the next moment for the samples of a part of the peers.
func onSampleGrid(now int64) int64 {
	const step = int64(SampleInterval / sampleSlots)
	return (now/step + 1) * step
}

// samples has the observer told of those peers whose turn it is. When nothing flows any more each has one
// more sample, of silence.
func (c *core) samples() {
	slot := c.now / int64(SampleInterval/sampleSlots) % sampleSlots
	var all []Sample
	for _, p := range c.peers {
		if int64(p.id%sampleSlots) == slot && p.sampled.flowedAt != 0 && c.now > p.sampled.at {
			all = append(all, c.sample(p))
		}
	}
	if len(all) > 0 {
		c.o.Observer.Samples(all)
	}
	if c.now-c.reports.flowing <= 2*ns(SampleInterval) {
		c.at(dueSamples, onSampleGrid(c.now))
	}
}

func (c *core) sample(p *peer) Sample {
	s := Sample{Peer: p.id, Member: p.member, Over: time.Duration(c.now - p.sampled.at), RTT: time.Duration(p.rtt), Down: !p.ready}
	s.Expected, s.Lost = p.down.told.sample()
	s.Red, s.Limit = p.down.guard.depth(), c.limit(p)
	if s.Estimate, s.Queue = p.down.carries(); s.Estimate != 0 {
		c.measure(p.down.net)
	}
	for _, t := range p.tracks {
		for _, st := range t.layers {
			if x, ok := st.sample(); ok {
				s.Sent = append(s.Sent, x)
			}
		}
	}
	for _, k := range p.down.sinks {
		if x, ok := k.sample(); ok {
			s.Received = append(s.Received, x)
		}
	}
	if len(s.Received) > 0 && c.now-max(p.sampled.heardAt, p.sampled.flowsAt) > silentAfter {
		s.Down = true
	}
	if p.sampled.at = c.now; c.now-p.sampled.flowedAt > ns(SampleInterval) {
		p.sampled.flowedAt = 0
	}
	return s
}

func (st *stream) sample() (StreamSample, bool) {
	in, last := &st.in, &st.in.tallied
	expected, received := in.stats.Counts()
	if expected < last.expected { // begun anew
		last.expected, last.received = 0, 0
	}
	x := StreamSample{Track: st.track.key, RID: st.rid, Bytes: in.bytes - last.bytes, Expected: expected - last.expected}
	x.Lost = missing(x.Expected, received-last.received)
	if st.format != nil {
		x.Jitter = in.stats.Jitter(st.format.Clock)
	}
	*last = tallied{in.bytes, expected, received}
	return x, x.Bytes > 0
}

func (s *sink) sample() (StreamSample, bool) {
	n, last := &s.count, &s.count.tallied
	x := StreamSample{Bytes: n.bytes - last.bytes, Expected: n.expected - last.expected}
	x.Lost = missing(x.Expected, n.received-last.received)
	*last = tallied{n.bytes, n.expected, n.received}
	if x.State = s.state(); x.State == StreamPaused && s.active {
		x.Track = s.want.Track
		return x, true
	}
	if s.cur == nil {
		return x, false
	}
	x.Track, x.Layer = s.cur.track.key, s.layerOf()
	if f := s.cur.format; f != nil {
		x.Jitter = time.Duration(n.jitter) * time.Second / time.Duration(max(f.Clock, 1))
	}
	return x, x.Bytes > 0
}

// missing returns how many were expected and not received; duplicates hide some.
func missing(expected, received uint64) uint64 {
	if received >= expected {
		return 0
	}
	return expected - received
}

// reportedLoss takes in what a receiver report says of packets: the highest number, and how many are missing
// since the beginning (24 bits, signed).
func (n *sinkCounts) reportedLoss(high, lost uint32) {
	total := int64(int32(lost<<8) >> 8)
	if n.highReported != 0 {
		if more := int32(high - n.highReported); more > 0 {
			n.expected += uint64(more)
			n.received += uint64(max(int64(more)-(total-n.lostReported), 0))
		}
	}
	n.highReported, n.lostReported = high, total
}
