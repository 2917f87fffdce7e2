"""Encoding and decoding: VP8 and Opus, through FFmpeg's libraries (PyAV).

The one place that speaks to PyAV. It computes and never waits, and a frame may take milliseconds: the caller chooses
the thread. Frames are numpy arrays, height x width x 3 octets RGB; sound is 16-bit samples, 48 kHz, one channel.
Specification: RFC 7741 section 4 (VP8 in RTP), RFC 6386; RFC 7587 (Opus in RTP: one packet is one payload).
Leaves out: every other codec, and adapting to bandwidth.
Read next: `app/bot.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy
from numpy.typing import NDArray

from meetref.wire import vp8

Picture = NDArray[numpy.uint8]
Sound = NDArray[numpy.int16]

MAXIMUM_PAYLOAD = 1100
"""Octets of VP8 in one packet: what fits 1200 with every header and the tag."""

SAMPLE_RATE = 48000
SAMPLES_A_FRAME = 960
"""20 ms."""


class VideoEncoder:
    """VP8, realtime. `bitrate_bps` is what it aims at; keyframes come only when they are asked for."""

    def __init__(self, width: int, height: int, *, frame_rate: int, bitrate_bps: int) -> None:
        self.frame_rate = frame_rate
        context = av.CodecContext.create("libvpx", "w")
        context.width, context.height = width, height
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, frame_rate)
        context.framerate = Fraction(frame_rate)
        context.bit_rate = bitrate_bps
        context.gop_size = 3000
        context.options = {
            "deadline": "realtime",
            "cpu-used": "8",
            "lag-in-frames": "0",
            "error-resilient": "1",
            "static-thresh": "100",
        }
        context.thread_count = 1
        self._context = context
        self._count = 0

    def encode(self, picture: Picture, *, keyframe: bool = False) -> bytes:
        """One frame in, one frame out."""
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts = self._count
        frame.time_base = self._context.time_base
        frame.pict_type = av.video.frame.PictureType.I if keyframe else av.video.frame.PictureType.NONE
        self._count += 1
        return b"".join(bytes(packet) for packet in self._context.encode(frame))


class VideoDecoder:
    """VP8 frames to pictures."""

    def __init__(self) -> None:
        self._context = av.CodecContext.create("vp8", "r")

    def decode(self, frame: bytes) -> Iterator[Picture]:
        """The pictures of one frame: one, or none where it cannot be decoded."""
        try:
            for picture in self._context.decode(av.Packet(frame)):
                yield picture.to_ndarray(format="rgb24").astype(numpy.uint8, copy=False)
        except av.FFmpegError:
            return


class SoundEncoder:
    """Opus, 20 ms a packet."""

    def __init__(self, *, bitrate_bps: int = 32000) -> None:
        context = av.CodecContext.create("libopus", "w")
        context.sample_rate = SAMPLE_RATE
        context.layout = "mono"
        context.format = "s16"
        context.bit_rate = bitrate_bps
        context.options = {"application": "voip", "frame_duration": "20"}
        self._context = context
        self._count = 0

    def encode(self, samples: Sound) -> bytes:
        """960 samples in, one packet out."""
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = self._count
        frame.time_base = Fraction(1, SAMPLE_RATE)
        self._count += len(samples)
        return b"".join(bytes(packet) for packet in self._context.encode(frame))


class SoundDecoder:
    """Opus packets to samples."""

    def __init__(self) -> None:
        self._context = av.CodecContext.create("libopus", "r")
        self._context.sample_rate = SAMPLE_RATE
        self._context.layout = "mono"

    def decode(self, packet: bytes) -> Iterator[NDArray[numpy.float64]]:
        """The samples of one packet, -1 to 1, the channels mixed; nothing where it cannot be decoded."""
        try:
            for frame in self._context.decode(av.Packet(packet)):
                samples = frame.to_ndarray().astype(numpy.float64)
                scale = 32768.0 if frame.format.name.startswith("s16") else 1.0
                yield samples.mean(axis=0) / scale
        except av.FFmpegError:
            return


def packetize(frame: bytes, picture_id: int) -> list[bytes]:
    """The RTP payloads of one VP8 frame, of nearly equal size, each with its descriptor (RFC 7741 section 4.2)."""
    count = max(1, -(-len(frame) // MAXIMUM_PAYLOAD))
    size = -(-len(frame) // count)
    payloads = []
    for index in range(count):
        descriptor = vp8.Descriptor(start=index == 0, picture_id=picture_id & 0x7FFF, long_picture_id=True)
        payloads.append(vp8.serialize(descriptor) + frame[index * size : (index + 1) * size])
    return payloads
