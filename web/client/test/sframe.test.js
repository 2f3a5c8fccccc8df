import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SUITES, baseKey, derive, encodeHeader, open, parseHeader, ratchet, seal } from '../sframe.js';

const hex = (/** @type {Uint8Array} */ b) => Buffer.from(b).toString('hex');
const bytes = (/** @type {string} */ h) => new Uint8Array(Buffer.from(h, 'hex'));

// Of the test vectors of RFC 9605, appendix C.
const HEADERS = `0/0/00 0/255/08ff 0/256/090100 0/1099511627775/0cffffffffff 0/18446744073709551615/0fffffffffffffffff 1/0/10
  1/255/18ff 255/0/80ff 255/256/89ff0100 256/1099511627775/9c0100ffffffffff 4294967296/255/c80100000000ff
  18446744073709551615/0/f0ffffffffffffffff 18446744073709551615/18446744073709551615/ffffffffffffffffffffffffffffffffff`;
const VECTORS = [
  { bits: 128, ct: '9901234567b7412c2513a1b66dbb48841bbaf17f598751176ad847681a69c6d0b091c07018ce4adb34eb' },
  { bits: 256, ct: '990123456794f509d36e9beacb0e261d99c7d1e972f1fed787d4049f17ca21353c1cc24d56ceabced279' },
];
const [BASE, KID, CTR] = [bytes('000102030405060708090a0b0c0d0e0f'), 0x123n, 0x4567n];
const METADATA = new TextEncoder().encode('IETF SFrame WG');
const PLAIN = new TextEncoder().encode('draft-ietf-sframe-enc');

test('sframe: headers are those of RFC 9605', () => {
  for (const v of HEADERS.split(/\s+/)) {
    const [kid, ctr, encoded] = v.split('/');
    assert.equal(hex(encodeHeader(BigInt(kid), BigInt(ctr))), encoded);
    assert.deepEqual(parseHeader(bytes(`${encoded}00`)), { kid: BigInt(kid), ctr: BigInt(ctr), length: encoded.length / 2 });
    for (let n = 0; n < encoded.length / 2; n++) assert.equal(parseHeader(bytes(encoded).subarray(0, n)), null, 'cut short');
  }
});

test('sframe: both suites seal as RFC 9605 has it, and no bit can be changed', async () => {
  for (const { bits, ct } of VECTORS) {
    const context = await derive(await baseKey(BASE), KID, SUITES[bits]);
    const sealed = await seal(context, KID, CTR, PLAIN, METADATA);
    assert.equal(hex(sealed), ct);
    const opened = (/** @type {Uint8Array} */ b, m = METADATA) => open(context, parseHeader(b), b, m);
    assert.deepEqual(await opened(sealed), PLAIN);
    for (let bit = 8; bit < 8 * sealed.length; bit++) { // the first byte says how the rest is read
      const other = sealed.slice();
      other[bit >> 3] ^= 1 << (bit & 7);
      assert.equal(await opened(other), null, `bit ${bit}`);
    }
    for (let n = 5; n < sealed.length; n++) assert.equal(await opened(sealed.subarray(0, n)), null, `${n} bytes`);
    assert.equal(await opened(sealed, METADATA.subarray(1)), null, 'other metadata');
    assert.equal(context.key.extractable, false);
  }
});

test('sframe: a ratchet is the same everywhere, and cannot be read', async () => {
  const first = await baseKey(BASE);
  const sealed = async (/** @type {CryptoKey} */ base) => hex(await seal(await derive(base, KID, SUITES[128]), KID, CTR, PLAIN));
  const [a, b] = [await ratchet(first, SUITES[128]), await ratchet(first, SUITES[128])];
  assert.equal(await sealed(a), await sealed(b));
  assert.notEqual(await sealed(a), await sealed(first));
  assert.equal(a.extractable, false);
});
