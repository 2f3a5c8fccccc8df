// What a change of one's own stream comes to: which options hold then, what the device has to do, what cannot
// be changed. Pure.

import { constraintsOf } from './capture.js';
import { PROFILED, applied } from './profiles.js';
import { ParlorError } from './protocol.js';

/** @typedef {import('./local.js').AnyOptions} AnyOptions */
/** @typedef {import('./local.js').Stream} Stream */
/** @typedef {import('./protocol.js').Source} Source */

/**
 * The options that hold after a change. A device replaces a facing mode, and the other way round. A profile
 * replaces all that profiles are about.
 * @param {AnyOptions} before
 * @param {AnyOptions} given
 */
export function merged(before, given) {
  const set = Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined));
  /** @type {AnyOptions} */
  const o = { ...before };
  if ('profile' in set) for (const field of PROFILED) delete o[field];
  Object.assign(o, set);
  if ('facingMode' in set && !set.deviceId) delete o.deviceId;
  else if (set.deviceId) delete o.facingMode;
  if (ownTrack(set)) for (const field of DEVICE) delete o[field];
  else if (DEVICE.some((field) => field in set && (field === 'deviceId' || field === 'facingMode'))) o.videoTrack = o.audioTrack = null;
  return o;
}

/** The options that are of a device. @type {(keyof AnyOptions)[]} */
const DEVICE = ['deviceId', 'facingMode', 'width', 'height', 'frameRate', 'echoCancellation', 'noiseSuppression', 'autoGainControl'];

/**
 * The track of the application's that is to be sent; null: a device is.
 * @param {AnyOptions} o
 */
export const ownTrack = (o) => o.videoTrack ?? o.audioTrack ?? null;

/**
 * Throws where a change is of what is settled in the browser's dialog.
 * @param {Stream} s
 * @param {AnyOptions} given
 */
export function fixed(s, given) {
  if (s.source === 'screen' && given.audio !== undefined && given.audio !== (s.options.audio ?? true)) {
    throw new ParlorError('invalid_state', '"audio" cannot be changed while the screen is on: stop it and start it anew.', { field: 'audio' });
  }
  apart(merged(s.options, given), given);
}

/**
 * Throws if options of a device are given for a track of the application's.
 * @param {AnyOptions} o  those that hold
 * @param {AnyOptions} [given]
 */
export function apart(o, given = o) {
  if (!ownTrack(o)) return;
  for (const field of DEVICE) {
    if (given[field] === undefined) continue;
    throw new ParlorError('invalid_parameter', `"${field}" is of a device: change your own track yourself, or give one or the other.`, { field });
  }
}

/** The options of which layers and codecs follow. A change without them keeps those that there are. */
const LAYERS = /** @type {const} */ (['simulcast', 'svc', 'codec', 'profile']);
/** The options of what is sent that follow from no other. */
const SENT = /** @type {const} */ (['bitrate', 'degradationPreference', 'stereo', 'dtx']);

/**
 * What has to be done for a change: another input, the device adjusted, another processor or hint; layers
 * are to be chosen anew, it is sent otherwise. Browsers change what is done to sound only with a track.
 * @param {Stream} s
 * @param {AnyOptions} o
 */
export function changed(s, o) {
  const [before, now] = [constraintsOf(s.source, s.options), constraintsOf(s.source, o)];
  const [wasOwn, own] = [ownTrack(s.options), ownTrack(o)];
  const device = !own && !same(before, now);
  const anew = own !== wasOwn || device && (s.source === 'mic' || !same(deviceOf(before.video), deviceOf(now.video)));
  const processed = !anew && (o.processor ?? null) !== (s.options.processor ?? null);
  const adjusted = device && !anew;
  const [old, next] = [applied(s.source, s.options), applied(s.source, o)];
  const differs = (/** @type {keyof AnyOptions} */ field) => old[field] !== next[field];
  return {
    constraints: now, before, anew, adjusted, processed,
    hinted: differs('contentHint'), layered: s.source === 'camera' && LAYERS.some(differs), sent: SENT.some(differs),
  };
}

/** What is done to sound, which a browser says of a track. */
const PROCESSING = /** @type {const} */ (['echoCancellation', 'noiseSuppression', 'autoGainControl']);

/**
 * Whether done to the sound of a track is what was asked for, as far as the browser says.
 * @param {MediaStreamTrack} track
 * @param {MediaStreamConstraints} constraints
 */
export function asWished(track, { audio }) {
  const is = track.getSettings();
  const wished = /** @type {MediaTrackConstraints} */ (audio || {});
  return PROCESSING.every((k) => typeof is[k] !== 'boolean' || is[k] === (wished[k] ?? is[k]));
}

/** @param {unknown} a @param {unknown} b */
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** @param {any} c  constraints */
const deviceOf = ({ deviceId, facingMode }) => ({ deviceId, facingMode });

/**
 * The look of the own view: mirrored, as people know themselves, but not a camera that looks away from them,
 * nor a screen.
 * @param {Source} source
 * @param {AnyOptions} o
 * @returns {{fillMode?: import('./view.js').FillMode, mirror: boolean}}
 */
export function lookOf(source, o) {
  if (source === 'screen') return { fillMode: o.fillMode ?? 'contain', mirror: false };
  return { fillMode: o.fillMode, mirror: o.mirror ?? o.facingMode !== 'environment' };
}
