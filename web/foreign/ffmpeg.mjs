// FFmpeg's WHIP muxer, which node-av brings along: `node ffmpeg.mjs publish URL FILE` sends the file once, as
// it is, in its own time.
import { setTimeout } from 'node:timers/promises';
import { FFmpegError, FormatContext, Packet } from 'node-av/lib';

const [what, url, file] = process.argv.slice(2);
if (what !== 'publish') throw new Error('FFmpeg publishes only: it has no WHEP player');
const sure = (code, doing) => { FFmpegError.throwIfError(code, doing); return code; };

const input = new FormatContext();
sure(await input.openInput(file), 'open the file');
sure(await input.findStreamInfo(), 'read the file');
const output = new FormatContext();
sure(output.allocOutputContext2(null, 'whip', url), 'make the muxer');
const streams = input.streams.map((from) => {
  const to = output.newStream();
  sure(from.codecpar.copy(to.codecpar), 'copy the parameters');
  to.codecpar.codecTag = 0;
  to.timeBase = from.timeBase;
  return { from, to };
});
sure(await output.writeHeader(), 'publish');
const packet = new Packet();
packet.alloc();
const began = performance.now();
while ((await input.readFrame(packet)) >= 0) {
  const { from, to } = streams[packet.streamIndex];
  const due = began + Number(packet.dts) * 1000 * from.timeBase.num / from.timeBase.den - performance.now();
  if (due > 0) await setTimeout(due);
  packet.rescaleTs(from.timeBase, to.timeBase);
  sure(await output.writeFrame(packet), 'send');
  packet.unref();
}
await output.writeTrailer();
