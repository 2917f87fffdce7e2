"""Soft, with pauses, told apart by pitch, and the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from meetref.app.sound import FULL_SCALE, LOUDEST, Tone, Voice, level_of, silence, tone_of
from meetref.media.codec import SoundDecoder, SoundEncoder


def hear(speaker: Voice | Tone, seconds: float) -> np.ndarray:
    return np.concatenate([speaker.speak() for _ in range(round(seconds * 50))])


@pytest.mark.parametrize("number", range(16))
def test_a_voice_is_soft_and_pauses(number: int) -> None:
    samples = hear(Voice(number), 6)
    peak = np.abs(samples.astype(int)).max() / FULL_SCALE
    assert 0.03 < peak <= LOUDEST
    assert samples.dtype == np.int16
    packets = samples.reshape(-1, 960)
    silent = sum(not packet.any() for packet in packets) / len(packets)
    assert 0.15 < silent < 0.45


@pytest.mark.parametrize("speaker", [*map(Voice, range(16)), *map(tone_of, range(16)), Tone(300, level=0.0)])
def test_nothing_that_is_heard_is_louder_than_twenty_decibels_below_full_scale(speaker: Voice | Tone) -> None:
    encoder, decoder = SoundEncoder(), SoundDecoder()  # lossy: what comes out is louder than what went in
    heard = np.concatenate([decoder.decode(encoder.encode(speaker.speak())) for _ in range(300)])
    assert np.abs(heard.astype(int)).max() < 0.1 * FULL_SCALE


def test_a_voice_has_no_clicks() -> None:
    samples = hear(Voice(4), 6).astype(int)
    assert np.abs(np.diff(samples)).max() < 2500
    borders = np.abs(np.diff(samples))[959::960]
    assert borders.max() < 2000


def test_a_voice_says_the_same_every_time() -> None:
    assert np.array_equal(hear(Voice(2), 1), hear(Voice(2), 1))
    assert not np.array_equal(hear(Voice(2), 1), hear(Voice(3), 1))


@pytest.mark.parametrize("number", [0, 5, 15])
def test_a_tone_is_what_its_number_says(number: int) -> None:
    samples = hear(tone_of(number), 1)
    assert int(np.abs(np.fft.rfft(samples)).argmax()) == 400 + 150 * number
    assert level_of(samples) == 29  # -26 dBFS peak, 3 less for a sine's mean


def test_a_tone_is_never_too_loud() -> None:
    assert np.abs(hear(Tone(440, level=0.0), 0.1).astype(int)).max() <= LOUDEST * FULL_SCALE


def test_levels() -> None:
    assert level_of(silence()) == 127
    assert level_of(np.full(960, -32768, dtype=np.int16)) == 0
    assert level_of(np.full(960, 3277, dtype=np.int16)) == 20
    assert level_of(np.array([1] + [0] * 959, dtype=np.int16)) == 120
    assert level_of(np.zeros(0, dtype=np.int16)) == 127
