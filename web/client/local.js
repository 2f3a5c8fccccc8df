// One's own camera, microphone and screen: captured, shown, muted, and sent while one may send.
// A source is captured whether or not one is in a room (a preview before entering is usual); what is
// captured is sent when there is a PeerConnection and one is an anchor.

import { audioConstraints, capture, captureScreen, videoConstraints } from './capture.js';
import { wantsSimulcast } from './encodings.js';
import { ParlorError } from './protocol.js';
import { VideoView } from './view.js';

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./view.js').View} View */

/**
 * @typedef {object} VideoOptions
 * @property {View | null} [view]      where the own picture is shown
 * @property {string} [deviceId]
 * @property {'user' | 'environment'} [facingMode]
 * @property {number} [width]          wished, default 1280
 * @property {number} [height]         wished, default 720
 * @property {number} [frameRate]      wished, default 30
 * @property {boolean} [simulcast]     default: on for pictures at least 640 wide
 * @property {'VP8' | 'VP9' | 'H264' | 'AV1'} [codec]  default: the browser's choice
 * @property {boolean} [mirror]        of the own view; default: on, except for environment cameras
 * @property {import('./view.js').FillMode} [fillMode]
 * @property {boolean} [mute]          starts muted
 */

/** @typedef {{deviceId?: string, echoCancellation?: boolean, noiseSuppression?: boolean, autoGainControl?: boolean, mute?: boolean}} AudioOptions */
/** @typedef {{view?: View | null, audio?: boolean, frameRate?: number, fillMode?: import('./view.js').FillMode}} ScreenOptions */
/** @typedef {{source: Source, track: MediaStreamTrack, muted: boolean, simulcast: boolean, codec?: string, view: VideoView | null, target: View | null}} Stream */

/**
 * @typedef {object} LocalOptions
 * @property {() => import('./peer.js').Peer | null} peer  null: not in a room, or not allowed to send now
 * @property {(source: Source, on: boolean) => Promise<unknown>} announce
 * @property {(source: Source) => void} onEnded  the device or the browser ended it; it has been stopped
 * @property {(source: Source, err: unknown) => void} onError  of what no call waits for
 */

export class Local {
  /** @type {Map<Source, Stream>} */
  #streams = new Map();
  /** @type {Map<Source, boolean | null>} what the node has been told; null: not known, absent: not offered */
  #announced = new Map();
  /** @type {Map<Source, Promise<unknown>>} calls for a source, one after the other */
  #tails = new Map();
  #generation = 0;
  #opts;

  /** @param {LocalOptions} opts */
  constructor(opts) {
    this.#opts = opts;
  }

  /** @param {Source} source */
  track(source) {
    return this.#streams.get(source)?.track ?? null;
  }

  /** @param {Source} source */
  isMuted(source) {
    return this.#streams.get(source)?.muted ?? false;
  }

  // --- starting

  /** @param {VideoOptions} o */
  startVideo(o) {
    return this.#serial('camera', async () => {
      if (this.#streams.has('camera')) {
        await this.#changeVideo(o);
        return;
      }
      const view = o.view ? new VideoView(o.view, { fillMode: o.fillMode, mirror: o.mirror ?? o.facingMode !== 'environment' }) : null;
      try {
        const track = await this.#capture({ video: videoConstraints(o) });
        const simulcast = wantsSimulcast({ ...o, width: track.getSettings().width });
        await this.#begin({ source: 'camera', track, muted: o.mute ?? false, simulcast, codec: o.codec, view, target: o.view ?? null });
      } catch (err) {
        view?.remove();
        throw err;
      }
    });
  }

  /** @param {AudioOptions} o */
  startAudio(o) {
    return this.#serial('mic', async () => {
      if (this.#streams.has('mic')) {
        await this.#changeAudio(o);
        return;
      }
      const track = await this.#capture({ audio: audioConstraints(o) });
      track.contentHint = 'speech';
      await this.#begin({ source: 'mic', track, muted: o.mute ?? false, simulcast: false, view: null, target: null });
    });
  }

  /** @param {ScreenOptions} o */
  startScreen(o) {
    return this.#serial('screen', async () => {
      if (this.#streams.has('screen')) return;
      const generation = this.#generation;
      const media = await captureScreen(o);
      if (generation !== this.#generation) {
        media.getTracks().forEach((t) => t.stop());
        throw stopped();
      }
      const [video] = media.getVideoTracks();
      const [audio] = media.getAudioTracks();
      video.contentHint = 'detail';
      const view = o.view ? new VideoView(o.view, { fillMode: o.fillMode ?? 'contain', mirror: false }) : null;
      try {
        await this.#begin({ source: 'screen', track: video, muted: false, simulcast: false, view, target: o.view ?? null });
      } catch (err) {
        audio?.stop();
        throw err;
      }
      if (!audio) return;
      audio.contentHint = 'music';
      await this.#begin({ source: 'screen-audio', track: audio, muted: false, simulcast: false, view: null, target: null })
        .catch((err) => this.#opts.onError('screen-audio', err)); // the picture is shared, so the call has not failed
    });
  }

  // --- changing

  /** @param {VideoOptions} o */
  updateVideo(o) {
    if (o.mute) this.#hush('camera');
    return this.#serial('camera', () => this.#changeVideo(o));
  }

  /** @param {AudioOptions} o */
  updateAudio(o) {
    if (o.mute) this.#hush('mic');
    return this.#serial('mic', () => this.#changeAudio(o));
  }

  /** @param {VideoOptions} o */
  async #changeVideo(o) {
    const s = this.#need('camera');
    if (o.view !== undefined && o.view !== s.target) {
      s.view?.remove();
      s.view = o.view ? new VideoView(o.view, { fillMode: o.fillMode, mirror: o.mirror ?? true }) : null;
      s.target = o.view;
      s.view?.show(s.track);
    } else {
      s.view?.look(o);
    }
    if (o.deviceId !== undefined || o.facingMode !== undefined) await this.#switchTo(s, { video: videoConstraints(o) });
    if (o.mute !== undefined) await this.#mute(s, o.mute);
  }

  /** @param {AudioOptions} o */
  async #changeAudio(o) {
    const s = this.#need('mic');
    if (o.deviceId !== undefined) await this.#switchTo(s, { audio: audioConstraints(o) });
    if (o.mute !== undefined) await this.#mute(s, o.mute);
  }

  /**
   * Another device for the same stream: no offer, nobody else is told. A phone cannot open two
   * cameras at once, so the old one is let go first.
   * @param {Stream} s
   * @param {MediaStreamConstraints} constraints
   */
  async #switchTo(s, constraints) {
    const old = s.track;
    if (constraints.video) old.stop();
    const track = await this.#capture(constraints).catch(async (err) => {
      if (constraints.video) await this.#end(s.source).catch(() => {});
      throw err;
    });
    old.stop();
    track.enabled = !s.muted;
    track.contentHint = old.contentHint;
    s.track = track;
    this.#watch(s);
    s.view?.show(track);
    if (!this.#withheld(s)) await this.#opts.peer()?.replace(s.source, track);
  }

  /**
   * Muted at once: telling the node waits for what is under way, which may be as long as an outage.
   * @param {Source} source
   */
  #hush(source) {
    const s = this.#streams.get(source);
    if (!s) return;
    s.muted = true;
    s.track.enabled = false;
  }

  /**
   * @param {Stream} s
   * @param {boolean} muted
   */
  async #mute(s, muted) {
    s.muted = muted;
    s.track.enabled = !muted;
    if (!this.#opts.peer()?.has(s.source)) return;
    await this.#opts.peer()?.replace(s.source, this.#withheld(s) ? null : s.track);
    await this.#tell(s);
  }

  // --- stopping

  /** @param {Source} source */
  stop(source) {
    this.#streams.get(source)?.track.stop(); // at once, like #hush()
    return this.#serial(source, () => this.#end(source));
  }

  stopScreen() {
    for (const source of /** @type {Source[]} */ (['screen', 'screen-audio'])) this.#streams.get(source)?.track.stop();
    return this.#serial('screen', async () => {
      await Promise.all([this.#end('screen'), this.#end('screen-audio')]);
    });
  }

  /** Releases every device now, also those that are being opened, and tells nobody. */
  releaseAll() {
    this.#generation++;
    for (const source of [...this.#streams.keys()]) this.#release(source);
    this.#announced.clear();
  }

  /** One has become audience: devices are released, and the node has turned off what it knows of. */
  silence() {
    const known = [...this.#announced.keys()];
    this.releaseAll();
    for (const source of known) this.#announced.set(source, false);
  }

  /** @param {Source} source */
  async #end(source) {
    if (!this.#release(source)) return;
    const peer = this.#opts.peer();
    if (!peer?.has(source)) return;
    await peer.replace(source, null);
    await this.#say(source, false);
  }

  /** @param {Source} source */
  #release(source) {
    const s = this.#streams.get(source);
    if (!s) return false;
    this.#streams.delete(source);
    s.track.onended = null;
    s.track.stop();
    s.view?.remove();
    return true;
  }

  // --- sending

  /**
   * What a new PeerConnection starts with. Its node has been told nothing. What one may not send is
   * released: nobody should talk into a microphone that only they believe in.
   * @param {(source: Source) => boolean} may
   */
  publications(may) {
    this.#announced.clear();
    const streams = [...this.#streams.values()];
    for (const s of streams) {
      if (!may(s.source)) this.#refuse(s, noRight(s.source));
    }
    const sent = this.#opts.peer() ? streams.filter((s) => may(s.source)) : []; // the audience only keeps it
    return new Map(sent.map((s) => [s.source, { track: s.track, simulcast: s.simulcast, codec: s.codec }]));
  }

  /**
   * After the first offer of a PeerConnection, of what was in it: the node keeps a session's mutes
   * over its PeerConnections, so both on and off are told.
   * @param {Iterable<Source>} sources
   */
  async published(sources) {
    for (const source of sources) {
      const s = this.#streams.get(source);
      try {
        if (s && this.#withheld(s)) await this.#opts.peer()?.replace(source, null);
        await this.#say(source, s ? !s.muted : false);
      } catch (err) {
        this.#opts.onError(source, err);
      }
    }
  }

  /**
   * The node does not take what was offered: it is released.
   * @param {Iterable<Source>} sources
   * @param {unknown} err
   */
  refused(sources, err) {
    for (const source of sources) {
      const s = this.#streams.get(source);
      if (s) this.#refuse(s, err);
    }
  }

  /**
   * One may no longer send it, and the node has turned it off: it is released.
   * @param {Source[]} sources
   */
  forbidden(sources) {
    for (const source of sources) {
      const s = this.#streams.get(source);
      if (s) this.#refuse(s, noRight(source), false);
      else this.#announced.set(source, false);
    }
  }

  /** Sends what is captured and not sent yet: one may from now on. What the node does not take is released. */
  async publishAll() {
    for (const s of [...this.#streams.values()]) {
      await this.#publish(s).catch((err) => {
        if (!aborted(err)) this.#refuse(s, err);
      });
    }
  }

  /**
   * Released in its turn, after the calls under way; then the application hears why.
   * @param {Stream} s
   * @param {unknown} err
   * @param {boolean} [known]  what the node has been told, where it has been
   */
  #refuse(s, err, known) {
    void this.#serial(s.source, async () => {
      if (this.#streams.get(s.source) !== s) return;
      this.#release(s.source);
      if (known === undefined) this.#announced.delete(s.source);
      else this.#announced.set(s.source, known);
      this.#opts.onError(s.source, err);
    });
  }

  /** @param {Stream} s */
  async #begin(s) {
    this.#streams.set(s.source, s);
    s.track.enabled = !s.muted;
    this.#watch(s);
    s.view?.show(s.track);
    try {
      await this.#publish(s);
    } catch (err) {
      if (aborted(err) && this.#streams.has(s.source)) return; // the next PeerConnection takes it
      this.#release(s.source);
      throw err;
    }
  }

  /** @param {Stream} s */
  async #publish(s) {
    const peer = this.#opts.peer();
    if (!peer) return;
    await peer.publish(s.source, { track: s.track, simulcast: s.simulcast, codec: s.codec });
    if (this.#streams.get(s.source) !== s) return;
    if (!this.#announced.has(s.source)) this.#announced.set(s.source, true); // an offer says on
    if (this.#withheld(s)) await peer.replace(s.source, null);
    await this.#tell(s);
  }

  /**
   * A muted camera sends nothing at all; a muted microphone sends silence, so that it is back at once.
   * @param {Stream} s
   */
  #withheld(s) {
    return s.muted && s.source === 'camera';
  }

  /** @param {Stream} s */
  async #tell(s) {
    if (this.#announced.get(s.source) !== !s.muted) await this.#say(s.source, !s.muted);
  }

  /**
   * @param {Source} source
   * @param {boolean} on
   */
  async #say(source, on) {
    this.#announced.set(source, on);
    try {
      await this.#opts.announce(source, on);
    } catch (err) {
      if (this.#announced.get(source) === on) this.#announced.set(source, null);
      throw err;
    }
  }

  // --- capturing

  /** @param {MediaStreamConstraints} constraints */
  async #capture(constraints) {
    const generation = this.#generation;
    const [track] = (await capture(constraints)).getTracks();
    if (generation !== this.#generation) {
      track.stop();
      throw stopped();
    }
    return track;
  }

  /** @param {Stream} s */
  #watch(s) {
    s.track.onended = () => {
      if (this.#streams.get(s.source)?.track !== s.track) return;
      const screen = s.source === 'screen';
      const done = screen ? this.stopScreen() : this.stop(s.source);
      done.catch(() => {}).then(() => this.#opts.onEnded(s.source));
    };
  }

  /** @param {Source} source */
  #need(source) {
    const s = this.#streams.get(source);
    if (!s) throw new ParlorError('invalid_state', `The ${source} has not been started.`);
    return s;
  }

  /**
   * @template T
   * @param {Source} source
   * @param {() => Promise<T>} job
   * @returns {Promise<T>}
   */
  #serial(source, job) {
    const run = (this.#tails.get(source) ?? Promise.resolve()).then(job);
    this.#tails.set(source, run.catch(() => {}));
    return run;
  }
}

/** @param {unknown} err */
const aborted = (err) => err instanceof ParlorError && err.code === 'aborted';

/** @param {Source} source */
export const noRight = (source) => new ParlorError('not_allowed', `You have no right to send the ${source}.`, { field: source });

const stopped = () => new ParlorError('aborted', 'The device was released while it was being opened.');
