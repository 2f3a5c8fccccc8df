// How loud one's own microphone is, in a room or before: looked at in the page, on the scale of the node's
// volumes. It is what is sent, so silence while it is muted.

import { ParlorError } from './protocol.js';

/** The loudness in dBov that is 0, and how many dB above it are 100, as the node has it. */
const QUIET = -60;
const FULL = 45;

/** @param {Float32Array} samples  from -1 to 1 */
export function levelOf(samples) {
  const power = samples.reduce((sum, x) => sum + x * x, 0) / samples.length;
  const level = ((10 * Math.log10(power) - QUIET) * 100) / FULL;
  return Math.round(Math.min(100, Math.max(0, level)));
}

const unsupported = () => new ParlorError('not_supported', 'This browser has no AudioContext, which makes and measures sound.', { field: 'AudioContext' });

/** Throws in a browser without it. */
export function newContext() {
  if (typeof AudioContext !== 'function') throw unsupported();
  return new AudioContext();
}

export class Level {
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {MediaStreamAudioSourceNode | null} */
  #source = null;
  /** @type {AnalyserNode | null} */
  #analyser = null;
  /** @type {MediaStreamTrack | null} */
  #of = null;
  #track;
  #tell;
  /** @type {any} */
  #timer;

  /**
   * @param {() => MediaStreamTrack | null} track
   * @param {(level: number) => void} tell
   */
  constructor(track, tell) {
    this.#track = track;
    this.#tell = tell;
  }

  /** @param {number} interval  ms; 0: no longer */
  every(interval) {
    if (interval > 0 && typeof AudioContext !== 'function') throw unsupported();
    clearInterval(this.#timer);
    if (interval > 0) this.#timer = setInterval(() => this.#look(), interval);
    else this.#release();
  }

  #look() {
    const track = this.#track();
    if (track !== this.#of) this.#listen(track);
    if (!this.#analyser) return;
    if (this.#context?.state !== 'running') {
      void this.#context?.resume().catch(() => {}); // once the browser lets it
      return;
    }
    const samples = new Float32Array(this.#analyser.fftSize);
    this.#analyser.getFloatTimeDomainData(samples);
    this.#tell(levelOf(samples));
  }

  /** @param {MediaStreamTrack | null} track */
  #listen(track) {
    this.#source?.disconnect();
    this.#source = this.#analyser = null;
    this.#of = track;
    if (!track) {
      this.#release();
      return;
    }
    this.#context ??= newContext();
    this.#analyser = this.#context.createAnalyser();
    this.#source = this.#context.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(this.#analyser);
  }

  #release() {
    this.#source?.disconnect();
    void this.#context?.close().catch(() => {});
    this.#context = this.#source = this.#analyser = this.#of = null;
  }
}
