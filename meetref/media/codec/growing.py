"""A file as it stands while it is being written: what a crash leaves of it, frame by frame, and what can be played.

Stands beside `media/codec/film`; `lab/crash` compares kinds of files with it.
Specification: ISO/IEC 14496-12 (MP4; in fragments its section 8.8), Matroska (RFC 9559) as WebM restricts it.
Leaves out: sound.
Read next: `lab/crash.py`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import av

from meetref.media.codec import Picture

FRAGMENT = "1000000"  # microseconds
KEYFRAMES_EVERY = 2  # seconds
FILES: dict[str, tuple[str, str, dict[str, str]]] = {
    "mp4": ("mp4", "libx264", {}),
    "fragmented_mp4": (
        "mp4",
        "libx264",
        {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": FRAGMENT},
    ),
    "webm": ("webm", "libvpx", {}),
}
"""Kinds of files: FFmpeg's container, its codec, and options of the container."""
PROMPT = {
    "libx264": {"tune": "zerolatency", "preset": "ultrafast"},
    "libvpx": {"deadline": "realtime", "cpu-used": "-8", "lag-in-frames": "0"},
}


def grown(kind: str, pictures: Iterable[Picture], width: int, height: int, frame_rate: int) -> list[bytes]:
    """What was handed to the system after each picture, (height, width, 3). `kind` is one of `FILES`."""
    container, codec, options = FILES[kind]
    file, stages = io.BytesIO(), []
    output: Any = av.open(file, "w", format=container, options=options)
    stream: Any = output.add_stream(codec, rate=frame_rate)
    stream.width, stream.height, stream.pix_fmt, stream.thread_count = width, height, "yuv420p", 1
    stream.options = {"g": str(KEYFRAMES_EVERY * frame_rate), **PROMPT[codec]}
    for number, picture in enumerate(pictures):
        frame: Any = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, frame_rate)
        output.mux(stream.encode(frame))
        stages.append(file.getvalue())
    output.close()
    return stages


def playable(file: bytes) -> int:
    """How many pictures a player finds; what is behind the first damage does not count."""
    found = 0
    try:
        with av.open(io.BytesIO(file), "r") as container:
            for _ in container.decode(video=0):
                found += 1
    except (av.error.FFmpegError, IndexError, ValueError):
        pass  # what came until then is shown
    return found
