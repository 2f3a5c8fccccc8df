// What an application may get wrong, call by call. Each mistake gets a ParlorError that names the field, at
// once, and nothing else.

import assert from 'node:assert/strict';
import test from 'node:test';

class FakeElement {}
Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true });
Object.assign(globalThis, {
  HTMLElement: FakeElement, HTMLVideoElement: class extends FakeElement {}, MediaStreamTrack: class {},
  location: { href: 'https://example.org/' }, document: { getElementById: () => null, createElement: () => ({}) },
});
const { Parlor, ParlorError } = await import('../parlor.js');

const bad = [
  ['enterRoom', [], 'options'], ['enterRoom', [null], 'options'], ['enterRoom', ['lobby'], 'options'],
  ['enterRoom', [{ strRoomId: 'r', userId: 'a', room: 'r' }], 'room'], ['enterRoom', [{ strRoomId: 'r' }], 'user'], ['enterRoom', [{ userId: 'a' }], 'room'],
  ['enterRoom', [{ strRoomId: 'r', userId: 'a', role: 'host' }], 'role'], ['enterRoom', [{ strRoomId: 'r', userId: 'a', scene: 'x' }], 'scene'],
  ['enterRoom', [{ strRoomId: 'r', userId: 'a', token: 7 }], 'token'], ['enterRoom', [{ strRoomId: 'r', userId: 'a', autoReceiveAudio: 'no' }], 'autoReceiveAudio'],
  ['enterRoom', [{ strRoomId: 'r', userId: 'a', name: 7 }], 'name'], ['enterRoom', [{ strRoomId: 'r', userId: 'a', name: 'x'.repeat(65) }], 'name'],
  ['enterRoom', [{ strRoomId: 'r', userId: 'a', metadata: {} }], 'metadata'], ['setProfile', [{ metadata: 'é'.repeat(1025) }], 'metadata'],
  ['setProfile', [{ name: 'x'.repeat(2 ** 20) }], 'name'], ['setProfile', [{ nick: 'x' }], 'nick'], ['setProfile', [], 'options'],
  ['setRemoteVolume', ['bob'], 'volume'], ['setRemoteVolume', ['*', 101], 'volume'], ['setRemoteVolume', ['*', -1], 'volume'], ['setRemoteVolume', ['*', NaN], 'volume'],
  ['switchRole', ['host'], 'role'], ['switchRole', [], 'role'], ['renewToken', [], 'token'], ['renewToken', [{}], 'token'],
  ['sendMessage', [1, 'x', { reliably: true }], 'reliably'], ['sendMessage', [1, 'x', { reliable: 1 }], 'reliable'],
  ['startLocalVideo', [{ profile: '721p' }], 'profile'], ['startLocalAudio', [{ profile: '720p' }], 'profile'], ['startLocalAudio', [{ bitrate: 511 }], 'bitrate'],
  ['startLocalAudio', [{ stereo: 2 }], 'stereo'], ['startLocalVideo', [{ bitrate: 8 }], 'bitrate'], ['startLocalVideo', [{ degradationPreference: 'none' }], 'degradationPreference'],
  ['startScreenShare', [{ contentHint: 'speech' }], 'contentHint'], ['startScreenShare', [{ codec: 'VP9' }], 'codec'], ['startLocalVideo', [{ video: { width: 640 } }], 'video'], ['startLocalVideo', ['me'], 'options'],
  ['startLocalVideo', [{ width: '640' }], 'width'], ['startLocalVideo', [{ width: NaN }], 'width'], ['startLocalVideo', [{ height: 0 }], 'height'],
  ['startLocalVideo', [{ frameRate: 1000 }], 'frameRate'], ['startLocalVideo', [{ codec: 'H265' }], 'codec'], ['startLocalVideo', [{ svc: 'L4T3' }], 'svc'], ['startLocalVideo', [{ facingMode: 'left' }], 'facingMode'],
  ['startLocalVideo', [{ fillMode: 'crop' }], 'fillMode'], ['startLocalVideo', [{ mute: 'yes' }], 'mute'], ['startLocalVideo', [{ view: 7 }], 'view'],
  ['startLocalVideo', [{ view: 'nowhere' }], 'view'], ['startLocalVideo', [{ deviceId: null }], 'deviceId'],
  ['updateLocalVideo', [], 'options'], ['updateLocalVideo', [{ size: 1 }], 'size'],
  ['startLocalAudio', [{ width: 1 }], 'width'], ['updateLocalAudio', [], 'options'], ['updateLocalAudio', [{ echoCancellation: 'off' }], 'echoCancellation'],
  ['startScreenShare', [{ width: 0 }], 'width'], ['updateScreenShare', [{ frameRate: -1 }], 'frameRate'],
  ['startRemoteVideo', [], 'options'], ['startRemoteVideo', [{ userId: 'bob' }], 'view'], ['startRemoteVideo', [{ userId: 'bob', view: null, streamType: 'screen' }], 'streamType'],
  ['startRemoteVideo', [{ userId: 'bob', view: ['a', null] }], 'view'], ['startLocalVideo', [{ view: ['a', 'b'] }], 'view'],
  ['startRemoteVideo', [{ userId: 'bob', view: null, adaptive: 'yes' }], 'adaptive'],
  ['startRemoteVideo', [{ userId: 'bob', view: null, quality: 'ultra' }], 'quality'], ['updateRemoteVideo', [], 'options'],
  ['updateRemoteVideo', [{ userId: 'bob', quality: 'ultra' }], 'quality'], ['updateRemoteVideo', [{ quality: 'low' }], 'user'],
  ['stopRemoteVideo', [], 'options'], ['stopRemoteVideo', ['bob'], 'options'], ['stopRemoteVideo', [{}], 'user'], ['stopRemoteVideo', [{ user: 'bob' }], 'user'],
  ['stopRemoteVideo', [{ userId: 'bob', streamType: 'x' }], 'streamType'],
  ['muteRemoteAudio', ['bob'], 'muted'], ['muteRemoteAudio', ['bob', 1], 'muted'],
  ['receiveLoudest', [], 'most'], ['receiveLoudest', [17], 'most'], ['receiveLoudest', ['3'], 'most'], ['setSpeaker', [], 'deviceId'], ['setSpeaker', [null], 'deviceId'],
  ['testSpeaker', [{ speaker: 'x' }], 'speaker'], ['enableLocalAudioLevel', [20], 'interval'], ['startScreenShare', [{ processor: 1 }], 'processor'],
  ['getStats', ['camera'], 'track'], ['enableAudioVolumeEvaluation', [50], 'interval'], ['enableStatistics', [], 'on'], ['enableStatistics', ['off'], 'on'],
];

for (const [name, args, field] of bad) {
  test(`${name}(${args.map((a) => JSON.stringify(a) ?? 'undefined').join(', ')}) names ${field}`, async () => {
    await assert.rejects(Parlor.create()[name](...args), (err) => err instanceof ParlorError && err.code === 'invalid_parameter' && err.field === field && err.message.length < 300);
  });
}

test('what returns no promise throws', () => {
  const p = Parlor.create();
  const throws = (fn, field) => assert.throws(fn, (err) => err instanceof ParlorError && err.field === field);
  throws(() => Parlor.create({ token: 'x' }), 'token');
  throws(() => Parlor.create(null), 'options');
  throws(() => Parlor.create({ seats: { most: 3 } }), 'most');
  throws(() => Parlor.create({ seats: { max: 'all' } }), 'max');
  throws(() => Parlor.create({ getToken: 'x' }), 'getToken');
  throws(() => p.getVideoTrack(), 'options');
  throws(() => p.getAudioTrack('bob'), 'options');
  throws(() => p.getVideoTrack({ userId: 'bob' }), 'user');
  throws(() => p.getLocalTrack('video'), 'source');
  for (const on of ['on', 'once', 'off']) throws(() => p[on]('remote-user-entered', () => {}), 'event');
  throws(() => p.on('toString', () => {}), 'event');
  throws(() => p.on('error'), 'handler');
  throws(() => p.off('error', 'x'), 'handler');
  assert.equal(p.on('error', () => {}).off('error').off('*'), p);
});

test('what a browser throws comes as a ParlorError', async () => {
  const p = Parlor.create();
  navigator.mediaDevices = { enumerateDevices: () => Promise.reject(Object.assign(new Error('no'), { name: 'NotAllowedError' })), getUserMedia: () => Promise.reject(new TypeError('x')) };
  await assert.rejects(Parlor.getCameraList(), { name: 'ParlorError', code: 'device_denied', field: 'camera' });
  await assert.rejects(p.startLocalVideo(), { name: 'ParlorError', code: 'device_busy', field: 'camera' });
  delete navigator.mediaDevices;
  await assert.rejects(p.startLocalVideo(), { name: 'ParlorError', code: 'not_supported' });
  await assert.rejects(p.startRemoteVideo({ userId: 'bob', view: null }), { code: 'invalid_state' });
  assert.deepEqual(await Parlor.getSpeakerList(), []);
});
