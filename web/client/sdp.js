// The part of an offer that goes to the node. With many seats most of an offer is the same again and again,
// or of no use to a node. So the largest message that the node takes would hold half as many seats. Pure.
// The browser's own description stays as it is, and an answer to less is an answer to it.

/** What bundled sections have in common: valid at the session level too (RFC 8839, RFC 8122). */
const TRANSPORT = /^a=(?:ice-ufrag|ice-pwd|ice-options|fingerprint|setup):.*\r\n/gm;

/** What a node passes over. */
const UNUSED = new RegExp('^a=(?:rtcp:|rtcp-xr:|rtcp-rsize|rtcp-fb:\\d+ goog-remb|'
  + 'extmap:\\S+ \\S*(?:toffset|video-content-type|video-timing|color-space|video-layers-allocation)).*\\r\\n', 'gm');

/** @param {string} sdp */
export function compact(sdp) {
  const [session, ...media] = sdp.split(/^(?=m=)/m);
  const transport = media.map((m) => (m.match(TRANSPORT) ?? []).join(''));
  const common = transport.find((t) => t !== '') ?? '';
  const same = transport.every((t) => t === common || t === '');
  const sections = media.map((m) => seat((same ? m.replace(TRANSPORT, '') : m).replace(UNUSED, '')));
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
