// Opening cameras, microphones and screens: what is asked of the browser, and what its refusals mean.

import { ParlorError } from './protocol.js';

/** @typedef {import('./local.js').VideoOptions} VideoOptions */
/** @typedef {import('./local.js').AudioOptions} AudioOptions */
/** @typedef {import('./local.js').ScreenOptions} ScreenOptions */

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

/** @param {MediaStreamConstraints} constraints */
export async function capture(constraints) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new ParlorError('not_supported', 'Camera and microphone need a secure page (https or localhost).');
  }
  try {
    return await navigator.mediaDevices.getUserMedia(constraints);
  } catch (err) {
    throw deviceError(err, constraints.video ? 'camera' : 'microphone');
  }
}

/** @param {ScreenOptions} o */
export async function captureScreen(o) {
  if (!navigator.mediaDevices?.getDisplayMedia) {
    throw new ParlorError('not_supported', 'This browser cannot share a screen.');
  }
  try {
    return await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: o.frameRate ?? 15 } }, audio: o.audio ?? true });
  } catch (err) {
    throw deviceError(err, 'screen');
  }
}

/**
 * @param {unknown} cause
 * @param {string} what
 */
function deviceError(cause, what) {
  const name = cause instanceof Error ? cause.name : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') {
    const how = what === 'screen' ? '' : ' Allow it in the address bar or in the settings of the system, and try again.';
    return new ParlorError('device_denied', `The browser may not use the ${what}.${how}`, { cause });
  }
  if (name === 'NotFoundError' || name === 'OverconstrainedError') {
    return new ParlorError('device_not_found', `There is no such ${what}.`, { cause });
  }
  return new ParlorError('device_busy', `The ${what} cannot be opened; another program may be using it.`, { cause });
}
