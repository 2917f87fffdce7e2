"""Packets in the order of their numbers, whatever the network did; and a source that begins anew."""

from __future__ import annotations

import random

from meetref.archive.ordering import CAPACITY, PATIENCE, Ordering


def ordered(ordering: Ordering[int], came: list[tuple[int, float]]) -> list[tuple[int, bool]]:
    """Items are the extended numbers themselves."""
    given = [each for number, at in came for each in ordering.insert(number & 0xFFFF, number, at)]
    return [(each.item, each.missing) for each in (*given, *ordering.flush())]


def test_what_was_sent_again_is_in_its_turn() -> None:
    came = [(number, number * 0.01) for number in range(65_400, 65_700)]
    came[20:22] = []
    came.insert(120, (65_420, 1.2))
    came.insert(150, (65_421, 1.5))
    ordering: Ordering[int] = Ordering()
    assert ordered(ordering, came) == [(number, False) for number in range(65_400, 65_700)]
    assert (ordering.lost, ordering.late) == (0, 0)


def test_what_never_comes_is_told_once_nobody_waits_any_more() -> None:
    came = [(number, number * 0.02) for number in range(300) if number not in (50, 51)]
    ordering: Ordering[int] = Ordering()
    assert ordered(ordering, came) == [(number, number == 52) for number in range(300) if number not in (50, 51)]
    assert ordering.lost == 2


def test_waiting_ends() -> None:
    ordering: Ordering[int] = Ordering()
    assert list(ordering.insert(0, 0, 0.0)) == []
    assert [each.item for each in ordering.insert(2, 2, PATIENCE + 0.1)] == [0]
    assert [each.item for each in ordering.insert(1, 1, PATIENCE + 0.2)] == [1, 2]


def test_twice_is_once_and_too_late_is_dropped() -> None:
    came = [(0, 0.0), (1, 0.1), (1, 0.1), (2, 3.0), (0, 3.1), (3, 9.0)]
    ordering: Ordering[int] = Ordering()
    assert ordered(ordering, came) == [(0, False), (1, False), (2, False), (3, False)]
    assert ordering.late == 2


def test_no_more_wait_than_there_is_room_for() -> None:
    """Of a second gap, too, when all come at one moment."""
    ordering: Ordering[int] = Ordering()
    waiting = 0
    for number in range(1, 3 * CAPACITY, 2):
        list(ordering.insert(number & 0xFFFF, number, 0.0))
        waiting = max(waiting, len(ordering._waiting))
    assert waiting <= CAPACITY + 1


def test_a_source_that_begins_anew() -> None:
    ordering: Ordering[int] = Ordering()
    came = [(number, 0.01 * number) for number in range(100)]
    came += [(20_000 + number, 1 + 0.01 * number) for number in range(100)]
    assert [item for item, _ in ordered(ordering, came)] == [*range(100), *range(20_000, 20_100)]
    assert ordering.lost == 0


def test_any_order_within_the_patience_is_mended() -> None:
    for seed in range(30):
        dice = random.Random(seed)
        numbers = [number for number in range(60_000, 60_900) if dice.random() > 0.1]
        came = sorted((0.005 * number + dice.uniform(0, PATIENCE / 2), number) for number in numbers)
        given = [item for item, _ in ordered(Ordering(), [(number, at) for at, number in came])]
        assert given == numbers


def test_it_knows_what_it_lacks() -> None:
    ordering: Ordering[int] = Ordering()
    assert ordering.lacks(7)
    list(ordering.insert(7, 7, 0.0))
    assert not ordering.lacks(7)
    assert ordering.lacks(6)
    list(ordering.insert(8, 8, 3.0))
    assert not ordering.lacks(6)
    assert ordering.lacks(9)
