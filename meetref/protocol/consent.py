"""Does the peer still want our packets? It says so by answering, every few seconds, on the selected pair.

Stands below `protocol/selection`, whose pair it is about. No state: the pair has the facts, here are the deadlines.
Specification: RFC 7675 section 5.1.
Leaves out: consent for pairs that are not selected; it is regained by a check before one of them is used.
Read next: `protocol/ice.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from meetref.protocol.machine import Dice
from meetref.protocol.pair import CONSENT_LASTS, Pair

PERIOD = 5.0  # seconds between requests, on average

SEARCH_AFTER = 0.5
"""Seconds of silence after which this pair is checked with repetitions, and the other valid ones too."""

MOVE_AFTER = 0.75
"""Seconds of silence after which a pair that answers is better: a check was repeated by then."""

QUIET_FOR, QUIET_AFTER_REQUEST = 5.0, 2.0
"""Disconnected: no answer for the first, and a request unanswered for the second."""


@dataclass(slots=True, eq=False)
class Consent:
    """Watches the selected pair. `searched` and `moved` say what was done about the present silence."""

    pair: Pair
    asks_at: float
    searched: bool = False
    moved: bool = False

    def asked(self, now: float, dice: Dice) -> None:
        """A request was sent: plan the next one."""
        # spec: ice/consent-interval
        self.asks_at = now + PERIOD * (0.8 + 0.4 * int.from_bytes(dice(2), "big") / 0xFFFF)

    def answered(self) -> None:
        self.searched = self.moved = False

    @property
    def searches_at(self) -> float:
        return math.inf if self.searched else self.pair.unanswered_since + SEARCH_AFTER

    @property
    def moves_at(self) -> float:
        return math.inf if self.moved else self.pair.unanswered_since + MOVE_AFTER

    @property
    def disconnects_at(self) -> float:
        return max(self.pair.answered_at + QUIET_FOR, self.pair.unanswered_since + QUIET_AFTER_REQUEST)

    @property
    def expires_at(self) -> float:
        return self.pair.answered_at + CONSENT_LASTS  # spec: ice/consent-expiry

    def next_timeout(self, disconnected: bool) -> float:
        quiet_at = math.inf if disconnected else self.disconnects_at
        return min(self.asks_at, self.searches_at, self.moves_at, quiet_at, self.expires_at)
