package web_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/web/browser"
)

// large is a camera in one layer, of some 160 kbit/s.
var large = map[string]any{"width": 640, "height": 360, "frameRate": 15, "simulcast": false}

// thin carries sound, and no picture as large as that.
const thin = calm + " rate=150k queue=300ms"

// What the network does not carry is paused. The client says so, as does DescribeUser; the sound goes on; and
// when there is room the picture is back.
func TestPaused(t *testing.T) {
	d := startDrawn(t)
	at := d.away(browser.StartChromium)
	_, ben := d.watched("paused", large, at)
	at.link(thin)
	require.True(t, ben.told("paused", map[string]any{"userId": "ann", "source": "camera", "on": true}).On)
	ben.limited("delay or loss", "paused")
	user, _ := d.command("DescribeUser", map[string]any{"StrRoomId": "paused", "UserId": "ben"})["Rooms"].([]any)
	require.Len(t, user, 1)
	fields, _ := user[0].(map[string]any)
	require.Equal(t, []any{map[string]any{"UserId": "ann", "Source": "camera"}}, fields["Paused"])
	require.Contains(t, []any{"delay", "loss"}, fields["Network"].(map[string]any)["LimitedBy"])
	ben.goes("ann", 5, 0, 0.1)
	at.link(calm)
	ben.told("paused", map[string]any{"userId": "ann", "source": "camera", "on": false})
	ben.frames("ann", ben.received("ann"), 10)
	ben.limited("none", "live")
}

// The demo says of a paused picture that it is, and of the link what it means; nothing that stands still
// looks as if it lived.
func TestDemoPaused(t *testing.T) {
	d := startDrawn(t)
	at := d.away(browser.StartChromium)
	joinAs(t, shared.get(t), d.node, entry{Room: "slow", User: "ann", Video: large})
	ben := openDemoIn(t, at.browser, d.node, "ben", "room=slow&user=ben&camera=0&mic=0")
	ben.await("it asks for a token", "document.querySelector('#user').value && document.querySelector('#token')")
	ben.eval(fmt.Sprintf("(document.querySelector('#token').value = %q, document.querySelector('#enter').click())", d.token("slow", "ben")), nil)
	const tile = "document.querySelector('#grid [data-user=ann]')"
	ben.await("it sees ann", tile+"?.querySelector('video')?.currentTime > 0.5")
	at.link(thin)
	const note = tile + ".querySelector('.tile-note')"
	ben.await("the tile says so", `/^Paused: your network is too slow/.test(`+note+`.textContent)`)
	ben.await("its own says what that means", `/Your connection is (slow|poor): some pictures are paused/.test(document.querySelector('#grid [data-self=true] .tile-net .sr').textContent)`)
	time.Sleep(4 * time.Second) // a picture that stands still is noticed after a while
	for _, size := range [][2]int{{1280, 800}, {390, 844}} {
		require.NoError(t, ben.page.Resize(within(t, limit), size[0], size[1]))
		ben.await("it can be read, alone, and the picture is dim", `(() => {
			const tile = `+tile+`, note = tile.querySelector('.tile-note'), n = note.getBoundingClientRect(), r = tile.getBoundingClientRect()
			return innerWidth === `+fmt.Sprint(size[0])+` && n.height > 0 && n.left >= r.left && n.right <= r.right && n.top >= r.top && n.bottom <= r.bottom &&
				note.scrollWidth <= note.clientWidth && !tile.querySelector('.tile-stalled').checkVisibility() &&
				getComputedStyle(tile.querySelector('.tile-view')).filter.includes('grayscale(1)')
		})()`)
		ben.shoot(fmt.Sprintf("paused-%dx%d", size[0], size[1]))
	}
	ben.accessible()
	at.link(calm)
	ben.await("it is over", note+".textContent === ''")
	ben.await("nothing is said of the link", "document.querySelector('#grid [data-self=true] .tile-net').hidden")
}

// A player has no message by which it could be told: it has sound, and no picture, while its network carries
// no more.
func TestWHEPOverAThinLink(t *testing.T) {
	d := startDrawn(t)
	at := d.away(browser.StartChromium)
	joinAs(t, shared.get(t), d.node, entry{Room: "tv", User: "ann", Video: large})
	tv := openPage(t, at.browser, d.node, "tv")
	tv.eval(whip, nil)
	tv.eval(fmt.Sprintf("whip.play('/whep/tv/ann?user=tv', 1, %q)", d.token("tv", "tv")), nil)
	type stream struct {
		Kind                                                                   string
		FramesDecoded, PacketsReceived, TotalSamplesReceived, ConcealedSamples int
	}
	look := func() (picture, sound stream) {
		var all []stream
		tv.eval("whip.received()", &all)
		for _, s := range all {
			if s.Kind == "video" {
				picture = s
			} else {
				sound = s
			}
		}
		return picture, sound
	}
	const more = "whip.received().then((all) => all.every((s) => s.kind !== 'video' || s.framesDecoded > %d))"
	tv.await("it plays", fmt.Sprintf(more, 10))
	at.link(thin)
	began := time.Now()
	for {
		picture, _ := look()
		time.Sleep(3 * time.Second)
		if later, _ := look(); later.FramesDecoded == picture.FramesDecoded {
			break
		}
		require.Less(t, time.Since(began), 2*limit, "its picture is paused")
	}
	// Until then the picture may have stood in the link, and the sound behind it.
	_, sound := look()
	time.Sleep(3 * time.Second)
	picture, heard := look()
	all, made := heard.TotalSamplesReceived-sound.TotalSamplesReceived, heard.ConcealedSamples-sound.ConcealedSamples
	t.Logf("paused after %.0f s; %.1f %% of the sound are made up", time.Since(began).Seconds(), 100*float64(made)/float64(all))
	require.Positive(t, all)
	require.Less(t, float64(made), 0.1*float64(all), "its sound goes on")
	at.link(calm)
	tv.await("the picture is back", fmt.Sprintf(more, picture.FramesDecoded+5))
}
