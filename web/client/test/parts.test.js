// The pure parts: mailbox, roster, seats, encodings, recovery, protocol, and the demo's words and sizes.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { backoff } from '../clock.js';
import { Emitter } from '../emitter.js';
import { encodings, preferred, receivable, redundant, wantsSimulcast } from '../encodings.js';
import { layered } from '../layered.js';
import { Mailbox } from '../mailbox.js';
import { Own } from '../own.js';
import { checkUser, endpoints, roomOf } from '../protocol.js';
import { Recovery } from '../recovery.js';
import { compact } from '../sdp.js';
import { Undecodables } from '../undecodable.js';
import { Roster } from '../roster.js';
import { Seats } from '../seats.js';
import { aloneText, ending, errorText, exitText, undecodableText } from '../../demo/words.js';
import { claims, hue, idOf, initials, isId, mark } from '../../demo/names.js';
import { FakeClock } from './fakes.js';

const on = (...sources) => sources.map((source) => ({ source, on: true }));
const names = (changes) => changes.map((c) => [c.name, ...Object.values(c.payload).filter((v) => v !== '')].join(' '));

test('mailbox: takes each number once, and a gap only when it stays', () => {
  const m = new Mailbox();
  assert.deepEqual([1, 2, 2, 1, 4, 3, 4, 6, 6, 7].map((n) => m.accept(n)),
    ['take', 'take', 'repeat', 'repeat', 'gap', 'take', 'take', 'gap', 'take', 'take']);
  m.reset();
  assert.equal(m.accept(1), 'take');
});

test('roster: who comes is announced with what they send', () => {
  const r = new Roster();
  assert.deepEqual(names(r.entered({ user: 'bob', streams: [...on('camera'), { source: 'mic', on: false }] })),
    ['remote-user-enter bob', 'remote-video-available bob main']);
  assert.deepEqual(names(r.streams('bob', on('mic', 'screen'))),
    ['remote-video-unavailable bob main', 'remote-video-available bob sub', 'remote-audio-available bob']);
  assert.deepEqual(names(r.entered({ user: 'bob', streams: on('mic', 'screen') })), [], 'nothing new, nothing said');
  assert.deepEqual(names(r.left('bob', 2)),
    ['remote-video-unavailable bob sub', 'remote-audio-unavailable bob', 'remote-user-exit bob 2']);
  assert.deepEqual(r.left('bob', 0), [], 'a leave is told once');
  assert.deepEqual(r.streams('bob', on('camera')), [], 'nobody who is not there sends anything');
});

test('roster: entering anew says what has changed meanwhile', () => {
  const r = new Roster();
  r.reset([{ user: 'ann' }, { user: 'bob', streams: on('camera') }, { user: 'eve' }], 'me', 0);
  assert.deepEqual(names(r.reset([{ user: 'me' }, { user: 'bob', streams: on('mic') }, { user: 'dan' }, { user: 'ann' }], 'me', 1)), [
    'remote-user-exit eve 1', 'remote-video-unavailable bob main', 'remote-audio-available bob', 'remote-user-enter dan',
  ]);
  assert.deepEqual(r.users(), ['ann', 'bob', 'dan']);
});

const wish = (key, weight = 1) => ({ key, weight });

test('seats: taken, kept, freed, and the longest empty one is taken first', () => {
  const s = new Seats({ initial: 3, chunk: 2, max: 10 });
  assert.deepEqual(s.add(3), ['s1', 's2', 's3']);
  assert.deepEqual(s.plan([wish('a'), wish('b')]), { changed: ['s1', 's2'], grow: 0, unseated: [] });
  assert.deepEqual(s.plan([wish('a'), wish('b')]), { changed: [], grow: 0, unseated: [] });
  assert.deepEqual(s.plan([wish('b')]).changed, ['s1']);
  s.plan([wish('b'), wish('c')]);
  assert.equal(s.seatOf('c'), 's3');
  s.plan([wish('b'), wish('c'), wish('d')]);
  assert.equal(s.seatOf('d'), 's1');
});

test('seats: nobody is seated without weight, nor unseated for the lack of it', () => {
  const s = new Seats({ initial: 1, chunk: 1, max: 4 });
  s.add(1);
  assert.deepEqual(s.plan([wish('a', 0)]), { changed: [], grow: 0, unseated: [] });
  s.plan([wish('a', 1)]);
  assert.deepEqual(s.plan([wish('a', 0)]), { changed: [], grow: 0, unseated: [] });
  assert.equal(s.seatOf('a'), 's1');
});

test('seats: grow in chunks, never beyond the limit', () => {
  const s = new Seats({ initial: 2, chunk: 4, max: 7 });
  s.add(2);
  const people = 'abcdefghij'.split('').map((k) => wish(k));
  assert.equal(s.plan(people.slice(0, 2)).grow, 0);
  assert.equal(s.plan(people.slice(0, 3)).grow, 4);
  assert.deepEqual(s.add(4), ['s3', 's4', 's5', 's6']);
  assert.deepEqual(s.plan(people.slice(0, 3)), { changed: ['s3'], grow: 0, unseated: [] });
  assert.deepEqual(s.plan(people), { changed: ['s4', 's5', 's6'], grow: 1, unseated: ['h', 'i', 'j'] });
  assert.deepEqual(s.add(4), ['s7']);
  assert.deepEqual(s.plan(people), { changed: ['s7'], grow: 0, unseated: ['h', 'i', 'j'] });
  s.remove(['s7']);
  assert.equal(s.ids().length, 6);
});

test('seats: at the limit the weightier takes the seat of the lightest', () => {
  const s = new Seats({ initial: 2, chunk: 1, max: 2 });
  s.add(2);
  s.plan([wish('audio', 1), wish('idle', 1)]);
  s.plan([wish('audio', 1), wish('idle', 0), wish('video', 2)]);
  assert.deepEqual([s.seatOf('audio'), s.seatOf('idle'), s.seatOf('video')], ['s1', null, 's2']);
  assert.deepEqual(s.plan([wish('audio', 1), wish('video', 2), wish('other', 1)]), { changed: [], grow: 0, unseated: ['other'] });
  assert.deepEqual(s.plan([wish('audio', 1), wish('video', 2), wish('screen', 3)]), { changed: ['s1'], grow: 0, unseated: ['audio'] });
});

test('encodings: layers from low to high for a camera, one for a screen', () => {
  const layers = encodings({ source: 'camera', simulcast: true, width: 1280, height: 720 });
  assert.deepEqual(layers.map((l) => [l.rid, l.scaleResolutionDownBy]), [['q', 4], ['h', 2], ['f', 1]]);
  assert.ok(layers[0].maxBitrate < layers[1].maxBitrate && layers[1].maxBitrate < layers[2].maxBitrate);
  assert.equal(layers[0].scalabilityMode, undefined);
  assert.equal(encodings({ source: 'camera', simulcast: true, codec: 'VP9' })[0].scalabilityMode, 'L1T1');
  assert.equal(encodings({ source: 'screen', simulcast: true }).length, 1);
  assert.deepEqual(encodings({ source: 'mic' }), []);
});

test('encodings: layers inside one stream', () => {
  assert.deepEqual(encodings({ source: 'camera', svc: 'L3T3_KEY', codec: 'VP9', width: 640, height: 360 }), [{ maxBitrate: 599_000, scalabilityMode: 'L3T3_KEY' }]);
  assert.equal('scalabilityMode' in encodings({ source: 'camera', codec: 'VP9' })[0], false);
});

test('layers inside one stream are sent where the browser understands the mode, and the codec has it', async (t) => {
  let supported = true;
  let understands = true;
  const asked = [];
  const browser = {
    RTCPeerConnection: class {
      addTransceiver(_, { sendEncodings: [e] }) {
        return { sender: { getParameters: () => ({ encodings: [understands ? e : {}] }) } };
      }

      close() {}
    },
    navigator: { mediaCapabilities: { encodingInfo: async ({ video }) => (asked.push(video), { supported }) } },
  };
  for (const [name, value] of Object.entries(browser)) {
    const had = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true });
    t.after(() => (had ? Object.defineProperty(globalThis, name, had) : delete globalThis[name]));
  }
  assert.equal(await layered({}), false);
  assert.equal(await layered({ svc: 'L3T3_KEY', codec: 'AV1', width: 640 }), true);
  assert.deepEqual(asked.map((v) => [v.contentType, v.scalabilityMode, v.width]), [['video/AV1', 'L3T3_KEY', 640]]);
  assert.equal(await layered({ svc: 'L1T3' }), true);
  assert.equal(asked[1].contentType, 'video/VP9');
  supported = false;
  assert.equal(await layered({ svc: 'L1T3' }), false);
  supported = true;
  understands = false;
  assert.equal(await layered({ svc: 'L1T3' }), false);
});

test('encodings: simulcast by default for pictures at least 640 wide', () => {
  assert.equal(wantsSimulcast({ width: 1280 }), true);
  assert.equal(wantsSimulcast({ width: 320 }), false);
  assert.equal(wantsSimulcast({ width: 320, simulcast: true }), true);
  assert.equal(wantsSimulcast({ width: 1280, simulcast: false }), false);
  assert.equal(wantsSimulcast({ width: 1280, codec: 'AV1' }), false);
});

test('codecs: the wanted one first; seats take what a node forwards and no more', () => {
  const codec = (mimeType, sdpFmtpLine) => ({ mimeType, clockRate: 90000, sdpFmtpLine });
  const all = [
    codec('video/VP8'), codec('video/rtx'), codec('video/VP9', 'profile-id=0'), codec('video/VP9', 'profile-id=2'),
    codec('video/H264', 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f'),
    codec('video/H264', 'level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f'),
    codec('video/H264', 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=f4001f'),
    codec('video/H265', 'level-id=93;profile-id=1;tier-flag=0'), codec('video/AV1', 'level-idx=5;profile=0;tier=0'),
    codec('video/AV1', 'level-idx=5;profile=1;tier=0'), codec('video/red'), codec('video/ulpfec'), codec('video/flexfec-03'),
    codec('video/VP9', 'profile-id=1'), codec('video/AV1', 'level-idx=5;profile=2;tier=0'),
  ];
  assert.deepEqual(receivable(all), [all[0], all[1], all[2], all[3], all[4], all[7], all[8], all[9]]);
  assert.deepEqual(preferred(all, 'AV1').slice(0, 4), [all[8], all[9], all[14], all[0]]);
  assert.equal(preferred(all, 'AV1').length, all.length);
});

test('codecs: a microphone is sent with redundancy where the browser makes it', () => {
  const codec = (mimeType) => ({ mimeType, clockRate: 48000 });
  const all = [codec('audio/opus'), codec('audio/red'), codec('audio/G722')];
  assert.deepEqual(redundant(all), [all[1], all[0], all[2]]);
  assert.deepEqual(redundant([all[0], all[2]]), [all[0], all[2]]);
});

test('sdp: what is the same or of no use is sent once or not at all', () => {
  const sdp = (...lines) => lines.map((l) => `${l}\r\n`).join('');
  const transport = ['a=ice-ufrag:abcd', 'a=ice-pwd:secret', 'a=fingerprint:sha-256 AA', 'a=setup:actpass'];
  const video = (direction) => ['m=video 9 UDP/TLS/RTP/SAVPF 96 97 98', 'a=extmap:1 urn:ietf:params:rtp-hdrext:toffset',
    'a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:mid', direction, 'a=rtpmap:96 VP8/90000', 'a=rtcp-fb:96 goog-remb',
    'a=rtcp-fb:96 nack pli', 'a=rtpmap:97 rtx/90000', 'a=fmtp:97 apt=96', 'a=rtpmap:98 AV1/90000', 'a=rtcp-fb:98 nack pli'];
  const kept = video('a=sendonly').filter((l) => !/toffset|remb/.test(l));
  assert.equal(
    compact(sdp('v=0', 's=-', ...video('a=sendonly'), ...transport, ...video('a=recvonly'), ...transport)),
    sdp('v=0', 's=-', ...transport, ...kept, ...kept.map((l) => l.replace('sendonly', 'recvonly')).filter((l) => !/rtcp-fb/.test(l)), 'a=rtcp-fb:* nack pli'));
  const differing = sdp('v=0', 'm=audio 9 x 0', ...transport, 'm=audio 9 x 0', 'a=ice-ufrag:other', ...transport.slice(1));
  assert.equal(compact(differing), differing);
  const one = sdp('v=0', ...transport, 'm=video 9 x 96 98', 'a=recvonly', 'a=rtpmap:96 VP8/90000', 'a=rtcp-fb:96 nack', 'a=rtpmap:98 AV1/90000');
  assert.equal(compact(one), one, 'what is not of all codecs stays where it is');
  const numbered = ['a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01'];
  const timed = ['a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time'];
  const seat = (...exts) => sdp('v=0', ...transport, 'm=audio 9 x 111', ...exts, 'a=recvonly', 'a=rtpmap:111 opus/48000/2');
  assert.equal(compact(seat(...timed, ...numbered)), seat(...numbered), 'a seat needs no time of sending beside numbers');
  assert.equal(compact(seat(...timed)), seat(...timed));
});

function recovering() {
  const clock = new FakeClock();
  const steps = [];
  return { clock, steps, r: new Recovery(clock, (s) => steps.push(s), () => 0) };
}

test('recovery: a short break needs nothing, a longer one an ICE restart', async () => {
  const t = recovering();
  t.r.changed('disconnected');
  await t.clock.advance(2900);
  t.r.changed('connected');
  await t.clock.advance(60000);
  assert.deepEqual(t.steps, []);
  t.r.changed('disconnected');
  await t.clock.advance(3000);
  assert.deepEqual(t.steps, ['restart']);
});

test('recovery: what restarts do not heal is made anew', async () => {
  const t = recovering();
  t.r.changed('failed');
  await t.clock.advance(16000);
  assert.deepEqual(t.steps, ['restart', 'restart', 'rebuild']);
  t.r.changed('connected');
  await t.clock.advance(60000);
  assert.equal(t.steps.length, 3);
  t.r.changed('closed');
  await t.clock.advance(499);
  assert.equal(t.steps.length, 3, 'the node may be about to say why');
  await t.clock.advance(1);
  assert.deepEqual(t.steps.slice(3), ['rebuild']);
});

test('recovery: a node that ends media and then says why has not failed', async () => {
  const t = recovering();
  t.r.changed('closed');
  await t.clock.advance(400);
  t.r.reset();
  await t.clock.advance(60000);
  assert.deepEqual(t.steps, []);
});

test('recovery: a failed first offer is made anew, ever more rarely, and at once when signalling is back', async () => {
  const t = recovering();
  const opens = (ms) => async () => {
    assert.equal(t.r.unopened(), false);
    t.steps.length = 0;
    await t.clock.advance(ms - 1);
    assert.deepEqual(t.steps, []);
    await t.clock.advance(1);
    assert.deepEqual(t.steps, ['rebuild']);
    t.r.renewed();
  };
  assert.equal(t.r.unopened(), true, 'the first one');
  await t.clock.advance(1000);
  assert.deepEqual(t.steps, ['rebuild']);
  t.r.renewed();
  for (const ms of [2000, 4000, 8000, 8000]) await opens(ms)();
  t.r.unopened();
  t.r.contact('closed');
  assert.deepEqual(t.steps, ['rebuild', 'rebuild']);
  t.r.changed('connected');
  assert.equal(t.r.unopened(), true);
});

test('recovery: contact acts only where media is not well', () => {
  const t = recovering();
  t.r.contact('connected');
  t.r.contact('new');
  assert.deepEqual(t.steps, []);
  t.r.contact('disconnected');
  assert.deepEqual(t.steps, ['restart']);
});

test('backoff doubles up to 8 s, with up to half taken off', () => {
  assert.deepEqual([0, 1, 2, 5, 50].map((n) => backoff(n, 0)), [250, 500, 1000, 8000, 8000]);
  assert.equal(backoff(5, 0.999) > 4000, true);
});

test('protocol: rooms and users', () => {
  assert.equal(roomOf({ roomId: 123 }), 123);
  assert.equal(roomOf({ strRoomId: '123' }), '123');
  for (const bad of [{}, { roomId: 1, strRoomId: 'a' }, { roomId: 0 }, { roomId: 4294967295 }, { roomId: 1.5 }, { strRoomId: '' },
    { strRoomId: 'a/b' }, { strRoomId: 'x'.repeat(65) }, { strRoomId: 'ü' }, { roomId: '5' }]) {
    assert.throws(() => roomOf(bad), { code: 'invalid_parameter', field: 'room' }, JSON.stringify(bad));
  }
  assert.equal(checkUser('a_b.c@d-9'), 'a_b.c@d-9');
  for (const bad of ['', 'a b', 'ü', 'x'.repeat(65), 7, undefined]) assert.throws(() => checkUser(bad), { field: 'user' });
});

test('protocol: addresses', () => {
  const page = 'http://127.0.0.1:8080/demo/?room=a';
  assert.deepEqual(endpoints(undefined, page), { socket: 'ws://127.0.0.1:8080/rtc', beacon: 'http://127.0.0.1:8080/rtc/exit' });
  assert.deepEqual(endpoints('https://sfu.example', page), { socket: 'wss://sfu.example/rtc', beacon: 'https://sfu.example/rtc/exit' });
  assert.deepEqual(endpoints('wss://sfu.example/a/rtc/', page), { socket: 'wss://sfu.example/a/rtc', beacon: 'https://sfu.example/a/rtc/exit' });
  assert.throws(() => endpoints('ftp://x', page), { field: 'url' });
  assert.throws(() => endpoints('http://', page), { field: 'url' });
});

test('roster: who is a player or an encoder is told as such', () => {
  const r = new Roster();
  assert.deepEqual(r.entered({ user: 'tv', mediaOnly: true })[0].payload, { userId: 'tv', name: '', metadata: '', mediaOnly: true });
  assert.deepEqual(r.entered({ user: 'bob' })[0].payload, { userId: 'bob', name: '', metadata: '' });
  r.left('tv', 0);
  assert.deepEqual([r.knew('tv'), r.knew('bob'), r.knew('eve')], [true, true, false]);
  r.clear();
  assert.equal(r.knew('bob'), true, 'also when the stay is over');
});

test('roster: people are called by names, which change', () => {
  const r = new Roster();
  assert.deepEqual(r.entered({ user: 'bob', name: 'Bob Müller', metadata: '{}' })[0].payload, { userId: 'bob', name: 'Bob Müller', metadata: '{}' });
  assert.deepEqual(names(r.updated('bob', { name: 'Bob Müller', metadata: '{}' })), [], 'nothing new, nothing said');
  assert.deepEqual(names(r.updated('bob', { name: 'Robert' })), ['user-updated bob Robert']);
  assert.deepEqual(r.updated('eve', { name: 'Eve' }), [], 'nobody who is not there');
  assert.deepEqual(names(r.reset([{ user: 'bob', name: 'Bob' }, { user: 'ann', name: 'Ann' }], 'me', 1)), ['user-updated bob Bob', 'remote-user-enter ann Ann']);
  const bob = r.user('bob');
  bob.name = 'changed by the application';
  assert.equal(r.user('bob').name, 'Bob');
  r.left('bob', 0);
  assert.equal(r.user('bob'), null);
});

test('own: one hears what one is called, and would enter anew as that', () => {
  /** @type {string[]} */
  const [kept, told] = [[], []];
  const own = new Own((p) => kept.push(p.name), (p) => told.push(p.name));
  own.heard({ name: 'Ann' }, true);
  own.heard({ name: 'Ann' }, false);
  own.heard({ name: 'Guest 1', metadata: 'x' }, false);
  own.heard({ name: 'Guest 1' }, false);
  assert.deepEqual([kept, told], [['Ann', 'Ann', 'Guest 1', 'Guest 1'], ['Guest 1', 'Guest 1']]);
  own.reset();
  assert.deepEqual(own.profile, { name: '', metadata: '' });
});

test('emitter: once, off, and a handler that throws keeps no other from being called', (t) => {
  class E extends Emitter {
    fire(name, payload) {
      this.emit(name, payload);
    }
  }
  const reported = t.mock.method(console, 'error', () => {});
  const e = new E({ a: 1 });
  const got = [];
  const fn = (x) => got.push(`on ${x}`);
  e.on('a', () => {
    throw new Error('of the application');
  }).on('a', fn).once('a', (x) => got.push(`once ${x}`));
  e.fire('a', 1);
  e.fire('a', 2);
  e.off('a', fn);
  e.fire('a', 3);
  assert.deepEqual(got, ['on 1', 'once 1', 'on 2']);
  assert.equal(reported.mock.callCount(), 3);
});

test('names: ids are made of them, whatever they are written in, and are one person’s', () => {
  assert.deepEqual(['Ann', ' Anna Müller ', 'Zoë/Ωmega', 'Weiß', 'a@b.c', '李', '😀', ' - '].map((name) => idOf(name, 'k2')),
    ['Ann-k2', 'Anna-Muller-k2', 'Zoe-mega-k2', 'Weiss-k2', 'a@b.c-k2', 'user-k2', 'user-k2', 'user-k2']);
  assert.ok(isId(idOf('x'.repeat(99), mark())), 'within 64 bytes');
  assert.notEqual(mark(), mark());
  assert.deepEqual(['ann', 'Ann Müller', '李', ''].map(isId), [true, false, false, false]);
});

test('names: a token says whose it is', () => {
  const token = (payload) => `x.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.y`;
  assert.deepEqual(claims(token({ user: 'bob', name: 'Bob Müller' })), { user: 'bob', name: 'Bob Müller' });
  for (const none of ['', 'x', 'x.y.z', token({ user: 7, name: null }), token(null)]) assert.deepEqual(claims(none), {}, none);
});

test('names: have initials and colours, whatever they are written in', () => {
  assert.deepEqual(['ann', 'anna-maria.k', '李', '王小明', '😀', '👩‍💻ann', '🇩🇪', 'Юля', 'é', 'नमस्ते', '_', 'a', 'ann-李'].map(initials),
    ['AN', 'AK', '李', '王', '😀', '👩‍💻', '🇩🇪', 'ЮЛ', 'É', 'न', '_', 'A', 'A李']);
  const faces = ['😀', '😎', '👩‍💻', '🎉', '李', '王', 'ann', 'ben'];
  assert.equal(new Set(faces.map(hue)).size, faces.length);
  assert.ok(faces.every((name) => hue(name) >= 0 && hue(name) < 360));
});

test('words: reasons and errors become sentences', () => {
  assert.equal(ending(1).title, 'You were removed from the room');
  assert.equal(ending(99).title, 'The call has ended');
  assert.deepEqual([-1, 1, 2, 3, 4, 5].filter((r) => ending(r).again), [-1, 2, 4], 'not of somebody who was put out, is elsewhere, or needs a token');
  assert.match(aloneText('live', 'anchor'), /not shown/);
  assert.equal(exitText('bob', 1), 'bob lost the connection');
  assert.match(errorText({ code: 'banned' }), /removed/);
  assert.match(errorText({ code: 'not_allowed', field: 'room' }), /another room/);
  assert.match(errorText({ code: 'not_allowed', field: 'mic' }), /microphone/);
  assert.match(errorText({ code: 'not_allowed', field: 'publish' }), /token/);
  assert.equal(errorText({ code: 'new_code', message: 'As the node says.' }), 'As the node says.');
  const [sound, picture] = [{ source: 'mic', codec: 'G722' }, { source: 'camera', codec: 'VP9 profile 2' }];
  assert.deepEqual(undecodableText([sound]), ['sound', 'No sound: your browser cannot decode G722']);
  assert.deepEqual(undecodableText([sound, picture]), ['picture', 'No sound: your browser cannot decode G722. No picture: your browser cannot decode VP9 profile 2']);
  assert.deepEqual(undecodableText([{ source: 'camera', codec: '' }]), ['picture', 'Paused: your network is too slow for this picture']);
  assert.deepEqual(undecodableText([]), ['', '']);
});

// WCAG 2.2: contrast of text (1.4.3) and of what is needed to see a field (1.4.11), light and dark.
test('style: colours that go together can be told apart', () => {
  const css = readFileSync(new URL('../../demo/demo.css', import.meta.url), 'utf8');
  const [light, dark] = [...css.matchAll(/:root \{([^}]*)\}/g)].map((m) => Object.fromEntries(
    [...m[1].matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g)].map((x) => [x[1], x[2]])));
  const part = (hex, i) => {
    const c = parseInt(hex.slice(1 + 2 * i, 3 + 2 * i), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  };
  const luminance = (hex) => 0.2126 * part(hex, 0) + 0.7152 * part(hex, 1) + 0.0722 * part(hex, 2);
  const text = [
    ['ink', 'page'], ['ink', 'card'], ['ink', 'sunken'], ['soft', 'page'], ['soft', 'card'], ['good', 'card'], ['warn', 'warn-soft'], ['warn', 'card'],
    ['danger-ink', 'danger-soft'], ['on-accent', 'accent'], ['on-accent', 'accent-strong'], ['page', 'ink'],
  ].map((p) => [...p, 4.5]);
  const edges = [['edge', 'card'], ['edge', 'sunken'], ['accent', 'card'], ['accent', 'page'], ['danger', 'card']].map((p) => [...p, 3]);
  for (const [theme, tokens] of Object.entries({ light, dark: { ...light, ...dark } })) {
    for (const [a, b, least] of [...text, ...edges]) {
      const [lo, hi] = [luminance(tokens[a]), luminance(tokens[b])].sort((x, y) => x - y);
      const ratio = (hi + 0.05) / (lo + 0.05);
      assert.ok(ratio >= least, `${theme}: ${a} on ${b} is ${ratio.toFixed(2)}:1, not ${least}:1`);
    }
  }
  const [, s, l] = css.match(/hsl\(var\(--hue, 220\) (\d+)% (\d+)%\); color: #fff/).map(Number);
  for (let h = 0; h < 360; h++) { // CSS Color 4, 7.1
    const hex = [0, 8, 4].map((n) => {
      const [k, a] = [(n + h / 30) % 12, s / 100 * Math.min(l / 100, 1 - l / 100)];
      return Math.round(255 * (l / 100 - a * Math.max(-1, Math.min(k - 3, 9 - k, 1)))).toString(16).padStart(2, '0');
    });
    const ratio = 1.05 / (luminance(`#${hex.join('')}`) + 0.05);
    assert.ok(ratio >= 4.5, `initials on hue ${h} are ${ratio.toFixed(2)}:1`);
  }
  assert.match(css, /\.field input, \.field select \{[^}]*border: 1px solid var\(--edge\)/);
});

test('undecodable: told once, over once, and nothing of who has left', () => {
  const u = new Undecodables();
  const camera = (on, codec) => u.heard({ user: 'ann', source: 'camera', on, codec });
  assert.equal(camera(false), null, 'nothing began');
  assert.deepEqual(camera(true, 'VP9 profile 2'), { userId: 'ann', source: 'camera', on: true, codec: 'VP9 profile 2' });
  assert.equal(camera(true, 'VP9 profile 2'), null, 'a second seat of the same');
  assert.deepEqual(camera(true, 'AV1 profile 1'), { userId: 'ann', source: 'camera', on: true, codec: 'AV1 profile 1' });
  assert.deepEqual(camera(false), { userId: 'ann', source: 'camera', on: false, codec: 'AV1 profile 1' });
  assert.equal(camera(false), null);
  camera(true, 'H265 profile 1');
  u.left('bob');
  assert.deepEqual(u.reset(), [{ userId: 'ann', source: 'camera', on: false, codec: 'H265 profile 1' }], 'a session anew');
  camera(true, 'H265 profile 1');
  u.left('ann');
  assert.deepEqual(u.reset(), []);
});
