// The tables of docs/client.md, made of the types.
//
//   node package/reference.js          writes them into the page
//   node package/reference.js --check  fails if they are not what the types say
//
// A table stands between `<!-- table: NAME -->` and `<!-- end -->`; TABLES has the names.

import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { read } from './model.js';

/** @typedef {import('./model.js').Model} Model */
/** @typedef {import('./model.js').Field} Field */
/** @typedef {import('./model.js').Call} Call */
/** @typedef {import('./model.js').Named} Named */

const PAGE = fileURLToPath(new URL('../../docs/client.md', import.meta.url));
const COMMAND = 'npm run docs --prefix web';

/** @type {Record<string, (m: Model) => string>} */
const TABLES = {
  calls: (m) => [...new Set(m.calls.map(heading))].map((h) => `### ${h}\n\n${calls(m.calls.filter((c) => heading(c) === h))}`).join('\n\n'),
  options: (m) => optionTypes(m).map((t) => objectTable(t, `Of ${usersOf(t, m).map((c) => `\`${c.name}\``).join(', ')}.`, 'option')).join('\n\n'),
  events: (m) => table(['event', 'what it brings', 'when'], m.events.map((e) => [code(e.name), e.type === '{}' ? '' : code(e.type), sentence(e.text)])),
  errors: (m) => table(['code', 'from', 'what it means'], m.codes.map((c) => [code(c.name), c.type.replaceAll("'", ''), sentence(c.text)])),
  reasons: (m) => Object.entries(m.reasons).map(([name, all]) => `### ${name}\n\n${table(['name', 'number', 'why'], all.map((r) => [code(r.name), r.type, sentence(r.text)]))}`).join('\n\n'),
  types: (m) => {
    const rest = [...m.types.values()].filter((t) => !optionTypes(m).includes(t)).sort((a, b) => (a.name < b.name ? -1 : 1));
    const words = table(['type', 'what it is', ''], rest.filter((t) => !t.fields.length).map((t) => [code(t.name), code(t.type), t.text]));
    return [words, ...rest.filter((t) => t.fields.length).map((t) => objectTable(t, sentence(t.text), 'field'))].join('\n\n');
  },
};

/** The heading under which a call stands. @param {Call} c */
function heading({ fixed, section }) {
  if (fixed) return 'The client';
  return section ? section[0].toUpperCase() + section.slice(1) : 'What is so now';
}

/** Types whose only use is to be passed to calls. @param {Model} m */
const optionTypes = (m) => [...m.types.values()].filter((t) => t.fields.length && usersOf(t, m).length);

/** @param {Named} t @param {Model} m */
const usersOf = (t, m) => m.calls.filter((c) => c.parameters.some((p) => p.type === t.name));

/** @param {Call[]} all */
function calls(all) {
  return table(['call', 'gives', 'what it does'], all.map((c) => {
    const given = c.parameters.map((p) => `${p.name}${p.optional ? '?' : ''}: ${p.type}`).join(', ');
    const more = c.parameters.filter((p) => p.text).map((p) => `\`${p.name}\`: ${p.text}.`).join(' ');
    const call = `${c.fixed ? 'Parlor.' : ''}${c.name}${c.called ? `(${given})` : ''}`;
    return [code(call), code(c.returns), [sentence(c.text), more].filter(Boolean).join('. ').replace('..', '.')];
  }));
}

/** @param {Named} t @param {string} text @param {string} what */
function objectTable(t, text, what) {
  const option = what === 'option';
  const rows = t.fields.map((f) => [code(f.name + (f.optional && !option ? '?' : '')), code(f.type), option && !f.optional ? 'yes' : '', f.text]);
  return `### ${t.name}\n\n${text ? `${text.replace(/\.?$/, '.')}\n\n` : ''}${table([what, 'type', 'needed', ''], rows)}`;
}

/** @param {string[]} head @param {string[][]} rows */
function table(head, rows) {
  const keep = head.map((_, i) => rows.some((r) => r[i] !== ''));
  const line = (cells) => `| ${cells.filter((_, i) => keep[i]).map((c) => c.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** @param {string} text */
const code = (text) => `\`${text}\``;

/** @param {string} text */
const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) : '').replace(/\.$/, '');

/**
 * The page with its tables made anew.
 * @param {string} page
 * @param {Model} model
 */
export function renew(page, model) {
  const missing = new Set(Object.keys(TABLES));
  const made = page.replace(/(<!-- table: (\w+) -->\n)[^]*?(<!-- end -->)/g, (_, begin, name, end) => {
    if (!TABLES[name]) throw new Error(`docs/client.md: there is no table "${name}"; there are: ${Object.keys(TABLES).join(', ')}`);
    missing.delete(name);
    return `${begin}\n${TABLES[name](model)}\n\n${end}`;
  });
  if (missing.size) throw new Error(`docs/client.md has no <!-- table: ${[...missing][0]} --> … <!-- end -->`);
  return made;
}

/**
 * Throws unless the page is what the types say, and they say something of everything.
 * @param {string} page
 * @param {Model} model
 */
export function check(page, model) {
  described(model);
  if (renew(page, model) !== page) throw new Error(`the tables of docs/client.md are not what the types say: run \`${COMMAND}\`, and commit the page`);
}

/** @param {Model} model */
function described({ untold }) {
  if (untold.length) throw new Error(`no description, which docs/client.md needs; write one into the comment of\n  ${untold.join('\n  ')}`);
}

async function main() {
  const [model, page] = [read(), await readFile(PAGE, 'utf8')];
  if (process.argv.includes('--check')) {
    check(page, model);
    return;
  }
  described(model);
  await writeFile(PAGE, renew(page, model));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main().catch((err) => {
    console.error(err.message);
    process.exitCode = 1;
  });
}
