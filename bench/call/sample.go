package call

import (
	"cmp"
	"reflect"
	"slices"
	"time"

	"parlor/bench/netns"
)

// Sample is what somebody who watches knew at a time; numbers count from the beginning of its streams.
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

// layers is what somebody who publishes knew.
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
	Estimate   float64 `json:"estimate_kbps"` // mean; 0: the node does not say
	Kbps       float64 `json:"kbps"`          // that passed the troubled link
	Rate       float64 `json:"rate_kbps"`     // that could; 0: as much as came
	QueueP50   float64 `json:"queue_p50_ms"`  // of that link
	QueueP95   float64 `json:"queue_p95_ms"`
	SentFPS    float64 `json:"sent_fps"` // of the publisher's best layer
	LinkLate   float64 `json:"link_late_p99_ms"`
}

// sum adds up what has come between the samples of a number. A number that falls belongs to a stream that has begun anew.
func sum(samples []Sample, of func(Sample) float64) (total float64) {
	for i := 1; i < len(samples); i++ {
		total += delta(samples, i, of)
	}
	return total
}

// delta is what came between a sample and the one before.
func delta(samples []Sample, i int, of func(Sample) float64) float64 {
	before, after := of(samples[i-1]), of(samples[i])
	if after < before {
		return after
	}
	return after - before
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
	count := func(of func(Sample) float64) float64 { return sum(samples, of) }
	f.FPS = count(func(s Sample) float64 { return float64(s.Frames) }) / seconds
	f.Frozen = count(func(s Sample) float64 { return s.Frozen }) / seconds * 60
	f.Freezes = int(count(func(s Sample) float64 { return float64(s.Freezes) }))
	f.Keyframes = int(count(func(s Sample) float64 { return float64(s.Keyframes) }))
	f.Without = without(samples)
	f.Concealed = -1
	if heard := count(func(s Sample) float64 { return s.Samples }); heard > 0 {
		f.Concealed = 100 * count(func(s Sample) float64 { return s.Concealed }) / heard
	}
	f.VideoDelay = 1000 * ratio(count(func(s Sample) float64 { return s.VideoDelay }), count(func(s Sample) float64 { return s.VideoOut }))
	f.AudioDelay = 1000 * ratio(count(func(s Sample) float64 { return s.AudioDelay }), count(func(s Sample) float64 { return s.AudioOut }))
	lost := count(func(s Sample) float64 { return float64(s.VideoLost) })
	f.Lost = 100 * ratio(lost, lost+count(func(s Sample) float64 { return float64(s.VideoPackets) }))
	f.Height = usual(samples)
	told, estimates := 0., 0.
	for _, s := range samples[1:] {
		if s.Estimate > 0 {
			told, estimates = told+1, estimates+s.Estimate
		}
	}
	f.Estimate = ratio(estimates, told)
	return f
}

// without counts the seconds in which not one frame came.
func without(samples []Sample) (seconds int) {
	frames, since := 0., samples[0].At
	for i := 1; i < len(samples); i++ {
		frames += delta(samples, i, func(s Sample) float64 { return float64(s.Frames) })
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
		if delta(samples, i, func(s Sample) float64 { return float64(s.Frames) }) > 0 && samples[i].Height > 0 {
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
	bits, rates := 0., 0.
	for i, w := range r.Wire {
		if waited = append(waited, w.waited...); i == 0 {
			continue
		}
		span := (w.At - r.Wire[i-1].At) / 1000
		bits += w.Kbps * span
		rates += float64(rate(r.Link, since(r.From, w.At))) / 1000 * span
	}
	slices.Sort(waited)
	f.Kbps, f.Rate, f.LinkLate = ratio(bits, r.Seconds), ratio(rates, r.Seconds), milliseconds(late)
	f.QueueP50, f.QueueP95 = milliseconds(netns.Percentile(waited, 50)), milliseconds(netns.Percentile(waited, 95))
}

// Median returns a result with the median of each figure, and the rest of the first. It needs one at least, all of one network.
func Median(runs []*Result) *Result {
	m, runs := *runs[0], slices.Clone(runs)
	to := reflect.ValueOf(&m.Figures).Elem()
	for i := range to.NumField() {
		slices.SortFunc(runs, func(a, b *Result) int {
			x, y := reflect.ValueOf(a.Figures).Field(i), reflect.ValueOf(b.Figures).Field(i)
			if x.CanInt() {
				return cmp.Compare(x.Int(), y.Int())
			}
			return cmp.Compare(x.Float(), y.Float())
		})
		to.Field(i).Set(reflect.ValueOf(runs[len(runs)/2].Figures).Field(i))
	}
	return &m
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// since is the time between two of ms since the epoch.
func since(from, at float64) time.Duration {
	return time.Duration((at - from) * float64(time.Millisecond))
}
