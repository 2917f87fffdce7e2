"""What Chromium sent in spatial layers (`tests/captured/record_layers`), and what decoders make of a part of it.

A frame is one size of one picture. VP9 is decoded by libvpx, which is given all frames of a picture at once as browsers
do, and shows the largest; AV1 by dav1d. Used by `tests/media/test_thinning_sizes.py`, read it next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import av

from meetref.media.formats import FORMATS
from meetref.media.joining import JOININGS
from meetref.media.rewriting import Incoming
from meetref.wire import dependencydescriptor as dd
from meetref.wire import rtp, vp9
from tests.media.layered import LOW_DELAY, Picture

CAPTURED = Path(__file__).parents[1] / "captured"
CASES = ["vp9-l3t3", "vp9-l3t3_key", "vp9-l2t1", "av1-l3t3", "av1-l2t2"]
DECODERS = {"VP9": "libvpx-vp9", "AV1": "libdav1d"}


@dataclass
class Frame:
    """One size of one picture: what came of it, and by what picture and size it is known."""

    picture: int
    spatial: int
    temporal: int
    packets: list[Incoming] = field(default_factory=list)
    needs: list[tuple[int, int]] = field(default_factory=list)

    @property
    def name(self) -> tuple[int, int]:
        return self.picture, self.spatial


@dataclass
class Film:
    """A capture: its packets as a server reads them, its frames, and what each shows."""

    codec: str
    packets: list[Incoming]
    frames: dict[tuple[int, int], Frame]
    sizes: Sequence[tuple[int, int]]

    @property
    def pictures(self) -> int:
        return 1 + max(frame.picture for frame in self.frames.values())


def codec_of(case: str) -> str:
    return case.split("-")[0].upper()


def captured(case: str) -> list[bytes]:
    octets, packets = (CAPTURED / f"layers-{case}.rtp").read_bytes(), list[bytes]()
    while octets:
        size = 2 + int.from_bytes(octets[:2])
        packets.append(octets[2:size])
        octets = octets[size:]
    return packets


def descriptor_id(packets: Sequence[bytes]) -> int:
    """The id of dependency descriptors: the extension that a keyframe has in the two-byte form."""
    return max(rtp.parse(packets[0]).extensions.items(), key=lambda each: len(each[1]))[0]


@cache
def film(case: str) -> Film:
    """Pictures are counted by their timestamps."""
    codec, packets = codec_of(case), captured(case)
    identifier = descriptor_id(packets) if codec == "AV1" else 0
    read = FORMATS[codec].reader(0, identifier)
    first = rtp.parse(packets[0]).sequence
    incoming = []
    for packet in packets:
        number = rtp.parse(packet).sequence
        incoming.append(read(packet, first + (number - first & 0xFFFF)))
        incoming[-1].whole = packet
    while not incoming[-1].marker:  # the last picture did not come whole
        del incoming[-1]
    frames = dict[tuple[int, int], Frame]()
    for number, (_, group) in enumerate(groupby(incoming, lambda packet: packet.timestamp)):
        for packet in group:
            assert packet.spatial is not None
            name = number, packet.spatial
            frames.setdefault(name, Frame(*name, packet.temporal)).packets.append(packet)
    (_needs_vp9 if codec == "VP9" else _needs_av1)(frames, identifier)
    return Film(codec, incoming, frames, incoming[0].sizes)


def _needs_vp9(frames: dict[tuple[int, int], Frame], _: int) -> None:
    for frame in frames.values():
        described = vp9.parse(rtp.parse(frame.packets[0].whole).payload)
        frame.needs = [(frame.picture - back, frame.spatial) for back in described.references]
        frame.needs += [(frame.picture, frame.spatial - 1)] if described.inter_layer else []


def _needs_av1(frames: dict[tuple[int, int], Frame], identifier: int) -> None:
    numbers, structure = dict[int, tuple[int, int]](), None
    for name, frame in frames.items():
        described = dd.parse(rtp.parse(frame.packets[0].whole).extensions[identifier], structure)
        structure = described.structure or structure
        assert structure is not None
        frame.needs = [
            numbers[described.frame_number - back] for back in dd.frame_of(described, structure).frame_differences
        ]
        numbers[described.frame_number] = name


class Decoder:
    """One picture at a time, of which the largest size is shown; None where nothing comes out."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._context: Any = av.CodecContext.create(DECODERS[codec], "r")
        self._context.thread_count = 1
        self._context.flags |= LOW_DELAY

    def decode(self, payloads: Sequence[bytes]) -> Picture | None:
        try:
            shown = self._context.decode(av.Packet(JOININGS[self._codec].join(payloads)))
        except av.error.FFmpegError:
            return None
        return shown[-1].to_ndarray(format="yuv420p") if shown else None


@cache
def shows(case: str, spatial: int) -> dict[int, Picture]:
    """What the pictures look like up to a size, to whom everything up to it came."""
    whole, decoder = film(case), Decoder(codec_of(case))
    made = dict[int, Picture]()
    for number in range(whole.pictures):
        names = [(number, each) for each in range(spatial + 1)]
        parts = [packet for name in names if name in whole.frames for packet in whole.frames[name].packets]
        picture = decoder.decode([rtp.parse(packet.whole).payload for packet in parts])
        assert picture is not None, f"picture {number} of {case}"
        made[number] = picture
    return made
