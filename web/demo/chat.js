// The chat panel: the room's messages, as text. Knows elements only; the client sees to how messages travel.

import { $ } from './page.js';
import { Panel } from './panel.js';

const text = () => /** @type {HTMLInputElement} */ ($('chat-text'));

/** The oldest go: a long call must not fill the page. */
const KEEP = 200;

export class Chat {
  #unread = 0;
  #send;
  #panel;

  /** @param {(text: string) => Promise<boolean>} send  whether it was sent */
  constructor(send) {
    this.#send = send;
    this.#panel = new Panel('chat', 'talk', () => {
      this.#count(0);
      $('chat-log').scrollTop = $('chat-log').scrollHeight;
      text().focus();
    });
    $('chat-form').addEventListener('submit', (e) => {
      e.preventDefault();
      void this.#submit();
    });
  }

  get open() {
    return this.#panel.open;
  }

  /**
   * @param {string} who
   * @param {string} what
   * @param {boolean} [self]
   */
  add(who, what, self = false) {
    const p = document.createElement('p');
    const [name, text] = [document.createElement('b'), document.createElement('bdi')];
    p.dataset.self = String(self);
    name.dir = 'auto';
    name.textContent = who;
    text.textContent = what;
    p.append(name, ' ', text);
    this.#append(p, self);
  }

  /**
   * A message of the server, which is no person's. It has an icon and a frame, which no name can have.
   * @param {string} what
   */
  announce(what) {
    const template = /** @type {HTMLTemplateElement} */ ($('announcement'));
    const el = /** @type {HTMLElement} */ (/** @type {Element} */ (template.content.firstElementChild).cloneNode(true));
    /** @type {HTMLElement} */ (el.querySelector('p')).textContent = what;
    this.#append(el, false);
  }

  /** @param {HTMLElement} el @param {boolean} self */
  #append(el, self) {
    const log = $('chat-log');
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(el);
    while (log.childElementCount > KEEP) log.firstElementChild?.remove();
    if (atEnd || self) log.scrollTop = log.scrollHeight;
    if (!this.open) this.#count(this.#unread + 1);
  }

  /** The call is over. */
  clear() {
    $('chat-log').replaceChildren();
    text().value = '';
    this.#panel.close();
    this.#count(0);
  }

  async #submit() {
    const what = text().value.trim();
    if (!what) return;
    text().value = '';
    // A text that was not sent comes back, unless the next one is being typed already.
    if (!(await this.#send(what)) && !text().value) text().value = what;
    text().focus();
  }

  /** @param {number} n */
  #count(n) {
    this.#unread = n;
    const label = /** @type {HTMLElement} */ ($('talk').querySelector('.label'));
    label.textContent = n ? `Chat (${n > 99 ? '99+' : n})` : 'Chat';
  }
}
