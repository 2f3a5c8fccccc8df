// What one sees and hears of the others: subscriptions, the seats they sit in, the elements they play in. A
// change of any kind ends in sync(). It compares what is wished with what the node has been told, and sends
// the difference, one request at a time per seat.

import { Seats } from './seats.js';
import { errorFrom, wrong } from './check.js';
import { ParlorError, checkUser } from './protocol.js';
import { Sizes, largest } from './sizes.js';
import { Speakers, Views, moves } from './view.js';

/** @typedef {import('./protocol.js').StreamType} StreamType */
/** @typedef {import('./protocol.js').Quality} Quality */
/** @typedef {import('./protocol.js').SeatRequest} SeatRequest */
/** @typedef {{fillMode: import('./view.js').FillMode, mirror?: boolean}} Look */
/**
 * @typedef {{view: Views | null, look: Look, quality: Quality, adaptive: boolean,
 *   shown: string | null}} Picture
 */

/**
 * @typedef {object} Subscription
 * @property {string} userId
 * @property {boolean} audio
 * @property {Record<StreamType, Picture | null>} video
 */

/**
 * @typedef {object} RemoteOptions
 * @property {import('./roster.js').Roster} roster
 * @property {import('./seats.js').SeatLimits} limits
 * @property {boolean} autoReceiveAudio
 * @property {boolean} adaptive  pictures come as large as they are shown
 * @property {import('./clock.js').Clock} clock
 * @property {Pick<import('./sight.js').Sight, 'watch' | 'unwatch' | 'size'>} sight
 * @property {(request: SeatRequest) => Promise<unknown>} seat
 * @property {(seats: import('./sizes.js').SeatSize[]) => Promise<unknown>} sizes
 * @property {(seats: string[]) => Promise<void>} grow
 * @property {(source: import('./protocol.js').Source) => boolean} may  receive it
 * @property {(seat: string) => {video: MediaStreamTrack, audio: MediaStreamTrack} | null} tracks
 * @property {(error: ParlorError) => void} onError
 * @property {(userId: string) => void} onBlocked  autoplay
 */

const SOURCES = /** @type {const} */ ({
  main: { video: 'camera', audio: 'mic', weight: 2 },
  sub: { video: 'screen', audio: 'screen-audio', weight: 3 },
});
const TYPES = /** @type {StreamType[]} */ (['main', 'sub']);
/** Holds the seats in which the node plays the loudest speakers; no user is called that. */
const LOUDEST = '*';
/** In a call of the application: everybody. */
export const EVERYBODY = '*';

export class Remote {
  /** @type {Map<string, Subscription>} */
  #subs = new Map();
  /** @type {Map<string, string>} seat → the request that the node has confirmed or is answering */
  #told = new Map();
  #busy = new Set();
  #growing = false;
  /** @type {Set<string>} users without a seat because there are no more, as the application has been told */
  #unseated = new Set();
  #held = false;
  /** How many seats play the loudest, in place of the microphones of everybody; 0: none. */
  #loudest = 0;
  #opts;
  #seats;
  #sizes;
  speakers;

  /** @param {RemoteOptions} opts */
  constructor(opts) {
    this.#opts = opts;
    this.#seats = new Seats(opts.limits);
    this.#sizes = new Sizes({ clock: opts.clock, send: opts.sizes, onError: (err) => this.#failed(err) });
    this.speakers = new Speakers(opts.onBlocked);
  }

  /** The seats of the first offer of a PeerConnection: the initial ones, and more if more are wanted
   *  already. */
  seatIds() {
    if (this.#seats.ids().length === 0) this.#seats.add(this.#opts.limits.initial);
    this.#seats.add(this.#seats.plan(this.#wishes()).grow);
    return this.#seats.ids();
  }

  /**
   * The owner of a track that is received.
   * @param {string} trackId
   */
  owner(trackId) {
    for (const seat of this.#seats.ids()) {
      const holder = this.#seats.holder(seat);
      const tracks = holder === null ? null : this.#opts.tracks(seat);
      if (!holder || !tracks || isLoudest(holder)) continue;
      const [userId, type] = holder.split('/');
      const sources = SOURCES[/** @type {StreamType} */ (type)];
      if (tracks.video.id === trackId) return { userId, source: sources.video };
      if (tracks.audio.id === trackId) return { userId, source: sources.audio };
    }
    return null;
  }

  /**
   * Starts a picture or changes it. Options that are not given stay as they were.
   * @param {{userId: string, streamType: StreamType,
   *   view?: import('./view.js').View | import('./view.js').View[] | null,
   *   quality?: Quality, fillMode?: import('./view.js').FillMode, mirror?: boolean, adaptive?: boolean}} p
   */
  startVideo({ userId, streamType, view, quality, fillMode, mirror, adaptive }) {
    const sub = this.#subscription(userId);
    const old = sub.video[streamType];
    const look = { fillMode: fillMode ?? old?.look.fillMode ?? (streamType === 'sub' ? 'contain' : 'cover'), mirror: mirror ?? old?.look.mirror };
    if (old && !moves(old.view, view)) {
      old.quality = quality ?? old.quality;
      old.adaptive = adaptive ?? old.adaptive;
      old.look = look;
      old.view?.look(look);
    } else {
      const views = [view ?? []].flat();
      const made = views.length > 0 ? new Views(views, look) : null;
      this.#remove(old);
      sub.video[streamType] = {
        view: made, look, quality: quality ?? old?.quality ?? 'high', adaptive: adaptive ?? old?.adaptive ?? this.#opts.adaptive, shown: null,
      };
      for (const v of made?.videos ?? []) this.#opts.sight.watch(v);
    }
    this.sync();
  }

  /** @param {Parameters<Remote['startVideo']>[0]} p */
  updateVideo(p) {
    this.need(p.userId);
    if (!this.#subs.get(p.userId)?.video[p.streamType]) throw new ParlorError('invalid_state', `The video of ${p.userId} has not been started.`, { field: 'user' });
    this.startVideo(p);
  }

  /**
   * @param {string} userId  `*`: everybody
   * @param {StreamType[]} types
   */
  stopVideo(userId, types) {
    if (userId !== EVERYBODY) this.need(userId);
    for (const sub of this.#subs.values()) {
      if (userId !== EVERYBODY && userId !== sub.userId) continue;
      for (const t of types) {
        this.#remove(sub.video[t]);
        sub.video[t] = null;
      }
    }
    this.sync();
  }

  /**
   * Throws if nobody of that id is there or was. An event about somebody who has left may still be on its way
   * to the application.
   * @param {unknown} userId
   */
  need(userId) {
    if (userId === undefined) throw wrong('user', 'A userId has to be given.');
    const id = checkUser(userId);
    if (!this.#opts.roster.knew(id)) throw stranger(id);
  }

  /**
   * The streams of the others that are on and wanted here, with the track that each comes on. Nothing comes
   * of those that are hidden.
   * @returns {{userId: string, source: import('./protocol.js').Source, hidden: boolean, trackId?: string}[]}
   */
  received() {
    return [...this.#subs.values()].flatMap((sub) => TYPES.flatMap((type) => {
      const s = SOURCES[type];
      const { userId } = sub;
      const sources = [sub.video[type] && this.#opts.may(s.video) && s.video, this.#hears(sub, type) && s.audio];
      const on = sources.filter((x) => x && this.#opts.roster.isOn(userId, x));
      const tracks = on.length > 0 ? this.tracks(userId, type) : null;
      const seat = this.#seats.seatOf(`${userId}/${type}`) ?? '';
      return on.map((x) => ({
        userId, source: /** @type {import('./protocol.js').Source} */ (x), hidden: x === s.video && this.#sizes.hidden(seat),
        trackId: tracks?.[x === s.video ? 'video' : 'audio'].id,
      }));
    }));
  }

  /**
   * @param {string} userId
   * @param {boolean} on
   */
  setAudio(userId, on) {
    this.need(userId);
    if (this.#opts.roster.has(userId)) this.#subscription(userId).audio = on;
    this.sync();
  }

  /** @param {boolean} on  for everybody, and for those who come */
  setAllAudio(on) {
    this.#opts.autoReceiveAudio = on;
    for (const sub of this.#subs.values()) sub.audio = on;
    this.sync();
  }

  /** @param {number} n  seats that play the loudest; 0: everybody is heard */
  setLoudest(n) {
    this.#loudest = n;
    this.sync();
  }

  /** @param {string} userId */
  entered(userId) {
    this.#subscription(userId);
  }

  /** @param {string} userId */
  left(userId) {
    const sub = this.#subs.get(userId);
    TYPES.forEach((t) => this.#remove(sub?.video[t] ?? null));
    this.#subs.delete(userId);
  }

  /**
   * The track that a stream of a user arrives on, once it sits somewhere.
   * @param {string} userId
   * @param {StreamType} streamType
   */
  tracks(userId, streamType) {
    const seat = this.#seats.seatOf(`${userId}/${streamType}`);
    return seat === null ? null : this.#opts.tracks(seat);
  }

  /** A new PeerConnection: every track is another one, and what the node remembers is not known. */
  renew() {
    for (const id of this.#seats.ids()) {
      this.#told.set(id, '');
      this.#unplug(id);
    }
    this.#sizes.clear();
  }

  /** Leaves nothing behind. */
  clear() {
    for (const id of this.#seats.ids()) this.#unplug(id);
    for (const userId of [...this.#subs.keys()]) this.left(userId);
    this.speakers.forget();
    this.#told.clear();
    this.#sizes.clear();
    this.#unseated.clear();
    this.#seats = new Seats(this.#opts.limits);
  }

  /**
   * Runs fn and then one sync(): wishes of the application in answer to events go along with what the events
   * bring.
   * @param {() => void} fn
   */
  batch(fn) {
    this.#held = true;
    fn();
    this.#held = false;
    this.sync();
  }

  /** Brings seats, node and elements to what is wished. */
  sync() {
    if (this.#held) return;
    if (this.#seats.ids().length === 0) return; // no PeerConnection yet; its first offer looks again
    const { changed, grow, unseated } = this.#seats.plan(this.#wishes());
    this.#lacking(unseated);
    for (const id of changed) this.#unplug(id);
    for (const id of this.#seats.ids()) void this.#tell(id);
    if (grow > 0) void this.#grow(grow);
    this.#render();
    this.resized();
  }

  /** Something may be shown at another size: tells the node the sizes of the seats whose holders it has
   *  been told. */
  resized() {
    const wanted = new Map();
    for (const id of this.#seats.ids()) {
      const size = this.#told.get(id) ? this.#size(id) : null;
      if (size) wanted.set(id, size);
    }
    this.#sizes.want(wanted);
  }

  /**
   * Says whom one cannot see or hear, once each time.
   * @param {string[]} unseated
   */
  #lacking(unseated) {
    const before = this.#unseated;
    this.#unseated = new Set(unseated);
    const more = unseated.filter((key) => !before.has(key)).map((key) => key.slice(0, key.lastIndexOf('/')));
    if (more.length === 0) return;
    this.#opts.onError(new ParlorError('seat_limit',
      `No more than ${this.#opts.limits.max} streams can be received at the same time. Not received: ${[...new Set(more)].join(', ')}.`,
      { field: 'seat' }));
  }

  // --- wishes

  /** @param {string} userId */
  #subscription(userId) {
    let sub = this.#subs.get(userId);
    if (!sub) {
      if (!this.#opts.roster.has(checkUser(userId))) throw stranger(userId);
      sub = { userId, audio: this.#opts.autoReceiveAudio, video: { main: null, sub: null } };
      this.#subs.set(userId, sub);
    }
    return sub;
  }

  /**
   * Whether a user's sound is received in a seat of the user.
   * @param {Subscription} sub
   * @param {StreamType} type
   */
  #hears(sub, type) {
    return sub.audio && this.#opts.may(SOURCES[type].audio) && !(type === 'main' && this.#loudest > 0);
  }

  #wishes() {
    const wishes = [];
    const places = this.#opts.autoReceiveAudio && this.#opts.may('mic') ? this.#loudest : 0;
    for (let n = 0; n < places; n++) wishes.push({ key: `${LOUDEST}/${n}`, weight: 4 });
    for (const sub of this.#subs.values()) {
      for (const type of TYPES) {
        const s = SOURCES[type];
        const on = (/** @type {import('./protocol.js').Source} */ source) => this.#opts.roster.isOn(sub.userId, source);
        let weight = 0;
        if (sub.video[type] && this.#opts.may(s.video) && on(s.video)) weight = s.weight;
        else if (this.#hears(sub, type) && on(s.audio)) weight = 1;
        wishes.push({ key: `${sub.userId}/${type}`, weight });
      }
    }
    return wishes;
  }

  /**
   * @param {string} id
   * @returns {SeatRequest}
   */
  #request(id) {
    if (isLoudest(this.#seats.holder(id))) return { type: 'seat', seat: id, user: LOUDEST, video: null, audio: 'mic' };
    const at = this.#occupant(id);
    if (!at) return { type: 'seat', seat: id, user: null };
    const s = SOURCES[at.type];
    const picture = at.sub.video[at.type];
    return {
      type: 'seat', seat: id, user: at.sub.userId,
      video: picture && this.#opts.may(s.video) ? s.video : null,
      audio: this.#hears(at.sub, at.type) ? s.audio : null,
      ...(picture && { quality: picture.quality }),
    };
  }

  /** At which size the picture of a seat is shown; null: not known. @param {string} id */
  #size(id) {
    const at = this.#occupant(id);
    const picture = at?.sub.video[at.type];
    return picture?.adaptive && picture.view ? largest(picture.view.videos.map((v) => this.#opts.sight.size(v))) : null;
  }

  /** @param {string} id */
  #occupant(id) {
    const holder = this.#seats.holder(id);
    if (holder === null) return null;
    const cut = holder.lastIndexOf('/');
    const sub = this.#subs.get(holder.slice(0, cut));
    return sub ? { sub, type: /** @type {StreamType} */ (holder.slice(cut + 1)) } : null;
  }

  // --- the node

  /** @param {string} id */
  async #tell(id) {
    if (this.#busy.has(id) || !this.#opts.tracks(id)) return;
    this.#busy.add(id);
    const seats = this.#seats;
    for (;;) {
      const request = this.#request(id);
      const size = this.#size(id);
      // sizes.js tells the node of another size
      const text = JSON.stringify({ ...request, sized: size !== null });
      if (seats !== this.#seats || text === (this.#told.get(id) ?? JSON.stringify({ type: 'seat', seat: id, user: null, sized: false }))) break;
      this.#told.set(id, text);
      this.#sizes.tell(id, size);
      try {
        await this.#opts.seat({ ...request, ...size });
      } catch (err) {
        this.#refused(id, text, err);
        break;
      }
    }
    this.#busy.delete(id);
    if (seats === this.#seats) this.#render();
  }

  /**
   * Deals with a refusal. A user who has just left is no error: the event that says so is on its way. The
   * next sync() tells the node again if it is not known what it has done, or if it may do it another time.
   * @param {string} id
   * @param {string} text
   * @param {unknown} err
   */
  #refused(id, text, err) {
    const code = err instanceof ParlorError ? err.code : 'aborted';
    const quiet = code === 'aborted' || code === 'user_not_found';
    if ((quiet || code === 'timeout') && this.#told.get(id) === text) this.#told.set(id, '');
    if (!quiet) this.#opts.onError(errorFrom(err));
  }

  /** @param {unknown} err */
  #failed(err) {
    if (!(err instanceof ParlorError && err.code === 'aborted')) this.#opts.onError(errorFrom(err));
  }

  /** @param {number} n */
  async #grow(n) {
    if (this.#growing) return;
    this.#growing = true;
    const ids = this.#seats.add(n);
    const seats = this.#seats;
    try {
      await this.#opts.grow(ids);
    } catch (err) {
      if (err instanceof ParlorError && err.code === 'aborted') return; // the next PeerConnection has them
      if (seats === this.#seats) this.#seats.remove(ids);
      this.#opts.onError(errorFrom(err));
      return;
    } finally {
      this.#growing = false;
    }
    this.sync();
  }

  // --- the elements

  /** @param {Picture | null} picture */
  #remove(picture) {
    if (!picture?.view) return;
    for (const v of picture.view.videos) this.#opts.sight.unwatch(v);
    picture.view.remove();
  }

  /**
   * Leaves nothing of a seat to be seen or heard.
   * @param {string} id
   */
  #unplug(id) {
    this.speakers.stop(id);
    for (const sub of this.#subs.values()) {
      for (const type of TYPES) {
        const picture = sub.video[type];
        if (picture?.shown?.startsWith(`${id}:`)) {
          picture.view?.blank();
          picture.shown = null;
        }
      }
    }
  }

  /** Plays what the node has confirmed; blanks what is off. */
  #render() {
    for (const id of this.#seats.ids()) {
      const at = this.#occupant(id);
      const tracks = this.#opts.tracks(id);
      if (!tracks || this.#busy.has(id)) continue;
      if (isLoudest(this.#seats.holder(id)) && !this.speakers.has(id)) this.speakers.play(id, LOUDEST, tracks.audio);
      if (!at) continue;
      const { sub, type } = at;
      const picture = sub.video[type];
      const on = this.#opts.roster.isOn(sub.userId, SOURCES[type].video) && this.#opts.may(SOURCES[type].video);
      if (picture) show(picture, on ? `${id}:${tracks.video.id}` : null, tracks.video);
      if (!this.#hears(sub, type)) this.speakers.stop(id);
      else if (!this.speakers.has(id)) this.speakers.play(id, sub.userId, tracks.audio);
    }
  }
}

/** @param {string} userId */
const stranger = (userId) => new ParlorError('user_not_found', `${userId} is not in the room.`, { field: 'user' });

/** @param {string | null} holder */
const isLoudest = (holder) => holder?.startsWith(`${LOUDEST}/`) ?? false;

/**
 * @param {Picture} picture
 * @param {string | null} what  seat and track, or null: nothing
 * @param {MediaStreamTrack} track
 */
function show(picture, what, track) {
  if (picture.shown === what) return;
  picture.shown = what;
  if (what === null) picture.view?.blank();
  else picture.view?.show(track);
}
