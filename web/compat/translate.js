// From the other SDK's options to this client's, and from this client's events and errors to the other's. Pure.

import { ExitReason, ParlorError } from '../client/parlor.js';
import { AUDIO, ERROR_CODE, SCREEN, TYPE, VIDEO } from './words.js';

/** An error as the other SDK has it: `code` is one of ERROR_CODE, `extraCode` is finer, `cause` is what was so. */
export class RtcError extends Error {
  /**
   * @param {number} code
   * @param {string} message
   * @param {{extraCode?: number, functionName?: string, cause?: unknown}} [more]
   */
  constructor(code, message, { extraCode = code, functionName = '', cause } = {}) {
    super(message, { cause });
    this.name = 'RtcError';
    this.code = code;
    this.extraCode = extraCode;
    this.functionName = functionName;
  }
}

const C = ERROR_CODE;
/** This client's codes: the other's, and the finer one. @type {Record<import('../client/protocol.js').ErrorCode, [number, number?]>} */
const CODES = {
  bad_request: [C.INVALID_PARAMETER], invalid_parameter: [C.INVALID_PARAMETER], invalid_state: [C.INVALID_OPERATION], user_not_found: [C.INVALID_OPERATION, 5102],
  seat_limit: [C.INVALID_OPERATION], not_supported: [C.ENV_NOT_SUPPORTED], device_not_found: [C.DEVICE_ERROR, 5301], device_denied: [C.DEVICE_ERROR, 5302],
  device_busy: [C.DEVICE_ERROR, 5303], device_lost: [C.DEVICE_ERROR, 5308], token_invalid: [C.SERVER_ERROR, 70003], token_expired: [C.SERVER_ERROR, 70001],
  not_allowed: [C.SERVER_ERROR, -100006], room_full: [C.SERVER_ERROR, -100021], publisher_limit: [C.SERVER_ERROR, -102006], message_limit: [C.SERVER_ERROR, -102006],
  scene_mismatch: [C.SERVER_ERROR, -102023], banned: [C.SERVER_ERROR, -102006], node_draining: [C.SERVER_ERROR, -100022], room_not_found: [C.SERVER_ERROR, -102010],
  token_unavailable: [C.SERVER_ERROR, 70002], processor_failed: [C.OPERATION_FAILED], encryption_failed: [C.OPERATION_FAILED], missing_key: [C.OPERATION_FAILED], connection_failed: [C.OPERATION_FAILED], timeout: [C.OPERATION_FAILED],
  aborted: [C.OPERATION_ABORT], internal: [C.UNKNOWN_ERROR],
};

/** @param {unknown} err @param {string} [functionName] */
export function errorOf(err, functionName) {
  if (err instanceof RtcError) return err;
  const known = err instanceof ParlorError ? CODES[/** @type {import('../client/protocol.js').ErrorCode} */ (err.code)] : undefined;
  const [code, extraCode] = known ?? [C.UNKNOWN_ERROR];
  return new RtcError(code, /** @type {any} */ (err)?.message ?? String(err), { extraCode, functionName, cause: err });
}

/** @param {string} message @param {number} [extraCode] */
export const wrong = (message, extraCode) => new RtcError(C.INVALID_PARAMETER, message, { extraCode });
/** @param {string} what */
export const missing = (what) => new RtcError(C.ENV_NOT_SUPPORTED, `${what} does not exist here.`, { extraCode: 5209 });

/** What is given, without what is not. @param {Record<string, unknown>} o */
const given = (o) => Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined));

/**
 * @param {any} o  of enterRoom
 * @returns {import('../client/types.js').EnterOptions}
 */
export function entering(o) {
  if (!Number.isInteger(o?.sdkAppId)) throw wrong('sdkAppId has to be the number of the application.', o?.sdkAppId === undefined ? 5001 : 5002);
  if (typeof o.userId !== 'string' || o.userId === '') throw wrong('userId has to be a string.', 5001);
  if (typeof o.userSig !== 'string') throw wrong('userSig has to be a string.', 5001);
  if (o.roomId === undefined && o.strRoomId === undefined) throw wrong('Either roomId or strRoomId has to be given.', 5015);
  if (o.roomId !== undefined && typeof o.roomId !== 'number') throw wrong('roomId has to be a number. A room with a name goes by strRoomId.', 5016);
  const room = o.roomId !== undefined ? { roomId: o.roomId } : { strRoomId: o.strRoomId };
  const live = o.scene === TYPE.SCENE_LIVE;
  return /** @type {any} */ ({
    ...room, userId: o.userId, token: signature(o), scene: live ? 'live' : 'call', role: live ? o.role ?? TYPE.ROLE_ANCHOR : 'anchor',
    autoReceiveAudio: o.autoReceiveAudio ?? true,
  });
}

/** The token: the UserSig, and the private map key behind it. @param {{userSig: string, privateMapKey?: string}} of */
export const signature = ({ userSig, privateMapKey }) => (privateMapKey ? `${userSig}.${privateMapKey}` : userSig);

/** @param {unknown} p @param {Record<string, object>} named @param {string} what */
function profile(p, named, what) {
  if (p === undefined) return {};
  const found = typeof p === 'string' ? named[p] : p;
  if (!found || typeof found !== 'object') throw wrong(`There is no ${what} profile "${String(p)}". There are: ${Object.keys(named).join(', ')}.`, 5005);
  return found;
}

/** @param {unknown} preference */
function kept(preference) {
  if (preference === undefined) return {};
  return { degradationPreference: preference === TYPE.QOS_PREFERENCE_CLEAR ? 'maintain-resolution' : 'maintain-framerate' };
}

/** @param {unknown} mirror */
function mirrored(mirror) {
  if (mirror === 'publish' || mirror === 'both') throw missing(`mirror: '${mirror}'`);
  return mirror === 'view' ? true : mirror;
}

/**
 * Options of the camera. First says that it is started, so the other SDK's defaults count.
 * @param {any} config
 * @param {boolean} first
 */
export function camera({ view, mute, option = {} }, first) {
  if (typeof mute === 'string') throw missing('A picture in place of the camera (mute)');
  if (option.rotation) throw missing('rotation');
  const { videoTrack } = option;
  const size = videoTrack ? {} : profile(option.profile ?? (first ? '480p_2' : undefined), VIDEO, 'video');
  const facing = option.useFrontCamera === undefined ? undefined : option.useFrontCamera ? 'user' : 'environment';
  return given({
    view, mute, videoTrack, ...size, deviceId: option.cameraId || undefined, facingMode: facing, mirror: mirrored(option.mirror), fillMode: option.fillMode,
    simulcast: option.small === undefined ? undefined : Boolean(option.small), ...kept(option.qosPreference),
  });
}

/** @param {any} config @param {boolean} first */
export function microphone({ mute, option = {} }, first) {
  for (const name of ['captureVolume', 'earMonitorVolume']) if (option[name] !== undefined && option[name] !== (name === 'captureVolume' ? 100 : 0)) throw missing(name);
  const sound = profile(option.profile ?? (first ? 'standard' : undefined), AUDIO, 'audio');
  return given({ mute, audioTrack: option.audioTrack, deviceId: option.microphoneId || undefined, ...sound });
}

/** @param {any} config @param {boolean} first */
export function screen({ view, streamType, muteSystemAudio, option = {} }, first) {
  if (streamType === TYPE.STREAM_TYPE_MAIN) throw missing('A screen as main stream');
  if (option.captureElement) throw missing('captureElement');
  const size = profile(option.profile ?? (first ? '1080p' : undefined), SCREEN, 'screen');
  const audio = first ? { audio: Boolean(option.systemAudio) && !muteSystemAudio } : {};
  return given({ view, ...audio, ...size, fillMode: option.fillMode, ...kept(option.qosPreference) });
}

/**
 * The other SDK receives a picture as large as it is, seen or not, unless it is told otherwise.
 * @param {any} config
 * @param {boolean} first
 */
export function remote({ view, userId, streamType, option = {} }, first) {
  const adaptive = option.receiveWhenViewVisible ?? (first ? false : undefined);
  const quality = option.small === undefined ? undefined : option.small ? 'low' : 'high';
  return given({ view, userId, streamType, quality, mirror: option.mirror, fillMode: option.fillMode, adaptive });
}

/** @type {Record<number, string>} */
const KICKED = { [ExitReason.REMOVED]: 'banned', [ExitReason.DISMISSED]: 'room_disband', [ExitReason.REPLACED]: 'kick' };

/** The reason of KICKED_OUT. @param {number} reason */
export const kicked = (reason) => KICKED[reason] ?? 'unknown';

/** @param {import('../client/reports.js').NetworkQuality} q */
export const quality = (q) => ({
  uplinkNetworkQuality: q.uplinkNetworkQuality, downlinkNetworkQuality: q.downlinkNetworkQuality, uplinkRTT: q.rtt, downlinkRTT: q.rtt, uplinkLoss: q.uplinkLoss, downlinkLoss: q.downlinkLoss,
});

/**
 * The changes of state that the other SDK tells for one of this client's: it has none for a connection that is
 * made anew.
 * @param {string} prev
 * @param {string} state
 * @returns {{prevState: string, state: string}[]}
 */
export function states(prev, state) {
  const [from, to] = [prev, state].map((s) => (s === 'RECONNECTING' ? 'CONNECTING' : s));
  if (from === 'CONNECTED' && to === 'CONNECTING') return [{ prevState: from, state: 'DISCONNECTED' }, { prevState: 'DISCONNECTED', state: to }];
  return from === to ? [] : [{ prevState: from, state: to }];
}
