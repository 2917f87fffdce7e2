"""A participant made of aiortc: its own ICE, DTLS, SRTP and codecs, on our signaling.

aiortc lives on asyncio, in a thread of its own; the test speaks our signaling on Trio and passes descriptions over.
"""

from __future__ import annotations

import asyncio
import fractions
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import av
import numpy
import trio
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

T = TypeVar("T")


class Painted(VideoStreamTrack):
    """A plain picture whose brightness says who sends it."""

    def __init__(self, brightness: int) -> None:
        super().__init__()
        self.brightness = brightness

    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        picture = numpy.full((180, 320, 3), self.brightness, numpy.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


class Tone(AudioStreamTrack):
    """A tone, so that there is something to hear."""

    async def recv(self) -> av.AudioFrame:
        frame = await super().recv()
        samples = (3000 * numpy.sin(numpy.arange(frame.samples) * 0.05)).astype(numpy.int16)
        sound = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        sound.pts, sound.sample_rate, sound.time_base = frame.pts, frame.sample_rate, fractions.Fraction(1, 48000)
        return sound


class AiortcPerson:
    """Two aiortc connections. `brightness` has the last picture of each received track, `loudness` the last sound's."""

    def __init__(self) -> None:
        self.brightness: dict[str, float] = {}
        self.loudness: dict[str, float] = {}
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.up: RTCPeerConnection | None = None
        self.down: RTCPeerConnection | None = None
        self.readers: list[asyncio.Task[None]] = []

    async def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of asyncio and wait for it on Trio."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        return await trio.to_thread.run_sync(future.result, 20, abandon_on_cancel=True)

    async def offer(self, brightness: int, codec: str | None = None) -> str:
        """An offer to publish; with `codec`, like `video/H264`, in that one alone."""
        self.up = RTCPeerConnection()
        self.up.addTrack(Tone())
        self.up.addTrack(Painted(brightness))
        if codec is not None:
            known = RTCRtpSender.getCapabilities("video").codecs
            video = next(each for each in self.up.getTransceivers() if each.kind == "video")
            video.setCodecPreferences([each for each in known if each.mimeType in (codec, "video/rtx")])
        await self.up.setLocalDescription(await self.up.createOffer())
        return str(self.up.localDescription.sdp)

    async def take_answer(self, sdp: str) -> None:
        assert self.up is not None
        await self.up.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def answer(self, sdp: str) -> str:
        if self.down is None:
            self.down = RTCPeerConnection()
            self.down.on("track", lambda track: self.readers.append(asyncio.ensure_future(self.read(track))))
        await self.down.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await self.down.setLocalDescription(await self.down.createAnswer())
        return str(self.down.localDescription.sdp)

    async def request(self) -> str:
        """An offer to watch: one picture and one sound."""
        self.down = RTCPeerConnection()
        self.down.on("track", lambda track: self.readers.append(asyncio.ensure_future(self.read(track))))
        self.down.addTransceiver("audio", direction="recvonly")
        self.down.addTransceiver("video", direction="recvonly")
        await self.down.setLocalDescription(await self.down.createOffer())
        return str(self.down.localDescription.sdp)

    async def take_filling(self, sdp: str) -> None:
        """The answer to `request`."""
        assert self.down is not None
        await self.down.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def read(self, track: Any) -> None:
        while True:
            frame = await track.recv()
            if track.kind == "video":
                self.brightness[track.id] = float(frame.to_ndarray(format="rgb24").mean())
            else:
                self.loudness[track.id] = float(numpy.abs(frame.to_ndarray().astype(float)).max())

    async def hang_up(self) -> None:
        for reader in self.readers:
            reader.cancel()
        for connection in (self.up, self.down):
            if connection is not None:
                await connection.close()

    async def close(self) -> None:
        """Hang up and end the thread."""
        with trio.CancelScope(shield=True):
            await self.do(self.hang_up())
            self.loop.call_soon_threadsafe(self.loop.stop)
            await trio.to_thread.run_sync(self.thread.join, 5)
            self.loop.close()
