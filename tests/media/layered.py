"""A picture source as a browser sends it: VP8 in three sizes and three temporal layers, and what each picture shows.

Encoded once by libvpx, with a keyframe now and then. The pattern of temporal layers is 0 2 1 2: layer 1 needs layer 0
alone (it is a sync point), and so does the first picture of layer 2; the second one needs layer 1, too.
Used by tests that forward pictures and decode what arrives. Read next: `tests/meeting/test_track_switching.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Protocol, TypeVar

import av
import numpy as np
from av.video.frame import PictureType
from numpy.typing import NDArray

from meetref.wire import rtp, vp8

SIZES = {"q": (48, 32), "h": (96, 64), "f": (192, 128)}
PATTERN = (0, 2, 1, 2)
SYNC = (False, True, True, False)
PICTURES = 240
KEYFRAME_EVERY = 20
MTU = 300
LOW_DELAY = 1 << 19  # AV_CODEC_FLAG_LOW_DELAY: a picture comes out as soon as it is in
OPTIONS = {
    "deadline": "realtime",
    "cpu-used": "-8",
    "lag-in-frames": "0",
    "error-resilient": "1",
    "auto-alt-ref": "0",
    "ts-parameters": "ts_number_layers=3:ts_target_bitrate=80,120,160:ts_rate_decimator=4,2,1:ts_periodicity=4"
    ":ts_layer_id=0,2,1,2:ts_layering_mode=3",
}

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Coded:
    """One encoded picture, and what a decoder makes of it that has had all pictures before."""

    number: int
    frame: bytes
    shows: Picture

    @property
    def key(self) -> bool:
        return self.number % KEYFRAME_EVERY == 0

    @property
    def temporal(self) -> int:
        return PATTERN[self.number % 4]

    @property
    def sync(self) -> bool:
        return SYNC[self.number % 4]

    @property
    def needs(self) -> list[int]:
        """The numbers of the pictures that it is made from."""
        if self.key:
            return []
        place = self.number % 4
        return [self.number - 4] if place == 0 else [self.number - place] if place < 3 else [self.number - 1]


class Decoder:
    """One picture at a time; None for what it cannot decode."""

    def __init__(self, codec: str = "vp8") -> None:
        self._context: Any = av.CodecContext.create(codec, "r")
        self._context.thread_count = 1
        self._context.flags |= LOW_DELAY

    def decode(self, frame: bytes) -> Picture | None:
        try:
            pictures = self._context.decode(av.Packet(frame))
        except av.error.FFmpegError:
            return None
        return pictures[-1].to_ndarray(format="yuv420p") if pictures else None


def drawn(width: int, height: int, count: int) -> Iterator[Any]:
    """Frames to be encoded, no two alike: noise that moves and gets lighter."""
    noise = np.random.default_rng(width).integers(0, 128, (height * 3 // 2, width), dtype=np.uint8)
    for number in range(count):
        picture = (np.roll(noise, 3 * number, axis=1) + number * 7 % 100).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = number * 3000, Fraction(1, 90000)
        yield frame


class Pictured(Protocol):
    """An encoded picture, of any codec."""

    @property
    def number(self) -> int: ...
    @property
    def shows(self) -> Picture: ...
    @property
    def key(self) -> bool: ...
    @property
    def needs(self) -> list[int]: ...


class Arrived(Protocol):
    """A picture that came whole: `number` counts on where the source's pictures go around."""

    @property
    def rid(self) -> str: ...
    @property
    def number(self) -> int: ...


AnArrived = TypeVar("AnArrived", bound=Arrived)
APicture = TypeVar("APicture", bound=Pictured)


def decoded(
    shown: Sequence[AnArrived], decoder: Decoder, coded: Callable[[str], Sequence[APicture]],
    octets: Callable[[AnArrived, APicture], bytes],
) -> list[tuple[AnArrived, APicture]]:  # fmt: skip
    """What a decoder shows, each picture with what it should look like; asserts that it does.

    Pictures that lack one that they need are left out, as a browser does.
    """
    made = list[tuple[AnArrived, APicture]]()
    known, encoding = set[int](), ""
    for each in shown:
        source = coded(each.rid)
        picture = source[each.number % len(source)]
        if picture.key:
            known, encoding = set(), each.rid
        turn = each.number - picture.number
        if each.rid != encoding or not known.issuperset(turn + need for need in picture.needs):
            continue
        known.add(each.number)
        seen = decoder.decode(octets(each, picture))
        assert seen is not None, f"picture {each.number} of {each.rid} does not decode"
        assert np.array_equal(seen, picture.shows), f"picture {each.number} of {each.rid} is another one"
        made.append((each, picture))
    return made


@cache
def coded(rid: str) -> tuple[Coded, ...]:
    """The pictures of one size."""
    width, height = SIZES[rid]
    encoder: Any = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate, encoder.time_base = Fraction(30), Fraction(1, 90000)
    encoder.bit_rate, encoder.gop_size, encoder.thread_count = 160_000, 1_000_000, 1
    encoder.options = OPTIONS
    decoder, pictures = Decoder(), []
    for number, frame in enumerate(drawn(width, height, PICTURES)):
        frame.pict_type = PictureType.I if number % KEYFRAME_EVERY == 0 else PictureType.NONE
        octets = b"".join(bytes(packet) for packet in encoder.encode(frame))
        shows = decoder.decode(octets)
        assert shows is not None
        pictures.append(Coded(number, octets, shows))
    return tuple(pictures)


@dataclass
class Stream:
    """One encoding on its way: where its numbers stand. `picture`s go around, as an endless source's do."""

    rid: str
    ssrc: int
    sequence: int
    timestamp: int
    picture_id: int
    tl0: int
    long_ids: bool = True

    def packets(self, number: int) -> list[tuple[int, bytes]]:
        """The packets of the next picture, each with its extended sequence number."""
        picture = coded(self.rid)[number % PICTURES]
        self.tl0 += picture.temporal == 0
        pieces = [picture.frame[at : at + MTU] for at in range(0, len(picture.frame), MTU)]
        made = []
        for place, piece in enumerate(pieces):
            descriptor = vp8.Descriptor(
                start=place == 0,
                picture_id=self.picture_id & (0x7FFF if self.long_ids else 0x7F),
                long_picture_id=self.long_ids,
                tl0_picture_index=self.tl0 & 0xFF,
                temporal_layer=picture.temporal,
                layer_sync=picture.sync,
            )
            packet = rtp.Packet(
                payload_type=96,
                sequence=self.sequence & 0xFFFF,
                timestamp=(self.timestamp + number * 3000) & 0xFFFFFFFF,
                ssrc=self.ssrc,
                marker=place == len(pieces) - 1,
                payload=vp8.serialize(descriptor) + piece,
            )
            made.append((self.sequence, rtp.serialize(packet)))
            self.sequence += 1
        self.picture_id += 1
        return made
