// Numbers, times and names as people read them. Pure functions.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

/** @param {number | null | undefined} n */
export const count = (n) => (n === null || n === undefined ? '–' : whole.format(n));

/**
 * @param {number | null | undefined} n
 * @param {string} unit
 * @param {number} [step]
 */
function scaled(n, unit, step = 1000) {
  if (n === null || n === undefined || !Number.isFinite(n)) return '–';
  let i = 0;
  for (; Math.abs(n) >= step && i < 4; i++) n /= step;
  return `${Math.abs(n) >= 100 ? whole.format(n) : short.format(n)} ${['', 'k', 'M', 'G', 'T'][i]}${unit}`;
}

/** @param {number | null | undefined} n */
export const bits = (n) => scaled(n, 'bit/s');
/** @param {number | null | undefined} n */
export const bytes = (n) => scaled(n, 'B');
/** @param {number | null | undefined} n */
export const rate = (n) => (n === null || n === undefined ? '–' : `${n < 10 ? short.format(n) : whole.format(n)}/s`);
/** @param {number | null | undefined} share 0–1 */
export const percent = (share) => (share === null || share === undefined || !Number.isFinite(share) ? '–' : `${short.format(share * 100)} %`);
/** @param {number | null | undefined} ms */
export const milliseconds = (ms) => (ms === null || ms === undefined ? '–' : `${short.format(ms)} ms`);

/** @param {number} ms Unix time */
export const time = (ms) => new Date(ms).toLocaleTimeString('en', { hour12: false });

/** @param {number} ms Unix time */
export const date = (ms) => `${new Date(ms).toLocaleDateString('en-CA')} ${time(ms)}`;

/** @param {number} ms how long */
export function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

const qualities = ['unknown', 'excellent', 'good', 'poor', 'bad', 'very bad', 'down'];

/** @param {number} level */
export const quality = (level) => qualities[level] ?? 'unknown';

/** @typedef {{RoomId?: number, StrRoomId?: string}} RoomRef */

/**
 * The key of a room, as addresses of this page and lists of rooms have it.
 * @param {RoomRef} room
 */
export const keyOf = (room) => (room.RoomId === undefined ? `s:${room.StrRoomId}` : `n:${room.RoomId}`);

/**
 * @param {string} key
 * @returns {RoomRef}
 */
export const roomOf = (key) => (key.startsWith('n:') ? { RoomId: Number(key.slice(2)) } : { StrRoomId: key.slice(2) });

/**
 * A room's name as people read it: a number has a # in front.
 * @param {RoomRef} room
 */
export const nameOf = (room) => (room.RoomId === undefined ? (room.StrRoomId ?? '') : `#${room.RoomId}`);

const events = /** @type {Record<number, string>} */ ({
  101: 'the room was made', 102: 'the room has ended', 103: 'entered', 104: 'left', 105: 'changed role', 106: 'changed name or metadata',
  201: 'video started', 202: 'video stopped', 203: 'audio started', 204: 'audio stopped', 205: 'screen started', 206: 'screen stopped',
});
const reasons = ['', '', 'timed out', 'removed by a command', 'entered elsewhere', 'the node shut down', 'the token ran out'];

/** @param {{Type: number, Reason?: number, Role?: string}} e */
export function event(e) {
  const words = [events[e.Type] ?? `event ${e.Type}`];
  if (e.Type === 103 || e.Type === 105) words.push(`as ${e.Role ?? 'anchor'}`);
  const why = e.Type === 103 ? '' : (reasons[e.Reason ?? 0] ?? '');
  return words.join(' ') + (why ? `: ${why}` : '');
}

/**
 * @param {number} n
 * @param {string} one
 * @param {string} [more]
 */
export const several = (n, one, more = `${one}s`) => `${count(n)} ${n === 1 ? one : more}`;
