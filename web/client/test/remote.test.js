import assert from 'node:assert/strict';
import test from 'node:test';
import { ParlorError } from '../protocol.js';
import { FakeClock, settle } from './fakes.js';

// The least of a page that elements of sound and video need.
class FakeElement {
  style = {};
  children = [];
  append(el) {
    this.children.push(el);
  }
  remove() {
    this.removed = true;
  }
  addEventListener() {}
  play() {
    return Promise.resolve();
  }
}
class FakeVideo extends FakeElement {
  requestVideoFrameCallback(fn) {
    this.onFrame = fn;
  }
}
const audios = [];
Object.assign(globalThis, {
  HTMLElement: FakeElement,
  HTMLVideoElement: FakeVideo,
  MediaStream: class {
    constructor(tracks = []) {
      this.tracks = tracks;
    }
  },
  document: {
    body: new FakeElement(),
    createElement(name) {
      const el = name === 'video' ? new FakeVideo() : new FakeElement();
      if (name === 'audio') audios.push(el);
      return el;
    },
  },
});
const { Remote } = await import('../remote.js');
const { Roster } = await import('../roster.js');

const on = (...sources) => sources.map((source) => ({ source, on: true }));

function setUp({ initial = 2, chunk = 2, max = 6, may = () => true } = {}) {
  audios.length = 0;
  const t = { told: [], sized: [], grown: [], errors: [], ready: new Set(), roster: new Roster(), answer: async () => {}, clock: new FakeClock(), seen: new Map() };
  t.remote = new Remote({
    roster: t.roster, limits: { initial, chunk, max }, autoReceiveAudio: true, may, adaptive: true, clock: t.clock,
    sight: {
      watch: (v) => t.seen.set(v, { width: 320, height: 180 }),
      unwatch: (v) => t.seen.delete(v),
      size: (v) => t.seen.get(v) ?? { width: 0, height: 0 },
    },
    sizes: async (seats) => {
      t.sized.push(...seats.map((z) => `${z.seat} ${z.width}x${z.height}`));
    },
    seat: async (r) => {
      t.told.push(r);
      await t.answer(r);
    },
    grow: async (ids) => {
      t.grown.push(ids);
      if (t.refuseGrowth) throw new ParlorError('bad_request', 'too many');
      ids.forEach((id) => t.ready.add(id));
    },
    tracks: (id) => (t.ready.has(id) ? { video: { id: `v-${id}` }, audio: { id: `a-${id}` } } : null),
    onError: (err) => t.errors.push(err.code),
    onBlocked: () => {},
  });
  t.open = () => {
    t.remote.seatIds().forEach((id) => t.ready.add(id));
    t.remote.sync();
  };
  t.enter = (user, ...sources) => {
    t.roster.entered({ user, streams: on(...sources) });
    t.remote.entered(user);
    t.remote.sync();
  };
  t.leave = (user) => {
    t.roster.left(user, 0);
    t.remote.left(user);
    t.remote.sync();
  };
  t.take = async () => {
    await settle();
    return t.told.splice(0).map((r) => [r.seat, r.user, r.video, r.audio, r.quality].filter((x) => x !== undefined).join(' '));
  };
  return t;
}

test('sound comes by itself, pictures when asked for', async () => {
  const t = setUp();
  t.open();
  t.enter('bob', 'mic', 'camera');
  assert.deepEqual(await t.take(), ['s1 bob  mic']);
  assert.equal(audios.length, 1);
  const view = new FakeVideo();
  t.remote.startVideo({ userId: 'bob', streamType: 'main', view });
  assert.equal(view.srcObject, undefined, 'nothing is shown before the node has changed the seat');
  assert.deepEqual(await t.take(), ['s1 bob camera mic high']);
  assert.equal(view.srcObject.tracks[0].id, 'v-s1');
  assert.equal(view.style.visibility, 'hidden', 'and nothing of before is seen');
  view.onFrame();
  assert.equal(view.style.visibility, '');
});

test('a view says how large the picture is to be, and a message of its own when that changes', async () => {
  const t = setUp();
  t.open();
  t.enter('bob', 'mic', 'camera');
  await t.take();
  const view = new FakeVideo();
  const shown = async (width, height) => {
    t.seen.set(view, { width, height });
    t.remote.resized();
    await t.clock.advance(500);
    return t.sized.splice(0);
  };
  t.remote.startVideo({ userId: 'bob', streamType: 'main', view });
  await settle();
  assert.deepEqual(t.told.splice(0).pop(), { type: 'seat', seat: 's1', user: 'bob', video: 'camera', audio: 'mic', quality: 'high', width: 320, height: 180 });
  assert.deepEqual(await shown(320, 180), []);
  assert.deepEqual(await shown(640, 360), ['s1 640x360']);
  assert.deepEqual(t.remote.received().map((r) => [r.source, r.hidden]), [['camera', false], ['mic', false]]);
  assert.deepEqual(await shown(0, 0), ['s1 0x0']);
  assert.deepEqual(t.remote.received().map((r) => [r.source, r.hidden]), [['camera', true], ['mic', false]]);
  t.remote.setAudio('bob', false);
  await settle();
  assert.equal(t.told.splice(0).pop().width, 0, 'and it stays hidden with what else changes');
  assert.deepEqual(await shown(640, 360), ['s1 640x360']);
  t.remote.updateVideo({ userId: 'bob', streamType: 'main', adaptive: false });
  await settle();
  assert.equal('width' in t.told.splice(0).pop(), false);
  assert.deepEqual(await shown(0, 0), []);
  t.remote.updateVideo({ userId: 'bob', streamType: 'main', adaptive: true });
  await settle();
  assert.equal(t.told.splice(0).pop().width, 0);
  t.remote.startVideo({ userId: 'bob', streamType: 'main', view: null });
  await settle();
  assert.equal('width' in t.told.splice(0).pop(), false, 'where the picture goes without a view is not known');
  assert.equal(t.seen.size, 0);
});

test('a picture in several views comes as large as the largest needs it', async () => {
  const t = setUp();
  t.open();
  t.enter('bob', 'camera');
  await t.take();
  const [tile, stage] = [new FakeVideo(), new FakeVideo()];
  const start = (view) => t.remote.startVideo({ userId: 'bob', streamType: 'main', view });
  start([tile, stage, tile]);
  await settle();
  assert.equal(t.told.splice(0).pop().width, 320);
  assert.deepEqual([tile, stage].map((v) => v.srcObject.tracks[0].id), ['v-s1', 'v-s1']);
  t.seen.set(stage, { width: 1280, height: 720 });
  t.remote.resized();
  await t.clock.advance(500);
  assert.deepEqual(t.sized.splice(0), ['s1 1280x720']);
  t.seen.set(tile, { width: 0, height: 0 });
  start([stage, tile]);
  await t.clock.advance(1000);
  assert.deepEqual([t.told, t.sized], [[], []], 'the same views in another order');
  start([tile]);
  assert.equal(stage.srcObject, null, 'no longer there');
  await t.clock.advance(1000);
  assert.deepEqual([t.sized, t.seen.size], [['s1 320x180'], 1]);
  start([]);
  assert.equal(t.seen.size, 0);
});

test('sizes are told anew on another connection, and of nobody who is gone', async () => {
  const t = setUp();
  t.open();
  t.enter('bob', 'camera');
  const view = new FakeVideo();
  t.remote.startVideo({ userId: 'bob', streamType: 'main', view });
  await t.take();
  t.seen.set(view, { width: 0, height: 0 });
  t.remote.resized();
  t.seen.set(view, { width: 320, height: 180 });
  t.remote.renew();
  await t.clock.advance(1000);
  assert.deepEqual(t.sized, [], 'what was due on the one before is not told of seats that nobody knows');
  t.remote.sync();
  await settle();
  assert.equal(t.told.find((r) => r.user === 'bob').width, 320);
  t.leave('bob');
  t.remote.resized();
  await t.clock.advance(1000);
  assert.deepEqual([t.sized, t.seen.size, t.clock.waiting], [[], 0, 0]);
});

test('what is wished in answer to events goes along with them', async () => {
  const t = setUp();
  t.open();
  t.roster.entered({ user: 'bob', streams: on('mic', 'camera') });
  t.remote.entered('bob');
  t.remote.batch(() => t.remote.startVideo({ userId: 'bob', streamType: 'main', view: null }));
  assert.deepEqual(await t.take(), ['s1 bob camera mic high']);
});

test('nothing is asked of seats that are not negotiated yet', async () => {
  const t = setUp();
  t.enter('bob', 'mic');
  t.remote.seatIds();
  assert.deepEqual(await t.take(), []);
  t.open();
  assert.deepEqual(await t.take(), ['s1 bob  mic']);
});

test('the first offer has a seat for everybody who is heard or seen then', async () => {
  const t = setUp({ initial: 2, chunk: 2, max: 6 });
  for (const u of ['a', 'b', 'c']) t.enter(u, 'mic');
  t.open();
  assert.equal((await t.take()).length, 3);
  assert.deepEqual([t.remote.seatIds().length, t.grown.length], [4, 0]);
});

test('a screen has a seat of its own; quality and mutes change the seat', async () => {
  const t = setUp();
  t.open();
  t.enter('bob', 'mic', 'camera', 'screen', 'screen-audio');
  t.remote.startVideo({ userId: 'bob', streamType: 'main', view: null, quality: 'low' });
  t.remote.startVideo({ userId: 'bob', streamType: 'sub', view: null });
  assert.deepEqual((await t.take()).slice(-2).sort(), ['s1 bob camera mic low', 's2 bob screen screen-audio high']);
  t.remote.updateVideo({ userId: 'bob', streamType: 'main', quality: 'high' });
  assert.deepEqual(await t.take(), ['s1 bob camera mic high']);
  t.remote.setAudio('bob', false);
  assert.deepEqual((await t.take()).sort(), ['s1 bob camera  high', 's2 bob screen  high']);
  t.remote.stopVideo('bob', ['main']);
  assert.deepEqual(await t.take(), ['s1 bob  ']);
});

test('who leaves frees the seat, and is neither seen nor heard from that moment', async () => {
  const t = setUp();
  t.open();
  const view = new FakeVideo();
  t.enter('bob', 'mic', 'camera');
  t.remote.startVideo({ userId: 'bob', streamType: 'main', view });
  await t.take();
  t.leave('bob');
  assert.equal(view.srcObject, null);
  assert.equal(audios[0].removed, true);
  assert.deepEqual(await t.take(), ['s1 ']);
  t.enter('bob', 'camera');
  t.remote.startVideo({ userId: 'bob', streamType: 'main', view });
  await t.take();
  assert.equal(view.srcObject.tracks[0].id, 'v-s2', 'back again, in the seat that was empty longest');
});

test('a camera that goes off is blanked, and comes back by itself', async () => {
  const t = setUp();
  t.open();
  const view = new FakeVideo();
  t.enter('bob', 'mic', 'camera');
  t.remote.startVideo({ userId: 'bob', streamType: 'main', view });
  await t.take();
  t.roster.streams('bob', on('mic'));
  t.remote.sync();
  assert.equal(view.srcObject, null);
  assert.equal(audios[0].removed, undefined);
  t.roster.streams('bob', on('mic', 'camera'));
  t.remote.sync();
  assert.equal(view.srcObject.tracks[0].id, 'v-s1');
  assert.deepEqual(await t.take(), [], 'the node did it without being asked');
});

test('one request at a time per seat, and the last wish wins', async () => {
  const t = setUp();
  t.open();
  let release;
  t.answer = () => new Promise((resolve) => {
    release = resolve;
  });
  t.enter('bob', 'camera');
  t.remote.startVideo({ userId: 'bob', streamType: 'main', view: null, quality: 'low' });
  for (const q of ['mid', 'high', 'mid']) t.remote.updateVideo({ userId: 'bob', streamType: 'main', quality: q });
  assert.deepEqual(await t.take(), ['s1 bob camera mic low']);
  release();
  assert.deepEqual(await t.take(), ['s1 bob camera mic mid']);
  release();
  assert.deepEqual(await t.take(), []);
});

test('more people than seats: grows in chunks, once at a time', async () => {
  const t = setUp({ initial: 2, chunk: 2, max: 5 });
  t.open();
  for (const u of ['a', 'b', 'c', 'd', 'e', 'f']) t.enter(u, 'mic');
  assert.deepEqual((await t.take()).map((x) => x.split(' ')[1]), ['a', 'b', 'c', 'd', 'e']);
  assert.deepEqual(t.grown, [['s3', 's4'], ['s5']]);
  t.leave('b');
  assert.deepEqual((await t.take()), ['s2 f  mic']);
});

test('seats that are refused are given back, and said', async () => {
  const t = setUp({ initial: 1 });
  t.open();
  t.refuseGrowth = true;
  t.enter('a', 'mic');
  t.enter('b', 'mic');
  await t.take();
  assert.deepEqual(t.errors, ['bad_request']);
  t.leave('a');
  assert.deepEqual(await t.take(), ['s1 b  mic'], 'no seat that was refused is used');
});

test('more streams than seats: said once, and again when another one is lacking', async () => {
  const t = setUp({ initial: 1, chunk: 1, max: 2 });
  t.open();
  for (const u of ['a', 'b', 'c']) t.enter(u, 'mic');
  await t.take();
  t.remote.sync();
  assert.deepEqual(t.errors, ['seat_limit']);
  t.enter('d', 'mic');
  await t.take();
  assert.deepEqual(t.errors, ['seat_limit', 'seat_limit']);
  t.leave('c');
  t.leave('d');
  t.enter('c', 'mic');
  assert.equal(t.errors.length, 3);
});

test('a seat of which the node has said nothing in time is told again', async () => {
  const t = setUp();
  t.open();
  t.answer = async () => {
    throw new ParlorError('timeout', '');
  };
  t.enter('bob', 'mic');
  assert.deepEqual(await t.take(), ['s1 bob  mic']);
  assert.deepEqual(t.errors, ['timeout']);
  t.answer = async () => {};
  t.remote.sync();
  assert.deepEqual(await t.take(), ['s1 bob  mic']);
  t.remote.sync();
  assert.deepEqual(await t.take(), []);
});

test('a user who has just left is no error; another refusal is said once', async () => {
  const t = setUp();
  t.open();
  t.answer = async () => {
    throw new ParlorError('user_not_found', '');
  };
  t.enter('bob', 'mic');
  await t.take();
  assert.deepEqual(t.errors, []);
  t.answer = async () => {
    throw new ParlorError('not_allowed', '');
  };
  t.remote.sync();
  await t.take();
  t.remote.sync();
  await t.take();
  assert.deepEqual(t.errors, ['not_allowed']);
});

test('a new PeerConnection is told everything again, empty seats too', async () => {
  const t = setUp();
  t.open();
  t.enter('bob', 'mic');
  await t.take();
  const view = new FakeVideo();
  t.roster.streams('bob', on('mic', 'camera'));
  t.remote.startVideo({ userId: 'bob', streamType: 'main', view });
  await t.take();
  t.ready.clear();
  t.remote.renew();
  assert.equal(audios[0].removed, true);
  assert.equal(view.srcObject, null);
  t.open();
  assert.deepEqual((await t.take()).sort(), ['s1 bob camera mic high', 's2 ']);
  assert.equal(audios.length, 2);
  assert.equal(view.srcObject.tracks[0].id, 'v-s1');
});

test('without the right to receive it nothing is asked for', async () => {
  const t = setUp({ may: (source) => source !== 'mic' });
  t.open();
  t.enter('bob', 'mic');
  assert.deepEqual(await t.take(), []);
  t.roster.streams('bob', on('mic', 'camera'));
  t.remote.startVideo({ userId: 'bob', streamType: 'main', view: null });
  assert.deepEqual(await t.take(), ['s1 bob camera  high']);
});

test('a stranger cannot be watched', () => {
  const t = setUp();
  assert.throws(() => t.remote.startVideo({ userId: 'eve', streamType: 'main', view: null }), { code: 'user_not_found' });
  assert.throws(() => t.remote.updateVideo({ userId: 'eve', streamType: 'main', quality: 'low' }), { code: 'user_not_found' });
});

test('the loudest are heard in place of everybody', async () => {
  const t = setUp({ initial: 2, chunk: 2, max: 6 });
  t.enter('ann', 'mic', 'camera', 'screen', 'screen-audio');
  t.enter('ben', 'mic');
  t.open();
  await t.take();
  t.remote.setLoudest(2);
  const told = await t.take();
  assert.equal(told.filter((r) => r.endsWith(' *  mic')).length, 2, `two places: ${told}`);
  t.remote.startVideo({ userId: 'ann', streamType: 'main', view: null });
  assert.ok((await t.take()).every((r) => !r.includes('ann camera mic')), 'nobody is heard twice');
  assert.equal(audios.filter((a) => !a.removed).length, 3, 'two places and the sound of the screen');
  for (const id of ['s1', 's2', 's3', 's4', 's5', 's6']) assert.notEqual(t.remote.owner(`a-${id}`)?.userId, '*');
  t.remote.setAllAudio(false);
  await t.take();
  assert.equal(audios.filter((a) => !a.removed).length, 0, 'muted, the loudest too');
  t.remote.setAllAudio(true);
  await t.take();
  t.remote.setLoudest(0);
  const back = await t.take();
  assert.ok(back.some((r) => r.endsWith(' ben  mic')) && !back.some((r) => r.includes('*')), `everybody again: ${back}`);
  assert.equal(t.errors.length, 0);
});

test('options of a picture last: a change gives those that become others', async () => {
  const t = setUp();
  t.open();
  const [view, other] = [new FakeVideo(), new FakeVideo()];
  t.enter('bob', 'camera');
  t.remote.startVideo({ userId: 'bob', streamType: 'main', view, quality: 'low', fillMode: 'contain', mirror: true });
  t.remote.startVideo({ userId: 'bob', streamType: 'main', view, quality: 'mid' });
  assert.deepEqual([view.style.objectFit, view.style.transform], ['contain', 'scaleX(-1)']);
  t.remote.updateVideo({ userId: 'bob', streamType: 'main', view: other });
  assert.deepEqual([other.style.objectFit, other.style.transform], ['contain', 'scaleX(-1)']);
  assert.deepEqual((await t.take()).pop(), 's1 bob camera mic mid');
  assert.equal(view.srcObject, null);
  assert.throws(() => t.remote.updateVideo({ userId: 'bob', streamType: 'main', view: 7 }), { code: 'invalid_parameter', field: 'view' });
  assert.equal(other.srcObject.tracks[0].id, 'v-s1', 'what fails changes nothing');
  t.remote.updateVideo({ userId: 'bob', streamType: 'main', fillMode: 'cover' });
  assert.deepEqual([other.style.objectFit, other.style.transform], ['cover', 'scaleX(-1)']);
});

test('nobody of that id: said at once, but not of who has only just left', async () => {
  const t = setUp();
  t.open();
  t.enter('bob', 'mic', 'camera');
  t.enter('cat', 'camera');
  const calls = [
    (userId) => t.remote.startVideo({ userId, streamType: 'main', view: null }), (userId) => t.remote.updateVideo({ userId, streamType: 'main' }),
    (userId) => t.remote.stopVideo(userId, ['main']), (userId) => t.remote.setAudio(userId, false), (userId) => t.remote.need(userId),
  ];
  for (const call of calls) {
    assert.throws(() => call('nobody'), { name: 'ParlorError', code: 'user_not_found', field: 'user' });
    for (const id of ['a b', 7, null, undefined]) assert.throws(() => call(id), { name: 'ParlorError', code: 'invalid_parameter', field: 'user' }, String(id));
  }
  const views = ['bob', 'cat'].map((userId) => {
    const view = new FakeVideo();
    t.remote.startVideo({ userId, streamType: 'main', view });
    return view;
  });
  await t.take();
  t.leave('cat');
  t.remote.stopVideo('cat', ['main', 'sub']);
  t.remote.setAudio('cat', true);
  assert.throws(() => t.remote.startVideo({ userId: 'cat', streamType: 'main', view: null }), { code: 'user_not_found' });
  t.remote.stopVideo('*', ['main']);
  assert.deepEqual(views.map((v) => v.srcObject), [null, null], 'everybody');
  assert.equal(audios.filter((el) => !el.removed).length, 1, 'heard still');
});

test('what is to come: what is on and wanted, with its track', async () => {
  const t = setUp({ may: (source) => source !== 'screen' });
  t.enter('bob', 'mic', 'camera', 'screen');
  t.enter('cat', 'camera');
  t.remote.startVideo({ userId: 'bob', streamType: 'main', view: null });
  t.remote.startVideo({ userId: 'bob', streamType: 'sub', view: null });
  assert.deepEqual(t.remote.received().map((x) => x.trackId), [undefined, undefined], 'no connection yet');
  t.open();
  assert.deepEqual(t.remote.received(), [{ userId: 'bob', source: 'camera', hidden: false, trackId: 'v-s1' }, { userId: 'bob', source: 'mic', hidden: false, trackId: 'a-s1' }]);
  t.roster.streams('bob', on('mic'));
  assert.deepEqual(t.remote.received().map((x) => x.source), ['mic']);
});
