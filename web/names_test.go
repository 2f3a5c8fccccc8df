package web_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// bare is a client of the page's own, which notes what it is told of names.
const bare = `(async () => {
	const { Parlor } = await import('/client/parlor.js')
	window.told = []
	window.p = Parlor.create()
	const say = (name) => (u) => told.push([name, u.userId, u.name, u.metadata].join(' '))
	for (const name of ['remote-user-enter', 'user-updated']) p.on(name, say(name))
})()`

func (p *person) bare(n *node, room, user string, profile map[string]string) {
	p.t.Helper()
	p.eval(bare, nil)
	options := map[string]string{"strRoomId": room, "userId": user}
	for k, v := range profile {
		options[k] = v
	}
	text, err := json.Marshal(options)
	require.NoError(p.t, err)
	p.eval(fmt.Sprintf("p.enterRoom(%s)", text), nil)
}

// People are called by names of any script; others are told of changes, by themselves and by command.
func TestPeopleHaveNames(t *testing.T) {
	n := startNode(t)
	b := shared.get(t)
	ann, bob := openPage(t, b, n, "ann"), openPage(t, b, n, "bob")
	ann.bare(n, "names", "ann", map[string]string{"name": "安 Müller ", "metadata": `{"seat":1}`})
	bob.bare(n, "names", "bob", nil)
	bob.await("ann is there with her name", `told.join() === 'remote-user-enter ann 安 Müller {"seat":1}'`)
	bob.await("she can be asked for", `(() => { const u = p.getRemoteUser('ann'); return u.name === '安 Müller' && u.userId === 'ann' && p.getRemoteUser('eve') === null })()`)
	ann.await("bob has none", `told.join() === 'remote-user-enter bob  '`)
	ann.await("she knows hers", `p.profile.name === '安 Müller'`)

	var kept, refused map[string]string
	bob.eval("p.setProfile({ name: ' Bob\\u0301 ' })", &kept)
	require.Equal(t, map[string]string{"name": "Bob́", "metadata": ""}, kept)
	ann.await("bob has a name", "told.at(-1) === 'user-updated bob Bob́ ' && p.getRemoteUser('bob').name === 'Bob́'")
	bob.await("he is told himself", "told.at(-1) === 'user-updated bob Bob́ ' && p.profile.name === 'Bob́'")
	const refusal = "p.setProfile({ name: %q }).then(() => ({}), ({ code, field }) => ({ code, field }))"
	bob.eval(fmt.Sprintf(refusal, "a\u202eb"), &refused)
	require.Equal(t, map[string]string{"code": "bad_request", "field": "name"}, refused)

	n.command("UpdateUser", map[string]any{"StrRoomId": "names", "UserId": "bob", "Name": "Guest 1"})
	ann.await("she is told", "told.at(-1) === 'user-updated bob Guest 1 '")
	bob.await("he is told", "p.profile.name === 'Guest 1'")
	bob.eval(fmt.Sprintf(refusal, "Bob"), &refused)
	require.Equal(t, map[string]string{"code": "not_allowed", "field": "name"}, refused)
}

// Somebody is played as loud as one likes, also after another subscription.
func TestRemoteVolume(t *testing.T) {
	n := startNode(t)
	b := shared.get(t)
	ann, ben := join(t, b, n, "loud", "ann"), join(t, b, n, "loud", "ben")
	ben.hears("ann")
	ben.playsAt("before anything is said", 1)
	ben.eval("probe.parlor.setRemoteVolume('ann', 30)", nil)
	ben.playsAt("at once", 0.3)
	ben.eval("probe.parlor.muteRemoteAudio('ann', true)", nil)
	ben.eval("probe.parlor.muteRemoteAudio('ann', false)", nil)
	ben.playsAt("after another subscription", 0.3)
	ben.eval("probe.parlor.setRemoteVolume('*', 50)", nil)
	ben.playsAt("everybody", 0.5)
	ann.playsAt("the others are heard as they were", 1)
}

// playsAt waits until the page plays one sound, of that volume.
func (p *person) playsAt(what string, volume float64) {
	p.t.Helper()
	p.await(what, fmt.Sprintf("(() => { const all = [...document.querySelectorAll('audio')]; return all.length === 1 && Math.abs(all[0].volume - %g) < 0.001 && !all[0].paused })()", volume))
}
