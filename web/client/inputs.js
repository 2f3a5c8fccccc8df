// What the streams of one's own come from, exchanged while they go on: another device, another processor. A
// change that fails leaves what there was.

import { constraintsOf } from './capture.js';
import { asWished } from './change.js';
import { others } from './fallback.js';
import { open } from './input.js';
import { ParlorError } from './protocol.js';

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./local.js').Stream} Stream */
/** @typedef {import('./local.js').AnyOptions} AnyOptions */
/** @typedef {import('./input.js').Input} Input */

/**
 * @typedef {object} InputsOptions
 * @property {(s: Stream) => boolean} holds  whether it is still one's stream
 * @property {(s: Stream) => Promise<unknown>} resend  sends what it is now
 * @property {(s: Stream) => void} ended  what it comes from has ended by itself
 * @property {(s: Stream) => Promise<unknown>} lost  it can neither change nor go on as it was
 */

export class Inputs {
  #generation = 0;
  #opts;

  /** @param {InputsOptions} opts */
  constructor(opts) {
    this.#opts = opts;
  }

  /** For open() of what is asked for now and opened in its turn. */
  get generation() {
    return this.#generation;
  }

  /** Everything that has been asked for is called off. */
  callOff() {
    this.#generation++;
  }

  /**
   * @param {Source} source
   * @param {AnyOptions} o
   * @param {number} [generation]  in which it was asked for; by its turn it may have been called off
   */
  open(source, o, generation = this.#generation) {
    return open(source, o, () => generation === this.#generation);
  }

  /**
   * From now on the stream comes from there.
   * @param {Stream} s
   * @param {Input} input
   */
  adopt(s, input) {
    s.input = input;
    enable(s);
    this.#watch(s);
    s.view?.show(input.track);
  }

  /**
   * Another device, or the same one opened anew, for the same stream: no offer, nobody else is told.
   * @param {Stream} s
   * @param {AnyOptions} o
   */
  async switchTo(s, o) {
    const old = s.input;
    old.onended(null); // a phone takes one camera away for another
    try {
      const input = await this.open(s.source, o);
      if (input.own || old.own || asWished(input.raw, constraintsOf(s.source, o))) this.adopt(s, input);
      else {
        input.stop();
        throw new ParlorError('device_busy', 'The microphone goes on as it was opened first.');
      }
    } catch (err) {
      await this.#restore(s, o, err);
    }
    if (s.input !== old) old.stop();
  }

  /**
   * Another processor, or none, of what goes on to be captured.
   * @param {Stream} s
   * @param {AnyOptions} o
   */
  async process(s, o) {
    await s.input.process(s.source, o.processor);
    s.input.hint(s.source, o);
    this.adopt(s, s.input);
  }

  /**
   * Its device has gone: another one takes its place, the default if that can be opened. False: none does.
   * @param {Stream} s
   */
  async fallBack(s) {
    const old = s.input;
    for (const deviceId of await others(s.source, old.device)) {
      if (old.stopped) return true; // by the application, whose turn comes
      const o = { ...s.options, deviceId };
      const input = await this.open(s.source, o).catch(() => null);
      if (!input) continue;
      if (old.stopped) input.stop();
      else {
        old.stop();
        this.adopt(s, input);
        s.lost ??= { device: old.device, deviceId: s.options.deviceId };
        s.options = o;
      }
      return true;
    }
    return false;
  }

  /**
   * The device that has gone is there again.
   * @param {Stream} s
   */
  async goBack(s) {
    const o = { ...s.options, deviceId: s.lost?.deviceId };
    await this.switchTo(s, o);
    s.options = o;
    s.lost = undefined;
  }

  /**
   * It could not be opened beside the one in use. If that may be why, it is tried without that: a phone opens
   * one camera at a time, and Chromium does to the sound of one microphone what was asked for first. In the
   * end all is as it was.
   * @param {Stream} s
   * @param {AnyOptions} o
   * @param {unknown} err
   */
  async #restore(s, o, err) {
    if (!this.#opts.holds(s)) throw err;
    if (s.input.own || !isBusy(err) && s.input.raw.readyState === 'live') {
      this.#watch(s);
      throw err;
    }
    s.input.stop();
    try {
      this.adopt(s, await this.open(s.source, o));
    } catch {
      const before = await this.open(s.source, s.options).catch(() => null);
      if (before) this.adopt(s, before);
      await (before ? this.#opts.resend(s) : this.#opts.lost(s));
      throw err;
    }
  }

  /** @param {Stream} s */
  #watch(s) {
    s.input.onended(() => this.#opts.ended(s));
  }
}

/** Whether a track of the application's is on is the application's to say, unless it is muted here. @param {Stream} s */
function enable({ muted, input: { own, raw, track } }) {
  if (muted || !own || track !== raw) track.enabled = !muted;
}

/** @param {unknown} err */
const isBusy = (err) => err instanceof ParlorError && err.code === 'device_busy';
