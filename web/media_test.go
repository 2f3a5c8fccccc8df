package web_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every codec that browsers send goes from one to the other; somebody who watches another one meanwhile is
// not disturbed.
func TestCodecs(t *testing.T) {
	n := startNode(t)
	b := shared.get(t)
	const room = "codecs"
	dan, third := join(t, b, n, room, "dan"), join(t, b, n, room, "cleo")
	dan.sees("cleo")
	cleo := third.watch(dan)
	for _, codec := range []string{"VP8", "VP9", "H264", "AV1"} {
		t.Run(codec, func(t *testing.T) {
			user := "with-" + codec
			video := map[string]any{"codec": codec, "width": 320, "height": 180, "frameRate": 15}
			ann := joinAs(t, b, n, entry{Room: room, User: user, Video: video})
			dan.sees(user)
			require.Equal(t, "video/"+codec, dan.codec(user))
			r, since := dan.received(user), dan.now()
			dan.smooth(ann, since, r, dan.frames(user, r, 30))
			cleo.undisturbed()
			ann.exit()
		})
	}
}

// codec returns the codec of that user's picture. The browser's statistics name it a little later than a
// picture is there.
func (p *person) codec(user string) (name string) {
	p.t.Helper()
	condition := fmt.Sprintf("probe.received(%q).then((r) => r.video?.codec)", user)
	p.wait(limit, condition, &name, "is told no codec of %s", user)
	return name
}

// A viewer asks for another layer of a simulcast camera, down and up again: the size of the picture changes,
// and it never freezes; somebody who watches the same camera in full is not disturbed.
func TestSimulcastLayers(t *testing.T) {
	n := startNode(t)
	b := shared.get(t)
	const room = "layers"
	video := map[string]any{"width": 1280, "height": 720, "frameRate": 15, "simulcast": true}
	ann := joinAs(t, b, n, entry{Room: room, User: "ann", Video: video})
	viewer := entry{Room: room, User: "ben", Video: false, Adaptive: new(bool)}
	ben := joinAs(t, b, n, viewer)
	viewer.User = "cleo"
	third := joinAs(t, b, n, viewer)
	// so that somebody wants each layer all the time: an encoder that takes one up stands still
	viewer.User, viewer.Quality = "dan", "mid"
	joinAs(t, b, n, viewer).sees("ann")

	// The bandwidth estimate of the sender has to rise before it sends the upper layers.
	ann.wait(2*limit, `probe.sent().then(s => s.f?.frames > 0 && s.h?.frames > 0 && s.q?.frames > 0)`, nil, "does not send three layers")
	ben.sees("ann")
	ben.width("ann", 1280)
	third.width("ann", 1280)
	cleo := third.watch(ann)
	before, since := ben.received("ann"), ben.now()
	for _, step := range []struct {
		quality string
		width   int
	}{{"low", 320}, {"mid", 640}, {"high", 1280}, {"low", 320}, {"high", 1280}} {
		ben.eval(fmt.Sprintf("probe.parlor.updateRemoteVideo({userId: 'ann', quality: %q})", step.quality), nil)
		ben.width("ann", step.width)
		after := ben.frames("ann", ben.received("ann"), 10)
		ben.smooth(ann, since, before, after)
	}
	cleo.undisturbed()
}

// width waits until the picture of that user is so wide.
func (p *person) width(user string, width int) {
	p.t.Helper()
	condition := fmt.Sprintf("%s.then(r => r.video?.frameWidth === %d)", expression(p.t, "received", user), width)
	p.wait(2*limit, condition, nil, "waits for %s %d wide", user, width)
}
