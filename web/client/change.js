// What a change of one's own stream comes to: which options hold then, what the device has to do, what cannot be changed. Pure.

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
  return o;
}

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
 * What the device has to do for a change: nothing (null), be opened anew, or be adjusted. Browsers change what is done to sound only
 * with a track.
 * @param {Stream} s
 * @param {AnyOptions} o
 */
export function changed(s, o) {
  const [before, now] = [constraintsOf(s.source, s.options), constraintsOf(s.source, o)];
  if (same(before, now)) return null;
  return { constraints: now, anew: s.source === 'mic' || !same(device(before.video), device(now.video)) };
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
const device = ({ deviceId, facingMode }) => ({ deviceId, facingMode });

/**
 * The look of the own view: mirrored, as people know themselves, but not a camera that looks away from them, nor a screen.
 * @param {Source} source
 * @param {AnyOptions} o
 * @returns {{fillMode?: import('./view.js').FillMode, mirror: boolean}}
 */
export function lookOf(source, o) {
  if (source === 'screen') return { fillMode: o.fillMode ?? 'contain', mirror: false };
  return { fillMode: o.fillMode, mirror: o.mirror ?? o.facingMode !== 'environment' };
}
