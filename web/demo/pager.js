// Turning the pages of people: by buttons, by keys and by a swipe. Knows elements only.

import { $ } from './page.js';

/** How far a finger goes for a swipe, in CSS pixels. */
const FAR = 50;

export class Pager {
  #turn;

  /** @param {(by: 1 | -1) => void} turn */
  constructor(turn) {
    this.#turn = turn;
    $('page-back').onclick = () => this.#go(-1);
    $('page-on').onclick = () => this.#go(1);
    $('book').addEventListener('keydown', (e) => this.#key(e));
    this.#swipes($('grid'));
  }

  /** Whether there is more than one page. @param {boolean} many */
  set many(many) {
    $('pager').hidden = !many;
    if (many) $('grid').tabIndex = 0;
    else $('grid').removeAttribute('tabindex');
  }

  /**
   * Says which of several pages is shown.
   * @param {number} page   from 0 on
   * @param {number} pages
   */
  show(page, pages) {
    // A button to nowhere keeps the focus.
    $('page-back').setAttribute('aria-disabled', String(page === 0));
    $('page-on').setAttribute('aria-disabled', String(page >= pages - 1));
    const text = `Page ${page + 1} of ${pages}`;
    if ($('page-now').textContent !== text) $('page-now').textContent = text;
  }

  /** @param {1 | -1} by */
  #go(by) {
    if ($(by < 0 ? 'page-back' : 'page-on').getAttribute('aria-disabled') !== 'true') this.#turn(by);
  }

  /** @param {KeyboardEvent} e */
  #key(e) {
    if ($('pager').hidden || e.altKey || e.ctrlKey || e.metaKey || e.target instanceof HTMLSelectElement) return;
    const by = { PageUp: -1, ArrowLeft: -1, PageDown: 1, ArrowRight: 1 }[e.key];
    if (!by) return;
    e.preventDefault();
    this.#go(by < 0 ? -1 : 1);
  }

  /** @param {HTMLElement} el */
  #swipes(el) {
    /** @type {{x: number, y: number, id: number} | null} */
    let from = null;
    el.addEventListener('pointerdown', (e) => {
      if (e.pointerType !== 'mouse') from = { x: e.clientX, y: e.clientY, id: e.pointerId };
    });
    el.addEventListener('pointercancel', () => { from = null; });
    el.addEventListener('pointerup', (e) => {
      if (from?.id !== e.pointerId) return;
      const [x, y] = [e.clientX - from.x, e.clientY - from.y];
      from = null;
      if (Math.abs(x) > FAR && Math.abs(x) > 2 * Math.abs(y)) this.#go(x < 0 ? 1 : -1);
    });
  }
}
