// The streams of others that cannot be decoded here, or that the network to here does not carry. The node
// says so per seat. A user who has left, or is met anew after a lost session, is forgotten. Pure: the caller
// emits what the methods return; Notices does.

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {{userId: string, source: Source, on: boolean, codec: string}} Undecodable */

export class Undecodables {
  /** @type {Map<string, Undecodable>} */
  #known = new Map();

  /**
   * @param {{user: string, source: Source, on: boolean, codec?: string}} e
   * @returns {Undecodable | null}  null: no news
   */
  heard({ user, source, on, codec = '' }) {
    const key = `${user}/${source}`;
    const before = this.#known.get(key);
    if (on ? before?.codec === codec : !before) return null;
    const now = { userId: user, source, on, codec: on ? codec : (before?.codec ?? '') };
    if (on) this.#known.set(key, now);
    else this.#known.delete(key);
    return now;
  }

  /** @param {string} userId */
  left(userId) {
    for (const [key, u] of this.#known) if (u.userId === userId) this.#known.delete(key);
  }

  /** Nothing is known any more. Returns the entries that end by that. */
  reset() {
    const over = [...this.#known.values()].map((u) => ({ ...u, on: false }));
    this.#known.clear();
    return over;
  }
}

/** Both kinds, as the application is told of them. */
export class Notices {
  #of = { undecodable: new Undecodables(), paused: new Undecodables() };
  #emit;

  /** @param {(name: 'undecodable' | 'paused', payload: any) => void} emit */
  constructor(emit) {
    this.#emit = emit;
  }

  /** @param {{type: 'undecodable' | 'paused', user: string, source: Source, on: boolean, codec?: string}} e */
  heard(e) {
    const news = this.#of[e.type].heard(e);
    if (news) this.#tell(e.type, news);
  }

  /** @param {string} userId */
  left(userId) {
    this.#of.undecodable.left(userId);
    this.#of.paused.left(userId);
  }

  /** Nothing is known any more. @param {boolean} tell  whether the application hears that it is over */
  reset(tell) {
    for (const type of /** @type {const} */ (['undecodable', 'paused'])) {
      for (const over of this.#of[type].reset()) if (tell) this.#tell(type, over);
    }
  }

  /** @param {'undecodable' | 'paused'} type @param {Undecodable} of */
  #tell(type, { userId, source, on, codec }) {
    this.#emit(type, type === 'paused' ? { userId, source, on } : { userId, source, on, codec });
  }
}
