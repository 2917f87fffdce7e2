"""Planes that are laid where they belong, also at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from meetref.media.canvas import NIGHT, Canvas, Colour, Rectangle, planes


def plain(width: int, height: int, colour: Colour) -> np.ndarray:
    picture = np.empty((height * 3 // 2, width), dtype=np.uint8)
    for plane, value in zip(planes(picture), colour, strict=True):
        plane[:] = value
    return picture


def colour_at(canvas: Canvas, x: int, y: int) -> tuple[int, ...]:
    luma, blue, red = planes(canvas.picture)
    return int(luma[y, x]), int(blue[y // 2, x // 2]), int(red[y // 2, x // 2])


def test_a_canvas_is_night_at_first() -> None:
    canvas = Canvas(16, 10)
    assert canvas.picture.shape == (15, 16)
    assert {colour_at(canvas, x, y) for x in range(16) for y in range(10)} == {tuple(NIGHT)}


def test_a_picture_is_where_it_was_laid_and_nowhere_else() -> None:
    canvas, blue = Canvas(32, 18), Colour(41, 240, 110)
    canvas.lay(plain(8, 6, blue), 10, 4)
    inside = {(x, y) for x in range(10, 18) for y in range(4, 10)}
    for x in range(32):
        for y in range(18):
            assert colour_at(canvas, x, y) == (tuple(blue) if (x, y) in inside else tuple(NIGHT)), (x, y)


def test_what_would_be_outside_is_left_away() -> None:
    canvas, red = Canvas(16, 10), Colour(81, 90, 240)
    canvas.lay(plain(8, 6, red), 12, 6)
    assert colour_at(canvas, 15, 9) == tuple(red)
    assert colour_at(canvas, 11, 9) == tuple(NIGHT)


def test_a_place_is_filled() -> None:
    canvas, white = Canvas(16, 10), Colour(235, 128, 128)
    canvas.fill(Rectangle(4, 2, 6, 4), white)
    assert colour_at(canvas, 4, 2) == colour_at(canvas, 9, 5) == tuple(white)
    assert colour_at(canvas, 10, 5) == colour_at(canvas, 9, 6) == tuple(NIGHT)


@pytest.mark.parametrize("size", [(15, 10), (16, 9), (0, 10)])
def test_sides_are_even(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="even sides"):
        Canvas(*size)
