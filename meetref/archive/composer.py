"""Makes films of a recording: one of everybody, files of each person, subtitles, a poster, and an index of it all.

A function of the recording (and of the chat, which is not in it): the same input gives the same octets on one machine,
so it does no harm when two do it. It writes into a fresh folder and gives it its name at the end: under that name there
is all of it, or nothing.
Stands on `archive/film` and `archive/participant`; `app/compose` is the command.
Specification: docs/recording.md ("Films"), spec/composer.toml.
Leaves out: when, where and for whom films are made. Read next: `archive/film.py`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate, chain, islice
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from PIL import Image

from meetref.archive import captions
from meetref.archive.film import FRAME_RATE, HEIGHT, WIDTH, Progress, make_film
from meetref.archive.frames import Frame, Sound, pictures_of, sounds_of
from meetref.archive.participant import write_files
from meetref.archive.reading import CannotCompose, Recording, Stream, open_recording
from meetref.archive.segment import sync_folder
from meetref.archive.situation import Layout, Person, chapters_of, people_of
from meetref.archive.timing import Clocks, clocks_of
from meetref.media.codec import coloured
from meetref.wire import webvtt

VERSION = 1
INDEX = "index.json"
LONGEST = 86_400.0  # seconds of a recording: a day
POSTER_QUALITY = 85
READING_FOR = 5.0  # seconds for which a line of chat stands in the picture
MOST_LINES = 100_000  # of chat, and of captions
MOST_CHARACTERS = 4_000_000  # of each: a browser loads the index
MOST_FILES = 900  # of people; a worker keeps a thousand of a recording
TYPES = {
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".jpg": "image/jpeg",
    ".vtt": "text/vtt",
}
TOO_MANY = "There are more files of people than can be kept; the others are in the film alone."
SHARES = (0.05, 0.2)  # of the work, up to which all has been looked at, and the files of people are made


class Line(msgspec.Struct, frozen=True):
    """A line of chat: `at` is in seconds since 1970."""

    at: float
    name: str = msgspec.field(name="from")
    text: str


Words = TypeVar("Words", Line, webvtt.Cue)


class _Entry(msgspec.Struct, omit_defaults=True):
    """A file in the index; see docs/recording.md."""

    name: str
    holds: str
    type: str
    size: int
    sha256: str
    begins: float | None = None
    ends: float | None = None
    person: str | None = None


def read_chat(octets: bytes) -> list[Line]:
    """Lines of chat from JSON. Raises `CannotCompose`."""
    try:
        return msgspec.json.decode(octets, type=list[Line])[:MOST_LINES]
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise CannotCompose(f"The chat is not a list of lines with at, from and text: {error}.") from None


def compose(
    folder: Path,
    out: Path,
    *,
    layout: Layout = "grid",
    chat: Sequence[Line] = (),
    progress: Progress = lambda done: None,
) -> dict[str, Any]:
    """Make films of the recording in `folder`; they are in `out`, which is not there before. Gives the index.

    `progress` is told how much is done, from 0 to 1. Raises `CannotCompose` where there is nothing to be made, and
    `OSError` for what the disk does not take; nothing is left of it then.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CannotCompose(f"{out} is there already: remove it, or name another folder.")
    recording = open_recording(folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        index = _Composing(recording, fresh, layout, chat, progress).run()  # spec: composer/deterministic
        _keep(fresh, out)  # spec: composer/whole-or-nothing
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    progress(1.0)
    return index


def _keep(fresh: Path, out: Path) -> None:
    for path in fresh.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    fresh.chmod(0o755)
    sync_folder(fresh)
    fresh.rename(out)
    sync_folder(out.parent)


class _Composing:
    """Everything that is made of one recording."""

    def __init__(
        self, recording: Recording, folder: Path, layout: Layout, chat: Sequence[Line], progress: Progress
    ) -> None:
        self._recording = recording
        self._folder = folder
        self._layout: Layout = layout
        self._chat = sorted(chat, key=lambda line: line.at)
        self._progress = progress
        self._files: list[_Entry] = []

    def run(self) -> dict[str, Any]:
        """Make it; gives the index."""
        recording = self._recording
        clocks = self._look()
        duration = self._duration(clocks)
        people = people_of(recording, duration)
        self._write_people(people, clocks)
        self._write_film(clocks, duration)
        self._write_words(duration)
        index = self._index(people, duration)
        text = msgspec.json.format(msgspec.json.encode(index), indent=1)
        (self._folder / INDEX).write_bytes(text + b"\n")
        return index

    def _look(self) -> Clocks:
        """Read everything once: when was what."""
        by_person: dict[str, list[Stream]] = {}
        for stream in self._recording.streams:
            by_person.setdefault(stream.person, []).append(stream)
        clocks: Clocks = {}
        for number, streams in enumerate(by_person.values(), 1):
            clocks |= clocks_of(streams)
            self._progress(SHARES[0] * number / len(by_person))
        return clocks

    def _duration(self, clocks: Clocks) -> float:
        """Until the last event or packet. Raises `CannotCompose`."""
        ends = [clock.ends for clock in clocks.values()]
        duration = max([*ends, *(at for at, _ in self._recording.events)], default=0.0)
        if not ends:
            raise CannotCompose(f"In {self._recording.name} there is no packet of sound or pictures.")
        if duration > LONGEST:  # spec: composer/bounded
            raise CannotCompose(f"{self._recording.name} would be {duration:.0f} seconds long, a day is the most.")
        return duration

    # --- files of people ------------------------------------------------------------------------------

    def _write_people(self, people: Sequence[Person], clocks: Clocks) -> None:
        for number, person in enumerate(people, 1):
            stem = f"{number:02d}-{_slug(person.name)}"
            self._write_source(stem, person, ("camera", "microphone"), "person", clocks)
            self._write_source(f"{stem}-screen", person, ("screen", "screen-sound"), "screen", clocks)
            self._progress(SHARES[0] + (SHARES[1] - SHARES[0]) * number / len(people))

    def _write_source(self, stem: str, person: Person, sources: tuple[str, str], holds: str, clocks: Clocks) -> None:
        if len(self._files) >= MOST_FILES:  # spec: composer/bounded
            if TOO_MANY not in self._recording.told:
                self._recording.told.append(TOO_MANY)
            return
        streams = [s for s in self._recording.streams if s.person == person.id and s.source in sources]
        pictures = partial(_all_pictures, [stream for stream in streams if stream.kind == "video"], clocks)
        sounds = partial(_all_sounds, [stream for stream in streams if stream.kind == "audio"], clocks)
        for made in write_files(self._folder / stem, pictures, sounds, self._recording.told):
            self._add(made.path, holds, made.begins, made.ends, person.id)

    # --- what is of everybody -------------------------------------------------------------------------

    def _write_film(self, clocks: Clocks, duration: float) -> None:
        share = 1 - SHARES[1]
        path = self._folder / "film.mp4"
        picture = make_film(
            path, self._recording, clocks, duration, self._layout,
            lambda done: self._progress(SHARES[1] + share * done),
        )  # fmt: skip
        self._add(path, "film", 0.0, duration)
        poster = self._folder / "poster.jpg"
        Image.fromarray(coloured(picture)).save(poster, quality=POSTER_QUALITY)
        self._add(poster, "poster")

    def _write_words(self, duration: float) -> None:
        """Chat and captions, as far as there are any."""
        chat = [
            webvtt.Cue(line["at"], line["at"] + READING_FOR, line["text"], line["from"])
            for line in self._said(duration)
        ]
        for name, cues in (("chat", chat), ("captions", self._captions())):
            if cues:
                path = self._folder / f"{name}.vtt"
                path.write_text(webvtt.serialize(cues), encoding="utf-8")
                self._add(path, name)

    def _captions(self) -> list[webvtt.Cue]:
        """What was written down during the recording."""
        noted = ((at, event) for at, event in self._recording.events if event.get("event") == captions.KIND)
        lines = [captions.cue_of(at, event) for at, event in islice(noted, MOST_LINES)]  # spec: captions/film
        return list(captions.one_by_one(_fitting(lines)))

    def _said(self, duration: float) -> list[dict[str, Any]]:
        """The lines of chat that were written during the recording, in its time."""
        began_at = self._recording.began_at
        lines = [(line.at - began_at, line) for line in _fitting(self._chat)]
        return [{"at": round(at, 3), "from": line.name, "text": line.text} for at, line in lines if 0 <= at <= duration]

    # --- the index ------------------------------------------------------------------------------------

    def _add(
        self, path: Path, holds: str, begins: float | None = None, ends: float | None = None, person: str | None = None
    ) -> None:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        entry = _Entry(path.name, holds, TYPES[path.suffix], path.stat().st_size, digest, person=person)
        if begins is not None and ends is not None:
            entry.begins, entry.ends = round(begins, 3), round(ends, 3)
        self._files.append(entry)

    def _index(self, people: Sequence[Person], duration: float) -> dict[str, Any]:
        recording = self._recording  # spec: composer/index
        names = {person.id: person.name for person in people}
        return {
            "version": VERSION,
            "recording": recording.name,
            "room": recording.room,
            "began_at": recording.began_at,
            "duration": round(duration, 3),
            "layout": self._layout,
            "picture": {"width": WIDTH, "height": HEIGHT, "frame_rate": FRAME_RATE},
            "people": [self._person(person) for person in people],
            "chapters": [
                {
                    "begins": round(chapter.begins, 3),
                    "ends": round(chapter.ends, 3),
                    "person": chapter.person,
                    "name": names.get(chapter.person, "?"),
                }
                for chapter in chapters_of(recording, duration)
            ],
            "chat": self._said(duration),
            "captions": [
                {"begins": cue.begins, "ends": cue.ends, "name": cue.voice, "text": cue.text}
                for cue in self._captions()
            ],
            "files": msgspec.to_builtins(self._files),
            "told": recording.told,
        }

    def _person(self, person: Person) -> dict[str, Any]:
        return {
            "person": person.id,
            "name": person.name,
            "bot": person.bot,
            "present": [[round(begins, 3), round(ends, 3)] for begins, ends in person.present],
            "files": [entry.name for entry in self._files if entry.person == person.id],
        }


def _fitting(lines: Sequence[Words]) -> list[Words]:
    """As many of them, from the first on, as anybody would read."""
    lengths = accumulate(len(line.text) for line in lines)  # spec: composer/bounded
    return [line for line, length in zip(lines, lengths, strict=True) if length <= MOST_CHARACTERS]


def _all_pictures(streams: Sequence[Stream], clocks: Clocks) -> Iterator[Frame]:
    return chain.from_iterable(pictures_of(stream, clocks) for stream in streams)


def _all_sounds(streams: Sequence[Stream], clocks: Clocks) -> Iterator[Sound]:
    return chain.from_iterable(sounds_of(stream, clocks) for stream in streams)


def _slug(name: str) -> str:
    """What of a name can be in the name of a file everywhere."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower())[:40].strip("-") or "somebody"
