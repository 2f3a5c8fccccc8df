package call

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"parlor/lab/netns"
)

// First is how a picture has come to a user that begins to watch.
type First struct {
	Age   float64 `json:"age_ms"`   // since somebody else began to watch; 0: nobody had
	Frame float64 `json:"frame_ms"` // from the wish to the first picture on the page
	Early float64 `json:"early_ms"` // delay of the jitter buffer in the second after that
	Late  float64 `json:"late_ms"`  // and two seconds later
}

// firstAges are the times after which another one begins to watch.
var firstAges = []time.Duration{300 * time.Millisecond, 700 * time.Millisecond, 1200 * time.Millisecond, 2 * time.Second}

// Firsts has two users begin to watch again and again, one after the other, in so many rounds. Each is on
// links with a delay of way in each direction.
func Firsts(ctx context.Context, rounds int, way time.Duration, o Options) (list []First, err error) {
	x := &scene{Options: o}
	defer func() { err = errors.Join(err, x.close()) }()
	if err := x.open(ctx); err != nil {
		return nil, err
	}
	p := drawn(fmt.Sprintf("delay=%dms", way.Milliseconds()))
	for _, h := range []*netns.Host{x.viewer, x.publisher} {
		if err := h.Shape(p, p); err != nil {
			return nil, err
		}
	}
	first, ok := x.watches.(*page)
	if !ok {
		return nil, errors.New("browsers alone show pictures")
	}
	who, err := x.node.entry(ctx, room, "second")
	if err != nil {
		return nil, err
	}
	second := &page{browser: first.browser, flow: first.flow}
	if err := second.join(ctx, x.node.url, who); err != nil {
		return nil, err
	}
	for _, p := range []*page{first, second} {
		if err := p.page.Eval(ctx, "call.leave()", nil); err != nil {
			return nil, err
		}
	}
	if err := wait(ctx, 4*time.Second); err != nil {
		return nil, err
	}
	for i := range rounds {
		age := firstAges[i%len(firstAges)]
		pair, err := firstPair(ctx, first, second, age)
		if err != nil {
			return nil, err
		}
		list = append(list, pair...)
		fmt.Fprintf(o.Log, "%v\n", pair)
	}
	for who, p := range map[string]*page{"first": first, "second": second} {
		for _, problem := range p.problems(ctx) {
			fmt.Fprintf(o.Log, "%s: %s\n", who, problem)
		}
	}
	return list, nil
}

func firstPair(ctx context.Context, first, second *page, age time.Duration) ([]First, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	got := make([]First, 2)
	ends := make(chan error, 2)
	for i, p := range []*page{first, second} {
		go func() {
			if i == 1 {
				if err := wait(ctx, age); err != nil {
					ends <- err
					return
				}
			}
			ends <- p.page.Eval(ctx, "call.first()", &got[i])
		}()
	}
	err := errors.Join(<-ends, <-ends)
	got[1].Age = float64(age.Milliseconds())
	return slices.Clone(got), err
}

func (p *page) join(ctx context.Context, url string, who entry) error {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	if err := p.enter(ctx, url, who); err != nil {
		return err
	}
	return p.flowing(ctx)
}
