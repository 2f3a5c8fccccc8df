import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Messages, parseFrame } from '../messages.js';
import { settle } from './fakes.js';

const text = (/** @type {Uint8Array} */ b) => new TextDecoder().decode(b);

/** A client's messages over channels that open by hand, and signalling that answers by hand. */
function rig() {
  const r = { asked: [], answers: [], opened: 0, heard: [], errors: [], channels: null };
  const channel = () => ({ readyState: 'connecting', bufferedAmount: 0, sent: [], send(b) { this.sent.push(b); } });
  r.messages = new Messages({
    request: (m) => new Promise((resolve, reject) => {
      r.asked.push(m);
      r.answers.push({ resolve, reject });
    }),
    open: () => {
      r.opened++;
      r.channels = { reliable: channel(), unreliable: channel() };
      return Promise.resolve(r.channels);
    },
    onMessage: (m) => r.heard.push(`${m.userId} ${m.cmdId} ${text(m.data)}`),
    onError: (e) => r.errors.push(`${e.code} ${e.field}`),
  });
  r.ready = () => Object.values(r.channels).forEach((c) => { c.readyState = 'open'; });
  return r;
}

test('messages go over signalling until the channels are open, and none overtakes another', async () => {
  const r = rig();
  assert.equal(r.opened, 0, 'who sends nothing opens nothing');
  const first = r.messages.send(1, 'one');
  await settle();
  r.ready();
  const second = r.messages.send(1, 'two');
  await r.messages.send(2, new Uint8Array([0, 255]), { reliable: false });
  await settle();
  assert.deepEqual(r.asked.map((m) => [m.data, m.n]), [['b25l', 1], ['dHdv', 2]]);
  assert.deepEqual([...r.channels.unreliable.sent[0]], [2, 0, 255]);
  assert.equal(r.channels.reliable.sent.length, 0, 'the channel has overtaken signalling');
  r.answers.forEach((a) => a.resolve({}));
  await Promise.all([first, second]);
  await r.messages.send(3, 'three');
  assert.deepEqual([...r.channels.reliable.sent[0]], [3, ...new TextEncoder().encode('three')]);
  assert.equal(r.opened, 1);
  r.channels.reliable.bufferedAmount = 1 << 20;
  await assert.rejects(r.messages.send(3, 'x'), { code: 'message_limit' });
});

test('another PeerConnection opens channels of its own, and the old ones are void', async () => {
  const r = rig();
  const first = r.messages.send(1, 'x');
  await settle();
  const old = r.channels;
  r.messages.renew();
  old.reliable.readyState = 'open';
  old.reliable.onmessage({ data: new Uint8Array([1, 0, 65]).buffer });
  assert.deepEqual(r.heard, []);
  assert.equal(r.messages.open, false);
  r.answers[0].resolve({});
  await first;
  void r.messages.send(1, 'y');
  assert.equal(r.opened, 2);
});

test('what the node says, by either way', async () => {
  const r = rig();
  void r.messages.send(1, 'x');
  await settle();
  const say = (...bytes) => r.channels.reliable.onmessage({ data: new Uint8Array(bytes).buffer });
  say(4, 2, 98, 111, 104, 105); // bo: hi
  say(5, 0);
  say(0, 7, ...new TextEncoder().encode('message_limit'));
  say(1, 9, 65); // cut short
  say();
  r.channels.reliable.onmessage({ data: 'text' });
  r.messages.received({ user: 'ann', cmdId: 3, data: 'aGk=' });
  r.messages.received({ cmdId: 3, data: '' });
  assert.deepEqual(r.heard, ['bo 4 hi', ' 5 ', 'ann 3 hi', ' 3 ']);
  assert.deepEqual(r.errors, ['message_limit message']);
  assert.equal(parseFrame(new Uint8Array([1])), null);
});

test('what cannot be sent is refused before it is', async () => {
  const r = rig();
  for (const [cmdId, data, field] of [[0, '', 'cmdId'], [11, '', 'cmdId'], [1.5, '', 'cmdId'], ['1', '', 'cmdId'],
    [1, 'x'.repeat(1001), 'data'], [1, 'ä'.repeat(501), 'data'], [1, null, 'data'], [1, {}, 'data']]) {
    await assert.rejects(r.messages.send(cmdId, data), { code: 'invalid_parameter', field });
  }
  assert.equal(r.opened, 0);
  void r.messages.send(10, new Uint8Array(1000).buffer);
  assert.equal(r.asked.length, 1);
});
