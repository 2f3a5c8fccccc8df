// Streams that are sent, or only shown.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Published } from '../published.js';

function setUp() {
  const log = [];
  const client = (name) => new Proxy({}, { get: (_, call) => async (o) => { log.push(`${name} ${String(call)}`); if (setUp.fail) throw setUp.fail; return o; } });
  const told = [];
  const p = new Published(client('room'), client('aside'), (e) => told.push(`${e.mediaType} ${e.prevState}>${e.state}${e.reason ? ` ${e.reason}` : ''}`));
  return { p, log, told };
}

test('started before entering it is sent then', async () => {
  const t = setUp();
  await t.p.start('video', {});
  assert.deepEqual(t.told, []);
  t.p.entered();
  assert.deepEqual(t.told, ['video stopped>started']);
  assert.deepEqual(t.log, ['room startLocalVideo']);
  await assert.rejects(t.p.start('video', {}), { extraCode: 5104 });
});

test('only shown, then sent, then only shown', async () => {
  const t = setUp();
  t.p.entered();
  await t.p.start('audio', { publish: false });
  await t.p.update('audio', { publish: true, mute: true });
  await t.p.update('audio', { mute: false });
  await t.p.update('audio', { publish: false });
  assert.deepEqual(t.log, ['aside startLocalAudio', 'aside stopLocalAudio', 'room startLocalAudio', 'room updateLocalAudio', 'room stopLocalAudio', 'aside startLocalAudio']);
  assert.deepEqual(t.told, ['audio stopped>starting', 'audio starting>started', 'audio started>stopped api-call']);
});

test('leaving stops sending; what was shown is shown on, but for screens', async () => {
  const t = setUp();
  t.p.entered();
  for (const kind of ['video', 'screen']) await t.p.start(kind, {});
  t.log.length = t.told.length = 0;
  await t.p.left();
  await t.p.left();
  assert.deepEqual(t.log, ['room startLocalVideo']);
  assert.deepEqual(t.told, ['video started>stopped api-call', 'screen started>stopped api-call']);
  t.p.entered();
  assert.equal(t.told.at(-1), 'video stopped>started', 'and sent again');
  await t.p.stop('screen');
  await t.p.stop('video');
  assert.equal(t.log.at(-1), 'room stopLocalVideo');
});

test('what fails has not started; what has not started cannot change', async () => {
  const t = setUp();
  t.p.entered();
  setUp.fail = new Error('no camera');
  await assert.rejects(t.p.start('video', {}), /no camera/);
  setUp.fail = null;
  assert.deepEqual(t.told, ['video stopped>starting', 'video starting>stopped error']);
  await assert.rejects(t.p.update('video', { mute: true }), { extraCode: 5105 });
  await assert.rejects(t.p.update('audio', { mute: true }), { extraCode: 5106 });
});
