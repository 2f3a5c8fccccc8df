package web_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// channels is an expression for how many messages a page has sent and received by data channel, as the
// browser counts them.
const channels = `(async () => {
	const all = [...(await parlor.getStats()).values()].filter((s) => s.type === 'data-channel')
	const sum = (f) => all.reduce((n, s) => n + s[f], 0)
	return { open: all.filter((s) => s.state === 'open').length, sent: sum('messagesSent'), received: sum('messagesReceived') }
})()`

type channelStats struct{ Open, Sent, Received int }

func (p *person) channels() (s channelStats) {
	p.t.Helper()
	p.eval(channels, &s)
	return s
}

// listens has the page note what it is told, as "ann 1 hello".
func (p *person) listens() {
	p.t.Helper()
	p.eval(`void (() => {
		window.got = []; window.errors = []
		parlor.on('message', (m) => got.push([m.userId, m.cmdId, new TextDecoder().decode(m.data)].join(' ')))
		parlor.on('error', (e) => errors.push(e.code + ' ' + e.field))
	})()`, nil)
}

// Messages go over signalling at first, by data channel once one is open, and stay in order; a limit or a
// removal is said and harms nobody.
func TestMessagesBothWays(t *testing.T) {
	n := startNode(t)
	ann := joinDemo(t, n, "ann", "room=talk&user=ann&camera=0&mic=0")
	bob := joinDemo(t, n, "bob", "room=talk&user=bob&camera=0&mic=0")
	for _, p := range []*person{ann, bob} {
		p.await("two are in the call", "document.body.dataset.view === 'call' && document.querySelectorAll('#grid li').length === 2")
		p.await("media is connected", "parlor.getStats().then((s) => s && [...s.values()].some((c) => c.type === 'transport' && c.dtlsState === 'connected'))")
		p.listens()
	}
	require.Equal(t, channelStats{}, ann.channels(), "nobody has sent anything")

	ann.eval("parlor.sendMessage(1, 'by socket')", nil)
	bob.await("it has got it", "got.at(-1) === 'ann 1 by socket'")
	ann.await("her channels are open", channels+".then((s) => s.open === 2)")
	sent := ann.channels().Sent
	ann.eval("parlor.sendMessage(2, 'by channel')", nil)
	bob.await("it has got it", "got.at(-1) === 'ann 2 by channel'")
	// Browsers cache statistics.
	ann.await("it has gone by channel", fmt.Sprintf(channels+".then((s) => s.sent === %d)", sent+1))
	require.Equal(t, channelStats{}, bob.channels(), "he has only listened")

	bob.eval("parlor.sendMessage(3, new Uint8Array([104, 105]))", nil)
	ann.await("she has got it by channel", "got.at(-1) === 'bob 3 hi'")
	ann.await("it has come by channel", channels+".then((s) => s.received > 0)")
	bob.await("his channels are open", channels+".then((s) => s.open === 2)")
	ann.eval("parlor.sendMessage(10, 'quickly', { reliable: false })", nil)
	bob.await("it has got it", "got.at(-1) === 'ann 10 quickly'")
	bob.await("it has come by channel", channels+".then((s) => s.received > 0)")
	bob.await("all came in order", `got.join() === 'ann 1 by socket,ann 2 by channel,ann 10 quickly'`)

	ann.eval("void Array.from({ length: 60 }, (_, i) => parlor.sendMessage(4, String(i)).catch(() => {}))", nil)
	ann.await("it is told of the limit", "errors.includes('message_limit message')")
	bob.await("what was let through is in order", `(() => {
		const seen = got.filter((m) => m.startsWith('ann 4 ')).map((m) => Number(m.slice(6)))
		return seen.length >= 25 && seen.length < 60 && seen.every((x, i) => i === 0 || x > seen[i - 1])
	})()`)
	require.ElementsMatch(t, []string{"ann", "bob"}, n.users("talk"), "nobody is put out by it")

	n.command("RemoveUser", map[string]any{"StrRoomId": "talk", "UserIds": []string{"ann"}})
	ann.await("it is out", "document.body.dataset.view === 'notice'")
	var code string
	ann.eval("parlor.sendMessage(1, 'late').then(() => 'sent', (e) => e.code)", &code)
	require.Equal(t, "invalid_state", code)
}

// The chat of the demo, by keyboard, on a phone, and for a screen reader.
func TestDemoChat(t *testing.T) {
	n := startNode(t)
	ann := joinDemo(t, n, "ann", "room=chat&user=ann&camera=0&mic=0")
	ben := joinDemo(t, n, "ben", "room=chat&user=ben&camera=0&mic=0")
	for _, p := range []*person{ann, ben} {
		p.await("two are in the call", "document.body.dataset.view === 'call' && document.querySelectorAll('#grid li').length === 2")
	}
	ann.tabTo("talk")
	require.NoError(t, ann.page.Press(within(t, limit), "\r"))
	ann.await("the text field has the focus", "document.activeElement.id === 'chat-text' && document.querySelector('#talk').ariaExpanded === 'true'")
	require.NoError(t, ann.page.Press(within(t, limit), "Hello <b>ben</b>\r"))
	ann.await("her own words are there", "document.querySelector('#chat-log').textContent === 'ann (you) Hello <b>ben</b>'")
	ben.await("he is told, and sees that one is unread", `document.querySelector('#talk').textContent.trim() === 'Chat (1)' &&
		toasted.some((t) => t.includes('ann: Hello <b>ben</b>'))`)

	require.NoError(t, ben.page.Resize(within(t, limit), 390, 844))
	ben.eval("document.querySelector('#talk').click()", nil)
	ben.await("it fits a phone", `document.documentElement.scrollWidth <= innerWidth && (() => {
		const r = document.querySelector('#chat').getBoundingClientRect()
		return r.left >= 0 && r.right <= innerWidth && r.bottom <= document.querySelector('.controls').getBoundingClientRect().top + 1
	})()`)
	ben.await("no notice lies over what is being typed", `(() => {
		const field = document.querySelector('#chat-text').getBoundingClientRect()
		return [...document.querySelectorAll('.toast')].every((t) => t.getBoundingClientRect().bottom < field.top)
	})()`)
	ben.await("nothing is unread", "document.querySelector('#talk').textContent.trim() === 'Chat'")
	ben.accessible()
	ben.shoot("chat-phone")
	require.NoError(t, ben.page.Press(within(t, limit), "Hi\r"))
	ann.await("the answer is in the log", `document.querySelector('#chat-log').lastElementChild.textContent === 'ben Hi' && document.querySelector('#chat-log').role === 'log'`)
	ann.await("everybody can still be seen", `[...document.querySelectorAll('#grid li')].every((li) =>
		li.getBoundingClientRect().bottom <= document.querySelector('.people').getBoundingClientRect().bottom + 1)`)
	ann.accessible()
	ann.shoot("chat")
	require.NoError(t, ann.page.Press(within(t, limit), "\x1b"))
	ann.await("it is closed and the focus is back", "document.querySelector('#chat').hidden && document.activeElement.id === 'talk'")
}
