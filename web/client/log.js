// What the client writes to the console, for whoever looks for a fault: events, requests, connections. It is one
// level for the whole page. Tokens, keys and what people say are never written.

/** From the least to the most that is kept back. */
const LEVELS = /** @type {const} */ (['debug', 'info', 'warn', 'error', 'none']);
/** @typedef {'debug' | 'info' | 'warn' | 'error' | 'none'} LogLevel */

/** Events that come all the time. */
const OFTEN = new Set(['statistics', 'network-quality', 'audio-volume', 'local-audio-level', 'active-speaker', 'viewer-count']);
/** Events that tell of trouble. */
const TROUBLE = new Set(['connection-lost', 'kicked-out', 'blocked', 'undecodable', 'paused', 'autoplay-failed', 'remote-video-stalled', 'local-video-stalled', 'encryption-error']);

/** @type {LogLevel} */
let least = 'none';

/** @param {LogLevel} level  the least that is written */
export function setLevel(level) {
  least = level;
}

/**
 * @param {Exclude<LogLevel, 'none'>} level
 * @param {string} what
 * @param {...unknown} more
 */
export function log(level, what, ...more) {
  if (LEVELS.indexOf(level) >= LEVELS.indexOf(least)) console[level](`parlor: ${what}`, ...more);
}

/**
 * An event that the application gets.
 * @param {string} name
 * @param {unknown} payload
 */
export function logEvent(name, payload) {
  const level = name === 'error' ? 'error' : TROUBLE.has(name) ? 'warn' : OFTEN.has(name) ? 'debug' : 'info';
  // What people say is theirs alone, and so is what they are called.
  log(level, name, ...(name === 'message' || name === 'user-updated' || name === 'remote-user-enter' ? [/** @type {any} */ (payload).userId] : [payload]));
}
