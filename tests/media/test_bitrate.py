"""What a stream takes, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media.bitrate import HEADERS, KEYFRAMES_WINDOW, STEP, WINDOW, LayerRates, Rate


@dataclass
class Packet:
    tail: bytes
    timestamp: int = 0
    starts: bool = False
    marker: int = 0x80
    temporal: int = 0
    spatial: int | None = None
    ends: bool = False


def only(rates: LayerRates, now: float) -> list[Rate]:
    """What is told of a stream of one size."""
    (told,) = rates.of_sizes(now)
    return told


def fill(rates: LayerRates, seconds: float, octets: int) -> float:
    """Thirty pictures a second of one packet each, in the pattern 0 2 1 2."""
    now = 100.0
    for number in range(round(seconds * 30)):
        now = 100.0 + number / 30
        rates.add([Packet(bytes(octets - HEADERS), number, temporal=(0, 2, 1, 2)[number % 4])], now)
    return now


@pytest.mark.parametrize("seconds", [2.0, 10.0])
def test_each_layer_is_told_with_those_below_it(seconds: float) -> None:
    rates = LayerRates()
    now = fill(rates, seconds, 1000)
    told = only(rates, now)
    assert [rate.frame_rate for rate in told] == pytest.approx([7.5, 15, 30], rel=0.1)
    assert [rate.bitrate_bps for rate in told] == pytest.approx([60_000, 120_000, 240_000], rel=0.1)


def test_a_stream_that_has_just_begun_is_not_told_as_smaller_than_it_is() -> None:
    rates = LayerRates()
    now = fill(rates, 0.5, 1000)
    assert only(rates, now)[-1].bitrate_bps == pytest.approx(240_000, rel=0.15)


def test_a_keyframe_does_not_make_a_stream_look_dearer_than_it_is_for_long() -> None:
    rates = LayerRates()
    now = fill(rates, 3.0, 1000)
    keyframe = [Packet(bytes(1000 - HEADERS), 7, starts=number == 0) for number in range(30)]
    rates.add(keyframe, now)
    assert only(rates, now)[-1].bitrate_bps == pytest.approx(240_000 + 30 * 8000 / KEYFRAMES_WINDOW, rel=0.1)


def test_what_is_long_ago_does_not_count() -> None:
    rates = LayerRates()
    now = fill(rates, 3.0, 1000)
    assert only(rates, now + WINDOW + 2 * STEP) == []
    rates.add([Packet(b"x")], now + 60)
    assert len(only(rates, now + 60)) == 1


def test_after_a_rest_it_is_not_told_as_smaller_than_it_is() -> None:
    rates = LayerRates()
    fill(rates, 3.0, 1000)
    for number in range(15):
        rates.add([Packet(bytes(1000 - HEADERS))], 200.0 + number / 30)
    assert only(rates, 200.0 + 14 / 30)[-1].bitrate_bps == pytest.approx(240_000, rel=0.15)


def test_pictures_are_counted_by_their_ends() -> None:
    rates = LayerRates()
    assert rates.add([Packet(b"a", marker=0), Packet(b"b", marker=0), Packet(b"c")], 1.0) == 1
    assert rates.add([Packet(b"a", marker=0)], 1.0) == 0
    assert only(rates, 1.05)[0].frame_rate == pytest.approx(1 / STEP)


def in_sizes(rates: LayerRates, seconds: float, sizes: int, since: float = 100.0) -> float:
    """Pictures of one packet in each size, which has so many octets as the one below it and as many again."""
    now = since
    for number in range(round(seconds * 30)):
        now = since + number / 30
        packets = [
            Packet(bytes((1000 << size) - HEADERS), number, False, 0x80 * (size == sizes - 1), number % 2, size, True)
            for size in range(sizes)
        ]
        assert rates.add(packets, now) == 1
    return now


@pytest.mark.spec("simulcast/spatial-layers")
def test_each_size_is_told_with_those_below_it() -> None:
    rates = LayerRates()
    now = in_sizes(rates, 3, 3)
    told = rates.of_sizes(now)
    assert [each[-1].bitrate_bps for each in told] == pytest.approx([240_000, 720_000, 1_680_000], rel=0.1)
    assert [each[0].bitrate_bps for each in told] == pytest.approx([120_000, 360_000, 840_000], rel=0.1)
    assert [rate.frame_rate for each in told for rate in each] == pytest.approx([15, 30] * 3, rel=0.1)


@pytest.mark.spec("simulcast/spatial-layers")
def test_a_size_that_comes_and_goes_is_told_as_large_as_it_is_and_then_not_at_all() -> None:
    rates = LayerRates()
    now = in_sizes(rates, 3, 2)
    now = in_sizes(rates, 0.5, 3, now + 1 / 30)
    assert rates.of_sizes(now)[2][-1].bitrate_bps == pytest.approx(1_680_000, rel=0.2)
    now = in_sizes(rates, 2.5, 1, now + 1 / 30)
    assert [len(each) for each in rates.of_sizes(now)] == [2, 0, 0]
    assert rates.of_sizes(now)[0][-1].bitrate_bps == pytest.approx(240_000, rel=0.1)


@pytest.mark.spec("simulcast/spatial-layers")
def test_a_stream_that_has_sizes_no_more_is_told_as_one_of_a_single_size() -> None:
    rates = LayerRates()
    now = in_sizes(rates, 1, 3)
    for number in range(90):
        rates.add([Packet(bytes(1000 - HEADERS), number)], now + number / 30)
    told = rates.of_sizes(now + 3)
    assert [len(each) for each in told] == [1, 0, 0]
    assert told[0][0].frame_rate == pytest.approx(30, rel=0.1)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 3), st.integers(0, 1500)), max_size=200))
def test_memory_is_bounded_and_layers_add_up(steps: list[tuple[float, int, int]]) -> None:
    rates, now = LayerRates(), 0.0
    for pause, layer, octets in steps:
        now += pause
        rates.add([Packet(bytes(octets), timestamp=octets, starts=octets % 3 == 0, temporal=layer)], now)
        assert len(rates._buckets) <= WINDOW / STEP + 1
        assert len(rates._keyframes[0]) <= KEYFRAMES_WINDOW / STEP + 1
        told = [rate.bitrate_bps for rate in only(rates, now)]
        assert told == sorted(told)
        assert told
