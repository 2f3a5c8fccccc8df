// What the node has been asked and has not answered yet. A request is kept while there is no connection, and
// asked again when there is one. Its time runs only while there is one.

import { ParlorError } from './protocol.js';

/** @typedef {import('./protocol.js').Request} Request */
/**
 * @typedef {{message: {type: string, id: number}, resolve: (answer: any) => void,
 *   reject: (err: ParlorError) => void}} Pending
 */

/** How long an answer may take before the caller is told. Time without a connection does not count:
 *  the request is asked again when there is one. */
const REQUEST_MS = 30000;
/** The largest message that a node reads, in bytes; it closes the socket on a larger one, again and again. */
const MAX_MESSAGE = 384 * 1024;

export class Requests {
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  #timers;
  #send;

  /**
   * @param {import('./clock.js').Timers} timers
   * @param {(message: object) => void} send
   */
  constructor(timers, send) {
    this.#timers = timers;
    this.#send = send;
  }

  /** Whether one of them is to leave. */
  get leaving() {
    return [...this.#pending.values()].some((p) => p.message.type === 'exit');
  }

  /**
   * @param {number} id
   * @param {Request} message
   * @param {boolean} now  there is a connection to ask it on
   * @returns {Promise<any>} the node's answer; rejects with a ParlorError
   */
  add(id, message, now) {
    return new Promise((resolve, reject) => {
      const pending = { message: { ...message, id }, resolve, reject };
      if (new Blob([JSON.stringify(pending.message)]).size > MAX_MESSAGE) {
        reject(new ParlorError('bad_request', `The "${message.type}" is larger than what the node reads.`));
        return;
      }
      this.#pending.set(id, pending);
      if (now) this.#ask(id, pending);
    });
  }

  /** Asks all of them again, on a new connection. */
  askAll() {
    for (const [id, p] of this.#pending) this.#ask(id, p);
  }

  /** There is no connection: their time stands still. */
  pause() {
    for (const id of this.#pending.keys()) this.#timers.clear(`request ${id}`);
  }

  /**
   * @param {number} id
   * @param {(p: Pending) => void} fn
   */
  settle(id, fn) {
    const p = this.#pending.get(id);
    this.#timers.clear(`request ${id}`);
    this.#pending.delete(id);
    if (p) fn(p);
  }

  /** @param {() => ParlorError} why */
  rejectAll(why) {
    for (const id of [...this.#pending.keys()]) this.settle(id, (p) => p.reject(why()));
  }

  /** One has left: the caller who asked for that has the answer. */
  left() {
    for (const [id, p] of [...this.#pending]) {
      if (p.message.type === 'exit') this.settle(id, () => p.resolve({ type: 'ok' }));
    }
  }

  /**
   * @param {number} id
   * @param {Pending} p
   */
  #ask(id, p) {
    this.#timers.set(`request ${id}`, REQUEST_MS, () => {
      this.settle(id, () => p.reject(new ParlorError('timeout', `The node did not answer "${p.message.type}".`)));
    });
    this.#send(p.message);
  }
}
