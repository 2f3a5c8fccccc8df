package call

import (
	"cmp"
	"reflect"
	"slices"
	"time"

	"parlor/lab/netns"
)

// Sample is what a viewer knew at a time; numbers count from the beginning of its streams.
type Sample struct {
	At        float64 `json:"at"` // ms since the epoch
	Frames    int     `json:"frames"`
	Height    int     `json:"height"`
	Frozen    float64 `json:"frozen"` // seconds, by totalFreezesDuration
	Freezes   int     `json:"freezes"`
	Keyframes int     `json:"keyframes"`
	PLIs      int     `json:"plis"`

	VideoDelay   float64 `json:"videoDelay"` // seconds in the jitter buffer, of all frames
	VideoOut     float64 `json:"videoOut"`   // frames that have left it
	VideoLost    int     `json:"videoLost"`
	VideoPackets int     `json:"videoPackets"`

	Samples    float64 `json:"samples"` // of sound
	Concealed  float64 `json:"concealed"`
	AudioDelay float64 `json:"audioDelay"` // seconds, of all samples
	AudioOut   float64 `json:"audioOut"`

	RTT      float64 `json:"rtt"`      // seconds
	Estimate float64 `json:"estimate"` // kbit/s that the node thinks the link has; 0: it does not say
	Queue    float64 `json:"queue"`    // ms that it thinks packets wait
}

// layers is what a publisher knew at a time.
type layers struct {
	At     float64 `json:"at"`
	Layers []Layer `json:"layers"`
}

// Layer is one simulcast layer that is sent.
type Layer struct {
	RID    string `json:"rid"`
	Frames int    `json:"frames"`
	Height int    `json:"height"`
	Bytes  int    `json:"bytes"`
	Limit  string `json:"limit"` // qualityLimitationReason
}

// Wire is what passed the troubled link between two looks.
type Wire struct {
	At       float64 `json:"at"` // ms since the epoch, of the second look
	Kbps     float64 `json:"kbps"`
	Dropped  uint64  `json:"dropped"`
	QueueP95 float64 `json:"queue_p95_ms"`
	waited   []time.Duration
}

// Figures are what is told of a scenario, over its whole duration.
type Figures struct {
	FPS        float64 `json:"fps"`
	Frozen     float64 `json:"frozen_s_per_min"`
	Freezes    int     `json:"freezes"`
	Without    int     `json:"seconds_without_frame"`
	Concealed  float64 `json:"concealed_percent"` // -1: nobody has told
	Height     int     `json:"height"`            // the usual one, of times at which frames came
	VideoDelay float64 `json:"video_buffer_ms"`
	AudioDelay float64 `json:"audio_buffer_ms"`
	Lost       float64 `json:"video_packets_lost_percent"` // for good or until they were sent again
	Keyframes  int     `json:"keyframes"`
	Estimate   float64 `json:"estimate_kbps"` // median; 0: the node does not say
	Kbps       float64 `json:"kbps"`          // that passed the troubled link
	Rate       float64 `json:"rate_kbps"`     // that could, while there was a bound; 0: as much as came
	// Share is the median of estimate by rate, of times that have both, some seconds after each change; 0:
	// none has.
	Share    float64 `json:"estimate_percent"`
	ShareP95 float64 `json:"estimate_p95_percent"`
	QueueP50 float64 `json:"queue_p50_ms"` // of that link
	QueueP95 float64 `json:"queue_p95_ms"`
	SentFPS  float64 `json:"sent_fps"` // of the publisher's best layer
	LinkLate float64 `json:"link_late_p99_ms"`
}

// number counts from the beginning of a stream. It may fall, as what was lost does if it comes after all.
type number struct {
	of      func(Sample) float64
	arrived func(Sample) float64 // never falls, but for a stream that begins anew
}

// video is a number of the picture, sound one of the sound.
func video(of func(Sample) float64) number {
	return number{of, func(s Sample) float64 { return float64(s.VideoPackets) }}
}

func sound(of func(Sample) float64) number {
	return number{of, func(s Sample) float64 { return s.Samples }}
}

var (
	decoded   = video(func(s Sample) float64 { return float64(s.Frames) })
	lost      = video(func(s Sample) float64 { return float64(s.VideoLost) })
	packets   = video(func(s Sample) float64 { return float64(s.VideoPackets) })
	concealed = sound(func(s Sample) float64 { return s.Concealed })
	heard     = sound(func(s Sample) float64 { return s.Samples })
)

// sum adds up what has come between the samples. A late packet from before them makes no number of theirs
// less than nothing.
func (n number) sum(samples []Sample) (total float64) {
	for i := 1; i < len(samples); i++ {
		total += n.delta(samples, i)
	}
	return max(0, total)
}

// delta is what came between a sample and the one before.
func (n number) delta(samples []Sample, i int) float64 {
	before, after := samples[i-1], samples[i]
	if n.arrived(after) < n.arrived(before) {
		return n.of(after)
	}
	return n.of(after) - n.of(before)
}

// held keeps the numbers of a stream while nothing is known of it, as while its publisher is away for a
// moment.
func held(samples []Sample) []Sample {
	for i := 1; i < len(samples); i++ {
		s, last := &samples[i], samples[i-1]
		if s.VideoPackets == 0 {
			s.Frames, s.Frozen, s.Freezes, s.Keyframes, s.PLIs = last.Frames, last.Frozen, last.Freezes, last.Keyframes, last.PLIs
			s.VideoDelay, s.VideoOut, s.VideoLost, s.VideoPackets = last.VideoDelay, last.VideoOut, last.VideoLost, last.VideoPackets
		}
		if s.Samples == 0 {
			s.Samples, s.Concealed, s.AudioDelay, s.AudioOut = last.Samples, last.Concealed, last.AudioDelay, last.AudioOut
		}
	}
	return samples
}

// percentile sorts the list. Of none it is 0.
func percentile(list []float64, p int) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[min(len(list)*p/100, len(list)-1)]
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// figures reads the samples of the time that counts, the last before it among them.
func figures(samples []Sample) (f Figures) {
	if len(samples) < 2 {
		return Figures{Concealed: -1}
	}
	seconds := (samples[len(samples)-1].At - samples[0].At) / 1000
	picture := func(of func(Sample) float64) float64 { return video(of).sum(samples) }
	voice := func(of func(Sample) float64) float64 { return sound(of).sum(samples) }
	f.FPS = decoded.sum(samples) / seconds
	f.Frozen = picture(func(s Sample) float64 { return s.Frozen }) / seconds * 60
	f.Freezes = int(picture(func(s Sample) float64 { return float64(s.Freezes) }))
	f.Keyframes = int(picture(func(s Sample) float64 { return float64(s.Keyframes) }))
	f.Without = without(samples)
	f.Concealed = -1
	if heard := heard.sum(samples); heard > 0 {
		f.Concealed = 100 * concealed.sum(samples) / heard
	}
	f.VideoDelay = 1000 * ratio(picture(func(s Sample) float64 { return s.VideoDelay }), picture(func(s Sample) float64 { return s.VideoOut }))
	f.AudioDelay = 1000 * ratio(voice(func(s Sample) float64 { return s.AudioDelay }), voice(func(s Sample) float64 { return s.AudioOut }))
	lost := lost.sum(samples)
	f.Lost = 100 * ratio(lost, lost+packets.sum(samples))
	f.Height = usual(samples)
	var estimates []float64
	for _, s := range samples[1:] {
		if s.Estimate > 0 {
			estimates = append(estimates, s.Estimate)
		}
	}
	f.Estimate = percentile(estimates, 50)
	return f
}

// without counts the seconds in which not one frame came.
func without(samples []Sample) (seconds int) {
	frames, since := 0., samples[0].At
	for i := 1; i < len(samples); i++ {
		frames += decoded.delta(samples, i)
		if samples[i].At-since < 950 { // two looks are a second, give or take
			continue
		}
		if frames == 0 {
			seconds += max(1, int((samples[i].At-since)/1000+0.5))
		}
		frames, since = 0, samples[i].At
	}
	return seconds
}

// usual is the median height of the times at which frames came.
func usual(samples []Sample) int {
	var heights []int
	for i := 1; i < len(samples); i++ {
		if decoded.delta(samples, i) > 0 && samples[i].Height > 0 {
			heights = append(heights, samples[i].Height)
		}
	}
	if len(heights) == 0 {
		return 0
	}
	slices.Sort(heights)
	return heights[len(heights)/2]
}

// within are the samples from the last one before the time that counts on; times are ms since the epoch.
func within(samples []Sample, from, to float64) []Sample {
	first := 0
	for i, s := range samples {
		if s.At <= from {
			first = i
		}
	}
	last := len(samples)
	for last > first && samples[last-1].At > to {
		last--
	}
	return samples[first:last]
}

// link adds what the link says.
func (f *Figures) link(r *Result, late time.Duration) {
	var waited []time.Duration
	bits, rates, limited := 0., 0., 0. // limited: seconds in which the link had a rate
	for i, w := range r.Wire {
		if waited = append(waited, w.waited...); i == 0 {
			continue
		}
		span := (w.At - r.Wire[i-1].At) / 1000
		bits += w.Kbps * span
		if kbps := r.rate(w.At); kbps > 0 {
			rates, limited = rates+kbps*span, limited+span
		}
	}
	var shares []float64
	for _, s := range r.Samples {
		if kbps := r.rate(s.At); kbps > 0 && s.Estimate > 0 && steady(r.Link, since(r.From, s.At)) {
			shares = append(shares, 100*s.Estimate/kbps)
		}
	}
	f.Share, f.ShareP95 = percentile(shares, 50), percentile(shares, 95)
	slices.Sort(waited)
	f.Kbps, f.Rate, f.LinkLate = ratio(bits, r.Seconds), ratio(rates, limited), milliseconds(late)
	f.QueueP50, f.QueueP95 = milliseconds(netns.Percentile(waited, 50)), milliseconds(netns.Percentile(waited, 95))
}

// rate is the kbit/s that the troubled link lets pass at a time. It is 0 if as much passes as comes, or if
// the time is before the trouble.
func (r *Result) rate(at float64) float64 { return float64(rate(r.Link, since(r.From, at))) / 1000 }

// Median returns a result with the median of each figure, the problems of all, the worst that others had, and
// the rest of the first. It needs one at least, all of one network.
func Median(runs []*Result) *Result {
	m, sorted := *runs[0], slices.Clone(runs)
	to := reflect.ValueOf(&m.Figures).Elem()
	for i := range to.NumField() {
		slices.SortFunc(sorted, func(a, b *Result) int {
			x, y := reflect.ValueOf(a.Figures).Field(i), reflect.ValueOf(b.Figures).Field(i)
			if x.CanInt() {
				return cmp.Compare(x.Int(), y.Int())
			}
			return cmp.Compare(x.Float(), y.Float())
		})
		to.Field(i).Set(reflect.ValueOf(sorted[len(sorted)/2].Figures).Field(i))
	}
	m.Problems, m.Others = nil, nil
	for _, r := range runs {
		m.Problems = append(m.Problems, r.Problems...)
		m.Others = worse(m.Others, r.Others)
	}
	return &m
}

// worse has the worst of each figure of the two, either of which may be nil.
func worse(a, b *Others) *Others {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	return &Others{Viewers: max(a.Viewers, b.Viewers), Lost: max(a.Lost, b.Lost), Worst: max(a.Worst, b.Worst)}
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// since is the time between two of ms since the epoch.
func since(from, at float64) time.Duration {
	return time.Duration((at - from) * float64(time.Millisecond))
}
