package web_test

import (
	"testing"

	"parlor/web/browser"
)

// Firefox and Chromium meet; Firefox exits, comes again, and is removed; then Chromium is removed. A second Chromium
// page watches all of it.
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
	asked, _ = ann.exit()
	e = fred.told("remote-user-exit", map[string]any{"userId": "ann", "reason": leftExit})
	soon(t, "fred is told of ann's exit", asked, e.At, told, fred, ann)
	n.command("RemoveUser", map[string]any{"StrRoomId": room, "UserIds": []string{"cleo"}})
	cleo.told("kicked-out", map[string]any{"reason": exitedRemoved})
	fred.toldSince(since, "remote-user-exit", map[string]any{"userId": "cleo", "reason": leftRemoved})
}
