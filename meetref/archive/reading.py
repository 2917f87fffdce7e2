"""A recording, read: who was there, what happened when, and the packets of each stream in the order in which they came.

Journals are read one at a time and only when their packets are asked for, so an hour takes no more memory than ten
seconds. What is damaged is read as far as it goes, what cannot be read is passed over, and both are told in `told`.
Stands on `archive/journal`; below `archive/timing` and `archive/frames`.
Specification: docs/recording.md, docs/journal.md.
Leaves out: what is in the packets. Read next: `archive/timing.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from meetref.archive.journal import HEADER_AT, MAXIMUM_HEADER, Header, read
from meetref.archive.recorder import MANIFEST, MAXIMUM_STREAMS, Event
from meetref.archive.recovery import events_of
from meetref.wire.reader import Malformed

TOO_MANY = 20 * MAXIMUM_STREAMS
"""Streams of one recording that are read, at most."""
MOST_TOLD = 100


class CannotCompose(Exception):
    """Nothing can be made of the recording; the text is a sentence for people."""


class Codec(msgspec.Struct, frozen=True):
    """What is behind a payload type."""

    name: str
    clock_rate: int
    channels: int | None = None


class _About(msgspec.Struct, frozen=True):
    """What the header of a journal with packets says; see docs/recording.md."""

    stream: str
    segment: int
    person: str
    name: str
    source: Literal["microphone", "camera", "screen", "screen-sound"]
    kind: Literal["audio", "video"]
    codecs: dict[int, Codec]
    extensions: dict[str, int] = {}


class Arrival(NamedTuple):
    """A packet, RTP or RTCP, and when it came, in seconds of the recording."""

    at: float
    packet: bytes

    @property
    def is_control(self) -> bool:
        """Whether it is a compound RTCP packet."""
        return len(self.packet) > 1 and 192 <= self.packet[1] <= 223


@dataclass(slots=True)
class Stream:
    """What was recorded of one source of somebody."""

    name: str
    person: str
    person_name: str
    source: str
    kind: str
    codecs: dict[int, Codec]
    extensions: dict[str, int]
    told: list[str]
    journals: list[Path] = field(default_factory=list)

    def arrivals(self) -> Iterator[Arrival]:
        """All packets, over all journals, in the order in which they came."""
        for path in self.journals:
            try:
                journal = read(path.read_bytes())
            except (OSError, Malformed) as error:
                _tell(self.told, f"{path.name} cannot be read: {_why(error)}")  # spec: composer/damage-told
                continue
            if journal.damage is not None:
                _tell(self.told, f"{path.name} is damaged: {journal.damage}")
            for at, content in journal.records:
                yield Arrival(at / 1e6, content)


@dataclass(slots=True)
class Recording:
    """`began_at` is in seconds since 1970, all other times in seconds since then; `events` are in their order."""

    name: str
    room: str
    began_at: float
    events: list[tuple[float, Event]]
    streams: list[Stream]
    told: list[str]


def open_recording(folder: Path) -> Recording:
    """Read the manifest, and which streams there are. Raises `CannotCompose`."""
    try:
        manifest = read((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise CannotCompose(f"{folder} is no recording: its manifest cannot be read ({error.strerror}).") from None
    except Malformed as error:
        raise CannotCompose(f"The manifest of {folder.name} cannot be read: {error.what}.") from None
    told: list[str] = []
    if manifest.damage is not None:
        _tell(told, f"{MANIFEST} is damaged: {manifest.damage}")
    began_at = manifest.header.get("began_at")
    events = sorted(((at / 1e6, event) for at, event in events_of(manifest)), key=lambda each: each[0])
    return Recording(
        name=str(manifest.header.get("recording", folder.name)),
        room=str(manifest.header.get("room", "")),
        began_at=float(began_at) if isinstance(began_at, int | float) else 0.0,
        events=events,
        streams=_streams(folder, told),
        told=told,
    )


def _streams(folder: Path, told: list[str]) -> list[Stream]:
    found: dict[str, Stream] = {}
    segments: list[tuple[int, Path, Stream]] = []
    for path in sorted(folder.glob("*.mrj")):
        if path.name == MANIFEST:
            continue
        about = _about(path, told)
        if about is None or (about.stream not in found and len(found) >= TOO_MANY):
            continue
        stream = found.get(about.stream)
        if stream is None:
            stream = found[about.stream] = Stream(
                about.stream, about.person, about.name, about.source, about.kind, dict(about.codecs),
                about.extensions, told,
            )  # fmt: skip
        stream.codecs.update(about.codecs)
        segments.append((about.segment, path, stream))
    for _, path, stream in sorted(segments, key=lambda each: (each[0], each[1].name)):
        stream.journals.append(path)
    return list(found.values())


def _about(path: Path, told: list[str]) -> _About | None:
    try:
        with path.open("rb") as file:
            header: Header = read(file.read(HEADER_AT + MAXIMUM_HEADER)).header
        return msgspec.convert(header, _About, strict=False)
    except (OSError, Malformed, msgspec.ValidationError) as error:
        _tell(told, f"{path.name} cannot be read: {_why(error)}")  # spec: composer/damage-told
        return None


def _why(error: Exception) -> str:
    return error.what if isinstance(error, Malformed) else getattr(error, "strerror", None) or str(error)


def _tell(told: list[str], sentence: str) -> None:
    if sentence not in told and len(told) < MOST_TOLD:
        told.append(sentence)
