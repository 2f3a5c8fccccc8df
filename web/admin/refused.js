// The view of those who were refused of late, and why.

import { command } from './api.js';
import { bdi, el, setText, table } from './dom.js';
import { count, several, time } from './format.js';
import { missing } from './page.js';

/** @returns {import('./page.js').View} */
export function refused() {
  const summary = el('p', { className: 'soft' });
  const note = el('p', { className: 'note' });
  const list = table('Refused', [
    { title: 'Time', text: (r) => time(r.TimeMs) },
    { title: 'Reason', text: (r) => r.Reason, children: (r) => [el('span', { className: 'tag' }, r.Reason)] },
    { title: 'Why', text: (r) => r.Why ?? (r.Field ? `a fault in ${r.Field}` : '') },
    { title: 'Times', className: 'num', text: (r) => count(r.Times) },
    { title: 'User', text: (r) => r.UserId ?? '', children: (r) => [bdi(r.UserId)] },
    { title: 'Room', text: (r) => r.Room ?? '', children: (r) => [bdi((r.Room ?? '').replace(/^n:/, '#').replace(/^s:/, ''))] },
    { title: 'Address', text: (r) => r.Address ?? '' },
    { title: 'Door', className: 'wide', text: (r) => r.Door },
    { title: 'Node', className: 'wide', text: (r) => r.Node },
  ], { empty: 'Nobody was refused.' });
  const root = el('div', { className: 'view' }, el('h1', {}, 'Refused'), el('p', { className: 'soft' }, 'The latest of each node. What was shown to get in is not kept.'), summary, note, list.root);
  /** @param {AbortSignal} signal */
  async function refresh(signal) {
    const a = await command('ListRefusals', {}, signal);
    list.update(a.Refusals.map((/** @type {any} */ r) => ({ key: [r.Node, r.Door, r.Reason, r.Address, r.Room, r.UserId, r.Field].join('\n'), value: r })));
    setText(summary, several(a.Refusals.length, 'entry', 'entries'));
    setText(note, missing(a.NodesMissing));
  }
  return { title: 'Refused', root, refresh };
}
