"""How fast what left since some moment comes: of a keyframe or a probe, what the way carries.

Stands below `media/bandwidth`, which looks here while a burst of our own makes a queue: then the growing queue is no
news, but what comes out of it is the capacity, and needs no second look. Specification: none; that a burst which comes
more slowly than it left measures the bottleneck is older than RTP (packet trains).
Leaves out: whether it came more slowly than it left, which the delay's trend says.
Read next: `media/bandwidth.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from meetref.media.losscount import LossCount

SHORTEST = 0.1  # seconds between the first and the last: less says nothing of a line that lets bursts pass
LEAST = 2_000  # octets: of less it may be a voice alone that came, while all the rest was lost before a full queue
EMPTY = 0.01  # seconds above the least delay: nothing waits yet
DRAINED = 0.5  # what is left of the delay that the burst had added, when it is over


class Passage:
    """What left at `since` or later, until the queue of it has drained; feed `on_received` and `counts`."""

    __slots__ = ("_first", "_is_over", "_last", "_least_delay", "_most_delay", "_octets", "counts", "since")

    def __init__(self, since: float = -math.inf) -> None:
        self.since = since
        self.counts = LossCount(since)
        """Also of what was lost meanwhile."""
        self._first = math.inf  # when the first came; its octets took no time of those
        self._last = -math.inf
        self._octets = 0
        self._least_delay, self._most_delay = math.inf, -math.inf
        self._is_over = False

    def on_received(self, sizes: Sequence[int], departures: Sequence[float], arrivals: Sequence[float]) -> None:
        """Packets that came, the earliest first; sizes in octets, times in seconds of the two clocks."""
        for size, sent_at, arrived_at in zip(sizes, departures, arrivals, strict=True):
            if sent_at < self.since or self._is_over:
                continue
            delay = arrived_at - sent_at
            self._least_delay = min(self._least_delay, delay)
            self._most_delay = max(self._most_delay, delay)
            added, left = self._most_delay - self._least_delay, delay - self._least_delay
            if added > SHORTEST and left < DRAINED * added:
                self._is_over = True  # what follows comes as fast as it leaves
            elif left < EMPTY:
                self._first, self._octets = arrived_at, 0
            else:
                self._octets += size
                self._last = max(self._last, arrived_at)

    @property
    def bitrate_bps(self) -> float:
        """At which they came, in bits a second; infinite while too little is known."""
        took = self._last - self._first
        return 8 * self._octets / took if took >= SHORTEST and self._octets >= LEAST else math.inf
