// What applications pass in is looked at before anything is done with it: an option that does not exist or is
// of the wrong kind is a ParlorError that names it. Pure.
//
//   options  an object of options, held to a table of fields
//   value    one value
//   guarded  a call of the application: whatever fails in it is a ParlorError

import { PROFILES } from './profiles.js';
import { ParlorError } from './protocol.js';

/** @typedef {[test: (v: any) => unknown, what: string]} Rule  and what it should be, in words */
/** @typedef {Record<string, Rule>} Fields */

/** @param {string} type @param {string} what @returns {Rule} */
const of = (type, what) => [(v) => typeof v === type, what];
/** @param {number} min @param {number} max @returns {Rule} */
const within = (min, max) => [(v) => typeof v === 'number' && v >= min && v <= max, `a number from ${min} to ${max}`];
/** @param {string[]} words @returns {Rule} */
const among = (...words) => [(v) => words.includes(v), words.map((w) => `"${w}"`).join(' or ')];

export const bool = of('boolean', 'true or false');
export const text = of('string', 'a string');
export const handler = of('function', 'a function');
export const role = among('anchor', 'audience');
export const logLevel = among('debug', 'info', 'warn', 'error', 'none');
export const source = among('camera', 'screen', 'mic', 'screen-audio');
const fillMode = among('contain', 'cover', 'fill');
/** Which keys there are says encryption.js. @type {Rule} */
const key = [(v) => typeof v === 'string' || v instanceof Object, 'a passphrase, bytes, or a CryptoKey'];
/** @type {Fields} */
const ENCRYPTION = {
  worker: [(v) => typeof v === 'string' || typeof v === 'function' || v instanceof URL, 'an address, or a function that returns a Worker'],
  keyLength: [(v) => v === 128 || v === 256, '128 or 256'],
};
/** Ids are looked at by roomOf, checkUser and who knows who is there. @type {Rule} */
const id = [() => true, 'an id'];
/** Whether there is such an element says view.js. @type {Rule} */
const view = [(v) => typeof v === 'string' || typeof v === 'object', 'an element, the id of one, or null'];
/** @type {Rule} */
const views = [(v) => Array.isArray(v) ? v.every((one) => one !== null && view[0](one)) : view[0](v), 'an element, the id of one, a list of those, or null'];

/** @type {Fields} */
const REMOTE = { userId: id, streamType: among('main', 'sub') };

/** @param {string} kind @returns {Rule} */
function track(kind) {
  return [(v) => v === null || v instanceof MediaStreamTrack && v.kind === kind && v.readyState === 'live', `a live ${kind} track, or null for a device`];
}
/** @type {Fields} */
const PROFILE = {
  name: [(v) => typeof v === 'string' && v.length <= 1024 && [...v.normalize('NFC').trim()].length <= 64, 'a string of at most 64 characters'],
  metadata: [(v) => typeof v === 'string' && v.length <= 2048 && new TextEncoder().encode(v).length <= 2048, 'a string of at most 2048 bytes'],
};
/** @type {Rule} */
const processor = [(v) => v === null || typeof v === 'function', 'a function, or null'];

/** @param {any} s */
function iceServer(s) {
  const urls = [isObject(s) ? s.urls : undefined].flat();
  return urls.length > 0 && urls.every((u) => typeof u === 'string' && /^(stun|turn)s?:[^/]/.test(u)) &&
    (urls.every((u) => u.startsWith('stun')) || typeof s.username === 'string' && typeof s.credential === 'string');
}
/** @type {Rule} */
const iceServers = [(v) => Array.isArray(v) && v.every(iceServer), 'a list of RTCIceServer: {urls}, of "stun:…", "turn:…" or "turns:…", for the latter two with username and credential'];

/** Scalability modes (W3C WebRTC-SVC): temporal layers, spatial ones, and spatial ones that depend on each other in keyframes alone. */
const SVC = ['L1T2', 'L1T3', ...['L2', 'L3'].flatMap((s) => ['T1', 'T2', 'T3'].flatMap((t) => [`${s}${t}`, `${s}${t}_KEY`]))];

/** @param {Rule} rule @returns {Rule} null: the default again */
const orNull = ([test, what]) => [(v) => v === null || test(v), `${what}, or null`];
/** @param {'camera' | 'mic' | 'screen'} of */
const profile = (of) => orNull(among(...Object.keys(PROFILES[of])));
const picture = {
  width: within(1, 16384), height: within(1, 16384), frameRate: within(1, 240), bitrate: orNull(within(30, 100_000)),
  degradationPreference: orNull(among('maintain-framerate', 'maintain-resolution', 'balanced')),
  contentHint: orNull(among('motion', 'detail', 'text')),
};

/** @type {Rule} */
const transports = [(v) => Array.isArray(v) && v.length > 0 && v.every((w) => ['udp', 'tcp', 'turn'].includes(w)), 'a list of "udp", "tcp" and "turn"'];

/** The options of each call. @type {Record<string, Fields>} */
export const CALLS = {
  create: {
    getToken: handler, url: text, autoReceiveAudio: bool, adaptive: bool, seats: [(v) => isObject(v) && options(v, SEATS), 'an object'],
    iceServers, iceTransportPolicy: among('all', 'relay'), transports,
    encryption: [(v) => isObject(v) && options(v, ENCRYPTION), 'an object'],
  },
  checkNetwork: {
    url: text, getToken: handler, strRoomId: id, iceServers, durationMs: within(1000, 60_000), onProgress: handler,
    signal: [(v) => v instanceof AbortSignal, 'an AbortSignal'],
  },
  enterRoom: {
    roomId: id, strRoomId: id, userId: id, token: text, role, scene: among('call', 'live'), ...PROFILE, autoReceiveAudio: bool,
    encryption: [(v) => isObject(v) && options(v, { sharedKey: key }), 'an object'],
  },
  encryptionKey: { use: bool },
  setProfile: PROFILE,
  sendMessage: { reliable: bool },
  localVideo: {
    view, deviceId: text, facingMode: among('user', 'environment'), profile: profile('camera'), ...picture,
    simulcast: orNull(bool), svc: orNull(among(...SVC)), codec: orNull(among('VP8', 'VP9', 'H264', 'AV1')), mirror: bool, fillMode, mute: bool,
    videoTrack: track('video'), processor,
  },
  localAudio: {
    deviceId: text, profile: profile('mic'), bitrate: orNull(within(6, 510)), stereo: orNull(bool), dtx: orNull(bool),
    contentHint: orNull(among('speech', 'music')), echoCancellation: bool, noiseSuppression: bool, autoGainControl: bool, mute: bool,
    audioTrack: track('audio'), processor,
  },
  screenShare: { view, audio: bool, profile: profile('screen'), ...picture, fillMode, processor },
  testSpeaker: { deviceId: text },
  remoteVideo: { ...REMOTE, view: views, quality: among('low', 'mid', 'high'), fillMode, mirror: bool, adaptive: bool },
  remoteTrack: REMOTE,
};
/** @type {Fields} */
const SEATS = { initial: within(0, 1000), chunk: within(1, 1000), max: within(1, 1000) };

/** @param {unknown} v */
const isObject = (v) => v !== null && typeof v === 'object' && !Array.isArray(v);

/**
 * @template {object} T
 * @param {T} given
 * @param {Fields} fields
 * @param {string[]} [needed]
 * @returns {T}
 */
export function options(given, fields, needed = []) {
  const o = /** @type {Record<string, unknown>} */ (given);
  if (!isObject(o)) throw wrong('options', `Options are an object: {${Object.keys(fields).join(', ')}}.`);
  for (const [name, v] of Object.entries(o)) {
    if (!Object.hasOwn(fields, name)) throw wrong(name, `There is no option "${name}". There are: ${Object.keys(fields).join(', ')}.`);
    if (v !== undefined) value(name, v, fields[name]);
  }
  for (const name of needed) value(name, o[name], o[name] === undefined ? [() => false, fields[name][1]] : fields[name]);
  return given;
}

/**
 * @param {string} field
 * @param {unknown} v
 * @param {Rule} rule
 */
export function value(field, v, [test, what]) {
  if (!test(v)) throw wrong(field, `"${field}" is ${what}, not ${shown(v)}.`);
}

/** A value as messages show it; not every one can be made a string. @param {unknown} v */
export function shown(v) {
  if (typeof v === 'string') return `"${v.slice(0, 40)}"`;
  if (typeof v === 'function') return 'a function';
  try {
    return String(v).slice(0, 40);
  } catch {
    return `a strange ${typeof v}`;
  }
}

/** @param {string} field @param {string} message */
export const wrong = (field, message) => new ParlorError('invalid_parameter', message, { field });

/**
 * @template T
 * @param {() => T | Promise<T>} call
 */
export async function guarded(call) {
  try {
    return await call();
  } catch (err) {
    throw errorFrom(err);
  }
}

/** What browsers throw, as an error of the client. @param {unknown} err */
export function errorFrom(err) {
  return err instanceof ParlorError ? err : new ParlorError('internal', String(/** @type {any} */ (err)?.message ?? err), { cause: err });
}

/**
 * A whole number.
 * @param {string} field
 * @param {number} n
 * @param {number} min
 * @param {number} max
 * @param {string} message
 */
export function whole(field, n, min, max, message) {
  if (!Number.isInteger(n) || n < min || n > max) throw wrong(field, message);
}
