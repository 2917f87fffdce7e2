"""Cameras in a meeting, for test_sfu.py: people with pictures in three sizes, and two viewers of the learner's."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from struct import Struct
from types import ModuleType
from typing import Any

from meetref.wire import rtp, vp8

FIXED = Struct("!BBHII")
KEY, DELTA = bytes.fromhex("1002009d012a4001b400"), bytes.fromhex("110200")
FRAME = 3000  # units of a timestamp from picture to picture

Stream = tuple[str, str]


def rewriter(module: ModuleType, *, sequence: int = 100, timestamp: int = 5000, is_video: bool = True) -> Any:
    return module.Rewriter(
        ssrc=0x5EA7, payload_type=96 if is_video else 111, first_sequence=sequence, first_timestamp=timestamp,
        is_video=is_video,
    )  # fmt: skip


@dataclass
class Source:
    """One encoding of somebody's picture, and what it has sent: the bodies of its frames."""

    who: str
    encoding: str
    seed: int
    bodies: list[bytes] = field(default_factory=list)
    asked: bool = True

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.is_long = self.seed % 3 != 0
        self.sequence, self.timestamp = self.dice.randrange(1 << 16), self.dice.randrange(1 << 32)
        self.picture, self.tl0 = self.dice.randrange(1 << 15), self.dice.randrange(1 << 8)

    def frame(self, *, count: int = 0) -> list[bytes]:
        """The packets of the next picture, a keyframe if one was asked for."""
        first = KEY if self.asked else DELTA
        self.asked = False
        count = count or self.dice.randrange(1, 4)
        self.picture, self.tl0, self.timestamp = self.picture + 1, self.tl0 + 1, self.timestamp + FRAME
        name = f"{self.who} {self.encoding} {self.picture} ".encode()
        picture = (0x8000 | self.picture & 0x7FFF).to_bytes(2) if self.is_long else bytes([self.picture & 0x7F])
        made = []
        for part in range(count):
            self.sequence += 1
            body = b"\x00" + (first if part == 0 else b"\xff") + name + bytes([part])
            self.bodies.append(body)
            lead = bytes([0x90 if part == 0 else 0x80, 0xE0])
            marker = 0x80 if part == count - 1 else 0
            head = FIXED.pack(0x80, marker | 100, self.sequence & 0xFFFF, self.timestamp & 0xFFFFFFFF, self.seed)
            made.append(head + lead + picture + bytes([self.tl0 & 0xFF]) + body)
        return made


def played(slot: Any, source: Source, frames: int, start: float = 0.0) -> list[rtp.Packet]:
    """What a slot lets through of the next frames of a source."""
    stream, found = (source.who, source.encoding), []
    for number in range(frames):
        for packet in source.frame():
            data = slot.receive(stream, packet, start + number / 30)
            if data is not None:
                found.append(rtp.parse(data))
    return found


def is_key(packet: rtp.Packet) -> bool:
    return vp8.is_keyframe(packet.payload)


class Meeting:
    """Three people in three sizes, two viewers, and a forwarder between them."""

    def __init__(self, module: ModuleType, seed: int) -> None:
        self.now, self.dice = 0.0, random.Random(seed)
        self.sources = {
            (who, size): Source(who, size, 10 * seed + number)
            for number, (who, size) in enumerate((who, size) for who in "abc" for size in "qhf")
        }
        self.requests: list[tuple[float, Stream]] = []
        self.forwarder = module.Forwarder(self.request)
        self.got: dict[str, list[bytes]] = {}
        self.wanted: dict[str, Stream | None] = {}
        for number, viewer in enumerate(("x", "y")):
            self.forwarder.slots[viewer] = module.Slot(rewriter(module, sequence=65_000 + number, timestamp=2**32 - 9))
            self.got[viewer], self.wanted[viewer] = [], None

    def request(self, stream: Stream) -> None:
        self.requests.append((self.now, stream))
        self.sources[stream].asked = True

    def want(self, viewer: str, stream: Stream | None) -> None:
        self.wanted[viewer] = stream
        self.forwarder.want(viewer, stream, self.now)

    def tick(self) -> None:
        """A thirtieth of a second: everybody sends a picture."""
        self.now += 1 / 30
        self.forwarder.handle_timeout(self.now)
        for stream, source in self.sources.items():
            for packet in source.frame():
                for viewer, data in self.forwarder.receive(stream, packet, self.now):
                    self.got[viewer].append(bytes(data))


def switching(module: ModuleType, seed: int, switches: int = 1000) -> Meeting:
    meeting = Meeting(module, seed)
    count: Counter[str] = Counter()
    while min(count[viewer] for viewer in meeting.got) < switches:
        for viewer in meeting.got:
            if meeting.dice.random() < 0.2:
                meeting.want(viewer, meeting.dice.choice([*meeting.sources, None]))
                count[viewer] += 1
        meeting.tick()
    return meeting
