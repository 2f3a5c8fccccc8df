// Custom messages: by data channel once one is open, else over the signalling connection.
//
//   send()     opens the channels with the first message; until they are open, and if they do not
//              open at all, messages go over signalling
//   renew()    another PeerConnection: its channels open with the next message
//   received() an event of the node
//
// A reliable message takes the channel only if none before it still waits for its answer over signalling, so
// that none overtakes another. The node does the same in the other direction. A client that never sends opens
// no channel, and costs the node nothing.

import { ParlorError } from './protocol.js';

/** @typedef {{reliable: RTCDataChannel, unreliable: RTCDataChannel}} Channels */
/**
 * @typedef {object} Received
 * @property {string} userId  the sender; empty: the server
 * @property {number} cmdId   its kind, 1 to 10, as the application has settled it
 * @property {Uint8Array} data  text is UTF-8: `new TextDecoder().decode(data)`
 */

/**
 * @typedef {object} MessagesOptions
 * @property {(request: import('./protocol.js').MessageRequest) => Promise<unknown>} request
 * @property {() => Promise<Channels> | null} open  null: there is no PeerConnection now
 * @property {(message: Received) => void} onMessage
 * @property {(err: ParlorError) => void} onError   the node has refused what went by a channel
 * @property {Pick<import('./encryption.js').Encryption, 'overhead' | 'seal' | 'open'>} [cipher]  end-to-end
 *   encryption; its overhead is 0 while it is off
 */

export const MAX_BYTES = 1000;

/** The most that may wait in a channel, in bytes. If more waits, the application sends faster than anybody
 *  may. */
const BACKLOG = 64 * 1024;

const REASONS = /** @type {Record<string, string>} */ ({
  message_limit: 'More messages than a user may send in a second.',
  not_allowed: 'The token does not allow to send messages.',
  bad_request: 'The node does not take this message.',
});

export class Messages {
  #opts;
  /** @type {Channels | null} */
  #channels = null;
  #asked = false;
  /** Reliable ones over signalling that have no answer yet. */
  #waiting = 0;
  /** The number of the last message over signalling: the node drops one that it is asked to send again
   *  after a resume. */
  #n = 0;
  /** The count of PeerConnections: anything that belongs to an earlier one is void. */
  #era = 0;
  /** @type {Promise<unknown>} */
  #tail = Promise.resolve();

  /** @param {MessagesOptions} opts */
  constructor(opts) {
    this.#opts = opts;
  }

  /** Whether a channel for reliable messages is open. */
  get open() {
    return this.#channels?.reliable.readyState === 'open';
  }

  /**
   * @param {number} cmdId
   * @param {Uint8Array | ArrayBuffer | string} data
   * @param {{reliable?: boolean}} options
   */
  async send(cmdId, data, { reliable = true } = {}) {
    const { cipher } = this.#opts;
    let bytes = check(cmdId, data, MAX_BYTES - (cipher?.overhead ?? 0));
    this.#ask();
    if (cipher?.overhead) bytes = await cipher.seal(cmdId, bytes);
    const channel = reliable ? this.#channels?.reliable : this.#channels?.unreliable;
    if (channel?.readyState === 'open' && !(reliable && this.#waiting > 0)) {
      if (channel.bufferedAmount > BACKLOG) throw refusal('message_limit');
      const frame = new Uint8Array(1 + bytes.length);
      frame[0] = cmdId;
      frame.set(bytes, 1);
      channel.send(frame);
      return;
    }
    if (reliable) this.#waiting++;
    try {
      await this.#opts.request({ type: 'message', cmdId, data: toBase64(bytes), reliable, n: ++this.#n });
    } finally {
      if (reliable) this.#waiting--;
    }
  }

  /** The PeerConnection has gone, and its channels with it. */
  renew() {
    this.#era++;
    this.#channels = null;
    this.#asked = false;
  }

  /** Another session, which has had no message yet. */
  restart() {
    this.#n = 0;
  }

  /** @param {{user?: string, cmdId: number, data: string}} event */
  received({ user = '', cmdId, data }) {
    this.#deliver({ userId: user, cmdId, data: Uint8Array.from(atob(data), (c) => c.charCodeAt(0)) });
  }

  /** Messages come in the order in which they were received, encrypted or not. @param {Received} message */
  #deliver(message) {
    const { cipher, onMessage } = this.#opts;
    if (!cipher?.overhead) {
      onMessage(message);
      return;
    }
    this.#tail = this.#tail.then(() => cipher.open(message)).then((m) => m && onMessage(m), () => {}); // the room was left
  }

  /** Opens the channels, once per PeerConnection. If that fails, messages go over signalling. */
  #ask() {
    if (this.#asked) return;
    const era = this.#era;
    const opening = this.#opts.open();
    if (!opening) return;
    this.#asked = true;
    opening.then((channels) => {
      if (era !== this.#era) return;
      this.#channels = channels;
      for (const c of Object.values(channels)) {
        c.binaryType = 'arraybuffer';
        c.onmessage = (e) => era === this.#era && this.#frame(e.data);
      }
    }, () => {});
  }

  /** @param {unknown} data */
  #frame(data) {
    const m = data instanceof ArrayBuffer ? parseFrame(new Uint8Array(data)) : null;
    if (!m) return;
    if ('code' in m) this.#opts.onError(refusal(m.code));
    else this.#deliver(m);
  }
}

/**
 * A frame of the node (docs/protocol.md): a message, or why one was not sent; null: neither.
 * @param {Uint8Array} b
 * @returns {Received | {cmdId: number, code: string} | null}
 */
export function parseFrame(b) {
  if (b.length < 2) return null;
  const text = new TextDecoder();
  if (b[0] === 0) return { cmdId: b[1], code: text.decode(b.subarray(2)) };
  const end = 2 + b[1];
  return b.length < end ? null : { userId: text.decode(b.subarray(2, end)), cmdId: b[0], data: b.slice(end) };
}

/**
 * @param {unknown} cmdId
 * @param {unknown} data
 * @param {number} most  bytes
 * @returns {Uint8Array}
 */
function check(cmdId, data, most) {
  if (!Number.isInteger(cmdId) || Number(cmdId) < 1 || Number(cmdId) > 10) {
    throw new ParlorError('invalid_parameter', 'A cmdId is a whole number from 1 to 10.', { field: 'cmdId' });
  }
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data)
    : data instanceof Uint8Array ? data : data instanceof ArrayBuffer ? new Uint8Array(data) : null;
  if (!bytes || bytes.length > most) {
    throw new ParlorError('invalid_parameter', `A message is a string, an ArrayBuffer or a Uint8Array of at most ${most} bytes.`, { field: 'data' });
  }
  return bytes;
}

/** @param {string} code */
const refusal = (code) => new ParlorError(/** @type {import('./protocol.js').ErrorCode} */ (code), REASONS[code] ?? code, { field: 'message' });

/** @param {Uint8Array} bytes */
const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));
