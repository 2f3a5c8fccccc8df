package web_test

import (
	"bytes"
	"fmt"
	"image"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/stretchr/testify/require"
	"golang.org/x/image/vp8"

	"parlor/client"
	"parlor/web/browser"
)

// passphrase is one that all share.
const passphrase = "open sesame"

// encrypted waits until what comes of these users is decrypted, oneself included.
func (p *person) encrypted(users ...string) {
	p.t.Helper()
	for _, u := range users {
		p.await(u+" is encrypted", fmt.Sprintf("probe.parlor.encryptionState(%q) === 'encrypted'", u))
	}
}

// Chromium and Firefox see and hear each other end to end encrypted. The key changes in the running call, and
// takes a step on, and no picture freezes. A screen is encrypted as well.
func TestEncryptedCall(t *testing.T) {
	network := newNetwork(t)
	n := startNodeAt(t, network.Addr(), timers{})
	chromium, _ := newBrowser(t, network, browser.StartChromium)
	firefox, _ := newBrowser(t, network, browser.StartFirefox)
	long := map[string]any{"keyLength": 256} // the other tests have 128
	ann := joinAs(t, chromium, n, entry{Room: "e2e", User: "ann", Encryption: long, Secret: passphrase})
	fred := joinAs(t, firefox, n, entry{Room: "e2e", User: "fred", Encryption: long, Secret: passphrase})
	fred.encrypted("ann", "fred")
	ann.encrypted("ann", "fred")
	seen, heard := fred.watch(ann), ann.watch(fred)
	for _, p := range []*person{ann, fred} {
		require.Empty(t, p.tried("setEncryptionKey(null, new Uint8Array(32).fill(7), 1, { use: false })"))
	}
	for _, p := range []*person{ann, fred} {
		require.Empty(t, p.tried("useEncryptionKey(1)"))
		require.Empty(t, p.tried("ratchetEncryptionKey()"))
	}
	ann.eval("probe.parlor.sendMessage(1, 'hello')", nil)
	fred.told("message", map[string]any{"userId": "ann", "text": "1 hello"})
	seen.undisturbedBut("message")
	heard.undisturbed()
	ann.eval("probe.parlor.startScreenShare()", nil)
	fred.await("it sees the screen", "probe.parlor.getVideoTrack({ userId: 'ann', streamType: 'sub' }) !== null && probe.moving('ann', 'sub').then(() => true)")
	fred.encrypted("ann")
	require.Equal(t, "invalid_parameter key", ann.tried("setEncryptionKey(null, new Uint8Array(3))"))
}

// The node forwards what it cannot read: it changes layers, also those inside one stream, as viewers want
// them.
func TestEncryptedLayers(t *testing.T) {
	n := startNode(t)
	b := shared.get(t)
	for _, c := range []struct {
		codec, svc string
		low, high  int // width
	}{{"VP8", "", 160, 320}, {"VP9", "L3T3_KEY", 320, 640}, {"AV1", "L3T3_KEY", 320, 640}, {"H264", "", 160, 320}} {
		t.Run(c.codec, func(t *testing.T) {
			video := map[string]any{"codec": c.codec, "width": 640, "height": 360, "frameRate": 10}
			if c.svc != "" {
				video["svc"] = c.svc
			} else {
				video["simulcast"] = true
			}
			room := "e2e-" + c.codec
			ann := joinAs(t, b, n, entry{Room: room, User: "ann", Video: video, Secret: passphrase})
			ben := joinAs(t, b, n, entry{Room: room, User: "ben", Video: false, Audio: false, Adaptive: new(bool), Secret: passphrase})
			for _, step := range []struct {
				quality string
				width   int
			}{{"high", c.high}, {"low", c.low}, {"high", c.high}} {
				ben.eval(fmt.Sprintf("probe.parlor.updateRemoteVideo({userId: 'ann', quality: %q})", step.quality), nil)
				ben.width("ann", step.width)
				ben.frames("ann", ben.received("ann"), 5)
			}
			require.Equal(t, "video/"+c.codec, ben.codec("ann"))
			for _, e := range ben.events() {
				require.NotEqual(t, "encryption-error", e.Name)
			}
			ann.exit()
		})
	}
}

// With a wrong key there is an event and no picture, and with the right one a picture; who does not encrypt
// is told of, and neither seen nor heard.
func TestEncryptionKeys(t *testing.T) {
	n := startNode(t)
	b := shared.get(t)
	ann := joinAs(t, b, n, entry{Room: "keys", User: "ann", Encryption: map[string]any{}})
	ann.told("encryption-error", map[string]any{"userId": "ann", "code": "missing_key"})
	require.Empty(t, ann.tried("setEncryptionKey(null, 'open sesame')"))
	ben := joinAs(t, b, n, entry{Room: "keys", User: "ben", Video: false, Secret: "close sesame"})
	cleo := joinAs(t, b, n, entry{Room: "keys", User: "cleo", Video: false})
	ben.told("encryption-error", map[string]any{"userId": "ann", "source": "camera", "code": "wrong_key"})
	ben.told("encryption-error", map[string]any{"userId": "cleo", "code": "unencrypted"})
	ann.told("encryption-error", map[string]any{"userId": "ben", "code": "wrong_key"})
	ann.told("encryption-error", map[string]any{"userId": "cleo", "code": "unencrypted"})
	require.Zero(t, ben.received("ann").Video.FramesDecoded)
	require.Zero(t, ben.received("ann").Audio.TotalAudioEnergy)
	var loud float64
	ben.eval("probe.received('cleo').then((r) => r.audio?.totalAudioEnergy ?? 0)", &loud)
	require.Zero(t, loud)

	require.Empty(t, ben.tried("setEncryptionKey(null, 'open sesame')"))
	ben.told("encryption-state", map[string]any{"userId": "ann", "state": "encrypted"})
	ben.sees("ann")
	ben.hears("ann")
	ann.hears("ben")
	var told int
	ben.eval("probe.events.filter((e) => e.name === 'encryption-error' && e.userId === 'ann').length", &told)
	require.LessOrEqual(t, told, 2, "once for the picture, once for the sound")
	require.Equal(t, "unencrypted", ann.secured("cleo"))
	cleo.exit()

	require.Empty(t, ben.tried("stopLocalAudio()"), "he is not the loudest himself")
	ben.eval("probe.parlor.receiveLoudest(1)", nil)
	const sound = `probe.parlor.getStats().then((all) => [...all.values()].filter((s) => s.type === 'inbound-rtp' && s.kind === 'audio').reduce((n, s) => n + (s.totalAudioEnergy ?? 0), 0))`
	var before float64
	ben.eval(sound, &before)
	ben.await("it hears the loudest", fmt.Sprintf("%s.then((n) => n > %f)", sound, before+0.2))

	dora := openPage(t, b, n, "dora")
	var code string
	dora.eval(`import('/client/parlor.js').then(({ Parlor }) => Parlor.create({ encryption: { worker: '/client/none.js' } })
		.enterRoom({ strRoomId: 'keys', userId: 'dora' })).then(() => '', (err) => err.code)`, &code)
	require.Equal(t, "encryption_failed", code)
	require.Equal(t, []string{"ann", "ben"}, n.users("keys"))
}

// secured returns how a user's streams come.
func (p *person) secured(user string) (state string) {
	p.t.Helper()
	p.eval(fmt.Sprintf("probe.parlor.encryptionState(%q)", user), &state)
	return state
}

// A receiver that is no browser gets the packets, and decodes the picture if it is in the clear, and nothing
// if it is not.
func TestNoPictureWithoutTheKey(t *testing.T) {
	n := startNode(t)
	for room, given := range map[string]string{"clear": "", "dark": passphrase} {
		t.Run(room, func(t *testing.T) {
			ann := joinAs(t, shared.get(t), n, entry{Room: room, User: "ann", Audio: false, Video: map[string]any{"codec": "VP8"}, Secret: given})
			pictures := make(chan []byte, 1)
			spy, err := client.Dial(within(t, limit), client.Options{
				URL: n.url, Room: room, User: "spy", Seats: 1, Silent: true, Media: client.Media{Codecs: []string{"VP8"}},
				OnRTP: func(client.Section) func([]byte) { return keyframes(pictures) },
			})
			require.NoError(t, err)
			t.Cleanup(spy.Close)
			require.NoError(t, spy.Seat(within(t, limit), client.SeatRequest{Seat: "0", User: "ann", Video: client.Camera}))
			var frame []byte
			select {
			case frame = <-pictures:
			case <-within(t, limit).Done():
				require.Fail(t, "no keyframe comes")
			}
			img, err := decodeVP8(frame)
			if given == "" {
				require.NoError(t, err)
				require.True(t, patterned(img), "it is the fake camera's picture")
			} else {
				require.False(t, err == nil && patterned(img), "it can be decoded")
				require.Equal(t, byte(0xfc), frame[10], "SFrame follows what stays in the clear")
			}
			ann.exit()
		})
	}
}

// keyframes takes packets of VP8, and gives the first whole keyframe.
func keyframes(to chan<- []byte) func([]byte) {
	var frame []byte
	return func(b []byte) {
		var p rtp.Packet
		var v codecs.VP8Packet
		if p.Unmarshal(b) != nil || len(p.Payload) == 0 {
			return
		}
		part, err := v.Unmarshal(p.Payload)
		if err != nil {
			return
		}
		if v.S == 1 && v.PID == 0 {
			frame = nil
			if part[0]&1 == 0 {
				frame = []byte{}
			}
		}
		if frame == nil {
			return
		}
		if frame = append(frame, part...); p.Marker {
			select {
			case to <- frame:
			default:
			}
			frame = nil
		}
	}
}

func decodeVP8(frame []byte) (*image.YCbCr, error) {
	d := vp8.NewDecoder()
	d.Init(bytes.NewReader(frame), len(frame))
	if _, err := d.DecodeFrameHeader(); err != nil {
		return nil, err
	}
	return d.DecodeFrame()
}

// patterned says whether a picture is mostly the green of Chromium's fake camera.
func patterned(img *image.YCbCr) bool {
	green := 0
	for y := 4; y < img.Rect.Dy(); y += 8 {
		for x := 4; x < img.Rect.Dx(); x += 8 {
			r, g, b, _ := img.At(x, y).RGBA()
			if g > r+0x2000 && g > b+0x2000 {
				green++
			}
		}
	}
	return green > img.Rect.Dx()*img.Rect.Dy()/64/2
}

// The node repairs sound of which it knows nothing: it puts encrypted frames together as redundant audio.
func TestEncryptedSoundOverALossyLink(t *testing.T) {
	d := startDrawn(t)
	at := d.away(browser.StartChromium)
	ann := joinAs(t, shared.get(t), d.node, entry{Room: "lossy", User: "ann", Secret: passphrase})
	ben := joinAs(t, at.browser, d.node, entry{Room: "lossy", User: "ben", Video: false, Audio: false, Secret: passphrase})
	ben.sees("ann")
	ben.hears("ann")
	at.link(calm + " loss=20%")
	ben.settles("ann", 5, 0.05)
	require.Positive(t, d.metric("parlor_media_red_blocks_total"), "it gets redundant audio")
	ben.encrypted("ann")
	for _, e := range ben.events() {
		require.NotEqual(t, "encryption-error", e.Name)
	}
	ann.exit()
}
