package transport

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"parlor/packet"
	"parlor/transport/negotiate"
)

// patience is how long a test waits for something that has to happen; it only matters when it does not.
const patience = 8 * time.Second

func (p *Peer) credentialInUse() *credential {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ice.creds[0]
}

func (p *Peer) dtlsNow() *dtls.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.secure.dtls
}

// box is an Inbox that keeps what it gets.
type box struct {
	rtp, rtcp chan []byte
}

func newBox() *box { return &box{rtp: make(chan []byte, 4096), rtcp: make(chan []byte, 4096)} }

func (b *box) Deliver(batch *packet.Batch) {
	for _, it := range batch.Items {
		to := b.rtp
		if it.RTCP {
			to = b.rtcp
		}
		select {
		case to <- append([]byte(nil), it.Buf.B...):
		default:
		}
	}
	batch.Release()
}

// witness is a PeerEvents that keeps what it is told.
type witness struct {
	connected chan packet.PeerID
	lost      chan error
	messages  chan Message
}

func newWitness() *witness {
	return &witness{
		connected: make(chan packet.PeerID, 64), lost: make(chan error, 64), messages: make(chan Message, 1024),
	}
}

func (w *witness) PeerConnected(id packet.PeerID)         { w.connected <- id }
func (w *witness) PeerLost(_ packet.PeerID, err error)    { w.lost <- err }
func (w *witness) PeerMessage(_ packet.PeerID, m Message) { w.messages <- m }
func wait[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// start runs an endpoint for the length of the test.
func start(t testing.TB, o Options) *Endpoint {
	t.Helper()
	if !o.Listen.IsValid() {
		o.Listen = netip.MustParseAddrPort("127.0.0.1:0")
	}
	e, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run does not return")
		}
	})
	return e
}

// client is the other end: a real PeerConnection.
type client struct {
	t    testing.TB
	pc   *webrtc.PeerConnection
	up   *webrtc.TrackLocalStaticRTP
	down chan *webrtc.TrackRemote
	once sync.Once
}

type clientOptions struct {
	setting func(*webrtc.SettingEngine)
	data    bool // offers a data channel, "chat"
	channel **webrtc.DataChannel
}

func newClient(t testing.TB, o clientOptions) *client {
	t.Helper()
	var se webrtc.SettingEngine
	lf := logging.NewDefaultLoggerFactory()
	lf.DefaultLogLevel = logging.LogLevelDisabled
	se.LoggerFactory = lf
	se.SetIncludeLoopbackCandidate(true)
	se.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	se.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	se.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	if o.setting != nil {
		o.setting(&se)
	}
	m := &webrtc.MediaEngine{}
	if err := m.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(se), webrtc.WithMediaEngine(m)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, pc: pc, down: make(chan *webrtc.TrackRemote, 8)}
	t.Cleanup(c.close)
	pc.OnTrack(func(tr *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { c.down <- tr })
	if c.up, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "v", "up"); err != nil {
		t.Fatal(err)
	}
	if _, err := pc.AddTransceiverFromTrack(c.up, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}); err != nil {
		t.Fatal(err)
	}
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		t.Fatal(err)
	}
	if o.data {
		ch, err := pc.CreateDataChannel("chat", nil)
		if err != nil {
			t.Fatal(err)
		}
		*o.channel = ch
	}
	return c
}

func (c *client) close() { c.once.Do(func() { _ = c.pc.Close() }) }

// offer makes an offer with all candidates.
func (c *client) offer(restart bool) *negotiate.Offer {
	c.t.Helper()
	return c.offerEdited(restart, func(s string) string { return s })
}

func (c *client) offerEdited(restart bool, edit func(string) string) *negotiate.Offer {
	c.t.Helper()
	d, err := c.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: restart})
	if err != nil {
		c.t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(c.pc)
	if err := c.pc.SetLocalDescription(d); err != nil {
		c.t.Fatal(err)
	}
	wait(c.t, "candidates", gathered)
	o, err := negotiate.ParseOffer(edit(c.pc.LocalDescription().SDP))
	if err != nil {
		c.t.Fatal(err)
	}
	return o
}

func (c *client) accept(answer string) {
	c.t.Helper()
	if err := c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		c.t.Fatalf("%v in\n%s", err, answer)
	}
}

// call is a client connected to a peer of the node.
type call struct {
	*client
	peer     *Peer
	writer   *Writer
	box      *box
	seen     *witness
	sections []packet.Section
	remote   *webrtc.TrackRemote
}

// track waits for the client to see the node's first packet.
func (k *call) track() {
	k.t.Helper()
	if k.remote == nil {
		k.remote = wait(k.t, "a track at the client", k.down)
	}
}

func (k *call) readDown() *rtp.Packet {
	k.t.Helper()
	_ = k.remote.SetReadDeadline(time.Now().Add(patience))
	p, _, err := k.remote.ReadRTP()
	if err != nil {
		k.t.Fatal(err)
	}
	return p
}

func dial(t testing.TB, e *Endpoint, o clientOptions) *call {
	t.Helper()
	k := dialNoWait(t, e, o)
	k.waitConnected()
	return k
}

// waitConnected waits for both ends.
func (k *call) waitConnected() {
	k.t.Helper()
	wait(k.t, "PeerConnected", k.seen.connected)
	eventually(k.t, "the client is connected", func() bool {
		return k.pc.ConnectionState() == webrtc.PeerConnectionStateConnected
	})
}

func dialNoWait(t testing.TB, e *Endpoint, o clientOptions) *call {
	t.Helper()
	k := &call{client: newClient(t, o), writer: e.NewWriter(), box: newBox(), seen: newWitness()}
	var err error
	k.peer, err = e.NewPeer(PeerOptions{Inbox: k.box, Writer: k.writer, Events: k.seen})
	if err != nil {
		t.Fatal(err)
	}
	k.negotiate(false)
	return k
}

func (k *call) negotiate(restart bool) {
	k.t.Helper()
	answer, sections, err := k.peer.Negotiate(k.offer(restart), nil)
	if err != nil {
		k.t.Fatal(err)
	}
	k.sections = sections
	k.accept(answer)
}

// seat is the section in which the node sends.
func (k *call) seat() packet.Section {
	k.t.Helper()
	for _, s := range k.sections {
		if !s.Publish && s.Active {
			return s
		}
	}
	k.t.Fatalf("no receiving section in %+v", k.sections)
	return packet.Section{}
}

// takeDTLS is takeRecords for a datagram that has not come before the proof of its path.
func (p *Peer) takeDTLS(pt *path, b *packet.Buffer, at time.Time) bool {
	return p.takeRecords(pt, b, at, false)
}
