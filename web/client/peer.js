// The one PeerConnection of a client. The client always offers and the node only answers, so there is no
// glare. Everything that changes the description goes through one queue, a job at a time.
//
//   open()      first offer: seats, and what is being published already
//   grow()      more seats by another offer
//   publish()   a local track: reuses its section, offers only when there is none that fits
//   replace()   another track, or none, in the section, which stays for the next time
//   steer()     sends the layers that somebody gets, and no others
//   channels()  data channels for messages, by another offer
//   restart()   ICE restart
//
// A job that the node refuses is taken back (rollback), and only its caller hears of it.

import { encodings, preferred, receivable, redundant, refit, shapeOf } from './encodings.js';
import { CHANNELS, ParlorError } from './protocol.js';
import { compact, hearsStereo, opusOf, reachable } from './sdp.js';

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./protocol.js').OfferRequest} OfferRequest */
/**
 * @typedef {object} Publication  a track, and how it is sent
 * @property {MediaStreamTrack} track
 * @property {boolean} [simulcast]
 * @property {string} [svc]
 * @property {string} [codec]
 * @property {number} [bitrate]  kbit/s, the most of all its layers
 * @property {RTCDegradationPreference} [degradationPreference]
 * @property {boolean} [stereo]
 * @property {boolean} [dtx]
 */
/** @typedef {{audio: RTCRtpTransceiver, video: RTCRtpTransceiver}} SeatPair */
/** @typedef {{transceiver: RTCRtpTransceiver, p: Publication, codec?: string, opus: string, listed: boolean}}
 *  Section  p: what it is to send; of the last offer that was answered: its parameters of Opus, and whether
 *  it was named */

/**
 * @typedef {object} PeerOptions
 * @property {(offer: OfferRequest) => Promise<{sdp: string}>} send
 * @property {(source: Source) => import('./protocol.js').Layers | undefined} [layers]  which are to be sent;
 *   undefined: all
 * @property {import('./encryption.js').Cipher | null} [cipher]  end-to-end encryption: all senders and
 *   receivers go through it from the moment they are made
 * @property {RTCConfiguration} ice  its servers of ICE
 * @property {import('./types.js').Way[]} [transports]  by which the node may be reached; default: all
 * @property {(state: RTCPeerConnectionState) => void} onState  `closed` also when the node ended DTLS
 */

export class Peer {
  #pc;
  #send;
  #onState;
  #transports;
  #layers;
  #cipher;
  #fresh = true;
  #closed = false;
  /** @type {(err: ParlorError) => void} */
  #end = () => {};
  /** Rejected by close(): the browser never settles what is under way on a PeerConnection that is closed. */
  #gone = new Promise((_, reject) => {
    this.#end = reject;
  });
  /** @type {Promise<unknown>} */
  #tail = Promise.resolve();
  /** @type {Map<string, SeatPair>} */
  #seats = new Map();
  /** @type {Map<Source, Section>} the section in use */
  #active = new Map();
  /** @type {Map<string, Section>} every section ever made, by source and kind */
  #sections = new Map();
  #stream = new MediaStream();
  #screenStream = new MediaStream();

  /** @param {PeerOptions} opts */
  constructor({ send, onState, ice, transports, layers = () => undefined, cipher = null }) {
    this.#transports = transports;
    this.#send = send;
    this.#cipher = cipher;
    this.#layers = layers;
    this.#onState = onState;
    this.#gone.catch(() => {});
    this.#pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', ...ice });
    this.#pc.onconnectionstatechange = () => onState(this.#pc.connectionState);
  }

  /** Other servers of ICE are to be used, from the next restart on. @param {RTCConfiguration} ice */
  configure(ice) {
    if (!this.#closed) this.#pc.setConfiguration({ bundlePolicy: 'max-bundle', ...ice });
  }

  get state() {
    return this.#pc.connectionState;
  }

  /** Whether the node has answered its first offer. */
  get opened() {
    return !this.#fresh;
  }

  get pc() {
    return this.#pc;
  }

  /** @param {Source} source */
  has(source) {
    return this.#active.has(source);
  }

  /**
   * The tracks of a seat, once it has been negotiated.
   * @param {string} seat
   * @returns {{video: MediaStreamTrack, audio: MediaStreamTrack} | null}
   */
  tracks(seat) {
    const pair = this.#seats.get(seat);
    return pair?.video.currentDirection === 'recvonly' ? { video: pair.video.receiver.track, audio: pair.audio.receiver.track } : null;
  }

  /**
   * Has sound held before it is played, if the browser can.
   * @param {(trackId: string) => number | null} of  for how many ms at least; null: as the browser likes
   */
  buffer(of) {
    for (const { audio: { receiver } } of this.#seats.values()) {
      const ms = of(receiver.track.id);
      if (!('jitterBufferTarget' in receiver) || receiver.jitterBufferTarget === ms) continue;
      receiver.jitterBufferTarget = ms;
    }
  }

  /**
   * The first offer. It leaves out whatever may not be published, so that one can at least receive.
   * @param {string[]} seats
   * @param {Map<Source, Publication>} publications
   * @returns {Promise<ParlorError | null>} why nothing is published, if so
   */
  open(seats, publications) {
    return this.#queue(async () => {
      seats.forEach((id) => this.#addSeat(id));
      for (const [source, p] of publications) await this.#occupy(source, p);
      try {
        await this.#negotiate();
      } catch (err) {
        if (publications.size === 0 || !refusal(err)) throw err;
        for (const source of publications.keys()) await this.#vacate(source);
        await this.#negotiate();
        return /** @type {ParlorError} */ (err);
      }
      return null;
    });
  }

  /** @param {string[]} seats */
  grow(seats) {
    return this.#queue(async () => {
      seats.forEach((id) => this.#addSeat(id));
      try {
        await this.#negotiate();
      } catch (err) {
        for (const id of seats) this.#removeSeat(id);
        throw err;
      }
    });
  }

  /**
   * Sends a track, also in place of what is sent of this source, which may have been sent otherwise. If it
   * fails, nothing is sent.
   * @param {Source} source
   * @param {Publication} publication
   */
  publish(source, publication) {
    return this.#queue(async () => {
      if (!(await this.#occupy(source, publication))) return;
      try {
        await this.#negotiate();
        if (this.#active.get(source)?.transceiver.currentDirection !== 'sendonly') {
          throw new ParlorError('not_supported', 'The server takes none of the codecs that this browser can send.');
        }
      } catch (err) {
        await this.#vacate(source);
        throw err;
      }
    });
  }

  /**
   * Sends this track, or nothing (null), in the section of a source. No offer. A track of another size than
   * before may take another bitrate; so may the same track.
   * @param {Source} source
   * @param {MediaStreamTrack | null} track
   */
  replace(source, track) {
    return this.#queue(async () => {
      const section = this.#active.get(source);
      await section?.transceiver.sender.replaceTrack(track);
      if (section && track) await this.#fit(source, section, track);
    });
  }

  /**
   * Nothing of a source is sent from now on, whatever is still under way; replace() says so in its turn.
   * @param {Source} source
   */
  cut(source) {
    void this.#active.get(source)?.transceiver.sender.replaceTrack(null).catch(() => {}); // closed: nothing is sent
  }

  /**
   * Other layers of a source are to be sent than before. No offer.
   * @param {Source} source
   */
  steer(source) {
    return this.#queue(async () => {
      const section = this.#active.get(source);
      if (section) await this.#fit(source, section, section.transceiver.sender.track);
    });
  }

  /**
   * Sends nothing any more: one has become audience, or has lost the right to send. The node knows, so it
   * costs no offer.
   * @param {Source[]} [sources]  not all
   */
  withdraw(sources) {
    return this.#queue(async () => {
      for (const source of sources ?? [...this.#active.keys()]) await this.#vacate(source);
    });
  }

  /**
   * Opens the data channels for messages. They may still be connecting when it resolves.
   * @returns {Promise<import('./messages.js').Channels>}
   */
  channels() {
    return this.#queue(async () => {
      const reliable = this.#pc.createDataChannel(CHANNELS.reliable);
      const unreliable = this.#pc.createDataChannel(CHANNELS.unreliable, { ordered: false, maxRetransmits: 0 });
      try {
        await this.#negotiate();
      } catch (err) {
        reliable.close();
        unreliable.close();
        throw err;
      }
      return { reliable, unreliable };
    });
  }

  /** New ICE credentials: after a change of network, or when the connection has failed. */
  restart() {
    return this.#queue(async () => {
      this.#pc.restartIce();
      await this.#negotiate();
    });
  }

  /** Ends the connection. Jobs that are queued or under way are rejected with `aborted`. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#pc.onconnectionstatechange = null;
    this.#pc.close();
    this.#end(closed());
  }

  // --- one job at a time

  /**
   * @template T
   * @param {() => Promise<T>} job
   * @returns {Promise<T>}
   */
  #queue(job) {
    const run = this.#tail.then(() => {
      if (this.#closed) throw closed();
      return Promise.race([job(), this.#gone]);
    });
    this.#tail = run.catch(() => {});
    return run;
  }

  async #negotiate() {
    await this.#describe();
    const fresh = this.#fresh;
    /** @type {OfferRequest} */
    const offer = { type: 'offer', sdp: compact(this.#pc.localDescription?.sdp ?? '', this.#opus()), publish: {}, seats: [], ...(fresh && { fresh }) };
    for (const [source, s] of this.#active) offer.publish[String(s.transceiver.mid)] = source;
    for (const [id, s] of this.#seats) offer.seats.push({ id, video: s.video.mid ?? undefined, audio: s.audio.mid ?? undefined });
    let answer;
    try {
      answer = await this.#send(offer);
    } catch (err) {
      if (this.#pc.signalingState === 'have-local-offer') await this.#pc.setLocalDescription({ type: 'rollback' });
      throw err;
    }
    if (this.#closed) throw closed();
    await this.#pc.setRemoteDescription({ type: 'answer', sdp: reachable(answer.sdp, this.#transports) });
    this.#fresh = false;
    const listed = new Set(this.#active.values());
    for (const s of this.#sections.values()) s.listed = listed.has(s);
    for (const s of listed) s.opus = opusOf(s.p);
    this.#watchDTLS();
  }

  /** Takes its own description of an offer, in which seats ask for stereo if the browser lets one ask. */
  async #describe() {
    const { sdp = '' } = await this.#pc.createOffer();
    const stereo = hearsStereo(sdp);
    if (stereo !== sdp) {
      try {
        await this.#pc.setLocalDescription({ type: 'offer', sdp: stereo });
        return;
      } catch {} // then without
    }
    await this.#pc.setLocalDescription();
  }

  /** What is to be said of Opus, by mid. */
  #opus() {
    const sound = [...this.#active].filter(([source]) => source === 'mic');
    return new Map(sound.map(([, s]) => [s.transceiver.mid, opusOf(s.p)]));
  }

  /** The node's close_notify ends DTLS without the connection state saying so. */
  #watchDTLS() {
    const dtls = this.#pc.getTransceivers()[0]?.receiver.transport;
    if (!dtls) return;
    dtls.onstatechange = () => {
      if (!this.#closed && (dtls.state === 'closed' || dtls.state === 'failed')) this.#onState('closed');
    };
  }

  // --- sections

  /** @param {string} id */
  #addSeat(id) {
    const audio = this.#pc.addTransceiver('audio', { direction: 'recvonly' });
    const video = this.#pc.addTransceiver('video', { direction: 'recvonly' });
    limitCodecs(audio, 'audio');
    limitCodecs(video, 'video');
    describeLayers(video);
    this.#cipher?.receiver(audio.receiver, id, 'audio');
    this.#cipher?.receiver(video.receiver, id, 'video');
    this.#seats.set(id, { audio, video });
  }

  /**
   * Removes a seat that was refused: its transceivers cannot be unmade before they were negotiated.
   * @param {string} id
   */
  #removeSeat(id) {
    const pair = this.#seats.get(id);
    this.#seats.delete(id);
    pair?.audio.stop();
    pair?.video.stop();
  }

  /**
   * Puts a track into a section that fits, made anew if there is none.
   * @param {Source} source
   * @param {Publication} p
   * @returns {Promise<boolean>} whether an offer is needed
   */
  async #occupy(source, p) {
    const key = `${source} ${shapeOf(p)}`;
    const old = this.#active.get(source);
    let section = this.#sections.get(key);
    if (section && !reusable(section)) {
      section.transceiver.stop(); // its place in the description is free again
      section = undefined;
    }
    if (old && old !== section) await this.#vacate(source);
    if (!section) {
      section = { transceiver: this.#addSender(source, p), p, opus: '', listed: false };
      this.#sections.set(key, section);
    } else await section.transceiver.sender.replaceTrack(p.track);
    section.p = p;
    await this.#fit(source, section, p.track);
    const t = section.transceiver;
    const same = section.codec === p.codec;
    if (!same) preferCodec(t, p.codec);
    section.codec = p.codec;
    this.#active.set(source, section);
    return !same || source === 'mic' && section.opus !== opusOf(p) || t.currentDirection !== 'sendonly';
  }

  /**
   * @param {Source} source
   * @param {Publication} p
   */
  #addSender(source, p) {
    const { width, height } = p.track.getSettings();
    const t = this.#pc.addTransceiver(p.track, {
      direction: 'sendonly',
      streams: [source.startsWith('screen') ? this.#screenStream : this.#stream],
      sendEncodings: encodings({ source, simulcast: p.simulcast, svc: p.svc, codec: p.codec, bitrate: p.bitrate, width, height, layers: this.#layers(source) }),
    });
    try {
      this.#cipher?.sender(t.sender, source);
    } catch (err) {
      t.stop(); // never in the clear
      throw err;
    }
    if (source === 'mic') preferRedundant(t);
    return t;
  }

  /**
   * Gives the layers of a picture what one of its size needs or may have, and sends those layers of any
   * source that are wanted.
   * @param {Source} source
   * @param {Section} section
   * @param {MediaStreamTrack | null} track
   */
  async #fit(source, { transceiver: { sender }, p: { codec, bitrate, degradationPreference } }, track) {
    const p = /** @type {RTCRtpSendParameters & {degradationPreference?: string}} */ (sender.getParameters());
    const size = source === 'camera' || source === 'screen' ? track?.getSettings() : undefined;
    const wanted = encodings({ source, simulcast: p.encodings?.length > 1, codec, bitrate, width: size?.width, height: size?.height });
    const sacrifices = p.degradationPreference !== degradationPreference;
    p.degradationPreference = degradationPreference;
    if (refit(p.encodings ?? [], wanted, size !== undefined, this.#layers(source) ?? {}) || sacrifices) {
      // not yet negotiated, or a browser without it: the picture is sent all the same
      await sender.setParameters(p).catch(() => {});
    }
  }

  /**
   * Nothing is sent in the section, and the next offer does not name it any more.
   * @param {Source} source
   */
  async #vacate(source) {
    const section = this.#active.get(source);
    this.#active.delete(source);
    await section?.transceiver.sender.replaceTrack(null);
  }
}

const closed = () => new ParlorError('aborted', 'The media connection was closed.');

/** @param {unknown} err */
const refusal = (err) => err instanceof ParlorError && (err.code === 'not_allowed' || err.code === 'publisher_limit');

/**
 * Whether a section can carry a track again: it is new, or was named in every offer since. Otherwise the node
 * has forgotten its layers, and browsers name those only until they know that they arrived.
 * @param {Section} s
 */
const reusable = ({ listed, transceiver: t }) => t.currentDirection === null || (listed && t.currentDirection === 'sendonly');

/**
 * @param {RTCRtpTransceiver} t
 * @param {'audio' | 'video'} kind
 */
function limitCodecs(t, kind) {
  const all = RTCRtpReceiver.getCapabilities?.(kind)?.codecs;
  const some = all && receivable(all);
  if (some?.length) t.setCodecPreferences?.(some);
}

const DEPENDENCIES = 'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension';

/**
 * Has the node say in a seat which layers of a picture it sends (SVC), if the browser takes that. Some
 * browsers decode part of AV1's layers only with it, and do not offer it by themselves.
 * @param {RTCRtpTransceiver} t
 */
function describeLayers(t) {
  const { getHeaderExtensionsToNegotiate: all, setHeaderExtensionsToNegotiate: set } = /** @type {any} */ (t);
  if (all && set) set.call(t, all.call(t).map((/** @type {any} */ x) => (x.uri === DEPENDENCIES ? { ...x, direction: 'sendrecv' } : x)));
}

/** @param {RTCRtpTransceiver} t */
function preferRedundant(t) {
  const all = RTCRtpSender.getCapabilities?.('audio')?.codecs;
  const wanted = all && redundant(all);
  // a browser without setCodecPreferences() keeps its own order
  if (wanted && wanted[0] !== all[0]) t.setCodecPreferences?.(wanted);
}

/**
 * @param {RTCRtpTransceiver} t
 * @param {string} [codec]  undefined: the browser's choice
 */
function preferCodec(t, codec) {
  const all = RTCRtpSender.getCapabilities?.('video')?.codecs;
  if (all) t.setCodecPreferences?.(preferred(all, codec));
}
