package web_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// back is how soon a picture goes on that is shown again: a message, a keyframe, and the way of both.
const back = 400 * time.Millisecond

// viewed brings ann, who sends such a picture, and ben, who watches her, into a room.
func viewed(t *testing.T, room string, video any) (ann, ben *person) {
	t.Helper()
	n := startNode(t)
	b := shared.get(t)
	ann = joinAs(t, b, n, entry{Room: room, User: "ann", Video: video})
	ben = joinAs(t, b, n, entry{Room: room, User: "ben", Video: false})
	ben.sees("ann")
	return ann, ben
}

// frame is when one was there, in ms since the epoch.
type frame struct{ Received, Seen float64 }

// show changes how a picture is shown, with el being its element, and returns when that was, and the next
// frame; nil: there was none in time.
func (p *person) show(user, change string, within time.Duration) (at float64, next *frame) {
	p.t.Helper()
	var r struct {
		At    float64
		Frame *frame
	}
	p.eval(fmt.Sprintf("probe.show(%q, (el) => { %s }, %d)", user, change, within.Milliseconds()), &r)
	return r.At, r.Frame
}

// A picture comes in the layer that covers it, whatever its size becomes; what the application asks for is
// the upper bound.
func TestPicturesComeAsLargeAsTheyAreShown(t *testing.T) {
	ann, ben := viewed(t, "sizes", map[string]any{"width": 1280, "height": 720, "frameRate": 15, "simulcast": true})
	// The bandwidth estimate of the sender has to rise before it sends the upper layers.
	ann.wait(2*limit, `probe.sent().then(s => s.f?.frames > 0 && s.h?.frames > 0 && s.q?.frames > 0)`, nil, "does not send three layers")
	for _, step := range []struct {
		what   string
		change string
		width  int
	}{
		{"a small tile", "el.style.width = '209px'; el.style.height = '156px'; el.style.objectFit = 'cover'", 320},
		{"as large as the lowest layer", "el.style.width = '320px'; el.style.height = '180px'", 320},
		{"larger", "el.style.width = '640px'; el.style.height = '360px'", 640},
		{"a stage", "el.style.width = '1280px'; el.style.height = '720px'", 1280},
		{"a stage of which the application wants less", "probe.parlor.updateRemoteVideo({userId: 'ann', quality: 'mid'})", 640},
		{"a stage again", "probe.parlor.updateRemoteVideo({userId: 'ann', quality: 'high'})", 1280},
		{"a tile again", "el.style.width = '209px'; el.style.height = '156px'", 320},
		{"a tile that is not adaptive", "probe.parlor.updateRemoteVideo({userId: 'ann', adaptive: false})", 1280},
	} {
		before := ben.received("ann")
		ben.show("ann", step.change, 0)
		ben.width("ann", step.width)
		after := ben.frames("ann", ben.received("ann"), 5)
		require.Equal(t, before.Video.SSRC, after.Video.SSRC, step.what)
		t.Logf("%s: %d wide", step.what, after.Video.FrameWidth)
	}
}

// Nothing comes of a picture that nobody can see, its sound goes on, and it is back at once.
func TestWhatIsHiddenDoesNotCome(t *testing.T) {
	_, ben := viewed(t, "hidden", map[string]any{})
	since := ben.now()
	ben.eval(`['remote-video-stalled', 'remote-video-resumed'].forEach((name) => probe.parlor.on(name, (e) => probe.events.push({...e, name, at: probe.now()})))`, nil)
	const tab = "Object.defineProperty(document, 'visibilityState', {value: %q, configurable: true}); document.dispatchEvent(new Event('visibilitychange'))"
	for _, way := range []struct{ what, hide, show string }{
		{"scrolled out", "el.style.top = '-2000px'", "el.style.top = '0'"},
		{"not laid out", "el.style.display = 'none'", "el.style.display = ''"},
		{"out of the page", "el.remove()", "document.body.append(el); void el.play()"},
		{"in a hidden tab", fmt.Sprintf(tab, "hidden"), fmt.Sprintf(tab, "visible")},
	} {
		// A machine that encodes in software is late now and then: the best of three counts.
		fastest := math.Inf(1)
		for n := 0; n < 3 && fastest > float64(back/time.Millisecond); n++ {
			fastest = min(fastest, ben.hideAndShow("ann", way.what, way.hide, way.show))
		}
		require.LessOrEqual(t, fastest, float64(back/time.Millisecond), "ms until a picture is back that was %s", way.what)
	}
	for _, e := range ben.events() {
		require.False(t, e.At > since && (e.Name == "remote-video-stalled" || e.Name == "error"), "%+v", e)
	}
}

// hideAndShow returns how long the picture of a user took to be received again, in ms, after nothing of it
// came while it was hidden. When it is seen is the browser's affair, which takes its time where the machine
// is busy.
func (p *person) hideAndShow(user, what, hide, show string) float64 {
	p.t.Helper()
	p.show(user, hide, 0)
	var before, after received
	for began := time.Now(); ; {
		before = p.received(user)
		time.Sleep(time.Second)
		if after = p.received(user); after.Video.PacketsReceived == before.Video.PacketsReceived {
			break
		}
		require.Less(p.t, time.Since(began), limit, "pictures come of what is %s", what)
	}
	require.Greater(p.t, after.Audio.heard(), before.Audio.heard(), "no sound comes of what is %s", what)
	at, next := p.show(user, show, limit)
	require.NotNil(p.t, next, "no picture comes of what was %s", what)
	p.t.Logf("a picture that was %s: received after %.1f ms, seen after %.1f ms", what, next.Received-at, next.Seen-at)
	p.frames(user, p.received(user), 5)
	return next.Received - at
}
