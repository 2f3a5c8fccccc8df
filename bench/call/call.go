// Package call measures a call over a network that one can draw. A node, a user that publishes and a user
// that watches are each on a machine of their own (lab/netns). The users are real browsers with the node's
// own browser client, or clients of pion. Others may watch over good links meanwhile.
//
//	call.go      Options, Run: the phases of a call
//	scenario.go  the networks with a name
//	node.go      the node
//	first.go     users that begin to watch again and again
//	user.go      who publishes and who watches
//	page.js      what is in their pages
//	clients.go   clients of pion, in a process of their own
//	camera.go    the picture that is sent
//	sample.go    samples, and the figures out of them
//	table.go     figures as a table
//	draw.go      samples over time as a picture
package call

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"parlor/bench/server"
	"parlor/lab/link"
	"parlor/lab/netns"
)

// Options are the same for every scenario of a run.
type Options struct {
	Binary  string // of the node
	Pion    bool   // clients of pion in place of browsers
	Viewers int    // clients of pion that watch over good links
	Seed    uint64 // of all chance
	Log     io.Writer
	// Warmup is how long media flows before it is measured; 0: 8 s, in which the sender's estimate rises.
	Warmup time.Duration

	camera string   // name of the publisher's picture; empty: a client of pion publishes
	film   *os.File // that picture
}

// Prepare makes what the options need, until Close. That is the node, built into a directory unless one is
// given, and the camera's picture.
func (o *Options) Prepare(ctx context.Context, dir string) (err error) {
	if o.Binary, err = server.Build(ctx, o.Binary, dir); err != nil || o.Pion {
		return err
	}
	o.camera = filepath.Join(dir, cameraName)
	o.film, err = film(ctx, dir)
	return err
}

// Close lets go of what Prepare has made, but for the directory.
func (o *Options) Close() {
	if o.film != nil {
		o.film.Close()
	}
}

// Result is what a scenario has shown.
type Result struct {
	Name     string       `json:"name"`
	Title    string       `json:"title"`
	Link     link.Profile `json:"-"`
	Drawn    string       `json:"link"` // as text
	Seconds  float64      `json:"seconds"`
	From     float64      `json:"from"` // ms since the epoch: when the trouble began
	Figures  Figures      `json:"figures"`
	Samples  []Sample     `json:"samples"` // from two seconds before that
	Wire     []Wire       `json:"wire"`
	Layers   []Layer      `json:"layers"` // of the publisher, at the end
	Others   *Others      `json:"others,omitempty"`
	Problems []string     `json:"problems,omitempty"`
}

// Others is how the viewers fared that watched over good links.
type Others struct {
	Viewers int     `json:"viewers"`
	Lost    float64 `json:"lost_percent"` // of their packets
	Worst   int     `json:"worst_without"`
}

const (
	joinTime   = 90 * time.Second // until media flows, on a slow machine
	warmupTime = 8 * time.Second
	readTime   = 20 * time.Second
	before     = 2000.0 // ms before the trouble that a picture shows
	room       = "call"
)

// scene is a call that is set up.
type scene struct {
	Options
	net       *netns.Network
	node      *node
	publisher *netns.Host
	viewer    *netns.Host
	sends     person
	watches   person
	others    *process
}

// Run runs one scenario, against a node of its own.
func Run(ctx context.Context, s Scenario, o Options) (r *Result, err error) {
	x := &scene{Options: o}
	defer func() { err = errors.Join(err, x.close()) }()
	fmt.Fprintf(o.Log, "%s: %s\n", s.Name, s.Title)
	if err := x.open(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	if r, err = x.measure(ctx, s); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	return r, nil
}

// open brings everybody together over good links.
func (x *scene) open(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	if x.net, err = netns.New(); err != nil {
		return err
	}
	server, err := x.net.Host("node", x.Seed)
	if err != nil {
		return err
	}
	for i, h := range []**netns.Host{&x.publisher, &x.viewer} {
		if *h, err = x.net.Host([]string{publisher, "viewer"}[i], x.Seed+uint64(i)+1); err != nil {
			return err
		}
		if err := (*h).Shape(drawn(calm), drawn(calm)); err != nil {
			return err
		}
	}
	if x.node, err = startNode(ctx, server, x.Binary); err != nil {
		return err
	}
	if x.sends, err = x.enter(ctx, x.publisher, publisher); err != nil {
		return err
	}
	if err := x.sends.flowing(ctx); err != nil {
		return fmt.Errorf("the publisher: %w", err)
	}
	if x.watches, err = x.enter(ctx, x.viewer, "viewer"); err != nil {
		return err
	}
	if err := x.invite(ctx); err != nil {
		return err
	}
	if err := x.watches.flowing(ctx); err != nil {
		return fmt.Errorf("the viewer: %w", err)
	}
	return nil
}

// enter lets a user in.
func (x *scene) enter(ctx context.Context, h *netns.Host, user string) (person, error) {
	who, err := x.node.entry(ctx, room, user)
	if err != nil {
		return nil, err
	}
	if !x.Pion {
		camera := ""
		if user == publisher {
			camera = x.camera
		}
		p, err := openPage(ctx, h, x.node, camera, who)
		if err != nil {
			return nil, err
		}
		return p, nil
	}
	o := orders{URL: x.node.url, Watch: []entry{who}}
	if user == publisher {
		o = orders{URL: x.node.url, Publish: &who, Bitrate: 1_000_000}
	}
	p, err := startClients(h, o)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// invite brings the others.
func (x *scene) invite(ctx context.Context) error {
	if x.Viewers == 0 {
		return nil
	}
	h, err := x.net.Host("others", x.Seed+3)
	if err != nil {
		return err
	}
	o := orders{URL: x.node.url}
	for i := range x.Viewers {
		who, err := x.node.entry(ctx, room, fmt.Sprintf("other%d", i))
		if err != nil {
			return err
		}
		o.Watch = append(o.Watch, who)
	}
	if x.others, err = startClients(h, o); err != nil {
		return err
	}
	if err := x.others.flowing(ctx); err != nil {
		return fmt.Errorf("the others: %w", err)
	}
	return nil
}

// measure lets all warm up, draws the trouble, and reads what comes of it.
func (x *scene) measure(ctx context.Context, s Scenario) (*Result, error) {
	warmup := x.Warmup
	if warmup == 0 {
		warmup = warmupTime
	}
	if err := wait(ctx, warmup); err != nil {
		return nil, err
	}
	profile, uplink := s.shaped()
	look := func() netns.Traffic {
		up, _ := x.publisher.Traffic()
		_, down := x.viewer.Traffic()
		if uplink {
			return up
		}
		return down
	}
	_, _ = x.net.Late() // what was before does not count
	r := &Result{Name: s.Name, Title: s.Title, Link: profile, Drawn: profile.String(), From: clock()}
	err := errors.Join(x.viewer.Shape(s.Up, s.Down), x.publisher.Shape(s.PublisherUp, s.PublisherDown))
	if err != nil {
		return nil, err
	}
	if r.Wire, err = record(ctx, s.Duration, look); err != nil {
		return nil, err
	}
	to := clock()
	r.Seconds = (to - r.From) / 1000
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	return r, x.read(ctx, r, to)
}

// record looks at the link every sampleEvery.
func record(ctx context.Context, d time.Duration, look func() netns.Traffic) (list []Wire, err error) {
	last := look()
	list = append(list, Wire{At: clock()})
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := wait(ctx, min(sampleEvery, time.Until(end))); err != nil {
			return nil, err
		}
		now := look()
		w := Wire{At: clock(), Dropped: dropped(now) - dropped(last), waited: now.Waited}
		w.Kbps = (float64(now.Bytes-last.Bytes) - float64(now.Backlog-last.Backlog)) * 8 / (w.At - list[len(list)-1].At)
		sorted := slices.Clone(now.Waited)
		slices.Sort(sorted)
		w.QueueP95 = milliseconds(netns.Percentile(sorted, 95))
		list, last = append(list, w), now
	}
	return list, nil
}

func dropped(t netns.Traffic) uint64 { return t.Sent - t.Dropped[link.Passed] }

// read asks everybody what they have seen.
func (x *scene) read(ctx context.Context, r *Result, to float64) error {
	all, err := x.watches.samples(ctx)
	if err != nil {
		return err
	}
	sent, err := x.sends.layers(ctx)
	if err != nil {
		return err
	}
	r.Figures = figures(within(all, r.From, to))
	r.Samples = within(all, r.From-before, to)
	_, late := x.net.Late()
	r.Figures.link(r, late)
	r.Figures.SentFPS, r.Layers = source(sent, r.From, to)
	for who, p := range map[string]person{publisher: x.sends, "viewer": x.watches} {
		for _, problem := range p.problems(ctx) {
			r.Problems = append(r.Problems, who+": "+problem)
		}
	}
	if x.others != nil {
		r.Others = fared(x.others.all(), r.From, to)
	}
	return nil
}

// source is how many frames a second the best layer had, and the layers at the end. If the numbers of a layer
// fall, it has begun anew.
func source(list []layers, from, to float64) (fps float64, last []Layer) {
	// Both are frames by RID: in the time that counts, and by the latest look.
	made, known := map[string]int{}, map[string]int{}
	began, ended := 0., 0.
	for i, s := range list {
		if s.At > to {
			break
		}
		counts := s.At > from && i > 0
		if ended = s.At; !counts {
			began = s.At
		}
		for _, l := range s.Layers {
			if before := known[l.RID]; counts && l.Frames >= before {
				made[l.RID] += l.Frames - before
			} else if counts {
				made[l.RID] += l.Frames
			}
			known[l.RID] = l.Frames
		}
		if len(s.Layers) > 0 {
			last = s.Layers
		}
	}
	for _, frames := range made {
		fps = max(fps, ratio(float64(frames), ended-began)*1000)
	}
	return fps, last
}

// fared sums up what the others got.
func fared(viewers [][]Sample, from, to float64) *Others {
	o := &Others{Viewers: len(viewers)}
	missing, all := 0., 0.
	for _, samples := range viewers {
		samples = within(samples, from, to)
		video := lost.sum(samples)
		missing += video + concealed.sum(samples)/samplesPerFrame
		all += video + packets.sum(samples) + heard.sum(samples)/samplesPerFrame
		if len(samples) > 1 {
			o.Worst = max(o.Worst, without(samples))
		}
	}
	o.Lost = 100 * ratio(missing, all)
	return o
}

// close ends everybody.
func (x *scene) close() (err error) {
	for _, p := range []person{x.watches, x.sends} {
		if p != nil {
			err = errors.Join(err, p.close())
		}
	}
	if x.others != nil {
		err = errors.Join(err, x.others.close())
	}
	if x.node != nil {
		err = errors.Join(err, x.node.Stop())
	}
	if x.net != nil {
		err = errors.Join(err, x.net.Close())
	}
	return err
}

// clock is ms since the epoch, as pages have it.
func clock() float64 { return float64(time.Now().UnixMicro()) / 1000 }

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
