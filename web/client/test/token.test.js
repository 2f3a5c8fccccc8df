import assert from 'node:assert/strict';
import test from 'node:test';
import { ParlorError } from '../protocol.js';
import { Signal } from '../signal.js';
import { Renewal, askFor } from '../token.js';
import { FakeClock, FakeNode, settle } from './fakes.js';

function renewing() {
  const t = { clock: new FakeClock(), sent: [], errors: [], given: 0, get: null, refuse: null };
  t.get = async () => `token ${++t.given}`;
  t.renewal = new Renewal({
    clock: t.clock,
    get: () => t.get(),
    send: async (token) => {
      t.sent.push(token);
      if (t.refuse) throw t.refuse;
    },
    onError: (err) => t.errors.push(err.code),
  });
  return t;
}

test('a token is asked for and handed in, once at a time', async () => {
  const t = renewing();
  await Promise.all([t.renewal.renew(), t.renewal.renew()]);
  assert.deepEqual(t.sent, ['token 1']);
  await t.renewal.renew();
  assert.deepEqual(t.sent, ['token 1', 'token 2']);
  assert.deepEqual(t.errors, []);
  assert.equal(t.clock.waiting, 0);
});

test('what fails is said once and tried again every 5 s', async () => {
  const t = renewing();
  t.get = () => askFor(() => Promise.reject(new Error('down')));
  await t.renewal.renew();
  await t.clock.advance(10000);
  assert.deepEqual(t.errors, ['token_unavailable']);
  t.get = async () => 'late';
  t.refuse = new ParlorError('token_invalid', 'no');
  await t.clock.advance(5000);
  t.refuse = null;
  await t.clock.advance(5000);
  assert.deepEqual(t.sent, ['late', 'late']);
  assert.deepEqual(t.errors, ['token_unavailable'], 'of a series of failures the first is said');
  assert.equal(t.clock.waiting, 0);
});

test('what was begun in an earlier stay has no effect', async () => {
  const t = renewing();
  let give;
  t.get = () => new Promise((resolve) => (give = resolve));
  void t.renewal.renew();
  await settle();
  t.renewal.reset();
  give('of the stay before');
  await settle();
  assert.deepEqual(t.sent, []);
  t.get = async () => 'of this stay';
  await t.renewal.renew();
  assert.deepEqual(t.sent, ['of this stay']);
});

test('the end of a session is no failure of the token', async () => {
  const t = renewing();
  t.refuse = new ParlorError('aborted', 'closed');
  await t.renewal.renew();
  assert.deepEqual(t.errors, []);
  assert.equal(t.clock.waiting, 0);
});

test('a callback that gives no token is an error', async () => {
  for (const callback of [() => '', () => undefined, () => 5, async () => null, () => { throw new Error('x'); }]) {
    await assert.rejects(askFor(callback), { code: 'token_unavailable', field: 'token' });
  }
  assert.equal(await askFor(() => 'x'), 'x');
});

/** A signalling connection whose application gives token 1, token 2 … */
function entering(token) {
  const t = { clock: new FakeClock(), node: new FakeNode(), log: [], given: 0, get: null };
  t.get = async () => `token ${++t.given}`;
  const note = (name) => (x) => t.log.push(x?.code ? `${name} ${x.code}` : typeof x === 'string' ? `${name} ${x}` : name);
  t.signal = new Signal({
    url: 'ws://node/rtc', enter: { room: 'lobby', user: 'ann', ...(token && { token }) }, clock: t.clock, random: () => 0.5,
    WebSocket: t.node.WebSocket, beacon: () => {}, token: () => t.get(),
    handlers: {
      event: () => {}, report: () => {}, state: note('state'), lost: note('lost'), recovered: note('recovered'), resumed: note('resumed'),
      reentered: note('reentered'), refused: note('refused'),
    },
  });
  t.tokens = () => t.node.of('enter').map((m) => m.token);
  return t;
}

const EXPIRED = { type: 'error', code: 'token_expired', message: 'over', field: 'token' };

test('the first token is asked for where there is none', async () => {
  const t = entering();
  await t.signal.start();
  assert.deepEqual(t.tokens(), ['token 1']);
});

test('no token, no entering', async () => {
  const t = entering();
  t.get = () => askFor(() => '');
  await assert.rejects(t.signal.start(), { code: 'token_unavailable' });
  assert.equal(t.clock.waiting, 0);
});

test('entering with a token that has ended takes another, once', async () => {
  const t = entering('old');
  t.node.answers.enter = EXPIRED;
  await assert.rejects(t.signal.start(), { code: 'token_expired' });
  assert.deepEqual(t.tokens(), ['old', 'token 1']);
});

test('a session that ended with its token while away is entered anew with another', async () => {
  const t = entering('old');
  await t.signal.start();
  t.log.length = 0;
  t.node.answers.resume = EXPIRED;
  t.node.drop();
  await t.clock.advance(1000);
  assert.deepEqual(t.tokens(), ['old', 'token 1']);
  assert.deepEqual(t.log, ['state reconnecting', 'state connected', 'reentered']);
});

test('where no token can be had for that it is tried again', async () => {
  const t = entering('old');
  await t.signal.start();
  t.node.answers.resume = EXPIRED;
  t.get = () => askFor(() => Promise.reject(new Error('down')));
  t.node.drop();
  await t.clock.advance(1000);
  assert.deepEqual(t.tokens(), ['old']);
  delete t.node.answers.resume;
  t.get = async () => 'new';
  await t.clock.advance(8000);
  assert.deepEqual(t.tokens(), ['old', 'new']);
});

test('entering anew uses the last token', async () => {
  const t = entering('old');
  await t.signal.start();
  t.signal.token = 'renewed';
  t.node.known = false;
  t.node.drop();
  await t.clock.advance(1000);
  assert.deepEqual(t.tokens(), ['old', 'renewed']);
});

test('without a callback an ended token ends the stay', async () => {
  const clock = new FakeClock();
  const node = new FakeNode();
  const log = [];
  const quiet = () => {};
  const signal = new Signal({
    url: 'ws://node/rtc', enter: { room: 'lobby', user: 'ann', token: 'old' }, clock, random: () => 0.5, WebSocket: node.WebSocket, beacon: quiet,
    handlers: { event: quiet, report: quiet, state: quiet, lost: quiet, recovered: quiet, resumed: quiet, reentered: quiet, refused: (err) => log.push(err.code) },
  });
  await signal.start();
  node.answers.resume = EXPIRED;
  node.drop();
  await clock.advance(1000);
  assert.deepEqual(log, ['token_expired']);
});
