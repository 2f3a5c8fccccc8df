// The calls of a client that are about devices and the network rather than streams: how loud the microphone is, a
// test of the speaker, a check before the call. It tells of devices that come and go, too. Parlor has them all.

import { CALLS, guarded, logLevel, options, value, whole } from './check.js';
import { Chime } from './chime.js';
import { systemClock } from './clock.js';
import { Devices } from './devices.js';
import { Emitter } from './emitter.js';
import { EVENTS } from './events.js';
import { Level } from './level.js';
import { logEvent, setLevel } from './log.js';
import { noise, precheck } from './precheck.js';

/** @typedef {import('./types.js').ParlorEvents} ParlorEvents */

/** @extends {Emitter<ParlorEvents>} */
export class Equipment extends Emitter {
  /** @type {Devices | null} */
  #devices = null;
  /** @type {Level | null} */
  #level = null;
  #chime = new Chime();
  /** @type {() => string | undefined} */
  #output = () => undefined;

  /**
   * Looks what the network to the node carries, before a call: which ways are open, how much goes through, how
   * long it takes, what gets lost. Two clients meet in a room of their own, and one sends the other noise.
   * Nothing is heard, and no device is opened. It takes some 15 s, and rejects only if entering was refused.
   * @param {import('./types.js').CheckOptions} [given]
   */
  static checkNetwork(given = {}) {
    const { create } = /** @type {typeof import('./parlor.js').Parlor} */ (/** @type {unknown} */ (this));
    return guarded(() => precheck(options(given, CALLS.checkNetwork), { client: create, clock: systemClock, picture: noise }));
  }

  /**
   * Has the client write to the console what happens, on this page. At first it writes nothing. Tokens, keys and
   * what people say are never written.
   * @param {import('./log.js').LogLevel} level  the least that is written
   */
  static setLogLevel(level) {
    value('level', level, logLevel);
    setLevel(level);
  }

  constructor() {
    super(EVENTS);
  }

  /**
   * @template {keyof ParlorEvents} K
   * @param {K} name
   * @param {ParlorEvents[K]} payload
   * @protected
   */
  emit(name, payload) {
    logEvent(name, payload);
    super.emit(name, payload);
  }

  /**
   * Tells of devices from now on.
   * @param {Pick<import('./stay.js').Stay, 'local' | 'remote'>} stay
   * @protected
   */
  equip({ local, remote }) {
    this.#devices = new Devices((name, payload) => this.emit(name, payload), (there) => local.returned(there));
    this.#level = new Level(() => local.track('mic'), (level) => this.emit('local-audio-level', { level }));
    this.#output = () => remote.speakers.output;
    void this.#devices.watch();
  }

  /**
   * Devices have been opened, so their names and ids are known.
   * @protected
   */
  learn() {
    return this.#devices?.learn();
  }

  /**
   * Has the page tell how loud one's own microphone is, in a room or before: `local-audio-level`.
   * @param {number} [interval]  milliseconds, 50 to 10000; 0: no longer
   */
  enableLocalAudioLevel(interval = 100) {
    return guarded(() => {
      if (interval !== 0) whole('interval', interval, 50, 10000, 'An interval is a whole number of milliseconds from 50 to 10000, or 0 for none.');
      this.#level?.every(interval);
    });
  }

  /**
   * Plays a test sound, three tones in about a second, where sound comes out or is to come out. Resolves when
   * it has ended: true if it was played to its end, false if it was stopped.
   * @param {import('./types.js').SpeakerTest} [given]
   */
  testSpeaker(given = {}) {
    return guarded(() => this.#chime.play(options(given, CALLS.testSpeaker).deviceId ?? this.#output()));
  }

  /** Stops the test sound, if it is playing. */
  stopSpeakerTest() {
    this.#chime.stop();
  }
}
