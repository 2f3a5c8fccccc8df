// The servers of ICE: those that the node tells of, and the application's own. The node's credentials end, and
// are asked for anew before they do. What is in use goes on with the ones that it began with.

import { Timers } from './clock.js';

/** How much of the time that credentials hold may pass until newer ones are asked for. A lower part asks more
 *  often, a higher one leaves less time for it. */
const RENEW_AFTER = 2 / 3;
/** How long after a failure the next try comes. */
const AGAIN_MS = 10_000;
/** The longest that a browser's timer takes. */
const LONGEST_MS = 2 ** 31 - 1;

/** @typedef {{iceServers?: RTCIceServer[], iceExpiresInMs?: number}} Told  by the node: of `entered`, `resumed` and
 *  the answer to `ice` */

/**
 * @typedef {{iceServers?: RTCIceServer[], iceTransportPolicy?: RTCIceTransportPolicy,
 *   transports?: import('./types.js').Way[]}} Own
 */
/**
 * @typedef {object} IceOptions
 * @property {import('./clock.js').Clock} clock
 * @property {() => Promise<Told>} ask  the node
 * @property {(config: RTCConfiguration) => void} onChange  for the PeerConnection that there is
 * @property {Own} own  the application's
 */

export class Ice {
  #opts;
  #timers;
  #stay = 0; // what was asked in an earlier session has no effect
  /** @type {RTCIceServer[]} */
  #told = [];

  /** @param {IceOptions} opts */
  constructor(opts) {
    this.#opts = opts;
    this.#timers = new Timers(opts.clock);
  }

  /** For a PeerConnection. @returns {RTCConfiguration} */
  get config() {
    const { iceServers = [], iceTransportPolicy = 'all', transports } = this.#opts.own;
    const turn = transports?.includes('turn') ?? true;
    const alone = turn && transports?.length === 1;
    return { iceServers: turn ? [...this.#told, ...iceServers] : [], iceTransportPolicy: alone ? 'relay' : iceTransportPolicy };
  }

  /** A session begins, or there is none any more. @param {Told} [told] */
  reset(told = {}) {
    this.#stay++;
    this.#take(told);
  }

  /** The node has told of newer ones. @param {Told} told */
  renew(told) {
    this.#take(told);
    this.#opts.onChange(this.config);
  }

  /** @param {Told} told */
  #take({ iceServers = [], iceExpiresInMs }) {
    this.#told = iceServers;
    this.#timers.clearAll();
    if (iceServers.length && iceExpiresInMs) this.#next(Math.min(iceExpiresInMs * RENEW_AFTER, LONGEST_MS));
  }

  /** @param {number} ms */
  #next(ms) {
    this.#timers.set('renew', ms, async () => {
      const stay = this.#stay;
      const told = await this.#opts.ask().catch(() => null); // asked again; until then a new connection may want them in vain
      if (stay !== this.#stay) return;
      if (told) this.renew(told);
      else this.#next(AGAIN_MS);
    });
  }
}
