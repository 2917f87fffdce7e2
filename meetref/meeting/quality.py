"""How well a person's connections do, in bars: from what was lost, how far away they are, and what had to be left out.

Pure but for the counts it remembers: `Gauge` looks at a participant's *up* and *down* now and then and says 0 to 4.
Stands below `meeting/arranging`, which tells everybody.
Source: the bounds are ours, along ITU-T G.114 (delay: up to 150 ms does not disturb, 400 ms is the limit of what is
accepted) and the loss from which voices (3 %) and pictures (8 %) suffer.
Leaves out: why; `app/xray` shows the figures themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

from meetref.meeting.down import Down
from meetref.meeting.up import Up

GOOD = 4
LIMITS = ((0.01, 0.15, 3), (0.03, 0.3, 2), (0.08, 0.4, 1))
"""Beyond this loss (a share) or this round trip (seconds), so many bars at most."""
STARVED = 2
"""At most so many bars where pictures had to be left out."""


def bars(loss: float, round_trip: float, starved: bool = False) -> int:
    """1 to 4. `loss` is a share, 0 to 1; `round_trip` in seconds; `starved`: the link is too thin for the pictures."""
    found = GOOD
    for most_lost, longest, few in LIMITS:
        if loss > most_lost or round_trip > longest:
            found = few
    return min(found, STARVED) if starved else found


@dataclass(slots=True)
class Gauge:
    """The bars of one participant; `bars` is None before anything is known."""

    bars: int | None = None
    _expected: int = 0
    _received: int = 0

    def look(self, up: Up | None, down: Down | None, starved: bool) -> bool:
        """Measure since the last look. True when the bars are others."""
        before = self.bars
        connections = [one for one in (up, down) if one is not None and one.connected]
        if connections:
            trips = [one.peer.round_trip_time or 0.0 for one in connections]
            broken = any(one.peer.state != "connected" for one in connections)
            loss = max(self._loss(up), _loss_down(down))
            self.bars = 0 if broken else bars(loss, max(trips), starved)
        elif before is not None:
            self.bars = 0
        return self.bars != before

    def _loss(self, up: Up | None) -> float:
        """The share of packets that did not come on *up* since the last time."""
        receptions = [stream.reception for stream in up.streams.values()] if up is not None else []
        expected = sum(reception.expected for reception in receptions)
        received = sum(reception.received for reception in receptions)
        due, came = expected - self._expected, received - self._received
        self._expected, self._received = expected, received
        return max(due - came, 0) / due if due > 0 else 0.0


def _loss_down(down: Down | None) -> float:
    """The share that the viewer's feedback misses; 0 while there is none."""
    return down.capacity.estimator.loss if down is not None and down.capacity.feedbacks else 0.0
