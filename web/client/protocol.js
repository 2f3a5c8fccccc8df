// The words of the signalling protocol, version 1, as types. Also the checks that a client can make before it
// asks the node: ids, addresses, errors, reasons. No state, no I/O.
//
//   types        messages and their parts (docs/protocol.md is the contract)
//   ParlorError  every error of the client
//   ExitReason, UserExitReason   the numbers that applications see
//   roomOf, checkUser, endpoints checks and conversions of what applications pass in

/** @typedef {'camera' | 'screen' | 'mic' | 'screen-audio'} Source */
/** @typedef {'anchor' | 'audience'} Role */
/** @typedef {'call' | 'live'} Scene */
/** @typedef {'low' | 'mid' | 'high'} Quality */
/** @typedef {'main' | 'sub'} StreamType  main: camera and microphone; sub: screen and its sound */
/** @typedef {'none' | 'both' | 'audio' | 'video'} Block  the part of one's own streams that a command
 *  keeps from being forwarded */
/** @typedef {{source: Source, on: boolean, blocked?: boolean}} StreamState */
/** @typedef {Record<string, boolean>} Layers  of a stream, by RID: whether they are to be sent */
/** @typedef {{user: string, role?: Role, streams?: StreamState[], mediaOnly?: boolean}} UserState */
/** @typedef {{lostMs: number, reconnectMs: number, timeoutMs: number, pingMs: number}} Timers */

/**
 * @typedef {object} Entered  the answer to `enter`; `resumed` has the same fields
 * @property {string} session
 * @property {string} key
 * @property {string} user
 * @property {string | number} room
 * @property {Role} role
 * @property {Scene} scene
 * @property {string[]} [rights]
 * @property {UserState[]} [users]
 * @property {string} [node]
 * @property {string[]} [nodes]  base URLs of others
 * @property {Partial<Timers>} [timers]
 * @property {Block} [block]
 * @property {number} [expiresInMs]  how long the token holds; without it for ever
 */

/**
 * @typedef {object} EnterRequest
 * @property {string | number} room
 * @property {string} user
 * @property {string} [token]
 * @property {Role} [role]
 * @property {Scene} [scene]
 */

/**
 * @typedef {{seq: number} & (
 *   {type: 'user_entered', user: UserState} |
 *   {type: 'user_left', user: string, reason: number} |
 *   {type: 'streams', user: string, streams: StreamState[]} |
 *   {type: 'role', role: Role} |
 *   {type: 'message', user?: string, cmdId: number, data: string} |
 *   {type: 'blocked', block: Block} |
 *   {type: 'token_expiring', inMs: number} |
 *   {type: 'layers', source: Source, rids: Layers} |
 *   {type: 'undecodable', user: string, source: Source, seat?: string, on: boolean, codec?: string} |
 *   {type: 'paused', user: string, source: Source, seat?: string, on: boolean} |
 *   {type: 'exited', reason: number, text?: string, next?: string})} ServerEvent
 */

/**
 * @typedef {{type: 'offer', sdp: string, publish: Record<string, Source>,
 *   seats: {id: string, video?: string, audio?: string}[], fresh?: boolean}} OfferRequest
 * @typedef {{type: 'seat', seat: string, user: string | null, video?: 'camera' | 'screen' | null,
 *   audio?: 'mic' | 'screen-audio' | null, quality?: Quality, width?: number, height?: number}} SeatRequest
 * @typedef {{type: 'sizes', seats: {seat: string, width: number, height: number}[]}} SizesRequest
 * @typedef {{type: 'message', cmdId: number, data: string, reliable: boolean, n: number}} MessageRequest
 * @typedef {OfferRequest | SeatRequest | SizesRequest | MessageRequest |
 *   {type: 'publish', source: Source, on: boolean} | {type: 'role', role: Role} |
 *   {type: 'token', token: string} | {type: 'volume', intervalMs: number} |
 *   {type: 'statistics', on: boolean} | {type: 'exit'}} Request
 */

/** Labels of the data channels for custom messages. */
export const CHANNELS = Object.freeze({ reliable: 'parlor.messages', unreliable: 'parlor.messages.unreliable' });

/** Name of the WebSocket subprotocol. */
export const SUBPROTOCOL = 'parlor.v1';

/** Why one's own stay in a room ended. */
export const ExitReason = Object.freeze({
  /** The connection was lost and entering again was refused. Only the client gives this one. */
  LOST: -1,
  EXIT: 0,
  REMOVED: 1,
  DISMISSED: 2,
  REPLACED: 3,
  SHUTDOWN: 4,
  /** The token ran out. */
  EXPIRED: 5,
  /** The node had heard nothing for too long. The client enters again, so applications do not see this
   *  one. */
  TIMEOUT: 6,
});

/** Why another user is no longer there. */
export const UserExitReason = Object.freeze({ EXIT: 0, TIMEOUT: 1, REMOVED: 2, BECAME_AUDIENCE: 3 });

/**
 * An error of the client. `code` is a code of the protocol (`bad_request`, `token_invalid`, `token_expired`,
 * `not_allowed`, `room_full`, `publisher_limit`, `message_limit`, `scene_mismatch`, `banned`,
 * `node_draining`, `room_not_found`, `user_not_found`, `internal`) or one of the client's own:
 * `invalid_parameter`, `invalid_state`, `not_supported`, `aborted`, `timeout`, `connection_failed`,
 * `seat_limit`, `token_unavailable`, `device_denied`, `device_not_found`, `device_busy`, `device_lost`,
 * `processor_failed`. Where it concerns one of one's own streams, `field` is its source.
 */
export class ParlorError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{field?: string, cause?: unknown}} [more]
   */
  constructor(code, message, more = {}) {
    super(message, { cause: more.cause });
    this.name = 'ParlorError';
    this.code = code;
    /** The field of the request that was wrong, if the node names one. */
    this.field = more.field;
  }
}

const ROOM = /^[A-Za-z0-9 !#$%&()+\-:;<=.>?@[\]^_{}~,|]{1,64}$/;
const USER = /^[A-Za-z0-9_.@-]{1,64}$/;

/**
 * The room of `enterRoom`: `roomId` is an integer, `strRoomId` a string; they name different rooms.
 * @param {{roomId?: number, strRoomId?: string}} p
 * @returns {string | number}
 */
export function roomOf({ roomId, strRoomId }) {
  if ((roomId === undefined) === (strRoomId === undefined)) {
    throw new ParlorError('invalid_parameter', 'Give either roomId (a number) or strRoomId (a string).', { field: 'room' });
  }
  if (strRoomId !== undefined) {
    if (typeof strRoomId !== 'string' || !ROOM.test(strRoomId)) {
      throw new ParlorError('invalid_parameter',
        'A room name has 1 to 64 of A-Z, a-z, 0-9, spaces and signs such as - _ . : @', { field: 'room' });
    }
    return strRoomId;
  }
  if (!Number.isInteger(roomId) || Number(roomId) < 1 || Number(roomId) > 4294967294) {
    throw new ParlorError('invalid_parameter', 'roomId is a whole number from 1 to 4294967294.', { field: 'room' });
  }
  return Number(roomId);
}

/**
 * @param {unknown} userId
 * @returns {string}
 */
export function checkUser(userId) {
  if (typeof userId !== 'string' || !USER.test(userId)) {
    throw new ParlorError('invalid_parameter', 'A user id has 1 to 64 of the signs A-Z a-z 0-9 _ . @ -', { field: 'user' });
  }
  return userId;
}

/**
 * The addresses of a node's signalling door. A bare origin gets the path `/rtc`.
 * @param {string | undefined} url  http(s) or ws(s) address of the node; default: the page's own origin
 * @param {string} base             address of the page
 * @returns {{socket: string, beacon: string}}
 */
export function endpoints(url, base) {
  let parsed;
  try {
    parsed = new URL(url ?? '/rtc', base);
  } catch (cause) {
    throw new ParlorError('invalid_parameter', `Not an address: ${url}`, { field: 'url', cause });
  }
  const secure = parsed.protocol === 'https:' || parsed.protocol === 'wss:';
  if (!secure && parsed.protocol !== 'http:' && parsed.protocol !== 'ws:') {
    throw new ParlorError('invalid_parameter', 'The address of a node begins with https, wss, http or ws.', { field: 'url' });
  }
  const path = parsed.pathname === '/' ? '/rtc' : parsed.pathname.replace(/\/$/, '');
  return {
    socket: `${secure ? 'wss' : 'ws'}://${parsed.host}${path}${parsed.search}`,
    beacon: `${secure ? 'https' : 'http'}://${parsed.host}${path}/exit`,
  };
}

/**
 * The error that an error answer of the node stands for.
 * @param {{code?: string, message?: string, field?: string}} answer
 */
export function errorOf(answer) {
  const code = answer.code || 'internal';
  return new ParlorError(code, answer.message || code, { field: answer.field });
}

/**
 * A message of the node; null: it is none.
 * @param {unknown} data
 */
export function parse(data) {
  try {
    const m = JSON.parse(String(data));
    return m !== null && typeof m === 'object' ? m : null;
  } catch {
    return null;
  }
}
