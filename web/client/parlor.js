// Parlor's browser client: rooms with pictures and sound, in one ES module without a build step.
//
//   const parlor = Parlor.create();
//   await parlor.enterRoom({ strRoomId: 'lobby', userId: 'ann' });
//
// This file is the application's side: its calls. The events are in types.js.
//   stay.js      a stay in a room: entering, leaving, rights, what the node says
//   signal.js    the session: socket, resume, requests.js, mailbox (mailbox.js),
//                timers (clock.js), nodes (nodes.js)
//   media.js     what carries it: the one PeerConnection (peer.js: offers, sections, seats; encodings.js,
//                sdp.js), recovery.js; ice.js: its servers of STUN and TURN
//   local.js     camera, microphone, screen; capture.js, layered.js; input.js: own tracks, processors;
//                inputs.js: another of those; change.js: what a change of options comes to; sending.js,
//                announced.js: what goes to the node; profiles.js: options by name
//   equipment.js calls about devices: devices.js: which there are; fallback.js: one in place of another;
//                level.js: how loud the mic is; chime.js: a test of the speaker; precheck.js: the network; log.js
//   remote.js    subscriptions and who sits where (seats.js); view.js: elements; sight.js, sizes.js: how
//                large they are
//   messages.js  custom messages
//   encryption.js end-to-end encryption; in its worker encryption-worker.js: frames (cryptor.js), keys
//                (keyring.js), RFC 9605 (sframe.js), what stays in the clear (envelope.js)
//   roster.js    who is in the room
//   watch.js     who speaks, how good the network is (reports.js), what stands still (flow.js);
//                hold.js: for how long sound is held; downlink.js: what the network is likely to carry
//   own.js       what one is called oneself; page.js: the page goes away, and comes back
//   check.js     what applications pass in
//   token.js     renewing one's token
//   protocol.js  the words of docs/protocol.md
//   types.js     events and options of this file; events.js: their names
// Register handlers before enterRoom: users who are there already are announced while it runs.
//
// A call refuses whatever it does not take, before anything is done. A promise rejects; a call without a
// promise throws. The error is a ParlorError whose code is `invalid_parameter` and whose field is the option
// or argument (ids: `user`, `room`).

import { CALLS, bool, errorFrom, guarded, options, role as aRole, source as aSource, text, value, whole, wrong } from './check.js';
import { listed, permissions } from './devices.js';
import { nextKey } from './encryption.js';
import { Equipment } from './equipment.js';
import { profileOf } from './own.js';
import { ExitReason, ParlorError, UserExitReason, checkUser } from './protocol.js';
import { Stay, isSupported } from './stay.js';

export { ExitReason, ParlorError, UserExitReason };

/** @typedef {import('./types.js').ParlorEvents} ParlorEvents */
/** @typedef {import('./types.js').ParlorOptions} ParlorOptions */
/** @typedef {import('./types.js').EnterOptions} EnterOptions */
/** @typedef {import('./types.js').ProfileOptions} ProfileOptions */
/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./protocol.js').Role} Role */

export class Parlor extends Equipment {
  #stay;

  /** The version of the client, which is the package's. */
  static get version() {
    return '0.1.0';
  }

  /**
   * Makes a client, which can be in one room at a time. Nothing is opened yet.
   * @param {ParlorOptions} [given]
   */
  static create(given = {}) {
    return new Parlor(given);
  }

  /** Whether this browser can take part in a call. */
  static isSupported() {
    return isSupported();
  }

  /** Whether this browser can share a screen. */
  static isScreenShareSupported() {
    return Boolean(navigator.mediaDevices?.getDisplayMedia);
  }

  /**
   * The key that follows one after `ratchetEncryptionKey()`, for whoever enters then.
   * @param {Uint8Array | ArrayBuffer} key
   * @param {128 | 256} [keyLength]  as in `create`
   */
  static nextEncryptionKey(key, keyLength = 128) {
    return guarded(() => nextKey(key, keyLength));
  }

  /** The cameras. Browsers name them (`label`) once the user has allowed one. */
  static getCameraList() {
    return guarded(() => listed('videoinput'));
  }

  /** The microphones. Browsers name them (`label`) once the user has allowed one. */
  static getMicrophoneList() {
    return guarded(() => listed('audioinput'));
  }

  /** Where sound can come out; empty in browsers that do not let pages choose. */
  static getSpeakerList() {
    return guarded(() => listed('audiooutput'));
  }

  /** Whether the page may use camera and microphone. Asks nobody, and opens nothing. */
  static getPermissions() {
    return guarded(permissions);
  }

  /** @param {ParlorOptions} given */
  constructor(given) {
    super();
    options(given, CALLS.create);
    this.#stay = new Stay((name, payload) => this.emit(name, payload), given);
    this.equip(this.#stay);
  }

  /** The state of the signalling connection. */
  get connectionState() {
    return this.#stay.state;
  }

  /** Ids of the others in the room. */
  get remoteUsers() {
    return this.#stay.roster.users();
  }

  /** One's own name and metadata, as the node has told them last; outside a room both are empty. */
  get profile() {
    return { ...this.#stay.own.profile };
  }

  /**
   * Somebody else in the room; null: nobody of that id is.
   * @param {string} userId
   * @returns {import('./types.js').RemoteUser | null}
   */
  getRemoteUser(userId) {
    return this.#stay.roster.user(checkUser(userId));
  }

  // --- the room

  /**
   * Enters a room. Resolves when the node has let one in; media follows by itself.
   * @param {EnterOptions} given
   */
  enterRoom(given) {
    return guarded(() => this.#stay.enter(options(given, CALLS.enterRoom)));
  }

  /**
   * Leaves the room. Resolves when the exit is complete: the node has confirmed it, the devices are
   * released and the connections closed. Never rejects; does nothing outside a room.
   */
  exitRoom() {
    return this.#stay.exit();
  }

  /**
   * Changes what the others call one, or one's metadata, while one is in the room. Resolves with both as the
   * node keeps them: without space around a name, and its letters in one form. Refused with `not_allowed` if
   * the token or a command says it, and with `message_limit` if it comes too often: five at once, one a
   * second.
   * @param {ProfileOptions} given
   */
  setProfile(given) {
    return guarded(async () => {
      options(given, CALLS.setProfile);
      this.#stay.inRoom();
      return profileOf(await this.#stay.request({ type: 'profile', ...given }));
    });
  }

  /**
   * Becomes anchor or audience (live scene). Becoming audience stops one's streams.
   * @param {Role} role
   */
  switchRole(role) {
    return guarded(() => {
      value('role', role, aRole);
      return this.#stay.switchRole(role);
    });
  }

  /**
   * Hands in another token for the stay, for the same room and user; `getToken` does so by itself. Streams
   * that it no longer allows stop.
   * @param {string} token
   */
  renewToken(token) {
    return guarded(() => {
      value('token', token, text);
      return this.#stay.renewToken(token);
    });
  }

  // --- encryption

  /**
   * Sets the key of a user, or one that all share (null). A user has up to 16 keys, by index. Keys last until
   * one leaves the room.
   * @param {string | null} userId
   * @param {import('./types.js').EncryptionKey | null} key  null: takes it away
   * @param {number} [index]  0 to 15
   * @param {import('./types.js').EncryptionKeyOptions} [given]
   */
  setEncryptionKey(userId, key, index = 0, given = {}) {
    return guarded(() => this.#stay.encryption.setKey(userId === null ? null : checkUser(userId), key, index, options(given, CALLS.encryptionKey).use));
  }

  /**
   * Encrypts with the key of this index from now on. Set it on all devices first, with `use: false`.
   * @param {number} index
   */
  useEncryptionKey(index) {
    return guarded(() => this.#stay.encryption.use(index));
  }

  /**
   * Takes one's own key a step on: the next one does not decrypt what was before. The others follow by
   * themselves.
   * @param {number} [index]  default: the one in use
   */
  ratchetEncryptionKey(index) {
    return guarded(() => this.#stay.encryption.ratchet(index));
  }

  /**
   * How the streams of a user come now, oneself included; null: nothing has come, or encryption is off.
   * @param {string} userId
   */
  encryptionState(userId) {
    return this.#stay.encryption.state(checkUser(userId));
  }

  // --- messages

  /**
   * Sends a custom message to everybody else in the room; they get the event `message`. `cmdId` (1-10) lets
   * the application tell its kinds apart. Data are at most 1000 bytes, a string as UTF-8. The limit is 30
   * messages and 8 KB a second. Reliable messages arrive, in order; others may be lost, but come sooner. If
   * the node refuses one, the promise rejects or an `error` with the field `message` comes, depending on the
   * way.
   * @param {number} cmdId
   * @param {Uint8Array | ArrayBuffer | string} data
   * @param {import('./types.js').MessageOptions} [given]
   */
  sendMessage(cmdId, data, given = {}) {
    return guarded(() => {
      options(given, CALLS.sendMessage);
      this.#stay.inRoom();
      return this.#stay.messages.send(cmdId, data, given);
    });
  }

  // --- one's own streams
  // Options last until the stream is stopped. A change gives the new ones. A change that fails changes
  // nothing, except that `mute: true` takes effect at once. Starting what is on is a change.

  /**
   * Opens the camera, shows it, and sends it as soon as one is in a room and may.
   * @param {import('./types.js').VideoOptions} [given]
   */
  startLocalVideo(given = {}) {
    return guarded(() => {
      options(given, CALLS.localVideo);
      this.#stay.maySend('camera');
      return this.#stay.local.startVideo(given).then(() => this.learn());
    });
  }

  /**
   * Changes the camera's stream: another device, size or rate, layers or codec, view or look, or mute:
   * `updateLocalVideo({ mute: true })`.
   * @param {import('./types.js').VideoOptions} given
   */
  updateLocalVideo(given) {
    return guarded(() => this.#stay.local.update('camera', options(given, CALLS.localVideo)));
  }

  /** Stops the camera's stream and releases the camera. */
  stopLocalVideo() {
    return guarded(() => this.#stay.local.stop('camera'));
  }

  /**
   * Opens the microphone, and sends it as soon as one is in a room and may.
   * @param {import('./types.js').AudioOptions} [given]
   */
  startLocalAudio(given = {}) {
    return guarded(() => {
      options(given, CALLS.localAudio);
      this.#stay.maySend('mic');
      return this.#stay.local.startAudio(given).then(() => this.learn());
    });
  }

  /**
   * Changes the microphone's stream: another device, what is done to the sound, or mute.
   * @param {import('./types.js').AudioOptions} given
   */
  updateLocalAudio(given) {
    return guarded(() => this.#stay.local.update('mic', options(given, CALLS.localAudio)));
  }

  /** Stops the microphone's stream and releases the microphone. */
  stopLocalAudio() {
    return guarded(() => this.#stay.local.stop('mic'));
  }

  /**
   * Asks the user which screen or window to share, and shares it, with its sound if the browser offers it.
   * @param {import('./types.js').ScreenOptions} [given]
   */
  startScreenShare(given = {}) {
    return guarded(() => {
      options(given, CALLS.screenShare);
      this.#stay.maySend('screen');
      return this.#stay.local.startScreen(given);
    });
  }

  /**
   * Changes the stream of one's own screen: anything but whether it has sound.
   * @param {import('./types.js').ScreenOptions} given
   */
  updateScreenShare(given) {
    return guarded(() => this.#stay.local.update('screen', options(given, CALLS.screenShare)));
  }

  /** Shares the screen no longer, and its sound neither. */
  stopScreenShare() {
    return guarded(() => this.#stay.local.stopScreen());
  }

  /**
   * The track that one sends as a source, or would; null: the source is off.
   * @param {Source} source
   */
  getLocalTrack(source) {
    value('source', source, aSource);
    return this.#stay.local.track(source);
  }

  // --- the others' streams

  /**
   * Shows a user's camera (`main`) or screen (`sub`) in an element, or in several; again with another view
   * moves it. It goes on by itself when the user stops and starts the stream. It comes as large as the view
   * needs it, and not at all while the view cannot be seen. Without a view, or if `adaptive` is false, it
   * comes as large as can be. `quality` is the highest simulcast layer that comes.
   * @param {import('./types.js').RemoteVideoOptions} given
   */
  startRemoteVideo(given) {
    return guarded(() => {
      options(given, CALLS.remoteVideo, ['view']);
      this.#stay.inRoom();
      this.#stay.remote.startVideo({ ...given, streamType: given.streamType ?? 'main' });
    });
  }

  /**
   * Changes quality, view or look of a stream that has been started; the rest stays.
   * @param {import('./types.js').RemoteVideoChange} given
   */
  updateRemoteVideo(given) {
    return guarded(() => {
      options(given, CALLS.remoteVideo);
      this.#stay.remote.updateVideo({ ...given, streamType: given.streamType ?? 'main' });
    });
  }

  /**
   * Shows and receives a stream no longer.
   * @param {import('./types.js').StopOptions} given
   */
  stopRemoteVideo(given) {
    return guarded(() => {
      const { userId, streamType } = options(given, CALLS.remoteTrack);
      this.#stay.remote.stopVideo(userId, streamType ? [streamType] : ['main', 'sub']);
    });
  }

  /**
   * Receives and plays the sound of a user no longer, or again.
   * @param {string} userId  `*`: everybody, also users who come later
   * @param {boolean} muted
   */
  muteRemoteAudio(userId, muted) {
    return guarded(() => {
      value('muted', muted, bool);
      this.#stay.inRoom();
      if (userId === '*') this.#stay.remote.setAllAudio(!muted);
      else this.#stay.remote.setAudio(userId, !muted);
    });
  }

  /**
   * Says how loud somebody is played, microphone and screen alike. It holds for the stay, also if the user
   * mutes, leaves and comes back. Safari on iOS plays everybody as loud as the device is set.
   * @param {string} userId  `*`: everybody, also users who come later; this takes the place of what was set
   *   of single ones, and holds for the loudest (`receiveLoudest`)
   * @param {number} volume  0 (silent) to 100 (as it comes), which is the default
   */
  setRemoteVolume(userId, volume) {
    return guarded(() => {
      if (typeof volume !== 'number' || !(volume >= 0 && volume <= 100)) throw wrong('volume', 'A volume is a number from 0 to 100.');
      if (userId !== '*') {
        this.#stay.inRoom();
        this.#stay.remote.need(userId);
      }
      this.#stay.remote.speakers.setVolume(userId, volume / 100);
    });
  }

  /**
   * Plays the loudest speakers, so many at a time, in place of everybody: for large rooms. The node says who
   * they are (`active-speaker`, `audio-volume`). muteRemoteAudio then mutes everybody, or the sound of a
   * user's screen.
   * @param {number} most  at most the node's `room.loudest`, 3 by default; 0: everybody is heard again
   */
  receiveLoudest(most) {
    return guarded(() => {
      whole('most', most, 0, 16, 'The loudest are a whole number from 1 to 16, or 0 for everybody.');
      this.#stay.remote.setLoudest(most);
    });
  }

  /**
   * Chooses where sound comes out, in browsers that allow it.
   * @param {string} deviceId  of getSpeakerList(); empty: the default
   */
  setSpeaker(deviceId) {
    return guarded(() => {
      value('deviceId', deviceId, text);
      return this.#stay.remote.speakers.setOutput(deviceId);
    });
  }

  /**
   * The track on which a picture of a user comes; null: none does.
   * @param {import('./types.js').RemoteTrack} given
   */
  getVideoTrack(given) {
    return this.#tracks(given)?.video ?? null;
  }

  /**
   * The track on which a sound of a user comes, of the microphone (`main`) or the screen (`sub`); null: none
   * does.
   * @param {import('./types.js').RemoteTrack} given
   */
  getAudioTrack(given) {
    return this.#tracks(given)?.audio ?? null;
  }

  /** @param {import('./types.js').RemoteTrack} given */
  #tracks(given) {
    const { userId, streamType = 'main' } = options(given, CALLS.remoteTrack);
    this.#stay.remote.need(userId);
    return this.#stay.remote.tracks(userId, streamType);
  }

  // --- reports

  /**
   * The browser's own statistics of the connection, or of one track; null outside a room.
   * @param {MediaStreamTrack | null} [track]
   */
  getStats(track = null) {
    return guarded(async () => {
      if (track !== null && !(track instanceof MediaStreamTrack)) throw wrong('track', 'A track is a MediaStreamTrack, or null for the whole connection.');
      return (await this.#stay.media.peer?.pc.getStats(track).catch((cause) => {
        throw track ? wrong('track', 'The track is neither sent nor received.') : errorFrom(cause);
      })) ?? null;
    });
  }

  /**
   * Has the node tell who speaks: `audio-volume` at this interval while somebody does, and `active-speaker`
   * when the speaker changes.
   * @param {number} [interval]  milliseconds, 100 to 10000; 0: no longer, and nobody is said to speak
   */
  enableAudioVolumeEvaluation(interval = 300) {
    return guarded(() => {
      if (interval !== 0) whole('interval', interval, 100, 10000, 'An interval is a whole number of milliseconds from 100 to 10000, or 0 for none.');
      return this.#stay.tellVolumes(interval);
    });
  }

  /**
   * Says whether the node tells `network-quality` and `statistics`; it does at first.
   * @param {boolean} on
   */
  enableStatistics(on) {
    return guarded(() => {
      value('on', on, bool);
      return this.#stay.tellStatistics(on);
    });
  }
}
