"""GStreamer's webrtcbin as a client of WHIP or WHEP: run by an interpreter that has its bindings, JSON lines out.

    gst_whip.py publish|watch URL      what the POST was answered, then every 100 ms what came until now

The end of input is the end, by DELETE. Used by tests/peers/test_whip_native.py, as a program and not as a module.
"""

from __future__ import annotations

import json
import sys
import threading
import urllib.parse
import urllib.request
from collections import Counter
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402  # only behind require_version

SENDING = """
  videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=20/1
    ! vp8enc deadline=1 keyframe-max-dist=40 ! rtpvp8pay picture-id-mode=15-bit
    ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! client.
  audiotestsrc is-live=true ! opusenc ! rtpopuspay
    ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! client.
"""
WANTED = (
    "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2",
    "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000",
)


def tell(**what: Any) -> None:
    print(json.dumps(what), flush=True)


class Client:
    """One connection, from the offer to the end."""

    def __init__(self, kind: str, url: str) -> None:
        self.url, self.session = url, ""
        self.arrived: Counter[str] = Counter()
        beside = SENDING if kind == "publish" else "fakesrc num-buffers=1 ! fakesink"  # one element is no pipeline
        self.pipeline = Gst.parse_launch(f"webrtcbin name=client bundle-policy=max-bundle {beside}")
        self.client = self.pipeline.get_by_name("client")
        if kind == "watch":
            for caps in WANTED:
                way = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
                self.client.emit("add-transceiver", way, Gst.Caps.from_string(caps))
        self.client.connect("on-negotiation-needed", self.negotiate)
        self.client.connect("pad-added", self.arrives)
        self.client.connect("notify::ice-gathering-state", self.gathered)
        self.pipeline.set_state(Gst.State.PLAYING)

    def negotiate(self, client: Any) -> None:
        client.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered, None))

    def offered(self, promise: Any, _: Any) -> None:
        promise.wait()
        reply = promise.get_reply()  # to which the offer belongs
        self.client.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    def gathered(self, client: Any, _: Any) -> None:
        if client.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            offer = client.get_property("local-description").sdp.as_text()
            threading.Thread(target=self.post, args=(offer,), daemon=True).start()

    def post(self, offer: str) -> None:
        request = urllib.request.Request(self.url, offer.encode(), {"Content-Type": "application/sdp"}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                text = answer.read()
                self.session = urllib.parse.urljoin(self.url, answer.headers["Location"])
        except urllib.error.HTTPError as error:
            tell(event="session", status=error.code, why=error.read().decode())
            return
        tell(event="session", status=201)
        _, sdp = GstSdp.SDPMessage.new_from_text(text.decode())
        taken = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.client.emit("set-remote-description", taken, Gst.Promise.new())

    def arrives(self, client: Any, pad: Any) -> None:
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        kind = pad.get_current_caps().get_structure(0).get_string("media")
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_properties(**{"signal-handoffs": True, "async": False, "sync": False})
        sink.connect("handoff", lambda *_: self.arrived.update([kind]))
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))

    def now(self) -> bool:
        state = self.client.get_property("connection-state").value_nick
        tell(event="now", state=state, audio=self.arrived["audio"], video=self.arrived["video"])
        return True

    def end(self) -> None:
        if self.session:
            with urllib.request.urlopen(urllib.request.Request(self.session, method="DELETE"), timeout=20) as answer:
                tell(event="deleted", status=answer.status)


def main() -> None:
    Gst.init(None)
    loop = GLib.MainLoop()
    client = Client(*sys.argv[1:])
    GLib.timeout_add(100, client.now)

    def listen() -> None:
        sys.stdin.read()
        client.end()
        loop.quit()

    threading.Thread(target=listen, daemon=True).start()
    loop.run()


main()
