// Parlor's browser client: rooms with pictures and sound, in one ES module without a build step.
//
//   import { Parlor } from '/client/parlor.js';
//   const parlor = Parlor.create();
//   parlor.on('remote-video-available', ({ userId, streamType }) =>
//     parlor.startRemoteVideo({ userId, streamType, view: 'grid' }));
//   await parlor.enterRoom({ strRoomId: 'lobby', userId: 'ann' });
//   await parlor.startLocalAudio();
//   await parlor.startLocalVideo({ view: 'me' });
//
// This file is the application's side: its calls. The events are in types.js.
//   stay.js      a stay in a room: entering, leaving, rights, what the node says
//   signal.js    the session: socket, resume, mailbox (mailbox.js), timers (clock.js), nodes (nodes.js)
//   media.js     what carries it: the one PeerConnection (peer.js: offers, sections, seats; encodings.js, sdp.js), recovery.js
//   local.js     camera, microphone, screen; capture.js
//   remote.js    subscriptions and who sits where (seats.js); view.js: elements
//   messages.js  custom messages
//   roster.js    who is in the room
//   reports.js   who speaks, how good the network is
//   token.js     renewing one's token
//   protocol.js  the words of docs/protocol.md
//   types.js     events and options of this file
// Register handlers before enterRoom: those who are there already are announced while it runs.

import { Emitter } from './emitter.js';
import { ExitReason, ParlorError, UserExitReason } from './protocol.js';
import { Stay, isSupported } from './stay.js';

export { ExitReason, ParlorError, UserExitReason };

/** @typedef {import('./types.js').ParlorEvents} ParlorEvents */
/** @typedef {import('./types.js').ParlorOptions} ParlorOptions */
/** @typedef {import('./types.js').EnterOptions} EnterOptions */
/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./protocol.js').StreamType} StreamType */
/** @typedef {import('./protocol.js').Quality} Quality */
/** @typedef {import('./protocol.js').Role} Role */

/** @extends {Emitter<ParlorEvents>} */
export class Parlor extends Emitter {
  #stay;

  /**
   * @param {ParlorOptions} [options]  url: the node, default where the page came from; getToken: gives tokens, now and
   *   whenever one is about to end
   */
  static create(options = {}) {
    return new Parlor(options);
  }

  /** Whether this browser can take part in a call. */
  static isSupported() {
    return isSupported();
  }

  /** Whether this browser can share a screen. */
  static isScreenShareSupported() {
    return Boolean(navigator.mediaDevices?.getDisplayMedia);
  }

  static getCameraList() {
    return devices('videoinput');
  }

  static getMicrophoneList() {
    return devices('audioinput');
  }

  static getSpeakerList() {
    return devices('audiooutput');
  }

  /** @param {ParlorOptions} options */
  constructor(options) {
    super();
    this.#stay = new Stay((name, payload) => this.emit(name, payload), options);
  }

  /** The state of the signalling connection. */
  get connectionState() {
    return this.#stay.state;
  }

  /** Ids of the others in the room. */
  get remoteUsers() {
    return this.#stay.users;
  }

  // --- the room

  /**
   * Enters a room. Resolves when the node has let one in; media follows by itself.
   * @param {EnterOptions} options
   */
  async enterRoom(options) {
    await this.#stay.enter(options);
  }

  /**
   * Leaves the room. Resolves when the exit is complete: the node has confirmed it, the devices are
   * released and the connections closed. Never rejects; does nothing outside a room.
   */
  exitRoom() {
    return this.#stay.exit();
  }

  /**
   * Becomes anchor or audience (live scene). Becoming audience stops one's streams.
   * @param {Role} role
   */
  async switchRole(role) {
    await this.#stay.switchRole(role);
  }

  /**
   * Hands in another token for the stay, for the same room and user; `getToken` does by itself. What
   * it no longer allows stops.
   * @param {string} token
   */
  async renewToken(token) {
    await this.#stay.renewToken(token);
  }

  // --- messages

  /**
   * Sends a custom message to everybody else in the room; they get the event `message`. `cmdId` (1-10)
   * is for the application to tell its kinds apart; data are at most 1000 bytes, a string as UTF-8; 30
   * messages and 8 KB a second. Reliable ones arrive, in order; others may be lost, but come sooner.
   * What the node refuses rejects, or comes as an `error` with the field `message`, depending on the way.
   * @param {number} cmdId
   * @param {Uint8Array | ArrayBuffer | string} data
   * @param {{reliable?: boolean}} [options]
   */
  async sendMessage(cmdId, data, options = {}) {
    this.#stay.inRoom();
    await this.#stay.messages.send(cmdId, data, options);
  }

  // --- one's own streams

  /** @param {import('./local.js').VideoOptions} [options] */
  async startLocalVideo(options = {}) {
    this.#stay.maySend('camera');
    await this.#stay.local.startVideo(options);
  }

  /**
   * Another device, view or look, or mute: `updateLocalVideo({ mute: true })`.
   * @param {import('./local.js').VideoOptions} options
   */
  async updateLocalVideo(options) {
    await this.#stay.local.updateVideo(options);
  }

  async stopLocalVideo() {
    await this.#stay.local.stop('camera');
  }

  /** @param {import('./local.js').AudioOptions} [options] */
  async startLocalAudio(options = {}) {
    this.#stay.maySend('mic');
    await this.#stay.local.startAudio(options);
  }

  /** @param {import('./local.js').AudioOptions} options */
  async updateLocalAudio(options) {
    await this.#stay.local.updateAudio(options);
  }

  async stopLocalAudio() {
    await this.#stay.local.stop('mic');
  }

  /**
   * Asks the user which screen or window, and shares it, with its sound where the browser offers it.
   * @param {import('./local.js').ScreenOptions} [options]
   */
  async startScreenShare(options = {}) {
    this.#stay.maySend('screen');
    await this.#stay.local.startScreen(options);
  }

  async stopScreenShare() {
    await this.#stay.local.stopScreen();
  }

  /** @param {Source} source */
  getLocalTrack(source) {
    return this.#stay.local.track(source);
  }

  // --- the others' streams

  /**
   * Shows a user's camera (`main`) or screen (`sub`) in an element; again with another view moves it.
   * It goes on by itself when the user stops and starts the stream. `quality` chooses a simulcast layer.
   * @param {{userId: string, streamType?: StreamType, view: import('./view.js').View | null, quality?: Quality,
   *   fillMode?: import('./view.js').FillMode, mirror?: boolean}} options
   */
  async startRemoteVideo({ streamType = 'main', ...options }) {
    this.#stay.inRoom();
    this.#stay.remote.startVideo({ streamType, ...options });
  }

  /** @param {{userId: string, streamType?: StreamType, quality: Quality}} options */
  async updateRemoteVideo({ userId, streamType = 'main', quality }) {
    this.#stay.remote.setQuality(userId, streamType, quality);
  }

  /**
   * @param {{userId: string, streamType?: StreamType}} options  without streamType: both
   */
  async stopRemoteVideo({ userId, streamType }) {
    for (const t of streamType ? [streamType] : /** @type {StreamType[]} */ (['main', 'sub'])) this.#stay.remote.stopVideo(userId, t);
  }

  /**
   * @param {string} userId  `*`: everybody, also those who come later
   * @param {boolean} muted
   */
  async muteRemoteAudio(userId, muted) {
    this.#stay.inRoom();
    if (userId === '*') this.#stay.remote.setAllAudio(!muted);
    else this.#stay.remote.setAudio(userId, !muted);
  }

  /**
   * Hears whoever speaks loudest, so many at a time, in place of everybody: for large rooms. Who that
   * is the node says (`active-speaker`, `audio-volume`). muteRemoteAudio mutes everybody then, or the
   * sound of a user's screen.
   * @param {number} most  at most the node's `room.loudest`, 3 by default; 0: everybody is heard again
   */
  async receiveLoudest(most) {
    if (!Number.isInteger(most) || most < 0 || most > 16) {
      throw new ParlorError('invalid_parameter', 'The loudest are a whole number from 1 to 16, or 0 for everybody.', { field: 'most' });
    }
    this.#stay.remote.setLoudest(most);
  }

  /**
   * Where sound comes out, in browsers that let one choose.
   * @param {string} deviceId  of getSpeakerList()
   */
  async setSpeaker(deviceId) {
    await this.#stay.remote.speakers.setOutput(deviceId);
  }

  /** @param {{userId: string, streamType?: StreamType}} options */
  getVideoTrack({ userId, streamType = 'main' }) {
    return this.#stay.remote.tracks(userId, streamType)?.video ?? null;
  }

  /** @param {{userId: string, streamType?: StreamType}} options */
  getAudioTrack({ userId, streamType = 'main' }) {
    return this.#stay.remote.tracks(userId, streamType)?.audio ?? null;
  }

  /**
   * The browser's own statistics of the connection, or of one track; null outside a room.
   * @param {MediaStreamTrack | null} [track]
   */
  async getStats(track = null) {
    return this.#stay.media.peer?.pc.getStats(track) ?? null;
  }

  /**
   * Has the node tell who speaks: `audio-volume` at this interval while somebody does, and
   * `active-speaker` when that changes.
   * @param {number} [interval]  milliseconds, 100 to 10000; 0: no longer
   */
  async enableAudioVolumeEvaluation(interval = 300) {
    if (!Number.isInteger(interval) || (interval !== 0 && (interval < 100 || interval > 10000))) {
      throw new ParlorError('invalid_parameter', 'An interval is a whole number of milliseconds from 100 to 10000, or 0 for none.', { field: 'interval' });
    }
    await this.#stay.tellVolumes(interval);
  }

  /**
   * Whether the node tells `network-quality` and `statistics`; it does at first.
   * @param {boolean} on
   */
  async enableStatistics(on) {
    await this.#stay.tellStatistics(on);
  }
}

/** @param {MediaDeviceKind} kind */
async function devices(kind) {
  const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return all.filter((d) => d.kind === kind && d.deviceId !== '');
}
