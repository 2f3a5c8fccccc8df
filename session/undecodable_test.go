package session_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"parlor/session"
	"parlor/session/terms"
)

// undecodable returns and forgets what the client was told of it, as JSON without numbers.
func (c *client) undecodable() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	var l []string
	for _, e := range c.events {
		if e.Type == terms.EventUndecodable {
			e.Seq = 0
			l = append(l, string(must(json.Marshal(e))))
		}
	}
	c.events = nil
	return l
}

// withH264 negotiates a seat whose video section has no codec but H.264.
func (c *client) withH264(fresh bool) {
	c.n.t.Helper()
	p := plan(nil, 1, fresh)
	p.SDP = strings.ReplaceAll(p.SDP, "VP8/90000", "H264/90000")
	if _, err := c.Negotiate(context.Background(), p); err != nil {
		c.n.t.Fatal(err)
	}
	c.n.wire.Last().Connect()
	synctest.Wait()
}

// TestUndecodableIsToldToWhoCanAct: the viewer's client is told, the operator sees it in DescribeUser, and a
// count of the pair of formats rises.
func TestUndecodableIsToldToWhoCanAct(t *testing.T) {
	const on, over = `{"type":"undecodable","seq":0,"user":"ann","seat":"seat0","source":"camera","on":true,"codec":"VP8"}`,
		`{"type":"undecodable","seq":0,"user":"ann","seat":"seat0","source":"camera","on":false}`
	var log bytes.Buffer
	inNode(t, session.Options{Log: zerolog.New(&log).Level(zerolog.WarnLevel)}, func(n *node) {
		ann := n.enter("ann")
		camera := ann.negotiate(map[string]terms.Source{"cam": terms.Camera}, 0, false)
		bob := n.enter("bob")
		bob.withH264(false)
		bob.hear("ann")
		shows := func() {
			for range 3 {
				camera.Publish(time.Now(), "cam", 1)
				time.Sleep(time.Second)
			}
		}
		shows()
		n.expect("who cannot decode", bob.undecodable(), on)
		n.expect("the publisher", ann.undecodable())
		d := must(n.DescribeUser(lobby, "bob", terms.Page{Limit: 1}))
		n.expect("described", []string{fmt.Sprint(d.List[0].Undecodable)}, "[{ ann camera VP8 H264 false}]")
		if m := n.Undecodable(); len(m) != 1 || m[session.Formats{Sent: "VP8", Offered: "H264"}] != 1 {
			t.Errorf("counted %v", m)
		}
		bob.withH264(true) // another PeerConnection, which takes as little
		bob.hear("ann")
		shows()
		n.expect("after another PeerConnection", bob.undecodable(), over, on)
		line := regexp.MustCompile(`^{"level":"warn","room":"s:lobby","user":"bob",[^{}]*"of":"ann","source":"camera","sent":"VP8","offered":"H264","message":"nothing of a stream [^"]*"}\n$`)
		if !line.MatchString(log.String()) {
			t.Errorf("the log has not one line of it, once: %s", log.String())
		}
		bob.negotiate(nil, 1, true)
		shows()
		n.expect("after one with the codec", bob.undecodable(), over)
		if d = must(n.DescribeUser(lobby, "bob", terms.Page{Limit: 1})); len(d.List[0].Undecodable) != 0 {
			t.Errorf("described %v", d.List[0].Undecodable)
		}
		bob.withH264(true)
		bob.hear("ann")
		shows()
		n.expect("again", bob.undecodable(), on)
		ann.Exit(context.Background())
		time.Sleep(3 * time.Second)
		n.expect("after the leave nothing follows of who left", bob.undecodable())
	})
}

// TestUndecodableOfAPlayer: a WHEP client has nobody to tell; the operator sees it.
func TestUndecodableOfAPlayer(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann")
		camera := ann.negotiate(map[string]terms.Source{"cam": terms.Camera}, 0, false)
		s, _, err := n.Enter(context.Background(), session.EnterRequest{Room: lobby, User: "player", Grant: granted})
		if err != nil {
			t.Fatal(err)
		}
		p := plan(nil, 1, false)
		p.SDP = strings.ReplaceAll(p.SDP, "VP8/90000", "AV1/90000")
		if err = s.AutoSeats(); err == nil {
			_, err = s.Negotiate(context.Background(), p)
		}
		if err != nil {
			t.Fatal(err)
		}
		n.wire.Last().Connect()
		for range 3 {
			camera.Publish(time.Now(), "cam", 1)
			time.Sleep(time.Second)
		}
		d := must(n.DescribeRoom(lobby, terms.Page{Limit: 10}))
		n.expect("described", []string{fmt.Sprint(d.List[1].Undecodable)}, "[{ ann camera VP8 AV1 false}]")
	})
}
