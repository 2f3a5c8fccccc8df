package web_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/web/browser"
)

// sending is a look at what a page sends: its PeerConnection, the encodings of its camera, what the node has
// it do with Opus, and a tone in the left channel alone.
const sending = `(() => {
	window.offers = 0;
	const { setRemoteDescription } = RTCPeerConnection.prototype;
	RTCPeerConnection.prototype.setRemoteDescription = function (...given) {
		window.offers++;
		window.pc = this;
		return setRemoteDescription.apply(this, given);
	};
	const sender = (kind) => pc.getTransceivers().map((t) => t.sender).find((s) => s.track?.kind === kind);
	window.camera = () => {
		const p = sender('video').getParameters();
		return p.encodings.map((e) => (e.rid ?? '') + ' ' + e.maxBitrate / 1000).join(', ') + ' ' + (p.degradationPreference ?? '');
	};
	window.opus = () => pc.remoteDescription.sdp.split(/^(?=m=)/m).find((m) => m.startsWith('m=audio') && m.includes('a=recvonly')).match(/^a=fmtp:\d+ (.*(?:10|inbandfec).*)\r$/m)[1].split(';').sort().join(';');
	window.sections = () => pc.localDescription.sdp.split(/^m=/m).length - 1;
	window.left = () => {
		const context = new AudioContext();
		const out = context.createMediaStreamDestination();
		const [tone, both] = [context.createOscillator(), context.createChannelMerger(2)];
		tone.connect(both, 0, 0).connect(out);
		tone.start();
		return out.stream.getAudioTracks()[0];
	};
})()`

// heard tells which channels of a user's sound are not silent: "left", "both" or "".
const heard = `(() => {
	window.heard = async (user) => {
		window.ear ??= new AudioContext();
		const source = ear.createMediaStreamSource(new MediaStream([probe.parlor.getAudioTrack({ userId: user })]));
		const split = ear.createChannelSplitter(2);
		const [left, right] = [0, 1].map((i) => {
			const analyser = ear.createAnalyser();
			source.connect(split).connect(analyser, i);
			return () => { const d = new Float32Array(analyser.fftSize); analyser.getFloatTimeDomainData(d); return Math.max(...d) > 0.1; };
		});
		await new Promise((r) => setTimeout(r, 200));
		return left() ? (right() ? 'both' : 'left') : '';
	};
})()`

// Everything that is sent changes while somebody watches, whose picture goes on and whom nobody tells that it
// was gone. Firefox opens a picture that it makes up in the size that is asked for, and keeps it.
func TestWhatIsSentChanges(t *testing.T) {
	for name, is := range map[string]struct {
		start  func(browser.Options) (*browser.Browser, error)
		widths [2]string
	}{
		"Chromium": {browser.StartChromium, [2]string{"320", "1280"}},
		"Firefox":  {browser.StartFirefox, [2]string{"320", "320"}},
	} {
		t.Run(name, func(t *testing.T) {
			network := newNetwork(t)
			n := startNodeAt(t, network.Addr(), timers{})
			b, _ := newBrowser(t, network, is.start)
			viewers, _ := newBrowser(t, network, browser.StartChromium)
			ann := openPage(t, b, n, "ann")
			ann.eval(sending, nil)
			picture := map[string]any{"profile": "180p", "width": 320, "height": 180, "frameRate": 15, "simulcast": false}
			ann.enter(n, entry{Room: "sent", User: "ann", Video: picture, Audio: map[string]any{}})
			ben := joinAs(t, viewers, n, entry{Room: "sent", User: "ben", Video: false, Audio: false})
			ben.sees("ann")
			ben.hears("ann")
			require.Equal(t, " 200 ", ann.text("camera()"))
			require.Equal(t, is.widths[0], ann.track("camera", "s.width"))

			for _, c := range []struct{ change, camera, opus, codec string }{
				{"updateLocalVideo({ bitrate: 150, degradationPreference: 'maintain-resolution' })", " 150 maintain-resolution", "", "VP8"},
				{"updateLocalVideo({ codec: 'VP9' })", " 150 maintain-resolution", "", "VP9"},
				{"updateLocalVideo({ profile: '720p', bitrate: 500, simulcast: true, codec: null })", "q 40, h 100, f 360 ", "", "VP8"},
				{"updateLocalAudio({ profile: 'speech', stereo: false })", "", "maxaveragebitrate=24000 usedtx=1 stereo=0", ""},
				{"updateLocalAudio({ bitrate: 64, dtx: null, stereo: true })", "", "maxaveragebitrate=64000 stereo=1", ""},
			} {
				before := ann.offers()
				require.Empty(t, ann.tried(c.change), c.change)
				require.LessOrEqual(t, ann.offers(), before+1, "one offer is enough")
				if c.camera != "" {
					require.Equal(t, c.camera, ann.text("camera()"), c.change)
					ben.await("the codec of "+c.change, fmt.Sprintf("probe.received('ann').then((r) => r.video?.codec === 'video/%s')", c.codec))
				}
				for _, parameter := range strings.Fields(c.opus) {
					require.Contains(t, strings.Split(ann.text("opus()"), ";"), parameter, c.change)
				}
				ben.frames("ann", ben.received("ann"), 5)
			}
			require.Equal(t, is.widths[1], ann.track("camera", "s.width"))
			require.Equal(t, "device_not_found deviceId", ann.tried("updateLocalVideo({ codec: 'AV1', deviceId: 'nonexistent' })"))
			require.Equal(t, "q 40, h 100, f 360 ", ann.text("camera()"))
			if name == "Chromium" { // Firefox runs no AudioContext on a machine without a device to play sound
				ben.eval(heard, nil)
				require.Empty(t, ann.tried("updateLocalAudio({ audioTrack: left() })"))
				ben.await("it hears the left", "heard('ann').then((h) => h === 'left')")
				require.Empty(t, ann.tried("updateLocalAudio({ stereo: false })"))
				ben.await("it hears one channel", "heard('ann').then((h) => h === 'both')")
			}

			// As often as one likes: what is no longer used is used again.
			one := 0
			for i := range 2 {
				require.Empty(t, ann.tried(fmt.Sprintf("updateLocalVideo({ simulcast: %t })", i%2 == 1)))
				require.Empty(t, ann.tried(fmt.Sprintf("updateLocalVideo({ simulcast: %t })", i%2 == 0)))
				var now int
				ann.eval("sections()", &now)
				require.True(t, i == 0 || now <= one+1, "%d sections, %d before", now, one)
				one = max(one, now)
			}
			ben.frames("ann", ben.received("ann"), 5)
			for _, e := range append(ann.events(), ben.events()...) {
				require.NotContains(t, []string{"error", "remote-video-unavailable", "remote-audio-unavailable"}, e.Name)
			}
		})
	}
}

// text evaluates an expression to a string.
func (p *person) text(expression string) (text string) {
	p.t.Helper()
	p.eval(expression, &text)
	return text
}
