"""Somebody on the virtual network who publishes a camera in three sizes, as a browser does.

The client's own offer has one encoding; here the lines of three are put into it, and three senders name their streams
by header extensions. The pictures are those of `tests/media/layered`, or what `Camera` says.
Read next: `tests/stories/test_simulcast.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import trio

from meetref.app.client import Client
from meetref.app.clientlink import ClientLink
from meetref.app.sender import Sender
from meetref.protocol.negotiation import MID_ID, RID
from meetref.wire import rtp, signaling, vp8
from tests.media.layered import KEYFRAME_EVERY, MTU, coded

RIDS = ("q", "h", "f")
RID_ID = 7
FRAME_RATE = 30


class Picture(Protocol):
    """What one encoding has of a picture."""

    @property
    def frame(self) -> bytes: ...
    @property
    def temporal(self) -> int: ...
    @property
    def sync(self) -> bool: ...


@dataclass(frozen=True)
class Camera:
    """What is sent: the `pictures` of each size, round and round, and how large a packet's part of one is."""

    pictures: Callable[[str], Sequence[Picture]] = coded
    frame_rate: int = FRAME_RATE
    keyframe_every: int = KEYFRAME_EVERY
    largest_part: int = MTU


class NamedLink:
    """A link whose packets carry the names of one stream."""

    def __init__(self, link: ClientLink, names: dict[int, bytes]) -> None:
        self._link = link
        self._names = names

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    def send(self, packet: bytes) -> bytes | None:
        read = rtp.parse(packet)
        read.extensions |= self._names
        return self._link.send(rtp.serialize(read))


class Sizes:
    """The three encodings of one client's camera. What the server switches off is not sent; `off` is so by itself."""

    def __init__(self, client: Client, camera: Camera | None = None) -> None:
        self.client = client
        self.camera = camera or Camera()
        self.senders: dict[str, Sender] = {}
        self.active = set(RIDS)
        self.off: set[str] = set()
        self.told: list[list[str]] = []
        self._pictures = dict.fromkeys(RIDS, 0)
        self._tl0 = dict.fromkeys(RIDS, 0)
        self._running: dict[str, int | None] = dict.fromkeys(RIDS, None)  # the picture it is at; None: it waits

    async def publish(self) -> None:
        """Offer the three, and have the client hear `layers`."""
        say, hear = self.client._say, self.client.hear

        def offer(message: signaling.ClientMessage) -> None:
            if isinstance(message, signaling.UpOffer):
                message.sdp = in_three_sizes(message.sdp)
            say(message)

        async def listen(message: signaling.ServerMessage) -> None:
            if isinstance(message, signaling.Layers):
                self.active = set(message.active)
                self.told.append(message.active)
            await hear(message)

        self.client._say, self.client.hear = offer, listen  # type: ignore[method-assign]
        await self.client.publish(["camera"])
        link = self.client.up
        assert link is not None
        for rid in RIDS:
            sender = Sender(int.from_bytes(self.client.network.dice(4)), "video", self.client.network.dice)
            sender.link = NamedLink(link, {MID_ID: b"0", RID_ID: rid.encode()})  # type: ignore[assignment]
            self.senders[rid] = sender
            self.client.senders[f"camera {rid}"] = sender  # type: ignore[index]
        del self.client.senders["camera"]

    async def play(self) -> None:
        """Pictures at their rate, until cancelled; a keyframe where one is wanted, in all sizes as browsers do it."""
        start, number = trio.current_time(), 0
        while True:
            await trio.sleep_until(start + number / self.camera.frame_rate)
            number += 1
            wanted = any(sender.keyframe_wanted for rid, sender in self.senders.items() if self._sends(rid))
            for rid in RIDS:
                self._show(rid, wanted)

    def _sends(self, rid: str) -> bool:
        return rid in self.active and rid not in self.off

    def _show(self, rid: str, keyframe: bool) -> None:
        sender, at = self.senders[rid], self._running[rid]
        if not sender.ready or not self._sends(rid):
            self._running[rid] = None
            return
        count, every = len(self.camera.pictures(rid)), self.camera.keyframe_every
        if keyframe or at is None:
            sender.keyframe_wanted = False
            at = 0 if at is None else -(-at // every) * every % count
        sender.send(self._payloads(rid, at), trio.current_time())
        self._running[rid] = (at + 1) % count

    def _payloads(self, rid: str, number: int) -> list[bytes]:
        picture, largest = self.camera.pictures(rid)[number], self.camera.largest_part
        self._pictures[rid] += 1
        self._tl0[rid] += picture.temporal == 0
        pieces = [picture.frame[place : place + largest] for place in range(0, len(picture.frame), largest)]
        return [
            vp8.serialize(
                vp8.Descriptor(
                    start=place == 0,
                    picture_id=self._pictures[rid] & 0x7FFF,
                    long_picture_id=True,
                    tl0_picture_index=self._tl0[rid] & 0xFF,
                    temporal_layer=picture.temporal,
                    layer_sync=picture.sync,
                )
            )
            + piece
            for place, piece in enumerate(pieces)
        ]


def in_three_sizes(sdp: str) -> str:
    """An offer whose one picture comes in three encodings, which only their names tell apart."""
    head, _, video = sdp.partition("m=video")
    lines = [line for line in video.split("\r\n") if line and not line.startswith(("a=ssrc", "a=ssrc-group"))]
    lines += [f"a=extmap:{RID_ID} {RID}", *(f"a=rid:{rid} send" for rid in RIDS), f"a=simulcast:send {';'.join(RIDS)}"]
    return head + "m=video" + "".join(f"{line}\r\n" for line in lines)


def width_of(frame: bytes) -> int | None:
    """The width of a keyframe; None for other frames."""
    size = vp8.size_of_keyframe(b"\x10" + frame)
    return size[0] if size is not None else None


def recorder(frames: list[tuple[float, bytes]]) -> Callable[[bytes, int], None]:
    """Keeps each whole frame with its moment."""
    return lambda frame, timestamp: frames.append((trio.current_time(), frame))
