// One's own camera, microphone and screen: captured, shown, muted, and sent while one may send.
// A source is captured whether or not one is in a room (a preview before entering is usual); what is
// captured is sent when there is a PeerConnection and one is an anchor. Options last until the source is
// stopped: a change gives those that become others (change.js), and one that fails changes nothing.

import { Announced } from './announced.js';
import { adjust, captureScreen } from './capture.js';
import { asWished, changed, constraintsOf, fixed, lookOf, merged } from './change.js';
import { layersOf } from './layered.js';
import { Input, calledOff, open } from './input.js';
import { ParlorError } from './protocol.js';
import { VideoView, elementOf, moves } from './view.js';

/** @typedef {import('./protocol.js').Source} Source */

/** @typedef {import('./types.js').VideoOptions} VideoOptions */
/** @typedef {import('./types.js').AudioOptions} AudioOptions */
/** @typedef {import('./types.js').ScreenOptions} ScreenOptions */
/** @typedef {VideoOptions & AudioOptions & ScreenOptions} AnyOptions  of the source that it is */
/** @typedef {{source: Source, input: Input, muted: boolean, simulcast: boolean, svc?: string, codec?: string, view: VideoView | null, options: AnyOptions}} Stream */

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
  /** @type {Map<Source, Promise<unknown>>} calls for a source, one after the other */
  #tails = new Map();
  #generation = 0;
  #opts;
  #announced;

  /** @param {LocalOptions} opts */
  constructor(opts) {
    this.#opts = opts;
    this.#announced = new Announced(opts.announce);
  }

  /** @param {Source} source */
  track(source) {
    return this.#streams.get(source)?.input.track ?? null;
  }

  /** @param {Source} source */
  isMuted(source) {
    return this.#streams.get(source)?.muted ?? false;
  }

  // --- starting

  /** @param {VideoOptions} o */
  startVideo(o) {
    const generation = this.#generation;
    return this.#serial('camera', async () => {
      if (this.#streams.has('camera')) {
        await this.#change('camera', o);
        return;
      }
      const view = o.view ? new VideoView(o.view, lookOf('camera', o)) : null;
      try {
        const input = await this.#open('camera', o, generation);
        const layers = await layersOf({ ...o, width: input.track.getSettings().width });
        await this.#begin({ source: 'camera', input, muted: o.mute ?? false, ...layers, view, options: { ...o } });
      } catch (err) {
        view?.remove();
        throw err;
      }
    });
  }

  /** @param {AudioOptions} o */
  startAudio(o) {
    const generation = this.#generation;
    return this.#serial('mic', async () => {
      if (this.#streams.has('mic')) {
        await this.#change('mic', o);
        return;
      }
      const input = await this.#open('mic', o, generation);
      await this.#begin({ source: 'mic', input, muted: o.mute ?? false, simulcast: false, view: null, options: { ...o } });
    });
  }

  /** @param {ScreenOptions} o */
  startScreen(o) {
    const generation = this.#generation;
    return this.#serial('screen', async () => {
      if (this.#streams.has('screen')) {
        await this.#change('screen', o);
        return;
      }
      const media = await captureScreen(o);
      if (generation !== this.#generation) {
        media.getTracks().forEach((t) => t.stop());
        throw calledOff();
      }
      const [video] = media.getVideoTracks();
      const [audio] = media.getAudioTracks();
      video.contentHint = 'detail';
      try {
        const view = o.view ? new VideoView(o.view, lookOf('screen', o)) : null;
        await this.#begin({ source: 'screen', input: new Input(video, false), muted: false, simulcast: false, view, options: { ...o } });
      } catch (err) {
        media.getTracks().forEach((t) => t.stop());
        throw err;
      }
      if (!audio) return;
      audio.contentHint = 'music';
      await this.#begin({ source: 'screen-audio', input: new Input(audio, false), muted: false, simulcast: false, view: null, options: {} })
        .catch((err) => this.#opts.onError('screen-audio', err)); // the picture is shared, so the call has not failed
    });
  }

  // --- changing

  /**
   * @param {'camera' | 'mic' | 'screen'} source
   * @param {AnyOptions} o
   */
  update(source, o) {
    if (o.view) elementOf(o.view); // throws before anything is done
    if (o.mute) this.#hush(source);
    return this.#serial(source, () => this.#change(source, o));
  }

  /**
   * What can fail comes first, and then nothing has changed. But muting holds, whatever becomes of the rest.
   * @param {Source} source
   * @param {AnyOptions} given
   */
  async #change(source, given) {
    const s = this.#need(source);
    const o = merged(s.options, given);
    fixed(s, given);
    const look = lookOf(source, o);
    const elsewhere = moves(s.view, given.view);
    const view = elsewhere && given.view ? new VideoView(given.view, look) : null;
    try {
      if (given.mute) await this.#mute(s, true);
      const wanted = changed(s, o);
      if (wanted?.anew) await this.#switchTo(s, o);
      if (wanted?.adjusted) await adjust(s.input.raw, /** @type {MediaTrackConstraints} */ (wanted.constraints.video), source);
      if (wanted?.processed) await this.#process(s, o);
      if (wanted) await this.#resend(s);
    } catch (err) {
      view?.remove();
      throw err;
    }
    s.options = o;
    if (elsewhere) {
      s.view?.remove();
      s.view = view;
      view?.show(s.input.track);
    } else s.view?.look(look);
    if (given.mute === false) await this.#mute(s, false);
  }

  /**
   * Another device, or the same one opened anew, for the same stream: no offer, nobody else is told.
   * @param {Stream} s
   * @param {AnyOptions} o
   */
  async #switchTo(s, o) {
    const old = s.input;
    old.onended(null); // a phone takes one camera away for another
    try {
      const input = await this.#open(s.source, o);
      if (input.own || old.own || asWished(input.raw, constraintsOf(s.source, o))) this.#adopt(s, input);
      else {
        input.stop();
        throw new ParlorError('device_busy', 'The microphone goes on as it was opened first.');
      }
    } catch (err) {
      await this.#restore(s, o, err);
    }
    if (s.input !== old) old.stop();
  }

  /**
   * Another processor, or none, of what goes on to be captured.
   * @param {Stream} s
   * @param {AnyOptions} o
   */
  async #process(s, o) {
    await s.input.process(s.source, o.processor);
    this.#adopt(s, s.input);
  }

  /**
   * It could not be opened beside the one in use. If that may be why, it is tried without that: a phone opens
   * one camera at a time, and Chromium does to the sound of one microphone what was asked for first. In the
   * end all is as it was.
   * @param {Stream} s
   * @param {AnyOptions} o
   * @param {unknown} err
   */
  async #restore(s, o, err) {
    if (this.#streams.get(s.source) !== s) throw err;
    if (s.input.own || !isBusy(err) && s.input.raw.readyState === 'live') {
      this.#watch(s);
      throw err;
    }
    s.input.stop();
    try {
      this.#adopt(s, await this.#open(s.source, o));
    } catch {
      const before = await this.#open(s.source, s.options).catch(() => null);
      if (before) this.#adopt(s, before);
      await (before ? this.#resend(s) : this.#lose(s));
      throw err;
    }
  }

  /** The device is gone for good. @param {Stream} s */
  async #lose(s) {
    await this.#end(s.source).catch(() => {});
    this.#opts.onEnded(s.source);
  }

  /**
   * @param {Stream} s
   * @param {Input} input
   */
  #adopt(s, input) {
    if (!input.own && !s.input.own) input.track.contentHint = s.input.track.contentHint;
    s.input = input;
    this.#enable(s);
    this.#watch(s);
    s.view?.show(input.track);
  }

  /** Whether a track of the application's is on is the application's to say, unless it is muted here. @param {Stream} s */
  #enable(s) {
    const { input: { own, raw, track } } = s;
    if (s.muted || !own || track !== raw) track.enabled = !s.muted;
  }

  /** Sends what it is now. Where the PeerConnection has gone, the next one takes it. @param {Stream} s */
  async #resend(s) {
    if (this.#withheld(s)) return;
    await this.#opts.peer()?.replace(s.source, s.input.track).catch((err) => {
      if (!aborted(err)) throw err;
    });
  }

  /**
   * Muted at once: telling the node waits for what is under way, which may be as long as an outage.
   * @param {Source} source
   */
  #hush(source) {
    const s = this.#streams.get(source);
    if (!s) return;
    s.muted = true;
    s.input.track.enabled = false;
  }

  /**
   * @param {Stream} s
   * @param {boolean} muted
   */
  async #mute(s, muted) {
    s.muted = muted;
    s.input.track.enabled = !muted;
    if (!this.#opts.peer()?.has(s.source)) return;
    try {
      await this.#opts.peer()?.replace(s.source, this.#withheld(s) ? null : s.input.track);
      await this.#announced.tell(s.source, !s.muted);
    } catch (err) {
      if (!muted && !aborted(err)) this.#hush(s.source); // it is not on for the others
      throw err;
    }
  }

  // --- stopping

  /** @param {Source} source */
  stop(source) {
    this.#halt(source);
    return this.#serial(source, () => this.#end(source));
  }

  stopScreen() {
    for (const source of /** @type {Source[]} */ (['screen', 'screen-audio'])) this.#halt(source);
    return this.#serial('screen', async () => {
      await Promise.all([this.#end('screen'), this.#end('screen-audio')]);
    });
  }

  /** Nothing of it is sent any more, at once, like #hush(). @param {Source} source */
  #halt(source) {
    const input = this.#streams.get(source)?.input;
    input?.stop();
    if (input?.own) this.#opts.peer()?.cut(source);
  }

  /** Releases every device now, also those that are being opened, and tells nobody. */
  releaseAll() {
    this.#releaseDevices();
    this.#announced.clear();
  }

  #releaseDevices() {
    this.#generation++;
    for (const source of [...this.#streams.keys()]) this.#release(source);
  }

  /** One has become audience: devices are released, and the node has turned off what it knows of. */
  silence() {
    this.#releaseDevices();
    this.#announced.silence();
  }

  /** @param {Source} source */
  async #end(source) {
    if (!this.#release(source)) return;
    const peer = this.#opts.peer();
    if (!peer?.has(source)) return;
    await peer.replace(source, null);
    await this.#announced.say(source, false);
  }

  /** @param {Source} source */
  #release(source) {
    const s = this.#streams.get(source);
    if (!s) return false;
    this.#streams.delete(source);
    s.input.stop();
    if (s.input.own) this.#opts.peer()?.cut(source);
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
    return new Map(sent.map((s) => [s.source, { track: s.input.track, simulcast: s.simulcast, svc: s.svc, codec: s.codec }]));
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
        await this.#announced.say(source, s ? !s.muted : false);
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
    this.#adopt(s, s.input);
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
    await peer.publish(s.source, { track: s.input.track, simulcast: s.simulcast, svc: s.svc, codec: s.codec });
    if (this.#streams.get(s.source) !== s) return;
    if (!this.#announced.has(s.source)) this.#announced.set(s.source, true); // an offer says on
    if (this.#withheld(s)) await peer.replace(s.source, null);
    await this.#announced.tell(s.source, !s.muted);
  }

  /**
   * A muted camera sends nothing at all; a muted microphone sends silence, so that it is back at once.
   * @param {Stream} s
   */
  #withheld(s) {
    return s.muted && s.source === 'camera';
  }

  // --- capturing

  /**
   * @param {Source} source
   * @param {AnyOptions} o
   * @param {number} [generation] in which it was asked for; by its turn it may have been called off
   */
  #open(source, o, generation = this.#generation) {
    return open(source, o, () => generation === this.#generation);
  }

  /** @param {Stream} s */
  #watch(s) {
    s.input.onended(() => {
      const done = s.source === 'screen' ? this.stopScreen() : this.stop(s.source);
      done.catch(() => {}).then(() => this.#opts.onEnded(s.source));
    });
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

/** @param {unknown} err */
const isBusy = (err) => err instanceof ParlorError && err.code === 'device_busy';

/** @param {Source} source */
export const noRight = (source) => new ParlorError('not_allowed', `You have no right to send the ${source}.`, { field: source });
