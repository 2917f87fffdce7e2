"""How late packets are, as a histogram that forgets: the delay that nearly all of them keep.

Stands below `media/jitter`. Bars of 10 ms; each packet's weight fades with time, so a spike passes when it is over.
Specification: none; libwebrtc's NetEQ has such a histogram (its DelayManager: 95 of 100, bars of 20 ms).
Leaves out: single packets that are later than all others. They are lost, and cost nothing more.
"""

from __future__ import annotations

import math
from typing import Final

BAR: Final = 0.01  # seconds
BARS: Final = 100
KEPT: Final = 0.97  # share of the packets that come within the delay
FADES: Final = 5.0  # seconds in which a packet's weight falls to a third
HEAVIEST: Final = 1e12


class DelayHistogram:
    """Takes each packet's lateness, in seconds; `delay` is the end of the bar up to which nearly all lie."""

    __slots__ = ("_bars", "_began_at", "_sum", "delay")

    def __init__(self) -> None:
        self.delay = BAR
        self._bars = [0.0] * BARS
        self._sum = 0.0
        self._began_at = -math.inf

    def add(self, lateness: float, now: float) -> None:
        """One more packet. That older ones weigh less is done by letting newer ones weigh more."""
        if self._began_at == -math.inf:
            self._began_at = now
        weight = math.exp(min((now - self._began_at) / FADES, 50.0))
        self._bars[min(max(int(lateness / BAR), 0), BARS - 1)] += weight
        self._sum += weight
        if weight > HEAVIEST:
            self._bars = [bar / weight for bar in self._bars]
            self._sum /= weight
            self._began_at = now
        wanted = KEPT * self._sum
        place = 0
        while place + 1 < len(self._bars) and (wanted := wanted - self._bars[place]) > 0:
            place += 1
        self.delay = (place + 1) * BAR  # spec: jitter/adaptive
