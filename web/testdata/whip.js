// A WHIP encoder (RFC 9725) and a WHEP player, as somebody would write them who has only the two documents.
// They use fetch and RTCPeerConnection, and nothing of the client. The value of the expression is nothing;
// everything is under window.whip.
(() => {
  const now = () => performance.timeOrigin + performance.now();
  const until = async (f) => {
    for (;;) {
      const v = await f();
      if (v) return v;
      await new Promise((r) => setTimeout(r, 15));
    }
  };

  async function post(pc, url, token) {
    await pc.setLocalDescription();
    const headers = { 'Content-Type': 'application/sdp', ...(token && { Authorization: `Bearer ${token}` }) };
    const r = await fetch(url, { method: 'POST', headers, body: pc.localDescription.sdp });
    if (r.status !== 201) throw new Error(`${url}: ${r.status} ${await r.text()}`);
    await pc.setRemoteDescription({ type: 'answer', sdp: await r.text() });
    await until(() => pc.connectionState === 'connected');
    return { resource: new URL(r.headers.get('Location'), r.url).href, etag: r.headers.get('ETag'), type: r.headers.get('Content-Type') };
  }

  // codec: of the picture, such as H264, and no other; absent: what the browser prefers.
  async function publish(url, token, codec) {
    const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 320, height: 180, frameRate: 15 } });
    const pc = new RTCPeerConnection();
    for (const track of media.getTracks()) pc.addTransceiver(track, { direction: 'sendonly', streams: [media] });
    if (codec) {
      const { codecs } = RTCRtpSender.getCapabilities('video');
      const video = pc.getTransceivers().find((t) => t.sender.track.kind === 'video');
      video.setCodecPreferences(codecs.filter((c) => c.mimeType === `video/${codec}`));
    }
    const made = await post(pc, url, token);
    window.whip.session = { ...made, pc, token };
    return made;
  }

  // Receives as many people as there are video sections.
  async function play(url, people, token) {
    const pc = new RTCPeerConnection();
    for (let i = 0; i < people; i += 1) {
      pc.addTransceiver('video', { direction: 'recvonly' });
      pc.addTransceiver('audio', { direction: 'recvonly' });
    }
    for (const t of pc.getTransceivers()) { // decoded only when played
      const el = document.createElement(t.receiver.track.kind);
      el.autoplay = el.muted = true;
      el.srcObject = new MediaStream([t.receiver.track]);
      document.body.append(el);
    }
    const made = await post(pc, url, token);
    window.whip.session = { ...made, pc, token };
    return made;
  }

  // Statistics of what arrives, in the order of the sections.
  async function received() {
    const out = [];
    for (const t of window.whip.session.pc.getTransceivers()) {
      (await t.receiver.getStats()).forEach((s) => {
        if (s.type === 'inbound-rtp') out.push({ kind: s.kind, framesDecoded: s.framesDecoded ?? 0, packetsLost: s.packetsLost, freezeCount: s.freezeCount ?? 0, totalSamplesReceived: s.totalSamplesReceived ?? 0, concealedSamples: s.concealedSamples ?? 0, packetsReceived: s.packetsReceived });
      });
    }
    return out;
  }

  // Restarts ICE by PATCH (RFC 9725 section 4.3.2). The node's new name and password come back as a fragment,
  // and go into the answer that there was.
  async function restart() {
    const { pc, resource } = window.whip.session;
    const line = (text, name) => text.match(new RegExp(`^a=${name}:(.*?)\r?$`, 'm'))[1];
    const answer = pc.currentRemoteDescription.sdp;
    await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
    const { sdp } = pc.localDescription;
    const r = await fetch(resource, {
      method: 'PATCH', headers: { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': '*' },
      body: `a=ice-ufrag:${line(sdp, 'ice-ufrag')}\r\na=ice-pwd:${line(sdp, 'ice-pwd')}\r\n`,
    });
    const body = await r.text();
    if (r.status !== 200) throw new Error(`${r.status} ${body}`);
    const renew = (text, name) => text.replace(new RegExp(`a=${name}:.*`, 'g'), `a=${name}:${line(body, name)}`);
    await pc.setRemoteDescription({ type: 'answer', sdp: renew(renew(answer, 'ice-ufrag'), 'ice-pwd') });
    const pair = async () => {
      const all = [...(await pc.getStats()).values()];
      const id = all.find((s) => s.type === 'transport').selectedCandidatePairId;
      return all.find((s) => s.id === id);
    };
    const local = async () => (await pc.getStats()).get((await pair())?.localCandidateId)?.usernameFragment;
    await until(async () => (await local()) === line(pc.localDescription.sdp, 'ice-ufrag') && pc.connectionState === 'connected');
    return { etag: r.headers.get('ETag') };
  }

  // The colour in the middle of the first picture that plays: [red, green, blue], 0 to 255; null while there
  // is none.
  function colour() {
    const video = document.querySelector('body > video'); // not one of the page's own
    if (!video?.videoWidth) return null;
    const canvas = new OffscreenCanvas(1, 1);
    const context = canvas.getContext('2d');
    context.drawImage(video, video.videoWidth / 2, video.videoHeight / 2, 1, 1, 0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  }

  async function stop() {
    const { pc, resource, token } = window.whip.session;
    const at = now();
    const r = await fetch(resource, { method: 'DELETE', headers: token ? { Authorization: `Bearer ${token}` } : {} });
    pc.close();
    return { at, status: r.status };
  }

  window.whip = { publish, play, received, colour, restart, stop };
})()
