"""A publisher for studios, in memory: VP8 of one colour, and Opus of one tone, in packets as they come from a browser.

Read next: tests/archive/test_studio.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meetref.archive import cue
from meetref.media.codec import SoundEncoder, VideoEncoder, packetize
from meetref.wire import rtp
from tests.media import layered, layeredformats

NUMBERS = {"VP8": 96, "H264": 102, "VP9": 98, "AV1": 45}
CODECS = {
    "video": {str(n): {"name": name, "clock_rate": 90_000, "channels": None} for name, n in NUMBERS.items()},
    "audio": {"111": {"name": "opus", "clock_rate": 48_000, "channels": 2}},
}
SIZE = (320, 180)


def joined(person: str, name: str, **devices: str) -> cue.Note:
    return cue.Note({"event": "joined", "person": person, "name": name, "bot": False, "devices": devices})


def opened(stream: int, person: str, source: str) -> cue.Open:
    kind = "audio" if source == "microphone" else "video"
    about = {"person": person, "name": person, "source": source, "mid": "0", "kind": kind, "codecs": CODECS[kind]}
    return cue.Open(stream, about)


def colour_packets(stream: int, colour: tuple[int, int, int], seconds: float) -> Iterator[tuple[float, cue.Packet]]:
    """Pictures of one colour, 25 a second, with the moment of each packet."""
    encoder = VideoEncoder(*SIZE, frame_rate=25, bitrate_bps=300_000)
    picture = np.full((SIZE[1], SIZE[0], 3), colour, np.uint8)
    sequence = 0
    for number in range(int(seconds * 25)):
        payloads = packetize(encoder.encode(picture), number)
        for place, payload in enumerate(payloads):
            packet = rtp.Packet(96, sequence, 1000 + number * 3600, 7, payload, marker=place == len(payloads) - 1)
            sequence += 1
            yield number / 25, cue.Packet(stream, rtp.serialize(packet))


def coded_packets(
    stream: int, codec: str, numbers: range, delay: Callable[[float], float | None]
) -> Iterator[tuple[float, cue.Packet]]:
    """Pictures of a codec's moving source (`tests/media/layered`), 30 a second; each number is a thirtieth's."""
    source: Any = layered.Stream("h", 7, 0, 0, numbers[0], 0)
    if codec != "VP8":
        source = layeredformats.Stream(codec, "h", 7, 0, 0, numbers[0], 0)
    for number in numbers:
        for _, data in source.packets(number):
            packet = replace(rtp.parse(data), payload_type=NUMBERS[codec], timestamp=number * 3000, extensions={})
            on_the_way = delay(number / 30)
            if on_the_way is not None:
                yield number / 30 + on_the_way, cue.Packet(stream, rtp.serialize(packet))


def coded_picture(codec: str, number: int) -> NDArray[np.uint8]:
    """What such a picture shows, planar."""
    coded = layered.coded("h") if codec == "VP8" else layeredformats.coded(codec, "h")
    return coded[number].shows


def tone_packets(stream: int, pitch: float, seconds: float) -> Iterator[tuple[float, cue.Packet]]:
    """A tone, a packet for every 20 milliseconds."""
    encoder = SoundEncoder()
    for number in range(int(seconds * 50)):
        at = np.arange(number * 960, number * 960 + 960) / 48_000
        samples = (np.sin(2 * np.pi * pitch * at) * 12_000).astype(np.int16)
        packet = rtp.Packet(111, number & 0xFFFF, number * 960, 8, encoder.encode(samples))
        yield number / 50, cue.Packet(stream, rtp.serialize(packet))


def all_of(*streams: Iterator[tuple[float, Any]]) -> list[tuple[float, Any]]:
    """Several streams, in the order in which they come."""
    return sorted((each for stream in streams for each in stream), key=lambda each: each[0])
