// The envelope of an encrypted frame: what stays in the clear around its ciphertext (SFrame) for those who do
// not have the key. Those are the packetizers of browsers, which split frames into packets, and the node. A
// frame is encrypted whole. What is in the clear is a copy, of which nothing is decoded: docs/encryption.md.
//
//   wrap    a plain frame and its ciphertext → the frame that is sent
//   unwrap  a frame that has come → its ciphertext, and whether the clear copy is that of the plain frame
//   red     blocks of redundant audio (RFC 2198), each an encrypted frame of its own
//
// Pure.

import { joined } from './sframe.js';

/** @typedef {{sealed: Uint8Array, fits: (plain: Uint8Array) => boolean}} Unwrapped */

const EMPTY = new Uint8Array(0);
const NONE = { wrap: (/** @type {Uint8Array} */ _, /** @type {Uint8Array} */ sealed) => sealed, unwrap: (/** @type {Uint8Array} */ b) => ({ sealed: b, fits: () => true }) };

/** @type {Record<string, {wrap: (plain: Uint8Array, sealed: Uint8Array) => Uint8Array | null, unwrap: (b: Uint8Array) => Unwrapped | null}>} */
const CODECS = {
  'audio/opus': NONE, 'audio/g722': NONE, 'audio/pcmu': NONE, 'audio/pcma': NONE,
  'video/vp9': NONE,
  'video/vp8': { wrap: wrapVP8, unwrap: unwrapVP8 },
  'video/av1': { wrap: wrapAV1, unwrap: unwrapAV1 },
  'video/h264': { wrap: wrapH264, unwrap: unwrapH264 },
};

/** Whether frames of a codec can be sent encrypted. @param {string} mimeType */
export const encryptable = (mimeType) => Object.hasOwn(CODECS, mimeType.toLowerCase());

/**
 * @param {string} mimeType
 * @param {Uint8Array} plain
 * @param {Uint8Array} sealed
 * @returns {Uint8Array | null}  null: the codec has no envelope, or that is no frame of it
 */
export const wrap = (mimeType, plain, sealed) => CODECS[mimeType.toLowerCase()]?.wrap(plain, sealed) ?? null;

/**
 * @param {string} mimeType
 * @param {Uint8Array} b
 * @returns {Unwrapped | null}  null: there is no envelope
 */
export const unwrap = (mimeType, b) => CODECS[mimeType.toLowerCase()]?.unwrap(b) ?? null;

// --- VP8 (RFC 6386 section 9.1): whether it is a keyframe, and then its start code and size

/** @param {Uint8Array} b */
const clearOfVP8 = (b) => (b[0] & 1 ? 1 : 10);

/** @param {Uint8Array} plain @param {Uint8Array} sealed */
function wrapVP8(plain, sealed) {
  if (plain.length === 0 || plain.length < clearOfVP8(plain)) return null;
  return joined(plain.subarray(0, clearOfVP8(plain)), sealed);
}

/** @param {Uint8Array} b @returns {Unwrapped | null} */
function unwrapVP8(b) {
  if (b.length === 0 || b.length < clearOfVP8(b)) return null;
  const clear = b.subarray(0, clearOfVP8(b));
  return { sealed: b.subarray(clear.length), fits: (plain) => starts(plain, clear) };
}

// --- AV1: the sequence header of a keyframe, by which packetizers know one, and a metadata OBU with metadata
// for private use (AV1 specification sections 5.3, 5.5, 5.8 and 6.7.1)

const [SEQUENCE, METADATA] = [1, 5];
const HAS_SIZE = 2;
const PRIVATE = 24;
const TRAILING = 0x80;

/** @param {Uint8Array} plain @param {Uint8Array} sealed */
function wrapAV1(plain, sealed) {
  const sequence = obus(plain)?.find((o) => o.type === SEQUENCE);
  const clear = sequence ? obu(SEQUENCE, sequence.payload) : EMPTY;
  return joined(clear, obu(METADATA, joined(Uint8Array.of(PRIVATE), sealed, Uint8Array.of(TRAILING))));
}

/** @param {Uint8Array} b @returns {Unwrapped | null} */
function unwrapAV1(b) {
  const all = obus(b);
  const payload = all?.find((o) => o.type === METADATA && o.payload[0] === PRIVATE)?.payload;
  if (!payload || payload.length < 2 || payload.at(-1) !== TRAILING) return null;
  const clear = all?.find((o) => o.type === SEQUENCE)?.payload;
  const fits = (/** @type {Uint8Array} */ plain) => {
    const is = obus(plain)?.find((o) => o.type === SEQUENCE)?.payload;
    return clear?.length === is?.length && starts(is ?? EMPTY, clear ?? EMPTY);
  };
  return { sealed: payload.subarray(1, -1), fits };
}

/** @param {number} type @param {Uint8Array} payload */
const obu = (type, payload) => joined(Uint8Array.of(type << 3 | HAS_SIZE), leb128(payload.length), payload);

/**
 * The OBUs of a frame; null: that is none.
 * @param {Uint8Array} b
 */
function obus(b) {
  const found = [];
  for (let at = 0; at < b.length;) {
    const head = b[at];
    at += head & 4 ? 2 : 1;
    let size = b.length - at;
    if (head & HAS_SIZE) {
      size = 0;
      for (let shift = 0; ; shift += 7) {
        if (at >= b.length || shift > 28) return null;
        size += (b[at] & 0x7f) * 2 ** shift;
        if (!(b[at++] & 0x80)) break;
      }
    }
    if (head & 0x80 || size < 0 || at + size > b.length) return null;
    found.push({ type: head >> 3, payload: b.subarray(at, at + size) });
    at += size;
  }
  return found;
}

/** @param {number} n */
function leb128(n) {
  const out = [];
  for (; n > 0x7f; n >>>= 7) out.push(n & 0x7f | 0x80);
  return Uint8Array.of(...out, n);
}

// --- H.264 (ITU-T H.264 section 7.3 and annex B): parameter sets, and one slice that begins as the first one
// of the frame does. The ciphertext follows in it, without start codes.

const PREFIX = Uint8Array.of(0, 0, 0, 1);
const [FIRST_SLICE, LAST_SLICE, SPS, PPS] = [1, 5, 7, 8];
const STOP = 0x80;

/** @param {Uint8Array} plain @param {Uint8Array} sealed */
function wrapH264(plain, sealed) {
  const parts = [];
  for (const unit of units(plain)) {
    const type = unit[0] & 0x1f;
    if (type === SPS || type === PPS) parts.push(PREFIX, unit);
    if (type < FIRST_SLICE || type > LAST_SLICE) continue;
    const slice = unescaped(unit.subarray(1));
    const clear = sliceHeader(slice);
    if (clear === 0) return null;
    parts.push(PREFIX, unit.subarray(0, 1), escaped(joined(slice.subarray(0, clear), sealed, Uint8Array.of(STOP))));
    return joined(...parts);
  }
  return null;
}

/** @param {Uint8Array} b @returns {Unwrapped | null} */
function unwrapH264(b) {
  const unit = units(b).find(isSlice);
  if (!unit) return null;
  const slice = unescaped(unit.subarray(1));
  const clear = sliceHeader(slice);
  if (clear === 0 || slice.at(-1) !== STOP) return null;
  const fits = (/** @type {Uint8Array} */ plain) => {
    const first = units(plain).find(isSlice);
    return first !== undefined && first[0] === unit[0] && starts(unescaped(first.subarray(1)), slice.subarray(0, clear));
  };
  return { sealed: slice.subarray(clear, -1), fits };
}

/** @param {Uint8Array} unit */
const isSlice = ([first]) => (first & 0x1f) >= FIRST_SLICE && (first & 0x1f) <= LAST_SLICE;

/**
 * The NAL units of a frame in the byte stream format, without start codes and the zeros between them.
 * @param {Uint8Array} b
 */
function units(b) {
  /** @type {Uint8Array[]} */
  const found = [];
  let from = -1;
  const close = (/** @type {number} */ end) => {
    while (end > from && b[end - 1] === 0) end--;
    if (from >= 0 && end > from) found.push(b.subarray(from, end));
  };
  for (let i = b.indexOf(1, 2); i >= 0; i = b.indexOf(1, i + 1)) {
    if (b[i - 1] !== 0 || b[i - 2] !== 0 || (from >= 0 && i - 2 < from)) continue;
    close(i - 2);
    from = i + 1;
  }
  close(b.length);
  return found;
}

/**
 * How many bytes hold what comes first in a slice: the number of its first macroblock, its type, and its
 * parameter set. 0: it is cut short.
 * @param {Uint8Array} b  without the byte of its type, and unescaped
 */
function sliceHeader(b) {
  const bit = (/** @type {number} */ i) => b[i >> 3] >> (7 - (i & 7)) & 1;
  let at = 0;
  for (let field = 0; field < 3; field++) {
    let zeros = 0;
    while (at < 8 * b.length && bit(at) === 0 && zeros < 32) {
      zeros++;
      at++;
    }
    at += zeros + 1;
    if (zeros === 32 || at > 8 * b.length) return 0;
  }
  return at + 7 >> 3;
}

/** With the bytes that keep start codes from appearing. @param {Uint8Array} b */
function escaped(b) {
  const out = new Uint8Array(b.length + (b.length >> 1) + 1);
  let [n, zeros] = [0, 0];
  for (const v of b) {
    if (zeros === 2 && v <= 3) {
      out[n++] = 3;
      zeros = 0;
    }
    out[n++] = v;
    zeros = v === 0 ? zeros + 1 : 0;
  }
  return out.subarray(0, n);
}

/** @param {Uint8Array} b */
function unescaped(b) {
  const out = new Uint8Array(b.length);
  let [n, zeros] = [0, 0];
  for (const v of b) {
    if (zeros >= 2 && v === 3) {
      zeros = 0;
      continue;
    }
    out[n++] = v;
    zeros = v === 0 ? zeros + 1 : 0;
  }
  return out.subarray(0, n);
}

/** @param {Uint8Array} all @param {Uint8Array} first */
const starts = (all, first) => all.length >= first.length && first.every((v, i) => v === all[i]);

// --- RED (RFC 2198)

/** @typedef {{pt: number, offset: number, data: Uint8Array}} RedBlock  offset: in ticks; 0 for the primary */

const MAX_BLOCK = 1023;

/** Reading and writing payloads of redundant audio. The primary block is the last. */
export const red = {
  /**
   * @param {Uint8Array} b
   * @returns {RedBlock[] | null}
   */
  parse(b) {
    /** @type {RedBlock[]} */
    const blocks = [];
    const sizes = [];
    let at = 0;
    for (; b[at] & 0x80; at += 4) {
      if (at + 4 >= b.length) return null;
      blocks.push({ pt: b[at] & 0x7f, offset: b[at + 1] << 6 | b[at + 2] >> 2, data: EMPTY });
      sizes.push((b[at + 2] & 3) << 8 | b[at + 3]);
    }
    if (at >= b.length) return null;
    blocks.push({ pt: b[at++], offset: 0, data: EMPTY });
    for (const [i, size] of sizes.entries()) {
      if (at + size > b.length) return null;
      blocks[i].data = b.subarray(at, at += size);
    }
    blocks[blocks.length - 1].data = b.subarray(at);
    return blocks;
  },

  /** Blocks that are too large for redundancy are left out. @param {RedBlock[]} blocks */
  compose(blocks) {
    const primary = blocks[blocks.length - 1];
    const more = blocks.slice(0, -1).filter((k) => k.data.length <= MAX_BLOCK);
    const headers = more.map((k) => Uint8Array.of(0x80 | k.pt, k.offset >> 6, (k.offset & 0x3f) << 2 | k.data.length >> 8, k.data.length & 0xff));
    return joined(...headers, Uint8Array.of(primary.pt), ...more.map((k) => k.data), primary.data);
  },
};
