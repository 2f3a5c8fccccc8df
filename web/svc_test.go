package web_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/web/browser"
)

// A camera is sent as one stream with layers inside (SVC), and every viewer gets those of the size that it
// asks for, each with all that its decoder needs: the picture changes its size when asked to, and goes on.
func TestLayersInsideOneStream(t *testing.T) {
	n := startNode(t)
	b := shared.get(t)
	for _, codec := range []string{"VP9", "AV1"} {
		t.Run(codec, func(t *testing.T) {
			room := "svc-" + codec
			// of which Chromium makes two
			video := map[string]any{"codec": codec, "svc": "L3T3_KEY", "width": 640, "height": 360, "frameRate": 10}
			ann := joinAs(t, b, n, entry{Room: room, User: "ann", Video: video})
			viewer := entry{Room: room, User: "ben", Video: false, Adaptive: new(bool), Quality: "low"}
			ben := joinAs(t, b, n, viewer)
			viewer.User, viewer.Quality = "cleo", "high"
			cleo := joinAs(t, b, n, viewer)
			cleo.width("ann", 640)
			ben.width("ann", 320)
			require.Equal(t, "video/"+codec, ben.codec("ann"))
			ann.await("one stream is sent", `probe.sent().then(s => Object.keys(s).length === 1)`)
			for _, step := range []struct {
				quality string
				width   int
			}{{"high", 640}, {"low", 320}} {
				ben.eval(fmt.Sprintf("probe.parlor.updateRemoteVideo({userId: 'ann', quality: %q})", step.quality), nil)
				ben.width("ann", step.width)
				ben.frames("ann", ben.received("ann"), 10)
			}
			cleo.width("ann", 640)
			cleo.frames("ann", cleo.received("ann"), 10)
			ann.exit()
		})
	}
}

// Three layers that all refer to the one below: where three packets of ten are lost the picture goes on in
// full, and over a link that gets narrow it goes on smaller after a moment. Chromium stands still for three
// seconds if something of it never comes.
func TestThreeLayersOverBadLinks(t *testing.T) {
	d := startDrawn(t)
	at := d.away(browser.StartChromium)
	video := map[string]any{"codec": "VP9", "svc": "L3T3", "width": 1280, "height": 720, "frameRate": 15}
	_, ben := d.watched("svc", video, at)
	ben.wide("ann", 1280)
	at.link(calm + " loss=30%")
	ben.settles("ann", 12, 0.05)
	at.link(calm)
	ben.during("ann", 3)
	before := ben.received("ann").Video.TotalFreezesDuration
	at.link(calm + " rate=400k queue=300ms")
	ben.wide("ann", 320, 640)
	ben.goes("ann", 4, 10, 0.1)
	require.Less(t, ben.received("ann").Video.TotalFreezesDuration-before, 1.5, "seconds that the picture stood still")
	at.link(calm)
	ben.wide("ann", 1280)
}
