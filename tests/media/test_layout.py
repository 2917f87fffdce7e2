"""Tiles lie within the picture, on even pixels, none on another, and are as large as they can be."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media.canvas import Rectangle
from meetref.media.layout import fitted, grid, stage

SIZES = [(1280, 720), (640, 360), (720, 1280), (320, 180)]


def overlap(one: Rectangle, other: Rectangle) -> bool:
    across = one.left < other.left + other.width and other.left < one.left + one.width
    return across and one.top < other.top + other.height and other.top < one.top + one.height


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("arrange", "most"), [(grid, 25), (stage, 9)])
def test_tiles_are_even_within_and_apart(
    arrange: Callable[[int, int, int], list[Rectangle]], most: int, size: tuple[int, int]
) -> None:
    for count in range(most + 1):
        tiles = arrange(count, *size)
        assert len(tiles) == count
        for tile in tiles:
            assert not any(side % 2 for side in tile)
            assert tile.left >= 0 <= tile.top
            assert tile.left + tile.width <= size[0]
            assert tile.top + tile.height <= size[1]
            assert tile.width > 0 < tile.height
        assert not any(overlap(*pair) for pair in combinations(tiles, 2))


def test_four_are_two_by_two() -> None:
    tiles = grid(4, 1280, 720)
    assert len({tile.left for tile in tiles}) == len({tile.top for tile in tiles}) == 2
    assert tiles[0].width > 610


def test_the_large_one_has_most_of_the_picture() -> None:
    large, *others = stage(5, 1280, 720)
    assert large.width * large.height > 0.7 * 1280 * 720
    assert len({(tile.left, tile.width) for tile in others}) == 1


def test_alone_the_large_one_has_all() -> None:
    assert stage(1, 1280, 720) == [(0, 0, 1280, 720)]


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_a_picture_fits_its_place_in_its_own_shape(width: int, height: int) -> None:
    place = Rectangle(40, 20, 640, 360)
    inside = fitted(width, height, place)
    assert not any(side % 2 for side in inside)
    assert inside.left >= 40
    assert inside.top >= 20
    assert inside.left + inside.width <= 680
    assert inside.top + inside.height <= 380
    assert inside.width >= 638 or inside.height >= 358
