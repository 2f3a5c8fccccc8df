// What the node has been told of one's own streams: which are on.

/** @typedef {import('./protocol.js').Source} Source */

export class Announced {
  /** @type {Map<Source, boolean | null>} null: not known; absent: not offered */
  #on = new Map();
  #announce;

  /** @param {(source: Source, on: boolean) => Promise<unknown>} announce */
  constructor(announce) {
    this.#announce = announce;
  }

  /** @param {Source} source */
  has(source) {
    return this.#on.has(source);
  }

  /** The node knows by itself. @param {Source} source @param {boolean} on */
  set(source, on) {
    this.#on.set(source, on);
  }

  /** @param {Source} source */
  delete(source) {
    this.#on.delete(source);
  }

  clear() {
    this.#on.clear();
  }

  /** The node has turned off what it knows of. */
  silence() {
    for (const source of this.#on.keys()) this.#on.set(source, false);
  }

  /** Says it, unless the node has been told the same. @param {Source} source @param {boolean} on */
  async tell(source, on) {
    if (this.#on.get(source) !== on) await this.say(source, on);
  }

  /** @param {Source} source @param {boolean} on */
  async say(source, on) {
    this.#on.set(source, on);
    try {
      await this.#announce(source, on);
    } catch (err) {
      if (this.#on.get(source) === on) this.#on.set(source, null);
      throw err;
    }
  }
}
