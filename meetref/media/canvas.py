"""A picture that others are laid on: planar YUV 4:2:0 all the way, so that nothing is converted twice.

Stands below `media/scene`, which says what goes where. Whoever draws names and avatars is `media/lettering`.
Specification: ITU-R BT.601, limited range: black is 16, white 235, no colour 128.
Leaves out: scaling, which is swscale's (`media/codec/pictures`), and anything that shines through: every part is
opaque, so that laying is copying. Read next: `media/layout.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from meetref.media.codec import Picture

Plane = NDArray[np.uint8]


class Rectangle(NamedTuple):
    """A place in pixels; all four are even, since two by two pixels share a colour."""

    left: int
    top: int
    width: int
    height: int


class Colour(NamedTuple):
    """Luma and both colour differences."""

    luma: int
    blue: int
    red: int


NIGHT = Colour(27, 131, 126)
"""What is behind everything."""


def planes(picture: Picture) -> tuple[Plane, Plane, Plane]:
    """Luma and the two planes of colour differences of a planar picture, as views."""
    height, width = picture.shape[0] * 2 // 3, picture.shape[1]
    halves = picture[height:].reshape(2, height // 2, width // 2)
    return picture[:height], halves[0], halves[1]


class Canvas:
    """`picture` is what is drawn so far, always the same array. Width and height are even."""

    def __init__(self, width: int, height: int) -> None:
        if width % 2 or height % 2 or width <= 0 or height <= 0:
            raise ValueError(f"a canvas has even sides, not {width} x {height}")
        self.width = width
        self.height = height
        self.picture: Picture = np.empty((height * 3 // 2, width), dtype=np.uint8)
        self._planes = planes(self.picture)
        self.fill(Rectangle(0, 0, width, height), NIGHT)

    def fill(self, place: Rectangle, colour: Colour) -> None:
        """Paint a place, which lies within the canvas."""
        for plane, value, share in zip(self._planes, colour, (1, 2, 2), strict=True):
            plane[_cut(place, share)] = value

    def lay(self, picture: Picture, left: int, top: int) -> None:
        """Lay a planar picture at an even point; what would be outside is left away."""
        height, width = picture.shape[0] * 2 // 3, picture.shape[1]
        place = Rectangle(left, top, min(width, self.width - left), min(height, self.height - top))
        for plane, part, share in zip(self._planes, planes(picture), (1, 2, 2), strict=True):
            plane[_cut(place, share)] = part[: place.height // share, : place.width // share]


def _cut(place: Rectangle, share: int) -> tuple[slice, slice]:
    left, top, width, height = (side // share for side in place)
    return slice(top, top + height), slice(left, left + width)
