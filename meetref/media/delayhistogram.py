"""How late sounds and pictures are, as a histogram that forgets: the delay that nearly all of them keep.

Stands below `media/jitter`. Bars of 10 ms; the weight of each fades with time, so a spike passes when it is over. A
picture is as late as its last packet: where five of a hundred packets are late, 26 of a hundred pictures of six are.
Specification: none; libwebrtc's NetEQ has such a histogram (its DelayManager: 95 of 100, bars of 20 ms).
Leaves out: single ones that are later than all others. They are lost, and cost nothing more.
"""

from __future__ import annotations

import math
from typing import Final

BAR: Final = 0.01  # seconds
BARS: Final = 100
KEPT: Final = 0.97  # share of those that are there within the delay
FADES: Final = 5.0  # seconds in which the weight of one falls to a third
HEAVIEST: Final = 1e12
REMEMBERED: Final = 64  # timestamps, two seconds of pictures


class DelayHistogram:
    """Takes each packet's lateness, in seconds; `delay` is the end of the bar up to which nearly all lie.

    Packets of one timestamp count once, as the latest of them.
    """

    __slots__ = ("_bars", "_began_at", "_newest", "_sum", "delay")

    def __init__(self) -> None:
        self.delay = BAR
        self._bars = [0.0] * BARS
        self._newest: dict[int, tuple[int, float]] = {}  # by timestamp: in which bar it counts, and its weight
        self._sum = 0.0
        self._began_at = -math.inf

    def add(self, timestamp: int, lateness: float, now: float) -> None:
        """One more packet, whatever the order."""
        bar = min(max(int(lateness / BAR), 0), BARS - 1)
        known = self._newest.get(timestamp)
        if known is not None and bar <= known[0]:
            return
        before, weight = known or self._begin(timestamp, now)
        self._bars[before] -= weight
        self._bars[bar] += weight  # spec: jitter/whole-pictures
        self._newest[timestamp] = bar, weight
        wanted = KEPT * self._sum
        place = 0
        while place + 1 < len(self._bars) and (wanted := wanted - self._bars[place]) > 0:
            place += 1
        self.delay = (place + 1) * BAR  # spec: jitter/adaptive

    def shift(self, seconds: float) -> None:
        """All that were counted are less late by so much: the way has become longer for good."""
        bars = min(int(seconds / BAR), BARS - 1)
        self._bars = [sum(self._bars[: bars + 1]), *self._bars[bars + 1 :], *[0.0] * bars]
        self._newest = {each: (max(bar - bars, 0), weight) for each, (bar, weight) in self._newest.items()}

    def _begin(self, timestamp: int, now: float) -> tuple[int, float]:
        """A new timestamp, in time at first. That older ones weigh less is done by letting newer ones weigh more."""
        if self._began_at == -math.inf:
            self._began_at = now
        weight = math.exp(min((now - self._began_at) / FADES, 50.0))
        if weight > HEAVIEST:
            self._bars = [bar / weight for bar in self._bars]
            self._sum /= weight
            self._newest.clear()
            self._began_at, weight = now, 1.0
        self._bars[0] += weight
        self._sum += weight
        self._newest[timestamp] = 0, weight
        if len(self._newest) > REMEMBERED:
            del self._newest[next(iter(self._newest))]
        return 0, weight
