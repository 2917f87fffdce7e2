"""How many packets came and how many did not, and what share of loss that proves.

Stands below `media/lossrate` and `media/lossexperiment`. Of twenty packets on a way that loses one in twenty a third of
the time none is lost, and as often two or more. So beside the share that was lost there are the least and the most
that it may be if it was chance: Wilson's bounds (1927), which hold for few packets too, at two deviations.
Specification: none.
Read next: `media/lossexperiment.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

DEVIATIONS = 2.0  # what is true lies within the bounds nineteen times in twenty


def bounds(loss: float, packets: float) -> tuple[float, float]:
    """The least and the most that the chance to be lost may be, where this share of so many packets was."""
    doubt = DEVIATIONS**2 / packets
    middle = (loss + doubt / 2) / (1 + doubt)
    half = math.sqrt(loss * (1 - loss) * doubt + doubt**2 / 4) / (1 + doubt)
    return max(middle - half, 0.0), min(middle + half, 1.0)


@dataclass(slots=True)
class LossCount:
    """What is counted from `began_at` on; a loss of 0.1 is a tenth of the packets, of which there must be any."""

    began_at: float
    received: int = 0
    lost: int = 0
    octets: int = 0

    def add(self, received: int, lost: int, octets: int) -> None:
        """Packets that came, packets that did not, and the octets of both."""
        self.received += received
        self.lost += lost
        self.octets += octets

    @property
    def packets(self) -> int:
        return self.received + self.lost

    @property
    def loss(self) -> float:
        return self.lost / self.packets

    @property
    def least_loss(self) -> float:
        """What is lost at least, if chance made it seem more."""
        return bounds(self.loss, self.packets)[0]

    @property
    def most_loss(self) -> float:
        """What is lost at most, if chance made it seem less."""
        return bounds(self.loss, self.packets)[1]

    def sent_bps(self, now: float) -> float:
        """What was sent until now, in bits a second."""
        return 8 * self.octets / max(now - self.began_at, 1e-3)
