// Which node to talk to: the one that has the room, and where to go when it is gone. No sockets, no
// time: the caller says what has happened.

import { endpoints } from './protocol.js';

/** How often one try is sent on from node to node. Higher follows rooms that move again and again. */
const MAX_HOPS = 5;

export class Nodes {
  #home;
  #at;
  #hops = 0;
  /** @type {string[]} others, in the order in which they are tried */
  #others = [];

  /** @param {string} url  where the application has said that a node is */
  constructor(url) {
    this.#home = this.#at = url;
  }

  /** The address of the socket. */
  get socket() {
    return endpoints(this.#at, this.#home).socket;
  }

  /** The address of the beacon. */
  get beacon() {
    return endpoints(this.#at, this.#home).beacon;
  }

  /** Whether there is another node to try. */
  get several() {
    return this.#others.length > 0;
  }

  /** A try of its own begins, not one that another node has sent on. */
  fresh() {
    this.#hops = 0;
  }

  /**
   * Goes where a node says. False: it has been said too often, or is no address.
   * @param {unknown} url
   */
  follow(url) {
    if (++this.#hops > MAX_HOPS || !this.#valid(url)) return false;
    this.#move(String(url));
    return true;
  }

  /**
   * This node has let one in, and tells of others.
   * @param {unknown} urls
   */
  settle(urls) {
    const told = Array.isArray(urls) ? urls.filter((u) => this.#valid(u)) : [];
    this.#others = [...new Set([...told, this.#home])].filter((u) => !this.#same(u, this.#at));
    this.#hops = 0;
  }

  /** This node does not answer: the next one. */
  next() {
    const to = this.#others[0];
    if (to !== undefined) this.#move(to);
  }

  /**
   * Says that there is no socket. Browsers do not tell why; a node may also refuse pages of foreign origins.
   * @param {string | undefined} page  the page's origin
   */
  unreachable(page) {
    if (!page || new URL(this.socket.replace(/^ws/, 'http')).origin === page) return 'The server cannot be reached.';
    return `The server cannot be reached, or refuses pages of ${page} (its setting http.origins).`;
  }

  /** @param {string} url */
  #move(url) {
    const from = this.#at;
    this.#at = url;
    this.#others = this.#others.filter((u) => !this.#same(u, url) && !this.#same(u, from));
    if (!this.#same(from, url)) this.#others.push(from);
  }

  /** @param {unknown} url */
  #valid(url) {
    try {
      return typeof url === 'string' && url !== '' && Boolean(endpoints(url, this.#home));
    } catch {
      return false;
    }
  }

  /**
   * @param {string} a
   * @param {string} b
   */
  #same(a, b) {
    return endpoints(a, this.#home).socket === endpoints(b, this.#home).socket;
  }
}
