// One's own streams. In the other SDK a stream is sent or only shown (`publish`), it is shown on after one has
// left, and sent again when one has entered anew. Here it goes to one of two clients: the one that is in the room,
// or one that never is.

import { RtcError, camera, microphone, screen, wrong } from './translate.js';
import { ERROR_CODE } from './words.js';

/** @typedef {import('../client/parlor.js').Parlor} Parlor */
/** @typedef {'video' | 'audio' | 'screen'} Kind */

/** How each kind is called at this client. */
const CALLS = /** @type {const} */ ({
  video: { options: camera, start: 'startLocalVideo', update: 'updateLocalVideo', stop: 'stopLocalVideo' },
  audio: { options: microphone, start: 'startLocalAudio', update: 'updateLocalAudio', stop: 'stopLocalAudio' },
  screen: { options: screen, start: 'startScreenShare', update: 'updateScreenShare', stop: 'stopScreenShare' },
});

export class Published {
  /** @type {Map<Kind, {options: object, publish: boolean, state: string}>} what has been started */
  #started = new Map();
  #room;
  #aside;
  #tell;
  #inside = false;

  /**
   * @param {Parlor} room
   * @param {Parlor} aside  never in a room
   * @param {(event: object) => void} tell  of a change of what is published
   */
  constructor(room, aside, tell) {
    this.#room = room;
    this.#aside = aside;
    this.#tell = tell;
  }

  /** @param {Kind} kind @param {any} config */
  async start(kind, config) {
    if (this.#started.has(kind)) throw new RtcError(ERROR_CODE.INVALID_OPERATION, `The ${kind} has been started already.`, { extraCode: 5104 });
    const s = { options: CALLS[kind].options(config, true), publish: config.publish !== false, state: 'stopped' };
    this.#started.set(kind, s);
    try {
      await this.#open(kind, s);
    } catch (err) {
      if (this.#started.get(kind) === s) this.#started.delete(kind);
      this.#change(kind, s, 'stopped', 'error', err);
      throw err;
    }
  }

  /** @param {Kind} kind @param {any} [config] */
  async update(kind, config) {
    if (!config || typeof config !== 'object') throw wrong('What is to change has to be given.', 5001);
    const s = this.#need(kind);
    const change = CALLS[kind].options(config, false);
    const publish = config.publish ?? s.publish;
    if (publish === s.publish) {
      if (Object.keys(change).length) await this.#at(s)[CALLS[kind].update](/** @type {any} */ (change));
    } else {
      await this.#at(s)[CALLS[kind].stop]();
      if (s.publish) this.#change(kind, s, 'stopped', 'api-call');
      s.publish = publish;
      await this.#open(kind, { ...s, options: { ...s.options, ...change } });
    }
    Object.assign(s.options, change);
  }

  /** @param {Kind} kind */
  async stop(kind) {
    const s = this.#started.get(kind);
    if (!s) return;
    this.#started.delete(kind);
    await this.#at(s)[CALLS[kind].stop]();
    this.#change(kind, s, 'stopped', 'api-call');
  }

  async stopAll() {
    for (const kind of [...this.#started.keys()]) await this.stop(kind);
  }

  /** It has ended by itself. @param {Kind} kind */
  ended(kind) {
    this.#started.delete(kind);
  }

  /** One is in a room: what is to be published is. */
  entered() {
    this.#inside = true;
    for (const [kind, s] of this.#started) if (s.publish) this.#change(kind, s, 'started');
  }

  /** One is in no room any more. The devices were released with it; camera and microphone are shown on. */
  async left() {
    if (!this.#inside) return;
    this.#inside = false;
    for (const [kind, s] of [...this.#started]) {
      if (!s.publish) continue;
      this.#change(kind, s, 'stopped', 'api-call');
      if (kind === 'screen') this.#started.delete(kind); // browsers ask again for a screen
      else await this.#room[CALLS[kind].start](/** @type {any} */ (s.options));
    }
  }

  /** @param {import('../client/protocol.js').Source} source */
  track(source) {
    return this.#room.getLocalTrack(source) ?? this.#aside.getLocalTrack(source);
  }

  /** @param {{publish: boolean}} s */
  #at(s) {
    return s.publish ? this.#room : this.#aside;
  }

  /** @param {Kind} kind @param {{options: object, publish: boolean, state: string}} s */
  async #open(kind, s) {
    const of = this.#started.get(kind) ?? s;
    if (s.publish && this.#inside) this.#change(kind, of, 'starting');
    await this.#at(s)[CALLS[kind].start](/** @type {any} */ (s.options));
    if (s.publish && this.#inside) this.#change(kind, of, 'started');
  }

  /** @param {Kind} kind */
  #need(kind) {
    const s = this.#started.get(kind);
    if (!s) throw new RtcError(ERROR_CODE.INVALID_OPERATION, `The ${kind} has not been started.`, { extraCode: kind === 'audio' ? 5106 : 5105 });
    return s;
  }

  /**
   * @param {Kind} kind
   * @param {{state: string}} s
   * @param {string} state
   * @param {string} [reason]
   * @param {unknown} [error]
   */
  #change(kind, s, state, reason, error) {
    if (s.state === state) return;
    this.#tell({ mediaType: kind, prevState: s.state, state, ...(reason && { reason }), ...(error !== undefined && { error }) });
    s.state = state;
  }
}
