"""Pictures and sound encoded as they come, for an audience: H264 in several sizes at once, and AAC.

Nothing is held back: a picture comes out as soon as it is in, and all sizes have their keyframes at the same pictures.
Stands beside `media/codec/film`, which has all the time there is; `archive/studio` cuts what comes out into parts.
Specification: ITU-T H.264 (constrained baseline: no frame waits for a later one), ISO/IEC 14496-3 (AAC-LC).
Leaves out: bit rates that follow a viewer; there is a size for each line. Read next: `archive/studio.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import Interpolation, VideoReformatter

from meetref.media.codec import SAMPLE_RATE, Picture, Samples
from meetref.media.codec.film import COLOURS
from meetref.media.codec.pictures import ONE_THREAD

AAC_SAMPLES = 1024
"""Samples of a packet."""
AAC_CODEC = "mp4a.40.2"
PRESET = "ultrafast"  # several sizes at once have to fit a core, beside decoders
PARAMETERS = "keyint=infinite:scenecut=0:bframes=0:sliced-threads=0:repeat-headers=1:aud=0"


@dataclass(slots=True, frozen=True)
class Rung:
    """A size of the picture and its bit rate."""

    name: str
    width: int
    height: int
    bitrate_bps: int


class LadderEncoder:
    """All rungs, the largest first; pictures are as large as that."""

    def __init__(self, rungs: Sequence[Rung], frame_rate: int) -> None:
        self.rungs = tuple(rungs)
        self._contexts = [_context(rung, frame_rate) for rung in rungs]
        self._scalers: list[Any] = [VideoReformatter() for _ in rungs]  # to make one takes longer than to scale

    def encode(self, picture: Picture, number: int, *, keyframe: bool) -> list[bytes]:
        """The octets of the picture in each size, with start codes. Numbers grow; some may be left out."""
        frame: Any = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        encoded = []
        for rung, context, scaler in zip(self.rungs, self._contexts, self._scalers, strict=True):
            if frame.width != rung.width:  # from the size above: a quarter of the work
                size = rung.width, rung.height
                frame = scaler.reformat(frame, *size, interpolation=Interpolation.BILINEAR, **ONE_THREAD)
            frame.pts = number
            frame.time_base = context.time_base
            frame.pict_type = PictureType.I if keyframe else PictureType.NONE
            encoded.append(b"".join(bytes(packet) for packet in context.encode(frame)))
        return encoded


def _context(rung: Rung, frame_rate: int) -> Any:
    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = rung.width, rung.height, "yuv420p"
    context.framerate, context.time_base = Fraction(frame_rate), Fraction(1, frame_rate)
    context.bit_rate = rung.bitrate_bps
    context.thread_count = 1
    context.colorspace = context.color_primaries = context.color_trc = COLOURS
    context.color_range = 1  # 16 to 235
    rate = {"maxrate": str(rung.bitrate_bps * 5 // 4), "bufsize": str(rung.bitrate_bps)}
    context.options = {
        "preset": PRESET,
        "tune": "zerolatency",
        "profile": "baseline",
        "x264-params": PARAMETERS,
        **rate,
    }
    return context


class LiveSound:
    """AAC, mono. `configuration` is the AudioSpecificConfig."""

    def __init__(self, bitrate_bps: int) -> None:
        context: Any = av.CodecContext.create("aac", "w")
        context.sample_rate, context.layout, context.format = SAMPLE_RATE, "mono", "fltp"
        context.bit_rate = bitrate_bps
        context.time_base = Fraction(1, SAMPLE_RATE)
        context.open()
        self.configuration = bytes(context.extradata)
        self._context = context
        self._waiting = np.zeros(0, dtype=np.int16)
        self._samples = 0

    def encode(self, samples: Samples) -> Iterator[bytes]:
        """The packets that are complete now, each of 1024 samples; the first one begins with the first sample."""
        self._waiting = np.concatenate([self._waiting, samples])
        while len(self._waiting) >= AAC_SAMPLES:
            piece, self._waiting = self._waiting[:AAC_SAMPLES], self._waiting[AAC_SAMPLES:]
            floats = piece.astype(np.float32) / 32768
            frame: Any = av.AudioFrame.from_ndarray(floats[None, :], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self._samples, Fraction(1, SAMPLE_RATE)
            self._samples += AAC_SAMPLES
            for packet in self._context.encode(frame):
                if packet.pts >= 0:  # before it the encoder says what was before the first sample
                    yield bytes(packet)
