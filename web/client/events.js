// The names of the events. What each brings is in types.js.

/** Every event, so that a handler for an unknown one is refused. @type {Record<keyof import('./types.js').ParlorEvents, 1>} */
export const EVENTS = {
  'remote-user-enter': 1, 'remote-user-exit': 1, 'user-updated': 1, 'remote-video-available': 1, 'remote-video-unavailable': 1, 'remote-video-stalled': 1,
  'remote-video-resumed': 1, 'remote-audio-available': 1, 'remote-audio-unavailable': 1, 'kicked-out': 1, 'exit-room': 1, message: 1,
  'viewer-count': 1, 'audio-volume': 1, 'active-speaker': 1, 'network-quality': 1, statistics: 1, 'role-changed': 1, blocked: 1, 'token-expiring': 1,
  'connection-state-changed': 1, 'connection-lost': 1, 'connection-recovered': 1, 'screen-share-stopped': 1, 'autoplay-failed': 1, undecodable: 1, paused: 1,
  'device-changed': 1, 'device-switched': 1, 'permission-changed': 1, 'local-audio-level': 1, 'local-video-stalled': 1, 'local-video-resumed': 1,
  'encryption-error': 1, 'encryption-state': 1, error: 1,
};
