// What stands still, and how long a report is believed.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Flow } from '../flow.js';
import { Watch } from '../watch.js';
import { FakeClock } from './fakes.js';

const camera = (userId, packets) => ({ userId, source: 'camera', packets });
const mic = (userId, packets) => ({ userId, source: 'mic', packets });
const screen = (userId, packets) => ({ userId, source: 'screen', packets });
const said = (list) => list.map((s) => `${s.userId} ${s.source} ${s.stalled ? 'stalls' : 'resumes'}`);

test('a picture stands still within a second of its last packet, and resumes with the next', () => {
  const f = new Flow();
  f.take([camera('bob', 10)], 0);
  assert.equal(f.take([camera('bob', 10)], 5000).length, 0, 'what has never begun does not stand still');
  f.take([camera('bob', 20)], 5300);
  assert.equal(f.take([camera('bob', 20)], 6000).length, 0);
  assert.deepEqual(said(f.take([camera('bob', 20)], 6100)), ['bob camera stalls']);
  assert.equal(f.take([camera('bob', 20)], 9000).length, 0, 'said once');
  assert.deepEqual(said(f.take([camera('bob', 21)], 9300)), ['bob camera resumes']);
});

test('one of several stands still: the connection is not down, nor who else is sent', () => {
  const f = new Flow();
  for (const [n, at] of [[1, 0], [2, 300], [3, 600]]) f.take([camera('bob', n), mic('bob', n), camera('cat', n), mic('cat', n)], at);
  assert.deepEqual(said(f.take([camera('bob', 3), mic('bob', 9), camera('cat', 3), mic('cat', 3)], 1500)), ['bob camera stalls', 'cat camera stalls', 'cat mic stalls']);
  assert.deepEqual([f.down, f.silent('bob'), f.silent('cat'), f.silent('dan')], [false, false, true, false]);
  f.take([camera('bob', 3), mic('bob', 9), camera('cat', 3), mic('cat', 3)], 2500);
  assert.equal(f.down, true);
});

test('a screen that nobody touches does not stand still as long as its user is heard', () => {
  const f = new Flow();
  f.take([screen('bob', 1), mic('bob', 1)], 0);
  f.take([screen('bob', 2), mic('bob', 2)], 300);
  assert.equal(f.take([screen('bob', 2), mic('bob', 50)], 2000).length, 0);
  assert.deepEqual(said(f.take([screen('bob', 2), mic('bob', 50)], 2900)), ['bob screen stalls', 'bob mic stalls'], 'nothing comes at all');
  const alone = new Flow();
  alone.take([screen('bob', 1)], 0);
  alone.take([screen('bob', 2)], 300);
  assert.equal(alone.take([screen('bob', 2)], 3000).length, 0);
  assert.equal(alone.take([screen('bob', 2)], 3400).length, 1);
});

test('another connection counts anew: that is no sign of life, and the next packet is', () => {
  const f = new Flow();
  f.take([camera('bob', 1)], 0);
  f.take([camera('bob', 900)], 300);
  f.take([camera('bob', 900)], 1300);
  assert.equal(f.take([camera('bob', 0)], 1600).length, 0);
  assert.deepEqual(said(f.take([camera('bob', 3)], 1900)), ['bob camera resumes']);
  f.take([], 2200);
  assert.equal(f.take([camera('bob', 3)], 9000).length, 0, 'what was off meanwhile begins anew');
});

test('what is hidden is not to come: it neither stands still nor resumes, and nobody is down or silent for it', () => {
  const hidden = (a) => ({ ...a, hidden: true });
  const f = new Flow();
  f.take([camera('bob', 1), mic('bob', 1)], 0);
  f.take([camera('bob', 2), mic('bob', 2)], 300);
  assert.equal(f.take([hidden(camera('bob', 2)), mic('bob', 50)], 600).length, 0);
  assert.equal(f.take([hidden(camera('bob', 2)), mic('bob', 90)], 9000).length, 0);
  assert.equal(f.take([camera('bob', 2), mic('bob', 99)], 9900).length, 0, 'shown again, it waits for a keyframe');
  assert.deepEqual(said(f.take([camera('bob', 2), mic('bob', 120)], 10600)), ['bob camera stalls'], 'which does not come');
  assert.equal(f.take([hidden(camera('bob', 2)), mic('bob', 150)], 11000).length, 0, 'and has not come where it is hidden meanwhile');
  assert.deepEqual(said(f.take([camera('bob', 3), mic('bob', 190)], 12000)), ['bob camera resumes']);
  f.take([hidden(camera('bob', 3)), mic('bob', 190)], 12900);
  assert.deepEqual([f.down, f.silent('bob')], [true, true], 'nothing comes of what is to come');
  const unseen = new Flow();
  unseen.take([camera('bob', 1)], 0);
  unseen.take([camera('bob', 2)], 300);
  unseen.take([hidden(camera('bob', 2))], 5000);
  assert.deepEqual([unseen.down, unseen.silent('bob')], [false, false]);
});

function watch() {
  const t = {
    log: [], buffers: [], clock: new FakeClock(), packets: new Map([['v', 1], ['a', 1]]), counts: {},
    running: true, took: () => 0, looks: 0, own: [], frames: 0, makes: true,
  };
  t.watch = new Watch({
    clock: t.clock, emit: (name, payload) => t.log.push([name, payload]),
    stats: async () => {
      const ms = t.took(t.looks++);
      if (ms > 0) await new Promise((done) => t.clock.setTimeout(done, ms));
      if (t.running) for (const [k, n] of t.packets) t.packets.set(k, n + 10);
      const made = t.own.map(({ trackId }) => [`of ${trackId}`, { type: 'media-source', trackIdentifier: trackId, frames: t.frames += t.makes ? 9 : 0 }]);
      return new Map([...made, ...[...t.packets].map(([trackIdentifier, packetsReceived]) => [trackIdentifier, {
        type: 'inbound-rtp', kind: trackIdentifier === 'a' ? 'audio' : 'video', trackIdentifier,
        packetsReceived, ...t.counts,
      }])]);
    },
    processed: () => t.own,
    received: () => [{ userId: 'bob', source: 'camera', trackId: 'v' }, { userId: 'bob', source: 'mic', trackId: 'a' }],
    owner: () => null, known: () => true, buffer: (of) => t.buffers.push([of('a'), of('v')]),
  });
  t.watch.listen(300);
  t.watch.begin();
  t.speaks = () => t.watch.reported({ type: 'audio_volume', users: [{ user: 'bob', volume: 50 }], active: 'bob' });
  t.measured = () => t.watch.reported({
    type: 'statistics', up: { quality: 1, kbps: 1, loss: 0 }, down: { quality: 1, kbps: 1, loss: 0 }, rttMs: 9, users: [{ user: 'bob', quality: 1 }], sent: [], received: [],
  });
  t.take = () => t.log.splice(0).filter(([name]) => name !== 'statistics').map(([name, p]) => ({
    'audio-volume': () => `speaks ${p.result?.map((u) => u.userId)}`, 'active-speaker': () => `floor ${p.userId}`,
    'network-quality': () => `quality ${p.uplinkNetworkQuality} ${p.downlinkNetworkQuality} ${p.remote?.map((u) => u.quality)}`,
  })[name]?.() ?? `${name} ${p.userId} ${p.streamType}`);
  return t;
}

test('volumes that are no longer wanted: nobody speaks at once, and nothing is told later', async () => {
  const t = watch();
  t.speaks();
  assert.deepEqual(t.take(), ['speaks bob', 'floor bob']);
  t.watch.listen(0);
  assert.deepEqual(t.take(), ['speaks ', 'floor null']);
  t.speaks(); // it was under way
  await t.clock.advance(900);
  assert.deepEqual(t.take(), []);
  t.watch.listen(300);
  t.speaks();
  assert.deepEqual(t.take(), ['speaks bob', 'floor bob']);
});

test('a cut: within about a second the picture is marked, the quality is down and nobody speaks', async () => {
  const t = watch();
  await t.clock.advance(1000);
  t.measured();
  t.speaks();
  await t.clock.advance(100);
  assert.deepEqual(t.take(), ['quality 1 1 1', 'speaks bob', 'floor bob']);
  t.running = false;
  await t.clock.advance(500);
  t.speaks(); // the last that came
  assert.deepEqual(t.take(), ['speaks bob']);
  await t.clock.advance(600);
  assert.deepEqual(t.take(), ['remote-video-stalled bob main', 'quality 0 6 6', 'speaks ', 'floor null']);
  t.speaks(); // by a signalling connection that still stands
  assert.deepEqual(t.take(), ['speaks ']);
  t.running = true;
  await t.clock.advance(400);
  assert.deepEqual(t.take(), ['remote-video-resumed bob main', 'quality 1 1 1']);
});

test('what a processor makes of one\'s own camera is marked when nothing comes of it any more', async () => {
  const t = watch();
  t.own = [{ userId: '', source: 'camera', trackId: 'p' }];
  await t.clock.advance(2000);
  assert.deepEqual(t.take(), []);
  t.makes = false;
  await t.clock.advance(1300);
  assert.deepEqual(t.take(), ['local-video-stalled undefined main']);
  t.makes = true;
  await t.clock.advance(400);
  assert.deepEqual(t.take(), ['local-video-resumed undefined main']);
  t.makes = false;
  t.own = []; // muted, or without it
  await t.clock.advance(2000);
  assert.deepEqual(t.take(), []);
});

test('a look that takes long now and then delays no other; where all do they become rarer', async () => {
  const t = watch();
  t.took = (n) => (n % 4 === 3 ? 600 : 5);
  await t.clock.advance(4000);
  t.looks = 0;
  await t.clock.advance(9070);
  assert.equal(t.looks, 20, 'three of 305 ms and one of 900, five times over');
  t.took = () => 100;
  await t.clock.advance(9000);
  t.looks = 0;
  await t.clock.advance(11000);
  assert.equal(t.looks, 10);
});

test('a report is believed until the next one is overdue', async () => {
  const t = watch();
  t.measured();
  t.speaks();
  t.take();
  await t.clock.advance(900);
  t.speaks();
  await t.clock.advance(900);
  assert.deepEqual(t.take(), ['speaks bob']);
  await t.clock.advance(200);
  assert.deepEqual(t.take(), ['speaks ', 'floor null']);
  await t.clock.advance(3200);
  assert.deepEqual(t.take(), ['quality 0 0 0']);
});

test('a connection that is lost: down, and nobody speaks; nothing goes on after the stay', async () => {
  const t = watch();
  t.measured();
  t.speaks();
  t.take();
  t.watch.lost();
  assert.deepEqual(t.take(), ['quality 6 6 6', 'speaks ', 'floor null']);
  t.watch.reset();
  await t.clock.advance(10000);
  assert.equal(t.clock.waiting, 0);
  assert.deepEqual(t.take(), []);
});

const lossy = (red) => ({
  type: 'statistics', up: { quality: 1, kbps: 1, loss: 0 }, users: [], sent: [], received: [],
  down: { quality: 4, kbps: 1, loss: 0.4, ...(red && { red }) },
});

test('sound is held for longer while much of it is lost', async () => {
  const t = watch();
  for (const red of [0, 1, 2, 6, 16, 0]) t.watch.reported(lossy(red));
  assert.deepEqual(t.buffers.map(([sound]) => sound), [null, null, null, 160, 360, null]);
});

test('sound that comes too late is held for longer, by what each look finds anyway', async () => {
  const t = watch();
  const late = {
    totalSamplesReceived: 0, concealedSamples: 0, packetsDiscarded: 0, jitterBufferDelay: 0,
    jitterBufferEmittedCount: 0,
  };
  t.counts = late;
  const pass = async (frames) => {
    const looks = t.looks;
    t.packets.set('a', t.packets.get('a') + 15);
    late.totalSamplesReceived += 14400;
    late.jitterBufferEmittedCount += 14400;
    late.jitterBufferDelay += 14400;
    late.concealedSamples += frames * 960;
    late.packetsDiscarded += frames;
    await t.clock.advance(300);
    assert.equal(t.looks, looks + 1);
    return t.buffers.at(-1);
  };
  for (let i = 0; i < 5; i++) assert.deepEqual(await pass(0), [null, null]);
  assert.deepEqual(await pass(2), [100, null]);
  assert.deepEqual(await pass(2), [200, null]);
  t.watch.reported(lossy(6));
  assert.deepEqual(await pass(0), [200, 160], 'the longer time counts');
  t.watch.reported(lossy(16));
  assert.deepEqual(await pass(0), [360, 360]);
  t.watch.reset();
  t.watch.begin();
  assert.deepEqual(await pass(0), [null, null], 'another stay');
});
