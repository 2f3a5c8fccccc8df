import { Parlor } from 'parlor-client';

const $ = (id) => document.getElementById(id);
const asked = Object.fromEntries(new URLSearchParams(location.search));
const { node = 'http://127.0.0.1:8080', user = crypto.randomUUID(), token } = asked;
const parlor = Parlor.create({ url: node });
const say = (text) => $('news').replaceChildren(text);
const nameOf = (userId) => parlor.getRemoteUser(userId)?.name || userId;
let own = null; // a track in place of the camera's
const idOf = ({ userId, streamType }) => `tile ${userId} ${streamType}`;
function tile(id, name) {
  const figure = Object.assign(document.createElement('figure'), { id });
  figure.append(Object.assign(document.createElement('figcaption'), { textContent: name }));
  $('tiles').append(figure);
  return figure;
}
function clock() {
  const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
  const context = Object.assign(canvas.getContext('2d'), { font: '96px sans-serif' });
  const track = canvas.captureStream(10).getVideoTracks()[0];
  const timer = setInterval(() => {
    if (track.readyState === 'ended') clearInterval(timer);
    context.fillStyle = 'navy';
    context.fillRect(0, 0, 640, 360);
    context.fillStyle = 'white';
    context.fillText(new Date().toTimeString().slice(0, 8), 120, 210);
  }, 100);
  return track;
}
async function cameras() {
  const list = (await Parlor.getCameraList()).map((d) => new Option(d.label || 'Camera', d.deviceId));
  $('camera').replaceChildren(...list, new Option('A clock', 'clock'));
  $('camera').value = parlor.getLocalTrack('camera')?.getSettings().deviceId ?? '';
}
$('camera').addEventListener('change', async () => {
  own?.stop(); // the client never does
  own = $('camera').value === 'clock' ? clock() : null;
  await parlor.updateLocalVideo(own ? { videoTrack: own } : { deviceId: $('camera').value });
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
