// What to do when media stops flowing: an ICE restart first, and a new PeerConnection if that does not help.
// A PeerConnection whose first offer fails is made anew too, ever more rarely while that goes on. Timing and
// decisions only; the caller acts.

import { Timers, backoff } from './clock.js';

/** A disconnected path often comes back by itself; lower restarts needlessly, higher freezes longer. */
const GRACE_MS = 3000;
/** How long after the node has ended media a new PeerConnection is made. A node that puts somebody out says why
 *  by signalling, which may come after. Lower tells of a failure that is none; higher freezes longer. */
const ENDED_MS = 500;
/** How long a restart may take until the next step. */
const SETTLE_MS = 8000;
/** ICE restarts before the PeerConnection is made anew. */
const RESTARTS = 2;
/** The first wait after a failed first offer, as a step of backoff(): 1 s, later up to 8 s. Lower asks a
 *  node that cannot help again and again; higher leaves one without media. */
const FIRST_WAIT = 2;

export class Recovery {
  #timers;
  #act;
  #random;
  #tries = 0;
  #unopened = 0; // PeerConnections in a row whose first offer failed

  /**
   * @param {import('./clock.js').Clock} clock
   * @param {(step: 'restart' | 'rebuild') => void} act
   * @param {() => number} random
   */
  constructor(clock, act, random) {
    this.#timers = new Timers(clock);
    this.#act = act;
    this.#random = random;
  }

  /** @param {RTCPeerConnectionState} state */
  changed(state) {
    if (state === 'connected') this.reset();
    else if (state === 'failed') this.#step();
    else if (state === 'closed') this.#timers.set('step', ENDED_MS, () => this.#rebuild());
    else if (state === 'disconnected') this.#timers.set('step', GRACE_MS, () => this.#step());
    else if (state === 'connecting' && !this.#timers.has('step')) this.#timers.set('step', SETTLE_MS, () => this.#step());
  }

  /**
   * Signalling is back after a break: if media is not well either, act at once.
   * @param {RTCPeerConnectionState | undefined} state
   */
  contact(state) {
    if (state !== 'connected' && state !== 'new') this.#step(); // new: its first offer is asked again
  }

  /**
   * The first offer of a PeerConnection has failed: there is nothing that could be restarted.
   * @returns {boolean} whether it is the first in a row
   */
  unopened() {
    this.#timers.set('step', backoff(FIRST_WAIT + this.#unopened, this.#random()), () => this.#rebuild());
    return this.#unopened++ === 0;
  }

  /** There is another PeerConnection. */
  renewed() {
    this.#timers.clearAll();
    this.#tries = 0;
  }

  /** All is well, or all is over. */
  reset() {
    this.renewed();
    this.#unopened = 0;
  }

  #step() {
    if (this.#tries >= RESTARTS || this.#unopened > 0) {
      this.#rebuild();
      return;
    }
    this.#tries++;
    this.#timers.set('step', SETTLE_MS, () => this.#step());
    this.#act('restart');
  }

  #rebuild() {
    this.#tries = 0;
    this.#timers.set('step', SETTLE_MS, () => this.#step());
    this.#act('rebuild');
  }
}
