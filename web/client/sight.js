// The size at which elements show pictures, and whether they can be seen: boxes, scrolling, tabs,
// picture-in-picture. It is not noticed if something covers an element or makes it transparent.

import { pictureIn } from './sizes.js';

/** @typedef {import('./sizes.js').Size} Size */

/**
 * @typedef {object} Seen
 * @property {Size} box                             of the element's content
 * @property {boolean} exact                        in device pixels; else in those of CSS
 * @property {string} fit                           CSS object-fit, if the element's own style says nothing
 * @property {boolean} near                         in the part of the page that can be seen, as far as known
 * @property {PictureInPictureWindow | null} apart  the window outside of the page that shows it
 * @property {number} times                         times that it is watched: an element may show several
 *   pictures in turn
 * @property {AbortController} end                  of watching
 */

const NOTHING = Object.freeze({ width: 0, height: 0 });

export class Sight {
  /** @type {Map<Element, Seen>} */
  #seen = new Map();
  /**
   * @type {{disconnect: () => void, observe: (el: Element) => void, unobserve: (el: Element) => void}[]}
   *   while anything is watched
   */
  #observers = [];
  #onChange;

  /** @param {() => void} onChange  something may be shown at another size */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  /**
   * From here on it is known how a video is shown. Until the observers have told, its layout decides.
   * @param {HTMLVideoElement} video
   */
  watch(video) {
    const known = this.#seen.get(video);
    if (known) {
      known.times++;
      return;
    }
    if (this.#seen.size === 0) this.#begin();
    /** @type {Seen} */
    const seen = {
      box: video.getBoundingClientRect(), exact: false, fit: getComputedStyle(video).objectFit, near: true, apart: null, times: 1, end: new AbortController(),
    };
    this.#seen.set(video, seen);
    this.#follow(video, seen);
    for (const o of this.#observers) o.observe(video);
  }

  /** @param {HTMLVideoElement} video */
  unwatch(video) {
    const seen = this.#seen.get(video);
    if (!seen || --seen.times > 0) return;
    seen.end.abort();
    this.#seen.delete(video);
    for (const o of this.#observers) o.unobserve(video);
    if (this.#seen.size === 0) this.#end();
  }

  /**
   * The size of the picture in a video that is watched; 0 by 0 if nobody sees it.
   * @param {HTMLVideoElement} video
   * @returns {Size}
   */
  size(video) {
    const seen = this.#seen.get(video);
    if (!seen) return NOTHING;
    const ratio = video.videoHeight > 0 ? video.videoWidth / video.videoHeight : 0;
    if (seen.apart) return pictureIn(inPixels(seen.apart), ratio, 'contain');
    if (!seen.near || video.ownerDocument.visibilityState === 'hidden') return NOTHING;
    return pictureIn(seen.exact ? seen.box : inPixels(seen.box), ratio, video.style.objectFit || seen.fit);
  }

  /**
   * Follows what changes by itself: the picture, and its being shown outside of the page.
   * @param {HTMLVideoElement} video
   * @param {Seen} seen
   */
  #follow(video, seen) {
    const { signal } = seen.end;
    video.addEventListener('resize', this.#onChange, { signal });
    video.addEventListener('enterpictureinpicture', (e) => {
      seen.apart = /** @type {PictureInPictureEvent} */ (e).pictureInPictureWindow;
      seen.apart.addEventListener('resize', this.#onChange, { signal });
      this.#onChange();
    }, { signal });
    video.addEventListener('leavepictureinpicture', () => {
      seen.apart = null;
      this.#onChange();
    }, { signal });
  }

  #begin() {
    const boxes = new ResizeObserver((entries) => this.#each(entries, (seen, e) => {
      const pixels = e.devicePixelContentBoxSize?.[0]; // not in Safari
      seen.box = pixels ? { width: pixels.inlineSize, height: pixels.blockSize } : e.contentRect;
      seen.exact = Boolean(pixels);
      seen.fit = getComputedStyle(e.target).objectFit;
    }));
    const exact = 'devicePixelContentBoxSize' in ResizeObserverEntry.prototype;
    const near = new IntersectionObserver((entries) => this.#each(entries, (seen, e) => {
      seen.near = e.isIntersecting;
    }));
    this.#observers = [near, {
      observe: (el) => boxes.observe(el, { box: exact ? 'device-pixel-content-box' : 'content-box' }),
      unobserve: (el) => boxes.unobserve(el),
      disconnect: () => boxes.disconnect(),
    }];
    document.addEventListener('visibilitychange', this.#onChange);
    addEventListener('resize', this.#onChange); // another zoom, or another screen
  }

  #end() {
    for (const o of this.#observers) o.disconnect();
    this.#observers = [];
    document.removeEventListener('visibilitychange', this.#onChange);
    removeEventListener('resize', this.#onChange);
  }

  /**
   * @template {{target: Element}} E
   * @param {E[]} entries
   * @param {(seen: Seen, entry: E) => void} take
   */
  #each(entries, take) {
    for (const e of entries) {
      const seen = this.#seen.get(e.target);
      if (seen) take(seen, e);
    }
    this.#onChange();
  }
}

/** @param {Size} size  in pixels of CSS */
const inPixels = ({ width, height }) => ({ width: width * devicePixelRatio, height: height * devicePixelRatio });
