"""Pictures of all codecs decoded, scaled and turned; and nothing that a stranger sends raises."""

from __future__ import annotations

import random

import numpy as np
import pytest

from meetref.media.canvas import planes
from meetref.media.codec.pictures import DECODERS, PictureDecoder, turned
from tests.media import layered, layeredformats


def frames(codec: str) -> list[tuple[bytes, np.ndarray]]:
    if codec == "VP8":
        return [(picture.frame, picture.shows) for picture in layered.coded("h")[:12]]
    return [(picture.frame, picture.shows) for picture in layeredformats.coded(codec, "h")[:12]]


@pytest.mark.parametrize("codec", DECODERS)
def test_every_picture_comes_out_at_once(codec: str) -> None:
    decoder = PictureDecoder(codec)
    for frame, shows in frames(codec):
        decoded = decoder.decode(frame)
        assert decoded is not None
        assert (decoded.width, decoded.height) == (96, 64)
        assert np.array_equal(decoded.scaled(96, 64), shows)
    assert decoder.failures == 0


def test_a_picture_is_had_in_any_size() -> None:
    decoded = PictureDecoder("VP8").decode(frames("VP8")[0][0])
    assert decoded is not None
    assert decoded.scaled(48, 32).shape == (48, 48)
    assert decoded.scaled(200, 30).shape == (45, 200)


def test_a_picture_is_turned() -> None:
    marked = np.full((6, 4), 128, dtype=np.uint8)
    marked[:4] = 16
    marked[0, 0], marked[4:].reshape(2, 2, 2)[0, 0, 0] = 235, 90  # the upper left corner
    corners = {0: (0, 0), 1: (0, -1), 2: (-1, -1), 3: (-1, 0)}
    for quarters, corner in corners.items():
        luma, blue, red = planes(turned(marked, quarters))
        assert luma[corner] == 235
        assert blue[corner] == 90
        assert np.all(red == 128)
    decoded = PictureDecoder("VP8").decode(frames("VP8")[0][0], turned=1)
    assert decoded is not None
    assert (decoded.width, decoded.height) == (64, 96)
    assert decoded.scaled(64, 96).shape == (144, 64)


@pytest.mark.parametrize("codec", DECODERS)
def test_no_octets_break_a_decoder(codec: str) -> None:
    dice, decoder = random.Random(5), PictureDecoder(codec)
    for number in range(60):
        frame = bytearray(frames(codec)[number % 12][0])
        for _ in range(dice.randrange(8)):
            frame[dice.randrange(min(60, len(frame)))] = dice.randrange(256)
        decoder.decode(bytes(frame[: dice.randrange(len(frame))]))
        decoder.decode(dice.randbytes(dice.randrange(50)))
    assert decoder.failures > 0
    assert decoder.decode(b"") is None
