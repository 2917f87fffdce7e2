"""Picture sources in H264, VP9 and AV1, each in three sizes, and what each picture shows: what `layered` is for VP8.

H264 by x264, one picture after the other, without dependency descriptors; VP9 by libvpx in the temporal layers 0 2 1 2;
AV1 by SVT-AV1, one picture after the other, with dependency descriptors. Used by
`tests/meeting/test_track_formats.py`, read it next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import av
from av.video.frame import PictureType

from meetref.wire import av1, h264, rtp, vp9
from meetref.wire import dependencydescriptor as dd
from tests.media.layered import MTU, PATTERN, Decoder, Picture, drawn
from tests.media.layered import OPTIONS as VPX
from tests.wire.bitstreams import open_encoder, persistently

PICTURES = 120
KEYFRAME_EVERY = 20
SIZES = {"q": (64, 64), "h": (96, 64), "f": (192, 128)}
DESCRIPTOR_ID = 13
STRUCTURE = dd.Structure(targets=1, templates=[dd.Template(indications=[2]), dd.Template(0, 0, [2], [1])])
ENCODERS = {
    "H264": (
        "libx264",
        {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "forced-idr": "1"}
        | {"x264-params": "scenecut=0:repeat-headers=1"},
    ),
    "VP9": ("libvpx-vp9", {**VPX, "cpu-used": "8"}),
    "AV1": ("libsvtav1", {"preset": "12", "svtav1-params": "pred-struct=1:lookahead=0"}),
}
DECODERS = {"H264": "h264", "VP9": "vp9", "AV1": "libdav1d"}


@dataclass(frozen=True, slots=True)
class Coded:
    """One encoded picture in its RTP payloads (of VP9 without descriptors), and what a decoder makes of it."""

    number: int
    frame: bytes
    payloads: tuple[bytes, ...]
    shows: Picture
    temporal: int

    @property
    def key(self) -> bool:
        return self.number % KEYFRAME_EVERY == 0

    @property
    def needs(self) -> list[int]:
        """The numbers of the pictures that it is made from, at most."""
        if self.key:
            return []
        if self.temporal == 0:
            return [self.number - 4 if has_layers(self) else self.number - 1]
        place = self.number % 4
        return [self.number - place] if place < 3 else [self.number - 1, self.number - 3]


def has_layers(picture: Coded) -> bool:
    return picture.frame[:1] != b"\0" and picture.frame[0] >> 6 == 2  # the marker of VP9


@cache
def coded(codec: str, rid: str) -> tuple[Coded, ...]:
    """The pictures of one size."""
    frames = persistently(lambda: _frames(codec, rid)) if codec == "AV1" else _frames(codec, rid)
    return tuple(_coded(codec, frames))


def _frames(codec: str, rid: str) -> list[bytes]:
    width, height = SIZES[rid]
    name, options = ENCODERS[codec]
    encoder: Any = av.CodecContext.create(name, "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate, encoder.time_base = Fraction(30), Fraction(1, 90000)
    encoder.gop_size = KEYFRAME_EVERY if codec == "AV1" else 1_000_000
    if codec != "AV1":  # with low delay SVT-AV1 keeps no rate
        encoder.bit_rate = 160_000
    encoder.thread_count, encoder.options = 1, options
    open_encoder(encoder)
    frames = list[bytes]()
    for number, frame in enumerate(drawn(width, height, PICTURES)):
        if codec != "AV1":
            frame.pict_type = PictureType.I if number % KEYFRAME_EVERY == 0 else PictureType.NONE
        frames += [bytes(packet) for packet in encoder.encode(frame)]
    return frames + [bytes(packet) for packet in encoder.encode(None)]


def _coded(codec: str, frames: list[bytes]) -> Iterator[Coded]:
    assert len(frames) == PICTURES
    decoder = Decoder(DECODERS[codec])
    for number, frame in enumerate(frames):
        shows = decoder.decode(frame)
        assert shows is not None, f"picture {number}"
        key = number % KEYFRAME_EVERY == 0
        match codec:
            case "H264":
                payloads = tuple(_h264(frame))
            case "VP9":
                payloads = tuple(_cut(frame))
            case _:
                payloads = tuple(_av1(frame, key))
        yield Coded(number, frame, payloads, shows, PATTERN[number % 4] if codec == "VP9" else 0)


def _cut(octets: bytes) -> list[bytes]:
    return [octets[at : at + MTU] for at in range(0, len(octets), MTU)]


def _h264(frame: bytes) -> Iterator[bytes]:
    """Parameters in an aggregate, small units alone, large ones in fragments, as libwebrtc cuts them."""
    units = [unit for unit in re.split(rb"\x00\x00\x00?\x01", frame) if unit]
    parameters = [unit for unit in units if unit[0] & h264.TYPE in (7, 8)]
    if parameters:
        yield h264.serialize(h264.Aggregate(parameters))
    for unit in units:
        pieces = _cut(unit[1:])
        if unit[0] & h264.TYPE not in (1, 5):
            continue
        if len(pieces) == 1:
            yield h264.serialize(h264.Single(unit))
            continue
        for place, piece in enumerate(pieces):
            yield h264.serialize(h264.Fragment(unit[0], piece, place == 0, place == len(pieces) - 1))


def _av1(frame: bytes, key: bool) -> Iterator[bytes]:
    """The frame's octets without the temporal delimiter, as one element in parts."""
    pieces = _cut(frame[2:])
    for place, piece in enumerate(pieces):
        begins = key and place == 0
        yield av1.serialize(av1.Payload([piece], place > 0, place < len(pieces) - 1, begins))


@dataclass
class Stream:
    """One encoding on its way: where its numbers stand. See `layered.Stream`."""

    codec: str
    rid: str
    ssrc: int
    sequence: int
    timestamp: int
    picture_id: int
    tl0: int
    long_ids: bool = True

    def packets(self, number: int) -> list[tuple[int, bytes]]:
        """The packets of the next picture, each with its extended sequence number."""
        picture = coded(self.codec, self.rid)[number % PICTURES]
        self.tl0 += picture.temporal == 0
        made = []
        for place, payload in enumerate(picture.payloads):
            begins, ends = place == 0, place == len(picture.payloads) - 1
            head, extensions = b"", {}
            if self.codec == "VP9":
                head = self._vp9(picture, begins, ends)
            elif self.codec == "AV1":
                extensions[DESCRIPTOR_ID] = self._described(picture, begins, ends)
            packet = rtp.Packet(
                payload_type=96, sequence=self.sequence & 0xFFFF,
                timestamp=(self.timestamp + number * 3000) & 0xFFFFFFFF, ssrc=self.ssrc, marker=ends,
                payload=head + payload, extensions=extensions,
            )  # fmt: skip
            made.append((self.sequence, rtp.serialize(packet)))
            self.sequence += 1
        self.picture_id += 1
        return made

    def _vp9(self, picture: Coded, begins: bool, ends: bool) -> bytes:
        descriptor = vp9.Descriptor(
            start=begins, end=ends, predicted=not picture.key,
            picture_id=self.picture_id & (0x7FFF if self.long_ids else 0x7F), long_picture_id=self.long_ids,
            layers=(picture.temporal, 0), switching_up=not picture.key and picture.temporal < 2,
            tl0_picture_index=self.tl0 & 0xFF,
        )  # fmt: skip
        return vp9.serialize(descriptor)

    def _described(self, picture: Coded, begins: bool, ends: bool) -> bytes:
        descriptor = dd.Descriptor(
            0 if picture.key else 1, self.picture_id & 0xFFFF, begins, ends,
            structure=STRUCTURE if picture.key and begins else None,
        )  # fmt: skip
        return dd.serialize(descriptor, STRUCTURE)
