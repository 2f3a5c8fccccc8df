package web_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/web/browser"
)

// layer is what is sent of one.
type layer struct {
	Frames, Bytes int
	Active        bool
}

// sends returns what is sent of the camera by layer, in bytes a second over a while.
func (p *person) sends(over time.Duration) (rates map[string]float64, sum float64) {
	p.t.Helper()
	at := func() (l map[string]layer) {
		p.eval("probe.sent()", &l)
		return l
	}
	before, began := at(), time.Now()
	time.Sleep(over)
	rates = map[string]float64{}
	for rid, l := range at() {
		rates[rid] = float64(l.Bytes-before[rid].Bytes) / time.Since(began).Seconds()
		sum += rates[rid]
	}
	return rates, sum
}

// stops waits until nothing more is sent of layers. What is encoded already goes out after they are off.
func (p *person) stops(rids ...string) {
	p.t.Helper()
	sent := func(rates map[string]float64, _ float64) bool {
		return slices.ContainsFunc(rids, func(rid string) bool { return rates[rid] > 0 })
	}
	for began := time.Now(); sent(p.sends(500 * time.Millisecond)); {
		require.Less(p.t, time.Since(began), limit, "%s still sends one of %s", p.name, rids)
	}
}

// grows has a user's picture shown so large, and returns how long it took until it came so large, in ms.
func (p *person) grows(user string, width, height int) (ms float64) {
	p.t.Helper()
	p.eval(fmt.Sprintf("probe.grown(%q, (el) => { el.style.width = '%dpx'; el.style.height = '%dpx' }, %d)", user, width, height, width), &ms)
	p.t.Logf("%d wide after %.1f ms", width, ms)
	return ms
}

// small has a user's picture shown as a thumbnail, and waits until it comes as one.
func (p *person) small(user string) {
	p.t.Helper()
	p.show(user, "el.style.width = '160px'; el.style.height = '90px'", 0)
	p.width(user, 320)
}

// Of a camera that is shown as a thumbnail only the lowest layer is sent, and the others are back at once:
// the picture goes on all the while, and the publisher is not said to be poorly connected. A layer that is off
// stays off over a mute.
func TestLayersThatNobodyGetsAreNotSent(t *testing.T) {
	ann, ben := viewed(t, "layers", map[string]any{"width": 1280, "height": 720, "frameRate": 15, "simulcast": true})
	ann.wait(2*limit, `probe.sent().then(s => s.f?.frames > 0 && s.h?.frames > 0 && s.q?.frames > 0)`, nil, "does not send three layers")
	ben.show("ann", "el.style.width = '1280px'; el.style.height = '720px'", 0)
	ben.width("ann", 1280)
	ann.stops("h")
	ann.eval(`probe.parlor.updateLocalVideo({mute: true}).then(() => probe.parlor.updateLocalVideo({mute: false, frameRate: 15}))`, nil)
	var still bool
	ann.eval(`probe.sent().then(s => s.f?.active && s.h?.active === false)`, &still)
	require.True(t, still, "after a mute")
	ben.frames("ann", ben.received("ann"), 10)
	rates, whole := ann.sends(2 * time.Second)
	t.Logf("shown in full: %v", rates)
	require.Zero(t, rates["h"])
	before := ben.received("ann")
	ben.small("ann")
	ann.stops("h", "f")
	rates, least := ann.sends(2 * time.Second)
	t.Logf("a thumbnail: %v, %.0f %%", rates, 100*least/whole)
	require.LessOrEqual(t, least, 0.2*whole)
	require.Positive(t, rates["q"])

	// A machine that encodes in software is late now and then: the best of three counts.
	fastest, grown := ben.grows("ann", 1280, 720), 1.0
	for ; grown < 3 && fastest > float64(back/time.Millisecond); grown++ {
		ben.small("ann")
		ann.await("the upper layer is off", `probe.sent().then(s => !s.f.active)`)
		time.Sleep(time.Second)
		fastest = min(fastest, ben.grows("ann", 1280, 720))
	}
	require.LessOrEqual(t, fastest, float64(back/time.Millisecond))
	after := ben.frames("ann", ben.received("ann"), 10)
	require.Equal(t, before.Video.PacketsLost, after.Video.PacketsLost)
	// An encoder that takes up a layer begins all of them anew, and stands still meanwhile.
	frozen := after.Video.TotalFreezesDuration - before.Video.TotalFreezesDuration
	require.LessOrEqual(t, frozen, grown*back.Seconds(), "s")
}

// Firefox stops layers that nobody gets as well, and begins with them again.
func TestFirefoxSendsTheLayersThatAreWanted(t *testing.T) {
	network := newNetwork(t)
	n := startNodeAt(t, network.Addr(), timers{})
	firefox, _ := newBrowser(t, network, browser.StartFirefox)
	chromium, _ := newBrowser(t, network, browser.StartChromium)
	fred := joinAs(t, firefox, n, entry{Room: "fox", User: "fred", Video: map[string]any{"width": 640, "height": 480, "frameRate": 15, "simulcast": true}})
	ben := joinAs(t, chromium, n, entry{Room: "fox", User: "ben", Video: false})
	ben.sees("fred")
	ben.show("fred", "el.style.width = '1280px'; el.style.height = '960px'", 0)
	ben.width("fred", 640)
	ben.show("fred", "el.style.width = '100px'; el.style.height = '75px'", 0)
	ben.width("fred", 160)
	fred.stops("h", "f")
	rates, _ := fred.sends(2 * time.Second)
	t.Logf("a thumbnail: %v", rates)
	require.Zero(t, rates["h"]+rates["f"])
	require.Positive(t, rates["q"])
	ben.grows("fred", 640, 480)
}
