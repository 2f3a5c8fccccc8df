// Tracks of the application's own, and processors.

import assert from 'node:assert/strict';
import test from 'node:test';
import { FakeTrack, domError, page, setUp } from './devices.js';
import { settle } from './fakes.js';

test('a track of the application is sent as it is, and goes on when nothing of it is sent any more', async () => {
  const t = setUp();
  t.connect();
  const [drawn, mixed] = [new FakeTrack('video'), new FakeTrack('audio')];
  drawn.enabled = false;
  await t.local.startVideo({ videoTrack: drawn });
  await t.local.startAudio({ audioTrack: mixed, mute: true });
  assert.deepEqual([t.local.track('camera'), t.local.track('mic')], [drawn, mixed]);
  assert.deepEqual([drawn.enabled, mixed.enabled], [false, false], 'that it is off is the application\'s to say');
  assert.equal(page.asked.length, 0, 'no device is opened');
  t.answer = () => new Promise(() => {});
  void t.local.stop('camera');
  assert.deepEqual([t.cut, drawn.readyState], [['camera'], 'live'], 'at once');
  t.local.releaseAll();
  assert.deepEqual([t.cut, mixed.readyState], [['camera', 'camera', 'mic'], 'live']);
});

test('a microphone that the application holds itself is taken as the browser gives it', async () => {
  const t = setUp();
  t.connect();
  FakeTrack.prototype.getSettings = () => ({ echoCancellation: false }); // as the application has opened it
  try {
    await t.local.startAudio({ audioTrack: new FakeTrack('audio') });
    await t.local.update('mic', { audioTrack: null });
    assert.equal(t.local.track('mic'), page.opened[0]);
  } finally {
    FakeTrack.prototype.getSettings = () => ({ width: 1280, height: 720 });
  }
});

test('a track of the application and a device take turns', async () => {
  const t = setUp();
  t.connect();
  const drawn = new FakeTrack('video');
  await assert.rejects(t.local.startVideo({ videoTrack: drawn, width: 640 }), { code: 'invalid_parameter', field: 'width' });
  assert.equal(t.local.track('camera'), null);
  await t.local.startVideo({ deviceId: 'front', width: 640 });
  await t.local.update('camera', { videoTrack: drawn });
  assert.deepEqual([t.sent.at(-1), page.opened[0].readyState], [['camera', drawn], 'ended']);
  await assert.rejects(t.local.update('camera', { frameRate: 10 }), { code: 'invalid_parameter', field: 'frameRate' });
  page.fails = () => domError('NotReadableError');
  await assert.rejects(t.local.update('camera', { videoTrack: null }), { code: 'device_busy' });
  assert.deepEqual([t.local.track('camera'), drawn.readyState, t.ended, t.sent.length], [drawn, 'live', [], 1], 'it goes on');
  page.fails = undefined;
  await t.local.update('camera', { deviceId: 'back' });
  assert.deepEqual([t.local.track('camera'), drawn.readyState], [page.opened[1], 'live']);
  drawn.end();
  await settle();
  assert.deepEqual(t.ended, [], 'it is no longer sent');
  const other = new FakeTrack('video');
  await t.local.update('camera', { videoTrack: other });
  other.end();
  await settle();
  assert.deepEqual([t.local.track('camera'), t.ended], [null, ['camera']]);
});

/** A processor that tells what it does. */
function processing() {
  const p = { got: [], made: [], signals: [] };
  p.run = async (track, { source, signal }) => {
    p.got.push(`${source} ${page.opened.indexOf(track)}`);
    p.signals.push(signal);
    p.made.push(new FakeTrack(track.kind));
    return p.made.at(-1);
  };
  p.over = () => p.signals.map((s) => s.aborted);
  return p;
}

test('a processor makes what is sent, of each device anew', async () => {
  const t = setUp();
  t.connect();
  const [blur, mark] = [processing(), processing()];
  await t.local.startVideo({ deviceId: 'front', processor: blur.run });
  assert.deepEqual([blur.got, t.local.track('camera')], [['camera 0'], blur.made[0]]);
  await t.local.update('camera', { deviceId: 'back' });
  assert.deepEqual([blur.got, blur.over(), t.sent.at(-1)[1]], [['camera 0', 'camera 1'], [true, false], blur.made[1]]);
  await t.local.update('camera', { width: 320 });
  assert.equal(page.opened[1].adjusted.at(-1).width.ideal, 320, 'the device is adjusted, not what is made of it');
  await t.local.update('camera', { processor: mark.run });
  assert.deepEqual([mark.got, blur.over(), t.sent.at(-1)[1]], [['camera 1'], [true, true], mark.made[0]]);
  assert.equal(page.asked.length, 2, 'the device stays open');
  await t.local.update('camera', { mute: true });
  assert.deepEqual([mark.made[0].enabled, mark.got.length], [false, 1]);
  await t.local.update('camera', { processor: null, mute: false });
  assert.deepEqual([mark.over(), t.local.track('camera'), t.sent.at(-1)[1]], [[true], page.opened[1], page.opened[1]]);
  await t.local.update('camera', { processor: blur.run });
  await t.local.stop('camera');
  assert.deepEqual([blur.over(), blur.made[2].readyState, page.opened[1].readyState], [[true, true, true], 'ended', 'ended']);
});

test('a processor that fails changes nothing, and one that ends ends the stream', async () => {
  const t = setUp();
  t.connect();
  const blur = processing();
  const bad = {
    throws: () => { throw new Error('no model'); },
    rejects: async () => { throw new Error('no model'); },
    nothing: async () => undefined,
    sound: async () => new FakeTrack('audio'),
    same: (track) => track,
  };
  for (const [name, processor] of Object.entries(bad)) {
    await assert.rejects(t.local.startVideo({ processor }), { name: 'ParlorError', code: 'processor_failed', field: 'processor' }, name);
    assert.equal(t.local.track('camera'), null);
  }
  assert.deepEqual(page.opened.map((x) => x.readyState), Object.keys(bad).map(() => 'ended'));
  await t.local.startVideo({ processor: blur.run });
  const camera = page.opened.at(-1);
  for (const [name, processor] of Object.entries(bad)) {
    await assert.rejects(t.local.update('camera', { processor }), { code: 'processor_failed' }, name);
    assert.deepEqual([t.local.track('camera'), camera.readyState, blur.over()], [blur.made[0], 'live', [false]], name);
  }
  assert.deepEqual([t.sent, t.ended], [[], []]);
  blur.made[0].end();
  await settle();
  assert.deepEqual([t.local.track('camera'), camera.readyState, t.ended], [null, 'ended', ['camera']], 'never without it');
});

test('a processor makes of a screen what is sent, and is changed while it is shared', async () => {
  const t = setUp();
  t.connect();
  const blur = processing();
  await t.local.startScreen({ processor: blur.run });
  assert.deepEqual([blur.got, t.local.track('screen'), t.published[0].track], [['screen 0'], blur.made[0], blur.made[0]]);
  assert.equal(blur.made[0].contentHint, 'detail');
  await t.local.update('screen', { processor: null, contentHint: 'motion' });
  assert.deepEqual([blur.over(), t.local.track('screen'), t.sent.at(-1)[1], page.opened[0].contentHint], [[true], page.opened[0], page.opened[0], 'motion']);
  await t.local.update('screen', { processor: blur.run });
  await t.local.stopScreen();
  assert.deepEqual([blur.over(), page.opened.map((x) => x.readyState)], [[true, true], ['ended', 'ended']]);
  await assert.rejects(t.local.startScreen({ processor: () => null }), { code: 'processor_failed', field: 'processor' });
  assert.deepEqual([t.local.track('screen'), page.opened.slice(2).map((x) => x.readyState)], [null, ['ended', 'ended']]);

  let go;
  const started = t.local.startScreen({ processor: (track, of) => new Promise((then) => { go = () => then(blur.run(track, of)); }) });
  await settle();
  t.local.releaseAll();
  go();
  await assert.rejects(started, { code: 'aborted' });
  assert.deepEqual([blur.made[2].readyState, page.opened.slice(4).map((x) => x.readyState)], ['ended', ['ended', 'ended']]);
});

test('a camera with a processor is to make pictures all the time, unless it is muted', async () => {
  const t = setUp();
  const blur = processing();
  await t.local.startVideo({});
  assert.deepEqual(t.local.processed(), []);
  await t.local.update('camera', { processor: blur.run });
  assert.deepEqual(t.local.processed(), [{ userId: '', source: 'camera', trackId: blur.made[0].id }]);
  await t.local.update('camera', { mute: true });
  assert.deepEqual(t.local.processed(), []);
});

test('a processor that stalls is given up, and what it makes too late is let go', async (c) => {
  c.mock.timers.enable({ apis: ['setTimeout'] });
  const t = setUp();
  const late = new FakeTrack('audio');
  let done, signal;
  const called = t.local.startAudio({ processor: (_, of) => new Promise((then) => { [done, signal] = [then, of.signal]; }) });
  const outcome = assert.rejects(called, { code: 'timeout', field: 'processor' });
  for (let i = 0; i < 20 && !done; i++) await Promise.resolve();
  c.mock.timers.tick(15_000);
  await outcome;
  assert.deepEqual([signal.aborted, page.opened[0].readyState, late.readyState], [true, 'ended', 'live']);
  done(late);
  for (let i = 0; i < 5; i++) await Promise.resolve();
  assert.equal(late.readyState, 'ended');
});

test('what a processor makes of a stream that was stopped meanwhile is let go', async () => {
  const t = setUp();
  t.connect();
  await t.local.startVideo({});
  const blur = processing();
  let go;
  const ready = new Promise((then) => { go = then; });
  const changed = t.local.update('camera', { processor: (track, of) => ready.then(() => blur.run(track, of)) });
  await settle();
  const stopped = t.local.stop('camera');
  go();
  await assert.rejects(changed, { code: 'aborted' });
  await stopped;
  assert.deepEqual([blur.over(), blur.made[0].readyState, t.local.track('camera')], [[true], 'ended', null]);
});
