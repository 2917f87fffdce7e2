"""Who is where in the picture of a meeting, and that only what has changed is drawn."""

from __future__ import annotations

import numpy as np

from meetref.media.canvas import planes
from meetref.media.codec import Picture
from meetref.media.layout import grid, stage
from meetref.media.scene import MOST, MOST_BESIDE, Scene, Tile

WIDTH, HEIGHT = 320, 180


class Plain:
    """A picture of one grey that counts how often it was scaled."""

    def __init__(self, luma: int, width: int = 640, height: int = 360) -> None:
        self.width, self.height, self.luma = width, height, luma
        self.scalings = 0

    def scaled(self, width: int, height: int) -> Picture:
        self.scalings += 1
        picture = np.full((height * 3 // 2, width), 128, dtype=np.uint8)
        picture[:height] = self.luma
        return picture


def luma_in(scene: Scene, place: tuple[int, int, int, int]) -> int:
    luma, _, _ = planes(scene.picture)
    return int(luma[place[1] + place[3] // 2, place[0] + place[2] // 2])


def tiles(*names: str) -> list[Tile]:
    return [Tile(name, name) for name in names]


def test_everybody_is_in_the_grid() -> None:
    scene, places = Scene(WIDTH, HEIGHT), grid(3, WIDTH, HEIGHT)
    scene.arrange(tiles("a", "b", "c"), has_large=False)
    for name, luma in (("a", 60), ("b", 120), ("c", 180)):
        scene.show(name, Plain(luma))
    assert [luma_in(scene, place) for place in places] == [60, 120, 180]


def test_a_picture_is_scaled_once_and_only_when_it_is_looked_at() -> None:
    scene, first, second = Scene(WIDTH, HEIGHT), Plain(60), Plain(61)
    scene.arrange(tiles("a", "b"), has_large=False)
    scene.show("a", first)
    scene.show("a", second)
    for _ in range(3):
        assert scene.picture.shape == (HEIGHT * 3 // 2, WIDTH)
    scene.arrange(tiles("a", "b"), has_large=False)
    assert scene.picture is scene.picture
    assert (first.scalings, second.scalings) == (0, 1)


def test_who_becomes_large_is_drawn_anew() -> None:
    scene = Scene(WIDTH, HEIGHT)
    scene.arrange(tiles("a", "b", "c"), has_large=False)
    scene.show("b", Plain(200))
    assert luma_in(scene, grid(3, WIDTH, HEIGHT)[1]) == 200
    scene.arrange(tiles("b", "a", "c"), has_large=True)
    assert luma_in(scene, stage(3, WIDTH, HEIGHT)[0]) == 200


def test_without_a_picture_there_are_initials_on_a_colour() -> None:
    scene = Scene(WIDTH, HEIGHT)
    scene.arrange(tiles("a"), has_large=False)
    before = scene.picture.copy()
    scene.show("a", Plain(222))
    assert not np.array_equal(scene.picture, before)
    scene.show("a", None)
    scene.show("nobody", None)
    assert np.array_equal(scene.picture, before)


def test_a_picture_keeps_its_shape() -> None:
    scene, [place] = Scene(WIDTH, HEIGHT), grid(1, WIDTH, HEIGHT)
    scene.arrange(tiles("a"), has_large=False)
    scene.show("a", Plain(222, 300, 600))
    luma, _, _ = planes(scene.picture)
    middle = luma[place.top + place.height // 2]
    assert np.count_nonzero(middle == 222) in range(place.height // 2 - 4, place.height // 2 + 4)


def test_names_and_muted_marks_are_at_the_lower_left() -> None:
    scene, [place] = Scene(WIDTH, HEIGHT), grid(1, WIDTH, HEIGHT)
    scene.arrange([Tile("a", "Ada", muted=False)], has_large=False)
    scene.show("a", Plain(100))
    before = scene.picture.copy()
    corner = planes(before)[0][place.top + place.height - 14 : place.top + place.height, place.left : place.left + 30]
    assert corner.max() > 180
    scene.arrange([Tile("a", "Ada", muted=True)], has_large=False)
    assert not np.array_equal(scene.picture, before)


def test_there_are_not_more_tiles_than_can_be_seen() -> None:
    scene = Scene(WIDTH, HEIGHT)
    many = [Tile(number, str(number)) for number in range(40)]
    for has_large, shown in ((False, MOST), (True, 1 + MOST_BESIDE)):
        scene.arrange(many, has_large=has_large)
        last, hidden = Plain(100), Plain(100)
        scene.show(shown - 1, last)
        scene.show(shown, hidden)
        assert scene.picture.any()
        assert (last.scalings, hidden.scalings) == (1, 0)


def test_a_room_without_anybody_is_dark() -> None:
    scene = Scene(WIDTH, HEIGHT)
    scene.arrange([], has_large=True)
    assert len(np.unique(planes(scene.picture)[0])) == 1
