// The calls of another RTC engine's web SDK 5, on this client. An application of that SDK imports this module in
// place of it: events, types, options and promises have the names that it knows. docs/moving.md says what differs.
//
//   const trtc = TRTC.create();
//   await trtc.enterRoom({ sdkAppId, userId, userSig, roomId: 8888 });
//
//   words.js      events, types, error codes, profiles
//   translate.js  options, errors and events, from one to the other
//   published.js  one's own streams: sent, or only shown (`publish`)
//   pictures.js   pictures that are shown: their first frames, sizes and snapshots
//   global.js     for a script tag

import { Parlor } from '../client/parlor.js';
import { Pictures } from './pictures.js';
import { Published } from './published.js';
import { RtcError, entering, errorOf, kicked, missing, quality, remote, signature, states, wrong } from './translate.js';
import { ERROR_CODE, EVENT, NEVER, TYPE } from './words.js';

export { ERROR_CODE, EVENT, RtcError, TYPE };

/** The address of the node for all instances: the one that serves this module; empty: the page's own origin. */
let address = import.meta.url?.endsWith('/compat/trtc.js') ? new URL('../rtc', import.meta.url).href : '';

export default class TRTC {
  static EVENT = EVENT;
  static TYPE = TYPE;
  static ERROR_CODE = ERROR_CODE;
  static VERSION = '5.13.0';
  static frameWorkType = 30; // none that is known

  /** @param {object} [options]  plugins, enableSEI, assetsPath: of no use here */
  static create(options) {
    return new TRTC(options);
  }

  /** The address of the node, before create(). The other SDK knows its own servers. @param {string} url */
  static setServer(url) {
    address = url;
  }

  static async isSupported() {
    const webRTC = Parlor.isSupported();
    const devices = Boolean(navigator.mediaDevices);
    /** @param {string} name @param {'getCapabilities'} of @param {any} where */
    const codec = (name, of, where) => Boolean(where?.[of]?.('video')?.codecs.some((/** @type {any} */ c) => c.mimeType.toLowerCase() === `video/${name}`));
    const [to, from] = [globalThis.RTCRtpSender, globalThis.RTCRtpReceiver];
    return {
      result: webRTC,
      detail: {
        isBrowserSupported: webRTC, isWebRTCSupported: webRTC, isWebCodecsSupported: 'VideoEncoder' in globalThis, isMediaDevicesSupported: devices,
        isScreenShareSupported: Parlor.isScreenShareSupported(), isSmallStreamSupported: webRTC,
        isH264EncodeSupported: codec('h264', 'getCapabilities', to), isVp8EncodeSupported: codec('vp8', 'getCapabilities', to),
        isH264DecodeSupported: codec('h264', 'getCapabilities', from), isVp8DecodeSupported: codec('vp8', 'getCapabilities', from),
      },
    };
  }

  static getCameraList() {
    return translated('getCameraList', () => Parlor.getCameraList());
  }

  static getMicrophoneList() {
    return translated('getMicrophoneList', () => Parlor.getMicrophoneList());
  }

  static getSpeakerList() {
    return translated('getSpeakerList', () => Parlor.getSpeakerList());
  }

  /** What cannot be told is null. @param {{request?: boolean, types?: ('camera' | 'microphone')[]}} [option] */
  static getPermissions({ request = false, types = ['camera', 'microphone'] } = {}) {
    return translated('getPermissions', async () => {
      if (request) await asked(types);
      const state = await Parlor.getPermissions();
      const of = (/** @type {'camera' | 'microphone'} */ type) => (types.includes(type) && state[type] !== 'unknown' ? state[type] : null);
      return { camera: of('camera'), microphone: of('microphone') };
    });
  }

  /** @param {number} level  0 trace, 1 debug, 2 info, 3 warn, 4 error, 5 none. Logs are not sent anywhere */
  static setLogLevel(level) {
    const name = /** @type {const} */ (['debug', 'debug', 'info', 'warn', 'error', 'none'])[level];
    if (!name) throw wrong('level has to be a number from 0 to 5.', 5005);
    Parlor.setLogLevel(name);
  }

  /** @type {Map<string, Map<Function, Function>>} */
  #handlers = new Map();
  #parlor;
  #own;
  #pictures = new Pictures((e) => this.#emit(EVENT.FIRST_VIDEO_FRAME, e), (e) => this.#emit(EVENT.VIDEO_SIZE_CHANGED, e));
  #userId = '';
  #room = /** @type {any} */ (null);
  #volume = { every: 0, timer: /** @type {any} */ (0), last: /** @type {any[]} */ ([]) };

  /** @param {unknown} [_options] */
  constructor(_options) {
    const options = address ? { url: address } : {};
    this.#parlor = Parlor.create(options);
    this.#own = new Published(this.#parlor, Parlor.create(options), (event) => this.#emit(EVENT.PUBLISH_STATE_CHANGED, event));
    this.#listen();
  }

  // --- the room

  /** @param {any} options */
  enterRoom(options) {
    return translated('enterRoom', async () => {
      const to = entering(options);
      await this.#parlor.enterRoom(to);
      this.#userId = to.userId;
      this.#room = options;
      this.#own.entered();
    });
  }

  /** The camera and the microphone go on, without being sent. */
  exitRoom() {
    return translated('exitRoom', async () => {
      await this.#parlor.exitRoom();
      await this.#own.left();
    });
  }

  /** @param {any} options */
  switchRoom(options) {
    return translated('switchRoom', async () => {
      const before = this.#inRoom('switchRoom');
      await this.exitRoom();
      await this.enterRoom({ ...before, roomId: undefined, strRoomId: undefined, privateMapKey: undefined, ...options });
    });
  }

  /** @param {'anchor' | 'audience'} role @param {{privateMapKey?: string}} [option] */
  switchRole(role, option) {
    return translated('switchRole', async () => {
      const { userSig } = this.#inRoom('switchRole');
      if (option?.privateMapKey) await this.#parlor.renewToken(signature({ userSig, privateMapKey: option.privateMapKey }));
      await this.#parlor.switchRole(role);
    });
  }

  destroy() {
    if (this.#room) throw new RtcError(ERROR_CODE.OPERATION_FAILED, 'Leave the room by exitRoom() first.', { functionName: 'destroy' });
    clearInterval(this.#volume.timer);
    all.delete(this);
    void this.#own.stopAll();
    this.#handlers.clear();
  }

  // --- one's own streams

  /** @param {any} [config] */
  startLocalVideo(config = {}) {
    return translated('startLocalVideo', () => this.#start('video', config));
  }

  /** @param {any} config */
  updateLocalVideo(config) {
    return translated('updateLocalVideo', () => this.#update('video', config));
  }

  stopLocalVideo() {
    return translated('stopLocalVideo', () => this.#stop('video'));
  }

  /** @param {any} [config] */
  startLocalAudio(config = {}) {
    return translated('startLocalAudio', () => this.#start('audio', config));
  }

  /** @param {any} config */
  updateLocalAudio(config) {
    return translated('updateLocalAudio', () => this.#update('audio', config));
  }

  stopLocalAudio() {
    return translated('stopLocalAudio', () => this.#stop('audio'));
  }

  /** @param {any} [config] */
  startScreenShare(config = {}) {
    return translated('startScreenShare', () => this.#start('screen', config));
  }

  /** @param {any} config */
  updateScreenShare(config) {
    return translated('updateScreenShare', () => this.#update('screen', config));
  }

  stopScreenShare() {
    return translated('stopScreenShare', () => this.#stop('screen'));
  }

  /** @param {Kind} kind @param {any} config */
  async #start(kind, config) {
    await this.#own.start(kind, config);
    if (OWN[kind].picture) this.#pictures.show('', OWN[kind].streamType, config.view ?? null);
    this.#opened(kind);
  }

  /** @param {Kind} kind @param {any} config */
  async #update(kind, config) {
    const before = this.#own.track(OWN[kind].source);
    await this.#own.update(kind, config);
    if (OWN[kind].picture) this.#pictures.show('', OWN[kind].streamType, config.view);
    if (this.#own.track(OWN[kind].source) !== before) this.#opened(kind);
  }

  /** @param {Kind} kind */
  async #stop(kind) {
    if (OWN[kind].picture) this.#pictures.gone('', OWN[kind].streamType);
    await this.#own.stop(kind);
  }

  /** A device has been opened. @param {Kind} kind */
  #opened(kind) {
    const { source, streamType, device } = OWN[kind];
    const track = this.#own.track(source);
    if (!track) return; // muted, say
    this.#emit(EVENT.TRACK, { userId: '', streamType, track });
    const of = track.getSettings().deviceId;
    if (device && of) {
      void Parlor[device.list]().then((list) => list.find((d) => d.deviceId === of)).then((found) => {
        if (found) this.#emit(EVENT.DEVICE_CHANGED, { type: device.type, action: 'active', device: found });
      }, () => {}); // that it is on is known without its name
    }
  }

  // --- the others' streams

  /** @param {any} config */
  startRemoteVideo(config) {
    return translated('startRemoteVideo', async () => {
      await this.#parlor.startRemoteVideo(/** @type {any} */ ({ view: null, ...remote(config, true) }));
      this.#pictures.show(config.userId, config.streamType, config.view);
      this.#track(config.userId, config.streamType, this.#parlor.getVideoTrack({ userId: config.userId, streamType: config.streamType }));
    });
  }

  /** @param {any} config */
  updateRemoteVideo(config) {
    return translated('updateRemoteVideo', async () => {
      await this.#parlor.updateRemoteVideo(/** @type {any} */ (remote(config, false)));
      this.#pictures.show(config.userId, config.streamType, config.view);
    });
  }

  /** @param {any} config */
  stopRemoteVideo({ userId, streamType }) {
    return translated('stopRemoteVideo', () => {
      if (userId !== '*' && streamType === undefined) throw wrong('streamType has to be given, unless userId is "*".', 5014);
      this.#pictures.gone(userId, streamType);
      return this.#parlor.stopRemoteVideo({ userId, ...(streamType && { streamType }) });
    });
  }

  /** @param {string} userId @param {boolean} mute */
  muteRemoteAudio(userId, mute) {
    return translated('muteRemoteAudio', () => this.#parlor.muteRemoteAudio(userId, mute));
  }

  /** @param {string} userId @param {number} volume  0 to 100 */
  setRemoteAudioVolume(userId, volume) {
    return translated('setRemoteAudioVolume', () => this.#parlor.setRemoteVolume(userId, Math.min(volume, 100)));
  }

  /** @param {string} deviceId */
  static setCurrentSpeaker(deviceId) {
    return translated('setCurrentSpeaker', () => Promise.all([...all].map((t) => t.#parlor.setSpeaker(deviceId))).then(() => {}));
  }

  /** @param {string | {userId?: string, streamType?: 'main' | 'sub', processed?: boolean}} [config] */
  getAudioTrack(config = {}) {
    const { userId, streamType } = typeof config === 'string' ? { userId: config, streamType: undefined } : config;
    if (userId && userId !== this.#userId) return this.#parlor.getAudioTrack({ userId });
    return this.#own.track(streamType === TYPE.STREAM_TYPE_SUB ? 'screen-audio' : 'mic');
  }

  /** @param {{userId?: string, streamType?: 'main' | 'sub', processed?: boolean}} [config] */
  getVideoTrack({ userId, streamType } = {}) {
    if (userId && userId !== this.#userId) return this.#parlor.getVideoTrack({ userId, ...(streamType && { streamType }) });
    return this.#own.track(streamType === TYPE.STREAM_TYPE_SUB ? 'screen' : 'camera');
  }

  /** What a picture shows, as a data: URL; empty if it is not shown. @param {{userId?: string, streamType?: 'main' | 'sub'}} [config] */
  getVideoSnapshot({ userId = '', streamType = 'main' } = {}) {
    return this.#pictures.snapshot(userId === this.#userId ? '' : userId, streamType);
  }

  // --- messages, reports

  /** Errors come as the event `error`, as the call gives no promise. @param {{cmdId: number, data: ArrayBuffer}} message */
  sendCustomMessage({ cmdId, data }) {
    if (!(data instanceof ArrayBuffer) || data.byteLength === 0) throw wrong('data has to be an ArrayBuffer with something in it.', 5017);
    this.#parlor.sendMessage(cmdId, data).catch((err) => this.#emit(EVENT.ERROR, errorOf(err, 'sendCustomMessage')));
  }

  /** @param {number} [interval]  milliseconds; 0 or less: no longer */
  enableAudioVolumeEvaluation(interval = 2000) {
    const v = this.#volume;
    clearInterval(v.timer);
    v.every = interval > 0 ? Math.max(100, interval) : 0;
    if (v.every) v.timer = setInterval(() => this.#room && this.#emit(EVENT.AUDIO_VOLUME, { result: this.#volumes() }), v.every);
    this.#parlor.enableAudioVolumeEvaluation(v.every && Math.min(v.every, 10000)).catch((err) => this.#emit(EVENT.ERROR, errorOf(err, 'enableAudioVolumeEvaluation')));
  }

  // --- what there is not

  /** @param {string} name */
  startPlugin(name) {
    return translated('startPlugin', () => Promise.reject(missing(`The plugin ${name}`)));
  }

  /** @param {string} name */
  updatePlugin(name) {
    return translated('updatePlugin', () => Promise.reject(missing(`The plugin ${name}`)));
  }

  /** @param {string} name */
  stopPlugin(name) {
    return translated('stopPlugin', () => Promise.reject(missing(`The plugin ${name}`)));
  }

  sendSEIMessage() {
    throw missing('SEI');
  }

  /** @param {string} name */
  callExperimentalAPI(name) {
    return translated('callExperimentalAPI', () => Promise.reject(missing(name)));
  }

  // --- events

  /** @param {string} name @param {Function} handler @param {unknown} [context] */
  on(name, handler, context) {
    if (!Object.values(EVENT).includes(/** @type {any} */ (name))) throw wrong(`There is no event "${name}".`, 5005);
    if (NEVER.has(/** @type {any} */ (name))) console.warn(`parlor: the event "${name}" does not come here.`);
    const of = this.#handlers.get(name) ?? new Map();
    this.#handlers.set(name, of.set(handler, context === undefined ? handler : handler.bind(context)));
    return this;
  }

  /** @param {string} name  `*`: all of them @param {Function} [handler] */
  off(name, handler) {
    if (name === '*') this.#handlers.clear();
    else if (handler) this.#handlers.get(name)?.delete(handler);
    else this.#handlers.delete(name);
    return this;
  }

  /** @param {string} name @param {unknown} event */
  #emit(name, event) {
    for (const handler of [...(this.#handlers.get(name)?.values() ?? [])]) {
      try {
        handler(event);
      } catch (err) {
        reportError(err); // the other handlers still hear it
      }
    }
  }

  #listen() {
    all.add(this);
    const p = this.#parlor;
    for (const name of /** @type {const} */ (['remote-video-available', 'remote-video-unavailable', 'remote-audio-available', 'remote-audio-unavailable', 'remote-user-exit'])) {
      p.on(name, (event) => this.#emit(name, { ...event }));
    }
    p.on('remote-audio-available', ({ userId }) => this.#track(userId, TYPE.STREAM_TYPE_MAIN, this.#parlor.getAudioTrack({ userId })));
    p.on('remote-video-unavailable', ({ userId, streamType }) => this.#pictures.gone(userId, streamType));
    p.on('device-changed', ({ kind, added, removed }) => {
      for (const device of added) this.#emit(EVENT.DEVICE_CHANGED, { type: kind, action: 'add', device });
      for (const device of removed) this.#emit(EVENT.DEVICE_CHANGED, { type: kind, action: 'remove', device });
    });
    p.on('permission-changed', () => void TRTC.getPermissions().then((e) => this.#emit(EVENT.PERMISSION_STATE_CHANGE, e)));
    p.on('remote-user-enter', ({ userId }) => this.#emit(EVENT.REMOTE_USER_ENTER, { userId }));
    p.on('remote-video-stalled', ({ userId, streamType }) => this.#emit(EVENT.VIDEO_PLAY_STATE_CHANGED, { userId, streamType, state: 'PAUSED', reason: 'mute' }));
    p.on('remote-video-resumed', ({ userId, streamType }) => this.#emit(EVENT.VIDEO_PLAY_STATE_CHANGED, { userId, streamType, state: 'PLAYING', reason: 'unmute' }));
    p.on('network-quality', (q) => this.#emit(EVENT.NETWORK_QUALITY, quality(q)));
    p.on('statistics', (s) => this.#emit(EVENT.STATISTICS, s));
    p.on('message', ({ userId, cmdId, data, ...more }) => this.#emit(EVENT.CUSTOM_MESSAGE, { ...more, userId, cmdId, data: data.slice().buffer }));
    p.on('connection-state-changed', ({ prevState, state }) => states(prevState, state).forEach((s) => this.#emit(EVENT.CONNECTION_STATE_CHANGED, s)));
    p.on('autoplay-failed', (event) => this.#emit(EVENT.AUTOPLAY_FAILED, event));
    p.on('screen-share-stopped', () => {
      this.#own.ended('screen');
      this.#emit(EVENT.SCREEN_SHARE_STOPPED, {});
    });
    p.on('audio-volume', ({ result }) => (this.#volume.last = result));
    p.on('error', (err) => this.#emit(EVENT.ERROR, errorOf(err)));
    p.on('kicked-out', ({ reason }) => this.#emit(EVENT.KICKED_OUT, { reason: kicked(reason) }));
    p.on('exit-room', ({ reason }) => {
      this.#room = null;
      this.#volume.last = [];
      if (reason !== 0) void this.#own.left().catch((err) => this.#emit(EVENT.ERROR, errorOf(err)));
    });
  }

  /** @param {string} userId @param {string} streamType @param {MediaStreamTrack | null} track */
  #track(userId, streamType, track) {
    if (track) this.#emit(EVENT.TRACK, { userId, streamType, track });
  }

  /** All that are heard, the loudest first; one's own has no id. */
  #volumes() {
    const { last } = this.#volume;
    const at = (/** @type {string} */ id) => last.find((u) => u.userId === id)?.volume ?? 0;
    const list = [...this.#parlor.remoteUsers.map((userId) => ({ userId, volume: at(userId) })), { userId: '', volume: at(this.#userId) }];
    return list.map((u) => ({ ...u, floatVolume: u.volume / 100 })).sort((a, b) => b.volume - a.volume);
  }

  /** @param {string} functionName */
  #inRoom(functionName) {
    if (!this.#room) throw new RtcError(ERROR_CODE.INVALID_OPERATION, `${functionName}() wants a room: call enterRoom() first.`, { extraCode: 5101, functionName });
    return this.#room;
  }
}

/** @typedef {'video' | 'audio' | 'screen'} Kind */

/** What each of one's own streams is called. */
const OWN = Object.freeze({
  video: { source: /** @type {const} */ ('camera'), streamType: TYPE.STREAM_TYPE_MAIN, picture: true, device: { type: 'camera', list: /** @type {const} */ ('getCameraList') } },
  audio: { source: /** @type {const} */ ('mic'), streamType: TYPE.STREAM_TYPE_MAIN, picture: false, device: { type: 'microphone', list: /** @type {const} */ ('getMicrophoneList') } },
  screen: { source: /** @type {const} */ ('screen'), streamType: TYPE.STREAM_TYPE_SUB, picture: true, device: null },
});

/** Has the browser ask for devices, and lets go of them. @param {string[]} types */
async function asked(types) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: types.includes('camera'), audio: types.includes('microphone') });
  for (const track of stream.getTracks()) track.stop();
}

/** Every instance, for what the other SDK sets for all. @type {Set<TRTC>} */
const all = new Set();

/**
 * @template T
 * @param {string} functionName
 * @param {() => T | Promise<T>} call
 */
async function translated(functionName, call) {
  try {
    return await call();
  } catch (err) {
    throw errorOf(err, functionName);
  }
}
