import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { encryptable, red, unwrap, wrap } from '../envelope.js';

const of = (...parts) => new Uint8Array(Buffer.concat(parts.map((p) => (typeof p === 'number' ? Buffer.from([p]) : Buffer.from(p)))));
const NAL = [0, 0, 0, 1];
// first_mb_in_slice 0, slice_type 7 (ue 0001000), pic_parameter_set_id 0: 1 0001000 1 …, so two bytes
const SLICE = [0x88, 0x84];
const FRAMES = {
  'video/VP8': [of([0x90, 0x44, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1], randomBytes(50)), of([0x71], randomBytes(50))],
  'video/VP9': [of([0x83], randomBytes(50))],
  'video/AV1': [of([0x12, 0, 0x0a, 3, 1, 2, 3, 0x32, 4, 1, 2, 3, 4]), of([0x12, 0, 0x32, 4, 1, 2, 3, 4])],
  'video/H264': [
    of(NAL, [0x67, 0x42, 0xc0, 0x1f], NAL, [0x68, 0xce], [0, 0, 1], [0x65, ...SLICE, 7, 7], NAL, [0x65, 0x40, 9, 9]),
    of(NAL, [0x09, 0x10], NAL, [0x61, ...SLICE, 3]),
  ],
  'audio/opus': [of([0xfc], randomBytes(20)), of(0xf8), new Uint8Array(0)],
};

test('envelope: what was sealed comes out again, whatever it is', () => {
  for (const [codec, frames] of Object.entries(FRAMES)) {
    for (const plain of frames) {
      for (const sealed of [of(randomBytes(200)), of(new Uint8Array(40)), of([0, 0, 1, 0, 0, 0, 0, 3, 0, 0, 2, 0, 0]), of(0)]) {
        const framed = wrap(codec, plain, sealed);
        assert.ok(framed, codec);
        const back = unwrap(codec, framed);
        assert.deepEqual(back.sealed, sealed, codec);
        assert.equal(back.fits(plain), true, codec);
      }
    }
  }
});

test('envelope: in the clear is what packetizers and the node need, and nothing else', () => {
  const sealed = new Uint8Array(40).fill(0xee);
  const clear = (codec, i) => [...wrap(codec, FRAMES[codec][i], sealed)].filter((b) => b !== 0xee);
  assert.deepEqual(clear('video/VP8', 0), [0x90, 0x44, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1]);
  assert.deepEqual(clear('video/VP8', 1), [0x71]);
  assert.deepEqual(clear('video/VP9', 0), []);
  assert.deepEqual(clear('video/AV1', 0), [0x0a, 3, 1, 2, 3, 0x2a, 42, 24, 0x80]);
  assert.deepEqual(clear('video/AV1', 1), [0x2a, 42, 24, 0x80]);
  assert.deepEqual(clear('video/H264', 0), [...NAL, 0x67, 0x42, 0xc0, 0x1f, ...NAL, 0x68, 0xce, ...NAL, 0x65, ...SLICE, 0x80]);
  assert.deepEqual(clear('video/H264', 1), [...NAL, 0x61, ...SLICE, 0x80]);
  assert.deepEqual(clear('audio/opus', 0), []);
});

test('envelope: no start code appears in H.264 that was not there', () => {
  const [plain] = FRAMES['video/H264'];
  for (let n = 0; n < 300; n++) {
    const sealed = of(randomBytes(64).map((b) => b & 3));
    const framed = Buffer.from(wrap('video/H264', plain, sealed));
    const codes = [...framed.keys()].filter((i) => i >= 2 && framed[i] <= 2 && framed[i - 1] === 0 && framed[i - 2] === 0);
    assert.equal(codes.length, 3 * 2, 'three units, each after 0 0 0 1');
  }
});

test('envelope: a clear part that is not of the frame is noticed', () => {
  const others = { 'video/VP8': 1, 'video/AV1': 3, 'video/H264': 18 };
  for (const [codec, at] of Object.entries(others)) {
    const plain = FRAMES[codec][0];
    const framed = wrap(codec, plain, new Uint8Array(40));
    framed[at] ^= 0x20;
    assert.notEqual(unwrap(codec, framed)?.fits(plain), true, codec);
  }
});

test('envelope: whatever else comes is read without harm', () => {
  for (const codec of [...Object.keys(FRAMES), 'video/H265', 'x']) {
    for (let n = 0; n < 2000; n++) {
      const b = of(randomBytes(n % 60).map((v) => (n % 3 === 0 ? v & 3 : v)));
      const back = unwrap(codec, b);
      assert.ok(back === null || back.sealed.length <= b.length);
      wrap(codec, b, b);
      red.parse(b);
    }
  }
  assert.deepEqual(['video/H265', 'constructor', 'video/vp8'].map(encryptable), [false, false, true]);
  for (const b of [of(NAL), of(NAL, [0x67, 1]), of(NAL, [0x65, 0]), new Uint8Array(0)]) assert.equal(wrap('video/H264', b, b), null);
  assert.equal(wrap('video/VP8', of(0x90, 1), of(1)), null, 'a keyframe that is cut short');
});

test('envelope: blocks of redundant audio are read and written', () => {
  const blocks = [{ pt: 111, offset: 1920, data: of(1, 2) }, { pt: 111, offset: 960, data: new Uint8Array(700) }, { pt: 111, offset: 0, data: of(3) }];
  const b = red.compose(blocks);
  assert.deepEqual([...b.subarray(0, 9)], [0xef, 30, 0, 2, 0xef, 15, 2, 0xbc, 111]);
  assert.deepEqual(red.parse(b), blocks);
  blocks[1].data = new Uint8Array(1024);
  assert.deepEqual(red.parse(red.compose(blocks)), [blocks[0], blocks[2]], 'too large for redundancy');
  for (let n = 0; n < 9; n++) assert.equal(red.parse(b.subarray(0, n)), null);
});
