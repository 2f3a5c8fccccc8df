// How a local track is encoded: layers, bitrates, codecs. Pure decisions on plain values.

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./protocol.js').Layers} Layers */

/** The bits per pixel: two thirds of what good pictures of that size need at most. The bandwidth estimate
 *  rules below it. */
const BITS_PER_PIXEL = 2.6;
const MIN_BITRATE = 120_000;
const SCREEN_BITRATE = 2_500_000;
/** What each layer of a camera gets of a bitrate that is given, lowest first. The upper ones have four times
 *  the pixels each; small pictures need more bits for each. */
const SHARES = [0.08, 0.2, 0.72];
/** Codecs of which browsers make simulcast only if each layer says that it has no layers inside. */
const SCALABLE = new Set(['vp9', 'av1']);

/** The codec of a camera with layers inside if none is asked for. Browsers that can do it at all can do it
 *  with this one. */
export const LAYERED = 'VP9';

/**
 * Whether a camera is sent in layers of their own. `simulcast` decides if it is given. Otherwise the camera
 * has to be wide enough for the lower layers to make sense, and every browser has to send its codec in
 * layers.
 * @param {{simulcast?: boolean, codec?: string, width?: number}} p
 */
export function wantsSimulcast({ simulcast, codec, width }) {
  return simulcast ?? ((width ?? 640) >= 640 && !scalable(codec));
}

/**
 * @param {number} width
 * @param {number} height
 */
function bitrateOf(width, height) {
  return Math.max(MIN_BITRATE, Math.round((width * height * BITS_PER_PIXEL) / 1000) * 1000);
}

/**
 * What a section is made for, and keeps: what differs in it goes into a section of its own.
 * @param {{simulcast?: boolean, svc?: string, codec?: string}} p
 */
export function shapeOf({ simulcast, svc, codec }) {
  return svc ?? (simulcast ? `simulcast ${scalable(codec)}` : 'single');
}

/** @param {string} [codec] */
const scalable = (codec) => SCALABLE.has((codec ?? '').toLowerCase());

/**
 * The encodings of a section, lowest layer first, as the node expects them.
 * @param {{source: Source, simulcast?: boolean, svc?: string, codec?: string, bitrate?: number,
 *   width?: number, height?: number, layers?: Layers}} p  svc: of layers that are all in one stream;
 *   bitrate: kbit/s, the most for all of them
 * @returns {RTCRtpEncodingParameters[]}
 */
export function encodings({ source, simulcast, svc, codec, bitrate, width = 1280, height = 720, layers = {} }) {
  const most = bitrate && bitrate * 1000;
  if (source === 'screen') return [{ maxBitrate: most ?? SCREEN_BITRATE }];
  if (source !== 'camera') return [];
  if (!simulcast) return [{ maxBitrate: most ?? bitrateOf(width, height), ...(svc && { scalabilityMode: svc }) }];
  const mode = scalable(codec) ? { scalabilityMode: 'L1T1' } : {};
  return [['q', 4], ['h', 2], ['f', 1]].map(([rid, by], i) => ({
    rid: String(rid),
    active: layers[rid] ?? true,
    scaleResolutionDownBy: Number(by),
    maxBitrate: most ? Math.round(most * SHARES[i]) : bitrateOf(width / Number(by), height / Number(by)),
    ...mode,
  }));
}

/**
 * Changes what a section has to what it is to have. Returns whether there is a difference: setting parameters
 * anew may have the encoder begin anew.
 * @param {RTCRtpEncodingParameters[]} has
 * @param {RTCRtpEncodingParameters[]} wanted  for a track of another size
 * @param {boolean} sized   whether the wanted ones are for a track of another size
 * @param {Layers} layers   whether each of these is to be sent
 */
export function refit(has, wanted, sized, layers) {
  let changed = false;
  has.forEach((e, i) => {
    const active = layers[e.rid ?? ''] ?? e.active;
    const maxBitrate = sized ? wanted[i]?.maxBitrate : e.maxBitrate;
    changed ||= active !== e.active || maxBitrate !== e.maxBitrate;
    Object.assign(e, { active, ...(maxBitrate && { maxBitrate }) });
  });
  return changed;
}

/** @typedef {{mimeType: string, clockRate: number, channels?: number, sdpFmtpLine?: string}} Codec */

/**
 * The codecs of a microphone's section: redundant audio first if the browser makes it. A lost packet is then
 * in the next one.
 * @template {Codec} C
 * @param {C[]} all
 */
export function redundant(all) {
  const is = (/** @type {C} */ c) => c.mimeType.toLowerCase() === 'audio/red';
  return [...all.filter(is), ...all.filter((c) => !is(c))];
}

/**
 * The codecs of a sending section: the wanted one first, the rest behind it in the browser's order.
 * @template {Codec} C
 * @param {C[]} all
 * @param {string} [codec]  e.g. `VP9`; undefined: the browser's choice
 */
export function preferred(all, codec) {
  if (!codec) return all;
  const is = (/** @type {C} */ c) => c.mimeType.toLowerCase() === `video/${codec.toLowerCase()}`;
  return [...all.filter(is), ...all.filter((c) => !is(c))];
}

const RECEIVED = new Set(['audio/opus', 'audio/red', 'audio/pcmu', 'audio/pcma', 'audio/g722', 'video/vp8', 'video/vp9', 'video/h264', 'video/h265', 'video/av1', 'video/rtx']);

/** Profiles that hardly anybody sends: other VP9 than 8 and 10 bit 4:2:0, AV1 beyond 4:4:4. The node sends
 *  any H.264 to any decoder. So Baseline and 4:4:4 are left out beside Constrained Baseline and Main. */
const RARE = /profile-id=(?:[13-9]|\d\d)|profile=[2-9]|profile-level-id=(?:f4|4200)/i;

/**
 * The codecs of a receiving section: everything that the node forwards, and nothing else. A browser names
 * some sixty payload types; a seat can use a quarter of them. With many seats the rest would be most of the
 * offer.
 * @template {Codec} C
 * @param {C[]} all
 */
export function receivable(all) {
  return all.filter((c) => {
    const name = c.mimeType.toLowerCase();
    const fmtp = c.sdpFmtpLine ?? '';
    const single = name === 'video/h264' && !fmtp.includes('packetization-mode=1');
    return RECEIVED.has(name) && !single && (name === 'video/h265' || !RARE.test(fmtp));
  });
}
