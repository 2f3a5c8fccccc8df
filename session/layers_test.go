package session_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"parlor/packet"
	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
)

// withLayers negotiates a camera of three layers.
func (c *client) withLayers(fresh bool) *fakewire.Peer {
	c.n.t.Helper()
	p := session.OfferPlan{Publish: map[string]terms.Source{"cam": terms.Camera}, New: fresh}
	p.SDP = fakewire.Offer(fakewire.Section{MID: "cam", Kind: packet.Video, Send: true, RIDs: []string{"q", "h", "f"}})
	must(c.Negotiate(context.Background(), p))
	peer := c.n.wire.Last()
	peer.Connect()
	synctest.Wait()
	return peer
}

// layers returns and forgets what the client was told of its layers, as JSON without numbers.
func (c *client) layers() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	var l []string
	for _, e := range c.events {
		if e.Type == terms.EventLayers {
			e.Seq = 0
			l = append(l, string(must(json.Marshal(e))))
		}
	}
	c.events = nil
	return l
}

const (
	allOn  = `{"type":"layers","seq":0,"source":"camera","rids":{"f":true,"h":true,"q":true}}`
	lowest = `{"type":"layers","seq":0,"source":"camera","rids":{"f":false,"h":false,"q":true}}`
	ends   = `{"type":"layers","seq":0,"source":"camera","rids":{"f":true,"h":false,"q":true}}`
)

// shows has a camera send all of its layers for a while.
func shows(camera *fakewire.Peer, d time.Duration) {
	for range d / (100 * time.Millisecond) {
		camera.PublishLayers(time.Now(), "cam", "q", "h", "f")
		time.Sleep(100 * time.Millisecond)
	}
	synctest.Wait()
}

// see seats ann in the client's first seat, at a size.
func (c *client) see(width, height int) {
	c.n.t.Helper()
	q := session.SeatRequest{Seat: "seat0", User: "ann", Video: terms.Camera, Size: &session.Size{Width: width, Height: height}}
	if err := c.SetSeat(q); err != nil {
		c.n.t.Fatal(err)
	}
}

// TestLayersAreToldToWhoSendsThem: the sender of layers, and nobody else, is told of those that nobody wants.
// It is told at once when somebody wants them.
func TestLayersAreToldToWhoSendsThem(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		camera := ann.withLayers(false)
		bob.negotiate(nil, 1, false)
		shows(camera, 20*time.Second)
		n.expect("at first", ann.layers())
		shows(camera, 15*time.Second)
		n.expect("alone", ann.layers(), lowest)
		bob.see(1e4, 1e4)
		n.expect("as somebody watches", ann.layers(), ends)
		bob.see(10, 10)
		shows(camera, 10*time.Second)
		n.expect("as that is a small picture", ann.layers(), lowest)
		n.expect("who watches", bob.layers())
		if m := n.Media(); m.LayersOff != 3 || m.LayersOn != 1 {
			t.Errorf("counted: %d off, %d on", m.LayersOff, m.LayersOn)
		}
	})
}

// TestLayersAreToldAgain: layers are told again after a resume, the latest alone. They are told anew over
// another PeerConnection, whose client goes by what it was told last.
func TestLayersAreToldAgain(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		n.living = []*client{ann, bob}
		camera := ann.withLayers(false)
		bob.negotiate(nil, 1, false)
		ann.saw()
		ann.cut()
		bob.see(10, 10)
		shows(camera, 8*time.Second)
		bob.see(1e4, 1e4)
		shows(camera, time.Second)
		again := must(n.Resume(t.Context(), ann.ID(), ann.Key(), 1))
		ann = n.client(again, again.Entered())
		n.expect("after the resume", ann.layers(), ends)
		camera = ann.withLayers(true)
		n.expect("over another PeerConnection", ann.layers(), allOn)
		shows(camera, 8*time.Second)
		n.expect("later", ann.layers(), ends)
		ann.withLayers(true)
		ann.withLayers(true)
		n.expect("over others", ann.layers(), allOn)
	})
}

// TestNobodyCanTellAPlayerWhatToSend: WHIP clients are told nothing. All that they send is there for
// everybody that comes.
func TestNobodyCanTellAPlayerWhatToSend(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		whip := n.enter("ann", func(q *session.EnterRequest) { q.Signal = false })
		camera := whip.withLayers(false)
		bob := n.enter("bob")
		bob.negotiate(nil, 1, false)
		bob.see(10, 10)
		shows(camera, time.Minute)
		if m := n.Media(); m.LayersOff != 0 {
			t.Errorf("%d layers are off", m.LayersOff)
		}
	})
}
