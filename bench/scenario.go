package main

import (
	"errors"
	"fmt"
	"time"

	"parlor/client"
	"parlor/client/sample"
	"parlor/lab/traffic"
)

// Scenario is what to run.
type Scenario struct {
	Name         string          `json:"name,omitempty"` // see named.go
	Rooms        int             `json:"rooms"`
	Publishers   int             `json:"publishers"`    // in each room
	Subscribers  int             `json:"subscribers"`   // in each room
	VideoBitrate int             `json:"video_bitrate"` // bits per second; 0: no video
	Audio        bool            `json:"audio"`
	Keyframes    time.Duration   `json:"keyframes_ns"`
	Duration     time.Duration   `json:"duration_ns"`
	Warmup       time.Duration   `json:"warmup_ns"`
	Parallel     int             `json:"parallel_joins"`
	LateJoins    int             `json:"late_joins"`
	Door         string          `json:"door"`
	Scene        string          `json:"scene"`
	Feedback     client.Feedback `json:"feedback"`
	Sampling
	Limit time.Duration `json:"limit_ns"`       // for how long the bare loop runs, each time; 0: not at all
	Idle  bool          `json:"idle,omitempty"` // everybody is connected and nothing flows
	// Saturate raises the bitrate until packets are lost, and measures at 80 % of that; see saturate.go.
	Saturate bool `json:"saturate,omitempty"`
	Trouble
	Mark Mark `json:"mark"`
}

// Sampling is which packets the clients read.
type Sampling struct {
	// Readers is how many subscribers of a room read every packet; 0: all. To the others the kernel passes
	// one packet in Sample, a power of two, so that the clients do not give out before the node. Loss is
	// counted in that sample.
	Readers int `json:"readers,omitempty"`
	Sample  int `json:"sample,omitempty"`
}

const (
	doorWS   = "ws"
	doorWHEP = "whep"
)

func defaults() Scenario {
	return Scenario{
		Rooms: 1, Publishers: 1, Subscribers: 10, VideoBitrate: 1_000_000, Keyframes: 10 * time.Second,
		Duration: 10 * time.Second, Warmup: 3 * time.Second, Parallel: 4, LateJoins: 5,
		Door: doorWS, Scene: "live", Sampling: Sampling{Sample: 64},
	}
}

// validate names the flag that is wrong, for all of them.
func (s Scenario) validate() error {
	var errs []error
	check := func(ok bool, flag, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("--%s: %s", flag, want))
		}
	}
	check(s.Rooms >= 1, "rooms", "at least 1")
	check(s.Publishers >= 1, "publishers", "at least 1")
	check(s.Subscribers >= 0, "subscribers", "not below 0")
	check(s.VideoBitrate == 0 || s.VideoBitrate >= 10_000 && s.VideoBitrate <= 100_000_000, "video-bitrate", "0, or from 10000 to 100000000")
	check(s.VideoBitrate > 0 || s.Audio, "video-bitrate", "0 leaves nothing to send without --audio")
	check(s.Keyframes >= 0, "keyframes", "not below 0")
	check(s.Duration >= time.Second, "duration", "at least 1s")
	check(s.Warmup >= 0, "warmup", "not below 0")
	check(s.Parallel >= 1, "parallel", "at least 1")
	check(s.LateJoins >= 0, "late-joins", "not below 0")
	check(s.Readers >= 0 && s.Readers <= s.Subscribers, "readers", "from 0 (all) to the number of subscribers")
	check(sample.Valid(s.Sample), "sample", "a power of two up to 32768")
	check(s.Limit == 0 || s.Limit >= time.Second, "limit", "0 (not measured), or at least 1s")
	check(s.Limit == 0 || s.Subscribers > 0, "limit", "needs subscribers")
	check(s.Flood >= 0 && s.Flood <= 1_000_000, "flood", "from 0 to 1000000")
	check(s.Hog == 0 || s.Hog >= 10_000 && s.Hog <= 1_000_000_000, "hog", "0, or from 10000 to 1000000000")
	check(s.Dead >= 0 && s.Dead < max(s.Subscribers, 1), "dead", "fewer than there are subscribers")
	check(s.Storm >= 0, "storm", "not below 0")
	if _, ok := strangersNamed(s.Strangers); s.Strangers != "" {
		check(ok, "strangers", "idle, bodies, json, metrics or churn")
	}
	check(s.Removals >= 0 && s.Removals <= 1000, "removals", "from 0 to 1000")
	check(!s.Saturate || s.VideoBitrate > 0 && !s.Idle && s.Subscribers > 0, "saturate", "needs video, subscribers, and something flowing")
	check(!s.Idle || s.LateJoins == 0, "idle", "needs --late-joins 0")
	check(s.Door == doorWS || s.Door == doorWHEP, "door", "ws or whep")
	check(s.Scene == "live" || s.Scene == "call", "scene", "live or call")
	return errors.Join(errs...)
}

// sources are what each publisher sends.
func (s Scenario) sources() (list []client.Source) {
	if s.VideoBitrate > 0 {
		list = append(list, client.Camera)
	}
	if s.Audio {
		list = append(list, client.Mic)
	}
	return list
}

// stream makes the packets of one source.
func (s Scenario) stream(id uint32, source client.Source) traffic.Stream {
	if source.Audio() {
		return traffic.NewAudio(id)
	}
	return traffic.NewVideo(id, s.VideoBitrate, s.Keyframes)
}

// readers is how many subscribers of a room read all.
func (s Scenario) readers() int {
	if s.Readers == 0 {
		return s.Subscribers
	}
	return s.Readers
}

// sample is what the kernel passes to the others: one packet in as many.
func (s Scenario) sample() int {
	if s.Readers == 0 {
		return 1
	}
	return s.Sample
}

func (s Scenario) subscribers() int  { return s.Rooms * s.Subscribers }
func (s Scenario) participants() int { return s.Rooms * (s.Publishers + s.Subscribers) }

// String is how a scenario is called in tables, such as "1 × 100 video 1.0 Mbit/s".
func (s Scenario) String() string {
	text := fmt.Sprintf("%d × %d", s.Publishers, s.Subscribers)
	if s.Idle {
		return fmt.Sprintf("%d participants connected, nothing flowing, door %s", s.participants(), s.Door)
	}
	if s.Rooms > 1 {
		text = fmt.Sprintf("%d rooms of %s", s.Rooms, text)
	}
	if s.VideoBitrate > 0 {
		text += fmt.Sprintf(", video %.3g Mbit/s", float64(s.VideoBitrate)/1e6)
	}
	if s.Audio {
		text += ", audio"
	}
	text += ", feedback " + s.Feedback.String() + ", door " + s.Door
	if s.Readers > 0 {
		text += fmt.Sprintf(", %d of %d read all", s.Readers, s.Subscribers)
	}
	if s.Saturate {
		text += ", until packets are lost"
	}
	if s.Flood > 0 {
		text += fmt.Sprintf(", flooded by %d packets/s", s.Flood)
	}
	if s.Hog > 0 {
		text += fmt.Sprintf(", one more publisher of %.3g Mbit/s", float64(s.Hog)/1e6)
	}
	if s.Storm > 0 {
		text += fmt.Sprintf(", %d more join meanwhile", s.Storm)
	}
	if s.Removals > 0 {
		text += fmt.Sprintf(", %d removed a second", s.Removals)
	}
	if s.Strangers != "" {
		text += ", beside strangers: " + s.Strangers
	}
	if s.Dead > 0 {
		text += fmt.Sprintf(", %d subscribers dead", s.Dead)
	}
	return text
}
