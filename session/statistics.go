package session

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"time"

	"parlor/router"
)

// statistics is the report of a user's network: its quality, that of those whom it receives, and what flows.
type statistics struct {
	Type     string         `json:"type"`
	Up       linkState      `json:"up"`   // what the node gets of it
	Down     linkState      `json:"down"` // what it says that it gets of the node
	RTTMS    float64        `json:"rttMs,omitzero"`
	Users    []userQuality  `json:"users"` // whom it receives
	Sent     []streamReport `json:"sent"`
	Received []streamReport `json:"received"`
}

type linkState struct {
	Quality NetworkQuality `json:"quality"`
	Kbps    int            `json:"kbps"`
	Loss    *float64       `json:"loss"` // 0–1, before repair; null: not known
}

type userQuality struct {
	User    string         `json:"user"`
	Quality NetworkQuality `json:"quality"`
}

type streamReport struct {
	User     string   `json:"user,omitempty"` // of a stream that is received
	Source   Source   `json:"source"`
	RID      string   `json:"rid,omitempty"`
	Kbps     int      `json:"kbps"`
	Loss     *float64 `json:"loss"`
	JitterMS float64  `json:"jitterMs"`
}

// Samples implements router.Observer.
func (o observer) Samples(l []router.Sample) {
	r := &o.rm.reports
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.samples) > maxSamples { // nobody has delivered for long
		r.samples = nil
	}
	r.samples = append(r.samples, l...)
	o.rm.deliverLocked()
}

// maxSamples bounds the samples that wait to be delivered: some times the peers of a large room.
const maxSamples = 1 << 14

// tellStatistics tells each user of its sample.
func (rm *room) tellStatistics(samples []router.Sample) {
	for i := range samples {
		s := &samples[i]
		up, down := linksOf(s)
		rm.mu.Lock()
		m := rm.numbered[s.Member]
		if m == nil || m.p.left != nil {
			rm.mu.Unlock()
			continue
		}
		if m.up = up.quality(); m.p.mediaOnly {
			rm.mu.Unlock()
			continue
		}
		p, report := m.p, rm.statisticsLocked(s, up, down)
		rm.mu.Unlock()
		if message, err := json.Marshal(report); err != nil {
			p.log().Error().Err(err).Msg("writing statistics")
		} else {
			p.report.tell(message)
		}
	}
}

// linksOf returns both directions of a sample's peer.
func linksOf(s *router.Sample) (up, down link) {
	up, down = link{rtt: s.RTT, down: s.Down}, link{rtt: s.RTT, down: s.Down}
	for i := range s.Sent {
		up.expected, up.lost = up.expected+s.Sent[i].Expected, up.lost+s.Sent[i].Lost
	}
	for i := range s.Received {
		down.expected, down.lost = down.expected+s.Received[i].Expected, down.lost+s.Received[i].Lost
	}
	return up, down
}

func (rm *room) statisticsLocked(s *router.Sample, up, down link) statistics {
	r := statistics{Type: "statistics", Up: state(up, s.Sent, s.Over), Down: state(down, s.Received, s.Over),
		RTTMS: milliseconds(s.RTT), Users: []userQuality{}, Sent: []streamReport{}, Received: []streamReport{}}
	for i := range s.Sent {
		r.Sent = append(r.Sent, streamState(&s.Sent[i], "", s.Over))
	}
	told := map[router.MemberID]bool{}
	for i := range s.Received {
		x := &s.Received[i]
		m := rm.numbered[x.Track.Member]
		if m == nil || !rm.visible(m) {
			continue
		}
		r.Received = append(r.Received, streamState(x, m.user, s.Over))
		if !told[m.id] {
			told[m.id] = true
			r.Users = append(r.Users, userQuality{m.user, m.up})
		}
	}
	byStream := func(a, b streamReport) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Source, b.Source), cmp.Compare(a.RID, b.RID))
	}
	slices.SortFunc(r.Sent, byStream)
	slices.SortFunc(r.Received, byStream)
	slices.SortFunc(r.Users, func(a, b userQuality) int { return cmp.Compare(a.User, b.User) })
	return r
}

func state(l link, streams []router.StreamSample, over time.Duration) linkState {
	s := linkState{Quality: l.quality(), Loss: share(l)}
	var bytes uint64
	for i := range streams {
		bytes += streams[i].Bytes
	}
	s.Kbps = kbps(bytes, over)
	return s
}

func streamState(x *router.StreamSample, user string, over time.Duration) streamReport {
	return streamReport{User: user, Source: sourceOf(x.Track.Source), RID: x.RID, Kbps: kbps(x.Bytes, over),
		Loss: share(link{expected: x.Expected, lost: x.Lost}), JitterMS: milliseconds(x.Jitter)}
}

// share returns the loss to three places, nil where it is not known.
func share(l link) *float64 {
	loss, known := l.loss()
	if !known {
		return nil
	}
	return new(math.Round(loss*1000) / 1000)
}

// kbps returns a rate in kbit/s.
func kbps(bytes uint64, over time.Duration) int {
	if over <= 0 {
		return 0
	}
	return int(math.Round(float64(bytes) * 8 / 1000 / over.Seconds()))
}

// milliseconds returns d in ms, to a tenth.
func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d)/1e5) / 10
}

func sourceOf(s router.Source) Source {
	return [...]Source{router.Camera: Camera, router.Screen: Screen, router.Mic: Mic, router.ScreenAudio: ScreenAudio}[s]
}
