package web_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// windows are the sizes of phones, tablets and desks, upright and on their side.
var windows = [][2]int{{1280, 800}, {1920, 1080}, {1024, 768}, {768, 1024}, {844, 390}, {1200, 440}, {360, 800}, {320, 568}}

// say has the demo say everything at once that it may have to: in passing, of the server, of failures, of the
// connection.
const say = `import('/demo/page.js').then((page) => {
	for (const list of ['toasts', 'errors', 'dialog-errors']) document.getElementById(list).replaceChildren()
	const call = document.body.dataset.view === 'call'
	if (call) page.toast('ann joined')
	if (call) page.toast('ben: ' + 'What is said here is as long as a message in passing may be. '.repeat(2), '')
	if (call) page.toast('Message from the server: it says something to everybody, such as that the room closes in some minutes, and that it is for long.', 'server')
	page.toast('The browser does not give this page the microphone. Allow it in the address bar or in the settings of the system, then try again.', 'bad')
	page.toast('The browser does not give this page the camera. Allow it in the address bar or in the settings of the system, then try again.', 'bad')
	if (call) page.banner('Connection lost. Trying to get you back…', 'bad')
	return new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(() => {
		document.getAnimations().forEach((a) => a.finish())
		then()
	})))
})`

// covered is what the demo's notes lie on that is to be seen or used, and what of them cannot be read.
const covered = `(() => {
	const faults = []
	const shown = (el) => el.checkVisibility({ visibilityProperty: true, opacityProperty: true })
	const all = (selector) => [...document.querySelectorAll(selector)].filter(shown)
	const scrolls = (el) => el.closest('.people, .join')
	const seen = (el) => { // what of it lies in the part of the list that is in view
		const [r, p] = [el.getBoundingClientRect(), (el.closest('.people') ?? document.body).getBoundingClientRect()]
		return { left: Math.max(r.left, p.left), top: Math.max(r.top, p.top), right: Math.min(r.right, p.right), bottom: Math.min(r.bottom, p.bottom) }
	}
	const name = (el) => el.id || el.className || el.tagName
	const notes = all('.toast, .banner, .alone, .form-note').filter((el) => el.textContent)
	const kept = all('button, input, select, summary, video, .tile, .chat, .bar h1, .watching, .own-net .icon')
	if (notes.length < 3) faults.push('few notes: ' + notes.map(name))
	for (const note of notes) {
		const n = seen(note)
		if (!scrolls(note) && (n.left < 0 || n.top < 0 || n.right > innerWidth || n.bottom > innerHeight)) faults.push(name(note) + ' is beyond the window: ' + JSON.stringify(n))
		if (n.right - n.left < 120) faults.push(name(note) + ' is ' + (n.right - n.left) + ' wide')
		if (note.dataset.tone === 'bad' && note.scrollHeight > note.clientHeight + 1) faults.push(name(note) + ' cannot be read: ' + note.textContent)
		for (const el of kept) {
			const r = seen(el)
			const [w, h] = [Math.min(n.right, r.right) - Math.max(n.left, r.left), Math.min(n.bottom, r.bottom) - Math.max(n.top, r.top)]
			if (w > 1 && h > 1) faults.push(name(note) + ' "' + note.textContent.slice(0, 20) + '" covers ' + Math.round(w) + 'x' + Math.round(h) + ' of ' + name(el))
		}
	}
	const panel = all('.panel')[0]?.getBoundingClientRect().bottom ?? 0
	if (panel > document.querySelector('.controls').getBoundingClientRect().top && panel > 0) faults.push('the panel lies below the controls')
	return faults
})()`

// coversNothing holds what the demo says to lying on nothing, in every window.
func (p *person) coversNothing(what string) {
	p.t.Helper()
	for _, size := range windows {
		name := fmt.Sprintf("notes-%s-%dx%d", what, size[0], size[1])
		require.NoError(p.t, p.page.Resize(within(p.t, limit), size[0], size[1]))
		p.await("it is as wide", fmt.Sprintf("innerWidth === %d", size[0]))
		var faults []string
		p.eval(say+".then(() => "+covered+")", &faults)
		if len(faults) > 0 || size[0] == 320 {
			p.shoot(name)
		}
		assert.Empty(p.t, faults, name)
	}
}

// TestDemoNotesCoverNothing: what the demo says in passing lies on no control, picture or chat, whatever the
// window and whatever is open.
func TestDemoNotesCoverNothing(t *testing.T) {
	n := startNode(t)
	ann := joinDemo(t, n, "ann", "room=notes&user=ann&mic=0")
	ann.await("it sees itself", tiles(1))
	ann.coversNothing("alone")
	ben := joinDemo(t, n, "ben", "room=notes&user=ben&camera=0&mic=0")
	ann.await("ben is there", "document.querySelectorAll('#grid li').length === 2")
	ann.eval("document.querySelector('#talk').click()", nil)
	ann.coversNothing("chat")
	ann.eval("document.querySelector('#chat .panel-close').click()", nil)
	ben.eval("void document.querySelector('#share').click()", nil)
	ann.await("the screen is there", "document.querySelector('#stage video')?.videoWidth > 0")
	ann.coversNothing("stage")
	ann.eval("document.querySelector('#settings').click()", nil)
	ann.await("what fails is said in the dialog", fmt.Sprintf("(%s).then(() => document.querySelector('#dialog-errors').children.length === 2 && !document.querySelector('#errors').firstChild)", say))
	ann.shoot("notes-dialog")
	ann.eval("(document.querySelector('#dialog').close(), document.querySelector('#leave').click())", nil)
	ann.await("it says at the form that it has left", "document.querySelector('#form-note').checkVisibility() && /left/.test(document.querySelector('#form-note').textContent) && !document.querySelector('.toasts').firstChild")
	ann.coversNothing("join")
}

// TestDemoUndecodable: of a camera whose codec the browser does not decode the tile says so, in the place of
// the picture, and until that is over.
func TestDemoUndecodable(t *testing.T) {
	n := startNode(t)
	ben := openDemo(t, n, "ben", "room=codecs&user=ben&camera=0&mic=0")
	ben.eval(`(() => {
		const all = RTCRtpReceiver.getCapabilities.bind(RTCRtpReceiver)
		RTCRtpReceiver.getCapabilities = (kind) => ({ ...all(kind), codecs: all(kind).codecs.filter((c) => kind === 'audio' || c.mimeType === 'video/VP8') })
	})()`, nil)
	ben.eval("document.querySelector('#enter').click()", nil)
	ben.await("it is in the call", "document.body.dataset.view === 'call'")
	ann := joinAs(t, shared.get(t), n, entry{Room: "codecs", User: "ann", Video: map[string]any{"codec": "H264"}})
	const note = "document.querySelector('[data-user=ann] .tile-note')"
	ben.await("the tile says so", "/No picture: your browser cannot decode H264/.test("+note+"?.textContent)")
	for _, size := range [][2]int{{1280, 800}, {360, 800}} {
		require.NoError(t, ben.page.Resize(within(t, limit), size[0], size[1]))
		ben.await("it can be read", "(() => { const n = "+note+`.getBoundingClientRect(), r = document.querySelector('[data-user=ann]').getBoundingClientRect()
			return innerWidth === `+fmt.Sprint(size[0])+` && n.height > 0 && n.left >= r.left && n.right <= r.right && n.top >= r.top && n.bottom <= r.bottom })()`)
		ben.shoot(fmt.Sprintf("undecodable-%dx%d", size[0], size[1]))
	}
	ben.accessible()
	ann.eval("probe.parlor.stopLocalVideo()", nil)
	ben.await("it is over", note+".textContent === ''")
}

// TestDemoPoorLink: nothing is said of a network that is fine; of one's own that is poor the tile says what
// it is limited by, and the page above the call that it is.
func TestDemoPoorLink(t *testing.T) {
	n := startNode(t)
	ann := joinDemo(t, n, "ann", "room=link&user=ann&mic=0")
	ann.await("it sees itself", tiles(1))
	for _, size := range [][2]int{{1280, 800}, {360, 800}} {
		require.NoError(t, ann.page.Resize(within(t, limit), size[0], size[1]))
		ann.await("it is as wide", fmt.Sprintf("innerWidth === %d", size[0]))
		var said []string
		ann.eval(`[1, 3].map((downlinkNetworkQuality) => {
			parlor.emit('statistics', { downEstimate: 320, downQueue: 240 })
			parlor.emit('network-quality', { uplinkNetworkQuality: 1, downlinkNetworkQuality, uplinkLoss: 0, downlinkLoss: 22, rtt: 40, remote: [] })
			const [net, tile] = [document.querySelector('.tile-net'), document.querySelector('.tile')].map((el) => el.getBoundingClientRect())
			const lit = document.querySelectorAll('.tile-net .lit').length
			const own = document.querySelector('#own-net')
			const above = own.querySelector('.icon').checkVisibility() && own.getBoundingClientRect().right < document.querySelector('#people-button').getBoundingClientRect().left
			if (own.querySelector('.word').textContent !== (net.width ? 'Your network is poor' : '') || above !== net.width > 0) return 'not so above the call: ' + own.textContent
			return !net.width ? 'nothing' : net.left < tile.left || net.right > tile.right ? 'beyond the tile' : document.querySelector('.tile-net-text').textContent + ', ' + lit
		})`, &said)
		require.Equal(t, []string{"nothing", "poor; receiving: 0.3 Mbit/s, waits 240 ms, 22 % lost, 2"}, said)
		ann.shoot(fmt.Sprintf("link-%dx%d", size[0], size[1]))
	}
}
