package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"sync"

	"github.com/pion/webrtc/v4"

	"parlor/client/sample"
)

// peer is one PeerConnection with its socket, its seats and what it publishes. Sections are changed by one
// goroutine at a time (Client.negotiating); close may come from any.
type peer struct {
	opts   Options
	pc     *webrtc.PeerConnection
	socket *socket // nil: ICE-TCP

	connected chan struct{} // closed on the first connection
	failed    chan struct{} // closed when the connection has failed or was closed

	mu      sync.Mutex
	sends   []*sending
	seats   []*seat
	closed  bool
	running sync.WaitGroup // readers of RTP and RTCP
}

type seat struct {
	id           string
	video, audio *webrtc.RTPTransceiver // nil: no such section
}

// sending is one sendonly section.
type sending struct {
	source      Source
	layers      []*Outgoing
	transceiver *webrtc.RTPTransceiver
	stopped     bool
}

var errMediaFailed = errors.New("media connection failed or closed")

// newPeer builds a PeerConnection with the sections of the options, or of old if there is one. What old
// published goes on through the same Outgoing.
func newPeer(ctx context.Context, o Options, old *peer) (*peer, error) {
	p := &peer{opts: o, connected: make(chan struct{}), failed: make(chan struct{})}
	if err := p.open(ctx); err != nil {
		p.close(true)
		return nil, err
	}
	if err := p.layOut(old); err != nil {
		p.close(true)
		return nil, err
	}
	return p, nil
}

func (p *peer) open(ctx context.Context) error {
	m := p.opts.Media
	if !m.TCP && !m.Relay {
		if err := p.bind(ctx); err != nil {
			return err
		}
	}
	api, err := m.api(p.socket)
	if err != nil {
		return err
	}
	if p.pc, err = api.NewPeerConnection(p.opts.configuration()); err != nil {
		return fmt.Errorf("new PeerConnection: %w", err)
	}
	p.pc.OnTrack(p.onTrack)
	var once, onceFailed sync.Once
	p.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		switch s {
		case webrtc.PeerConnectionStateConnected:
			once.Do(func() { close(p.connected) })
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			onceFailed.Do(func() { close(p.failed) })
		}
	})
	return nil
}

// configuration has the node's TURN servers if nothing else is to be used. A client that may need them or not
// would make an allocation in any case, and load the node by it.
func (o *Options) configuration() webrtc.Configuration {
	if !o.Media.Relay {
		return webrtc.Configuration{}
	}
	c := webrtc.Configuration{ICETransportPolicy: webrtc.ICETransportPolicyRelay}
	for _, s := range o.servers {
		c.ICEServers = append(c.ICEServers, webrtc.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
	}
	return c
}

func (p *peer) bind(ctx context.Context) (err error) {
	m := p.opts.Media
	if !m.Local.IsValid() {
		if m.Local, err = route(ctx, p.opts.URL); err != nil {
			return err
		}
	}
	if m.Buffer == 0 {
		m.Buffer = defaultBuffer
	}
	if p.socket, err = listen(m.Local, m.Buffer); err != nil {
		return err
	}
	if p.socket.arrivals = m.Arrivals; m.Arrivals != nil {
		if err := stampArrivals(p.socket.conn); err != nil {
			return fmt.Errorf("note arrivals at the media socket: %w", err)
		}
	}
	if m.Sample == 0 {
		return nil
	}
	return sample.Attach(p.socket.conn, m.Sample)
}

// route returns the local address from which the host of a URL is reached.
func route(ctx context.Context, text string) (netip.Addr, error) {
	u, err := url.Parse(text)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("address of the node: %w", err)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", net.JoinHostPort(u.Hostname(), "9"))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("route to %s: %w", u.Hostname(), err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr(), nil
}

func (p *peer) layOut(old *peer) error {
	if p.opts.Prepare != nil {
		if err := p.opts.Prepare(p.pc); err != nil {
			return fmt.Errorf("prepare PeerConnection: %w", err)
		}
	}
	if old == nil {
		for _, s := range p.opts.Publish {
			if err := p.addPublish(s, nil); err != nil {
				return err
			}
		}
		return p.addSeats(p.opts.Seats)
	}
	for _, s := range old.sends {
		if s.stopped {
			continue
		}
		if err := p.addPublish(s.source, s.layers); err != nil {
			return err
		}
	}
	return p.addSeats(len(old.seats))
}

// addPublish adds a sending section, for existing layers or new ones.
func (p *peer) addPublish(s Source, layers []*Outgoing) (err error) {
	if layers == nil {
		if layers, err = newLayers(p.opts, s); err != nil {
			return err
		}
	}
	t, err := p.pc.AddTransceiverFromTrack(layers[0].track,
		webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		return fmt.Errorf("publish %s: %w", s, err)
	}
	for _, l := range layers[1:] {
		if err := t.Sender().AddEncoding(l.track); err != nil {
			return fmt.Errorf("publish %s layer %s: %w", s, l.RID, err)
		}
	}
	p.mu.Lock()
	p.sends = append(p.sends, &sending{source: s, layers: layers, transceiver: t})
	p.mu.Unlock()
	for _, l := range layers {
		p.run(func() { l.readRTCP(t.Sender()) })
	}
	return nil
}

func (p *peer) stopPublish(s Source) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.sends {
		if x.source == s && !x.stopped {
			x.stopped = true
			return p.pc.RemoveTrack(x.transceiver.Sender())
		}
	}
	return fmt.Errorf("stop %s: not published", s)
}

func (p *peer) addSeats(n int) error {
	for range n {
		s := &seat{id: strconv.Itoa(len(p.seats))}
		init := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
		var err error
		if !p.opts.Blind {
			if s.video, err = p.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, init); err != nil {
				return fmt.Errorf("seat %s: %w", s.id, err)
			}
		}
		if !p.opts.Silent {
			if s.audio, err = p.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeAudio, init); err != nil {
				return fmt.Errorf("seat %s: %w", s.id, err)
			}
		}
		p.mu.Lock()
		p.seats = append(p.seats, s)
		p.mu.Unlock()
	}
	return nil
}

// offer makes an offer that holds all candidates.
func (p *peer) offer(ctx context.Context, restart bool) (string, error) {
	o, err := p.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: restart})
	if err != nil {
		return "", fmt.Errorf("create offer: %w", err)
	}
	gathered := webrtc.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(o); err != nil {
		return "", fmt.Errorf("set local description: %w", err)
	}
	select {
	case <-gathered:
		return p.pc.LocalDescription().SDP, nil
	case <-ctx.Done():
		return "", fmt.Errorf("gather candidates: %w", ctx.Err())
	}
}

// plan names the sections of the offer just made.
func (p *peer) plan() (map[string]Source, []offerSeat) {
	publish := map[string]Source{}
	for _, s := range p.sends {
		if !s.stopped {
			publish[s.transceiver.Mid()] = s.source
		}
	}
	seats := []offerSeat{}
	for _, s := range p.seats {
		o := offerSeat{ID: s.id}
		if s.video != nil {
			o.Video = s.video.Mid()
		}
		if s.audio != nil {
			o.Audio = s.audio.Mid()
		}
		seats = append(seats, o)
	}
	return publish, seats
}

// answer takes the node's answer to the last offer.
func (p *peer) answer(sdp string) error {
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: sdp}); err != nil {
		return fmt.Errorf("answer of the node: %w", err)
	}
	for _, s := range p.sends {
		for _, l := range s.layers {
			l.learn(s.transceiver)
		}
	}
	return nil
}

func (p *peer) awaitConnected(ctx context.Context) error {
	select {
	case <-p.connected:
		return nil
	case <-p.failed:
		return errMediaFailed
	case <-ctx.Done():
		return fmt.Errorf("connect media: %w", ctx.Err())
	}
}

func (p *peer) onTrack(t *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
	p.run(func() { p.readRTP(t, r) })
}

// readRTP hands on what arrives on one section until it ends.
func (p *peer) readRTP(t *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
	if p.opts.Media.Feedback != 0 {
		p.run(func() { drainRTCP(r) })
	}
	take := func([]byte) {}
	if s, ok := p.section(r); ok && p.opts.OnRTP != nil {
		take = p.opts.OnRTP(s)
	}
	buf := make([]byte, 1500)
	for {
		n, _, err := t.Read(buf)
		if err != nil {
			return
		}
		take(buf[:n])
	}
}

// drainRTCP lets the interceptors see the sender reports.
func drainRTCP(r *webrtc.RTPReceiver) {
	buf := make([]byte, 1500)
	for {
		if _, _, err := r.Read(buf); err != nil {
			return
		}
	}
}

func (p *peer) section(r *webrtc.RTPReceiver) (Section, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.seats {
		switch {
		case s.video != nil && s.video.Receiver() == r:
			return Section{Seat: s.id}, true
		case s.audio != nil && s.audio.Receiver() == r:
			return Section{Seat: s.id, Audio: true}, true
		}
	}
	return Section{}, false
}

// run starts f on a goroutine that close waits for; after close it does nothing.
func (p *peer) run(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.running.Go(f)
	}
}

func (p *peer) find(s Source, rid string) *Outgoing {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.sends {
		if x.source != s || x.stopped {
			continue
		}
		for _, l := range x.layers {
			if l.RID == rid {
				return l
			}
		}
	}
	return nil
}

var errNoSocket = errors.New("no media socket")

func (p *peer) sample(k int) error {
	if p == nil || p.socket == nil {
		return errNoSocket
	}
	return sample.Attach(p.socket.conn, k)
}

func (p *peer) drops() (uint32, error) {
	if p == nil || p.socket == nil {
		return 0, errNoSocket
	}
	return sample.Drops(p.socket.conn)
}

func (p *peer) silence(on bool) {
	if p != nil && p.socket != nil {
		p.socket.deaf.Store(on)
	}
}

// close ends the connection and waits for all that ran on it. Abrupt: not even a DTLS alert is sent.
func (p *peer) close(abrupt bool) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.running.Wait()
		return
	}
	p.closed = true
	p.mu.Unlock()
	if abrupt {
		p.silence(true)
	}
	if p.pc != nil {
		_ = p.pc.GracefulClose()
	}
	if p.socket != nil {
		_ = p.socket.Close()
	}
	p.running.Wait()
}
