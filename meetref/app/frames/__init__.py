"""Frames that were encoded once: five seconds of picture and voice for senders that must not cost an encoder.

`picture.ivf` has VP8 frames of 320 x 180 at 15 a second (any player shows it), `voice.opus20` Opus packets of 20 ms,
each behind its length (2 octets) and its audio level (1 octet). `python -m meetref.app.frames` makes both again.
Stands below `app/bot`; the virtual network plays them, because nothing there may depend on an encoder or a thread.
Specification: https://wiki.multimedia.cx/index.php/Duck_IVF (the container).
Leaves out: more than one sender: all have the tag of sender 0 (`app/picture`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from struct import Struct

from meetref.wire.reader import Malformed, Reader

FRAME_RATE = 15
WIDTH, HEIGHT = 320, 180
LENGTH = 5  # seconds, after which both begin again
FOLDER = Path(__file__).parent
PICTURE, VOICE = FOLDER / "picture.ivf", FOLDER / "voice.opus20"

# signature, version, header size, codec, width, height, rate, scale, number of frames, unused
IVF_HEADER = Struct("<4sHH4sHHIIII")
IVF_FRAME = Struct("<IQ")  # size in octets, presentation time


@dataclass(slots=True, frozen=True)
class Frames:
    """`pictures`: VP8 frames, the first one a keyframe. `sounds`: Opus packets with their audio levels (0 to 127)."""

    pictures: tuple[bytes, ...]
    sounds: tuple[tuple[bytes, int], ...]


@cache
def load() -> Frames:
    """The checked-in frames."""
    return Frames(parse_ivf(PICTURE.read_bytes()), parse_voice(VOICE.read_bytes()))


def parse_ivf(data: bytes) -> tuple[bytes, ...]:
    """The frames of an IVF file with VP8 in it. Raises `Malformed`."""
    reader = Reader(data)
    signature, version, header_size, codec, *_ = reader.struct(IVF_HEADER, "IVF header")
    if (signature, version, header_size, codec) != (b"DKIF", 0, IVF_HEADER.size, b"VP80"):
        raise Malformed("not an IVF file with VP8")
    frames = []
    while reader.remaining:
        size, _ = reader.struct(IVF_FRAME, "IVF frame header")
        frames.append(reader.bytes(size, "IVF frame"))
    return tuple(frames)


def serialize_ivf(frames: tuple[bytes, ...], width: int, height: int, frame_rate: int) -> bytes:
    """An IVF file."""
    head = IVF_HEADER.pack(b"DKIF", 0, IVF_HEADER.size, b"VP80", width, height, frame_rate, 1, len(frames), 0)
    return head + b"".join(IVF_FRAME.pack(len(frame), number) + frame for number, frame in enumerate(frames))


def parse_voice(data: bytes) -> tuple[tuple[bytes, int], ...]:
    """The packets of a voice file, each with its level. Raises `Malformed`."""
    reader = Reader(data)
    sounds = []
    while reader.remaining:
        size, level = reader.uint16("packet size"), reader.uint8("audio level")
        if level > 127:
            raise Malformed("an audio level is at most 127", reader.offset)
        sounds.append((reader.bytes(size, "packet"), level))
    return tuple(sounds)


def serialize_voice(sounds: tuple[tuple[bytes, int], ...]) -> bytes:
    """A voice file."""
    return b"".join(len(packet).to_bytes(2) + bytes([level]) + packet for packet, level in sounds)
