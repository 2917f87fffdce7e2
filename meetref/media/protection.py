"""Ask again, or send more beforehand? How a stream is protected against loss, by how much is lost and how far it is.

Stands above nothing of this floor; what it chooses is `media/repair`'s to do (ask again) and `media/fec`'s.
Specification: RFC 5109 section 12 (never more bandwidth because of loss). That asking again is best while it is fast
enough, FEC where it is not, and both in between, is what libwebrtc does by two thresholds of the round trip (20 and
100 ms); here it follows from how long a viewer can wait. The worst of ten seconds counts, as there.
Leaves out: the cause of loss. Where it is congestion, `media/bandwidth` is what helps.
Read next: `media/fec.py`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

PATIENCE = 0.15  # seconds that a packet may come late: about what a jitter buffer of browsers holds
NOTICED_AFTER = 0.01  # seconds until a gap is called a loss
TOLERATED = 0.001  # of the packets that may stay lost
MOST_TRIES = 10
SHORTEST_ROUND_TRIP = 0.001
SHORTEST_ROW, LONGEST_ROW = 2, 24  # packets for one FEC packet: half as much again at most, and 4 % at least
WINDOW = 10.0  # seconds over which the worst loss counts
LEAST_LOSS = 0.001


@dataclass(frozen=True, slots=True)
class Protection:
    """How to protect. `row`: packets for one FEC packet, 0 for none; `tries`: how often asking again comes in time."""

    row: int
    tries: int
    reason: str

    @property
    def overhead(self) -> float:
        """What FEC adds, as a part of the media."""
        return 1 / self.row if self.row else 0.0

    def media_bps(self, total_bps: float) -> float:
        """What is left for media of a bandwidth: protection is taken out of it and never added."""
        return total_bps / (1 + self.overhead)  # spec: fec/within-the-bandwidth


def residual(loss: float, row: int, tries: int) -> float:
    """The part of the packets that stays lost: every try failed, and of its row (and FEC packet) another one is lost.

    `row` 0 is no FEC. Losses are taken as independent, which interleaved rows make of short bursts.
    """
    unrepaired = 1 - (1 - loss) ** row if row else 1.0
    return loss ** (1 + tries) * unrepaired


def choose(
    loss: float,
    round_trip: float,
    *,
    patience: float = PATIENCE,
    tolerated: float = TOLERATED,
    retransmits: bool = True,
) -> Protection:
    """The cheapest protection that leaves at most `tolerated` lost, or else the strongest.

    `loss` is a part of the packets, `round_trip` and `patience` are seconds. Without `retransmits` nobody asks again.
    """
    tries = math.floor((patience - NOTICED_AFTER) / max(round_trip, SHORTEST_ROUND_TRIP))
    tries = max(0, min(tries, MOST_TRIES)) if retransmits else 0
    told = f"{loss:.1%} lost, {round_trip * 1000:.0f} ms there and back"
    if loss < LEAST_LOSS:
        return Protection(0, tries, f"nothing to protect from: {told}")
    if residual(loss, 0, tries) <= tolerated:
        return Protection(0, tries, f"asking again is fast enough: {told}")
    for row in range(LONGEST_ROW, SHORTEST_ROW - 1, -1):
        if residual(loss, row, tries) <= tolerated or row == SHORTEST_ROW:
            break
    together = "asking again alone is not enough" if tries else "asking again is too slow"
    return Protection(row, tries, f"{together}, an FEC packet for every {row}: {told}")


class Chooser:
    """Chooses for one link from its reports. Stronger at once; weaker when the worst of the window is over."""

    def __init__(self, *, patience: float = PATIENCE, tolerated: float = TOLERATED, retransmits: bool = True) -> None:
        self.patience = patience
        self.tolerated = tolerated
        self.retransmits = retransmits
        self.round_trip = 0.1
        self._losses: deque[tuple[float, float]] = deque()  # times and losses that no later one exceeds
        self._known: tuple[object, ...] = ()
        self._chosen = Protection(0, 0, "nothing is known")

    def on_round_trip(self, seconds: float) -> None:
        self.round_trip = seconds

    def on_loss(self, loss: float, now: float) -> None:
        """A report: which part of the packets was lost since the one before, 0 to 1."""
        while self._losses and self._losses[-1][1] <= loss:
            self._losses.pop()
        self._losses.append((now, loss))

    def choose(self, now: float) -> Protection:
        """The protection from now on."""
        while self._losses and self._losses[0][0] < now - WINDOW:
            self._losses.popleft()
        worst = self._losses[0][1] if self._losses else 0.0
        known = worst, self.round_trip, self.patience, self.tolerated, self.retransmits
        if known != self._known:
            self._known = known
            self._chosen = choose(
                worst, self.round_trip, patience=self.patience, tolerated=self.tolerated, retransmits=self.retransmits
            )
        return self._chosen
