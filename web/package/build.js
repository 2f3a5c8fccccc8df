// Builds the npm package into dist/, which git ignores. The node needs none of it: it serves the sources.
//
//   node package/build.js         dist/
//   node package/build.js --pack  dist/ and dist/parlor-client-VERSION.tgz
//
//   dist/parlor.js         the ES module       dist/parlor.global.js  for a script tag: global `Parlor`
//   dist/*-worker.js       workers, which a bundler finds by `new URL('./…-worker.js', import.meta.url)`
//   dist/trtc.js           web/compat as an ES module, and dist/trtc.global.js for a script tag: global `TRTC`
//   dist/types/            the types, made of JSDoc: index.d.ts has the names that docs/client.md has
//
// The version is Parlor.version.

import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build as bundle } from 'esbuild';
import { Parlor } from '../client/parlor.js';
import { read } from './model.js';

const WEB = fileURLToPath(new URL('../', import.meta.url));
const DIST = join(WEB, 'dist');

const MANIFEST = {
  name: 'parlor-client',
  version: Parlor.version,
  description: 'The browser client of Parlor, an SFU: rooms with pictures and sound. No dependencies.',
  keywords: ['webrtc', 'sfu', 'video', 'conference', 'call'],
  type: 'module',
  exports: {
    '.': { types: './types/index.d.ts', default: './parlor.js' },
    './global': { types: './types/global.d.ts', default: './parlor.global.js' },
    './trtc': './trtc.js',
    './trtc/global': './trtc.global.js',
    './package.json': './package.json',
  },
  main: './parlor.js',
  types: './types/index.d.ts',
  unpkg: './parlor.global.js',
  jsdelivr: './parlor.global.js',
  sideEffects: ['./parlor.global.js', './trtc.global.js'],
  files: ['*.js', '*.js.map', 'types'],
};

/** Builds dist/ anew. */
export async function build() {
  await rm(DIST, { recursive: true, force: true });
  const common = { bundle: true, minify: true, sourcemap: true, target: 'es2022', legalComments: 'none', logLevel: 'warning' };
  const modules = (await readdir(join(WEB, 'client'))).filter((name) => name === 'parlor.js' || name.endsWith('-worker.js'));
  await Promise.all([
    bundle({ ...common, entryPoints: modules.map((name) => join(WEB, 'client', name)), format: 'esm', outdir: DIST }),
    bundle({ ...common, entryPoints: [join(WEB, 'compat/trtc.js')], format: 'esm', outfile: join(DIST, 'trtc.js') }),
    ...[['package/global.js', 'parlor.global.js'], ['compat/global.js', 'trtc.global.js']].map(([from, to]) => bundle({
      ...common, entryPoints: [join(WEB, from)], format: 'iife', outfile: join(DIST, to),
      define: { 'import.meta.url': 'scriptUrl' }, inject: [join(WEB, 'package/here.js')], // which such a script has not
    })),
    declare(),
  ]);
  await writeFile(join(DIST, 'package.json'), `${JSON.stringify(MANIFEST, null, 2)}\n`);
  await cp(join(WEB, 'package/README.md'), join(DIST, 'README.md'));
}

/** Packs what build() has made. Returns the tarball's path. */
export function pack() {
  const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', '--json'], { cwd: DIST, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }));
  return join(DIST, filename);
}

/** The types of what applications can reach, and no others. */
async function declare() {
  const made = await mkdtemp(join(tmpdir(), 'parlor-types-'));
  try {
    execFileSync(process.execPath, [join(WEB, 'node_modules/typescript/bin/tsc'), '--project', join(WEB, 'tsconfig.json'),
      '--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--rootDir', WEB, '--outDir', made], { stdio: 'inherit' });
    const types = join(DIST, 'types');
    await mkdir(types, { recursive: true });
    const index = indexOf(read());
    await Promise.all([writeFile(join(types, 'index.d.ts'), index), cp(join(WEB, 'package/global.d.ts'), join(types, 'global.d.ts'))]);
    const queue = [...imports(index)];
    const seen = new Set(queue);
    for (let file = queue.shift(); file; file = queue.shift()) {
      const text = await readFile(join(made, 'client', file), 'utf8');
      await writeFile(join(types, file), text);
      for (const next of imports(text)) if (!seen.has(next)) queue.push(next) && seen.add(next);
    }
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}

/** @param {string} text  of a declaration file  @returns {string[]} the declaration files beside it that it needs */
const imports = (text) => [...text.matchAll(/(?:from |import\()['"]\.\/([\w-]+)\.js['"]/g)].map((m) => `${m[1]}.d.ts`);

/**
 * The names of docs/client.md, each from its file.
 * @param {import('./model.js').Model} model
 */
function indexOf(model) {
  const names = [['ParlorEvents', 'client/types.js'], ['ErrorCode', 'client/protocol.js'], ...[...model.types.values()].map((t) => [t.name, t.file])];
  return `export { ExitReason, Parlor, ParlorError, UserExitReason } from './parlor.js';
${names.sort().map(([name, file]) => `export type { ${name} } from './${file.slice(dirname(file).length + 1)}';\n`).join('')}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await build();
  console.log(process.argv.includes('--pack') ? pack() : DIST);
}
