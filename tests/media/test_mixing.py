"""Sounds at their time: pauses are silent, another clock is followed, and loud sums are bent instead of cut."""

from __future__ import annotations

import numpy as np

from meetref.media.mixing import FULL_SCALE, KNEE, LONGEST_AHEAD, Voice, mixed


def tone(count: int, begin: int = 0, frequency: float = 440.0) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * frequency * (begin + np.arange(count)) / 48000)).astype(np.int16)


def given(voice: Voice, count: int) -> np.ndarray:
    samples = voice.take(count)
    return np.zeros(count, dtype=np.int16) if samples is None else samples


def test_sounds_are_heard_at_their_time() -> None:
    voice = Voice()
    voice.put(0.5, tone(960))
    voice.put(0.52, tone(960, 960))
    heard = np.concatenate([given(voice, 1600) for _ in range(30)])
    assert np.array_equal(np.flatnonzero(heard)[[0, -1]], np.array([24001, 25919]))
    assert np.array_equal(heard[24000:25920], tone(1920))


def test_where_nothing_is_heard_there_is_nothing() -> None:
    voice = Voice()
    voice.put(1.0, tone(960))
    assert voice.take(48000) is None
    assert voice.take(48000) is not None
    assert voice.take(48000) is None


def test_a_clock_that_is_off_is_followed_without_a_gap() -> None:
    """200 ppm over a minute are 576 samples; each sound is at its time to the millisecond, give or take one step."""
    voice, worst = Voice(), 0.0
    heard = list[np.ndarray]()
    for number in range(3000):
        at = number * 0.02 * (1 + 200e-6)
        voice.put(at, tone(960, number * 960))
        worst = max(worst, abs(voice.ends / 48000 - at - 0.02))
        heard.append(given(voice, 960))
    assert worst < 0.0015
    assert voice.dropped == 0
    together = np.abs(np.concatenate(heard).astype(int)[960:])
    assert np.convolve(together, np.ones(120), "valid").min() > 120 * 3000  # never silent


def test_what_comes_too_late_is_dropped_and_counted() -> None:
    voice = Voice()
    voice.take(48000)
    voice.put(0.5, tone(960))
    voice.put(0.99, tone(960))  # half of it can still be heard
    assert voice.dropped == 1
    assert np.count_nonzero(given(voice, 960)) == 479


def test_what_is_too_far_ahead_is_dropped_and_counted() -> None:
    voice = Voice()
    voice.put(LONGEST_AHEAD / 48000, tone(960))
    assert voice.dropped == 1
    assert voice.take(48000) is None


def test_sounds_that_say_the_same_time_follow_each_other() -> None:
    voice = Voice()
    for _ in range(3):
        voice.put(0.1, tone(4800))
    assert np.count_nonzero(given(voice, 24000)) < 3 * 4800
    assert voice.dropped == 2


def test_a_single_sound_is_not_touched() -> None:
    assert np.array_equal(mixed([None, tone(960), None], 960), tone(960))
    assert not mixed([None, None], 960).any()


def test_quiet_sounds_are_added() -> None:
    one, other = tone(960), tone(960, frequency=700.0)
    assert np.array_equal(mixed([one, other], 960), one + other)


def test_loud_sums_are_bent_and_keep_their_order() -> None:
    ramp = np.linspace(-32000, 32000, 960).astype(np.int16)
    loud = mixed([ramp, ramp, ramp], 960)
    assert np.abs(loud.astype(int)).max() <= FULL_SCALE
    assert np.all(np.diff(loud.astype(int)) >= 0)
    quiet = np.abs(3 * ramp.astype(int)) <= KNEE
    assert np.array_equal(loud[quiet], (3 * ramp.astype(int))[quiet])
