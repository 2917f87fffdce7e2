"""Those who take part in the sessions about media: a camera in three sizes, and a viewer that tells what arrives when.

The pictures were encoded once (tests/captured/record_sizes.py), so that a story told again has the same octets.
Stands on `app/client` and `tests/stories/sizes`. Read next: `tests/generate/mediasessions.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import trio

from meetref.app.bot import ticks
from meetref.app.client import Client, open_client
from meetref.app.frames import load, parse_ivf
from meetref.app.sender import Sender
from meetref.net.virtuallink import Impairments
from meetref.wire import signaling, vp8
from tests.generate.told import Told
from tests.media.layered import PATTERN, SYNC
from tests.stories.people import Meeting
from tests.stories.sizes import Camera

CAPTURED = Path(__file__).parent.parent / "captured"
FRAME_RATE = 10
WAY = Impairments(delay=0.015)
BARE: dict[str, Any] = {"dtls_versions": "1.2 only", "embeds_handshake": False}
"""A handshake that every version of Wireshark finds, and reads."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One picture of one size."""

    frame: bytes
    temporal: int
    sync: bool


@cache
def recorded(rid: str) -> tuple[Recorded, ...]:
    """Eight seconds of it; only the first picture is a keyframe."""
    frames = parse_ivf((CAPTURED / f"camera-{rid}.ivf").read_bytes())
    return tuple(Recorded(frame, PATTERN[place % 4], SYNC[place % 4]) for place, frame in enumerate(frames))


def camera(frame_rate: int = FRAME_RATE) -> Camera:
    """The recorded pictures; faster than they were recorded, they take more."""
    return Camera(recorded, frame_rate, len(recorded("q")), 1100)


async def show(sender: Sender, rid: str, *, frame_rate: int = FRAME_RATE, largest_part: int = 1100) -> None:
    """Send the pictures of one size, until cancelled, from the keyframe on where one is wanted."""
    pictures, place = recorded(rid), 0
    async for number in ticks(1 / frame_rate):
        if sender.ready:
            if sender.keyframe_wanted:
                place, sender.keyframe_wanted = 0, False
            sender.send(parts(pictures[place].frame, number, largest_part), trio.current_time())
            place = (place + 1) % len(pictures)


async def speak(sender: Sender, begins: float, ends: float) -> None:
    """Hum from one moment to another; otherwise tell every 0.4 s that there is nothing to hear, as Opus does."""
    sounds = load().sounds
    async for number in ticks(0.02):
        sound, level = sounds[number % len(sounds)]
        if begins <= trio.current_time() < ends:
            sender.send([sound], trio.current_time(), level=level)
        elif number % 20 == 0:
            sender.send([sound[:1]], trio.current_time())


def parts(frame: bytes, number: int, largest: int) -> list[bytes]:
    """The payloads of a picture, each of at most so many of its octets."""
    return [
        vp8.serialize(vp8.Descriptor(start=place == 0, picture_id=number & 0x7FFF, long_picture_id=True))
        + frame[place : place + largest]
        for place in range(0, len(frame), largest)
    ]


@asynccontextmanager
async def taking_part(
    told: Told,
    scene: Meeting,
    name: str,
    address: str,
    way: Impairments = WAY,
    *,
    watched: bool = True,
    ports: frozenset[int] | None = None,
    microphone: signaling.MicrophoneState = "none",
    camera: signaling.CameraState = "none",
    key_log: bool = True,
    tells_arrivals: bool = False,
) -> AsyncIterator[Client]:
    """Somebody is in the room while the block lasts. With `key_log` the capture has the secrets of both connections.

    *Up* is at port 49152 and *down* at 49153, or at 49152 where there is no *up*; `ports` says which are watched.
    """
    host = told.know(scene.network.host(name, address))
    if watched:
        told.watch(host, ports)
    scene.network.connect(host, scene.host, way)
    join = signaling.Join(room="algebra", name=name, microphone=microphone, camera=camera)
    log = told.capture.key_log if key_log else None
    async with open_client(host, scene.address, join, key_log=log, tells_arrivals=tells_arrivals, **BARE) as client:
        yield client
