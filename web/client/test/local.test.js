// Own streams, the sound of others, and the queue of the PeerConnection. The page's doubles are in devices.js.

import assert from 'node:assert/strict';
import test from 'node:test';
import { ParlorError } from '../protocol.js';
import { FakeElement, FakeTrack, domError, page, setUp } from './devices.js';
import { settle } from './fakes.js';

const { Peer } = await import('../peer.js');
const { Speakers } = await import('../view.js');

test('what one may not send is released on entering, and said; the rest is sent', async () => {
  const t = setUp();
  await t.local.startVideo({});
  await t.local.startAudio({});
  t.connect();
  const sent = t.local.publications((source) => source !== 'camera');
  assert.deepEqual([...sent.keys()], ['mic']);
  await settle();
  assert.deepEqual(t.errors, ['camera not_allowed']);
  assert.equal(t.local.track('camera'), null);
  assert.deepEqual(page.opened.map((x) => x.readyState), ['ended', 'live']);
});

test('what waited for its turn when everything was released opens no device', async () => {
  const t = setUp();
  await t.local.startVideo({});
  t.connect();
  await t.local.publishAll();
  let answer = () => {};
  t.answer = () => new Promise((then) => { answer = then; });
  const stopped = t.local.stop('camera'); // waits for the node
  const called = ['startVideo', 'startAudio', 'startScreen'].map((start) => t.local[start]({}));
  await settle();
  t.local.releaseAll();
  answer();
  await stopped;
  await assert.rejects(called[0], { code: 'aborted' });
  assert.equal(page.asked.filter((c) => c.video).length, 1, 'the first one only');
  await Promise.allSettled(called);
  assert.deepEqual(page.opened.map((x) => x.readyState).filter((state) => state !== 'ended'), []);
});

test('the audience keeps its preview and sends nothing of it', async () => {
  const t = setUp();
  await t.local.startVideo({});
  assert.equal(t.local.publications(() => true).size, 0);
  await settle();
  assert.deepEqual(t.errors, []);
  assert.equal(page.opened[0].readyState, 'live');
});

test('what the node does not take is released, each said by itself', async () => {
  const t = setUp();
  await t.local.startVideo({});
  await t.local.startAudio({});
  t.connect();
  const sent = t.local.publications(() => true);
  t.local.refused(sent.keys(), new ParlorError('publisher_limit', 'full'));
  await settle();
  assert.deepEqual(t.errors, ['camera publisher_limit', 'mic publisher_limit']);
  assert.deepEqual(page.opened.map((x) => x.readyState), ['ended', 'ended']);
  await assert.rejects(t.local.update('mic', { mute: false }), { code: 'invalid_state' });
  await t.local.startAudio({});
  assert.equal(t.local.track('mic').readyState, 'live', 'it can be started again');
});

test('what is not taken of an anchor to be is released', async () => {
  const t = setUp();
  await t.local.startVideo({});
  await t.local.startAudio({});
  t.connect();
  t.refuse.add('camera');
  await t.local.publishAll();
  await settle();
  assert.deepEqual(t.errors, ['camera publisher_limit']);
  assert.equal(t.local.track('camera'), null);
  assert.equal(t.local.track('mic').readyState, 'live');
});

test('the sound of a screen that is refused leaves the picture', async () => {
  const t = setUp();
  t.connect();
  t.refuse.add('screen-audio');
  await t.local.startScreen({});
  assert.deepEqual(t.errors, ['screen-audio publisher_limit']);
  assert.deepEqual(page.opened.map((x) => `${x.kind} ${x.readyState}`), ['video live', 'audio ended']);
});

test('what the node may not have heard is told again', async () => {
  const t = setUp();
  t.connect();
  await t.local.startAudio({});
  t.answer = async () => {
    throw new ParlorError('timeout', '');
  };
  await assert.rejects(t.local.update('mic', { mute: true }), { code: 'timeout' });
  t.answer = async () => {};
  await t.local.update('mic', { mute: true });
  await t.local.update('mic', { mute: true });
  assert.deepEqual(t.said, ['mic false', 'mic false']);
});

test('muting and stopping take effect at once, whatever the node is still to answer', async () => {
  const t = setUp();
  t.connect();
  await t.local.startAudio({ mute: true });
  await t.local.startVideo({});
  t.answer = () => new Promise(() => {});
  void t.local.update('mic', { mute: false });
  void t.local.update('camera', { mute: true });
  await settle();
  const [mic, camera] = page.opened;
  assert.equal(mic.enabled, true);
  void t.local.update('mic', { mute: true });
  void t.local.stop('camera');
  assert.equal(mic.enabled, false);
  assert.equal(camera.readyState, 'ended');
});

test('one announcement that fails after the first offer keeps no other from being told', async () => {
  const t = setUp();
  t.connect();
  t.answer = async () => {
    throw new ParlorError('internal', '');
  };
  await t.local.published(['camera', 'mic']);
  assert.deepEqual(t.said, ['camera false', 'mic false']);
  assert.deepEqual(t.errors, ['camera internal', 'mic internal']);
});

test('the default device is asked for without naming one', async () => {
  const t = setUp();
  await t.local.startAudio({ deviceId: 'x' });
  await t.local.update('mic', { deviceId: '' });
  assert.deepEqual(page.asked.map((c) => c.audio.deviceId), [{ exact: 'x' }, undefined]);
});

const video = (i) => page.asked[i].video;

test('options of the camera last: another device is opened as the last one was', async () => {
  const t = setUp();
  t.connect();
  await t.local.startVideo({ width: 640, height: 360, frameRate: 15, facingMode: 'user' });
  await t.local.update('camera', { deviceId: 'other' });
  assert.deepEqual(video(1), { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 15 }, deviceId: { exact: 'other' } });
  await t.local.update('camera', { facingMode: 'environment' });
  assert.deepEqual(video(2), { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 15 }, facingMode: 'environment' }, 'in place of the device');
  await t.local.update('camera', { mute: false });
  await t.local.update('camera', { facingMode: 'environment', width: 640 });
  assert.equal(page.asked.length, 3, 'nothing changes, nothing is opened');
  assert.deepEqual(page.opened.map((x) => x.readyState), ['ended', 'ended', 'live']);
  assert.equal(t.sent.at(-1)[1], page.opened[2]);
});

test('size and rate change while the camera runs, and start again is a change as well', async () => {
  const t = setUp();
  t.connect();
  await t.local.startVideo({ deviceId: 'x' });
  await t.local.update('camera', { width: 320, height: 180 });
  await t.local.startVideo({ frameRate: 10 });
  assert.deepEqual(page.opened[0].adjusted.map((c) => [c.width.ideal, c.height.ideal, c.frameRate.ideal, c.deviceId.exact]), [[320, 180, 30, 'x'], [320, 180, 10, 'x']]);
  assert.deepEqual(t.sent.map(([source, track]) => [source, track === page.opened[0]]), [['camera', true], ['camera', true]], 'the layers hear of it');
  page.inflexible = true;
  await assert.rejects(t.local.update('camera', { width: 4000 }), { name: 'ParlorError', code: 'device_not_found', field: 'width' });
  page.inflexible = false;
  await t.local.update('camera', { height: 200 });
  assert.equal(page.opened[0].adjusted.at(-1).width.ideal, 320, 'what failed does not come back with the next change');
  assert.equal(page.opened.length, 1);
});

test('what is done to sound lasts, and changes with a new track', async () => {
  const t = setUp();
  t.connect();
  await t.local.startAudio({ echoCancellation: false });
  await t.local.update('mic', { deviceId: 'other' });
  assert.deepEqual(page.asked[1].audio, { echoCancellation: false, noiseSuppression: true, autoGainControl: true, deviceId: { exact: 'other' } });
  await t.local.update('mic', { echoCancellation: true });
  assert.deepEqual([page.asked[2].audio.echoCancellation, page.asked[2].audio.deviceId.exact], [true, 'other']);
  assert.deepEqual(page.opened.map((x) => x.readyState), ['ended', 'ended', 'live']);
  assert.equal(t.local.track('mic'), page.opened[2]);
});

test('a browser that does to one microphone what was asked for first has it let go before', async () => {
  const t = setUp();
  t.connect();
  let first;
  FakeTrack.prototype.getSettings = function () {
    first = page.opened.some((x) => x !== this && x.readyState === 'live') ? first : page.asked.at(-1).audio;
    return first;
  };
  try {
    await t.local.startAudio({ echoCancellation: false });
    assert.equal(t.local.track('mic').getSettings().echoCancellation, false);
    await t.local.update('mic', { echoCancellation: true });
    assert.equal(t.local.track('mic').getSettings().echoCancellation, true);
    assert.deepEqual(page.opened.map((x) => x.readyState), ['ended', 'ended', 'live']);
    assert.equal(t.sent.at(-1)[1], page.opened[2]);
  } finally {
    FakeTrack.prototype.getSettings = () => ({ width: 1280, height: 720 });
  }
});

test('a change that fails changes nothing', async () => {
  const t = setUp();
  t.connect();
  await t.local.startVideo({ width: 640 });
  await t.local.startAudio({});
  page.fails = (c) => (c.video ?? c.audio).deviceId && domError('OverconstrainedError', 'deviceId');
  for (const source of ['camera', 'mic']) {
    await assert.rejects(t.local.update(source, { deviceId: 'nonexistent', mute: false }), { name: 'ParlorError', code: 'device_not_found', field: 'deviceId' });
  }
  assert.deepEqual(page.opened.map((x) => x.readyState), ['live', 'live']);
  assert.deepEqual([t.local.track('camera'), t.local.track('mic')], page.opened);
  assert.deepEqual([t.sent, t.ended], [[], []]);
  await assert.rejects(async () => t.local.update('camera', { view: 7, mute: true }), { code: 'invalid_parameter', field: 'view' });
  assert.equal(t.local.isMuted('camera'), false);
  page.fails = undefined;
  await t.local.update('camera', { facingMode: 'user' });
  assert.deepEqual(page.asked.at(-1).video, { width: { ideal: 640 }, height: { ideal: 720 }, frameRate: { ideal: 30 }, facingMode: 'user' });
  page.opened[0].end();
  await settle();
  assert.equal(t.local.track('camera').readyState, 'live', 'the end of a track that is no longer used is none of the camera');
});

test('a phone opens one camera at a time: the old one makes way, and comes back where that was in vain', async () => {
  const t = setUp();
  t.connect();
  await t.local.startVideo({ deviceId: 'front' });
  const inUse = () => page.opened.some((x) => x.readyState === 'live');
  page.fails = () => inUse() && domError('NotReadableError');
  await t.local.update('camera', { deviceId: 'back' });
  assert.deepEqual(page.opened.map((x) => x.readyState), ['ended', 'live']);
  page.fails = (c) => inUse() && domError('NotReadableError') || c.video.deviceId.exact === 'broken' && domError('NotReadableError');
  await assert.rejects(t.local.update('camera', { deviceId: 'broken' }), { code: 'device_busy' });
  assert.equal(page.asked.at(-1).video.deviceId.exact, 'back');
  assert.deepEqual(page.opened.map((x) => x.readyState), ['ended', 'ended', 'live']);
  assert.equal(t.sent.at(-1)[1], page.opened[2], 'and is sent');
  assert.deepEqual(t.ended, []);
  page.fails = () => domError('NotReadableError');
  await assert.rejects(t.local.update('camera', { deviceId: 'broken' }), { code: 'device_busy' });
  assert.deepEqual([t.local.track('camera'), t.ended], [null, ['camera']], 'lost, and said');
});

test('muting holds whatever becomes of the rest, and unmuting that the node refuses does not', async () => {
  const t = setUp();
  t.connect();
  await t.local.startVideo({});
  page.fails = () => domError('NotFoundError');
  await assert.rejects(t.local.update('camera', { mute: true, deviceId: 'x' }), { code: 'device_not_found' });
  assert.deepEqual([t.local.isMuted('camera'), t.said], [true, ['camera false']]);
  t.answer = async () => {
    throw new ParlorError('not_allowed', '');
  };
  await assert.rejects(t.local.update('camera', { mute: false }), { code: 'not_allowed' });
  assert.deepEqual([t.local.isMuted('camera'), page.opened[0].enabled], [true, false]);
});

test('what is settled at the start is not changed in silence', async () => {
  const t = setUp();
  await t.local.startScreen({ audio: false, frameRate: 5 });
  await assert.rejects(t.local.update('screen', { audio: true }), { name: 'ParlorError', code: 'invalid_state', field: 'audio' });
  await t.local.startScreen({ frameRate: 30 });
  assert.deepEqual(t.local.track('screen').adjusted, [{ frameRate: { ideal: 30 } }]);
});

test('the own view keeps its look: mirrored, unless the camera looks away', async () => {
  const t = setUp();
  const [view, other] = [new FakeElement(), new FakeElement()];
  await t.local.startVideo({ view, fillMode: 'contain' });
  await t.local.update('camera', { view: other });
  assert.deepEqual([other.style.objectFit, other.style.transform], ['contain', 'scaleX(-1)']);
  await t.local.update('camera', { facingMode: 'environment' });
  assert.deepEqual([other.style.objectFit, other.style.transform], ['contain', '']);
  await t.local.update('camera', { mirror: true });
  assert.deepEqual([other.style.objectFit, other.style.transform], ['contain', 'scaleX(-1)']);
});

test('a speaker that there is not: said, and everything plays where it did', async () => {
  FakeElement.prototype.setSinkId = async function (id) {
    if (id === 'bad') throw domError('NotFoundError');
    this.sink = id;
  };
  const speakers = new Speakers(() => {});
  const played = [];
  document.body.append = (el) => played.push(el);
  speakers.play('s1', 'bob', {});
  await speakers.setOutput('good');
  await assert.rejects(speakers.setOutput('bad'), { name: 'ParlorError', code: 'device_not_found', field: 'speaker' });
  speakers.play('s2', 'cat', {});
  assert.deepEqual(played.map((el) => el.sink), ['good', 'good']);
  await speakers.setOutput('');
  assert.equal(played[1].sink, '', 'the default again');
  delete FakeElement.prototype.setSinkId;
  await assert.rejects(speakers.setOutput('good'), { code: 'not_supported', field: 'deviceId' });
});

test('sound that is blocked waits for a gesture, and for the next one where that does not help', async () => {
  const blocked = [];
  const speakers = new Speakers((userId) => blocked.push(userId));
  page.forbidden = true;
  speakers.play('s1', 'bob', {});
  await settle();
  assert.deepEqual(blocked, ['bob']);
  page.gestures.get('keydown')();
  assert.equal(await speakers.resume(), false);
  assert.equal(page.gestures.has('keydown'), true, 'armed again');
  page.forbidden = false;
  page.gestures.get('pointerup')();
  assert.equal(await speakers.resume(), true);
  assert.equal(page.gestures.size, 0);
  assert.deepEqual(blocked, ['bob'], 'said once');
});

// A PeerConnection that fails as browsers do once it is closed.
class FakePC {
  signalingState = 'stable';
  localDescription = { sdp: '' };
  transceivers = [];
  addTransceiver() {
    const sender = { getParameters: () => ({}), replaceTrack: async () => this.closed && assert.fail('InvalidStateError') };
    const t = { sender, mid: '0', currentDirection: null };
    this.transceivers.push(t);
    return t;
  }
  async createOffer() {
    return { sdp: '' };
  }
  setLocalDescription() {
    return this.hangs ? new Promise(() => {}) : Promise.resolve();
  }
  close() {
    this.closed = true;
  }
}

test('publishing while the PeerConnection is closed is called off, whatever fails by it', async () => {
  Object.assign(globalThis, { RTCPeerConnection: FakePC, RTCRtpSender: {} });
  for (const hangs of [false, true]) {
    let refuse = () => {};
    const peer = new Peer({ send: () => new Promise((_, reject) => (refuse = reject)), ice: {}, onState: () => {} });
    peer.pc.hangs = hangs;
    const publishing = peer.publish('mic', { track: new FakeTrack('audio') });
    const queued = peer.withdraw();
    await settle();
    refuse(new ParlorError('aborted', 'The session was lost and entered anew.'));
    peer.close();
    await assert.rejects(publishing, { code: 'aborted' });
    await assert.rejects(queued, { code: 'aborted' });
  }
});
