// End-to-end encryption, the page's side: starts the worker (encryption-worker.js), which alone has the keys,
// puts it between the connection and its senders and receivers, and tells what becomes of frames. How it
// works is in docs/encryption.md.
//
//   begin, end   a stay in a room; all keys are forgotten with it
//   cipher       what peer.js puts senders and receivers through
//   seal, open   custom messages

import { wrong } from './check.js';
import { INDEXES, OVERHEAD } from './keyring.js';
import { ParlorError } from './protocol.js';
import { SUITES, baseKey, ratchetBytes } from './sframe.js';

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./types.js').EncryptionState} State */
/** @typedef {import('./types.js').EncryptionKey} EncryptionKey */
/** @typedef {(sender: RTCRtpSender, source: Source) => void} SenderCipher */
/** @typedef {(receiver: RTCRtpReceiver, seat: string, kind: 'audio' | 'video') => void} ReceiverCipher */
/** @typedef {{sender: SenderCipher, receiver: ReceiverCipher}} Cipher */

/** For how long the worker may take to load, in ms. */
const LOAD_MS = 10000;
/** How often a passphrase is hashed. Higher makes guessing dearer, and entering slower. */
const ITERATIONS = 600000;
const SHORTEST = 16;

/** What is said of each state, the worst first. */
const SAYS = /** @type {const} */ ({
  unencrypted: 'sends without encryption. It is not shown or played',
  wrong_sender: 'is said to send what comes from somebody else. It is not shown or played',
  wrong_key: 'has another key than the one that is set here',
  replayed: 'is said to send now what was sent long ago. It is not shown or played',
  missing_key: 'sends with a key that is not set here: setEncryptionKey()',
  unsupported_codec: 'sends with a codec that cannot be encrypted: choose VP8, VP9, H264 or AV1',
});
const OWN = /** @type {Record<string, string>} */ ({
  missing_key: 'No key is set, so nothing is sent: setEncryptionKey()',
  unsupported_codec: 'This codec cannot be encrypted, so it is not sent: choose VP8, VP9, H264 or AV1',
});

export class Encryption {
  /** @type {Worker | null} */
  #worker = null;
  /** @type {Promise<void> | null} */
  #ready = null;
  /** @type {Map<number, {resolve: (v: any) => void, reject: (err: unknown) => void}>} */
  #calls = new Map();
  #called = 0;
  /** @type {(err: unknown) => void} */
  #abort = () => {};
  /** Another one from each end() on. What was begun before must not go on in what follows. */
  #life = {};
  /** @type {string | null} the room, as salt; null: outside */
  #room = null;
  #me = '';
  /** @type {Map<string, Map<Source | 'message', State>>} user → what is known */
  #states = new Map();
  /** @type {Map<string, {user: string | null, video: Source | null, audio: Source | null}>} */
  #seats = new Map();
  #emit;
  #options;

  /**
   * @param {<K extends 'encryption-error' | 'encryption-state'>(name: K, payload: import('./types.js').ParlorEvents[K]) => void} emit
   * @param {import('./types.js').EncryptionOptions | undefined} options  undefined: off, unless enterRoom()
   *   turns it on
   */
  constructor(emit, options) {
    this.#emit = emit;
    this.#options = options;
  }

  /**
   * Enters with encryption: resolves once the worker runs and has the key. null: encryption is off.
   * @param {{room: string | number, userId: string, encryption?: import('./types.js').EnterOptions['encryption']}} of
   */
  begin({ room, userId, encryption }) {
    if (this.#room !== null) throw new ParlorError('invalid_state', 'Already entering a room.');
    if (!this.#options && !encryption) return null;
    const key = encryption?.sharedKey;
    if (key !== undefined) checkKey(key, 'sharedKey');
    this.#room = `${typeof room}:${room}`;
    this.#me = userId;
    return this.#begin(key);
  }

  /** @param {EncryptionKey} [key] */
  async #begin(key) {
    const life = this.#life;
    try {
      await this.#start();
      await this.#call('enter', { userId: this.#me }, life);
      if (key !== undefined) await this.setKey(null, key, 0);
      this.#still(life);
    } catch (err) {
      if (life === this.#life) this.end();
      throw err;
    }
  }

  /** The room was not entered after all. Keys that were set stay for the next try. */
  failed() {
    this.#room = null;
  }

  /** @param {object} life */
  #still(life) {
    if (life !== this.#life) throw new ParlorError('aborted', 'The room was left.');
  }

  /** Forgets all keys, and ends what begin() is waiting for. */
  end() {
    this.#life = {};
    this.#worker?.terminate();
    this.#worker = this.#ready = this.#room = null;
    const aborted = new ParlorError('aborted', 'The room was left.');
    this.#abort(aborted);
    for (const c of this.#calls.values()) c.reject(aborted);
    this.#calls.clear();
    this.#states.clear();
    this.#seats.clear();
  }

  /** Nobody waits for begin() any more. */
  callOff() {
    if (this.#room !== null) this.end();
  }

  /** What senders and receivers go through; null: they are not encrypted. @returns {Cipher | null} */
  get cipher() {
    if (this.#room === null) return null;
    const worker = /** @type {Worker} */ (this.#worker);
    return {
      sender: (sender, source) => through(sender, worker, { side: 'send', source }),
      receiver: (receiver, seat, kind) => through(receiver, worker, { side: 'receive', seat, kind }),
    };
  }

  // --- keys

  /**
   * @param {string | null} userId
   * @param {EncryptionKey | null} key
   * @param {number} index
   * @param {boolean} [use]  to encrypt with from now on, if it is one's own or shared
   */
  async setKey(userId, key, index, use = true) {
    if (key !== null) checkKey(key);
    checkIndex(index);
    this.#on();
    if (typeof key === 'string' && this.#room === null) {
      throw wrong('key', 'A passphrase is salted with the room: give it to enterRoom(), or set it inside.');
    }
    const life = this.#life;
    await this.#start();
    this.#still(life);
    const made = key === null ? null : await imported(key, this.#room ?? '');
    await this.#call('key', { userId, index, key: made }, life);
    if (key !== null && use && (userId === null || userId === this.#me)) await this.#call('use', { index }, life);
  }

  /** @param {number} index */
  async use(index) {
    checkIndex(index);
    this.#on();
    const life = this.#life;
    await this.#start();
    await this.#call('use', { index }, life);
  }

  /** @param {number} [index] */
  async ratchet(index) {
    if (index !== undefined) checkIndex(index);
    if (this.#room === null) throw new ParlorError('invalid_state', 'Not in a room with encryption.', { field: 'encryption' });
    if (!(await this.#call('ratchet', { index }))) throw new ParlorError('missing_key', 'There is no key of one\'s own to take a step on: setEncryptionKey().', { field: 'index' });
  }

  #on() {
    if (this.#options || this.#room !== null) return;
    throw new ParlorError('invalid_state', 'Encryption is off. Turn it on by Parlor.create({ encryption: {} }), or enterRoom({ encryption }).', { field: 'encryption' });
  }

  // --- who sits where

  /** What the node is about to be asked for. @param {import('./protocol.js').SeatRequest} request */
  seated({ seat, user, video = null, audio = null }) {
    if (this.#room === null) return;
    this.#seats.set(seat, { user, video, audio });
    this.#tellWorker('seat', { seat, user, video, audio });
    for (const [userId, of] of this.#states) {
      for (const source of of.keys()) if (userId !== this.#me && source !== 'message' && !this.#receives(userId, source)) this.#forget(userId, source);
    }
  }

  /** @param {string[]} users  the others in the room */
  users(users) {
    if (this.#room === null) return;
    this.#tellWorker('users', { users });
    for (const userId of this.#states.keys()) if (userId !== this.#me && userId !== '' && !users.includes(userId)) this.#states.delete(userId);
  }

  /** How a user's streams come, the worst of them; null: nothing has come. @param {string} userId */
  state(userId) {
    const of = [...this.#states.get(userId) ?? []].filter(([source]) => source !== 'message').map(([, state]) => state);
    return /** @type {State[]} */ (Object.keys(SAYS)).find((s) => of.includes(s)) ?? (of.length > 0 ? 'encrypted' : null);
  }

  // --- messages

  /** How many bytes of a message its encryption takes. */
  get overhead() {
    return this.#room === null ? 0 : OVERHEAD;
  }

  /** @param {number} cmdId @param {Uint8Array} data @returns {Promise<Uint8Array>} */
  async seal(cmdId, data) {
    if (this.#room === null) return data;
    const sealed = await this.#call('seal', { cmdId, data });
    if (!sealed) throw new ParlorError('missing_key', 'No key is set, so the message was not sent: setEncryptionKey().', { field: 'message' });
    return sealed;
  }

  /**
   * Resolves with null if the message is not to be believed. Those of the server are not encrypted.
   * @param {import('./messages.js').Received} message
   * @returns {Promise<import('./messages.js').Received | null>}
   */
  async open(message) {
    const { userId, cmdId, data } = message;
    if (this.#room === null || userId === '') return message;
    const opened = await this.#call('open', { userId, cmdId, data });
    this.#note(userId, 'message', 'plain' in opened ? 'encrypted' : opened.why);
    return 'plain' in opened ? { ...message, data: opened.plain } : null;
  }

  // --- the worker

  /** Starts the worker, unless it runs already. */
  #start() {
    const life = this.#life;
    this.#ready ??= this.#load(life).catch((err) => {
      if (life === this.#life) {
        this.#worker?.terminate();
        this.#worker = this.#ready = null;
      }
      throw err;
    });
    return this.#ready;
  }

  /** @param {object} life */
  async #load(life) {
    if (typeof RTCRtpScriptTransform !== 'function' || !globalThis.crypto?.subtle) {
      throw new ParlorError('not_supported', 'This browser cannot encrypt calls end to end, or this page is not served by HTTPS.', { field: 'encryption' });
    }
    const worker = this.#worker = workerOf(this.#options?.worker);
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    await new Promise((resolve, reject) => {
      const failed = () => reject(new ParlorError('encryption_failed', 'The worker that encrypts has not loaded, so nothing is sent. Check its address (the option "encryption.worker") and the page\'s worker-src.', { field: 'encryption' }));
      this.#abort = reject;
      timer = setTimeout(failed, LOAD_MS);
      worker.onerror = failed;
      worker.onmessage = () => resolve(undefined);
    }).finally(() => clearTimeout(timer));
    this.#still(life);
    worker.onmessage = ({ data }) => this.#heard(data);
    worker.onerror = () => this.#died();
    await this.#call('begin', { bits: this.#options?.keyLength ?? 128 }, life);
  }

  /** Says so, and ends what waits for its answers. */
  #died() {
    const says = 'The worker that encrypts has failed, so nothing is sent or shown. Enter the room anew.';
    for (const c of this.#calls.values()) c.reject(new ParlorError('encryption_failed', says, { field: 'encryption' }));
    this.#calls.clear();
    this.#emit('encryption-error', { userId: this.#me, source: null, code: 'worker_failed', message: says });
  }

  /**
   * @param {string} type
   * @param {object} fields
   * @param {object} [life]  in which it was begun
   * @returns {Promise<any>}
   */
  #call(type, fields, life = this.#life) {
    const worker = this.#worker;
    if (!worker || life !== this.#life) return Promise.reject(new ParlorError('aborted', 'Not in a room.'));
    return new Promise((resolve, reject) => {
      this.#calls.set(++this.#called, { resolve, reject });
      worker.postMessage({ id: this.#called, type, ...fields });
    });
  }

  /** @param {string} type @param {object} fields */
  #tellWorker(type, fields) {
    this.#call(type, fields).catch(() => {}); // it has ended, and with it whatever this was for
  }

  /** @param {any} m */
  #heard({ id, result, error, type, userId, source, state }) {
    if (type === 'state') {
      this.#note(userId, source, state);
      return;
    }
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error) call?.reject(new ParlorError('encryption_failed', `The worker that encrypts has failed: ${error}`, { field: 'encryption' }));
    else call?.resolve(result);
  }

  // --- what is known

  /**
   * @param {string | null} userId  null: it is not known whose it is
   * @param {Source | 'message'} source
   * @param {State} state
   */
  #note(userId, source, state) {
    const user = userId ?? '';
    const before = this.state(user);
    const of = this.#states.get(user) ?? new Map();
    const same = of.get(source) === state;
    this.#states.set(user, of.set(source, state));
    this.#changed(user, before);
    if (same || state === 'encrypted') return;
    const says = user === this.#me ? OWN[state] : `${userId ?? 'Somebody'} ${SAYS[state]}`;
    this.#emit('encryption-error', { userId: user, source, code: state, message: `${says}.` });
  }

  /** @param {string} userId @param {Source | 'message'} source */
  #forget(userId, source) {
    const before = this.state(userId);
    this.#states.get(userId)?.delete(source);
    this.#changed(userId, before);
  }

  /** @param {string} userId @param {State | null} before */
  #changed(userId, before) {
    const state = this.state(userId);
    if (state !== before && userId !== '') this.#emit('encryption-state', { userId, state });
  }

  /** @param {string} userId @param {Source} source */
  #receives(userId, source) {
    return [...this.#seats.values()].some(({ user, video, audio }) => (video === source || audio === source) && (user === userId || user === '*'));
  }
}

/**
 * @param {RTCRtpSender | RTCRtpReceiver} end
 * @param {Worker} worker
 * @param {object} options
 */
function through(end, worker, options) {
  end.transform = new RTCRtpScriptTransform(worker, options);
}

/** @param {import('./types.js').EncryptionOptions['worker']} given */
function workerOf(given) {
  if (typeof given === 'function') return given();
  const here = import.meta.url; // bundlers look for the expression below
  const url = given === undefined ? new URL('./encryption-worker.js', here) : new URL(given, document.baseURI);
  if (url.origin !== location.origin && url.protocol.startsWith('http')) return foreign(url);
  return given === undefined ? new Worker(new URL('./encryption-worker.js', import.meta.url), { type: 'module' }) : new Worker(url, { type: 'module' });
}

/** Browsers start no worker of another origin, but a worker may import from there. @param {URL} url */
function foreign(url) {
  const blob = URL.createObjectURL(new Blob([`import ${JSON.stringify(url.href)};`], { type: 'text/javascript' }));
  return new Worker(blob, { type: 'module' });
}

/** @param {unknown} key @param {string} [field] */
function checkKey(key, field = 'key') {
  if (typeof key === 'string' && key !== '') return;
  if (key instanceof CryptoKey && key.algorithm.name === 'HKDF' && ['deriveBits', 'deriveKey'].every((u) => key.usages.includes(/** @type {KeyUsage} */ (u)))) return;
  if ((key instanceof Uint8Array || key instanceof ArrayBuffer) && key.byteLength >= SHORTEST) return;
  throw wrong(field, `A key is a passphrase, at least ${SHORTEST} random bytes, or a CryptoKey for HKDF with the usages deriveBits and deriveKey.`);
}

/** @param {unknown} index */
function checkIndex(index) {
  if (!Number.isInteger(index) || Number(index) < 0 || Number(index) >= INDEXES) throw wrong('index', `An index is a whole number from 0 to ${INDEXES - 1}.`);
}

/**
 * The bytes of the key after one of so many bits.
 * @param {Uint8Array | ArrayBuffer} key
 * @param {128 | 256} keyLength
 */
export function nextKey(key, keyLength) {
  if (!(key instanceof Uint8Array || key instanceof ArrayBuffer)) throw wrong('key', 'A key to take a step on is bytes.');
  checkKey(key);
  if (keyLength !== 128 && keyLength !== 256) throw wrong('keyLength', '"keyLength" is 128 or 256.');
  return ratchetBytes(key instanceof ArrayBuffer ? new Uint8Array(key) : key, SUITES[keyLength]);
}

/** @param {EncryptionKey} key @param {string} room */
async function imported(key, room) {
  if (key instanceof CryptoKey) return key;
  const raw = typeof key === 'string' ? await fromPassphrase(key, room) : (key instanceof ArrayBuffer ? new Uint8Array(key) : key).slice();
  try {
    return await baseKey(raw);
  } finally {
    raw.fill(0);
  }
}

/** @param {string} passphrase @param {string} room */
async function fromPassphrase(passphrase, room) {
  const utf8 = new TextEncoder();
  const password = await crypto.subtle.importKey('raw', utf8.encode(passphrase.normalize('NFC')), 'PBKDF2', false, ['deriveBits']);
  const salt = utf8.encode(`Parlor 1.0 room ${room}`);
  return new Uint8Array(await crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt, iterations: ITERATIONS }, password, 256));
}
