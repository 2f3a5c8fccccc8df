// What a change of one's own stream comes to: which options hold then, what the device has to do, what cannot
// be changed. Pure.

import { audioConstraints, screenConstraints, videoConstraints } from './capture.js';
import { ParlorError } from './protocol.js';

/** @typedef {import('./local.js').AnyOptions} AnyOptions */
/** @typedef {import('./local.js').Stream} Stream */
/** @typedef {import('./protocol.js').Source} Source */

/**
 * The options that hold after a change. A device replaces a facing mode, and the other way round.
 * @param {AnyOptions} before
 * @param {AnyOptions} given
 */
export function merged(before, given) {
  const set = Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined));
  /** @type {AnyOptions} */
  const o = { ...before, ...set };
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
 * Throws where a change is of what is settled with the first offer or in the browser's dialog.
 * @param {Stream} s
 * @param {AnyOptions} given
 */
export function fixed(s, given) {
  /** @type {[keyof AnyOptions, unknown][]} */
  const settled = s.source === 'screen' ? [['audio', s.options.audio ?? true]] : [['simulcast', s.simulcast], ['svc', s.options.svc], ['codec', s.codec]];
  for (const [field, is] of settled) {
    if (given[field] === undefined || given[field] === is) continue;
    throw new ParlorError('invalid_state', `"${field}" cannot be changed while the ${s.source} is on: stop it and start it anew.`, { field });
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

/**
 * How a source is opened, and what its track is held to.
 * @param {Source} source
 * @param {AnyOptions} o
 * @returns {MediaStreamConstraints}
 */
export function constraintsOf(source, o) {
  if (source === 'camera') return { video: videoConstraints(o) };
  return source === 'mic' ? { audio: audioConstraints(o) } : { video: screenConstraints(o) };
}

/**
 * What has to be done for a change: nothing (null), another input, the device adjusted, another processor.
 * Browsers change what is done to sound only with a track.
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
  return anew || adjusted || processed ? { constraints: now, anew, adjusted, processed } : null;
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
