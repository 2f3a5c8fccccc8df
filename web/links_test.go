package web_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/lab/link"
	"parlor/lab/netns"
	"parlor/web/browser"
)

// drawn is a node, here, to and from which people on other machines have links that are drawn. Those whose
// browsers are here have none.
type drawn struct {
	*node
	net  *netns.Network
	here netip.Addr
}

// startDrawn starts a node at such a network.
func startDrawn(t *testing.T) *drawn {
	t.Helper()
	d := newDrawn(t)
	d.node = startNodeAt(t, d.here, timers{})
	return d
}

// newDrawn is such a network, without a node yet.
func newDrawn(t *testing.T) *drawn {
	t.Helper()
	n, err := netns.New()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	here, err := n.Here(1)
	require.NoError(t, err)
	return &drawn{net: n, here: here.Addr()}
}

// away is a browser on a machine with a link.
type away struct {
	t       *testing.T
	browser *browser.Browser
	host    *netns.Host
}

// calm is every link without trouble.
const calm = "delay=20ms"

// away starts a browser there.
func (d *drawn) away(start func(browser.Options) (*browser.Browser, error)) *away {
	d.t.Helper()
	h, err := d.net.Host("away", 7)
	require.NoError(d.t, err)
	b, err := start(browser.Options{Host: h, Resolve: d.here})
	require.NoError(d.t, err)
	d.t.Cleanup(func() { require.NoError(d.t, b.Close()) })
	a := &away{d.t, b, h}
	a.link(calm)
	return a
}

// link draws what comes over the machine's link from now on.
func (a *away) link(shape string) {
	a.t.Helper()
	up, err := link.Parse(calm)
	require.NoError(a.t, err)
	down, err := link.Parse(shape)
	require.NoError(a.t, err)
	require.NoError(a.t, a.host.Shape(up, down))
}

// layers is a camera in three, 320, 640 and 1280 wide, of some 50, 300 and 550 kbit/s.
var layers = map[string]any{"width": 1280, "height": 720, "frameRate": 15, "simulcast": true}

// watched brings ann, whose browser is here, and ben, who is away and sees her in full, into a room.
func (d *drawn) watched(room string, video any, at *away) (ann, ben *person) {
	d.t.Helper()
	ann = joinAs(d.t, shared.get(d.t), d.node, entry{Room: room, User: "ann", Video: video})
	ben = joinAs(d.t, at.browser, d.node, entry{Room: room, User: "ben", Video: false, Audio: false, Adaptive: new(bool)})
	ben.eval(collect, nil)
	ben.sees("ann")
	ben.hears("ann")
	return ann, ben
}

// passed is what has come of somebody in some seconds.
type passed struct {
	frames    int
	concealed float64 // share of the sound that was made up for what did not come
}

// during looks at what comes of a user meanwhile.
func (p *person) during(user string, seconds int) passed {
	p.t.Helper()
	before := p.received(user)
	time.Sleep(time.Duration(seconds) * time.Second)
	after := p.received(user)
	all, made := after.Audio.TotalSamplesReceived-before.Audio.TotalSamplesReceived, after.Audio.ConcealedSamples-before.Audio.ConcealedSamples
	x := passed{after.Video.FramesDecoded - before.Video.FramesDecoded, float64(made) / float64(max(all, 1))}
	p.t.Logf("%s gets %d frames of %s in %d s, %d wide; %.1f %% of its sound are made up", p.name, x.frames, user, seconds, after.Video.FrameWidth, 100*x.concealed)
	require.Positive(p.t, all, "no sound comes")
	return x
}

// goes holds picture and sound of a user to going on for some seconds, with so many frames a second, and at
// most such a share made up.
func (p *person) goes(user string, seconds, fps int, concealed float64) {
	p.t.Helper()
	x := p.during(user, seconds)
	require.GreaterOrEqual(p.t, x.frames, fps*seconds)
	require.LessOrEqual(p.t, x.concealed, concealed)
}

// settles waits until they do. A machine that is late for a moment looks like a network with a queue, for
// which sound is protected less.
func (p *person) settles(user string, fps int, concealed float64) {
	p.t.Helper()
	const seconds, most = 4, 6
	for range most {
		if x := p.during(user, seconds); x.frames >= fps*seconds && x.concealed <= concealed {
			return
		}
	}
	p.t.Fatalf("%s does not get %s's picture and sound", p.name, user)
}

// wide waits until the picture of that user has one of these widths.
func (p *person) wide(user string, widths ...int) {
	p.t.Helper()
	list, err := json.Marshal(widths)
	require.NoError(p.t, err)
	since := time.Now()
	condition := fmt.Sprintf("%s.then(r => %s.includes(r.video?.frameWidth))", expression(p.t, "received", user), list)
	p.wait(2*limit, condition, nil, "waits for %s %s wide", user, list)
	p.t.Logf("%s sees %s %s wide after %.1f s", p.name, user, list, time.Since(since).Seconds())
}

// limited waits until the node says what limits the pictures of somebody, and how that of ann goes on.
func (p *person) limited(by, state string) {
	p.t.Helper()
	p.await("it is told that "+by+" limits it, and ann's picture is "+state, fmt.Sprintf(`(() => {
		const s = reports.statistics.at(-1), v = s?.remoteStatistics.find((u) => u.userId === 'ann')?.video[0]
		return %q.split(' or ').includes(s?.downLimit) && v?.state === %q
	})()`, by, state))
}

// Over a link that gets narrow the picture goes on, smaller, and so does the sound; when it is wide again the
// picture is large again.
func TestNarrowLink(t *testing.T) {
	d := startDrawn(t)
	at := d.away(browser.StartChromium)
	at.link(calm + " rate=2M queue=400ms")
	_, ben := d.watched("narrow", layers, at)
	ben.wide("ann", 1280)
	ben.limited("none", "live")
	for _, rate := range []string{"400k", "300k"} {
		at.link(calm + " rate=" + rate + " queue=300ms")
		ben.wide("ann", 320, 640)
		ben.goes("ann", 4, 5, 0.1)
		ben.limited("delay or loss", "live")
	}
	at.link(calm + " rate=2M queue=400ms")
	ben.wide("ann", 1280)
	ben.limited("none", "live")
	for _, e := range ben.events() {
		require.NotEqual(t, "paused", e.Name)
	}
}

// Where three packets of ten are lost the picture goes on, and nearly all of the sound is heard.
func TestLossyLink(t *testing.T) {
	d := startDrawn(t)
	at := d.away(browser.StartChromium)
	_, ben := d.watched("lossy", layers, at)
	at.link(calm + " loss=30%")
	ben.settles("ann", 5, 0.05)
	ben.await("it is told how much is lost", "reports.statistics.some((s) => s.downLoss > 15)")
}
