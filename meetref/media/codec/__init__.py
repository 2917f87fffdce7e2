"""Pictures and sound, to octets and back: VP8 and Opus, and how a VP8 frame is cut into RTP payloads.

The one place that speaks to PyAV (FFmpeg's libraries). It computes and never waits: the caller chooses the thread.
Stands above `wire/vp8`; used by bots. What composes and mixes is beside it: `pictures`, `film` and `container`.
Specification: RFC 6386 (VP8), RFC 7741 (its payload), RFC 6716 and RFC 7587 (Opus, and its payload).
Leaves out: concealment of lost packets, temporal layers, stereo: nobody here needs them yet.
Read next: `wire/vp8.py`, `app/picture.py`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from numpy.typing import NDArray

from meetref.wire import vp8

Picture = NDArray[np.uint8]
"""Either (height, width, 3), red, green and blue, or (height * 3 / 2, width), planar YUV 4:2:0."""
Samples = NDArray[np.int16]
"""Mono, 48,000 a second."""

VIDEO_CLOCK = 90_000
SAMPLE_RATE = 48_000
SAMPLES_PER_PACKET = 960  # 20 ms
MAXIMUM_PAYLOAD_SIZE = 1100  # octets: with SRTP, IPv6 and a relay in the way it still fits into 1280
MAXIMUM_PIXELS = 4096 * 2304  # a keyframe may claim 16383 x 16383, and memory for it
READING: Any = {"max_pixels": str(MAXIMUM_PIXELS)}
"""For FFmpeg where it opens what strangers sent: to see what it is, it decodes a picture. Five kilobytes may be one of
8192 x 8192."""
MAXIMUM_SOUND_PACKET = 1500  # octets

_REALTIME = {
    "deadline": "realtime",
    "cpu-used": "-8",  # below zero the speed is fixed; above, octets depend on how busy the machine is
    "lag-in-frames": "0",
    "error-resilient": "1",
    "auto-alt-ref": "0",
    "static-thresh": "100",
    "max-intra-rate": "400",
}


class VideoEncoder:
    """VP8 in real time, one frame at a time. `bitrate_bps` is what it aims at over a second or two."""

    def __init__(self, width: int, height: int, *, frame_rate: float, bitrate_bps: int) -> None:
        context: VideoCodecContext = av.CodecContext.create("libvpx", "w")
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.framerate = Fraction(frame_rate).limit_denominator(1000)
        context.time_base = Fraction(1, VIDEO_CLOCK)
        context.bit_rate = bitrate_bps
        context.gop_size = 1_000_000  # keyframes only where somebody asks
        context.thread_count = 1
        context.options = _REALTIME
        self._context = context
        self._ticks_per_frame = round(VIDEO_CLOCK / frame_rate)
        self._ticks = 0

    def encode(self, picture: Picture, *, keyframe: bool = False) -> bytes:
        """The frame, in octets; the first one is a keyframe, and every one that is asked to be."""
        frame = _video_frame(picture)
        frame.pts = self._ticks
        frame.time_base = Fraction(1, VIDEO_CLOCK)
        frame.pict_type = PictureType.I if keyframe else PictureType.NONE
        self._ticks += self._ticks_per_frame
        return b"".join(bytes(packet) for packet in self._context.encode(frame))


class VideoDecoder:
    """VP8 from strangers: what cannot be decoded gives no picture and counts in `failures`."""

    def __init__(self) -> None:
        self.failures = 0
        context: VideoCodecContext = av.CodecContext.create("vp8", "r")
        context.thread_count = 1  # more would hold pictures back
        self._context = context

    def decode(self, frame: bytes) -> Picture | None:
        """The picture of a frame as (height, width, 3), or `None`: not whole, too large, no keyframe yet."""
        size = vp8.size_of_keyframe(_descriptor(0, start=True) + frame[:10])
        if size is not None and not 0 < size[0] * size[1] <= MAXIMUM_PIXELS:
            self.failures += 1
            return None
        pictures: list[Any] = _decode(self._context, frame)
        if not pictures:
            self.failures += 1
            return None
        picture: Picture = pictures[-1].to_ndarray(format="rgb24")
        return picture


class SoundEncoder:
    """Opus, mono, a packet for every 20 milliseconds."""

    def __init__(self, *, bitrate_bps: int = 32_000) -> None:
        context: AudioCodecContext = av.CodecContext.create("libopus", "w")
        context.sample_rate = SAMPLE_RATE
        context.layout = "mono"
        context.format = "s16"
        context.bit_rate = bitrate_bps
        context.time_base = Fraction(1, SAMPLE_RATE)
        context.options = {"application": "voip", "frame_duration": "20"}
        self._context = context
        self._samples = 0

    def encode(self, samples: Samples) -> bytes:
        """The packet of 960 samples. Raises `ValueError` for another number of them."""
        if samples.shape != (SAMPLES_PER_PACKET,):
            raise ValueError(f"a packet has {SAMPLES_PER_PACKET} samples, not {samples.shape}")
        frame = av.AudioFrame.from_ndarray(samples.astype(np.int16)[None, :], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = self._samples
        frame.time_base = Fraction(1, SAMPLE_RATE)
        self._samples += SAMPLES_PER_PACKET
        return b"".join(bytes(packet) for packet in self._context.encode(frame))


class SoundDecoder:
    """Opus from strangers: what cannot be decoded gives no samples and counts in `failures`."""

    def __init__(self) -> None:
        self.failures = 0
        context: AudioCodecContext = av.CodecContext.create("libopus", "r")
        context.sample_rate = SAMPLE_RATE
        context.layout = "mono"
        self._context = context

    def decode(self, packet: bytes) -> Samples:
        """The samples of a packet (up to 120 ms of them), or none."""
        frames = _decode(self._context, packet) if 0 < len(packet) <= MAXIMUM_SOUND_PACKET else []
        if not frames:
            self.failures += 1
            return np.zeros(0, dtype=np.int16)
        samples: Samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]).astype(np.int16)
        return samples


def packetize(frame: bytes, number: int) -> list[bytes]:
    """The RTP payloads of one VP8 frame, of at most 1100 octets each; `number` counts the frames.

    All but the last are of one size, so that they leave with one system call (RFC 7741 section 4.2: partitions may be
    cut anywhere, only the frame's beginning has to be marked).
    """
    room = MAXIMUM_PAYLOAD_SIZE - len(_descriptor(number, start=True))
    pieces = -(-len(frame) // room)
    size = -(-len(frame) // pieces) if pieces else 0
    return [_descriptor(number, start=place == 0) + frame[place * size : (place + 1) * size] for place in range(pieces)]


def planar(picture: NDArray[np.uint8]) -> Picture:
    """A picture of red, green and blue, (height, width, 3) with even sides, as planar YUV."""
    frame: Any = _video_frame(picture)
    planes: Picture = frame.to_ndarray()
    return planes


def coloured(picture: Picture) -> NDArray[np.uint8]:
    """A planar picture as red, green and blue."""
    frame: Any = _video_frame(picture)
    colours: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    return colours


def _descriptor(number: int, *, start: bool) -> bytes:
    return vp8.serialize(vp8.Descriptor(start=start, picture_id=number & 0x7FFF, long_picture_id=True))


def _video_frame(picture: Picture) -> av.VideoFrame:
    if picture.ndim == 2:
        return av.VideoFrame.from_ndarray(picture, format="yuv420p")
    return av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")


def _decode(context: Any, octets: bytes) -> list[Any]:
    if not octets:
        return []  # an empty packet would mean the end of the stream
    try:
        return list(context.decode(av.Packet(octets)))
    except (av.error.FFmpegError, ValueError):
        return []
