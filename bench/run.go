package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"parlor/bench/stats"
	"parlor/client"
)

// run is one run of a scenario against a node. Its phases:
//
//	a bare loop sends in the scenario's rhythm             → the limit (calibrate.go)
//	publishers enter and send for settle, to nobody        → memory before subscribers
//	publishers pause, subscribers enter                    → join times, CPU per join
//	publishers send; after the warm-up the window opens    → delay, loss, CPU per packet
//	the window closes, publishers pause, the rest arrives  → exact counts
//	publishers send, a few subscribers enter one by one    → time to first packet and keyframe
//	everybody leaves                                       → what the node still holds
//	the bare loop once more                                → whether the machine has changed meanwhile
type run struct {
	scenario Scenario
	node     *node
	progress io.Writer
	name     string // prefix of the rooms' names, so that runs on one node do not meet

	profiles    string // directory; empty: none
	publishers  []*publisher
	subscribers []*subscriber
	window      window

	sending     *errgroup.Group
	stopSending context.CancelFunc
	departed    bool
}

const (
	settle      = 2 * time.Second
	drain       = 500 * time.Millisecond // for what is still under way when publishers pause
	joinTime    = 30 * time.Second
	leaveTime   = 20 * time.Second
	progressing = 2 * time.Second

	// clientBuffer is the size of the clients' receive buffers in bytes. It is so large that a client that
	// had to wait for a processor does not lose what the node sends.
	clientBuffer = 2 << 20
)

func newRun(s Scenario, n *node, progress io.Writer) *run {
	return &run{scenario: s, node: n, progress: progress, name: "bench-" + strconv.FormatInt(time.Now().UnixMilli(), 36)}
}

// nodeReadings are what the phases have read of the node.
type nodeReadings struct {
	idle, before, joined, opened, closed, left reading
	idleGoroutines, goroutines, leftGoroutines int // before, in and after the run
	metricsOpened, metricsClosed               map[string]float64
}

// measurement is what the phases have read.
type measurement struct {
	node nodeReadings

	ownOpened, ownClosed reading // of this process

	limit                      Limit
	saturation                 *Saturation
	strangers                  *Strangers
	storm                      time.Duration // until all of it had joined
	removals                   []time.Duration
	countsOpened, countsClosed counts
	sentOpened, sentClosed     uint64 // packets sent by publishers, times their subscribers
	perStream                  []streamWindow
	drops                      uint64 // at the subscribers' sockets, in the window and before
	late                       []*subscriber
}

// streamWindow is which packets of a stream were sent in the window.
type streamWindow struct {
	room     string
	id       uint32
	from, to uint64
}

func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.progress, format+"\n", args...)
}

// measure goes through the phases and leaves nothing running.
func (r *run) measure(ctx context.Context) (*Result, error) {
	m := &measurement{}
	defer r.cleanUp(ctx)
	r.say("%s at %s", r.scenario, r.node.url)
	if r.scenario.Limit > 0 {
		l, err := r.calibrate(ctx)
		if err != nil {
			return nil, err
		}
		m.limit = l
	}
	for _, phase := range []func(context.Context, *measurement) error{
		r.enterPublishers, r.enterSubscribers, r.flow, r.enterLate, r.leave,
	} {
		if err := phase(ctx, m); err != nil {
			return nil, err
		}
	}
	if r.scenario.Limit > 0 {
		if err := r.recalibrate(ctx, &m.limit); err != nil {
			return nil, err
		}
	}
	return r.collect(m), nil
}

func (r *run) enterPublishers(ctx context.Context, m *measurement) (err error) {
	if m.node.idle, err = r.node.probe.read(ctx); err != nil {
		return err
	}
	if m.node.idleGoroutines, err = r.node.probe.goroutines(ctx); err != nil {
		return err
	}
	for room := range r.scenario.Rooms {
		for i := range r.scenario.Publishers {
			r.publishers = append(r.publishers, r.newPublisher(room, i))
		}
	}
	r.say("%d publishers enter", len(r.publishers))
	join, joinCtx := errgroup.WithContext(ctx)
	join.SetLimit(r.scenario.Parallel)
	for _, p := range r.publishers {
		join.Go(func() error { return r.enter(joinCtx, p) })
	}
	if err := join.Wait(); err != nil {
		return err
	}
	r.send(ctx)
	if err := r.wait(ctx, settle); err != nil {
		return err
	}
	r.pause(true)
	m.node.before, err = r.node.probe.read(ctx)
	return err
}

func (r *run) newPublisher(room, i int) *publisher {
	p := &publisher{room: fmt.Sprintf("%s-%d", r.name, room), user: fmt.Sprintf("pub%d", i)}
	for _, source := range r.scenario.sources() {
		id := uint32((room*r.scenario.Publishers+i)*2 + len(p.streams) + 1)
		p.streams = append(p.streams, &sender{id: id, source: source, stream: r.scenario.stream(id, source), late: stats.NewDelays()})
	}
	return p
}

func (r *run) options(room, user string) client.Options {
	return client.Options{
		URL: r.node.url, Room: room, User: user, Scene: r.scenario.Scene, Token: r.node.key.token(room, user, time.Now()),
		Media:   client.Media{Codecs: []string{"VP8"}, Feedback: r.scenario.Feedback, Buffer: clientBuffer},
		OnEvent: func(client.Event) {},
	}
}

func (r *run) enter(ctx context.Context, p *publisher) (err error) {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	o := r.options(p.room, p.user)
	o.Publish = r.scenario.sources()
	if p.client, err = client.Dial(ctx, o); err != nil {
		return fmt.Errorf("publisher %s of room %s: %w", p.user, p.room, err)
	}
	return nil
}

// send starts the senders.
func (r *run) send(ctx context.Context) {
	ctx, r.stopSending = context.WithCancel(ctx)
	r.sending, ctx = errgroup.WithContext(ctx)
	n := time.Duration(len(r.publishers) * len(r.scenario.sources()))
	var i time.Duration
	for _, p := range r.publishers {
		for _, s := range p.streams {
			out, phase := p.client.Outgoing(s.source, ""), s.stream.Interval()*i/n
			r.sending.Go(func() error { return s.run(ctx, out, phase) })
			i++
		}
	}
}

func (r *run) pause(on bool) {
	for _, p := range r.publishers {
		for _, s := range p.streams {
			s.pause(on)
		}
	}
}

func (r *run) enterSubscribers(ctx context.Context, m *measurement) (err error) {
	r.say("%d subscribers enter, %d at a time", r.scenario.subscribers(), r.scenario.Parallel)
	join, joinCtx := errgroup.WithContext(ctx)
	join.SetLimit(r.scenario.Parallel)
	for i := range r.scenario.subscribers() {
		// Rooms take turns, so that they fill up together.
		room, number := i%r.scenario.Rooms, i/r.scenario.Rooms
		s, user := &subscriber{window: &r.window, sample: 1, split: r.scenario.Strangers != ""}, fmt.Sprintf("sub%d", number)
		if number < r.scenario.readers() {
			s.arrivals = &client.Arrivals{}
		} else {
			s.sample = r.scenario.sample()
		}
		s.dead = number >= r.scenario.Subscribers-r.scenario.Dead
		r.subscribers = append(r.subscribers, s)
		join.Go(func() error { return r.subscribe(joinCtx, s, room, user) })
	}
	if err := join.Wait(); err != nil {
		return err
	}
	m.node.joined, err = r.node.probe.read(ctx)
	return err
}

// subscribe enters a room and takes a seat for each of its publishers.
func (r *run) subscribe(ctx context.Context, s *subscriber, room int, user string) error {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	o := r.options(r.publishers[room*r.scenario.Publishers].room, user)
	o.Seats, o.OnRTP = r.scenario.Publishers, s.accept
	o.Silent, o.Blind = !r.scenario.Audio, r.scenario.VideoBitrate == 0
	o.Media.Arrivals = s.arrivals
	if s.sample > 1 {
		o.Media.Sample = s.sample
		o.Media.Feedback = client.NoFeedback // it would tell that all is lost that the kernel keeps from it
	}
	s.began = time.Now()
	if r.scenario.Door == doorWHEP {
		c, err := client.WHEP(ctx, o, "")
		if err != nil {
			return fmt.Errorf("subscriber %s of room %s: %w", user, o.Room, err)
		}
		s.joined, s.door = time.Since(s.began), whepDoor{c}
		return nil
	}
	if r.scenario.Scene == "live" {
		o.Role = "audience"
	}
	c, err := client.Dial(ctx, o)
	if err != nil {
		return fmt.Errorf("subscriber %s of room %s: %w", user, o.Room, err)
	}
	s.joined, s.door = time.Since(s.began), wsDoor{c}
	for i := range r.scenario.Publishers {
		q := client.SeatRequest{Seat: strconv.Itoa(i), User: fmt.Sprintf("pub%d", i)}
		if r.scenario.VideoBitrate > 0 {
			q.Video = client.Camera
		}
		if r.scenario.Audio {
			q.Audio = client.Mic
		}
		if err := c.Seat(ctx, q); err != nil {
			return fmt.Errorf("subscriber %s of room %s: %w", user, o.Room, err)
		}
	}
	return nil
}

// enterLate joins a few more while media flows.
func (r *run) enterLate(ctx context.Context, m *measurement) error {
	if r.scenario.LateJoins == 0 {
		return nil
	}
	r.say("%d more enter, one by one", r.scenario.LateJoins)
	r.pause(false)
	for i := range r.scenario.LateJoins {
		s := &subscriber{window: &r.window, sample: 1}
		m.late = append(m.late, s)
		if err := r.subscribe(ctx, s, i%r.scenario.Rooms, fmt.Sprintf("late%d", i)); err != nil {
			return err
		}
		if err := r.awaitFirst(ctx, s); err != nil {
			return err
		}
		r.tell(i, s)
		leave, cancel := context.WithTimeout(ctx, leaveTime)
		err := s.door.Leave(leave)
		cancel()
		if err != nil {
			return fmt.Errorf("late subscriber leaves: %w", err)
		}
	}
	return nil
}

// tell says how a late subscriber got on.
func (r *run) tell(i int, s *subscriber) {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	r.say("  %d: connected after %.0f ms, first packet %.0f ms, first keyframe %.0f ms", i+1, ms(s.joined),
		ms(time.Duration(s.firstPacket.Load())), ms(time.Duration(s.firstKeyframe.Load())))
}

// awaitFirst waits until a subscriber has its first packet and, of video, its first keyframe.
func (r *run) awaitFirst(ctx context.Context, s *subscriber) error {
	const patience = 5 * time.Second
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if s.firstPacket.Load() != 0 && (r.scenario.VideoBitrate == 0 || s.firstKeyframe.Load() != 0) {
			return nil
		}
		if err := r.wait(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	return nil // collect tells how many have none
}

func (r *run) wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
