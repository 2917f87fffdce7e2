"""The test picture: its tag survives the codec and every scale, and nothing else looks like one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from meetref.app.picture import PERIOD, Painter, read_pattern
from meetref.media.codec import VideoDecoder, VideoEncoder


def scaled(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("number", [0, 7, 15])
def test_the_tag_survives_a_poor_line_and_every_scale(number: int) -> None:
    painter = Painter("Ada", number)
    encoder = VideoEncoder(painter.width, painter.height, frame_rate=20, bitrate_bps=120_000)
    decoder = VideoDecoder()
    for counter in range(0, 5000, 250):
        picture = decoder.decode(encoder.encode(painter.paint(counter, "12:34:56")))
        assert picture is not None
        assert read_pattern(picture) == (number, counter % 4096)
        for size in ((1280, 720), (480, 270), (320, 180), (213, 120), (160, 90)):
            assert read_pattern(scaled(picture, *size)) == (number, counter % 4096)


def test_a_canvas_has_four_colours_and_luma_has_one() -> None:
    painter = Painter("Ada", 3, width=320, height=180)
    luma = painter.paint(77, "")[:180]
    assert read_pattern(luma) == (3, 77)
    canvas = np.dstack([luma, luma, luma, np.full_like(luma, 255)])
    assert read_pattern(canvas) == (3, 77)


@given(st.integers(0, 1000), st.integers(0, 100_000))
def test_any_sender_and_counter(number: int, counter: int) -> None:
    painter = Painter("x", number, width=80, height=48)
    assert read_pattern(painter.paint(counter, "")[:48]) == (number % 16, counter % 4096)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_picture_without_a_tag(value: int) -> None:
    assert read_pattern(np.full((360, 640, 3), value, dtype=np.uint8)) is None
    assert read_pattern(np.full((10, 10), value, dtype=np.uint8)) is None


def test_noise_has_no_tag() -> None:
    dice = np.random.default_rng(5)
    for _ in range(200):
        assert read_pattern(dice.integers(0, 256, (90, 160, 3), dtype=np.uint8)) is None


def test_a_tag_with_a_wrong_square_is_none() -> None:
    painter = Painter("Ada", 3)
    for place in range(24):
        luma = painter.paint(1234, "")[:360].copy()
        left, top = 640 - round((8.5 - place % 8) * 16), 360 - round((3.5 - place // 8) * 16)
        luma[top : top + 16, left : left + 16] = 251 - luma[top : top + 16, left : left + 16]
        assert read_pattern(luma) is None


def test_the_picture_moves_and_comes_back() -> None:
    painter = Painter("Ada", 0)
    first, other, again = (painter.paint(counter, "12:00:00").copy() for counter in (0, 20, PERIOD * 4096))
    assert np.count_nonzero(first != other) > 10_000
    assert np.array_equal(first, again)


def test_name_and_clock_are_in_the_picture() -> None:
    plain, named = Painter("", 0).paint(0, ""), Painter("Ada", 0).paint(0, "")
    assert np.count_nonzero(plain != named) > 200
    assert np.count_nonzero(named != Painter("Ada", 0).paint(0, "12:00:00")) > 200


@pytest.mark.parametrize("name", ["", "x" * 1000, "\N{SNOWMAN}\N{HEBREW LETTER ALEF}", "a\nb", "<b>"])
def test_any_name_can_be_painted(name: str) -> None:
    assert read_pattern(Painter(name, 1).paint(5, name)[:360]) == (1, 5)


@pytest.mark.parametrize("size", [(642, 360), (640, 361), (40, 40)])
def test_sides_that_do_not_fit(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="multiples of 4"):
        Painter("Ada", 0, width=size[0], height=size[1])
