// What the node's reports become.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Volumes, qualityOf, statisticsOf, unreported } from '../reports.js';
import { limitText, qualityText, slowText } from '../../demo/words.js';

const volumes = (active, ...users) => ({ type: 'audio_volume', users: users.map((user) => ({ user, volume: 40 })), active });

test('volumes: the floor is told when it changes, and nobody who is gone', () => {
  const v = new Volumes();
  const here = (id) => id !== 'gone';
  assert.deepEqual(v.take(volumes('ann', 'ann', 'bob'), here),
    { result: [{ userId: 'ann', volume: 40 }, { userId: 'bob', volume: 40 }], active: 'ann' });
  assert.deepEqual(v.take(volumes('ann', 'ann'), here), { result: [{ userId: 'ann', volume: 40 }] }, 'no change');
  assert.deepEqual(v.take(volumes('bob'), here), { result: [], active: 'bob' });
  assert.deepEqual(v.take(volumes('gone', 'gone', 'ann'), here), { result: [{ userId: 'ann', volume: 40 }], active: null });
  assert.deepEqual(v.take(volumes(null), here), { result: [] });
  v.take(volumes('ann'), here);
  v.reset();
  assert.deepEqual(v.take(volumes('ann'), here), { result: [], active: 'ann' }, 'a new stay begins anew');
});

const known = (id) => id !== 'gone'; // has just left
const report = {
  type: 'statistics', up: { quality: 1, kbps: 1200, loss: 0.012 }, down: { quality: 3, kbps: 900, loss: null }, rttMs: 23.5,
  users: [{ user: 'bob', quality: 2 }, { user: 'gone', quality: 5 }],
  sent: [{ source: 'camera', rid: 'l', kbps: 200, loss: 0, jitterMs: 1 }, { source: 'camera', rid: 'h', kbps: 900, loss: 0.02, jitterMs: 1 },
    { source: 'mic', kbps: 40, loss: 0, jitterMs: 2 }],
  received: [{ user: 'bob', source: 'camera', kbps: 800, loss: 0.25, jitterMs: 3 }, { user: 'bob', source: 'mic', kbps: 40, loss: null, jitterMs: 4 },
    { user: 'cat', source: 'screen', kbps: 10, loss: 0, jitterMs: 5 }, { user: 'gone', source: 'mic', kbps: 1, loss: null, jitterMs: 6 }],
};

test('network quality, in per cent', () => {
  assert.deepEqual(qualityOf(report, known), {
    uplinkNetworkQuality: 1, downlinkNetworkQuality: 3, uplinkLoss: 1.2, downlinkLoss: 0, rtt: 23.5, remote: [{ userId: 'bob', quality: 2 }],
  });
  assert.equal(qualityOf({ ...report, rttMs: undefined }, known).rtt, 0);
  assert.deepEqual(unreported(0, 6, qualityOf(report, known)), {
    uplinkNetworkQuality: 0, downlinkNetworkQuality: 6, uplinkLoss: 0, downlinkLoss: 0, rtt: 0, remote: [{ userId: 'bob', quality: 6 }],
  });
  assert.deepEqual(unreported(6, 6, null).remote, []);
});

test('words: a link is spoken of only when it is poor, and then what it is limited by', () => {
  assert.deepEqual([0, 1, 2, 3, 6, 99].map(qualityText), ['', '', '', 'poor', 'down', '']);
  const fine = { uplinkNetworkQuality: 1, downlinkNetworkQuality: 1, uplinkLoss: 0, downlinkLoss: 0, rtt: 20, remote: [] };
  const all = { downEstimate: 320, downQueue: 240.4 };
  assert.equal(limitText(fine, all), '', 'nothing, whatever else is told');
  assert.equal(limitText({ ...fine, downlinkNetworkQuality: 3, downlinkLoss: 22.5 }, all), 'receiving: 0.3 Mbit/s, waits 240 ms, 23 % lost');
  assert.equal(limitText({ ...fine, downlinkNetworkQuality: 3, downlinkLoss: 22.5 }, null), 'receiving: 23 % lost');
  assert.equal(limitText({ ...fine, uplinkNetworkQuality: 4, uplinkLoss: 31 }, all), 'sending: 31 % lost');
  assert.equal(limitText({ ...fine, uplinkNetworkQuality: 3, downlinkNetworkQuality: 3, rtt: 230 }, { downEstimate: 12000, downQueue: 3 }), 'receiving: 12 Mbit/s; round trip 230 ms');
  assert.equal(limitText({ ...fine, uplinkNetworkQuality: 6, downlinkNetworkQuality: 6 }, null), '');
});

test('words: what a slow connection makes of the pictures', () => {
  const of = (downLimit, ...states) => slowText({ downLimit, remoteStatistics: [{ video: states.map((state) => ({ state })) }, { video: [] }] });
  assert.deepEqual([null, 'none', 'publisher', 'application'].map((limit) => of(limit, 'live')), ['', '', '', '']);
  assert.equal(slowText(null), '');
  assert.equal(of('delay', 'live', 'switching'), 'Your connection is slow: pictures are smaller');
  assert.equal(of('loss', 'live', 'paused'), 'Your connection is poor: some pictures are paused');
});

test('statistics: completed by what the browser knows', () => {
  const stats = [
    { type: 'media-source', id: 'src', trackIdentifier: 'own-camera' },
    { type: 'outbound-rtp', kind: 'video', mediaSourceId: 'src', rid: 'h', frameWidth: 1280, frameHeight: 720, framesPerSecond: 30 },
    { type: 'outbound-rtp', kind: 'video', mediaSourceId: 'src', rid: 'l' },
    { type: 'outbound-rtp', kind: 'audio', mediaSourceId: 'src' },
    { type: 'inbound-rtp', kind: 'video', trackIdentifier: 'bobs', frameWidth: 640, frameHeight: 360, framesPerSecond: 25 },
    { type: 'inbound-rtp', kind: 'video', trackIdentifier: 'nobodys', frameWidth: 1, frameHeight: 1 },
    { type: 'codec' },
  ];
  const owner = (id) => ({ 'own-camera': { userId: '', source: 'camera' }, bobs: { userId: 'bob', source: 'camera' } })[id] ?? null;
  const s = statisticsOf(report, stats, owner, known);
  assert.deepEqual(s.localStatistics, {
    audio: { bitrate: 40, loss: 0, jitter: 2 },
    video: [
      { videoType: 'main', rid: 'l', bitrate: 200, loss: 0, jitter: 1, width: 0, height: 0, frameRate: 0 },
      { videoType: 'main', rid: 'h', bitrate: 900, loss: 2, jitter: 1, width: 1280, height: 720, frameRate: 30 },
    ],
  });
  assert.deepEqual(s.remoteStatistics, [
    { userId: 'bob', audio: { bitrate: 40, loss: 0, jitter: 4 },
      video: [{ videoType: 'main', bitrate: 800, loss: 25, jitter: 3, width: 640, height: 360, frameRate: 25 }] },
    { userId: 'cat', audio: null, video: [{ videoType: 'sub', bitrate: 10, loss: 0, jitter: 5, width: 0, height: 0, frameRate: 0 }] },
  ]);
  assert.deepEqual([s.rtt, s.upLoss, s.downLoss, s.upBitrate, s.downBitrate], [23.5, 1.2, 0, 1200, 900]);
  assert.deepEqual([s.downEstimate, s.downQueue, s.downLimit], [0, 0, null]);
  const narrow = statisticsOf({ ...report, down: { ...report.down, estimateKbps: 1234, queueMs: 12.3, limitedBy: 'delay' },
    received: [{ ...report.received[0], state: 'live', layer: 0 }, { ...report.received[2], state: 'paused' }] }, [], owner, known);
  assert.deepEqual([narrow.downEstimate, narrow.downQueue, narrow.downLimit], [1234, 12.3, 'delay']);
  assert.deepEqual(narrow.remoteStatistics.map(({ video: [v] }) => [v.state, v.layer]), [['live', 0], ['paused', undefined]]);
});
