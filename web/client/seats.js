// Which remote stream sits in which seat. A seat is a pair of receiving sections that the node can fill with
// anybody without a new offer. So taking and freeing one costs a message, and only a lack of seats costs a
// negotiation. Pure: plan() decides; the caller negotiates and tells the node.

/**
 * @typedef {object} Wish
 * @property {string} key     who and what, e.g. `ann/main`
 * @property {number} weight  0: keeps a seat that it has; more: wants one, the higher the more
 */

/**
 * @typedef {object} SeatLimits
 * @property {number} initial  at first; default 6
 * @property {number} chunk    so many more when they do not suffice, with an offer each time; default 6
 * @property {number} max      at most; default 100. Beyond it there is an `error` with `seat_limit`
 */

export class Seats {
  /** @type {Map<string, string | null>} seat → key; in the order in which free ones are taken */
  #seats = new Map();
  #made = 0;
  #limits;

  /** @param {SeatLimits} limits */
  constructor(limits) {
    this.#limits = limits;
  }

  /** All seat ids. */
  ids() {
    return [...this.#seats.keys()];
  }

  /** @param {string} key */
  seatOf(key) {
    for (const [id, holder] of this.#seats) if (holder === key) return id;
    return null;
  }

  /** @param {string} id */
  holder(id) {
    return this.#seats.get(id) ?? null;
  }

  /**
   * Makes room for n more and returns their ids; fewer at the limit.
   * @param {number} n
   */
  add(n) {
    const ids = [];
    for (; n > 0 && this.#seats.size < this.#limits.max; n--) {
      const id = `s${++this.#made}`;
      this.#seats.set(id, null);
      ids.push(id);
    }
    return ids;
  }

  /**
   * Takes seats back that could not be negotiated.
   * @param {string[]} ids
   */
  remove(ids) {
    for (const id of ids) this.#seats.delete(id);
  }

  /**
   * Frees the seats of streams that are not wished for and seats the others, the weightiest first. At the
   * limit a weightier wish takes the seat of the lightest.
   * @param {Wish[]} wishes
   * @returns {{changed: string[], grow: number, unseated: string[]}} changed: seats with another holder than
   *   before; grow: how many seats to add before planning again; unseated: wishes that have no seat and get
   *   none. That would take more seats than the limit
   */
  plan(wishes) {
    const before = new Map(this.#seats);
    const weight = new Map(wishes.map((w) => [w.key, w.weight]));
    for (const [id, holder] of before) if (holder !== null && !weight.has(holder)) this.#free(id);
    const seated = new Set(this.#seats.values());
    const waiting = wishes.filter((w) => w.weight > 0 && !seated.has(w.key)).sort((a, b) => b.weight - a.weight);
    for (const wish of waiting) {
      const id = this.#vacant() ?? this.#evict(wish.weight, weight);
      if (id !== null) this.#seats.set(id, wish.key);
    }
    const now = new Set(this.#seats.values());
    const missing = wishes.filter((w) => w.weight > 0 && !now.has(w.key)).sort((a, b) => b.weight - a.weight);
    const room = this.#limits.max - this.#seats.size;
    return {
      changed: this.ids().filter((id) => this.#seats.get(id) !== before.get(id)),
      grow: Math.min(room, Math.ceil(missing.length / this.#limits.chunk) * this.#limits.chunk),
      unseated: missing.slice(room).map((w) => w.key),
    };
  }

  #vacant() {
    for (const [id, holder] of this.#seats) if (holder === null) return id;
    return null;
  }

  /**
   * Moves a seat that falls free to the end: the one that has been empty longest is taken first. So nothing
   * of the last holder is still under way.
   * @param {string} id
   */
  #free(id) {
    this.#seats.delete(id);
    this.#seats.set(id, null);
  }

  /**
   * @param {number} than
   * @param {Map<string, number>} weight
   */
  #evict(than, weight) {
    if (this.#seats.size < this.#limits.max) return null;
    let lightest = null;
    let least = than;
    for (const [id, holder] of this.#seats) {
      const w = weight.get(holder ?? '') ?? 0;
      if (w < least) [lightest, least] = [id, w];
    }
    return lightest;
  }
}
