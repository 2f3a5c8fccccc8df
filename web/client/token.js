// A token that holds for as long as the stay does. Before one ends, the application is asked for another, and
// the node is told. A failure is followed by another try, until the node puts one out.

import { Timers } from './clock.js';
import { ParlorError } from './protocol.js';

/** How long after a failure the next try comes. Lower troubles a back end that is down; higher leaves
 *  fewer tries before the token ends. */
const AGAIN_MS = 5000;

/**
 * @typedef {{type: 'token', rights?: string[], expiresInMs?: number,
 *   stopped?: import('./protocol.js').Source[], emptied?: string[]}} TokenAnswer
 */

/**
 * @typedef {object} RenewalOptions
 * @property {import('./clock.js').Clock} clock
 * @property {() => Promise<string>} get  asks the application
 * @property {(token: string) => Promise<unknown>} send  tells the node
 * @property {(err: ParlorError) => void} onError  the first failure in a row
 */

export class Renewal {
  #opts;
  #timers;
  #stay = 0; // what was begun in an earlier one has no effect
  #busy = false;
  #failed = false;

  /** @param {RenewalOptions} opts */
  constructor(opts) {
    this.#opts = opts;
    this.#timers = new Timers(opts.clock);
  }

  /** The token ends soon. */
  async renew() {
    if (this.#busy) return;
    const stay = this.#stay;
    this.#busy = true;
    this.#timers.clear('again');
    try {
      const token = await this.#opts.get();
      if (stay === this.#stay) await this.#opts.send(token);
      if (stay === this.#stay) this.#failed = false;
    } catch (err) {
      if (stay === this.#stay) this.#again(err);
    } finally {
      if (stay === this.#stay) this.#busy = false;
    }
  }

  /** @param {unknown} err */
  #again(err) {
    if (err instanceof ParlorError && err.code === 'aborted') return; // the session is over
    if (!this.#failed) this.#opts.onError(tokenError(err));
    this.#failed = true;
    this.#timers.set('again', AGAIN_MS, () => void this.renew());
  }

  /** Another stay, or none: its node says when its token ends. */
  reset() {
    this.#stay++;
    this.#busy = this.#failed = false;
    this.#timers.clearAll();
  }
}

/**
 * The application's callback, held to a token.
 * @param {() => string | Promise<string>} callback
 */
export async function askFor(callback) {
  let token;
  try {
    token = await callback();
  } catch (cause) {
    throw new ParlorError('token_unavailable', 'No token could be had from the application.', { field: 'token', cause });
  }
  if (typeof token !== 'string' || token === '') throw new ParlorError('token_unavailable', 'The application gave no token.', { field: 'token' });
  return token;
}

/** @param {unknown} err */
const tokenError = (err) => (err instanceof ParlorError ? err : new ParlorError('internal', String(err), { field: 'token', cause: err }));
