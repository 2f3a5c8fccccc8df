// The words of the signalling protocol, version 1, as types. Also the checks that a client can make before it
// asks the node: ids, addresses, errors, reasons. No state, no I/O.
//
//   types        messages and their parts (docs/protocol.md is the contract)
//   ParlorError  every error of the client
//   ExitReason, UserExitReason   the numbers that applications see
//   roomOf, checkUser, endpoints checks and conversions of what applications pass in

/** @typedef {'camera' | 'screen' | 'mic' | 'screen-audio'} Source  what a stream is of */
/** @typedef {'anchor' | 'audience'} Role  the audience sends nothing, and the others are not told of it */
/** @typedef {'call' | 'live'} Scene  of a room; in a live one there are anchors and audience */
/** @typedef {'low' | 'mid' | 'high'} Quality  a simulcast layer */
/** @typedef {'main' | 'sub'} StreamType  main: camera and microphone; sub: screen and its sound */
/** @typedef {'none' | 'both' | 'audio' | 'video'} Block  the part of one's own streams that a command
 *  keeps from being forwarded */
/** @typedef {{source: Source, on: boolean, blocked?: boolean}} StreamState */
/** @typedef {Record<string, boolean>} Layers  of a stream, by RID: whether they are to be sent */
/** @typedef {{user: string, name?: string, metadata?: string, role?: Role, streams?: StreamState[],
 *  mediaOnly?: boolean}} UserState */
/** @typedef {{lostMs: number, reconnectMs: number, timeoutMs: number, pingMs: number}} Timers */

/**
 * @typedef {object} Entered  the answer to `enter`; `resumed` has the same fields
 * @property {string} session
 * @property {string} key
 * @property {string} user
 * @property {string} [name]      one's own, as the others see it
 * @property {string} [metadata]
 * @property {string | number} room
 * @property {Role} role
 * @property {Scene} scene
 * @property {string[]} [rights]
 * @property {UserState[]} [users]
 * @property {string} [node]
 * @property {string[]} [nodes]  base URLs of others
 * @property {Partial<Timers>} [timers]
 * @property {Block} [block]
 * @property {number} [viewers]   how many watch in a live room
 * @property {number} [expiresInMs]  how long the token holds; without it for ever
 * @property {RTCIceServer[]} [iceServers]  of the node
 * @property {number} [iceExpiresInMs]  how long their credentials are good for another connection
 */

/**
 * @typedef {object} EnterRequest
 * @property {string | number} room
 * @property {string} user
 * @property {string} [token]
 * @property {Role} [role]
 * @property {Scene} [scene]
 * @property {string} [name]
 * @property {string} [metadata]
 */

/**
 * @typedef {{seq: number} & (
 *   {type: 'user_entered', user: UserState} |
 *   {type: 'user_left', user: string, reason: number} |
 *   {type: 'user_updated', user: string, name?: string, metadata?: string} |
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
 *   {type: 'profile', name?: string, metadata?: string} |
 *   {type: 'token', token: string} | {type: 'volume', intervalMs: number} |
 *   {type: 'statistics', on: boolean} | {type: 'ice'} | {type: 'exit'}} Request
 */

/** Labels of the data channels for custom messages. */
export const CHANNELS = Object.freeze({ reliable: 'parlor.messages', unreliable: 'parlor.messages.unreliable' });

/** Name of the WebSocket subprotocol. */
export const SUBPROTOCOL = 'parlor.v1';

/** Why one's own stay in a room ended. */
export const ExitReason = Object.freeze({
  /** The connection was lost and entering again was refused. Only the client gives this one. */
  LOST: -1,
  /** One has left by `exitRoom`. */
  EXIT: 0,
  /** A command has put one out. */
  REMOVED: 1,
  /** The room was ended for everybody. */
  DISMISSED: 2,
  /** The same user has entered elsewhere. */
  REPLACED: 3,
  /** The node has shut down, and no other one has taken the room. */
  SHUTDOWN: 4,
  /** The token ran out. */
  EXPIRED: 5,
  /** The node had heard nothing for too long. The client enters again, so applications do not see this
   *  one. */
  TIMEOUT: 6,
});

/** Why another user is no longer there. */
export const UserExitReason = Object.freeze({
  /** They have left, or the room was ended. */
  EXIT: 0,
  /** The node has heard nothing of them for too long. */
  TIMEOUT: 1,
  /** A command has put them out. */
  REMOVED: 2,
  /** They are audience now, which is announced to nobody. */
  BECAME_AUDIENCE: 3,
});

/**
 * @typedef {object} ErrorCodes  the codes of errors, the node's first
 * @property {'node'} bad_request      the node does not take the request; `field` says what of it
 * @property {'node'} token_invalid    the node does not take the token, or wants one
 * @property {'node'} token_expired    the token has ended: get another one
 * @property {'node'} not_allowed      one's rights or role do not allow it; `field` says what
 * @property {'node'} room_full        the room, or the node, has as many users as it may have
 * @property {'node'} publisher_limit  as many send in this room as may
 * @property {'node'} message_limit    more messages, or larger ones, than one may send in a second
 * @property {'node'} scene_mismatch   the room has another scene
 * @property {'node'} banned           one was put out and may not come back yet, or enters too often
 * @property {'node'} node_draining    the node lets nobody in for now: try again
 * @property {'node'} room_not_found   there is no such room, or it has ended meanwhile
 * @property {'node'} user_not_found   the user is not in the room; also the client's own
 * @property {'node'} internal         something has failed that should not have, at the node or in the
 *   browser; `cause` says more
 * @property {'client'} invalid_parameter  the call does not take this; `field` says which argument or option
 * @property {'client'} invalid_state      it cannot be done now: not in a room, not started, cannot be changed
 *   while it runs
 * @property {'client'} not_supported      the browser cannot do it, or only on a secure page (https)
 * @property {'client'} aborted            called off: one has left, or has stopped it meanwhile
 * @property {'client'} timeout            there was no answer in time
 * @property {'client'} connection_failed  the node cannot be reached. `field` `media`: sound and pictures do
 *   not get through; the client goes on trying
 * @property {'client'} seat_limit         more streams are wanted than the client may receive at once
 * @property {'client'} token_unavailable  `getToken` has thrown or gave none; `cause` is what it threw
 * @property {'client'} device_denied      the browser or the user does not allow the device
 * @property {'client'} device_not_found   there is no such device
 * @property {'client'} device_busy        the device cannot be opened; another program may use it
 * @property {'client'} device_lost        a device was pulled out and there is no other, or a track of one's
 *   own has ended; the stream is stopped
 * @property {'client'} processor_failed   a processor has thrown, or gave no track
 * @property {'client'} encryption_failed  what encrypts end to end has not loaded, or has failed: nothing is
 *   sent
 * @property {'client'} missing_key        there is no key to encrypt with: `setEncryptionKey`
 */
/** @typedef {keyof ErrorCodes} ErrorCode */

/**
 * Every error of the client. Where it concerns one of one's own streams, `field` is its source.
 */
export class ParlorError extends Error {
  /**
   * @param {ErrorCode} code
   * @param {string} message
   * @param {{field?: string, cause?: unknown}} [more]
   */
  constructor(code, message, more = {}) {
    super(message, { cause: more.cause });
    this.name = 'ParlorError';
    /** A newer node may have codes that are not listed. @type {ErrorCode | (string & {})} */
    this.code = code;
    /** The argument, option or constraint that was wrong, or the source that it is about. */
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
  const code = /** @type {ErrorCode} */ (answer.code || 'internal');
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
