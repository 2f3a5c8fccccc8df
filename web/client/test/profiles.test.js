// Profiles, and how one's own streams are sent: what changes while they run.

import assert from 'node:assert/strict';
import test from 'node:test';
import { encodings, shapeOf } from '../encodings.js';
import { ParlorError } from '../protocol.js';
import { PROFILES, applied } from '../profiles.js';
import { compact, hearsStereo, opusOf } from '../sdp.js';
import { page, setUp } from './devices.js';

test('a profile says what is not given, and null counts as not given', () => {
  assert.deepEqual(applied('camera', { profile: '360p', frameRate: 15, bitrate: null, codec: undefined }), { profile: '360p', width: 640, height: 360, frameRate: 15, bitrate: 800 });
  assert.deepEqual(applied('mic', { profile: null, stereo: true }), { stereo: true });
  assert.deepEqual(applied('screen-audio', {}), {});
  assert.equal(applied('screen', { profile: 'motion' }).degradationPreference, 'maintain-framerate');
});

test('a bitrate is that of all layers together', () => {
  for (const [name, { width, height, bitrate }] of Object.entries(PROFILES.camera)) {
    const layers = encodings({ source: 'camera', simulcast: true, width, height, bitrate });
    const sum = layers.reduce((all, l) => all + l.maxBitrate, 0);
    assert.equal(sum, bitrate * 1000, name);
    assert.ok(layers[0].maxBitrate < layers[1].maxBitrate && layers[1].maxBitrate < layers[2].maxBitrate, name);
  }
  assert.deepEqual(encodings({ source: 'camera', bitrate: 500 }), [{ maxBitrate: 500_000 }]);
  assert.deepEqual(encodings({ source: 'screen', bitrate: 500 }), [{ maxBitrate: 500_000 }]);
});

test('what a section cannot change has one of its own', () => {
  const shapes = [{}, { codec: 'VP9' }, { simulcast: true }, { simulcast: true, codec: 'H264' }, { simulcast: true, codec: 'VP9' }, { svc: 'L3T3' }].map(shapeOf);
  assert.deepEqual([shapes[0] === shapes[1], shapes[2] === shapes[3], new Set(shapes).size], [true, true, 4]);
});

const lines = (...l) => l.map((x) => `${x}\r\n`).join('');
const section = (mid, direction, fmtp) => ['m=audio 9 x 111 63', `a=mid:${mid}`, `a=${direction}`, 'a=rtpmap:111 opus/48000/2', `a=fmtp:111 ${fmtp}`, 'a=rtpmap:63 red/48000/2', 'a=fmtp:63 111/111'];

test('sdp: what is wanted of Opus is said in the section that sends it', () => {
  assert.equal(opusOf({}), '');
  const wanted = opusOf({ stereo: true, dtx: true, bitrate: 192 });
  assert.equal(wanted, 'stereo=1;sprop-stereo=1;usedtx=1;maxaveragebitrate=192000');
  assert.equal(opusOf({ stereo: false, dtx: false }), 'stereo=0;sprop-stereo=0;usedtx=0');
  const sdp = lines('v=0', ...section('0', 'recvonly', 'minptime=10'), ...section('1', 'sendonly', 'minptime=10;stereo=1; useinbandfec=1'));
  assert.equal(compact(sdp, new Map([['1', wanted]])), lines('v=0', ...section('0', 'recvonly', 'minptime=10'), ...section('1', 'sendonly', `minptime=10; useinbandfec=1;${wanted}`)));
  assert.equal(compact(sdp, new Map([['1', '']])), sdp);
});

test('sdp: seats ask for stereo, unless the browser says something of it itself', () => {
  const of = (fmtp) => lines('v=0', ...section('0', 'recvonly', fmtp), ...section('1', 'sendonly', 'minptime=10'));
  assert.equal(hearsStereo(of('minptime=10')), of('minptime=10;stereo=1'));
  assert.equal(hearsStereo(of('stereo=0')), of('stereo=0'));
});

const sent = (t) => t.published.map(({ track, ...p }) => JSON.parse(JSON.stringify(p)));

test('a profile replaces what was given before, and lasts over another device', async () => {
  const t = setUp();
  t.connect();
  await t.local.startVideo({ profile: '360p', frameRate: 15 });
  await t.local.update('camera', { deviceId: 'other' });
  assert.deepEqual(page.asked[1].video, { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 15 }, deviceId: { exact: 'other' } });
  await t.local.update('camera', { profile: '1080p' });
  assert.deepEqual([page.opened[1].adjusted.at(-1).width.ideal, page.opened[1].adjusted.at(-1).frameRate.ideal], [1920, 30]);
  await t.local.update('camera', { bitrate: 100, degradationPreference: 'balanced', contentHint: 'motion' });
  await t.local.update('camera', { profile: null });
  assert.deepEqual(sent(t), [{ simulcast: true, bitrate: 800 }, { simulcast: true, bitrate: 4000 }, { simulcast: true, bitrate: 100, degradationPreference: 'balanced' }, { simulcast: true }]);
  assert.deepEqual([page.opened[1].adjusted.at(-1).width.ideal, page.opened[1].contentHint], [1280, '']);
});

test('layers and codec change while it runs, and a new PeerConnection takes what holds', async () => {
  const t = setUp();
  t.connect();
  await t.local.startVideo({});
  await t.local.update('camera', { codec: 'H264' });
  await t.local.update('camera', { simulcast: false, bitrate: 300 });
  await t.local.update('camera', { mute: true, codec: null });
  assert.deepEqual(sent(t), [{ simulcast: true }, { simulcast: true, codec: 'H264' }, { simulcast: false, codec: 'H264', bitrate: 300 }, { simulcast: false, bitrate: 300 }]);
  assert.deepEqual(t.sent.slice(-2), [['camera', null], ['camera', null]], 'a muted camera sends nothing, also then');
  const { track, ...p } = t.local.publications(() => true).get('camera');
  assert.deepEqual([track, p.simulcast, p.bitrate], [page.opened[0], false, 300]);
});

test('what cannot be sent so goes on as it was, the device as well', async () => {
  const t = setUp();
  t.connect();
  await t.local.startVideo({ deviceId: 'front', processor: null });
  t.takes = (p) => p.codec !== 'AV1';
  await assert.rejects(t.local.update('camera', { codec: 'AV1', deviceId: 'back', width: 320, contentHint: 'text' }), { code: 'not_supported' });
  assert.deepEqual(sent(t).map((p) => p.codec), [undefined, 'AV1', undefined]);
  assert.deepEqual([page.asked.at(-1).video.deviceId.exact, page.asked.at(-1).video.width.ideal, t.local.track('camera').contentHint], ['front', 1280, '']);
  await assert.rejects(t.local.update('camera', { codec: 'AV1', width: 320, contentHint: 'text' }), { code: 'not_supported' });
  assert.equal(t.local.track('camera').contentHint, '');
  assert.deepEqual(t.local.track('camera').adjusted.map((c) => c.width.ideal), [320, 1280]);
  assert.equal(t.sent.at(-1)[1], t.local.track('camera'));
  await t.local.update('camera', { bitrate: 99 });
  assert.deepEqual(sent(t).at(-1), { simulcast: true, bitrate: 99 }, 'what failed does not come back');
});

test('a change that a lost connection called off is of the next one', async () => {
  const t = setUp();
  t.connect();
  await t.local.startAudio({});
  t.takes = () => {
    t.takes = undefined;
    t.connect();
    t.began = t.local.publications(() => true).get('mic').bitrate;
    throw new ParlorError('aborted', '');
  };
  await t.local.update('mic', { bitrate: 96 });
  assert.deepEqual([t.began, sent(t).map((p) => p.bitrate)], [undefined, [undefined, 96, 96]]);
});

test('stereo opens the microphone with two channels, and Opus is told', async () => {
  const t = setUp();
  t.connect();
  await t.local.startAudio({ profile: 'speech' });
  await t.local.update('mic', { profile: 'high-stereo' });
  assert.deepEqual(page.asked[1].audio, { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: { ideal: 2 } });
  assert.deepEqual(sent(t), [{ simulcast: false, bitrate: 24, dtx: true }, { simulcast: false, bitrate: 192, stereo: true }]);
  assert.deepEqual(page.opened.map((x) => x.contentHint), ['speech', 'music']);
});
