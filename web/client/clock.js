// Time as an argument: everything that waits takes a Clock, so that tests move it by hand.

/**
 * @typedef {object} Clock
 * @property {() => number} now                              milliseconds, never going back
 * @property {(fn: () => void, ms: number) => any} setTimeout
 * @property {(id: any) => void} clearTimeout
 */

/** @type {Clock} */
export const systemClock = {
  now: () => performance.now(),
  setTimeout: (fn, ms) => setTimeout(fn, ms),
  clearTimeout: (id) => clearTimeout(id),
};

/** Timers by name: setting one again replaces it, and all can be cleared at once. */
export class Timers {
  /** @type {Map<string, any>} */
  #ids = new Map();
  #clock;

  /** @param {Clock} clock */
  constructor(clock) {
    this.#clock = clock;
  }

  /**
   * @param {string} name
   * @param {number} ms
   * @param {() => void} fn
   */
  set(name, ms, fn) {
    this.clear(name);
    this.#ids.set(name, this.#clock.setTimeout(() => {
      this.#ids.delete(name);
      fn();
    }, ms));
  }

  /** @param {string} name */
  has(name) {
    return this.#ids.has(name);
  }

  /** @param {string} name */
  clear(name) {
    this.#clock.clearTimeout(this.#ids.get(name));
    this.#ids.delete(name);
  }

  clearAll() {
    for (const name of [...this.#ids.keys()]) this.clear(name);
  }
}

/**
 * The waiting time before the n-th try (from 0). It doubles from 250 ms up to 8 s, and a random half of it is
 * taken off. So the clients of a node that comes back do not all knock at once.
 * @param {number} attempt
 * @param {number} random  in [0, 1)
 */
export function backoff(attempt, random) {
  const full = Math.min(8000, 250 * 2 ** Math.min(attempt, 10));
  return full * (1 - random / 2);
}
