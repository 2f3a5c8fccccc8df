import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { Signal } from '../signal.js';
import { FakeClock, FakeNode, settle } from './fakes.js';

function setUp(page) {
  const clock = new FakeClock();
  const node = new FakeNode();
  const log = [];
  const events = [];
  const reports = [];
  const beacons = [];
  const note = (name) => (x) => log.push(x?.code ? `${name} ${x.code}` : typeof x === 'string' ? `${name} ${x}` : name);
  const signal = new Signal({
    url: 'ws://node/rtc', enter: { room: 'lobby', user: 'ann' }, clock, random: () => 0.5, WebSocket: node.WebSocket,
    beacon: (body) => beacons.push(JSON.parse(body)), page,
    handlers: {
      event: (e) => events.push(e), report: (r) => reports.push(r), state: note('state'), lost: note('lost'), recovered: note('recovered'),
      resumed: note('resumed'), reentered: note('reentered'), refused: note('refused'),
    },
  });
  return { clock, node, log, events, reports, beacons, signal };
}

async function entered() {
  const t = setUp();
  const entering = t.signal.start();
  await settle();
  await entering;
  t.log.length = 0;
  return t;
}

test('enters with the subprotocol and resolves with the answer', async () => {
  const t = setUp();
  const e = await t.signal.start();
  assert.equal(e.session, 'S1');
  assert.equal(t.node.socket.protocol, 'parlor.v1');
  assert.deepEqual(t.node.received[0], { type: 'enter', room: 'lobby', user: 'ann', id: 1 });
  assert.deepEqual(t.log, ['state connecting', 'state connected']);
});

test('a refusal to enter rejects with the code of the node, and ends', async () => {
  const t = setUp();
  t.node.answers.enter = { type: 'error', code: 'banned', message: 'not for an hour', field: 'user' };
  await assert.rejects(t.signal.start(), { code: 'banned', message: 'not for an hour', field: 'user' });
  assert.equal(t.clock.waiting, 0, 'no timer is left');
});

test('a node that cannot be reached rejects', async () => {
  const t = setUp();
  t.node.up = false;
  await assert.rejects(t.signal.start(), { code: 'connection_failed' });
});

test('where a page is not of the node, it may be its origin that the node refuses', async () => {
  for (const [page, said] of [['http://node', false], ['https://node', true], ['http://node:5173', true], [undefined, false]]) {
    const t = setUp(page);
    t.node.up = false;
    await assert.rejects(t.signal.start(), (err) => err.message.includes(`pages of ${page} (its setting http.origins)`) === said);
  }
});

test('a node that says nothing rejects in the end', async () => {
  const t = setUp();
  t.node.deaf = true;
  const entering = t.signal.start();
  entering.catch(() => {});
  await t.clock.advance(8000);
  await assert.rejects(entering, { code: 'connection_failed' });
});

test('requests get their own answers; errors carry code and field', async () => {
  const t = await entered();
  t.node.answers.seat = { type: 'error', code: 'user_not_found', field: 'user' };
  const seat = t.signal.request({ type: 'seat', seat: 's1', user: 'bob' });
  const publish = t.signal.request({ type: 'publish', source: 'mic', on: true });
  await assert.rejects(seat, { code: 'user_not_found', field: 'user' });
  assert.equal((await publish).type, 'ok');
});

test('a request that is never answered rejects', async () => {
  const t = await entered();
  t.node.answers.role = null;
  const role = t.signal.request({ type: 'role', role: 'audience' });
  role.catch(() => {});
  await t.clock.advance(30000);
  await assert.rejects(role, { code: 'timeout' });
});

test('what is larger than a node reads is not sent', async () => {
  const t = await entered();
  const offer = (bytes) => t.signal.request({ type: 'offer', sdp: 'ö'.repeat(bytes / 2), publish: {}, seats: [] });
  const limit = Number(/messages, at most (\d+) KB/.exec(readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8'))?.[1]) * 1024;
  await assert.rejects(offer(limit), { code: 'bad_request' });
  assert.deepEqual(t.node.types(), ['enter']);
  offer(limit - 200).catch(() => {});
  assert.deepEqual(t.node.types(), ['enter', 'offer']);
});

test('the time of a request does not run while there is no connection', async () => {
  const t = await entered();
  t.node.answers.publish = null;
  let end = '';
  t.signal.request({ type: 'publish', source: 'mic', on: false }).then(() => (end = 'ok'), (err) => (end = err.code));
  t.node.up = false;
  t.node.drop();
  await t.clock.advance(70000);
  assert.equal(end, '');
  t.node.up = true;
  await t.clock.advance(8000);
  assert.equal(t.node.of('publish').length, 2, 'asked again');
  assert.equal(end, '');
  await t.clock.advance(30000);
  assert.equal(end, 'timeout', 'and it has its time again');
});

test('pings acknowledge the last event', async () => {
  const t = await entered();
  await t.clock.advance(2000);
  t.node.event({ type: 'role', role: 'anchor' });
  t.node.event({ type: 'role', role: 'audience' });
  await t.clock.advance(2000);
  assert.deepEqual(t.node.of('ping').map((p) => p.ack), [0, 2]);
});

test('silence: lost after 8 s, a new socket 3 s later, recovered with the same session', async () => {
  const t = await entered();
  t.node.event({ type: 'role', role: 'anchor' });
  t.node.deaf = true;
  await t.clock.advance(7900);
  assert.deepEqual(t.log, []);
  await t.clock.advance(200);
  assert.deepEqual(t.log, ['state reconnecting', 'lost'], 'the state says what the event says');
  await t.clock.advance(2700);
  assert.equal(t.node.sockets.length, 1, 'the old socket may still come back');
  t.node.deaf = false;
  t.node.socket.readyState = 3; // but it does not
  await t.clock.advance(300);
  assert.equal(t.node.sockets.length, 2);
  assert.deepEqual(t.node.of('resume').map(({ id, ...m }) => m), [{ type: 'resume', session: 'S1', key: 'K1', lastSeq: 1, node: 'n1' }]);
  assert.deepEqual(t.log, ['state reconnecting', 'lost', 'state connected', 'resumed', 'recovered']);
});

test('silence that ends by itself needs no new socket', async () => {
  const t = await entered();
  t.node.deaf = true;
  await t.clock.advance(9000);
  t.node.deaf = false;
  await t.clock.advance(10000);
  assert.deepEqual(t.log, ['state reconnecting', 'lost', 'state connected', 'recovered']);
  assert.equal(t.node.sockets.length, 1);
});

test('a socket that closes is replaced at once, and nobody hears of it', async () => {
  const t = await entered();
  t.node.drop();
  await t.clock.advance(1000);
  assert.deepEqual(t.log, ['state reconnecting', 'state connected', 'resumed']);
});

test('tries go on with back-off, up to 8 s apart, until the node is back', async () => {
  const t = await entered();
  t.node.up = false;
  t.node.drop();
  await t.clock.advance(60000);
  const tries = t.node.sockets.length - 1;
  assert.ok(tries >= 10 && tries <= 16, `${tries} tries in a minute`);
  assert.deepEqual(t.log, ['state reconnecting', 'lost']);
  t.node.up = true;
  await t.clock.advance(8000);
  assert.deepEqual(t.log.slice(2), ['state connected', 'resumed', 'recovered']);
});

test('a network that comes back is tried at once', async () => {
  const t = await entered();
  t.node.up = false;
  t.node.drop();
  await t.clock.advance(30000);
  t.node.up = true;
  t.signal.hurry();
  await settle();
  assert.equal(t.signal.connected, true);
});

test('after a resume every event comes once, and open requests are asked again', async () => {
  const t = await entered();
  t.node.event({ type: 'user_entered', user: { user: 'bob' } });
  t.node.answers.publish = null;
  const publish = t.signal.request({ type: 'publish', source: 'mic', on: false });
  await settle();
  t.node.drop();
  t.node.sent.push({ type: 'user_left', user: 'bob', reason: 1, seq: 2 });
  delete t.node.answers.publish;
  await t.clock.advance(1000);
  assert.deepEqual(t.events.map((e) => e.seq), [1, 2]);
  assert.equal((await publish).type, 'ok');
  assert.equal(t.node.of('publish').length, 2);
  t.node.say(t.node.sent[1]);
  assert.equal(t.events.length, 2, 'a repeat is not handled again');
});

test('a gap in the events makes the client resume from before it', async () => {
  const t = await entered();
  t.node.event({ type: 'role', role: 'anchor' });
  t.node.deaf = true;
  t.node.event({ type: 'user_entered', user: { user: 'bob' } });
  t.node.deaf = false;
  t.node.event({ type: 'user_left', user: 'bob', reason: 0 });
  await settle();
  assert.deepEqual(t.events.map((e) => e.seq), [1, 2, 3]);
  assert.equal(t.node.of('resume')[0].lastSeq, 1);
});

test('where the session is gone it enters anew; what was asked of the old one is called off', async () => {
  const t = await entered();
  t.node.event({ type: 'role', role: 'anchor' });
  t.node.answers.offer = null;
  const offer = t.signal.request({ type: 'offer', sdp: '', publish: {}, seats: [] });
  offer.catch(() => {});
  await settle();
  t.node.known = false;
  t.node.sent = [];
  t.node.drop();
  await t.clock.advance(1000);
  await assert.rejects(offer, { code: 'aborted' });
  assert.deepEqual(t.node.types(), ['enter', 'offer', 'resume', 'enter']);
  assert.deepEqual(t.log.slice(-2), ['state connected', 'reentered']);
  t.node.event({ type: 'role', role: 'audience' });
  assert.equal(t.events.at(-1).role, 'audience', 'the numbers of the new session start again');
});

test('entering anew waits out a node that drains, and ends on a refusal', async () => {
  const t = await entered();
  t.node.known = false;
  t.node.answers.enter = { type: 'error', code: 'node_draining' };
  t.node.drop();
  await t.clock.advance(20000);
  assert.ok(t.node.of('enter').length > 2, 'tried again');
  t.node.answers.enter = { type: 'error', code: 'token_expired' };
  await t.clock.advance(8000);
  assert.equal(t.log.at(-1), 'refused token_expired');
  assert.equal(t.clock.waiting, 0);
});

test('entering anew waits where one has entered too often', async () => {
  const t = await entered();
  t.node.known = false;
  t.node.answers.enter = { type: 'error', code: 'banned', retryAfterMs: 1000 };
  t.node.drop();
  await t.clock.advance(20000);
  assert.ok(t.node.of('enter').length > 2, 'tried again');
  t.node.answers.enter = { type: 'error', code: 'banned' };
  await t.clock.advance(8000);
  assert.equal(t.log.at(-1), 'refused banned');
});

test('who has timed out enters anew', async () => {
  const t = await entered();
  t.node.event({ type: 'exited', reason: 6 });
  await t.clock.advance(3000);
  assert.deepEqual(t.node.types(), ['enter', 'enter']);
  assert.deepEqual(t.log.slice(-2), ['state connected', 'reentered']);
});

test('exited ends it: no reconnect, open requests rejected', async () => {
  const t = await entered();
  t.node.answers.seat = null;
  const seat = t.signal.request({ type: 'seat', seat: 's1', user: null });
  seat.catch(() => {});
  t.node.event({ type: 'exited', reason: 2, text: 'closing time' });
  await assert.rejects(seat, { code: 'aborted' });
  assert.deepEqual(t.events.at(-1), { type: 'exited', reason: 2, text: 'closing time', seq: 1 });
  assert.equal(t.clock.waiting, 0);
  await assert.rejects(t.signal.request({ type: 'role', role: 'anchor' }), { code: 'aborted' });
});

test('leave resolves when the node has said so', async () => {
  const t = await entered();
  await t.signal.leave();
  assert.deepEqual(t.events.map((e) => e.type), ['exited']);
  assert.deepEqual(t.beacons, []);
  assert.equal(t.clock.waiting, 0);
});

test('leave of a node that does not answer falls back to the beacon', async () => {
  const t = await entered();
  t.node.deaf = true;
  const leaving = t.signal.leave();
  await t.clock.advance(3000);
  await leaving;
  assert.deepEqual(t.beacons, [{ session: 'S1', key: 'K1' }]);
});

test('leave while the connection is down goes by beacon at once', async () => {
  const t = await entered();
  t.node.up = false;
  t.node.drop();
  await t.signal.leave();
  assert.deepEqual(t.beacons, [{ session: 'S1', key: 'K1' }]);
});

test('leave while entering calls it off', async () => {
  const t = setUp();
  const entering = t.signal.start();
  entering.catch(() => {});
  await t.signal.leave();
  await assert.rejects(entering, { code: 'aborted' });
  assert.equal(t.clock.waiting, 0);
  assert.deepEqual(t.node.types(), [], 'there was no socket yet');
});

for (const way of ['leave', 'farewell']) {
  test(`${way} before the answer to entering is read says exit, as the node may have let one in`, async () => {
    const t = setUp();
    t.node.answers.enter = null;
    const entering = t.signal.start();
    entering.catch(() => {});
    await settle();
    await t.signal[way]();
    await assert.rejects(entering, { code: 'aborted' });
    assert.deepEqual(t.node.types(), ['enter', 'exit']);
    assert.equal(t.node.socket.readyState, 3);
    assert.equal(t.clock.waiting, 0);
  });
}

test('leave while entering anew says exit of the session that the node may have made', async () => {
  const t = await entered();
  t.node.known = false;
  t.node.answers.enter = null;
  t.node.drop();
  await t.clock.advance(1000);
  await t.signal.leave();
  assert.deepEqual(t.node.types(), ['enter', 'resume', 'enter', 'exit']);
});

test('farewell says exit on the socket and by beacon, without waiting', async () => {
  const t = await entered();
  t.signal.farewell();
  assert.equal(t.node.received.at(-1).type, 'exit');
  assert.deepEqual(t.beacons, [{ session: 'S1', key: 'K1' }]);
});

test('garbage on the socket is ignored', async () => {
  const t = await entered();
  for (const data of ['', '{', 'null', '[]', '{"re":99}', '{"seq":"x"}', new ArrayBuffer(3)]) t.node.socket.onmessage({ data });
  assert.equal((await t.signal.request({ type: 'role', role: 'anchor' })).type, 'ok');
});

test('a page that slept looks again before it calls the connection lost', async () => {
  const t = await entered();
  t.node.answers.ping = null; // the answer takes its time
  t.clock.skip(60000);
  await t.clock.advance(0);
  t.node.say({ type: 'pong' });
  await t.clock.advance(2100);
  assert.deepEqual(t.log, []);
  t.node.deaf = true;
  t.clock.skip(60000);
  await t.clock.advance(2100);
  assert.deepEqual(t.log, ['state reconnecting', 'lost'], 'but not more than once');
});

test('many events are acknowledged before the next ping', async () => {
  const t = await entered();
  for (let i = 0; i < 250; i++) t.node.event({ type: 'message', cmdId: 1, data: '' });
  assert.deepEqual(t.node.of('ping').map((m) => m.ack), [100, 200]);
});

test('reports have no number: they are handed on, and acknowledge nothing', async () => {
  const t = await entered();
  t.node.say({ type: 'audio_volume', users: [], active: null });
  await settle();
  assert.deepEqual(t.reports, [{ type: 'audio_volume', users: [], active: null }]);
  assert.deepEqual(t.events, []);
});
