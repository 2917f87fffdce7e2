"""Is a playlist ready for who asks for it: at once, later, or never? The delivery directives of HLS.

A player says which segment or part it has not seen, and gets its answer when that is there; an edge in front asks but
once for all. Pure: `archive/window` has the requests wait.
Specification: HTTP Live Streaming 2nd Edition (draft-pantos-hls-rfc8216bis-22) section 6.2.5.
Leaves out: skipping date ranges (there are none; `v2` skips what `YES` does).
Read next: `archive/window.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from meetref.archive.playlist import Playlist

MOST_SEGMENTS_AHEAD: Final = 2
SECONDS_OF_PARTS_AHEAD: Final = 3.0
LONGEST_NUMBER: Final = 15  # digits

Answer = Literal["now", "later"]


class BadRequest(ValueError):
    """What is asked for makes no sense; the sentence says why."""


@dataclass(slots=True, frozen=True)
class Directives:
    """What a request asks for: to wait for this segment, or for this part of it; and only what is new."""

    segment: int | None = None
    part: int | None = None
    skip: bool = False


def read_directives(query: Mapping[str, str]) -> Directives:
    """The directives of a request. Raises `BadRequest`."""
    segment, part = (_number(query.get(name), name) for name in ("_HLS_msn", "_HLS_part"))
    if part is not None and segment is None:
        raise BadRequest("_HLS_part without _HLS_msn")  # spec: playlist/part-needs-segment
    return Directives(segment, part, query.get("_HLS_skip") in ("YES", "v2"))


def _number(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > LONGEST_NUMBER:
        raise BadRequest(f"{name} is no number")  # spec: playlist/directives-read
    return int(text)


def answer(playlist: Playlist, directives: Directives) -> Answer:
    """Whether the playlist, as it is, is what was asked for. Raises `BadRequest` for what is too far ahead."""
    if directives.segment is None or playlist.has_ended:  # spec: playlist/ended-answers
        return "now"
    return "now" if _is_there(playlist, directives) else _later(playlist, directives)


def _is_there(playlist: Playlist, wanted: Directives) -> bool:
    assert wanted.segment is not None
    whole = playlist.whole
    if wanted.part is None:  # spec: playlist/blocking-segment
        return bool(whole) and whole[-1].number >= wanted.segment
    if not playlist.segments:
        return False
    last = playlist.segments[-1]
    if last.number != wanted.segment:  # spec: playlist/part-beyond-segment
        return last.number > wanted.segment
    return len(last.parts) > wanted.part  # spec: playlist/blocking-part


def _later(playlist: Playlist, wanted: Directives) -> Answer:
    assert wanted.segment is not None
    whole, growing = playlist.whole, playlist.segments[len(playlist.whole) :]
    last = whole[-1].number if whole else growing[0].number - 1 if growing else 0
    if wanted.segment > last + MOST_SEGMENTS_AHEAD:  # spec: playlist/too-far-ahead
        raise BadRequest(f"segment {wanted.segment} is too far ahead of {last}")
    if wanted.part is not None and wanted.segment > last:
        here = len(growing[0].parts) if growing and growing[0].number == wanted.segment else 0
        if wanted.part >= here + parts_ahead(playlist.part_target):  # spec: playlist/too-far-ahead
            raise BadRequest(f"part {wanted.part} of segment {wanted.segment} is too far ahead")
    return "later"


def parts_ahead(part_target: float) -> int:
    """By how many parts a request may be ahead of the last one."""
    return math.ceil(SECONDS_OF_PARTS_AHEAD / part_target) if 0 < part_target < 1 else 3
