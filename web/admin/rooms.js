// The view of rooms: searched, put in order and turned over by the node, so that thousands are no more than a
// page.

import { command } from './api.js';
import { bdi, el, setText, table } from './dom.js';
import { count, keyOf, nameOf, several, span } from './format.js';
import { missing, refresh as again } from './page.js';

const limit = 50;

/** @param {import('./format.js').RoomRef} room */
export const roomLink = (room) => el('a', { href: `#/room/${encodeURIComponent(keyOf(room))}` }, bdi(nameOf(room)));

/** @returns {import('./page.js').View} */
export function rooms() {
  let contains = '';
  let scene = '';
  let order = 'users';
  /** Where each page begins, up to the present one. */
  let pages = [''];
  let next = '';

  const summary = el('p', { className: 'soft', role: 'status' });
  const note = el('p', { className: 'note' });
  const first = (wait = 0) => { pages = ['']; again(wait); };
  /** @param {string} by */
  const orderBy = (by) => { order = by; kind.value = by; first(); };
  const search = /** @type {HTMLInputElement} */ (el('input', { id: 'contains', type: 'search', maxLength: 64, autocomplete: 'off', spellcheck: false, oninput: () => { contains = search.value; first(300); } }));
  const scenes = /** @type {HTMLSelectElement} */ (el('select', { id: 'scene', onchange: () => { scene = scenes.value; first(); } },
    ...[['', 'all'], ['call', 'call'], ['live', 'live']].map(([v, t]) => el('option', { value: v }, t))));
  const kind = /** @type {HTMLSelectElement} */ (el('select', { id: 'order', onchange: () => orderBy(kind.value) },
    ...[['users', 'most users'], ['publishers', 'most publishers'], ['poor', 'most on poor networks'], ['newest', 'newest'], ['', 'name']].map(([v, t]) => el('option', { value: v }, t))));
  const list = table('Rooms', [
    { title: 'Room', order: '', text: (r) => keyOf(r), children: (r) => [roomLink(r)] },
    { title: 'Users', className: 'num', order: 'users', text: (r) => count(r.Users) },
    { title: 'Publish', className: 'num', order: 'publishers', text: (r) => count(r.Publishers) },
    { title: 'Poor', className: 'num', order: 'poor', text: (r) => count(r.Poor) },
    { title: 'Age', className: 'num', order: 'newest', text: (r) => span(Date.now() - r.CreatedMs) },
    { title: 'Scene', className: 'wide', text: (r) => r.Scene },
    { title: 'Node', className: 'wide', text: (r) => r.Node, children: (r) => [bdi(r.Node)] },
    { title: 'Leaves out', className: 'wide', text: (r) => r.Shedding ?? '' },
  ], { empty: 'There is no such room.', onorder: orderBy });
  const back = /** @type {HTMLButtonElement} */ (el('button', { type: 'button', className: 'secondary', onclick: () => { pages.pop(); again(); } }, 'Previous'));
  const on = /** @type {HTMLButtonElement} */ (el('button', { type: 'button', className: 'secondary', onclick: () => { if (next) pages.push(next); again(); } }, 'Next'));
  const root = el('div', { className: 'view' }, el('h1', {}, 'Rooms'), el('div', { className: 'tools' },
    el('p', {}, el('label', { for: 'contains' }, 'Name contains'), search), el('p', {}, el('label', { for: 'scene' }, 'Scene'), scenes), el('p', {}, el('label', { for: 'order' }, 'First'), kind)),
  summary, note, list.root, el('div', { className: 'buttons start' }, back, on));

  /** @param {AbortSignal} signal */
  async function refresh(signal) {
    const request = { Contains: contains, Scene: scene || undefined, Order: order || undefined, After: pages.at(-1) || undefined, Limit: limit };
    const a = await command('ListRooms', request, signal);
    next = a.Next ?? '';
    list.update(a.Rooms.map((/** @type {any} */ r) => ({ key: `${keyOf(r)} ${r.Node}`, value: r })), order);
    setText(summary, `${several(a.Total, 'room')}${a.Total > limit ? `, page ${pages.length} of ${Math.max(pages.length, Math.ceil(a.Total / limit))}` : ''}`);
    setText(note, missing(a.NodesMissing));
    back.disabled = pages.length < 2;
    on.disabled = !next;
    if (a.Rooms.length === 0 && pages.length > 1) first();
  }
  return { title: 'Rooms', root, refresh };
}
