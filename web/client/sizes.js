// Which sizes of pictures the node is to know. The node sends of each picture the lowest layer that covers
// the size at which it is shown. It sends nothing of a picture that is not shown. A picture that grows or
// comes into view is told at once. One that shrinks or goes out of view is told after a while, as it may only
// be passing. No elements here: sight.js measures them.

import { Timers } from './clock.js';

/** @typedef {{width: number, height: number}} Size  of a picture as it is shown, in device pixels; 0 by 0:
 *  not shown */
/** @typedef {Size & {seat: string}} SeatSize */

/** The least time between two messages, in ms. Lower costs the node more while a layout moves; higher
 *  shows sharp pictures later. */
const EVERY_MS = 200;
/** For how long a picture has to be smaller, or hidden, before that is told, in ms. Lower saves bandwidth
 *  sooner, and costs keyframes if people scroll to and fro. */
const HOLD_MS = 500;
/** The least change of area that is told: a layout that trembles at a border is no other one. */
const GROWN = 1.02;
const SHRUNK = 0.9;
/** The longest side that the node takes. */
const MAX_SIDE = 16384;

/**
 * The size of a picture in a box. Parts of it that the box cuts off count: they are in the stream as well.
 * @param {Size} box
 * @param {number} ratio  of width to height of the picture; 0: not known
 * @param {string} fit    CSS object-fit
 * @returns {Size}
 */
export function pictureIn({ width, height }, ratio, fit) {
  const wider = width > height * ratio; // the box
  if (ratio > 0 && (fit === 'cover' || fit === 'contain')) {
    if (wider === (fit === 'cover')) height = width / ratio;
    else width = height * ratio;
  }
  const side = (/** @type {number} */ n) => Math.min(Math.round(n), MAX_SIDE);
  const size = { width: side(width), height: side(height) };
  return size.width > 0 && size.height > 0 ? size : { width: 0, height: 0 };
}

/** @param {Size} size */
const area = ({ width, height }) => width * height;

/** The size that a picture needs if it is shown at all of these. @param {Size[]} sizes */
export const largest = (sizes) => sizes.reduce((a, b) => (area(b) > area(a) ? b : a));

/**
 * @typedef {object} SizesOptions
 * @property {import('./clock.js').Clock} clock
 * @property {(seats: SeatSize[]) => Promise<unknown>} send
 * @property {(err: any) => void} onError
 */

export class Sizes {
  /** @type {Map<string, Size>} seat → what the node knows, or is being told */
  #told = new Map();
  /** @type {Map<string, Size>} seat → the size as it is */
  #wanted = new Map();
  /** @type {Map<string, number>} seat → since when a smaller size than the node knows would do */
  #less = new Map();
  #sent = -Infinity;
  /** A node of an earlier version takes no sizes. */
  #refused = false;
  #opts;
  #timers;

  /** @param {SizesOptions} opts */
  constructor(opts) {
    this.#opts = opts;
    this.#timers = new Timers(opts.clock);
  }

  /**
   * The size goes along with another message about the seat.
   * @param {string} seat
   * @param {Size | null} size  null: it is not known
   */
  tell(seat, size) {
    this.#less.delete(seat);
    if (size) this.#told.set(seat, size);
    else this.#told.delete(seat);
  }

  /** Whether nothing is sent of the picture in a seat, as it is not shown. @param {string} seat */
  hidden(seat) {
    const told = this.#told.get(seat);
    return told !== undefined && area(told) === 0;
  }

  /** Takes the present sizes of all seats whose size matters. @param {Map<string, Size>} wanted */
  want(wanted) {
    this.#wanted = wanted;
    this.#look();
  }

  /** The node knows nothing any more. */
  clear() {
    this.#timers.clearAll();
    for (const map of [this.#told, this.#wanted, this.#less]) map.clear();
    this.#sent = -Infinity;
    this.#refused = false;
  }

  #look() {
    if (this.#refused) return;
    const now = this.#opts.clock.now();
    this.#timers.clear('look');
    let next = Infinity;
    const due = [];
    for (const [seat, size] of this.#wanted) {
      const at = Math.max(this.#due(seat, size, now), this.#sent + EVERY_MS);
      if (at <= now) due.push({ seat, ...size });
      else next = Math.min(next, at);
    }
    if (due.length > 0) void this.#send(due, now);
    if (next < Infinity) this.#timers.set('look', next - now, () => this.#look());
  }

  /**
   * When the size of a seat is to be told; Infinity: never.
   * @param {string} seat
   * @param {Size} size
   * @param {number} now
   */
  #due(seat, size, now) {
    const told = this.#told.get(seat);
    if (!told || area(size) > area(told) * GROWN) return now;
    if (area(size) > area(told) * SHRUNK || area(told) === 0) {
      this.#less.delete(seat);
      return Infinity;
    }
    const since = this.#less.get(seat) ?? now;
    this.#less.set(seat, since);
    return since + HOLD_MS;
  }

  /** @param {SeatSize[]} seats @param {number} now */
  async #send(seats, now) {
    this.#sent = now;
    const told = seats.map(({ seat, width, height }) => ({ seat, size: { width, height } }));
    for (const { seat, size } of told) this.tell(seat, size);
    try {
      await this.#opts.send(seats);
    } catch (err) {
      for (const { seat, size } of told) if (this.#told.get(seat) === size) this.#told.delete(seat);
      this.#refused ||= /** @type {any} */ (err)?.field === 'type';
      if (!this.#refused) this.#opts.onError(err);
    }
  }
}
