// A panel beside the people: one at a time. Knows elements only.

import { $ } from './page.js';

/** @type {Panel | null} */
let shown = null;

export class Panel {
  #id;
  #button;
  #opened;

  /**
   * @param {string} id          of the panel
   * @param {string} button      what opens and closes it
   * @param {() => void} opened  also sets the focus
   */
  constructor(id, button, opened) {
    this.#id = id;
    this.#button = button;
    this.#opened = opened;
    $(button).addEventListener('click', () => this.toggle(!this.open));
    /** @type {HTMLElement} */ ($(id).querySelector('.panel-close')).addEventListener('click', () => this.toggle(false));
    $(id).addEventListener('keydown', (e) => {
      if (e.key === 'Escape' && !e.isComposing) this.toggle(false);
    });
  }

  get open() {
    return !$(this.#id).hidden;
  }

  /** By the user, who goes on in the panel or at its button. @param {boolean} open */
  toggle(open) {
    if (open === this.open) return;
    if (open) shown?.close();
    this.#set(open);
    if (open) this.#opened();
    else $(this.#button).focus();
  }

  /** Without the user, or for another panel. */
  close() {
    if (this.open) this.#set(false);
  }

  /** @param {boolean} open */
  #set(open) {
    shown = open ? this : null;
    $(this.#id).hidden = !open;
    $('floor').classList.toggle('has-panel', open);
    $(this.#button).setAttribute('aria-expanded', String(open));
    $(this.#button).dataset.active = String(open);
  }
}
