// One's own devices: which are wanted, picked, on, and being opened. Knows the client and the lists of
// devices. The page sees to how buttons look; it hears of every change.

import { Parlor } from '../client/parlor.js';
import { $ } from './page.js';

/**
 * @typedef {object} DeviceOptions
 * @property {{mic: boolean, cam: boolean}} want  the user's wish at first
 * @property {() => HTMLElement | null} view      the element that shows one's own picture at the moment
 * @property {() => void} changed                 something is on, off or being opened that was not
 */

export class Devices {
  /** The user's wish, whether or not a device could be opened. */
  want;
  /** The devices that are on: those that the client really holds, not those that were clicked. */
  on;
  /** @type {Record<string, string>} */
  #picked = { camera: '', microphone: '', speaker: '' };
  /**
   * The camera's start that is under way, for as long as the browser asks; null: none, or called off.
   * @type {object | null}
   */
  #start = null;
  #parlor;
  #opts;

  /**
   * @param {Parlor} parlor
   * @param {DeviceOptions} opts
   */
  constructor(parlor, opts) {
    this.#parlor = parlor;
    this.#opts = opts;
    this.want = { ...opts.want };
    this.on = {
      get mic() { return parlor.getLocalTrack('mic')?.enabled ?? false; },
      get cam() { return parlor.getLocalTrack('camera')?.readyState === 'live'; },
      get share() { return parlor.getLocalTrack('screen')?.readyState === 'live'; },
    };
  }

  /** Whether the camera is being opened. */
  get starting() {
    return this.#start !== null;
  }

  /** @param {HTMLElement | null} [view] */
  async startCamera(view = this.#opts.view()) {
    const own = this.#start = {};
    this.#opts.changed();
    try {
      await this.#parlor.startLocalVideo({ view, ...(this.#picked.camera && { deviceId: this.#picked.camera }) });
    } finally {
      if (this.#start === own) this.#start = null;
      this.#opts.changed();
    }
    void this.list();
  }

  stopCamera() {
    this.#start = null;
    return this.#parlor.stopLocalVideo();
  }

  async startMic() {
    await this.#parlor.startLocalAudio(this.#picked.microphone ? { deviceId: this.#picked.microphone } : {});
    this.#opts.changed();
    void this.list();
  }

  /** The client has let go of all of them, and of what was being opened. */
  released() {
    this.#start = null;
  }

  async toggleCamera() {
    this.want.cam = !this.on.cam;
    if (this.on.cam) await this.stopCamera();
    else await this.startCamera();
  }

  async toggleMic() {
    this.want.mic = !this.on.mic;
    if (this.#parlor.getLocalTrack('mic')) await this.#parlor.updateLocalAudio({ mute: this.on.mic });
    else await this.startMic();
  }

  /** Shares a screen or stops that. Returns whether one is shared now. One's own screen is not shown to
   *  oneself: a shared tab would show itself in itself without end. */
  async toggleShare() {
    if (this.on.share) {
      await this.#parlor.stopScreenShare();
      return false;
    }
    try {
      await this.#parlor.startScreenShare();
    } catch (err) {
      if (/** @type {any} */ (err).code === 'device_denied') return false; // the user has closed the picker
      throw err;
    }
    return true;
  }

  /** Fills every list of devices; labels are known once a device may be used. */
  async list() {
    const lists = { camera: Parlor.getCameraList, microphone: Parlor.getMicrophoneList, speaker: Parlor.getSpeakerList };
    for (const [kind, list] of Object.entries(lists)) {
      const found = await list();
      if (kind === 'speaker') $('speaker-field').hidden = found.length === 0;
      for (const el of document.querySelectorAll(`select[data-devices="${kind}"]`)) {
        const select = /** @type {HTMLSelectElement} */ (el);
        const options = found.map((d, i) => new Option(d.label || `${kind} ${i + 1}`, d.deviceId));
        select.replaceChildren(new Option(`Default ${kind}`, ''), ...options);
        select.value = this.#picked[kind];
      }
    }
  }

  /**
   * @param {string} kind
   * @param {string} deviceId
   */
  async pick(kind, deviceId) {
    const before = this.#picked[kind];
    this.#picked[kind] = deviceId;
    try {
      if (kind === 'camera' && this.on.cam) await this.#parlor.updateLocalVideo({ deviceId });
      if (kind === 'microphone' && this.#parlor.getLocalTrack('mic')) await this.#parlor.updateLocalAudio({ deviceId });
      if (kind === 'speaker') await this.#parlor.setSpeaker(deviceId);
    } catch (err) {
      this.#picked[kind] = before; // what fails changes nothing
      throw err;
    } finally {
      await this.list();
    }
  }
}
