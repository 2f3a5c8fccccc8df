// The demo's layouts: how large tiles are, their pages, and who is on which.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Order, fit, paged } from '../../demo/layout.js';

const desk = { width: 1240, height: 636, gap: 12, least: 180 };
const phone = { width: 370, height: 690, gap: 8, least: 140 };
const rooms = { desk, phone, large: { width: 1400, height: 730, gap: 12, least: 180 }, 'beside a screen': { width: 180, height: 560, gap: 12, least: 180 },
  'on its side': { width: 720, height: 240, gap: 8, least: 140 }, 'the narrowest': { width: 300, height: 360, gap: 8, least: 140 },
  strip: { width: 300, height: 96, gap: 8, least: 140 }, 'no room yet': { width: 0, height: 0, gap: 8, least: 140 } };

test('layout: tiles fill the room in few rows and keep their shape', () => {
  for (const [room, n, cols] of [[desk, 1, 1], [desk, 2, 2], [desk, 4, 2], [desk, 12, 4], [phone, 2, 1], [phone, 4, 2], [phone, 6, 2]]) {
    const { width, height } = fit(n, room);
    assert.equal(Math.floor((room.width + room.gap) / (width + room.gap)) >= cols, true, `${n} in ${cols} columns`);
    assert.ok(width / height <= 16 / 9 + 0.02 && width / height >= 9 / 16 - 0.02, `shape of ${n}: ${width}×${height}`);
  }
  assert.equal(fit(50, phone), null);
});

test('layout: a page is never larger than its room, and nobody on it narrower than can be recognised', () => {
  for (const [name, room] of Object.entries(rooms)) {
    for (let others = 0; others <= 60; others++) {
      for (const self of [true, false]) {
        const p = paged(others, self, room);
        const [n, what] = [Math.min(others, p.per) + Number(p.self), `${name}, ${others}, ${self}: ${JSON.stringify(p)}`];
        assert.ok(p.per * p.pages >= others && p.per * (p.pages - 1) < Math.max(1, others), what);
        if (n === 0 || room.width === 0) continue;
        const cols = Math.floor((room.width + room.gap) / (p.width + room.gap));
        assert.ok(cols > 0 && Math.ceil(n / cols) * (p.height + room.gap) - room.gap <= room.height, what);
        assert.ok(p.width >= Math.min(room.least, room.width), what);
        assert.ok(p.height * 2 >= p.width && p.width * 2 >= p.height, what);
      }
    }
  }
  assert.deepEqual([paged(49, true, rooms.large), paged(49, true, phone)].map((p) => [p.pages, p.per]), [[2, 25], [5, 10]]);
  assert.equal(paged(49, true, rooms.strip).self, true, 'a place for oneself and one for the speaker');
  assert.equal(paged(9, true, { ...rooms.strip, width: 150 }).self, false, 'the only place is the speaker’s');
  assert.equal(paged(0, true, { ...rooms.strip, width: 150 }).self, true);
});

/** @param {number} n */
function order(n) {
  const o = new Order();
  for (let i = 1; i <= n; i++) o.add(`u${i}`);
  o.open(4);
  return o;
}

test('layout: who speaks comes in view, in place of who has been silent for the longest; nobody else moves', () => {
  const o = order(10);
  assert.deepEqual(o.open(4), ['u1', 'u2', 'u3', 'u4']);
  for (const [speaker, page] of [['u2', 'u1 u2 u3 u4'], ['u9', 'u1 u2 u3 u9'], ['u7', 'u1 u2 u7 u9'], ['u8', 'u8 u2 u7 u9'], ['u5', 'u8 u5 u7 u9'], ['u2', 'u8 u5 u7 u2'],
    [null, 'u8 u5 u7 u2'], ['me', 'u8 u5 u7 u2']]) {
    o.speaks(speaker);
    assert.equal(o.open(4).join(' '), page, `${speaker}`);
  }
  o.speaks('u6');
  assert.ok(o.open(4, 2).includes('u6'), 'on whichever page is open');
  assert.ok(o.open(1).includes('u6'), 'also on the smallest');
  o.speaks(null);
  const all = new Set([0, 1, 2].flatMap((page) => o.open(4, page)));
  assert.equal(all.size, 10);
});

test('layout: cameras come first, and who leaves moves nobody in view', () => {
  const o = order(10);
  o.shows('u9', true);
  assert.deepEqual(o.open(4), ['u1', 'u2', 'u3', 'u9']);
  o.shows('u9', false);
  o.shows('u2', true);
  assert.deepEqual(o.open(4), ['u1', 'u2', 'u3', 'u9'], 'in view already');
  o.remove('u2');
  assert.deepEqual(o.open(4), ['u1', 'u10', 'u3', 'u9']);
  o.remove('u8');
  o.remove('nobody');
  assert.deepEqual(o.open(4), ['u1', 'u10', 'u3', 'u9']);
  assert.deepEqual(o.open(4, 9), ['u5', 'u6', 'u7', 'u4'].slice(0, 4), 'the last page that there is');
  assert.equal(o.page, 1);
  for (const id of ['u5', 'u6', 'u7', 'u4']) o.remove(id);
  assert.deepEqual(o.open(4), ['u1', 'u10', 'u3', 'u9']);
  o.remove('u1');
  assert.deepEqual(o.open(4), ['u10', 'u3', 'u9'], 'on the only page the order stays');
  o.clear();
  assert.deepEqual([o.open(4), o.size, o.page], [[], 0, 0]);
});
