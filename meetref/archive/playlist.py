"""Playlists of a live stream for HLS: what segments and parts there are, written as their readers want it.

Pure functions of values: no clock, no network. A `Playlist` is one rendition at one moment; its last segment may still
be growing, then only its parts are listed. Times count in ticks of the rendition's timescale, so that nothing drifts.
Specification: HTTP Live Streaming 2nd Edition (draft-pantos-hls-rfc8216bis-22) sections 4.4, 6.2 and appendix B.1.
Leaves out: encryption, date ranges, byte ranges, and languages of sound and captions.
Read next: `archive/reload.py`, what a request for a playlist is answered; `archive/dash.py`, the same for DASH.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

HOLD_BACK: Final = 3  # target durations from the end at which a player stays, unless it plays parts
SKIP_UNTIL: Final = 6  # target durations from the end; what is older may be skipped in an update
PARTS_FOR: Final = 3  # target durations from the end; of what is older no parts are listed
SHORTEST_PART: Final = 0.85  # of a part's target
TRANSCRIBES: Final = "public.accessibility.transcribes-spoken-dialog"
FORBIDDEN: Final = frozenset('"\r\n')  # in a quoted string


@dataclass(slots=True, frozen=True)
class Part:
    """A piece of a segment. `is_independent`: a decoder can begin in it; with `is_gap` there is nothing to load."""

    uri: str
    duration: int
    is_independent: bool = False
    is_gap: bool = False


@dataclass(slots=True, frozen=True)
class Segment:
    """A segment. `duration` is None while it grows; `began_at` is the wall clock of its first sample, in seconds.

    `breaks`: its timestamps or its format do not go on from the segment before.
    """

    number: int
    uri: str
    duration: int | None
    began_at: float
    parts: tuple[Part, ...] = ()
    breaks: bool = False
    is_gap: bool = False

    @property
    def length(self) -> int:
        """What there is of it, in ticks."""
        return sum(part.duration for part in self.parts) if self.duration is None else self.duration


@dataclass(slots=True, frozen=True)
class Report:
    """How far another rendition is: its playlist, the last segment with a part, and that part."""

    uri: str
    segment: int
    part: int | None


@dataclass(slots=True, frozen=True)
class Playlist:
    """One rendition at one moment.

    Durations in its fields are seconds. `breaks_before` counts the breaks that have left the list; `hint` is the part
    that comes next. `part_target` is 0 where there are no parts, `initialization` is empty where each segment has its
    own, as captions do. Raises `ValueError` for what no playlist may be.
    """

    timescale: int
    target_duration: int
    part_target: float
    part_hold_back: float
    initialization: str
    segments: tuple[Segment, ...]
    breaks_before: int = 0
    hint: str | None = None
    reports: tuple[Report, ...] = ()
    has_ended: bool = False

    def __post_init__(self) -> None:
        _check(self)

    @property
    def whole(self) -> tuple[Segment, ...]:
        """The segments that do not grow any more."""
        return tuple(segment for segment in self.segments if segment.duration is not None)

    def seconds(self, ticks: int) -> float:
        return ticks / self.timescale


@dataclass(slots=True, frozen=True)
class Variant:
    """A rendition of the picture in the list of all. Bit rates, of the sound too, in bits a second."""

    uri: str
    width: int
    height: int
    frame_rate: float
    codecs: str
    peak_bps: int
    average_bps: int


def _check(playlist: Playlist) -> None:
    if playlist.target_duration < 1:
        raise ValueError("a target duration is at least one second")
    if playlist.part_target and playlist.part_hold_back < 3 * playlist.part_target:
        raise ValueError("players of parts stay at least three of them from the end")  # spec: playlist/part-hold-back
    numbers = [segment.number for segment in playlist.segments]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers)) if numbers else []):
        raise ValueError("segments are numbered one by one")  # spec: playlist/media-sequence
    for segment in playlist.segments:
        if segment.duration is None and (segment is not playlist.segments[-1] or playlist.has_ended):
            raise ValueError("only the last segment of a playlist that goes on may grow")
        if segment.duration is None and not segment.parts:
            raise ValueError("a segment that grows has a part")
        # spec: playlist/target-duration
        if int(playlist.seconds(segment.length) + 0.5) > playlist.target_duration:
            raise ValueError(f"segment {segment.number} is longer than the target duration")
        _check_parts(playlist, segment)


def _check_parts(playlist: Playlist, segment: Segment) -> None:
    for place, part in enumerate(segment.parts):
        duration = playlist.seconds(part.duration)
        if duration > playlist.part_target + 1e-9:  # spec: playlist/part-longest
            raise ValueError(f"part {place} of segment {segment.number} is longer than the target of parts")
        following = segment.parts[place + 1 : place + 2]
        excused = part.is_independent or part.is_gap or (following and following[0].is_gap)
        is_last = not following  # perhaps only as yet, and then nobody knows
        if not excused and not is_last and duration < SHORTEST_PART * playlist.part_target:
            raise ValueError(f"part {place} of segment {segment.number} is too short")  # spec: playlist/part-shortest


# --- one rendition ----------------------------------------------------------------------------------


def media_playlist(playlist: Playlist, *, skip: bool = False) -> str:
    """The playlist of a rendition; with `skip` an update for those who have an older one.

    Raises `ValueError` for an address that cannot stand in quotes.
    """
    skipped = _skippable(playlist) if skip and not playlist.has_ended else 0
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{9 if skipped else 6}"]  # spec: playlist/version
    lines += [f"#EXT-X-TARGETDURATION:{playlist.target_duration}", *_control(playlist)]
    if playlist.segments:
        lines.append(f"#EXT-X-MEDIA-SEQUENCE:{playlist.segments[0].number}")
    if playlist.breaks_before or any(segment.breaks for segment in playlist.segments):
        # spec: playlist/discontinuity-sequence
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{playlist.breaks_before}")
    if skipped:
        lines.append(f"#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")  # spec: playlist/delta-update
    elif playlist.initialization:
        lines.append(f"#EXT-X-MAP:URI={_quoted(playlist.initialization)}")  # spec: playlist/map
    parts_from = _from_end(playlist, PARTS_FOR)
    for place, segment in enumerate(playlist.segments[skipped:], skipped):
        lines += _segment(playlist, segment, place >= parts_from)
    lines += _tail(playlist)
    return "\n".join(lines) + "\n"


def _control(playlist: Playlist) -> Iterator[str]:
    """What the server can do, and how far from the end a player should stay."""
    # spec: playlist/skip-boundary, playlist/hold-back, playlist/blocking-offered
    wishes = [
        f"CAN-SKIP-UNTIL={_number(SKIP_UNTIL * playlist.target_duration)}",
        f"HOLD-BACK={_number(HOLD_BACK * playlist.target_duration)}",
    ]
    if playlist.part_target:
        wishes.append(f"PART-HOLD-BACK={_number(playlist.part_hold_back)}")
    yield f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,{','.join(wishes)}"
    if playlist.part_target:  # spec: playlist/part-information
        yield f"#EXT-X-PART-INF:PART-TARGET={_number(playlist.part_target)}"


def _segment(playlist: Playlist, segment: Segment, with_parts: bool) -> Iterator[str]:
    if segment.breaks:
        yield "#EXT-X-DISCONTINUITY"  # spec: playlist/discontinuity
    yield f"#EXT-X-PROGRAM-DATE-TIME:{_date(segment.began_at)}"  # spec: playlist/program-date-time, playlist/tags-first
    if with_parts:  # spec: playlist/old-parts-removed
        yield from (_part(playlist, part) for part in segment.parts)
    if segment.duration is not None:
        if segment.is_gap:
            yield "#EXT-X-GAP"  # spec: playlist/gap
        yield f"#EXTINF:{_number(playlist.seconds(segment.duration))},"
        yield _plain(segment.uri)


def _part(playlist: Playlist, part: Part) -> str:
    line = f"#EXT-X-PART:DURATION={_number(playlist.seconds(part.duration))},URI={_quoted(part.uri)}"
    if part.is_independent:
        line += ",INDEPENDENT=YES"  # spec: playlist/part-independent
    return line + (",GAP=YES" if part.is_gap else "")  # spec: playlist/part-gap


def _tail(playlist: Playlist) -> Iterator[str]:
    if playlist.has_ended:
        yield "#EXT-X-ENDLIST"  # spec: playlist/end
        return
    if playlist.hint is not None:
        yield f"#EXT-X-PRELOAD-HINT:TYPE=PART,URI={_quoted(playlist.hint)}"  # spec: playlist/preload-hint
    for report in playlist.reports:  # spec: playlist/rendition-report
        last = f",LAST-PART={report.part}" if report.part is not None else ""
        yield f"#EXT-X-RENDITION-REPORT:URI={_quoted(report.uri)},LAST-MSN={report.segment}{last}"


def _from_end(playlist: Playlist, targets: int) -> int:
    """The place of the first segment whose end is less than so many target durations from the end of the whole ones."""
    left = targets * playlist.target_duration * playlist.timescale
    whole = playlist.whole
    for place in range(len(whole) - 1, -1, -1):
        if left <= 0:
            return place + 1
        left -= whole[place].length
    return 0


def _skippable(playlist: Playlist) -> int:
    """How many segments are farther from the end than the boundary, from their first sample to their last."""
    return _from_end(playlist, SKIP_UNTIL)


# --- all renditions ---------------------------------------------------------------------------------


def multivariant_playlist(variants: Sequence[Variant], sound: str | None = None, captions: str | None = None) -> str:
    """The list of all renditions, the best first; `sound` and `captions` are playlists that go with each.

    Every segment of theirs begins with a picture that needs no other. Raises `ValueError` where there is none.
    """
    if not variants:
        raise ValueError("there is no rendition to choose from")
    lines = ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-INDEPENDENT-SEGMENTS"]  # spec: playlist/independent-segments
    group = ""
    if sound is not None:  # spec: playlist/one-sound
        name = 'NAME="Meeting",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="1"'
        lines.append(f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",{name},URI={_quoted(sound)}')
        group = ',AUDIO="sound"'
    if captions is not None:  # spec: playlist/captions-offered
        name = f'NAME="Captions",DEFAULT=NO,AUTOSELECT=YES,CHARACTERISTICS="{TRANSCRIBES}"'
        lines.append(f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="captions",{name},URI={_quoted(captions)}')
        group += ',SUBTITLES="captions"'
    for variant in variants:  # spec: playlist/variants
        rates = f"BANDWIDTH={variant.peak_bps},AVERAGE-BANDWIDTH={variant.average_bps}"
        look = f"RESOLUTION={variant.width}x{variant.height},FRAME-RATE={variant.frame_rate:.3f}"
        # spec: playlist/codecs
        lines += [f"#EXT-X-STREAM-INF:{rates},{look},CODECS={_quoted(variant.codecs)}{group}", _plain(variant.uri)]
    return "\n".join(lines) + "\n"


def _number(seconds: float) -> str:
    return f"{seconds:.5f}"


def _date(at: float) -> str:
    return datetime.fromtimestamp(round(at, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _quoted(text: str) -> str:
    if FORBIDDEN & set(text):  # spec: playlist/quoted
        raise ValueError(f"{text!r} cannot stand in quotes")
    return f'"{text}"'


def _plain(uri: str) -> str:
    """An address on a line of its own."""
    if not uri or uri.startswith("#") or FORBIDDEN & set(uri):  # spec: playlist/quoted
        raise ValueError(f"{uri!r} is no line of a playlist")
    return uri
