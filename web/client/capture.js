// Opening cameras, microphones and screens: what is asked of the browser, and what its refusals mean.

import { applied } from './profiles.js';
import { ParlorError } from './protocol.js';

/** @typedef {import('./protocol.js').Source} Source */

/** @typedef {import('./types.js').ScreenOptions} ScreenOptions */

/** @param {import('./profiles.js').Applied} o */
function videoConstraints(o) {
  return {
    width: { ideal: o.width ?? 1280 },
    height: { ideal: o.height ?? 720 },
    frameRate: { ideal: o.frameRate ?? 30 },
    ...(o.deviceId && { deviceId: { exact: o.deviceId } }),
    ...(o.facingMode && !o.deviceId && { facingMode: o.facingMode }),
  };
}

/** @param {import('./profiles.js').Applied} o */
function audioConstraints(o) {
  return {
    echoCancellation: o.echoCancellation ?? true,
    noiseSuppression: o.noiseSuppression ?? true,
    autoGainControl: o.autoGainControl ?? true,
    ...(o.stereo && { channelCount: { ideal: 2 } }),
    ...(o.deviceId && { deviceId: { exact: o.deviceId } }),
  };
}

/**
 * A screen is never made larger. What is smaller stays as it is.
 * @param {import('./profiles.js').Applied} o
 */
function screenConstraints(o) {
  return {
    frameRate: { ideal: o.frameRate ?? 15 },
    ...(o.width && { width: { max: o.width } }),
    ...(o.height && { height: { max: o.height } }),
  };
}

/**
 * How a source is opened, and what its track is held to.
 * @param {Source} source
 * @param {import('./local.js').AnyOptions} given
 * @returns {MediaStreamConstraints}
 */
export function constraintsOf(source, given) {
  const o = applied(source, given);
  if (source === 'camera') return { video: videoConstraints(o) };
  return source === 'mic' ? { audio: audioConstraints(o) } : { video: screenConstraints(o) };
}

/** @param {MediaStreamConstraints} constraints */
export async function capture(constraints) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new ParlorError('not_supported', 'Camera and microphone need a secure page (https or localhost).');
  }
  try {
    return await navigator.mediaDevices.getUserMedia(constraints);
  } catch (err) {
    throw deviceError(err, constraints.video ? 'camera' : 'mic');
  }
}

/** @param {ScreenOptions} o */
export async function captureScreen(o) {
  if (!navigator.mediaDevices?.getDisplayMedia) {
    throw new ParlorError('not_supported', 'This browser cannot share a screen.');
  }
  try {
    return await navigator.mediaDevices.getDisplayMedia({ ...constraintsOf('screen', o), audio: o.audio ?? true });
  } catch (err) {
    throw deviceError(err, 'screen');
  }
}

/**
 * Other settings for a track that goes on; where that fails it goes on as it was.
 * @param {MediaStreamTrack} track
 * @param {MediaStreamConstraints} constraints  of pictures
 * @param {Source} source
 */
export async function adjust(track, { video }, source) {
  try {
    await track.applyConstraints(/** @type {MediaTrackConstraints} */ (video));
  } catch (err) {
    throw deviceError(err, source);
  }
}

/**
 * @param {unknown} cause
 * @param {Source | 'speaker'} of
 */
export function deviceError(cause, of) {
  const { name = '', constraint } = /** @type {{name?: string, constraint?: string}} */ (cause ?? {});
  const what = of === 'mic' ? 'microphone' : of;
  const more = { cause, field: constraint || of };
  if (name === 'NotAllowedError' || name === 'SecurityError') {
    const how = what === 'screen' ? '' : ' Allow it in the address bar or in the settings of the system, and try again.';
    return new ParlorError('device_denied', `The browser may not use the ${what}.${how}`, more);
  }
  if (name === 'InvalidStateError' && what === 'screen') {
    return new ParlorError('device_denied', 'Browsers let a page ask for a screen only in answer to a click or a key.', more);
  }
  if (name === 'NotFoundError' || name === 'OverconstrainedError') {
    return new ParlorError('device_not_found', `There is no such ${what}.`, more);
  }
  return new ParlorError('device_busy', `The ${what} cannot be opened; another program may be using it.`, more);
}
