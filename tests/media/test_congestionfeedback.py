"""Feedback by streams: the reports are those of the transport-wide format, whatever is lost or comes out of order."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media import congestionfeedback
from meetref.media.congestionfeedback import StreamArrivalRecorder, StreamDepartureHistory
from meetref.media.departures import PacketReport
from meetref.media.feedback import ArrivalRecorder, DepartureHistory
from meetref.wire import rtcp
from meetref.wire.congestionfeedback import LONG_AGO, UNTIMED, CongestionFeedback, StreamFeedback

TICK = 1 / 1024


def _over_the_wire(feedbacks: list[CongestionFeedback]) -> list[CongestionFeedback]:
    packets = rtcp.parse(rtcp.serialize(feedbacks)) if feedbacks else []
    assert packets == feedbacks
    return [packet for packet in packets if isinstance(packet, CongestionFeedback)]


@pytest.mark.spec("feedback/arrival-offset")
def test_both_formats_give_the_same_reports() -> None:
    """One call, told in both ways: the same packets, sizes and departures; arrivals but for the ticks."""
    dice = Random(1)
    wide, wide_history = ArrivalRecorder(), DepartureHistory()
    streams, streams_history = StreamArrivalRecorder(wall_clock=1.7e9), StreamDepartureHistory()
    here: list[PacketReport] = []
    there: list[PacketReport] = []
    numbers = {11: 65500, 22: 7}
    transport = 65000
    for batch in range(200):
        now = batch * 0.0333
        for ssrc, count in ((11, 6), (22, 1)):
            sizes = [dice.randrange(100, 1200) for _ in range(count)]
            wide_history.record_run(transport, sizes, now)
            streams_history.record_run(ssrc, numbers[ssrc], sizes, now)
            for _ in sizes:
                if dice.random() > 0.1:
                    arrival = now + 0.02 + dice.random() * 0.01
                    wide.record(transport, arrival)
                    streams.record(ssrc, numbers[ssrc], arrival)
                transport = transport + 1 & 0xFFFF
                numbers[ssrc] = numbers[ssrc] + 1 & 0xFFFF
        if batch % 3 == 2:
            for told in wide.build(now + 0.0333):
                here += wide_history.match(told)
            for made in _over_the_wire(streams.build(now + 0.0333)):
                there += streams_history.match(made)
    assert len(here) > 1300
    assert _shape(here) == _shape(there)
    # The wall clock of the one has nothing to do with the clock of the other.
    gaps = _arrivals(here), _arrivals(there)
    assert [gap - gaps[0][0] for gap in gaps[0]] == pytest.approx([gap - gaps[1][0] for gap in gaps[1]], abs=2 * TICK)


def _shape(reports: list[PacketReport]) -> list[tuple[int, float, bool]]:
    return sorted((size, sent_at, arrived_at is None) for _, size, sent_at, arrived_at in reports)


def _arrivals(reports: list[PacketReport]) -> list[float]:
    came = sorted((sent_at, size, arrived_at) for _, size, sent_at, arrived_at in reports if arrived_at is not None)
    return [arrived_at for _, _, arrived_at in came]


@pytest.mark.spec("feedback/received-stays-received")
def test_a_late_packet_tells_of_those_behind_it_again() -> None:
    recorder, history = StreamArrivalRecorder(), StreamDepartureHistory()
    history.record_run(9, 0, [100] * 6, 0.0)
    for number in (0, 1, 3, 4):
        recorder.record(9, number, 0.1)
    [first] = _over_the_wire(recorder.build(0.2))
    assert [report[0] for report in history.match(first) if report[3] is None] == [2]
    recorder.record(9, 5, 0.25)
    recorder.record(9, 2, 0.26)
    [second] = _over_the_wire(recorder.build(0.3))
    assert second.streams[0].first_sequence == 2
    assert None not in second.streams[0].arrivals
    assert [report[0] for report in history.match(second)] == [2, 5]
    assert recorder.build(0.4) == []


@pytest.mark.spec("feedback/contiguous")
def test_consecutive_reports_leave_nothing_out() -> None:
    recorder, history = StreamArrivalRecorder(), StreamDepartureHistory()
    history.record_run(9, 100, [100] * 10, 0.0)
    for number in (100, 101):
        recorder.record(9, number, 0.1)
    history.match(recorder.build(0.2)[0])
    recorder.record(9, 105, 0.3)
    [made] = recorder.build(0.4)
    assert (made.streams[0].first_sequence, len(made.streams[0].arrivals)) == (102, 4)
    assert [(number, arrival is None) for number, _, _, arrival in history.match(made)] == [
        (102, True),
        (103, True),
        (104, True),
        (105, False),
    ]


@pytest.mark.spec("feedback/every-active-stream")
def test_every_stream_has_a_block_and_a_silent_one_has_none() -> None:
    recorder = StreamArrivalRecorder(5)
    for ssrc in (1, 2, 3):
        recorder.record(ssrc, 10, 0.1)
    assert [stream.ssrc for stream in recorder.build(0.2)[0].streams] == [1, 2, 3]
    recorder.record(2, 11, 0.25)
    [made] = recorder.build(0.3)
    assert [stream.ssrc for stream in made.streams] == [2]
    recorder.forget(2)
    recorder.record(2, 500, 0.35)
    assert recorder.build(0.4)[0].streams == [StreamFeedback(2, 500, [51])]


@pytest.mark.spec("feedback/long-ago", "feedback/untimed")
def test_what_cannot_be_told_is_told_as_such_and_is_no_loss() -> None:
    recorder, history = StreamArrivalRecorder(), StreamDepartureHistory()
    history.record_run(9, 0, [100] * 5, 0.0)
    for number, arrival in enumerate((1.0, 8.0, 9.5)):
        recorder.record(9, number, arrival)
    recorder.record(9, 4, 10.5)  # by a clock that was set back before the report
    [made] = _over_the_wire(recorder.build(10.0))
    assert made.streams[0].arrivals == [LONG_AGO, 2048, 512, None, UNTIMED]
    reports = history.match(made)
    assert [(number, arrival) for number, _, _, arrival in reports] == [
        (1, pytest.approx(made.time / 65536 - 2, abs=0.001)),
        (2, pytest.approx(made.time / 65536 - 0.5, abs=0.001)),
        (3, None),
    ]
    assert history.untimed == 2


@pytest.mark.spec("feedback/time-wraps")
def test_the_time_is_followed_across_its_wrap() -> None:
    start = 65536 - 1.0  # seconds of the NTP era, modulo what 32 bits hold
    recorder = StreamArrivalRecorder(wall_clock=start - congestionfeedback.clock.NTP_EPOCH % 65536)
    history = StreamDepartureHistory()
    arrivals = []
    for number in range(40):
        history.record_run(9, number, [100], 0.0)
        recorder.record(9, number, number * 0.05)
        for made in _over_the_wire(recorder.build(number * 0.05 + 0.01)):
            arrivals += [report[3] for report in history.match(made)]
    assert [later - arrivals[0] for later in arrivals if later is not None] == pytest.approx(
        [number * 0.05 for number in range(40)], abs=2 * TICK
    )


@pytest.mark.spec("feedback/report-time")
def test_the_time_is_that_of_sender_reports() -> None:
    recorder = StreamArrivalRecorder(wall_clock=1.7e9)
    recorder.record(9, 1, 5.0)
    [made] = recorder.build(5.5)
    assert made.time == congestionfeedback.clock.middle(congestionfeedback.clock.to_ntp(1.7e9 + 5.5))


def test_it_is_due_an_interval_after_the_first_arrival() -> None:
    recorder = StreamArrivalRecorder(interval=0.05)
    assert recorder.next_timeout() == math.inf
    recorder.record(9, 1, 5.0)
    recorder.record(9, 2, 5.04)
    assert recorder.next_timeout() == pytest.approx(5.05)
    recorder.build(5.05)
    assert recorder.next_timeout() == math.inf


def test_a_feedback_fits_a_datagram_whatever_came() -> None:
    recorder = StreamArrivalRecorder()
    for ssrc in range(60):
        for number in range(0, 100, 3):
            recorder.record(ssrc, number, number * 0.001)
    feedbacks = _over_the_wire(recorder.build(0.2))
    told = {(stream.ssrc, stream.first_sequence + place) for made in feedbacks for stream in made.streams
            for place, arrival in enumerate(stream.arrivals) if arrival is not None}  # fmt: skip
    assert told == {(ssrc, number) for ssrc in range(60) for number in range(0, 100, 3)}
    assert max(len(rtcp.serialize([made])) for made in feedbacks) < 1100


def test_streams_that_nobody_knows_are_bounded() -> None:
    recorder = StreamArrivalRecorder()
    for ssrc in range(1000):
        recorder.record(ssrc, 1, 0.0)
    assert sum(len(made.streams) for made in recorder.build(0.1)) == congestionfeedback.MAXIMUM_STREAMS
    assert recorder.dropped == 1000 - congestionfeedback.MAXIMUM_STREAMS


def test_numbers_that_leap_fill_no_memory() -> None:
    recorder = StreamArrivalRecorder()
    for step in range(3000):
        recorder.record(9, step * 20_000 & 0xFFFF, step * 0.001)
        if step % 100 == 0:
            told = sum(len(stream.arrivals) for made in recorder.build(step * 0.001) for stream in made.streams)
            assert told <= 2 * congestionfeedback.MAXIMUM_AHEAD
    assert len(recorder._streams[9]._arrivals) <= 2 * congestionfeedback.REMEMBERED


def test_a_long_stream_keeps_only_its_newest_arrivals() -> None:
    recorder = StreamArrivalRecorder()
    for number in range(20_000):
        recorder.record(9, number & 0xFFFF, number * 0.001)
        if number % 50 == 0:
            recorder.build(number * 0.001)
    assert len(recorder._streams[9]._arrivals) <= congestionfeedback.REMEMBERED + 50


def test_a_sender_that_counts_anew_is_heard_again() -> None:
    recorder = StreamArrivalRecorder()
    for number in range(30_000, 30_010):
        recorder.record(9, number, 0.1)
    recorder.build(0.2)
    for number in range(5_000, 5_010):
        recorder.record(9, number, 0.3)
    assert recorder.dropped == 1
    [made] = recorder.build(0.4)
    assert (made.streams[0].first_sequence, len(made.streams[0].arrivals)) == (5_001, 9)


def test_a_stream_that_we_do_not_send_is_counted() -> None:
    history = StreamDepartureHistory()
    history.record_run(9, 0, [100], 0.0)
    assert history.match(CongestionFeedback(7, 0, [StreamFeedback(8, 0, [1])])) == []
    assert history.unknown == 1
    history.forget(9)
    assert history.match(CongestionFeedback(7, 0, [StreamFeedback(9, 0, [1])])) == []
    assert history.unknown == 2


numbers = st.integers(0, 65535) | st.integers(0, 40)


@given(st.lists(st.tuples(st.integers(1, 3), numbers, st.floats(-10, 100), st.booleans()), max_size=60))
def test_no_arrivals_confuse_the_recorder(arrivals: list[tuple[int, int, float, bool]]) -> None:
    recorder = StreamArrivalRecorder()
    for ssrc, number, at, build in arrivals:
        recorder.record(ssrc, number, at)
        if build:
            made = recorder.build(at)
            assert recorder.next_timeout() > at
            _over_the_wire(made)


@given(
    st.lists(st.tuples(st.integers(1, 2), numbers), max_size=30),
    st.integers(0, 2**32 - 1),
    st.lists(
        st.builds(StreamFeedback, st.integers(1, 3), numbers, st.lists(st.none() | st.integers(0, UNTIMED))), max_size=4
    ),
)
def test_no_feedback_confuses_the_history(sent: list[tuple[int, int]], time: int, told: list[StreamFeedback]) -> None:
    history = StreamDepartureHistory()
    for ssrc, number in sent:
        history.record_run(ssrc, number, [100], 0.0)
    made = CongestionFeedback(1, time, told)
    reports = history.match(made)
    assert len(reports) <= 2 * len(sent)
    assert [report for report in history.match(made) if report[3] is None] == []
