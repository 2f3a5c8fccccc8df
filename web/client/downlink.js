// What the network to here is likely to carry. The node is told on entering, so that it need not find out
// anew.

/** How long an estimate of a node holds, and the share of it that is hoped for. */
const KEPT_MS = 10 * 60_000;
const SHARE = 0.8;
/** The bounds of a browser's guess, in Mbit/s. Browsers guess by what pages have loaded; a guess beyond
 *  these bounds says little. */
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
