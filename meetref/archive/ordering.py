"""The packets of one SSRC in the order of their numbers; they came in the order in which the network brought them.

What was lost and sent again came late, and is waited for: nothing of this is live, so waiting costs only memory.
Stands on `media/sequence`; `archive/frames` has one for each SSRC. Specification: RFC 3550 section 5.1.
Leaves out: time. Read next: `archive/frames.py`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from meetref.media.sequence import difference

Item = TypeVar("Item")

PATIENCE = 2.0  # seconds by which a packet may be late: twice of what a server asks for again
CAPACITY = 4096  # packets that wait
LEAP = 3000  # numbers by which packets are apart when the source began anew (RFC 3550 appendix A.1)


@dataclass(slots=True, order=True)
class _Waiting(Generic[Item]):
    index: int
    at: float
    item: Item = field(compare=False)


@dataclass(slots=True, frozen=True)
class Placed(Generic[Item]):
    """A packet in its turn; `missing` tells that others before it are not there."""

    item: Item
    missing: bool


class Ordering(Generic[Item]):
    """See the module. `lost` counts packets that never came, `late` those that came after their turn, or twice."""

    def __init__(self) -> None:
        self.lost = 0
        self.late = 0
        self._waiting: list[_Waiting[Item]] = []  # a heap
        self._there: set[int] = set()
        self._newest: int | None = None
        self._next: int | None = None

    def insert(self, sequence: int, item: Item, at: float) -> Iterator[Placed[Item]]:
        """Take a packet that came at this moment; gives those whose turn it is."""
        if self._newest is None:
            self._newest = sequence + (1 << 16)
        step = difference(sequence, self._newest & 0xFFFF)
        if abs(step) > LEAP:
            yield from self.flush()
            self._newest, self._next = sequence + (1 << 16), None
            step = 0
        index = self._newest + step
        self._newest = max(self._newest, index)
        if index in self._there or (self._next is not None and index < self._next):
            self.late += 1
            return
        heapq.heappush(self._waiting, _Waiting(index, at, item))
        self._there.add(index)
        yield from self._due(at)

    def lacks(self, sequence: int) -> bool:
        """Whether the packet with this number would still be of use."""
        if self._newest is None:
            return True
        index = self._newest + difference(sequence, self._newest & 0xFFFF)
        return index not in self._there and (self._next is None or index >= self._next)

    def flush(self) -> Iterator[Placed[Item]]:
        """All that waits: nothing more comes."""
        while self._waiting:
            yield self._pop()

    def _due(self, now: float) -> Iterator[Placed[Item]]:
        waiting = self._waiting
        while waiting and (waiting[0].index == self._next or now - waiting[0].at > PATIENCE or len(waiting) > CAPACITY):
            yield self._pop()

    def _pop(self) -> Placed[Item]:
        first = heapq.heappop(self._waiting)
        self._there.discard(first.index)
        missing = first.index - self._next if self._next is not None else 0
        self._next = first.index + 1
        self.lost += missing
        return Placed(first.item, missing > 0)
