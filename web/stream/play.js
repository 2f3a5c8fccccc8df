// The page that plays a room, or one user of it: it waits for who publishes, and shows and plays that. Query:
// muted=1, controls=0, scene=live, user= (as whom one watches). The client's public calls are all it uses.

import { Parlor } from '../client/parlor.js';
import { $, ENDINGS, door, explain, me, passing, place } from './page.js';

/** After how long what failed is tried again, in ms. Higher keeps viewers waiting, lower loads a busy node. */
const AGAIN = 5000;

const here = place();
const parlor = Parlor.create({ url: door, autoReceiveAudio: false });
const name = me(here, 'viewer');

/** @type {Map<string, HTMLElement>} what is shown, by user and stream */
const pictures = new Map();
/** @type {Set<string>} users with sound */
const audible = new Set();
let muted = here.query.get('muted') === '1';
/** @type {(() => Promise<boolean>) | null} */
let resume = null;
let retry = 0;

const who = here.user || here.room;
document.title = `${who} · Parlor`;
$('title').textContent = `Watch ${who}`;
document.body.dataset.controls = here.query.get('controls') ?? '1';
$('full').hidden = !document.fullscreenEnabled;
Object.assign(window, { parlor }); // to try things in the console

/** @param {string} userId */
const wanted = (userId) => here.user === '' || userId === here.user;

/**
 * Says how it is. Nothing covers pictures that play.
 * @param {string} text
 * @param {string} [advice]
 * @param {boolean} [again]  whether a button tries again
 */
function say(text, advice = '', again = false) {
  $('status').textContent = text;
  $('advice').textContent = advice;
  $('again').hidden = !again;
}

function paint() {
  const playing = pictures.size > 0;
  document.body.dataset.state = playing ? 'playing' : 'waiting';
  const columns = pictures.size > 4 ? 3 : pictures.size > 1 && innerWidth > innerHeight ? 2 : 1;
  $('pictures').dataset.columns = String(columns);
  $('pictures').toggleAttribute('data-rows', pictures.size > 1);
  $('mute').textContent = muted ? 'Unmute' : 'Mute';
  $('mute').hidden = audible.size === 0;
  $('sound').hidden = resume === null || muted;
  if (parlor.connectionState !== 'CONNECTED') return;
  if (playing) say(`Playing ${[...new Set([...pictures.values()].map((p) => p.dataset.user))].join(', ')}`);
  else say(here.user ? `Waiting for ${here.user} to begin…` : 'Waiting for somebody to begin…');
}

/**
 * A place for a stream; that of sound alone has a name and no picture.
 * @param {string} userId
 * @param {string} stream
 */
function show(userId, stream) {
  const key = `${userId} ${stream}`;
  let el = pictures.get(key);
  if (!el) {
    const made = /** @type {HTMLTemplateElement} */ ($('picture')).content.cloneNode(true);
    el = /** @type {HTMLElement} */ (/** @type {DocumentFragment} */ (made).firstElementChild);
    el.dataset.user = userId;
    /** @type {HTMLElement} */ (el.querySelector('.name')).textContent = stream === 'sub' ? `${userId}: screen` : userId;
    pictures.set(key, el);
    $('pictures').append(el);
  }
  paint();
  return el;
}

/** @param {string} userId @param {string} stream */
function hide(userId, stream) {
  pictures.get(`${userId} ${stream}`)?.remove();
  pictures.delete(`${userId} ${stream}`);
  paint();
}

/** @param {string} userId @param {string} stream @param {string} text */
function note(userId, stream, text) {
  const el = pictures.get(`${userId} ${stream}`)?.querySelector('.note');
  if (el) el.textContent = text;
}

/** Sound alone has a place if there is no picture of that user. @param {string} userId */
function soundAlone(userId) {
  const seen = pictures.has(`${userId} main`) || pictures.has(`${userId} sub`);
  if (audible.has(userId) && !seen) {
    show(userId, 'sound').dataset.picture = 'off';
    note(userId, 'sound', `${userId}: sound only`);
  } else {
    hide(userId, 'sound');
  }
}

/** @param {string} userId */
function hear(userId) {
  void parlor.muteRemoteAudio(userId, muted).catch(() => {}); // who has left is heard no more
}

parlor.on('remote-video-available', ({ userId, streamType }) => {
  if (!wanted(userId)) return;
  const view = /** @type {HTMLElement} */ (show(userId, streamType).querySelector('.view'));
  void parlor.startRemoteVideo({ userId, streamType, view, fillMode: 'contain' }).catch((err) => note(userId, streamType, explain(err)));
  soundAlone(userId);
});
parlor.on('remote-video-unavailable', ({ userId, streamType }) => {
  hide(userId, streamType);
  soundAlone(userId);
});
parlor.on('remote-audio-available', ({ userId }) => {
  if (!wanted(userId)) return;
  audible.add(userId);
  hear(userId);
  soundAlone(userId);
});
parlor.on('remote-audio-unavailable', ({ userId }) => {
  audible.delete(userId);
  soundAlone(userId);
});
parlor.on('remote-video-stalled', ({ userId, streamType }) => note(userId, streamType, 'The picture has stopped. It goes on by itself.'));
parlor.on('remote-video-resumed', ({ userId, streamType }) => note(userId, streamType, ''));
parlor.on('paused', ({ userId, source, on }) => {
  note(userId, source === 'screen' ? 'sub' : 'main', on ? 'Your network is too slow for this picture. It goes on by itself.' : '');
});
parlor.on('undecodable', ({ userId, source, on, codec }) => {
  note(userId, source === 'screen' ? 'sub' : 'main', on ? `This browser cannot play ${codec}. Take another browser, or have it sent as H.264 or VP8.` : '');
});
parlor.on('autoplay-failed', (event) => {
  resume = event.resume;
  paint();
});
parlor.on('connection-state-changed', ({ state }) => {
  if (state === 'RECONNECTING') say('The connection was lost. Trying again…');
  else if (state === 'CONNECTED') paint();
});
parlor.on('exit-room', ({ reason }) => {
  for (const el of pictures.values()) el.remove();
  pictures.clear();
  audible.clear();
  resume = null;
  paint();
  say(ENDINGS[reason] ?? 'It is over.', '', true);
  if (reason === -1 || reason === 4) later();
});

function later() {
  clearTimeout(retry);
  retry = window.setTimeout(enter, AGAIN);
}

async function enter() {
  clearTimeout(retry);
  say('Connecting…');
  const scene = here.query.get('scene') === 'live' ? /** @type {const} */ ('live') : undefined;
  try {
    await parlor.enterRoom({
      strRoomId: here.room, userId: name, role: 'audience', autoReceiveAudio: false, ...(here.token && { token: here.token }), ...(scene && { scene }),
    });
    paint();
  } catch (err) {
    const { code, field } = /** @type {{code?: string, field?: string}} */ (err);
    if (code === 'not_allowed' && field === 'room') { // there is no such room yet, and one may not open it
      later();
      return say('Waiting for somebody to begin…', 'If nothing ever comes, the link is for another room.');
    }
    if (passing(err)) later();
    say(explain(err), passing(err) ? 'It is tried again by itself.' : '', true);
  }
  return undefined;
}

$('again').addEventListener('click', () => void enter());
$('mute').addEventListener('click', () => {
  muted = !muted;
  audible.forEach(hear);
  paint();
});
$('sound').addEventListener('click', async () => {
  if (await resume?.()) resume = null;
  paint();
});
$('full').addEventListener('click', () => {
  void (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()).catch(() => {});
});
document.addEventListener('fullscreenchange', () => {
  $('full').textContent = document.fullscreenElement ? 'Leave full screen' : 'Full screen';
});
addEventListener('resize', paint);
addEventListener('hashchange', () => location.reload()); // another token

if (Parlor.isSupported()) void enter();
else say(explain({ code: 'not_supported' }));
