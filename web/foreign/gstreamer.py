#!/usr/bin/python3
"""GStreamer's webrtcbin: `gstreamer.py publish URL` or `gstreamer.py play URL PNG`, WHIP and WHEP by hand.

Publishing sends H.264 as x264enc makes and labels it, and Opus. Playing writes the picture that came last to PNG, again and again.
"""
import sys
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PUBLISH = (
    "webrtcbin name=peer bundle-policy=max-bundle "
    "videotestsrc is-live=true pattern=solid-color foreground-color=0xFF20A0D0 ! video/x-raw,width=640,height=360,framerate=25/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 bitrate=500 ! rtph264pay config-interval=-1 aggregate-mode=zero-latency "
    "! application/x-rtp,media=video,encoding-name=H264,payload=96 ! peer. "
    "audiotestsrc is-live=true wave=sine freq=440 ! opusenc ! rtpopuspay ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! peer. "
)
PLAY = "webrtcbin name=peer bundle-policy=max-bundle"
SHOW = "queue ! rtph264depay ! avdec_h264 ! videoconvert ! videorate ! video/x-raw,framerate=2/1 ! pngenc ! multifilesink location="
HEAR = "queue ! rtpopusdepay ! opusdec ! fakesink"
VIDEO = "application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000"
AUDIO = "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2"


def post(url, offer):
    request = urllib.request.Request(url, offer.encode(), {"Content-Type": "application/sdp"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


class Peer:
    def __init__(self, what, url, png):
        self.url, self.png = url, png
        self.pipeline = Gst.parse_launch(f"pipeline. ( {PUBLISH if what == 'publish' else PLAY} )")
        self.bin = self.pipeline.get_by_name("peer")
        self.posted = False
        if what == "play":
            for caps in (VIDEO, AUDIO):
                self.bin.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, Gst.caps_from_string(caps))
            self.bin.connect("pad-added", self.on_pad)
        self.bin.connect("on-negotiation-needed", self.on_negotiation)
        self.bin.connect("notify::ice-gathering-state", self.on_gathering)

    def on_negotiation(self, _):
        self.bin.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer))

    def on_offer(self, promise):
        promise.wait()
        reply = promise.get_reply()  # the offer lives as long as this name
        self.bin.emit("set-local-description", reply.get_value("offer"), None)

    def on_gathering(self, *_):
        done = GstWebRTC.WebRTCICEGatheringState.COMPLETE
        if self.posted or self.bin.get_property("ice-gathering-state") != done:
            return
        self.posted = True
        GLib.idle_add(self.exchange)

    def exchange(self):
        offer = self.bin.get_property("local-description").sdp.as_text()
        _, message = GstSdp.SDPMessage.new()
        GstSdp.sdp_message_parse_buffer(post(self.url, offer), message)
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.bin.emit("set-remote-description", answer, None)
        print("answered", flush=True)

    def on_pad(self, _, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        name = pad.get_current_caps().get_structure(0).get_string("media")
        tails = {"video": SHOW + self.png, "audio": HEAR}
        sink = Gst.parse_bin_from_description(tails[name], True)
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))
        print("pad", name, flush=True)

    def run(self):
        loop = GLib.MainLoop()
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", lambda _, m: (print(*m.parse_error(), file=sys.stderr, flush=True), loop.quit()))
        self.pipeline.set_state(Gst.State.PLAYING)
        loop.run()
        self.pipeline.set_state(Gst.State.NULL)


Gst.init(None)
Peer(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "").run()
