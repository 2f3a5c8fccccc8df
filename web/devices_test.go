package web_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/web/browser"
)

// plugs stands in for hands at the sockets, since no browser lets a test pull out its made-up devices. What
// is pulled out is not in the list and cannot be opened; its track ends, and the page is told that devices
// have changed. The devices, their tracks and everything else are the browser's.
const plugs = `(() => {
	const devices = navigator.mediaDevices;
	const out = new Set();
	const { enumerateDevices } = MediaDevices.prototype;
	devices.enumerateDevices = async () => (await enumerateDevices.call(devices)).filter((d) => !out.has(d.deviceId));
	const { getUserMedia } = devices; // the probe's
	devices.getUserMedia = async (c) => {
		const [kind, o] = c.video ? ['videoinput', c.video] : ['audioinput', c.audio];
		if (out.has(o.deviceId?.exact)) throw new DOMException('it has gone', 'NotFoundError');
		if (out.size > 0 && !o.deviceId) o.deviceId = { exact: (await devices.enumerateDevices()).filter((d) => d.kind === kind).at(-1).deviceId };
		return getUserMedia.call(devices, c);
	};
	const changes = () => devices.dispatchEvent(new Event('devicechange'));
	window.pull = (source) => {
		const track = probe.parlor.getLocalTrack(source);
		out.add(track.getSettings().deviceId);
		track.stop();
		track.dispatchEvent(new Event('ended'));
		changes();
	};
	window.put = () => { out.clear(); changes(); };
	// The processor that draws while the page lets it.
	window.draws = true;
	window.painter = (track, { signal }) => {
		const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 180 });
		const ctx = canvas.getContext('2d');
		let x = 0;
		const timer = setInterval(() => {
			if (!draws) return;
			ctx.fillStyle = 'red';
			ctx.fillRect(0, 0, 320, 180);
			ctx.fillStyle = 'grey';
			ctx.fillRect(x = (x + 9) % 320, 90, 40, 90);
		}, 50);
		signal.addEventListener('abort', () => clearInterval(timer));
		return canvas.captureStream(20).getVideoTracks()[0];
	};
	window.upper = (user, type) => {
		const ctx = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d');
		const el = probe.views.get(user + '/' + type);
		ctx.drawImage(el, 0, 0, el.videoWidth, el.videoHeight / 4, 0, 0, 1, 1);
		const [r, g, b] = ctx.getImageData(0, 0, 1, 1).data;
		return r > g + 60 && r > b + 60 ? 'red' : 'other';
	};
})()`

// A camera and a microphone are pulled out and put in again while somebody watches; then all are pulled out.
// The speaker and the microphone are tried before the room, and a processor makes a shared screen.
func TestDevicesComeAndGo(t *testing.T) {
	n := startNode(t)
	b, err := browser.StartChromium(browser.Options{Cameras: 4})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	ann := openPage(t, b, n, "ann")
	ann.eval(plugs, nil)
	ann.eval(`(async () => {
		const { Parlor } = await import('/client/parlor.js');
		window.Parlor = Parlor;
		const p = window.before = Parlor.create();
		await p.startLocalAudio();
		p.on('local-audio-level', ({ level }) => { window.level = Math.max(window.level ?? 0, level); });
		await p.enableLocalAudioLevel(100);
		window.played = { whole: p.testSpeaker() };
		window.first = Object.fromEntries((await navigator.mediaDevices.enumerateDevices()).filter((d) => d.deviceId !== 'default').reverse().map((d) => [d.kind, d.deviceId]));
	})()`, nil)
	ann.await("it hears itself", "window.level > 0")
	var heard struct{ Whole, Stopped bool }
	ann.eval("played.whole.then((whole) => { const p = before.testSpeaker({ deviceId: first.audiooutput }); setTimeout(() => before.stopSpeakerTest(), 200); return p.then((on) => ({ whole, stopped: !on })); })", &heard)
	require.True(t, heard.Whole && heard.Stopped)
	require.Equal(t, "device_not_found speaker", ann.text("before.testSpeaker({ deviceId: 'bad' }).catch((err) => err.code + ' ' + err.field)"))
	require.Equal(t, "granted granted", ann.text("Parlor.getPermissions().then((p) => p.camera + ' ' + p.microphone)"))
	ann.eval("before.stopLocalAudio()", nil)

	var first map[string]string
	ann.eval("first", &first)
	picture := map[string]any{"deviceId": first["videoinput"], "width": 320, "height": 180, "frameRate": 15}
	ann.enter(n, entry{Room: "plugs", User: "ann", Video: picture, Audio: map[string]any{"deviceId": first["audioinput"]}})
	ben := joinAs(t, shared.get(t), n, entry{Room: "plugs", User: "ben", Video: false, Audio: false})
	ben.eval(plugs, nil)
	ben.sees("ann")
	ben.hears("ann")
	for _, source := range []string{"camera", "mic"} {
		own := "s.deviceId"
		before := ann.track(source, own)
		ann.eval("pull('"+source+"')", nil)
		ann.switched(source, "lost")
		require.NotEqual(t, before, ann.track(source, own))
		ann.eval("put()", nil)
		ann.switched(source, "returned")
		require.Equal(t, before, ann.track(source, own))
		ben.frames("ann", ben.received("ann"), 5)
	}
	ben.comesIn("ann", "audio")

	require.Empty(t, ann.tried("startScreenShare({ processor: painter })"))
	ben.await("it sees the painted screen", "probe.shown('ann', 'sub').then(() => upper('ann', 'sub') === 'red')")
	require.Empty(t, ann.tried("updateScreenShare({ processor: null })"))
	ben.await("it sees the screen itself", "upper('ann', 'sub') !== 'red'")
	require.Empty(t, ann.tried("stopScreenShare()"))

	ann.processorStalls()
	require.Empty(t, ann.tried("updateLocalVideo({ processor: null })"))
	ann.eval("pull('camera')", nil)
	for switched := 3; switched < 6; switched++ { // until the last of four is pulled out
		ann.await("it comes from another camera again", fmt.Sprintf("probe.events.filter((e) => e.name === 'device-switched' && e.source === 'camera').length === %d", switched))
		ann.eval("pull('camera')", nil)
	}
	ann.told("error", map[string]any{"code": "device_lost", "field": "camera"})
	ann.told("device-changed", map[string]any{"kind": "camera"})
	ben.told("remote-video-unavailable", map[string]any{"userId": "ann", "streamType": "main"})
}

// switched waits until the client has told that a stream comes from another device, for that reason.
func (p *person) switched(source, reason string) {
	p.t.Helper()
	p.await("another device: "+reason, "probe.find('device-switched', { source: '"+source+"', reason: '"+reason+"' }) !== null")
}

// processorStalls gives the camera a processor that draws no more after a while, and then again.
func (p *person) processorStalls() {
	p.t.Helper()
	require.Empty(p.t, p.tried("updateLocalVideo({ processor: painter })"))
	p.eval("new Promise((r) => setTimeout(r, 1000)).then(() => { draws = false; })", nil)
	p.told("local-video-stalled", map[string]any{"streamType": "main"})
	p.eval("draws = true", nil)
	p.told("local-video-resumed", map[string]any{"streamType": "main"})
}

// Firefox tells of permissions, and counts what a processor makes. Nobody can pull out its one camera.
func TestDevicesOfFirefox(t *testing.T) {
	network := newNetwork(t)
	n := startNodeAt(t, network.Addr(), timers{})
	b, _ := newBrowser(t, network, browser.StartFirefox)
	fred := openPage(t, b, n, "fred")
	fred.eval(plugs, nil)
	require.Equal(t, "prompt prompt", fred.text("import('/client/parlor.js').then(({ Parlor }) => Parlor.getPermissions()).then((p) => p.camera + ' ' + p.microphone)"))
	fred.enter(n, entry{Room: "plugs", User: "fred", Audio: false})
	fred.processorStalls()
}
