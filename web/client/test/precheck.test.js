// The check before the call, with clients and a network that are told what to say.

import assert from 'node:assert/strict';
import test from 'node:test';
import { judged, precheck } from '../precheck.js';
import { FakeClock } from './fakes.js';

/** A network: what each way carries, and a Parlor that counts as if it were there. */
function network(n) {
  const clock = new FakeClock();
  const made = [];
  const of = { open: ['udp', 'tcp'], kbps: 2000, loss: 0, roundTripMs: 40, turn: false, ...n };
  const client = (options) => {
    const way = (options.transports ?? ['udp', 'tcp', 'turn']).find((w) => of.open.includes(w) && (w !== 'turn' || of.turn)) ?? null;
    const handlers = {};
    let since = 0;
    const c = {
      options, in: false,
      async enterRoom(o) {
        if (of.refuse) throw of.refuse;
        Object.assign(c, { in: true, entered: o });
        since = clock.now();
        const [up] = made;
        if (made[1] === c) handlers['remote-video-available']?.({ userId: up.entered.userId, streamType: 'main' });
      },
      async exitRoom() { c.in = false; },
      on: (name, fn) => { handlers[name] = fn; },
      async startLocalVideo(o) { c.sends = o; },
      async startRemoteVideo() { c.watches = true; },
      async getStats() {
        const seconds = way && c.in ? (clock.now() - since) / 1000 : 0;
        const bytes = (seconds * of.kbps * 1000) / 8;
        const packets = Math.floor(bytes / 1200);
        return new Map(way && c.in ? [
          ['o', { type: 'outbound-rtp', kind: 'video', bytesSent: c.sends ? bytes : 0 }],
          ['r', { type: 'remote-inbound-rtp', kind: 'video', fractionLost: of.loss }],
          ['i', { type: 'inbound-rtp', kind: 'video', bytesReceived: c.watches ? bytes : 0, packetsReceived: c.watches ? packets : 0, packetsLost: (packets * of.loss) / (1 - of.loss), jitter: 0.007 }],
          ['t', { type: 'transport', selectedCandidatePairId: 'p' }],
          ['p', { type: 'candidate-pair', localCandidateId: 'l', remoteCandidateId: 'm', currentRoundTripTime: of.roundTripMs / 1000 }],
          ['l', { type: 'local-candidate', candidateType: way === 'turn' ? 'relay' : 'host', protocol: way === 'tcp' ? 'tcp' : 'udp' }],
          ['m', { protocol: way === 'tcp' ? 'tcp' : 'udp' }],
        ] : []);
      },
    };
    made.push(c);
    return c;
  };
  let [drawn, closed] = [0, 0];
  const tools = { client, clock, picture: () => (drawn++, { track: 'noise', close: () => closed++ }) };
  return { clock, made, tools, open: () => drawn - closed };
}

/** Runs the check on a clock that goes on until it is over. */
async function run(n, options = {}) {
  const net = network(n);
  let over = false;
  const report = precheck(options, net.tools).finally(() => { over = true; });
  report.catch(() => {});
  while (!over) await net.clock.advance(100);
  assert.deepEqual(net.made.filter((c) => c.in), [], 'everybody has left');
  assert.equal(net.open(), 0, 'nothing is drawn any more');
  return { report: await report, ...net };
}

test('a good network: what it carries, and which ways there are', async () => {
  const { report, made } = await run({});
  assert.equal(report.verdict, 'good');
  assert.deepEqual(report.problems, []);
  assert.equal(report.transport, 'udp');
  assert.deepEqual(report.ways, { udp: true, tcp: true, turn: null });
  assert.deepEqual([report.roundTripMs, report.jitterMs, report.up.loss, report.down.loss], [40, 7, 0, 0]);
  assert.ok(Math.abs(report.up.kbps - 2000) < 20 && Math.abs(report.down.kbps - 2000) < 20, JSON.stringify(report));
  assert.deepEqual(made.map((c) => c.options.transports), [undefined, undefined, ['tcp'], ['turn']]);
  assert.equal(new Set(made.map((c) => c.entered.strRoomId)).size, 1, 'all in one room');
  assert.equal(new Set(made.map((c) => c.entered.userId)).size, 4);
  assert.ok(made.every((c) => c.options.autoReceiveAudio === false), 'nothing is played');
});

test('no UDP: calls go by TCP, and it is said what to ask for', async () => {
  const { report } = await run({ open: ['tcp', 'turn'], turn: true });
  assert.equal(report.transport, 'tcp');
  assert.deepEqual(report.ways, { udp: false, tcp: true, turn: true });
  assert.deepEqual(report.problems.map((p) => p.code), ['udp_blocked']);
});

test('nothing gets through: none, and no measuring', async () => {
  const { report, clock } = await run({ open: [] });
  assert.equal(report.verdict, 'none');
  assert.deepEqual(report.problems.map((p) => p.code), ['media_blocked']);
  assert.deepEqual(report.ways, { udp: false, tcp: false, turn: null });
  assert.ok(clock.now() < 28000, `${clock.now()} ms`);
});

test('verdicts: each limit counts, and is named', () => {
  const base = { transport: 'udp', ways: { udp: true, tcp: true, turn: null }, up: { kbps: 2400, loss: 0 }, down: { kbps: 2400, loss: 0 }, roundTripMs: 30, jitterMs: 1, problems: [] };
  for (const [change, verdict, ...codes] of [
    [{}, 'good'],
    [{ up: { kbps: 1199, loss: 0 } }, 'fair', 'slow_up'],
    [{ up: { kbps: 299, loss: 0 } }, 'poor', 'slow_up'],
    [{ down: { kbps: 400, loss: 0 } }, 'fair', 'slow_down'],
    [{ down: { kbps: 2400, loss: 3.1 } }, 'fair', 'loss'],
    [{ up: { kbps: 2400, loss: 11 } }, 'poor', 'loss'],
    [{ roundTripMs: 201 }, 'fair', 'delay'],
    [{ roundTripMs: 401 }, 'poor', 'delay'],
    [{ up: { kbps: 200, loss: 5 }, roundTripMs: 500 }, 'poor', 'slow_up', 'loss', 'delay'],
  ]) {
    const r = judged({ ...structuredClone(base), ...change });
    assert.equal(r.verdict, verdict, JSON.stringify(change));
    assert.deepEqual(r.problems.map((p) => p.code), codes, JSON.stringify(change));
    assert.ok(r.summary && r.problems.every((p) => p.text), 'it can be read');
  }
});

test('a refusal is the answer', async () => {
  const refuse = Object.assign(new Error('no'), { code: 'token_invalid' });
  await assert.rejects(run({ refuse }), { code: 'token_invalid' });
});

test('progress rises to 1; a check that is called off ends at once', async () => {
  const shares = [];
  await run({}, { onProgress: (share) => shares.push(share) });
  assert.deepEqual(shares, [...shares].sort((a, b) => a - b));
  assert.equal(shares.at(-1), 1);

  const off = new AbortController();
  const net = network({});
  const report = precheck({ signal: off.signal }, net.tools);
  report.catch(() => {});
  await net.clock.advance(2000);
  off.abort();
  await net.clock.advance(1000);
  await assert.rejects(report, { code: 'aborted' });
  assert.deepEqual(net.made.filter((c) => c.in), []);
});
