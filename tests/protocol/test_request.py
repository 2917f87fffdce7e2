"""The times of one request, and how long the first wait is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol.request import FIRST_WAIT, MAXIMUM_FIRST_WAIT, RoundTrip, Schedule


def times(schedule: Schedule) -> list[float]:
    """When it is sent again, and last when it is given up."""
    seen = []
    while schedule.sends_at < math.inf:
        seen.append(schedule.sends_at)
        assert schedule.due(schedule.sends_at)
    return [*seen, schedule.gives_up_at]


@pytest.mark.spec("stun/retransmission")
def test_the_waits_double_over_udp() -> None:
    assert times(Schedule(0.5, 0.0)) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 39.5]
    assert times(Schedule(0.5, 100.0)) == [100.5, 101.5, 103.5, 107.5, 115.5, 131.5, 139.5]


@pytest.mark.spec("stun/over-tcp-timeout")
def test_over_a_stream_it_is_sent_once() -> None:
    assert times(Schedule(0.5, 10.0, reliable=True)) == [49.5]


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=20))
def test_a_late_driver_sends_no_backlog_and_time_moves_on(steps: list[float]) -> None:
    schedule, now = Schedule(0.5, 0.0), 0.0
    for step in steps:
        now += step
        if schedule.gives_up_at <= now:
            break
        sends = schedule.sends
        schedule.due(now)
        assert schedule.sends <= sends + 1
        assert schedule.next_at > now


@pytest.mark.spec("stun/first-wait-cached")
def test_the_first_wait_follows_the_round_trips() -> None:
    round_trip = RoundTrip()
    assert round_trip.first_wait(0.0) == FIRST_WAIT
    round_trip.measure(0.4, 0.0)
    assert round_trip.first_wait(1.0) == pytest.approx(0.4 + 4 * 0.2)
    round_trip.measure(0.8, 1.0)
    # RFC 6298 section 2.3: the variance first, with the old mean.
    assert round_trip.first_wait(1.0) == pytest.approx(0.45 + 4 * (0.75 * 0.2 + 0.25 * 0.4))
    assert round_trip.first_wait(602.0) == FIRST_WAIT
    round_trip.measure(60.0, 602.0)
    assert round_trip.first_wait(602.0) == MAXIMUM_FIRST_WAIT


def test_a_quick_server_does_not_make_the_client_impatient() -> None:
    round_trip = RoundTrip()
    for _ in range(9):
        round_trip.measure(0.001, 5.0)
    assert round_trip.first_wait(5.0) == FIRST_WAIT
