// What both pages share: what their address says, and what errors mean.
//
// The address is /play/{room}, /play/{room}/{user} or /publish/{room}, below whatever a proxy puts in front.
// The token stands behind the #, which no browser sends to a server: #token=….

/** Where the node's own paths begin. */
const base = new URL('..', import.meta.url);

/** The node's door, below the same path as this page. */
export const door = new URL('rtc', base).href;

/** @param {string} id */
export const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * @typedef {object} Place
 * @property {string} room
 * @property {string} user    whom to watch; empty: everybody
 * @property {string} token
 * @property {URLSearchParams} query
 */

/** @returns {Place} */
export function place() {
  const steps = location.pathname.slice(base.pathname.length).split('/').map(decoded);
  return {
    room: steps[1] ?? '', user: steps[2] ?? '',
    token: new URLSearchParams(location.hash.slice(1)).get('token') ?? '',
    query: new URLSearchParams(location.search),
  };
}

/** @param {string} step */
function decoded(step) {
  try {
    return decodeURIComponent(step);
  } catch {
    return step;
  }
}

/**
 * The address of a page of a room.
 * @param {string} page
 * @param {string} room
 */
export function address(page, room) {
  return new URL(`${page}/${encodeURIComponent(room)}`, base).href;
}

/**
 * The name by which to enter: that of the address, or of the token, or one that is made up.
 * @param {Place} of
 * @param {string} made  how one that is made up begins
 */
export function me({ query, token }, made) {
  const own = query.get('user') || claimed(token);
  return own || `${made}-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
}

/**
 * The user that a token is for; empty: anybody, or it cannot be read, which the node says.
 * @param {string} token
 */
function claimed(token) {
  try {
    const text = atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'));
    const { user } = JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (c) => c.charCodeAt(0))));
    return typeof user === 'string' ? user : '';
  } catch {
    return '';
  }
}

/** @type {Record<string, string>} */
const ERRORS = {
  token_invalid: 'This link has no valid access token. Ask for a new link; the token stands behind #token= in it.',
  token_expired: 'The access token of this link has ended. Ask for a new link.',
  not_allowed: 'The access token of this link does not allow this. Ask for another link.',
  room_full: 'The room is full. Try again when somebody has left.',
  publisher_limit: 'Nobody else can publish in this room. Try again when somebody has stopped.',
  scene_mismatch: 'The room is of another kind. Take scene= out of the address.',
  banned: 'You have been removed from this room, and cannot come back yet.',
  node_draining: 'The server lets nobody in at the moment. Try again in a minute.',
  connection_failed: 'The server cannot be reached. Check your connection.',
  timeout: 'The server did not answer in time. Check your connection.',
  device_denied: 'The browser may not use it. Allow camera and microphone for this page in the address bar, then start again.',
  device_not_found: 'There is no such device. Plug one in, or choose another one.',
  device_busy: 'Another program uses the camera or microphone. Close that program, then start again.',
  device_lost: 'The device was unplugged. Plug it in, or choose another one.',
  not_supported: 'This browser cannot do that. Take a current Chrome, Edge, Firefox or Safari, and open the page by https.',
  internal: 'Something went wrong on the server. Try again.',
};

/** What may be over soon, so that it is tried again by itself. */
const PASSING = ['node_draining', 'connection_failed', 'timeout', 'room_full', 'internal'];

/** @param {unknown} err */
export function explain(err) {
  const { code = '', message = String(err), field = '' } = /** @type {{code?: string, message?: string, field?: string}} */ (err);
  if (code === 'invalid_parameter' && (field === 'room' || field === 'user')) {
    return `The address has no valid ${field === 'room' ? 'name of a room' : 'name'}: letters, digits and _ . @ - are.`;
  }
  return ERRORS[code] ?? message;
}

/** @param {unknown} err */
export function passing(err) {
  return PASSING.includes(/** @type {{code?: string}} */ (err).code ?? '');
}

/** Why a stay has ended. @type {Record<number, string>} */
export const ENDINGS = {
  [-1]: 'The connection was lost.',
  1: 'You were removed from the room.',
  2: 'The room was closed.',
  3: 'This was opened somewhere else under the same name. Only one at a time can be.',
  4: 'The server is restarting. It usually goes on within a minute.',
  5: 'The access token of this link has ended. Ask for a new link.',
};
