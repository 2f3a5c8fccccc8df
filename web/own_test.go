package web_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/web/browser"
)

// ownMedia is what an application does: it paints, plays a tone, marks pictures, and makes sound quieter.
const ownMedia = `(() => {
	window.offers = 0;
	const { setLocalDescription } = RTCPeerConnection.prototype;
	RTCPeerConnection.prototype.setLocalDescription = function (...given) {
		window.offers++;
		return setLocalDescription.apply(this, given);
	};
	window.paint = (colour) => {
		const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
		const ctx = canvas.getContext('2d');
		let x = 0;
		setInterval(() => {
			ctx.fillStyle = colour;
			ctx.fillRect(0, 0, 640, 360);
			ctx.fillStyle = 'grey';
			ctx.fillRect(x = (x + 9) % 640, 0, 40, 360);
		}, 40);
		return canvas.captureStream(25).getVideoTracks()[0];
	};
	window.tone = () => {
		const context = new AudioContext();
		const out = context.createMediaStreamDestination();
		const oscillator = context.createOscillator();
		oscillator.connect(out);
		oscillator.start();
				return out.stream.getAudioTracks()[0];
	};
	window.spoken = async () => (await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } })).getAudioTracks()[0];
	window.marks = [];
	window.mark = async (track, { source, signal }) => {
		const video = Object.assign(document.createElement('video'), { srcObject: new MediaStream([track]), muted: true, playsInline: true });
		await video.play();
		const canvas = Object.assign(document.createElement('canvas'), { width: video.videoWidth, height: video.videoHeight });
		const ctx = canvas.getContext('2d');
		const draw = () => {
			if (signal.aborted) return;
			ctx.drawImage(video, 0, 0);
			ctx.fillStyle = 'red';
			ctx.fillRect(0, 0, canvas.width, canvas.height / 2);
			video.requestVideoFrameCallback(draw);
		};
		draw();
		marks.push(signal);
		return canvas.captureStream().getVideoTracks()[0];
	};
	window.quieter = (track, { signal }) => {
		const context = new AudioContext();
		const out = context.createMediaStreamDestination();
		const gain = context.createGain();
		gain.gain.value = 0.5;
		context.createMediaStreamSource(new MediaStream([track])).connect(gain).connect(out);
		signal.addEventListener('abort', () => context.close());
		return out.stream.getAudioTracks()[0];
	};
	window.copied = (track) => track.clone();
	window.colours = (user, top) => {
		const el = probe.views.get(user + '/main');
		const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
		const ctx = canvas.getContext('2d');
		ctx.drawImage(el, el.videoWidth / 8, top ? el.videoHeight / 8 : el.videoHeight * 3 / 4, el.videoWidth * 3 / 4, el.videoHeight / 8, 0, 0, 1, 1);
		return [...ctx.getImageData(0, 0, 1, 1).data];
	};
	// Which of red, green and blue is much more than the others; '': none.
	window.colour = (user, top = false) => {
		const c = colours(user, top);
		const i = [0, 1, 2].find((k) => [0, 1, 2].every((other) => other === k || c[k] > c[other] + 60));
		return ['red', 'green', 'blue'][i] ?? '';
	};
})()`

// An application sends a picture that it paints and a tone that it plays, puts others in their place, and
// goes over to the devices, all without an offer. Processors make of a device's pictures and sound what the
// other gets, and are exchanged while they run. Nothing of it disturbs the other.
func TestOwnMediaAndProcessors(t *testing.T) {
	for name, is := range map[string]struct {
		start        func(browser.Options) (*browser.Browser, error)
		sound, heard string // an own track, and a processor of sound
	}{
		"Chromium": {browser.StartChromium, "tone", "quieter"},
		// It runs no AudioContext on a machine without a device to play sound.
		"Firefox": {browser.StartFirefox, "spoken", "copied"},
	} {
		t.Run(name, func(t *testing.T) {
			network := newNetwork(t)
			n := startNodeAt(t, network.Addr(), timers{})
			b, _ := newBrowser(t, network, is.start)
			viewers, _ := newBrowser(t, network, browser.StartChromium)
			ann := joinAs(t, b, n, entry{Room: "own", User: "ann", Video: false, Audio: false})
			ben := joinAs(t, viewers, n, entry{Room: "own", User: "ben", Video: false, Audio: false})
			ann.eval(ownMedia, nil)
			ben.eval(ownMedia, nil)
			require.Equal(t, "invalid_parameter videoTrack", ann.tried("startLocalVideo({ videoTrack: 7 })"))
			require.Equal(t, "invalid_parameter deviceId", ann.tried("startLocalVideo({ videoTrack: paint('red'), deviceId: 'x' })"))
			require.Empty(t, ann.tried("startLocalVideo({ videoTrack: window.red = paint('red') })"))
			require.Empty(t, ann.tried("startLocalAudio({ audioTrack: window.a = await "+is.sound+"() })"))
			ben.sees("ann")
			ben.hears("ann")
			ben.await("it sees red", "colour('ann') === 'red'")

			offers := ann.offers()
			require.Empty(t, ann.tried("updateLocalVideo({ videoTrack: paint('blue') })"))
			ben.await("it sees blue", "colour('ann') === 'blue'")
			require.Equal(t, "live", ann.state("red"), "the application's track is its own")
			require.Empty(t, ann.tried("updateLocalVideo({ processor: mark })"))
			ben.await("it sees the mark", "colour('ann', true) === 'red' && colour('ann') === 'blue'")
			require.Equal(t, "processor_failed processor", ann.tried("updateLocalVideo({ processor: () => { throw new Error('no model') } })"))
			require.Equal(t, "processor_failed processor", ann.tried("updateLocalVideo({ processor: async () => null })"))
			ben.frames("ann", ben.received("ann"), 20)
			ben.await("the mark is still there", "colour('ann', true) === 'red'")

			require.Empty(t, ann.tried("updateLocalVideo({ videoTrack: null })"), "the camera, marked")
			ben.await("it sees the camera", "colour('ann', true) === 'red' && colour('ann') !== 'blue'")
			require.Empty(t, ann.tried("updateLocalVideo({ processor: null })"))
			ben.await("it sees no mark", "colour('ann', true) !== 'red'")
			ann.await("the marks have ended", "marks.length === 2 && marks.every((s) => s.aborted)")
			require.Empty(t, ann.tried("updateLocalAudio({ audioTrack: null, processor: "+is.heard+" })"))
			ben.comesIn("ann", "audio")
			ben.frames("ann", ben.received("ann"), 20)
			require.Equal(t, offers, ann.offers())

			require.Empty(t, ann.tried("stopLocalVideo()"))
			require.Empty(t, ann.tried("stopLocalAudio()"))
			require.Equal(t, "live", ann.state("red"))
			require.Equal(t, "live", ann.state("a"))
			ann.eval("window.a.stop()", nil)
			var held []string
			ann.call(&held, "held")
			require.Empty(t, held, "camera and microphone are let go")
			for _, e := range append(ann.events(), ben.events()...) {
				require.NotEqual(t, "error", e.Name)
			}
		})
	}
}

// offers returns how many the page has made.
func (p *person) offers() (n int) {
	p.t.Helper()
	p.eval("offers", &n)
	return n
}

// state returns whether a track of the page's is live.
func (p *person) state(track string) (state string) {
	p.t.Helper()
	p.eval(track+".readyState", &state)
	return state
}
