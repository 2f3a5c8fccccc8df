// How people share a room: how large their tiles are, how many are on a page, and who is on which. Pure.

const WIDE = 16 / 9;
const SMALL = 4 / 3;

/**
 * @typedef {object} Room
 * @property {number} width   in CSS pixels
 * @property {number} height
 * @property {number} gap     between tiles
 * @property {number} least   the least width at which a person and a name are recognised
 */

/**
 * The size at which n tiles cover most of a room; null: they would be narrower than the least. They are not
 * wider than 16:9. They are not taller than 4:3 if the room is wide, or 9:16 if it is tall.
 * @param {number} n
 * @param {Room} room
 */
export function fit(n, { width, height, gap, least }) {
  const tall = width < height ? 9 / 16 : SMALL;
  let best = { width: 0, height: 0 };
  for (let cols = 1; cols <= n; cols++) {
    const rows = Math.ceil(n / cols);
    const cell = { width: (width - gap * (cols - 1)) / cols, height: (height - gap * (rows - 1)) / rows };
    const w = Math.min(cell.width, cell.height * WIDE);
    const h = Math.min(cell.height, w / tall);
    if (w >= least && w * h > best.width * best.height) best = { width: w, height: h };
  }
  return best.width > 0 ? { width: Math.floor(best.width), height: Math.floor(best.height) } : null;
}

/**
 * How so many people are shown: all on one page if they can be recognised there, else on pages of about as
 * many. One's own tile is on every page that has a place for another one beside it.
 * @param {number} others
 * @param {boolean} self  whether there is a tile of one's own
 * @param {Room} room
 * @returns {{width: number, height: number, per: number, pages: number, self: boolean}} the size of a tile, and
 *   how many others are on a page
 */
export function paged(others, self, room) {
  const own = Number(self);
  const least = Math.min(room.least, room.width);
  const all = fit(others + own, { ...room, least });
  if (all) return { ...all, per: Math.max(1, others), pages: 1, self };
  const times = (/** @type {number} */ length, /** @type {number} */ each) => Math.max(1, Math.floor((length + room.gap) / (each + room.gap)));
  const places = times(room.width, least) * times(room.height, least / SMALL);
  const shown = self && (places > 1 || others === 0);
  const pages = Math.max(1, Math.ceil(others / Math.max(1, places - Number(shown))));
  const per = Math.max(1, Math.ceil(others / pages));
  const n = Math.min(others, per) + Number(shown);
  const size = fit(n, { ...room, least }) ?? fit(n, { ...room, least: 0 }) ?? { width: 0, height: 0 };
  return { ...size, per, pages, self: shown };
}

/**
 * The order of the others. Nobody who is in view moves: somebody who speaks, or turns the camera on, changes
 * places with somebody who has been silent for the longest.
 */
export class Order {
  /** @type {string[]} */
  #ids = [];
  /** When each spoke last, in turns. @type {Map<string, number>} */
  #spoke = new Map();
  /** @type {Set<string>} */
  #video = new Set();
  #turn = 0;
  #per = 1;
  #page = 0;
  /** @type {string | null} */
  #speaker = null;

  get size() {
    return this.#ids.length;
  }

  get page() {
    return this.#page;
  }

  /** @param {string} id */
  add(id) {
    if (!this.#ids.includes(id)) this.#ids.push(id);
  }

  /** The last one takes the place of who has left. @param {string} id */
  remove(id) {
    const i = this.#ids.indexOf(id);
    if (i < 0) return;
    if (this.#ids.length > this.#per) this.#swap(i, this.#ids.length - 1);
    this.#ids = this.#ids.filter((other) => other !== id);
    this.#spoke.delete(id);
    this.#video.delete(id);
    if (this.#speaker === id) this.#speaker = null;
  }

  clear() {
    this.#ids = [];
    this.#spoke.clear();
    this.#video.clear();
    this.#speaker = null;
    this.#page = 0;
  }

  /**
   * Has so many on a page and opens one of them, the nearest that there is.
   * @param {number} per
   * @param {number} [page]
   * @returns {string[]} who is on it; the speaker is
   */
  open(per, page = this.#page) {
    this.#per = per;
    this.#page = Math.max(0, Math.min(page, Math.ceil(this.#ids.length / per) - 1));
    const i = this.#speaker === null ? -1 : this.#ids.indexOf(this.#speaker);
    const from = this.#page * per;
    if (i >= 0 && (i < from || i >= from + per)) this.#swap(i, this.#silent(from, from + per, () => true));
    return this.#ids.slice(from, from + per);
  }

  /** Somebody has the floor, or nobody; the next opening has them in view. @param {string | null} id */
  speaks(id) {
    this.#speaker = id;
    if (id !== null) this.#spoke.set(id, ++this.#turn);
  }

  /**
   * Those with a camera are before those without.
   * @param {string} id
   * @param {boolean} on
   */
  shows(id, on) {
    if (on) this.#video.add(id);
    else this.#video.delete(id);
    const i = this.#ids.indexOf(id);
    for (let from = 0; on && from + this.#per <= i; from += this.#per) {
      const other = this.#silent(from, from + this.#per, (who) => !this.#video.has(who) && who !== this.#speaker);
      if (other >= 0) return this.#swap(i, other);
    }
    return undefined;
  }

  /**
   * Who of a part of the order has been silent for the longest; of those who never spoke, the last without a
   * camera.
   * @param {number} from
   * @param {number} to
   * @param {(id: string) => boolean} may
   */
  #silent(from, to, may) {
    const rank = (/** @type {number} */ i) => (this.#spoke.get(this.#ids[i]) ?? 0) + (this.#video.has(this.#ids[i]) ? 0.5 : 0);
    let best = -1;
    for (let i = from; i < Math.min(to, this.#ids.length); i++) {
      if (may(this.#ids[i]) && (best < 0 || rank(i) <= rank(best))) best = i;
    }
    return best;
  }

  /** @param {number} i @param {number} j */
  #swap(i, j) {
    if (j >= 0) [this.#ids[i], this.#ids[j]] = [this.#ids[j], this.#ids[i]];
  }
}
