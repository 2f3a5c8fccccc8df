import { Parlor } from 'parlor-client';

const $ = (id) => document.getElementById(id);
const { node, user = crypto.randomUUID(), token } = Object.fromEntries(new URLSearchParams(location.search));
const parlor = Parlor.create({ url: node ?? 'http://127.0.0.1:8080' });
const say = (text) => $('news').replaceChildren(text);
const nameOf = (userId) => parlor.getRemoteUser(userId)?.name || userId;
let own = null; // a track in place of the camera's
const idOf = ({ userId, streamType }) => `tile ${userId} ${streamType}`;
function tile(id, name) {
  const figure = Object.assign(document.createElement('figure'), { id });
  figure.innerHTML = '<div></div><figcaption></figcaption>'; // the client fills the view, so it is by itself
  figure.lastChild.textContent = name;
  $('tiles').append(figure);
  return figure.firstChild;
}
function clock() {
  const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
  const context = Object.assign(canvas.getContext('2d'), { font: '96px sans-serif' });
  const track = canvas.captureStream(10).getVideoTracks()[0];
  const timer = setInterval(() => {
    if (track.readyState === 'ended') clearInterval(timer);
    Object.assign(context, { fillStyle: 'navy' }).fillRect(0, 0, 640, 360);
    Object.assign(context, { fillStyle: 'white' }).fillText(new Date().toTimeString().slice(0, 8), 120, 210);
  }, 100);
  return track;
}
async function cameras() {
  const list = (await Parlor.getCameraList()).map((d) => new Option(d.label || 'Camera', d.deviceId));
  $('camera').replaceChildren(...list, new Option('A clock', 'clock'));
  $('camera').value = parlor.getLocalTrack('camera')?.getSettings().deviceId ?? '';
}
$('camera').addEventListener('change', async ({ target: { value } }) => {
  own?.stop(); // the client never does
  own = value === 'clock' ? clock() : null;
  await parlor.updateLocalVideo({ ...(own ? { videoTrack: own } : { deviceId: value }), mirror: !own });
});
parlor.on('remote-user-enter', ({ userId }) => say(`${nameOf(userId)} is here.`));
parlor.on('remote-video-available', (stream) => {
  parlor.startRemoteVideo({ ...stream, view: tile(idOf(stream), nameOf(stream.userId)) });
});
parlor.on('remote-video-unavailable', (stream) => $(idOf(stream))?.remove());
parlor.on('error', (err) => say(err.message));
parlor.on('exit-room', ({ reason }) => {
  own?.stop();
  say(reason === 0 ? 'You have left.' : 'The call is over.');
  $('tiles').replaceChildren();
  [$('door').hidden, $('controls').hidden] = [false, true];
});
$('leave').addEventListener('click', () => parlor.exitRoom());
$('door').addEventListener('submit', async (event) => {
  event.preventDefault();
  await parlor.enterRoom({ strRoomId: 'lobby', userId: user, name: $('name').value, token });
  [$('door').hidden, $('controls').hidden] = [true, false];
  await parlor.startLocalVideo({ view: tile('me', 'You') });
  await parlor.startLocalAudio();
  await cameras();
});
addEventListener('unhandledrejection', ({ reason }) => say(reason.message)); // of any call above
