"""What tutorial 12 asks for, made of the real thing: without `--module`, test_recording.py looks at this."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from meetref.archive import journal
from meetref.archive.journal import Journal, Record, Writing
from meetref.archive.reading import Arrival, Codec, Stream
from meetref.archive.timing import clocks_of
from meetref.media.mixing import mixed
from meetref.media.sequence import Unwrapper
from meetref.wire.reader import Malformed

__all__ = ["Writer", "heal", "mix", "mix_minus", "place", "read_journal"]

Voice = tuple[int, Sequence[int]]


@dataclass
class Read:
    header: dict[str, Any]
    records: list[tuple[int, bytes]]
    size: int
    closed: bool


def read_journal(data: bytes) -> Read | None:
    found = _read(data)
    return None if found is None else Read(found.header, [*map(tuple, found.records)], found.size, found.is_closed)  # type: ignore[list-item]


def _read(data: bytes) -> Journal | None:
    try:
        return journal.read(data)
    except Malformed:
        return None


class Writer:
    def __init__(self) -> None:
        self._writing = Writing()

    def begin(self, header: dict[str, Any]) -> bytes:
        return self._writing.begin(header)

    def add(self, arrival: int, content: bytes) -> bytes:
        return self._writing.add([Record(arrival, content)])

    def end(self, arrival: int) -> bytes:
        return self._writing.end(arrival)


def heal(data: bytes) -> bytes | None:
    """As `archive/recovery` does it to a file."""
    found = _read(data)
    if found is None:
        return None
    last = max((record.at for record in found.records), default=0)
    rest = b"" if found.is_closed else Writing(found.size, found.crc).end(last)
    return data[: found.size] + rest


@dataclass(slots=True)
class Remembered(Stream):
    """A stream whose packets are in no file."""

    records: list[tuple[float, bytes]] = field(default_factory=list)

    def arrivals(self) -> Iterator[Arrival]:
        return (Arrival(at, content) for at, content in self.records)


def place(streams: dict[str, tuple[int, list[tuple[float, bytes]]]]) -> dict[str, list[tuple[float, bytes]]]:
    made = [
        Remembered(
            name, "p", "person", "camera", "video", dict.fromkeys(range(128), Codec(name, rate)), {}, [], [], records
        )
        for name, (rate, records) in streams.items()
    ]
    clocks, placed = clocks_of(made), {}
    for stream in made:
        unwrapper = Unwrapper(32)
        packets = [arrival for arrival in stream.arrivals() if not arrival.is_control]
        placed[stream.name] = [
            (
                clocks[stream.name, int.from_bytes(packet[8:12])].seconds(
                    unwrapper.unwrap(int.from_bytes(packet[4:8])), at
                ),
                packet,
            )
            for at, packet in packets
        ]
    return placed


def mix(voices: Sequence[Voice], length: int) -> list[int]:
    return [int(sample) for sample in mixed([_spread(voice, length) for voice in voices], length)]


def mix_minus(voices: Sequence[Voice], length: int) -> list[list[int]]:
    return [mix([*voices[:place], *voices[place + 1 :]], length) for place in range(len(voices))]


def _spread(voice: Voice, length: int) -> Any:
    start, samples = voice
    spread = np.zeros(length, dtype=np.int16)
    end = min(start + len(samples), length)
    spread[start:end] = samples[: end - start]
    return spread
