"""A jitter buffer: packets in at the network's pace, out in order and at the sender's, each lost one told in time.

Stands above `media/sequence`, below whoever plays, mixes or decodes. One object a stream; `insert` every packet as it
comes, and take what `release` gives when `next_timeout` has come.
Specification: RFC 3550 section 5.1 for sequence and timestamp. How long to wait is ours: long enough for 97 of 100
sounds or pictures, by a histogram that forgets, as in libwebrtc's NetEQ.
Sound waits for nobody; pictures, of which each needs the one before, wait for a packet that was asked for again.
Leaves out: stretching sound while the delay changes, concealing gaps, and asking again (`media/repair`).
Read next: `media/delayhistogram.py`, how long that is.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from meetref.media.delayhistogram import DelayHistogram
from meetref.media.sequence import difference

Item = TypeVar("Item")

LONGEST: Final = 1.0  # seconds that any packet waits at most
CAPACITY: Final = 512  # packets
MAXIMUM_DROPOUT: Final = 3000  # as in media/reception (RFC 3550 appendix A.1)
MAXIMUM_MISORDER: Final = 100
TRACK: Final = 5.0  # seconds; the fastest packet of the last one or two of these says what "without delay" is
LEAP: Final = (
    3.0  # seconds by which a packet is late when its timestamps began anew, rather than the network stood still
)
WINDOW: Final = 128  # released packets among which one that comes again is recognised


@dataclass(slots=True, frozen=True)
class Gap:
    """So many packets in a row did not come in time; None: the source began anew, and nobody knows."""

    count: int | None


@dataclass(slots=True)
class _Held(Generic[Item]):
    media_at: float  # seconds on the sender's clock
    arrived_at: float
    item: Item


class JitterBuffer(Generic[Item]):
    """Holds the packets of one stream whose timestamps count `clock_rate` ticks a second.

    `delay` is how long a packet without any delay of its own is held, in seconds. A packet behind a gap waits up to
    `patience` seconds for those that are missing, whatever the delay.
    Set `repair_time`, in seconds, when it is known how soon a packet that is asked for again is there: one that comes
    later still is waited for, but is no reason to hold all others as long.
    Counted are packets that are `lost` (of which some came `late`), `duplicates`, `strays` with a number out of all
    range, and `overflowed` ones.
    """

    def __init__(
        self, clock_rate: int, *, longest: float = LONGEST, capacity: int = CAPACITY, patience: float = 0.0
    ) -> None:
        self.clock_rate = clock_rate
        self.longest = longest
        self.patience = min(patience, longest)
        self.capacity = capacity
        self.repair_time = self.patience or longest
        # A packet that all the held ones wait for is no beginning of something else.
        self._misorder = capacity if patience else MAXIMUM_MISORDER
        self.late = self.lost = self.duplicates = self.overflowed = self.restarts = self.strays = 0
        self._histogram = DelayHistogram()
        self._held: dict[int, _Held[Item]] = {}
        self._order: list[int] = []  # a heap
        self._next: int | None = None  # the first that was not released
        self._given_up = 0  # the index up to which nothing is waited for,
        self._skips_to = 0  # and that up to which nothing is once its time has come
        self._seen = 0  # the released ones before it, the last at the lowest bit
        self._sequence = self._timestamp = 0  # of the newest packet
        self._newest = 0  # its index, which goes on where the sequence wraps or leaps
        self._media_at = 0.0
        self._doubted: tuple[int, int, Item, float] | None = None
        self._begins: set[int] = set()  # indices at which the source began anew
        self._fastest = self._fastest_before = math.inf  # way of the fastest packet now, and in the window before
        self._window_ends = -math.inf

    def __len__(self) -> int:
        return len(self._held)

    @property
    def delay(self) -> float:
        return min(self._histogram.delay, self.longest)

    def insert(self, sequence: int, timestamp: int, item: Item, now: float) -> None:
        """Take a packet: 16 bits of sequence number, 32 of timestamp. What comes twice or too late is counted."""
        if self._window_ends == -math.inf:
            self._sequence, self._timestamp, self._newest = sequence, timestamp, 1 << 16
        step = difference(sequence, self._sequence)  # spec: jitter/wraps
        if not -self._misorder <= step < MAXIMUM_DROPOUT:
            self._doubt(sequence, timestamp, item, now)
            return
        if self._doubted is not None:
            self._doubted = None
            self.strays += 1
        media_at = self._media_at + difference(timestamp, self._timestamp, 32) / self.clock_rate
        index = self._newest + step
        if step > 0:
            self._sequence, self._timestamp, self._newest, self._media_at = sequence, timestamp, index, media_at
        if self._is_new(index):
            self._measure(timestamp, now - media_at, step < 0, now)
        if index not in self._held and (self._next is None or index >= self._next):
            self._hold(index, _Held(media_at, now, item))

    def _doubt(self, sequence: int, timestamp: int, item: Item, now: float) -> None:
        """A number far away is believed when the next one follows it; then both are a new beginning."""
        first, self._doubted = self._doubted, (sequence, timestamp, item, now)
        if first is None:
            return
        if difference(sequence, first[0]) != 1:
            self.strays += 1
            return
        # spec: jitter/restart
        self.restarts += 1
        self._doubted = None
        self._newest += 1
        self._begins.add(self._newest)
        self._sequence, self._timestamp = first[0], first[1]
        self._fastest = self._fastest_before = math.inf
        self.insert(*first)
        self.insert(sequence, timestamp, item, now)

    def _is_new(self, index: int) -> bool:
        if index in self._held:
            self.duplicates += 1
            return False
        if self._next is None or index >= self._next:
            return True
        bit = 1 << self._next - 1 - index
        if self._seen & bit or bit >> WINDOW:
            self.duplicates += 1  # spec: jitter/duplicates
            return False
        self._seen |= bit
        self.late += 1  # spec: jitter/late
        return True

    def _measure(self, timestamp: int, way: float, is_behind: bool, now: float) -> None:
        """`way` is by how much the arrival is behind the sender's clock; what counts is by how much more than usual.

        `is_behind` says that packets behind this one came first.
        """
        if now >= self._window_ends:
            self._window_ends = now + TRACK
            before = self._origin
            # spec: jitter/drift
            self._fastest_before, self._fastest = self._fastest, math.inf
            if before < self._origin < math.inf:
                self._histogram.shift(self._origin - before)  # spec: jitter/longer-way
        if way - self._origin > LEAP and self._origin < math.inf:
            self._fastest = self._fastest_before = way  # spec: jitter/timestamp-leap
        self._fastest = min(self._fastest, way)
        longest = self.repair_time if is_behind else math.inf
        self._histogram.add(timestamp, min(way - self._origin, longest), now)  # spec: jitter/one-repair

    @property
    def _origin(self) -> float:
        """From the sender's clock to ours, by the fastest packet."""
        return min(self._fastest, self._fastest_before)

    def came_at(self, timestamp: int) -> float:
        """When a packet with this timestamp would have come, as fast as the fastest; not before there was one."""
        return self._origin + self._media_at + difference(timestamp, self._timestamp, 32) / self.clock_rate

    def _hold(self, index: int, held: _Held[Item]) -> None:
        if len(self._held) >= self.capacity:
            self.overflowed += 1  # spec: jitter/bounded
            del self._held[heapq.heappop(self._order)]
        self._held[index] = held
        heapq.heappush(self._order, index)  # spec: jitter/order

    def holds(self, sequence: int) -> bool:
        """Whether the packet with this number is there, and was not given out."""
        return self._index(sequence) in self._held

    def run(self, sequence: int) -> Iterator[Item]:
        """The held packets from this number on, up to the first that is not there."""
        index = self._index(sequence)
        while index in self._held:
            yield self._held[index].item
            index += 1

    def _index(self, sequence: int) -> int:
        return self._newest + difference(sequence, self._sequence)

    def give_up(self) -> None:
        """Have no patience with what is missing now: it does not come."""
        self._given_up = self._newest  # spec: jitter/given-up

    def skip_to(self, sequence: int) -> None:
        """This packet needs none before it: what is missing there is waited for only until its own time has come."""
        self._skips_to = max(self._skips_to, self._index(sequence))  # spec: jitter/skipped-to

    def next_timeout(self) -> float:
        """When `release` has something to give; infinity while nothing is held."""
        if not self._order:
            return math.inf
        index = self._order[0]
        held = self._held[index]
        due_at = self._due_at(held)
        if self.patience and self._waits_for_others(index):
            return max(due_at, min(held.arrived_at + self.patience, self._skips_at(index)))  # spec: jitter/patience
        return due_at

    def _due_at(self, held: _Held[Item]) -> float:
        # spec: jitter/deadline
        return min(self._origin + held.media_at + self.delay, held.arrived_at + self.longest)

    def _waits_for_others(self, index: int) -> bool:
        if self._next is None or index in (self._next, *self._begins):
            return False
        return index > self._given_up

    def _skips_at(self, index: int) -> float:
        """When what comes up to a packet that needs none before it is no longer waited for."""
        skips_to = self._held.get(self._skips_to) if index <= self._skips_to else None
        return self._due_at(skips_to) if skips_to is not None else math.inf

    def release(self, now: float) -> list[Item | Gap]:
        """All whose time has come, in order; a gap stands where packets are missing before one whose time has come."""
        released: list[Item | Gap] = []
        while self.next_timeout() <= now:
            index = heapq.heappop(self._order)
            gap = self._gap_before(index)
            if gap is not None:
                released.append(gap)
            released.append(self._held.pop(index).item)
        return released

    def _gap_before(self, index: int) -> Gap | None:
        """Go on behind `index`, and say what is missing before it."""
        missing = index - self._next if self._next is not None else 0
        self._seen = (self._seen << missing + 1 | 1) & (1 << WINDOW) - 1 if missing < WINDOW else 1
        self._next = index + 1
        begun = {begin for begin in self._begins if begin <= index}
        if begun:
            self._begins -= begun
            return Gap(None)
        self.lost += missing
        return Gap(missing) if missing else None  # spec: jitter/gaps
