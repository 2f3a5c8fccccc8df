// The npm package: what is in it, and whether an application in TypeScript can use it.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import { build, pack } from './build.js';

const WEB = fileURLToPath(new URL('../', import.meta.url));
let project = '';
const installed = (file) => join(project, 'node_modules/parlor-client', file);

before(async () => {
  await build();
  project = await mkdtemp(join(tmpdir(), 'parlor-app-'));
  await writeFile(join(project, 'package.json'), '{"name": "app", "private": true, "type": "module"}');
  execFileSync('npm', ['install', '--offline', '--no-audit', '--no-fund', '--silent', pack()], { cwd: project });
});
after(() => rm(project, { recursive: true, force: true }));

const compile = async (name, source, options) => {
  await writeFile(join(project, name), source);
  const given = { strict: true, noEmit: true, lib: ['es2022', 'dom'], types: [], target: 'es2022', exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, ...options };
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: given, files: [name] }));
  const { status, stdout } = spawnSync(join(WEB, 'node_modules/.bin/tsc'), [], { cwd: project, encoding: 'utf8' });
  return { status, errors: stdout.split('\n').filter((l) => l.includes('error TS')) };
};

test('it has what it names, its version, no dependencies, and no more than it needs', async () => {
  const manifest = JSON.parse(await readFile(installed('package.json'), 'utf8'));
  const { Parlor, ParlorError } = await import(installed('parlor.js'));
  assert.equal(manifest.version, Parlor.version);
  assert.match(Parlor.version, /^\d+\.\d+\.\d+(-[\w.]+)?$/);
  assert.equal(manifest.dependencies, undefined);
  const named = Object.values(manifest.exports).flatMap((e) => (typeof e === 'string' ? [e] : Object.values(e)));
  for (const file of [...named, manifest.main, manifest.types, 'README.md']) await readFile(installed(file));
  const code = await readFile(installed('parlor.js'), 'utf8');
  assert.doesNotMatch(code, /\bimport\s*[{*"']/, 'one file');
  assert.ok(code.length < 150_000, `${code.length} bytes`);
  assert.match(JSON.parse(await readFile(installed('parlor.js.map'), 'utf8')).sources.join(), /client\/stay\.js/);
  assert.equal(new ParlorError('internal', 'x').name, 'ParlorError');
  assert.doesNotMatch(JSON.stringify(manifest), /license/i, 'its owner has not chosen one');
});

test('its workers stand beside it, where both files look for them', async () => {
  const workers = (await readdir(join(WEB, 'client'))).filter((name) => name.endsWith('-worker.js'));
  const [module, script] = await Promise.all(['parlor.js', 'parlor.global.js'].map((name) => readFile(installed(name), 'utf8')));
  for (const name of workers) {
    assert.doesNotMatch(await readFile(installed(name), 'utf8'), /\bimport\s*[{*"']/, 'one file');
    assert.match(module, new RegExp(`new Worker\\(new URL\\("\\./${name}",import\\.meta\\.url\\)`), 'as bundlers look for it');
    assert.ok(script.includes(name));
  }
  assert.doesNotMatch(script, /import\.meta/);
});

test('the file for a script tag makes the class the one global', async () => {
  const context = vm.createContext({ navigator: {} });
  const before = Object.keys(context);
  vm.runInContext(await readFile(installed('parlor.global.js'), 'utf8'), context);
  assert.deepEqual(Object.keys(context).filter((k) => !before.includes(k)), ['Parlor']);
  assert.equal(context.Parlor.ExitReason.REMOVED, 1);
  assert.equal(context.Parlor.UserExitReason.TIMEOUT, 1);
  assert.throws(() => context.Parlor.create({ nope: 1 }), (err) => err instanceof context.Parlor.ParlorError);
});

test('applications of the other SDK have theirs as a module, and for a script tag', async () => {
  const context = vm.createContext({ navigator: {}, location: { origin: 'https://app.example' } });
  vm.runInContext(await readFile(installed('trtc.global.js'), 'utf8'), context);
  const { default: module } = await import(installed('trtc.js'));
  for (const TRTC of [context.TRTC, module]) {
    assert.equal(TRTC.EVENT.REMOTE_USER_ENTER, 'remote-user-enter');
    assert.equal(typeof TRTC.create, 'function');
  }
  assert.doesNotMatch(await readFile(installed('trtc.global.js'), 'utf8'), /import\.meta/);
});

test('a strict TypeScript application compiles, and its mistakes do not', async () => {
  const source = await readFile(join(WEB, 'package/consumer.ts'), 'utf8');
  const wrong = source.match(/\/\/ @ts-expect-error/g).length;
  for (const options of [{ module: 'esnext', moduleResolution: 'bundler' }, { module: 'nodenext' }]) {
    assert.deepEqual(await compile('app.ts', source, options), { status: 0, errors: [] });
    const { status, errors } = await compile('app.ts', source.replaceAll('@ts-expect-error', ''), options);
    assert.notEqual(status, 0);
    assert.equal(errors.length, wrong, errors.join('\n'));
  }
  const global = '/// <reference types="parlor-client/global" />\nParlor.create().on("error", (e) => e instanceof Parlor.ParlorError && Parlor.ExitReason.LOST);';
  assert.deepEqual(await compile('tag.ts', global, { module: 'esnext', moduleResolution: 'bundler' }), { status: 0, errors: [] });
});
