// Puts tracks where people see and hear them: video elements in the application's views, and hidden audio
// elements for everybody's sound. Also knows what to do if the browser forbids sound to play.

import { deviceError } from './capture.js';
import { shown } from './check.js';
import { ParlorError } from './protocol.js';

/** @typedef {string | HTMLElement} View  an element, or the id of one */
/** @typedef {'contain' | 'cover' | 'fill'} FillMode  as `object-fit` of CSS */

/**
 * @param {View} view
 * @returns {HTMLElement}
 */
export function elementOf(view) {
  const el = typeof view === 'string' ? document.getElementById(view) : view;
  if (!(el instanceof HTMLElement)) {
    throw new ParlorError('invalid_parameter', `There is no element ${shown(view)} to show video in.`, { field: 'view' });
  }
  return el;
}

/**
 * Whether a picture is to be shown elsewhere.
 * @param {{elements: HTMLElement[]} | null} now
 * @param {View | View[] | null | undefined} to  undefined: not said, so it stays
 */
export function moves(now, to) {
  if (to === undefined) return false;
  const before = now?.elements ?? [];
  const after = to === null ? [] : [to].flat().map(elementOf);
  return after.length !== before.length || after.some((el) => !before.includes(el));
}

/** A video element in a view: the view itself if it is one, else one made inside it. */
export class VideoView {
  /** @type {HTMLVideoElement} */
  #video;
  #own;
  elements;

  /**
   * @param {View} view
   * @param {{fillMode?: FillMode, mirror?: boolean}} [look]
   */
  constructor(view, look = {}) {
    const el = elementOf(view);
    this.elements = [el];
    this.#own = !(el instanceof HTMLVideoElement);
    this.#video = el instanceof HTMLVideoElement ? el : document.createElement('video');
    const v = this.#video;
    v.autoplay = v.playsInline = v.muted = true;
    v.disablePictureInPicture = true;
    if (this.#own) {
      Object.assign(v.style, { width: '100%', height: '100%', display: 'block' });
      el.append(v);
    }
    this.look(look);
  }

  get video() {
    return this.#video;
  }

  /** @param {{fillMode?: FillMode, mirror?: boolean}} look */
  look({ fillMode, mirror }) {
    if (fillMode || this.#own) this.#video.style.objectFit = fillMode ?? 'cover';
    if (mirror !== undefined) this.#video.style.transform = mirror ? 'scaleX(-1)' : '';
  }

  /**
   * Shows a track from its next frame on. Until then the element is invisible, so that nobody sees the last
   * picture of something else.
   * @param {MediaStreamTrack} track
   */
  show(track) {
    const v = this.#video;
    v.style.visibility = 'hidden';
    v.srcObject = new MediaStream([track]);
    const visible = () => {
      v.style.visibility = '';
    };
    if ('requestVideoFrameCallback' in v) v.requestVideoFrameCallback(visible);
    else /** @type {HTMLVideoElement} */ (v).addEventListener('loadeddata', visible, { once: true });
    v.play().catch(() => {}); // muted video plays everywhere; an abort by the next show() is no error
  }

  /** Shows nothing, and keeps the element for the next show(). */
  blank() {
    this.#video.style.visibility = 'hidden';
    this.#video.srcObject = null;
  }

  remove() {
    this.#video.srcObject = null;
    this.#video.style.visibility = '';
    if (this.#own) this.#video.remove();
  }
}

/** The same picture in one view or several. */
export class Views {
  #all;
  elements;

  /**
   * @param {View[]} views
   * @param {{fillMode?: FillMode, mirror?: boolean}} look
   */
  constructor(views, look) {
    this.elements = [...new Set(views.map(elementOf))];
    this.#all = this.elements.map((el) => new VideoView(el, look));
  }

  get videos() {
    return this.#all.map((v) => v.video);
  }

  /** @param {{fillMode?: FillMode, mirror?: boolean}} look */
  look(look) {
    for (const v of this.#all) v.look(look);
  }

  /** @param {MediaStreamTrack} track */
  show(track) {
    for (const v of this.#all) v.show(track);
  }

  blank() {
    for (const v of this.#all) v.blank();
  }

  remove() {
    for (const v of this.#all) v.remove();
  }
}

/**
 * Has an element play at an output. False: the browser knows only the default, which is meant.
 * @param {HTMLAudioElement} el
 * @param {string} deviceId
 */
export async function routeTo(el, deviceId) {
  if (!('setSinkId' in el)) {
    if (deviceId === '') return false;
    throw new ParlorError('not_supported', 'This browser does not let one choose where sound comes out.', { field: 'deviceId' });
  }
  try {
    await el.setSinkId(deviceId);
  } catch (err) {
    throw deviceError(err, 'speaker');
  }
  return true;
}

/** Everybody's sound. One hidden element per seat. */
export class Speakers {
  /** @type {Map<string, {el: HTMLAudioElement, userId: string}>} */
  #players = new Map();
  /** @type {string | undefined} */
  #sink;
  /** How loud everybody is played, 0 to 1, and users of whom that was said alone. */
  #volume = 1;
  /** @type {Map<string, number>} */
  #volumes = new Map();
  #onBlocked;
  #armed = false;

  /** @param {(userId: string) => void} onBlocked  the browser wants a gesture of the user first */
  constructor(onBlocked) {
    this.#onBlocked = onBlocked;
  }

  /**
   * @param {string} seat
   * @param {string} userId
   * @param {MediaStreamTrack} track
   */
  play(seat, userId, track) {
    this.stop(seat);
    const el = document.createElement('audio');
    el.autoplay = true;
    el.hidden = true;
    el.volume = this.#loudness(userId);
    el.srcObject = new MediaStream([track]);
    document.body.append(el);
    this.#players.set(seat, { el, userId });
    this.#route(el);
    void this.#try(el).then((plays) => plays || this.#onBlocked(userId));
  }

  /** @param {string} seat */
  stop(seat) {
    const player = this.#players.get(seat);
    if (!player) return;
    player.el.srcObject = null;
    player.el.remove();
    this.#players.delete(seat);
  }

  /** @param {string} seat */
  has(seat) {
    return this.#players.has(seat);
  }

  /**
   * @param {string} userId  `*`: everybody
   * @param {number} volume  0 to 1
   */
  setVolume(userId, volume) {
    if (userId === '*') {
      this.#volume = volume;
      this.#volumes.clear();
    } else {
      this.#volumes.set(userId, volume);
    }
    for (const p of this.#players.values()) p.el.volume = this.#loudness(p.userId);
  }

  /** What was said of single users is over with the stay. */
  forget() {
    this.#volumes.clear();
  }

  /** @param {string} userId */
  #loudness(userId) {
    return this.#volumes.get(userId) ?? this.#volume;
  }

  /**
   * Plays what was blocked; call it from a gesture of the user. Resolves with whether everything plays. If
   * the browser still refuses, the next gesture tries again.
   */
  async resume() {
    const blocked = [...this.#players.values()].filter((p) => p.el.paused);
    const played = await Promise.all(blocked.map((p) => this.#try(p.el)));
    return played.every(Boolean);
  }

  /**
   * Chooses the output. An element that plays nothing tries it first, so that nobody's sound goes to an
   * output that does not exist.
   * @param {string} deviceId
   */
  async setOutput(deviceId) {
    if (!(await routeTo(document.createElement('audio'), deviceId))) return;
    this.#sink = deviceId;
    for (const p of this.#players.values()) this.#route(p.el);
  }

  /** The output that was chosen; undefined: none. */
  get output() {
    return this.#sink;
  }

  /** @param {HTMLAudioElement} el */
  #route(el) {
    if (this.#sink !== undefined) el.setSinkId(this.#sink).catch(() => {}); // the device has gone since
  }

  /**
   * Whether the browser lets it play. Any other error says nothing about sound: the element has been stopped.
   * @param {HTMLAudioElement} el
   */
  async #try(el) {
    try {
      await el.play();
    } catch (err) {
      if (/** @type {any} */ (err)?.name === 'NotAllowedError') {
        this.#arm();
        return false;
      }
    }
    return true;
  }

  /** The next gesture of the user, whatever it is meant for, starts the sound. */
  #arm() {
    if (this.#armed) return;
    this.#armed = true;
    const gestures = ['pointerup', 'keydown', 'touchend'];
    const go = () => {
      this.#armed = false;
      gestures.forEach((g) => removeEventListener(g, go, true));
      void this.resume();
    };
    gestures.forEach((g) => addEventListener(g, go, true));
  }
}
