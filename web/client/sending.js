// What goes to the node of one's own streams: their tracks into the PeerConnection, and which of them are on
// (announced.js). The streams themselves are local.js's.

import { Announced } from './announced.js';
import { applied } from './profiles.js';
import { ParlorError } from './protocol.js';

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./local.js').Stream} Stream */

export class Sending {
  #peer;
  #announced;

  /**
   * @param {() => import('./peer.js').Peer | null} peer  null: not in a room, or not allowed to send now
   * @param {(source: Source, on: boolean) => Promise<unknown>} announce
   */
  constructor(peer, announce) {
    this.#peer = peer;
    this.#announced = new Announced(announce);
  }

  /** Whether anything can be sent at all. */
  get possible() {
    return this.#peer() !== null;
  }

  /**
   * Sends a stream that has not been sent on this PeerConnection.
   * @param {Stream} s
   * @param {() => boolean} still  whether it is one's stream when the node has answered
   */
  async publish(s, still) {
    const peer = this.#peer();
    if (!peer) return;
    await peer.publish(s.source, publicationOf(s));
    if (!still()) return;
    if (!this.#announced.has(s.source)) this.#announced.set(s.source, true); // an offer says on
    if (withheld(s)) await peer.replace(s.source, null);
    await this.#announced.tell(s.source, !s.muted);
  }

  /** Sends what it is now. Where the PeerConnection has gone, the next one takes it. @param {Stream} s */
  async resend(s) {
    if (withheld(s)) return;
    await this.#peer()?.replace(s.source, s.input.track).catch((err) => {
      if (!aborted(err)) throw err;
    });
  }

  /**
   * Sends it otherwise. If that cannot be had, it goes on as it was. Where the PeerConnection has gone, the
   * next one takes it.
   * @param {Stream} s     as it is sent
   * @param {Stream} next  as it is to be sent
   */
  async change(s, next) {
    const peer = this.#peer();
    if (!peer?.has(s.source)) return;
    try {
      await peer.publish(s.source, publicationOf(next));
    } catch (err) {
      if (!aborted(err)) await peer.publish(s.source, publicationOf(s)).catch(() => {});
      else if (this.#peer() !== peer) await this.change(s, next); // it may have begun with what was
      if (!aborted(err)) throw err;
    }
    if (withheld(s)) await this.#peer()?.replace(s.source, null);
  }

  /** Sends it, or nothing while it is muted, and has the node know. @param {Stream} s */
  async tell(s) {
    if (!this.#peer()?.has(s.source)) return;
    await this.#peer()?.replace(s.source, withheld(s) ? null : s.input.track);
    await this.#announced.tell(s.source, !s.muted);
  }

  /**
   * What was in a first offer: the node keeps a session's mutes over its PeerConnections, so both on and off
   * are told.
   * @param {Source} source
   * @param {Stream} [s]  undefined: it has been stopped since
   */
  async offered(source, s) {
    if (s && withheld(s)) await this.#peer()?.replace(source, null);
    await this.#announced.say(source, s ? !s.muted : false);
  }

  /** Nothing of it is sent from now on, at once. @param {Source} source */
  cut(source) {
    this.#peer()?.cut(source);
  }

  /** It is over. @param {Source} source */
  async end(source) {
    const peer = this.#peer();
    if (!peer?.has(source)) return;
    await peer.replace(source, null);
    await this.#announced.say(source, false);
  }

  /**
   * What the node knows of it without being told; undefined: nothing.
   * @param {Source} source
   * @param {boolean} [on]
   */
  known(source, on) {
    if (on === undefined) this.#announced.delete(source);
    else this.#announced.set(source, on);
  }

  /** The node has been told nothing. */
  forget() {
    this.#announced.clear();
  }

  /** The node has turned off what it knows of. */
  silence() {
    this.#announced.silence();
  }
}

/** @param {Stream} s */
export function publicationOf({ source, input, simulcast, svc, codec, options }) {
  const { bitrate, degradationPreference, stereo, dtx } = applied(source, options);
  return { track: input.track, simulcast, svc, codec, bitrate, degradationPreference, stereo, dtx };
}

/**
 * A muted camera sends nothing at all; a muted microphone sends silence, so that it is back at once.
 * @param {Stream} s
 */
const withheld = (s) => s.muted && s.source === 'camera';

/** Whether a PeerConnection has gone meanwhile. @param {unknown} err */
export const aborted = (err) => err instanceof ParlorError && err.code === 'aborted';
