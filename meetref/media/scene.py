"""The picture of a meeting as somebody would see it who sees everybody: tiles with the newest picture of each, names,
and initials where there is no picture.

Who composes or mixes says who is there (`arrange`) and gives every new picture (`show`); `picture` is what it looks
like now. Only what has changed is drawn: a picture is scaled once, when it is looked at, and one that was followed by
another before that is never scaled at all.
Stands on `media/canvas`, `layout` and `lettering`, and knows nothing of time, of rooms and of recordings.
Leaves out: who is there, and who is large. Read next: `archive/film.py`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

from meetref.media.canvas import NIGHT, Canvas, Rectangle
from meetref.media.codec import Picture
from meetref.media.layout import fitted, grid, stage
from meetref.media.lettering import plate, portrait

MOST = 25
"""Tiles of a picture; who comes after that is heard."""
MOST_BESIDE = 8
PLATE = 1 / 26  # of the picture's height
SMALLEST_PLATE = 14  # pixels


class Shown(Protocol):
    """A picture that can be had in any size."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    def scaled(self, width: int, height: int) -> Picture: ...


@dataclass(slots=True, frozen=True)
class Tile:
    """Somebody, or somebody's screen, under a key of the caller's."""

    key: Hashable
    name: str
    muted: bool = False


class Scene:
    """See the module. All pictures have even sides."""

    def __init__(self, width: int, height: int) -> None:
        self._canvas = Canvas(width, height)
        self._tiles: list[Tile] = []
        self._has_large = False
        self._places: dict[Hashable, tuple[Tile, Rectangle]] = {}
        self._newest: dict[Hashable, Shown] = {}
        self._stale: set[Hashable] = set()
        self._inside: dict[Hashable, Rectangle] = {}  # where in its place a tile was drawn last
        self._plates: dict[tuple[str, bool, int], Picture] = {}

    def arrange(self, tiles: Sequence[Tile], *, has_large: bool) -> None:
        """Show these from now on, in this order; with `has_large` the first one large and the others beside it."""
        shown = list(tiles[: 1 + MOST_BESIDE if has_large else MOST])
        if shown == self._tiles and has_large == self._has_large:
            return
        self._tiles, self._has_large = shown, has_large
        canvas = self._canvas
        places = (stage if has_large else grid)(len(shown), canvas.width, canvas.height)
        self._places = {tile.key: (tile, place) for tile, place in zip(shown, places, strict=True)}
        self._stale = set(self._places)
        self._inside.clear()
        self._plates.clear()
        canvas.fill(Rectangle(0, 0, canvas.width, canvas.height), NIGHT)

    def show(self, key: Hashable, picture: Shown | None) -> None:
        """This is the newest picture of a tile, also of one that is not there yet; None: there is none any more."""
        if picture is not None:
            self._newest[key] = picture
        elif self._newest.pop(key, None) is None:
            return
        self._stale.add(key)

    @property
    def picture(self) -> Picture:
        """What it looks like now: always the same array."""
        for key in self._stale:
            if key in self._places:
                self._draw(*self._places[key])
        self._stale.clear()
        return self._canvas.picture

    def _draw(self, tile: Tile, place: Rectangle) -> None:
        shown, inside = self._newest.get(tile.key), place
        if shown is None:
            self._canvas.lay(portrait(tile.name, place.width, place.height), place.left, place.top)
        else:
            inside = fitted(shown.width, shown.height, place)
            if inside != self._inside.get(tile.key, inside):
                self._canvas.fill(place, NIGHT)
            self._canvas.lay(shown.scaled(inside.width, inside.height), inside.left, inside.top)
        self._inside[tile.key] = inside
        self._label(tile, place)

    def _label(self, tile: Tile, place: Rectangle) -> None:
        height = max(SMALLEST_PLATE, int(self._canvas.height * PLATE) // 2 * 2)
        if height > place.height or height * 2 > place.width:
            return
        key = tile.name, tile.muted, place.width
        if key not in self._plates:
            self._plates[key] = plate(tile.name, height, place.width, muted=tile.muted)
        self._canvas.lay(self._plates[key], place.left, place.top + place.height - height)
