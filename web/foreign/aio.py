#!/usr/bin/python3
"""aiortc: `aio.py publish URL FILE` or `aio.py play URL PNG`, WHIP and WHEP by hand.

Publishing decodes the file and encodes it anew; playing writes the picture that came last to PNG, twice a second.
"""
import asyncio
import os
import sys
import urllib.request

import av
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole, MediaPlayer


def post(url, offer):
    request = urllib.request.Request(url, offer.encode(), {"Content-Type": "application/sdp"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def write(png, frame):
    codec = av.CodecContext.create("png", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = frame.width, frame.height, "rgb24", "1/1"
    with open(png + ".new", "wb") as out:
        for packet in codec.encode(frame.reformat(format="rgb24")):
            out.write(bytes(packet))
    os.rename(png + ".new", png)


async def show(track, png):
    frames = 0
    while True:
        frame = await track.recv()
        frames += 1
        if frames % 12 == 1:
            write(png, frame)


async def run(what, url, file):
    peer = RTCPeerConnection()
    if what == "publish":
        player = MediaPlayer(file, loop=True)
        peer.addTrack(player.audio)
        peer.addTrack(player.video)
        for transceiver in peer.getTransceivers():
            transceiver.direction = "sendonly"
    else:
        hole = MediaBlackhole()

        @peer.on("track")
        def on_track(track):
            if track.kind == "video":
                asyncio.ensure_future(show(track, file))
            else:
                hole.addTrack(track)

        peer.addTransceiver("audio", direction="recvonly")
        peer.addTransceiver("video", direction="recvonly")
    await peer.setLocalDescription(await peer.createOffer())
    answer = await asyncio.get_running_loop().run_in_executor(None, post, url, peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    if what == "play":
        await hole.start()
    print("answered", flush=True)
    await asyncio.sleep(120)


asyncio.run(run(*sys.argv[1:4]))
