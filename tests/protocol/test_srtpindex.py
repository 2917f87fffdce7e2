"""Indexes and the window: each index once, none that is too old to know, and the nearest one for a sequence number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol.lock import LockRefused
from meetref.protocol.srtpindex import LAST_INDEX, SENDING_WINDOW, Source

WINDOW = 64


@pytest.mark.spec("srtp/index-guess")
@given(highest=st.integers(0, LAST_INDEX), ahead=st.integers(-0x7FFF, 0x7FFF))
def test_the_index_is_the_nearest_one(highest: int, ahead: int) -> None:
    index = highest + ahead
    if 0 <= index <= LAST_INDEX:
        assert Source(0, WINDOW, highest).index_of(index & 0xFFFF) == index


@pytest.mark.spec("srtp/index-guess")
@pytest.mark.parametrize(
    ("highest", "sequence", "index"),
    [
        (0x10005, 0x8005, 0x18005),  # exactly half a round ahead, in this round
        (0x10005, 0x8006, 0x08006),
        (0x19000, 0x1000, 0x11000),  # exactly half a round behind, in this round
        (0x19000, 0x0FFF, 0x20FFF),
        (0x00005, 0x9000, 0x09000),  # there is no round before the first
    ],
)
def test_half_a_round_away_is_what_the_document_says(highest: int, sequence: int, index: int) -> None:
    assert Source(0, WINDOW, highest).index_of(sequence) == index


@pytest.mark.spec("srtp/replay-window")
@given(steps=st.lists(st.one_of(st.integers(-100, 10), st.integers(0, 300)), max_size=200))
def test_the_window_is_that_of_a_list_of_everything_seen(steps: list[int]) -> None:
    source, seen, highest = Source(0, WINDOW, 1000), set[int](), 1000
    for step in steps:
        index = highest + step
        fresh = index > highest - WINDOW and index not in seen and index >= 0
        assert source.is_fresh(index) == fresh
        if fresh:
            source.use(index)
            seen.add(index)
            highest = max(highest, index)
    assert source.highest == highest


@pytest.mark.spec("srtp/replay-window")
def test_what_is_older_than_the_window_is_not_taken_even_if_it_never_came() -> None:
    source = Source(0, WINDOW, 0)
    source.use(0)
    source.use(1000)
    assert source.is_fresh(1000 - WINDOW + 1)
    assert not source.is_fresh(1000 - WINDOW)
    assert not source.is_fresh(500)


@pytest.mark.spec("srtp/no-index-twice")
@given(numbers=st.lists(st.integers(0, 0xFFFF), max_size=300), first=st.integers(0, 1 << 20))
def test_no_index_is_claimed_twice(numbers: list[int], first: int) -> None:
    source, claimed = Source(0, SENDING_WINDOW, first), set[int]()
    for number in numbers:
        try:
            index = source.claim(number)
        except LockRefused:
            continue
        assert index & 0xFFFF == number
        assert index not in claimed
        claimed.add(index)


@pytest.mark.spec("srtp/index-exhausted")
def test_the_last_index_is_the_last() -> None:
    source = Source(0, WINDOW, LAST_INDEX - 1)
    assert source.claim(0xFFFF) == LAST_INDEX
    with pytest.raises(LockRefused):
        source.claim(0)
    assert not source.is_fresh(source.index_of(0))
