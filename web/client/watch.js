// How things are at the moment: who speaks, how many watch, how good the network is, what stands still. The
// node reports all but the last. A report is true for as long as the next one may take. After that, and as soon as nothing comes
// any more (flow.js), it is taken back.

import { Downlink } from './downlink.js';
import { Timers } from './clock.js';
import { Flow, LOOK_MS } from './flow.js';
import { Hold } from './hold.js';
import { Volumes, bufferFor, qualityOf, statisticsOf, unreported } from './reports.js';

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./types.js').ParlorEvents} ParlorEvents */

/** How long a report of the network holds, in ms. The node sends one every 2 s. Lower mistakes a late
 *  report for none; higher believes an old one for longer. */
const QUALITY_MS = 5000;
/** For how many intervals the volumes of the last report hold, and for how long at least. */
const VOLUME_INTERVALS = 3;
const VOLUME_MS = 1000;
/** The number of looks of which the shortest says what one costs: others have waited for something else. */
const LOOKS = 5;

/**
 * @typedef {object} WatchOptions
 * @property {import('./clock.js').Clock} clock
 * @property {<K extends keyof ParlorEvents>(name: K, payload: ParlorEvents[K]) => void} emit
 * @property {() => Promise<RTCStatsReport | null>} stats  of the PeerConnection; null: there is none
 * @property {() => {userId: string, source: Source, hidden?: boolean, trackId?: string}[]} received  the
 *   streams of the others that are on and wanted
 * @property {() => {userId: string, source: Source, trackId: string}[]} processed  one's own that a processor
 *   makes
 * @property {import('./reports.js').Owner} owner
 * @property {(userId: string) => boolean} known  in the room, oneself included
 * @property {(of: (trackId: string) => number | null) => void} buffer  for how many ms sound is to be held at
 *   least before it is played; null: as the browser has it
 */

export class Watch {
  /** Milliseconds between two `audio-volume`; 0: none are wanted. listen() sets it. */
  interval = 0;
  /** Whether reports of the network are wanted, as the node takes for granted. */
  statistics = true;
  #flow = new Flow();
  /** One's own pictures that a processor makes. */
  #made = new Flow();
  #hold = new Hold();
  /** For how long all sound is held at least, by the last report, in ms. */
  #buffer = 0;
  #volumes = new Volumes();
  /** @type {import('./reports.js').NetworkQuality | null} as reported last */
  #quality = null;
  /** @type {number | undefined} as reported last */
  #viewers;
  #took = [0]; // the last looks, in ms
  #stay = 0; // what was begun in an earlier one has no effect
  #opts;
  #timers;

  /** @param {WatchOptions} opts */
  constructor(opts) {
    this.#opts = opts;
    this.#timers = new Timers(opts.clock);
    this.downlink = new Downlink(opts.clock);
  }

  /** A stay begins. */
  begin() {
    this.reset();
    void this.#look(this.#stay);
  }

  /** It is over. */
  reset() {
    this.#stay++;
    this.#timers.clearAll();
    this.#flow.reset();
    this.#made.reset();
    this.#hold.reset();
    this.#buffer = 0;
    this.#volumes.reset();
    this.#quality = null;
    this.#viewers = undefined;
    this.#took = [0];
  }

  /** Tells who speaks, or no longer: then nobody does from now on. @param {number} interval  ms; 0: no longer */
  listen(interval) {
    this.interval = interval;
    if (interval !== 0) return;
    this.#timers.clear('volume');
    this.#hush(() => true);
  }

  /** Nothing is heard of the node any more. */
  lost() {
    this.#timers.clear('quality');
    this.#quality = unreported(6, 6, this.#quality);
    this.#opts.emit('network-quality', this.#quality);
    this.#hush(() => true);
  }

  /**
   * Takes a report of the node. Kinds that only a newer node has are left alone.
   * @param {import('./reports.js').VolumeReport | import('./reports.js').StatisticsReport |
   *   import('./reports.js').ViewersReport} report
   */
  reported(report) {
    if (report.type === 'viewer_count') this.viewers(report.count);
    if (report.type === 'audio_volume') this.#spoken(report);
    if (report.type !== 'statistics') return;
    this.downlink.took(report);
    if (this.statistics) void this.#measured(report);
  }

  /** @param {number} [count]  how many watch; undefined: it is not told */
  viewers(count) {
    if (count === undefined || count === this.#viewers) return;
    this.#viewers = count;
    this.#opts.emit('viewer-count', { count });
  }

  /** @param {import('./reports.js').VolumeReport} report */
  #spoken(report) {
    if (this.interval === 0) return; // it was under way
    const said = this.#volumes.take(report, (id) => this.#opts.known(id) && !this.#flow.silent(id));
    if (said.result.length > 0) this.#timers.set('volume', Math.max(VOLUME_MS, VOLUME_INTERVALS * this.interval), () => this.#hush(() => true));
    this.#tellVolumes(said);
  }

  /** @param {import('./reports.js').StatisticsReport} report */
  async #measured(report) {
    this.#buffer = bufferFor(report);
    this.#keep();
    this.#quality = qualityOf(report, this.#opts.known);
    this.#timers.set('quality', QUALITY_MS, () => {
      this.#quality = unreported(0, 0, this.#quality);
      this.#tellQuality();
    });
    this.#tellQuality();
    const stay = this.#stay;
    const stats = await this.#opts.stats();
    if (stay !== this.#stay || !this.statistics) return;
    this.#opts.emit('statistics', statisticsOf(report, stats?.values() ?? [], this.#opts.owner, this.#opts.known));
  }

  /** Looks whether everything that is on still comes. @param {number} stay */
  async #look(stay) {
    const { clock, received, stats } = this.#opts;
    const began = clock.now();
    const wanted = received();
    const own = this.#opts.processed();
    const all = wanted.length + own.length > 0 ? await stats() : null;
    const come = byTrack(all, 'inbound-rtp');
    if (stay !== this.#stay) return;
    const now = clock.now();
    this.#makes(own, byTrack(all, 'media-source'), now);
    const arrivals = wanted.map((w) => ({ ...w, packets: come.get(w.trackId)?.packetsReceived ?? 0 }));
    this.#changed(this.#flow.take(arrivals, now));
    const sounds = wanted.filter((w) => come.get(w.trackId)?.kind === 'audio');
    this.#hold.take(sounds.map(({ userId, trackId }) => ({ ...come.get(trackId), userId, trackId })), now);
    this.#keep();
    this.#took = [...this.#took, clock.now() - began].slice(-LOOKS);
    const pause = Math.max(LOOK_MS, 10 * Math.min(...this.#took)); // a tenth of the time at most
    this.#timers.set('look', pause, () => void this.#look(stay));
  }

  /**
   * @param {{userId: string, source: Source, trackId: string}[]} own
   * @param {Map<string | undefined, any>} sources
   * @param {number} now
   */
  #makes(own, sources, now) {
    const arrivals = own.map((o) => ({ ...o, packets: sources.get(o.trackId)?.frames ?? 0 }));
    for (const { stalled } of this.#made.take(arrivals, now)) {
      this.#opts.emit(stalled ? 'local-video-stalled' : 'local-video-resumed', { streamType: 'main' });
    }
  }

  /** Has sound held for as long as a report, or sound that comes too late, asks for. */
  #keep() {
    this.#opts.buffer((trackId) => Math.max(this.#buffer, this.#hold.of(trackId)) || null);
  }

  /** @param {import('./flow.js').Stream[]} streams */
  #changed(streams) {
    for (const { userId, source, stalled } of streams) {
      if (source !== 'camera' && source !== 'screen') continue;
      this.#opts.emit(stalled ? 'remote-video-stalled' : 'remote-video-resumed', { userId, streamType: source === 'camera' ? 'main' : 'sub' });
    }
    if (streams.length === 0) return;
    this.#tellQuality();
    this.#hush((id) => this.#flow.down || this.#flow.silent(id));
  }

  #tellQuality() {
    const q = this.#quality;
    if (!this.statistics || !q) return;
    const remote = q.remote.map((u) => (this.#flow.silent(u.userId) ? { ...u, quality: 6 } : u));
    this.#opts.emit('network-quality', this.#flow.down ? unreported(0, 6, q) : { ...q, remote });
  }

  /** @param {import('./reports.js').Known} silent */
  #hush(silent) {
    const said = this.#volumes.hush(silent);
    if (said) this.#tellVolumes(said);
  }

  /** @param {{result: import('./reports.js').UserVolume[], active?: string | null}} said */
  #tellVolumes({ result, active }) {
    this.#opts.emit('audio-volume', { result });
    if (active !== undefined) this.#opts.emit('active-speaker', { userId: active });
  }
}

/**
 * The browser's counts of each track of a kind.
 * @param {RTCStatsReport | null} stats
 * @param {'inbound-rtp' | 'media-source'} type
 * @returns {Map<string | undefined, any>}
 */
function byTrack(stats, type) {
  const come = new Map();
  stats?.forEach((s) => s.type === type && come.set(s.trackIdentifier, s));
  return come;
}
