"""Whose packets they are: one slot of *down* shows one person after the other, on one stream that never ends.

    A A A A | B B B        `seats` names the RTP timestamp from which on it is B

Word of a change comes by another way than the packets, so a packet waits a second before it is given to anybody, and
longer while it is known that somebody sits down and not from where on.
Stands on nothing of ours; `app/onlooker` has one for each slot. Specification: docs/ways.md; `Seat` in signaling.
Leaves out: what is done with the packets. Read next: `app/onlooker.py`, `meeting/seats.py`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

WAIT = 1.0  # seconds between a packet and word of whose it is
PATIENCE = 10.0  # seconds while nobody, or only who comes next, is known
LINGER = PATIENCE + 2 * WAIT  # seconds after which nothing of whoever sat here before is still held
MAXIMUM_HELD = 2000  # packets of one slot


class Occupant(NamedTuple):
    """Who is heard or seen in a slot, and as what: `microphone`, `camera`, `screen` or `screen-sound`."""

    person: str
    name: str
    source: str


class Stream(Protocol):
    """Where somebody's packets go."""

    def take(self, packet: bytes, now: float) -> None: ...
    def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class _Sitting:
    """Somebody's time in the slot. `since` is the first RTP timestamp of theirs, None as long as it is not known."""

    occupant: Occupant
    since: int | None
    over_at: float = math.inf
    stream: Stream | None = None


class _Held(NamedTuple):
    arrived_at: float
    timestamp: int
    packet: bytes


class Sittings:
    """Of one slot. `open_stream` is called for each sitting when its first packet is given away.

    `strays` counts the packets that were nobody's.
    """

    def __init__(self, open_stream: Callable[[Occupant], Stream | None]) -> None:
        self.strays = 0
        self._open_stream = open_stream
        self._sittings: list[_Sitting] = []
        self._held: deque[_Held] = deque()

    def seat(self, occupant: Occupant | None, since: int | None, now: float) -> None:
        """Take what signaling says of the slot."""
        last = self._sittings[-1] if self._sittings else None
        if last is not None and last.over_at == math.inf:
            if last.occupant == occupant and last.since in (None, since):
                last.since = since
                return
            last.over_at = now
            if last.since is None:
                self._sittings.pop()  # nothing of theirs ever came
        if occupant is not None:
            self._sittings.append(_Sitting(occupant, since))

    def take(self, packet: bytes, timestamp: int, now: float) -> None:
        """A packet came, or a sender report, which stands for its timestamp."""
        self._held.append(_Held(now, timestamp, packet))
        if len(self._held) > MAXIMUM_HELD:  # spec: recorder/bot-bounded
            self._give(self._held.popleft())

    def tend(self, now: float) -> None:
        """To be called a few times a second: give away what has waited long enough, and close what is over."""
        wait = WAIT if self._is_settled() else PATIENCE
        while self._held and self._held[0].arrived_at <= now - wait:
            self._give(self._held.popleft())
        for sitting in [each for each in self._sittings if each.over_at < now - LINGER]:
            self._sittings.remove(sitting)
            _close(sitting)

    def finish(self) -> None:
        """Give away all that is held, as far as it is known whose it is."""
        while self._held:
            self._give(self._held.popleft())
        for sitting in self._sittings:
            _close(sitting)
        self._sittings.clear()

    def _is_settled(self) -> bool:
        last = self._sittings[-1] if self._sittings else None
        return last is not None and last.since is not None and last.over_at == math.inf

    def _give(self, held: _Held) -> None:
        sitting = self._whose(held)
        if sitting is None:
            self.strays += 1
            return
        if sitting.stream is None:
            sitting.stream = self._open_stream(sitting.occupant)
        if sitting.stream is not None:
            sitting.stream.take(held.packet, held.arrived_at)

    def _whose(self, held: _Held) -> _Sitting | None:
        known = [sitting for sitting in self._sittings if sitting.since is not None]
        for sitting in reversed(known):
            assert sitting.since is not None
            # Of the first that is known all is older than of the next: no comparison, which half a circle would end.
            if sitting is known[0] or reached(held.timestamp, sitting.since):  # spec: recorder/bot-divides
                return sitting if held.arrived_at <= sitting.over_at + WAIT else None
        return None


def reached(timestamp: int, since: int) -> bool:
    """Whether a 32-bit RTP timestamp is not before another one, wrapping around."""
    return (timestamp - since) & 0xFFFFFFFF < 1 << 31


def _close(sitting: _Sitting) -> None:
    if sitting.stream is not None:
        sitting.stream.close()
