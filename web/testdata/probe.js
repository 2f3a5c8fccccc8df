// A script that the browser tests put into a page of the node. It has one user of a room, a record of
// everything that the client tells it, and a look at what really arrives. It uses the client's public calls
// only. The value of the expression is nothing; everything is under window.probe.
(() => {
  const now = () => performance.timeOrigin + performance.now(); // ms; comparable between pages of one machine
  const names = [
    'remote-user-enter', 'remote-user-exit', 'remote-video-available', 'remote-video-unavailable',
    'remote-audio-available', 'remote-audio-unavailable', 'kicked-out', 'exit-room', 'role-changed',
    'connection-state-changed', 'connection-lost', 'connection-recovered', 'screen-share-stopped', 'error', 'blocked', 'token-expiring', 'paused',
    'encryption-error', 'encryption-state', 'device-changed', 'device-switched', 'local-video-stalled', 'local-video-resumed',
  ];
  const PICTURE = { width: 320, height: 180, frameRate: 15 }; // small: several pages encode in software
  const events = [];
  const views = new Map();
  let made = 0;
  let parlor = null;

  function view(userId, streamType) {
    const el = document.createElement('video');
    el.width = 160;
    const n = made++ % 42; // side by side, so that they can be seen; else nothing comes
    Object.assign(el.style, { position: 'fixed', left: `${(n % 7) * 170}px`, top: `${Math.floor(n / 7) * 120}px` });
    document.body.append(el);
    views.set(`${userId}/${streamType}`, el);
    if (streamType === 'main') watchFrames(userId, el);
    return el;
  }

  // Times at which this machine did not get to run, or its camera or encoder made no frame, for longer than
  // pictures may stand still. Freezes at those times say nothing about the node. Between them lies what a
  // browser calls one: three frames, or 150 ms.
  const stalls = [];
  const STALL = 120;
  // Times at which a timer came late: this page could not run, and noticed nothing of what it was told.
  const late = [];
  const TICK = 20;
  let tick = now();
  setInterval(() => {
    const passed = now() - tick;
    if (passed > STALL) stalls.push({ at: now(), ms: passed, what: 'timer' });
    if (passed > TICK + 2) late.push({ at: now(), ms: passed - TICK, what: 'timer' });
    tick = now();
  }, TICK);

  // Times at which the camera's encoder made no frame of any layer that it is to make: nobody can forward
  // what it skips. Only sure times count: from the look that saw the last frame to the last look that saw
  // none.
  const LOOK = 50;
  const SKIPPED = 100; // a camera of 20 frames/s that gives 15 is silent for so long
  async function watchEncoder(track) {
    let frames = 0;
    let since = now();
    let none = since; // the last look that saw no frame more
    while (track.readyState === 'live') {
      let made = 0;
      let active = false;
      (await parlor.getStats(track).catch(() => null))?.forEach((s) => {
        if (s.type !== 'outbound-rtp') return;
        made += s.framesEncoded ?? 0;
        active ||= s.active ?? true;
      });
      if (made !== frames || !active) {
        if (active && frames > 0 && none - since > SKIPPED) stalls.push({ at: none, ms: none - since, what: 'encoder' });
        frames = made;
        since = now();
      }
      none = now();
      await new Promise((r) => setTimeout(r, LOOK));
    }
  }

  // Freezes as the browser counts them, with the time between two looks in which they came.
  const freezes = [];
  const looked = new Map();
  async function lookForFreezes(userId) {
    const { video } = await received(userId);
    const last = looked.get(userId);
    if (!video) return;
    const seen = { id: video.id, at: now(), count: video.freezeCount ?? 0, ms: (video.totalFreezesDuration ?? 0) * 1000 };
    looked.set(userId, seen);
    if (last?.id !== seen.id || last.count >= seen.count) return;
    freezes.push({ userId, from: last.at, at: seen.at, count: seen.count - last.count, ms: seen.ms - last.ms });
  }
  setInterval(() => {
    for (const key of views.keys()) if (key.endsWith('/main')) void lookForFreezes(key.slice(0, -5));
  }, 250);

  // The last frames of each user's picture that were shown: how long after the one before each was captured,
  // received and shown, in ms. They tell who is to blame for a freeze.
  const frames = [];
  function watchFrames(userId, el) {
    let last = null;
    el.requestVideoFrameCallback(function shown(_, f) {
      if (last) {
        const ms = (a, b) => Math.round(a - b);
        frames.push({
          userId, at: now(), captured: ms(f.rtpTimestamp / 90, last.rtpTimestamp / 90), received: ms(f.receiveTime, last.receiveTime),
          shown: ms(f.presentationTime, last.presentationTime), decode: Math.round((f.processingDuration ?? 0) * 1000), width: f.width,
        });
        if (frames.length > 2000) frames.shift();
      }
      last = f;
      el.requestVideoFrameCallback(shown);
    });
  }

  // All freezes of a user's picture since then, and everything that may excuse them.
  async function frozen(userId, since) {
    await lookForFreezes(userId);
    return freezes.filter((f) => f.userId === userId && f.at > since);
  }

  // Every track that a device has ever given to this page, to see that all are let go.
  const captured = [];
  for (const name of ['getUserMedia', 'getDisplayMedia']) {
    const capture = navigator.mediaDevices?.[name];
    if (!capture) continue;
    navigator.mediaDevices[name] = async (constraints) => {
      const media = await capture.call(navigator.mediaDevices, constraints);
      captured.push(...media.getTracks());
      return media;
    };
  }
  const held = () => captured.filter((t) => t.readyState !== 'ended').map((t) => t.kind);

  function watchCamera(track) {
    const el = document.createElement('video');
    el.muted = true;
    el.srcObject = new MediaStream([track]);
    void el.play();
    let last = 0;
    const frame = () => {
      if (last && now() - last > STALL) stalls.push({ at: now(), ms: now() - last, what: 'camera' });
      last = now();
      if (track.readyState === 'live') el.requestVideoFrameCallback(frame);
    };
    el.requestVideoFrameCallback(frame);
  }

  function drop(key) {
    views.get(key)?.remove();
    views.delete(key);
  }

  function record(name, payload) {
    const { code, field, message } = payload; // of an error, which has no enumerable ones
    events.push({ ...payload, ...(code && { code, field, message }), name, at: now() });
  }

  // Enters, with camera and microphone on unless told otherwise; shows every picture that becomes available.
  // With tokens, each is given once, when the client asks.
  const given = [];
  async function enter({ room, user, token, tokens, role, scene, video = {}, audio = {}, quality, adaptive, seats, encryption, secret }) {
    const { Parlor } = await import('/client/parlor.js');
    const getToken = async () => {
      if (tokens.length === 0) throw new Error('no more tokens');
      given.push(tokens.shift());
      return given.at(-1);
    };
    parlor = Parlor.create({ seats, adaptive, encryption, ...(tokens && { getToken }) });
    for (const name of names) parlor.on(name, (payload) => record(name, payload));
    for (const key of views.keys()) drop(key);
    parlor.on('remote-user-exit', ({ userId }) => {
      drop(`${userId}/main`);
      drop(`${userId}/sub`);
    });
    parlor.on('remote-video-available', ({ userId, streamType }) => {
      if (views.has(`${userId}/${streamType}`)) return; // goes on by itself
      void parlor.startRemoteVideo({ userId, streamType, view: view(userId, streamType), quality });
    });
    parlor.on('message', ({ userId, cmdId, data }) => record('message', { userId, text: `${cmdId} ${new TextDecoder().decode(data)}` }));
    const local = { ...PICTURE, ...video };
    if (video) await parlor.startLocalVideo(local);
    if (video) watchCamera(parlor.getLocalTrack('camera'));
    if (video) void watchEncoder(parlor.getLocalTrack('camera'));
    if (audio) await parlor.startLocalAudio(audio);
    const at = now();
    await parlor.enterRoom({ strRoomId: room, userId: user, token, role, scene, ...(secret && { encryption: { sharedKey: secret } }) });
    return { at, entered: now() };
  }

  async function exit() {
    const at = now();
    await parlor.exitRoom();
    return { at, done: now(), held: held() };
  }

  // Enters, and leaves when the node has been asked to let one in and its answer cannot have been read yet.
  async function enterAndExit({ room, user, token }) {
    const { Parlor } = await import('/client/parlor.js');
    parlor = Parlor.create();
    const { send } = WebSocket.prototype;
    let left = null;
    WebSocket.prototype.send = function (text) {
      send.call(this, text);
      WebSocket.prototype.send = send;
      left = parlor.exitRoom();
    };
    const code = await parlor.enterRoom({ strRoomId: room, userId: user, token }).then(() => '', (err) => err.code);
    await left;
    return code;
  }

  // The first event with that name and all of these fields, or null.
  function find(name, fields = {}, since = 0) {
    return events.find((e) => e.name === name && e.at >= since && Object.entries(fields).every(([k, v]) => e[k] === v)) ?? null;
  }

  async function inbound(track) {
    if (!track) return null;
    const report = await parlor.getStats(track);
    let found = null;
    report?.forEach((s) => {
      if (s.type === 'inbound-rtp') found = { ...s, codec: report.get(s.codecId)?.mimeType ?? '' };
    });
    return found;
  }

  // What arrives of a user. Fields of getStats under their own names; null: nothing has arrived.
  async function received(userId) {
    // the client says by an error that a user is not there
    const there = parlor?.remoteUsers.includes(userId);
    if (!there) return { video: null, audio: null };
    return { video: await inbound(parlor.getVideoTrack({ userId })), audio: await inbound(parlor.getAudioTrack({ userId })) };
  }

  // What carries everything: 'udp' or 'tcp'; 'relay tls' and the like through TURN.
  async function carrier() {
    const report = await parlor.getStats();
    const all = [...report.values()];
    const pair = report.get(all.find((s) => s.type === 'transport').selectedCandidatePairId);
    const local = report.get(pair.localCandidateId);
    return local.candidateType === 'relay' ? `relay ${local.relayProtocol}` : report.get(pair.remoteCandidateId).protocol;
  }

  // The camera's sent streams: one entry per simulcast layer, by rid.
  async function sent() {
    const out = {};
    (await parlor.getStats())?.forEach((s) => {
      if (s.type === 'outbound-rtp' && s.kind === 'video') out[s.rid ?? ''] = { frames: s.framesEncoded ?? 0, width: s.frameWidth ?? 0, bytes: s.bytesSent ?? 0, active: s.active };
    });
    return out;
  }

  // A few grey levels of what the element shows.
  function look(el) {
    const canvas = document.createElement('canvas');
    canvas.width = 32;
    canvas.height = 18;
    const ctx = canvas.getContext('2d', { willReadFrequently: true });
    ctx.drawImage(el, 0, 0, 32, 18);
    return Array.from(ctx.getImageData(0, 0, 32, 18).data);
  }

  // Resolves with the time at which a user's picture has been seen to change: it is there, and it moves.
  async function moving(userId, streamType = 'main') {
    let before = null;
    for (;;) {
      const el = views.get(`${userId}/${streamType}`);
      if (el && el.videoWidth > 0 && el.style.visibility !== 'hidden') {
        const seen = look(el);
        if (before && seen.some((v, i) => Math.abs(v - before[i]) > 8)) return now();
        before ??= seen;
      }
      await new Promise((r) => setTimeout(r, 15));
    }
  }

  // Resolves when a picture is there, moving or not.
  async function shown(userId, streamType) {
    for (;;) {
      const el = views.get(`${userId}/${streamType}`);
      if (el && el.videoWidth > 0 && el.style.visibility !== 'hidden') return el.videoWidth;
      await new Promise((r) => setTimeout(r, 15));
    }
  }

  // Changes how a user's picture is shown. Resolves with the time, and when its next frame was received and
  // seen (null: none within so many ms).
  async function show(userId, change, within = 0) {
    const el = views.get(`${userId}/main`);
    const at = now();
    change(el);
    if (within === 0) return { at, frame: null };
    const frame = new Promise((r) => el.requestVideoFrameCallback((_, { receiveTime }) => r({ received: performance.timeOrigin + receiveTime, seen: now() })));
    return { at, frame: await Promise.race([frame, new Promise((r) => setTimeout(r, within, null))]) };
  }

  // Changes how a user's picture is shown. Resolves with how long it took until a frame was received that is
  // so wide, in ms.
  async function grown(userId, change, width) {
    const el = views.get(`${userId}/main`);
    const at = now();
    change(el);
    for (;;) {
      const frame = await new Promise((r) => el.requestVideoFrameCallback((_, f) => r(f)));
      if (frame.width >= width) return performance.timeOrigin + frame.receiveTime - at;
    }
  }

  // Whether nothing of that kind comes in of a user, looked at for a while.
  async function silent(userId, kind) {
    const count = async () => (await received(userId))[kind]?.packetsReceived ?? 0;
    const before = await count();
    await new Promise((r) => setTimeout(r, 250));
    return before === (await count());
  }

  // Resolves with the time at which sound of a user has come out, rather than silence made up for it.
  async function sounding(userId) {
    for (;;) {
      const { audio } = await received(userId);
      if (audio && audio.totalAudioEnergy > 0 && audio.totalSamplesReceived > (audio.concealedSamples ?? 0)) return now();
      await new Promise((r) => setTimeout(r, 15));
    }
  }

  // How long two peer connections of this page take until picture and sound of its own devices come out, in
  // ms. No node is between them. As when the page enters, the devices are on before, and the picture is the
  // same.
  async function meetsItself() {
    const media = await navigator.mediaDevices.getUserMedia({ video: PICTURE, audio: true });
    const began = now();
    const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection()];
    a.onicecandidate = (e) => e.candidate && b.addIceCandidate(e.candidate);
    b.onicecandidate = (e) => e.candidate && a.addIceCandidate(e.candidate);
    const el = document.createElement('video'); // with sound: a muted element is not decoded
    const there = new MediaStream();
    b.ontrack = (e) => { there.addTrack(e.track); el.srcObject = there; };
    for (const track of media.getTracks()) a.addTrack(track, media);
    await a.setLocalDescription();
    await b.setRemoteDescription(a.localDescription);
    await b.setLocalDescription();
    await a.setRemoteDescription(b.localDescription);
    const pictures = new Promise((done) => el.requestVideoFrameCallback(() => el.requestVideoFrameCallback(done)));
    void el.play();
    await pictures;
    for (let heard = false; !heard;) {
      for (const report of (await b.getStats()).values()) {
        heard ||= report.type === 'inbound-rtp' && report.kind === 'audio' && report.totalAudioEnergy > 0;
      }
      if (!heard) await new Promise((r) => setTimeout(r, 15));
    }
    const took = now() - began;
    a.close();
    b.close();
    el.srcObject = null;
    for (const track of media.getTracks()) track.stop();
    return took;
  }

  window.probe = {
    now, events, stalls, late, frames, meetsItself, views, given, enter, exit, enterAndExit, find, received, carrier, sent, moving, show, grown, shown, sounding, silent, frozen, held,
    get parlor() { return parlor; },
  };
})()
