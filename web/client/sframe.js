// SFrame (RFC 9605): the header, keys that are derived from a base key, sealing and opening. Keys are
// CryptoKeys that nobody can read. Of what passes through here in the clear no copy is left. Pure, but for
// WebCrypto.
//
//   encodeHeader, parseHeader   section 4.3
//   derive                      section 4.4.2: the key and the salt of a KID
//   ratchet, ratchetBytes       section 5.1: the base key after this one
//   seal, open                  sections 4.4.3 and 4.4.4

/** @typedef {{id: number, hash: 'SHA-256' | 'SHA-512', size: number, bits: 128 | 256}} Suite  size: of a
 *  base key, in bytes */
/** @typedef {{key: CryptoKey, salt: Uint8Array}} Context  what frames of one KID are sealed with */
/** @typedef {{kid: bigint, ctr: bigint, length: number}} Header  length: in bytes */

/** The two cipher suites with AES-GCM, by the bits of their keys (RFC 9605 section 8.1). */
export const SUITES = /** @type {Record<128 | 256, Suite>} */ ({
  128: { id: 4, hash: 'SHA-256', size: 32, bits: 128 },
  256: { id: 5, hash: 'SHA-512', size: 64, bits: 256 },
});

/** The length of the authentication tag, in bytes. */
export const TAG = 16;

const NONCE = 12;
const EMPTY = new Uint8Array(0);
const utf8 = (/** @type {string} */ text) => new TextEncoder().encode(text);

/**
 * @param {bigint} kid
 * @param {bigint} ctr  both below 2^64
 */
export function encodeHeader(kid, ctr) {
  const [k, c] = [big(kid), big(ctr)];
  const head = (kid < 8n ? Number(kid) << 4 : 0x80 | (k.length - 1) << 4) | (ctr < 8n ? Number(ctr) : 0x08 | c.length - 1);
  return joined(Uint8Array.of(head), kid < 8n ? EMPTY : k, ctr < 8n ? EMPTY : c);
}

/**
 * @param {Uint8Array} b
 * @returns {Header | null}  null: it is cut short
 */
export function parseHeader(b) {
  if (b.length === 0) return null;
  const [k, c] = [b[0] >> 4 & 7, b[0] & 7];
  const klen = b[0] & 0x80 ? k + 1 : 0;
  const clen = b[0] & 0x08 ? c + 1 : 0;
  const length = 1 + klen + clen;
  if (b.length < length) return null;
  return { kid: klen ? number(b.subarray(1, 1 + klen)) : BigInt(k), ctr: clen ? number(b.subarray(1 + klen, length)) : BigInt(c), length };
}

/**
 * A base key out of bytes. The caller overwrites them.
 * @param {Uint8Array} raw
 */
export function baseKey(raw) {
  return crypto.subtle.importKey('raw', /** @type {BufferSource} */ (raw), 'HKDF', false, ['deriveBits', 'deriveKey']);
}

/**
 * What frames with this KID are sealed with.
 * @param {CryptoKey} base
 * @param {bigint} kid
 * @param {Suite} suite
 * @returns {Promise<Context>}
 */
export async function derive(base, kid, suite) {
  const end = new Uint8Array(10);
  new DataView(end.buffer).setBigUint64(0, kid);
  new DataView(end.buffer).setUint16(8, suite.id);
  const info = (/** @type {string} */ label) => joined(utf8(label), end);
  const [key, salt] = await Promise.all([
    crypto.subtle.deriveKey(hkdf(info('SFrame 1.0 Secret key '), suite), base, { name: 'AES-GCM', length: suite.bits }, false, ['encrypt', 'decrypt']),
    crypto.subtle.deriveBits(hkdf(info('SFrame 1.0 Secret salt '), suite), base, 8 * NONCE),
  ]);
  return { key, salt: new Uint8Array(salt) };
}

const RATCHET = 'SFrame 1.0 Ratchet';

/**
 * The base key that follows one. Nobody comes back from it to the one before.
 * @param {CryptoKey} base
 * @param {Suite} suite
 */
export const ratchet = (base, suite) => next(base, utf8(RATCHET), suite);

/**
 * The same, of bytes.
 * @param {Uint8Array} raw
 * @param {Suite} suite
 */
export async function ratchetBytes(raw, suite) {
  return new Uint8Array(await crypto.subtle.deriveBits(hkdf(utf8(RATCHET), suite), await baseKey(raw), 8 * suite.size));
}

/**
 * A base key that is derived from another one for a purpose.
 * @param {CryptoKey} base
 * @param {Uint8Array} info
 * @param {Suite} suite
 */
export async function next(base, info, suite) {
  const raw = new Uint8Array(await crypto.subtle.deriveBits(hkdf(info, suite), base, 8 * suite.size));
  try {
    return await baseKey(raw);
  } finally {
    raw.fill(0);
  }
}

/**
 * Returns header, ciphertext and tag.
 * @param {Context} context
 * @param {bigint} kid
 * @param {bigint} ctr  never the same twice with the same context
 * @param {Uint8Array} plain
 * @param {Uint8Array} [metadata]  authenticated as well
 */
export async function seal({ key, salt }, kid, ctr, plain, metadata = EMPTY) {
  const header = encodeHeader(kid, ctr);
  const sealed = await crypto.subtle.encrypt(gcm(salt, ctr, joined(header, metadata)), key, /** @type {BufferSource} */ (plain));
  return joined(header, new Uint8Array(sealed));
}

/**
 * Returns the plaintext; null: it is not what was sealed with this key.
 * @param {Context} context
 * @param {Header} header
 * @param {Uint8Array} sealed  from its header on
 * @param {Uint8Array} [metadata]
 */
export async function open({ key, salt }, header, sealed, metadata = EMPTY) {
  if (sealed.length < header.length + TAG) return null;
  const aad = joined(sealed.subarray(0, header.length), metadata);
  try {
    return new Uint8Array(await crypto.subtle.decrypt(gcm(salt, header.ctr, aad), key, /** @type {BufferSource} */ (sealed.subarray(header.length))));
  } catch {
    return null;
  }
}

/** @param {Uint8Array[]} parts */
export function joined(...parts) {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}

/** @param {Uint8Array} info @param {Suite} suite */
const hkdf = (info, suite) => ({ name: 'HKDF', hash: suite.hash, salt: EMPTY, info: /** @type {BufferSource} */ (info) });

/** @param {Uint8Array} salt @param {bigint} ctr @param {Uint8Array} aad */
function gcm(salt, ctr, aad) {
  const iv = salt.slice();
  const tail = new DataView(iv.buffer, NONCE - 8);
  tail.setBigUint64(0, tail.getBigUint64(0) ^ ctr);
  return { name: 'AES-GCM', iv, additionalData: /** @type {BufferSource} */ (aad), tagLength: 8 * TAG };
}

/** The fewest bytes that hold a number. @param {bigint} n */
function big(n) {
  const b = new Uint8Array(8);
  new DataView(b.buffer).setBigUint64(0, n);
  const from = b.findIndex((v) => v !== 0);
  return b.subarray(from < 0 ? 7 : from);
}

/** @param {Uint8Array} b  at most 8 */
function number(b) {
  let n = 0n;
  for (const v of b) n = n << 8n | BigInt(v);
  return n;
}
