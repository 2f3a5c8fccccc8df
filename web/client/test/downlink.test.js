// What a client says of its network when it enters.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Downlink } from '../downlink.js';
import { Signal } from '../signal.js';
import { FakeClock, FakeNode } from './fakes.js';

const report = (estimateKbps) => ({ type: 'statistics', down: { estimateKbps } });

/** @param {unknown} connection */
function browser(t, connection) {
  Object.defineProperty(globalThis, 'navigator', { value: { connection }, configurable: true });
  t.after(() => Object.defineProperty(globalThis, 'navigator', { value: undefined, configurable: true }));
}

test('what the node has said of late is expected, and a little less', async (t) => {
  browser(t, undefined);
  const clock = new FakeClock();
  const d = new Downlink(clock);
  assert.equal(d.expected(), undefined);
  d.took(report(undefined));
  d.took(report(0));
  assert.equal(d.expected(), undefined);
  d.took(report(1000));
  d.took(report(0));
  assert.equal(d.expected(), 800);
  await clock.advance(9 * 60_000);
  assert.equal(d.expected(), 800);
  await clock.advance(60_001);
  assert.equal(d.expected(), undefined, 'that was another network, perhaps');
});

test('else what the browser guesses, within bounds', (t) => {
  for (const [guess, expected] of [[0, 300], [0.05, 300], [1.45, 1450], [10, 2500], [NaN, undefined], ['3', undefined]]) {
    browser(t, { downlink: guess });
    assert.equal(new Downlink(new FakeClock()).expected(), expected, String(guess));
  }
  const d = new Downlink(new FakeClock());
  d.took(report(5000));
  assert.equal(d.expected(), 4000, 'what was seen goes before');
});

test('it is said when entering', async () => {
  const node = new FakeNode();
  const noop = () => {};
  const signal = new Signal({
    url: 'ws://node/rtc', enter: { room: 'lobby', user: 'ann' }, downlink: () => 800, clock: new FakeClock(), random: () => 0.5, WebSocket: node.WebSocket, beacon: noop,
    handlers: { event: noop, report: noop, state: noop, lost: noop, recovered: noop, resumed: noop, reentered: noop, refused: noop },
  });
  await signal.start();
  assert.deepEqual(node.received[0], { type: 'enter', room: 'lobby', user: 'ann', downlinkKbps: 800, id: 1 });
});
