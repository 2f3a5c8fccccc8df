// Whether what one receives still comes. A network that is cut says nothing: pictures and sound only stand
// still, long before anybody can tell that the connection is lost. Pure: packet counts in, changes out.

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {{userId: string, source: Source, packets: number, hidden?: boolean}} Arrival  packets so far,
 *  on this connection; hidden: none are to come, as nobody sees it */
/**
 * @typedef {Arrival & {at: number, begun: boolean, stalled: boolean}} Stream  at: when they last became more
 */

/** How often to look, in ms. Lower sees a cut sooner and costs more. */
export const LOOK_MS = 300;
/** After how long without a packet a stream stands still, in ms. Lower takes a hiccup of a radio link for
 *  a cut; higher shows a frozen picture as a live one for longer. */
const STALL_MS = 800;
/** The same for a screen as long as something else comes: a screen that nobody touches is sent about once
 *  a second. */
const SCREEN_MS = 3000;

export class Flow {
  /** @type {Map<string, Stream>} */
  #streams = new Map();

  /**
   * @param {Arrival[]} arrivals  what is on and wanted; the rest is forgotten
   * @param {number} now          ms
   * @returns {Stream[]} those that stand still now and did not before, or the other way round
   */
  take(arrivals, now) {
    const before = this.#streams;
    this.#streams = new Map(arrivals.map((a) => {
      const key = `${a.userId}/${a.source}`;
      const s = before.get(key) ?? { ...a, at: now, begun: false, stalled: false };
      if (a.packets > s.packets) Object.assign(s, { at: now, begun: true });
      if (a.hidden) s.at = now + STALL_MS; // a picture that is shown again needs a keyframe first
      s.packets = a.packets; // fewer: another connection, which counts anew
      s.hidden = a.hidden;
      return [key, s];
    }));
    const begun = this.#expected;
    const silent = begun.every((s) => now - s.at >= STALL_MS) && begun.some((s) => !s.source.startsWith('screen'));
    return begun.filter((s) => {
      const was = s.stalled;
      s.stalled = now - s.at >= (s.source.startsWith('screen') && !silent ? SCREEN_MS : STALL_MS);
      return s.stalled !== was;
    });
  }

  /** The streams that came, and are to come still. */
  get #expected() {
    return [...this.#streams.values()].filter((s) => s.begun && !s.hidden);
  }

  /** Whether nothing comes of all that came. */
  get down() {
    const begun = this.#expected;
    return begun.length > 0 && begun.every((s) => s.stalled);
  }

  /** Whether nothing comes of a user. @param {string} userId */
  silent(userId) {
    const of = this.#expected.filter((s) => s.userId === userId);
    return of.length > 0 && of.every((s) => s.stalled);
  }

  reset() {
    this.#streams.clear();
  }
}
