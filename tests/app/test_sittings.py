"""Whose a packet is, when people change places and word of it comes sooner, later, or not at all."""

from __future__ import annotations

import pytest

from meetref.app.sittings import LINGER, MAXIMUM_HELD, PATIENCE, WAIT, Occupant, Sittings

ADA, BEN = Occupant("a", "Ada", "camera"), Occupant("b", "Ben", "camera")


class Kept:
    """A stream that keeps what it is given."""

    def __init__(self, occupant: Occupant) -> None:
        self.name = occupant.name
        self.packets: list[tuple[bytes, float]] = []
        self.closed = False

    def take(self, packet: bytes, now: float) -> None:
        assert not self.closed
        self.packets.append((packet, now))

    def close(self) -> None:
        self.closed = True


class Slot:
    """Sittings, and the streams that they opened."""

    def __init__(self) -> None:
        self.streams: list[Kept] = []
        self.sittings = Sittings(self._open)

    def _open(self, occupant: Occupant) -> Kept:
        self.streams.append(Kept(occupant))
        return self.streams[-1]

    def packets(self, first: int, last: int, now: float) -> None:
        for timestamp in range(first, last):
            self.sittings.take(bytes([timestamp & 0xFF]), timestamp & 0xFFFFFFFF, now)

    def got(self) -> list[tuple[str, list[int]]]:
        return [(stream.name, [packet[0] for packet, _ in stream.packets]) for stream in self.streams]


def test_packets_wait_for_word_and_keep_the_moment_they_came() -> None:
    slot = Slot()
    slot.packets(0, 3, now=0.0)  # sooner than the message
    slot.sittings.tend(WAIT)
    assert slot.got() == []
    slot.sittings.seat(ADA, 0, now=WAIT)
    slot.sittings.tend(WAIT)
    assert slot.got() == [("Ada", [0, 1, 2])]
    assert {moment for _, moment in slot.streams[0].packets} == {0.0}
    slot.packets(3, 4, now=2.0)
    slot.sittings.tend(2.0 + WAIT / 2)
    assert slot.got() == [("Ada", [0, 1, 2])]
    slot.sittings.finish()
    assert slot.got() == [("Ada", [0, 1, 2, 3])]
    assert slot.streams[0].closed


@pytest.mark.spec("recorder/bot-divides")
@pytest.mark.parametrize("late", [False, True], ids=["word-first", "packets-first"])
@pytest.mark.parametrize("start", [0, 2**32 - 5], ids=["plain", "around"])
def test_another_one_sits_down(late: bool, start: int) -> None:
    slot = Slot()
    slot.sittings.seat(ADA, start & 0xFFFFFFFF, now=0.0)
    slot.packets(start, start + 5, now=0.1)
    slot.sittings.tend(5.0)
    if not late:
        slot.sittings.seat(BEN, None, now=6.0)
    slot.packets(start + 5, start + 8, now=6.1)  # on their way when it changed
    slot.packets(start + 10, start + 13, now=6.2)
    slot.sittings.tend(6.9)
    if late:
        slot.sittings.seat(BEN, None, now=6.95)
    slot.sittings.seat(BEN, (start + 10) & 0xFFFFFFFF, now=7.0)
    slot.sittings.tend(8.0)
    ada = [each & 0xFF for each in range(start, start + 8)]
    assert slot.got() == [("Ada", ada), ("Ben", [each & 0xFF for each in range(start + 10, start + 13)])]
    assert slot.sittings.strays == 0
    slot.sittings.tend(7.0 + LINGER + 1)
    assert [stream.closed for stream in slot.streams] == [True, False]


@pytest.mark.spec("recorder/bot-divides")
def test_while_it_is_not_known_from_where_on_packets_wait_longer() -> None:
    slot = Slot()
    slot.sittings.seat(ADA, 0, now=0.0)
    slot.sittings.seat(BEN, None, now=1.0)
    slot.packets(20, 23, now=2.5)  # too late to be of the one before
    slot.sittings.tend(2.5 + PATIENCE - 0.1)
    assert slot.got() == []
    slot.sittings.seat(BEN, 20, now=2.5 + PATIENCE - 0.05)
    slot.sittings.tend(2.5 + PATIENCE)
    assert slot.got() == [("Ben", [20, 21, 22])]
    slot.sittings.seat(None, None, now=20.0)
    slot.packets(23, 24, now=30.0)
    slot.sittings.tend(30.0 + PATIENCE)
    assert slot.sittings.strays == 1


def test_who_sits_down_again_begins_anew_and_who_never_sent_leaves_no_stream() -> None:
    slot = Slot()
    slot.sittings.seat(ADA, 0, now=0.0)
    slot.packets(0, 2, now=0.0)
    slot.sittings.seat(BEN, None, now=1.0)
    slot.sittings.seat(ADA, None, now=2.0)
    slot.sittings.seat(ADA, 50, now=3.0)
    slot.packets(50, 52, now=3.0)
    slot.sittings.tend(5.0)
    assert slot.got() == [("Ada", [0, 1]), ("Ada", [50, 51])]


def test_half_a_circle_later_it_is_still_the_same_person() -> None:
    slot = Slot()
    slot.sittings.seat(ADA, 0, now=0.0)
    slot.sittings.seat(BEN, 7, now=1.0)
    slot.sittings.tend(1.0 + LINGER + 1)
    for timestamp in (8, 2**31 + 8, 3 * 2**30 + 8):
        slot.packets(timestamp, timestamp + 1, now=20.0)
    slot.sittings.tend(30.0)
    assert slot.got() == [("Ben", [8, 8, 8])]


@pytest.mark.spec("recorder/bot-bounded")
def test_what_is_held_has_a_bound() -> None:
    slot = Slot()
    slot.packets(0, MAXIMUM_HELD + 10, now=0.0)  # nobody sits there as far as anybody said
    assert slot.sittings.strays == 10
    slot.sittings.seat(ADA, 0, now=0.5)
    slot.packets(0, 10, now=0.6)
    assert len(slot.streams[0].packets) == 10
    slot.sittings.finish()
    assert len(slot.streams[0].packets) == MAXIMUM_HELD + 10
