// Whether this browser sends pictures with layers inside (SVC): one stream, of which the node gives every
// receiver the part that it can use.

import { LAYERED, wantsSimulcast } from './encodings.js';
import { applied } from './profiles.js';

/**
 * Which layers a camera is sent in.
 * @param {import('./local.js').AnyOptions} given
 * @param {MediaStreamTrack} track  whose width counts
 */
export async function layersOf(given, track) {
  const o = { ...applied('camera', given), width: track.getSettings().width };
  const svc = (await layered(o)) ? o.svc : undefined;
  return { svc, codec: o.codec ?? (svc && LAYERED), simulcast: !svc && wantsSimulcast(o) };
}

/**
 * Whether the browser sends such layers. A browser without them passes over what it does not know. So it is
 * asked first what it has understood, then whether the codec does it.
 * @param {{svc?: string, codec?: string, width?: number, height?: number, frameRate?: number}} o  options of
 *   startLocalVideo()
 * @returns {Promise<boolean>}
 */
export async function layered({ svc, codec = LAYERED, width = 1280, height = 720, frameRate = 30 }) {
  if (!svc || !understood(svc)) return false;
  const video = { contentType: `video/${codec}`, width, height, framerate: frameRate, bitrate: 1_000_000, scalabilityMode: svc };
  try {
    return (await navigator.mediaCapabilities.encodingInfo({ type: 'webrtc', video })).supported;
  } catch {
    return false;
  }
}

/** @param {string} scalabilityMode */
function understood(scalabilityMode) {
  const pc = new RTCPeerConnection();
  try {
    const { sender } = pc.addTransceiver('video', { direction: 'sendonly', sendEncodings: [/** @type {any} */ ({ scalabilityMode })] });
    const [got] = /** @type {any[]} */ (sender.getParameters().encodings);
    return got?.scalabilityMode === scalabilityMode;
  } catch {
    return false;
  } finally {
    pc.close();
  }
}
