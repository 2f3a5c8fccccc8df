// Who else is in the room, what they send, and which events of the client follow from a change. Pure: the
// caller emits what the methods return, in that order.

import { profileOf } from './own.js';

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./protocol.js').StreamType} StreamType */
/** @typedef {import('./protocol.js').UserState} UserState */
/** @typedef {import('./types.js').Profile} Profile */
/** @typedef {import('./types.js').RemoteUser} RemoteUser */
/** @typedef {import('./protocol.js').StreamState} StreamState */

/**
 * @typedef {{name: 'remote-user-enter', payload: RemoteUser} |
 *   {name: 'user-updated', payload: {userId: string} & Profile} |
 *   {name: 'remote-user-exit', payload: {userId: string, reason: number}} |
 *   {name: 'remote-video-available' | 'remote-video-unavailable',
 *    payload: {userId: string, streamType: StreamType}} |
 *   {name: 'remote-audio-available' | 'remote-audio-unavailable', payload: {userId: string}}} Change
 */

/** The sources that have events of their own; the sound of a screen comes and goes with the screen. */
const ANNOUNCED = /** @type {const} */ ([['camera', 'main'], ['screen', 'sub'], ['mic', null]]);

/** How many users who have left are still known by their ids. Lower refuses calls about them as about
 *  strangers; higher costs memory. */
const PAST = 1000;

export class Roster {
  /** @type {Map<string, {on: Set<Source>, info: RemoteUser}>} on: the sources that are */
  #users = new Map();
  /** @type {Set<string>} users who were there before the room moved, and have not come after it yet */
  #missing = new Set();
  /** @type {Set<string>} users who have left, the last ones */
  #past = new Set();

  users() {
    return [...this.#users.keys()];
  }

  /** @param {string} userId */
  has(userId) {
    return this.#users.has(userId);
  }

  /** Somebody who is there; null: nobody of that id is. @param {string} userId */
  user(userId) {
    const known = this.#users.get(userId);
    return known ? { ...known.info } : null;
  }

  /** Whether somebody is there, or was. @param {string} userId */
  knew(userId) {
    return this.has(userId) || this.#past.has(userId);
  }

  /**
   * @param {string} userId
   * @param {Source} source
   */
  isOn(userId, source) {
    return this.#users.get(userId)?.on.has(source) ?? false;
  }

  /**
   * Entering, and entering anew after the session was lost: what was known becomes what is.
   * @param {UserState[]} list
   * @param {string} self
   * @param {number} goneReason  reason given for users who are no longer there
   * @param {boolean} [moved]    the room has moved: users who are not there yet may only be slower; they
   *   stay, without streams, until expire()
   * @returns {Change[]}
   */
  reset(list, self, goneReason, moved = false) {
    const others = list.filter((u) => u.user !== self);
    const there = new Set(others.map((u) => u.user));
    const gone = this.users().filter((id) => !there.has(id)).flatMap((id) => (moved ? this.#awaited(id) : this.left(id, goneReason)));
    return [...gone, ...others.flatMap((u) => this.entered(u))];
  }

  /**
   * Users who have not come after the room are gone.
   * @param {number} reason
   * @returns {Change[]}
   */
  expire(reason) {
    return [...this.#missing].flatMap((id) => this.left(id, reason));
  }

  /** @param {string} id */
  #awaited(id) {
    this.#missing.add(id);
    return this.streams(id, []);
  }

  /**
   * @param {UserState} user
   * @returns {Change[]}
   */
  entered(user) {
    /** @type {Change[]} */
    const out = [];
    this.#missing.delete(user.user);
    if (!this.#users.has(user.user)) {
      const info = { userId: user.user, ...profileOf(user), ...(user.mediaOnly && { mediaOnly: /** @type {const} */ (true) }) };
      this.#users.set(user.user, { on: new Set(), info });
      out.push({ name: 'remote-user-enter', payload: { ...info } });
    }
    return [...out, ...this.updated(user.user, user), ...this.streams(user.user, user.streams ?? [])];
  }

  /**
   * @param {string} userId
   * @param {Partial<Profile>} profile  the whole
   * @returns {Change[]}
   */
  updated(userId, profile) {
    const user = this.#users.get(userId);
    const { name, metadata } = profileOf(profile);
    if (!user || (user.info.name === name && user.info.metadata === metadata)) return [];
    Object.assign(user.info, { name, metadata });
    return [{ name: 'user-updated', payload: { userId, name, metadata } }];
  }

  /**
   * @param {string} userId
   * @param {StreamState[]} streams  the whole list
   * @returns {Change[]}
   */
  streams(userId, streams) {
    const user = this.#users.get(userId);
    if (!user) return [];
    const before = user.on;
    const now = user.on = new Set(streams.filter((s) => s.on).map((s) => s.source));
    /** @type {Change[]} */
    const out = [];
    for (const [source, streamType] of ANNOUNCED) {
      if (before.has(source) === now.has(source)) continue;
      const state = now.has(source) ? 'available' : 'unavailable';
      if (streamType) out.push({ name: `remote-video-${state}`, payload: { userId, streamType } });
      else out.push({ name: `remote-audio-${state}`, payload: { userId } });
    }
    return out;
  }

  /**
   * @param {string} userId
   * @param {number} reason
   * @returns {Change[]}
   */
  left(userId, reason) {
    if (!this.#users.has(userId)) return [];
    const out = this.streams(userId, []);
    this.#users.delete(userId);
    this.#missing.delete(userId);
    this.#remember(userId);
    return [...out, { name: 'remote-user-exit', payload: { userId, reason } }];
  }

  /** @param {string} userId */
  #remember(userId) {
    this.#past.delete(userId);
    this.#past.add(userId);
    if (this.#past.size > PAST) this.#past.delete(/** @type {string} */ (this.#past.values().next().value));
  }

  /** The stay is over. Events about users who were there still reach the application. */
  clear() {
    for (const id of this.#users.keys()) this.#remember(id);
    this.#users.clear();
    this.#missing.clear();
  }
}
