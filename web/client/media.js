// The media connection of a session: one PeerConnection at a time (peer.js), and what goes through it. A
// PeerConnection is made anew if it cannot be repaired (recovery.js).

import { systemClock } from './clock.js';
import { Ice } from './ice.js';
import { log } from './log.js';
import { Peer } from './peer.js';
import { ParlorError } from './protocol.js';
import { Recovery } from './recovery.js';

/**
 * @typedef {object} MediaOptions
 * @property {import('./local.js').Local} local
 * @property {import('./remote.js').Remote} remote
 * @property {import('./messages.js').Messages} messages
 * @property {(offer: any) => Promise<any>} send
 * @property {() => boolean} signalled  whether there is signalling now
 * @property {(source: import('./protocol.js').Source) => boolean} may  send it
 * @property {(err: unknown) => void} onError
 * @property {() => import('./encryption.js').Cipher | null} cipher  end-to-end encryption; null: off
 * @property {import('./ice.js').IceOptions['own']} ice
 */

export class Media {
  /** @type {Peer | null} */
  #peer = null;
  /**
   * @type {Map<import('./protocol.js').Source, import('./protocol.js').Layers>} what the node has told in
   *   this session
   */
  #layers = new Map();
  #recovery = new Recovery(systemClock, (step) => this.#repair(step), Math.random);
  #opts;
  #ice;

  /** @param {MediaOptions} opts */
  constructor(opts) {
    this.#opts = opts;
    this.#ice = new Ice({
      clock: systemClock, own: opts.ice, ask: () => opts.send({ type: 'ice' }), onChange: (config) => this.#peer?.configure(config),
    });
  }

  /** The present PeerConnection; null outside a session. */
  get peer() {
    return this.#peer;
  }

  /** Signalling is back. @param {import('./ice.js').Told} resumed */
  contact(resumed) {
    this.#ice.renew(resumed);
    this.#recovery.contact(this.#peer?.state);
  }

  /** A session begins, or has ended. @param {import('./ice.js').Told} [entered] */
  reset(entered) {
    this.#ice.reset(entered);
    this.#recovery.reset();
    this.#layers.clear();
  }

  /**
   * Which layers of a source are to be sent. Holds for other PeerConnections of the session too.
   * @param {import('./protocol.js').Source} source
   * @param {import('./protocol.js').Layers} layers
   */
  steer(source, layers) {
    this.#layers.set(source, layers);
    this.#peer?.steer(source).catch(() => {}); // that PeerConnection has ended; the next one goes by #layers
  }

  /** A PeerConnection for this session, in place of any other. */
  open() {
    this.close();
    const peer = this.#make();
    if (!peer) return;
    this.#peer = peer;
    const publications = this.#opts.local.publications((source) => this.#opts.may(source));
    peer.open(this.#opts.remote.seatIds(), publications).then((refused) => {
      if (this.#peer !== peer) return;
      this.#opts.remote.sync();
      if (refused) this.#opts.local.refused(publications.keys(), refused);
      else void this.#opts.local.published(publications.keys());
    }, (err) => {
      if (this.#peer !== peer) return;
      peer.close(); // what waits for it goes to the next one
      const first = this.#recovery.unopened();
      if (first) this.#opts.onError(err);
    });
  }

  /** null: the browser makes none, which it may do later. */
  #make() {
    try {
      const peer = new Peer({
        send: (offer) => this.#opts.send(offer), ice: this.#ice.config, transports: this.#opts.ice.transports,
        layers: (source) => this.#layers.get(source),
        cipher: this.#opts.cipher(),
        onState: (state) => {
          log('info', 'media', state);
          if (this.#peer === peer) this.#recovery.changed(state);
        },
      });
      return peer;
    } catch (err) {
      if (this.#recovery.unopened()) this.#opts.onError(err);
      return null;
    }
  }

  /** Streams and messages that went through it wait for the next one. */
  close() {
    this.#recovery.renewed();
    this.#opts.remote.renew();
    this.#opts.messages.renew();
    this.#peer?.close();
    this.#peer = null;
  }

  /** @param {'restart' | 'rebuild'} step */
  #repair(step) {
    const peer = this.#peer;
    if (!this.#opts.signalled()) return; // without signalling: when it is back
    if (!peer) this.open();
    else if (step === 'rebuild') {
      // A first offer that failed has been reported as what it was.
      if (peer.opened) this.#opts.onError(new ParlorError('connection_failed', 'Sound and pictures do not get through to the server. Trying again.', { field: 'media' }));
      this.open();
    } else peer.restart().catch((err) => err?.code !== 'aborted' && this.#peer === peer && this.open());
  }
}
