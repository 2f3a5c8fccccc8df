// Which device takes the place of one that was pulled out, and whether one that was put in is that again.
// What opens it is inputs.js's.

import { listed } from './devices.js';

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {{deviceId: string, groupId: string, label: string}} Used  the device that a stream came from */

/** Ids that stand for another device. */
const ALIAS = new Set(['', 'default', 'communications']);
/** How many devices are tried in turn. More takes longer if none works. */
const MOST = 4;
/** How long a list may be behind the end of a track, in ms. */
const BEHIND = 500;

/** @param {MediaStreamTrack} track @returns {Used} */
export function usedBy(track) {
  const { deviceId = '', groupId = '' } = track.getSettings();
  return { deviceId, groupId, label: track.label };
}

/** As applications are told of it. @param {Used} used */
export const named = ({ deviceId, label }) => ({ deviceId, label });

/**
 * Whether that is the device. An alias stands for the device of its group.
 * @param {Used} used
 * @param {Pick<MediaDeviceInfo, 'deviceId' | 'groupId'>} d
 */
export function isThat(used, d) {
  if (!ALIAS.has(used.deviceId)) return d.deviceId === used.deviceId;
  return used.groupId !== '' && d.groupId === used.groupId;
}

/**
 * The ids of the devices to try in place of one whose track has ended, the default ('') first. None: there is
 * no other, or it is still there, so the browser or its user has ended it.
 * @param {Source} source
 * @param {Used} lost
 * @returns {Promise<string[]>}
 */
export async function others(source, lost) {
  const list = () => listed(source === 'camera' ? 'videoinput' : 'audioinput').catch(() => []);
  let there = await list();
  if (there.some((d) => isThat(lost, d))) {
    await new Promise((then) => setTimeout(then, BEHIND));
    there = await list();
  }
  if (there.length === 0 || there.some((d) => isThat(lost, d))) return [];
  const ids = there.map((d) => d.deviceId).filter((id) => !ALIAS.has(id));
  return ['', ...ids].slice(0, MOST);
}
