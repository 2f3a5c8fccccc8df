// A stay in a room, from entering to leaving: what the node lets one do, and what it says. What follows from
// it goes to one's streams (local.js), the others' (remote.js), messages (messages.js) and the connection
// that carries them (media.js). The application's side is parlor.js.

import { errorFrom } from './check.js';
import { Timers, systemClock } from './clock.js';
import { Encryption } from './encryption.js';
import { Local, noRight } from './local.js';
import { Media } from './media.js';
import { Messages } from './messages.js';
import { Own } from './own.js';
import { Page } from './page.js';
import { ExitReason, ParlorError, UserExitReason, checkUser, endpoints, roomOf } from './protocol.js';
import { Remote } from './remote.js';
import { Roster } from './roster.js';
import { Sight } from './sight.js';
import { Signal } from './signal.js';
import { Renewal, askFor } from './token.js';
import { Notices } from './undecodable.js';
import { Watch } from './watch.js';

/** @typedef {import('./types.js').ParlorEvents} ParlorEvents */
/** @typedef {import('./types.js').ParlorOptions} ParlorOptions */
/** @typedef {import('./types.js').EnterOptions} EnterOptions */
/** @typedef {import('./types.js').ConnectionState} ConnectionState */
/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./protocol.js').Role} Role */

/** The seats: a handful at first, so that small rooms need no second offer; then in chunks, up to a limit.
 *  The limit holds a full room by default (50 who publish, and their screens). It also keeps the offer
 *  below the largest message that the node takes. */
const SEATS = { initial: 6, chunk: 6, max: 100 };

/** For how long users count as there who were in the room before it moved to another node, and have not
 *  come there yet. Lower tells of people leaving and coming back who are only slow to move; higher keeps
 *  users who are gone. */
const RETURN_MS = 15000;

/** The rights of a token name screens as one, sound included. */
const RIGHTS = /** @type {const} */ ({ camera: 'video', mic: 'audio', screen: 'screen', 'screen-audio': 'screen' });

const STATES = /** @type {const} */ ({
  idle: 'DISCONNECTED', connecting: 'CONNECTING', connected: 'CONNECTED', reconnecting: 'RECONNECTING', closed: 'DISCONNECTED',
});

/** Whether this browser can take part in a call. */
export function isSupported() {
  return typeof RTCPeerConnection === 'function' && typeof WebSocket === 'function' && 'addTransceiver' in RTCPeerConnection.prototype;
}

export class Stay {
  /** @type {Signal | null} */
  #signal = null;
  /** @type {EnterOptions | null} */
  #entered = null;
  /** @type {Promise<void> | null} */
  #leaving = null;
  /** @type {Set<string> | null} null: not told, so all */
  #rights = null;
  /** @type {Role} */
  #role = 'anchor';
  /** @type {ConnectionState} */
  #state = 'DISCONNECTED';
  /** Whether a stay has begun whose end the application has not been told. */
  #inside = false;
  #roster = new Roster();
  #timers = new Timers(systemClock);
  /** The targets of the application's calls. */
  local;
  remote;
  messages;
  media;
  own;
  encryption;
  #notices;
  #watch;
  #page = new Page({
    online: () => this.#signal?.hurry(),
    away: () => { // the others are told now, not when a timer runs out
      this.#signal?.farewell();
      this.media.close();
    },
    back: () => this.#back(),
  });
  #renewal;
  /** @type {import('./protocol.js').Block} */
  #block = 'none';
  #emit;
  #options;

  /**
   * @param {<K extends keyof ParlorEvents>(name: K, payload: ParlorEvents[K]) => void} emit  tells the
   *   application
   * @param {ParlorOptions} options
   */
  constructor(emit, options) {
    this.#emit = emit;
    this.#notices = new Notices(emit);
    this.encryption = new Encryption(emit, options.encryption);
    this.#options = { ...options, endpoints: endpoints(options.url, location.href) };
    this.#renewal = new Renewal({
      clock: systemClock, get: () => this.#askForToken(), send: (token) => this.renewToken(token),
      onError: (err) => this.#emit('error', err),
    });
    this.own = new Own((profile) => {
      if (this.#signal) this.#signal.profile = profile;
      Object.assign(this.#entered ?? {}, profile);
    }, (profile) => this.#emit('user-updated', { userId: this.#entered?.userId ?? '', ...profile }));
    this.local = new Local({
      peer: () => (this.#role === 'anchor' ? this.media.peer : null),
      announce: (source, on) => this.request({ type: 'publish', source, on }),
      onEnded: (source) => this.#ended(source),
      onError: (source, err) => this.#failed(err, source),
      onSwitched: (e) => this.#emit('device-switched', e),
    });
    this.messages = new Messages({
      request: (message) => this.request(message),
      open: () => (this.media.peer?.opened ? this.media.peer.channels() : null),
      onMessage: (message) => this.#inside && this.#emit('message', message),
      onError: (err) => this.#emit('error', err),
      cipher: this.encryption,
    });
    this.remote = new Remote({
      roster: this.#roster,
      limits: { ...SEATS, ...options.seats },
      autoReceiveAudio: options.autoReceiveAudio ?? true,
      adaptive: options.adaptive ?? true,
      clock: systemClock,
      sight: new Sight(() => this.remote.resized()),
      seat: (request) => {
        this.encryption.seated(request);
        return this.request(request);
      },
      sizes: (seats) => this.request({ type: 'sizes', seats }),
      grow: async (seats) => this.media.peer?.grow(seats),
      may: (source) => this.#may('recv', source),
      tracks: (seat) => this.media.peer?.tracks(seat) ?? null,
      onError: (err) => this.#emit('error', err),
      onBlocked: (userId) => this.#emit('autoplay-failed', { userId, resume: () => this.remote.speakers.resume() }),
    });
    this.media = new Media({
      local: this.local, remote: this.remote, messages: this.messages,
      send: (offer) => this.request(offer), ice: options,
      signalled: () => this.#signal?.connected ?? false,
      may: (source) => this.#may('send', source),
      onError: (err) => this.#failed(err),
      cipher: () => this.encryption.cipher,
    });
    this.#watch = new Watch({
      clock: systemClock, emit,
      stats: async () => this.media.peer?.pc.getStats().catch(() => null) ?? null,
      received: () => this.remote.received(), processed: () => this.local.processed(),
      owner: (id) => this.#owner(id),
      known: (id) => this.#knows(id),
      buffer: (of) => this.media.peer?.buffer(of),
    });
  }

  /** @param {string} userId */
  #knows(userId) {
    return userId === this.#entered?.userId || this.#roster.has(userId);
  }

  /** The state of the signalling connection. */
  get state() {
    return this.#state;
  }

  /** The others in the room. @type {Pick<Roster, 'users' | 'user'>} */
  get roster() {
    return this.#roster;
  }

  // --- entering and leaving

  /** @param {EnterOptions} options */
  async enter(options) {
    this.#greeting(options); // what is wrong is said at once
    if (this.#leaving) await this.#leaving;
    if (this.#signal) throw new ParlorError('invalid_state', 'Already in a room, or entering one.');
    if (!isSupported()) throw new ParlorError('not_supported', 'This browser cannot take part in calls.');
    const secured = this.encryption.begin({ room: roomOf(options), userId: options.userId, encryption: options.encryption });
    if (secured) await secured;
    if (options.autoReceiveAudio !== undefined) this.remote.setAllAudio(options.autoReceiveAudio);
    this.#entered = { ...options };
    this.#role = options.role ?? 'anchor';
    const signal = this.#connect(this.#greeting(options));
    this.#page.listen(true); // from here on the node may know of it, so a page that goes away has to say so
    try {
      this.#begin(await signal.start());
    } catch (err) {
      if (this.#signal === signal) {
        this.#signal = this.#entered = null;
        this.#page.listen(false);
        this.encryption.failed();
      }
      throw err;
    }
  }

  /** Never rejects; does nothing outside a room. */
  exit() {
    const signal = this.#signal;
    if (!signal) this.encryption.callOff();
    if (this.#leaving || !signal) return this.#leaving ?? Promise.resolve();
    const inside = this.#inside;
    this.local.releaseAll();
    this.#leaving = signal.leave().then(() => {
      this.#leaving = null;
      if (this.#signal === signal) this.#finish(inside ? { reason: ExitReason.EXIT, text: '' } : null);
    });
    return this.#leaving;
  }

  /** @param {EnterOptions} of */
  #greeting(of) {
    const { userId, token, scene, name, metadata } = of;
    return { room: roomOf(of), user: checkUser(userId), token, role: this.#role, scene, name, metadata };
  }

  /** @param {import('./protocol.js').EnterRequest} enter */
  #connect(enter) {
    const { socket } = this.#options.endpoints;
    /** @type {Signal} */
    const signal = new Signal({
      url: socket, enter, downlink: () => this.#watch.downlink.expected(), WebSocket, clock: systemClock, random: Math.random, page: location.origin,
      beacon: (body, url) => void navigator.sendBeacon?.(url, body), // some users switch it off
      ...(this.#options.getToken && { token: () => this.#askForToken() }),
      handlers: {
        event: (e) => this.#event(e),
        state: (s) => this.#connection(STATES[s]),
        report: (r) => this.#inside && this.#watch.reported(r),
        lost: () => {
          this.#emit('connection-lost', {});
          this.#watch.lost();
        },
        recovered: () => this.#emit('connection-recovered', {}),
        resumed: (e) => this.media.contact(e),
        reentered: (e, moved) => this.#begin(e, moved),
        refused: (err) => this.#refused(err),
      },
    });
    this.#signal = signal;
    return signal;
  }

  /**
   * A session begins, the first of a stay or one in place of a lost one.
   * @param {import('./protocol.js').Entered} entered
   * @param {boolean} [moved]  the room is on another node than before; the others are still to come there
   */
  #begin(entered, moved = false) {
    this.own.heard(entered, !this.#inside);
    if (!this.#inside) this.#watch.begin();
    this.#inside = true;
    this.#role = entered.role ?? this.#role;
    this.#rights = entered.rights ? new Set(entered.rights) : null;
    this.#renewal.reset();
    this.#blocked(entered.block ?? 'none');
    this.#watch.viewers(entered.viewers);
    this.#notices.reset(true);
    this.media.reset(entered);
    this.media.close(); // of the session before, whose seats the node does not know
    this.messages.restart();
    this.#meet(this.#roster.reset(entered.users ?? [], entered.user, UserExitReason.TIMEOUT, moved));
    this.#timers.set('return', RETURN_MS, () => this.#meet(this.#roster.expire(UserExitReason.TIMEOUT)));
    this.media.open();
    if (!this.#watch.statistics) this.tellStatistics(false).catch((err) => this.#failed(err));
    if (this.#watch.interval) this.tellVolumes(this.#watch.interval).catch((err) => this.#failed(err));
  }

  /** @param {ParlorError} err */
  #refused(err) {
    this.#emit('error', err);
    this.#finish({ reason: err.code === 'token_expired' ? ExitReason.EXPIRED : ExitReason.LOST, text: err.message });
  }

  /**
   * Everything is released, then the application hears why.
   * @param {{reason: number, text: string} | null} why
   */
  #finish(why) {
    this.#signal?.close();
    this.#signal = null;
    this.#inside = false;
    this.#timers.clearAll();
    this.#renewal.reset();
    this.#block = 'none';
    this.#page.listen(false);
    this.media.reset();
    this.media.close();
    this.local.releaseAll();
    this.remote.clear();
    this.#roster.clear();
    this.#watch.reset();
    this.#notices.reset(false);
    this.encryption.end();
    this.#entered = null;
    this.own.reset();
    if (why && why.reason !== ExitReason.EXIT) this.#emit('kicked-out', why);
    if (why) this.#emit('exit-room', why);
  }

  // --- what one may

  /** @param {Role} role */
  async switchRole(role) {
    this.inRoom();
    await this.request({ type: 'role', role });
    await this.#becomes(role);
  }

  /** @param {string} token */
  async renewToken(token) {
    this.inRoom();
    const signal = this.#signal;
    /** @type {import('./token.js').TokenAnswer} */
    const answer = await this.request({ type: 'token', token });
    if (!this.#entered || this.#signal !== signal || !signal) return;
    this.#entered.token = signal.token = token;
    this.#rights = answer.rights ? new Set(answer.rights) : this.#rights;
    if (answer.stopped?.length) {
      this.local.forbidden(answer.stopped);
      await this.media.peer?.withdraw(answer.stopped);
    }
    this.remote.sync();
  }

  /**
   * Whether one's rights allow it. The node judges; this only keeps from asking in vain.
   * @param {'send' | 'recv'} what
   * @param {Source} source
   */
  #may(what, source) {
    return this.#rights === null || this.#rights.has(`${what}_${RIGHTS[source]}`);
  }

  /** Throws if one is not in a room. */
  inRoom() {
    if (!this.#signal || this.#state === 'CONNECTING') throw new ParlorError('invalid_state', 'Not in a room.');
  }

  /** @param {Source} source */
  maySend(source) {
    if (this.#inside && !this.#may('send', source)) throw noRight(source);
    if (this.#signal && this.#role !== 'anchor') throw new ParlorError('not_allowed', 'The audience cannot send. Switch the role to anchor first.');
  }

  // --- reports

  /** @param {number} interval  milliseconds; 0: none are wanted */
  async tellVolumes(interval) {
    this.#watch.listen(interval);
    if (this.#inside) await this.request({ type: 'volume', intervalMs: interval });
  }

  /** @param {boolean} on */
  async tellStatistics(on) {
    this.#watch.statistics = on;
    if (this.#inside) await this.request({ type: 'statistics', on });
  }

  /**
   * The owner of a track, oneself included.
   * @param {string} trackId
   */
  #owner(trackId) {
    const own = /** @type {Source[]} */ (['camera', 'screen', 'mic', 'screen-audio']).find((s) => this.local.track(s)?.id === trackId);
    return own ? { userId: '', source: own } : this.remote.owner(trackId);
  }

  // --- what the node says

  /** @param {import('./protocol.js').ServerEvent} e */
  #event(e) {
    if (e.type === 'user_entered') this.#meet(this.#roster.entered(e.user));
    else if (e.type === 'user_left') this.#meet(this.#roster.left(e.user, e.reason));
    else if (e.type === 'user_updated') e.user === this.#entered?.userId ? this.own.heard(e, false) : this.#meet(this.#roster.updated(e.user, e));
    else if (e.type === 'streams') this.#meet(this.#roster.streams(e.user, e.streams));
    else if (e.type === 'role') this.#becomes(e.role).catch((err) => this.#failed(err));
    else if (e.type === 'message') this.#said(e);
    else if (e.type === 'blocked') this.#blocked(e.block);
    else if (e.type === 'token_expiring') this.#expiring(e.inMs);
    else if (e.type === 'layers') this.media.steer(e.source, e.rids);
    else if (e.type === 'undecodable' || e.type === 'paused') this.#roster.has(e.user) && this.#notices.heard(e);
    else if (e.type === 'exited') this.#exited(e.reason, e.text ?? '');
  }

  /** @param {{user?: string, cmdId: number, data: string}} e */
  #said(e) {
    this.messages.received(e);
    // Once it knows that none is under way any more, the node takes the channel.
    if (this.messages.open) this.#signal?.acknowledge();
  }

  /**
   * An exit that the application asked for is finished by exitRoom, in its order.
   * @param {number} reason
   * @param {string} text
   */
  #exited(reason, text) {
    if (reason !== ExitReason.EXIT || !this.#leaving) this.#finish({ reason, text });
  }

  /** @param {import('./roster.js').Change[]} changes */
  #meet(changes) {
    for (const c of changes) {
      if (c.name === 'remote-user-enter') this.remote.entered(c.payload.userId);
      if (c.name === 'remote-user-exit') {
        this.remote.left(c.payload.userId);
        this.#notices.left(c.payload.userId);
      }
    }
    this.encryption.users(this.#roster.users());
    this.remote.batch(() => {
      for (const c of changes) this.#emit(c.name, /** @type {any} */ (c.payload));
    });
  }

  /** @param {import('./protocol.js').Block} block */
  #blocked(block) {
    if (block === this.#block) return;
    this.#block = block;
    this.#emit('blocked', { block });
  }

  /** @param {number} inMs */
  #expiring(inMs) {
    this.#emit('token-expiring', { inMs });
    if (this.#options.getToken) void this.#renewal.renew();
  }

  #askForToken() {
    const { roomId, strRoomId, userId } = /** @type {EnterOptions} */ (this.#entered);
    return askFor(() => /** @type {import('./types.js').GetToken} */ (this.#options.getToken)({ roomId, strRoomId, userId }));
  }

  /** @param {Role} role */
  async #becomes(role) {
    if (role === this.#role) return;
    this.#role = role;
    if (this.#entered) this.#entered.role = role;
    this.#emit('role-changed', { role });
    if (role === 'anchor') {
      await this.local.publishAll();
      return;
    }
    this.local.silence();
    await this.media.peer?.withdraw();
  }

  /** @param {ConnectionState} state */
  #connection(state) {
    const prevState = this.#state;
    if (state === prevState) return;
    this.#state = state;
    this.#emit('connection-state-changed', { prevState, state });
  }

  /** The page comes back: one is in the room again. */
  #back() {
    const entered = this.#entered;
    if (!entered || !this.#signal) return;
    const signal = this.#connect(this.#greeting(entered));
    signal.start().then((answer) => this.#begin(answer), (err) => {
      if (this.#signal === signal && err.code !== 'aborted') this.#refused(err);
    });
  }

  // --- small parts

  /**
   * @param {import('./protocol.js').Request} message
   * @returns {Promise<any>}
   */
  request(message) {
    return this.#signal?.request(message) ?? Promise.reject(new ParlorError('aborted', 'Not in a room.'));
  }

  /**
   * @param {unknown} err
   * @param {Source} [source]  what it concerns
   */
  #failed(err, source) {
    const { code, message, field } = errorFrom(err);
    if (code !== 'aborted') this.#emit('error', new ParlorError(/** @type {import('./protocol.js').ErrorCode} */ (code), message, { field: source ?? field, cause: err }));
  }

  /** @param {Source} source */
  #ended(source) {
    if (source === 'screen') this.#emit('screen-share-stopped', {});
    else if (source !== 'screen-audio') this.#emit('error', new ParlorError('device_lost', `The ${source} has ended: its device was disconnected, or the track or the processor that it came from has ended.`, { field: source }));
  }
}
