// The view of one room: its users, what happened in it of late, and what can be done to it.

import { block, dismiss, message, remove } from './actions.js';
import { command } from './api.js';
import { bdi, el, setText, table, who } from './dom.js';
import { bits, count, event, keyOf, milliseconds, nameOf, percent, quality, roomOf, several, span, time } from './format.js';
import { refresh as again } from './page.js';
import { Rates } from './series.js';

/**
 * @param {import('./format.js').RoomRef} room
 * @param {string} user
 */
export const userLink = (room, user, /** @type {string | undefined} */ name = undefined) => el('a', { href: `#/user/${encodeURIComponent(keyOf(room))}/${encodeURIComponent(user)}` }, who({ UserId: user, Name: name }));

/** @param {number} level */
export const qualityTag = (level) => el('span', { className: `tag ${level === 0 ? '' : level < 3 ? 'good' : level === 3 ? 'warn' : 'bad'}` }, quality(level));

/** @param {string} caption */
export function eventTable(caption, /** @type {boolean} */ users = true) {
  const list = table(caption, [
    { title: 'Time', text: (e) => time(e.TimeMs) },
    ...(users ? [{ title: 'User', text: (/** @type {any} */ e) => `${e.Name ?? ''} ${e.UserId ?? ''}`, children: (/** @type {any} */ e) => [e.UserId ? userLink(e, e.UserId, e.Name) : null] }]
      : [{ title: 'Room', text: (/** @type {any} */ e) => keyOf(e), children: (/** @type {any} */ e) => [el('a', { href: `#/room/${encodeURIComponent(keyOf(e))}` }, bdi(nameOf(e)))] }]),
    { title: 'What', text: (e) => event(e) + (e.Text ?? ''), children: (e) => [event(e), e.Text ? [' (', bdi(e.Text), ')'] : null].flat() },
    { title: 'Node', className: 'wide', text: (e) => e.Node },
  ], { empty: 'Nothing that is still remembered.' });
  return { root: list.root, update: (/** @type {any[]} */ all) => list.update(all.map((e) => ({ key: e.Id, value: e }))) };
}

/**
 * @param {string} key
 * @returns {import('./page.js').View}
 */
export function room(key) {
  const ref = roomOf(key);
  const rates = new Rates();
  let pages = [''];
  let next = '';
  let users = 0;
  let round = 0;

  const facts = el('p', { className: 'soft' });
  const gone = el('p', { className: 'note', role: 'status' });
  const list = table('Users', [
    { title: 'User', text: (u) => `${u.Name ?? ''}\n${u.UserId}`, children: (u) => [userLink(ref, u.UserId, u.Name)] },
    { title: 'Quality', text: (u) => Math.max(u.Up.Quality, u.Down.Quality), children: (u) => [qualityTag(Math.max(u.Up.Quality, u.Down.Quality))] },
    { title: 'Sends', className: 'num', text: (u) => bits(u.sends) },
    { title: 'Gets', className: 'num', text: (u) => bits(u.gets) },
    { title: 'Loss up', className: 'num wide', text: (u) => percent(u.Up.Loss) },
    { title: 'Loss down', className: 'num wide', text: (u) => percent(u.Down.Loss) },
    { title: 'RTT', className: 'num', text: (u) => milliseconds(u.RttMs || null) },
    { title: 'Streams', className: 'wide', text: (u) => u.Streams.map((/** @type {any} */ s) => s.Source + (s.Blocked ? ' (blocked)' : s.On ? '' : ' (off)')).join(', ') },
    { title: 'Role', className: 'wide', text: (u) => u.Role },
    { title: 'For', className: 'num wide', text: (u) => span(Date.now() - u.SinceMs) },
    { title: 'Commands', className: 'acts wide', text: (u) => `${u.UserId} ${u.Block} ${u.Name ?? ''}`, children: (u) => [
      el('button', { type: 'button', className: 'small', 'aria-label': `Block ${u.UserId}…`, onclick: () => block(ref, u) }, u.Block === 'none' ? 'Block…' : `Blocked: ${u.Block}…`), ' ',
      el('button', { type: 'button', className: 'small', 'aria-label': `Remove ${u.UserId}…`, onclick: () => remove(ref, u) }, 'Remove…')] },
  ], { empty: 'Nobody is in the room.' });
  const events = eventTable('Events of the room');
  const back = /** @type {HTMLButtonElement} */ (el('button', { type: 'button', className: 'secondary', onclick: () => { pages.pop(); again(); } }, 'Previous'));
  const on = /** @type {HTMLButtonElement} */ (el('button', { type: 'button', className: 'secondary', onclick: () => { if (next) pages.push(next); again(); } }, 'Next'));
  const root = el('div', { className: 'view' }, el('p', { className: 'up' }, el('a', { href: '#/rooms' }, 'Rooms')), el('h1', {}, 'Room ', bdi(nameOf(ref))), facts, gone,
    el('div', { className: 'buttons start' }, el('button', { type: 'button', className: 'secondary', onclick: () => message(ref, null) }, 'Message to all…'), el('button', { type: 'button', className: 'danger quiet', onclick: () => dismiss(ref, users) }, 'Dismiss the room…')),
    el('h2', {}, 'Users'), list.root, el('div', { className: 'buttons start' }, back, on), el('h2', {}, 'Events'), events.root);

  /** @param {AbortSignal} signal */
  async function refresh(signal) {
    if (round++ % 3 === 0) events.update((await command('ListEvents', { ...ref, Limit: 50 }, signal)).Events);
    /** @type {any} */
    let a;
    try {
      a = await command('DescribeRoom', { ...ref, After: pages.at(-1) || undefined, Limit: 100 }, signal);
    } catch (e) {
      if (/** @type {any} */ (e).code !== 'room_not_found') throw e;
      setText(gone, 'There is no such room at present.');
      users = 0;
      list.update([]);
      return;
    }
    users = a.Users;
    next = a.Next ?? '';
    setText(gone, '');
    setText(facts, `${a.Scene}, ${several(a.Users, 'user')}, of them ${count(a.Publishers)} publish and ${count(a.Poor)} are on poor networks; on node ${a.Node} for ${span(Date.now() - a.CreatedMs)}${a.Shedding ? `; it does not keep up, and leaves out: ${a.Shedding}` : ''}`);
    for (const u of a.UserList) {
      const sent = u.Streams.reduce((/** @type {number} */ n, /** @type {any} */ s) => n + s.Bytes, 0);
      u.sends = times8(rates.of(`${u.SessionId} up`, sent, a.TimeMs));
      u.gets = times8(rates.of(`${u.SessionId} down`, u.Received.Bytes, a.TimeMs));
    }
    rates.forget(a.TimeMs);
    list.update(a.UserList.map((/** @type {any} */ u) => ({ key: u.UserId, value: u })));
    back.disabled = pages.length < 2;
    on.disabled = !next;
  }
  return { title: `Room ${nameOf(ref)}`, root, refresh };
}

/** @param {number | null} bytes a second */
export const times8 = (bytes) => (bytes === null ? null : 8 * bytes);
