"""The pacer: what leaves when, and what first, where packets must not leave all at once.

Publishers pace by their own line, and a viewer's may carry a tenth of it. Without a rate all passes through, at the
price of one comparison a batch; with one a batch passes whole while what has left is little ahead of the rate, and what
does not pass is put in here. Audio never waits; of what waits, retransmissions leave first, then video, then padding.
Stands above nothing of this floor. `meeting/capacity` has one for each viewer; `meeting/forwarder` asks it for pictures
and has it count voices, and sends no retransmissions and no padding through it, which have bounds of their own.
Specification: draft-ietf-rmcat-gcc-02 section 4 (a pacer that sends a group every 5 ms); the rest is ours,
spec/pacing.toml. Leaves out: waiting; `next_timeout` says when more may go.
Read next: `meeting/forwarder.py` (`Slot.send`); `media/bandwidth.py`, where a rate comes from.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Generic, TypeVar

Item = TypeVar("Item")

FACTOR = 1.25
"""Times the estimate is a good rate for what is forwarded. A sender's own pacer has 2.5 (libwebrtc, M138), so that no
frame of its encoder waits; at twice what a thin line carries a keyframe would fill its queue, and voices wait in it."""
WINDOW = 0.04  # seconds of the rate that may leave ahead of it: a frame of 25 a second
LONGEST_WAIT = 0.25  # seconds of the rate that may wait; beyond, the oldest is dropped
MOST_OCTETS = 1 << 20  # that may wait where all of it drains in time: several pictures of a screen
QUANTUM = 0.001  # seconds: a timer that is earlier by less than this is no reason to wait again


class Urgency(IntEnum):
    """What goes first, the most urgent on top."""

    AUDIO = 0
    RETRANSMISSION = 1
    VIDEO = 2
    PADDING = 3


class DropOldestQueue(Generic[Item]):
    """First in, first out; where it holds more octets than it may, the oldest go, and are counted in `dropped`."""

    __slots__ = ("_items", "dropped", "octets")

    def __init__(self) -> None:
        self._items: deque[tuple[Item, int]] = deque()
        self.octets = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item, size: int, most_octets: float) -> None:
        self._items.append((item, size))
        self.octets += size
        while self.octets > most_octets and len(self._items) > 1:
            self.octets -= self._items.popleft()[1]
            self.dropped += 1

    def take(self) -> tuple[Item, int]:
        item, size = self._items.popleft()
        self.octets -= size
        return item, size

    def clear(self) -> None:
        self.dropped += len(self._items)
        self._items.clear()
        self.octets = 0

    def keep(self, wanted: Callable[[Item], bool]) -> None:
        """Drop all others."""
        kept = [each for each in self._items if wanted(each[0])]
        self.dropped += len(self._items) - len(kept)
        self._items = deque(kept)
        self.octets = sum(size for _, size in kept)


class Pacer(Generic[Item]):
    """Ask `passes` before a batch leaves; what does not pass is put in with `wait`, and comes out of `due`.

    `rate_bps` is infinite at first: then everything passes and nothing ever waits. With `drains_within`, in seconds,
    what waits goes faster than the rate where it would take longer, and is not dropped, up to `MOST_OCTETS`.
    """

    __slots__ = ("_is_waiting", "_pace_bps", "_paid_until", "_queues", "drains_within", "rate_bps", "window")

    def __init__(self, rate_bps: float = math.inf, *, window: float = WINDOW, drains_within: float = math.inf) -> None:
        self.rate_bps = self._pace_bps = max(rate_bps, 1.0)
        self.window = window
        self.drains_within = drains_within
        self._paid_until = -math.inf  # when what has left would have left at the rate
        self._queues: tuple[DropOldestQueue[Item], ...] = tuple(DropOldestQueue() for _ in Urgency)
        self._is_waiting = False  # whether anything is in them, for nearly always nothing is

    def __len__(self) -> int:
        return sum(map(len, self._queues))

    @property
    def dropped(self) -> int:
        """How many were dropped because too much waited."""
        return sum(queue.dropped for queue in self._queues)

    @property
    def octets(self) -> int:
        """How much waits."""
        return sum(queue.octets for queue in self._queues)

    @property
    def waiting_for(self) -> float:
        """Seconds until all that waits has left, at the present pace."""
        return self.octets * 8 / self._pace_bps

    def passes(self, octets: int, now: float, urgency: Urgency = Urgency.VIDEO) -> bool:
        """Whether a batch of this size in all may leave at once; if so, it is counted.

        A mixed batch is as urgent as its least urgent packet.
        """
        if self.rate_bps == math.inf:  # spec: pacing/unlimited-passes
            return True
        # spec: pacing/audio-never-waits
        if urgency is not Urgency.AUDIO and (self._is_ahead(now) or self._anyone_before(urgency)):
            return False
        self.count(octets, now)
        return True

    def count(self, octets: int, now: float) -> None:
        """So much leaves, asked or not: what comes behind it has to wait the longer."""
        # spec: pacing/rate
        self._paid_until = max(self._paid_until, now) + octets * 8 / self._pace_bps

    def wait(self, urgency: Urgency, item: Item, size: int) -> None:
        """Put in a packet that did not pass. Padding is dropped before anything else, then the oldest."""
        most = LONGEST_WAIT * self.rate_bps / 8
        if self.drains_within < math.inf:
            most = MOST_OCTETS
            self._pace_bps = max(self._pace_bps, 8 * (self.octets + size) / self.drains_within)
        others = sum(queue.octets for queue in self._queues[: Urgency.PADDING])
        if urgency is not Urgency.PADDING and others + size > most:
            self._queues[Urgency.PADDING].clear()
        self._queues[urgency].put(item, size, most)  # spec: pacing/bounded
        self._is_waiting = True

    def due(self, now: float) -> list[tuple[Urgency, Item]]:
        """What may leave now, the most urgent first; to be called when `next_timeout` has come."""
        out: list[tuple[Urgency, Item]] = []
        for urgency, queue in zip(Urgency, self._queues, strict=True):  # spec: pacing/order
            while queue and not self._is_ahead(now):
                item, size = queue.take()
                self.count(size, now)
                out.append((urgency, item))
        self._is_waiting = any(self._queues)
        if not self._is_waiting:
            self._pace_bps = self.rate_bps
        return out

    def drop(self, unwanted: Callable[[Item], bool]) -> None:
        """Nobody wants these any more."""
        for queue in self._queues:
            queue.keep(lambda item: not unwanted(item))
        self._is_waiting = any(self._queues)
        self._pace_bps = max(self.rate_bps, 8 * self.octets / self.drains_within)

    def next_timeout(self) -> float:
        """When more may leave; infinity while nothing waits."""
        return self._paid_until - self.window + QUANTUM if self._is_waiting else math.inf

    def set_rate(self, rate_bps: float) -> None:
        """Go on at this rate; infinite: what still waits is all due."""
        self.rate_bps = max(rate_bps, 1.0)
        self._pace_bps = max(self.rate_bps, 8 * self.octets / self.drains_within)
        if rate_bps == math.inf:
            self._paid_until = -math.inf

    def _is_ahead(self, now: float) -> bool:
        return self._paid_until - now > self.window  # spec: pacing/window

    def _anyone_before(self, urgency: Urgency) -> bool:
        return self._is_waiting and any(self._queues[: urgency + 1])
