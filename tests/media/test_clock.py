"""Wall clock, RTP time and seconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media.clock import Timeline, from_ntp, middle, round_trip_time, to_ntp

words = st.integers(0, 2**32 - 1)


@given(st.floats(0, 2_085_000_000))
def test_ntp_and_back(wall: float) -> None:
    assert from_ntp(to_ntp(wall)) == pytest.approx(wall, abs=1e-6)


def test_the_known_moment() -> None:
    assert to_ntp(0.5) == 2_208_988_800 << 32 | 1 << 31
    assert middle(0x11112222_33334444) == 0x22223333


@pytest.mark.spec("rtcp/round-trip")
def test_the_example_of_the_document() -> None:
    # RFC 3550 section 6.4.1, figure 2: report at 0xb44db705:20000000, delay 5.250 s, arrival 0xb710:8000 in the middle.
    assert round_trip_time(0xB7108000, 0xB7052000, 0x00054000) == pytest.approx(6.125)


@pytest.mark.spec("rtcp/round-trip")
@given(words, words, words)
def test_no_block_gives_a_negative_round_trip(now: int, last: int, delay: int) -> None:
    answer = round_trip_time(now, last, delay)
    assert answer is None or 0 <= answer < 32768
    assert round_trip_time(now, 0, delay) is None


def test_round_trip_across_the_wrap() -> None:
    assert round_trip_time(0x00008000, 0xFFFF8000, 0x00008000) == pytest.approx(0.5)


def test_a_timeline_knows_nothing_before_a_report() -> None:
    timeline = Timeline(90_000)
    assert not timeline.known
    assert timeline.wall_of(0) is None
    assert timeline.timestamp_at(0.0) is None


@given(words, st.floats(-3600, 3600), st.sampled_from([48_000, 90_000]))
def test_a_timeline_goes_both_ways_across_the_wrap(timestamp: int, seconds: float, rate: int) -> None:
    timeline = Timeline(rate)
    timeline.on_sender_report(to_ntp(1_700_000_000.25), timestamp)
    assert timeline.known
    at = timeline.timestamp_at(1_700_000_000.25 + seconds)
    assert at is not None
    assert timeline.wall_of(at) == pytest.approx(1_700_000_000.25 + seconds, abs=1 / rate + 1e-6)
