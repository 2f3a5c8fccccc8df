// A test of a speaker: three tones, made here, so that there is no file and no rule of the page against it.

import { newContext } from './level.js';
import { ParlorError } from './protocol.js';
import { routeTo } from './view.js';

/** The tones in Hz, a major chord upwards, and how long each sounds, in s. */
const TONES = [523.25, 659.25, 783.99];
const TONE = 0.4;
/** For how long a browser may take to let sound play, in ms: some wait for a gesture of the user. */
const BEGINS = 2000;

export class Chime {
  /** @type {((whole: boolean) => void) | null} */
  #over = null;

  /**
   * Plays it; one that is playing stops. Resolves when it has ended, with whether it was played to its end.
   * @param {string | undefined} deviceId  undefined: the default
   * @returns {Promise<boolean>}
   */
  async play(deviceId) {
    this.stop();
    const context = newContext();
    const out = context.createMediaStreamDestination();
    const el = Object.assign(document.createElement('audio'), { srcObject: out.stream });
    try {
      /** @type {(whole: boolean) => void} */
      let done = () => {};
      const over = new Promise((then) => { done = this.#over = then; });
      if (deviceId !== undefined) await routeTo(el, deviceId);
      await begin(context, el);
      TONES.forEach((hz, i) => tone(context, out, hz, context.currentTime + i * TONE));
      const timer = setTimeout(() => done(true), TONES.length * TONE * 1000 + 300);
      const whole = await over;
      clearTimeout(timer);
      return whole;
    } finally {
      el.pause();
      /** @type {HTMLAudioElement} */ (el).srcObject = null;
      void context.close().catch(() => {});
    }
  }

  stop() {
    this.#over?.(false);
    this.#over = null;
  }
}

/**
 * @param {AudioContext} context
 * @param {HTMLAudioElement} el
 */
async function begin(context, el) {
  const late = new Promise((_, fail) => setTimeout(fail, BEGINS));
  try {
    await Promise.race([Promise.all([context.resume(), el.play()]), late]);
  } catch (cause) {
    throw new ParlorError('device_busy', 'The browser plays no sound: call it from a click, and see that there is a speaker.', { field: 'speaker', cause });
  }
}

/**
 * @param {AudioContext} context
 * @param {AudioNode} out
 * @param {number} hz
 * @param {number} at  s
 */
function tone(context, out, hz, at) {
  const [oscillator, gain] = [context.createOscillator(), context.createGain()];
  oscillator.frequency.value = hz;
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(0.3, at + 0.02); // no click
  gain.gain.linearRampToValueAtTime(0, at + TONE);
  oscillator.connect(gain).connect(out);
  oscillator.start(at);
  oscillator.stop(at + TONE);
}
