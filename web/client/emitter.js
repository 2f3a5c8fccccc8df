// Typed events, each of them named at the beginning. A handler that throws is reported; the others are called
// all the same.

import { handler, shown, value, wrong } from './check.js';

/**
 * @template {Record<string, any>} Events  name → payload
 */
export class Emitter {
  /** @type {Map<keyof Events, Set<{fn: (payload: any) => void, once: boolean}>>} */
  #handlers = new Map();
  #names;

  /** @param {Record<keyof Events, unknown>} names */
  constructor(names) {
    this.#names = names;
  }

  /**
   * Calls a handler at each event of that name, beside those that there are.
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(payload: Events[Name]) => void} fn
   */
  on(name, fn) {
    this.#add(name, fn, false);
    return this;
  }

  /**
   * Calls a handler at the next event of that name.
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(payload: Events[Name]) => void} fn
   */
  once(name, fn) {
    this.#add(name, fn, true);
    return this;
  }

  /**
   * Takes handlers off. Without `fn`: every handler of the event; with name `*`: every handler.
   * @template {keyof Events} Name
   * @param {Name | '*'} name
   * @param {(payload: Events[Name]) => void} [fn]
   */
  off(name, fn) {
    if (name !== '*') this.#check(name);
    if (fn !== undefined) value('handler', fn, handler);
    if (name === '*') this.#handlers.clear();
    else if (!fn) this.#handlers.delete(name);
    else this.#handlers.get(name)?.forEach((h, _, set) => h.fn === fn && set.delete(h));
    return this;
  }

  /**
   * @template {keyof Events} K
   * @param {K} name
   * @param {Events[K]} payload
   * @protected
   */
  emit(name, payload) {
    const set = this.#handlers.get(name);
    for (const h of [...(set ?? [])]) {
      if (h.once) set?.delete(h);
      try {
        h.fn(payload);
      } catch (err) {
        report(err);
      }
    }
  }

  /**
   * @param {keyof Events} name
   * @param {(payload: any) => void} fn
   * @param {boolean} once
   */
  #add(name, fn, once) {
    this.#check(name);
    value('handler', fn, handler);
    const set = this.#handlers.get(name) ?? new Set();
    set.add({ fn, once });
    this.#handlers.set(name, set);
  }

  /** @param {keyof Events} name */
  #check(name) {
    if (typeof name !== 'string' || !Object.hasOwn(this.#names, name)) throw wrong('event', `There is no event ${shown(name)}.`);
  }
}

/** @param {unknown} err */
function report(err) {
  if (typeof reportError === 'function') reportError(err);
  else console.error(err);
}
