"""The checked-in frames can be decoded from the first one on, the generator repeats itself, any file is survived."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.app import frames
from meetref.app.frames.__main__ import make
from meetref.app.picture import read_pattern
from meetref.app.sound import level_of
from meetref.media.codec import SoundDecoder, VideoDecoder
from meetref.wire.reader import Malformed


def test_every_picture_is_there() -> None:
    pictures = frames.load().pictures
    assert len(pictures) == frames.FRAME_RATE * frames.LENGTH
    decoder = VideoDecoder()
    for _ in range(2):  # the loop begins again with its keyframe
        for number, octets in enumerate(pictures):
            picture = decoder.decode(octets)
            assert picture is not None
            assert picture.shape == (frames.HEIGHT, frames.WIDTH, 3)
            assert read_pattern(picture) == (0, number)
    assert sum(len(octets) for octets in pictures) < 120_000


def test_the_voice_is_there_and_soft() -> None:
    sounds = frames.load().sounds
    assert len(sounds) == 50 * frames.LENGTH
    decoder = SoundDecoder()
    for packet, level in sounds:
        samples = decoder.decode(packet)
        assert samples.shape == (960,)
        assert np.abs(samples.astype(int)).max() < 3277  # -20 dBFS
        assert 0 <= level <= 127
    assert decoder.failures == 0
    assert len({level for _, level in sounds}) > 10


def test_the_generator_makes_the_same_twice() -> None:
    first, second = make(), make()
    assert first == second
    assert [level for _, level in first.sounds] == [level for _, level in frames.load().sounds]
    assert len(first.pictures) == len(frames.load().pictures)


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_ivf_round_trip(pictures: list[bytes]) -> None:
    assert frames.parse_ivf(frames.serialize_ivf(tuple(pictures), 320, 180, 15)) == tuple(pictures)


@given(st.lists(st.tuples(st.binary(max_size=30), st.integers(0, 127)), max_size=5))
def test_voice_round_trip(sounds: list[tuple[bytes, int]]) -> None:
    assert frames.parse_voice(frames.serialize_voice(tuple(sounds))) == tuple(sounds)


@given(st.binary(max_size=80))
def test_any_file_is_read_or_malformed(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert frames.serialize_voice(frames.parse_voice(data)) == data
    for text in (data, frames.serialize_ivf((), 1, 1, 1) + data):
        with contextlib.suppress(Malformed):
            pictures = frames.parse_ivf(text)
            assert sum(len(picture) for picture in pictures) <= len(data)


def test_another_codec_is_not_read() -> None:
    wrong = frames.serialize_ivf((b"x",), 1, 1, 1).replace(b"VP80", b"VP90")
    with pytest.raises(Malformed, match="VP8"):
        frames.parse_ivf(wrong)


def test_levels_are_those_of_what_is_heard() -> None:
    decoder = SoundDecoder()
    heard = [(level_of(decoder.decode(packet)), level) for packet, level in frames.load().sounds]
    loud = [(got, told) for got, told in heard if told < 45]
    assert abs(np.mean([got - told for got, told in loud])) < 6
