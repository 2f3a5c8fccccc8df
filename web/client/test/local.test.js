// Own streams, the sound of others, and the queue of the PeerConnection, with doubles for devices and browser.

import assert from 'node:assert/strict';
import test from 'node:test';
import { ParlorError } from '../protocol.js';
import { settle } from './fakes.js';

class FakeTrack {
  enabled = true;
  readyState = 'live';
  constructor(kind) {
    this.kind = kind;
  }
  stop() {
    this.readyState = 'ended';
  }
  getSettings() {
    return { width: 1280, height: 720 };
  }
}

class FakeElement {
  style = {};
  paused = true;
  append() {}
  remove() {}
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
    return stream(c.video ? 'video' : 'audio');
  },
  getDisplayMedia: async () => stream('video', 'audio'),
};
Object.defineProperty(globalThis, 'navigator', { value: { mediaDevices: devices }, configurable: true });
Object.assign(globalThis, {
  HTMLElement: FakeElement,
  HTMLVideoElement: FakeElement,
  MediaStream: class {},
  document: { body: new FakeElement(), createElement: () => new FakeElement() },
  addEventListener: (name, fn) => page.gestures.set(name, fn),
  removeEventListener: (name) => page.gestures.delete(name),
});
const { Local } = await import('../local.js');
const { Peer } = await import('../peer.js');
const { Speakers } = await import('../view.js');

function setUp() {
  page.asked.length = page.opened.length = 0;
  const t = { said: [], errors: [], refuse: new Set(), answer: async () => {}, peer: null };
  const sending = new Set();
  t.connect = () => {
    t.peer = {
      has: (source) => sending.has(source),
      publish: async (source) => {
        if (t.refuse.has(source)) throw new ParlorError('publisher_limit', 'full');
        sending.add(source);
      },
      replace: async () => {},
    };
  };
  t.local = new Local({
    peer: () => t.peer,
    announce: async (source, on) => {
      t.said.push(`${source} ${on}`);
      await t.answer();
    },
    onEnded: () => {},
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
  await assert.rejects(t.local.updateAudio({ mute: false }), { code: 'invalid_state' });
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
  await assert.rejects(t.local.updateAudio({ mute: true }), { code: 'timeout' });
  t.answer = async () => {};
  await t.local.updateAudio({ mute: true });
  await t.local.updateAudio({ mute: true });
  assert.deepEqual(t.said, ['mic false', 'mic false']);
});

test('muting and stopping take effect at once, whatever the node is still to answer', async () => {
  const t = setUp();
  t.connect();
  await t.local.startAudio({ mute: true });
  await t.local.startVideo({});
  t.answer = () => new Promise(() => {});
  void t.local.updateAudio({ mute: false });
  void t.local.updateVideo({ mute: true });
  await settle();
  const [mic, camera] = page.opened;
  assert.equal(mic.enabled, true);
  void t.local.updateAudio({ mute: true });
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
  await t.local.updateAudio({ deviceId: '' });
  assert.deepEqual(page.asked.map((c) => c.audio.deviceId), [{ exact: 'x' }, undefined]);
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
  globalThis.RTCPeerConnection = FakePC;
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
