package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/session/terms"
	"parlor/session/token"
)

// openAdmin opens the operator's page as a browser does.
func openAdmin(t *testing.T, n *node, hash string) *person {
	t.Helper()
	page, err := shared.get(t).Open(within(t, limit), n.url+"/admin"+hash)
	require.NoError(t, err)
	p := &person{t: t, name: "operator", page: page}
	t.Cleanup(p.cleanUp)
	return p
}

// axe has axe-core look at the page, which knows the rules of WCAG.
func (p *person) axe() {
	p.t.Helper()
	script, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	require.NoError(p.t, err, "axe-core is missing: run npm ci in web")
	p.eval("void (() => {"+string(script)+"})()", nil)
	var faults []string
	p.eval(`axe.run(document, {resultTypes: ['violations']}).then(r =>
		r.violations.flatMap(v => v.nodes.map(n => v.id + ': ' + n.html.slice(0, 200) + ' ' + n.failureSummary)))`, &faults)
	require.Empty(p.t, faults)
}

// click clicks on the button of that name.
func (p *person) click(name string) {
	p.t.Helper()
	find := fmt.Sprintf("[...document.querySelectorAll('button')].find(b => (b.ariaLabel ?? b.textContent) === %q && !b.closest('[hidden]'))", name)
	p.await("there is the button "+name, "(() => { const b = "+find+"; b?.click(); return Boolean(b) })()")
}

// commands clicks on a button that asks, fills in its fields by id, clicks on the one that does it, and waits for
// what is said of it.
func (p *person) commands(button string, fields map[string]string, act, said string) {
	p.t.Helper()
	p.click(button)
	for id, value := range fields {
		p.eval(fmt.Sprintf("(() => { const f = document.querySelector('dialog #%s'); f.value = %q; f.dispatchEvent(new Event('input', { bubbles: true })) })()", id, value), nil)
	}
	p.click(act)
	p.await("it reads what came of "+button, fmt.Sprintf("document.querySelector('#said').textContent.startsWith(%q)", said))
}

// An operator sees nodes, rooms and a user of them, removes the user and reads what came of it. What users have
// chosen is text.
func TestAdminPage(t *testing.T) {
	n := startNode(t)
	ann := joinDemo(t, n, "ann", "room=%3Cb%3Elobby&user=ann")
	ben := joinDemo(t, n, "ben", "room=%3Cb%3Elobby&user=ben&camera=0&mic=0")
	for _, p := range []*person{ann, ben} {
		p.await("it is in the call", "document.querySelectorAll('#grid li').length === 2")
	}
	op := openAdmin(t, n, "")
	op.await("it sees the node", "document.querySelector('tbody th')?.textContent === 'test' && /2 users/.test(document.body.innerText)")
	op.await("it sees graphs of what was before", "document.querySelectorAll('.plot canvas').length === 8")
	op.axe()
	op.accessible()

	op.eval("void (location.hash = '#/rooms')", nil)
	op.await("the room's name is text", "[...document.querySelectorAll('tbody th a')].map(a => a.textContent).join() === '<b>lobby' && !document.querySelector('main b')")
	op.axe()
	op.eval("document.querySelector('tbody th a').click()", nil)
	op.await("it sees who is in, with rates", "[...document.querySelectorAll('tbody th a')].map(a => a.textContent).join() === 'ann,ben' && /\\d bit|\\d .bit/.test(document.querySelector('tbody').innerText)")
	op.axe()
	op.eval("document.querySelector('tbody th a').click()", nil)
	op.await("it sees ann's network and who gets what", `/UDP from/.test(document.querySelector('.facts')?.textContent) && /Chrome/.test(document.querySelector('.facts').textContent) &&
		/camera/.test(document.querySelectorAll('tbody')[0].textContent) && /camera.*ben/.test(document.querySelectorAll('tbody')[1].textContent) &&
		/entered as anchor/.test(document.querySelectorAll('tbody')[3].textContent)`)
	require.NoError(t, op.page.Resize(within(t, limit), 320, 640))
	op.await("it fits a phone", "document.documentElement.scrollWidth <= innerWidth")
	op.axe()
	op.shoot("admin-user-phone")

	op.commands("Message…", map[string]string{"text": "Hello <b>ann"}, "Send", "Delivered to 1 user.")
	ann.await("it reads the message", "document.querySelector('#chat-log').textContent.includes('Hello <b>ann')")
	op.commands("Block…", map[string]string{"block": "audio"}, "Set", "Blocked of ann: sound.")
	ann.await("it is told what does not go out", "/sound/.test(document.querySelector('#blocked').textContent)")
	require.Equal(t, "audio", n.command("DescribeUser", map[string]any{"StrRoomId": "<b>lobby", "UserId": "ann"})["Rooms"].([]any)[0].(map[string]any)["Block"])

	op.click("Remove…")
	op.await("it reads what will happen", "/ann is put out of the room <b>lobby now/.test(document.querySelector('#dialog-words').textContent)")
	op.axe()
	require.Equal(t, []string{"ann", "ben"}, n.users("<b>lobby"), "nothing happens before it is confirmed")
	op.eval("document.querySelector('#reason').value = 'Please <i>come back'", nil)
	op.click("Remove")
	op.await("it reads what came of it", "/ann was removed from the room/.test(document.querySelector('#said').textContent)")
	ann.await("it is told why", "document.querySelector('#notice-quote').textContent === 'Please <i>come back'")
	op.await("it reads that ann is gone, and why", "/is not in the room/.test(document.body.innerText) && /removed by a command \\(Please <i>come back\\)/.test(document.body.innerText)")
	require.Equal(t, []string{"ben"}, n.users("<b>lobby"))
	op.ends(n, ben)
	for _, m := range op.page.Console() {
		if !strings.Contains(m.Text, "404") { // the node's answer about one who is gone
			require.NotContains(t, []string{"error", "exception"}, m.Level, m.Text)
		}
	}
}

// ends dismisses the room of a user in the operator's page, and drains the node, which has another one.
func (p *person) ends(n *node, user *person) {
	p.t.Helper()
	other, err := client.Dial(p.t.Context(), client.Options{URL: n.url + "/", Room: "other", User: "cleo"})
	require.NoError(p.t, err)
	p.t.Cleanup(other.Close)
	p.eval("document.querySelector('.up a').click()", nil)
	p.commands("Dismiss the room…", map[string]string{"reason": "It is <i>late"}, "Dismiss", "The room <b>lobby has ended, with 1 user put out.")
	user.await("it is told why", "document.querySelector('#notice-quote').textContent === 'It is <i>late'")
	p.eval("void (location.hash = '#/nodes')", nil)
	p.commands("Drain…", map[string]string{"deadline": "30"}, "Drain", "test drains, and ends in ")
	p.await("it sees that the node drains", "/drains until/.test(document.querySelector('tbody').textContent)")
	state := n.command("DescribeNode", map[string]any{})["Nodes"].([]any)[0].(map[string]any)
	require.Equal(p.t, true, state["Draining"])
	require.InDelta(p.t, time.Now().Add(30*time.Minute).UnixMilli(), state["DrainEndsMs"], float64(time.Minute.Milliseconds()))
}

// Nothing is shown without a token, or with one that lacks the right admin, and the node answers 401 or 403. The
// token goes from the address into a header, and nowhere else.
func TestAdminPageAsksForARight(t *testing.T) {
	cfg := nodeConfig(t, netip.MustParseAddr("127.0.0.1"), timers{})
	cfg.Auth.Keys = append(cfg.Auth.Keys, keyID+":"+secret)
	keys, err := token.New(nil, token.Key{ID: keyID, Secret: []byte(secret)})
	require.NoError(t, err)
	n := runNode(t, cfg, keys)
	member := n.mint("lobby", "ann", terms.MemberRights())
	admin, err := keys.Mint(terms.Grant{Rights: terms.AllRights(), Expires: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	for token, status := range map[string]int{"": 401, member: 403, admin: 200} {
		for _, action := range []string{"DescribeNode", "DescribeHistory", "ListRooms", "ListEvents", "ListRefusals"} {
			q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url+"/admin/v1/"+action, strings.NewReader("{}"))
			require.NoError(t, err)
			q.Header.Set("Content-Type", "application/json")
			q.Header.Set("Authorization", "Bearer "+token)
			res, err := http.DefaultClient.Do(q)
			require.NoError(t, err)
			var said map[string]any
			require.NoError(t, json.NewDecoder(res.Body).Decode(&said))
			res.Body.Close()
			require.Equal(t, status, res.StatusCode, "%s: %v", action, said)
		}
	}

	op := openAdmin(t, n, "")
	asks := "document.querySelector('#token') && document.querySelector('#header').hidden && !document.querySelector('table')"
	op.await("it is asked for a token", asks)
	op.axe()
	op.eval(fmt.Sprintf("document.querySelector('#token').value = %q", member), nil)
	op.click("Open")
	op.await("a member's will not do, in the node's words", asks+" && /right admin/.test(document.querySelector('[role=alert]').textContent)")
	op.eval(fmt.Sprintf("void (location.hash = '#token=%s')", admin), nil)
	op.await("an operator's will", "document.querySelector('tbody th')?.textContent === 'test' && location.hash === '#/nodes'")
	op.eval("void (location.hash = '#/refused')", nil)
	op.await("it sees who was refused", "/not_allowed/.test(document.querySelector('tbody').textContent) && /token_invalid/.test(document.querySelector('tbody').textContent)")
	op.axe()
	var leaks string
	op.eval(fmt.Sprintf("performance.getEntriesByType('resource').map(e => e.name).join() + document.cookie + document.documentElement.outerHTML.includes(%q)", admin), &leaks)
	require.NotContains(t, leaks, admin)
	require.True(t, strings.HasSuffix(leaks, "false"), "the page shows the token")
	op.click("Sign out")
	op.await("nothing is left", asks+" && sessionStorage.length === 0")
}
