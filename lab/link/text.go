package link

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Syntax is what Parse reads, for the help of a command.
const Syntax = `rate=2M queue=300ms|64kB police=1M/15kB loss=10% bursts=5%/MEAN[/LOST%] runs=10%/LENGTH delay=40ms
jitter=200ms|50ms-200ms wander=500ms overtake late=2%/30ms duplicate=1% @15s rate=300k …`

// Parse reads fields such as "rate=400k queue=300ms loss=10%", see Syntax. Words behind "@15s" change what
// holds from then on; what they do not name stays as it was. Errors name the field.
func Parse(text string) (Profile, error) {
	p := Always(Shape{})
	for _, word := range strings.Fields(text) {
		if after, ok := strings.CutPrefix(word, "@"); ok {
			at, err := duration(after)
			if err != nil {
				return nil, fmt.Errorf("step %s: %w", word, err)
			}
			p = append(p, Step{At: at, Shape: p[len(p)-1].Shape})
			continue
		}
		name, value, _ := strings.Cut(word, "=")
		read, ok := fields[name]
		if !ok {
			return nil, fmt.Errorf("%s: there is no such field; there are rate, queue, police, loss, bursts, runs, delay, jitter, wander, overtake, late, duplicate", name)
		}
		if err := read(&p[len(p)-1].Shape, value); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

// fields read a value into its place.
var fields = map[string]func(*Shape, string) error{
	"rate":  func(s *Shape, v string) (err error) { s.Rate, err = bits(v); return err },
	"queue": (*Shape).parseQueue,
	"police": func(s *Shape, v string) error {
		rate, bucket, _ := strings.Cut(v, "/")
		r, e := bits(rate)
		b, f := bytes(bucket)
		s.PoliceRate, s.PoliceBurst = r, b
		return errors.Join(e, f)
	},
	"loss":   func(s *Shape, v string) (err error) { s.Loss, err = share(v); return err },
	"bursts": (*Shape).parseBursts,
	"runs": func(s *Shape, v string) error {
		part, length, _ := strings.Cut(v, "/")
		x, e := share(part)
		n, f := strconv.Atoi(length)
		if f != nil {
			f = fmt.Errorf("%q is not a number of packets, as in 10%%/8", length)
		}
		s.Runs = Runs{x, n}
		return errors.Join(e, f)
	},
	"delay":  func(s *Shape, v string) (err error) { s.Delay, err = duration(v); return err },
	"jitter": (*Shape).parseJitter,
	"wander": func(s *Shape, v string) (err error) { s.Wander, err = duration(v); return err },
	"overtake": func(s *Shape, v string) error {
		if v != "" && v != "no" {
			return fmt.Errorf("%q: it has no value, or that of no", v)
		}
		s.Overtake = v == ""
		return nil
	},
	"late": func(s *Shape, v string) error {
		part, by, _ := strings.Cut(v, "/")
		x, e := share(part)
		d, f := duration(by)
		s.Late = Late{x, d}
		return errors.Join(e, f)
	},
	"duplicate": func(s *Shape, v string) (err error) { s.Duplicate, err = share(v); return err },
}

func (s *Shape) parseQueue(v string) (err error) {
	if strings.HasSuffix(v, "B") {
		s.QueueBytes, err = bytes(v)
		return err
	}
	s.QueueTime, err = duration(v)
	return err
}

func (s *Shape) parseBursts(v string) error {
	parts := strings.SplitN(v, "/", 3)
	if len(parts) < 2 {
		return fmt.Errorf("%q: a share and a mean length are needed, as in 5%%/5", v)
	}
	x, e := share(parts[0])
	mean, f := strconv.ParseFloat(parts[1], 64)
	if f != nil {
		f = fmt.Errorf("%q is not a number of packets, as in 5%%/5", parts[1])
	}
	s.Bursts = Bursts{Share: x, Mean: mean}
	if len(parts) == 3 {
		lost, g := share(parts[2])
		s.Bursts.Lost = lost
		return errors.Join(e, f, g)
	}
	return errors.Join(e, f)
}

func (s *Shape) parseJitter(v string) (err error) {
	low, high, ranged := strings.Cut(v, "-")
	if !ranged {
		low, high = "0", v
	}
	least, e := duration(low)
	most, f := duration(high)
	s.JitterMin, s.JitterMax = least, most
	return errors.Join(e, f)
}

func duration(v string) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if err != nil {
		return 0, fmt.Errorf("%q is not a time, as 300ms or 1.5s", v)
	}
	return d, nil
}

// bits reads a rate: 400k, 1.5M, 300000.
func bits(v string) (int64, error) {
	n, ok := scaled(v)
	if !ok {
		return 0, fmt.Errorf("%q is not a rate in bits a second, as 400k or 1.5M", v)
	}
	return n, nil
}

// bytes reads a size: 15000B, 64kB.
func bytes(v string) (int, error) {
	number, ok := strings.CutSuffix(v, "B")
	n, good := scaled(number)
	if !ok || !good {
		return 0, fmt.Errorf("%q is not a size, as 15000B or 64kB", v)
	}
	return int(n), nil
}

func scaled(v string) (int64, bool) {
	factor := 1.0
	for suffix, f := range map[string]float64{"k": 1e3, "M": 1e6, "G": 1e9} {
		if number, ok := strings.CutSuffix(v, suffix); ok {
			v, factor = number, f
			break
		}
	}
	x, err := strconv.ParseFloat(v, 64)
	if x = math.Round(x * factor); err != nil || !(math.Abs(x) < 1e15) {
		return 0, false
	}
	return int64(x), true
}

// share reads 10% or 0.1.
func share(v string) (float64, error) {
	number, percent := strings.CutSuffix(v, "%")
	x, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a share, as 10%%", v)
	}
	if percent {
		x /= 100
	}
	return x, nil
}

// String writes the steps so that Parse reads the same again.
func (p Profile) String() string {
	var words []string
	before := Shape{}
	for _, s := range p {
		if s.At > 0 {
			words = append(words, "@"+s.At.String())
		}
		words = append(words, s.words(before)...)
		before = s.Shape
	}
	return strings.Join(words, " ")
}

// String writes the shape so that Parse reads the same again.
func (s Shape) String() string { return strings.Join(s.words(Shape{}), " ") }

// words are the fields that differ from those before.
func (s Shape) words(before Shape) (list []string) {
	add := func(differs bool, format string, args ...any) {
		if differs {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	add(s.Rate != before.Rate, "rate=%s", scale(s.Rate))
	add(s.QueueTime != before.QueueTime, "queue=%s", s.QueueTime)
	add(s.QueueBytes != before.QueueBytes, "queue=%sB", scale(int64(s.QueueBytes)))
	add(s.PoliceRate != before.PoliceRate || s.PoliceBurst != before.PoliceBurst, "police=%s/%sB", scale(s.PoliceRate), scale(int64(s.PoliceBurst)))
	add(s.Loss != before.Loss, "loss=%s", percent(s.Loss))
	if s.Bursts.Lost == 0 {
		add(s.Bursts != before.Bursts, "bursts=%s/%g", percent(s.Bursts.Share), s.Bursts.Mean)
	} else {
		add(s.Bursts != before.Bursts, "bursts=%s/%g/%s", percent(s.Bursts.Share), s.Bursts.Mean, percent(s.Bursts.Lost))
	}
	add(s.Runs != before.Runs, "runs=%s/%d", percent(s.Runs.Share), s.Runs.Length)
	add(s.Delay != before.Delay, "delay=%s", s.Delay)
	add(s.JitterMin != before.JitterMin || s.JitterMax != before.JitterMax, "jitter=%s-%s", s.JitterMin, s.JitterMax)
	add(s.Wander != before.Wander, "wander=%s", s.Wander)
	add(s.Overtake && !before.Overtake, "overtake")
	add(!s.Overtake && before.Overtake, "overtake=no")
	add(s.Late != before.Late, "late=%s/%s", percent(s.Late.Share), s.Late.By)
	add(s.Duplicate != before.Duplicate, "duplicate=%s", percent(s.Duplicate))
	return list
}

func scale(n int64) string {
	for _, unit := range []struct {
		by     int64
		suffix string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if n >= unit.by && n%unit.by == 0 {
			return strconv.FormatInt(n/unit.by, 10) + unit.suffix
		}
	}
	return strconv.FormatInt(n, 10)
}

// percent writes a share in percent if nothing is lost by that, else as a fraction.
func percent(x float64) string {
	text := strconv.FormatFloat(x*100, 'g', 6, 64) + "%"
	if y, err := share(text); err == nil && y == x {
		return text
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}
