// The demo page: joining, the call, and what it says when the call is over. It uses nothing of the client but
// its public calls and events, so it is also an example to start from.
// Address parameters: room, name, user, role, scene, camera=0, mic=0, and token. They fill in the form: a person
// who follows a link clicks before a device is opened or a room entered. Two people of one name have user ids
// of their own; user says which id one has. The token best stands behind the #, as #token=…, since browsers
// send that to nobody.

import { Parlor, ExitReason } from '../client/parlor.js';
import { Chat } from './chat.js';
import { Devices } from './devices.js';
import { claims, idOf, isId, mark } from './names.js';
import { People } from './people.js';
import { $, banner, button, input, notice, ownNetwork, remember, remembered, show, toast } from './page.js';
import { Tiles } from './tiles.js';
import { POOR, aloneText, blockText, ending, errorText, exitText, limitText, ownText, qualityText, slowText, undecodableText } from './words.js';

const params = new URLSearchParams(location.search);
const role = params.get('role') === 'audience' ? 'audience' : 'anchor';
const scene = params.get('scene') === 'live' ? 'live' : 'call';

const parlor = Parlor.create({ url: new URL('../rtc', import.meta.url).href }); // below the path that a proxy puts in front
const tiles = new Tiles({
  quality: (userId, quality) => run(parlor.updateRemoteVideo({ userId, quality })),
  silence: (userId, silenced) => run(parlor.muteRemoteAudio(userId, silenced)),
  changed: () => people.changed(),
});
const people = new People({
  all: () => tiles.people(),
  silence: (userId) => tiles.silence(userId),
  volume: (userId, volume) => run(parlor.setRemoteVolume(userId, volume)),
  quality: (userId, quality) => tiles.ask(userId, quality),
});

/** The demo's own kind of message: a line of text, in UTF-8. */
const TEXT = 1;
const chat = new Chat(async (text) => {
  try {
    await parlor.sendMessage(TEXT, text);
  } catch (err) {
    toast(errorText(err), 'bad');
    return false;
  }
  chat.add(`${called(me)} (you)`, text, true);
  return true;
});

let me = '';
/** The name of each user, by id. @type {Map<string, string>} */
const names = new Map();
/** What makes the user id of this page its own. */
const own = mark();
/** Users without a name are called by their ids. @param {string} userId */
const called = (userId) => names.get(userId) || userId;
let inCall = false;
const devices = new Devices(parlor, {
  want: { mic: role === 'anchor' && params.get('mic') !== '0', cam: role === 'anchor' && params.get('camera') !== '0' },
  view: () => inCall ? tiles.view(me, 'main') : $('preview'),
  changed: paint,
});
const { want, on } = devices;
/** Why the camera could not be shown before joining. */
let noCamera = '';
/** The largest number of people whose coming and going is said: in a larger room nobody could listen to
 *  anything else. */
const FEW = 12;

void parlor.enableAudioVolumeEvaluation(300); // from the next entering on

Object.assign(window, { parlor }); // to try things in the console

// --- what fails

/**
 * Says whatever fails; what was called off is no failure. The buttons show what is on then, and soon: changes
 * that need no answer of the node take effect before.
 * @param {Promise<unknown>} promise
 */
function run(promise) {
  setTimeout(paint);
  return promise.catch((err) => {
    if (err?.code !== 'aborted') toast(errorText(err), 'bad');
  }).finally(paint);
}

// --- what the buttons look like

/** Brings every button and the own tile to the present state. */
function paint() {
  button('mic', on.mic, on.mic ? 'Mute' : 'Unmute', on.mic ? 'i-mic' : 'i-mic-off');
  button('cam', on.cam, on.cam ? 'Stop video' : 'Start video', on.cam ? 'i-cam' : 'i-cam-off');
  button('pre-mic', want.mic, want.mic ? 'Turn microphone off' : 'Turn microphone on', want.mic ? 'i-mic' : 'i-mic-off');
  button('pre-cam', want.cam, want.cam ? 'Turn camera off' : 'Turn camera on', want.cam ? 'i-cam' : 'i-cam-off');
  noteCamera();
  button('share', null, on.share ? 'Stop share' : 'Share', 'i-screen');
  $('share').dataset.active = String(on.share);
  /** @type {HTMLElement} */ (document.querySelector('.preview-frame')).dataset.camera = on.cam ? 'on' : 'off';
  tiles.setVideo(me, on.cam);
  tiles.setAudio(me, on.mic);
}

// --- joining

function formError(/** @type {string} */ text, /** @type {string} */ field = '') {
  $('form-error').textContent = text;
  for (const id of ['user', 'room']) input(id).toggleAttribute('aria-invalid', false);
  if (field) {
    input(field).setAttribute('aria-invalid', 'true');
    input(field).focus();
  }
}

/**
 * The user id with which one enters: the token's, or the address's, or one that is made of the name.
 * @param {string} name
 * @param {string} token
 */
function userOf(name, token) {
  return claims(token).user ?? (name === params.get('user') && isId(name) ? name : idOf(name, own));
}

async function join() {
  const typed = input('user').value.trim();
  const token = input('token').value.trim();
  const userId = userOf(typed, token);
  const strRoomId = input('room').value.trim();
  if (!typed) return formError('Please enter your name.', 'user');
  if (!strRoomId) return formError('Please enter the name of a room.', 'room');
  formError('');
  $('form-note').textContent = '';
  busy(true);
  const seen = on.cam || devices.starting;
  me = userId;
  remember(typed);
  names.clear();
  names.set(me, claims(token).name || typed);
  tiles.clear();
  if (role !== 'audience') tiles.addPerson(me, called(me), true); // the others do not see an audience either
  try {
    // Devices open beside: entering does not wait for somebody to answer the browser's question.
    if (want.mic && !on.mic) void run(devices.startMic());
    if (want.cam && !on.cam) void run(devices.startCamera(tiles.view(me, 'main')));
    await parlor.enterRoom({ strRoomId, userId, name: typed, role, scene, ...(token && { token }) });
    entered(strRoomId);
    busy(false);
  } catch (err) {
    busy(false);
    refused(err, seen);
  }
  return undefined;
}

/**
 * Back at the form, with the focus where something can be done about it.
 * @param {unknown} err
 * @param {boolean} seen  whether the camera was shown before: it is shown again only then
 */
function refused(err, seen) {
  show('join');
  void run(parlor.stopLocalAudio());
  void run(devices.stopCamera().then(() => seen ? preview() : undefined));
  const { code, field } = /** @type {{code?: string, field?: string}} */ (err);
  const token = String(code).startsWith('token');
  if (token) /** @type {HTMLDetailsElement} */ ($('more')).open = true;
  const wrong = { user: 'user', name: 'user', room: 'room' }[['invalid_parameter', 'bad_request', 'not_allowed'].includes(String(code)) ? String(field) : ''] ?? '';
  formError(errorText(code === 'token_invalid' && !input('token').value.trim() ? { code: 'token_missing' } : err), wrong);
  if (!wrong) $(token ? 'token' : 'enter').focus();
}

/** @param {string} room */
function entered(room) {
  if (parlor.connectionState === 'DISCONNECTED') return; // put out while the devices were opening
  inCall = true;
  rename(me, parlor.profile.name);
  watches();
  $('room-name').textContent = room;
  $('alone').textContent = aloneText(scene, document.body.dataset.role ?? role);
  document.title = `${room} · Parlor`;
  const url = new URL(location.href);
  url.searchParams.set('room', room);
  history.replaceState(null, '', url);
  show('call');
  if (on.cam) void run(parlor.updateLocalVideo({ view: tiles.view(me, 'main') }));
  paint();
  $('call-title').focus();
}

/** @param {boolean} yes */
function busy(yes) {
  const el = /** @type {HTMLButtonElement} */ ($('enter'));
  el.disabled = /** @type {HTMLButtonElement} */ ($('again')).disabled = yes;
  el.textContent = yes ? 'Joining…' : 'Join now';
}

async function preview() {
  if (role === 'audience' || !want.cam) return;
  noCamera = '';
  try {
    await devices.startCamera();
  } catch (err) {
    if (/** @type {any} */ (err).code === 'aborted') return; // left meanwhile
    want.cam = false;
    noCamera = `${errorText(err)} You can join without it.`;
    paint();
  }
}

/** Sets the preview's words while it shows nothing, and whether the preview can be asked for. */
function noteCamera() {
  $('look').hidden = role === 'audience' || !want.cam || on.cam || devices.starting;
  const wanted = devices.starting ? 'Starting your camera…' : 'Your camera starts when you join';
  $('preview-note').textContent = want.cam ? wanted : noCamera || 'Your camera is off';
}

/** Of the camera before joining: the click is what opens it. */
async function choose() {
  want.cam = !want.cam;
  noCamera = '';
  if (want.cam) await preview();
  else await devices.stopCamera();
}

// --- leaving

/** @param {{reason: number, text: string}} why */
function over({ reason, text }) {
  inCall = false;
  devices.released();
  document.body.dataset.role = role; // with which one joins again
  if (role === 'audience') want.mic = want.cam = false;
  $('blocked').textContent = '';
  /** @type {HTMLDialogElement} */ ($('dialog')).close();
  people.clear();
  tiles.clear();
  watching.clear();
  viewers = null;
  watches();
  undecodable.clear();
  statistics = null;
  ownNetwork('');
  chat.clear();
  document.title = 'Parlor';
  paint();
  if (reason === ExitReason.EXIT) {
    home('You left the room.');
    return;
  }
  const words = { ...ending(reason) };
  $('notice').dataset.reason = String(reason);
  // If one was not let in again, the reason is what helps.
  if (reason === ExitReason.LOST) words.text = `${words.text} ${text}`.trim();
  notice(words, reason === ExitReason.REMOVED || reason === ExitReason.DISMISSED ? text : ''); // said by a person
}

/** @param {string} [note] */
function home(note = '') {
  show('join');
  formError('');
  $('form-note').textContent = note;
  input('room').focus();
}

async function share() {
  if (await devices.toggleShare()) toast('You are sharing your screen');
}

async function copyLink() {
  const url = new URL(location.origin + location.pathname);
  url.searchParams.set('room', $('room-name').textContent ?? '');
  if (scene === 'live') url.searchParams.set('scene', 'live');
  try {
    await navigator.clipboard.writeText(url.href);
    toast('Link copied');
  } catch {
    toast(`Copy this link: ${url.href}`, 'bad'); // it stays for longer, and can be selected
  }
}

// --- events of the client

/** Players and encoders that send nothing: counted, not shown as people. @type {Set<string>} */
const watching = new Set();

/** How many watch in a live room, as the node tells it; null: it has told nothing. @type {number | null} */
let viewers = null;

/** Says how many watch. */
function watches() {
  $('watching').hidden = viewers === null && watching.size === 0;
  $('viewers').textContent = (viewers ?? watching.size).toLocaleString('en');
  $('people-watching').hidden = $('watching').hidden;
  $('people-watching').textContent = `${$('viewers').textContent} watching, who are not in this list`;
}

/** Shows a user who sends something. @param {string} userId */
function appears(userId) {
  if (!watching.delete(userId)) return;
  watches();
  tiles.addPerson(userId, called(userId));
}

/** @param {string} userId @param {string} name */
function rename(userId, name) {
  names.set(userId, name);
  tiles.rename(userId, called(userId));
}

parlor.on('remote-user-enter', ({ userId, name, mediaOnly }) => {
  names.set(userId, name);
  if (mediaOnly) {
    watching.add(userId);
    watches();
    return;
  }
  tiles.addPerson(userId, called(userId));
  if (inCall && tiles.count <= FEW) toast(`${called(userId)} joined`);
});
parlor.on('user-updated', ({ userId, name }) => rename(userId, name));
parlor.on('viewer-count', ({ count }) => {
  viewers = count;
  watches();
});
parlor.on('remote-user-exit', ({ userId, reason }) => {
  const name = called(userId);
  names.delete(userId);
  if (watching.delete(userId)) {
    watches();
    return;
  }
  tiles.removePerson(userId);
  for (const key of [...undecodable.keys()]) if (key.startsWith(`${userId}/`)) undecodable.delete(key);
  if (tiles.count < FEW) toast(exitText(name, reason));
});
parlor.on('remote-video-available', ({ userId, streamType }) => {
  appears(userId);
  if (streamType === 'sub') tiles.addScreen(userId, called(userId));
  else tiles.setVideo(userId, true);
  void run(parlor.startRemoteVideo({ userId, streamType, view: tiles.view(userId, streamType) }));
});
/**
 * @type {Map<string, string>} user and source → codec that this browser does not decode; '': the network does
 *   not carry it
 */
const undecodable = new Map();
parlor.on('paused', ({ userId, source, on }) => {
  if (on) undecodable.set(`${userId}/${source}`, '');
  else undecodable.delete(`${userId}/${source}`);
  noteUndecodable(userId);
});
parlor.on('undecodable', ({ userId, source, on, codec }) => {
  if (on) undecodable.set(`${userId}/${source}`, codec);
  else undecodable.delete(`${userId}/${source}`);
  noteUndecodable(userId);
});

/** @param {string} userId */
function noteUndecodable(userId) {
  for (const [type, sources] of /** @type {const} */ ([['main', ['camera', 'mic']], ['sub', ['screen', 'screen-audio']]])) {
    const list = sources.flatMap((source) => {
      const codec = undecodable.get(`${userId}/${source}`);
      return codec === undefined ? [] : [{ source, codec }];
    });
    tiles.setUndecodable(userId, type, ...undecodableText(list));
  }
}
parlor.on('remote-video-unavailable', ({ userId, streamType }) => {
  if (streamType === 'sub') {
    void run(parlor.stopRemoteVideo({ userId, streamType }));
    tiles.removeScreen(userId);
  } else {
    tiles.setVideo(userId, false);
  }
});
for (const [event, stalled] of /** @type {const} */ ([['remote-video-stalled', true], ['remote-video-resumed', false]])) {
  parlor.on(event, ({ userId, streamType }) => tiles.setStalled(userId, streamType, stalled));
}
parlor.on('active-speaker', ({ userId }) => tiles.setActive(userId));
parlor.on('audio-volume', ({ result }) => tiles.setSpeaking(result.map((u) => u.userId)));
/** The latest of this stay. @type {import('../client/reports.js').Statistics | null} */
let statistics = null;
parlor.on('statistics', (s) => { statistics = s; });
parlor.on('network-quality', (q) => {
  const own = Math.max(q.uplinkNetworkQuality, q.downlinkNetworkQuality);
  const slow = slowText(statistics);
  const why = [slow, limitText(q, statistics)].filter(Boolean).join('; ');
  tiles.setQuality(me, slow ? Math.max(own, POOR) : own, qualityText(own), why);
  ownNetwork(slow || qualityText(own) ? ownText(qualityText(own)) : '', why);
  for (const { userId, quality } of q.remote) tiles.setQuality(userId, quality, qualityText(quality));
});
parlor.on('remote-audio-available', ({ userId }) => {
  appears(userId);
  tiles.setAudio(userId, true);
});
parlor.on('remote-audio-unavailable', ({ userId }) => tiles.setAudio(userId, false));
parlor.on('message', ({ userId, cmdId, data }) => {
  if (cmdId !== TEXT) return;
  const text = new TextDecoder().decode(data);
  const short = text.length > 120 ? `${text.slice(0, 120)}…` : text;
  if (userId) chat.add(called(userId), text);
  else chat.announce(text);
  if (!chat.open) toast(`${userId ? `Chat from ${called(userId)}` : 'Announcement'}: ${short}`, userId ? '' : 'server');
});
parlor.on('exit-room', over);
parlor.on('connection-lost', () => banner('Connection lost. Trying to get you back…', 'bad'));
parlor.on('connection-recovered', () => {
  banner('You are back', 'good');
  setTimeout(() => $('banner').dataset.tone === 'good' && banner('', ''), 3000);
});
parlor.on('screen-share-stopped', paint);
parlor.on('role-changed', (e) => {
  document.body.dataset.role = e.role;
  if (e.role === 'audience') tiles.removePerson(me);
  else tiles.addPerson(me, called(me), true);
  $('alone').textContent = aloneText(scene, e.role);
  paint();
});
parlor.on('blocked', ({ block }) => {
  $('blocked').textContent = blockText(block);
  if (block === 'none') toast('Others can see and hear you again');
});
parlor.on('token-expiring', () => toast('Your access token is about to expire, and with it the call. Get a new one to join again.', 'bad'));
const BLOCKED = 'Tap or press a key to hear the others';
/** @type {(() => Promise<boolean>) | null} */
let resume = null;
parlor.on('autoplay-failed', (e) => {
  banner(BLOCKED, 'bad');
  resume = e.resume;
});
for (const gesture of ['pointerup', 'keydown']) {
  addEventListener(gesture, () => void resume?.().then((heard) => {
    if (!heard) return; // the browser did not take it for a gesture: the next one may do
    resume = null;
    if ($('banner').textContent === BLOCKED) banner('', '');
  }));
}
parlor.on('error', (err) => {
  paint();
  toast(errorText(err), 'bad');
});

// --- the page

/** @type {Record<string, () => unknown>} */
const clicks = {
  mic: () => run(devices.toggleMic()),
  cam: () => run(devices.toggleCamera()),
  share: () => run(share()),
  'pre-cam': () => run(choose()),
  look: () => run(preview()),
  'pre-mic': () => {
    want.mic = !want.mic;
    paint();
  },
  settings: () => {
    void devices.list();
    /** @type {HTMLDialogElement} */ ($('dialog')).showModal();
  },
  leave: () => parlor.exitRoom(),
  copy: copyLink,
  again: join,
  home: () => home(),
};
for (const [id, fn] of Object.entries(clicks)) $(id).addEventListener('click', () => void fn());
for (const el of document.querySelectorAll('select[data-devices]')) {
  const select = /** @type {HTMLSelectElement} */ (el);
  select.addEventListener('change', () => void run(devices.pick(String(select.dataset.devices), select.value)));
}
$('form').addEventListener('submit', (e) => {
  e.preventDefault();
  void join();
});
navigator.mediaDevices?.addEventListener('devicechange', () => void devices.list());

function begin() {
  document.body.dataset.role = role;
  input('user').value = params.get('name') ?? params.get('user') ?? remembered();
  input('room').value = params.get('room') ?? 'lobby';
  takeToken();
  $('share').hidden = !Parlor.isScreenShareSupported();
  paint();
  if (!Parlor.isSupported()) formError('This browser cannot take part in calls. Please use a current Chrome, Edge, Firefox or Safari.');
  if (!input('user').value) input('user').focus();
}

/** Fills in the token of the address; a link with another one may be followed without loading the page. */
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? params.get('token');
  input('token').value = token ?? '';
  /** @type {HTMLDetailsElement} */ ($('more')).open = token !== null;
}

begin();
addEventListener('hashchange', takeToken);
