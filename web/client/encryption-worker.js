// The worker of the encryption: frames pass through it on their way between encoders, decoders and the
// network. It alone has keys. The page talks to it in calls (encryption.js), and is told what becomes of
// frames.

import { FrameOpener, FrameSealer, Verdicts } from './cryptor.js';
import { Keyring, isSealed, partsOf } from './keyring.js';
import { SUITES, parseHeader } from './sframe.js';

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {{user: string | null, video: Source | null, audio: Source | null}} Seat */

/** In the request for a seat: the loudest, so anybody. */
const LOUDEST = '*';

const now = () => performance.now();
const verdicts = new Verdicts();
let ring = new Keyring(SUITES[128], now);
let me = '';
/** @type {ReturnType<Keyring['sealer']> | null} */
let messages = null;
/** @type {Map<string, Seat>} */
const seats = new Map();
/** @type {Iterable<string>} */
let users = [];

/** What the page asks for, one after the other. @type {Record<string, (m: any) => unknown>} */
const CALLS = {
  /** The first of all. @param {{bits: 128 | 256}} m */
  begin: ({ bits }) => {
    ring = new Keyring(SUITES[bits], now);
  },
  /** @param {{userId: string}} m */
  enter: ({ userId }) => {
    me = userId;
    messages = ring.sealer(me, 'message');
  },
  key: ({ userId, index, key }) => ring.set(userId, index, key),
  use: ({ index }) => ring.use(index),
  ratchet: ({ index }) => ring.ratchet(me, index),
  users: (m) => {
    users = m.users;
    const there = new Set([me, '', ...m.users]);
    verdicts.retain((userId) => there.has(userId));
  },
  seat: ({ seat, ...holder }) => sit(seat, holder),
  seal: ({ cmdId, data }) => messages?.(data, Uint8Array.of(cmdId)) ?? null,
  open: ({ userId, cmdId, data }) => openMessage(userId, cmdId, data),
};

/** @param {string} seat @param {Seat} holder */
function sit(seat, holder) {
  seats.set(seat, holder);
  const all = [...seats.values()];
  verdicts.retain((userId, source) => userId === me ||
    all.some(({ user, video, audio }) => (video === source || audio === source) && (user === LOUDEST || user === userId)));
}

/**
 * @param {string} userId
 * @param {number} cmdId
 * @param {Uint8Array} data
 */
async function openMessage(userId, cmdId, data) {
  if (!isSealed(data)) return { why: 'unencrypted' };
  const parts = partsOf(/** @type {import('./sframe.js').Header} */ (parseHeader(data)).kid);
  if (parts.what !== 'message' || parts.tag !== await ring.tagOf(userId)) return { why: 'wrong_sender' };
  return ring.open(userId, data, { metadata: Uint8Array.of(cmdId), once: true });
}

/** @type {any} */
const scope = self;
/** @type {Promise<unknown>} */
let tail = Promise.resolve();

scope.onmessage = (/** @type {MessageEvent} */ { data: { id, type, ...m } }) => {
  tail = tail.then(() => CALLS[type](m)).then((result) => scope.postMessage({ id, result }), (err) => scope.postMessage({ id, error: String(err) }));
};

// --- frames

/**
 * @param {string | null} userId
 * @param {Source} source
 * @param {import('./types.js').EncryptionState} state
 */
function tell(userId, source, state) {
  const news = verdicts.note(userId, source, state);
  if (news) scope.postMessage({ type: 'state', userId, source, state });
  return news;
}

/** @param {any} transformer */
function sending(transformer) {
  const { source } = transformer.options;
  const sealer = new FrameSealer(ring, me, source);
  return async (/** @type {any} */ frame, /** @type {TransformStreamDefaultController} */ out) => {
    const done = await sealer.seal(frame.getMetadata().mimeType ?? '', new Uint8Array(frame.data));
    const news = tell(me, source, 'why' in done ? done.why : 'encrypted');
    if ('why' in done) return;
    // receivers have missed frames until now; browsers that cannot be asked here are asked by them
    if (news?.before) transformer.generateKeyFrame?.()?.catch(() => {});
    frame.data = bufferOf(done.data);
    out.enqueue(frame);
  };
}

/** @param {any} transformer */
function receiving(transformer) {
  const { seat, kind } = transformer.options;
  const opener = new FrameOpener(ring, () => users);
  return async (/** @type {any} */ frame, /** @type {TransformStreamDefaultController} */ out) => {
    const holder = seats.get(seat);
    const source = holder?.user && holder[/** @type {'audio' | 'video'} */ (kind)];
    const expected = source ? { userId: holder.user === LOUDEST ? null : holder.user, source } : null;
    const done = await opener.open(frame.getMetadata().mimeType ?? '', new Uint8Array(frame.data), expected);
    const still = seats.get(seat);
    if (!expected || still?.user !== holder?.user || still?.[/** @type {'audio' | 'video'} */ (kind)] !== source) return; // by now
    const news = 'why' in done ? done.why !== 'stale' && tell(expected.userId, expected.source, done.why) : tell(done.userId, expected.source, 'encrypted');
    if ('why' in done) return;
    if (news && news.before && kind === 'video') transformer.sendKeyFrameRequest?.()?.catch(() => {});
    frame.data = bufferOf(done.data);
    out.enqueue(frame);
  };
}

/** @param {Uint8Array} b */
const bufferOf = (b) => (b.byteLength === b.buffer.byteLength ? b.buffer : b.slice().buffer);

scope.onrtctransform = (/** @type {any} */ { transformer }) => {
  const transform = transformer.options.side === 'send' ? sending(transformer) : receiving(transformer);
  transformer.readable.pipeThrough(new TransformStream({ transform })).pipeTo(transformer.writable).catch(() => {}); // its connection has ended
};

scope.postMessage({ type: 'ready' });
