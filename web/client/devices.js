// The devices that there are, and whether the page may use them: what is added, what is gone, what changes.
// Which one takes the place of another says fallback.js.

import { deviceError } from './capture.js';
import { Timers, systemClock } from './clock.js';

/** @typedef {import('./types.js').DeviceKind} DeviceKind */
/** @typedef {import('./types.js').Permission} Permission */
/** @typedef {import('./types.js').ParlorEvents} ParlorEvents */

/** How long a browser has to say nothing more before a change is told, in ms. A headset is two devices or
 *  three, and comes in as many changes. Lower tells of each; higher is late. */
const SETTLE_MS = 300;

/** @type {Record<string, DeviceKind>} */
const KINDS = { videoinput: 'camera', audioinput: 'microphone', audiooutput: 'speaker' };

export class Devices {
  /** @type {MediaDeviceInfo[]} */
  #known = [];
  #timers;
  #emit;
  #onChange;

  /**
   * @param {<K extends keyof ParlorEvents>(name: K, payload: ParlorEvents[K]) => void} emit
   * @param {(devices: MediaDeviceInfo[]) => void} onChange  hears which there are, before the application
   * @param {import('./clock.js').Clock} [clock]
   */
  constructor(emit, onChange, clock = systemClock) {
    this.#timers = new Timers(clock);
    this.#emit = emit;
    this.#onChange = onChange;
  }

  /** Tells of changes from now on. */
  async watch() {
    const { mediaDevices, permissions } = navigator;
    mediaDevices?.addEventListener?.('devicechange', () => this.#timers.set('settle', SETTLE_MS, () => void this.#changed()));
    for (const device of /** @type {const} */ (['camera', 'microphone'])) {
      const status = await ask(permissions, device);
      status?.addEventListener?.('change', () => this.#emit('permission-changed', { device, state: status.state }));
    }
    await this.learn();
  }

  /**
   * Takes what there is for known: ids and names come with the permission, and are no devices that were added.
   */
  async learn() {
    if (this.#timers.has('settle')) return; // that is a change, which is told soon
    this.#known = await all().catch(() => this.#known);
  }

  async #changed() {
    const before = this.#known;
    const now = this.#known = await all().catch(() => before);
    const without = (/** @type {MediaDeviceInfo[]} */ a, /** @type {MediaDeviceInfo[]} */ b) => a.filter((d) => !b.some((x) => same(d, x)));
    const [added, removed] = [without(now, before), without(before, now)];
    this.#onChange(now);
    for (const [kind, name] of Object.entries(KINDS)) {
      const of = (/** @type {MediaDeviceInfo[]} */ list) => list.filter((d) => d.kind === kind);
      if (of(added).length + of(removed).length === 0) continue;
      this.#emit('device-changed', { kind: name, added: of(added), removed: of(removed), devices: of(now) });
    }
  }
}

const SOURCES = /** @type {const} */ ({ videoinput: 'camera', audioinput: 'mic', audiooutput: 'speaker' });

/** The devices of a kind that the page may know. @param {MediaDeviceKind} kind */
export async function listed(kind) {
  const known = await all().catch((err) => {
    throw deviceError(err, SOURCES[kind]);
  });
  return known.filter((d) => d.kind === kind);
}

/** The devices that have an id: others are not told before the page may use one. */
async function all() {
  return ((await navigator.mediaDevices?.enumerateDevices?.()) ?? []).filter((d) => d.deviceId !== '');
}

/**
 * Whether the page may use camera and microphone; asks nobody.
 * @returns {Promise<{camera: Permission, microphone: Permission}>}
 */
export async function permissions() {
  const [camera, microphone] = await Promise.all([ask(navigator.permissions, 'camera'), ask(navigator.permissions, 'microphone')]);
  return { camera: camera?.state ?? 'unknown', microphone: microphone?.state ?? 'unknown' };
}

/**
 * Null: this browser does not say.
 * @param {Permissions | undefined} of
 * @param {string} name
 */
const ask = async (of, name) => of?.query({ name: /** @type {PermissionName} */ (name) }).catch(() => null) ?? null;

/**
 * The default entry is another one if it stands for another device.
 * @param {MediaDeviceInfo} a
 * @param {MediaDeviceInfo} b
 */
const same = (a, b) => a.kind === b.kind && a.deviceId === b.deviceId && a.groupId === b.groupId;
