// A check before the call: what the network between this browser and a node carries. Two clients meet in a room
// of their own, and one sends the other a picture that is made here. So it takes the way that a call takes, up
// and down at the same time. Then other ways to the node are tried, one after the other. The clients, the
// picture and the time come from outside, so that tests own them.

import { ParlorError, roomOf } from './protocol.js';

/** @typedef {import('./types.js').CheckReport} CheckReport */
/** @typedef {import('./types.js').CheckOptions} CheckOptions */
/** @typedef {import('./types.js').CheckProblem} CheckProblem */
/** @typedef {import('./types.js').Way} Way */
/** @typedef {import('./parlor.js').Parlor} Parlor */
/**
 * @typedef {object} Tools  what a check is made with
 * @property {(options: import('./types.js').ParlorOptions) => Parlor} client  makes one
 * @property {import('./clock.js').Clock} clock
 * @property {() => Picture} picture
 */
/** @typedef {{track: MediaStreamTrack, close: () => void}} Picture  what is sent */

/** How long the two have for entering, and for the first packet. Lower calls slow networks closed. */
const OPEN_MS = 12000;
/** The same for each other way. Ways that are closed take all of it. */
const WAY_MS = 5000;
/** How long media flows before it is measured: estimates of bandwidth begin low. */
const WARM_MS = 3000;
/** The most that is sent, in kbit/s. Networks that carry more are good enough for any call. Higher takes more
 *  computing, and strains narrow networks for longer. */
const MOST_KBPS = 2500;

/** Pictures a second. */
const RATE = 20;

/** What a network must have to be called so. A call at 720p takes some 1500 kbit/s, at 180p 150. */
const LEVELS = /** @type {const} */ ([
  ['good', { up: 1200, down: 1200, loss: 3, roundTripMs: 200 }],
  ['fair', { up: 300, down: 300, loss: 10, roundTripMs: 400 }],
]);

/**
 * Looks at the network. Rejects only if entering was refused, or was called off.
 * @param {CheckOptions} given
 * @param {Tools} tools
 * @returns {Promise<CheckReport>}
 */
export async function precheck(given, tools) {
  const { durationMs = 6000, onProgress = () => {}, signal, ...of } = given;
  if (of.strRoomId !== undefined) roomOf(of);
  const check = new Check(of, tools, signal);
  try {
    onProgress(0);
    await check.open();
    onProgress(0.2);
    if (check.report.transport) await check.measure(durationMs, (share) => onProgress(0.2 + 0.5 * share));
    onProgress(0.7);
    await check.others((share) => onProgress(0.7 + 0.3 * share));
    onProgress(1);
    return judged(check.report);
  } finally {
    await check.close();
  }
}

class Check {
  /** @type {CheckReport} */
  report = {
    verdict: 'none', summary: '', problems: [], enteringMs: 0, transport: null, ways: { udp: null, tcp: null, turn: null },
    up: { kbps: 0, loss: 0 }, down: { kbps: 0, loss: 0 }, roundTripMs: 0, jitterMs: 0,
  };
  #of;
  #tools;
  #signal;
  #room;
  /** @type {Parlor[]} */
  #clients = [];
  /** @type {Picture | null} */
  #picture = null;

  /**
   * @param {import('./types.js').CheckOptions} of
   * @param {Tools} tools
   * @param {AbortSignal | undefined} signal
   */
  constructor({ strRoomId, ...of }, tools, signal) {
    this.#of = of;
    this.#tools = tools;
    this.#signal = signal;
    this.#room = strRoomId ?? `check-${word()}`;
  }

  /** Both enter, and wait for media. */
  async open() {
    const { clock } = this.#tools;
    const began = clock.now();
    const up = await this.#enter('up');
    this.report.enteringMs = Math.round(clock.now() - began);
    this.#picture = this.#tools.picture();
    await up.startLocalVideo({ videoTrack: this.#picture.track, simulcast: false, bitrate: MOST_KBPS });
    const down = await this.#enter('down', {}, (c) => c.on('remote-video-available', ({ userId }) => {
      c.startRemoteVideo({ userId, view: null }).catch(() => {}); // whatever becomes of it is measured
    }));
    await this.#until(async () => (await sample(down)).packets > 0, OPEN_MS);
    this.report.transport = (await sample(down)).way;
    if (this.report.transport) this.report.ways[this.report.transport] = true;
  }

  /**
   * @param {number} ms
   * @param {(share: number) => void} progress
   */
  async measure(ms, progress) {
    const [up, down] = this.#clients;
    const { clock } = this.#tools;
    await this.#sleep(WARM_MS);
    const [u, d] = [await sample(up), await sample(down)];
    const began = clock.now();
    const trips = [];
    for (let i = 1; i <= 10; i++) {
      await this.#sleep(ms / 10);
      progress(i / 10);
      trips.push((await sample(down)).roundTripMs);
    }
    const seconds = (clock.now() - began) / 1000;
    const [v, e] = [await sample(up), await sample(down)];
    const kbps = (/** @type {number} */ bytes) => Math.round((bytes * 8) / 1000 / seconds);
    const arrived = e.packets - d.packets;
    const lost = Math.max(0, e.lost - d.lost);
    this.report.up = { kbps: kbps(v.sent - u.sent), loss: percent(v.upLoss) };
    this.report.down = { kbps: kbps(e.received - d.received), loss: percent(arrived + lost ? lost / (arrived + lost) : 0) };
    this.report.roundTripMs = Math.round(trips.sort((a, b) => a - b)[trips.length >> 1]);
    this.report.jitterMs = Math.round(e.jitterMs);
  }

  /**
   * Tries the ways that are not known yet.
   * @param {(share: number) => void} progress
   */
  async others(progress) {
    const ways = /** @type {Way[]} */ (['udp', 'tcp', 'turn']).filter((w) => this.report.ways[w] === null);
    for (const [i, way] of ways.entries()) {
      const c = await this.#enter(way, { transports: [way] }).catch((err) => {
        if (err.code === 'aborted') throw err;
        return null;
      });
      if (!c) continue;
      const open = await this.#until(async () => (await sample(c)).way === way, WAY_MS);
      this.report.ways[way] = open || way !== 'turn' || (await sample(c)).relayed ? open : null;
      await c.exitRoom();
      progress((i + 1) / ways.length);
    }
  }

  /** Whoever has entered leaves. */
  async close() {
    this.#picture?.close();
    await Promise.all(this.#clients.map((c) => c.exitRoom()));
  }

  /**
   * @param {string} name
   * @param {import('./types.js').ParlorOptions} [more]
   * @param {(client: Parlor) => void} [prepare]  registers handlers
   */
  async #enter(name, more, prepare) {
    this.#look();
    const c = this.#tools.client({ ...this.#of, ...more, autoReceiveAudio: false });
    this.#clients.push(c);
    prepare?.(c);
    await c.enterRoom({ strRoomId: this.#room, userId: `${this.#room}-${name}` });
    return c;
  }

  /**
   * @param {() => Promise<boolean>} so
   * @param {number} ms
   */
  async #until(so, ms) {
    const { clock } = this.#tools;
    for (const end = clock.now() + ms; ;) {
      if (await so()) return true;
      if (clock.now() >= end) return false;
      await this.#sleep(100);
    }
  }

  /** @param {number} ms */
  async #sleep(ms) {
    this.#look();
    await new Promise((resolve) => {
      const { clock } = this.#tools;
      const on = () => {
        clock.clearTimeout(timer);
        this.#signal?.removeEventListener('abort', on);
        resolve(undefined);
      };
      const timer = clock.setTimeout(on, ms);
      this.#signal?.addEventListener('abort', on);
    });
    this.#look();
  }

  #look() {
    if (this.#signal?.aborted) throw new ParlorError('aborted', 'The check was called off.');
  }
}

/**
 * What a connection has carried so far.
 * @param {Parlor} client
 */
async function sample(client) {
  const s = { sent: 0, received: 0, packets: 0, lost: 0, upLoss: 0, jitterMs: 0, roundTripMs: 0, way: /** @type {Way | null} */ (null), relayed: false };
  const stats = /** @type {Map<string, any>} */ (/** @type {unknown} */ (await client.getStats().catch(() => null) ?? new Map()));
  /** @type {any} */
  let pair = null;
  for (const r of stats.values()) {
    if (r.type === 'outbound-rtp') s.sent += r.bytesSent ?? 0;
    else if (r.type === 'remote-inbound-rtp' && r.kind === 'video') s.upLoss = r.fractionLost ?? 0;
    else if (r.type === 'inbound-rtp') {
      s.received += r.bytesReceived ?? 0;
      s.packets += r.packetsReceived ?? 0;
      s.lost += r.packetsLost ?? 0;
      s.jitterMs = (r.jitter ?? 0) * 1000;
    } else if (r.type === 'local-candidate') s.relayed ||= r.candidateType === 'relay';
    else if (r.type === 'transport') pair = stats.get(r.selectedCandidatePairId) ?? pair;
    else if (r.type === 'candidate-pair' && r.selected) pair = r; // Firefox
  }
  if (!pair) return s;
  const [local, remote] = [stats.get(pair.localCandidateId), stats.get(pair.remoteCandidateId)];
  s.roundTripMs = (pair.currentRoundTripTime ?? 0) * 1000;
  s.way = local?.candidateType === 'relay' ? 'turn' : (remote?.protocol ?? local?.protocol) === 'tcp' ? 'tcp' : 'udp';
  return s;
}

/**
 * Says in words what has come out. Pure, but for filling in the report.
 * @param {CheckReport} r
 */
export function judged(r) {
  const loss = Math.max(r.up.loss, r.down.loss);
  const is = LEVELS.find(([, l]) => r.up.kbps >= l.up && r.down.kbps >= l.down && loss <= l.loss && r.roundTripMs <= l.roundTripMs);
  r.verdict = !r.transport ? 'none' : is ? is[0] : 'poor';
  r.problems = problems(r, loss);
  r.summary = {
    good: 'The network is good enough for calls with large pictures.',
    fair: 'The network is good enough for calls with small pictures.',
    poor: 'Calls will be hard to follow on this network.',
    none: 'No sound and no pictures get through to the server.',
  }[r.verdict];
  return r;
}

/**
 * @param {CheckReport} r
 * @param {number} loss
 * @returns {CheckProblem[]}
 */
function problems(r, loss) {
  const good = LEVELS[0][1];
  if (!r.transport) {
    return [{ code: 'media_blocked', text: 'A firewall lets neither UDP nor TCP through to the media port of the server. Ask whoever runs this network to open it, or whoever runs the server to turn on TURN.' }];
  }
  /** @type {[unknown, string, string][]} */
  const all = [
    [r.ways.udp === false, 'udp_blocked', 'UDP does not get through, so media goes by TCP. It stands still more easily when the network loses something. Ask whoever runs this network to open UDP.'],
    [r.up.kbps < good.up, 'slow_up', `Only ${r.up.kbps} kbit/s go up. Others will see small pictures. Close what uploads, or use a cable.`],
    [r.down.kbps < good.down, 'slow_down', `Only ${r.down.kbps} kbit/s come down. Pictures will be small. Close what downloads, or use a cable.`],
    [loss > good.loss, 'loss', `${loss} % of the packets get lost. Move closer to the access point, or use a cable.`],
    [r.roundTripMs > good.roundTripMs, 'delay', `It takes ${r.roundTripMs} ms to the server and back. People will talk over each other.`],
  ];
  return all.filter(([so]) => so).map(([, code, text]) => ({ code: /** @type {CheckProblem['code']} */ (code), text }));
}

/** @param {number} share */
const percent = (share) => Math.round(share * 1000) / 10;

/** A name that nobody guesses. */
const word = () => crypto.getRandomValues(new Uint32Array(2)).reduce((text, n) => text + n.toString(36), '');

/**
 * Noise, which takes all the bits that the network carries.
 * @returns {Picture}
 */
export function noise() {
  if (typeof ImageData !== 'function') throw new ParlorError('not_supported', 'This browser cannot draw the picture that is sent for the check.', { field: 'camera' });
  const [width, height] = [640, 360];
  const grain = new ImageData(width, height);
  for (let i = 0; i < grain.data.length; i++) grain.data[i] = i % 4 === 3 ? 255 : Math.random() * 256;
  const still = Object.assign(document.createElement('canvas'), { width, height });
  still.getContext('2d')?.putImageData(grain, 0, 0);
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d');
  const timer = setInterval(() => {
    const [x, y] = [Math.floor(Math.random() * width), Math.floor(Math.random() * height)];
    for (const dx of [x, x - width]) for (const dy of [y, y - height]) context?.drawImage(still, dx, dy);
  }, 1000 / RATE);
  const [track] = canvas.captureStream(RATE).getVideoTracks();
  return {
    track,
    close() {
      clearInterval(timer);
      track.stop();
    },
  };
}
