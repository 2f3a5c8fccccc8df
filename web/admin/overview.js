// The view of nodes: what each has to do, and graphs of the last quarter of an hour, of one or of all.

import { command } from './api.js';
import { drain } from './actions.js';
import { chart } from './charts.js';
import { bdi, el, setText, table } from './dom.js';
import { bits, bytes, count, percent, rate, several, span, time } from './format.js';
import { missing } from './page.js';
import { columns, counted, extend, latest, loss, moments, reasons, sum, users } from './series.js';

/** The history, kept while other views are shown. @type {Map<string, import('./series.js').History>} */
const known = new Map();
let asked = 0;
let chosen = '';

/** Keeps nothing of what was shown. */
export function forget() {
  known.clear();
  asked = 0;
  chosen = '';
}

/** @returns {import('./page.js').View} */
export function overview() {
  const summary = el('p', { className: 'soft' });
  const note = el('p', { className: 'note' });
  const nodes = table('Nodes', [
    { title: 'Node', text: (n) => n.Node, children: (n) => [bdi(n.Node)] },
    { title: 'State', text: (n) => (n.Draining ? `drains until ${time(n.DrainEndsMs)}` : 'takes users'), children: (n) => [el('span', { className: n.Draining ? 'tag warn' : 'tag good' }, n.Draining ? `drains until ${time(n.DrainEndsMs)}` : 'takes users')] },
    { title: 'CPU', className: 'num', text: (n) => percent(Math.round(n.Cpu * 1000) / 1000) },
    { title: 'Rooms', className: 'num', text: (n) => count(n.Rooms) },
    { title: 'Users', className: 'num', text: (n) => count(n.Participants) },
    { title: 'Publish', className: 'num wide', text: (n) => count(n.Publishers) },
    { title: 'In', className: 'num', text: (n) => bits(n.BitsInPerSecond) },
    { title: 'Out', className: 'num', text: (n) => bits(n.BitsOutPerSecond) },
    { title: 'Packets in', className: 'num wide', text: (n) => rate(n.PacketsInPerSecond) },
    { title: 'Packets out', className: 'num wide', text: (n) => rate(n.PacketsOutPerSecond) },
    { title: 'Memory', className: 'num wide extra', text: (n) => bytes(n.MemoryBytes) },
    { title: 'Up for', className: 'num wide extra', text: (n) => span(Date.now() - n.StartedMs) },
    { title: 'Version', className: 'wide extra', text: (n) => n.Version },
    { title: 'Commands', text: (n) => `${n.Node} ${n.Rooms}`, children: (n) => [el('button', { type: 'button', className: 'small', onclick: () => drain(n) }, 'Drain…')] },
  ], { empty: 'No node has answered.' });

  const select = /** @type {HTMLSelectElement} */ (el('select', { id: 'of-node', onchange: () => { chosen = select.value; draw(); } }));
  const charts = {
    packets: chart('Packets a second', rate, { least: 10 }),
    bits: chart('Bandwidth', bits, { least: 1000 }),
    loss: chart('Loss', (n) => percent(n === null || n === undefined ? null : n / 100), { note: 'Share of packets, before they are repaired.' }),
    quality: chart('Users by quality', count, { whole: true, note: 'The worse of both directions.' }),
    joins: chart('Enterings in 5 s', count, { whole: true }),
    leaves: chart('Leavings in 5 s', count, { whole: true }),
    drops: chart('Packets dropped in 5 s', count, { whole: true, note: 'The reasons are explained in the documentation.' }),
    load: chart('CPU', percent, { least: 0.05, note: 'Of all cores; of several nodes the busiest.' }),
  };
  const root = el('div', { className: 'view' }, el('h1', {}, 'Nodes'), summary, note, nodes.root,
    el('div', { className: 'between' }, el('h2', {}, 'The last quarter of an hour'), el('p', { className: 'pick' }, el('label', { for: 'of-node' }, 'Of '), select)),
    el('div', { className: 'charts' }, ...Object.values(charts).map((c) => c.root)));

  function options() {
    const names = ['', ...[...known.keys()].sort()];
    if (!names.includes(chosen)) chosen = '';
    if ([...select.options].map((o) => o.value).join('\n') === names.join('\n')) return;
    select.replaceChildren(...names.map((n) => el('option', { value: n }, n || 'all nodes')));
    select.value = chosen;
  }

  function draw() {
    options();
    const all = moments([...known.values()].filter((h) => !chosen || h.Node === chosen));
    /** @param {keyof typeof charts} name @param {import('./charts.js').Line[]} lines */
    const put = (name, ...lines) => charts[name].update(lines, columns(all, lines.map((l) => l.of)));
    put('packets', { name: 'received', of: sum('PacketsInPerSecond') }, { name: 'sent', of: sum('PacketsOutPerSecond') });
    put('bits', { name: 'received', of: sum('BitsInPerSecond') }, { name: 'sent', of: sum('BitsOutPerSecond') });
    put('loss', { name: 'users to node', of: loss('Up') }, { name: 'node to users', of: loss('Down') });
    put('quality', { name: 'excellent or good', of: users(1, 2) }, { name: 'poor', of: users(3, 3) }, { name: 'bad or very bad', of: users(4, 5) }, { name: 'down', of: users(6, 6) }, { name: 'unknown', of: users(0, 0) });
    put('load', { name: 'CPU', of: (points) => Math.max(...points.map((p) => p.Cpu)) });
    /** @param {keyof typeof charts} name @param {string[]} fields */
    const byReason = (name, fields) => put(name, ...reasons(all, fields, 6).map((r) => ({ name: r, of: counted(fields, r) })));
    byReason('joins', ['Joins']);
    byReason('leaves', ['Leaves']);
    byReason('drops', ['Drops', 'WireDrops']);
  }

  /** @param {AbortSignal} signal */
  async function refresh(signal) {
    const now = await command('DescribeNode', {}, signal);
    nodes.update(now.Nodes.map((/** @type {any} */ n) => ({ key: n.Node, value: n })));
    const of = (/** @type {string} */ field) => now.Nodes.reduce((/** @type {number} */ a, /** @type {any} */ n) => a + n[field], 0);
    setText(summary, `${several(now.Nodes.length, 'node')}, ${several(of('Rooms'), 'room')}, ${several(of('Participants'), 'user')}, ${bits(of('BitsInPerSecond'))} in, ${bits(of('BitsOutPerSecond'))} out`);
    setText(note, missing(now.NodesMissing));
    if (known.size > 0 && Date.now() - asked < 5000) return;
    asked = Date.now();
    extend(known, (await command('DescribeHistory', { AfterMs: latest(known) }, signal)).Nodes);
    draw();
  }
  if (known.size > 0) queueMicrotask(draw);
  return { title: 'Nodes', root, refresh, end: () => Object.values(charts).forEach((c) => c.end()) };
}
