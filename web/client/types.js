// What applications pass to the client and hear from it, as types only.

/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./protocol.js').StreamType} StreamType */
/** @typedef {import('./protocol.js').Quality} Quality */
/** @typedef {import('./protocol.js').Role} Role */
/** @typedef {import('./protocol.js').Scene} Scene */
/** @typedef {'DISCONNECTED' | 'CONNECTING' | 'CONNECTED' | 'RECONNECTING'} ConnectionState */

/**
 * @typedef {object} ParlorEvents
 * @property {{userId: string, mediaOnly?: true}} remote-user-enter  mediaOnly: an encoder or a player (WHIP,
 *   WHEP), which may be nobody
 * @property {{userId: string, reason: number}} remote-user-exit  UserExitReason
 * @property {{userId: string, streamType: StreamType}} remote-video-available
 * @property {{userId: string, streamType: StreamType}} remote-video-unavailable
 * @property {{userId: string, streamType: StreamType}} remote-video-stalled  nothing of it has come for about
 *   a second, so the picture stands still; until it resumes, is unavailable, or is stopped
 * @property {{userId: string, streamType: StreamType}} remote-video-resumed
 * @property {{userId: string}} remote-audio-available
 * @property {{userId: string}} remote-audio-unavailable
 * @property {{reason: number, text: string}} kicked-out  one was put out: ExitReason other than EXIT
 * @property {{reason: number, text: string}} exit-room   the stay is over, whatever the reason; comes last
 * @property {import('./messages.js').Received} message  a custom message; from the server userId is empty
 * @property {{result: import('./reports.js').UserVolume[]}} audio-volume  who speaks, 1–100, oneself
 *   included; nobody: all have gone silent. Wants enableAudioVolumeEvaluation()
 * @property {{userId: string | null}} active-speaker  who has the floor now; likewise
 * @property {import('./reports.js').NetworkQuality} network-quality  every 2 s while something flows
 * @property {import('./reports.js').Statistics} statistics  likewise
 * @property {{role: Role}} role-changed
 * @property {{block: import('./protocol.js').Block}} blocked  a command keeps one's own streams of this kind
 *   from the others, or no longer
 * @property {{userId: string, source: Source, on: boolean, codec: string}} undecodable  `on`: this browser
 *   cannot decode what the user sends as this source, so it stays black or silent; `codec` says what that is,
 *   e.g. `AV1 profile 1`. Not `on`: that is over
 * @property {{userId: string, source: Source, on: boolean}} paused  `on`: the network to here does not carry
 *   this picture for now, and it stands still; show that it does. Not `on`: that is over
 * @property {{inMs: number}} token-expiring  the token ends then; with `getToken` it is renewed, else by
 *   renewToken()
 * @property {{prevState: ConnectionState, state: ConnectionState}} connection-state-changed
 * @property {{}} connection-lost
 * @property {{}} connection-recovered
 * @property {{}} screen-share-stopped  ended from the browser's own controls
 * @property {{userId: string, resume: () => Promise<boolean>}} autoplay-failed  the browser wants a gesture
 *   of the user before it plays sound: the next one starts it, or call resume() in a handler of one;
 *   resume() resolves with whether everybody is heard then
 * @property {import('./protocol.js').ParlorError} error
 */

/**
 * @typedef {{roomId?: number, strRoomId?: string, userId: string}} TokenWanted
 * @typedef {(wanted: TokenWanted) => string | Promise<string>} GetToken  called for the first token, where
 *   enterRoom has none, and again whenever one is about to end or has ended
 */
/** @typedef {{getToken?: GetToken, url?: string, autoReceiveAudio?: boolean, adaptive?: boolean, seats?: Partial<import('./seats.js').SeatLimits>}} ParlorOptions */
/** @typedef {{roomId?: number, strRoomId?: string, userId: string, token?: string, role?: Role, scene?: Scene, autoReceiveAudio?: boolean}} EnterOptions */

/**
 * @typedef {object} VideoOptions
 * @property {import('./view.js').View | null} [view]      where the own picture is shown
 * @property {string} [deviceId]
 * @property {'user' | 'environment'} [facingMode]
 * @property {number} [width]          wished, default 1280
 * @property {number} [height]         wished, default 720
 * @property {number} [frameRate]      wished, default 30
 * @property {boolean} [simulcast]     default: on for pictures at least 640 wide
 * @property {string} [svc]            in place of simulcast: the layers inside one stream, a scalability mode
 *   of WebRTC-SVC such as `L3T3_KEY`, where the browser sends such with the codec; else as without. Default
 *   codec with it: VP9. Browsers make fewer layers of small pictures
 * @property {'VP8' | 'VP9' | 'H264' | 'AV1'} [codec]  default: the browser's choice
 * @property {boolean} [mirror]        of the own view; default: on, except for environment cameras
 * @property {import('./view.js').FillMode} [fillMode]
 * @property {boolean} [mute]          starts muted
 * @property {MediaStreamTrack | null} [videoTrack]  a track of the application's in place of a device's: of a
 *   canvas, a file, a mixer. It is sent as it is and never stopped here; null: a device again. The options of
 *   a device do not go with it
 * @property {Processor | null} [processor]  null: none any more
 */

/**
 * @typedef {object} AudioOptions
 * @property {string} [deviceId]
 * @property {boolean} [echoCancellation]  default: on
 * @property {boolean} [noiseSuppression]  default: on
 * @property {boolean} [autoGainControl]   default: on
 * @property {boolean} [mute]              starts muted
 * @property {MediaStreamTrack | null} [audioTrack]  as videoTrack is of the camera
 * @property {Processor | null} [processor]  null: none any more
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
/** @typedef {{view?: import('./view.js').View | null, audio?: boolean, frameRate?: number, fillMode?: import('./view.js').FillMode}} ScreenOptions */

export {};
