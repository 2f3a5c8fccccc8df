// Devices that are put in and pulled out, permissions, how loud the microphone is, and a test of the speaker.

import assert from 'node:assert/strict';
import test from 'node:test';
import { FakeElement, FakeTrack, device, domError, page, setUp } from './devices.js';
import { FakeClock, settle } from './fakes.js';

const { Chime } = await import('../chime.js');
const { Devices, permissions } = await import('../devices.js');
const { isThat } = await import('../fallback.js');
const { Level, levelOf } = await import('../level.js');

/** Until everything has been done that waits for nothing. */
const calm = async () => {
  for (let i = 0; i < 10; i++) await settle();
};
const changes = () => navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
const [headset, built] = [device('audioinput', 'headset'), device('audioinput', 'built-in')];

test('what is put in and pulled out is told once, when it has settled, by kind', async () => {
  setUp();
  const [clock, told, added] = [new FakeClock(), [], []];
  const ids = (list) => list.map((d) => d.deviceId).join(' ');
  const devices = new Devices((name, e) => told.push([name, e.kind, ids(e.added), ids(e.removed), ids(e.devices)]), (list) => added.push(ids(list)), clock);
  page.devices.push(device('videoinput', '')); // before the permission
  await devices.watch();
  page.devices.splice(0, 1, built, device('audiooutput', 'built-in'));
  await devices.learn(); // with the permission
  page.devices.push(headset);
  changes();
  await clock.advance(200);
  page.devices.push(device('audiooutput', 'headset'));
  changes();
  await devices.learn(); // something is opened meanwhile
  await clock.advance(299);
  assert.deepEqual(told, []);
  await clock.advance(1);
  assert.deepEqual(told.splice(0), [['device-changed', 'microphone', 'headset', '', 'built-in headset'], ['device-changed', 'speaker', 'headset', '', 'built-in headset']]);
  assert.deepEqual(added, ['built-in built-in headset headset']);
  page.devices.splice(2, 1);
  changes();
  await clock.advance(300);
  assert.deepEqual(told, [['device-changed', 'microphone', '', 'headset', 'built-in']]);
});

test('a device that is pulled out is replaced by the default, and goes on when it is there again', async () => {
  const t = setUp();
  t.connect();
  page.devices.push(headset, built);
  await t.local.startAudio({ deviceId: 'headset', echoCancellation: false, mute: true });
  page.devices.shift();
  page.opened[0].end();
  await calm();
  const [lost, instead] = page.opened;
  assert.deepEqual(page.asked[1].audio, { echoCancellation: false, noiseSuppression: true, autoGainControl: true }, 'opened as it was');
  assert.deepEqual([t.local.track('mic'), t.sent.at(-1)[1], instead.enabled, t.ended], [instead, instead, false, []], 'muted as it was');
  const names = { device: { deviceId: 'built-in', label: 'the built-in' }, before: { deviceId: 'headset', label: 'the headset' } };
  assert.deepEqual(t.switched, [{ source: 'mic', reason: 'lost', ...names }]);
  assert.equal(lost.readyState, 'ended');

  page.devices.push(device('audioinput', 'third'));
  t.local.returned([device('audioinput', 'third')]);
  await calm();
  assert.equal(page.asked.length, 2, 'another one is none of it');
  page.devices.unshift(headset);
  t.local.returned([headset]);
  await calm();
  assert.deepEqual([page.asked[2].audio.deviceId, t.switched.at(-1).reason, t.sent.at(-1)[1]], [{ exact: 'headset' }, 'returned', page.opened[2]]);
  assert.deepEqual(page.opened.map((x) => x.readyState), ['ended', 'ended', 'live']);
  t.local.returned([headset]);
  await calm();
  assert.equal(page.asked.length, 3);
});

test('whoever has chosen another device since stays with it', async () => {
  const t = setUp();
  page.devices.push(headset, built);
  await t.local.startAudio({ deviceId: 'headset' });
  page.devices.shift();
  page.opened[0].end();
  await calm();
  await t.local.update('mic', { deviceId: 'built-in' });
  page.devices.unshift(headset);
  t.local.returned([headset]);
  await calm();
  assert.deepEqual([t.switched.length, t.local.track('mic').device], [1, built]);
});

test('where the default cannot be opened the others are tried; where nothing can, the stream ends', async () => {
  const t = setUp();
  t.connect();
  page.devices.push(device('videoinput', 'front'), device('videoinput', 'broken'), device('videoinput', 'back'));
  await t.local.startVideo({ deviceId: 'front', width: 640 });
  page.devices.shift();
  page.fails = (c) => c.video.deviceId?.exact !== 'back' && domError('NotReadableError');
  page.opened[0].end();
  await calm();
  assert.deepEqual([t.local.track('camera').device.deviceId, t.switched.length], ['back', 1]);
  assert.equal(page.asked.at(-1).video.width.ideal, 640);
  page.fails = () => domError('NotReadableError');
  page.devices.pop();
  page.opened[1].end();
  await calm();
  assert.deepEqual([t.local.track('camera'), t.ended, t.switched.length], [null, ['camera'], 1]);
});

test('what the browser or its user has ended is not opened again, nor what was stopped meanwhile', async (c) => {
  c.mock.timers.enable({ apis: ['setTimeout'] });
  const t = setUp();
  page.devices.push(headset, built);
  await t.local.startAudio({ deviceId: 'headset' });
  page.opened[0].end(); // it is still there
  await calm();
  c.mock.timers.tick(500);
  await calm();
  assert.deepEqual([t.local.track('mic'), t.ended, page.asked.length], [null, ['mic'], 1]);

  await t.local.startAudio({ deviceId: 'headset' });
  page.opened[1].end();
  await calm();
  const stopped = t.local.stop('mic');
  page.devices.shift();
  c.mock.timers.tick(500);
  await stopped;
  assert.deepEqual([t.local.track('mic'), t.ended.length, page.opened.map((x) => x.readyState)], [null, 1, ['ended', 'ended']]);
});

test('an alias is the device of its group', () => {
  const used = { deviceId: 'default', groupId: 'g', label: '' };
  assert.deepEqual([isThat(used, device('audioinput', 'default', 'other')), isThat(used, device('audioinput', 'x', 'g')), isThat({ ...used, groupId: '' }, device('audioinput', 'x', ''))], [false, true, false]);
  assert.equal(isThat({ deviceId: 'a', groupId: 'g', label: '' }, device('videoinput', 'b', 'g')), false, 'a device with two cameras');
});

test('permissions are what the browser says, and unknown where it says nothing', async () => {
  const states = new Map();
  navigator.permissions = { query: async ({ name }) => {
    if (name === 'camera') throw new TypeError('not a permission');
    const status = Object.assign(new EventTarget(), { state: 'prompt' });
    states.set(name, status);
    return status;
  } };
  try {
    assert.deepEqual(await permissions(), { camera: 'unknown', microphone: 'prompt' });
    const told = [];
    await new Devices((...e) => told.push(e), () => {}, new FakeClock()).watch();
    states.get('microphone').state = 'denied';
    states.get('microphone').dispatchEvent(new Event('change'));
    assert.deepEqual(told, [['permission-changed', { device: 'microphone', state: 'denied' }]]);
  } finally {
    delete navigator.permissions;
  }
  assert.deepEqual(await permissions(), { camera: 'unknown', microphone: 'unknown' });
});

/** An AudioContext whose analyser hears `heard`. */
class FakeContext {
  static all = [];
  static heard = 0;
  static sources = 0;
  state = 'running';
  currentTime = 0;
  constructor() {
    FakeContext.all.push(this);
  }
  #node(more = {}) {
    const node = { connect: () => node, disconnect() {}, ...more };
    return node;
  }
  createAnalyser() {
    return this.#node({ fftSize: 8, getFloatTimeDomainData: (d) => d.fill(FakeContext.heard) });
  }
  createMediaStreamSource = () => (FakeContext.sources++, this.#node());
  createMediaStreamDestination = () => this.#node({ stream: {} });
  createOscillator = () => this.#node({ frequency: {}, start() {}, stop() {} });
  createGain = () => this.#node({ gain: { setValueAtTime() {}, linearRampToValueAtTime() {} } });
  async resume() {
    if (FakeContext.silent) await new Promise(() => {});
  }
  async close() {
    this.state = 'closed';
  }
}

test('loudness is told on the scale of the volumes', () => {
  assert.deepEqual([0, 0.001, 10 ** (-15 / 20), 1].map((x) => levelOf(new Float32Array(8).fill(x))), [0, 0, 100, 100]);
  assert.equal(levelOf(new Float32Array(8).fill(0.0316)), 67);
});

test('the microphone is listened to for as long as there is one and somebody wants to know', (c) => {
  c.mock.timers.enable({ apis: ['setInterval'] });
  Object.assign(globalThis, { AudioContext: FakeContext });
  FakeContext.all.length = 0;
  let track = null;
  const told = [];
  const level = new Level(() => track, (l) => told.push(l));
  level.every(100);
  c.mock.timers.tick(100);
  assert.deepEqual([FakeContext.all.length, told], [0, []], 'nothing is opened for nothing');
  [track, FakeContext.heard] = [new FakeTrack('audio'), 1];
  c.mock.timers.tick(200);
  assert.deepEqual(told, [100, 100]);
  track = new FakeTrack('audio');
  c.mock.timers.tick(100);
  assert.deepEqual([told.length, FakeContext.all.length, FakeContext.sources], [3, 1, 2]);
  level.every(0);
  c.mock.timers.tick(500);
  assert.deepEqual([told.length, FakeContext.all[0].state], [3, 'closed']);
});

test('a test sound comes to its end, is stopped, or says why it cannot be heard', async (c) => {
  c.mock.timers.enable({ apis: ['setTimeout'] });
  Object.assign(globalThis, { AudioContext: FakeContext });
  FakeContext.all.length = 0;
  FakeElement.prototype.pause = () => {};
  const chime = new Chime();
  const whole = chime.play();
  await calm();
  c.mock.timers.tick(1501);
  assert.equal(await whole, true);
  const [first, second] = [chime.play(), chime.play()];
  assert.equal(await first, false, 'another one takes its place');
  await calm();
  chime.stop();
  chime.stop();
  assert.equal(await second, false);
  await assert.rejects(chime.play('headset'), { code: 'not_supported', field: 'deviceId' });
  FakeContext.silent = true;
  const unheard = assert.rejects(chime.play(), { code: 'device_busy', field: 'speaker' });
  await calm();
  c.mock.timers.tick(2000);
  await unheard;
  FakeContext.silent = false;
  assert.deepEqual(FakeContext.all.map((x) => x.state), FakeContext.all.map(() => 'closed'));
});
