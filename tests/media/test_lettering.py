"""Names in plates of a fixed height, initials as the page has them, and colours that tell people apart."""

from __future__ import annotations

import numpy as np
import pytest

from meetref.media.canvas import planes
from meetref.media.lettering import colour_of, initials, plate, portrait


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Ada Lovelace", "AL"),
        ("ada", "A"),
        ("Carl Friedrich Gauß", "CG"),
        ("jean-luc_p.", "JP"),
        ("  ", "?"),
        ("é", "É"),
    ],
)
def test_initials(name: str, letters: str) -> None:
    assert initials(name) == letters


@pytest.mark.parametrize("name", ["", "x", "Ada", "Grace " * 40, "中文名字", "\u202e\x00"])
@pytest.mark.parametrize("muted", [False, True])
def test_a_plate_has_its_height_and_never_more_than_its_width(name: str, muted: bool) -> None:
    made = plate(name, 26, 200, muted=muted)
    assert made.shape[0] == 39
    assert 0 < made.shape[1] <= 200
    assert made.shape[1] % 2 == 0


def test_the_letters_are_white_on_dark() -> None:
    luma, _, _ = planes(plate("Ada", 26, 200))
    assert luma.max() > 200
    assert np.median(luma) < 60


def test_who_is_muted_has_a_mark() -> None:
    assert plate("Ada", 26, 200, muted=True).shape[1] > plate("Ada", 26, 200).shape[1]
    _, _, red = planes(plate("Ada", 26, 200, muted=True))
    assert red.max() > 160


def test_a_portrait_is_of_the_colour_of_its_name() -> None:
    one, other = portrait("Ada", 64, 36), portrait("Emmy", 64, 36)
    assert one.shape == (54, 64)
    assert np.array_equal(one, portrait("Ada", 64, 36))
    assert not np.array_equal(one, other)
    assert len({colour_of(f"name {number}") for number in range(200)}) == 24
