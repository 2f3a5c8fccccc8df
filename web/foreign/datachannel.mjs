// libdatachannel, by node-datachannel: `node datachannel.mjs publish URL FILE` or
// `node datachannel.mjs play URL PNG`.
//
// It carries RTP and neither encodes nor decodes. So Debian's ffmpeg stands on the other side of two UDP
// sockets on loopback.
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Audio, PeerConnection, RtcpReceivingSession, Video } from 'node-datachannel';

const [what, url, file] = process.argv.slice(2);
const kinds = [{ kind: 'audio', payload: 111, ssrc: 4242 }, { kind: 'video', payload: 102, ssrc: 4243 }];

function describe({ kind, payload, ssrc }, direction) {
  const media = kind === 'audio' ? new Audio(kind, direction) : new Video(kind, direction);
  if (kind === 'audio') media.addOpusCodec(payload);
  else media.addH264Codec(payload);
  if (direction === 'SendOnly') media.addSSRC(ssrc, 'libdatachannel', 'stream', kind);
  return media;
}

async function exchange(pc) {
  if (pc.gatheringState() !== 'complete') {
    await new Promise((done) => { pc.onGatheringStateChange((s) => { if (s === 'complete') done(); }); });
  }
  const answer = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: pc.localDescription().sdp });
  if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
  pc.setRemoteDescription(await answer.text(), 'answer');
  console.log('answered');
}

const pc = new PeerConnection('parlor', { iceServers: [], disableAutoNegotiation: true });
const tracks = kinds.map((k) => pc.addTrack(describe(k, what === 'publish' ? 'SendOnly' : 'RecvOnly')));
pc.setLocalDescription('offer');
const sockets = await Promise.all(kinds.map(async () => {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}));

if (what === 'publish') {
  sockets.forEach((socket, i) => {
    socket.on('message', (rtp) => {
      const control = rtp[1] >= 192 && rtp[1] <= 223;
      if (!control && tracks[i].isOpen()) tracks[i].sendMessageBinary(rtp);
    });
  });
  await exchange(pc);
  const outputs = kinds.flatMap(({ kind, payload, ssrc }, i) => [
    '-map', `0:${kind[0]}`, '-c', 'copy', ...(kind === 'video' ? ['-bsf:v', 'h264_mp4toannexb'] : []),
    '-payload_type', String(payload), '-ssrc', String(ssrc), '-f', 'rtp', `rtp://127.0.0.1:${sockets[i].address().port}?pkt_size=1200`,
  ]);
  spawn('ffmpeg', ['-loglevel', 'error', '-re', '-i', file, ...outputs], { stdio: ['ignore', 'ignore', 'inherit'] });
} else {
  const port = sockets[0].address().port; // the port of a socket that is closed, so that ffmpeg can have it
  sockets[0].close();
  const sdp = `${file}.sdp`;
  writeFileSync(sdp, `v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=video ${port} RTP/AVP 102\na=rtpmap:102 H264/90000\n`);
  spawn('ffmpeg', ['-loglevel', 'error', '-protocol_whitelist', 'file,udp,rtp', '-i', sdp, '-r', '2', '-update', '1', '-y', file], { stdio: ['ignore', 'ignore', 'inherit'] });
  tracks.forEach((track, i) => {
    track.setMediaHandler(new RtcpReceivingSession());
    if (kinds[i].kind !== 'video') return;
    track.onMessage((rtp) => sockets[1].send(rtp, port, '127.0.0.1'));
    track.onOpen(() => setInterval(() => track.requestKeyframe(), 1000));
  });
  await exchange(pc);
}
