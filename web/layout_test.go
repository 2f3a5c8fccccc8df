package web_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/client"
)

// crowd has people in a room who send nothing.
func crowd(t *testing.T, n *node, room string, people int) {
	t.Helper()
	for i := range people {
		c, err := client.Dial(t.Context(), client.Options{URL: n.url + "/", Room: room, User: fmt.Sprintf("person-%02d", i+1)})
		require.NoError(t, err)
		t.Cleanup(c.Close)
	}
}

// layout is where people and the shared screen are, in CSS pixels.
type layout struct {
	Visible, Width, Height int // people in view as a whole; the size of each
	StageW, StageH         int // of the screen
	Beyond                 int // how much the page is wider than its window
}

// layout measures the demo.
func (p *person) layout() layout {
	p.t.Helper()
	var l layout
	p.eval(`(() => {
		const grid = document.querySelector('.people').getBoundingClientRect()
		const all = [...document.querySelectorAll('#grid li')].map(el => el.getBoundingClientRect())
		const visible = all.filter(r => r.width > 0 && r.top >= grid.top - 1 && r.bottom <= grid.bottom + 1 && r.bottom <= innerHeight)
		const screen = document.querySelector('#stage li')?.getBoundingClientRect() ?? {width: 0, height: 0}
		return {Beyond: document.documentElement.scrollWidth - innerWidth, Visible: visible.length, Width: Math.round(all[0]?.width ?? 0), Height: Math.round(all[0]?.height ?? 0), StageW: Math.round(screen.width), StageH: Math.round(screen.height)}
	})()`, &l)
	return l
}

// TestDemoLayout: people and a shared screen are of use on every screen: nobody is a strip, several people
// are in view, and the screen keeps the most of the room.
func TestDemoLayout(t *testing.T) {
	n := startNode(t)
	crowd(t, n, "big", 24)
	ann := joinDemo(t, n, "ann", "room=big&user=ann&camera=0&mic=0")
	ann.await("everybody is there", "document.body.dataset.view === 'call' && document.querySelectorAll('#grid li').length === 25")
	ann.fits("crowd", map[[2]int]layout{
		{1280, 800}: {Visible: 25, Width: 200}, {1920, 1080}: {Visible: 25, Width: 300}, {844, 390}: {Visible: 25, Width: 84},
		{390, 844}: {Visible: 20, Width: 84}, {320, 568}: {Visible: 12, Width: 84},
	})
	ben := joinDemo(t, n, "ben", "room=big&user=ben&camera=0&mic=0")
	ben.await("it is in the call", "document.body.dataset.view === 'call'")
	ben.eval("void document.querySelector('#share').click()", nil)
	ann.await("the screen is there", "document.querySelector('#stage video')?.videoWidth > 0")
	ann.fits("stage", map[[2]int]layout{
		{1280, 800}: {Visible: 10, Width: 120, StageW: 900}, {1920, 1080}: {Visible: 18, Width: 120, StageW: 1400},
		{844, 390}: {Visible: 6, Width: 84, StageW: 560}, {768, 1024}: {Visible: 20, Width: 84, StageW: 700},
		{390, 844}: {Visible: 6, Width: 84, StageW: 360}, {320, 568}: {Visible: 6, Width: 84, StageW: 290},
	})
	ann.eval("document.querySelector('#talk').click()", nil)
	ann.fits("stage-chat", map[[2]int]layout{
		{1280, 800}: {Visible: 10, Width: 84, StageW: 600}, {844, 390}: {StageW: 480}, {768, 1024}: {StageW: 700}, {390, 844}: {}, {320, 568}: {},
	})
}

// TestDemoLayoutOfTheAudience: who only watches has no tile of its own, and the others have the room.
func TestDemoLayoutOfTheAudience(t *testing.T) {
	n := startNode(t)
	host := joinDemo(t, n, "host", "room=live&user=host&scene=live&mic=0")
	host.await("it is in the call", "document.body.dataset.view === 'call'")
	eve := joinDemo(t, n, "eve", "room=live&user=eve&scene=live&role=audience")
	eve.await("it sees the host alone", tiles(1))
	eve.fits("audience", map[[2]int]layout{
		{1280, 800}: {Visible: 1, Width: 1000}, {390, 844}: {Visible: 1, Width: 360}, {320, 568}: {Visible: 1, Width: 290}, {844, 390}: {Visible: 1, Width: 400},
	})
}

// fits holds the demo to at least so much, by the window's size.
func (p *person) fits(what string, sizes map[[2]int]layout) {
	p.t.Helper()
	for size, least := range sizes {
		name := fmt.Sprintf("%s-%dx%d", what, size[0], size[1])
		require.NoError(p.t, p.page.Resize(within(p.t, limit), size[0], size[1]))
		p.await("it has been laid out", "new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(() => then(innerWidth === "+fmt.Sprint(size[0])+"))))")
		got := p.layout()
		p.t.Logf("%s: %+v", name, got)
		p.shoot(name)
		require.GreaterOrEqual(p.t, got.Visible, least.Visible, "%s: too few are in view: %+v", name, got)
		require.GreaterOrEqual(p.t, got.Width, least.Width, "%s: people are too narrow: %+v", name, got)
		require.GreaterOrEqual(p.t, got.StageW, least.StageW, "%s: the screen is too narrow: %+v", name, got)
		require.LessOrEqual(p.t, got.Height, 2*got.Width, "%s: people are tall strips: %+v", name, got)
		require.LessOrEqual(p.t, got.Width, 2*got.Height, "%s: people are flat strips: %+v", name, got)
		require.Zero(p.t, got.Beyond, "%s: the page is wider than its window", name)
	}
}
