"""Frames that were encoded once and are replayed: for load, and for the virtual network, where nothing may take a thread.

`app/frames.bin` holds five seconds of a bot's picture (VP8, 320x180, 15 a second) and voice (Opus); this module reads it,
and makes it anew: `python -m meetref.app.frames`.
Format: magic `MRF1`, then for each frame its kind (1 octet: v or a), level (1), size (4), octets.
Read next: `app/bot.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from struct import Struct

from meetref.wire.reader import Malformed, Reader

FILE = Path(__file__).with_name("frames.bin")
MAGIC = b"MRF1"
HEAD = Struct("!cBI")
SECONDS = 5
FRAME_RATE = 15
WIDTH, HEIGHT = 320, 180


@dataclass(slots=True, frozen=True)
class Frames:
    """`pictures` are VP8 frames, the first one a keyframe; `sounds` are Opus packets of 20 ms with their levels."""

    pictures: list[bytes]
    sounds: list[tuple[bytes, int]]


def parse(data: bytes) -> Frames:
    """Read a file of frames. Raises `Malformed`."""
    reader = Reader(data)
    if reader.bytes(4, "magic") != MAGIC:
        raise Malformed("not a file of frames")
    frames = Frames([], [])
    while reader.remaining:
        kind, level, size = reader.struct(HEAD, "frame head")
        octets = reader.bytes(size, "frame")
        if kind == b"v":
            frames.pictures.append(octets)
        else:
            frames.sounds.append((octets, level))
    return frames


def serialize(frames: Frames) -> bytes:
    parts = [MAGIC]
    for picture in frames.pictures:
        parts += [HEAD.pack(b"v", 0, len(picture)), picture]
    for sound, level in frames.sounds:
        parts += [HEAD.pack(b"a", level, len(sound)), sound]
    return b"".join(parts)


@cache
def load() -> Frames:
    """The frames that come with the program."""
    return parse(FILE.read_bytes())


def make() -> Frames:
    """Encode them anew."""
    from meetref.app.picture import Painter
    from meetref.app.sound import Voice, level_of
    from meetref.media.codec import SoundEncoder, VideoEncoder

    painter, voice = Painter("meetref", 0, WIDTH, HEIGHT), Voice(0)
    video = VideoEncoder(WIDTH, HEIGHT, frame_rate=FRAME_RATE, bitrate_bps=120_000)
    audio = SoundEncoder(bitrate_bps=24_000)
    pictures = [
        video.encode(painter.paint(count, f"{count / FRAME_RATE:4.1f} s"), keyframe=count == 0)
        for count in range(SECONDS * FRAME_RATE)
    ]
    sounds = []
    for _ in range(SECONDS * 50):
        samples = voice.speak()
        sounds.append((audio.encode(samples), level_of(samples)))
    return Frames(pictures, [sound for sound in sounds if sound[0]])


if __name__ == "__main__":
    FILE.write_bytes(serialize(make()))
