"""Real bitstreams: encoded, cut into RTP by FFmpeg or by us, put together again, and decoded.

Used by `tests/wire/test_{vp9,h264,av1}_streams.py`. PyAV does both ends; what is ours is in between.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

import av
import numpy as np
from numpy.typing import NDArray

from meetref.wire import rtp

WIDTH, HEIGHT = 320, 180
KEYFRAME_EVERY = 5
OPTIONS: dict[str, dict[str, str]] = {
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "-8", "lag-in-frames": "0"},
    "libx264": {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "repeat-headers=1"},
    "libsvtav1": {"preset": "12", "svtav1-params": "pred-struct=1:lookahead=0"},
}


STANDS_STILL = 30.0  # seconds; the longest of these streams takes less than one
TRIES = 4

Made = TypeVar("Made")


def persistently(make: Callable[[], Made]) -> Made:
    """What `make` gives, which encodes with SVT-AV1: with low delay that (4.1) waits for itself for ever now and then.

    It is left standing then, on a thread that ends with the process, and another one is tried.
    """
    for _ in range(TRIES):
        outcome: SimpleQueue[Made | Exception] = SimpleQueue()
        Thread(target=_try, args=(make, outcome), daemon=True).start()
        with suppress(Empty):
            made = outcome.get(timeout=STANDS_STILL)
            if isinstance(made, Exception):
                raise made
            return made
    raise AssertionError(f"SVT-AV1 stood still {TRIES} times")


def _try(make: Callable[[], Made], outcome: SimpleQueue[Made | Exception]) -> None:
    try:
        outcome.put(make())
    except Exception as error:
        outcome.put(error)


def open_encoder(context: Any) -> None:
    """Open an encoder, and have what it has made of this process's threads undone.

    SVT-AV1, where it may, makes its threads and the one that opens it real-time (SCHED_FIFO, 99). Every program that is
    begun from there is so, too, and on a small machine nothing else runs any more: browsers, other tests, the shell.
    """
    context.open()
    make_ordinary()


def make_ordinary() -> None:
    """No thread of this process is real-time any more."""
    for thread in Path("/proc/self/task").glob("*"):
        with suppress(ProcessLookupError):
            os.sched_setscheduler(int(thread.name), os.SCHED_OTHER, os.sched_param(0))


def picture(number: int) -> NDArray[np.uint8]:
    """A picture with enough in it for several packets."""
    dice = np.random.default_rng(number)
    made = np.full((HEIGHT, WIDTH, 3), 40 + 10 * number, dtype=np.uint8)
    made[20:60] = dice.integers(0, 255, (40, WIDTH, 3), dtype=np.uint8)
    return made


def encoded(codec: str, count: int = 12) -> list[Any]:
    """The packets of an encoder, a keyframe every fifth."""
    return persistently(lambda: _encoded(codec, count)) if codec == "libsvtav1" else _encoded(codec, count)


def _encoded(codec: str, count: int) -> list[Any]:
    context: Any = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.framerate, context.time_base = Fraction(30), Fraction(1, 30)
    context.gop_size, context.thread_count, context.options = KEYFRAME_EVERY, 1, dict(OPTIONS[codec])
    open_encoder(context)
    made = []
    for number in range(count):
        frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24").reformat(format="yuv420p")
        frame.pts = number
        made += context.encode(frame)
    return made + context.encode(None)


class _Sink:
    def __init__(self) -> None:
        self.packets: list[bytes] = []

    def write(self, octets: bytes) -> int:
        self.packets.append(bytes(octets))
        return len(octets)


def packets_of_ffmpeg(codec: str, frames: list[Any]) -> list[rtp.Packet]:
    """The RTP packets that FFmpeg's own sender makes of them."""
    sink = _Sink()
    options = {"packetsize": "1000", "strict": "experimental"}
    with av.open(sink, "w", format="rtp", container_options=options, buffer_size=4096) as container:
        stream: Any = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame in frames:
            frame.stream = stream
            container.mux(frame)
            make_ordinary()  # the first one opens an encoder, though it encodes nothing
    return [rtp.parse(packet) for packet in sink.packets if not 192 <= packet[1] <= 223]


def by_timestamp(packets: list[rtp.Packet]) -> list[list[bytes]]:
    """Payloads, a list for each frame."""
    frames: dict[int, list[bytes]] = {}
    for packet in packets:
        frames.setdefault(packet.timestamp, []).append(packet.payload)
    return list(frames.values())


def decoded(codec: str, frames: list[bytes]) -> list[NDArray[np.uint8]]:
    """The pictures that a decoder makes of the frames, one by one."""
    context: Any = av.CodecContext.create(codec, "r")
    context.thread_count = 1
    pictures = [shown for frame in frames for shown in context.decode(av.Packet(frame))]
    return [shown.to_ndarray(format="gray") for shown in [*pictures, *context.decode(None)]]


def same_pictures(codec: str, ours: list[bytes], theirs: list[bytes]) -> bool:
    """Whether both decode, all of them, to the same."""
    left, right = decoded(codec, ours), decoded(codec, theirs)
    return len(left) == len(theirs) and all(np.array_equal(one, other) for one, other in zip(left, right, strict=True))
