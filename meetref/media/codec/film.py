"""The film of a meeting: pictures and sound encoded into one MP4, of which players see the beginning first.

H264 by x264, since everything plays it, and AAC. One thread and no date, so the same pictures give the same octets on
one machine. It writes into the file system, so its caller chooses the thread.
Stands beside `media/codec/container`, which encodes nothing; `archive/film` says what is in the pictures.
Specification: ITU-T H.264, ISO/IEC 14496-3 (AAC-LC), ISO/IEC 14496-12 (MP4).
Leaves out: playing a film that is still being written: its index comes last, and is then moved to the front.
Read next: `archive/film.py`.
"""

from __future__ import annotations

from fractions import Fraction
from types import TracebackType
from typing import Any

import av

from meetref.media.codec import SAMPLE_RATE, Picture, Samples

QUALITY = "23"  # x264's constant rate factor
PRESET = "superfast"
KEYFRAME_EVERY = 4  # seconds: how far a player has to go back when somebody jumps
SOUND_BPS = 96_000
COLOURS = 6  # SMPTE 170M, which is BT.601: what WebRTC's pictures are in


class Film:
    """See the module; both kinds are put in from the beginning of the film on, without a gap."""

    def __init__(self, path: str, width: int, height: int, *, frame_rate: int) -> None:
        options = {"fflags": "+bitexact", "movflags": "+faststart"}
        self._file: Any = av.open(path, "w", format="mp4", container_options=options)
        self._pictures: Any = self._file.add_stream("libx264", rate=frame_rate, width=width, height=height)
        context = self._pictures.codec_context
        context.pix_fmt, context.time_base, context.thread_count = "yuv420p", Fraction(1, frame_rate), 1
        context.gop_size = KEYFRAME_EVERY * frame_rate
        context.colorspace = context.color_primaries = context.color_trc = COLOURS
        context.color_range = 1  # 16 to 235
        context.options = {"preset": PRESET, "crf": QUALITY, "x264-params": "rc-lookahead=20"}
        self._sound: Any = self._file.add_stream("aac", rate=SAMPLE_RATE, bit_rate=SOUND_BPS)
        self._sound.layout, self._sound.format = "mono", "fltp"
        self._sound.codec_context.flags |= 1 << 23  # AV_CODEC_FLAG_BITEXACT: its version is not written, either
        self._count = 0
        self._samples = 0

    def __enter__(self) -> Film:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()

    def put_picture(self, picture: Picture) -> None:
        """The next picture, planar, as large as the film."""
        frame: Any = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = self._count, self._pictures.codec_context.time_base
        self._count += 1
        self._file.mux(self._pictures.encode(frame))

    def put_sound(self, samples: Samples) -> None:
        """The next sound, any number of samples."""
        frame: Any = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self._samples, Fraction(1, SAMPLE_RATE)
        self._samples += len(samples)
        self._file.mux(self._sound.encode(frame))

    def close(self) -> None:
        """Write the end, and the index to the front."""
        for stream in (self._pictures, self._sound):
            self._file.mux(stream.encode(None))
        self._file.close()
