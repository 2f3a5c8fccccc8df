// Where a stream of one's own comes from: a device, or a track of the application's. And what a processor
// makes of it. A track of the application's is never stopped here.

import { capture, constraintsOf } from './capture.js';
import { apart, ownTrack } from './change.js';
import { usedBy } from './fallback.js';
import { applied } from './profiles.js';
import { ParlorError } from './protocol.js';

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./local.js').AnyOptions} AnyOptions */
/** @typedef {import('./types.js').Processor} Processor */
/** @typedef {{track: MediaStreamTrack, over: AbortController}} Stage  a processor at work: what it makes, and what tells it to end */

/** For how long a processor may take to begin, in ms. It may have a model to load. */
const BEGINS = 15_000;

export class Input {
  /** @type {Stage | null} */
  #stage = null;
  #listening = new AbortController();
  #stopped = false;
  #hinted = false;

  /**
   * @param {MediaStreamTrack} raw  as it is captured
   * @param {boolean} own  it is the application's
   */
  constructor(raw, own) {
    this.raw = raw;
    this.own = own;
    this.device = usedBy(raw);
  }

  /** Whether stop() was called. */
  get stopped() {
    return this.#stopped;
  }

  /** Whether a processor makes what is sent. */
  get processed() {
    return this.#stage !== null;
  }

  /** What is shown and sent. */
  get track() {
    return this.#stage?.track ?? this.raw;
  }

  /**
   * From now on another processor makes of it what is sent; null: none. If it fails, all is as before.
   * @param {Source} source
   * @param {Processor | null | undefined} processor
   */
  async process(source, processor) {
    const stage = processor ? await begin(source, this.raw, processor) : null;
    if (this.#stopped) {
      end(stage);
      throw calledOff();
    }
    end(this.#stage);
    this.#stage = stage;
  }

  /**
   * Tells the browser what the pictures or the sound are, as the options say. Of a track of the application's
   * only what they say, and that for as long.
   * @param {Source} source
   * @param {AnyOptions} o
   */
  hint(source, o) {
    const { track } = this;
    const given = applied(source, o).contentHint;
    if (given === undefined && this.own && track === this.raw && !this.#hinted) return;
    track.contentHint = given ?? HINTS[source] ?? '';
    this.#hinted = given !== undefined;
  }

  /** Nothing comes of it any more, at once. Only a track of the application's goes on. */
  stop() {
    this.#stopped = true;
    this.onended(null);
    end(this.#stage);
    if (!this.own) this.raw.stop();
  }

  /**
   * Calls back when the device, the application's track or the processor's ends by itself; null: no longer.
   * @param {(() => void) | null} then
   */
  onended(then) {
    this.#listening.abort();
    this.#listening = new AbortController();
    if (!then) return;
    for (const track of new Set([this.raw, this.track])) track.addEventListener('ended', then, { signal: this.#listening.signal });
  }
}

/** What browsers are told of tracks that say nothing of it themselves. @type {Partial<Record<Source, string>>} */
const HINTS = { mic: 'speech', screen: 'detail', 'screen-audio': 'music' };

/**
 * Opens what the options say.
 * @param {Source} source
 * @param {AnyOptions} o
 * @param {() => boolean} wanted  whether it still is: everything may be released meanwhile
 */
export async function open(source, o, wanted) {
  if (!wanted()) throw calledOff();
  apart(o);
  const own = ownTrack(o);
  const input = new Input(own ?? (await capture(constraintsOf(source, o))).getTracks()[0], own !== null);
  try {
    if (wanted()) await input.process(source, o.processor);
    if (!wanted()) throw calledOff();
  } catch (err) {
    input.stop();
    throw err;
  }
  input.hint(source, o);
  return input;
}

export const calledOff = () => new ParlorError('aborted', 'The device was released while it was being opened.');

/** @param {Stage | null} stage */
function end(stage) {
  stage?.over.abort();
  stage?.track.stop();
}

/**
 * @param {Source} source
 * @param {MediaStreamTrack} raw
 * @param {Processor} processor
 * @returns {Promise<Stage>}
 */
async function begin(source, raw, processor) {
  const over = new AbortController();
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(failed('timeout', source, `has made no track within ${BEGINS / 1000} s`)), BEGINS);
  });
  const making = (async () => processor(raw, { source, signal: over.signal }))();
  try {
    const track = await Promise.race([making, late]);
    if (!(track instanceof MediaStreamTrack) || track.kind !== raw.kind || track === raw) {
      throw failed('processor_failed', source, `has to return another ${raw.kind} track, not ${track === raw ? 'the one that it got' : String(track)}`);
    }
    return { track, over };
  } catch (err) {
    over.abort();
    making.then((track) => track !== raw && track?.stop?.(), () => {}); // one that comes too late
    throw err instanceof ParlorError ? err : failed('processor_failed', source, `has failed: ${/** @type {any} */ (err)?.message ?? err}`, err);
  } finally {
    clearTimeout(timer);
  }
}

/** @param {import('./protocol.js').ErrorCode} code @param {Source} source @param {string} what @param {unknown} [cause] */
const failed = (code, source, what, cause) => new ParlorError(code, `The processor of the ${source} ${what}.`, { field: 'processor', cause });
