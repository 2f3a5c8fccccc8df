package link

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Profile{
		"":                                 {{}},
		"rate=400k queue=300ms delay=40ms": Always(Shape{Rate: 400_000, QueueTime: 300 * ms, Delay: 40 * ms}),
		"rate=1.5M queue=64kB":             Always(Shape{Rate: 1_500_000, QueueBytes: 64_000}),
		"rate=300000 queue=1s queue=9000B": Always(Shape{Rate: 300_000, QueueTime: time.Second, QueueBytes: 9000}),
		"police=1M/15kB":                   Always(Shape{PoliceRate: 1_000_000, PoliceBurst: 15_000}),
		"loss=10% duplicate=0.02":          Always(Shape{Loss: 0.1, Duplicate: 0.02}),
		"bursts=5%/4.5":                    Always(Shape{Bursts: Bursts{0.05, 4.5, 0}}),
		"bursts=5%/5/80%":                  Always(Shape{Bursts: Bursts{0.05, 5, 0.8}}),
		"runs=10%/8":                       Always(Shape{Runs: Runs{0.1, 8}}),
		"jitter=200ms":                     Always(Shape{JitterMax: 200 * ms}),
		"jitter=50ms-1s overtake":          Always(Shape{JitterMin: 50 * ms, JitterMax: time.Second, Overtake: true}),
		"jitter=1s wander=500ms":           Always(Shape{JitterMax: time.Second, Wander: 500 * ms}),
		"late=2%/30ms":                     Always(Shape{Late: Late{0.02, 30 * ms}}),
		"rate=2M queue=400ms  @15s rate=300k\n@40s rate=2M": {
			{0, Shape{Rate: 2_000_000, QueueTime: 400 * ms}}, {15 * time.Second, Shape{Rate: 300_000, QueueTime: 400 * ms}},
			{40 * time.Second, Shape{Rate: 2_000_000, QueueTime: 400 * ms}},
		},
		"overtake @1s overtake=no": {{0, Shape{Overtake: true}}, {time.Second, Shape{}}},
	} {
		p, err := Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, p, text)
		again, err := Parse(p.String())
		require.NoError(t, err, p.String())
		require.Equal(t, want, again, p.String())
	}
}

func TestParseNamesWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"speed=1M":                      "speed: there is no such field",
		"rate":                          `rate: "" is not a rate`,
		"rate=fast":                     `rate: "fast" is not a rate`,
		"rate=1kk":                      `rate: "1kk" is not a rate`,
		"rate=-1M queue=1s":             "rate: from 100 to 1G",
		"rate=2G queue=1s":              "rate: from 100 to 1G",
		"rate=NaN":                      `rate: "NaN" is not a rate`,
		"rate=1M":                       "queue: a rate needs a bound",
		"queue=64":                      `queue: "64" is not a time`,
		"queue=manyB":                   `queue: "manyB" is not a size`,
		"queue=-1s":                     "queue: a time from 0",
		"queue=-1B":                     "queue: from 0",
		"police=1M":                     `police: "" is not a size`,
		"police=1M/0B":                  "police: a rate and a bucket",
		"loss=x":                        `loss: "x" is not a share`,
		"loss=101%":                     "loss: from 0% to 100%",
		"loss=NaN":                      "loss: from 0% to 100%",
		"bursts=5%":                     `bursts: "5%": a share and a mean length`,
		"bursts=5%/many":                `bursts: "many" is not a number`,
		"bursts=5%/0.5":                 "bursts: a share below 100%",
		"bursts=50%/5/40%":              "bursts: a share below 100%",
		"bursts=5%/Inf":                 "bursts: a share below 100%",
		"runs=10%":                      `runs: "" is not a number`,
		"runs=100%/8":                   "runs: a share below 100%",
		"runs=0/8":                      "runs: a share below 100%",
		"delay=40":                      `delay: "40" is not a time`,
		"delay=2m":                      "delay: from 0 to 1m",
		"jitter=9ms-1ms":                "jitter: from 0 to 1m, the lower first",
		"jitter=1ms-":                   `jitter: "" is not a time`,
		"wander=-1s":                    "wander: from 0",
		"overtake=yes":                  `overtake: "yes"`,
		"late=5%":                       `late: "" is not a time`,
		"late=5%/0s":                    "late: a share and a time",
		"duplicate=2":                   "duplicate: from 0% to 100%",
		"@soon rate=1M":                 `step @soon: "soon" is not a time`,
		"delay=1ms @0s delay=2ms":       "step @0s: must come after",
		"delay=1ms @2s @1s":             "step @1s: must come after",
		"delay=1ms @1s loss=2":          "step @1s: loss: from",
		"loss=2 duplicate=2":            "duplicate: from",
		"rate=1M queue=1s @1s queue=0s": "step @1s: queue: a rate needs a bound",
	} {
		_, err := Parse(text)
		require.ErrorContains(t, err, want, text)
	}
}

// What does not come from a text is looked at as well.
func TestNewRefuses(t *testing.T) {
	_, err := New(Profile{{At: time.Second}}, 1)
	require.ErrorContains(t, err, "the first step: must be at 0")
	_, err = NewPipe[int](Always(Shape{Loss: math.NaN()}), 1)
	require.ErrorContains(t, err, "loss: ")
	l, err := New(nil, 1)
	require.NoError(t, err)
	require.Equal(t, Fate{Copies: 1, At: [2]time.Duration{ms}}, l.Send(ms, 1000))
}

// Whatever is read can be written and read again, and a link of it keeps to time.
func FuzzParse(f *testing.F) {
	for _, c := range troubled {
		f.Add(c.shape)
	}
	f.Add("rate=100 queue=1m police=1G/1GB @1ns rate=0 @2ns rate=1G")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(p.String())
		require.NoError(t, err, p.String())
		require.Equal(t, p, again, p.String())
		l, err := New(p, 1)
		require.NoError(t, err)
		for now := time.Duration(0); now < time.Second; now += 7 * ms {
			fate := l.Send(now, 1200)
			for _, at := range fate.At[:fate.Copies] {
				require.GreaterOrEqual(t, at, now)
			}
			require.GreaterOrEqual(t, l.Backlog(now), 0)
		}
	})
}
