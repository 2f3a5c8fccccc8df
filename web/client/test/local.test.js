// Own streams, the sound of others, and the queue of the PeerConnection, with doubles for devices and
// browser.

import assert from 'node:assert/strict';
import test from 'node:test';
import { ParlorError } from '../protocol.js';
import { settle } from './fakes.js';

class FakeTrack extends EventTarget {
  enabled = true;
  readyState = 'live';
  adjusted = [];
  constructor(kind) {
    super();
    this.kind = kind;
  }
  stop() {
    this.readyState = 'ended';
  }
  /** By itself, as when a device is pulled out. */
  end() {
    this.stop();
    this.dispatchEvent(new Event('ended'));
  }
  getSettings() {
    return { width: 1280, height: 720 };
  }
  async applyConstraints(c) {
    if (page.inflexible) throw domError('OverconstrainedError', 'width');
    this.adjusted.push(c);
  }
}

/** As browsers fail. */
const domError = (name, constraint) => Object.assign(new Error(name), { name, constraint });

class FakeElement {
  style = {};
  paused = true;
  append() {}
  remove() {}
  addEventListener() {}
  async play() {
    if (page.forbidden) throw Object.assign(new Error('a gesture first'), { name: 'NotAllowedError' });
    this.paused = false;
  }
}

const page = { forbidden: false, gestures: new Map(), asked: [], opened: [] };
const stream = (...kinds) => {
  const tracks = kinds.map((k) => new FakeTrack(k));
  page.opened.push(...tracks);
  const of = (kind) => tracks.filter((t) => t.kind === kind);
  return { getTracks: () => tracks, getVideoTracks: () => of('video'), getAudioTracks: () => of('audio') };
};
const devices = {
  getUserMedia: async (c) => {
    page.asked.push(c);
    const fails = page.fails?.(c);
    if (fails) throw fails;
    return stream(c.video ? 'video' : 'audio');
  },
  getDisplayMedia: async () => stream('video', 'audio'),
};
Object.defineProperty(globalThis, 'navigator', { value: { mediaDevices: devices }, configurable: true });
Object.assign(globalThis, {
  HTMLElement: FakeElement,
  HTMLVideoElement: FakeElement,
  MediaStream: class {},
  MediaStreamTrack: FakeTrack,
  document: { body: new FakeElement(), createElement: () => new FakeElement() },
  addEventListener: (name, fn) => page.gestures.set(name, fn),
  removeEventListener: (name) => page.gestures.delete(name),
});
const { Local } = await import('../local.js');
const { Peer } = await import('../peer.js');
const { Speakers } = await import('../view.js');

function setUp() {
  page.asked.length = page.opened.length = 0;
  Object.assign(page, { fails: undefined, inflexible: false });
  const t = { said: [], errors: [], sent: [], cut: [], ended: [], refuse: new Set(), answer: async () => {}, peer: null };
  const sending = new Set();
  t.connect = () => {
    t.peer = {
      has: (source) => sending.has(source),
      publish: async (source) => {
        if (t.refuse.has(source)) throw new ParlorError('publisher_limit', 'full');
        sending.add(source);
      },
      replace: async (source, track) => void t.sent.push([source, track]),
      cut: (source) => void t.cut.push(source),
    };
  };
  t.local = new Local({
    peer: () => t.peer,
    announce: async (source, on) => {
      t.said.push(`${source} ${on}`);
      await t.answer();
    },
    onEnded: (source) => t.ended.push(source),
    onError: (source, err) => t.errors.push(`${source} ${err.code}`),
  });
  return t;
}

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
  await t.local.startVideo({ codec: 'VP8' });
  await t.local.startScreen({ audio: false, frameRate: 5 });
  await t.local.update('camera', { codec: 'VP8', simulcast: true });
  for (const [source, o, field] of [['camera', { codec: 'VP9' }, 'codec'], ['camera', { simulcast: false }, 'simulcast'], ['screen', { audio: true }, 'audio']]) {
    await assert.rejects(t.local.update(source, o), { name: 'ParlorError', code: 'invalid_state', field });
  }
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
    const t = { sender: { replaceTrack: async () => this.closed && assert.fail('InvalidStateError') }, mid: '0', currentDirection: null };
    this.transceivers.push(t);
    return t;
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
    const peer = new Peer({ send: () => new Promise((_, reject) => (refuse = reject)), onState: () => {} });
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
