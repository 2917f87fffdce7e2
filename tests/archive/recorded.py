"""Recordings made for tests: people with clocks of their own, networks that delay, lose and reorder, known pictures and
known sound. Everything is written by `archive/segment`, as a server would.

Used by the tests of what makes films. Times are seconds of the recording unless told otherwise.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from meetref.archive.journal import Record
from meetref.archive.recorder import MANIFEST, SEGMENT_FOR
from meetref.archive.segment import Segment
from meetref.media.clock import to_ntp
from meetref.media.codec import SoundEncoder, VideoEncoder, packetize
from meetref.media.redundancy import Redundancy
from meetref.wire import rtcp, rtp

BEGAN_AT = 1_795_000_000.0
OPUS, RED, VP8, H264, VP9, AV1 = 111, 63, 96, 102, 98, 45
CODECS = {
    "audio": {OPUS: ("opus", 48000), RED: ("red", 48000)},
    "video": {VP8: ("VP8", 90000), H264: ("H264", 90000), VP9: ("VP9", 90000), AV1: ("AV1", 90000)},
}
ORIENTATION_ID = 5
Delay = Callable[[float], float | None]
"""How long a packet that leaves at a time is on its way; None: it is lost."""


def steady(seconds: float = 0.02) -> Delay:
    return lambda at: seconds


def jittery(seed: int, least: float = 0.02, most: float = 0.08, loss: float = 0.0) -> Delay:
    dice = random.Random(seed)
    return lambda at: None if dice.random() < loss else least + (most - least) * dice.random() ** 3


@dataclass
class Person:
    """Somebody with a wall clock that is `off` by so many seconds and runs `skew` too fast."""

    name: str
    off: float = 0.0
    skew: float = 0.0

    @property
    def id(self) -> str:
        return self.name.lower().replace(" ", "-")

    def wall(self, at: float) -> float:
        return BEGAN_AT + self.off + at * (1 + self.skew)


@dataclass
class Source:
    """One SSRC: its timestamps count `rate` ticks a second by a clock that runs `drift` too fast from `base` on."""

    person: Person
    rate: int
    ssrc: int
    delay: Delay
    drift: float = 0.0
    base: int = 0xFFFF_F000  # so that timestamps wrap soon
    sequence: int = 0xFFF0
    packets: list[tuple[float, bytes]] = field(default_factory=list)

    def timestamp(self, at: float) -> int:
        return (self.base + round(at * self.rate * (1 + self.drift))) & 0xFFFFFFFF

    def send(
        self, at: float, payloads: Sequence[bytes], payload_type: int, extensions: dict[int, bytes] | None = None
    ) -> None:
        """The packets of one moment; the last one has the marker."""
        for place, payload in enumerate(payloads):
            packet = rtp.Packet(
                payload_type, self.sequence & 0xFFFF, self.timestamp(at), self.ssrc, payload,
                marker=place == len(payloads) - 1, extensions=dict(extensions or {}),
            )  # fmt: skip
            self.sequence += 1
            on_the_way = self.delay(at)
            if on_the_way is not None:
                self.packets.append((at + on_the_way, rtp.serialize(packet)))

    def report(self, at: float) -> None:
        """A sender report, which is never lost."""
        report = rtcp.SenderReport(self.ssrc, to_ntp(self.person.wall(at)), self.timestamp(at), 0, 0)
        control = rtcp.serialize([report, rtcp.named(self.ssrc, self.person.id)])
        self.packets.append((at + 0.03, control))


class Recorded:
    """A recording in `folder`. `note` events and `add` streams, then `write`."""

    def __init__(self, folder: Path, room: str = "algebra") -> None:
        self.folder = folder
        self._about = {"recording": folder.name, "room": room, "began_at": BEGAN_AT}
        self._events: list[tuple[float, dict[str, Any]]] = []
        self._streams: list[tuple[dict[str, Any], list[tuple[float, bytes]]]] = []

    def note(self, at: float, event: str, **more: Any) -> None:
        self._events.append((at, {"event": event, **more}))

    def join(self, at: float, person: Person, microphone: str = "on", camera: str = "on", screen: bool = False) -> None:
        devices = {"microphone": microphone, "camera": camera, "screen": screen}
        self.note(at, "joined", person=person.id, name=person.name, bot=False, devices=devices)

    def devices(
        self, at: float, person: Person, microphone: str = "on", camera: str = "on", screen: bool = False
    ) -> None:
        self.note(at, "devices", person=person.id, microphone=microphone, camera=camera, screen=screen)

    def add(self, source: str, *parts: Source) -> None:
        """One stream, which goes from one SSRC to the next."""
        person = parts[0].person
        kind = "audio" if source in ("microphone", "screen-sound") else "video"
        about = {
            "stream": f"{person.id}-{source}-{len(self._streams) + 1}", "person": person.id, "name": person.name,
            "source": source, "kind": kind, "mid": "0",
            "codecs": {
                str(number): {"name": name, "clock_rate": rate, "channels": 2 if kind == "audio" else None}
                for number, (name, rate) in CODECS[kind].items()
            },
            "extensions": {rtp.EXTENSIONS["video-orientation"]: ORIENTATION_ID},
        }  # fmt: skip
        packets = [packet for part in parts for packet in part.packets]
        self._streams.append((about, sorted(packets, key=lambda each: each[0])))

    def write(self, ended_at: float) -> Path:
        """All journals, ten seconds in each."""
        self.folder.mkdir(parents=True)
        number = 0
        for about, packets in self._streams:
            for part in _tens([packet for packet in packets if packet[0] <= ended_at]):
                number += 1
                header = {**self._about, **about, "holds": "packets", "segment": number}
                path = self.folder / f"{about['stream']}-{number:06d}.mrj"
                _write(path, header, [Record(round(at * 1e6), packet) for at, packet in part])
        events = [*sorted(self._events, key=lambda each: each[0]), (ended_at, {"event": "ended"})]
        records = [Record(round(at * 1e6), msgspec.json.encode(event)) for at, event in events]
        _write(self.folder / MANIFEST, {**self._about, "holds": "events"}, records)
        return self.folder


def _tens(packets: Sequence[tuple[float, bytes]]) -> Iterator[list[tuple[float, bytes]]]:
    part: list[tuple[float, bytes]] = []
    for at, packet in packets:
        if part and at >= part[0][0] + SEGMENT_FOR:
            yield part
            part = []
        part.append((at, packet))
    if part:
        yield part


def _write(path: Path, header: dict[str, Any], records: Sequence[Record]) -> None:
    segment = Segment(path, header)
    segment.add(records)
    segment.end(records[-1].at if records else 0)
    segment.close()


# --- known pictures and sound ---------------------------------------------------------------------


def grey(luma: int, width: int = 160, height: int = 90) -> np.ndarray:
    """A picture of one grey; sides are even."""
    picture = np.full((height * 3 // 2, width), 128, dtype=np.uint8)
    picture[:height] = luma
    return picture


def send_pictures(
    source: Source, begins: float, ends: float, luma: Callable[[float], int], *,
    width: int = 160, height: int = 90, frame_rate: int = 15, keyframe_every: int = 10_000,
    extensions: dict[int, bytes] | None = None,
) -> None:  # fmt: skip
    """VP8 of one grey that may change with time; a report every second."""
    encoder = VideoEncoder(width, height, frame_rate=frame_rate, bitrate_bps=200_000)
    for number in range(round((ends - begins) * frame_rate)):
        at = begins + number / frame_rate
        frame = encoder.encode(grey(luma(at), width, height), keyframe=number % keyframe_every == 0)
        source.send(at, packetize(frame, number), VP8, extensions)
        if number % frame_rate == 0:
            source.report(at)


@cache
def _sounds(frequency: float, count: int) -> list[bytes]:
    encoder = SoundEncoder(bitrate_bps=48_000)
    at = np.arange(960 * count)
    wave = (9000 * np.sin(2 * np.pi * frequency * at / 48000)).astype(np.int16)
    return [encoder.encode(wave[start : start + 960]) for start in range(0, len(wave), 960)]


def send_tone(
    source: Source, begins: float, ends: float, frequency: float, *,
    sounds: Callable[[float], bool] = lambda at: True, red: bool = False,
) -> None:  # fmt: skip
    """Opus, a tone where `sounds` says so and nothing elsewhere; a report every five seconds."""
    tones, silence = _sounds(frequency, 250), _sounds(0.0, 5)
    redundancy = Redundancy(OPUS)
    for number in range(round((ends - begins) * 50)):
        at = begins + number * 0.02
        payload = tones[number % len(tones)] if sounds(at + 0.01) else silence[number % 5]
        if red:
            source.send(at, [redundancy.wrap(source.timestamp(at), payload)], RED)
        else:
            source.send(at, [payload], OPUS)
        if number % 250 == 0:
            source.report(at)
