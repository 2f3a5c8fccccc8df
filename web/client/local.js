// One's own camera, microphone and screen: captured, shown, muted, and sent while one may send.
// A source is captured whether or not one is in a room (a preview before entering is usual); what is
// captured is sent when there is a PeerConnection and one is an anchor. Options last until the source is
// stopped: a change gives those that become others (change.js), and one that fails changes nothing.

import { adjust, captureScreen } from './capture.js';
import { changed, fixed, lookOf, merged } from './change.js';
import { isThat, named } from './fallback.js';
import { Input, calledOff } from './input.js';
import { Inputs } from './inputs.js';
import { layersOf } from './layered.js';
import { ParlorError } from './protocol.js';
import { Sending, aborted, publicationOf } from './sending.js';
import { VideoView, elementOf, moves } from './view.js';

/** @typedef {import('./protocol.js').Source} Source */

/** @typedef {import('./types.js').VideoOptions} VideoOptions */
/** @typedef {import('./types.js').AudioOptions} AudioOptions */
/** @typedef {import('./types.js').ScreenOptions} ScreenOptions */
/** @typedef {Omit<VideoOptions & AudioOptions & ScreenOptions, 'profile' | 'contentHint'> & {profile?: string | null, contentHint?: string | null}} AnyOptions  of the source that it is */
/** @typedef {{source: Source, input: Input, muted: boolean, simulcast: boolean, svc?: string, codec?: string, view: VideoView | null, options: AnyOptions, lost?: {device: import('./fallback.js').Used, deviceId?: string}}} Stream
 *  lost: the device that went, and the id with which it was asked for */

/**
 * @typedef {object} LocalOptions
 * @property {() => import('./peer.js').Peer | null} peer  null: not in a room, or not allowed to send now
 * @property {(source: Source, on: boolean) => Promise<unknown>} announce
 * @property {(source: Source) => void} onEnded  the device or the browser ended it; it has been stopped
 * @property {(source: Source, err: unknown) => void} onError  of what no call waits for
 * @property {(e: import('./types.js').DeviceSwitch) => void} onSwitched  another device took its place
 */

/** The options by which an application says what a stream comes from. */
const CHOICE = /** @type {const} */ (['deviceId', 'facingMode', 'videoTrack', 'audioTrack']);

export class Local {
  /** @type {Map<Source, Stream>} */
  #streams = new Map();
  /** @type {Map<Source, Promise<unknown>>} calls for a source, one after the other */
  #tails = new Map();
  #opts;
  #sending;
  #inputs;

  /** @param {LocalOptions} opts */
  constructor(opts) {
    this.#opts = opts;
    this.#sending = new Sending(opts.peer, opts.announce);
    this.#inputs = new Inputs({
      holds: (s) => this.#streams.get(s.source) === s,
      resend: (s) => this.#sending.resend(s),
      ended: (s) => this.#ended(s),
      lost: (s) => this.#lose(s),
    });
  }

  /** @param {Source} source */
  track(source) {
    return this.#streams.get(source)?.input.track ?? null;
  }

  /** The pictures of which a processor is to make new ones all the time. */
  processed() {
    const s = this.#streams.get('camera');
    return s?.input.processed && !s.muted ? [{ userId: '', source: s.source, trackId: s.input.track.id }] : [];
  }

  /** @param {Source} source */
  isMuted(source) {
    return this.#streams.get(source)?.muted ?? false;
  }

  // --- starting

  /** @param {VideoOptions} o */
  startVideo(o) {
    const { generation } = this.#inputs;
    return this.#serial('camera', async () => {
      if (this.#streams.has('camera')) {
        await this.#change('camera', o);
        return;
      }
      const view = o.view ? new VideoView(o.view, lookOf('camera', o)) : null;
      try {
        const input = await this.#inputs.open('camera', o, generation);
        const layers = await layersOf(o, input.track);
        await this.#begin({ source: 'camera', input, muted: o.mute ?? false, ...layers, view, options: { ...o } });
      } catch (err) {
        view?.remove();
        throw err;
      }
    });
  }

  /** @param {AudioOptions} o */
  startAudio(o) {
    const { generation } = this.#inputs;
    return this.#serial('mic', async () => {
      if (this.#streams.has('mic')) {
        await this.#change('mic', o);
        return;
      }
      const input = await this.#inputs.open('mic', o, generation);
      await this.#begin({ source: 'mic', input, muted: o.mute ?? false, simulcast: false, view: null, options: { ...o } });
    });
  }

  /** @param {ScreenOptions} o */
  startScreen(o) {
    const { generation } = this.#inputs;
    return this.#serial('screen', async () => {
      if (this.#streams.has('screen')) {
        await this.#change('screen', o);
        return;
      }
      const media = await captureScreen(o);
      if (generation !== this.#inputs.generation) {
        media.getTracks().forEach((t) => t.stop());
        throw calledOff();
      }
      const [video] = media.getVideoTracks();
      const [audio] = media.getAudioTracks();
      const input = new Input(video, false);
      try {
        await input.process('screen', o.processor);
        if (generation !== this.#inputs.generation) throw calledOff();
        input.hint('screen', o);
        const view = o.view ? new VideoView(o.view, lookOf('screen', o)) : null;
        await this.#begin({ source: 'screen', input, muted: false, simulcast: false, view, options: { ...o } });
      } catch (err) {
        input.stop();
        audio?.stop();
        throw err;
      }
      if (!audio) return;
      const sound = new Input(audio, false);
      sound.hint('screen-audio', {});
      await this.#begin({ source: 'screen-audio', input: sound, muted: false, simulcast: false, view: null, options: {} })
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
      await this.#exchange(s, o);
    } catch (err) {
      view?.remove();
      throw err;
    }
    if (elsewhere) {
      s.view?.remove();
      s.view = view;
      view?.show(s.input.track);
    } else s.view?.look(look);
    if (CHOICE.some((field) => given[field] !== undefined)) s.lost = undefined;
    if (given.mute === false) await this.#mute(s, false);
  }

  /**
   * What it comes from and how it is sent, one after the other; if one of them fails, all is as before.
   * @param {Stream} s
   * @param {AnyOptions} o
   */
  async #exchange(s, o) {
    const { constraints, before, anew, adjusted, processed, hinted, layered, sent } = changed(s, o);
    /** @type {(() => unknown)[]} */
    const back = [];
    try {
      if (anew) {
        await this.#inputs.switchTo(s, o);
        back.push(() => this.#inputs.switchTo(s, s.options));
      }
      if (adjusted) {
        await adjust(s.input.raw, constraints, s.source);
        back.push(() => adjust(s.input.raw, before, s.source));
      }
      if (processed) {
        await this.#inputs.process(s, o);
        back.push(() => this.#inputs.process(s, s.options));
      }
      if (hinted) s.input.hint(s.source, o);
      const next = { ...s, ...(layered && await layersOf(o, s.input.track)), options: o };
      if (layered || sent) await this.#sending.change(s, next);
      else if (anew || adjusted || processed) await this.#sending.resend(s);
      const { simulcast, svc, codec, options } = next;
      Object.assign(s, { simulcast, svc, codec, options });
    } catch (err) {
      for (const undo of back.reverse()) await Promise.resolve(undo()).catch(() => {});
      if (hinted) s.input.hint(s.source, s.options);
      if (back.length > 0) await this.#sending.resend(s).catch(() => {});
      throw err;
    }
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
    try {
      await this.#sending.tell(s);
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
    if (input?.own) this.#sending.cut(source);
  }

  /** Releases every device now, also those that are being opened, and tells nobody. */
  releaseAll() {
    this.#releaseDevices();
    this.#sending.forget();
  }

  #releaseDevices() {
    this.#inputs.callOff();
    for (const source of [...this.#streams.keys()]) this.#release(source);
  }

  /** One has become audience: devices are released, and the node has turned off what it knows of. */
  silence() {
    this.#releaseDevices();
    this.#sending.silence();
  }

  /** @param {Source} source */
  async #end(source) {
    if (this.#release(source)) await this.#sending.end(source);
  }

  /** @param {Source} source */
  #release(source) {
    const s = this.#streams.get(source);
    if (!s) return false;
    this.#streams.delete(source);
    s.input.stop();
    if (s.input.own) this.#sending.cut(source);
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
    this.#sending.forget();
    const streams = [...this.#streams.values()];
    for (const s of streams) {
      if (!may(s.source)) this.#refuse(s, noRight(s.source));
    }
    const sent = this.#sending.possible ? streams.filter((s) => may(s.source)) : []; // the audience only keeps it
    return new Map(sent.map((s) => [s.source, publicationOf(s)]));
  }

  /**
   * After the first offer of a PeerConnection, of what was in it.
   * @param {Iterable<Source>} sources
   */
  async published(sources) {
    for (const source of sources) {
      try {
        await this.#sending.offered(source, this.#streams.get(source));
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
      else this.#sending.known(source, false);
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
      this.#sending.known(s.source, known);
      this.#opts.onError(s.source, err);
    });
  }

  /** @param {Stream} s */
  async #begin(s) {
    this.#streams.set(s.source, s);
    this.#inputs.adopt(s, s.input);
    try {
      await this.#publish(s);
    } catch (err) {
      if (aborted(err) && this.#streams.has(s.source)) return; // the next PeerConnection takes it
      this.#release(s.source);
      throw err;
    }
  }

  /** @param {Stream} s */
  #publish(s) {
    return this.#sending.publish(s, () => this.#streams.get(s.source) === s);
  }

  // --- ending by itself

  /**
   * A device that was pulled out is replaced, if there is another one. Nothing else is: what a processor
   * made, a track of the application's, a screen.
   * @param {Stream} s
   */
  #ended(s) {
    const { source, input } = s;
    const pulled = !input.own && input.raw.readyState === 'ended' && (source === 'camera' || source === 'mic');
    if (pulled) void this.#serial(source, () => this.#fallBack(s));
    else this.#over(s);
  }

  /** @param {Stream} s */
  async #fallBack(s) {
    if (this.#streams.get(s.source) !== s || s.input.raw.readyState !== 'ended' || s.input.stopped) return;
    const before = s.input.device;
    if (!(await this.#inputs.fallBack(s))) await this.#lose(s);
    else if (s.input.device !== before) await this.#switched(s, 'lost', before);
  }

  /**
   * Devices were put in or pulled out: what came from one that is there again goes back to it, also if that
   * was so quick that nobody was told.
   * @param {MediaDeviceInfo[]} there
   */
  returned(there) {
    for (const s of this.#streams.values()) {
      const { lost } = s;
      if (!lost || !there.some((d) => isThat(lost.device, d))) continue;
      void this.#serial(s.source, async () => {
        if (this.#streams.get(s.source) !== s || s.lost !== lost) return;
        const before = s.input.device;
        await this.#inputs.goBack(s);
        await this.#switched(s, 'returned', before);
      }).catch(() => {}); // then it stays where it is
    }
  }

  /**
   * @param {Stream} s
   * @param {'lost' | 'returned'} reason
   * @param {import('./fallback.js').Used} before
   */
  async #switched(s, reason, before) {
    await this.#sending.resend(s).catch((err) => this.#opts.onError(s.source, err));
    this.#opts.onSwitched({ source: /** @type {'camera' | 'mic'} */ (s.source), reason, device: named(s.input.device), before: named(before) });
  }

  /** @param {Stream} s */
  #over({ source }) {
    const done = source === 'screen' ? this.stopScreen() : this.stop(source);
    done.catch(() => {}).then(() => this.#opts.onEnded(source));
  }

  /** The device is gone for good. @param {Stream} s */
  async #lose({ source }) {
    await this.#end(source).catch(() => {});
    this.#opts.onEnded(source);
  }

  // --- small parts

  /** @param {Source} source */
  #need(source) {
    const s = this.#streams.get(source);
    if (!s) throw new ParlorError('invalid_state', `The ${source} has not been started.`, { field: source });
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

/** @param {Source} source */
export const noRight = (source) => new ParlorError('not_allowed', `You have no right to send the ${source}.`, { field: source });
