// Histories of several nodes on one axis of time, and rates.

import assert from 'node:assert/strict';
import test from 'node:test';

import { columns, counted, extend, latest, loss, moments, Rates, reasons, sum, users } from '../series.js';

/** @param {number} t @param {object} [more] */
const point = (t, more = {}) => ({ TimeMs: t, Rooms: 1, ExpectedUp: 0, LostUp: 0, Qualities: [0, 1, 2, 3, 4, 5, 6], ...more });
/** @param {string} node @param {...number} times */
const history = (node, ...times) => ({ Node: node, EveryMs: 5000, Points: times.map((t) => point(t)) });

test('later points are added once, and old ones forgotten', () => {
  const known = new Map();
  extend(known, [history('n1', 1000, 6000), history('n2', 2000)]);
  assert.equal(latest(known), 2000);
  extend(known, [history('n1', 6000, 11000), history('n2')]);
  assert.deepEqual(known.get('n1').Points.map((/** @type {any} */ p) => p.TimeMs), [1000, 6000, 11000]);
  extend(known, [history('n1', ...Array.from({ length: 300 }, (_, i) => 16000 + 5000 * i))]);
  assert.equal(known.get('n1').Points.length, 180);
  assert.equal(known.has('n2'), false, 'a node that has told nothing for as long as is shown');
});

test('points of nodes are summed step by step, and none is missed where a clock differs', () => {
  const all = moments([history('n1', 1000, 6000, 11000), history('n2', 4900, 9900, 15100)]);
  assert.deepEqual(columns(all, [sum('Rooms')]), [[0, 5, 10], [2, 2, 2]]);
  assert.deepEqual(moments([]), []);
  assert.deepEqual(moments([history('n1')]), []);
});

test('a node that has ended is not waited for', () => {
  const gone = history('n2', 1000, 6000);
  const all = moments([history('n1', ...Array.from({ length: 8 }, (_, i) => 1000 + 5000 * i)), gone]);
  assert.deepEqual(columns(all, [sum('Rooms')])[1], [2, 2, 1, 1, 1, 1, 1, 1]);
});

test('shares and counts', () => {
  const points = [point(0, { ExpectedUp: 60, LostUp: 3, Leaves: { exit: 2 } }), point(0, { ExpectedUp: 40, LostUp: 2, Leaves: { exit: 1, timeout: 4 } })];
  assert.equal(loss('Up')(points), 5);
  assert.equal(loss('Up')([point(0)]), null);
  assert.equal(users(1, 2)(points), 6);
  assert.equal(counted(['Leaves'], 'exit')(points), 3);
  assert.deepEqual(reasons([{ points }], ['Leaves', 'Joins'], 1), ['timeout']);
});

test('rates of counters that begin anew', () => {
  const r = new Rates();
  assert.equal(r.of('a', 100, 1000), null);
  assert.equal(r.of('a', 300, 3000), 100);
  assert.equal(r.of('a', 300, 3000), 100, 'the same answer again');
  assert.equal(r.of('a', 50, 5000), null);
  r.forget(6000);
  assert.equal(r.of('a', 60, 7000), null);
});
