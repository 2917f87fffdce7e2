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

SHORTEST = 0.1  # seconds between the first and the last: less says nothing of a line that lets bursts pass
LEAST = 3_000  # octets: of less it may be a voice alone that came, while all the rest was lost before a full queue


class Passage:
    """What left at `since` or later; feed `on_received`."""

    __slots__ = ("_first", "_last", "_octets", "since")

    def __init__(self, since: float = -math.inf) -> None:
        self.since = since
        self._first = math.inf  # when the first came; its octets took no time of those
        self._last = -math.inf
        self._octets = 0

    def on_received(self, sizes: Sequence[int], departures: Sequence[float], arrivals: Sequence[float]) -> None:
        """Packets that came, the earliest first; sizes in octets, times in seconds of the two clocks."""
        for size, sent_at, arrived_at in zip(sizes, departures, arrivals, strict=True):
            if sent_at < self.since:
                continue
            if self._first == math.inf:
                self._first = arrived_at
            else:
                self._octets += size
            self._last = max(self._last, arrived_at)

    @property
    def bitrate_bps(self) -> float:
        """At which they came, in bits a second; infinite while too little is known."""
        took = self._last - self._first
        return 8 * self._octets / took if took >= SHORTEST and self._octets >= LEAST else math.inf
