"""Whom one viewer sees: pinned, screens, who speaks, who spoke, then the others as they came, page by page.

Pure: from what a room has to show (`Scene`, made once for all its viewers) and what one viewer's page says it can show
(`wire.signaling.Look`) to an ordered list of sights (`Seating`). Which seat each one gets is `meeting/seats`, so that
nobody who stays visible moves; what of it the link can carry is not decided here, only how much each sight matters.
Specification: none; docs/architecture.md, "Seats".
Leaves out: sound. In a small room everybody is heard, seen or not; in a large one the loudest are.
Read next: `meeting/seats.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple

from meetref.wire import signaling

Rank = Literal["pinned", "screen", "speaker", "rest"]


class Content(NamedTuple):
    """What one seat shows: a person, or a person's screen."""

    person: str
    source: signaling.Shown

    @property
    def sound(self) -> signaling.Source:
        return "microphone" if self.source == "camera" else "screen-sound"


@dataclass(slots=True, frozen=True)
class Sight:
    """One visible content: how much it matters, and how tall it is shown, in pixels of the screen (0: not told)."""

    content: Content
    rank: Rank
    height: int = 0


@dataclass(slots=True, frozen=True)
class Seating:
    """What one viewer is to see now, what matters most first. `page` is the one that is shown, of `pages`."""

    sights: tuple[Sight, ...]
    large: Content | None
    page: int
    pages: int


class Scene:
    """What a room has to show, in the order that is the same for all its viewers."""

    def __init__(
        self, people: Iterable[str], screens: Iterable[str] = (), speaker: str | None = None, recent: Iterable[str] = ()
    ) -> None:
        """`people` and `screens` (of whom) are in the order in which they came; of `recent` the latest is first."""
        faces = {person: Content(person, "camera") for person in people}
        first = [person for person in (speaker, *recent) if person in faces]
        self.screens = [Content(person, "screen") for person in screens if person in faces]
        self.faces = [faces[person] for person in dict.fromkeys((*first, *faces))]
        self.speaker = faces.get(speaker) if speaker is not None else None
        self.all = frozenset((*self.screens, *self.faces))

    def equals(self, other: Scene) -> bool:
        """Whether there is the same to be seen, in the same order."""
        return (self.screens, self.faces, self.speaker) == (other.screens, other.faces, other.speaker)

    def count(self, viewer: str) -> int:
        """How many contents there are for this viewer, who does not see themselves."""
        return len(self.all) - (Content(viewer, "camera") in self.all) - (Content(viewer, "screen") in self.all)

    def for_viewer(self, viewer: str) -> Iterator[Content]:
        """All of them, screens first."""
        return (content for part in (self.screens, self.faces) for content in part if content.person != viewer)


def choose(scene: Scene, look: signaling.Look, viewer: str) -> Seating:
    """Whom `viewer` sees."""
    pinned = _pinned(scene, look, viewer)
    kept = _kept(scene, look, viewer, pinned)
    rest = scene.count(viewer) - len(kept)
    room = max(look.tiles - len(kept), 0)  # for the rest, on every page
    pages = max(-(-rest // room), 1) if room else 1
    page = min(look.page, pages - 1)
    staying = frozenset(kept)
    others = (content for content in scene.for_viewer(viewer) if content not in staying)
    large = kept[0] if kept else None
    shown = [*kept, *islice(others, page * room, (page + 1) * room)]
    sights = [
        Sight(content, _rank(content, scene, pinned), look.large if content == large else look.small)
        for content in shown
    ]
    return Seating(tuple(sights), large, page, pages)


def _pinned(scene: Scene, look: signaling.Look, viewer: str) -> list[Content]:
    wanted = (Content(pin.person, pin.source) for pin in look.pinned)
    return [content for content in dict.fromkeys(wanted) if content in scene.all and content.person != viewer]


def _kept(scene: Scene, look: signaling.Look, viewer: str, pinned: Sequence[Content]) -> list[Content]:
    """Who is seen on every page. One tile is left for the others, so that every page shows somebody new."""
    screens = [content for content in scene.screens if content.person != viewer]
    kept = list(dict.fromkeys((*pinned, *screens)))
    if not kept and look.layout == "speaker":
        kept = list(islice(scene.for_viewer(viewer), 1))  # who speaks, or spoke last
    return kept[: look.tiles - 1 if look.tiles > 1 else look.tiles]


def _rank(content: Content, scene: Scene, pinned: Sequence[Content]) -> Rank:
    if content in pinned:
        return "pinned"
    if content.source == "screen":
        return "screen"
    return "speaker" if content == scene.speaker else "rest"
