// The page that publishes into a room: a camera or a screen, and a microphone. Query: user= (as whom one
// publishes), scene=live. The client's public calls are all it uses.

import { Parlor } from '../client/parlor.js';
import { $, ENDINGS, address, door, explain, me, place } from './page.js';

const here = place();
const parlor = Parlor.create({ url: door, autoReceiveAudio: false });
const name = me(here, 'publisher');
const scene = here.query.get('scene') === 'live' ? /** @type {const} */ ('live') : undefined;

/** @param {string} id */
const choice = (id) => /** @type {HTMLSelectElement} */ ($(id));

/** @type {'off' | 'starting' | 'on'} */
let state = 'off';
let silent = false;

$('title').textContent = `Publish in ${here.room}`;
document.title = `${here.room} · Publish · Parlor`;
const watch = /** @type {HTMLAnchorElement} */ ($('watch'));
watch.href = watch.textContent = address('play', here.room) + (scene ? '?scene=live' : '');
if (!Parlor.isScreenShareSupported()) choice('picture').querySelector('[value="screen"]')?.remove();
Object.assign(window, { parlor }); // to try things in the console

/** @param {string} text */
function fail(text) {
  $('error').textContent = text;
}

function paint() {
  document.body.dataset.state = state;
  const live = state === 'on';
  $('go').textContent = live ? 'Stop' : state === 'starting' ? 'Cancel' : 'Start';
  $('live').hidden = !live;
  for (const id of ['picture', 'camera', 'sound']) choice(id).disabled = state === 'starting';
  $('camera-field').hidden = choice('picture').value !== 'camera';
  const mic = parlor.getLocalTrack('mic');
  $('mute').hidden = !live || !mic;
  $('mute').textContent = silent ? 'Unmute microphone' : 'Mute microphone';
  const shown = parlor.getLocalTrack('camera') ?? parlor.getLocalTrack('screen');
  /** @type {HTMLElement} */ (document.querySelector('.preview')).dataset.picture = shown ? 'on' : 'off';
  $('preview-note').textContent = live ? 'Sound only.' : 'Nothing is shown or sent yet.';
  $('rate').hidden = !live;
  if (parlor.connectionState === 'RECONNECTING') $('status').textContent = 'The connection was lost. Trying again…';
  else if (live) $('status').textContent = `Live as ${name}.${silent ? ' Your microphone is muted.' : ''}`;
  else $('status').textContent = state === 'starting' ? 'Starting…' : 'Off. Nobody sees or hears you.';
}

/** Opens what is chosen, and sends it if one is in the room. What fails is called `part`. */
async function open() {
  const picture = choice('picture').value;
  const [camera, mic] = [choice('camera').value, choice('sound').value];
  if (picture !== 'camera') await parlor.stopLocalVideo();
  if (picture !== 'screen') await parlor.stopScreenShare();
  if (mic === 'none') await parlor.stopLocalAudio();
  if (picture === 'camera') await parlor.startLocalVideo({ view: 'preview', ...(camera && { deviceId: camera }) });
  if (picture === 'screen' && !parlor.getLocalTrack('screen')) await parlor.startScreenShare({ view: 'preview' });
  if (mic !== 'none') await parlor.startLocalAudio(mic ? { deviceId: mic } : {});
  void list();
}

async function close() {
  await Promise.all([parlor.stopLocalVideo(), parlor.stopScreenShare(), parlor.stopLocalAudio()]).catch(() => {});
}

async function start() {
  if (choice('picture').value === 'none' && choice('sound').value === 'none') {
    fail('Choose a picture or a sound first.');
    choice('picture').focus();
    return;
  }
  fail('');
  state = 'starting';
  silent = false;
  paint();
  try {
    await open(); // before one is in the room, so that nobody is told of somebody who has no camera
    if (state !== 'starting') return await stop();
    await parlor.enterRoom({ strRoomId: here.room, userId: name, ...(here.token && { token: here.token }), ...(scene && { scene }) });
    if (state === 'starting') state = 'on';
    else await stop();
  } catch (err) {
    const called = /** @type {{code?: string}} */ (err).code === 'aborted';
    await stop();
    if (!called) fail(explain(err));
  }
  paint();
}

async function stop() {
  state = 'off';
  await parlor.exitRoom();
  await close();
  paint();
}

/** Another choice while one is live. */
async function changed() {
  paint();
  if (state !== 'on') return;
  fail('');
  try {
    await open();
  } catch (err) {
    fail(explain(err));
  }
  paint();
}

/** Fills the lists; labels are known once a device may be used. */
async function list() {
  const [cameras, microphones] = [await Parlor.getCameraList(), await Parlor.getMicrophoneList()];
  fill('camera', [new Option('Default camera', ''), ...cameras.map((d, i) => new Option(d.label || `Camera ${i + 1}`, d.deviceId))]);
  fill('sound', [new Option('Default microphone', ''), ...microphones.map((d, i) => new Option(d.label || `Microphone ${i + 1}`, d.deviceId)), new Option('No sound', 'none')]);
}

/** @param {string} id @param {HTMLOptionElement[]} options */
function fill(id, options) {
  const before = choice(id).value;
  choice(id).replaceChildren(...options);
  choice(id).value = before;
  if (choice(id).selectedIndex < 0) choice(id).value = ''; // it was unplugged
}

parlor.on('statistics', ({ upBitrate, rtt, upLoss, localStatistics }) => {
  const largest = localStatistics.video.reduce((a, b) => b.width > a.width ? b : a, { width: 0, height: 0, frameRate: 0 });
  const size = largest.width > 0 ? `, ${largest.width}×${largest.height} at ${Math.round(largest.frameRate)} pictures a second` : '';
  const loss = upLoss >= 2 ? `, ${Math.round(upLoss)} % lost on the way` : '';
  $('rate').textContent = `${Math.round(upBitrate)} kbit/s${size}, ${Math.round(rtt)} ms to the server${loss}`;
});
parlor.on('connection-state-changed', paint);
parlor.on('screen-share-stopped', () => {
  if (parlor.getLocalTrack('mic')) return changedTo('none');
  fail('The browser has stopped sharing the screen.');
  void stop();
});
parlor.on('blocked', ({ block }) => {
  if (block !== 'none') fail('Somebody who runs the room keeps your stream from the others for now.');
  else fail('');
});
parlor.on('error', (err) => fail(explain(err)));
parlor.on('exit-room', ({ reason }) => {
  if (reason === 0) return;
  fail(ENDINGS[reason] ?? 'It is over.');
  state = 'off';
  void close().then(paint);
});

/** @param {string} picture */
function changedTo(picture) {
  choice('picture').value = picture;
  void changed();
}

$('go').addEventListener('click', () => void (state === 'off' ? start() : stop()));
$('mute').addEventListener('click', () => {
  silent = !silent;
  void parlor.updateLocalAudio({ mute: silent }).catch((err) => fail(explain(err))).finally(paint);
});
for (const id of ['picture', 'camera', 'sound']) $(id).addEventListener('change', () => void changed());
addEventListener('hashchange', () => location.reload()); // another token
navigator.mediaDevices?.addEventListener('devicechange', () => void list());

paint();
if (!Parlor.isSupported() || !navigator.mediaDevices) {
  fail(explain({ code: 'not_supported' }));
  /** @type {HTMLButtonElement} */ ($('go')).disabled = true;
} else {
  void list();
}
