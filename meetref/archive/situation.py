"""Who was there, who spoke and what was shown at a moment of a recording: its events, followed in time.

Stands on `archive/reading`; `archive/film` arranges its picture by it, `archive/composer` the chapters.
Specification: docs/recording.md (the manifest's events).
Leaves out: what people looked at (`layout`): a film has one layout for all.
Read next: `archive/film.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from meetref.archive.reading import Recording
from meetref.archive.recorder import Event
from meetref.media.scene import MOST_BESIDE, Tile

Layout = Literal["grid", "speaker"]
Key = tuple[str, str]
"""A person, and `camera` or `screen`."""

PAUSE = 5.0  # seconds for which nobody leads without a new chapter for who led before
SHORTEST = 3.0  # seconds of a chapter


@dataclass(slots=True)
class Person:
    """Somebody who was there. `present` are the times from when to when, in seconds."""

    id: str
    name: str
    bot: bool = False
    present: list[tuple[float, float]] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class Chapter:
    """Somebody led the conversation."""

    begins: float
    ends: float
    person: str


class Situation:
    """What is, at `now`. `closed` are the keys whose picture is over since the last `advance`."""

    def __init__(self, recording: Recording) -> None:
        self.closed: list[Key] = []
        self._events = list(recording.events)
        self._names = {stream.person: stream.person_name for stream in recording.streams}
        self._here: dict[str, dict[str, Any]] = {}
        self._screens: list[str] = []  # who shares one, the last one first
        self._speaker: str | None = None
        self._at = 0

    def advance(self, now: float) -> bool:
        """Go on to this moment; whether anything has changed."""
        before = self._at
        self.closed = []
        while self._at < len(self._events) and self._events[self._at][0] <= now:
            self._take(self._events[self._at][1])
            self._at += 1
        return self._at > before

    def has_picture(self, key: Key) -> bool:
        """Whether pictures of this are to be seen now."""
        person, source = key
        devices = self._here.get(person)
        if devices is None:
            return False
        return devices.get("camera") != "off" if source == "camera" else bool(devices.get("screen"))

    def tiles(self, layout: Layout, seen: Iterable[Key]) -> tuple[list[Tile], bool]:
        """Who is to be seen and in which order, and whether the first one is large; `seen` have a picture."""
        people = [
            Tile((person, "camera"), self.name(person), devices.get("microphone") == "muted")
            for person, devices in self._here.items()
        ]
        seen = set(seen)
        screens = [person for person in self._screens if (person, "screen") in seen]
        if screens:  # spec: composer/screen-large
            person = screens[0]
            large = Tile((person, "screen"), f"{self.name(person)} – screen")
            return [large, *self._with_speaker(people, MOST_BESIDE)], True
        if layout == "grid" or len(people) < 2:
            return self._with_speaker(people, len(people)), False
        large = next((tile for tile in people if tile.key == (self._speaker, "camera")), people[0])
        return [large, *(tile for tile in people if tile is not large)], True  # spec: composer/speaker-large

    def name(self, person: str) -> str:
        """What somebody is called."""
        return str(self._here.get(person, {}).get("name") or self._names.get(person) or "?")

    def _with_speaker(self, people: Sequence[Tile], most: int) -> list[Tile]:
        """Those for whom there is room, in their order, and among them who speaks."""
        shown = list(people[:most])
        speaker = next((tile for tile in people[most:] if tile.key == (self._speaker, "camera")), None)
        return [*shown[:-1], speaker] if speaker is not None else shown

    def _take(self, event: Event) -> None:
        person = str(event.get("person"))
        match event.get("event"):
            case "joined":
                devices = event.get("devices")
                self._here[person] = {"name": event.get("name"), **(devices if isinstance(devices, dict) else {})}
                self._share(person)
            case "left":
                self._here.pop(person, None)
                self._share(person)
                self.closed.append((person, "camera"))
            case "devices" if person in self._here:
                self._here[person].update({key: event.get(key) for key in ("microphone", "camera", "screen")})
                self._share(person)
                if not self.has_picture((person, "camera")):
                    self.closed.append((person, "camera"))
            case "speaker" if event.get("person") is not None:
                self._speaker = person

    def _share(self, person: str) -> None:
        if self.has_picture((person, "screen")):
            if person not in self._screens:
                self._screens.insert(0, person)
        elif person in self._screens:
            self._screens.remove(person)
            self.closed.append((person, "screen"))


def people_of(recording: Recording, duration: float) -> list[Person]:
    """Everybody who was there, in the order in which they came, and who was heard without having come."""
    people: dict[str, Person] = {}
    since: dict[str, float] = {}
    for at, event in recording.events:
        person = str(event.get("person"))
        if event.get("event") == "joined":
            known = people.setdefault(person, Person(person, str(event.get("name") or "?")))
            known.bot = event.get("bot") is True
            since.setdefault(person, at)
        elif event.get("event") == "left" and person in since:
            people[person].present.append((since.pop(person), at))
    for person, at in since.items():
        people[person].present.append((at, max(at, duration)))
    for stream in recording.streams:
        people.setdefault(stream.person, Person(stream.person, stream.person_name))
    return list(people.values())


def chapters_of(recording: Recording, duration: float) -> list[Chapter]:
    """Who led the conversation when; a short word of somebody else opens no chapter."""
    led = [(at, event.get("person")) for at, event in recording.events if event.get("event") == "speaker"]
    spans: list[Chapter] = []
    for place, (at, person) in enumerate(led):
        ends = led[place + 1][0] if place + 1 < len(led) else duration
        if person is None or ends <= at:
            continue
        last = spans[-1] if spans else None
        if last is not None and last.person == person and at - last.ends < PAUSE:
            spans[-1] = Chapter(last.begins, ends, last.person)
        elif ends - at >= SHORTEST or last is None:
            spans.append(Chapter(at, ends, str(person)))
    return spans
