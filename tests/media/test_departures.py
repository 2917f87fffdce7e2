"""The ring of departures: runs and single packets are remembered alike, told of once or twice, and bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meetref.media.departures import CAPACITY, SMALLEST, Departures


def test_a_run_is_the_same_as_its_packets_one_by_one() -> None:
    together, apart = Departures(64), Departures(64)
    for start in (65500, 65507, 65514, 65521, 65528, 65535, 65542):
        sizes = [1000 + start % 100 + place for place in range(7)]
        together.record_run(start & 0xFFFF, sizes, start * 0.01)
        for place, size in enumerate(sizes):
            apart.record(start + place & 0xFFFF, size, start * 0.01)
    first = together.nearest(65500)
    assert first == 65500
    arrivals = [number * 0.001 for number in range(49)]
    told = together.tell(first, arrivals)
    assert told == apart.tell(first, arrivals)
    assert told[0] == (65500, 1000, 655.0, 0.0)
    assert told[-1] == (65548, 1048, 655.42, 0.048)
    assert len(together) == len(apart) == 0


def test_a_packet_is_told_as_missing_once_and_as_received_once() -> None:
    departures = Departures()
    departures.record_run(10, [100, 200, 300], 1.0)
    assert [report[3] for report in departures.tell(10, [5.0, None, 5.1])] == [5.0, None, 5.1]
    assert departures.tell(10, [None, None, None]) == []
    assert departures.unmatched == 0
    assert departures.tell(11, [5.3]) == [(11, 200, 1.0, 5.3)]
    assert departures.tell(11, [5.3]) == []
    assert departures.unmatched == 1


def test_only_the_newest_are_remembered() -> None:
    departures = Departures(100)
    for start in range(0, 1000, 8):
        departures.record_run(start, [50] * 8, start * 0.001)
    assert len(departures) == 100
    assert [report[0] for report in departures.tell(800, [1.0] * 200)] == list(range(900, 1000))
    assert departures.unmatched == 100


def test_a_run_longer_than_the_ring_keeps_its_end() -> None:
    departures = Departures(16)
    departures.record_run(0, list(range(1, 41)), 1.0)
    assert [report[1] for report in departures.tell(0, [2.0] * 40)] == list(range(25, 41))


@given(st.lists(st.integers(1, 60), min_size=1, max_size=80), st.integers(0, 65535))
def test_while_nothing_is_told_as_many_are_remembered_as_there_may_be(runs: list[int], first: int) -> None:
    departures, sent = Departures(), 0
    for count in runs * 2:
        departures.record_run(first + sent & 0xFFFF, [100] * count, sent * 0.001)
        sent += count
        assert len(departures) == min(sent, CAPACITY)
    assert len(departures.tell(first, [1.0] * sent)) == min(sent, CAPACITY)


def test_the_ring_stays_small_while_feedback_comes() -> None:
    departures = Departures()
    for start in range(0, 100_000, 8):
        departures.record_run(start & 0xFFFF, [100 + start % 7] * 8, start * 0.001)
        if start >= SMALLEST - 16:
            about = start - SMALLEST + 16
            reports = departures.tell(departures.nearest(about & 0xFFFF), [None if about % 3 == 0 else 1.0] * 8)
            assert [report[1:3] for report in reports] == [(100 + about % 7, about * 0.001)] * 8
    assert len(departures._sizes) == SMALLEST


def test_the_ring_stays_small_though_a_feedback_was_lost() -> None:
    departures = Departures()
    for start in range(0, 10 * SMALLEST, 8):
        departures.record_run(start, [100] * 8, start * 0.01)
        if start % 80:
            departures.tell(start, [1.0] * 8)
    assert len(departures._sizes) == SMALLEST


def test_a_gap_makes_the_ring_grow_too() -> None:
    departures = Departures()
    departures.record_run(0, [100] * 8, 1.0)
    departures.record_run(CAPACITY - 8, [200] * 8, 2.0)
    assert len(departures.tell(0, [3.0] * CAPACITY)) == 16


def test_numbers_that_were_left_out_were_not_sent() -> None:
    """The place of a number that was passed over must not show the packet that was there a whole ring before."""
    departures = Departures(16)
    departures.record_run(0, [100] * 16, 1.0)
    departures.record_run(20, [200] * 2, 2.0)
    assert [report[0] for report in departures.tell(0, [3.0] * 22)] == [*range(6, 16), 20, 21]
    departures.record_run(10_000, [300], 3.0)
    assert len(departures) == 1


def test_the_first_number_is_its_own_whatever_it_is() -> None:
    for first in (0, 1, 32767, 32768, 65535):
        departures = Departures(32)
        departures.record_run(first, [100, 200], 1.0)
        assert [report[:2] for report in departures.tell(departures.nearest(first), [3.0, 3.0])] == [
            (first, 100),
            (first + 1, 200),
        ]


def test_an_older_number_is_put_where_it_belongs() -> None:
    departures = Departures(16)
    departures.record(20, 100, 1.0)
    departures.record(18, 90, 1.1)
    departures.record(2, 80, 1.2)  # a whole ring behind: of no use
    assert [report[0] for report in departures.tell(2, [3.0] * 19)] == [18, 20]


runs = st.tuples(st.integers(0, 65535) | st.integers(0, 60), st.lists(st.integers(1, 1500), max_size=30))
times = st.lists(st.none() | st.floats(-100, 100), max_size=60)


@given(st.lists(st.tuples(runs, st.integers(0, 65535) | st.integers(0, 60), times), max_size=12))
def test_whatever_is_recorded_and_told(steps: list[tuple[tuple[int, list[int]], int, list[float | None]]]) -> None:
    departures = Departures(32)
    alike = Departures(32)
    for (start, sizes), told, arrivals in steps:
        departures.record_run(start, sizes, 1.0)
        for place, size in enumerate(sizes):
            alike.record(start + place & 0xFFFF, size, 1.0)
        first = departures.nearest(told)
        reports = departures.tell(first, arrivals)
        assert reports == [report for index, at in enumerate(arrivals, first) for report in alike.tell(index, [at])]
        assert all(0 <= report[0] - first < len(arrivals) and report[1] > 0 for report in reports)
        assert len(departures) == len(alike) <= 32
