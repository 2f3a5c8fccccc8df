// Profiles: sets of options by name. What is not given is the profile's, and what a profile does not say is
// the default. docs/client.md has them as a table. Pure.

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./local.js').AnyOptions} AnyOptions */
/** @typedef {{[K in keyof AnyOptions]: NonNullable<AnyOptions[K]>}} Applied  without the profile's name and null */

/**
 * What each profile says: sizes in pixels, frames a second, kbit/s. A camera's bitrate is that of all its
 * layers; its largest gets about what other clients give to a picture of that size.
 * @type {{camera: Record<string, AnyOptions>, mic: Record<string, AnyOptions>, screen: Record<string, AnyOptions>}}
 */
export const PROFILES = {
  camera: {
    '180p': { width: 320, height: 180, frameRate: 15, bitrate: 200 },
    '360p': { width: 640, height: 360, frameRate: 30, bitrate: 800 },
    '480p': { width: 848, height: 480, frameRate: 30, bitrate: 1200 },
    '720p': { width: 1280, height: 720, frameRate: 30, bitrate: 2400 },
    '1080p': { width: 1920, height: 1080, frameRate: 30, bitrate: 4000 },
  },
  mic: {
    speech: { bitrate: 24, dtx: true },
    standard: { bitrate: 40 },
    high: { bitrate: 96 },
    music: { bitrate: 128, contentHint: 'music', ...unprocessed() },
    'high-stereo': { bitrate: 192, stereo: true, contentHint: 'music', ...unprocessed() },
  },
  screen: {
    '720p': { width: 1280, height: 720, frameRate: 15, bitrate: 1500 },
    '1080p': { width: 1920, height: 1080, frameRate: 15, bitrate: 2500 },
    motion: { width: 1920, height: 1080, frameRate: 30, bitrate: 4000, contentHint: 'motion', degradationPreference: 'maintain-framerate' },
  },
};

function unprocessed() {
  return { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
}

/** The options that a profile takes the place of, whatever it says of them. */
export const PROFILED = /** @type {const} */ ([
  'width', 'height', 'frameRate', 'bitrate', 'contentHint', 'degradationPreference', 'stereo', 'dtx',
  'echoCancellation', 'noiseSuppression', 'autoGainControl',
]);

/**
 * The options with what their profile says of those that are not given. Null counts as not given.
 * @param {Source} source
 * @param {AnyOptions} o
 * @returns {Applied}
 */
export function applied(source, o) {
  const given = Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined && v !== null));
  const table = source === 'screen-audio' ? null : PROFILES[source];
  return /** @type {Applied} */ ({ ...table?.[o.profile ?? ''], ...given });
}
