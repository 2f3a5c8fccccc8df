// What the node reports beside events: who speaks, how good the network is, what flows. Pure: the
// caller gets payloads of events, and gives what the browser knows (getStats).
//
//   Volumes      audio-volume and active-speaker
//   qualityOf    network-quality; unreported() if nothing is known of it
//   bufferFor    for how long sound is held if much is lost
//   statisticsOf statistics, completed by frame sizes and rates

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./protocol.js').StreamType} StreamType */

/** @typedef {'none' | 'loss' | 'delay' | 'publisher' | 'application'} Limit  the reason why pictures are
 *  not larger */
/** @typedef {'live' | 'switching' | 'paused'} PictureState  paused: the network does not carry it */

/**
 * @typedef {{type: 'audio_volume', users: {user: string, volume: number}[], active: string | null}}
 *   VolumeReport
 * @typedef {{type: 'viewer_count', count: number}} ViewersReport
 * @typedef {{quality: number, kbps: number, loss: number | null, red?: number}} Link
 * @typedef {{user?: string, source: Source, rid?: string, kbps: number, loss: number | null,
 *   jitterMs: number, state?: PictureState, layer?: number}} Flow
 * @typedef {{type: 'statistics', up: Link,
 *   down: Link & {estimateKbps?: number, queueMs?: number, limitedBy?: Limit},
 *   rttMs?: number, users: {user: string, quality: number}[],
 *   sent: Flow[], received: Flow[]}} StatisticsReport
 */

/**
 * @typedef {object} UserVolume
 * @property {string} userId  oneself included
 * @property {number} volume  1 to 100
 */

/**
 * @typedef {object} NetworkQuality  Qualities: 0 unknown, 1 excellent, 2 good,
 *   3 poor, 4 bad, 5 very bad, 6 down
 * @property {number} uplinkNetworkQuality    from oneself
 * @property {number} downlinkNetworkQuality  to oneself
 * @property {number} uplinkLoss    per cent; 0 also if it is not known
 * @property {number} downlinkLoss  per cent
 * @property {number} rtt           milliseconds; 0: not known
 * @property {{userId: string, quality: number}[]} remote  of the users whom one receives, as senders
 */

/**
 * @typedef {object} AudioStatistics
 * @property {number} bitrate  kbit/s
 * @property {number} loss     per cent
 * @property {number} jitter   milliseconds
 */

/**
 * @typedef {object} PictureStatistics
 * @property {StreamType} videoType  camera or screen
 * @property {string} [rid]       the simulcast layer of what is sent
 * @property {number} width       pixels
 * @property {number} height      pixels
 * @property {number} frameRate   a second
 * @property {PictureState} [state]  of what is received
 * @property {number} [layer]     of what is received; 0: the lowest
 */
/** @typedef {AudioStatistics & PictureStatistics} VideoStatistics */
/**
 * @typedef {object} StreamsStatistics
 * @property {AudioStatistics | null} audio  null: none flows
 * @property {VideoStatistics[]} video  each stream; of one's own each simulcast layer
 */

/**
 * @typedef {object} Statistics
 * @property {number} rtt       milliseconds; 0: not known
 * @property {number} upLoss    per cent
 * @property {number} downLoss  per cent
 * @property {number} upBitrate   kbit/s
 * @property {number} downBitrate kbit/s
 * @property {number} downEstimate  kbit/s that the network to oneself carries, as far as it has shown; 0: not
 *   known
 * @property {number} downQueue     milliseconds that incoming packets wait on the way
 * @property {Limit | null} downLimit     the reason why pictures are not larger; null: none are to come
 * @property {StreamsStatistics} localStatistics  what one sends
 * @property {(StreamsStatistics & {userId: string})[]} remoteStatistics  what one receives, by user
 */

/** @typedef {(userId: string) => boolean} Known  whether somebody is in the room: a report may still name
 *  a user who has left */

/** How long a frame of sound is in browsers, in ms. */
const FRAME_MS = 20;

/**
 * How long sound is to be held before it is played, in ms: until its repair has come, if much is lost.
 * Browsers get there little by little. 0: as the browser likes.
 * @param {StatisticsReport} r
 */
export function bufferFor({ down: { red = 0 } }) {
  return red > 2 ? FRAME_MS * (red + 2) : 0;
}

/** The speakers, and changes of the one that has the floor. */
export class Volumes {
  /** @type {string | null} */
  #active = null;
  /** @type {UserVolume[]} */
  #result = [];

  /**
   * @param {VolumeReport} report
   * @param {Known} known
   * @returns {{result: UserVolume[], active?: string | null}} active: only if it is another one than before
   */
  take(report, known) {
    const result = report.users.filter((u) => known(u.user)).map((u) => ({ userId: u.user, volume: u.volume }));
    this.#result = result;
    const active = report.active !== null && known(report.active) ? report.active : null;
    if (active === this.#active) return { result };
    this.#active = active;
    return { result, active };
  }

  /**
   * Somebody is not heard any more, whatever was reported last. Null: that changes nothing.
   * @param {Known} silent
   * @returns {{result: UserVolume[], active?: null} | null}
   */
  hush(silent) {
    const result = this.#result.filter((u) => !silent(u.userId));
    const ends = this.#active !== null && silent(this.#active);
    if (result.length === this.#result.length && !ends) return null;
    this.#result = result;
    if (!ends) return { result };
    this.#active = null;
    return { result, active: null };
  }

  reset() {
    this.#active = null;
    this.#result = [];
  }
}

/** @param {number | null} loss */
const percent = (loss) => Math.round((loss ?? 0) * 1000) / 10;

/**
 * @param {StatisticsReport} r
 * @param {Known} known
 * @returns {NetworkQuality}
 */
export function qualityOf(r, known) {
  return {
    uplinkNetworkQuality: r.up.quality, downlinkNetworkQuality: r.down.quality, uplinkLoss: percent(r.up.loss), downlinkLoss: percent(r.down.loss),
    rtt: r.rttMs ?? 0, remote: r.users.filter((u) => known(u.user)).map((u) => ({ userId: u.user, quality: u.quality })),
  };
}

/**
 * The quality if nothing is reported: of one's own two ways, and of the users who were reported last.
 * @param {number} up  0: not known, 6: down
 * @param {number} downlink
 * @param {NetworkQuality | null} last
 * @returns {NetworkQuality}
 */
export function unreported(up, downlink, last) {
  const remote = (last?.remote ?? []).map(({ userId }) => ({ userId, quality: downlink }));
  return { uplinkNetworkQuality: up, downlinkNetworkQuality: downlink, uplinkLoss: 0, downlinkLoss: 0, rtt: 0, remote };
}

/**
 * @typedef {(trackId: string) => {userId: string, source: Source} | null} Owner  userId is empty for one's
 *   own
 */

/**
 * @param {StatisticsReport} r
 * @param {Iterable<any>} stats  of the PeerConnection
 * @param {Owner} owner
 * @param {Known} known
 * @returns {Statistics}
 */
export function statisticsOf(r, stats, owner, known) {
  const frames = framesOf([...stats], owner);
  /** @type {Map<string, StreamsStatistics & {userId: string}>} */
  const users = new Map([['', { userId: '', audio: null, video: [] }]]);
  for (const f of [...r.sent, ...r.received.filter((x) => known(x.user ?? ''))]) {
    const userId = f.user ?? '';
    const user = users.get(userId) ?? { userId, audio: null, video: [] };
    users.set(userId, user);
    const common = { bitrate: f.kbps, loss: percent(f.loss), jitter: f.jitterMs };
    if (f.source === 'mic') user.audio = common;
    if (f.source !== 'camera' && f.source !== 'screen') continue;
    const seen = frames.get(`${userId} ${f.source} ${f.rid ?? ''}`) ?? { width: 0, height: 0, frameRate: 0 };
    const state = f.state && { state: f.state, ...(f.layer !== undefined && { layer: f.layer }) };
    user.video.push({ videoType: f.source === 'camera' ? 'main' : 'sub', ...(f.rid && { rid: f.rid }), ...common, ...seen, ...state });
  }
  const { audio, video } = /** @type {StreamsStatistics} */ (users.get(''));
  users.delete('');
  return {
    rtt: r.rttMs ?? 0, upLoss: percent(r.up.loss), downLoss: percent(r.down.loss), upBitrate: r.up.kbps, downBitrate: r.down.kbps,
    downEstimate: r.down.estimateKbps ?? 0, downQueue: r.down.queueMs ?? 0, downLimit: r.down.limitedBy ?? null,
    localStatistics: { audio, video }, remoteStatistics: [...users.values()],
  };
}

/**
 * Frame sizes and rates by user, source and layer.
 * @param {any[]} stats
 * @param {Owner} owner
 */
function framesOf(stats, owner) {
  const tracks = new Map(stats.filter((s) => s.type === 'media-source').map((s) => [s.id, s.trackIdentifier]));
  /** @type {Map<string, {width: number, height: number, frameRate: number}>} */
  const frames = new Map();
  for (const s of stats) {
    if (s.kind !== 'video' || (s.type !== 'inbound-rtp' && s.type !== 'outbound-rtp')) continue;
    const who = owner(s.type === 'inbound-rtp' ? s.trackIdentifier : tracks.get(s.mediaSourceId));
    if (!who) continue;
    frames.set(`${who.userId} ${who.source} ${s.rid ?? ''}`, { width: s.frameWidth ?? 0, height: s.frameHeight ?? 0, frameRate: s.framesPerSecond ?? 0 });
  }
  return frames;
}
