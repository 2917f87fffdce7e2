"""Writes vectors/jitter: packets as they come, and when a jitter buffer gives them out.

The order of packets is anybody's to check; the times are those of the rules in spec/jitter.toml.
Read next: tests/vectors/test_jitter.py, which replays them; tests/confirm/jitter.py, who else puts them in order.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from meetref.media.jitter import Gap, JitterBuffer
from tests.generate.mediacases import Cases

CLOCK_RATE = 48_000
PERIOD = 20  # milliseconds
TICKS = CLOCK_RATE * PERIOD // 1000
NOTES = {"Lost": ("Packets are missing", "the next one comes in its own time, and the gap is told before it")}
Packet = tuple[float, int, int]
"""When it comes, in milliseconds; its sequence number and timestamp."""


def sound(
    count: int, *, first: int = 1000, timestamp: int = 0, at: float = 0, way: Iterable[float] = ()
) -> list[Packet]:
    """So many packets of 20 ms; `way` is by how much each comes late, in milliseconds."""
    late = [*way, *[0.0] * count]
    return [
        (at + number * PERIOD + late[number], first + number & 0xFFFF, timestamp + number * TICKS & 0xFFFF_FFFF)
        for number in range(count)
    ]


def released(given: dict[str, Any]) -> list[list[Any]]:
    """When each packet, by its sequence number, or gap ("gap", how many, null for a new beginning) comes out."""
    buffer: JitterBuffer[int] = JitterBuffer(given["clock_rate"])
    out: list[list[Any]] = []

    def take(until: float) -> None:
        while buffer.next_timeout() <= until:
            now = buffer.next_timeout()
            for item in buffer.release(now):
                out.append([round(now * 1000, 3), *(["gap", item.count] if isinstance(item, Gap) else [item])])

    for at, sequence, timestamp in given["packets"]:
        take(at / 1000)
        buffer.insert(sequence, timestamp, sequence, at / 1000)
    take(1e9)
    return out


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    cases = Cases("jitter-packets", NOTES)
    cases.group("order", "RFC 3550 section 5.1")
    for comment, reqs, packets in _orders():
        _add(cases, comment, reqs, packets)
    cases.group("time", "spec/jitter.toml")
    for comment, reqs, packets in _losses():
        _add(cases, comment, reqs, packets, "Lost")
    for comment, reqs, packets in _times():
        _add(cases, comment, reqs, packets)
    return {"jitter/packets": cases.finish()}


def _add(cases: Cases, comment: str, reqs: str, packets: list[Packet], *flags: str) -> None:
    given = {
        "clock_rate": CLOCK_RATE,
        "packets": [list(packet) for packet in sorted(packets, key=lambda each: each[0])],
    }
    cases.valid(comment, reqs, given, {"released": released(given)}, flags)


def _orders() -> list[tuple[str, str, list[Packet]]]:
    swapped = sound(10, way=(0, 0, 0, 25))
    twice = [*sound(10), *((at + 5, *rest) for at, *rest in sound(10)[3:6])]
    dice = random.Random(1)
    shuffled = sound(50, way=[dice.uniform(0, 70) for _ in range(50)])
    return [
        ("in order", "order", sound(10)),
        ("one is overtaken", "order", swapped),
        ("three come twice", "duplicates", [(at, *rest) for at, *rest in twice]),  # type: ignore[misc]
        ("the sequence wraps", "wraps", sound(10, first=65_531, way=(0, 0, 0, 0, 25))),
        ("the timestamp wraps", "wraps", sound(10, timestamp=2**32 - 3 * TICKS)),
        ("all by chance", "order adaptive", shuffled),
    ]


def _losses() -> list[tuple[str, str, list[Packet]]]:
    whole = sound(12)
    return [
        ("one is lost", "deadline gaps", whole[:5] + whole[6:]),
        ("three are lost", "deadline gaps", whole[:5] + whole[8:]),
        ("one comes after its gap was told", "late", sound(12, way=(0, 0, 0, 0, 60))),
        ("one comes so, and twice", "late duplicates", [*sound(12, way=(0, 0, 0, 0, 60)), (150, 1004, 4 * TICKS)]),
    ]


def _times() -> list[tuple[str, str, list[Packet]]]:
    dice = random.Random(2)
    calm = [dice.uniform(0, 8) for _ in range(700)]
    spike = [*calm[:200], *(dice.uniform(150, 250) for _ in range(25)), *calm[225:]]
    drift = [0.02 * number for number in range(600)]  # a tenth of a percent slow
    anew = [*sound(20), *sound(20, first=40_000, timestamp=777, at=400)]
    leap = [*sound(20), *sound(20, first=1020, timestamp=999_999_999, at=400)]
    return [
        ("a spike of half a second, and what follows", "adaptive late", sound(700, way=spike)),
        ("the sender's clock is slow", "drift", sound(600, way=drift)),
        ("the source begins anew", "restart", anew),
        ("a stray number", "restart", [*sound(20), (205.0, 30_000, 0)]),
        ("timestamps leap", "timestamp-leap", leap),
        ("timestamps leap back", "timestamp-leap", [*sound(20, timestamp=999_999_999), *sound(20, first=1020, at=400)]),
    ]
