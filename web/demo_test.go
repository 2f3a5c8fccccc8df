package web_test

import (
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/web/browser"
)

// openDemo opens the demo page as a user's browser does.
func openDemo(t *testing.T, n *node, user, query string) *person {
	t.Helper()
	return openDemoIn(t, shared.get(t), n, user, query)
}

func openDemoIn(t *testing.T, b *browser.Browser, n *node, user, query string) *person {
	t.Helper()
	page, err := b.Open(within(t, limit), n.url+"/?"+query)
	require.NoError(t, err)
	p := &person{t: t, name: user, page: page}
	t.Cleanup(p.cleanUp)
	p.eval(toasted, nil)
	return p
}

// toasted keeps what the demo says in passing, which is gone after a few seconds: tone and text of each.
const toasted = `void (() => {
	window.toasted = []
	new MutationObserver((all) => all.forEach((m) => m.addedNodes.forEach((el) => toasted.push(el.dataset.tone + ': ' + el.textContent))))
		.observe(document.querySelector('#toasts'), { childList: true })
})()`

// joinDemo opens it and clicks on joining: a link alone enters no room.
func joinDemo(t *testing.T, n *node, user, query string) *person {
	t.Helper()
	p := openDemo(t, n, user, query)
	p.await("the form is filled in", "document.body.dataset.role && document.querySelector('#user').value")
	p.eval("document.querySelector('#enter').click()", nil)
	return p
}

// await waits for a condition in the page.
func (p *person) await(what, condition string) {
	p.t.Helper()
	p.wait(limit, condition, nil, "waits until %s", what)
}

// shoot leaves a screenshot among the artifacts of the test (go test -artifacts).
func (p *person) shoot(name string) {
	p.t.Helper()
	ctx, cancel := contextAfterTest()
	defer cancel()
	png, err := p.page.Screenshot(ctx)
	if err != nil {
		p.t.Logf("no screenshot of %s: %v", name, err)
		return
	}
	path := filepath.Join(p.t.ArtifactDir(), name+".png")
	require.NoError(p.t, os.WriteFile(path, png, 0o644))
	p.t.Logf("screenshot: %s", path)
}

// tiles is the condition that the demo shows so many people with pictures that play.
func tiles(people int) string {
	return fmt.Sprintf(`document.querySelectorAll('#grid li').length === %[1]d &&
		[...document.querySelectorAll('#grid video')].filter(v => v.videoWidth > 0 && v.currentTime > 0.2).length === %[1]d`, people)
}

// Everything with the keyboard alone: the name, joining, muting, leaving.
func TestDemoByKeyboard(t *testing.T) {
	n := startNode(t)
	p := openDemo(t, n, "ann", "room=keys")
	ctx := within(t, 3*limit)
	p.await("the name has the focus", "document.activeElement?.id === 'user'")
	require.NoError(t, p.page.Press(ctx, "ann\r"))
	p.await("it is in the call", "document.body.dataset.view === 'call'")
	p.await("microphone and camera are on", "document.querySelector('#mic').dataset.on === 'true' && document.querySelector('#cam').dataset.on === 'true'")
	p.await("its own picture plays", tiles(1))
	in := n.users("keys")
	require.Len(t, in, 1)
	require.Regexp(t, "^ann-", in[0], "an id made of the name that was typed")

	p.tabTo("mic")
	require.NoError(t, p.page.Press(ctx, " "))
	p.await("it is muted", "document.querySelector('#mic').textContent.includes('Unmute')")
	p.tabTo("leave")
	require.NoError(t, p.page.Press(ctx, "\r"))
	p.await("it is back at the start", "document.body.dataset.view === 'join'")
	p.await("its camera is off until it is asked for", `!document.querySelector('#look').hidden && !document.querySelector('#preview video') &&
		/starts when you join/.test(document.querySelector('#preview-note').textContent)`)
}

// tabTo presses Tab until the element has the focus, and holds the page to showing where it is.
func (p *person) tabTo(id string) {
	p.t.Helper()
	for range 30 {
		var focus string
		p.eval("document.activeElement?.id ?? ''", &focus)
		if focus == id {
			var ring string
			p.eval("getComputedStyle(document.activeElement).outlineStyle + ' ' + getComputedStyle(document.activeElement).boxShadow", &ring)
			require.NotEqual(p.t, "none none", ring, "the focus cannot be seen")
			return
		}
		require.NoError(p.t, p.page.Press(within(p.t, limit), "\t"))
	}
	p.t.Fatalf("Tab never gets to #%s", id)
}

// Three people in the demo; one is removed and is told why, another reads that it left; a room is dismissed.
func TestDemoCall(t *testing.T) {
	n := startNode(t)
	ann := joinDemo(t, n, "ann", "room=lobby&user=ann")
	ben := joinDemo(t, n, "ben", "room=lobby&user=ben")
	cleo := joinDemo(t, n, "cleo", "room=lobby&user=cleo")
	for _, p := range []*person{ann, ben, cleo} {
		p.await("it sees three people", tiles(3))
	}
	ann.accessible()
	ann.shoot("call")
	require.NoError(t, ann.page.Resize(within(t, limit), 390, 844))
	ann.await("it fits a phone", "document.documentElement.scrollWidth <= innerWidth")
	ann.shoot("call-phone")
	ann.sparesTheDownlink()

	n.command("RemoveUser", map[string]any{"StrRoomId": "lobby", "UserIds": []string{"cleo"}, "Reason": "Please come back with a headset."})
	ben.await("it reads why", "toasted.some((t) => /cleo was removed/.test(t))")
	cleo.await("it is told that it was removed", "document.body.dataset.view === 'notice' && document.querySelector('#notice').dataset.reason === '1'")
	var quote string
	cleo.eval("document.querySelector('#notice-quote').textContent", &quote)
	require.Equal(t, "Please come back with a headset.", quote)
	cleo.accessible()
	cleo.shoot("removed")
	ben.await("cleo is gone", tiles(2))

	n.command("DismissRoom", map[string]any{"StrRoomId": "lobby"})
	for _, p := range []*person{ann, ben} {
		p.await("it is told that the room was dismissed", "document.querySelector('#notice').dataset.reason === '2' && document.body.dataset.view === 'notice'")
	}
}

// Somebody's video is blocked and let flow again: the demo says so for as long as it is.
func TestDemoBlocked(t *testing.T) {
	n := startNode(t)
	ann := joinDemo(t, n, "ann", "room=quiet&user=ann")
	ann.await("it is in the call", tiles(1))
	n.command("SetUserBlocked", map[string]any{"StrRoomId": "quiet", "UserId": "ann", "Block": "video"})
	ann.await("it says so", "/cannot see you/.test(document.querySelector('#blocked').textContent)")
	ann.accessible()
	ann.shoot("blocked")
	n.command("SetUserBlocked", map[string]any{"StrRoomId": "quiet", "UserId": "ann", "Block": "none"})
	ann.await("it says so", "document.querySelector('#blocked').textContent === ''")
}

func TestDemoJoinForm(t *testing.T) {
	n := startNode(t)
	p := openDemo(t, n, "ann", "room=lobby")
	p.await("it says when the camera starts", "/starts when you join/.test(document.querySelector('#preview-note').textContent)")
	p.accessible()
	p.shoot("join-before")
	p.eval("document.querySelector('#look').click()", nil)
	p.await("the camera preview plays", "document.querySelector('#preview video')?.videoWidth > 0")
	p.accessible()
	p.shoot("join")
	require.NoError(t, p.page.Resize(within(t, limit), 390, 844))
	p.await("it fits a phone", "document.documentElement.scrollWidth <= innerWidth")
	p.shoot("join-phone")
	p.eval("document.querySelector('#user').focus()", nil)
	require.NoError(t, p.page.Press(within(t, limit), "\r"))
	p.await("it says that a name is missing", "document.querySelector('#form-error').textContent !== '' && document.activeElement.id === 'user'")
}

// TestALinkAloneDoesNothing: whoever is sent one sees the form filled in. No device is opened and no room
// entered before a click.
func TestALinkAloneDoesNothing(t *testing.T) {
	n := startNode(t)
	p := openDemo(t, n, "ann", "room=trap&user=ann&autojoin=1&join=1&camera=1&mic=1&preview=1")
	p.await("the form is filled in", "document.querySelector('#user').value === 'ann' && document.querySelector('#room').value === 'trap'")
	var did string
	p.eval(`new Promise((then) => setTimeout(() => then([document.body.dataset.view, parlor.connectionState,
		String(parlor.getLocalTrack('camera')), String(parlor.getLocalTrack('mic'))].join()), 1000))`, &did)
	require.Equal(t, "join,DISCONNECTED,null,null", did)
	p.eval("document.querySelector('#enter').click()", nil)
	p.await("a click enters", tiles(1))
}

// accessible fails the test when something that a screen reader needs is missing from what can be seen.
func (p *person) accessible() {
	p.t.Helper()
	var faults []string
	p.eval(`(() => {
		const faults = []
		const shown = (el) => el.checkVisibility({visibilityProperty: true})
		const text = (id) => document.getElementById(id)?.textContent.trim()
		const name = (el) => el.getAttribute('aria-label') || (el.getAttribute('aria-labelledby') ?? '').split(' ').map(text).join('') ||
			[...(el.labels ?? [])].map(l => l.textContent.trim()).join('') || (el.matches('button, a') ? el.textContent.trim() : '') || el.title
		if (!document.documentElement.lang) faults.push('the page has no language')
		if (!document.title) faults.push('the page has no title')
		if (/user-scalable=no|maximum-scale=1/.test(document.querySelector('meta[name=viewport]')?.content)) faults.push('zooming is forbidden')
		if ([...document.querySelectorAll('h1')].filter(shown).length !== 1) faults.push('there is not one heading')
		if ([...document.querySelectorAll('main')].filter(shown).length !== 1) faults.push('there is not one main part')
		for (const el of document.querySelectorAll('button, a[href], input, select, textarea, [role=button], dialog[open]')) {
			if (shown(el) && !name(el)) faults.push('no name: ' + el.outerHTML.slice(0, 120))
			if (el.tabIndex > 0) faults.push('order of focus: ' + el.outerHTML.slice(0, 120))
		}
		for (const el of document.querySelectorAll('img')) if (!el.hasAttribute('alt')) faults.push('no alt: ' + el.outerHTML)
		for (const el of document.querySelectorAll('svg')) if (shown(el) && !el.closest('[aria-hidden=true], [role=img], [hidden]')) faults.push('a picture without words: ' + el.outerHTML.slice(0, 120))
		for (const el of document.querySelectorAll('main:not([hidden]) [role=status], body > [role=log], main:not([hidden]) [role=alert]')) {
			if (getComputedStyle(el).display === 'none') faults.push('not in the tree while empty: ' + el.id)
		}
		const ids = [...document.querySelectorAll('[id]')].map(el => el.id)
		for (const id of new Set(ids)) if (ids.filter(i => i === id).length > 1) faults.push('id twice: ' + id)
		return faults
	})()`, &faults)
	require.Empty(p.t, faults)
}

// The browser does not give its devices: the demo says so and what to do, nothing looks on that is not, and
// the call goes on.
func TestDemoDenied(t *testing.T) {
	n := startNode(t)
	ann := joinDemo(t, n, "ann", "room=denied&user=ann&camera=0&mic=0")
	ann.await("it is in the call", "document.body.dataset.view === 'call'")
	ann.eval(`void (navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError') })`, nil)
	for _, b := range []struct{ id, device string }{{"mic", "microphone"}, {"cam", "camera"}} {
		ann.eval(fmt.Sprintf("document.querySelector('#%s').click()", b.id), nil)
		ann.await("it says what to do", fmt.Sprintf("/the %s\\. Allow it in/.test(document.querySelector('#errors').textContent)", b.device))
		ann.await("nothing looks on", fmt.Sprintf("document.querySelector('#%s').dataset.on === 'false'", b.id))
	}
	join(t, shared.get(t), n, "denied", "ben")
	ann.await("it sees ben all the same", "document.querySelectorAll('#grid video').length > 0 && [...document.querySelectorAll('#grid video')].every(v => v.videoWidth > 0)")
}

// Entering is refused while the browser still asks for the microphone: what is answered afterwards turns
// nothing on, and the focus is where one can try again.
func TestDemoRefusedWhileAsking(t *testing.T) {
	n := startNode(t)
	joinAs(t, shared.get(t), n, entry{Room: "other", User: "ben", Scene: "live", Video: false, Audio: false})
	ann := openDemo(t, n, "ann", "room=other&user=ann&camera=0")
	ann.asks()
	ann.eval("document.querySelector('#enter').click()", nil)
	ann.await("it is told why", "/another mode/.test(document.querySelector('#form-error').textContent) && document.activeElement.id === 'enter'")
	ann.allows()
	ann.await("the microphone is let go", "tracks.length === 1 && tracks[0].readyState === 'ended'")
	ann.await("and does not look on", "document.querySelector('#mic').dataset.on === 'false' && !parlor.getLocalTrack('mic')")
	ann.accessible()
}

// asks has the browser ask for devices until allows() is called; tracks are those that it has given since.
func (p *person) asks() {
	p.t.Helper()
	p.eval(`(() => {
		const { mediaDevices } = navigator
		const ask = mediaDevices.getUserMedia.bind(mediaDevices)
		window.tracks = []
		window.allow = null
		mediaDevices.getUserMedia = async (c) => {
			await new Promise((then) => { window.allow = () => { window.allow = null; then() } })
			const media = await ask(c)
			window.tracks.push(...media.getTracks())
			return media
		}
	})()`, nil)
}

// allows gives the browser the devices that it asks for, or is about to ask for.
func (p *person) allows() {
	p.t.Helper()
	p.await("the browser asks", "allow && (allow(), true)")
}

// While the browser asks, the preview says that the camera starts, and offers nothing else. Leaving calls
// that off, and changes nothing about what is wanted. Entering that is refused shows the camera again only if
// it was shown before.
func TestDemoPreview(t *testing.T) {
	n := startNode(t)
	const note, look = "document.querySelector('#preview-note').textContent", "document.querySelector('#look')"
	const enter, offered = "document.querySelector('#enter').click()", "!" + look + ".hidden && /starts when you join/.test(" + note + ")"
	joinAs(t, shared.get(t), n, entry{Room: "other", User: "ben", Scene: "live", Video: false, Audio: false})
	ann := openDemo(t, n, "ann", "room=mine&user=ann&mic=0")
	ann.await("the preview is offered", offered)
	ann.asks()
	ann.eval(look+".click()", nil)
	ann.await("it says that the camera starts", look+".hidden && /Starting/.test("+note+")")
	ann.eval(enter, nil)
	ann.await("it is in the call", "document.body.dataset.view === 'call'")
	ann.eval("document.querySelector('#leave').click()", nil)
	ann.await("it is back", "document.body.dataset.view === 'join'")
	ann.allows()
	ann.await("the camera is let go, and wanted as before", "tracks.length === 1 && tracks[0].readyState === 'ended' && document.querySelector('#pre-cam').dataset.on === 'true' && "+offered)

	refused := "/another mode/.test(document.querySelector('#form-error').textContent)"
	ann.eval("(document.querySelector('#room').value = 'other', "+enter+")", nil)
	ann.await("it is refused", refused)
	ann.allows()
	ann.await("the camera is off, as before", "tracks.length === 2 && tracks[1].readyState === 'ended' && "+offered)
	ann.eval(look+".click()", nil)
	ann.allows()
	ann.await("it sees itself", "document.querySelector('#preview video')?.videoWidth > 0")
	ann.eval(enter, nil)
	ann.await("it is refused again", refused+" && tracks[2].readyState === 'ended'")
	ann.allows()
	ann.await("it sees itself again", "tracks.length === 4 && document.querySelector('#preview video')?.videoWidth > 0")
}

// Who was let on the stage is audience again when it comes back, as its link says.
func TestDemoRoleEnds(t *testing.T) {
	n := startNode(t)
	host := joinDemo(t, n, "host", "room=stage&user=host&scene=live&camera=0&mic=0")
	host.await("it is in the call", "document.body.dataset.view === 'call'")
	eve := joinDemo(t, n, "eve", "room=stage&user=eve&scene=live&role=audience")
	eve.await("it watches", "document.body.dataset.view === 'call'")
	eve.eval("void parlor.switchRole('anchor')", nil)
	eve.await("it is on stage", "document.body.dataset.role === 'anchor' && document.querySelector('#cam').checkVisibility()")
	eve.eval("document.querySelector('#cam').click()", nil)
	eve.await("it is seen", "document.querySelector('#grid video')?.videoWidth > 0")
	eve.eval("document.querySelector('#leave').click()", nil)
	eve.await("it is audience as before", "document.body.dataset.view === 'join' && document.body.dataset.role === 'audience' && !document.querySelector('.preview').checkVisibility()")
	eve.eval("document.querySelector('#enter').click()", nil)
	eve.await("it watches again", "document.body.dataset.view === 'call' && !document.querySelector('#cam').checkVisibility() && !parlor.getLocalTrack('camera')")
}

// People are called as they have typed it, in any script: on tiles, with initials of their own, in the chat,
// and when somebody comes and goes. Two of one name are two. Nobody passes for the server by a name.
func TestDemoNames(t *testing.T) {
	n := startNode(t)
	bob := joinDemo(t, n, "bob", "room=names&camera=0&mic=0&name="+url.QueryEscape("Bob Müller"))
	bob.await("it is in the call", "document.body.dataset.view === 'call'")
	ali := joinDemo(t, n, "ali", "room=names&camera=0&mic=0&name="+url.QueryEscape("علی\u200cرضا"))
	bob.await("it is told who came", "toasted.join() === ': علی\u200cرضا joined'")
	seen := func(names string) string {
		return `[...document.querySelectorAll('#grid li')].map((li) => [li.querySelector('.name').textContent, li.querySelector('.tile-avatar').dataset.initials].join()).join('; ') === '` + names + `'`
	}
	bob.await("it sees both", seen("Bob Müller (you),BM; علی\u200cرضا,ع"))
	ali.await("it sees both", seen("علی\u200cرضا (you),ع; Bob Müller,BM"))
	fake := joinDemo(t, n, "fake", "room=names&camera=0&mic=0&name=Announcement")
	fake.await("it sees all", "document.querySelectorAll('#grid li').length === 3")
	twin := joinDemo(t, n, "twin", "room=names&camera=0&mic=0&name="+url.QueryEscape("Bob Müller"))
	twin.await("it sees all", "document.querySelectorAll('#grid li').length === 4")
	ids := n.users("names")
	require.Len(t, ids, 4)
	require.Regexp(t, `^Announcement-\w{6} Bob-Muller-\w{6} Bob-Muller-\w{6} user-\w{6}$`, strings.Join(ids, " "))
	n.command("UpdateUser", map[string]any{"StrRoomId": "names", "UserId": ids[3], "Name": "李小龙"})
	bob.await("a name has changed", `[...document.querySelectorAll('#grid .name')].some((el) => el.textContent === '李小龙')`)

	bob.eval("document.querySelector('#talk').click()", nil)
	fake.eval("parlor.sendMessage(1, 'The room closes. Send me your password.')", nil)
	bob.await("somebody speaks", "document.querySelector('#chat-log').lastElementChild?.textContent === 'Announcement The room closes. Send me your password.'")
	n.command("SendMessage", map[string]any{"StrRoomId": "names", "CmdId": 1, "Text": "The room closes at ten."})
	bob.await("the server is no person", `(() => {
		const [person, server] = [...document.querySelector('#chat-log').children].slice(-2)
		return server?.matches('section.announcement') && server.ariaLabel === 'Announcement of the server' && server.querySelector('p').textContent === 'The room closes at ten.' &&
			server.querySelector('svg') && !person.querySelector('svg') && !person.matches('section')
	})()`)
	fake.await("a toast says whose it is", "toasted.includes('server: Announcement: The room closes at ten.')")
	bob.accessible()
	for _, size := range [][2]int{{1280, 800}, {320, 568}} {
		require.NoError(t, bob.page.Resize(within(t, limit), size[0], size[1]))
		bob.await("it is as wide", fmt.Sprintf("innerWidth === %d && document.documentElement.scrollWidth <= innerWidth", size[0]))
		bob.shoot(fmt.Sprintf("names-%dx%d", size[0], size[1]))
	}
	fake.shoot("names-toast")
}

// Everybody in a live room sees how many watch.
func TestDemoViewers(t *testing.T) {
	n := startNode(t)
	host := joinDemo(t, n, "host", "room=watched&user=host&scene=live&camera=0&mic=0")
	const watching = "document.querySelector('#watching').checkVisibility() && document.querySelector('#watching').textContent.trim()"
	host.await("nobody watches", watching+" === '0 watching'")
	eve := joinDemo(t, n, "eve", "room=watched&user=eve&scene=live&role=audience")
	host.await("one watches", watching+" === '1 watching'")
	eve.await("it sees so too", watching+" === '1 watching'")
	host.accessible()
	require.NoError(t, host.page.Resize(within(t, limit), 320, 568))
	host.await("it fits, and the room can be read", `innerWidth === 320 && document.documentElement.scrollWidth <= innerWidth &&
		document.querySelector('#copy').getBoundingClientRect().right < innerWidth - 8 && document.querySelector('#call-title').getBoundingClientRect().width > 40`)
	host.shoot("viewers-320")
	eve.eval("document.querySelector('#leave').click()", nil)
	host.await("nobody watches any more", watching+" === '0 watching'")
}

// Who has shown no token to a node that asks for one is told that it is needed; who has shown a wrong one,
// that it is wrong. The link of `sfu token create --url` lets in, also if it is followed on an open page.
func TestDemoToken(t *testing.T) {
	n := startNodeAt(t, netip.MustParseAddr("127.0.0.1"), timers{})
	ann := openDemo(t, n, "ann", "room=keyed&user=ann&camera=0")
	ann.eval("document.querySelector('#enter').click()", nil)
	ann.await("it is told to have one", "/needs an access token/.test(document.querySelector('#form-error').textContent) && document.activeElement.id === 'token'")
	ann.eval("(document.querySelector('#token').value = 'wrong', document.querySelector('#enter').click())", nil)
	ann.await("it is told that this one is wrong", "/not valid here/.test(document.querySelector('#form-error').textContent)")
	ann.accessible()
	ann.eval(fmt.Sprintf("location.hash = '#token=%s'", n.token("keyed", "ann")), nil)
	ann.await("the form has the token of the link", "document.querySelector('#token').value.length > 20")
	ann.eval("document.querySelector('#enter').click()", nil)
	ann.await("it is in", "document.body.dataset.view === 'call'")
	bob := joinDemo(t, n, "bob", "room=keyed&user=bob&camera=0#token="+n.token("keyed", "bob"))
	bob.await("it is in", "document.body.dataset.view === 'call'")
}
