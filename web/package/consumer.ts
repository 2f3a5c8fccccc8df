// A TypeScript application, as far as the compiler sees it. build.test.js compiles it against the package.
// Without its lines of @ts-expect-error it must not compile.

import { ExitReason, Parlor, ParlorError, UserExitReason } from 'parlor-client';
import type { ErrorCode, ParlorEvents, Processor, RemoteVideoOptions, Statistics, VideoOptions } from 'parlor-client';

const camera: VideoOptions = { width: 640, facingMode: 'user', mute: false };
const blur: Processor = async (track, { source, signal }) => (signal.aborted || source !== 'camera' ? track : track.clone());
const codes: Partial<Record<ErrorCode, string>> = { room_full: 'The room is full.' };

export async function call(stage: HTMLElement, token: string): Promise<string[]> {
  const parlor = Parlor.create({ url: 'https://example.org', getToken: async ({ userId }) => `${token}${userId}` });
  parlor.on('remote-video-available', ({ userId, streamType }) => {
    const shown: RemoteVideoOptions = { userId, streamType, view: [stage, 'main'], quality: 'mid' };
    void parlor.startRemoteVideo(shown);
  }).on('statistics', (s: Statistics) => console.log(s.localStatistics.video[0]?.frameRate));
  parlor.once('exit-room', ({ reason }) => console.log(reason === ExitReason.REMOVED));
  parlor.on('remote-user-exit', (e: ParlorEvents['remote-user-exit']) => console.log(e.reason === UserExitReason.TIMEOUT));
  parlor.on('message', ({ data }) => console.log(new TextDecoder().decode(data)));
  try {
    await parlor.enterRoom({ strRoomId: 'lobby', userId: 'ann', role: 'anchor' });
    await parlor.startLocalVideo({ ...camera, view: stage, processor: blur });
  } catch (err) {
    if (err instanceof ParlorError) console.log(codes[err.code as ErrorCode] ?? err.message, err.field);
  }
  const track: MediaStreamTrack | null = parlor.getLocalTrack('camera');
  const report: RTCStatsReport | null = await parlor.getStats(track);
  console.log(report?.size, Parlor.version.length);
  return parlor.remoteUsers;
}

export function wrong(parlor: Parlor): void {
  // @ts-expect-error a room has a user
  void parlor.enterRoom({ strRoomId: 'lobby' });
  // @ts-expect-error there is no such option
  void parlor.startLocalVideo({ resolution: '720p' });
  // @ts-expect-error there is no such event
  parlor.on('remote-user-entered', () => {});
  // @ts-expect-error the event has no such field
  parlor.on('audio-volume', ({ users }) => users);
  // @ts-expect-error there is no such source
  parlor.getLocalTrack('video');
  // @ts-expect-error there is no such code
  console.log(codes.room_fulll);
  // @ts-expect-error it is the client's own
  void parlor.stay;
}
