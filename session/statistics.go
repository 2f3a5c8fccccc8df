package session

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"parlor/packet"
	"parlor/router"
)

// statistics is the report of a user's network: its quality, that of the users that it receives, and what
// flows. Hundreds of users get one every two seconds, so it is written by hand, into memory that is used
// again. The zero value is ready.
type statistics struct {
	sent, received []streamReport
	json           []byte
}

// streamReport is a stream of a sample, and the user that it is of.
type streamReport struct {
	*router.StreamSample
	user    string // of a stream that is received
	quality NetworkQuality
}

// Samples implements router.Observer.
func (o observer) Samples(l []router.Sample) {
	r := &o.rm.reports
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(r.samples) == 0 || len(r.samples) > maxSamples: // nobody has delivered for long
		r.samples = l
	default:
		r.samples = append(r.samples, l...)
	}
	o.rm.startDelivering()
}

// SetStatistics has the user told every two seconds of its network, or, with false, no longer. At first it is
// told. Errors: user_not_found.
func (s *Session) SetStatistics(on bool) error {
	p := s.p
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	if p.left != nil {
		return errGone()
	}
	p.noNetwork = !on
	return nil
}

// maxSamples bounds the samples that wait to be delivered: some times the peers of a large room.
const maxSamples = 1 << 14

// tellStatistics tells each user that wants to know of its sample.
func (rm *room) tellStatistics(samples []router.Sample, r *statistics) {
	for i := range samples {
		s := &samples[i]
		up, down := directionsOf(s)
		if p := rm.gather(s, up, down, r); p != nil {
			p.report.tell(slices.Clone(r.write(s, up, down)))
		}
	}
}

// gather notes the quality of the user's network, and collects what there is to tell it. It returns
// nil if the user is not to be told.
func (rm *room) gather(s *router.Sample, up, down direction, r *statistics) *participant {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	m := rm.numbered[s.Member]
	if m == nil || m.p.left != nil {
		return nil
	}
	m.up, m.down = up.described(), down.described()
	rm.rooms.losses.add(up, down)
	if m.p.mediaOnly || m.p.noNetwork || !m.p.report.open() {
		return nil
	}
	r.sent, r.received = r.sent[:0], r.received[:0]
	for i := range s.Sent {
		r.sent = append(r.sent, streamReport{StreamSample: &s.Sent[i]})
	}
	for i := range s.Received {
		x := &s.Received[i]
		if o := rm.numbered[x.Track.Member]; o != nil && rm.visible(o) {
			r.received = append(r.received, streamReport{x, o.user, o.up.Quality})
		}
	}
	return m.p
}

// directionsOf returns both directions of a sample's peer.
func directionsOf(s *router.Sample) (up, down direction) {
	up, down = direction{rtt: s.RTT, down: s.Down}, direction{rtt: s.RTT, down: s.Down}
	for i := range s.Sent {
		up.expected, up.lost = up.expected+s.Sent[i].Expected, up.lost+s.Sent[i].Lost
	}
	// Receiver reports blame what a publisher has lost on its way to the node on the receiver.
	if s.Expected > 0 {
		down.expected, down.lost = s.Expected, s.Lost
		return up, down
	}
	for i := range s.Received {
		down.expected, down.lost = down.expected+s.Received[i].Expected, down.lost+s.Received[i].Lost
	}
	return up, down
}

// write returns the report's JSON as docs/protocol.md has it, valid until the next call. User ids and RIDs
// are of characters that JSON has as they are (CheckUser, RFC 8852).
func (r *statistics) write(s *router.Sample, up, down direction) []byte {
	slices.SortFunc(r.sent, byStream)
	slices.SortFunc(r.received, byStream)
	b := appendDirection(append(r.json[:0], `{"type":"statistics","up":`...), up, s.Sent, s.Over)
	b = appendDirection(append(b, `,"down":`...), down, s.Received, s.Over)
	if s.Estimate != 0 {
		b = strconv.AppendUint(append(b[:len(b)-1], `,"estimateKbps":`...), s.Estimate/1000, 10)
		b = append(appendMilliseconds(append(b, `,"queueMs":`...), s.Queue), '}')
	}
	if s.Limit != router.LimitUnknown {
		b = append(append(append(b[:len(b)-1], `,"limitedBy":"`...), s.Limit.String()...), `"}`...)
	}
	if s.Red != 0 {
		b = append(strconv.AppendInt(append(b[:len(b)-1], `,"red":`...), int64(s.Red), 10), '}')
	}
	if s.RTT != 0 {
		b = appendMilliseconds(append(b, `,"rttMs":`...), s.RTT)
	}
	b = append(b, `,"users":[`...)
	for i, x := range r.received {
		if i > 0 && x.user == r.received[i-1].user {
			continue
		}
		b = append(append(appendComma(b), `{"user":"`...), x.user...)
		b = append(strconv.AppendInt(append(b, `","quality":`...), int64(x.quality), 10), '}')
	}
	b = appendStreams(append(b, `],"sent":[`...), r.sent, s.Over)
	b = appendStreams(append(b, `],"received":[`...), r.received, s.Over)
	r.json = append(b, `]}`...)
	clear(r.sent) // which nothing holds on to
	clear(r.received)
	return r.json
}

func byStream(a, b streamReport) int {
	return cmp.Or(cmp.Compare(a.user, b.user), cmp.Compare(sourceOf(a.Track.Source), sourceOf(b.Track.Source)), cmp.Compare(a.RID, b.RID))
}

// appendComma appends a comma, unless b ends where a list begins.
func appendComma(b []byte) []byte {
	if b[len(b)-1] == '[' {
		return b
	}
	return append(b, ',')
}

func appendDirection(b []byte, d direction, streams []router.StreamSample, over time.Duration) []byte {
	var bytes uint64
	for i := range streams {
		bytes += streams[i].Bytes
	}
	b = strconv.AppendInt(append(b, `{"quality":`...), int64(d.quality()), 10)
	b = strconv.AppendInt(append(b, `,"kbps":`...), kbps(bytes, over), 10)
	return append(appendLoss(append(b, `,"loss":`...), d), '}')
}

func appendStreams(b []byte, streams []streamReport, over time.Duration) []byte {
	for _, x := range streams {
		b = append(appendComma(b), '{')
		if x.user != "" {
			b = append(append(append(b, `"user":"`...), x.user...), `",`...)
		}
		b = append(append(append(b, `"source":"`...), sourceOf(x.Track.Source).String()...), '"')
		if x.RID != "" {
			b = append(append(append(b, `,"rid":"`...), x.RID...), '"')
		}
		b = strconv.AppendInt(append(b, `,"kbps":`...), kbps(x.Bytes, over), 10)
		b = appendLoss(append(b, `,"loss":`...), direction{expected: x.Expected, lost: x.Lost})
		b = appendMilliseconds(append(b, `,"jitterMs":`...), x.Jitter)
		if x.user != "" && x.Track.Source.Kind() == packet.Video {
			b = appendState(b, x.StreamSample)
		}
		b = append(b, '}')
	}
	return b
}

// appendState appends how a picture that is received goes on.
func appendState(b []byte, x *router.StreamSample) []byte {
	b = append(append(append(b, `,"state":"`...), x.State.String()...), '"')
	if x.State == router.StreamPaused {
		return b
	}
	return strconv.AppendInt(append(b, `,"layer":`...), int64(x.Layer), 10)
}

// appendLoss appends the share of lost packets to three places, null if it is not known.
func appendLoss(b []byte, d direction) []byte {
	loss, known := d.loss()
	if !known {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, math.Round(loss*1000)/1000, 'f', -1, 64)
}

// appendMilliseconds appends d in ms, to a tenth.
func appendMilliseconds(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, math.Round(float64(d)/1e5)/10, 'f', -1, 64)
}

// kbps returns a rate in kbit/s.
func kbps(bytes uint64, over time.Duration) int64 {
	if over <= 0 {
		return 0
	}
	return int64(math.Round(float64(bytes) * 8 / 1000 / over.Seconds()))
}
