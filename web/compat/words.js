// The words of the other SDK (its web SDK 5): events, types, error codes, profiles. Facts of its public
// documentation, web.sdk.qcloud.com/trtc/webrtc/v5/doc/en/.

export const EVENT = Object.freeze({
  ERROR: 'error', AUTOPLAY_FAILED: 'autoplay-failed', KICKED_OUT: 'kicked-out',
  REMOTE_USER_ENTER: 'remote-user-enter', REMOTE_USER_EXIT: 'remote-user-exit',
  REMOTE_AUDIO_AVAILABLE: 'remote-audio-available', REMOTE_AUDIO_UNAVAILABLE: 'remote-audio-unavailable',
  REMOTE_VIDEO_AVAILABLE: 'remote-video-available', REMOTE_VIDEO_UNAVAILABLE: 'remote-video-unavailable',
  AUDIO_VOLUME: 'audio-volume', AUDIO_FRAME: 'audio-frame', NETWORK_QUALITY: 'network-quality', STATISTICS: 'statistics',
  CONNECTION_STATE_CHANGED: 'connection-state-changed', AUDIO_PLAY_STATE_CHANGED: 'audio-play-state-changed',
  VIDEO_PLAY_STATE_CHANGED: 'video-play-state-changed', VIDEO_SIZE_CHANGED: 'video-size-changed', SCREEN_SHARE_STOPPED: 'screen-share-stopped',
  DEVICE_CHANGED: 'device-changed', PUBLISH_STATE_CHANGED: 'publish-state-changed', TRACK: 'track', SEI_MESSAGE: 'sei-message',
  CUSTOM_MESSAGE: 'custom-message', FIRST_VIDEO_FRAME: 'first-video-frame', PERMISSION_STATE_CHANGE: 'permission-state-change',
  REALTIME_TRANSCRIBER_MESSAGE: 'realtime-transcriber-message', REALTIME_TRANSCRIBER_STATE_CHANGED: 'realtime-transcriber-state-changed',
  PICTURE_IN_PICTURE_STATE_CHANGED: 'picture-in-picture-state-changed', FULL_SCREEN_STATE_CHANGED: 'full-screen-state-changed',
});

/** Events that never come here. Handlers of them are taken all the same, so that an application runs. */
export const NEVER = new Set([EVENT.AUDIO_FRAME, EVENT.AUDIO_PLAY_STATE_CHANGED, EVENT.SEI_MESSAGE, EVENT.REALTIME_TRANSCRIBER_MESSAGE,
  EVENT.REALTIME_TRANSCRIBER_STATE_CHANGED, EVENT.PICTURE_IN_PICTURE_STATE_CHANGED, EVENT.FULL_SCREEN_STATE_CHANGED]);

export const TYPE = Object.freeze({
  SCENE_RTC: 'rtc', SCENE_LIVE: 'live', ROLE_ANCHOR: 'anchor', ROLE_AUDIENCE: 'audience', STREAM_TYPE_MAIN: 'main', STREAM_TYPE_SUB: 'sub',
  AUDIO_PROFILE_STANDARD: 'standard', AUDIO_PROFILE_STANDARD_STEREO: 'standard-stereo', AUDIO_PROFILE_HIGH: 'high', AUDIO_PROFILE_HIGH_STEREO: 'high-stereo',
  QOS_PREFERENCE_SMOOTH: 'smooth', QOS_PREFERENCE_CLEAR: 'clear', SPEAKER: 'Speakerphone', HEADSET: 'Headset earpiece',
});

export const ERROR_CODE = Object.freeze({
  INVALID_PARAMETER: 5000, INVALID_OPERATION: 5100, ENV_NOT_SUPPORTED: 5200, DEVICE_ERROR: 5300, SERVER_ERROR: 5400, OPERATION_FAILED: 5500,
  OPERATION_ABORT: 5998, UNKNOWN_ERROR: 5999,
});

/** @param {number} width @param {number} height @param {number} frameRate @param {number} bitrate  kbit/s */
const profile = (width, height, frameRate, bitrate) => Object.freeze({ width, height, frameRate, bitrate });

/** Profiles of cameras by name. @type {Record<string, {width: number, height: number, frameRate: number, bitrate: number}>} */
export const VIDEO = Object.freeze({
  '120p': profile(160, 120, 15, 200), '120p_2': profile(160, 120, 15, 100), '180p': profile(320, 180, 15, 350), '180p_2': profile(320, 180, 15, 150),
  '240p': profile(320, 240, 15, 400), '240p_2': profile(320, 240, 15, 200), '360p': profile(640, 360, 15, 800), '360p_2': profile(640, 360, 15, 400),
  '480p': profile(640, 480, 15, 900), '480p_2': profile(640, 480, 15, 500), '720p': profile(1280, 720, 15, 1500), '1080p': profile(1920, 1080, 15, 2000),
  '1440p': profile(2560, 1440, 30, 4860), '4K': profile(3840, 2160, 30, 9000),
});

/** Profiles of screens by name. @type {Record<string, {width: number, height: number, frameRate: number, bitrate: number}>} */
export const SCREEN = Object.freeze({
  '480p': profile(640, 480, 5, 900), '480p_2': profile(640, 480, 30, 1000), '720p': profile(1280, 720, 5, 1200), '720p_2': profile(1280, 720, 30, 3000),
  '1080p': profile(1920, 1080, 5, 1600), '1080p_2': profile(1920, 1080, 30, 4000),
});

/** Profiles of microphones by name. @type {Record<string, {bitrate: number, stereo: boolean}>} */
export const AUDIO = Object.freeze({
  standard: { bitrate: 40, stereo: false }, 'standard-stereo': { bitrate: 64, stereo: true }, high: { bitrate: 128, stereo: false }, 'high-stereo': { bitrate: 192, stereo: true },
});
