// The code on docs/client.md: it parses, and its calls and events are there. The quick start is run in a browser
// by package_test.go, and has to stay short.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { transform } from 'esbuild';
import { read } from './model.js';

const page = await readFile(new URL('../../docs/client.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map(([, language, code]) => ({ language, code }));
const { calls, events } = read();

test('its code parses, and names calls and events that there are', async () => {
  const known = new Set([...calls.map((c) => c.name)]);
  const heard = new Set(events.map((e) => e.name));
  for (const { language, code } of blocks) {
    const script = language === 'html' ? (/<script type="module">([^]*)<\/script>/.exec(code)?.[1] ?? '') : code;
    if (language !== 'sh') await transform(script, { loader: language === 'jsx' ? 'jsx' : 'js', format: 'esm' });
    for (const [, name] of script.matchAll(/\b[pP]arlor\.(\w+)/g)) assert.ok(known.has(name) || /^[A-Z]/.test(name) || name === 'js', `there is no ${name}, in:\n${code}`);
    for (const [, name] of script.matchAll(/\.(?:on|once)\('([\w-]+)'/g)) assert.ok(heard.has(name), `there is no event ${name}, in:\n${code}`);
  }
  assert.ok(blocks.length >= 12, 'it has recipes');
});

test('the quick start has at most forty lines', () => {
  const begin = page.indexOf('## Quick start');
  const quick = page.slice(begin, page.indexOf('\n## ', begin + 1));
  const lines = [...quick.matchAll(/^```\w+\n([^]*?)^```$/gm)].flatMap(([, code]) => code.trimEnd().split('\n'));
  assert.ok(lines.length <= 40, `${lines.length} lines`);
});
