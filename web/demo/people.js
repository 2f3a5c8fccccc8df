// The list of people: each by name, with what one has to know of them and can do about them. Knows elements
// only; the state of each is the tiles'.

import { hue, initials } from './names.js';
import { $, input } from './page.js';
import { Panel } from './panel.js';

/** From so many people on one looks for a name. */
const MANY = 10;

/**
 * @typedef {object} Person
 * @property {string} userId
 * @property {string} name
 * @property {boolean} self
 * @property {string} state      in words: microphone, camera, who speaks, a poor network
 * @property {boolean} speaks
 * @property {boolean} poor      whether the network is
 * @property {boolean} silenced  for oneself
 * @property {string} quality    the highest that is asked for
 */

/**
 * @typedef {object} PeopleHandlers
 * @property {() => Person[]} all
 * @property {(userId: string) => void} silence  or hear again
 * @property {(userId: string, volume: number) => void} volume  0 to 100
 * @property {(userId: string, quality: 'low' | 'mid' | 'high') => void} quality
 */

export class People {
  /** @type {Map<string, HTMLElement>} */
  #rows = new Map();
  #handlers;
  #panel;
  #due = false;
  /** How loud each is played; it outlasts their leaving. @type {Map<string, string>} */
  #volumes = new Map();

  /** @param {PeopleHandlers} handlers */
  constructor(handlers) {
    this.#handlers = handlers;
    this.#panel = new Panel('people-panel', 'people-button', () => {
      this.#show();
      $('people-title').focus();
    });
    input('people-filter').addEventListener('input', () => this.#show());
  }

  /** Something of somebody is new. All of it is shown in one go, soon. */
  changed() {
    if (!this.#panel.open || this.#due) return;
    this.#due = true;
    setTimeout(() => {
      this.#due = false;
      this.#show();
    }, 100);
  }

  /** The call is over. */
  clear() {
    this.#panel.close();
    this.#rows.forEach((row) => row.remove());
    this.#rows.clear();
    this.#volumes.clear();
    input('people-filter').value = '';
  }

  #show() {
    if (!this.#panel.open) return;
    const all = this.#handlers.all().sort((a, b) => Number(b.self) - Number(a.self) || a.name.localeCompare(b.name) || (a.userId < b.userId ? -1 : 1));
    $('people-title').textContent = `People (${all.length})`;
    const wanted = fold(input('people-filter').value);
    $('people-find').hidden = all.length < MANY && !wanted;
    const there = new Set(all.map((p) => p.userId));
    for (const [id, row] of this.#rows) if (!there.has(id)) this.#drop(id, row);
    let none = true;
    /** @type {Element | null} */
    let next = $('people-rows').firstElementChild;
    for (const p of all) {
      const row = this.#rows.get(p.userId) ?? this.#make(p);
      if (row === next) next = row.nextElementSibling;
      else $('people-rows').insertBefore(row, next); // what stands right is not moved, and keeps the focus
      say(row, p);
      row.hidden = !fold(p.name).includes(wanted);
      none &&= row.hidden;
    }
    $('people-none').textContent = none && all.length > 0 ? 'Nobody here has such a name.' : '';
  }

  /** @param {string} id @param {HTMLElement} row */
  #drop(id, row) {
    if (row.contains(document.activeElement)) $('people-title').focus();
    row.remove();
    this.#rows.delete(id);
  }

  /** @param {Person} p */
  #make({ userId, self }) {
    const template = /** @type {HTMLTemplateElement} */ ($('person'));
    const row = /** @type {HTMLElement} */ (/** @type {Element} */ (template.content.firstElementChild).cloneNode(true));
    row.dataset.user = userId;
    part(row, '.person-face').style.setProperty('--hue', String(hue(userId)));
    this.#rows.set(userId, row);
    if (self) {
      for (const tool of row.querySelectorAll('button, .person-tools')) tool.remove();
      return row;
    }
    part(row, '.person-sound').onclick = () => this.#handlers.silence(userId);
    const [more, tools] = [part(row, '.person-more'), part(row, '.person-tools')];
    more.onclick = () => {
      tools.hidden = !tools.hidden;
      more.setAttribute('aria-expanded', String(!tools.hidden));
      tools.scrollIntoView({ block: 'nearest' });
    };
    const volume = /** @type {HTMLInputElement} */ (part(row, '.person-volume'));
    volume.value = this.#volumes.get(userId) ?? '100';
    volume.onchange = () => {
      this.#volumes.set(userId, volume.value);
      this.#handlers.volume(userId, Number(volume.value));
    };
    const quality = /** @type {HTMLSelectElement} */ (part(row, '.person-quality'));
    quality.onchange = () => this.#handlers.quality(userId, /** @type {any} */ (quality.value));
    return row;
  }
}

/**
 * @param {HTMLElement} row
 * @param {Person} p
 */
function say(row, p) {
  set(part(row, '.name'), p.self ? `${p.name} (you)` : p.name);
  set(part(row, '.person-state'), p.state);
  row.dataset.speaks = String(p.speaks);
  row.dataset.poor = String(p.poor);
  part(row, '.person-face').dataset.initials = initials(p.name);
  if (p.self) return;
  set(part(row, '.person-sound .sr'), p.silenced ? `Hear ${p.name} again` : `Silence ${p.name} for me`);
  part(row, '.person-sound').dataset.on = String(!p.silenced);
  part(row, '.person-sound use').setAttribute('href', p.silenced ? '#i-sound-off' : '#i-sound');
  set(part(row, '.person-more .sr'), `Volume and picture of ${p.name}`);
  /** @type {HTMLSelectElement} */ (part(row, '.person-quality')).value = p.quality;
}

/** @param {HTMLElement} el @param {string} text */
function set(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

/** A name as one looks for it: without case and accents. @param {string} text */
const fold = (text) => text.trim().normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();

/** @param {Element} el @param {string} selector */
const part = (el, selector) => /** @type {HTMLElement} */ (el.querySelector(selector));
