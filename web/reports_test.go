package web_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// collect has the client's reports kept under window.reports, by name.
const collect = `(() => {
  window.reports = {};
  for (const name of ['audio-volume', 'active-speaker', 'network-quality', 'statistics']) {
    reports[name] = [];
    probe.parlor.on(name, (payload) => reports[name].push(payload));
  }
})()`

// Who speaks, how good the network is and what flows, as the browser's fake microphone beeps.
func TestReports(t *testing.T) {
	n := startNode(t)
	b := shared.get(t)
	ann, ben := join(t, b, n, "reports", "ann"), join(t, b, n, "reports", "ben")
	ben.eval(collect, nil)
	ben.eval("probe.parlor.enableAudioVolumeEvaluation(100)", nil)
	ben.sees("ann")
	ben.await("ann is heard", `reports['audio-volume'].some((e) => e.result.some((u) => u.userId === 'ann' && u.volume >= 1 && u.volume <= 100))`)
	ben.await("so is ben", `reports['audio-volume'].some((e) => e.result.some((u) => u.userId === 'ben'))`)
	ben.await("one of them has the floor", `['ann', 'ben'].includes(reports['active-speaker'].at(-1)?.userId)`)
	ben.await("the network is excellent", `reports['network-quality'].some((e) =>
		e.uplinkNetworkQuality === 1 && e.downlinkNetworkQuality === 1 && e.remote.some((u) => u.userId === 'ann' && u.quality === 1) && e.rtt > 0)`)
	ben.await("it has statistics of ann", `reports.statistics.some((e) => e.remoteStatistics.some((u) => u.userId === 'ann' && u.audio?.bitrate > 0 &&
		u.video.some((v) => v.videoType === 'main' && v.bitrate > 0 && v.width === 320 && v.height === 180 && v.frameRate > 0)))`)
	ben.await("and of itself", `reports.statistics.some((e) => e.localStatistics.audio?.bitrate > 0 && e.upBitrate > 0 && e.downBitrate > 0 &&
		e.localStatistics.video.some((v) => v.bitrate > 0 && v.width === 320))`)

	// Who is muted is not heard, nor has the floor.
	ann.eval("probe.parlor.updateLocalAudio({ mute: true })", nil)
	ben.told("remote-audio-unavailable", map[string]any{"userId": "ann"})
	ben.eval("reports['audio-volume'].length = 0", nil)
	ben.await("ben has the floor", `reports['active-speaker'].at(-1)?.userId === 'ben' && reports['audio-volume'].length > 10`)
	var heard bool
	ben.eval(`reports['audio-volume'].slice(3).some((e) => e.result.some((u) => u.userId === 'ann'))`, &heard)
	require.False(t, heard, "ann is muted and heard")

	ben.eval("probe.parlor.enableAudioVolumeEvaluation(0)", nil)
	ben.eval("reports['audio-volume'].length = 0", nil)
	ben.await("reports of the network go on", `(reports.statistics.length = 0, true)`)
	ben.await("another one", `reports.statistics.length > 0`)
	var told int
	ben.eval(`reports['audio-volume'].length`, &told)
	require.Zero(t, told, "volumes that nobody wants")
	var code string
	ben.eval("probe.parlor.enableAudioVolumeEvaluation(50).then(() => '', (err) => err.code)", &code)
	require.Equal(t, "invalid_parameter", code)
}

// In place of everybody only one is heard; and reports of the network end where they are not wanted.
func TestReceiveLoudest(t *testing.T) {
	n := startNode(t)
	b := shared.get(t)
	join(t, b, n, "loudest", "ann")
	join(t, b, n, "loudest", "ben")
	cat := join(t, b, n, "loudest", "cat")
	cat.eval(collect, nil)
	const heard = `(reports.statistics.at(-1)?.remoteStatistics ?? []).filter((u) => u.audio?.bitrate > 0).length`
	cat.await("both are heard", heard+" === 2")
	cat.eval("probe.parlor.updateLocalAudio({ mute: true })", nil) // one's own voice may have the place
	cat.eval("probe.parlor.receiveLoudest(1)", nil)
	cat.await("one is heard", heard+" === 1")
	cat.eval("probe.parlor.receiveLoudest(0)", nil)
	cat.await("both are heard again", heard+" === 2")
	var code string
	cat.eval("probe.parlor.receiveLoudest(17).then(() => '', (err) => err.code)", &code)
	require.Equal(t, "invalid_parameter", code)

	cat.eval("probe.parlor.enableAudioVolumeEvaluation(100)", nil)
	cat.eval("probe.parlor.enableStatistics(false)", nil)
	cat.eval("reports.statistics.length = reports['audio-volume'].length = 0", nil)
	cat.await("three seconds of volumes", "reports['audio-volume'].length > 30")
	var told int
	cat.eval("reports.statistics.length", &told)
	require.Zero(t, told, "statistics that nobody wants")
}

// Who only publishes learns its round trip too: the browser echoes the node's time, without having agreed on
// extended reports.
func TestRoundTripOfWhoOnlyPublishes(t *testing.T) {
	n := startNode(t)
	ann := join(t, shared.get(t), n, "alone", "ann")
	ann.eval(collect, nil)
	ann.await("the round trip is told", `reports.statistics.some((s) => s.rtt > 0)`)
}

// The demo marks who has the floor, and knows how good everybody's network is; it shows one that is poor.
func TestDemoShowsWhoSpeaksAndTheNetwork(t *testing.T) {
	n := startNode(t)
	ann := joinDemo(t, n, "ann", "room=speak&user=ann")
	ben := joinDemo(t, n, "ben", "room=speak&user=ben")
	ben.await("both are there", tiles(2))
	ben.await("one tile is marked", `document.querySelectorAll('#grid .tile[data-active="true"]').length === 1`)
	ben.await("who speaks is said in words and shown by an icon", `[...document.querySelectorAll('#grid .tile[data-speaks="true"]')].some((t) =>
		t.querySelector('.tile-state').textContent.includes('speaking') && getComputedStyle(t.querySelector('.tile-speaks')).display !== 'none')`)
	for _, user := range []string{"ann", "ben"} {
		ben.await("the network of "+user+" is told, and shown if it is poor", `(() => { const net = document.querySelector('#grid [data-user="`+user+`"] .tile-net');
			return net.dataset.quality > 0 && net.hidden === net.dataset.quality < 3 })()`)
	}
	ben.shoot("speaking")
	ann.await("it is told too", `[...document.querySelectorAll('#grid .tile-net')].filter((net) => net.dataset.quality > 0).length === 2`)
}
