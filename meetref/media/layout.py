"""Where people and screens are in a picture: a grid of equals, or one that is large with the others beside it.

Pure reckoning in even pixels. Stands beside `media/canvas`, below `media/scene`.
Specification: ours. Tiles are 16:9, as most cameras are, and a row that is not full stands in the middle.
Leaves out: who is seen, and who is large. Read next: `media/scene.py`.
"""

from __future__ import annotations

import math

from meetref.media.canvas import Rectangle

ASPECT = 16 / 9
GAP = 8  # pixels between tiles and around them
BESIDE = 0.2  # of the width is for those beside a large one


def grid(count: int, width: int, height: int) -> list[Rectangle]:
    """So many equal tiles, as large as they can be, from left to right and from top to bottom."""
    if count < 1:
        return []
    columns = max(range(1, count + 1), key=lambda columns: _tile(count, columns, width, height)[0])
    wide, high = _tile(count, columns, width, height)
    rows = math.ceil(count / columns)
    top = (height - rows * high - (rows - 1) * GAP) // 2
    tiles = []
    for number in range(count):
        row, column = divmod(number, columns)
        in_row = min(columns, count - row * columns)
        left = (width - in_row * wide - (in_row - 1) * GAP) // 2
        tiles.append(Rectangle(_even(left + column * (wide + GAP)), _even(top + row * (high + GAP)), wide, high))
    return tiles


def stage(count: int, width: int, height: int) -> list[Rectangle]:
    """The large one first, and beside it, at the right, a column of the others. Alone it has all the room."""
    if count <= 1:
        return [Rectangle(0, 0, width, height)] if count else []
    others = count - 1
    wide = width * BESIDE
    high = min(wide / ASPECT, (height - (others + 1) * GAP) / others)
    wide, high = _even(max(2.0, high * ASPECT)), _even(max(2.0, high))
    top = (height - others * high - (others - 1) * GAP) // 2
    left = width - wide - GAP
    large = Rectangle(GAP, GAP, _even(left - 2 * GAP), _even(height - 2 * GAP))
    column = [Rectangle(_even(left), _even(top + place * (high + GAP)), wide, high) for place in range(others)]
    return [large, *column]


def fitted(width: int, height: int, place: Rectangle) -> Rectangle:
    """The largest rectangle in `place`, in its middle, with the shape of a picture of this size."""
    scale = min(place.width / width, place.height / height)
    wide, high = max(2, _even(width * scale)), max(2, _even(height * scale))
    left, top = place.left + (place.width - wide) / 2, place.top + (place.height - high) / 2
    return Rectangle(_even(left), _even(top), wide, high)


def _tile(count: int, columns: int, width: int, height: int) -> tuple[int, int]:
    """How large tiles can be in so many columns."""
    rows = math.ceil(count / columns)
    wide = (width - (columns + 1) * GAP) / columns
    high = (height - (rows + 1) * GAP) / rows
    wide = min(wide, high * ASPECT)
    return max(2, _even(wide)), max(2, _even(wide / ASPECT))


def _even(length: float) -> int:
    return int(length) // 2 * 2
