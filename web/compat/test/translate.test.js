// From the other SDK's words to ours and back.

import assert from 'node:assert/strict';
import test from 'node:test';
import { ParlorError } from '../../client/protocol.js';
import { RtcError, camera, entering, errorOf, kicked, microphone, remote, screen, states } from '../translate.js';
import { EVENT, TYPE } from '../words.js';

const user = { sdkAppId: 1400000000, userId: 'ann', userSig: 'eJ1' };
const fails = (fn, extraCode) => assert.throws(fn, (err) => err instanceof RtcError && err.extraCode === extraCode && err.message !== '');

test('entering: rooms, scenes, roles, signatures', () => {
  assert.deepEqual(entering({ ...user, roomId: 8888 }), { roomId: 8888, userId: 'ann', token: 'eJ1', scene: 'call', role: 'anchor', autoReceiveAudio: true });
  assert.deepEqual(entering({ ...user, strRoomId: 'lobby', scene: TYPE.SCENE_LIVE, role: TYPE.ROLE_AUDIENCE, privateMapKey: 'eJ2', autoReceiveAudio: false }),
    { strRoomId: 'lobby', userId: 'ann', token: 'eJ1.eJ2', scene: 'live', role: 'audience', autoReceiveAudio: false });
  assert.equal(entering({ ...user, roomId: 1, strRoomId: 'lobby' }).strRoomId, undefined, 'the number wins');
  fails(() => entering({ ...user }), 5015);
  fails(() => entering({ ...user, roomId: '8888' }), 5016);
  fails(() => entering({ userId: 'ann', userSig: 'x', roomId: 1 }), 5001);
  fails(() => entering({ ...user, sdkAppId: '14', roomId: 1 }), 5002);
  fails(() => entering({ sdkAppId: 1, userSig: 'x', roomId: 1 }), 5001);
});

test('the camera: profiles, devices, look; the default is the other SDK\'s', () => {
  assert.deepEqual(camera({ view: 'me' }, true), { view: 'me', width: 640, height: 480, frameRate: 15, bitrate: 500 });
  assert.deepEqual(camera({ option: { cameraId: 'c2', profile: '720p', mirror: 'view', fillMode: 'fill', small: true, qosPreference: TYPE.QOS_PREFERENCE_CLEAR } }, false),
    { width: 1280, height: 720, frameRate: 15, bitrate: 1500, deviceId: 'c2', mirror: true, fillMode: 'fill', simulcast: true, degradationPreference: 'maintain-resolution' });
  assert.deepEqual(camera({ mute: true }, false), { mute: true }, 'a change of one thing is a change of one thing');
  assert.deepEqual(camera({ option: { useFrontCamera: false, profile: { width: 320, height: 240, frameRate: 10, bitrate: 200 } } }, true),
    { width: 320, height: 240, frameRate: 10, bitrate: 200, facingMode: 'environment' });
  assert.deepEqual(camera({ option: { videoTrack: 'mine' } }, true), { videoTrack: 'mine' }, 'an own track has its own size');
  fails(() => camera({ option: { profile: '9p' } }, true), 5005);
  fails(() => camera({ option: { mirror: 'publish' } }, true), 5209);
  fails(() => camera({ mute: 'https://x/y.png' }, false), 5209);
});

test('microphone and screen', () => {
  assert.deepEqual(microphone({}, true), { bitrate: 40, stereo: false });
  assert.deepEqual(microphone({ option: { microphoneId: 'm', profile: 'high-stereo' } }, true), { deviceId: 'm', bitrate: 192, stereo: true });
  assert.deepEqual(microphone({ mute: true, option: { microphoneId: '' } }, false), { mute: true }, 'no id is the default device');
  fails(() => microphone({ option: { captureVolume: 150 } }, true), 5209);
  assert.deepEqual(screen({ view: 'v', option: { systemAudio: true } }, true), { view: 'v', audio: true, width: 1920, height: 1080, frameRate: 5, bitrate: 1600 });
  assert.equal(screen({}, true).audio, false);
  fails(() => screen({ streamType: 'main' }, true), 5209);
});

test('what others send', () => {
  assert.deepEqual(remote({ userId: 'bob', streamType: 'main', view: 'v', option: { small: true, fillMode: 'contain' } }, false), { view: 'v', userId: 'bob', streamType: 'main', quality: 'low', fillMode: 'contain' });
  assert.deepEqual(remote({ userId: 'bob', streamType: 'sub', view: null }, false), { view: null, userId: 'bob', streamType: 'sub' });
  const seen = (option, first) => remote({ userId: 'bob', streamType: 'main', option }, first).adaptive;
  assert.deepEqual([seen({}, true), seen({ receiveWhenViewVisible: true }, true), seen({ receiveWhenViewVisible: false }, false), seen({}, false)],
    [false, true, false, undefined], 'seen or not, unless it is told otherwise');
});

test('errors keep what was said, and get both codes', () => {
  const err = errorOf(new ParlorError('token_expired', 'The token has ended.'), 'enterRoom');
  assert.ok(err instanceof RtcError);
  assert.deepEqual([err.code, err.extraCode, err.functionName, err.message, err.cause.code], [5400, 70001, 'enterRoom', 'The token has ended.', 'token_expired']);
  assert.deepEqual([errorOf(new ParlorError('device_denied', 'no')).code, errorOf(new ParlorError('aborted', 'no')).code], [5300, 5998]);
  assert.equal(errorOf(new TypeError('what')).code, 5999);
  assert.equal(errorOf(err), err);
});

test('states: there is no connecting anew', () => {
  const of = (prev, state) => states(prev, state).map((s) => `${s.prevState}>${s.state}`);
  assert.deepEqual(of('CONNECTED', 'RECONNECTING'), ['CONNECTED>DISCONNECTED', 'DISCONNECTED>CONNECTING']);
  assert.deepEqual(of('RECONNECTING', 'CONNECTED'), ['CONNECTING>CONNECTED']);
  assert.deepEqual(of('DISCONNECTED', 'CONNECTING'), ['DISCONNECTED>CONNECTING']);
  assert.deepEqual(of('RECONNECTING', 'DISCONNECTED'), ['CONNECTING>DISCONNECTED']);
  assert.deepEqual(of('CONNECTING', 'RECONNECTING'), []);
});

test('why one was put out', () => {
  assert.deepEqual([1, 2, 3, 4, 5].map(kicked), ['banned', 'room_disband', 'kick', 'unknown', 'unknown']);
  assert.equal(EVENT.CUSTOM_MESSAGE, 'custom-message');
});
