// What the client offers, read from its types: calls, their options, events, error codes, reasons, and every
// type that these speak of. The compiler reads them, so a table cannot say what the code does not.
//
//   read()  the model; `untold` lists what has no description

import { fileURLToPath } from 'node:url';
import { API, SignatureKind, SymbolFlags } from 'typescript/unstable/sync';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

/**
 * @typedef {object} Field  an option, a part of a payload, an event
 * @property {string} name
 * @property {string} type    as its author wrote it
 * @property {boolean} optional
 * @property {string} text    its description
 *
 * @typedef {object} Call
 * @property {string} name
 * @property {boolean} fixed     of the class itself
 * @property {boolean} called    with parameters; else it is read
 * @property {string} section  the heading under which parlor.js has it
 * @property {Field[]} parameters
 * @property {string} returns
 * @property {string} text
 *
 * @typedef {object} Named  a type with a name
 * @property {string} name
 * @property {string} file
 * @property {string} type
 * @property {string} text
 * @property {Field[]} fields  empty: it is no object
 *
 * @typedef {object} Model
 * @property {Call[]} calls
 * @property {Field[]} events
 * @property {Field[]} codes
 * @property {Record<string, Field[]>} reasons  type: the number
 * @property {Map<string, Named>} types
 * @property {string[]} untold
 */

/** Where the page has the calls of a class that Parlor extends. */
const BASES = { Equipment: "one's own devices" };

/**
 * @param {string} [root]  the folder with tsconfig.json and client/, and a slash
 * @returns {Model}
 */
export function read(root = ROOT) {
  const api = new API({ cwd: root });
  try {
    const [project] = api.updateSnapshot({ openProjects: [`${root}tsconfig.json`] }).getProjects();
    return new Reader(project).model();
  } finally {
    api.close();
  }
}

class Reader {
  /** @type {string[]} */
  untold = [];
  /** @type {Map<string, any>} name → the symbol that has its meaning */
  #named = new Map();
  #project;
  #checker;

  constructor(project) {
    this.#project = project;
    this.#checker = project.checker;
    for (const file of project.rootFiles.filter((f) => f.includes('/client/'))) {
      for (const s of this.#exports(file)) this.#index(s);
    }
  }

  /** @returns {Model} */
  model() {
    const calls = this.#calls();
    const events = this.#fieldsOf('ParlorEvents', 'the event');
    const codes = this.#fieldsOf('ErrorCodes', 'the error code');
    const reasons = Object.fromEntries(['ExitReason', 'UserExitReason'].map((name) => [name, this.#members(name)]));
    const types = this.#closure([...calls.flatMap((c) => [c.returns, ...c.parameters.map((p) => p.type)]), ...events.map((e) => e.type)]);
    return { calls, events, codes, reasons, types, untold: this.untold };
  }

  // --- symbols

  /** @param {string} file */
  #exports(file) {
    const module = this.#checker.getSymbolAtLocation(this.#project.program.getSourceFile(file));
    return module ? this.#checker.getExportsOfModule(module) : [];
  }

  /** An alias of another file's type has its meaning there. */
  #index(symbol) {
    const declared = this.#node(symbol);
    if (!declared || /^import\(/.test(textOf(declared.type))) return;
    if (!this.#named.has(symbol.name)) this.#named.set(symbol.name, symbol);
  }

  #node(symbol) {
    return symbol.declarations[0]?.resolve(this.#project);
  }

  #doc(symbol) {
    return oneLine(symbol.getDocumentationComment(this.#checker));
  }

  #told(symbol, what) {
    const text = this.#doc(symbol);
    if (!text) this.untold.push(what);
    return text;
  }

  // --- calls

  #calls() {
    const parlor = this.#named.get('Parlor');
    const source = this.#node(parlor).parent.text;
    const headings = [...source.matchAll(/^ {2}\/\/ --- (.*)$/gm)].map((m) => ({ at: m.index, title: m[1] }));
    const section = (node) => (node.parent.name?.text === 'Parlor' ? headings.findLast((h) => h.at < node.pos + node.getText().length)?.title ?? '' : BASES[node.parent.name?.text] ?? 'handlers');
    const classes = [parlor, ...Object.keys(BASES).map((name) => this.#named.get(name))];
    const statics = classes.flatMap((c) => [...(c?.getExports().values() ?? [])]).filter((s) => s.name !== 'prototype').map((s) => ({ ...this.#call(s, () => ''), fixed: true }));
    const own = this.#checker.getPropertiesOfType(this.#checker.getDeclaredTypeOfSymbol(parlor))
      .filter((s) => !s.name.startsWith('__#') && !this.#hidden(s))
      .map((s) => this.#call(s, section));
    return [...statics, ...own];
  }

  #hidden(symbol) {
    return symbol.getJsDocTags(this.#checker).some((t) => t.name === 'protected' || t.name === 'internal');
  }

  /**
   * @param {any} symbol
   * @param {(node: any) => string} section
   * @returns {Call}
   */
  #call(symbol, section) {
    const type = this.#checker.getTypeOfSymbol(symbol);
    const [signature] = this.#checker.getSignaturesOfType(type, SignatureKind.Call);
    const node = this.#node(symbol);
    const text = this.#told(symbol, `the call ${symbol.name} (${fileOf(node)})`);
    const returns = this.#checker.typeToString(signature ? this.#checker.getReturnTypeOfSignature(signature) : type);
      const tags = symbol.getJsDocTags(this.#checker).filter((t) => t.name === 'param').map((t) => t.text);
    const parameters = (signature?.getParameters() ?? []).map((p) => ({
      name: p.name, type: this.#typeText(p), optional: this.#optional(p),
      text: oneLine((tags.find((t) => t === p.name || t.startsWith(`${p.name} `)) ?? '').slice(p.name.length)),
    }));
    return { name: symbol.name, fixed: false, called: Boolean(signature), section: section(node), parameters, returns: clean(returns), text };
  }

  #optional(symbol) {
    const node = this.#node(symbol);
    return Boolean(symbol.flags & SymbolFlags.Optional || node?.initializer || node?.questionToken);
  }

  // --- objects

  /** @param {string} name @param {string} what */
  #fieldsOf(name, what) {
    return this.#fields(this.#checker.getDeclaredTypeOfSymbol(this.#named.get(name)), (f) => `${what} ${f}`);
  }

  /**
   * @param {any} type
   * @param {(field: string) => string} what
   * @returns {Field[]}
   */
  #fields(type, what) {
    return this.#checker.getPropertiesOfType(type).map((s) => ({
      name: s.name, type: this.#typeText(s), optional: this.#optional(s), text: this.#told(s, `${what(s.name)} (${fileOf(this.#node(s))})`),
    }));
  }

  /** Of an object of constants. @param {string} name @returns {Field[]} */
  #members(name) {
    const type = this.#checker.getTypeOfSymbol(this.#named.get(name));
    return this.#checker.getPropertiesOfType(type).map((s) => ({
      name: s.name, type: this.#checker.typeToString(this.#checker.getTypeOfSymbol(s)), optional: false, text: this.#told(s, `${name}.${s.name}`),
    }));
  }

  /** As its author wrote it, else as the compiler understands it. */
  #typeText(symbol) {
    const node = this.#node(symbol);
    return clean(node?.type ? textOf(node.type) : this.#checker.typeToString(this.#checker.getTypeOfSymbol(symbol)));
  }

  /**
   * Every type that texts speak of, and those that these speak of.
   * @param {string[]} texts
   */
  #closure(texts) {
    /** @type {Map<string, Named>} */
    const found = new Map();
    const queue = [...texts];
    for (let text = queue.shift(); text !== undefined; text = queue.shift()) {
      for (const [name] of text.matchAll(/\b[A-Z]\w+/g)) {
        const symbol = this.#named.get(name);
        if (!symbol || found.has(name) || name.startsWith('Parlor') && name !== 'ParlorOptions') continue;
        const named = this.#describe(name, symbol);
        found.set(name, named);
        queue.push(...(named.fields.length ? named.fields.map((f) => f.type) : [named.type]));
      }
    }
    return found;
  }

  /** @param {string} name @param {any} symbol @returns {Named} */
  #describe(name, symbol) {
    const node = this.#node(symbol);
    const type = this.#checker.getDeclaredTypeOfSymbol(symbol);
    const written = clean(textOf(node.type));
    const callable = this.#checker.getSignaturesOfType(type, SignatureKind.Call)[0];
    const object = !callable && !type.isUnionType() && type.isObjectType() || type.isIntersectionType();
    const fields = object ? this.#fields(type, (f) => `${name}.${f}`) : [];
    const parameters = callable?.getParameters().map((p) => `${p.name}: ${this.#typeText(p)}`);
    return {
      name, file: fileOf(node), fields, text: this.#doc(symbol) || afterName(node),
      type: callable ? `(${parameters.join(', ')}) => ${clean(this.#checker.typeToString(this.#checker.getReturnTypeOfSignature(callable)))}` : object && written.startsWith('@') ? '' : written,
    };
  }
}

function textOf(node) {
  if (!node) return '';
  let file = node;
  while (file.parent) file = file.parent;
  return file.text.slice(node.pos, node.end).trim();
}

/** The text behind the name of a `@typedef`. */
function afterName(node) {
  let file = node;
  while (file.parent) file = file.parent;
  const [text] = file.text.slice(node.name.end).split(/\n *\* @|\*\//);
  return clean(text);
}

function fileOf(node) {
  let file = node;
  while (file?.parent) file = file.parent;
  return (file?.fileName ?? '').replace(/.*\/(?=client\/)/, '');
}

/** A type for people: of one line, and without where it stands. @param {string} type */
const clean = (type) => oneLine(type.replace(/^ *\* */gm, '')).replace(/import\([^)]*\)\./g, '').replace(/Uint8Array<ArrayBufferLike>/g, 'Uint8Array');

/** @param {string} text */
const oneLine = (text) => text.replace(/\s+/g, ' ').trim();
