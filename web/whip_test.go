package web_test

import (
	_ "embed"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

//go:embed testdata/whip.js
var whip string

// made is what a WHIP or WHEP resource was made with.
type made struct{ Resource, ETag, Type string }

// openWhip opens a page of the node that is in no room.
func openWhip(t *testing.T, n *node, name string) *person {
	t.Helper()
	p := openPage(t, shared.get(t), n, name)
	p.eval(whip, nil)
	return p
}

// A page publishes by WHIP, another plays by WHEP what is published in the room and one user of it, with
// fetch alone; users of the room see the encoder as one of them, and are told of its exit when it deletes its
// resource.
func TestWhipAndWhep(t *testing.T) {
	n := startNode(t)
	b := shared.get(t)
	const room = "studio"
	ann, third := join(t, b, n, room, "ann"), join(t, b, n, room, "cleo")
	// Pages are opened before anybody watches: to start one takes the whole machine.
	encoder, everybody, one := openWhip(t, n, "encoder"), openWhip(t, n, "everybody"), openWhip(t, n, "one")
	third.sees("ann")
	cleo := third.watch(ann)

	var m, played made
	encoder.eval(fmt.Sprintf("whip.publish('/whip/%s?user=cam1')", room), &m)
	require.Equal(t, "application/sdp", m.Type)
	require.NotEmpty(t, m.ETag)
	ann.sees("cam1")
	ann.hears("cam1")
	r := ann.frames("cam1", ann.received("cam1"), 15)
	require.Zero(t, r.Video.PacketsLost)

	everybody.eval(fmt.Sprintf("whip.play('/whep/%s?user=tv', 3)", room), &played)
	one.eval(fmt.Sprintf("whip.play('/whep/%s/cam1', 1)", room), &played)
	everybody.plays(3)
	one.plays(1)
	cleo.undisturbed()

	t.Log("the encoder restarts ICE")
	etag := m.ETag
	encoder.eval("whip.restart()", &m)
	require.NotEqual(t, etag, m.ETag)
	ann.frames("cam1", ann.received("cam1"), 15)

	t.Log("the encoder exits")
	var stopped struct {
		At     float64
		Status int
	}
	encoder.eval("whip.stop()", &stopped)
	require.Equal(t, http.StatusOK, stopped.Status)
	e := ann.told("remote-user-exit", map[string]any{"userId": "cam1", "reason": leftExit})
	soon(t, "ann is told of the encoder's exit", stopped.At, e.At, told, encoder, ann)
	everybody.plays(2)
	cleo.undisturbed()
	one.eval("whip.stop()", &stopped)
	require.Equal(t, http.StatusOK, stopped.Status)
}

// plays waits until that many pictures move and as many sounds come in, and nothing of them was lost.
func (p *person) plays(people int) {
	p.t.Helper()
	const condition = `(async () => {
		const before = await whip.received()
		await new Promise(r => setTimeout(r, 400))
		const after = await whip.received()
		const more = after.filter((s, i) => s.kind == 'video' ? s.framesDecoded > before[i]?.framesDecoded + 2 : s.packetsReceived > before[i]?.packetsReceived + 2)
		const lost = after.reduce((sum, s) => sum + s.packetsLost, 0)
		return more.length === %d && lost === 0
	})()`
	p.wait(limit, fmt.Sprintf(condition, 2*people), nil, "does not play %d", people)
}
