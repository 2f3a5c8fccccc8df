// The tables of docs/client.md: what makes the check of them fail, and what to do then.

import assert from 'node:assert/strict';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import test from 'node:test';
import { read } from './model.js';
import { check, renew } from './reference.js';

const none = { calls: [], events: [], codes: [], reasons: {}, types: new Map(), untold: [] };
const pageOf = (...names) => names.map((name) => `## ${name}\n\n<!-- table: ${name} -->\n<!-- end -->\n`).join('\n');
const ALL = ['calls', 'options', 'events', 'errors', 'reasons', 'types'];

test('a page whose tables are stale is told which command mends it; one that is made anew passes', () => {
  const made = renew(pageOf(...ALL), none);
  check(made, none);
  const more = { ...none, events: [{ name: 'rain', type: '{}', optional: false, text: 'it rains' }] };
  assert.throws(() => check(made, more), /npm run docs --prefix web/);
  assert.match(renew(made, more), /\| `rain` \| It rains \|/);
  check(renew(made, more), more);
});

test('a page without one of the tables, or with one that is not known, is refused', () => {
  assert.throws(() => renew(pageOf(...ALL.slice(1)), none), /has no <!-- table: calls -->/);
  assert.throws(() => renew(pageOf(...ALL, 'weather'), none), /no table "weather"/);
});

test('a call, an event, an option or a code without a description is named, with its file', async () => {
  const root = `${await mkdtemp(`${tmpdir()}/model-`)}/`;
  await mkdir(`${root}client`);
  await writeFile(`${root}tsconfig.json`, '{"compilerOptions": {"allowJs": true, "checkJs": true, "noEmit": true, "module": "es2022", "target": "es2022"}, "include": ["client/*.js"]}');
  await writeFile(`${root}client/parlor.js`, `
    /** @typedef {object} ParlorEvents
     * @property {{}} rain  it rains
     * @property {{}} snow
     * @typedef {object} ErrorCodes
     * @property {'node'} wet
     * @typedef {object} WalkOptions
     * @property {number} [pace]  steps a minute
     * @property {boolean} [hat]
     */
    export const ExitReason = {};
    export const UserExitReason = {
      /** Of its own will. */
      EXIT: 0,
    };
    export class Parlor {
      /** Goes out. */
      go() {}
      /** @param {WalkOptions} given */
      walk(given) { void given; }
    }`);
  try {
    const model = read(root);
    assert.deepEqual(model.untold, ['the call walk', 'the event snow', 'the error code wet', 'WalkOptions.hat'].map((w) => `${w} (client/parlor.js)`));
    assert.throws(() => check(renew(pageOf(...ALL), model), model), /the event snow/);
  } finally {
    await rm(root, { recursive: true });
  }
});
