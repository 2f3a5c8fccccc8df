// Which layers are sent: what the node has told of them, over tracks, sections and PeerConnections.

import assert from 'node:assert/strict';
import test from 'node:test';
import { refit } from '../encodings.js';
import { settle } from './fakes.js';

/** As browsers do: parameters are given out for one change each. None is made while another is under way,
 *  or an offer. */
class FakeSender {
  calls = [];
  #given = null;
  #busy = false;
  constructor(pc, track, encodings) {
    Object.assign(this, { pc, track, encodings });
  }
  async replaceTrack(track) {
    this.track = track;
  }
  getParameters() {
    this.#given = { encodings: this.encodings.map((e) => ({ ...e })) };
    return this.#given;
  }
  async setParameters(p) {
    assert.equal(p, this.#given, 'the parameters that were given out last');
    assert.ok(!this.#busy && !this.pc.negotiates, 'one at a time');
    this.#busy = true;
    await settle();
    this.#busy = false;
    if (this.pc.stubborn) throw new Error('InvalidModificationError');
    this.encodings = p.encodings;
    this.calls.push(this.active);
  }
  /** The layers that are sent. */
  get active() {
    return this.encodings.filter((e) => e.active).map((e) => e.rid).join('');
  }
}

class FakePC {
  static all = [];
  transceivers = [];
  signalingState = 'stable';
  connectionState = 'new';
  constructor() {
    FakePC.all.push(this);
  }
  addTransceiver(track, { direction, sendEncodings = [] }) {
    const t = { sender: new FakeSender(this, track, sendEncodings), direction, currentDirection: null, mid: String(this.transceivers.length), receiver: {}, setCodecPreferences() {}, stop() { this.stopped = true; } };
    this.transceivers.push(t);
    return t;
  }
  getTransceivers() {
    return this.transceivers;
  }
  async createOffer() {
    return { sdp: '' };
  }
  async setLocalDescription() {
    this.negotiates = true;
    await settle();
  }
  async setRemoteDescription() {
    await settle();
    this.negotiates = false;
    for (const t of this.transceivers) t.currentDirection = t.direction;
  }
  close() {}
}

Object.assign(globalThis, { RTCPeerConnection: FakePC, RTCRtpSender: {}, MediaStream: class {} });
const { Media } = await import('../media.js');

const camera = (width = 1280) => ({ kind: 'video', getSettings: () => ({ width, height: (width * 9) / 16 }) });
const all = { q: true, h: true, f: true };
const lowest = { q: true, h: false, f: false };

/** A session with a camera, which publishes. */
async function publishing({ cipher = null, onError = (err) => assert.fail(err) } = {}) {
  FakePC.all.length = 0;
  const publication = { track: camera(), simulcast: true };
  const media = new Media({ ice: {},
    local: { publications: () => new Map([['camera', publication]]), published: async () => {} },
    remote: { seatIds: () => [], sync() {}, renew() {} },
    messages: { renew() {} },
    send: async () => ({ sdp: '' }),
    signalled: () => true, may: () => true, onError, cipher: () => cipher,
  });
  media.open();
  for (let i = 0; i < 5; i++) await settle();
  const pc = () => FakePC.all.at(-1);
  return { media, publication, sender: () => pc().transceivers.at(-1).sender, pc };
}

test('layers are sent as the node wants them, one change after the other', async () => {
  const { media, sender } = await publishing();
  assert.equal(sender().active, 'qhf');
  media.steer('camera', lowest);
  media.steer('camera', { ...lowest, f: true });
  media.steer('camera', { ...lowest, f: true });
  media.steer('screen', lowest); // the screen is not sent
  await media.peer.withdraw([]); // the end of the queue
  assert.equal(sender().active, 'qf');
  assert.deepEqual(sender().calls, ['qf'], 'what changes nothing is not set: the encoder would begin anew');
  media.steer('camera', all);
  await media.peer.withdraw([]);
  assert.equal(sender().active, 'qhf');
});

test('they stay as the node wants them with another track, after a mute, and when it is published anew', async () => {
  const { media, sender, publication } = await publishing();
  media.steer('camera', lowest);
  await media.peer.replace('camera', null);
  await media.peer.replace('camera', camera(1920));
  assert.equal(sender().active, 'q');
  const before = sender().encodings[2].maxBitrate;
  await media.peer.replace('camera', camera(640));
  assert.ok(sender().encodings[2].maxBitrate < before, 'and fit its size');
  assert.equal(sender().active, 'q');
  await media.peer.replace('camera', null);
  media.steer('camera', all); // while it is muted
  await media.peer.withdraw(['camera']);
  assert.equal(sender().active, 'qhf');
  media.steer('camera', lowest); // while it is not published
  await media.peer.publish('camera', publication);
  assert.equal(sender().active, 'q');
});

test('another PeerConnection of the session begins with the layers that are wanted, another session with all', async () => {
  const { media, sender, pc } = await publishing();
  media.steer('camera', lowest);
  const first = pc();
  media.open();
  for (let i = 0; i < 5; i++) await settle();
  assert.notEqual(pc(), first);
  assert.equal(sender().active, 'q');
  assert.deepEqual(sender().calls, [], 'from its first offer on');
  media.reset();
  media.open();
  for (let i = 0; i < 5; i++) await settle();
  assert.equal(sender().active, 'qhf');
});

test('a browser that refuses goes on with what it sends', async () => {
  const { media, sender, pc } = await publishing();
  pc().stubborn = true;
  media.steer('camera', lowest);
  await media.peer.withdraw([]);
  assert.equal(sender().active, 'qhf');
  pc().stubborn = false;
  media.steer('camera', lowest);
  await media.peer.withdraw([]);
  assert.equal(sender().active, 'q');
});

test('a sender goes through the encryption before anything is negotiated, and is stopped if it cannot', async () => {
  const through = [];
  const { pc } = await publishing({ cipher: { sender: (sender, source) => through.push([source, sender === pc0().sender, pc0().currentDirection]) } });
  assert.deepEqual(through, [['camera', true, null]]);
  assert.equal(pc().transceivers[0].stopped, undefined);
  const errors = [];
  const failing = { sender: () => { throw new Error('no transform'); } };
  const { media, pc: other } = await publishing({ cipher: failing, onError: (err) => errors.push(err.message) });
  media.close();
  media.reset(); // it would try again
  assert.equal(other().transceivers[0].stopped, true);
  assert.deepEqual(errors, ['no transform']);
});

/** The first section of the newest PeerConnection. */
const pc0 = () => FakePC.all.at(-1).transceivers[0];

test('what is not named stays as it is', () => {
  const has = [{ rid: 'q', active: true }, { rid: 'h', active: false }, { active: true }];
  assert.equal(refit(has, [], false, { f: false }), false);
  assert.equal(refit(has, [], false, { q: false }), true);
  assert.deepEqual(has.map((e) => e.active), [false, false, true]);
  assert.equal(refit([], [], true, all), false);
});
