import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CALLS, options } from '../check.js';
import { Ice } from '../ice.js';
import { FakeClock } from './fakes.js';

const server = (username) => ({ urls: ['turns:sfu.example.org:443?transport=tcp'], username, credential: 'x' });

test('the servers of the node come first, then those of the application', () => {
  const own = { urls: 'stun:stun.example.org' };
  const ice = new Ice({ clock: new FakeClock(), ask: async () => ({}), onChange: () => {}, own: { iceServers: [own], iceTransportPolicy: 'relay' } });
  assert.deepEqual(ice.config, { iceServers: [own], iceTransportPolicy: 'relay' });
  ice.reset({ iceServers: [server('a')] });
  assert.deepEqual(ice.config, { iceServers: [server('a'), own], iceTransportPolicy: 'relay' });
  ice.reset();
  assert.deepEqual(ice.config.iceServers, [own]);
  const plain = new Ice({ clock: new FakeClock(), ask: async () => ({}), onChange: () => {}, own: {} });
  assert.deepEqual(plain.config, { iceServers: [], iceTransportPolicy: 'all' });
});

test('credentials are renewed before they end, also after a failure', async () => {
  const clock = new FakeClock();
  let asked = 0;
  const seen = [];
  const ice = new Ice({
    clock, own: {},
    ask: async () => {
      if (++asked === 1) throw new Error('away');
      return { iceServers: [server(`b${asked}`)], iceExpiresInMs: 60_000 };
    },
    onChange: (config) => seen.push(config.iceServers[0].username),
  });
  ice.reset({ iceServers: [server('a')], iceExpiresInMs: 60_000 });
  await clock.advance(39_000);
  assert.equal(asked, 0);
  await clock.advance(2000);
  assert.equal(asked, 1);
  await clock.advance(10_000);
  assert.deepEqual(seen, ['b2']);
  await clock.advance(40_000);
  assert.deepEqual(seen, ['b2', 'b3']);
  ice.reset();
  await clock.advance(600_000);
  assert.equal(asked, 3);
  assert.equal(clock.waiting, 0);
});

test('an answer that comes after the session is of no effect', async () => {
  const clock = new FakeClock();
  let answer;
  const seen = [];
  const ice = new Ice({ clock, own: {}, ask: () => new Promise((resolve) => { answer = resolve; }), onChange: (c) => seen.push(c) });
  ice.reset({ iceServers: [server('a')], iceExpiresInMs: 3000 });
  await clock.advance(2000);
  ice.reset({ iceServers: [server('other node')], iceExpiresInMs: 3_600_000 });
  answer({ iceServers: [server('late')], iceExpiresInMs: 3000 });
  await clock.advance(1);
  assert.equal(ice.config.iceServers[0].username, 'other node');
  assert.deepEqual(seen, []);
});

test('options of ICE are looked at', () => {
  const good = [
    { iceServers: [] }, { iceServers: [{ urls: 'stun:a' }, server('a')] }, { iceTransportPolicy: 'relay' }, { iceServers: undefined },
  ];
  for (const o of good) assert.equal(options(o, CALLS.create), o);
  const bad = [
    { iceServers: 'turn:a' }, { iceServers: [null] }, { iceServers: [{}] }, { iceServers: [{ urls: [] }] }, { iceServers: [{ urls: 'http://a' }] },
    { iceServers: [{ urls: 'turn:a' }] }, { iceServers: [{ urls: ['stun:a', 'turns:a'], username: 'a' }] }, { iceServers: [{ urls: [1] }] },
  ];
  for (const o of bad) assert.throws(() => options(o, CALLS.create), { code: 'invalid_parameter', field: 'iceServers' }, JSON.stringify(o));
  assert.throws(() => options({ iceTransportPolicy: 'public' }, CALLS.create), { code: 'invalid_parameter', field: 'iceTransportPolicy' });
});
