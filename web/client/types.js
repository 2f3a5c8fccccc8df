// What applications pass to the client and hear from it, as types only. docs/client.md has tables of them,
// made by `npm run docs`: each option and each event has a description here, for somebody who reads its row
// alone.

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./protocol.js').StreamType} StreamType */
/** @typedef {import('./protocol.js').Quality} Quality */
/** @typedef {import('./protocol.js').Role} Role */
/** @typedef {import('./protocol.js').Scene} Scene */
/** @typedef {import('./view.js').View} View */
/** @typedef {import('./view.js').FillMode} FillMode */
/** @typedef {'DISCONNECTED' | 'CONNECTING' | 'CONNECTED' | 'RECONNECTING'} ConnectionState  of the signalling
 *  connection */

/**
 * @typedef {object} ParlorEvents
 * @property {RemoteUser} remote-user-enter  Somebody else is in the room: who has come, and, while one
 *   enters, each who is there already
 * @property {{userId: string, reason: number}} remote-user-exit  Somebody else has left. `reason` is a
 *   `UserExitReason`
 * @property {{userId: string, name: string, metadata: string}} user-updated  Somebody is called otherwise
 *   now, or has other metadata; oneself included
 * @property {{userId: string, streamType: StreamType}} remote-video-available  A user's camera or screen has
 *   come on: `startRemoteVideo` shows it
 * @property {{userId: string, streamType: StreamType}} remote-video-unavailable  A user's camera or screen is
 *   off, or muted
 * @property {{userId: string, streamType: StreamType}} remote-video-stalled  Nothing of a picture has come
 *   for about a second, so it stands still; until it resumes, is unavailable, or is stopped
 * @property {{userId: string, streamType: StreamType}} remote-video-resumed  A picture that stood still goes
 *   on
 * @property {{userId: string}} remote-audio-available  A user's microphone has come on. It is played by
 *   itself, unless `autoReceiveAudio` is false
 * @property {{userId: string}} remote-audio-unavailable  A user's microphone is off, or muted
 * @property {{reason: number, text: string}} kicked-out  One was put out; `exit-room` follows. `reason` is an
 *   `ExitReason` other than `EXIT`; `text` is for people
 * @property {{reason: number, text: string}} exit-room  The stay is over, whatever the reason, an
 *   `ExitReason`. It comes last: devices are released, connections closed
 * @property {import('./messages.js').Received} message  A custom message. From the server `userId` is empty
 * @property {{count: number}} viewer-count  How many watch in a live room: its audience, players included. It
 *   comes at the beginning and, at most once a second, when it has changed
 * @property {{result: import('./reports.js').UserVolume[]}} audio-volume  Who speaks, oneself included;
 *   nobody: all have gone silent. It wants `enableAudioVolumeEvaluation()`
 * @property {{userId: string | null}} active-speaker  Who has the floor now; null: nobody. It wants
 *   `enableAudioVolumeEvaluation()`
 * @property {import('./reports.js').NetworkQuality} network-quality  How good the network is, every 2 s while
 *   something flows
 * @property {import('./reports.js').Statistics} statistics  What is sent and received, every 2 s while
 *   something flows
 * @property {{role: Role}} role-changed  One's own role is another now, by `switchRole` or by command
 * @property {{block: import('./protocol.js').Block}} blocked  A command keeps one's own streams of this kind
 *   from the others, or no longer (`none`)
 * @property {{userId: string, source: Source, on: boolean, codec: string}} undecodable  `on`: this browser
 *   cannot decode what the user sends as this source, so it stays black or silent; `codec` says what that is,
 *   e.g. `AV1 profile 1`. Not `on`: that is over
 * @property {{userId: string, source: Source, on: boolean}} paused  `on`: the network to here does not carry
 *   this picture for now, and it stands still; show that it does. Not `on`: that is over
 * @property {EncryptionError} encryption-error  Frames of a user cannot be decrypted, and are dropped; or one's
 *   own cannot be encrypted, and are not sent. Told once per user, source and state; `encryption-state` says
 *   when it is over
 * @property {{userId: string, state: EncryptionState | null}} encryption-state  How the streams of a user come
 *   now, the worst of them, oneself included. Show a lock at `encrypted`; null: nothing comes
 * @property {{inMs: number}} token-expiring  The token ends in so many milliseconds. With `getToken` it is
 *   renewed, else by `renewToken()`
 * @property {{prevState: ConnectionState, state: ConnectionState}} connection-state-changed  The signalling
 *   connection is in another state
 * @property {{}} connection-lost  There was no contact for 8 s. The client goes on trying, also at other
 *   nodes
 * @property {{}} connection-recovered  There is contact again after `connection-lost`
 * @property {{kind: DeviceKind, added: MediaDeviceInfo[], removed: MediaDeviceInfo[], devices: MediaDeviceInfo[]}} device-changed  Devices
 *   were put in or pulled out; `devices` are those of the kind that there are now
 * @property {DeviceSwitch} device-switched  A stream comes from another device: its own was pulled out, or is
 *   there again
 * @property {{device: 'camera' | 'microphone', state: Permission}} permission-changed  Whether the page may
 *   use the device is settled otherwise, where browsers tell
 * @property {{level: number}} local-audio-level  How loud one's own microphone is, 0 to 100, in a room or
 *   before. Wants `enableLocalAudioLevel`
 * @property {{streamType: StreamType}} local-video-stalled  The processor of one's own camera makes no
 *   pictures any more, so it stands still for all; until it resumes, is muted or stopped
 * @property {{streamType: StreamType}} local-video-resumed  It makes pictures again
 * @property {{}} screen-share-stopped  One's own screen is no longer shared: ended from the browser's
 *   controls
 * @property {{userId: string, resume: () => Promise<boolean>}} autoplay-failed  The browser wants a gesture
 *   of the user before it plays sound: the next one starts it, or call `resume()` in a handler of one.
 *   It resolves with whether everybody is heard then
 * @property {import('./protocol.js').ParlorError} error  Something has failed that no call waits for. If it
 *   is of one of one's own streams, `field` is its source
 */

/** @typedef {'encrypted' | 'missing_key' | 'wrong_key' | 'unencrypted' | 'wrong_sender' | 'replayed'
 *  | 'unsupported_codec'} EncryptionState */
/**
 * @typedef {object} EncryptionError
 * @property {string} userId   whose; empty if that is not known
 * @property {Source | 'message' | null} source  of what; null: of all
 * @property {EncryptionState | 'worker_failed'} code  docs/encryption.md says what follows from each
 * @property {string} message  for people
 */
/** @typedef {string | Uint8Array | ArrayBuffer | CryptoKey} EncryptionKey  a passphrase; at least 16 random
 *  bytes; or a CryptoKey for HKDF */
/**
 * @typedef {object} EncryptionOptions
 * @property {128 | 256} [keyLength]  of AES, in bits, the same for all in a room; default: 128
 * @property {string | URL | (() => Worker)} [worker]  where `encryption-worker.js` is, if it is not beside the
 *   client, or what starts it
 */
/**
 * @typedef {object} SharedEncryption
 * @property {EncryptionKey} [sharedKey]  the key that all in the room share, with index 0
 */
/**
 * @typedef {object} EncryptionKeyOptions
 * @property {boolean} [use]  whether it encrypts from now on, if it is one's own or shared; default: on
 */

/**
 * @typedef {object} TokenWanted
 * @property {number} [roomId]     the room, as `enterRoom` was given it
 * @property {string} [strRoomId]  the room, as `enterRoom` was given it
 * @property {string} userId       for whom it is to be
 */
/** @typedef {(wanted: TokenWanted) => string | Promise<string>} GetToken  called for the first token, where
 *  `enterRoom` has none, and again whenever one is about to end or has ended */

/**
 * @typedef {object} ParlorOptions
 * @property {string} [url]        address of the node; default: the page's own origin
 * @property {GetToken} [getToken]  gives tokens, now and whenever one is about to end
 * @property {boolean} [autoReceiveAudio]  whether everybody is heard without a call; default: on
 * @property {boolean} [adaptive]  whether pictures come as large as they are shown; default: on
 * @property {Partial<import('./seats.js').SeatLimits>} [seats]  how many streams of others are prepared for
 * @property {EncryptionOptions} [encryption]  encrypts end to end, if it is there: docs/encryption.md
 * @property {RTCIceServer[]} [iceServers]  further STUN and TURN servers, beside the node's own, of which it tells
 *   by itself
 * @property {RTCIceTransportPolicy} [iceTransportPolicy]  `relay`: only through TURN, to try it out;
 *   default: `all`
 * @property {Way[]} [transports]  the ways by which media may go; default: all. To try them out
 */
/**
 * @typedef {object} EnterOptions
 * @property {string} [strRoomId]  the room, by its name: either this or `roomId`
 * @property {number} [roomId]     the room, by its number, 1 to 4294967294; 123 is not the room "123"
 * @property {string} userId       who one is: 1 to 64 of the signs A-Z a-z 0-9 _ . @ -
 * @property {string} [token]      default: what `getToken` gives; none where the node has no keys
 * @property {string} [name]       what the others call one, in any script, at most 64 characters; default:
 *   none. If the token says another one, that holds
 * @property {string} [metadata]   a string of the application that the others get, at most 2048 bytes;
 *   likewise
 * @property {Role} [role]         default: `anchor`
 * @property {Scene} [scene]       default: `call`. It is that of the room, which the first one settles
 * @property {boolean} [autoReceiveAudio]  whether everybody is heard without a call; default: as `create`
 *   says
 * @property {SharedEncryption} [encryption]  encrypts end to end, if it is there or `create` has it
 */

/**
 * @typedef {object} ProfileOptions
 * @property {string} [name]      what the others call one; empty: nothing; default: as it is
 * @property {string} [metadata]  a string of the application; default: as it is
 */
/**
 * What somebody is called. What is not there is empty.
 * @typedef {object} Profile
 * @property {string} name      for people, in any script; it is not unique, and no id
 * @property {string} metadata  of the application
 */
/**
 * @typedef {object} RemoteUser
 * @property {string} userId      the id by which calls name the user
 * @property {string} name        what people call the user; empty: nothing was said
 * @property {string} metadata    of the application
 * @property {true} [mediaOnly]   an encoder or a player (WHIP, WHEP), which may be nobody
 */

/**
 * @typedef {object} VideoOptions
 * @property {View | null} [view]      where the own picture is shown; default: nowhere
 * @property {string} [deviceId]      of `getCameraList()`; default: the browser's choice
 * @property {'user' | 'environment'} [facingMode]  the camera that looks so, in place of a `deviceId`
 * @property {'180p' | '360p' | '480p' | '720p' | '1080p' | null} [profile]  size, frame rate and bitrate by a
 *   name; options beside it win. In a change it replaces all such that were given before; null: none
 * @property {number} [width]          wished, default 1280
 * @property {number} [height]         wished, default 720
 * @property {number} [frameRate]      wished, default 30
 * @property {number | null} [bitrate]  kbit/s, 30 to 100000: the most that is sent, of all layers together.
 *   Default: what good pictures of the size need at most
 * @property {Degradation | null} [degradationPreference]  what is kept if network or machine do not carry it
 *   all; default: the browser's choice
 * @property {'motion' | 'detail' | 'text' | null} [contentHint]  what the pictures show (W3C MST Content
 *   Hints); default: nothing is said of it
 * @property {boolean | null} [simulcast]  default: on for pictures at least 640 wide
 * @property {string | null} [svc]            in place of simulcast: the layers inside one stream, a scalability mode
 *   of WebRTC-SVC such as `L3T3_KEY`, where the browser sends such with the codec; else as without. Default
 *   codec with it: VP9. Browsers make fewer layers of small pictures
 * @property {'VP8' | 'VP9' | 'H264' | 'AV1' | null} [codec]  default: the browser's choice
 * @property {boolean} [mirror]        of the own view; default: on, except for environment cameras
 * @property {FillMode} [fillMode]  how the own picture fills its view; default: `cover`
 * @property {boolean} [mute]          whether it is muted, from the start or by a change: a muted camera
 *   sends nothing
 * @property {MediaStreamTrack | null} [videoTrack]  a track of the application's in place of a device's: of a
 *   canvas, a file, a mixer. It is sent as it is and never stopped here; null: a device again. The options of
 *   a device do not go with it
 * @property {Processor | null} [processor]  makes of the track the one that is shown and sent; null: none any
 *   more
 */

/** @typedef {'maintain-framerate' | 'maintain-resolution' | 'balanced'} Degradation  what is kept, in the
 *  words of W3C mst-content-hint */

/**
 * @typedef {object} AudioOptions
 * @property {string} [deviceId]          of `getMicrophoneList()`; default: the browser's choice
 * @property {'speech' | 'standard' | 'high' | 'music' | 'high-stereo' | null} [profile]  bitrate, channels and
 *   what is done to the sound by a name; options beside it win. In a change it replaces all such that were
 *   given before; null: none
 * @property {number | null} [bitrate]     kbit/s of Opus, 6 to 510; default: the browser's choice
 * @property {boolean | null} [stereo]     whether two channels are sent, if the device has them; default: the
 *   browser's choice
 * @property {boolean | null} [dtx]        whether silence is sent as next to nothing; default: the browser's
 *   choice
 * @property {'speech' | 'music' | null} [contentHint]  what the sound is (W3C MST Content Hints); default:
 *   `speech`
 * @property {boolean} [echoCancellation]  takes out what comes from the speaker; default: on
 * @property {boolean} [noiseSuppression]  takes out noise; default: on
 * @property {boolean} [autoGainControl]   evens out loudness; default: on
 * @property {boolean} [mute]              whether it is muted, from the start or by a change: a muted
 *   microphone sends silence
 * @property {MediaStreamTrack | null} [audioTrack]  a track of the application's in place of a device's, as
 *   `videoTrack` is
 * @property {Processor | null} [processor]  makes of the track the one that is shown and sent; null: none any
 *   more
 */

/**
 * Makes of a track the one that is shown and sent: blurs, removes noise, draws a mark. It is called for each
 * track that is captured, so also when another device is opened. `signal` aborts when its work is over, and
 * then it lets go of what it holds. It has 15 s to begin. If it fails, the call fails and nothing has
 * changed; if its track ends later, the stream is stopped. What it was to change is never sent as it was.
 * @callback Processor
 * @param {MediaStreamTrack} track
 * @param {{source: Source, signal: AbortSignal}} of
 * @returns {MediaStreamTrack | Promise<MediaStreamTrack>}
 */
/**
 * @typedef {object} ScreenOptions
 * @property {View | null} [view]    where the own screen is shown; default: nowhere
 * @property {boolean} [audio]       whether its sound is shared, where the browser offers it; default: on
 * @property {'720p' | '1080p' | 'motion' | null} [profile]  size, frame rate and bitrate by a name; options
 *   beside it win. In a change it replaces all such that were given before; null: none
 * @property {number} [width]        the most: larger screens are made smaller; default: any
 * @property {number} [height]       likewise
 * @property {number} [frameRate]    wished, default 15
 * @property {number | null} [bitrate]  kbit/s, 30 to 100000: the most that is sent; default: 2500
 * @property {Degradation | null} [degradationPreference]  what is kept if network or machine do not carry it
 *   all; default: the browser's choice
 * @property {'motion' | 'detail' | 'text' | null} [contentHint]  what it shows (W3C MST Content Hints);
 *   default: `detail`
 * @property {FillMode} [fillMode]   how it fills its view; default: `contain`
 * @property {Processor | null} [processor]  makes of the picture the one that is shown and sent; null: none
 *   any more
 */
/**
 * @typedef {object} SpeakerTest
 * @property {string} [deviceId]     of `getSpeakerList()`; default: the one that `setSpeaker` has chosen
 */

/** @typedef {'camera' | 'microphone' | 'speaker'} DeviceKind  what kind of device it is */
/** @typedef {'granted' | 'denied' | 'prompt' | 'unknown'} Permission  `prompt`: the browser is going to ask;
 *  `unknown`: it does not say */
/**
 * @typedef {object} Device
 * @property {string} deviceId       its id in this page
 * @property {string} label          its name, as the browser has it
 */
/**
 * @typedef {object} DeviceSwitch
 * @property {'camera' | 'mic'} source  the stream
 * @property {'lost' | 'returned'} reason  its device has gone, or is there again
 * @property {Device} device         the one from which it comes now
 * @property {Device} before         the one from which it came
 */

/**
 * @typedef {object} RemoteTrack
 * @property {string} userId             whose
 * @property {StreamType} [streamType]   default: `main`
 */
/**
 * @typedef {object} StopOptions
 * @property {string} userId             whose; `*`: everybody's
 * @property {StreamType} [streamType]   default: both
 */
/**
 * @typedef {object} RemoteVideoOptions
 * @property {string} userId             whose
 * @property {StreamType} [streamType]   default: `main`
 * @property {View | View[] | null} view  where it is shown, also at several places; null: nowhere, and it
 *   comes as large as can be. An update without it leaves it where it is
 * @property {Quality} [quality]         the highest simulcast layer that comes; default: `high`
 * @property {FillMode} [fillMode]       how it fills its view; default: `cover` of cameras, `contain` of
 *   screens
 * @property {boolean} [mirror]          default: off
 * @property {boolean} [adaptive]        whether it comes as large as it is shown; default: as `create` says
 */
/** @typedef {Partial<RemoteVideoOptions> & RemoteTrack} RemoteVideoChange */

/**
 * @typedef {object} MessageOptions
 * @property {boolean} [reliable]  default: on. Others may be lost, but come sooner
 */

export {};

/** @typedef {'udp' | 'tcp' | 'turn'} Way  by which media reaches the node; `turn`: relayed, over UDP, TCP or TLS */
/**
 * @typedef {object} CheckOptions
 * @property {string} [url]         address of the node; default: the page's own origin
 * @property {GetToken} [getToken]  gives tokens for the users of the check, `ROOM-up`, `ROOM-down`, `ROOM-udp`,
 *   `ROOM-tcp` and `ROOM-turn`; none where the node has no keys
 * @property {string} [strRoomId]   ROOM: a room for the check alone; default: one whose name nobody guesses
 * @property {RTCIceServer[]} [iceServers]  as for `create`
 * @property {number} [durationMs]  how long media is measured, milliseconds, 1000 to 60000; default: 6000. All of
 *   it takes some 10 s more
 * @property {(share: number) => void} [onProgress]  hears how much is done, from 0 to 1
 * @property {AbortSignal} [signal]  calls the check off: it rejects with `aborted`
 */
/**
 * @typedef {object} Carried
 * @property {number} kbps  kbit/s that went through, at most about 2500: more is not tried
 * @property {number} loss  per cent of the packets
 */
/**
 * @typedef {object} CheckProblem
 * @property {'media_blocked' | 'udp_blocked' | 'slow_up' | 'slow_down' | 'loss' | 'delay'} code  what it is
 * @property {string} text  for people, and what to do about it
 */
/**
 * @typedef {object} CheckReport
 * @property {'good' | 'fair' | 'poor' | 'none'} verdict  `good`: large pictures; `fair`: small ones; `poor`: hard to
 *   follow; `none`: no media gets through
 * @property {string} summary  the verdict for people
 * @property {CheckProblem[]} problems  what is not good
 * @property {number} enteringMs    how long entering took, milliseconds
 * @property {Way | null} transport  the way that a call takes; null: there is none
 * @property {{udp: boolean | null, tcp: boolean | null, turn: boolean | null}} ways  which ways are open. null of
 *   `turn`: the node has no TURN, or it cannot be reached
 * @property {Carried} up     from here to the node
 * @property {Carried} down   from the node to here
 * @property {number} roundTripMs  to the node and back, milliseconds
 * @property {number} jitterMs     milliseconds
 */
