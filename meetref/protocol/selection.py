"""Which of the valid pairs to use: the choice, its reasons, and when the controlling side makes it final.

Stands above `checklist` and `consent`, below `protocol/ice`, which carries the decisions out. It sends nothing.
Specification: RFC 8445 sections 7.3.1.5, 8.1.1 and 12.1 (any valid pair may carry data before one is nominated).
Leaves out: waiting for every check before nominating; a pair that works now beats a better one later.
Read next: `protocol/ice.py`.
"""

from __future__ import annotations

import math

from meetref.protocol.checklist import Checklist
from meetref.protocol.consent import MOVE_AFTER, Consent
from meetref.protocol.machine import Dice
from meetref.protocol.pair import Pair, State

RENOMINATED_AFTER = 2.5
"""Seconds. A pair nominated again by that much later wins over a higher priority: Firefox nominates all pairs at the
start and means the best of them, Chromium nominates one and later, by repeating it, another."""

PROBED_AFTER = 1.0
"""Seconds since its last answer after which the selected pair is checked when another one shows up."""

SHORTEST_PATIENCE, LONGEST_PATIENCE = 0.02, 0.2
"""Seconds that a better pair gets to succeed too, before a valid one is nominated; twice its round trip in between."""


class Selection:
    """The selected pair of an agent, if any, and what would replace it."""

    def __init__(self, checklist: Checklist) -> None:
        self._checklist = checklist
        self.consent: Consent | None = None
        self.nominates_at = math.inf

    @property
    def pair(self) -> Pair | None:
        return self.consent.pair if self.consent is not None else None

    @property
    def is_concluded(self) -> bool:
        """Whether the selected pair was nominated, so that no other needs to be looked for."""
        return self.pair is not None and self.pair.is_nominated

    def take(self, pair: Pair, now: float, dice: Dice) -> None:
        self.consent = Consent(pair, math.inf)
        self.consent.asked(now, dice)  # the check that made it valid was the first request

    def drop(self) -> None:
        self.consent = None
        self.nominates_at = math.inf

    def heard_from(self) -> None:
        """The selected pair answered."""
        if self.consent is not None:
            self.consent.answered()

    def next_timeout(self, disconnected: bool) -> float:
        """When `protocol/ice` should look at the selected pair, or nominate one."""
        watch = math.inf if self.consent is None else self.consent.next_timeout(disconnected)
        return min(watch, self.nominates_at)

    def prefers(self, pair: Pair, now: float) -> bool:
        """Whether `pair`, which is valid, should take the place of the selected one."""
        current = self.pair
        if current is None or not current.is_valid(now):
            return True
        if pair.is_nominated != current.is_nominated:  # spec: ice/nominated-first
            return pair.is_nominated
        better = self._checklist.rank(pair) > self._checklist.rank(current)
        # spec: ice/nominated-again
        return better or (pair.is_nominated and pair.nominated_at > current.nominated_at + RENOMINATED_AFTER)

    def is_silent(self, now: float) -> bool:
        """Whether the selected pair owes an answer for so long that another one would be better."""
        return self.pair is not None and now >= self.pair.unanswered_since + MOVE_AFTER

    def should_probe(self, pair: Pair, now: float) -> bool:
        """Whether the life of another pair is a reason to check the selected one out of turn."""
        current = self.pair
        return current is not None and current is not pair and now >= current.answered_at + PROBED_AFTER

    def rival(self, now: float) -> Pair | None:
        """The valid pair that answered after the selected one did; the last nominated, then the best."""
        current = self.pair
        if current is None:
            return None
        others = [
            pair
            for pair in self._checklist.pairs.values()
            if pair is not current and pair.is_valid(now) and pair.answered_at > current.answered_at
        ]
        return max(others, key=lambda pair: (pair.nominated_at, self._checklist.rank(pair)), default=None)

    def to_search(self, now: float) -> list[Pair]:
        """The pairs to check when the selected one is silent: it, and all that once worked."""
        pairs = [pair for pair in self._checklist.pairs.values() if pair.state is State.SUCCEEDED]
        return sorted(pairs, key=lambda pair: pair is not self.pair)

    def to_nominate(self, now: float) -> Pair | None:
        """The pair that the controlling side should nominate now; sets `nominates_at` when it is too early."""
        best = None if self.is_concluded else self._checklist.best_valid(now)
        if best is None:
            self.nominates_at = math.inf
            return None
        if self.nominates_at == math.inf:
            patience = min(max(2 * (best.round_trip_time or 0.0), SHORTEST_PATIENCE), LONGEST_PATIENCE)
            self.nominates_at = now + patience
        if now < self.nominates_at and self._checklist.is_anything_better_open(best):
            return None
        self.nominates_at = math.inf
        return best
