"""The trend of delay: groups as they are meant, overuse when a queue grows, underuse when it drains, else nothing."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from meetref.media import delaytrend
from meetref.media.delaytrend import DelayTrend, Group


def run(
    trend: DelayTrend, delay: Callable[[float], float], start: float, seconds: float, *, interval: float = 0.02
) -> list[str]:
    """A packet each `interval`, whose way takes `delay` of when it left; a feedback each 100 ms. What was seen."""
    seen = []
    departures = [start + number * interval for number in range(round(seconds / interval))]
    while departures:
        part = [at for at in departures if at < departures[0] + 0.1]
        trend.on_received(part, sorted(at + delay(at) for at in part), part[-1] + 0.1)
        departures = departures[len(part) :]
        seen.append(trend.usage)
    return seen


@pytest.mark.spec("bandwidth/groups")
def test_what_leaves_or_comes_in_a_burst_is_one_group() -> None:
    group = Group(10.0, 10.0, 50.0, 50.0)
    assert group.takes(10.0049, 50.3)  # left within the burst, whenever it came
    assert not group.takes(10.0051, 50.3)
    assert group.takes(10.02, 50.004)  # left later, and caught up
    assert not group.takes(10.02, 50.006)
    assert not group.takes(10.006, 50.006)  # as far behind as it left
    group.last_arrival = 50.099
    assert group.takes(10.02, 50.0995)
    assert not group.takes(10.02, 50.1005)  # it cannot go on for ever


@pytest.mark.spec("bandwidth/delay-variation", "bandwidth/trend", "bandwidth/overuse")
def test_a_queue_that_grows_is_overuse() -> None:
    trend = DelayTrend()
    assert set(run(trend, lambda at: 0.05, 0.0, 5.0)) == {"normal"}
    # A tenth more than goes through: 100 ms more each second.
    seen = run(trend, lambda at: 0.05 + (at - 5) * 0.1, 5.0, 2.0)
    assert "overusing" in seen[:8]
    assert 0.08 < trend.trend < 0.12


@pytest.mark.spec("bandwidth/underuse")
def test_a_queue_that_drains_is_underuse() -> None:
    trend = DelayTrend()
    run(trend, lambda at: 0.3, 0.0, 3.0)
    seen = run(trend, lambda at: 0.3 - (at - 3) * 0.1, 3.0, 2.0)
    assert "underusing" in seen
    assert "overusing" not in seen


def test_noise_is_nothing() -> None:
    dice = Random(3)
    trend = DelayTrend()
    seen = run(trend, lambda at: 0.05 + dice.uniform(0, 0.004), 0.0, 60.0)
    assert seen.count("overusing") == 0


def test_clocks_that_go_apart_are_nothing() -> None:
    """200 ppm, more than any quartz: 0.2 ms in a second."""
    trend = DelayTrend()
    assert set(run(trend, lambda at: 0.05 + at * 0.0002, 0.0, 600.0)) == {"normal"}


@pytest.mark.spec("bandwidth/overuse")
def test_a_trend_that_falls_again_is_not_called_overuse() -> None:
    trend = DelayTrend()
    trend.trend = 0.3
    for _ in range(5):
        trend._detect(trend.trend - 0.01, 60.0, 20.0)
    assert trend.usage == "normal"
    trend._detect(trend.trend, 60.0, 20.0)
    assert trend.usage == "overusing"


@pytest.mark.spec("bandwidth/overuse")
def test_one_group_is_never_overuse() -> None:
    trend = DelayTrend()
    trend._detect(0.5, 60.0, 1000.0)
    assert trend.usage == "normal"
    trend._detect(0.5, 60.0, 1.0)
    assert trend.usage == "overusing"


@pytest.mark.spec("bandwidth/overuse")
def test_a_gross_overload_is_seen_after_a_few_groups() -> None:
    """Ten times too much: each group takes a third of a second to come through."""
    trend = DelayTrend()
    for number in range(11):
        trend.on_received([number / 30], [10 + number / 3], number / 3)
    assert trend.usage == "overusing"


@pytest.mark.spec("bandwidth/threshold-adapts", "bandwidth/threshold-spike")
def test_the_threshold_follows_what_lasts_and_not_a_spike() -> None:
    trend = DelayTrend()
    for number in range(100):
        trend._adapt(20.0, number * 50.0)
    assert trend.threshold == pytest.approx(20, abs=0.1)
    trend._adapt(20.0 + delaytrend.SPIKE + 1, 5000.0)
    assert trend.threshold == pytest.approx(20, abs=0.1)
    for number in range(100):
        trend._adapt(0.0, 5000 + number * 50.0)
    assert trend.threshold == delaytrend.LOWEST_THRESHOLD
    rises = DelayTrend()
    falls = DelayTrend()
    rises._adapt(rises.threshold + 5, 50.0)
    falls._adapt(falls.threshold - 5, 50.0)
    assert rises.threshold - 12.5 < 12.5 - falls.threshold


@pytest.mark.spec("bandwidth/out-of-order-ignored")
def test_packets_out_of_order_are_ignored() -> None:
    trend = DelayTrend()
    late = [at + 0.001 for at in (0.5, 0.9, 1.3)]
    departures = [number * 0.02 for number in range(100)]
    arrivals = {at: at + 0.05 for at in departures} | {at: at + 0.25 for at in late}
    order = sorted(arrivals, key=lambda at: arrivals[at])
    trend.on_received(order, [arrivals[at] for at in order], 2.5)
    assert trend._delay == pytest.approx(0, abs=1e-6)
    assert trend.usage == "normal"


@pytest.mark.parametrize("jump", [-3600.0, -5.0, 5.0, 3600.0])
def test_a_clock_that_is_set_is_no_delay(jump: float) -> None:
    trend = DelayTrend()
    assert set(run(trend, lambda at: 0.05, 0.0, 3.0)) == {"normal"}
    assert set(run(trend, lambda at: 0.05 + jump, 3.0, 3.0)) == {"normal"}
    assert trend._delay == pytest.approx(0, abs=1e-6)
    assert "overusing" in run(trend, lambda at: 0.05 + jump + (at - 6) * 0.1, 6.0, 2.0)


def test_a_pause_is_not_compared_across() -> None:
    trend = DelayTrend()
    run(trend, lambda at: 0.05, 0.0, 3.0)
    assert set(run(trend, lambda at: 0.35, 20.0, 3.0)) == {"normal"}
