// The signalling connection: a session that outlives its sockets.
//
//   start()    opens a socket and enters; resolves with `entered`
//   request()  asks the node; asked again by itself when the socket is lost and the session resumed
//              (requests.js)
//   leave()    exits and resolves when the node has said so
//   farewell() the last word of a page that goes away
//
// Liveness: a ping every pingMs with the last event number seen. Silence for lostMs is reported as lost;
// reconnectMs later a new socket is tried. A socket that closes is replaced at once. If that succeeds within
// lostMs, nobody hears of it. Tries go on, with back-off, until the application leaves: at the same node
// first, then at the others that it has told of (nodes.js). The session goes on elsewhere by itself if a node
// sends one on, or puts one out because it shuts down. If that node is the only one, it is waited for, as it
// may be starting anew. Time, sockets and chance come from outside, so that tests own them.

import { Timers, backoff } from './clock.js';
import { log } from './log.js';
import { Mailbox } from './mailbox.js';
import { Nodes } from './nodes.js';
import { ExitReason, ParlorError, SUBPROTOCOL, errorOf, parse } from './protocol.js';
import { Requests } from './requests.js';

/** @typedef {import('./protocol.js').Entered} Entered */
/** @typedef {import('./protocol.js').EnterRequest} EnterRequest */
/** @typedef {import('./protocol.js').ServerEvent} ServerEvent */
/** @typedef {Extract<ServerEvent, {type: 'exited'}>} Exited */
/** @typedef {import('./protocol.js').Request} Request */
/** @typedef {'idle' | 'connecting' | 'connected' | 'reconnecting' | 'closed'} SignalState */

/**
 * @typedef {object} SignalHandlers
 * @property {(event: ServerEvent) => void} event      each event once, in order
 * @property {(report: any) => void} report            how things are at the moment; may come or not
 * @property {(state: SignalState) => void} state
 * @property {() => void} lost                         silence for lostMs
 * @property {() => void} recovered                    after lost: there is contact again
 * @property {(entered: Entered) => void} resumed       a new socket carries the same session
 * @property {(entered: Entered, moved: boolean) => void} reentered  the session was gone: entered anew;
 *   moved: on another node, and the others are still to come
 * @property {(error: ParlorError) => void} refused    entering anew was refused: it is over
 */

/**
 * @typedef {object} SignalOptions
 * @property {string} url
 * @property {EnterRequest} enter
 * @property {() => number | undefined} [downlink]  kbit/s that the network to here is likely to carry
 * @property {SignalHandlers} handlers
 * @property {import('./clock.js').Clock} clock
 * @property {() => number} random
 * @property {new (url: string, protocol: string) => WebSocket} WebSocket
 * @property {(body: string, url: string) => void} beacon  posts when no socket can
 * @property {() => Promise<string>} [token]  another token, if there is none or it has ended
 * @property {string} [page]  the page's origin
 */

/** How long one try to connect and be greeted may take. Lower gives up on slow networks; higher holds up
 *  the next try after a black hole. */
const ATTEMPT_MS = 8000;
/** The same if there is another node to try. */
const NEXT_MS = 4000;
/** The longest wait between two tries if there are several nodes. A dead node's room is placed anew when
 *  its lease of 5 s has run out. Lower is back sooner after that, and asks more often in vain. */
const ROAM_MS = 2000;
/** For how long entering is tried again if it was sent on to a node that does not answer. After that time
 *  the others know that this node is dead. */
const ENTER_MS = 8000;
/** For how long the only node is waited for if it shuts down. Lower ends stays at nodes that are slow to start
 *  anew; higher leaves people looking at a room that is gone. */
const RESTART_MS = 60000;
/** How long leave() waits for the node before it leaves by beacon. */
const LEAVE_MS = 3000;
/** The number of events after which the node is told at once that they have come. It keeps them until
 *  then, but only so many. Lower costs messages; higher loses custom messages if many come. */
const ACK_EVERY = 100;
/** Refusals that may pass: entering anew is tried again after them. */
const PASSING = new Set(['internal', 'node_draining']);

export class Signal {
  /** @type {SignalState} */
  #state = 'idle';
  /** @type {WebSocket | null} */
  #ws = null;
  /** @type {{id: string, key: string, node: string | undefined} | null} */
  #session = null;
  #node = ''; // of the last session
  #moved = false; // that session has ended with its node
  #nodes;
  #began = 0;
  /** The only node has shut down. @type {{event: Exited, until: number} | null} */
  #shutdown = null;
  #mailbox = new Mailbox();
  #requests;
  /** @type {{resolve: (e: Entered) => void, reject: (e: ParlorError) => void} | null} */
  #entering = null;
  #times = { lostMs: 8000, reconnectMs: 3000, timeoutMs: 90000, pingMs: 2000 };
  #lastId = 0;
  #acked = 0;
  #helloId = 0;
  #heard = 0;
  #watched = 0;
  #lost = false;
  #quiet = false; // it is connected, and nothing is heard on it
  #shown = /** @type {SignalState} */ ('idle'); // as the application knows it
  #attempts = 0;
  #freshened = false; // on this socket
  #opts;
  #timers;

  /** @param {SignalOptions} opts */
  constructor(opts) {
    this.#opts = opts;
    this.#nodes = new Nodes(opts.url);
    this.#timers = new Timers(opts.clock);
    this.#requests = new Requests(this.#timers, (message) => this.#send(message));
  }

  /** @param {string} token  with which one would enter anew */
  set token(token) {
    this.#opts.enter = { ...this.#opts.enter, token };
  }

  /** @param {import('./types.js').Profile} profile  likewise */
  set profile(profile) {
    this.#opts.enter = { ...this.#opts.enter, ...profile };
  }

  get connected() {
    return this.#state === 'connected';
  }

  /** @returns {Promise<Entered>} */
  start() {
    return new Promise((resolve, reject) => {
      this.#entering = { resolve, reject };
      this.#began = this.#opts.clock.now();
      this.#setState('connecting');
      this.#connect();
    });
  }

  /**
   * @param {Request} message
   * @returns {Promise<any>} the node's answer; rejects with a ParlorError
   */
  request(message) {
    if (this.#state === 'closed') return Promise.reject(gone());
    log('debug', 'asks', message.type);
    return this.#requests.add(++this.#lastId, message, this.connected);
  }

  /** Exits; resolves when the node has confirmed it or has been told by beacon. Never rejects. */
  async leave() {
    if (this.#state === 'closed') return;
    if (this.connected && !this.#lost) {
      const late = new Promise((resolve) => this.#timers.set('leave', LEAVE_MS, () => resolve('late')));
      const done = this.request({ type: 'exit' }).catch(() => 'late');
      if ((await Promise.race([done, late])) === 'late') this.#beacon();
      this.close();
    } else {
      this.farewell();
    }
  }

  /** Says exit on the socket and by beacon, and waits for nothing. */
  farewell() {
    // Also while entering: the node may have let one in already, and the answer not be read yet.
    this.#send({ type: 'exit', id: ++this.#lastId });
    this.#beacon();
    this.close();
  }

  /** Tries at once, instead of waiting: the network has come back. */
  hurry() {
    if (this.#state === 'reconnecting' && this.#timers.has('retry')) this.#connect();
  }

  /** Tells the node which events have come. */
  acknowledge() {
    this.#acked = this.#mailbox.lastSeq;
    this.#send({ type: 'ping', id: ++this.#lastId, ack: this.#acked });
  }

  /** Ends the connection and everything that waits for it. Idempotent. */
  close() {
    if (this.#state === 'closed') return;
    this.#setState('closed');
    this.#timers.clearAll();
    this.#dropSocket();
    this.#requests.rejectAll(gone);
    this.#entering?.reject(gone());
    this.#entering = null;
  }

  // --- the socket

  #connect() {
    this.#timers.clear('retry');
    this.#timers.clear('ping');
    this.#dropSocket();
    if (!this.#entering) this.#setState('reconnecting');
    log('info', 'connects', this.#nodes.socket);
    let ws;
    try {
      ws = new this.#opts.WebSocket(this.#nodes.socket, SUBPROTOCOL);
    } catch (cause) {
      if (this.#nodes.several) this.#dropped();
      else this.#refuse(new ParlorError('connection_failed', `Cannot connect to ${this.#nodes.socket}.`, { cause }));
      return;
    }
    this.#ws = ws;
    this.#freshened = false;
    ws.onopen = () => ws === this.#ws && this.#hello();
    ws.onmessage = (e) => ws === this.#ws && this.#receive(e.data);
    ws.onclose = () => ws === this.#ws && this.#dropped();
    this.#timers.set('attempt', this.#nodes.several ? NEXT_MS : ATTEMPT_MS, () => this.#dropped());
  }

  #hello() {
    if (!this.#session && !this.#opts.enter.token && this.#opts.token && !this.#freshened) {
      void this.#freshen(this.#opts.token);
      return;
    }
    const downlinkKbps = this.#opts.downlink?.();
    const resume = this.#session
      ? { type: 'resume', session: this.#session.id, key: this.#session.key, lastSeq: this.#mailbox.lastSeq, node: this.#session.node }
      : { type: 'enter', ...this.#opts.enter, ...(downlinkKbps && { downlinkKbps }) };
    this.#helloId = ++this.#lastId;
    this.#send({ ...resume, id: this.#helloId });
  }

  /**
   * Gets another token first, and then enters.
   * @param {() => Promise<string>} get
   */
  async #freshen(get) {
    const ws = this.#ws;
    this.#freshened = true;
    try {
      this.token = await get();
      if (ws === this.#ws) this.#hello();
    } catch (err) {
      if (ws !== this.#ws) return;
      if (this.#entering) this.#refuse(/** @type {ParlorError} */ (err));
      else this.#dropped(); // and is tried again
    }
  }

  #dropSocket() {
    this.#requests.pause();
    const ws = this.#ws;
    this.#ws = null;
    if (!ws) return;
    ws.onopen = ws.onmessage = ws.onclose = null;
    ws.close();
  }

  /** The socket is gone, or the try has taken too long. */
  #dropped() {
    this.#timers.clear('attempt');
    this.#timers.clear('ping');
    this.#dropSocket();
    const again = this.#nodes.several && this.#opts.clock.now() - this.#began < ENTER_MS;
    if (this.#entering && !again) {
      this.#refuse(new ParlorError('connection_failed', this.#nodes.unreachable(this.#opts.page)));
      return;
    }
    if (this.#shutdown && this.#opts.clock.now() >= this.#shutdown.until) {
      this.#putOut(this.#shutdown.event);
      return;
    }
    if (!this.connected) this.#nodes.next(); // else its node may still have the session
    if (!this.#entering) this.#setState('reconnecting');
    const wait = backoff(this.#attempts++, this.#opts.random());
    this.#retryAfter(this.#nodes.several || this.#shutdown ? Math.min(wait, ROAM_MS) : wait);
  }

  /** @param {number} ms */
  #retryAfter(ms) {
    this.#timers.set('retry', ms, () => {
      this.#nodes.fresh();
      this.#connect();
    });
  }

  /** @param {object} message */
  #send(message) {
    if (this.#ws?.readyState === 1) this.#ws.send(JSON.stringify(message));
  }

  // --- what comes in

  /** @param {unknown} data */
  #receive(data) {
    const message = parse(data);
    this.#contact();
    if (!message) return;
    if (message.re !== undefined && message.re === this.#helloId) this.#greeted(message);
    else if (message.re !== undefined) this.#answered(message);
    else if (typeof message.seq === 'number') this.#event(message);
    else if (this.connected) this.#opts.handlers.report(message);
  }

  #answered(/** @type {any} */ m) {
    log('debug', 'is told', m.type, m.code ?? '');
    this.#requests.settle(m.re, (p) => (m.type === 'error' ? p.reject(errorOf(m)) : p.resolve(m)));
  }

  #greeted(/** @type {any} */ m) {
    this.#helloId = 0;
    if (m.type === 'error') {
      this.#greetedWithError(errorOf(m), m.retryAfterMs > 0);
      return;
    }
    if (m.type === 'redirect') {
      if (this.#nodes.follow(m.url)) this.#connect();
      else this.#dropped();
      return;
    }
    const resumed = m.type === 'resumed';
    if (!resumed) this.#mailbox.reset();
    this.#nodes.settle(m.nodes);
    this.#acked = this.#mailbox.lastSeq;
    this.#session = { id: m.session ?? this.#session?.id, key: m.key ?? this.#session?.key, node: m.node };
    Object.assign(this.#times, m.timers);
    this.#timers.clear('attempt');
    this.#attempts = 0;
    this.#heard = this.#watched = this.#opts.clock.now();
    this.#quiet = false;
    this.#setState('connected');
    this.#ping();
    this.#watch();
    this.#announce(m, resumed);
  }

  /**
   * @param {Entered} m
   * @param {boolean} resumed
   */
  #announce(m, resumed) {
    const first = this.#entering;
    this.#entering = null;
    if (first) first.resolve(m);
    if (first || resumed) this.#requests.askAll();
    if (resumed) this.#opts.handlers.resumed(m);
    else if (!first) {
      this.#requests.rejectAll(() => new ParlorError('aborted', 'The session was lost and entered anew.'));
      this.#opts.handlers.reentered(m, this.#moved || (m.node ?? '') !== this.#node);
    }
    this.#node = m.node ?? '';
    this.#moved = false;
    this.#shutdown = null;
    this.#foundAgain();
  }

  /**
   * @param {ParlorError} err
   * @param {boolean} passes  the node says that the same may be asked again
   */
  #greetedWithError(err, passes) {
    const unknown = err.code === 'user_not_found' || err.code === 'room_not_found';
    if (this.#session && unknown) {
      this.#session = null;
      this.#hello();
    } else if (err.code === 'token_expired' && this.#opts.token && !this.#freshened) {
      this.#session = null; // it has ended with its token
      this.token = '';
      void this.#freshen(this.#opts.token);
    } else if (!this.#entering && (PASSING.has(err.code) || passes || (this.#shutdown && err.code === 'room_not_found'))) {
      this.#dropped(); // the room may be made by another one who comes back
    } else {
      this.#refuse(err);
    }
  }

  /** @param {ParlorError} err */
  #refuse(err) {
    const first = this.#entering;
    this.#entering = null;
    this.close();
    if (first) first.reject(err);
    else this.#opts.handlers.refused(err);
  }

  /** @param {ServerEvent} event */
  #event(event) {
    const verdict = this.#mailbox.accept(event.seq);
    if (verdict === 'gap') {
      this.#dropped();
      this.hurry();
      return;
    }
    if (verdict === 'repeat') return;
    if (event.seq - this.#acked >= ACK_EVERY) this.acknowledge();
    if (event.type === 'exited' && event.reason === ExitReason.SHUTDOWN && this.#goOn(event)) return;
    if (event.type === 'exited' && event.reason === ExitReason.TIMEOUT && !this.#requests.leaving) {
      this.#session = null; // the page was asleep, say
      this.#dropped();
      this.hurry();
      return;
    }
    if (event.type === 'exited') this.#putOut(event);
    else this.#opts.handlers.event(event);
  }

  /** @param {Exited} event */
  #putOut(event) {
    this.#requests.left();
    this.close();
    this.#opts.handlers.event(event);
  }

  /**
   * The node shuts down: one enters elsewhere by oneself, or there again. False: one was leaving anyway.
   * @param {Exited} event  says where the room goes on, if that is known
   */
  #goOn(event) {
    if (this.#requests.leaving) return false;
    this.#nodes.fresh();
    const known = event.next !== undefined && this.#nodes.follow(event.next);
    if (!known && !this.#nodes.several) this.#shutdown = { event, until: this.#opts.clock.now() + RESTART_MS };
    this.#session = null;
    this.#moved = true;
    if (known) {
      this.#connect();
      return true;
    }
    this.#dropSocket();
    this.#setState('reconnecting');
    this.#dropped();
    return true;
  }

  // --- signs of life

  #contact() {
    this.#heard = this.#opts.clock.now();
    if (this.connected && this.#lost) {
      this.#timers.clear('retry');
      this.#foundAgain();
      this.#watch();
    }
  }

  #foundAgain() {
    if (!this.#lost) return;
    this.#lost = this.#quiet = false;
    this.#show();
    this.#opts.handlers.recovered();
  }

  #ping() {
    this.#timers.set('ping', this.#times.pingMs, () => {
      this.acknowledge();
      this.#ping();
    });
  }

  /** Looks once per ping whether the node has been silent for too long. */
  #watch() {
    this.#timers.set('watch', this.#times.pingMs, () => {
      const now = this.#opts.clock.now();
      const asleep = now - this.#watched > 3 * this.#times.pingMs;
      this.#watched = now;
      // After the page itself has slept, what came meanwhile is still to be read: look again first.
      if (!asleep && now - this.#heard >= this.#times.lostMs) this.#silent();
      else this.#watch();
    });
  }

  #silent() {
    this.#lost = this.#quiet = true;
    this.#show();
    if (this.connected) this.#retryAfter(this.#times.reconnectMs); // until then the old socket may come back
    this.#opts.handlers.lost();
  }

  // --- small parts

  /** @param {SignalState} state */
  #setState(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#show();
  }

  /** A connection on which nothing is heard is none, though its socket may come back to life. */
  #show() {
    const state = this.#quiet && this.#state === 'connected' ? 'reconnecting' : this.#state;
    if (state === this.#shown) return;
    this.#shown = state;
    this.#opts.handlers.state(state);
  }

  #beacon() {
    if (this.#session) this.#opts.beacon(JSON.stringify({ session: this.#session.id, key: this.#session.key }), this.#nodes.beacon);
  }
}

const gone = () => new ParlorError('aborted', 'The connection was closed.');
