// Every public call, as the types tell them, so that a new one cannot escape: with wrong arguments, unknown
// options, in every state, and in a browser that refuses. Whatever fails is a ParlorError that names what is
// wrong.

import assert from 'node:assert/strict';
import test from 'node:test';
import { read } from '../../package/model.js';
import { CALLS } from '../check.js';
import { domError, page } from './devices.js';
import { FakeNode, settle } from './fakes.js';

const OPTIONS = new Set(Object.values(CALLS).flatMap((fields) => Object.keys(fields)));
const { calls, types } = read();

// --- a page with a node, and a browser that can be made to refuse

const browser = { fails: null, noPeer: false };
/** A PeerConnection that is never connected: media is not what is tested here. */
class FakePeerConnection extends EventTarget {
  connectionState = 'new';
  constructor() {
    super();
    if (browser.noPeer) throw domError('NotSupportedError');
  }
  addTransceiver() {
    return { sender: {}, receiver: { track: { id: 't' } }, stop() {} };
  }
  createOffer() {
    return new Promise(() => {});
  }
  async getStats() {
    return new Map();
  }
  close() {}
}
const refusing = (call) => async (...given) => {
  if (browser.fails) throw browser.fails;
  return call(...given);
};
const { getUserMedia, getDisplayMedia } = navigator.mediaDevices;
Object.assign(navigator.mediaDevices, {
  getUserMedia: refusing(getUserMedia), getDisplayMedia: refusing(getDisplayMedia),
  enumerateDevices: refusing(async () => [{ kind: 'videoinput', deviceId: 'd', label: '' }]),
});
Object.assign(globalThis, {
  location: { href: 'https://example.org/', origin: 'https://example.org' }, RTCPeerConnection: FakePeerConnection,
  ResizeObserver: class { observe() {} unobserve() {} disconnect() {} }, IntersectionObserver: class { observe() {} unobserve() {} disconnect() {} },
});
Object.assign(document, { getElementById: () => null, addEventListener() {}, removeEventListener() {} });
HTMLElement.prototype.setSinkId = refusing(async () => {});
const { Parlor, ParlorError } = await import('../parlor.js');

const ANN = { strRoomId: 'lobby', userId: 'ann' };
/** In each state in which a call may come. */
const STATES = {
  'outside a room': () => newParlor(),
  'while entering': () => {
    const parlor = newParlor(() => void (page.node.answers.enter = null));
    parlor.enterRoom(ANN).catch(() => {});
    return parlor;
  },
  'in a room': async () => {
    const parlor = newParlor();
    await parlor.enterRoom(ANN);
    await parlor.startRemoteVideo({ userId: 'bob', view: null });
    return parlor;
  },
  'without contact': async () => {
    const parlor = await STATES['in a room']();
    page.node.up = false;
    page.node.drop();
    return parlor;
  },
  'while leaving': async () => {
    const parlor = await STATES['in a room']();
    page.node.deaf = true;
    void parlor.exitRoom();
    return parlor;
  },
  'after being put out': async () => {
    const parlor = await STATES['in a room']();
    page.node.event({ type: 'exited', reason: 1, text: 'out' });
    return parlor;
  },
};

const made = [];
const failures = []; // of error events
function newParlor(prepare = () => {}) {
  page.node = Object.assign(new FakeNode(), { users: [{ user: 'bob', streams: [{ source: 'camera', on: true }] }] });
  prepare();
  Object.assign(globalThis, { WebSocket: page.node.WebSocket });
  const parlor = Parlor.create();
  parlor.on('error', (err) => failures.push(err));
  made.push([parlor, page.node]);
  return parlor;
}
test.afterEach(async () => {
  Object.assign(browser, { fails: null, noPeer: false });
  for (const err of failures.splice(0)) assert.ok(err instanceof ParlorError, `an error event brings ${err?.stack}`);
  for (const [parlor, node] of made.splice(0)) {
    node.deaf = true; // so that the client waits for it, and then leaves by itself
    void parlor.exitRoom();
    node.socket?.onmessage?.({ data: JSON.stringify({ type: 'exited', reason: 1, seq: 1000 }) });
  }
  await settle();
});

// --- arguments, by type

const GOOD = {
  string: 'bob', number: 1, boolean: true, View: new HTMLElement(), 'View | null': null, 'View | View[] | null': null,
  'Uint8Array | ArrayBuffer | string': 'hello', 'MediaStreamTrack | null': null, 'Processor | null': null, GetToken: () => 'token',
  "Name | '*'": '*', Name: 'error', '(payload: Events[Name]) => void': () => {}, EnterOptions: ANN,
  'string | null': 'bob', '128 | 256': 128, 'Uint8Array | ArrayBuffer': new Uint8Array(32), 'EncryptionKey | null': new Uint8Array(32),
};
/** A value of a type that a call takes. */
function good(type) {
  if (type in GOOD) return GOOD[type];
  const words = literals(type);
  if (words) return words[0];
  const partial = /^Partial<(\w+)>$/.exec(type);
  const fields = types.get(partial?.[1] ?? type)?.fields;
  assert.ok(fields?.length, `GOOD has no value of the type ${type}: give it one`);
  return Object.fromEntries(fields.filter((f) => !f.optional && !partial && f.name !== 'view' || f.name === 'view').map((f) => [f.name, good(f.type)]));
}

const literals = (type) => (/^'/.test(type) ? type : types.get(type)?.type ?? '').match(/(?<=')[\w*-]+(?=')/g);
const isOptions = (type) => Boolean(types.get(type)?.fields.length);

const hostile = Object.assign(Object.create(null), { toString: () => { throw new Error('hostile'); } });
/** Values of no type that a call takes, other than objects of options. */
const BAD = [7.5, Symbol('x'), hostile, () => { throw new Error('called'); }, NaN, [Symbol('y')]];

/** What of these a type does not take. */
const bad = (type) => BAD.filter((v) => !(typeof v === 'function' && /=>|Processor|GetToken/.test(type)) && !(v === hostile && (/^Partial/.test(type) || isOptions(type))) && !(v === 7.5 && /\bnumber\b/.test(type)))
  .concat(/\bnumber\b/.test(type) ? ['7', -7] : [], type === 'boolean' ? ['yes', 1] : [], literals(type) ? ['nonsense'] : []);

/** How errors name it. */
const fieldOf = (name, type) => (/^Name\b/.test(type) ? 'event' : { userId: 'user', strRoomId: 'room', roomId: 'room', fn: 'handler' }[name] ?? name);

/** [arguments, field, what] of everything that may be wrong in a call. */
function* mistakes({ parameters }) {
  const args = parameters.map((p) => good(p.type));
  for (const [i, p] of parameters.entries()) {
    const with_ = (v) => [...args.slice(0, i), v, ...args.slice(i + 1)];
    if (!isOptions(p.type)) {
      for (const v of bad(p.type)) yield [with_(v), fieldOf(p.name, p.type), `${p.name}: ${show(v)}`];
      if (!p.optional) yield [with_(undefined), fieldOf(p.name, p.type), `without ${p.name}`];
      continue;
    }
    for (const v of [...BAD.filter((b) => b !== hostile), null, 'text', [], ...(p.optional ? [] : [undefined])]) yield [with_(v), 'options', `options ${show(v)}`];
    yield [with_({ ...args[i], nope: 1 }), 'nope', 'an unknown option'];
    for (const f of types.get(p.type).fields) {
      for (const v of bad(f.type)) yield [with_({ ...args[i], [f.name]: v }), fieldOf(f.name, f.type), `{ ${f.name}: ${show(v)} }`];
    }
  }
}
const show = (v) => (v === hostile ? 'hostile' : Array.isArray(v) ? 'an array' : typeof v === 'function' ? 'a function' : String(v));

/** What a call comes to: a value, or what it throws or rejects with. */
async function outcome(on, name, args) {
  let timer;
  const late = new Promise((then) => (timer = setTimeout(() => then({ pending: true }), 20)));
  try {
    const result = on[name](...args);
    return await Promise.race([Promise.resolve(result).then((value) => ({ value }), (err) => ({ err })), late]);
  } catch (err) {
    return { err };
  } finally {
    clearTimeout(timer);
  }
}

// --- the tests

for (const call of calls.filter((c) => c.called)) {
  test(`${call.name} refuses whatever it does not take, by the name of that`, async () => {
    const on = call.fixed ? Parlor : await STATES['in a room']();
    for (const [args, field, what] of mistakes(call)) {
      const { err } = await outcome(on, call.name, args);
      assert.ok(err instanceof ParlorError, `${call.name} with ${what}: ${err?.stack ?? 'nothing is wrong'}`);
      assert.deepEqual([err.code, err.field], ['invalid_parameter', field], `${call.name} with ${what}: ${err.message}`);
      assert.ok(err.message.length < 400, err.message);
    }
  });

  test(`${call.name} does what it can in each state, or says why not`, async () => {
    const args = call.parameters.map((p) => good(p.type));
    for (const [state, set] of Object.entries(STATES)) {
      const { err } = await outcome(call.fixed ? Parlor : await set(), call.name, args);
      assert.ok(err === undefined || err instanceof ParlorError && err.code !== 'internal', `${call.name} ${state}: ${err?.stack}`);
    }
  });

  test(`${call.name} says what a browser refuses`, async () => {
    const args = call.parameters.map((p) => good(p.type));
    for (const name of ['NotAllowedError', 'NotFoundError', 'NotReadableError', 'OverconstrainedError', 'AbortError', 'SecurityError', 'InvalidStateError', 'TypeError']) {
      const made = await STATES[call.fixed || call.name === 'enterRoom' ? 'outside a room' : 'in a room']();
      const on = call.fixed ? Parlor : made;
      browser.fails = domError(name, name === 'OverconstrainedError' ? 'deviceId' : undefined);
      const { err } = await outcome(on, call.name, args);
      assert.ok(err === undefined || err instanceof ParlorError && err.code !== 'internal' && err.field, `${call.name} and ${name}: ${err?.stack}`);
      browser.fails = null;
    }
  });
}

test('a browser that makes no PeerConnection lets one enter, and the application hears why it sees nobody', async () => {
  browser.noPeer = true;
  const parlor = newParlor();
  await parlor.enterRoom(ANN);
  assert.deepEqual(failures.map((err) => [err.code, err.cause.name]), [['internal', 'NotSupportedError']]);
  await parlor.exitRoom();
});

test('options that the types have are those that calls take', () => {
  for (const { name, parameters } of calls) {
    for (const p of parameters.filter(({ type }) => isOptions(type))) {
      for (const f of types.get(p.type).fields) assert.ok(OPTIONS.has(f.name), `${name} takes no ${f.name}, which ${p.type} has`);
    }
  }
});
