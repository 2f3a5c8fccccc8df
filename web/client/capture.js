// Opening cameras, microphones and screens: what is asked of the browser, and what its refusals mean.

import { ParlorError } from './protocol.js';

/** @typedef {import('./protocol.js').Source} Source */

/** @typedef {import('./types.js').VideoOptions} VideoOptions */
/** @typedef {import('./types.js').AudioOptions} AudioOptions */
/** @typedef {import('./types.js').ScreenOptions} ScreenOptions */

/** @param {VideoOptions} o */
export function videoConstraints(o) {
  return {
    width: { ideal: o.width ?? 1280 },
    height: { ideal: o.height ?? 720 },
    frameRate: { ideal: o.frameRate ?? 30 },
    ...(o.deviceId && { deviceId: { exact: o.deviceId } }),
    ...(o.facingMode && !o.deviceId && { facingMode: o.facingMode }),
  };
}

/** @param {AudioOptions} o */
export function audioConstraints(o) {
  return {
    echoCancellation: o.echoCancellation ?? true,
    noiseSuppression: o.noiseSuppression ?? true,
    autoGainControl: o.autoGainControl ?? true,
    ...(o.deviceId && { deviceId: { exact: o.deviceId } }),
  };
}

/** @param {ScreenOptions} o */
export function screenConstraints(o) {
  return { frameRate: { ideal: o.frameRate ?? 15 } };
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
    return await navigator.mediaDevices.getDisplayMedia({ video: screenConstraints(o), audio: o.audio ?? true });
  } catch (err) {
    throw deviceError(err, 'screen');
  }
}

/**
 * Other settings for a track that goes on; where that fails it goes on as it was.
 * @param {MediaStreamTrack} track
 * @param {MediaTrackConstraints} constraints
 * @param {Source} source
 */
export async function adjust(track, constraints, source) {
  try {
    await track.applyConstraints(constraints);
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
  if (name === 'NotFoundError' || name === 'OverconstrainedError') {
    return new ParlorError('device_not_found', `There is no such ${what}.`, more);
  }
  return new ParlorError('device_busy', `The ${what} cannot be opened; another program may be using it.`, more);
}
