// What bench puts into a page of the node: one user of a call, as an application would have it, and samples of what the browser
// says of it. Everything is under window.call.
(() => {
  const EVERY = 500; // ms between samples
  const now = () => performance.timeOrigin + performance.now();
  const samples = [];
  const problems = [];
  let parlor = null;
  let publisher = '';
  let told = null; // the node's latest statistics, as they came

  // The client passes on what it knows; the rest of a report is read beside it.
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      this.addEventListener('message', ({ data }) => {
        if (typeof data !== 'string' || !data.includes('"statistics"')) return;
        const m = JSON.parse(data);
        if (m.type === 'statistics') told = m;
      });
    }
  };

  async function enter({ room, user, token }) {
    const { Parlor } = await import('/client/parlor.js');
    parlor = Parlor.create();
    for (const name of ['error', 'connection-lost', 'kicked-out', 'exit-room']) {
      parlor.on(name, (e) => problems.push(`${name} ${e.code ?? e.reason ?? ''}`));
    }
    return parlor.enterRoom.bind(parlor, { strRoomId: room, userId: user, token });
  }

  async function publish(who, video) {
    const go = await enter(who);
    await parlor.startLocalVideo(video);
    await parlor.startLocalAudio();
    await go();
    sample(sent);
  }

  async function watch(who) {
    const go = await enter(who);
    parlor.on('remote-video-available', ({ userId, streamType }) => {
      if (publisher) return;
      publisher = userId;
      const view = document.createElement('video');
      Object.assign(view.style, { position: 'fixed', top: 0, left: 0, width: '960px', height: '540px', zIndex: 9 });
      view.dataset.shown = '';
      document.body.append(view);
      parlor.startRemoteVideo({ userId, streamType, view });
    });
    await go();
    sample(received);
  }

  const view = () => document.querySelector('video[data-shown]');
  const shown = () => ({ userId: publisher, streamType: 'main' });
  const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });
  const leave = () => parlor.stopRemoteVideo(shown());

  // Begins to watch, and stops again a few seconds later: how long it took, and how late pictures were.
  async function first() {
    const began = performance.now();
    const frame = new Promise((done) => {
      const look = (_, m) => ((m.receiveTime ?? began) >= began ? done(performance.now() - began) : view().requestVideoFrameCallback(look));
      view().requestVideoFrameCallback(look);
    });
    parlor.startRemoteVideo({ ...shown(), view: view(), adaptive: false });
    const took = await frame;
    const delay = async (ms) => {
      const a = await received();
      await pause(ms);
      const b = await received();
      return (1000 * (b.videoDelay - a.videoDelay)) / (b.videoOut - a.videoOut);
    };
    const early = await delay(1000);
    await pause(1000);
    const late = await delay(2000);
    leave();
    await pause(500);
    return { frame_ms: took, early_ms: early, late_ms: late };
  }

  function sample(look) {
    setInterval(async () => {
      try {
        samples.push({ at: now(), ...await look() });
      } catch (err) {
        problems.push(String(err));
      }
    }, EVERY);
  }

  // Of the browser's statistics those with that type and kind.
  async function stats(type, kind, track = null) {
    const list = [];
    (await parlor.getStats(track))?.forEach((s) => {
      if (s.type === type && (kind === null || s.kind === kind)) list.push(s);
    });
    return list;
  }

  async function received() {
    const there = parlor.remoteUsers.includes(publisher);
    const inbound = async (kind, track) => (track ? (await stats('inbound-rtp', kind, track))[0] : null) ?? {};
    const v = there ? await inbound('video', parlor.getVideoTrack({ userId: publisher })) : {};
    const a = there ? await inbound('audio', parlor.getAudioTrack({ userId: publisher })) : {};
    const [pair] = (await stats('candidate-pair', null)).filter((p) => p.nominated);
    return {
      frames: v.framesDecoded, height: v.frameHeight, frozen: v.totalFreezesDuration, freezes: v.freezeCount,
      videoDelay: v.jitterBufferDelay, videoOut: v.jitterBufferEmittedCount, videoLost: v.packetsLost, videoPackets: v.packetsReceived,
      keyframes: v.keyFramesDecoded, plis: v.pliCount,
      samples: a.totalSamplesReceived, concealed: a.concealedSamples, audioDelay: a.jitterBufferDelay, audioOut: a.jitterBufferEmittedCount,
      rtt: pair?.currentRoundTripTime, estimate: told?.down?.estimateKbps, queue: told?.down?.queueMs,
    };
  }

  async function sent() {
    const layers = (await stats('outbound-rtp', 'video')).map((s) => ({
      rid: s.rid ?? '', frames: s.framesEncoded ?? 0, height: s.frameHeight ?? 0, bytes: s.bytesSent ?? 0, limit: s.qualityLimitationReason ?? '',
    }));
    return { layers };
  }

  // Whether frames come, for those who watch; layers are sent, for those who publish.
  const flows = () => Boolean(samples.at(-1)?.frames > 0 && samples.at(-1)?.samples > 0);
  const sends = () => Boolean(samples.at(-1)?.layers?.every((l) => l.frames > 0) && samples.at(-1)?.layers?.length);

  window.call = { publish, watch, first, leave, samples, problems, flows, sends };
})()
