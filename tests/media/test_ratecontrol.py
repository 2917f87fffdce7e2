"""The estimate by delay: up while nothing is wrong, down at once, and never beyond what was tried."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media.delaytrend import Usage
from meetref.media.ratecontrol import LinkCapacity, RateControl

MINIMUM, MAXIMUM = 30_000.0, 5_000_000.0


def control(start_bps: float = 1_000_000, round_trip: float = 0.05) -> RateControl:
    made = RateControl(start_bps, MINIMUM, MAXIMUM)
    made.round_trip_time = round_trip
    return made


def go_on(rate: RateControl, usage: Usage, arriving: float | None, start: float, seconds: float) -> float:
    """A tenth of a second after the other; `arriving` None: all that the estimate allows. The time after it."""
    now = start
    while now < start + seconds - 1e-9:
        rate.on_usage(usage, rate.bitrate_bps if arriving is None else arriving, now)
        now += 0.1
    return now


@pytest.mark.spec("bandwidth/multiplicative-increase")
def test_far_from_any_capacity_it_grows_by_eight_percent_a_second() -> None:
    rate = control()
    go_on(rate, "normal", None, 0.0, 10.1)
    assert rate.bitrate_bps == pytest.approx(1_000_000 * 1.08**10, rel=0.02)


@pytest.mark.spec("bandwidth/additive-increase")
@pytest.mark.parametrize("round_trip", [0.02, 0.2])
def test_near_the_capacity_it_grows_by_a_packet_in_two_response_times(round_trip: float) -> None:
    rate = control(round_trip=round_trip)
    now = go_on(rate, "overusing", 1_000_000, 0.0, 0.1)
    now = go_on(rate, "normal", 900_000, now, 0.1)
    before = rate.bitrate_bps
    go_on(rate, "normal", 990_000, now, 0.4)
    a_packet = before / 30 / 3  # three packets a frame
    assert rate.bitrate_bps - before == pytest.approx(0.4 * a_packet / (2 * (round_trip + 0.1)), rel=0.05)


@pytest.mark.spec("bandwidth/additive-increase")
def test_what_arrives_above_the_known_capacity_makes_it_grow_fast_again() -> None:
    rate = control()
    now = go_on(rate, "overusing", 500_000, 0.0, 0.1)
    assert rate.capacity.bps == 500_000
    now = go_on(rate, "normal", 480_000, now, 1.0)
    assert rate.capacity.bps == 500_000
    go_on(rate, "normal", 700_000, now, 0.5)
    assert rate.capacity.bps is None


@pytest.mark.spec("bandwidth/bounded-by-arrivals")
def test_it_does_not_outgrow_what_was_tried() -> None:
    rate = control(300_000)
    go_on(rate, "normal", 200_000, 0.0, 600.0)
    assert rate.bitrate_bps == pytest.approx(310_000)
    sinks = control(2_000_000)
    go_on(sinks, "normal", 200_000, 0.0, 600.0)
    assert sinks.bitrate_bps == 2_000_000  # nor does it fall


@pytest.mark.spec("bandwidth/decrease")
def test_overuse_brings_it_below_what_arrives() -> None:
    rate = control()
    rate.on_usage("overusing", 800_000, 1.0)
    assert rate.bitrate_bps == pytest.approx(0.85 * 800_000 - 5_000)
    assert rate.state == "hold"


@pytest.mark.spec("bandwidth/decrease")
def test_it_never_rises_by_a_decrease() -> None:
    rate = control(500_000)
    rate.on_usage("overusing", 2_000_000, 1.0)
    assert rate.bitrate_bps == 500_000


@pytest.mark.spec("bandwidth/decrease")
def test_it_does_not_fall_where_more_came_than_it_allows() -> None:
    """What was too much was not what it allowed: a frame that left as a burst, a voice that does not ask."""
    rate = control(120_000)
    rate.on_usage("overusing", 100_000, 1.0)
    rate.set(120_000, 2.0)
    rate.on_usage("overusing", 150_000, 3.0)
    assert rate.bitrate_bps == 120_000


@pytest.mark.spec("bandwidth/measured-lately")
def test_what_a_probe_found_counts_more_than_how_little_is_known_to_arrive() -> None:
    for later, arriving in ((0.5, 1_000_000), (2.0, 400_000)):
        rate = control(2_000_000)
        rate.measured(1_000_000, 1.0)
        rate.on_usage("overusing", 400_000, 1.0 + later)
        assert rate.bitrate_bps == pytest.approx(0.85 * arriving - 5_000)
        assert rate.carried_bps == arriving


@pytest.mark.spec("bandwidth/own-burst")
def test_what_drains_a_queue_is_less_than_what_the_line_carries() -> None:
    rate = control(2_000_000)
    rate.measured(900_000, 1.0, carried_bps=1_000_000)
    assert (rate.bitrate_bps, rate.carried_bps) == (900_000, 1_000_000)


def test_it_decreases_once_a_round_trip() -> None:
    rate = control(round_trip=0.15)
    rate.on_usage("overusing", 900_000, 1.0)
    once = rate.bitrate_bps
    rate.on_usage("overusing", 600_000, 1.1)
    assert rate.bitrate_bps == once
    rate.on_usage("overusing", 600_000, 1.16)
    assert rate.bitrate_bps == pytest.approx(0.85 * 600_000 - 5_000)


def test_what_is_far_too_much_does_not_wait_for_the_round_trip() -> None:
    rate = control(round_trip=0.15)
    rate.on_usage("overusing", 900_000, 1.0)
    rate.on_usage("overusing", 200_000, 1.05)
    assert rate.bitrate_bps == pytest.approx(0.85 * 200_000 - 5_000)


@pytest.mark.spec("bandwidth/limited-decrease")
def test_an_application_limited_sender_falls_by_half_at_most_and_not_below_what_arrives() -> None:
    rate = control(2_000_000, round_trip=0.1)
    rate.on_usage("overusing", 60_000, 1.0, limited=True)
    assert rate.bitrate_bps == 1_000_000
    rate.on_usage("overusing", 60_000, 1.05, limited=True)
    assert rate.bitrate_bps == 1_000_000  # nor faster than once a round trip
    rate.on_usage("overusing", 700_000, 1.2, limited=True)
    assert rate.bitrate_bps == pytest.approx(1.1 * 700_000)


@pytest.mark.spec("bandwidth/hold-while-draining")
def test_while_a_queue_drains_it_stays() -> None:
    rate = control()
    now = go_on(rate, "underusing", 900_000, 0.0, 10.0)
    assert (rate.bitrate_bps, rate.state) == (1_000_000, "hold")
    go_on(rate, "normal", 900_000, now, 1.05)
    assert rate.state == "increase"
    assert 1_000_000 < rate.bitrate_bps < 1_090_000  # the time on hold is not made up for


def test_the_capacity_is_where_overuse_was() -> None:
    capacity = LinkCapacity()
    assert capacity.fits(1.0)
    assert not capacity.is_below(1e9)
    for arriving in (1_000_000, 1_010_000, 990_000, 1_000_000):
        capacity.on_overuse(arriving)
    assert capacity.bps == pytest.approx(1_000_000, rel=0.01)
    assert capacity.fits(1_050_000)
    assert not capacity.fits(1_200_000)
    assert not capacity.is_below(800_000)
    assert capacity.is_below(1_200_000)
    capacity.forget()
    assert capacity.bps is None


usages = st.sampled_from(["normal", "overusing", "underusing"])
arriving_rates = st.none() | st.floats(0, 1e9)


@pytest.mark.spec("bandwidth/within-bounds")
@given(
    st.floats(MINIMUM, MAXIMUM),
    st.lists(st.tuples(usages, arriving_rates, st.floats(0, 5), st.booleans(), st.none() | st.floats(0, 1e9))),
)
def test_it_stays_within_its_bounds(
    start: float, steps: list[tuple[Usage, float | None, float, bool, float | None]]
) -> None:
    rate = control(start)
    now = 0.0
    for usage, arriving, later, limited, probed in steps:
        now += later
        rate.on_usage(usage, arriving, now, limited=limited)
        assert MINIMUM <= rate.bitrate_bps <= MAXIMUM
        if probed is not None:
            rate.set(probed, now)
            assert MINIMUM <= rate.bitrate_bps <= MAXIMUM
