package web_test

import (
	"bytes"
	"compress/zlib"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/config"
	"parlor/session/token"
)

const (
	appID  = 1400000000
	appKey = "an application's key, long enough for HS256"
)

// userSig signs as the application's back end does.
func userSig(t *testing.T, user string) string {
	t.Helper()
	now, left := time.Now().Unix(), 3600
	mac := hmac.New(sha256.New, []byte(appKey))
	fmt.Fprintf(mac, "TLS.identifier:%s\nTLS.sdkappid:%d\nTLS.time:%d\nTLS.expire:%d\n", user, appID, now, left)
	doc, err := json.Marshal(map[string]any{
		"TLS.ver": "2.0", "TLS.identifier": user, "TLS.sdkappid": appID, "TLS.time": now, "TLS.expire": left,
		"TLS.sig": base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	})
	require.NoError(t, err)
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, err = z.Write(doc)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return strings.NewReplacer("+", "*", "/", "-", "=", "_").Replace(base64.StdEncoding.EncodeToString(packed.Bytes()))
}

// otherSample is an application of the other SDK, in its words, but for where it is imported from.
const otherSample = `(async ({ sdkAppId, userId, userSig }) => {
	await import('/compat/global.js');
	const { TRTC } = window;
	document.body.innerHTML = '<div id="local"></div><div id="stage"></div>';
	document.head.replaceChildren(); // the demo's looks
	local.style.cssText = 'width: 160px; height: 90px';
	const log = window.heard = [];
	const trtc = window.trtc = TRTC.create();
	for (const name of ['REMOTE_USER_ENTER', 'REMOTE_USER_EXIT', 'CONNECTION_STATE_CHANGED', 'PUBLISH_STATE_CHANGED', 'KICKED_OUT', 'ERROR', 'AUDIO_VOLUME', 'CUSTOM_MESSAGE', 'FIRST_VIDEO_FRAME', 'VIDEO_SIZE_CHANGED', 'TRACK', 'DEVICE_CHANGED']) {
		trtc.on(TRTC.EVENT[name], (event) => log.push({ name, ...event, ...(event.track && { kind: event.track.kind }), ...(name === 'ERROR' && { code: event.code, message: event.message }), ...(event.data && { text: new TextDecoder().decode(event.data) }) }));
	}
	trtc.on(TRTC.EVENT.REMOTE_VIDEO_AVAILABLE, ({ userId, streamType }) => {
		const view = document.createElement('div');
		view.id = userId + '_' + streamType;
		view.style.cssText = 'width: 320px; height: 240px';
		stage.append(view);
		trtc.startRemoteVideo({ userId, streamType, view: view.id });
	});
	trtc.on(TRTC.EVENT.REMOTE_VIDEO_UNAVAILABLE, ({ userId, streamType }) => {
		trtc.stopRemoteVideo({ userId, streamType });
		document.getElementById(userId + '_' + streamType).remove();
	});
	const { result } = await TRTC.isSupported();
	if (!result) throw new Error('not supported');
	await trtc.startLocalVideo({ view: 'local', option: { profile: '360p' } });
	await trtc.enterRoom({ sdkAppId, userId, userSig, roomId: 8888 });
	await trtc.startLocalAudio();
	trtc.enableAudioVolumeEvaluation(200);
	window.tried = (call) => Promise.resolve().then(call).then(() => 0, (err) => err.extraCode);
})(%s)`

// TestApplicationsOfTheOtherSDK: two pages of such an application meet by UserSigs. One mutes, leaves and keeps
// its picture; the other is put out by a command.
func TestApplicationsOfTheOtherSDK(t *testing.T) {
	cfg := nodeConfig(t, netip.MustParseAddr("127.0.0.1"), timers{})
	cfg.Auth.Keys = []config.Key{config.Key(fmt.Sprintf("%d:%s", appID, appKey))}
	keys, err := token.New(nil, token.Key{ID: fmt.Sprint(appID), Secret: []byte(appKey)})
	require.NoError(t, err)
	n := runNode(t, cfg, keys)
	b := shared.get(t)
	enter := func(user string) *person {
		page, err := b.Open(within(t, limit), n.url+"/?camera=0&mic=0")
		require.NoError(t, err)
		p := &person{t: t, name: user, page: page}
		t.Cleanup(p.cleanUp)
		who, err := json.Marshal(map[string]any{"sdkAppId": appID, "userId": user, "userSig": userSig(t, user)})
		require.NoError(t, err)
		p.eval(fmt.Sprintf(otherSample, who), nil)
		return p
	}
	ann, bob := enter("ann"), enter("bob")
	playing := func(id string) string {
		return fmt.Sprintf("document.querySelector('#%s video')?.videoWidth > 0", id)
	}
	ann.await("ann sees bob", playing("bob_main"))
	bob.await("bob sees ann", playing("ann_main"))
	ann.await("ann sees herself", playing("local"))
	bob.await("volumes come for all", "heard.some((e) => e.name === 'AUDIO_VOLUME' && e.result.some((u) => u.userId === '') && e.result.some((u) => u.userId === 'ann'))")
	bob.await("publishing is told", "heard.filter((e) => e.name === 'PUBLISH_STATE_CHANGED').map((e) => e.mediaType + e.state).join() === 'videostarted,audiostarting,audiostarted'")

	for _, u := range []string{"", "bob"} {
		ann.await("the first frame of "+u, "heard.filter((e) => e.name === 'FIRST_VIDEO_FRAME' && e.userId === '"+u+"' && e.streamType === 'main' && e.width > 0).length === 1")
		ann.await("the track of "+u, "heard.some((e) => e.name === 'TRACK' && e.userId === '"+u+"' && e.kind === 'video') && heard.some((e) => e.name === 'TRACK' && e.userId === '"+u+"' && e.kind === 'audio')")
		ann.await("a snapshot of "+u, "trtc.getVideoSnapshot({ userId: '"+u+"' }).startsWith('data:image/png;base64,') && trtc.getVideoSnapshot({ userId: '"+u+"' }).length > 500")
	}
	ann.await("devices that were opened", "['camera', 'microphone'].every((type) => heard.some((e) => e.name === 'DEVICE_CHANGED' && e.type === type && e.action === 'active' && e.device.label))")
	ann.await("nothing is shown of others", "trtc.getVideoSnapshot({ userId: 'nobody' }) === '' && trtc.getVideoSnapshot({ userId: 'bob', streamType: 'sub' }) === ''")
	ann.await("she may use her devices", "TRTC.getPermissions({ types: ['camera'] }).then((p) => p.camera === 'granted' && p.microphone === null)")

	ann.eval("trtc.sendCustomMessage({ cmdId: 1, data: new TextEncoder().encode('hello').buffer })", nil)
	bob.await("the message", "heard.some((e) => e.name === 'CUSTOM_MESSAGE' && e.userId === 'ann' && e.cmdId === 1 && e.text === 'hello')")

	var code int
	for call, want := range map[string]int{
		"() => trtc.enterRoom({ sdkAppId: 1400000000, userId: 'ann', userSig: 'x', roomId: 8888 })": 5100,
		"() => trtc.startRemoteVideo({ userId: 'nobody', streamType: 'main', view: null })":         5102,
		"() => trtc.startLocalVideo()":                5104,
		"() => trtc.startPlugin('Watermark', {})":     5209,
		"() => trtc.stopRemoteVideo({ userId: 'x' })": 5014,
		"() => TRTC.create().enterRoom({ sdkAppId: 1400000000, userId: 'eve', userSig: 'eJyrVgrxCdY-', roomId: 8888 })": 70003,
	} {
		ann.eval("tried("+call+")", &code)
		require.Equal(t, want, code, call)
	}

	ann.eval("trtc.updateLocalVideo({ mute: true })", nil)
	bob.await("ann is muted", "!document.getElementById('ann_main')")
	ann.eval("trtc.updateLocalVideo({ mute: false, option: { profile: '180p' } })", nil)
	bob.await("ann is back", playing("ann_main"))
	ann.eval("trtc.exitRoom()", nil)
	bob.await("ann has left", "heard.some((e) => e.name === 'REMOTE_USER_EXIT' && e.userId === 'ann' && e.reason === 0)")
	ann.await("her camera is shown on", playing("local"))
	ann.eval("void (window.taken = trtc.getVideoSnapshot())", nil)
	ann.await("and can be taken as it is", "trtc.getVideoSnapshot() !== taken && trtc.getVideoSnapshot().length > 500")
	ann.await("her states", "heard.filter((e) => e.name === 'CONNECTION_STATE_CHANGED').map((e) => e.state).join() === 'CONNECTING,CONNECTED,DISCONNECTED'")

	n.command("RemoveUser", map[string]any{"RoomId": 8888, "UserIds": []string{"bob"}})
	bob.await("bob is put out", "heard.some((e) => e.name === 'KICKED_OUT' && e.reason === 'banned')")
	var errors []string
	bob.eval("heard.filter((e) => e.name === 'ERROR').map((e) => e.message)", &errors)
	require.Empty(t, errors)
}
