package sfu

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"
)

// parts are the running pieces of a node in the order in which they start. They are used by the goroutine of
// Node.Run.
type parts struct {
	log    zerolog.Logger
	list   []*part
	failed chan error // the first failure of a part that was not asked to stop
}

// part is one of them.
type part struct {
	name   string
	run    func(ctx context.Context) error
	cancel context.CancelFunc
	done   chan struct{}
}

func newParts(log zerolog.Logger) *parts {
	return &parts{log: log, failed: make(chan error, 1)}
}

// add appends a part whose resources are taken already. run returns when its context is done and everything
// is freed. nil: the part is not configured.
func (p *parts) add(name string, run func(ctx context.Context) error) {
	if run != nil {
		p.list = append(p.list, &part{name: name, run: run, done: make(chan struct{})})
	}
}

// start runs all parts.
func (p *parts) start() {
	for _, one := range p.list {
		ctx, cancel := context.WithCancel(context.Background())
		one.cancel = cancel
		go func() {
			defer close(one.done)
			err := one.run(ctx)
			if ctx.Err() != nil {
				if err != nil {
					p.log.Warn().Err(err).Str("part", one.name).Msg("did not stop cleanly")
				}
				return
			}
			if err == nil {
				err = fmt.Errorf("it has ended")
			}
			select {
			case p.failed <- fmt.Errorf("%s: %w", one.name, err):
			default: // another part was first
			}
		}()
	}
}

// leastTime is what every part gets to stop, also if there is no time left.
const leastTime = 50 * time.Millisecond

// stop ends the parts, the last started first, each before the next. A part that does not end before ctx does
// is left behind.
func (p *parts) stop(ctx context.Context) {
	for _, one := range slices.Backward(p.list) {
		one.cancel()
		if !one.within(ctx) {
			p.log.Warn().Str("part", one.name).Msg("did not stop in time")
		}
	}
}

// within waits for the part to end, until ctx is done but at least for leastTime.
func (p *part) within(ctx context.Context) bool {
	select {
	case <-p.done:
		return true
	case <-ctx.Done():
	}
	select {
	case <-p.done:
		return true
	case <-time.After(leastTime):
		return false
	}
}

// taken frees what was taken for parts, if they are never started: ports, connections, servers.
type taken []func()

func (t *taken) add(release func()) { *t = append(*t, release) }

// release frees all, the last taken first.
func (t taken) release() {
	for _, one := range slices.Backward(t) {
		one()
	}
}
