"""Transport-wide feedback: what one end notes is what the other learns, and neither grows without a bound."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media import feedback
from meetref.media.feedback import ArrivalRecorder, DepartureHistory
from meetref.wire import rtcp
from meetref.wire.transportfeedback import TransportFeedback


def _over_the_wire(feedbacks: list[TransportFeedback]) -> list[TransportFeedback]:
    packets = rtcp.parse(rtcp.serialize(feedbacks)) if feedbacks else []
    assert packets == feedbacks
    return [packet for packet in packets if isinstance(packet, TransportFeedback)]


def test_sent_and_received_are_told() -> None:
    recorder, history = ArrivalRecorder(1, 2), DepartureHistory()
    for number in range(65530, 65545):
        history.record(number, 1000 + number, number * 0.01)
    assert recorder.next_timeout() == math.inf
    for number in range(65530, 65545):
        if number not in (65533, 65540):
            recorder.record(number & 0xFFFF, 100 + number * 0.01 + 0.05)
    assert recorder.next_timeout() == pytest.approx(100 + 655.30 + 0.05 + 0.1)
    [made] = _over_the_wire(recorder.build(1000.0))
    assert (made.sender_ssrc, made.media_ssrc, made.base_sequence) == (1, 2, 65530)
    reports = history.match(made)
    assert [report[0] for report in reports] == list(range(65530, 65545))
    assert [report[1] for report in reports] == [1000 + number for number in range(65530, 65545)]
    assert [report[0] for report in reports if report[3] is None] == [65533, 65540]
    for report in reports:
        if report[3] is not None:
            assert report[3] - report[2] == pytest.approx(100.05, abs=0.00025)
    assert len(history) == 2


def test_a_loss_between_two_feedbacks_is_told() -> None:
    recorder, history = ArrivalRecorder(), DepartureHistory()
    for number in range(10):
        history.record(number, 100, 0.0)
    for number in (0, 1, 2):
        recorder.record(number, 0.1)
    history.match(recorder.build(0.2)[0])
    for number in (5, 6):
        recorder.record(number, 0.3)
    [made] = recorder.build(0.4)
    assert made.base_sequence == 3
    assert [report[0] for report in history.match(made) if report[3] is None] == [3, 4]


@pytest.mark.spec("rtcp/twcc-reported-once")
def test_a_late_packet_lowers_the_base_and_the_others_stay_silent() -> None:
    recorder, history = ArrivalRecorder(), DepartureHistory()
    for number in range(8):
        history.record(number, 100, 0.0)
    for number in (0, 1, 3, 4):
        recorder.record(number, 0.1)
    first = history.match(recorder.build(0.2)[0])
    assert [report[0] for report in first if report[3] is None] == [2]
    recorder.record(2, 0.25)
    recorder.record(5, 0.26)
    [made] = recorder.build(0.35)
    assert made.base_sequence == 2
    assert [arrival is not None for arrival in made.arrivals] == [True, False, False, True]
    second = history.match(made)
    assert [report[0] for report in second] == [2, 5]
    assert all(report[3] is not None for report in second)


def test_a_lost_feedback_says_nothing() -> None:
    recorder, history = ArrivalRecorder(), DepartureHistory()
    for number in range(20):
        history.record(number, 100, 0.0)
        recorder.record(number, 0.1)
        if number == 9:
            recorder.build(0.15)  # lost on its way
    reports = history.match(recorder.build(0.2)[0])
    assert [report[0] for report in reports] == list(range(10, 20))


@pytest.mark.spec("rtcp/twcc-feedback-count")
def test_feedbacks_are_numbered_modulo_256() -> None:
    recorder = ArrivalRecorder()
    counts = []
    for number in range(300):
        recorder.record(number, number * 0.1)
        counts += [made.count for made in recorder.build(number * 0.1)]
    assert counts == [number % 256 for number in range(300)]


@pytest.mark.spec("rtcp/twcc-reference-wraps")
def test_the_reference_time_is_followed_across_its_wrap() -> None:
    recorder, history = ArrivalRecorder(), DepartureHistory()
    start = 2**24 * 0.064 - 1.0
    received = []
    for number in range(40):
        history.record(number, 100, 0.0)
        recorder.record(number, start + number * 0.05)
        for made in _over_the_wire(recorder.build(0.0)):
            received += [report[3] for report in history.match(made)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(received) if later and earlier]
    assert len(gaps) == 39
    assert gaps == pytest.approx([0.05] * 39, abs=0.0003)


@pytest.mark.spec("rtcp/twcc-split")
def test_arrivals_far_apart_are_told_in_two_feedbacks() -> None:
    recorder = ArrivalRecorder()
    recorder.record(1, 0.0)
    recorder.record(2, 8.1)
    recorder.record(3, 16.4)
    feedbacks = _over_the_wire(recorder.build(17.0))
    assert [made.base_sequence for made in feedbacks] == [1, 3]


def test_a_feedback_fits_a_datagram_whatever_came() -> None:
    recorder = ArrivalRecorder()
    for number in range(0, 4000, 8):  # every eighth arrives, each at a distance that takes two octets
        recorder.record(number, number * 0.04)
    feedbacks = _over_the_wire(recorder.build(200.0))
    assert sum(arrival is not None for made in feedbacks for arrival in made.arrivals) == 500
    assert max(len(rtcp.serialize([made])) for made in feedbacks) < 1100


def test_numbers_that_leap_fill_no_memory() -> None:
    recorder = ArrivalRecorder()
    for step in range(3000):
        recorder.record(step * 30_000 & 0xFFFF, step * 0.001)
    assert len(_over_the_wire(recorder.build(3.0))) <= 1
    assert recorder.dropped >= 2990


def test_a_flood_between_two_feedbacks_is_bounded() -> None:
    recorder = ArrivalRecorder()
    for number in range(feedback.MAXIMUM_PENDING + feedback.MAXIMUM_LATE):
        recorder.record(number & 0xFFFF, 0.0)
    feedbacks = recorder.build(0.1)
    told = sum(arrival is not None for made in feedbacks for arrival in made.arrivals)
    assert told <= feedback.MAXIMUM_PENDING
    assert recorder.dropped > 0


numbers = st.integers(0, 65535)


@given(st.lists(st.tuples(numbers | st.integers(0, 40), st.floats(0, 100), st.booleans()), max_size=60))
def test_no_arrivals_confuse_the_recorder(arrivals: list[tuple[int, float, bool]]) -> None:
    recorder = ArrivalRecorder()
    for number, at, build in arrivals:
        recorder.record(number, at)
        if build:
            made = recorder.build(at)
            assert recorder.next_timeout() > at
            for one in made:
                assert _over_the_wire([one]) == [one]


@given(
    st.lists(numbers, max_size=30),
    st.builds(
        TransportFeedback,
        *(st.just(1), st.just(2), numbers, st.integers(0, 2**24 - 1), st.integers(0, 255)),
        st.lists(st.none() | st.integers(-(2**20), 2**20), min_size=1, max_size=60),
    ),
)
def test_no_feedback_confuses_the_history(sent: list[int], made: TransportFeedback) -> None:
    history = DepartureHistory()
    for number in sent:
        history.record(number, 100, 0.0)
    before = len(history)
    reports = history.match(made)
    assert len(reports) <= before
    assert [report[3] for report in history.match(made)] == []
