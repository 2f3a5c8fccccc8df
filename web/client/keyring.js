// The keys of an encrypted room, and what is made of them for each frame. One of these lives in the worker,
// and nothing else holds keys.
//
//   Keyring  keys by user and index, or one that all share; sealing for oneself, opening for a user
//   kidOf    how a key id (KID) of SFrame is made, and partsOf how it is read
//
// Each sealer begins a session with a number of its own, drawn at random. It is part of the KID, from which
// the key and the salt of the session come. So nonces differ between streams, restarts and devices, and each
// session just counts.

import { derive, encodeHeader, next, open, parseHeader, ratchet, seal, TAG } from './sframe.js';

/** @typedef {import('./sframe.js').Context & {kid: bigint, highest: bigint, seen: Set<bigint>}} Session */
/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {Source | 'message'} What */
/** @typedef {'missing_key' | 'wrong_key' | 'replayed'} Refused */
/** @typedef {{what: What, index: number, tag: number}} Parts */

/** @type {What[]} */
const WHAT = ['message', 'camera', 'screen', 'mic', 'screen-audio'];

/** The number of keys that a user may have at a time. */
export const INDEXES = 16;
/** How many steps a key may be behind its sender's. Higher costs more for a frame with a wrong key. */
export const WINDOW = 8;
/** How far a frame may be behind the newest of its session, in frames. What is older was held back. */
export const REORDERED = 4096n;
/** How many sessions of a key and source are remembered. There is another one after each restart. */
const SESSIONS = 16;
/** How often the window is searched for a user's key: so many times at once, and then one more in so many
 *  ms. It bounds what frames with a wrong key cost. */
const SEARCHES = 10;
const SEARCH_MS = 200;
/** For how long the keys of the step before open what is still under way, in ms. */
const LATE_MS = 5000;

/** How much longer a sealed message or frame is, without its envelope. */
export const OVERHEAD = 14 + TAG;

/** One key of one user. */
class Entry {
  base;
  shared;
  /** @type {Map<bigint, Session>} */
  sessions = new Map();
  /** @type {{base: CryptoKey, steps: number, sessions: Map<bigint, Session>, until: number} | null} what was
   *  before the last steps; steps: how many those were */
  late = null;
  searches = SEARCHES;
  searchedAt = 0;
  /** @type {Promise<unknown>} */
  tail = Promise.resolve();

  /** @param {CryptoKey} base @param {boolean} shared  made from the key that all share */
  constructor(base, shared) {
    this.base = base;
    this.shared = shared;
  }

  /** @param {bigint} kid @param {number} now */
  session(kid, now) {
    return this.sessions.get(kid) ?? this.before(now)?.sessions.get(kid);
  }

  /** What was before the last steps, as long as something of it may be under way. @param {number} now */
  before(now) {
    if (this.late && this.late.until < now) this.late = null;
    return this.late;
  }

  /** @param {CryptoKey} base @param {number} now @param {number} steps */
  advance(base, now, steps) {
    this.late = { base: this.base, steps, sessions: this.sessions, until: now + LATE_MS };
    this.sessions = new Map();
    this.base = base;
  }

  /** Whether the window may be searched now. @param {number} now */
  maySearch(now) {
    const more = Math.floor((now - this.searchedAt) / SEARCH_MS);
    if (more > 0) {
      this.searches = Math.min(SEARCHES, this.searches + more);
      this.searchedAt = now;
    }
    return this.searches > 0 && this.searches-- > 0;
  }
}

export class Keyring {
  /** @type {Map<string, Map<number, Entry>>} */
  #users = new Map();
  /** @type {Map<number, CryptoKey>} */
  #shared = new Map();
  /** @type {Map<string, number>} */
  #tags = new Map();
  #index = 0;
  #suite;
  #now;

  /**
   * @param {import('./sframe.js').Suite} suite
   * @param {() => number} now  ms
   */
  constructor(suite, now) {
    this.#suite = suite;
    this.#now = now;
  }

  /**
   * @param {string | null} userId  null: the key that all share
   * @param {number} index  below INDEXES
   * @param {CryptoKey | null} base  null: no longer
   */
  set(userId, index, base) {
    if (userId !== null) {
      const entries = this.#users.get(userId) ?? new Map();
      this.#users.set(userId, entries);
      if (base) entries.set(index, new Entry(base, false));
      else entries.delete(index);
      return;
    }
    if (base) this.#shared.set(index, base);
    else this.#shared.delete(index);
    for (const entries of this.#users.values()) if (entries.get(index)?.shared) entries.delete(index);
  }

  /** Says with which key oneself seals from now on. @param {number} index */
  use(index) {
    this.#index = index;
  }

  /**
   * Takes a key one step on. Those who have the key follow when they see it used.
   * @param {string} userId
   * @param {number} index
   * @returns {Promise<boolean>}  false: there is none
   */
  async ratchet(userId, index = this.#index) {
    const entry = await this.#entry(userId, index);
    if (!entry) return false;
    return this.#inTurn(entry, async () => {
      entry.advance(await ratchet(entry.base, this.#suite), this.#now(), 1);
      entry.late = null;
      return true;
    });
  }

  /**
   * Begins to seal for a user. What it returns seals one frame after the other; null: there is no key.
   * @param {string} userId
   * @param {What} what
   */
  sealer(userId, what) {
    /** @type {{base: CryptoKey, context: import('./sframe.js').Context, kid: bigint, ctr: bigint} | null} */
    let session = null;
    return async (/** @type {Uint8Array} */ plain, /** @type {Uint8Array} */ metadata = new Uint8Array(0)) => {
      const index = this.#index; // another may be used while this one is looked up
      const entry = await this.#entry(userId, index);
      if (!entry) return null;
      if (session?.base !== entry.base) {
        const kid = kidOf({ what, index, tag: await this.tagOf(userId) }, random48());
        session = { base: entry.base, context: await derive(entry.base, kid, this.#suite), kid, ctr: firstCounter() };
      }
      return seal(session.context, session.kid, session.ctr++, plain, metadata);
    };
  }

  /**
   * Opens what a user has sealed.
   * @param {string} userId
   * @param {Uint8Array} sealed
   * @param {{metadata?: Uint8Array, once?: boolean}} [of]  once: the same one is not opened twice
   * @returns {Promise<{plain: Uint8Array} | {why: Refused}>}
   */
  async open(userId, sealed, { metadata, once = false } = {}) {
    const header = /** @type {import('./sframe.js').Header} */ (parseHeader(sealed));
    const entry = await this.#entry(userId, partsOf(header.kid).index);
    if (!entry) return { why: 'missing_key' };
    let session = entry.session(header.kid, this.#now());
    let plain = session ? await open(session, header, sealed, metadata) : null;
    if (!session) {
      const found = await this.#inTurn(entry, () => this.#search(entry, header, sealed, metadata));
      session = found?.session;
      plain = found?.plain ?? null;
    }
    if (!session || !plain) return { why: 'wrong_key' };
    return isReplay(session, header.ctr, once) ? { why: 'replayed' } : { plain };
  }

  /** Users who may have sealed something with this tag. @param {number} tag @param {Iterable<string>} users */
  async candidates(tag, users) {
    const found = [];
    for (const u of new Set([...users, ...this.#users.keys()])) if (await this.tagOf(u) === tag) found.push(u);
    return found;
  }

  /** A hint at a user: the first byte of a hash of the id. @param {string} userId */
  async tagOf(userId) {
    let tag = this.#tags.get(userId);
    if (tag === undefined) {
      tag = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(userId)))[0];
      if (this.#tags.size > 4096) this.#tags.clear();
      this.#tags.set(userId, tag);
    }
    return tag;
  }

  /**
   * The key itself, or one of the next that come from it.
   * @param {Entry} entry
   * @param {import('./sframe.js').Header} header
   * @param {Uint8Array} sealed
   * @param {Uint8Array} [metadata]
   */
  async #search(entry, header, sealed, metadata) {
    const known = entry.session(header.kid, this.#now());
    if (known) return { session: known, plain: await open(known, header, sealed, metadata) };
    if (!entry.maySearch(this.#now())) return null;
    const found = await this.#step(entry.base, WINDOW, header, sealed, metadata);
    if (found) {
      if (found.step > 0) entry.advance(found.base, this.#now(), found.step);
      keep(entry.sessions, found.session);
      return found;
    }
    // Streams overtake each other: the first frame of a session may come after one of the next step.
    const late = entry.before(this.#now());
    const overtaken = late && await this.#step(late.base, late.steps - 1, header, sealed, metadata);
    if (overtaken) keep(late.sessions, overtaken.session);
    return overtaken;
  }

  /**
   * The session of a frame by a key, or by one that is up to so many steps after it.
   * @param {CryptoKey} base
   * @param {number} steps
   * @param {import('./sframe.js').Header} header
   * @param {Uint8Array} sealed
   * @param {Uint8Array} [metadata]
   */
  async #step(base, steps, header, sealed, metadata) {
    for (let step = 0; step <= steps; step++) {
      if (step > 0) base = await ratchet(base, this.#suite);
      const context = await derive(base, header.kid, this.#suite);
      const plain = await open(context, header, sealed, metadata);
      if (plain) return { session: { ...context, kid: header.kid, highest: header.ctr, seen: new Set() }, plain, base, step };
    }
    return null;
  }

  /** @param {string} userId @param {number} index @returns {Promise<Entry | null>} */
  async #entry(userId, index) {
    const entry = this.#users.get(userId)?.get(index);
    if (entry) return entry;
    const base = this.#shared.get(index);
    if (!base) return null;
    const own = await next(base, new TextEncoder().encode(`Parlor 1.0 user ${userId}`), this.#suite);
    const entries = this.#users.get(userId) ?? new Map();
    if (entries.has(index) || this.#shared.get(index) !== base) return this.#entry(userId, index); // meanwhile
    this.#users.set(userId, entries.set(index, new Entry(own, true)));
    return entries.get(index) ?? null;
  }

  /**
   * @template T
   * @param {Entry} entry
   * @param {() => Promise<T>} job
   * @returns {Promise<T>}
   */
  #inTurn(entry, job) {
    const run = entry.tail.then(job);
    entry.tail = run.catch(() => {});
    return run;
  }
}

/**
 * Many streams that begin anew must not have a session of messages forgotten, and with it what was taken.
 * @param {Map<bigint, Session>} sessions
 * @param {Session} session
 */
function keep(sessions, session) {
  const alike = [...sessions.keys()].filter((kid) => partsOf(kid).what === partsOf(session.kid).what);
  if (alike.length >= SESSIONS) sessions.delete(alike[0]);
  sessions.set(session.kid, session);
}

/** @param {Session} session @param {bigint} ctr @param {boolean} once */
function isReplay(session, ctr, once) {
  if (ctr + REORDERED < session.highest || (once && session.seen.has(ctr))) return true;
  if (ctr > session.highest) session.highest = ctr;
  if (once) {
    session.seen.add(ctr);
    if (session.seen.size > Number(REORDERED)) for (const old of session.seen) if (old + REORDERED < session.highest) session.seen.delete(old);
  }
  return false;
}

/**
 * A KID of 64 bits: 1, what it is of (3 bits), the index of the key (4), the tag of the user (8), the session
 * (48).
 * @param {Parts} parts
 * @param {bigint} session
 */
export function kidOf({ what, index, tag }, session) {
  return BigInt(0x80 | WHAT.indexOf(what) << 4 | index) << 56n | BigInt(tag) << 48n | session;
}

/** @param {bigint} kid @returns {Parts} */
export function partsOf(kid) {
  const first = Number(kid >> 56n);
  return { what: WHAT[first >> 4 & 7], index: first & 15, tag: Number(kid >> 48n & 0xffn) };
}

/**
 * Whether it begins as every sealed frame does: with a KID of 8 bytes, of which the first bit is set, and a
 * counter of 5 bytes or more.
 * @param {Uint8Array} b
 */
export function isSealed(b) {
  const header = b.length >= OVERHEAD ? parseHeader(b) : null;
  if (!header || b[0] >> 4 !== 0xf || (b[0] & 0xf) < 0xc || header.kid >> 63n !== 1n) return false;
  return partsOf(header.kid).what !== undefined && encodeHeader(header.kid, header.ctr).length === header.length;
}

/** Counters begin at random from 2^39 on, so they take 5 bytes. */
function firstCounter() {
  return 1n << 39n | random48() & (1n << 39n) - 1n;
}

function random48() {
  const b = crypto.getRandomValues(new Uint8Array(8));
  return new DataView(b.buffer).getBigUint64(0) >> 16n;
}
