"""The last half minute of a live stream, in memory: what an audience is served from, and where its requests wait.

A `Show` has a name that nobody can guess, so that caches never mix two of them, and a few renditions, cut at the same
times; each is fed part by part and forgets what is old. Whoever waits for a part waits on one event of its rendition,
however many they are. One encoder may follow another: there is a gap in time then, and the lists say so.
Stands on `archive/playlist`, `reload` and `dash`; whoever encodes fills it, a door of HTTP serves it.
Specification: HTTP Live Streaming 2nd Edition (draft-pantos-hls-rfc8216bis-22) sections 6.2.2 (how long), 6.2.5, 6.2.6.
Leaves out: the disk: what is to be kept is recorded. Read next: `archive/playlist.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import trio

from meetref.archive import dash
from meetref.archive.playlist import Part, Playlist, Report, Segment, Variant, media_playlist, multivariant_playlist
from meetref.archive.reload import Directives, answer

LISTED: Final = 12  # whole segments in a playlist
KEPT: Final = 2 * LISTED + 2  # segments that can still be loaded: their own length and that of a playlist longer
PATIENCE: Final = 3  # target durations that a request waits at most
INITIALIZATION: Final = "init.mp4"
LIST: Final = "list.m3u8"
_PIECE = re.compile(r"(\d{1,12})(?:\.(\d{1,4}))?\.(m4s|vtt)\Z")


class TooLate(Exception):
    """What was waited for did not come in time."""


@dataclass(slots=True, frozen=True)
class Format:
    """What a rendition is, and its initialization segment; `size` is that of the picture, None for sound and captions.

    Its parts last `part` ticks of `timescale`, its segments `segment`, except for the last of a stream. Captions come
    in whole segments, without parts and without an initialization: there `part` is 0.
    """

    name: str
    timescale: int
    part: int
    segment: int
    codecs: str
    average_bps: int
    initialization: bytes
    size: tuple[int, int] | None = None
    frame_rate: int = 0

    @property
    def is_captions(self) -> bool:
        return self.part == 0

    @property
    def suffix(self) -> str:
        """What the name of a piece ends with."""
        return "vtt" if self.is_captions else "m4s"


@dataclass(slots=True)
class _Kept:
    """A segment and the octets of its parts."""

    segment: Segment
    began_at_tick: int
    octets: list[bytes] = field(default_factory=list)


class Rendition:
    """One rendition, as far as it has come."""

    def __init__(self, form: Format, began_at: float) -> None:
        self.form = form
        self.changed = trio.Event()
        """Set, and followed by another, whenever there is a new part."""
        self.has_ended = False
        self._began_at = began_at
        self._kept: list[_Kept] = []
        self._at = 0
        self._breaks = 0
        self._is_broken = False

    @property
    def parts(self) -> int:
        """How many parts its time takes until now, with those that never came."""
        return self._at // self.form.part if self.form.part else 0

    @property
    def target_duration(self) -> int:
        return max(1, int(self.form.segment / self.form.timescale + 0.5))

    @property
    def edge(self) -> tuple[int, int]:
        """The numbers of the last segment that has a part, and of that part."""
        if not self._kept:
            return 0, -1
        last = self._kept[-1]
        return last.segment.number, len(last.octets) - 1

    def add(self, octets: bytes, duration: int, *, is_independent: bool, ends_segment: bool) -> None:
        """The next part; with `ends_segment` the last of its segment."""
        if not self._kept or self._kept[-1].segment.duration is not None:
            self._begin_segment()
        kept = self._kept[-1]
        segment = kept.segment
        part = Part(f"{segment.number}.{len(kept.octets)}.{self.form.suffix}", duration, is_independent)
        kept.octets.append(octets)
        self._at += duration
        kept.segment = replace(segment, parts=(*segment.parts, part))
        if ends_segment:
            kept.segment = replace(kept.segment, duration=kept.segment.length)
        if self.form.is_captions:
            kept.segment = replace(kept.segment, parts=())  # spec: playlist/captions-whole
        self._wake()

    def pause(self) -> None:
        """Nothing comes for now; a segment that was growing is as long as it is."""
        if self._kept and self._kept[-1].segment.duration is None:
            last = self._kept[-1]
            last.segment = replace(last.segment, duration=last.segment.length)
        self._wake()

    def go_on(self, at: float) -> None:
        """What comes next begins so many seconds after the beginning."""
        self._at = round(at * self.form.timescale)
        self._is_broken = True

    def end(self) -> None:
        """Nothing comes any more."""
        self.has_ended = True
        self.pause()

    def _begin_segment(self) -> None:
        number = self._kept[-1].segment.number + 1 if self._kept else 0
        began = self._began_at + self._at / self.form.timescale
        segment = Segment(number, f"{number}.{self.form.suffix}", None, began, breaks=self._is_broken)
        self._breaks += self._is_broken
        self._is_broken = False
        self._kept.append(_Kept(segment, self._at))
        del self._kept[:-KEPT]

    def _wake(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    def playlist(self, reports: tuple[Report, ...] = ()) -> Playlist:
        """The rendition at this moment."""
        kept = self._kept[-LISTED - (self._kept[-1].segment.duration is None) :] if self._kept else []
        form, (number, part) = self.form, self.edge
        grows = bool(kept) and kept[-1].segment.duration is None
        following = f"{number}.{part + 1}.m4s" if grows else f"{number + bool(kept)}.0.m4s"
        target = form.part / form.timescale
        return Playlist(
            form.timescale,
            self.target_duration,
            target,
            3 * target,
            INITIALIZATION if form.initialization else "",
            tuple(each.segment for each in kept),
            breaks_before=self._breaks - sum(each.segment.breaks for each in kept),
            hint=None if self.has_ended or form.is_captions else following,
            reports=reports,
            has_ended=self.has_ended,
        )

    @property
    def first_listed_at(self) -> int:
        """The tick at which the first listed segment begins."""
        kept = self._kept[-LISTED - (self._kept[-1].segment.duration is None) :]
        return kept[0].began_at_tick

    def piece(self, name: str) -> bytes | None:
        """The octets of the initialization, of a segment that is whole or of a part; None where there is no such."""
        if name == INITIALIZATION:
            return self.form.initialization or None
        found = _PIECE.match(name)
        kept = self._find(int(found[1])) if found and found[3] == self.form.suffix else None
        if kept is None or found is None:
            return None
        if found[2] is None:
            return b"".join(kept.octets) if kept.segment.duration is not None else None
        place = int(found[2])
        return kept.octets[place] if place < len(kept.octets) else None

    def _find(self, number: int) -> _Kept | None:
        place = number - self._kept[0].segment.number if self._kept else -1
        return self._kept[place] if 0 <= place < len(self._kept) else None


class Show:
    """Its renditions by name, pictures first and the best before others, then sound, then captions.

    `name` is unguessable.
    """

    def __init__(self, name: str, formats: Sequence[Format], began_at: float) -> None:
        self.name = name
        self.began_at = began_at
        self.renditions = {form.name: Rendition(form, began_at) for form in formats}

    @property
    def parts(self) -> int:
        """The number of the part that comes next at the earliest."""
        return max(rendition.parts for rendition in self.renditions.values())

    def pause(self) -> None:
        """The encoder has died."""
        for rendition in self.renditions.values():
            rendition.pause()

    def can_go_on(self, formats: Sequence[Format]) -> bool:
        """Is it not over, and is this what it is made of, to the last octet of the initialization?"""
        has_ended = any(rendition.has_ended for rendition in self.renditions.values())
        return not has_ended and [rendition.form for rendition in self.renditions.values()] == list(formats)

    def go_on(self, part: int) -> None:
        """Another encoder begins, with this part."""
        form = next(iter(self.renditions.values())).form
        for rendition in self.renditions.values():
            rendition.go_on(part * form.part / form.timescale)

    def end(self) -> None:
        """Nothing comes any more."""
        for rendition in self.renditions.values():
            rendition.end()

    @property
    def has_whole_segment(self) -> bool:
        """Whether each rendition has one: before, there is nothing to describe."""
        return all(rendition.playlist().whole for rendition in self.renditions.values())

    async def list_of(self, name: str, directives: Directives) -> str | None:
        """The playlist of a rendition, when it has what is asked for; None where there is no such rendition.

        Raises `BadRequest`, and `TooLate` after three target durations.
        """
        rendition = self.renditions.get(name)
        if rendition is None:
            return None
        with trio.move_on_after(PATIENCE * rendition.target_duration):
            while answer(rendition.playlist(), directives) == "later":
                await rendition.changed.wait()
            return media_playlist(rendition.playlist(self._reports(name)), skip=directives.skip)
        raise TooLate

    def _reports(self, name: str) -> tuple[Report, ...]:
        others = [each for each in self.renditions if each != name]
        edges = [(self.renditions[each].form, self.renditions[each].edge) for each in others]
        return tuple(
            Report(f"../{form.name}/{LIST}", number, None if form.is_captions else part)
            for form, (number, part) in edges
            if part >= 0
        )

    async def piece_of(self, name: str, piece: str) -> bytes | None:
        """A piece of a rendition; the part that comes next is waited for. None where there is no such.

        Raises `TooLate`.
        """
        rendition = self.renditions.get(name)
        if rendition is None:
            return None
        with trio.move_on_after(PATIENCE * rendition.target_duration):
            while (octets := rendition.piece(piece)) is None and rendition.playlist().hint == piece:
                await rendition.changed.wait()  # spec: playlist/preload-hint
            return octets
        raise TooLate

    def all_renditions(self, address: Callable[[str, str], str]) -> str:
        """The list of all; `address` makes an address of a rendition's name and a file's."""
        forms = [rendition.form for rendition in self.renditions.values()]
        sound = next((form for form in forms if form.size is None and not form.is_captions), None)
        variants = [_variant(form, sound, address) for form in forms if form.size is not None]
        lists = [address(form.name, LIST) for form in forms if form.is_captions]
        return multivariant_playlist(
            variants, address(sound.name, LIST) if sound is not None else None, lists[0] if lists else None
        )

    def description(self, now: float, address: Callable[[str, str], str], time_source: str) -> str:
        """The same for DASH, without captions. Raises `ValueError` before each rendition has a whole segment."""
        media = address("$RepresentationID$", "$Number$.m4s")
        beginning = address("$RepresentationID$", INITIALIZATION)
        renditions = [each for each in self.renditions.values() if not each.form.is_captions]
        targets = [rendition.target_duration for rendition in renditions]
        presentation = dash.Presentation(self.began_at, now, 2.0 * max(targets), beginning, media, time_source)
        return dash.description(presentation, [_represented(each) for each in renditions])


def _variant(form: Format, sound: Format | None, address: Callable[[str, str], str]) -> Variant:
    assert form.size is not None
    codecs = [form.codecs, *([sound.codecs] if sound is not None else [])]
    average = form.average_bps + (sound.average_bps if sound is not None else 0)
    uri, (width, height) = address(form.name, LIST), form.size
    return Variant(uri, width, height, form.frame_rate, ",".join(codecs), average * 3 // 2, average)


def _represented(rendition: Rendition) -> dash.Representation:
    form, playlist = rendition.form, rendition.playlist()
    first_at = rendition.first_listed_at if playlist.whole else 0
    rate = 0 if form.size is not None else form.timescale
    return dash.Representation(
        form.name, playlist, first_at, form.codecs, form.average_bps, form.size, form.frame_rate, rate
    )
