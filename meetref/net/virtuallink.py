"""One direction of a link in the virtual network: what it does to a packet.

Stands below `net/virtual`, which asks a link when a packet that enters it comes out at the other end.
A packet first waits for its turn (bandwidth, a bounded queue that drops at its tail), then may be lost, and then takes
its time (delay, jitter). A link keeps the order of its packets, except for those that it holds back on purpose.
Leaves out: bit errors (UDP's checksum makes a loss of them) and losses in bursts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

HEADER_OCTETS = 28  # of IPv4 and UDP; they take up bandwidth too


@dataclass(slots=True, frozen=True)
class Impairments:
    """What is wrong with one direction of a link. Times in seconds, chances from 0 to 1."""

    delay: float = 0.0
    jitter: float = 0.0  # each packet takes up to this much longer, but does not overtake
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0  # the chance to be held back, so that later packets overtake
    held_for: float = 0.02  # at most
    bandwidth_bps: float = math.inf
    queue_octets: int = 256 * 1024
    bucket_octets: int = 0  # that pass at once where the link was idle, as shapers have it (Linux: tc tbf)


PERFECT = Impairments()


class Link:
    """One direction, with dice of its own: what happens to its packets does not depend on other links."""

    __slots__ = ("_dice", "_free_at", "_last_exit", "dropped", "impairments", "lost")

    def __init__(self, dice: Random, impairments: Impairments = PERFECT) -> None:
        self._dice = dice
        self.impairments = impairments  # may be replaced at any time
        self._free_at = 0.0
        self._last_exit = 0.0
        self.lost = 0
        self.dropped = 0  # at the tail of the queue

    @property
    def is_shared(self) -> bool:
        """Whether packets influence each other here, so that they must enter in the order of their arrival."""
        return self.impairments.bandwidth_bps < math.inf or self.impairments.jitter > 0

    def waiting_for(self, at: float) -> float:
        """How long a packet that enters at `at` waits for its turn, in seconds."""
        return max(0.0, self._free_at - at)

    def cross(self, size: int, at: float) -> tuple[float, ...]:
        """When a packet of `size` octets that enters at `at` comes out: never, once, or twice."""
        impairments = self.impairments
        if impairments is PERFECT:
            return (at,)
        if impairments.bandwidth_bps < math.inf:
            waiting_for = self.waiting_for(at)
            if waiting_for * impairments.bandwidth_bps / 8 + size + HEADER_OCTETS > impairments.queue_octets:
                self.dropped += 1
                return ()
            saved = at - impairments.bucket_octets * 8 / impairments.bandwidth_bps
            self._free_at = max(self._free_at, saved) + (size + HEADER_OCTETS) * 8 / impairments.bandwidth_bps
            at = max(self._free_at, at)
        if self._happens(impairments.loss):
            self.lost += 1
            return ()
        at += impairments.delay
        if impairments.jitter:
            at = self._last_exit = max(self._last_exit, at + self._dice.uniform(0, impairments.jitter))
        if self._happens(impairments.reordering):
            at += self._dice.uniform(0, impairments.held_for)
        if self._happens(impairments.duplication):
            return (at, at)
        return (at,)

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self._dice.random() < chance
