import assert from 'node:assert/strict';
import test from 'node:test';
import { Sizes, pictureIn } from '../sizes.js';
import { FakeClock, settle } from './fakes.js';

const size = (width, height) => ({ width, height });
const HIDDEN = size(0, 0);

function setUp() {
  const t = { clock: new FakeClock(), sent: [], errors: [], fails: null };
  t.sizes = new Sizes({
    clock: t.clock,
    send: async (seats) => {
      t.sent.push(seats.map((s) => `${s.seat} ${s.width}x${s.height}`).join(', '));
      if (t.fails) throw t.fails;
    },
    onError: (err) => t.errors.push(err),
  });
  t.want = (wanted) => t.sizes.want(new Map(Object.entries(wanted)));
  t.take = async () => {
    await settle();
    return t.sent.splice(0);
  };
  return t;
}

test('a picture is measured as it lies in its box', () => {
  const wide = 16 / 9;
  assert.deepEqual(pictureIn(size(209, 156), 0, 'cover'), size(209, 156), 'nothing is known of it');
  assert.deepEqual(pictureIn(size(209, 156), wide, 'cover'), size(277, 156));
  assert.deepEqual(pictureIn(size(209, 156), wide, 'contain'), size(209, 118));
  assert.deepEqual(pictureIn(size(320, 180), 9 / 16, 'cover'), size(320, 569));
  assert.deepEqual(pictureIn(size(320, 180), 9 / 16, 'contain'), size(101, 180));
  assert.deepEqual(pictureIn(size(209, 156), wide, 'fill'), size(209, 156));
  assert.deepEqual(pictureIn(size(320.4, 180.4), wide, 'cover'), size(321, 180));
  assert.deepEqual(pictureIn(size(300, 0.2), wide, 'contain'), HIDDEN);
  assert.deepEqual(pictureIn(size(1e6, 10), wide, 'fill'), size(16384, 10));
});

test('what grows or appears is told at once, for all seats in one message', async () => {
  const t = setUp();
  t.sizes.tell('a', size(320, 180));
  t.sizes.tell('b', HIDDEN);
  t.want({ a: size(1280, 720), b: size(320, 180), c: size(64, 36) });
  assert.deepEqual(await t.take(), ['a 1280x720, b 320x180, c 64x36']);
  assert.equal(t.sizes.hidden('b'), false);
});

test('there is a message in 200 ms at most, with what is so then', async () => {
  const t = setUp();
  t.want({ a: size(100, 100) });
  for (let n = 1; n <= 10; n++) {
    await t.clock.advance(50);
    t.want({ a: size(100 + 10 * n, 100) });
  }
  await t.clock.advance(1000);
  assert.deepEqual(await t.take(), ['a 100x100', 'a 130x100', 'a 170x100', 'a 200x100']);
  assert.equal(t.clock.waiting, 0);
});

test('what shrinks or hides is told when it has been so for half a second', async () => {
  const t = setUp();
  t.want({ a: size(1280, 720), b: size(320, 180) });
  await t.clock.advance(1000);
  await t.take();
  t.want({ a: size(320, 180), b: HIDDEN });
  await t.clock.advance(499);
  assert.deepEqual(await t.take(), []);
  await t.clock.advance(1);
  assert.deepEqual(await t.take(), ['a 320x180, b 0x0']);
  assert.equal(t.sizes.hidden('b'), true);
});

test('what only passes is not told', async () => {
  const t = setUp();
  t.want({ a: size(640, 360) });
  await t.take();
  for (let n = 0; n < 10; n++) {
    t.want({ a: HIDDEN });
    await t.clock.advance(300);
    t.want({ a: size(640, 360) });
    await t.clock.advance(300);
  }
  assert.deepEqual(await t.take(), []);
});

test('a border at which a layout trembles is no other size', async () => {
  const t = setUp();
  t.want({ a: size(640, 360) });
  await t.take();
  for (const d of [-20, 3, -15, 2, -20]) {
    t.want({ a: size(640 + d, 360 + d / 2) });
    await t.clock.advance(1000);
  }
  assert.deepEqual(await t.take(), []);
  t.want({ a: size(660, 371) });
  await t.clock.advance(1000);
  assert.deepEqual(await t.take(), ['a 660x371']);
});

test('what a seat request has said is not said again, and a failure is made good with the next change', async () => {
  const t = setUp();
  t.sizes.tell('a', size(320, 180));
  t.want({ a: size(320, 180) });
  assert.deepEqual(await t.take(), []);
  t.fails = { code: 'timeout' };
  t.want({ a: size(640, 360) });
  assert.deepEqual(await t.take(), ['a 640x360']);
  assert.equal(t.errors.length, 1);
  t.fails = null;
  await t.clock.advance(1000);
  t.want({ a: size(640, 360) });
  assert.deepEqual(await t.take(), ['a 640x360']);
});

test('a node of an earlier version is asked once', async () => {
  const t = setUp();
  t.fails = { code: 'bad_request', field: 'type' };
  t.want({ a: size(320, 180) });
  await t.take();
  t.want({ a: size(640, 360) });
  await t.clock.advance(1000);
  assert.deepEqual([await t.take(), t.errors.length], [[], 0]);
  t.sizes.clear();
  t.fails = null;
  t.want({ a: size(640, 360) });
  assert.deepEqual(await t.take(), ['a 640x360']);
});
