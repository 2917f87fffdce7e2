"""GStreamer's elements for RED and ULPFEC: run by an interpreter that has its bindings, JSON lines in and out.

{"what": "version"}                                                  -> {"version": "1.22.0"}
{"what": "red", "packet": "...", "types": [...]}                     -> {"packets": [...]}, what its decoder gives out
{"what": "protect", "packets": [...], "percentage": 25}              -> {"packets": [...]}, the FEC packets
{"what": "recover", "packets": [...], "repairs": [...], "missing": N, "type": N} -> {"packets": [...]}, what came back

Packets are RTP in hexadecimal. Used by tests/confirm/mediareaders.py, as a program and not as a module.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402  # only behind require_version

FEC_TYPE = 104
PATIENCE = 2_000_000_000  # nanoseconds without a packet, behind the end
VIDEO = "application/x-rtp,media=video,clock-rate=90000,encoding-name=VP8"
SOUND = "application/x-rtp,media=audio,clock-rate=48000,payload=63,encoding-name=RED"


def caps_of(packet: bytes, payload_type: int) -> str:
    kind = SOUND if payload_type == 63 else f"{VIDEO},payload={payload_type}"
    return f"{kind},ssrc=(uint){int.from_bytes(packet[8:12], 'big')}"


def through(elements: str, packets: list[bytes], payload_type: int, prepare: Any = None) -> list[bytes]:
    """What comes out of the elements for these packets, which are told to be of that type."""
    caps = caps_of(packets[0], payload_type)
    pipeline = Gst.parse_launch(f'appsrc name=in format=time caps="{caps}" ! {elements} ! appsink name=out sync=false')
    if prepare is not None:
        prepare(pipeline)
    source, sink = pipeline.get_by_name("in"), pipeline.get_by_name("out")
    pipeline.set_state(Gst.State.PLAYING)
    for number, packet in enumerate(packets):
        buffer = Gst.Buffer.new_wrapped(packet)
        buffer.pts = buffer.dts = number * 1_000_000
        source.emit("push-buffer", buffer)
    source.emit("end-of-stream")
    made = []
    while (sample := sink.emit("try-pull-sample", PATIENCE)) is not None:
        buffer = sample.get_buffer()
        made.append(buffer.extract_dup(0, buffer.get_size()))
    pipeline.set_state(Gst.State.NULL)
    return made


def recover(packets: list[bytes], repairs: list[bytes], missing: int, payload_type: int) -> list[bytes]:
    """Its decoder is told by an event that a packet is lost, and looks into the storage of those that came."""

    def prepare(pipeline: Any) -> None:
        storage = pipeline.get_by_name("storage")
        pipeline.get_by_name("decoder").set_property("storage", storage.get_property("internal-storage"))

        def lose(pad: Any, info: Any) -> Any:
            buffer = info.get_buffer()
            if buffer.extract_dup(0, 2)[1] & 0x7F == 97:  # the mark behind all packets
                told = f"GstRTPPacketLost,seqnum=(uint){missing},timestamp=(guint64)0,duration=(guint64)1"
                event = Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM, Gst.Structure.new_from_string(told))
                pad.send_event(event)
            return Gst.PadProbeReturn.OK

        pad = pipeline.get_by_name("decoder").get_static_pad("sink")
        pad.add_probe(Gst.PadProbeType.BUFFER, lose)

    mark = bytes([0x80, 97]) + (missing + 200 & 0xFFFF).to_bytes(2, "big") + packets[0][4:12]
    elements = f"rtpstorage name=storage size-time=1000000000 ! rtpulpfecdec name=decoder pt={FEC_TYPE}"
    made = through(elements, [*packets, *repairs, mark], payload_type, prepare)
    known = {packet[:2] + packet[4:] for packet in packets}  # it gives sequence numbers of its own to all
    back = [
        packet for packet in made if packet[:2] + packet[4:] not in known and packet[1] & 0x7F not in (FEC_TYPE, 97)
    ]
    return [packet[:2] + missing.to_bytes(2, "big") + packet[4:] for packet in back]


def say(asked: dict[str, Any]) -> dict[str, Any]:
    if asked["what"] == "version":
        return {"version": ".".join(map(str, Gst.version()[:3]))}
    if asked["what"] == "red":
        made = through("rtpreddec pt=63", [bytes.fromhex(asked["packet"])], 63)
        return {"packets": [packet.hex() for packet in made]}
    packets = [bytes.fromhex(packet) for packet in asked["packets"]]
    if asked["what"] == "protect":
        made = through(f"rtpulpfecenc pt={FEC_TYPE} percentage={asked['percentage']}", packets, packets[0][1] & 0x7F)
        return {"packets": [packet.hex() for packet in made if packet[1] & 0x7F == FEC_TYPE]}
    repairs = [bytes.fromhex(packet) for packet in asked["repairs"]]
    back = recover(packets, repairs, asked["missing"], asked["type"])
    return {"packets": [packet.hex() for packet in back]}


def main() -> None:
    Gst.init(None)
    for line in sys.stdin:
        print(json.dumps(say(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
