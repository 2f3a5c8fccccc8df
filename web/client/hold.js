// How long at least a publisher's sound is held before it is played, if some of it comes too late. That is so
// if its publisher loses packets: what is asked for and sent again takes a round trip more. Browsers learn to
// wait for that, but take five to ten seconds. Pure: counts in, milliseconds out.

/**
 * @typedef {object} Sound  what the browser has counted on a track so far (inbound-rtp); some count less
 * @property {string} userId
 * @property {string} trackId
 * @property {number} [totalSamplesReceived]      that were played, made up or not
 * @property {number} [concealedSamples]          that were made up
 * @property {number} [silentConcealedSamples]    of which silence
 * @property {number} [packetsReceived]
 * @property {number} [packetsDiscarded]          that came too late, or twice
 * @property {number} [jitterBufferDelay]         for how long samples were held, in seconds, all together
 * @property {number} [jitterBufferEmittedCount]  how many those were
 */
/**
 * @typedef {{at: number, samples: number, concealed: number, packets: number, late: number, delay: number,
 *   emitted: number}} Look
 * @typedef {object} Held
 * @property {string} userId
 * @property {number} ms       for how long; 0: as the browser likes
 * @property {number} reason   when there was one last to hold it
 * @property {Look[]} looks    those that count
 */

/** The share of this time, in ms, above which sound may not be made up: one frame is no reason, two are. */
const MISSED = 0.01;
const WINDOW_MS = 2000;
/** The share of that for which late packets must account: what never comes is not to be waited for. */
const LATE = 0.25;
/** The share of all packets beyond which late ones are taken for redundancy, that is for frames that came
 *  twice. */
const TWICE = 0.5;
/** How long a packet of sound is in browsers, in ms. */
const PACKET_MS = 20;
/** The step by which sound is held longer at once, and the most, in ms. More is a delay that talk suffers
 *  from. */
const STEP_MS = 100;
const MOST_MS = 500;
/** The step by which sound is held shorter, and the time without a reason before it, in ms. */
const LESS_MS = 50;
const CALM_MS = 10_000;

/** @param {Sound} s @param {number} at @returns {Look} */
const looked = (s, at) => ({
  at, samples: s.totalSamplesReceived ?? 0,
  concealed: (s.concealedSamples ?? 0) - (s.silentConcealedSamples ?? 0),
  packets: s.packetsReceived ?? 0, late: s.packetsDiscarded ?? 0, delay: s.jitterBufferDelay ?? 0,
  emitted: s.jitterBufferEmittedCount ?? 0,
});

/** Whether too much was made up for what came too late. @param {Look} from @param {Look} to */
function missed(from, to) {
  const share = (to.concealed - from.concealed) / (to.samples - from.samples);
  const ms = share * (to.at - from.at);
  return ms > MISSED * Math.max(to.at - from.at, WINDOW_MS) && (to.late - from.late) * PACKET_MS >= LATE * ms;
}

/** Whether frames came twice, so that nobody can tell which were late. @param {Look} from @param {Look} to */
const twice = (from, to) => to.late - from.late > TWICE * (to.packets - from.packets);

/** For how long sound was held, in ms. @param {Look} from @param {Look} to */
const lasted = (from, to) => 1000 * (to.delay - from.delay) / (to.emitted - from.emitted);

/**
 * What a look at a track comes to.
 * @param {Held | undefined} held
 * @param {Sound} sound
 * @param {number} now  ms
 * @returns {Held}
 */
function next(held, sound, now) {
  const look = looked(sound, now);
  if (held?.userId !== sound.userId || look.samples < held.looks[0].samples) { // counts begin anew
    return { userId: sound.userId, ms: 0, reason: now, looks: [look] };
  }
  if (twice(held.looks[held.looks.length - 1], look)) {
    return { ...held, ms: Math.max(held.ms - LESS_MS, 0), looks: [look] };
  }
  const looks = [...held.looks.filter((_, i, all) => !(now - all[i + 1]?.at >= WINDOW_MS)), look];
  if (missed(looks[0], look)) {
    const reached = lasted(looks[0], look) >= held.ms - STEP_MS; // browsers get there little by little
    const ms = reached ? Math.min(held.ms + STEP_MS, MOST_MS) : held.ms;
    return { ...held, ms, reason: now, looks: [look] }; // what was before tells nothing of it
  }
  if (held.ms === 0 || now - held.reason < CALM_MS) return { ...held, looks };
  return { ...held, ms: held.ms - LESS_MS, reason: now, looks };
}

export class Hold {
  /** @type {Map<string, Held>} by track */
  #tracks = new Map();

  /**
   * @param {Sound[]} sounds  of all that are heard; the rest is forgotten
   * @param {number} now      ms
   */
  take(sounds, now) {
    this.#tracks = new Map(sounds.map((s) => [s.trackId, next(this.#tracks.get(s.trackId), s, now)]));
  }

  /** For how many ms; 0: as the browser likes. @param {string} trackId */
  of(trackId) {
    return this.#tracks.get(trackId)?.ms ?? 0;
  }

  reset() {
    this.#tracks.clear();
  }
}
