import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { FrameOpener, FrameSealer, Verdicts } from '../cryptor.js';
import { red } from '../envelope.js';
import { Keyring, OVERHEAD, REORDERED, WINDOW, isSealed, kidOf, partsOf } from '../keyring.js';
import { SUITES, baseKey, derive, encodeHeader, parseHeader, ratchet, seal } from '../sframe.js';

const KEY = new Uint8Array(randomBytes(32));
const DELTA = new Uint8Array([0x71, ...randomBytes(80)]);
const VP8 = 'video/VP8';
const SEEN = { userId: 'ann', source: 'camera' };

/** Keyrings with a key that all share. @param {number} n */
async function rings(n, { bits = 128, key = KEY, now = () => 0 } = {}) {
  const base = await baseKey(key);
  return Array.from({ length: n }, () => {
    const ring = new Keyring(SUITES[bits], now);
    ring.set(null, 0, base);
    return ring;
  });
}

const opener = (/** @type {Keyring} */ ring, users = ['ann', 'ben']) => new FrameOpener(ring, () => users);
const sealed = async (/** @type {FrameSealer} */ s, codec = VP8, plain = DELTA) => (await s.seal(codec, plain)).data;

test('cryptor: frames arrive as they were, with either length of key', async () => {
  for (const bits of [128, 256]) {
    const [a, b] = await rings(2, { bits });
    const frame = await sealed(new FrameSealer(a, 'ann', 'camera'));
    assert.equal(frame.length, DELTA.length + 1 + OVERHEAD);
    assert.equal(Buffer.from(frame).includes(Buffer.from(DELTA.subarray(1, 20))), false, 'nothing of it is in the clear');
    assert.deepEqual(await opener(b).open(VP8, frame, SEEN), { data: DELTA, userId: 'ann' });
  }
});

test('cryptor: each bit of a frame is authenticated', async () => {
  const [a, b] = await rings(2);
  const o = opener(b);
  const seal = new FrameSealer(a, 'ann', 'camera');
  await o.open(VP8, await sealed(seal), SEEN);
  const frame = await sealed(seal, VP8, DELTA.subarray(0, 8));
  for (let bit = 0; bit < 8 * frame.length; bit++) {
    const other = frame.slice();
    other[bit >> 3] ^= 1 << (bit & 7);
    assert.ok('why' in await o.open(VP8, other, SEEN), `bit ${bit}`);
  }
  for (let n = 0; n < frame.length; n++) assert.ok('why' in await o.open(VP8, frame.subarray(0, n), SEEN), `${n} bytes`);
});

test('cryptor: no frame is taken for one of another user or source', async () => {
  const [a, b] = await rings(2);
  const frame = await sealed(new FrameSealer(a, 'ann', 'camera'));
  const o = opener(b);
  assert.deepEqual(await o.open(VP8, frame, { userId: 'ben', source: 'camera' }), { why: 'wrong_sender', userId: 'ben' });
  assert.deepEqual(await o.open(VP8, frame, { userId: 'ann', source: 'screen' }), { why: 'wrong_sender', userId: 'ann' });
  assert.equal((await o.open(VP8, frame, null)).why, 'stale');
  // that the hint in the header fits does not help
  const parts = partsOf(parseHeader(frame.subarray(1)).kid);
  const kid = kidOf({ ...parts, tag: await b.tagOf('ben') }, 5n);
  const forged = new Uint8Array([0x71, ...encodeHeader(kid, 1n << 39n), ...frame.subarray(15)]);
  assert.equal((await o.open(VP8, forged, { userId: 'ben', source: 'camera' })).why, 'wrong_key');
});

test('cryptor: what is not encrypted, or with no key or another, is told apart', async () => {
  const [a] = await rings(1);
  const [other] = await rings(1, { key: new Uint8Array(32).fill(7) });
  const none = new Keyring(SUITES[128], () => 0);
  const frame = await sealed(new FrameSealer(a, 'ann', 'camera'));
  assert.equal((await opener(none).open(VP8, frame, SEEN)).why, 'missing_key');
  assert.equal((await opener(other).open(VP8, frame, SEEN)).why, 'wrong_key');
  assert.equal((await opener(a).open(VP8, DELTA, SEEN)).why, 'unencrypted');
  assert.deepEqual(await new FrameSealer(none, 'ann', 'camera').seal(VP8, DELTA), { why: 'missing_key' });
  assert.deepEqual(await new FrameSealer(a, 'ann', 'camera').seal('video/H265', DELTA), { why: 'unsupported_codec' });
  for (let n = 0; n < 3000; n++) assert.ok('why' in await opener(a).open(VP8, new Uint8Array(randomBytes(n % 90)), SEEN));
});

test('keyring: no nonce is used twice: over frames, layers, sources, restarts, devices', async () => {
  const seen = new Set();
  const [a] = await rings(1);
  for (const source of ['camera', 'camera', 'mic', 'screen']) {
    const s = new FrameSealer(a, 'ann', source); // each begins anew, as after a restart
    for (let n = 0; n < 300; n++) {
      const frame = await sealed(s, 'video/VP9');
      const { kid, ctr } = parseHeader(frame);
      const id = `${kid} ${ctr}`;
      assert.equal(seen.has(id), false);
      seen.add(id);
    }
  }
  assert.equal(new Set([...seen].map((id) => id.split(' ')[0])).size, 4, 'each has a key of its own');
});

test('keyring: a receiver follows a ratchet within its window, and not back', async () => {
  let time = 0;
  const [a, b] = await rings(2, { now: () => time });
  const o = opener(b);
  const s = new FrameSealer(a, 'ann', 'camera');
  const old = await sealed(s);
  assert.ok('data' in await o.open(VP8, old, SEEN));
  await a.ratchet('ann');
  const late = await sealed(s);
  assert.ok('data' in await o.open(VP8, late, SEEN), 'a step');
  assert.ok('data' in await o.open(VP8, old, SEEN), 'what is still under way');
  time += 5001;
  assert.equal((await o.open(VP8, old, SEEN)).why, 'wrong_key');
  for (let n = 0; n < WINDOW; n++) await a.ratchet('ann');
  const last = await sealed(s);
  await a.ratchet('ann');
  const beyond = await sealed(s);
  assert.equal((await o.open(VP8, beyond, SEEN)).why, 'wrong_key', 'beyond the window');
  assert.ok('data' in await o.open(VP8, last, SEEN), 'the last of the window');
  assert.ok('data' in await o.open(VP8, beyond, SEEN), 'and now it is within');
});

test('keyring: the first frame of a session may come after one of the next steps', async () => {
  for (const steps of [1, 3]) {
    let time = 0;
    const [a, b] = await rings(2, { now: () => time });
    const [picture, sound, screen] = ['camera', 'mic', 'screen'].map((source) => new FrameSealer(a, 'ann', source));
    const before = [await sealed(picture)];
    for (let n = 1; n < steps; n++) {
      await a.ratchet('ann');
      before.push(await sealed(picture));
    }
    const never = await sealed(screen);
    await a.ratchet('ann');
    const after = await sealed(sound, 'audio/opus');
    assert.ok('data' in await opener(b).open('audio/opus', after, { userId: 'ann', source: 'mic' }), 'sound is faster');
    for (const frame of before) assert.ok('data' in await opener(b).open(VP8, frame, SEEN), `overtaken, ${steps} steps`);
    assert.ok('data' in await opener(b).open('audio/opus', after, { userId: 'ann', source: 'mic' }), 'nobody goes back');
    time += 5001;
    assert.equal((await opener(b).open(VP8, never, { userId: 'ann', source: 'screen' })).why, 'wrong_key', 'too late');
  }
});

test('keyring: frames with a wrong key cost no more than a bound', async () => {
  let time = 0;
  const [b] = await rings(1, { now: () => time });
  const [evil] = await rings(1, { key: new Uint8Array(32).fill(7) });
  for (let n = 0; n < 10; n++) assert.ok('why' in await opener(b).open(VP8, await sealed(new FrameSealer(evil, 'ann', 'camera')), SEEN));
  const [a] = await rings(1);
  const frame = await sealed(new FrameSealer(a, 'ann', 'camera'));
  assert.equal((await opener(b).open(VP8, frame, SEEN)).why, 'wrong_key', 'the window is not searched now');
  time += 200;
  assert.ok('data' in await opener(b).open(VP8, frame, SEEN), 'a moment later it is');
});

test('keyring: a message is taken once, however many streams begin anew', async () => {
  let time = 0;
  const [a, b] = await rings(2, { now: () => time });
  const message = await a.sealer('ann', 'message')(DELTA);
  assert.ok('plain' in await b.open('ann', message, { once: true }));
  for (let n = 0; n < 40; n++) {
    time += 1000; // within what may be searched
    assert.ok('plain' in await b.open('ann', await a.sealer('ann', 'mic')(DELTA)));
  }
  assert.equal((await b.open('ann', message, { once: true })).why, 'replayed');
});

test('keyring: an index that changes while a stream begins is that of its next frames', async () => {
  const [a, b] = await rings(2);
  for (const ring of [a, b]) ring.set(null, 1, await baseKey(new Uint8Array(32).fill(1)));
  const first = a.sealer('ann', 'camera')(DELTA);
  a.use(1);
  assert.ok('plain' in await b.open('ann', await first));
});

test('keyring: keys by index, by user, and taken back', async () => {
  const [a, b] = await rings(2);
  const [s, o] = [new FrameSealer(a, 'ann', 'camera'), opener(b)];
  const next = await baseKey(new Uint8Array(32).fill(1));
  b.set(null, 3, next);
  a.set(null, 3, next);
  assert.equal(partsOf(parseHeader(await sealed(s, 'video/VP9')).kid).index, 0);
  a.use(3);
  const frame = await sealed(s, 'video/VP9');
  assert.equal(partsOf(parseHeader(frame).kid).index, 3);
  assert.ok('data' in await o.open('video/VP9', frame, SEEN));
  b.set(null, 3, await baseKey(new Uint8Array(32).fill(2)));
  assert.equal((await o.open('video/VP9', frame, SEEN)).why, 'wrong_key');
  b.set(null, 3, null);
  assert.equal((await o.open('video/VP9', frame, SEEN)).why, 'missing_key');
  a.set('ann', 3, await baseKey(KEY));
  b.set('ann', 3, await baseKey(KEY));
  assert.ok('data' in await o.open('video/VP9', await sealed(s, 'video/VP9'), SEEN), 'a key of her own');
});

test('keyring: what was held back for long is not shown, and no message is taken twice', async () => {
  const [a, b] = await rings(2);
  const base = await baseKey(KEY);
  b.set('ann', 0, base);
  const kid = kidOf({ what: 'camera', index: 0, tag: await b.tagOf('ann') }, 9n);
  const context = await derive(base, kid, SUITES[128]);
  const at = async (/** @type {bigint} */ ctr) => (await opener(b).open('video/VP9', await seal(context, kid, ctr, DELTA), SEEN)).why;
  const first = 1n << 39n;
  assert.equal(await at(first + REORDERED + 1n), undefined);
  assert.equal(await at(first + 1n), undefined, 'a little late');
  assert.equal(await at(first), 'replayed');
  a.set('ann', 0, base);
  const message = await a.sealer('ann', 'message')(DELTA);
  assert.ok('plain' in await b.open('ann', message, { once: true }));
  assert.deepEqual(await b.open('ann', message, { once: true }), { why: 'replayed' });
  assert.deepEqual(await b.open('ann', await a.sealer('ann', 'message')(DELTA, new Uint8Array([1])), { metadata: new Uint8Array([2]) }), { why: 'wrong_key' });
});

test('cryptor: each block of redundant audio is a frame of its own, also where a node has put them together', async () => {
  const [a, b] = await rings(2);
  const s = new FrameSealer(a, 'ann', 'mic');
  const heard = { userId: 'ann', source: 'mic' };
  const [first, second] = [new Uint8Array(randomBytes(40)), new Uint8Array(randomBytes(41))];
  const sent = await sealed(s, 'audio/red', red.compose([{ pt: 111, offset: 960, data: first }, { pt: 111, offset: 0, data: second }]));
  const back = await opener(b).open('audio/red', sent, heard);
  assert.deepEqual(red.parse(back.data).map((k) => k.data), [first, second]);
  // by a node, of two packets of Opus; one block is of somebody without a key
  const frames = [await sealed(s, 'audio/opus', first), DELTA, await sealed(s, 'audio/opus', second)];
  const made = red.compose(frames.map((data, i) => ({ pt: 111, offset: 960 * (2 - i), data })));
  const { data, userId } = await opener(b).open('audio/red', made, { userId: null, source: 'mic' });
  assert.deepEqual(red.parse(data), [{ pt: 111, offset: 1920, data: first }, { pt: 111, offset: 0, data: second }]);
  assert.equal(userId, 'ann', 'one of the loudest is known by the key');
  assert.equal((await opener(b).open('audio/red', red.compose([{ pt: 111, offset: 0, data: DELTA }]), heard)).why, 'unencrypted');
});

test('verdicts: told once, and what comes once is not believed', () => {
  const v = new Verdicts();
  const note = (/** @type {string} */ state) => v.note('ann', 'camera', state);
  assert.equal(note('wrong_key'), null);
  assert.deepEqual(note('encrypted'), { state: 'encrypted', before: null });
  assert.equal(note('encrypted'), null);
  assert.deepEqual(['wrong_key', 'wrong_key', 'wrong_key', 'wrong_key'].map(note).map((n) => n?.state), [undefined, undefined, 'wrong_key', undefined]);
  assert.deepEqual(note('encrypted'), { state: 'encrypted', before: 'wrong_key' });
  for (let n = 1; n < 100; n++) assert.equal(note('wrong_sender'), null, 'it may be of the one who sat there before');
  assert.equal(note('wrong_sender')?.state, 'wrong_sender');
  v.retain((userId, source) => userId !== 'ann' || source !== 'camera');
  assert.deepEqual(note('encrypted'), { state: 'encrypted', before: null });
});

test('isSealed: frames of codecs are not taken for sealed ones', async () => {
  const [a] = await rings(1);
  assert.equal(isSealed(await sealed(new FrameSealer(a, 'ann', 'mic'), 'audio/opus')), true);
  let taken = 0;
  for (let n = 0; n < 20000; n++) if (isSealed(new Uint8Array(randomBytes(60)))) taken++;
  assert.ok(taken < 200, `${taken} of 20000`);
  assert.equal(isSealed(new Uint8Array(OVERHEAD - 1).fill(0xff)), false);
});

test('ratchet: keys of a step cannot be had from those after it', async () => {
  const base = await baseKey(KEY);
  await assert.rejects(crypto.subtle.exportKey('raw', await ratchet(base, SUITES[256])));
});
