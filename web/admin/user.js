// The view of one user: its network, what it sends and who gets that, whom it sees, and what happened to it.

import { block, message, remove } from './actions.js';
import { command } from './api.js';
import { bdi, el, refill, setText, table } from './dom.js';
import { bits, count, date, keyOf, milliseconds, nameOf, percent, quality, roomOf, span } from './format.js';
import { eventTable, qualityTag, times8, userLink } from './room.js';
import { Rates } from './series.js';

const limits = /** @type {Record<string, string>} */ ({ none: 'nothing', delay: 'its network: packets wait', loss: 'its network: packets are lost', publisher: 'what the publishers send', application: 'what its application asks for', unknown: 'unknown' });

/**
 * @param {string} key of the room
 * @param {string} id
 * @returns {import('./page.js').View}
 */
export function user(key, id) {
  const ref = roomOf(key);
  const rates = new Rates();
  let round = 0;
  /** @type {any} */
  let now = null;

  const name = el('span');
  const gone = el('p', { className: 'note', role: 'status' });
  const facts = el('dl', { className: 'facts' });
  const metadata = el('section', { hidden: true });
  const layers = table('Streams that it sends', [
    { title: 'Source', text: (l) => l.Source },
    { title: 'Layer', text: (l) => l.Rid ?? '' },
    { title: 'State', text: (l) => (l.Off ? 'off: nobody wants it' : l.Live ? 'live' : 'no packets') },
    { title: 'Rate', className: 'num', text: (l) => bits(l.rate) },
    { title: 'Codec', className: 'wide', text: (l) => l.codec ?? '' },
    { title: 'Lost', className: 'num', text: (l) => count(l.Lost) },
    { title: 'Jitter', className: 'num wide', text: (l) => milliseconds(l.JitterMs) },
    { title: 'Viewers', className: 'num', text: (l) => count(l.Viewers) },
  ], { empty: 'It sends nothing.' });
  const seen = table('Who gets them', [
    { title: 'Source', text: (l) => l.Source },
    { title: 'Layer', text: (l) => l.Rid ?? '' },
    { title: 'Users', text: (l) => (l.SeenBy ?? []).join(' '), children: (l) => [...(l.SeenBy ?? []).flatMap((/** @type {string} */ u, /** @type {number} */ i) => [i ? ', ' : '', userLink(ref, u)]), l.Viewers > (l.SeenBy ?? []).length ? ` and ${l.Viewers - l.SeenBy.length} more` : ''] },
  ], { empty: 'Nobody gets anything of it.' });
  const views = table('Streams that it gets', [
    { title: 'Of', text: (v) => v.UserId, children: (v) => [userLink(ref, v.UserId)] },
    { title: 'Source', text: (v) => v.Source },
    { title: 'State', text: (v) => (v.Hidden ? 'not shown' : v.State), children: (v) => [el('span', { className: `tag ${v.Hidden ? '' : v.State === 'live' ? 'good' : v.State === 'paused' ? 'bad' : ''}` }, v.Hidden ? 'not shown' : v.State)] },
    { title: 'Layer', className: 'num', text: (v) => (v.Source === 'camera' || v.Source === 'screen' ? v.Layer : '') },
    { title: 'Rate', className: 'num', text: (v) => bits(v.rate) },
    { title: 'Codec', className: 'wide', text: (v) => v.Codec ?? '' },
    { title: 'Lost', className: 'num', text: (v) => count(v.Lost) },
    { title: 'Sent again', className: 'num wide', text: (v) => count(v.Resent) },
    { title: 'Jitter', className: 'num wide', text: (v) => milliseconds(v.JitterMs) },
  ], { empty: 'It is sent nothing.' });
  const events = eventTable('Events of the user', false);
  const act = (/** @type {string} */ text, /** @type {string} */ className, /** @type {(u: any) => void} */ f) => el('button', { type: 'button', className, onclick: () => f(now ?? { UserId: id, Block: 'none' }) }, text);
  const root = el('div', { className: 'view' }, el('p', { className: 'up' }, el('a', { href: `#/room/${encodeURIComponent(key)}` }, 'Room ', bdi(nameOf(ref)))), el('h1', {}, 'User ', name, bdi(id)), gone,
    el('div', { className: 'buttons start' }, act('Message…', 'secondary', (u) => message(ref, u)), act('Block…', 'secondary', (u) => block(ref, u)), act('Remove…', 'danger quiet', (u) => remove(ref, u))),
    facts, metadata, el('h2', {}, 'Sends'), layers.root, el('h2', {}, 'Who gets it'), seen.root, el('h2', {}, 'Gets'), views.root, el('h2', {}, 'Events'), events.root);

  /** @param {string} title @param {(Node | string)[]} value */
  const fact = (title, ...value) => el('div', {}, el('dt', {}, title), el('dd', {}, ...value));

  /** @param {any} u @param {number} t */
  function tell(u, t) {
    const sends = times8(rates.of('up', u.Streams.reduce((/** @type {number} */ n, /** @type {any} */ s) => n + s.Bytes, 0), t));
    const gets = times8(rates.of('down', u.Received.Bytes, t));
    const way = u.Media.Protocol ? `${u.Media.Protocol.toUpperCase()} from ${u.Media.Address}` : 'not connected';
    const made = [
      ['Quality', qualityTag(u.Up.Quality), ' up, ', qualityTag(u.Down.Quality), ' down'], ['Loss', `${percent(u.Up.Loss)} up, ${percent(u.Down.Loss)} down`], ['Round trip', milliseconds(u.RttMs || null)],
      ['Rate', `${bits(sends)} up, ${bits(gets)} down`], ['Its network carries', u.Network.EstimateKbps ? `${bits(1000 * u.Network.EstimateKbps)}; packets wait ${milliseconds(u.Network.QueueMs)}` : 'not known'],
      ['Larger pictures: held back by', limits[u.Network.LimitedBy] ?? u.Network.LimitedBy],
      ['Media', way], ['Came from', bdi(u.Address ?? 'unknown')], ['Browser', bdi(u.UserAgent || (u.MediaOnly ? 'unknown: WHIP or WHEP' : 'unknown'))],
      ['Role', u.Role], ['Blocked', u.Block === 'none' ? 'nothing' : u.Block], ['Signalling', u.Connected ? 'connected' : 'lost'], ['Inside', `since ${date(u.SinceMs)}, for ${span(Date.now() - u.SinceMs)}`],
      ['Node', u.Node], ['Rights', u.Rights.join(', ')],
    ];
    const text = (/** @type {any[]} */ l) => l.map((x) => (x instanceof Node ? x.textContent : x)).join('');
    refill(facts, made.map(text).join('\n'), () => made.map(([title, ...value]) => fact(String(title), .../** @type {any} */ (value))));
    setText(name, u.Name ?? '');
    name.className = u.Name ? 'name' : '';
    metadata.hidden = !u.Metadata;
    refill(metadata, u.Metadata ?? '', () => [el('h2', {}, 'Metadata'), el('pre', {}, bdi(u.Metadata ?? ''))]);
  }

  /** @param {AbortSignal} signal */
  async function refresh(signal) {
    if (round++ % 3 === 0) events.update((await command('ListEvents', { ...ref, UserId: id, Limit: 100 }, signal)).Events);
    /** @type {any} */
    let a;
    try {
      a = await command('DescribeUser', { ...ref, UserId: id }, signal);
    } catch (e) {
      if (!['room_not_found', 'user_not_found'].includes(/** @type {any} */ (e).code)) throw e;
      setText(gone, `${id} is not in the room ${nameOf(ref)} at present. What happened is below, as long as it is remembered.`);
      now = null;
      facts.replaceChildren();
      delete facts.dataset.made;
      [layers, seen, views].forEach((t) => t.update([]));
      return;
    }
    setText(gone, '');
    const u = (now = a.Rooms[0]);
    const codecs = Object.fromEntries(u.Streams.map((/** @type {any} */ s) => [s.Source, s.Codec]));
    const sent = u.Layers.map((/** @type {any} */ l, /** @type {number} */ i) => ({ key: `${i} ${l.Source} ${l.Rid ?? ''}`, value: { ...l, codec: codecs[l.Source], rate: times8(rates.of(`layer ${i} ${l.Source}`, l.Bytes, a.TimeMs)) } }));
    tell(u, a.TimeMs);
    layers.update(sent);
    seen.update(sent.filter((/** @type {any} */ l) => l.value.Viewers > 0));
    views.update(u.Views.map((/** @type {any} */ v, /** @type {number} */ i) => ({ key: `${i}`, value: { ...v, rate: times8(rates.of(`view ${i} ${v.UserId} ${v.Source}`, v.Bytes, a.TimeMs)) } })));
    rates.forget(a.TimeMs);
  }
  return { title: `User ${id}`, root, refresh };
}

/**
 * Every room that a user is in.
 * @param {string} id
 * @returns {import('./page.js').View}
 */
export function find(id) {
  const note = el('p', { className: 'note', role: 'status' });
  const list = table('Rooms of the user', [
    { title: 'Room', text: (u) => keyOf(u), children: (u) => [el('a', { href: `#/user/${encodeURIComponent(keyOf(u))}/${encodeURIComponent(id)}` }, bdi(nameOf(u)))] },
    { title: 'Quality', text: (u) => quality(Math.max(u.Up.Quality, u.Down.Quality)) },
    { title: 'Role', text: (u) => u.Role },
    { title: 'For', className: 'num', text: (u) => span(Date.now() - u.SinceMs) },
    { title: 'Node', className: 'wide', text: (u) => u.Node },
  ], { empty: 'The user is in no room.' });
  const events = eventTable('Events of the user', false);
  const root = el('div', { className: 'view' }, el('h1', {}, 'Rooms of ', bdi(id)), note, list.root, el('h2', {}, 'Events'), events.root);
  /** @param {AbortSignal} signal */
  async function refresh(signal) {
    events.update((await command('ListEvents', { UserId: id, Limit: 100 }, signal)).Events);
    try {
      list.update((await command('DescribeUser', { UserId: id }, signal)).Rooms.map((/** @type {any} */ u) => ({ key: keyOf(u), value: u })));
    } catch (e) {
      if (/** @type {any} */ (e).code !== 'user_not_found') throw e;
      list.update([]);
    }
  }
  return { title: `Rooms of ${id}`, root, refresh };
}
