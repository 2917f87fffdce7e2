"""Files that take frames as they are, without encoding them anew: WebM, and MP4 for H264.

What a container has to say of its pictures FFmpeg reads from the first keyframe itself. The same frames give the same
octets, always: nothing random, no date.
Stands beside `media/codec/film`; `archive/participant` fills such files. It writes into the file system, so its caller
chooses the thread.
Specification: Matroska (RFC 9559) as WebM restricts it, ISO/IEC 14496-12 and -15 (MP4, H264), Opus in both.
Leaves out: other sizes and parameters of H264 and AV1 within one file, which their headers cannot say: see `needs`.
Read next: `archive/participant.py`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from struct import Struct
from types import TracebackType
from typing import Any

import av

from meetref.media.codec import READING, SAMPLE_RATE, VIDEO_CLOCK
from meetref.media.joining import START_CODE
from meetref.wire import av1, h264
from meetref.wire.reader import Malformed

FOUR_LETTERS = {"VP8": b"VP80", "VP9": b"VP90", "H264": b"H264", "AV1": b"AV01"}
DELIMITER = b"\x12\x00"  # without it FFmpeg finds no beginning of AV1
PARAMETERS = (h264.SEQUENCE_PARAMETERS, h264.PICTURE_PARAMETERS)
CAN_TURN = hasattr(av.VideoStream, "set_display_rotation")  # old PyAV cannot say it; then players are not told

_IVF = Struct("<4sHH4sHHIIII")
_IVF_FRAME = Struct("<IQ")


def extension_of(codec: str | None) -> str:
    """How the name of a file ends that has pictures of this codec; None: sound alone."""
    return "mp4" if codec == "H264" else "webm"


def needs(codec: str, keyframe: bytes) -> bytes:
    """What the header of a file says of its pictures; another keyframe for which it differs needs another file.

    VP8 and VP9 say their size in each keyframe, and their files nothing that would be wrong of the next one.
    """
    if codec == "H264":
        units = keyframe.split(START_CODE)
        return START_CODE.join(unit for unit in units if unit and unit[0] & h264.TYPE in PARAMETERS)
    if codec == "AV1":
        try:
            first = av1.parse_unit(keyframe)
        except Malformed:
            return b""
        return first.body if first.kind == av1.SEQUENCE_HEADER else b""
    return b""


class Container:
    """One file. With `codec` it has pictures, the first of which is `keyframe`; with `sound` it has Opus.

    `turned` is by how many quarters to the right players are to show the pictures.

    Times are seconds from the beginning of the file. Raises `OSError` for what the disk does not take, and
    `ValueError` for a keyframe that FFmpeg cannot read.
    """

    def __init__(
        self, path: str, *, codec: str | None = None, keyframe: bytes = b"", turned: int = 0, sound: bool = True
    ) -> None:
        options = {"fflags": "+bitexact"}
        kind = extension_of(codec)
        if kind == "mp4":
            options["movflags"] = "+faststart"
        self.refused = 0
        """What FFmpeg did not write, because it is not what it should be."""
        self._pictures: Any = None
        self._sound: Any = None
        self._last: dict[int, int] = {}
        description = _described(codec, keyframe) if codec is not None else None
        self._file: Any = av.open(path, "w", format=kind, container_options=options)
        if description is not None:
            self._pictures = self._file.add_stream_from_template(description.streams.video[0], opaque=True)
            if turned and CAN_TURN:
                self._pictures.set_display_rotation(-90 * turned)  # of pictures, not of who looks
        if sound:
            self._sound = self._file.add_stream("libopus", rate=SAMPLE_RATE)
            self._sound.layout, self._sound.format = "stereo", "s16"

    def __enter__(self) -> Container:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def put_picture(self, frame: bytes, at: float, *, is_key: bool) -> None:
        """A frame; of those that say the same time each is a tick later than the one before."""
        self._put(self._pictures, frame, at, VIDEO_CLOCK, is_key)

    def put_sound(self, packet: bytes, at: float) -> None:
        """A packet of Opus."""
        self._put(self._sound, packet, at, SAMPLE_RATE, True)

    def _put(self, stream: Any, octets: bytes, at: float, clock: int, is_key: bool) -> None:
        packet: Any = av.Packet(len(octets))  # with a buffer of its own: FFmpeg keeps it until its turn has come
        packet.update(octets)
        packet.stream = stream
        packet.time_base = Fraction(1, clock)
        ticks = max(round(at * clock), self._last.get(stream.index, -1) + clock // 1000)  # WebM counts milliseconds
        self._last[stream.index] = packet.pts = packet.dts = ticks
        packet.is_keyframe = is_key
        self._try(lambda: self._file.mux(packet))

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError:
            raise
        except av.error.FFmpegError:  # what strangers send need not be what the header says
            self.refused += 1

    def close(self) -> None:
        """Write what is still to be written; nothing can be put in any more."""
        self._try(self._file.close)


def _described(codec: str, keyframe: bytes) -> Any:
    """A file in memory with nothing but the keyframe, opened, so that FFmpeg says what it is."""
    frame = (DELIMITER if codec == "AV1" else b"") + keyframe
    head = _IVF.pack(b"DKIF", 0, _IVF.size, FOUR_LETTERS[codec], 0, 0, 30, 1, 1, 0)
    try:
        file = io.BytesIO(head + _IVF_FRAME.pack(len(frame), 0) + frame)
        opened: Any = av.open(file, format="ivf", options=READING)
    except av.error.FFmpegError as error:
        raise ValueError(f"no keyframe of {codec}: {error}") from None
    context = opened.streams.video[0].codec_context
    if not context.width or not context.height:
        raise ValueError(f"a keyframe of {codec} without a size")
    return opened
