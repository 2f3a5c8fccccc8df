package web_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// A camera is sent as one stream with layers inside (SVC), and every viewer gets those of the size that it asks for, each with all that its
// decoder needs: the picture changes its size when asked to, and goes on.
func TestLayersInsideOneStream(t *testing.T) {
	n := startNode(t)
	b := shared.get(t)
	for _, codec := range []string{"VP9", "AV1"} {
		t.Run(codec, func(t *testing.T) {
			room := "svc-" + codec
			video := map[string]any{"codec": codec, "svc": "L3T3_KEY", "width": 640, "height": 360, "frameRate": 10} // of that Chromium makes two
			ann := joinAs(t, b, n, entry{Room: room, User: "ann", Video: video})
			viewer := entry{Room: room, User: "ben", Video: false, Adaptive: new(bool), Quality: "low"}
			ben := joinAs(t, b, n, viewer)
			viewer.User, viewer.Quality = "cleo", "high"
			cleo := joinAs(t, b, n, viewer)
			cleo.width("ann", 640)
			ben.width("ann", 320)
			require.Equal(t, "video/"+codec, ben.received("ann").Video.Codec)
			require.NoError(t, ann.page.Wait(within(t, limit), `probe.sent().then(s => Object.keys(s).length === 1)`, nil), "one stream is sent")
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
