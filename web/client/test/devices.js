// A page with devices, for the tests of own streams: doubles of tracks, elements and what opens them.

import { ParlorError } from '../protocol.js';

export class FakeTrack extends EventTarget {
  enabled = true;
  readyState = 'live';
  adjusted = [];
  constructor(kind) {
    super();
    this.kind = kind;
  }
  stop() {
    this.readyState = 'ended';
  }
  /** By itself, as when a device is pulled out. */
  end() {
    this.stop();
    this.dispatchEvent(new Event('ended'));
  }
  getSettings() {
    return { width: 1280, height: 720, deviceId: this.device?.deviceId, groupId: this.device?.groupId };
  }
  async applyConstraints(c) {
    if (page.inflexible) throw domError('OverconstrainedError', 'width');
    this.adjusted.push(c);
  }
}

/** As browsers fail. */
export const domError = (name, constraint) => Object.assign(new Error(name), { name, constraint });

export class FakeElement {
  style = {};
  paused = true;
  append() {}
  remove() {}
  addEventListener() {}
  async play() {
    if (page.forbidden) throw Object.assign(new Error('a gesture first'), { name: 'NotAllowedError' });
    this.paused = false;
  }
}

export const page = { forbidden: false, gestures: new Map(), asked: [], opened: [], devices: [] };
const stream = (...kinds) => {
  const tracks = kinds.map((k) => new FakeTrack(k));
  page.opened.push(...tracks);
  const of = (kind) => tracks.filter((t) => t.kind === kind);
  return { getTracks: () => tracks, getVideoTracks: () => of('video'), getAudioTracks: () => of('audio') };
};
/** A device that can be put into `page.devices`. */
export const device = (kind, deviceId, groupId = deviceId) => ({ kind, deviceId, groupId, label: `the ${deviceId}` });
const devices = Object.assign(new EventTarget(), {
  enumerateDevices: async () => [...page.devices],
  getUserMedia: async (c) => {
    page.asked.push(c);
    const fails = page.fails?.(c);
    if (fails) throw fails;
    const wanted = (c.video || c.audio).deviceId?.exact;
    const from = page.devices.find((d) => d.kind === (c.video ? 'videoinput' : 'audioinput') && (!wanted || d.deviceId === wanted));
    if (page.devices.length > 0 && !from) throw domError('NotFoundError');
    const media = stream(c.video ? 'video' : 'audio');
    Object.assign(media.getTracks()[0], { device: from, label: from?.label ?? '' });
    return media;
  },
  getDisplayMedia: async () => stream('video', 'audio'),
});
Object.defineProperty(globalThis, 'navigator', { value: { mediaDevices: devices }, configurable: true });
Object.assign(globalThis, {
  HTMLElement: FakeElement,
  HTMLVideoElement: FakeElement,
  MediaStream: class {},
  MediaStreamTrack: FakeTrack,
  document: { body: new FakeElement(), createElement: () => new FakeElement() },
  addEventListener: (name, fn) => page.gestures.set(name, fn),
  removeEventListener: (name) => page.gestures.delete(name),
});
const { Local } = await import('../local.js');

export function setUp() {
  page.asked.length = page.opened.length = page.devices.length = 0;
  Object.assign(page, { fails: undefined, inflexible: false });
  const t = { said: [], errors: [], sent: [], published: [], cut: [], ended: [], switched: [], refuse: new Set(), answer: async () => {}, peer: null };
  const sending = new Set();
  t.connect = () => {
    t.peer = {
      has: (source) => sending.has(source),
      publish: async (source, p) => {
        t.published.push(p);
        if (t.takes?.(p) === false) throw new ParlorError('not_supported', 'no codec');
        if (t.refuse.has(source)) throw new ParlorError('publisher_limit', 'full');
        sending.add(source);
      },
      replace: async (source, track) => void t.sent.push([source, track]),
      cut: (source) => void t.cut.push(source),
    };
  };
  t.local = new Local({
    peer: () => t.peer,
    announce: async (source, on) => {
      t.said.push(`${source} ${on}`);
      await t.answer();
    },
    onEnded: (source) => t.ended.push(source),
    onSwitched: (e) => t.switched.push(e),
    onError: (source, err) => t.errors.push(`${source} ${err.code}`),
  });
  return t;
}
