"""Losses noticed, asked for, given up; sent packets kept and given out again."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media import repair
from meetref.media.repair import LossDetector, PacketCache


@pytest.mark.spec("repair/gap-noticed", "repair/reordering-waited-for")
def test_a_gap_is_asked_for_after_the_wait_for_reordering() -> None:
    losses = LossDetector(round_trip_time=0.05)
    assert losses.next_timeout() == math.inf
    losses.receive(65534, 0.0)
    losses.receive(65538, 1.0)
    assert losses.next_timeout() == 1.01
    assert losses.due(1.005) == []
    assert losses.due(1.01) == [65535, 0, 1]
    assert losses.next_timeout() == 1.01 + 0.05


@pytest.mark.spec("repair/reordering-waited-for")
def test_a_packet_that_was_only_late_is_not_asked_for() -> None:
    losses = LossDetector()
    for sequence, at in ((1, 0.0), (3, 0.001), (2, 0.005)):
        losses.receive(sequence, at)
    assert losses.due(0.02) == []
    assert losses.next_timeout() == math.inf
    assert losses.recovered == 0


@pytest.mark.spec("repair/asked-again")
def test_asking_is_repeated_once_a_round_trip_within_bounds() -> None:
    for round_trip, repeat in ((0.001, 0.04), (0.1, 0.1), (3.0, 0.4)):
        losses = LossDetector(round_trip_time=round_trip)
        losses.receive(1, 0.0)
        losses.receive(3, 0.0)
        assert losses.due(0.01) == [2]
        assert math.isclose(losses.next_timeout(), 0.01 + repeat)


@pytest.mark.spec("repair/asking-ends")
def test_after_a_second_it_is_given_up_once() -> None:
    losses = LossDetector(round_trip_time=0.1)
    losses.receive(1, 0.0)
    losses.receive(3, 0.0)
    asked = 0
    now = 0.0
    while losses.next_timeout() < math.inf:
        now = losses.next_timeout()
        asked += len(losses.due(now))
        assert losses.next_timeout() > now
    assert (asked, now) == (10, 1.0)
    assert losses.gave_up()
    assert not losses.gave_up()
    losses.receive(2, 1.1)  # too late for anybody
    assert (losses.recovered, losses.abandoned) == (0, 1)


@pytest.mark.spec("repair/recovered-not-asked", "repair/keyframe-ends-asking")
def test_what_comes_again_counts_as_recovered() -> None:
    losses = LossDetector()
    losses.receive(1, 0.0)
    losses.receive(4, 0.0)
    losses.due(0.01)
    losses.receive(3, 0.1)
    assert (losses.recovered, len(losses)) == (1, 1)
    losses.forgive(3)
    assert len(losses) == 0
    assert not losses.gave_up()


@pytest.mark.spec("repair/missing-bounded")
def test_a_gap_that_is_too_large_is_given_up_at_once() -> None:
    losses = LossDetector()
    losses.receive(1, 0.0)
    losses.receive(5, 0.0)
    losses.receive(5 + repair.MAXIMUM_MISSING + 1, 1.0)
    assert len(losses) == 0
    assert losses.next_timeout() == 1.0
    assert losses.due(1.0) == []
    assert losses.gave_up()
    assert losses.next_timeout() == math.inf


@pytest.mark.spec("repair/request-bounded")
def test_one_nack_asks_for_a_bounded_number() -> None:
    losses = LossDetector()
    for sequence in range(0, 1200, 2):
        losses.receive(sequence, 0.0)
    assert len(losses.due(0.01)) == repair.MAXIMUM_REQUESTED
    assert len(losses.due(losses.next_timeout())) == repair.MAXIMUM_REQUESTED


@given(st.lists(st.tuples(st.integers(-5, 2000), st.floats(0, 0.2)), max_size=80))
def test_time_moves_on_and_memory_is_bounded(steps: list[tuple[int, float]]) -> None:
    losses = LossDetector(reorder_wait=0.0)
    sequence, now = 0, 0.0
    for step, wait in steps:
        sequence, now = sequence + step, now + wait
        losses.receive(sequence, now)
        assert len(losses) <= repair.MAXIMUM_MISSING
        if losses.next_timeout() <= now:
            assert len(losses.due(now)) <= repair.MAXIMUM_REQUESTED
            assert losses.next_timeout() > now


@pytest.mark.spec("repair/earlier-beginning")
def test_what_lies_behind_a_late_first_packet_is_missed_too() -> None:
    """A keyframe's second packet is lost and its first comes after the third: without the second it is nothing."""
    losses = LossDetector()
    for number, now in ((12, 0.0), (10, 0.01), (13, 0.02)):
        losses.receive(number, now)
    assert losses.due(0.05) == [11]
    losses.receive(11, 0.06)
    assert len(losses) == 0


def test_an_ancient_packet_is_no_beginning() -> None:
    losses = LossDetector()
    losses.receive(5000, 0.0)
    losses.receive(5000 - repair.MAXIMUM_MISORDER - 1, 0.0)
    assert len(losses) == 0


@pytest.mark.spec("repair/once-a-round-trip")
def test_a_stored_packet_is_given_out_again_but_not_twice_at_once() -> None:
    cache: PacketCache[bytes] = PacketCache(round_trip_time=0.05)
    cache.store(65534, (b"before", b"last", b"first"), 0.0)
    assert cache.fetch(65535, 0.1) == b"last"
    assert cache.fetch(65535, 0.14) is None
    assert cache.fetch(0, 0.14) == b"first"
    assert cache.fetch(65535, 0.16) == b"last"
    assert cache.fetch(1, 0.1) is None
    assert 65534 in cache
    assert 1 not in cache


@pytest.mark.spec("repair/refused-may-be-asked-again")
def test_what_had_no_room_may_be_asked_for_again_at_once() -> None:
    cache: PacketCache[bytes] = PacketCache(round_trip_time=0.05)
    cache.store(1, (b"first", b"second"), 0.0)
    for sequence in (1, 2):
        assert cache.fetch(sequence, 0.1) is not None
    cache.not_sent(2)
    assert cache.fetch(1, 0.11) is None
    assert cache.fetch(2, 0.11) == b"second"


@pytest.mark.spec("repair/forgotten")
def test_what_is_forgotten_is_not_given_out_again() -> None:
    cache: PacketCache[bytes] = PacketCache()
    cache.store(10, [b"old", b"older"], 1.0)
    cache.forget()
    cache.store(12, [b"new"], 1.0)
    assert [cache.fetch(sequence, 1.0) for sequence in (10, 11, 12)] == [None, None, b"new"]


def test_a_cache_of_which_nothing_is_asked_takes_no_places() -> None:
    """A viewer has thirty streams that could carry something, and mostly few that do."""
    cache: PacketCache[bytes] = PacketCache()
    assert cache.fetch(1, 0.0) is None
    assert 1 not in cache
    assert list(cache.newest(3, 0.0)) == []
    assert not cache._places
    cache.store(1, (b"one",), 0.0)
    assert len(cache._places) == cache.capacity
    cache.forget()
    assert not cache._places


@pytest.mark.spec("repair/kept-for-a-while", "repair/kept-packets-bounded")
def test_a_packet_that_is_too_old_or_overwritten_is_gone() -> None:
    cache: PacketCache[bytes] = PacketCache(capacity=4, maximum_age=2.0)
    cache.store(1, (b"one",), 0.0)
    assert cache.fetch(1, 2.1) is None
    for sequence in range(1, 6):
        cache.store(sequence, (bytes([sequence]),), 3.0)
    assert cache.fetch(1, 3.0) is None
    assert [cache.fetch(sequence, 3.0) for sequence in range(2, 6)] == [b"\2", b"\3", b"\4", b"\5"]


@given(st.lists(st.tuples(st.integers(0, 65535) | st.integers(65500, 65535), st.integers(0, 40)), max_size=200))
def test_the_cache_never_gives_another_packet(actions: list[tuple[int, int]]) -> None:
    cache: PacketCache[bytes] = PacketCache(capacity=16)
    for now, (sequence, stored) in enumerate(actions):
        if stored:
            run = [(sequence + place & 0xFFFF).to_bytes(2) for place in range(stored)]
            cache.store(sequence, run, now)
            assert list(cache.newest(min(3, stored), now)) == run[::-1][:3]
        else:
            assert cache.fetch(sequence, now) in (None, sequence.to_bytes(2))
        assert len(cache._places) in (0, 16)
