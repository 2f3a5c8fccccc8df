// A client among several nodes: sent on, put out by a node that shuts down, left by one that dies.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Nodes } from '../nodes.js';
import { Roster } from '../roster.js';
import { Signal } from '../signal.js';
import { FakeClock, FakeNode, settle } from './fakes.js';

/** Three nodes, a, b and c, reached at http://a and so on; each tells of the other two. */
function setUp(random = 0.5) {
  const clock = new FakeClock();
  const nodes = {};
  const tried = [];
  for (const name of ['a', 'b', 'c']) {
    nodes[name] = new FakeNode();
    nodes[name].entered = { node: name, session: `S-${name}`, nodes: ['a', 'b', 'c'].filter((n) => n !== name).map((n) => `http://${n}`) };
  }
  const log = [];
  const moved = [];
  const events = [];
  const beacons = [];
  const note = (name) => (x) => log.push(x?.code ? `${name} ${x.code}` : typeof x === 'string' ? `${name} ${x}` : name);
  const signal = new Signal({
    url: 'ws://a/rtc', enter: { room: 'lobby', user: 'ann', token: 'T' }, clock, random: () => random,
    WebSocket: function (url, protocol) {
      tried.push(new URL(url).host);
      return new nodes[new URL(url).host].WebSocket(url, protocol);
    },
    beacon: (body, url) => beacons.push(url),
    handlers: {
      event: (e) => events.push(e), state: note('state'), lost: note('lost'), recovered: note('recovered'), resumed: note('resumed'),
      reentered: (e, m) => { log.push(`reentered ${e.node}`); moved.push(m); }, refused: note('refused'),
    },
  });
  return { clock, ...nodes, tried, log, moved, events, beacons, signal };
}

async function entered(random) {
  const t = setUp(random);
  await t.signal.start();
  t.log.length = t.tried.length = 0;
  return t;
}

const redirect = (node) => ({ type: 'redirect', node, url: `http://${node}` });

test('entering follows the room to its node', async () => {
  const t = setUp();
  t.a.answers.enter = redirect('b');
  const e = await t.signal.start();
  assert.equal(e.node, 'b');
  assert.deepEqual(t.tried, ['a', 'b']);
  assert.deepEqual(t.b.received.map(({ type, room, token }) => [type, room, token]), [['enter', 'lobby', 'T']]);
  assert.deepEqual(t.log, ['state connecting', 'state connected']);
  t.signal.farewell();
  assert.deepEqual(t.beacons, ['http://b/rtc/exit'], 'the beacon goes where the session is');
});

test('a circle of nodes ends', async () => {
  const t = setUp();
  t.a.answers.enter = redirect('b');
  t.b.answers.enter = redirect('a');
  const entering = t.signal.start();
  entering.catch(() => {});
  await t.clock.advance(20000);
  await assert.rejects(entering, { code: 'connection_failed' });
  assert.ok(t.tried.length < 60, `${t.tried.length} tries`);
  assert.equal(t.clock.waiting, 0);
});

test('an address that is none is not followed', async () => {
  const t = setUp();
  t.a.answers.enter = { type: 'redirect', node: 'b', url: 'javascript:alert(1)' };
  await assert.rejects(t.signal.start(), { code: 'connection_failed' });
});

test('entering a room whose node has just died is tried again until others know', async () => {
  const t = setUp();
  t.a.answers.enter = redirect('b');
  t.b.up = false;
  t.clock.setTimeout(() => delete t.a.answers.enter, 5200);
  const entering = t.signal.start();
  await t.clock.advance(8000);
  assert.equal((await entering).node, 'a');
});

for (const random of [0, 0.5, 0.999]) {
  test(`a node that is killed: back within 10 s (chance ${random})`, async () => {
    const t = await entered(random);
    t.a.up = false;
    for (const n of [t.b, t.c]) n.answers.resume = redirect('a'); // its lease has not run out yet
    t.clock.setTimeout(() => {
      t.b.answers.resume = t.c.answers.resume = { type: 'error', code: 'user_not_found', message: '' };
      t.c.answers.enter = redirect('b'); // where the room is placed anew
    }, 5300);
    t.a.drop();
    await t.clock.advance(7600); // two seconds after the lease, and what the tries take
    assert.equal(t.log.at(-1) === 'recovered' ? t.log.at(-2) : t.log.at(-1), 'reentered b');
    assert.deepEqual(t.moved, [true]);
    assert.deepEqual(t.b.of('resume')[0]?.node ?? t.c.of('resume')[0]?.node, 'a');
    assert.equal(t.signal.connected, true);
  });
}

test('a lost socket is resumed at the same node first, and elsewhere sent back to it', async () => {
  const t = await entered();
  t.a.drop();
  await t.clock.advance(300);
  assert.deepEqual(t.tried, ['a']);
  assert.deepEqual(t.log, ['state reconnecting', 'state connected', 'resumed']);

  t.log.length = t.tried.length = 0;
  t.b.answers.resume = redirect('a');
  t.a.up = false;
  t.a.drop();
  await t.clock.advance(200);
  t.a.up = true; // only the way to it was bad for a moment
  await t.clock.advance(1000);
  assert.deepEqual(t.tried, ['a', 'b', 'a']);
  assert.deepEqual(t.log, ['state reconnecting', 'state connected', 'resumed']);
});

test('a node that shuts down sends one on', async () => {
  const t = await entered();
  t.a.event({ type: 'exited', reason: 4, text: 'the node is shutting down', next: 'http://c' });
  await settle();
  assert.deepEqual(t.tried, ['c'], 'at once');
  assert.deepEqual(t.c.received.map((m) => m.type), ['enter'], 'anew, with the token');
  assert.deepEqual(t.log, ['state reconnecting', 'state connected', 'reentered c']);
  assert.deepEqual(t.moved, [true]);
  assert.deepEqual(t.events, [], 'the application is not put out');
  t.c.event({ type: 'role', role: 'anchor' }, 1);
  assert.equal(t.events.length, 1, 'and hears the new node');
});

test('a node that shuts down and does not know where: the others are tried', async () => {
  const t = await entered();
  t.a.event({ type: 'exited', reason: 4 });
  await t.clock.advance(300);
  assert.deepEqual(t.log, ['state reconnecting', 'state connected', 'reentered b']);
});

test('a node that is replaced under its own name: the others are still to come, too', async () => {
  const t = await entered();
  t.a.event({ type: 'exited', reason: 4, next: 'http://a' });
  await settle();
  assert.deepEqual(t.log, ['state reconnecting', 'state connected', 'reentered a']);
  assert.deepEqual(t.moved, [true]);
});

test('a session that the same node no longer knows: who is not there has left', async () => {
  const t = await entered();
  t.a.known = false;
  t.a.drop();
  await t.clock.advance(300);
  assert.deepEqual(t.log, ['state reconnecting', 'state connected', 'reentered a']);
  assert.deepEqual(t.moved, [false]);
});

/** One node alone, which has just said that it shuts down. */
async function alone() {
  const t = setUp();
  delete t.a.entered.nodes;
  await t.signal.start();
  t.log.length = 0;
  t.a.event({ type: 'exited', reason: 4, text: 'bye' });
  t.a.up = t.a.known = false;
  return t;
}

test('a node that shuts down alone is waited for, and entered anew', async () => {
  const t = await alone();
  await t.clock.advance(20000);
  t.a.up = true;
  await t.clock.advance(2100);
  assert.deepEqual(t.events, [], 'the application is not put out');
  assert.deepEqual(t.log, ['state reconnecting', 'lost', 'state connected', 'reentered a', 'recovered']);
  assert.deepEqual(t.moved, [true], 'the others are still to come');
});

test('a node that does not come back within a minute ends the stay', async () => {
  const t = await alone();
  await t.clock.advance(59000);
  assert.deepEqual(t.events, []);
  await t.clock.advance(2100);
  assert.deepEqual(t.events.map((e) => [e.reason, e.text]), [[4, 'bye']]);
  assert.equal(t.log.at(-1), 'state closed');
  assert.equal(t.clock.waiting, 0);
});

test('a room that only another user may make is waited for', async () => {
  const t = await alone();
  t.a.up = true;
  t.a.answers.enter = { type: 'error', code: 'room_not_found', message: '' };
  await t.clock.advance(5000);
  assert.ok(!t.log.includes('refused room_not_found'), t.log.join());
  delete t.a.answers.enter;
  await t.clock.advance(2100);
  assert.equal(t.log.at(-1), 'reentered a');
});

test('who leaves while a node is waited for has left', async () => {
  const t = await alone();
  await t.clock.advance(1000);
  await t.signal.leave();
  assert.equal(t.log.at(-1), 'state closed');
  assert.equal(t.clock.waiting, 0);
});

test('who is put out otherwise goes nowhere', async () => {
  for (const reason of [1, 2, 3, 5]) {
    const t = await entered();
    t.a.event({ type: 'exited', reason, next: 'http://b' });
    await t.clock.advance(5000);
    assert.deepEqual(t.tried, []);
    assert.equal(t.events.at(-1).reason, reason);
  }
});

test('who is leaving when the node shuts down has left', async () => {
  const t = await entered();
  t.a.answers.exit = null;
  const left = t.signal.leave();
  t.a.event({ type: 'exited', reason: 4, next: 'http://b' });
  await left;
  assert.deepEqual(t.tried, []);
});

test('a message to a node that has died is not sent to the next', async () => {
  const t = await entered();
  t.a.answers.publish = null;
  const said = t.signal.request({ type: 'publish', source: 'mic', on: true });
  t.a.event({ type: 'exited', reason: 4, next: 'http://b' });
  await assert.rejects(said, { code: 'aborted' });
  assert.deepEqual(t.b.types(), ['enter']);
});

test('nodes: the one at hand first, then the others in turn', () => {
  const n = new Nodes('ws://a/rtc');
  assert.equal(n.several, false);
  n.next();
  assert.equal(n.socket, 'ws://a/rtc');
  n.settle(['https://b', 'http://a', 7, '', 'mailto:x']);
  const order = [];
  for (let i = 0; i < 4; i++) {
    n.next();
    order.push(n.socket);
  }
  assert.deepEqual(order, ['wss://b/rtc', 'ws://a/rtc', 'wss://b/rtc', 'ws://a/rtc']);
  assert.equal(n.beacon, 'http://a/rtc/exit');
  for (let i = 0; i < 5; i++) assert.equal(n.follow('http://c'), true);
  assert.equal(n.follow('http://d'), false, 'sent on too often');
  n.fresh();
  assert.equal(n.follow('http://d'), true);
});

test('roster: who comes after the room has not left', () => {
  const r = new Roster();
  const on = (user) => ({ user, streams: [{ source: 'mic', on: true }] });
  r.reset([on('bob'), on('cat')], 'ann', 1);
  assert.deepEqual(r.reset([on('bob')], 'ann', 1, true).map((c) => [c.name, c.payload.userId]), [['remote-audio-unavailable', 'cat']]);
  assert.deepEqual(r.users(), ['bob', 'cat']);
  assert.deepEqual(r.entered(on('cat')).map((c) => c.name), ['remote-audio-available'], 'no second entering');
  assert.deepEqual(r.expire(1), []);
  r.reset([on('bob')], 'ann', 1, true);
  assert.deepEqual(r.expire(1), [{ name: 'remote-user-exit', payload: { userId: 'cat', reason: 1 } }]);
  assert.deepEqual(r.users(), ['bob']);
  assert.deepEqual(r.reset([], 'ann', 1).map((c) => c.name), ['remote-audio-unavailable', 'remote-user-exit'], 'on the same node they have left');
});
