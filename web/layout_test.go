package web_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// crowd is a stand-in for a room: the demo is told of people and screens as the client tells of them.
const crowd = `(() => {
	const names = ['Ann Smith', 'Bob Müller', '李小龙', 'علی\u200cرضا', 'Дмитрий Иванов', 'A very long name that does not fit on any tile of a phone', 'Ελένη', '👩\u200d👩\u200d👧 Family']
	const say = (name, detail) => parlor.emit(name, detail)
	window.crowd = {
		n: 0,
		people(n) {
			for (; this.n < n; this.n++) say('remote-user-enter', { userId: 'u' + this.n, name: names[this.n % names.length] + (this.n < names.length ? '' : ' ' + this.n), mediaOnly: false })
			for (; this.n > n; this.n--) say('remote-user-exit', { userId: 'u' + (this.n - 1), reason: 0 })
		},
		say,
	}
})()`

// faultsOf is what is wrong with how the demo is laid out.
const faultsOf = `((screen) => {
	const faults = []
	const box = (el) => el.getBoundingClientRect()
	const shown = (el) => el.checkVisibility({ visibilityProperty: true })
	const inside = (r, a) => r.left >= a.left - 1 && r.top >= a.top - 1 && r.right <= a.right + 1 && r.bottom <= a.bottom + 1
	const all = (selector) => [...document.querySelectorAll(selector)].filter(shown)
	const name = (el) => el.id || el.className || el.tagName
	const window_ = { left: 0, top: 0, right: innerWidth, bottom: innerHeight }
	if (document.documentElement.scrollWidth > innerWidth || document.documentElement.scrollHeight > innerHeight) faults.push('the page scrolls')
	const grid = document.querySelector('#grid'), tiles = all('#grid li'), least = parseFloat(getComputedStyle(grid).getPropertyValue('--least'))
	const strip = grid.clientHeight < least / (16 / 9)
	const panel = all('.panel')[0]
	if (panel && box(panel).bottom > box(document.querySelector('.controls')).top) faults.push('the panel lies below the controls')
	for (const t of tiles) {
		const r = box(t)
		if (!inside(r, box(grid)) || !inside(r, window_)) faults.push('a tile is outside of its room: ' + t.dataset.name)
		if (r.width < Math.min(least, grid.clientWidth) - 1 && !strip) faults.push('a tile is too narrow: ' + r.width)
		if (r.width < 90) faults.push('a tile cannot be made out: ' + r.width)
		if (r.width > 2 * r.height || r.height > 2 * r.width) faults.push('a tile is a strip: ' + r.width + 'x' + r.height)
	}
	if (shown(grid)) {
		const speaker = document.querySelector('#grid [data-active=true]')
		if (speaker && !tiles.includes(speaker)) faults.push('who speaks is not in view')
		if (document.querySelector('#pager').hidden && document.querySelectorAll('#grid li').length > tiles.length) faults.push('some are on no page')
	}
	if (screen && !document.querySelector('#floor').classList.contains('has-panel')) {
		const r = all('#stage .tile-view').map(box)
		if (r.length !== 1 || r[0].width < 0.45 * innerWidth) faults.push('the screen is not large: ' + r.map((x) => x.width))
		const p = box(document.querySelector('#stage .tile-name'))
		if (r[0] && p.bottom > r[0].top + 1) faults.push('the label lies on the screen')
	}
	for (const el of all('#call button, #call input, #call select, .chat-log, .people-list')) {
		if (el.closest('.tile-tools')) continue // they come when they are wanted
		const r = box(el), list = el.closest('.people-list, .screens')
		if (list && list !== el && !inside(r, box(list))) continue // scrolls
		if (r.height < 1 || !inside(r, window_)) faults.push(name(el) + ' is beyond the window')
		if (el.matches('.turn') && !inside(r, box(el.closest('.people')))) faults.push(name(el) + ' is beyond its place')
		const top = document.elementsFromPoint((r.left + r.right) / 2, (r.top + r.bottom) / 2)[0]
		if (!el.contains(top) && !el.labels?.[0]?.contains(top)) faults.push(name(el) + ' is covered by ' + (top ? name(top) : 'nothing'))
		if (el.matches('.turn, .control, .panel button') && (r.width < 44 || r.height < 43.5)) faults.push(name(el) + ' is small: ' + r.width + 'x' + r.height)
	}
	return faults
})`

// sizes of windows: desks, tablets, phones, upright and on their side; a desk at a zoom of 200 %.
var sizes = [][2]int{{1440, 900}, {1024, 768}, {768, 1024}, {390, 844}, {320, 568}, {844, 390}, {720, 450}}

// stands resizes the window and fails the test for each fault of the layout.
func (p *person) stands(what string, screen bool, size [2]int) {
	p.t.Helper()
	name := fmt.Sprintf("%s-%dx%d", what, size[0], size[1])
	require.NoError(p.t, p.page.Resize(within(p.t, limit), size[0], size[1]))
	p.await("it has that size", fmt.Sprintf("innerWidth === %d && innerHeight === %d", size[0], size[1]))
	var faults []string
	p.eval(fmt.Sprintf(`new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(() => then(%s(%v)))))`, faultsOf, screen), &faults)
	assert.Empty(p.t, faults, name)
	if p.t.Failed() || size[0] == 320 || what == "50-screen" {
		p.shoot(name)
	}
}

// TestDemoLayout: with 1 to 50 people, beside a screen and with a panel open, everything is where it can be seen
// and used, in every window; who speaks is in view.
func TestDemoLayout(t *testing.T) {
	n := startNode(t)
	ann := joinDemo(t, n, "ann", "room=big&user=ann&camera=0&mic=0")
	ann.await("it is in the call", "document.body.dataset.view === 'call'")
	ann.eval(crowd, nil)
	for _, people := range []int{1, 2, 9, 50} {
		ann.eval(fmt.Sprintf("(crowd.people(%d), crowd.say('active-speaker', { userId: %d ? 'u%[2]d' : null }))", people-1, max(0, people-2)), nil)
		for _, size := range sizes {
			ann.stands(fmt.Sprint(people), false, size)
		}
	}
	ann.turnsPages()
	ann.eval("(parlor.startRemoteVideo = async () => {}, crowd.say('remote-video-available', { userId: 'u3', streamType: 'sub' }))", nil)
	for _, size := range sizes {
		ann.stands("50-screen", true, size)
	}
	ann.eval("crowd.say('remote-video-available', { userId: 'u5', streamType: 'sub' })", nil)
	ann.await("one of two screens is shown", "document.querySelectorAll('#screens button').length === 2 && [...document.querySelectorAll('#stage li')].filter((li) => li.checkVisibility()).map((li) => li.dataset.user).join() === 'u5'")
	ann.eval("document.querySelector('#screens button').click()", nil)
	ann.await("the other is chosen", "[...document.querySelectorAll('#stage li')].filter((li) => li.checkVisibility()).map((li) => li.dataset.user).join() === 'u3'")
	for _, panel := range []string{"talk", "people-button"} {
		ann.eval("document.querySelector('#"+panel+"').click()", nil)
		for _, size := range sizes {
			ann.stands("50-screens-"+panel, true, size)
		}
	}
	ann.findsPeople()
	ann.axe()
	ann.stands("keyboard-up", true, [2]int{320, 300})
}

// turnsPages goes through the pages by buttons, keys and a swipe.
func (p *person) turnsPages() {
	p.t.Helper()
	require.NoError(p.t, p.page.Resize(within(p.t, limit), 390, 844))
	const at, shown = "document.querySelector('#page-now').textContent === 'Page %d of 6'", "[...document.querySelectorAll('#grid li')].filter((li) => li.checkVisibility())"
	p.await("the first page is shown, and oneself on it", fmt.Sprintf(at, 1)+" && "+shown+".length === 10 && "+shown+"[0].dataset.user === 'ann'")
	p.eval("document.querySelector('#page-on').click()", nil)
	p.await("the second page has others, oneself and who speaks", fmt.Sprintf(at, 2)+" && "+shown+".some((li) => li.dataset.self === 'true') && "+shown+".some((li) => li.dataset.active === 'true')")
	p.eval(shown+".find((li) => li.dataset.active !== 'true' && li.dataset.self === 'false').querySelector('.tile-sound').focus()", nil)
	const key = "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: '%s', bubbles: true, cancelable: true }))"
	p.eval(fmt.Sprintf(key, "ArrowLeft"), nil)
	p.await("a key turns, and the focus stays among the people", fmt.Sprintf(at, 1)+" && document.activeElement.id === 'grid'")
	p.eval(fmt.Sprintf("("+key+", "+key+")", "PageDown", "PageDown"), nil)
	p.await("two keys turn twice", fmt.Sprintf(at, 3))
	p.eval(`[['pointerdown', 300], ['pointerup', 100]].forEach(([type, clientX]) =>
		document.querySelector('#grid').dispatchEvent(new PointerEvent(type, { clientX, clientY: 400, pointerId: 7, pointerType: 'touch', bubbles: true })))`, nil)
	p.await("a swipe turns", fmt.Sprintf(at, 4))
	p.eval("(document.querySelector('#page-on').click(), document.querySelector('#page-on').click(), document.querySelector('#page-on').click())", nil)
	p.await("the last is the last", fmt.Sprintf(at, 6)+" && document.querySelector('#page-on').ariaDisabled === 'true'")
}

// findsPeople uses the list: states, a name, the tools, the way back.
func (p *person) findsPeople() {
	p.t.Helper()
	require.NoError(p.t, p.page.Resize(within(p.t, limit), 320, 568))
	p.await("it is small", "innerWidth === 320")
	const row = "document.querySelector('#people-rows [data-user=u3]')"
	p.eval(`(crowd.say('remote-audio-available', { userId: 'u3' }), crowd.say('audio-volume', { result: [{ userId: 'u3', volume: 50 }] }),
		crowd.say('network-quality', { uplinkNetworkQuality: 1, downlinkNetworkQuality: 1, uplinkLoss: 0, downlinkLoss: 0, rtt: 9, remote: [{ userId: 'u3', quality: 4 }, { userId: 'u4', quality: 1 }] }))`, nil)
	p.await("the states are said, a network only if it is poor", row+".querySelector('.person-state').textContent === 'Camera off, speaking, network bad' && "+
		"document.querySelector('#people-rows [data-user=u4] .person-state').textContent === 'Microphone off, camera off' && document.querySelector('#people-rows li').textContent.includes('ann (you)')")
	p.eval("(document.querySelector('#people-filter').value = 'MULLER 17', document.querySelector('#people-filter').dispatchEvent(new Event('input')))", nil)
	p.await("one is found", "[...document.querySelectorAll('#people-rows li')].filter((li) => li.checkVisibility()).map((li) => li.dataset.user).join() === 'u17'")
	p.eval(`(parlor.setRemoteVolume = async (...a) => { window.loud = a.join() }, document.querySelector('[data-user=u17] .person-more').click())`, nil)
	p.eval("(document.querySelector('[data-user=u17] .person-volume').value = 40, document.querySelector('[data-user=u17] .person-volume').dispatchEvent(new Event('change')))", nil)
	p.eval("document.querySelector('#people-rows [data-user=u17] .person-sound').click()", nil)
	p.await("its tools work", "window.loud === 'u17,40' && document.querySelector('#grid [data-user=u17]').dataset.silenced === 'true' && document.querySelector('#people-rows [data-user=u17]').textContent.includes('Hear Bob Müller 17 again')")
	p.shoot("list-tools")
	p.accessible()
	p.axe()
	p.eval("document.querySelector('[data-user=u17] .person-more').focus()", nil)
	require.NoError(p.t, p.page.Press(within(p.t, limit), "\x1b"))
	p.await("Escape closes it and the focus is back", "document.querySelector('#people-panel').hidden && document.activeElement.id === 'people-button'")
	p.eval("(document.querySelector('#people-button').click(), document.querySelector('#talk').click())", nil)
	p.await("one panel at a time", "document.querySelector('#people-panel').hidden && !document.querySelector('#chat').hidden && document.querySelector('#people-button').ariaExpanded === 'false'")
}

// sparesTheDownlink opens the list of people on a small phone, where one other is in view: pictures of other pages
// do not come, and who speaks is brought in view and comes. Two others send pictures.
func (p *person) sparesTheDownlink() {
	p.t.Helper()
	require.NoError(p.t, p.page.Resize(within(p.t, limit), 320, 568))
	p.eval("(void parlor.enableAudioVolumeEvaluation(0), document.querySelector('#people-button').click())", nil)
	p.eval("parlor.on('statistics', (s) => { window.comes = s.remoteStatistics.filter(({ video }) => video.some((v) => v.bitrate > 0)).map((u) => u.userId).join() })", nil)
	const seen = "[...document.querySelectorAll('#grid li[data-self=false]')].filter((li) => li.checkVisibility()).map((li) => li.dataset.user).join()"
	p.await("one picture is in view, and it alone comes", "!"+seen+".includes(',') && window.comes === "+seen)
	p.eval("parlor.emit('active-speaker', { userId: [...document.querySelectorAll('#grid li')].find((li) => !li.checkVisibility()).dataset.user })", nil)
	p.await("who speaks is in view instead, and comes", seen+" === document.querySelector('#grid [data-active=true]')?.dataset.user && window.comes === "+seen)
	p.eval("document.querySelector('#people-button').click()", nil)
}

// TestDemoLayoutOfTheAudience: who only watches has no tile of its own, and the others have the room.
func TestDemoLayoutOfTheAudience(t *testing.T) {
	n := startNode(t)
	host := joinDemo(t, n, "host", "room=live&user=host&scene=live&mic=0")
	host.await("it is in the call", "document.body.dataset.view === 'call'")
	eve := joinDemo(t, n, "eve", "room=live&user=eve&scene=live&role=audience")
	eve.await("it sees the host alone, and how many watch", tiles(1)+" && document.querySelector('#watching').textContent.trim() === '1 watching'")
	for size, least := range map[[2]int]int{{1440, 900}: 1200, {390, 844}: 360, {320, 568}: 290, {844, 390}: 380} {
		eve.stands("audience", false, size)
		eve.await("the stage is as large as it goes", fmt.Sprintf("document.querySelector('#grid li').getBoundingClientRect().width >= %d", least))
	}
}
