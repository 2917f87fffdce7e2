"""How fast comes what left since a moment."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media.passage import Passage


def test_what_comes_through_a_thin_line_tells_how_thin_it_is() -> None:
    passage = Passage(10.0)
    left = [10.0 + number * 0.001 for number in range(40)]
    came = [500.0 + number * 0.016 for number in range(40)]  # a thousand octets each: 500 kbit/s
    for at in range(0, 40, 10):
        passage.on_received([1000] * 10, left[at : at + 10], came[at : at + 10])
    assert passage.bitrate_bps == pytest.approx(500_000)


def test_what_left_before_does_not_count() -> None:
    passage = Passage(10.0)
    passage.on_received([1000] * 3, [9.0, 9.5, 9.9], [1.0, 1.5, 1.9])
    assert passage.bitrate_bps == math.inf
    passage.on_received([1000] * 2, [9.99, 10.0], [2.0, 2.1])
    passage.on_received([1000] * 4, [10.1] * 4, [2.2, 2.3, 2.4, 2.5])
    assert passage.bitrate_bps == pytest.approx(32_000 / 0.4)


def test_what_comes_while_nothing_waits_and_after_the_queue_has_drained_tells_nothing() -> None:
    """A voice goes on all the time; the burst between its packets makes 0.3 s of a queue."""
    passage = Passage(10.0)
    voice = [(10.0 + number * 0.02, 160) for number in range(60)]
    burst = [(10.2, 1000)] * 15
    free_at, came = 0.0, []
    for left, size in sorted(voice + burst):
        free_at = max(free_at, left) + 8 * size / 400_000
        came.append((size, left, free_at + 7.0))
    passage.on_received(*zip(*came, strict=True))
    assert passage.bitrate_bps == pytest.approx(400_000, rel=0.05)


def test_of_a_moment_and_of_a_voice_nothing_is_known() -> None:
    moment, voice = Passage(), Passage()
    moment.on_received([1000] * 10, [1.0] * 10, [1.0 + number * 0.01 for number in range(10)])
    voice.on_received([160] * 10, [1.0] * 10, [1.0 + number * 0.02 for number in range(10)])
    assert moment.bitrate_bps == voice.bitrate_bps == math.inf


@given(st.lists(st.tuples(st.integers(1, 1500), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1))
def test_nothing_raises_and_the_rate_is_no_nonsense(packets: list[tuple[int, float, float]]) -> None:
    passage = Passage(0.0)
    sizes, departures, arrivals = zip(*packets, strict=True)
    passage.on_received(sizes, departures, arrivals)
    assert passage.bitrate_bps >= 0
