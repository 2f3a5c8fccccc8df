// The calls of a client that are about devices rather than streams: how loud the microphone is, a test of the
// speaker. It tells of devices that come and go, too. Parlor has them all.

import { CALLS, guarded, options, whole } from './check.js';
import { Chime } from './chime.js';
import { Devices } from './devices.js';
import { Emitter } from './emitter.js';
import { EVENTS } from './events.js';
import { Level } from './level.js';

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

  constructor() {
    super(EVENTS);
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
