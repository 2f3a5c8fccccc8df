// The tiles of a call: one per person in the grid, one per shared screen on the stage, and how large they
// are. Knows elements only; the client sees to what plays in them.

import { Order, paged } from './layout.js';
import { hue, initials } from './names.js';
import { Pager } from './pager.js';

/** @param {string} id */
const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * @typedef {object} TileHandlers
 * @property {(userId: string, quality: 'low' | 'mid' | 'high') => void} quality
 * @property {(userId: string, silenced: boolean) => void} silence
 * @property {() => void} changed  something of people() is new
 */

export class Tiles {
  /** @type {Map<string, HTMLElement>} */
  #people = new Map();
  /** @type {Map<string, HTMLElement>} */
  #screens = new Map();
  #order = new Order();
  #pager;
  /** Whose screen is shown large; '': there is none. */
  #screen = '';
  #handlers;

  /** @param {TileHandlers} handlers */
  constructor(handlers) {
    this.#handlers = handlers;
    this.#pager = new Pager((by) => this.#layout(this.#order.page + by));
    const resized = new ResizeObserver(() => this.#layout());
    for (const el of [$('floor'), /** @type {HTMLElement} */ ($('grid').parentElement)]) resized.observe(el);
  }

  get count() {
    return this.#people.size;
  }

  /** Everybody, as the list of people has them. @returns {import('./people.js').Person[]} */
  people() {
    return [...this.#people].map(([userId, tile]) => {
      const net = part(tile, '.tile-net');
      const { name = '', self, speaks, silenced } = tile.dataset;
      const state = [part(tile, '.tile-state').textContent, silenced === 'true' && 'silenced for you', !net.hidden && part(net, '.sr').textContent?.replace(/^[NY]/, (c) => c.toLowerCase())].filter(Boolean);
      return {
        userId, name, self: self === 'true', speaks: speaks === 'true', silenced: silenced === 'true', poor: !net.hidden,
        state: sentence(state.join(', ').replace(/^, /, '')), quality: /** @type {HTMLSelectElement} */ (part(tile, '.tile-quality')).value,
      };
    });
  }

  /**
   * Silences somebody, or has them heard again.
   * @param {string} userId
   */
  silence(userId) {
    const tile = this.#people.get(userId);
    if (!tile) return;
    const silenced = tile.dataset.silenced !== 'true';
    sayTools(tile, silenced);
    this.#handlers.silence(userId, silenced);
    this.#handlers.changed();
  }

  /**
   * Asks for a picture of at most that quality.
   * @param {string} userId
   * @param {'low' | 'mid' | 'high'} quality
   */
  ask(userId, quality) {
    const tile = this.#people.get(userId);
    if (tile) /** @type {HTMLSelectElement} */ (part(tile, '.tile-quality')).value = quality;
    this.#handlers.quality(userId, quality);
  }

  /**
   * @param {string} userId
   * @param {string} name
   * @param {boolean} self
   */
  addPerson(userId, name, self = false) {
    if (this.#people.has(userId)) return;
    const tile = this.#make(userId, 'main');
    tile.dataset.self = String(self);
    this.#people.set(userId, tile);
    if (!self) this.#order.add(userId);
    this.rename(userId, name);
    $('grid').append(tile);
    this.setAudio(userId, false);
    this.setVideo(userId, false);
    if (!self) this.#tools(userId, tile);
    this.#layout();
  }

  /** @param {string} userId @param {string} name */
  rename(userId, name) {
    const [person, screen] = [this.#people.get(userId), this.#screens.get(userId)];
    if (person) label(person, person.dataset.self === 'true' ? `${name} (you)` : name, name);
    if (screen) label(screen, `\u2068${name}\u2069’s screen`, name); // in its own direction
    if (screen) this.#choices();
    this.#handlers.changed();
  }

  /** @param {string} userId */
  removePerson(userId) {
    this.removeScreen(userId);
    this.#people.get(userId)?.remove();
    this.#people.delete(userId);
    this.#order.remove(userId);
    this.#layout();
  }

  /**
   * @param {string} userId
   * @param {string} name
   */
  addScreen(userId, name) {
    if (this.#screens.has(userId)) return;
    const tile = this.#make(userId, 'sub');
    tile.dataset.video = 'on';
    part(tile, '.name').dir = 'ltr'; // the words around a name
    this.#screens.set(userId, tile);
    this.rename(userId, name);
    $('stage').append(tile);
    this.#choose(userId);
  }

  /** @param {string} userId */
  removeScreen(userId) {
    this.#screens.get(userId)?.remove();
    if (this.#screens.delete(userId)) this.#choose(this.#screen === userId ? [...this.#screens.keys()].at(-1) ?? '' : this.#screen);
  }

  /** Shows one screen large. The others are not shown, and do not come. @param {string} userId */
  #choose(userId) {
    this.#screen = userId;
    for (const [id, tile] of this.#screens) tile.hidden = id !== userId;
    this.#choices();
    this.#layout();
  }

  /** Buttons to choose from several screens. */
  #choices() {
    const several = this.#screens.size > 1;
    const list = $('screens');
    const focused = list.contains(document.activeElement);
    list.hidden = !several;
    list.replaceChildren(...(several ? [...this.#screens] : []).map(([id, tile]) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'quiet';
      button.setAttribute('aria-pressed', String(id === this.#screen));
      button.textContent = part(tile, '.name').textContent;
      button.onclick = () => this.#choose(id);
      return button;
    }));
    if (focused) /** @type {HTMLElement | null} */ (list.querySelector('[aria-pressed=true]'))?.focus();
  }

  clear() {
    for (const map of [this.#people, this.#screens]) {
      map.forEach((tile) => tile.remove());
      map.clear();
    }
    this.#order.clear();
    this.#choose('');
  }

  /**
   * @param {string} userId
   * @param {'main' | 'sub'} type
   */
  view(userId, type) {
    const tile = (type === 'main' ? this.#people : this.#screens).get(userId);
    return /** @type {HTMLElement | null} */ (tile?.querySelector('.tile-view') ?? null);
  }

  /**
   * @param {string} userId
   * @param {boolean} on
   */
  setVideo(userId, on) {
    this.#order.shows(userId, on);
    this.#state(userId, 'video', on);
    this.#layout();
  }

  /**
   * @param {string} userId
   * @param {boolean} on
   */
  setAudio(userId, on) {
    this.#state(userId, 'audio', on);
  }

  /**
   * Marks a picture that stands still.
   * @param {string} userId
   * @param {'main' | 'sub'} type
   * @param {boolean} stalled
   */
  setStalled(userId, type, stalled) {
    const tile = (type === 'main' ? this.#people : this.#screens).get(userId);
    if (!tile) return;
    tile.dataset.stalled = String(stalled);
    this.#tell(tile);
  }

  /**
   * Says on the tile which streams of somebody cannot be played here.
   * @param {string} userId
   * @param {'main' | 'sub'} type
   * @param {'' | 'sound' | 'picture'} what  '': nothing; sound: the picture can be seen
   * @param {string} text
   */
  setUndecodable(userId, type, what, text) {
    const tile = (type === 'main' ? this.#people : this.#screens).get(userId);
    if (!tile) return;
    tile.dataset.undecodable = what;
    part(tile, '.tile-note').textContent = text;
  }

  /**
   * Marks the user whose turn it is, and has them in view; nobody: null.
   * @param {string | null} userId
   */
  setActive(userId) {
    for (const [id, tile] of this.#people) tile.dataset.active = String(id === userId);
    this.#order.speaks(userId);
    this.#layout();
  }

  /**
   * Marks the users who are heard at the moment.
   * @param {string[]} userIds
   */
  setSpeaking(userIds) {
    for (const [id, tile] of this.#people) {
      const speaks = String(userIds.includes(id));
      if (tile.dataset.speaks === speaks) continue;
      tile.dataset.speaks = speaks;
      this.#tell(tile);
    }
  }

  /**
   * @param {string} userId
   * @param {number} quality  0 unknown, 1 the best, 6 the worst
   * @param {string} text     what it means
   * @param {string} [why]    with an empty text nothing is shown
   */
  setQuality(userId, quality, text, why = '') {
    const tile = this.#people.get(userId);
    if (!tile) return;
    const net = part(tile, '.tile-net');
    const words = [text, why].filter(Boolean).join('; ');
    net.hidden = words === '';
    net.dataset.quality = String(quality);
    net.title = part(net, '.sr').textContent = text ? `Network ${words}` : words;
    part(net, '.tile-net-text').textContent = words;
    part(net, '.bars').querySelectorAll('path').forEach((bar, i) => bar.classList.toggle('lit', i < 5 - quality));
    this.#handlers.changed();
  }

  /**
   * @param {string} userId
   * @param {'audio' | 'video'} what
   * @param {boolean} on
   */
  #state(userId, what, on) {
    const tile = this.#people.get(userId);
    if (!tile) return;
    tile.dataset[what] = on ? 'on' : 'off';
    if (what === 'video') tile.dataset.stalled = 'false';
    this.#tell(tile);
  }

  /**
   * Says the state of a tile in words, for people who do not see it. It is not announced: people take turns
   * all the time.
   * @param {HTMLElement} tile
   */
  #tell(tile) {
    const off = [tile.dataset.audio === 'off' && 'microphone off', tile.dataset.video === 'off' && 'camera off',
      tile.dataset.stalled === 'true' && 'the picture has stopped', tile.dataset.speaks === 'true' && 'speaking'].filter(Boolean);
    part(tile, '.tile-state').textContent = off.length > 0 ? `, ${off.join(', ')}` : '';
    this.#handlers.changed();
  }

  /**
   * @param {string} userId
   * @param {'main' | 'sub'} type
   */
  #make(userId, type) {
    const template = /** @type {HTMLTemplateElement} */ ($('tile'));
    const tile = /** @type {HTMLElement} */ (/** @type {Element} */ (template.content.firstElementChild).cloneNode(true));
    tile.dataset.user = userId;
    tile.dataset.stream = type;
    part(tile, '.tile-avatar').style.setProperty('--hue', String(hue(userId)));
    return tile;
  }

  /**
   * @param {string} userId
   * @param {HTMLElement} tile
   */
  #tools(userId, tile) {
    const quality = /** @type {HTMLSelectElement} */ (part(tile, '.tile-quality'));
    quality.onchange = () => this.#handlers.quality(userId, /** @type {any} */ (quality.value));
    // If nothing hovers, a touch on the tile brings its tools.
    tile.addEventListener('click', (e) => {
      if (e.target instanceof Element && e.target.closest('.tile-tools')) return;
      tile.dataset.tools = String(tile.dataset.tools !== 'true');
    });
    part(tile, '.tile-sound').onclick = () => this.silence(userId);
  }

  /** Makes tiles as large as the room allows, all the same size, and shows a page of them. @param {number} [page] */
  #layout(page) {
    const stage = this.#screens.size > 0;
    $('floor').classList.toggle('has-stage', stage);
    $('alone').hidden = this.#order.size > 0 || stage;
    $('count').textContent = String(this.#people.size);
    const self = this.#people.size > this.#order.size;
    const book = $('book');
    // The buttons of pages take room, so all are tried without them first.
    let plan = paged(this.#order.size, self, room(book.clientWidth, book.clientHeight));
    this.#pager.many = plan.pages > 1;
    if (plan.pages > 1 || !$('alone').hidden) plan = paged(this.#order.size, self, room($('grid').clientWidth, $('grid').clientHeight));
    const shown = this.#order.open(plan.per, page);
    this.#pager.show(this.#order.page, plan.pages);
    const focused = $('grid').contains(document.activeElement) && document.activeElement?.closest('.tile');
    for (const [id, tile] of this.#people) {
      const own = tile.dataset.self === 'true';
      tile.hidden = own ? !plan.self : !shown.includes(id);
      tile.style.order = String(own ? -1 : shown.indexOf(id));
    }
    // Keys go on turning pages from here.
    if (focused && /** @type {HTMLElement} */ (focused).hidden) $('grid').focus();
    $('grid').style.setProperty('--tile-w', `${plan.width}px`);
    $('grid').style.setProperty('--tile-h', `${plan.height}px`);
    this.#handlers.changed();
  }
}

/** @param {number} width @param {number} height */
function room(width, height) {
  const style = getComputedStyle($('grid'));
  return { width, height, gap: parseFloat(style.columnGap) || 0, least: parseFloat(style.getPropertyValue('--least')) || 140 };
}

/**
 * What a tile says of whose it is.
 * @param {HTMLElement} tile
 * @param {string} text
 * @param {string} name
 */
function label(tile, text, name) {
  tile.dataset.name = name;
  part(tile, '.name').textContent = text;
  part(tile, '.tile-avatar').dataset.initials = initials(name);
  sayTools(tile);
}

/**
 * What the tools of a tile do.
 * @param {HTMLElement} tile
 * @param {boolean} [silenced]
 */
function sayTools(tile, silenced = tile.dataset.silenced === 'true') {
  const [{ name }, sound] = [tile.dataset, part(tile, '.tile-sound')];
  tile.dataset.silenced = String(silenced);
  part(tile, '.tile-quality-label').textContent = `Picture quality of ${name}`;
  part(sound, '.sr').textContent = silenced ? `Hear ${name} again` : `Silence ${name} for me`;
  part(sound, 'use').setAttribute('href', silenced ? '#i-sound-off' : '#i-sound');
  sound.title = silenced ? 'Hear again' : 'Silence for me';
}

/** @param {string} text */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * @param {Element} el
 * @param {string} selector
 */
function part(el, selector) {
  return /** @type {HTMLElement} */ (el.querySelector(selector));
}
