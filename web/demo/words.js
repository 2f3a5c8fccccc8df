// The demo's words: why a stay ended, what an error means, who came and went. Pure.

/** @type {Record<string, string>} */
const ERRORS = {
  token_invalid: 'This access token is not valid here. Copy the whole of it, or ask for a new one.',
  token_missing: 'Entering needs an access token here. Paste yours, or ask for one.', // the page's own code
  token_expired: 'This access token has expired. Ask for a new one.',
  not_allowed: 'Your token does not allow this.',
  room_full: 'This room is full. Try again when somebody has left.',
  publisher_limit: 'No more people can send sound or pictures in this room. You can still watch and listen.',
  message_limit: 'You are sending messages too fast. Please wait a moment.',
  scene_mismatch: 'This room is already running in another mode. Open its own link, or take another name for the room.',
  banned: 'You have been removed from this room and cannot come back yet.',
  node_draining: 'The server lets nobody in at the moment. Please try again in a minute.',
  connection_failed: 'The server cannot be reached. Check your connection and try again.',
  timeout: 'The server did not answer in time. Please try again.',
  device_lost: 'A device was disconnected.',
  internal: 'Something went wrong on the server. Please try again.',
};

/** What an error means of a certain field. @type {Record<string, string>} */
const BY_FIELD = {
  'not_allowed room': 'This access token is for another room, or does not allow you to open a new one. Check the name of the room.',
  'not_allowed user': 'This access token is for another name. Enter that name, or ask for a token of your own.',
  'not_allowed camera': 'Your token does not allow you to send video, so your camera is off.',
  'not_allowed mic': 'Your token does not allow you to send sound, so your microphone is off.',
  'not_allowed message': 'Your token does not allow you to send messages.',
  'invalid_parameter data': 'This message is too long. Please send it in parts.',
  'not_allowed screen': 'Your token does not allow you to share your screen.',
};

/** @param {unknown} err */
export function errorText(err) {
  const e = /** @type {{code?: string, message?: string, field?: string}} */ (err);
  if (e?.field === 'media' && e.message) return e.message;
  if (e?.field === 'name' && e.code !== 'not_allowed') return `This name cannot be used: ${e.message}`;
  return (BY_FIELD[`${e?.code} ${e?.field}`] ?? ERRORS[e?.code ?? '']) ?? e?.message ?? String(err);
}

/**
 * again: whether most people then want to join again, and can.
 * @type {Record<number, {again: boolean, title: string, text: string}>}
 */
const ENDINGS = {
  [-1]: { again: true, title: 'The connection was lost', text: 'It could not be restored.' },
  1: { again: false, title: 'You were removed from the room', text: 'Somebody who runs this room has taken you out of it.' },
  2: { again: true, title: 'The room was closed', text: 'It has been ended for everybody.' },
  3: { again: false, title: 'You joined from somewhere else', text: 'You are in this room in another window or on another device, under the same name. Only one at a time can be.' },
  4: { again: true, title: 'The server is restarting', text: 'The call has ended for everybody on it. Joining again usually works within a minute.' },
  5: { again: false, title: 'Your access token has expired', text: 'The call goes on for the others. Join again with a new token.' },
};

/** @param {number} reason */
export function ending(reason) {
  return ENDINGS[reason] ?? { again: true, title: 'The call has ended', text: '' };
}

/**
 * What to say if there is nobody else to see. In a live room nobody is shown the audience, so nobody may be
 * there, or hundreds.
 * @param {string} scene
 * @param {string} role
 */
export function aloneText(scene, role) {
  if (scene !== 'live') return 'Nobody else is here yet. Send the link to somebody.';
  return role === 'audience' ? 'Nobody is on stage yet.' : 'You are on stage alone. Those who watch are not shown here.';
}

/** @type {Record<string, string>} */
const BLOCKS = {
  both: 'Others cannot see or hear you: somebody who runs this room has turned off your video and sound.',
  audio: 'Others cannot hear you: somebody who runs this room has turned off your sound.',
  video: 'Others cannot see you: somebody who runs this room has turned off your video.',
};

/** @param {string} block */
export function blockText(block) {
  return BLOCKS[block] ?? '';
}

/**
 * What a tile says of streams that the browser cannot decode, or that its network does not carry. Also says
 * whether that is its picture.
 * @param {{source: string, codec: string}[]} list  codec '': the network
 * @returns {['' | 'sound' | 'picture', string]}
 */
export function undecodableText(list) {
  const kinds = list.map(({ source }) => source === 'camera' || source === 'screen' ? /** @type {const} */ ('picture') : /** @type {const} */ ('sound'));
  const text = list.map(({ codec }, i) => codec ? `No ${kinds[i]}: your browser cannot decode ${codec}` : PAUSED).join('. ');
  return [kinds.find((kind) => kind === 'picture') ?? kinds[0] ?? '', text];
}

const PAUSED = 'Paused: your network is too slow for this picture';

/** From poor on: nobody needs to be told of a good network. @type {Record<number, string>} */
const QUALITIES = { 3: 'poor', 4: 'bad', 5: 'very bad', 6: 'down' };
export const POOR = 3;
/** The least loss in per cent, wait and round trip in ms that are worth a word. */
const [LOSSY, WAITS, FAR] = [5, 50, 150];

/**
 * What to say of the quality of somebody's network; nothing if it is fine or not known.
 * @param {number} quality
 */
export function qualityText(quality) {
  return QUALITIES[quality] ?? '';
}

/** What stands above the call if one's own network is poor. @param {string} quality */
export function ownText(quality) {
  return `Your network is ${quality || 'slow'}`;
}

/**
 * What one's own network makes of the pictures of others; empty if it carries them.
 * @param {{downLimit: string | null, remoteStatistics: {video: {state?: string}[]}[]} | null} s  the latest
 *   statistics
 */
export function slowText(s) {
  if (s?.downLimit !== 'delay' && s?.downLimit !== 'loss') return '';
  const paused = s.remoteStatistics.some(({ video }) => video.some(({ state }) => state === 'paused'));
  return `Your connection ${s.downLimit === 'loss' ? 'is poor' : 'is slow'}: ${paused ? 'some pictures are paused' : 'pictures are smaller'}`;
}

/**
 * What limits one's own network, in the directions in which it is poor; empty if that is not known.
 * @param {import('../client/reports.js').NetworkQuality} q
 * @param {{downEstimate: number, downQueue: number} | null} s  the latest statistics
 */
export function limitText(q, s) {
  const lost = (/** @type {number} */ loss) => loss >= LOSSY ? [`${Math.round(loss)} % lost`] : [];
  const down = q.downlinkNetworkQuality < POOR ? [] : [
    ...(s?.downEstimate ? [`${Number((s.downEstimate / 1000).toFixed(s.downEstimate < 10000 ? 1 : 0))} Mbit/s`] : []),
    ...(s && s.downQueue >= WAITS ? [`waits ${Math.round(s.downQueue)} ms`] : []), ...lost(q.downlinkLoss)];
  const up = q.uplinkNetworkQuality < POOR ? [] : lost(q.uplinkLoss);
  const far = q.rtt >= FAR && Math.max(q.uplinkNetworkQuality, q.downlinkNetworkQuality) >= POOR;
  return [down.length > 0 && `receiving: ${down.join(', ')}`, up.length > 0 && `sending: ${up.join(', ')}`, far && `round trip ${Math.round(q.rtt)} ms`]
    .filter(Boolean).join('; ');
}

/** @type {Record<number, string>} */
const EXITS = { 0: 'left', 1: 'lost the connection', 2: 'was removed', 3: 'is only watching now' };

/**
 * @param {string} name
 * @param {number} reason
 */
export function exitText(name, reason) {
  return `${name} ${EXITS[reason] ?? 'left'}`;
}
