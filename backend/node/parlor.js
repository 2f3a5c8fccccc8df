// What a back end needs of Parlor: tokens for users, commands to nodes, and the check of webhooks. It needs
// Node 20 or later and nothing else. commands.js has the commands, made of the document that nodes serve.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { Commands, MEMBER_RIGHTS } from './commands.js';

export * from './commands.js';

/** The least length of a secret in bytes. */
const MIN_SECRET = 32;

/** How far the time of a webhook's signature may be from now, in seconds. Remember the ids of events for as
 *  long: then nobody can send one again. */
export const WEBHOOK_TOLERANCE = 300;

/** The header with the signature of a webhook, as Node names headers. */
export const SIGNATURE_HEADER = 'parlor-signature';

/** The code of a ParlorError if no node has answered. It cannot be told then whether the command was carried
 *  out. */
export const UNREACHABLE = 'unreachable';

/** What a command or a webhook fails with. */
export class ParlorError extends Error {
  /**
   * @param {string} code  a stable name, such as room_not_found; docs/protocol.md has all
   * @param {string} message  for people
   * @param {{field?: string, status?: number, retryAfter?: number, cause?: unknown}} [more]
   */
  constructor(code, message, { field = '', status = 0, retryAfter = 0, cause } = {}) {
    super(message);
    this.name = 'ParlorError';
    this.code = code;
    /** The field of the request that is at fault; '': none. */
    this.field = field;
    /** Of HTTP; 0: there was no answer. */
    this.status = status;
    /** In seconds; 0: the node does not say. */
    this.retryAfter = retryAfter;
    /** @type {unknown} */
    this.cause = cause;
  }
}

// --- tokens

/**
 * @typedef {object} Key
 * @property {string} id
 * @property {string} secret
 */

/**
 * Reads a key as `sfu key create` writes it, and as nodes read it: id:secret. The error never has the secret
 * in it.
 * @param {string} line
 * @returns {Key}
 */
export function parseKey(line) {
  const text = line.trim();
  const colon = text.indexOf(':');
  if (colon < 1) throw new ParlorError('bad_request', 'a key is written id:secret', { field: 'key' });
  return checkKey({ id: text.slice(0, colon), secret: text.slice(colon + 1) });
}

/** @param {Key} key */
function checkKey(key) {
  if (!key.id || Buffer.from(key.secret).length < MIN_SECRET) {
    throw new ParlorError('bad_request', `a key has an id, and a secret of at least ${MIN_SECRET} bytes`, { field: 'key' });
  }
  return key;
}

/**
 * What a token says.
 * @typedef {object} Grant
 * @property {string | number} [room]  the only room it holds for, by its name or number: 123 and '123' are two
 *   rooms; only with the right admin it may be left out
 * @property {string} [user]  the only user it holds for; likewise
 * @property {readonly string[]} [rights]  all but admin, if they are left out
 * @property {'audience' | 'anchor'} [role]  audience: the user may not become anchor
 * @property {string} [name]  what people call the user, who cannot change it then
 * @property {string} [metadata]  a text of the application about the user, which the others get; likewise
 * @property {number | Date} expires  when it ends: a Date, or in how many seconds
 */

/**
 * Makes a token: a JWT, signed with HS256.
 * @param {Key | string} key  a string is read by parseKey
 * @param {Grant} grant
 * @param {Date} [now]
 * @returns {string}
 */
export function createToken(key, grant, now = new Date()) {
  const { id, secret } = typeof key === 'string' ? parseKey(key) : checkKey(key);
  const { room, user, rights = MEMBER_RIGHTS, role, name, metadata, expires, ...rest } = grant;
  const [unknown] = Object.keys(rest);
  if (unknown) throw new ParlorError('bad_request', `there is no claim ${unknown}`, { field: unknown });
  if (!Array.isArray(rights)) throw new ParlorError('bad_request', "rights are a list, such as ['publish']", { field: 'rights' });
  const made = Math.floor(now.getTime() / 1000);
  const end = expires instanceof Date ? Math.floor(expires.getTime() / 1000) : made + Math.floor(expires);
  if (!(end > made)) throw new ParlorError('bad_request', 'the token has ended before it is made', { field: 'expires' });
  if (!Number.isSafeInteger(end)) throw new ParlorError('bad_request', 'the token ends too late; expires is in seconds', { field: 'expires' });
  const text = `${part({ alg: 'HS256', kid: id, typ: 'JWT' })}.${part({ room, user, rights, role, name, metadata, exp: end, iat: made })}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

/** @param {object} value */
function part(value) {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

// --- commands

/** The size of the largest answer in bytes. */
const MAX_ANSWER = 16 << 20;

/** Gives commands to any node of a cluster; they reach the node that has the room. */
export class Node extends Commands {
  #url;
  #key;
  #token;
  #timeout;

  /**
   * @param {object} options
   * @param {string} options.url  https://sfu.example.org
   * @param {Key | string} [options.key]  makes a short token with the right admin for each command
   * @param {string} [options.token]  in its place: such a token; a node without keys needs neither
   * @param {number} [options.timeout]  ms for each command; nodes give up after 10 s
   */
  constructor({ url, key, token = '', timeout = 15_000 }) {
    super();
    this.#url = url.replace(/\/+$/, '');
    this.#key = typeof key === 'string' ? parseKey(key) : key;
    this.#token = token;
    this.#timeout = timeout;
  }

  /**
   * Gives a command by its name. What it fails with is a ParlorError.
   * @override
   * @param {string} action
   * @param {object} request
   * @returns {Promise<any>} the answer
   */
  async do(action, request) {
    let status = 0;
    try {
      const answer = await fetch(`${this.#url}/admin/v1/${action}`, {
        method: 'POST', redirect: 'manual', signal: AbortSignal.timeout(this.#timeout), body: JSON.stringify(request), headers: this.#headers(),
      });
      status = answer.status;
      const text = await read(answer);
      if (status !== 200) throw problem(answer, text);
      return JSON.parse(text);
    } catch (err) {
      if (err instanceof ParlorError) throw err;
      throw new ParlorError(UNREACHABLE, `the node has not answered: ${reason(err)}`, { status, cause: err });
    }
  }

  #headers() {
    const token = this.#token || (this.#key && createToken(this.#key, { rights: ['admin'], expires: 60 }));
    return { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) };
  }
}

/** @param {any} err */
function reason(err) {
  return String(err?.cause?.message || err?.message || err);
}

/** @param {Answer} answer */
async function read(answer) {
  /** @type {Uint8Array[]} */
  const pieces = [];
  let size = 0;
  for await (const piece of answer.body ?? []) {
    size += piece.length;
    if (size > MAX_ANSWER) throw new Error(`the answer has more than ${MAX_ANSWER} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/**
 * Reads an error answer: a problem document of a node, or something else of whoever stands before it.
 * @param {Answer} answer
 * @param {string} text
 */
function problem(answer, text) {
  let document;
  try {
    document = JSON.parse(text);
  } catch {
    document = null;
  }
  const status = answer.status;
  if (typeof document?.code !== 'string') return new ParlorError(UNREACHABLE, `the answer has the status ${status}, and is not a node's`, { status });
  const retryAfter = Number(answer.headers.get('retry-after')) || 0;
  return new ParlorError(document.code, document.detail ?? document.code, { field: document.field ?? '', status, retryAfter });
}

// --- webhooks

/**
 * Checks that a request comes from a node, and returns its event. A ParlorError has the code
 * signature_invalid, or signature_expired if its time is too far from now.
 * @param {string | undefined} header  of SIGNATURE_HEADER
 * @param {Uint8Array | string} body  as it was received
 * @param {string | string[]} keys  webhook.key, and while it is changed the one before as well
 * @param {Date} [now]
 * @returns {import('./commands.js').FeedEvent}
 */
export function verifyWebhook(header, body, keys, now = new Date()) {
  const list = [keys].flat();
  if (list.some((key) => Buffer.from(key).length < MIN_SECRET)) { // anybody could guess it, above all an empty one
    throw new ParlorError('bad_request', `a key of webhooks has at least ${MIN_SECRET} bytes`, { field: 'keys' });
  }
  let time = '';
  /** @type {Buffer[]} */
  const signatures = [];
  for (const each of (header ?? '').split(',')) {
    const [name, value = ''] = each.trim().split('=', 2);
    if (name === 't') time = value;
    if (name === 'v1' && /^[0-9a-f]{64}$/i.test(value)) signatures.push(Buffer.from(value, 'hex'));
  }
  let valid = false;
  for (const key of list) {
    const want = createHmac('sha256', key).update(`${time}.`).update(body).digest();
    for (const signature of signatures) valid = timingSafeEqual(signature, want) || valid;
  }
  if (!valid || !/^\d{1,15}$/.test(time)) throw new ParlorError('signature_invalid', 'the signature is not that of the body');
  if (Math.abs(now.getTime() / 1000 - Number(time)) > WEBHOOK_TOLERANCE) {
    throw new ParlorError('signature_expired', 'the time of the signature is too far from now');
  }
  return JSON.parse(typeof body === 'string' ? body : Buffer.from(body).toString('utf8'));
}
