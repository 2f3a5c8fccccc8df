package web_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/web/browser"
)

// Firefox and Chromium meet; Firefox exits, comes again, and is removed; then Chromium is removed. A second
// Chromium page watches all of it.
func TestFirefoxAndChromium(t *testing.T) {
	network := newNetwork(t)
	n := startNodeAt(t, network.Addr(), timers{})
	firefox, _ := newBrowser(t, network, browser.StartFirefox)
	chromium, _ := newBrowser(t, network, browser.StartChromium)
	const room = "both"
	fred, ann := join(t, firefox, n, room, "fred"), openPage(t, chromium, n, "ann")
	most := meetingTime(ann)
	ann.enter(n, entry{Room: room, User: "ann"})
	meetInTime(t, fred, ann, most)
	goesOn(t, fred, ann)
	goesOn(t, ann, fred)
	third := join(t, chromium, n, room, "cleo")
	cleo := third.watch(ann)

	t.Log("Firefox exits")
	asked, _ := fred.exit()
	e := ann.told("remote-user-exit", map[string]any{"userId": "fred", "reason": leftExit})
	soon(t, "ann is told of fred's exit", asked, e.At, told, fred, ann)
	cleo.undisturbed()

	t.Log("Firefox enters again and is removed")
	fred.enter(n, entry{Room: room, User: "fred"})
	ann.sees("fred")
	n.command("RemoveUser", map[string]any{"StrRoomId": room, "UserIds": []string{"fred"}})
	fred.told("kicked-out", map[string]any{"reason": exitedRemoved})
	ann.told("remote-user-exit", map[string]any{"userId": "fred", "reason": leftRemoved})
	cleo.undisturbed()

	t.Log("Chromium exits, and is removed, while Firefox watches")
	since := fred.now()
	fred.enter(n, entry{Room: room, User: "fred"})
	fred.sees("cleo")
	fred.eval("probe.parlor.setRemoteVolume('*', 30)", nil)
	fred.await("everybody is played as he likes", "(() => { const all = [...document.querySelectorAll('audio')]; return all.length === 2 && all.every((a) => Math.abs(a.volume - 0.3) < 0.001 && !a.paused) })()")
	asked, _ = ann.exit()
	e = fred.told("remote-user-exit", map[string]any{"userId": "ann", "reason": leftExit})
	soon(t, "fred is told of ann's exit", asked, e.At, told, fred, ann)
	n.command("RemoveUser", map[string]any{"StrRoomId": room, "UserIds": []string{"cleo"}})
	cleo.told("kicked-out", map[string]any{"reason": exitedRemoved})
	fred.toldSince(since, "remote-user-exit", map[string]any{"userId": "cleo", "reason": leftRemoved})
}

// Firefox takes no redundancy of sound and asks for none again, and it enters over a network that loses three
// packets of ten: nearly all of the sound is heard, and the picture goes on. What is lost is told, so it all
// goes over UDP: TCP loses nothing, and stands still instead.
func TestFirefoxOverALossyLink(t *testing.T) {
	d := startDrawn(t)
	at := d.away(browser.StartFirefox)
	const lossy = " loss=30%"
	at.link(calm + lossy)
	_, ben := d.watched("lossy", layers, at)
	for _, c := range []struct {
		loss      string
		concealed float64
	}{{lossy, 0.01}, {" loss=10%", 0.005}} {
		at.link(calm + c.loss)
		ben.keeps("ann", 10, c.concealed)
	}
	ben.await("it is told how much is lost", "reports.statistics.some((s) => s.downLoss > 15)")
}

// keeps waits until a user's picture has gone on for some seconds, with at most such a share of the sound
// made up. At first the sound is as little protected as it had to be before, and a machine that is late for a
// moment looks like a network with a queue.
func (p *person) keeps(user string, seconds int, concealed float64) {
	p.t.Helper()
	const most = 3
	var all []passed
	for range most {
		x := p.during(user, seconds)
		if all = append(all, x); x.frames >= 5*seconds && x.concealed <= concealed {
			return
		}
	}
	require.Fail(p.t, "too little is heard or seen", "of %s: %+v", user, all)
}
