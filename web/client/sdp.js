// The part of an offer that goes to the node. With many seats most of an offer is the same again and again,
// or of no use to a node. So the largest message that the node takes would hold half as many seats. Pure.
// The browser's own description stays as it is, and an answer to less is an answer to it.
//
// An answer says how sound is to be encoded (RFC 7587), and the node's repeats what it was offered. So what
// one wants to send is said in the offer, in the words in which a receiver would ask for it.

/** What bundled sections have in common: valid at the session level too (RFC 8839, RFC 8122). */
const TRANSPORT = /^a=(?:ice-ufrag|ice-pwd|ice-options|fingerprint|setup):.*\r\n/gm;

/** What a node passes over. */
const UNUSED = new RegExp('^a=(?:rtcp:|rtcp-xr:|rtcp-rsize|rtcp-fb:\\d+ goog-remb|'
  + 'extmap:\\S+ \\S*(?:toffset|video-content-type|video-timing|color-space|video-layers-allocation)).*\\r\\n', 'gm');

/**
 * @param {string} sdp
 * @param {Map<string | null, string>} [opus]  by mid, what opusOf() has made for a sending section
 */
export function compact(sdp, opus) {
  const [session, ...media] = sdp.split(/^(?=m=)/m);
  const transport = media.map((m) => (m.match(TRANSPORT) ?? []).join(''));
  const common = transport.find((t) => t !== '') ?? '';
  const same = transport.every((t) => t === common || t === '');
  const sections = media.map((m) => {
    const wanted = opus?.get(m.match(/^a=mid:(.*)\r$/m)?.[1] ?? null);
    return seat(withOpus((same ? m.replace(TRANSPORT, '') : m).replace(UNUSED, ''), wanted));
  });
  return [session, same ? common : '', ...sections].join('');
}

/** The time of sending. Receivers do not need it if packets are numbered for the transport. */
const SENT = /^a=extmap:\S+ \S*abs-send-time.*\r\n/gm;

/**
 * Makes a seat smaller. Feedback that all codecs have is said once for all (RFC 4585, `*`), and packets are
 * numbered or timed. The extensions that name layers stay, though a seat has no layers. Chromium sends no
 * simulcast in a section that it adds later if an answer has left them out.
 * @param {string} section
 */
function seat(section) {
  if (!section.includes('\r\na=recvonly\r\n')) return section;
  if (section.includes('transport-wide-cc-extensions')) section = section.replace(SENT, '');
  const codecs = [...section.matchAll(/^a=rtpmap:(\d+) (\S+)\/\d/gm)].filter((m) => !/^(?:rtx|red|ulpfec|flexfec)/i.test(m[2]));
  const of = codecs.map(([, pt]) => [...section.matchAll(new RegExp(`^a=rtcp-fb:${pt} (.*)\\r\\n`, 'gm'))].map((m) => m[1]));
  if (of.length < 2 || of.some((f) => f.join() !== of[0].join())) return section;
  return section.replace(/^a=rtcp-fb:\d+ .*\r\n/gm, '') + of[0].map((f) => `a=rtcp-fb:* ${f}\r\n`).join('');
}

/**
 * The parameters of Opus for what is wanted; none: as the browser likes.
 * @param {{bitrate?: number, stereo?: boolean, dtx?: boolean}} wanted  bitrate: kbit/s
 */
export function opusOf({ bitrate, stereo, dtx }) {
  const all = [
    stereo !== undefined && `stereo=${Number(stereo)};sprop-stereo=${Number(stereo)}`,
    dtx !== undefined && `usedtx=${Number(dtx)}`,
    bitrate !== undefined && `maxaveragebitrate=${bitrate * 1000}`,
  ];
  return all.filter(Boolean).join(';');
}

/**
 * A section with these parameters of Opus in place of its own.
 * @param {string} section
 * @param {string} [wanted]
 */
function withOpus(section, wanted) {
  const pt = section.match(/^a=rtpmap:(\d+) opus\//im)?.[1];
  if (!wanted || !pt) return section;
  const names = wanted.split(';').map((p) => p.split('=')[0]);
  return section.replace(new RegExp(`^a=fmtp:${pt} (.*)\\r$`, 'm'), (_, all) => {
    const kept = all.split(';').filter((/** @type {string} */ p) => !names.includes(p.split('=')[0].trim()));
    return `a=fmtp:${pt} ${[...kept, wanted].join(';')}\r`;
  });
}

/**
 * An offer whose receiving sections ask for stereo. Without that a browser may decode two channels as one;
 * Firefox asks by itself.
 * @param {string} sdp
 */
export function hearsStereo(sdp) {
  return sdp.split(/^(?=m=)/m).map((m) => {
    const asked = !m.includes('\r\na=recvonly\r\n') || /^a=fmtp:.*[ ;]stereo=/m.test(m);
    return asked ? m : withOpus(m, 'stereo=1');
  }).join('');
}

/**
 * An answer with those of the node's candidates by which it may be reached. TURN leads to those of UDP.
 * @param {string} sdp
 * @param {import('./types.js').Way[]} [by]  undefined: all
 */
export function reachable(sdp, by) {
  if (!by) return sdp;
  const open = { udp: by.includes('udp') || by.includes('turn'), tcp: by.includes('tcp') };
  return sdp.replace(/^a=candidate:\S+ \d+ (\S+) .*\r\n/gm, (line, protocol) => (open[/** @type {'udp' | 'tcp'} */ (protocol.toLowerCase())] ? line : ''));
}
