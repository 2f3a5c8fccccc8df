package call

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/pion/rtp"
	"golang.org/x/sync/errgroup"

	"parlor/client"
	"parlor/lab/traffic"
)

// Many clients run in a process of their own, on a machine of the network: sockets of a process are where it
// is. The process gets orders on its standard input. It writes samples to its output, one a line, until that
// input ends.

// Command is the argument with which this program is that process.
const Command = "net-clients"

// orders say what clients do.
type orders struct {
	URL     string  `json:"url"`
	Publish *entry  `json:"publish,omitempty"`
	Bitrate int     `json:"bitrate,omitempty"` // of the published video, bits a second
	Watch   []entry `json:"watch,omitempty"`   // each watches the user "publisher"
}

const (
	sampleEvery = 500 * time.Millisecond
	publisher   = "publisher"
	// samplesPerFrame of 20 ms of sound at 48 kHz, as every packet of the load tool is.
	samplesPerFrame = 960
)

// ServeClients is the process.
func ServeClients(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := json.NewDecoder(in)
	var o orders
	if err := d.Decode(&o); err != nil {
		return fmt.Errorf("orders: %w", err)
	}
	go func() {
		var nothing any
		_ = d.Decode(&nothing) // until the end
		cancel()
	}()
	if o.Publish != nil {
		return publish(ctx, o, out)
	}
	return watch(ctx, o, out)
}

// publish sends video and sound.
func publish(ctx context.Context, o orders, out io.Writer) error {
	c, err := client.Dial(ctx, client.Options{URL: o.URL, Room: o.Publish.Room, User: o.Publish.User, Token: o.Publish.Token,
		Publish: []client.Source{client.Camera, client.Mic}, Media: client.Media{Feedback: client.AllFeedback}})
	if err != nil {
		return fmt.Errorf("publisher: %w", err)
	}
	defer c.Close()
	if _, err := fmt.Fprintln(out, "{}"); err != nil { // it is in
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return send(ctx, c.Outgoing(client.Camera, ""), traffic.NewVideo(1, o.Bitrate, 0)) })
	g.Go(func() error { return send(ctx, c.Outgoing(client.Mic, ""), traffic.NewAudio(2)) })
	return g.Wait()
}

func send(ctx context.Context, out *client.Outgoing, s traffic.Stream) error {
	tick := time.NewTicker(s.Interval())
	defer tick.Stop()
	for began := time.Now(); ; {
		asked := false
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		select {
		case <-out.Keyframes():
			asked = true
		default:
		}
		for _, p := range s.Next(time.Since(began), asked) {
			traffic.Sent(p.Payload, time.Now())
			if err := out.WriteRTP(p); err != nil {
				return err
			}
		}
	}
}

// watch has everybody watch, and writes what they have got.
func watch(ctx context.Context, o orders, out io.Writer) error {
	viewers := make([]*viewer, len(o.Watch))
	g, joining := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, e := range o.Watch {
		viewers[i] = &viewer{streams: map[uint32]*received{}}
		g.Go(func() error { return viewers[i].enter(joining, o.URL, e) })
	}
	defer func() {
		for _, v := range viewers {
			v.close()
		}
	}()
	if err := g.Wait(); err != nil {
		return err
	}
	e := json.NewEncoder(out)
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		all := make([]Sample, len(viewers))
		for i, v := range viewers {
			all[i] = v.sample()
		}
		if err := e.Encode(all); err != nil {
			return err
		}
	}
}

// viewer is one client that watches the publisher.
type viewer struct {
	client *client.Client

	mu      sync.Mutex
	streams map[uint32]*received // by SSRC
	frames  int
}

// received counts the packets of a stream.
type received struct {
	audio           bool
	highest, lowest uint64 // sequence numbers, unwrapped
	packets         int    // those that came twice among them
}

func (v *viewer) enter(ctx context.Context, url string, e entry) (err error) {
	v.client, err = client.Dial(ctx, client.Options{URL: url, Room: e.Room, User: e.User, Token: e.Token, Seats: 1, OnRTP: v.accept,
		Media: client.Media{Feedback: client.AllFeedback}})
	if err == nil {
		err = v.client.Seat(ctx, client.SeatRequest{Seat: "0", User: publisher, Video: client.Camera, Audio: client.Mic})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", e.User, err)
	}
	return nil
}

func (v *viewer) close() {
	if v.client != nil {
		v.client.Close()
	}
}

// accept is the client's OnRTP.
func (v *viewer) accept(s client.Section) func([]byte) {
	return func(raw []byte) {
		var h rtp.Header
		if _, err := h.Unmarshal(raw); err != nil {
			return
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		v.count(s.Audio, &h)
	}
}

func (v *viewer) count(audio bool, h *rtp.Header) {
	const turn = 1 << 16
	r := v.streams[h.SSRC]
	if r == nil {
		first := turn + uint64(h.SequenceNumber)
		r = &received{audio: audio, highest: first, lowest: first}
		v.streams[h.SSRC] = r
	}
	at := r.highest + uint64(int64(int16(h.SequenceNumber-uint16(r.highest))))
	r.highest, r.lowest = max(r.highest, at), min(r.lowest, at)
	r.packets++
	if !audio && h.Marker {
		v.frames++
	}
}

// sample is what a browser would know, as far as a client that decodes nothing can know it. A frame is one
// whose end has come. Sound that has not come is what would be concealed.
func (v *viewer) sample() Sample {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := Sample{At: float64(time.Now().UnixMicro()) / 1000, Frames: v.frames}
	for _, r := range v.streams {
		lost := max(0, int(r.highest-r.lowest)+1-r.packets)
		if r.audio {
			s.Samples += float64((r.packets + lost) * samplesPerFrame)
			s.Concealed += float64(lost * samplesPerFrame)
		} else {
			s.VideoLost += lost
			s.VideoPackets += r.packets
		}
	}
	return s
}
