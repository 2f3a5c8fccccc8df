package web_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// tried evaluates a call of the client, and returns the code and field of its error; "": there is none.
// Anything but a ParlorError is told by its name.
func (p *person) tried(call string) (outcome string) {
	p.t.Helper()
	p.eval(fmt.Sprintf(`(async () => probe.parlor.%s)().then(() => '', (err) => err.name === 'ParlorError' ? (err.code + ' ' + (err.field ?? '')).trim() : err.name)`, call), &outcome)
	return outcome
}

// track returns the settings of the own track, its id first.
func (p *person) track(source, settings string) string {
	p.t.Helper()
	var got string
	p.eval(fmt.Sprintf(`(() => { const s = probe.parlor.getLocalTrack('%s').getSettings(); return [%s].join(' ') })()`, source, settings), &got)
	return got
}

// Options of devices last, are changed while they run, and a change that fails changes nothing: of a real
// browser's devices, with somebody at the other end who sees it.
func TestOptionsOfDevices(t *testing.T) {
	n := startNode(t)
	b := shared.get(t)
	ann := joinAs(t, b, n, entry{Room: "options", User: "ann", Video: map[string]any{"width": 640, "height": 360, "frameRate": 15, "simulcast": false}, Audio: map[string]any{"echoCancellation": false}})
	ben := join(t, b, n, "options", "ben")
	ben.sees("ann")
	const video, audio = "s.width, s.height, s.frameRate", "s.echoCancellation, s.noiseSuppression"
	require.Equal(t, "640 360 15", ann.track("camera", video))
	require.Equal(t, "false true", ann.track("mic", audio))

	// Another device, which is opened as the one before was.
	ann.eval(`navigator.mediaDevices.enumerateDevices().then((all) => { window.device = Object.fromEntries(all.filter((d) => d.deviceId !== 'default').map((d) => [d.kind, d.deviceId])) })`, nil)
	require.Empty(t, ann.tried("updateLocalVideo({ deviceId: device.videoinput })"))
	require.Equal(t, "640 360 15", ann.track("camera", video))
	require.Empty(t, ann.tried("updateLocalAudio({ deviceId: device.audioinput })"))
	require.Equal(t, "false true", ann.track("mic", audio))

	// Size, rate and what is done to the sound.
	require.Empty(t, ann.tried("updateLocalVideo({ width: 320, height: 180, frameRate: 10 })"))
	require.Equal(t, "320 180 10", ann.track("camera", video))
	ben.await("it sees the smaller picture", "probe.received('ann').then((r) => r.video?.frameWidth === 320)")
	require.Empty(t, ann.tried("updateLocalAudio({ echoCancellation: true, noiseSuppression: false })"))
	require.Equal(t, "true false", ann.track("mic", audio))
	require.Empty(t, ann.tried("updateLocalVideo({ width: 640, height: 360 })"))
	ben.await("it sees the larger one", "probe.received('ann').then((r) => r.video?.frameWidth === 640)")

	// What fails: the camera and the microphone go on as they were.
	before := ann.track("camera", "s.deviceId, "+video) + ann.track("mic", "s.deviceId, "+audio)
	require.Equal(t, "device_not_found deviceId", ann.tried("updateLocalVideo({ deviceId: 'nonexistent', width: 320, height: 180 })"))
	require.Equal(t, "device_not_found deviceId", ann.tried("updateLocalAudio({ deviceId: 'nonexistent', echoCancellation: false })"))
	require.Equal(t, "processor_failed processor", ann.tried("updateLocalVideo({ processor: () => null, width: 320, height: 180 })"))
	require.Equal(t, before, ann.track("camera", "s.deviceId, "+video)+ann.track("mic", "s.deviceId, "+audio))
	ben.frames("ann", ben.received("ann"), 20)
	require.Equal(t, "640 360 10", ann.track("camera", video))

	// What browsers throw themselves.
	require.Equal(t, "device_not_found speaker", ann.tried("setSpeaker('bad')"))
	require.Empty(t, ann.tried("setSpeaker('')"))
	require.Equal(t, "invalid_parameter track", ann.tried("getStats(new MediaStreamTrackGenerator({ kind: 'audio' }))"))
	require.Equal(t, "user_not_found user", ann.tried("stopRemoteVideo({ userId: 'nobody' })"))
	require.Equal(t, "user_not_found user", ann.tried("getVideoTrack({ userId: 'nobody' })"))
	ann.exit()
}
