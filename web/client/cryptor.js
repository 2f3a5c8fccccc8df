// Frames are encrypted and decrypted here, in the worker. What cannot be is dropped, and why is told once.
// Pure, but for WebCrypto.
//
//   FrameSealer  of one sender: all its layers
//   FrameOpener  of one receiver, in which one user sits after the other
//   Verdicts     what becomes of a user's frames, told when it changes

import { red, unwrap, wrap } from './envelope.js';
import { isSealed, partsOf } from './keyring.js';
import { parseHeader } from './sframe.js';

/** @typedef {import('./keyring.js').Keyring} Keyring */
/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./types.js').EncryptionState} State */
/** @typedef {{userId: string | null, source: Source}} Expected  userId null: anybody, as the loudest */
/** @typedef {{data: Uint8Array, userId: string | null} | {why: State | 'stale', userId: string | null}} Outcome */

const isRED = (/** @type {string} */ mimeType) => mimeType.toLowerCase() === 'audio/red';
const OPUS = 'audio/opus';

export class FrameSealer {
  #seal;

  /** @param {Keyring} ring @param {string} userId @param {Source} source */
  constructor(ring, userId, source) {
    this.#seal = ring.sealer(userId, source);
  }

  /**
   * @param {string} mimeType
   * @param {Uint8Array} plain
   * @returns {Promise<{data: Uint8Array} | {why: State}>}
   */
  async seal(mimeType, plain) {
    if (!isRED(mimeType)) return this.#one(mimeType, plain);
    const blocks = red.parse(plain);
    if (!blocks) return { why: 'unsupported_codec' };
    for (const block of blocks) {
      const one = await this.#one(OPUS, block.data);
      if ('why' in one) return one;
      block.data = one.data;
    }
    return { data: red.compose(blocks) };
  }

  /** @param {string} mimeType @param {Uint8Array} plain @returns {Promise<{data: Uint8Array} | {why: State}>} */
  async #one(mimeType, plain) {
    const sealed = await this.#seal(plain);
    if (!sealed) return { why: 'missing_key' };
    const data = wrap(mimeType, plain, sealed);
    return data ? { data } : { why: 'unsupported_codec' };
  }
}

export class FrameOpener {
  #ring;
  #users;

  /** @param {Keyring} ring @param {() => Iterable<string>} users  who may be heard without a seat of theirs */
  constructor(ring, users) {
    this.#ring = ring;
    this.#users = users;
  }

  /**
   * @param {string} mimeType
   * @param {Uint8Array} data
   * @param {Expected | null} expected  null: the seat is empty
   * @returns {Promise<Outcome>}
   */
  async open(mimeType, data, expected) {
    if (!expected) return { why: 'stale', userId: null };
    if (!isRED(mimeType)) return this.#one(mimeType, data, expected);
    const blocks = red.parse(data);
    const primary = blocks?.at(-1);
    if (!blocks || !primary) return { why: 'unencrypted', userId: expected.userId };
    const of = await this.#one(OPUS, primary.data, expected);
    if ('why' in of) return of;
    primary.data = of.data;
    const whole = [];
    for (const block of blocks.slice(0, -1)) {
      const before = await this.#one(OPUS, block.data, { ...expected, userId: of.userId });
      if ('data' in before) whole.push({ ...block, data: before.data });
    }
    return { data: red.compose([...whole, primary]), userId: of.userId };
  }

  /** @param {string} mimeType @param {Uint8Array} data @param {Expected} expected @returns {Promise<Outcome>} */
  async #one(mimeType, data, { userId, source }) {
    const envelope = unwrap(mimeType, data);
    if (!envelope || !isSealed(envelope.sealed)) return { why: 'unencrypted', userId };
    const header = /** @type {import('./sframe.js').Header} */ (parseHeader(envelope.sealed));
    const parts = partsOf(header.kid);
    const from = userId === null ? await this.#ring.candidates(parts.tag, this.#users()) : [userId];
    if (parts.what !== source || (userId !== null && await this.#ring.tagOf(userId) !== parts.tag)) return { why: 'wrong_sender', userId };
    /** @type {State} */
    let why = 'missing_key';
    for (const user of from) {
      const opened = await this.#ring.open(user, envelope.sealed);
      if ('plain' in opened) return envelope.fits(opened.plain) ? { data: opened.plain, userId: user } : { why: 'wrong_key', userId: user };
      if (opened.why !== 'missing_key') why = opened.why;
    }
    return { why, userId };
  }
}

/** After how many frames of one kind on end it is believed. What comes of another user may be of the one who
 *  sat there before; anything else that comes once may have been damaged. */
const BELIEVED = 3;
const FOREIGN = 100;

export class Verdicts {
  /** @type {Map<string, {told: State | null, last: State, times: number}>} */
  #known = new Map();

  /**
   * @param {string | null} userId
   * @param {Source} source
   * @param {State} state  of a frame
   * @returns {{state: State, before: State | null} | null}  null: no news
   */
  note(userId, source, state) {
    const key = `${source}/${userId ?? ''}`;
    const v = this.#known.get(key) ?? { told: null, last: state, times: 0 };
    this.#known.set(key, v);
    v.times = v.last === state ? v.times + 1 : 1;
    v.last = state;
    const before = v.told;
    const needed = state === 'encrypted' ? 1 : state === 'wrong_sender' ? FOREIGN : BELIEVED;
    if (before === state || v.times < needed) return null;
    v.told = state;
    return { state, before };
  }

  /**
   * Forgets what is not received any more: if it comes again, it is told again.
   * @param {(userId: string, source: Source) => boolean} received  userId '': anybody, as the loudest
   */
  retain(received) {
    for (const key of this.#known.keys()) {
      const at = key.indexOf('/');
      if (!received(key.slice(at + 1), /** @type {Source} */ (key.slice(0, at)))) this.#known.delete(key);
    }
  }
}
