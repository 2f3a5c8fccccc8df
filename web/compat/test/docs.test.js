// docs/moving.md has a word for everything that an application of the other SDK may use.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import TRTC from '../trtc.js';
import { ERROR_CODE, EVENT, NEVER } from '../words.js';

const page = await readFile(new URL('../../../docs/moving.md', import.meta.url), 'utf8');
const rows = page.split('\n').filter((line) => line.startsWith('|'));
const has = (name) => rows.find((row) => row.includes(`\`${name}\``));

test('every event has a row, which says so of those that never come', () => {
  for (const name of Object.values(EVENT)) {
    assert.ok(has(name), name);
    assert.equal(has(name).includes('never'), NEVER.has(name), name);
  }
});

test('every call has a row', () => {
  const own = Object.getOwnPropertyNames(TRTC.prototype).filter((name) => !['constructor', 'on', 'off'].includes(name));
  const all = Object.getOwnPropertyNames(TRTC).filter((name) => typeof TRTC[name] === 'function' && name !== 'setServer');
  for (const name of [...own, ...all]) assert.ok(has(name) ?? has(`TRTC.${name}`), name);
});

test('every error code has a row', () => {
  for (const code of Object.values(ERROR_CODE)) assert.ok(rows.some((row) => row.startsWith(`| ${code} |`)), String(code));
});
