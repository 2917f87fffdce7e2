"""The estimator as a whole: least of both, application-limited, silence, and nothing that a peer says can hurt it.

Read next: tests/media/test_bandwidth_links.py, where it meets links.
"""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media.bandwidth import MAXIMUM_BPS, MINIMUM_BPS, Estimator
from meetref.media.departures import PacketReport


def told(
    start: float, seconds: float, bitrate_bps: float, *, size: int = 1000, delay: float = 0.05, growth: float = 0.0
) -> list[tuple[float, list[PacketReport]]]:
    """Feedbacks, ten a second, on a steady stream whose delay grows by `growth` seconds each second."""
    spacing = size * 8 / bitrate_bps
    feedbacks: list[tuple[float, list[PacketReport]]] = []
    for number in range(round(seconds / spacing)):
        sent_at = start + number * spacing
        if not feedbacks or sent_at >= feedbacks[-1][0]:
            feedbacks.append((sent_at + 0.1, []))
        feedbacks[-1][1].append((number, size, sent_at, 500 + sent_at + delay + growth * (sent_at - start)))
    return [(at + delay, reports) for at, reports in feedbacks]


def feed(estimator: Estimator, feedbacks: list[tuple[float, list[PacketReport]]]) -> list[float]:
    targets = []
    for at, reports in feedbacks:
        estimator.on_reports(reports, at)
        targets.append(estimator.target_bps)
    return targets


@pytest.mark.spec("bandwidth/bounded-by-arrivals")
def test_the_estimate_of_a_sender_of_little_neither_grows_nor_falls() -> None:
    estimator = Estimator(1_000_000)
    targets = feed(estimator, told(0.0, 60.0, 100_000))
    assert estimator.application_limited
    assert max(targets) < 1_100_000
    assert targets[-1] >= 1_000_000
    low = Estimator(120_000)
    assert 150_000 < feed(low, told(0.0, 60.0, 100_000))[-1] < 180_000


@pytest.mark.spec("bandwidth/limited-decrease")
def test_a_spike_does_not_make_nothing_of_the_estimate_of_a_sender_of_little() -> None:
    estimator = Estimator(2_000_000)
    feed(estimator, told(0.0, 10.0, 100_000))
    feed(estimator, told(10.0, 0.6, 100_000, size=250, growth=0.5))
    assert estimator.target_bps >= 500_000


@pytest.mark.spec("bandwidth/limited-decrease")
def test_a_sender_of_little_that_is_too_much_comes_down_to_what_arrives() -> None:
    """A line that became thin: what is lost in front of it shows that it was the cause."""
    estimator = Estimator(3_000_000)
    feed(estimator, told(0.0, 10.0, 1_000_000))
    assert estimator.application_limited
    before = estimator.target_bps
    assert before > 2_000_000
    for at, reports in told(10.0, 1.0, 1_000_000, growth=0.25):
        arrived = [(number, size, left, came if number % 2 else None) for number, size, left, came in reports]
        estimator.on_reports(arrived, at)
    assert estimator.target_bps < 500_000


@pytest.mark.spec("bandwidth/own-burst")
@pytest.mark.parametrize("burst", ["switch", "probe"])
def test_the_queue_of_a_keyframe_is_no_reason_to_send_less_than_comes_out_of_it(burst: str) -> None:
    growth = 0.3
    for bitrate in (1_000_000, 2_400_000):  # what leaves from then on
        estimator = Estimator(1_000_000)
        feed(estimator, told(0.0, 5.0, 1_000_000))
        before = estimator.target_bps
        begin = {"switch": estimator.on_switch, "probe": estimator.on_burst}[burst]
        begin(5.0)
        feed(estimator, told(5.0, 0.4, bitrate, growth=growth))
        assert estimator.state == "overusing"
        assert estimator.target_bps == pytest.approx(min(before, 0.9 * bitrate / (1 + growth)), rel=0.02)


@pytest.mark.spec("bandwidth/own-burst")
def test_a_burst_is_an_excuse_for_half_a_second() -> None:
    targets = []
    for began_at in (5.0, 4.0):
        estimator = Estimator(1_000_000)
        feed(estimator, told(0.0, 5.0, 1_000_000))
        estimator.on_burst(began_at)
        feed(estimator, told(5.0, 0.4, 3_000_000, growth=0.3))
        targets.append(estimator.target_bps)
    assert targets[0] > 1.2 * targets[1]


@pytest.mark.spec("bandwidth/steady-loss")
def test_what_is_lost_of_too_much_is_no_reason_for_protection() -> None:
    estimator = Estimator(2_000_000)
    for at, reports in told(0.0, 1.5, 2_000_000):
        lost = [(number, size, left, came if number % 2 else None) for number, size, left, came in reports]
        estimator.on_reports(lost, at)
    assert estimator.target_bps < 1_500_000
    assert estimator.steady_loss < 0.6 * estimator.loss, "but for the first feedback"
    for at, reports in told(10.0, 20.0, 200_000):
        lost = [(number, size, left, came if number % 20 else None) for number, size, left, came in reports]
        estimator.on_reports(lost, at)
    assert estimator.steady_loss == pytest.approx(0.05, abs=0.02)


@pytest.mark.spec("bandwidth/steady-loss", "bandwidth/own-burst")
def test_what_is_lost_of_a_burst_is_no_reason_for_protection() -> None:
    """Half of its first tenth of a second, and nothing later."""
    for burst in (True, False):
        estimator = Estimator(2_000_000)
        if burst:
            estimator.on_burst(0.0)
        for at, reports in told(0.0, 3.0, 500_000):
            lost = [(*each[:3], None) if at < 0.2 and each[0] % 2 else each for each in reports]
            estimator.on_reports(lost, at)
        assert estimator.loss > 0
        assert (estimator.steady_loss == 0) == burst


@pytest.mark.spec("bandwidth/application-limited")
def test_a_burst_that_found_more_shows_that_little_is_sent() -> None:
    estimator = Estimator(300_000)
    feed(estimator, told(0.0, 2.0, 300_000))
    assert not estimator.application_limited
    estimator.on_probe(2_000_000, 2.2)
    assert estimator.application_limited


def test_a_queue_brings_the_estimate_below_what_arrives() -> None:
    estimator = Estimator(1_000_000)
    feed(estimator, told(0.0, 5.0, 1_000_000))
    before = estimator.target_bps
    states = set()
    for at, reports in told(5.0, 2.0, 1_000_000, growth=0.2):
        estimator.on_reports(reports, at)
        states.add(estimator.state)
    assert "overusing" in states
    assert estimator.target_bps < 0.85 * before
    assert estimator.acknowledged_bps == pytest.approx(1_000_000 / 1.2, rel=0.1)


@pytest.mark.spec("bandwidth/least-of-both", "bandwidth/high-loss")
def test_the_least_of_delay_and_loss_counts() -> None:
    estimator = Estimator(1_000_000)
    for at, reports in told(0.0, 3.0, 1_000_000):
        lost = [(number, size, sent_at, None if number % 5 == 0 else came) for number, size, sent_at, came in reports]
        estimator.on_reports(lost, at)
    assert estimator.loss_limited
    assert estimator.state == "normal"
    assert estimator.target_bps < 900_000
    assert estimator.loss > 0.05


@pytest.mark.spec("bandwidth/probe-believed")
def test_a_probe_is_believed_unless_a_queue_grows() -> None:
    estimator = Estimator(1_000_000)
    feed(estimator, told(0.0, 3.0, 500_000))
    estimator.on_probe(2_500_000, 3.2)
    assert estimator.target_bps == 2_500_000
    estimator.on_probe(1_500_000, 3.3)
    assert estimator.target_bps == 1_500_000
    for at, reports in told(4.0, 3.0, 1_000_000, growth=0.2):
        estimator.on_reports(reports, at)
        if estimator.state == "overusing":
            break
    estimator.on_probe(3_000_000, 7.2)
    assert estimator.target_bps < 1_500_000


def test_a_round_trip_is_smoothed_and_nonsense_is_not_taken() -> None:
    estimator = Estimator()
    assert estimator.round_trip_time is None
    for nonsense in (-1.0, math.nan, math.inf, 3600.0):
        estimator.on_round_trip(nonsense)
        assert estimator.round_trip_time is None
    estimator.on_round_trip(0.1)
    estimator.on_round_trip(0.2)
    assert estimator.round_trip_time == pytest.approx(0.125)


# --- silence ---------------------------------------------------------------------------------------


@pytest.mark.spec("feedback/loss-of-feedback")
def test_a_lost_feedback_changes_nothing() -> None:
    whole, holed = Estimator(1_000_000), Estimator(1_000_000)
    feedbacks = told(0.0, 20.0, 900_000)
    feed(whole, feedbacks)
    feed(holed, [each for number, each in enumerate(feedbacks) if number % 10 != 5])
    assert holed.target_bps == pytest.approx(whole.target_bps, rel=0.05)


@pytest.mark.spec("feedback/loss-of-feedback")
def test_a_peer_that_falls_silent_while_we_send_is_sent_less_and_less() -> None:
    estimator = Estimator(1_000_000)
    feed(estimator, told(0.0, 2.0, 900_000))
    before, now = estimator.target_bps, 2.2
    cuts = []
    while now < 7.5:
        now += 0.1
        estimator.on_departure(now - 0.01)
        if estimator.next_timeout() <= now:
            estimator.handle_timeout(now)
            assert estimator.next_timeout() > now
            cuts.append(estimator.target_bps / before)
    assert cuts == [pytest.approx(0.5**count) for count in range(1, 5)]


@pytest.mark.spec("feedback/loss-of-feedback")
def test_where_nothing_is_sent_no_answer_is_missing() -> None:
    estimator = Estimator(1_000_000)
    assert estimator.next_timeout() == math.inf
    feed(estimator, told(0.0, 2.0, 900_000))
    before = estimator.target_bps
    estimator.on_departure(2.0)
    assert estimator.next_timeout() == math.inf
    for now in range(3, 13):
        estimator.handle_timeout(now)
    assert estimator.target_bps == before


@pytest.mark.spec("feedback/loss-of-feedback")
def test_after_a_pause_of_ours_the_peer_has_time_to_answer() -> None:
    """Who turns a camera on again has sent nothing for minutes: the peer's silence begins with what leaves now."""
    estimator = Estimator(1_000_000)
    feed(estimator, told(0.0, 2.0, 900_000))
    before = estimator.target_bps
    estimator.on_departure(2.0)
    assert estimator.next_timeout() == math.inf
    estimator.on_departure(60.0)
    assert estimator.next_timeout() == 61.0
    estimator.on_departure(60.5)
    estimator.handle_timeout(60.9)
    assert estimator.target_bps == before
    estimator.handle_timeout(61.0)
    assert estimator.target_bps < before


def test_a_timeout_before_its_time_does_nothing() -> None:
    estimator = Estimator(1_000_000)
    feed(estimator, told(0.0, 2.0, 900_000))
    estimator.on_departure(3.0)
    due = estimator.next_timeout()
    estimator.handle_timeout(due - 0.1)
    assert estimator.next_timeout() == due


# --- what strangers say ----------------------------------------------------------------------------

times = st.floats(-1e6, 1e6) | st.floats(0, 10)
reports = st.tuples(st.integers(-(10**6), 10**6), st.integers(1, 65535), times, st.none() | times)
steps = st.lists(
    st.tuples(
        st.lists(reports, max_size=20),
        st.floats(0, 3),
        st.none() | st.floats(allow_nan=True, allow_infinity=True),
        st.none() | st.floats(0, 1e9),
        st.booleans(),
    ),
    max_size=25,
)


@pytest.mark.spec("bandwidth/within-bounds")
@given(st.floats(0, 1e9), steps)
def test_no_input_raises_and_the_estimate_stays_within_its_bounds(
    start: float, told_steps: list[tuple[list[PacketReport], float, float | None, float | None, bool]]
) -> None:
    estimator = Estimator(start)
    now = 0.0
    for some, later, round_trip, probed, departs in told_steps:
        now += later
        estimator.on_reports(some, now)
        assert MINIMUM_BPS <= estimator.target_bps <= MAXIMUM_BPS
        if round_trip is not None:
            estimator.on_round_trip(round_trip)
        if probed is not None:
            estimator.on_probe(probed, now)
        if departs:
            estimator.on_departure(now)
        assert MINIMUM_BPS <= estimator.target_bps <= MAXIMUM_BPS
        if estimator.next_timeout() <= now + later:
            now = max(now, estimator.next_timeout())
            estimator.handle_timeout(now)
            assert estimator.next_timeout() > now
        assert MINIMUM_BPS <= estimator.target_bps <= MAXIMUM_BPS
        assert estimator.state in ("normal", "overusing", "underusing")


def test_a_receiver_that_claims_that_everything_came_at_once_gains_little() -> None:
    """What is acknowledged are our own octets, told by a liar who has them come in no time."""
    estimator = Estimator(1_000_000)
    for at, some in told(0.0, 10.0, 900_000):
        estimator.on_reports([(number, size, sent_at, 1.0) for number, size, sent_at, _ in some], at)
    assert estimator.target_bps < 1_000_000 * 1.08**10 * 1.1
