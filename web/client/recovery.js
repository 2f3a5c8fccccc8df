// What to do when media stops flowing: an ICE restart first, a new PeerConnection when that does not
// help. Timing and decisions only; the caller acts.

import { Timers } from './clock.js';

/** A disconnected path often comes back by itself; lower restarts needlessly, higher freezes longer. */
const GRACE_MS = 3000;
/** How long a restart may take until the next step. */
const SETTLE_MS = 8000;
/** ICE restarts before the PeerConnection is made anew. */
const RESTARTS = 2;

export class Recovery {
  #timers;
  #act;
  #tries = 0;

  /**
   * @param {import('./clock.js').Clock} clock
   * @param {(step: 'restart' | 'rebuild') => void} act
   */
  constructor(clock, act) {
    this.#timers = new Timers(clock);
    this.#act = act;
  }

  /** @param {RTCPeerConnectionState} state */
  changed(state) {
    if (state === 'connected') this.reset();
    else if (state === 'failed') this.#step();
    else if (state === 'closed') this.#rebuild();
    else if (state === 'disconnected') this.#timers.set('step', GRACE_MS, () => this.#step());
    else if (state === 'connecting' && !this.#timers.has('step')) this.#timers.set('step', SETTLE_MS, () => this.#step());
  }

  /**
   * Signalling is back after a break: where media is not well either, act at once.
   * @param {RTCPeerConnectionState | undefined} state
   */
  contact(state) {
    if (state !== 'connected') this.#step();
  }

  /** All is well, or all is over. */
  reset() {
    this.#timers.clearAll();
    this.#tries = 0;
  }

  #step() {
    if (this.#tries >= RESTARTS) {
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
