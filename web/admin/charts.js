// Graphs over the last quarter of an hour, drawn by uPlot. Each has its numbers as text beside it, and as a table
// for those who see no graph.

import { el, setText } from './dom.js';
import { time } from './format.js';

const UPlot = /** @type {any} */ (globalThis).uPlot;

/** @param {string} name */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const whole = [1, 2, 5].flatMap((n) => [0, 1, 2, 3, 4, 5, 6, 7, 8].map((e) => n * 10 ** e)).sort((a, b) => a - b);

const palette = ['--c1', '--c2', '--c3', '--c4', '--c5', '--c6', '--c7'];

/**
 * @typedef {object} Line
 * @property {string} name
 * @property {(points: any[]) => number | null} of
 */

/**
 * @param {string} title
 * @param {(n: number | null | undefined) => string} words
 * @param {{least?: number, whole?: boolean, note?: string}} [o] least: the height of the axis, if nothing is higher; whole:
 *   there are no parts of one
 */
export function chart(title, words, o = {}) {
  const canvas = el('div', { className: 'plot', role: 'img', 'aria-label': title });
  const keys = el('ul', { className: 'keys' });
  const list = el('tbody');
  const head = el('tr');
  const details = /** @type {HTMLDetailsElement} */ (el('details', { ontoggle: fillTable }, el('summary', {}, 'Numbers'),
    el('div', { className: 'scroll', role: 'region', 'aria-label': `${title}, numbers`, tabIndex: 0 },
      el('table', {}, el('caption', { className: 'sr' }, `${title}, a row a minute`), el('thead', {}, head), list))));
  const root = el('section', { className: 'chart' }, el('h3', {}, title), o.note ? el('p', { className: 'soft' }, o.note) : null, keys, canvas, details);

  /** @type {any} */
  let plot = null;
  /** @type {Line[]} */
  let lines = [];
  /** @type {(number | null)[][]} */
  let data = [[]];

  /** @param {number | null} at of the row that is pointed at */
  function showKeys(at) {
    const row = at ?? data[0].length - 1;
    [...keys.children].forEach((li, i) => setText(/** @type {Element} */ (li.lastElementChild), words(data[i + 1]?.[row])));
  }

  function fillTable() {
    if (!details.open) return;
    head.replaceChildren(el('th', { scope: 'col' }, 'Time'), ...lines.map((l) => el('th', { scope: 'col', className: 'num' }, l.name)));
    const rows = [];
    for (let i = data[0].length - 1; i >= 0; i -= 12) {
      rows.push(el('tr', {}, el('th', { scope: 'row' }, time((data[0][i] ?? 0) * 1000)), ...lines.map((_, n) => el('td', { className: 'num' }, words(data[n + 1][i])))));
    }
    list.replaceChildren(...rows);
  }

  function draw() {
    plot?.destroy();
    const soft = colour('--soft');
    const grid = { stroke: colour('--line'), width: 1 };
    plot = new UPlot({
      width: Math.max(200, canvas.clientWidth), height: 150, legend: { show: false }, padding: [8, 20, 0, 0],
      cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
      hooks: { setCursor: [(/** @type {any} */ u) => showKeys(u.cursor.idx ?? null)] },
      scales: {
        // Without a sample there is no last one: a node that is seconds old.
        x: { range: (/** @type {any} */ _, /** @type {number} */ _first, /** @type {number} */ last) => [-900, 0].map((s) => s + (last || Date.now() / 1000)) },
        y: { range: (/** @type {any} */ _, /** @type {number} */ _low, /** @type {number} */ high) => [0, Math.max(o.least ?? 1, high) * 1.1] },
      },
      axes: [
        { stroke: soft, grid: { show: false }, ticks: grid, size: 30, space: 60, values: (/** @type {any} */ _, /** @type {number[]} */ t) => t.map((s) => time(s * 1000).slice(0, 5)) },
        { stroke: soft, grid, ticks: { show: false }, size: 76, space: 40, ...(o.whole ? { incrs: whole } : {}), values: (/** @type {any} */ _, /** @type {number[]} */ v) => v.map((n) => (n === 0 ? '0' : words(n))) },
      ],
      series: [{}, ...lines.map((l, i) => ({ label: l.name, stroke: colour(palette[i % palette.length]), width: 1.75, points: { show: false } }))],
    }, data, canvas);
  }

  /**
   * @param {Line[]} wanted
   * @param {(number | null)[][]} now a column for the times, and one for each line
   */
  function update(wanted, now) {
    const other = wanted.length !== lines.length || wanted.some((l, i) => l.name !== lines[i].name);
    lines = wanted;
    data = now;
    if (other) {
      keys.replaceChildren(...lines.map((l, i) => el('li', {}, el('span', { className: `key key${i % palette.length}`, 'aria-hidden': 'true' }), `${l.name} `, el('b', {}, '–'))));
    }
    if (other || !plot) draw();
    else plot.setData(data);
    showKeys(plot?.cursor?.idx ?? null);
    const said = lines.map((l, i) => {
      const seen = data[i + 1].filter((n) => n !== null);
      return `${l.name}: now ${words(data[i + 1].at(-1))}, at most ${words(seen.length ? Math.max(.../** @type {number[]} */ (seen)) : null)}`;
    });
    canvas.setAttribute('aria-label', `${title}, the last 15 minutes. ${said.join('. ') || 'Nothing.'}`);
    fillTable();
  }

  const seen = new ResizeObserver(() => plot?.setSize({ width: Math.max(200, canvas.clientWidth), height: 150 }));
  seen.observe(canvas);
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const redraw = () => plot && draw();
  dark.addEventListener('change', redraw);
  function end() {
    seen.disconnect();
    dark.removeEventListener('change', redraw);
    plot?.destroy();
  }
  return { root, update, end };
}
