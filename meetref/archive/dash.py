"""The same segments for DASH: a live presentation's description, an MPD.

Pure, from the same `Playlist` values that HLS is written from; the picture's renditions must be cut at the same times.
Specification: ISO/IEC 23009-1 sections 5.2 to 5.3.9 (MPD, SegmentTemplate and its timeline), 5.8.4.11 (UTCTiming).
Leaves out: low latency (players of DASH get whole segments here), and gaps, which are missing from the timeline.
Read next: `archive/playlist.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from xml.sax.saxutils import quoteattr

from meetref.archive.playlist import Playlist


@dataclass(slots=True, frozen=True)
class Representation:
    """A rendition: `name` goes into the addresses, `first_at` is the tick at which its first listed segment begins.

    `size` is that of the picture, width and height; None for sound.
    """

    name: str
    playlist: Playlist
    first_at: int
    codecs: str
    average_bps: int
    size: tuple[int, int] | None = None
    frame_rate: int = 0
    sample_rate: int = 0


@dataclass(slots=True, frozen=True)
class Presentation:
    """What holds for all: when tick 0 was, and now, on the wall clock; a template of addresses; where the time is."""

    began_at: float
    published_at: float
    delay: float
    initialization: str
    media: str
    time_source: str


def description(presentation: Presentation, representations: Sequence[Representation]) -> str:
    """The MPD. Addresses have `$RepresentationID$` and `$Number$` in them. Raises `ValueError` if nothing is whole."""
    lists = [each.playlist for each in representations]
    if not lists or not all(each.whole for each in lists):
        raise ValueError("there is no whole segment to describe")
    update = max(each.target_duration for each in lists)
    depth = min(each.seconds(sum(segment.length for segment in each.whole)) for each in lists)
    # spec: playlist/dash-live
    head = {
        "xmlns": "urn:mpeg:dash:schema:mpd:2011",
        "profiles": "urn:mpeg:dash:profile:isoff-live:2011",
        "type": "dynamic",
        "availabilityStartTime": _date(presentation.began_at),
        "publishTime": _date(presentation.published_at),
        "minimumUpdatePeriod": _duration(update),
        "timeShiftBufferDepth": _duration(depth),
        "suggestedPresentationDelay": _duration(presentation.delay),
        "minBufferTime": _duration(update),
    }
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', _open("MPD", head), '<Period id="0" start="PT0S">']
    lines += _adaptation("video", presentation, [each for each in representations if each.size is not None])
    lines += _adaptation("audio", presentation, [each for each in representations if each.size is None])
    clock = {"schemeIdUri": "urn:mpeg:dash:utc:http-iso:2014", "value": presentation.time_source}
    return "\n".join([*lines, "</Period>", _open("UTCTiming", clock, "/"), "</MPD>"]) + "\n"


def _adaptation(
    kind: Literal["video", "audio"], presentation: Presentation, representations: Sequence[Representation]
) -> Iterator[str]:
    if not representations:
        return
    fixed = {"contentType": kind, "mimeType": f"{kind}/mp4", "segmentAlignment": "true", "startWithSAP": "1"}
    yield _open("AdaptationSet", fixed)
    for each in representations:
        look = {"id": each.name, "codecs": each.codecs, "bandwidth": str(each.average_bps)}
        if each.size is not None:
            look |= {"width": str(each.size[0]), "height": str(each.size[1]), "frameRate": str(each.frame_rate)}
        else:
            look["audioSamplingRate"] = str(each.sample_rate)
        yield _open("Representation", look)
        yield from _template(presentation, each)
        yield "</Representation>"
    yield "</AdaptationSet>"


def _template(presentation: Presentation, representation: Representation) -> Iterator[str]:
    playlist = representation.playlist
    yield _open(
        "SegmentTemplate",
        {
            "timescale": str(playlist.timescale),
            "startNumber": str(playlist.whole[0].number),
            "initialization": presentation.initialization,
            "media": presentation.media,
        },
    )
    yield "<SegmentTimeline>"
    at, first = representation.first_at, playlist.whole[0]
    for segment in playlist.whole:  # spec: playlist/dash-timeline
        if segment.breaks:  # a gap in time
            at = representation.first_at + round((segment.began_at - first.began_at) * playlist.timescale)
        yield _open("S", {"t": str(at), "d": str(segment.length)}, "/")
        at += segment.length
    yield "</SegmentTimeline></SegmentTemplate>"


def _open(name: str, attributes: dict[str, str], end: str = "") -> str:
    return f"<{name} {' '.join(f'{key}={quoteattr(value)}' for key, value in attributes.items())}{end}>"


def _duration(seconds: float) -> str:
    return f"PT{seconds:.3f}S"


def _date(at: float) -> str:
    return datetime.fromtimestamp(round(at, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
