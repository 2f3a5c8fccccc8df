// Pictures that are shown: when the first frame of each is there, how large they are, and what they show at the
// moment. Knows elements only.

/** @typedef {string | HTMLElement} View */
/** @typedef {{view: View, video: HTMLVideoElement, end: AbortController}} Picture */

export class Pictures {
  /** @type {Map<string, Picture>} by user and stream */
  #shown = new Map();
  #first;
  #sized;

  /**
   * @param {(e: {userId: string, streamType: string, width: number, height: number}) => void} first
   * @param {(e: {userId: string, streamType: string, newWidth: number, newHeight: number}) => void} sized
   */
  constructor(first, sized) {
    this.#first = first;
    this.#sized = sized;
  }

  /**
   * A picture is shown, or shown elsewhere.
   * @param {string} userId  '' for one's own
   * @param {string} streamType
   * @param {View | View[] | null | undefined} view  null: nowhere; undefined: where it was
   */
  show(userId, streamType, view) {
    if (view === undefined) return;
    const first = view === null ? null : [view].flat()[0];
    const video = first ? videoIn(first) : null;
    const before = this.#shown.get(`${userId}/${streamType}`);
    if (before?.video === video) return;
    this.gone(userId, streamType);
    if (!first || !video) return;
    const end = new AbortController();
    this.#shown.set(`${userId}/${streamType}`, { view: first, video, end });
    let told = before !== undefined; // it has been seen elsewhere
    const look = () => {
      const [width, height] = [video.videoWidth, video.videoHeight];
      if (width === 0) return;
      if (!told) this.#first({ userId, streamType, width, height });
      told = true;
    };
    video.addEventListener('loadeddata', look, { signal: end.signal });
    video.addEventListener('resize', () => {
      look();
      if (video.videoWidth > 0) this.#sized({ userId, streamType, newWidth: video.videoWidth, newHeight: video.videoHeight });
    }, { signal: end.signal });
    if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) look();
  }

  /** @param {string} userId  '*': everybody's @param {string} [streamType]  without it all of the user's */
  gone(userId, streamType) {
    for (const [key, { end }] of [...this.#shown]) {
      const at = key.lastIndexOf('/');
      if ((userId !== '*' && key.slice(0, at) !== userId) || (streamType !== undefined && key.slice(at + 1) !== streamType)) continue;
      end.abort();
      this.#shown.delete(key);
    }
  }

  /** What somebody's picture shows, as a data: URL of a PNG; empty if none is shown. @param {string} userId @param {string} streamType */
  snapshot(userId, streamType) {
    const shown = this.#shown.get(`${userId}/${streamType}`);
    const video = shown ? videoIn(shown.view) : null; // as it is now: leaving a room shows one's own picture anew
    if (!video?.videoWidth) return '';
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext('2d')?.drawImage(video, 0, 0);
    return canvas.toDataURL('image/png');
  }
}

/** The video that was put into a view last. @param {View} view */
function videoIn(view) {
  const el = typeof view === 'string' ? document.getElementById(view) : view;
  return el instanceof HTMLVideoElement ? el : [...(el?.querySelectorAll('video') ?? [])].at(-1) ?? null;
}
