import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Encryption, nextKey } from '../encryption.js';
import { Messages, MAX_BYTES } from '../messages.js';

// The page's side and the worker's together, as far as they need no browser: the worker runs here, and frames
// are plain objects.

globalThis.RTCRtpScriptTransform = class {
  constructor(worker, options) {
    Object.assign(this, { worker, options });
  }
};
globalThis.location = /** @type {any} */ ({ origin: 'https://node' });
globalThis.document = /** @type {any} */ ({ baseURI: 'https://node/page/' });

let workers = 0;
const clone = (/** @type {any} */ m) => structuredClone(m);

/** A worker that runs encryption-worker.js here. */
class RealWorker {
  ended = false;
  scope;

  constructor() {
    this.scope = { postMessage: (m) => setImmediate(() => !this.ended && this.onmessage?.({ data: clone(m) })) };
    globalThis.self = this.scope;
    void import(`../encryption-worker.js?${++workers}`);
  }

  postMessage(m) {
    const data = clone(m);
    setImmediate(() => !this.ended && this.scope.onmessage({ data }));
  }

  terminate() {
    this.ended = true;
  }

  /** A transformer of it, with ends to put frames in and take them out. */
  through({ options }) {
    const [into, out] = [new TransformStream(), new TransformStream()];
    this.scope.onrtctransform({ transformer: { options, readable: into.readable, writable: out.writable, sendKeyFrameRequest: async () => { this.asked = (this.asked ?? 0) + 1; } } });
    const [writer, reader] = [into.writable.getWriter(), out.readable.getReader()];
    return {
      send: (bytes, mimeType = 'video/VP8') => writer.write({ data: new Uint8Array(bytes).buffer, getMetadata: () => ({ mimeType }) }),
      next: async () => new Uint8Array((await reader.read()).value.data),
    };
  }
}

function made(options = {}) {
  const events = [];
  let worker;
  const e = new Encryption((name, p) => events.push(name === 'encryption-state' ? `${p.userId} ${p.state}` : `${p.userId} ${p.source} ${p.code}!`), {
    worker: () => (worker = /** @type {any} */ (new RealWorker())), ...options,
  });
  return { e, events, get worker() { return worker; } };
}

const SECRET = new Uint8Array(32).fill(9);
const key = (n) => new Uint8Array(32).fill(n);

/** Waits for something that two workers do, on a machine that may be busy. */
async function until(/** @type {() => unknown} */ is) {
  for (const end = Date.now() + 10000; !is(); await new Promise((r) => setTimeout(r, 1))) assert.ok(Date.now() < end, `not in time: ${is}`);
}

/** Holds the hashing of the next passphrase until it may go on. */
function heldHash() {
  let begun, goOn;
  const [is, may] = [new Promise((r) => (begun = r)), new Promise((r) => (goOn = r))];
  const { subtle } = crypto;
  subtle.deriveBits = async (algorithm, ...of) => {
    if (algorithm.name === 'PBKDF2') {
      delete subtle.deriveBits;
      begun();
      await may;
    }
    return SubtleCrypto.prototype.deriveBits.call(subtle, algorithm, ...of);
  };
  return { begun: is, goOn };
}

async function inside(user, secret = SECRET) {
  const m = made();
  await m.e.begin({ room: 'lobby', userId: user, ...(secret && { encryption: { sharedKey: secret } }) });
  const sender = {};
  m.e.cipher.sender(sender, 'camera');
  m.out = m.worker.through(sender.transform);
  const receiver = {};
  m.e.cipher.receiver(receiver, 's1', 'video');
  m.in = m.worker.through(receiver.transform);
  return m;
}

const FRAME = [0x71, 1, 2, 3, 4, 5, 6, 7];

test('encryption: a frame goes through two workers, and nothing without a key', async () => {
  const [ann, ben] = [await inside('ann', null), await inside('ben')];
  ben.e.seated({ type: 'seat', seat: 's1', user: 'ann', video: 'camera', audio: null });
  for (let n = 0; n < 4; n++) await ann.out.send(FRAME);
  await until(() => ann.events.length === 2);
  assert.deepEqual(ann.events, ['ann missing_key', 'ann camera missing_key!'], 'nothing is sent, which is said once');
  await ann.e.setKey(null, key(1), 2);
  await ann.out.send(FRAME);
  const wrong = await ann.out.next();
  assert.equal(Buffer.from(wrong).includes(Buffer.from(FRAME.slice(1))), false);
  for (let n = 0; n < 4; n++) await ben.in.send(wrong);
  await until(() => ben.events.includes('ann camera missing_key!'));
  await ben.e.setKey(null, key(2), 2);
  for (let n = 0; n < 4; n++) await ben.in.send(wrong);
  await until(() => ben.events.includes('ann camera wrong_key!'));
  await ben.e.setKey(null, key(1), 2);
  for (let n = 0; n < 3; n++) {
    await ben.in.send(wrong);
    assert.deepEqual([...await ben.in.next()], FRAME);
  }
  await until(() => ben.events.includes('ann encrypted') && ann.events.includes('ann encrypted'));
  assert.deepEqual(ben.events, ['ann missing_key', 'ann camera missing_key!', 'ann wrong_key', 'ann camera wrong_key!', 'ann encrypted']);
  assert.equal(ben.worker.asked, 1, 'a keyframe is asked for once frames can be decrypted');
  assert.deepEqual(ann.events.slice(2), ['ann encrypted']);
  assert.equal(ann.e.state('ann'), 'encrypted');
  for (let n = 0; n < 3; n++) await ben.in.send(FRAME);
  await until(() => ben.events.includes('ann camera unencrypted!'));
  assert.equal(ben.e.state('ann'), 'unencrypted');
  ben.e.seated({ type: 'seat', seat: 's1', user: null });
  assert.equal(ben.e.state('ann'), null, 'it is not received any more');
  assert.equal(ben.events.at(-1), 'ann null');
});

test('encryption: what is under way of whoever sat there before is dropped, and a new quality drops nothing', async () => {
  const [ann, ben] = [await inside('ann'), await inside('ben')];
  const seat = { type: /** @type {const} */ ('seat'), seat: 's1', user: 'ann', video: /** @type {const} */ ('camera') };
  ben.e.seated(seat);
  await ann.out.send(FRAME);
  const frame = await ann.out.next();
  await ben.in.send(frame);
  assert.deepEqual([...await ben.in.next()], FRAME);
  ben.e.seated({ ...seat, quality: 'low' });
  await ben.in.send(frame);
  assert.deepEqual([...await ben.in.next()], FRAME);
  ben.e.seated({ ...seat, user: 'cleo' });
  await ben.e.use(0); // calls are answered in their order
  for (let n = 0; n < 4; n++) await ben.in.send(frame);
  ben.e.seated(seat);
  await ben.e.use(0);
  await ben.in.send(frame);
  assert.deepEqual([...await ben.in.next()], FRAME, 'frames go through in their order');
  await until(() => ben.events.length === 3);
  assert.deepEqual(ben.events, ['ann encrypted', 'ann null', 'ann encrypted']);
});

test('encryption: a worker that fails later is told of, and whoever waits for it hears so', async () => {
  const ann = await inside('ann');
  ann.worker.ended = true; // it answers nothing any more
  const sealed = ann.e.seal(1, new Uint8Array(3));
  ann.worker.onerror();
  await assert.rejects(sealed, { code: 'encryption_failed', field: 'encryption' });
  assert.deepEqual(ann.events, ['ann null worker_failed!']);
});

test('encryption: a worker that does not load is an error, before anything is sent', async (t) => {
  const failing = { postMessage() {}, terminate() { this.ended = true; } };
  const e = new Encryption(() => {}, { worker: () => /** @type {any} */ (failing) });
  const began = e.begin({ room: 'lobby', userId: 'ann' });
  failing.onerror();
  await assert.rejects(began, { code: 'encryption_failed', field: 'encryption' });
  assert.equal(failing.ended, true);
  assert.equal(e.cipher, null);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const late = e.begin({ room: 'lobby', userId: 'ann' });
  t.mock.timers.tick(10000);
  await assert.rejects(late, { code: 'encryption_failed' });
  const left = e.begin({ room: 'lobby', userId: 'ann' });
  assert.throws(() => e.begin({ room: 'lobby', userId: 'ann' }), { code: 'invalid_state' });
  e.callOff();
  await assert.rejects(left, { code: 'aborted' });
  const { RTCRtpScriptTransform: has } = globalThis;
  globalThis.RTCRtpScriptTransform = undefined;
  await assert.rejects(e.begin({ room: 'lobby', userId: 'ann' }), { code: 'not_supported' });
  globalThis.RTCRtpScriptTransform = has;
});

test('encryption: somebody who is heard as the loudest, leaves and comes back is told of again', async () => {
  const ben = await inside('ben');
  const receiver = {};
  ben.e.cipher.receiver(receiver, 's2', 'audio');
  const ear = ben.worker.through(receiver.transform);
  const ann = made();
  await ann.e.begin({ room: 'lobby', userId: 'ann', encryption: { sharedKey: SECRET } });
  const sender = {};
  ann.e.cipher.sender(sender, 'mic');
  const mouth = ann.worker.through(sender.transform);
  const speaks = async () => {
    await mouth.send(FRAME, 'audio/opus');
    await ear.send(await mouth.next(), 'audio/opus');
    assert.deepEqual([...await ear.next()], FRAME);
  };
  const seat = { type: /** @type {const} */ ('seat'), seat: 's2', user: '*', audio: /** @type {const} */ ('mic') };
  ben.e.seated(seat);
  const back = [() => ben.e.users([]), () => ben.e.seated({ type: 'seat', seat: 's2', user: null })];
  for (const [n, goes] of back.entries()) {
    ben.e.users(['ann']);
    ben.e.seated(seat);
    await ben.e.use(0);
    await speaks();
    await until(() => ben.events.filter((e) => e === 'ann encrypted').length === n + 1);
    goes();
    await ben.e.use(0);
    assert.equal(ben.e.state('ann'), null);
  }
  ann.e.end();
  ben.e.end();
});

test('encryption: what was begun before the room was left does not go on in the next one', async () => {
  const enter = (e, room, sharedKey) => e.begin({ room, userId: 'ann', encryption: { sharedKey } }).then(() => 'in', (err) => err.code);
  const { e } = made();
  let before = enter(e, 'old', key(1));
  e.callOff();
  const next = enter(e, 'old', key(1)); // in the same turn
  assert.deepEqual([await before, await next], ['aborted', 'in']);
  e.end();
  const hash = heldHash();
  before = enter(e, 'old', 'a passphrase that is being hashed');
  await hash.begun;
  e.callOff();
  assert.equal(await enter(e, 'new', key(2)), 'in');
  hash.goOn();
  assert.equal(await before, 'aborted');
  const ben = made();
  await ben.e.begin({ room: 'new', userId: 'ben', encryption: { sharedKey: key(2) } });
  ben.e.users(['ann']);
  const data = await e.seal(1, Uint8Array.of(1, 2, 3));
  assert.deepEqual([...(await ben.e.open({ userId: 'ann', cmdId: 1, data }))?.data ?? []], [1, 2, 3], 'by the key of the next room');
  e.end();
  ben.e.end();
});

test('encryption: keys are looked at, and a passphrase is salted with the room', async () => {
  const { e } = made();
  for (const bad of ['', 7, new Uint8Array(15), await crypto.subtle.generateKey({ name: 'AES-GCM', length: 128 }, false, ['encrypt'])]) {
    await assert.rejects(e.setKey('ann', /** @type {any} */ (bad), 0), { code: 'invalid_parameter', field: 'key' });
  }
  for (const index of [-1, 16, 1.5]) await assert.rejects(e.setKey('ann', SECRET, index), { field: 'index' });
  await assert.rejects(e.setKey('ann', 'open sesame', 0), { field: 'key' });
  await assert.rejects(e.ratchet(), { code: 'invalid_state' });
  for (const given of [SECRET.slice(), SECRET.slice().buffer]) {
    await e.setKey('ann', given, 0);
    assert.deepEqual(new Uint8Array(given), key(9), 'the bytes of the application stay its own');
  }
  const off = new Encryption(() => {}, undefined);
  await assert.rejects(off.setKey('ann', SECRET, 0), { code: 'invalid_state', field: 'encryption' });
  assert.equal(off.begin({ room: 'lobby', userId: 'ann' }), null);
  const [ann, ben] = [await inside('ann', 'open sesame'), await inside('ben', 'open sesame')];
  const sealed = await ann.e.seal(1, SECRET);
  assert.deepEqual((await ben.e.open({ userId: 'ann', cmdId: 1, data: sealed })).data, SECRET);
  const other = made();
  await other.e.begin({ room: 'garden', userId: 'ben', encryption: { sharedKey: 'open sesame' } });
  assert.equal(await other.e.open({ userId: 'ann', cmdId: 1, data: sealed }), null);
  await ann.e.ratchet();
  assert.deepEqual((await ben.e.open({ userId: 'ann', cmdId: 1, data: await ann.e.seal(1, SECRET) })).data, SECRET, 'a step on');
  ann.e.end();
  const cleo = await inside('cleo', null);
  await cleo.e.setKey('ben', SECRET, 0);
  await cleo.e.setKey('ben', await nextKey(SECRET, 128), 1);
  const dan = await inside('ben', null);
  await dan.e.setKey('ben', SECRET, 1);
  await dan.e.ratchet();
  assert.deepEqual((await cleo.e.open({ userId: 'ben', cmdId: 1, data: await dan.e.seal(1, SECRET) })).data, SECRET, 'a newcomer with the next key');
  assert.throws(() => nextKey(/** @type {any} */ ('x'), 128), { field: 'key' });
  await assert.rejects(ann.e.ratchet(), { code: 'invalid_state' });
});

test('encryption: custom messages are sealed, keep their order, and are dropped if they are not to be believed', async () => {
  const [ann, ben] = [await inside('ann'), await inside('ben')];
  const sent = [];
  const heard = [];
  const a = new Messages({ request: async (m) => sent.push(m), open: () => null, onMessage: () => {}, onError: () => {}, cipher: ann.e });
  const b = new Messages({ request: async () => {}, open: () => null, onMessage: (m) => heard.push(`${m.userId}:${m.cmdId}:${Buffer.from(m.data)}`), onError: () => {}, cipher: ben.e });
  await Promise.all(['one', 'two', 'three'].map((text) => a.send(1, text)));
  assert.equal(Buffer.from(sent[0].data, 'base64').includes('one'), false);
  for (const m of sent) b.received({ ...m, user: 'ann' });
  b.received({ cmdId: 3, data: btoa('from the server') });
  b.received({ ...sent[0], user: 'ann' }); // once more
  b.received({ ...sent[1], cmdId: 2, user: 'ann' });
  for (let n = 0; n < 2; n++) b.received({ user: 'ann', cmdId: 1, data: btoa('in the clear, and long enough to be looked at') });
  b.received({ ...sent[2], user: 'cleo' });
  await until(() => heard.length === 4 && ben.events.includes('cleo message wrong_sender!'));
  assert.deepEqual(heard, ['ann:1:one', 'ann:1:two', 'ann:1:three', ':3:from the server']);
  assert.deepEqual(ben.events.filter((x) => x.endsWith('!')), ['ann message replayed!', 'ann message wrong_key!', 'ann message unencrypted!', 'cleo message wrong_sender!']);
  const most = MAX_BYTES - ann.e.overhead;
  await a.send(1, new Uint8Array(most));
  assert.equal(Buffer.from(sent.at(-1).data, 'base64').length, MAX_BYTES);
  await assert.rejects(a.send(1, new Uint8Array(most + 1)), { code: 'invalid_parameter', field: 'data' });
  await ann.e.setKey(null, null, 0);
  await assert.rejects(a.send(1, 'x'), { code: 'missing_key', field: 'message' });
});
