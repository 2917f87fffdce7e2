"""Both engines beside each other, packet by packet: the same octets out, and the same packets taken and refused.

Two ends talk both ways over a line that loses, delays, repeats and damages, through many roll-overs. Whatever one
engine says of a packet the other must say too.
Read next: tests/vectors/test_srtp.py, where implementations of others say so.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from meetref.protocol.srtp import LockRefused, Session, open_session
from meetref.wire import rtcp
from tests.protocol.srtp_ends import PROFILES, keys, packet

ROUNDS = 150
SOURCES = (7, 8, 0xFFFFFFF0)
STARTS = (0, 5, 0x7FFE, 0x8000, 0xFFF0, 0xFFFF)
STEPS = (1, 1, 1, 1, 1, 1, 1, 2, 30, 2100, 0x6000, 0x7FFF)


@dataclass
class End:
    """One end, twice: what it locks, what it is given, and what has come of that."""

    ours: Session
    library: Session
    numbers: dict[int, int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def lock(self, plain: bytes, *, control: bool = False) -> bytes | None:
        """What both engines make of it; None where both refuse."""
        results: list[bytes | None] = []
        for session in (self.ours, self.library):
            try:
                results.append(session.lock_control(plain) if control else session.lock(plain))
            except LockRefused:
                results.append(None)
        assert results[0] == results[1], f"locked otherwise: {plain.hex()}"
        self.counts["locked" if results[0] is not None else "not locked"] += 1
        return results[0]

    def unlock(self, locked: bytes, *, control: bool) -> bytes | None:
        if control:
            results = self.ours.unlock_control(locked), self.library.unlock_control(locked)
        else:
            results = self.ours.unlock(locked), self.library.unlock(locked)
        assert results[0] == results[1], f"opened otherwise: {locked.hex()}"
        self.counts["opened" if results[0] is not None else "not opened"] += 1
        return results[0]


def ends(profile: int, seed: int) -> tuple[End, End]:
    first, second = keys(profile, seed)
    here = End(open_session(first, "ours"), open_session(first, "libsrtp"))
    return here, End(open_session(second, "ours"), open_session(second, "libsrtp"))


def next_plain(end: End, dice: random.Random) -> bytes:
    """A packet of any shape: mostly the next of its source, sometimes far ahead, late, or a number that was used.

    As sender ours has the smaller window, which is why nothing is later than 200.
    """
    ssrc = dice.choice(SOURCES)
    highest = end.numbers.get(ssrc)
    if highest is None:
        number = dice.choice(STARTS)
    else:
        number = max(0, highest + (-dice.randrange(200) if dice.random() < 0.1 else dice.choice(STEPS)))
    end.numbers[ssrc] = max(number, highest or 0)
    more = {
        "csrcs": [dice.getrandbits(32) for _ in range(dice.choice((0, 0, 1, 15)))],
        "extensions": {1: dice.randbytes(3), 5: dice.randbytes(16)} if dice.random() < 0.5 else {},
        "marker": dice.random() < 0.5,
        "padding_size": dice.choice((0, 0, 9)),
    }
    return packet(number, dice.randbytes(dice.choice((0, 1, 15, 16, 17, 200))), ssrc, **more)


def report(dice: random.Random) -> bytes:
    ssrc = dice.choice(SOURCES)
    return rtcp.serialize([rtcp.ReceiverReport(ssrc, []), rtcp.named(ssrc, "s" * dice.randrange(30))])


def damaged(locked: bytes, dice: random.Random) -> bytes:
    """A bit that flipped, an end that is missing, or something behind it."""
    kind = dice.randrange(4)
    if kind == 0:
        return locked[: dice.randrange(len(locked))]
    if kind == 1:
        return locked + dice.randbytes(dice.randrange(1, 20))
    at = dice.randrange(len(locked))
    return locked[:at] + bytes([locked[at] ^ 1 << dice.randrange(8)]) + locked[at + 1 :]


def talk(profile: int, seed: int) -> tuple[End, End]:
    """Both ends send to each other over lines that are bad in every way."""
    dice = random.Random(f"{profile} {seed}")
    here, there = ends(profile, seed)
    lost, late, again, broken = (dice.random() * most for most in (0.3, 0.4, 0.2, 0.2))
    lines: dict[int, list[tuple[float, int, bytes, bool]]] = {0: [], 1: []}
    for place in range(ROUNDS):
        for way, sender in enumerate((here, there)):
            control = dice.random() < 0.15
            locked = sender.lock(report(dice) if control else next_plain(sender, dice), control=control)
            if locked is None or dice.random() < lost:
                continue
            for _ in range(1 + (dice.random() < again)):
                delay = dice.choice((3.0, 20.0, 90.0)) * dice.random() * (dice.random() < late)
                octets = damaged(locked, dice) if dice.random() < broken else locked
                lines[way].append((place + delay, len(lines[way]), octets, control))
    for way, receiver in enumerate((there, here)):
        for _, _, octets, control in sorted(lines[way]):
            receiver.unlock(octets, control=control)
    return here, there


@pytest.mark.spec("srtp/index-guess", "srtp/roll-over", "srtp/replay-window", "srtp/no-index-twice", "srtp/tag-wrong")
@pytest.mark.soak(ci=12, full=2500)
@PROFILES
def test_both_engines_say_the_same_of_every_packet(profile: int, seed: int) -> None:
    counts = sum((end.counts for end in talk(profile, seed)), Counter[str]())
    assert counts["locked"] > 0.8 * 2 * ROUNDS
    assert counts["opened"] > 0


def test_the_streams_have_all_that_can_happen() -> None:
    """Otherwise the comparison says little: roll-overs, numbers used twice, packets that must not open."""
    counts, rolled = Counter[str](), 0
    for seed in range(10):
        for end in talk(0x0008, seed):
            counts += end.counts
            rolled += sum(number >> 16 for number in end.numbers.values())
    assert rolled > 150, "few roll-overs"
    assert counts["not locked"] > 5, "no number was used twice"
    assert counts["not opened"] > 100
    assert counts["opened"] > 1000, "most packets are good ones"


@PROFILES
def test_a_packet_of_one_engine_opens_with_the_other(profile: int) -> None:
    first, second = keys(profile, 5)
    for here, there in (("ours", "libsrtp"), ("libsrtp", "ours")):
        sender, receiver = open_session(first, here), open_session(second, there)  # type: ignore[arg-type]  # a pair
        plain = [packet(number, b"picture", csrcs=[1], extensions={3: b"ab"}) for number in range(0xFFF0, 0x10010)]
        assert [receiver.unlock(sender.lock(each)) for each in plain] == plain
