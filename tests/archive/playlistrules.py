"""A validator of live playlists: the rules of the draft, held against a text, without the module that wrote it.

`faults` names every rule of draft-pantos-hls-rfc8216bis-22 that a media playlist breaks; `change_faults` those that two
versions of one playlist break together. Read next: spec/playlist.toml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"\r\n]*"|[^",]*)(?:,|$)')


@dataclass(slots=True)
class ReadPart:
    """An EXT-X-PART line."""

    attributes: dict[str, str]

    @property
    def duration(self) -> float:
        return float(self.attributes["DURATION"])


@dataclass(slots=True)
class ReadSegment:
    """What stands up to a segment's address, which is empty of one that grows."""

    number: int
    tags: list[str] = field(default_factory=list)
    parts: list[ReadPart] = field(default_factory=list)
    duration: float = 0.0
    uri: str = ""
    dated: str = ""


@dataclass(slots=True)
class ReadPlaylist:
    """A media playlist as text says it."""

    heads: dict[str, str] = field(default_factory=dict)
    segments: list[ReadSegment] = field(default_factory=list)
    tails: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    skipped: int = 0

    @property
    def target(self) -> int:
        return int(self.heads["EXT-X-TARGETDURATION"])

    @property
    def part_target(self) -> float:
        return float(attributes(self.heads.get("EXT-X-PART-INF", "PART-TARGET=0"))["PART-TARGET"])


def attributes(text: str) -> dict[str, str]:
    """An attribute list, quotes taken off."""
    found = ATTRIBUTE.findall(text)
    assert ",".join(f"{name}={value}" for name, value in found) == text, f"not an attribute list: {text}"
    assert len({name for name, _ in found}) == len(found), f"an attribute twice: {text}"
    return {name: value.strip('"') for name, value in found}


def read(text: str) -> ReadPlaylist:
    """Read a media playlist; asserts that it is one."""
    lines = text.split("\n")
    assert lines[0] == "#EXTM3U"
    assert lines[-1] == ""
    playlist = ReadPlaylist()
    growing = ReadSegment(0)
    for line in lines[1:-1]:
        name, _, value = line.removeprefix("#").partition(":")
        if not line.startswith("#"):
            growing.uri = line
            playlist.segments.append(growing)
            growing = ReadSegment(growing.number + 1)
        elif name in ("EXT-X-PRELOAD-HINT", "EXT-X-RENDITION-REPORT", "EXT-X-ENDLIST"):
            playlist.tails.append((name, attributes(value) if value else {}))
        elif name == "EXT-X-PART":
            growing.parts.append(ReadPart(attributes(value)))
        elif name in ("EXTINF", "EXT-X-PROGRAM-DATE-TIME", "EXT-X-DISCONTINUITY", "EXT-X-GAP"):
            assert not (growing.parts and name in ("EXT-X-PROGRAM-DATE-TIME", "EXT-X-DISCONTINUITY")), (
                f"{name} too late"
            )
            growing.tags.append(name)
            if name == "EXTINF":
                growing.duration = float(value.removesuffix(","))
            if name == "EXT-X-PROGRAM-DATE-TIME":
                growing.dated = value
        elif name == "EXT-X-SKIP":
            playlist.skipped = int(attributes(value)["SKIPPED-SEGMENTS"])
            growing.number += playlist.skipped
        else:
            assert name not in playlist.heads, f"{name} twice"
            assert not playlist.segments, f"{name} behind a segment"
            playlist.heads[name] = value
            if name == "EXT-X-MEDIA-SEQUENCE":
                growing.number = int(value)
    if growing.parts or growing.tags:
        playlist.segments.append(growing)
    return playlist


def faults(text: str) -> list[str]:
    """What is wrong with a media playlist."""
    try:
        playlist = read(text)
    except AssertionError as error:
        return [str(error)]
    return [*_head_faults(playlist), *_segment_faults(playlist), *_part_faults(playlist), *_tail_faults(playlist)]


def _head_faults(playlist: ReadPlaylist) -> Iterator[str]:
    version = int(playlist.heads.get("EXT-X-VERSION", "1"))
    if version != (9 if playlist.skipped else 6):
        yield f"version {version}"
    is_captions = all(segment.uri.endswith(".vtt") for segment in playlist.segments)
    if not playlist.skipped and not is_captions and "EXT-X-MAP" not in playlist.heads:
        yield "no initialization segment"
    control = attributes(playlist.heads["EXT-X-SERVER-CONTROL"])
    if control.get("CAN-BLOCK-RELOAD") != "YES":
        yield "no blocking reload"
    if float(control["HOLD-BACK"]) < 3 * playlist.target or float(control["CAN-SKIP-UNTIL"]) < 6 * playlist.target:
        yield "hold-back or skip boundary too small"
    has_parts = any(segment.parts for segment in playlist.segments)
    if has_parts and not playlist.part_target:
        yield "parts without a target"
    if playlist.part_target and float(control["PART-HOLD-BACK"]) < 3 * playlist.part_target - 1e-9:
        yield "part hold-back too small"


def _segment_faults(playlist: ReadPlaylist) -> Iterator[str]:
    ended = any(name == "EXT-X-ENDLIST" for name, _ in playlist.tails)
    for segment in playlist.segments:
        if int(segment.duration + 0.5) > playlist.target:
            yield f"segment {segment.number} lasts {segment.duration}"
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", segment.dated):
            yield f"segment {segment.number} is dated {segment.dated!r}"
        if segment.uri and segment.tags.count("EXTINF") != 1:
            yield f"segment {segment.number} without its duration"
        if not segment.uri and (segment is not playlist.segments[-1] or ended):
            yield f"segment {segment.number} without an address"
        whole = sum(part.duration for part in segment.parts)
        if segment.uri and segment.parts and abs(whole - segment.duration) > 0.001:
            yield f"segment {segment.number} lasts {segment.duration}, its parts {whole}"
    for before, after in zip(playlist.segments, playlist.segments[1:], strict=False):
        if "EXT-X-DISCONTINUITY" not in after.tags:
            apart = (datetime.fromisoformat(after.dated) - datetime.fromisoformat(before.dated)).total_seconds()
            if abs(apart - before.duration) > 0.002:
                yield f"segment {after.number} begins {apart} s after one of {before.duration} s"


def _part_faults(playlist: ReadPlaylist) -> Iterator[str]:
    whole = [segment for segment in playlist.segments if segment.uri]
    left = 0.0
    for segment in reversed(whole):
        if segment.parts and left > 3 * playlist.target:
            yield f"parts of segment {segment.number}, {left} s before the end"
        left += segment.duration
    for segment in playlist.segments:
        for place, part in enumerate(segment.parts):
            following = segment.parts[place + 1 : place + 2]
            excused = {"INDEPENDENT", "GAP"} & part.attributes.keys() or not following
            excused = excused or "GAP" in following[0].attributes
            if part.duration > playlist.part_target or (part.duration < 0.85 * playlist.part_target and not excused):
                yield f"part {segment.number}.{place} lasts {part.duration}"


def _tail_faults(playlist: ReadPlaylist) -> Iterator[str]:
    names = [name for name, _ in playlist.tails]
    hints = names.count("EXT-X-PRELOAD-HINT")
    if hints > 1 or ("EXT-X-ENDLIST" in names and hints):
        yield "too many hints"
    if playlist.part_target and not hints and "EXT-X-ENDLIST" not in names:
        yield "no hint"


def change_faults(before: str, after: str) -> list[str]:
    """What must not change from one version of a playlist to a later one."""
    old, new = read(before), read(after)
    found = []
    for name in ("EXT-X-TARGETDURATION", "EXT-X-PART-INF", "EXT-X-SERVER-CONTROL"):
        if old.heads.get(name) != new.heads.get(name):
            found.append(f"{name} changed")
    known = {segment.number: segment for segment in old.segments if segment.uri}
    for segment in new.segments:
        same = known.get(segment.number)
        if same is not None and (same.uri, same.duration, same.dated) != (segment.uri, segment.duration, segment.dated):
            found.append(f"segment {segment.number} changed")
    if new.segments and old.segments and new.segments[0].number < old.segments[0].number:
        found.append("segments came back")
    return found
