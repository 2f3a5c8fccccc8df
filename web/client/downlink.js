// What the network to here is likely to carry, which the node is told on entering so that it need not find out anew.

/** For how long what a node has said holds, and the share of it that is hoped for. */
const KEPT_MS = 10 * 60_000;
const SHARE = 0.8;
/** Browsers that guess do so by what pages have loaded: beyond these bounds that says little. In Mbit/s. */
const LEAST = 0.3;
const MOST = 2.5;

export class Downlink {
  #kbps = 0;
  #at = 0;
  #clock;

  /** @param {import('./clock.js').Clock} clock */
  constructor(clock) {
    this.#clock = clock;
  }

  /** @param {{down: {estimateKbps?: number}}} report  of a node */
  took({ down }) {
    if (!down.estimateKbps) return;
    this.#kbps = down.estimateKbps;
    this.#at = this.#clock.now();
  }

  /**
   * In kbit/s; undefined: nothing is known.
   * @returns {number | undefined}
   */
  expected() {
    if (this.#kbps && this.#clock.now() - this.#at < KEPT_MS) return Math.max(1, Math.round(SHARE * this.#kbps));
    const guess = /** @type {any} */ (globalThis.navigator)?.connection?.downlink;
    return Number.isFinite(guess) ? Math.round(1000 * Math.min(Math.max(guess, LEAST), MOST)) : undefined;
  }
}
