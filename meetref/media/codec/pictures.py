"""Pictures of any codec that browsers send, decoded, and given in the size in which they are shown.

Stands beside the VP8 of bots (`media/codec`), below whoever composes or mixes. FFmpeg decodes and scales; what is
never looked at in a size is never scaled.
Specification: the codecs' own; ITU-R BT.601 for colours.
Leaves out: what a decoder would make up for lost pictures: its caller gives it only what can be decoded.
Read next: `media/codec/film.py`.
"""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from meetref.media.codec import MAXIMUM_PIXELS, READING, Picture

DECODERS = {"VP8": "vp8", "VP9": "vp9", "H264": "h264", "AV1": "libdav1d"}
"""FFmpeg's names, by those of SDP."""
ONE_THREAD = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}  # before, there never was another one
LOW_DELAY = 1 << 19  # AV_CODEC_FLAG_LOW_DELAY: a picture comes out as soon as it is in


class Decoded:
    """A picture as it came out of a decoder. `turned` is by how many quarters it is to be turned to the right."""

    __slots__ = ("_frame", "_scaler", "_turned")

    def __init__(self, frame: Any, scaler: Any, turned: int = 0) -> None:
        self._frame = frame
        self._scaler = scaler
        self._turned = turned % 4

    @property
    def width(self) -> int:
        """As it is shown."""
        return int(self._frame.height if self._turned % 2 else self._frame.width)

    @property
    def height(self) -> int:
        """As it is shown."""
        return int(self._frame.width if self._turned % 2 else self._frame.height)

    def scaled(self, width: int, height: int) -> Picture:
        """The picture in this size, both even, as planar YUV."""
        size = (height, width) if self._turned % 2 else (width, height)
        frame = self._scaler.reformat(
            self._frame, *size, format="yuv420p", interpolation=Interpolation.BILINEAR, **ONE_THREAD
        )
        picture: Picture = frame.to_ndarray()
        return turned(picture, self._turned)


class PictureDecoder:
    """Decodes one stream of pictures; what cannot be decoded gives none and counts in `failures`."""

    def __init__(self, codec: str) -> None:
        self.failures = 0
        context: Any = av.CodecContext.create(DECODERS[codec], "r")
        context.thread_count = 1
        context.flags |= LOW_DELAY
        context.options = dict(READING)
        self._context = context
        self._scaler: Any = VideoReformatter()  # one for all: to make one takes longer than to scale

    def decode(self, frame: bytes, *, turned: int = 0) -> Decoded | None:
        """The newest picture that this frame shows, or None."""
        try:
            pictures = self._context.decode(av.Packet(frame)) if frame else []
        except (av.error.FFmpegError, ValueError):
            pictures = []
        if not pictures or pictures[-1].width * pictures[-1].height > MAXIMUM_PIXELS:
            self.failures += 1
            return None
        return Decoded(pictures[-1], self._scaler, turned)


def turned(picture: Picture, quarters: int) -> Picture:
    """A planar picture, so many quarters to the right."""
    if not quarters:
        return picture
    height, width = picture.shape[0] * 2 // 3, picture.shape[1]
    halves = picture[height:].reshape(2, height // 2, width // 2)
    parts = [np.rot90(plane, -quarters).reshape(-1) for plane in (picture[:height], *halves)]
    return np.concatenate(parts).reshape(-1, height if quarters % 2 else width)
