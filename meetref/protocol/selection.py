"""Which of the valid pairs to use: the choice, its reasons, and when the controlling side makes it final.

Stands above `prober` and `consent`, below `protocol/ice`, which tells it what happened to which pair.
Specification: RFC 8445 sections 7.3.1.5, 8.1.1 and 12.1 (any valid pair may carry data before one is nominated).
Leaves out: nominating only once (RFC 8445 section 8.1.1). A peer whose address changed would be lost until a restart;
instead the pair that answers is nominated as soon as the first one is silent. Read next: `protocol/ice.py`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from meetref.protocol.check import Role
from meetref.protocol.checklist import Checklist
from meetref.protocol.consent import MOVE_AFTER, Consent
from meetref.protocol.machine import Dice, Event
from meetref.protocol.pair import Input, Pair, State
from meetref.protocol.prober import Prober
from meetref.protocol.transaction import Transaction

RENOMINATED_AFTER = 2.5
"""Seconds. A pair nominated again by that much later wins over a higher priority: Firefox nominates all pairs at the
start and means the best of them, Chromium nominates one and later, by repeating it, another."""

PROBED_AFTER = 1.0
"""Seconds since its last answer after which the selected pair is checked when another one shows up."""

SHORTEST_PATIENCE, LONGEST_PATIENCE = 0.02, 0.2
"""Seconds that a better pair gets to succeed too, before a valid one is nominated; twice its round trip in between."""


@dataclass(slots=True, frozen=True)
class PairSelected(Event):
    """Send over this pair from now on."""

    pair: Pair


class Selection:
    """The selected pair of an agent, if any, and what would replace it."""

    def __init__(self, checklist: Checklist, prober: Prober, role: Role, dice: Dice, events: deque[Event]) -> None:
        self.consent: Consent | None = None
        self.is_lost = False
        """Consent ran out, and there is no other pair: the end."""
        self._checklist = checklist
        self._prober = prober
        self._role = role
        self._dice = dice
        self._events = events
        self._nominating: Transaction | None = None
        self._nominates_at = math.inf

    @property
    def pair(self) -> Pair | None:
        return self.consent.pair if self.consent is not None else None

    @property
    def is_concluded(self) -> bool:
        """Whether the selected pair was nominated, so that no other needs to be looked for."""
        if self.pair is None or not self.pair.is_nominated:
            return False
        return not (self._may_renominate and self._checklist.is_anything_better_open(self.pair))

    @property
    def _may_renominate(self) -> bool:
        return self._role.controlling and self._prober.renominates

    # --- what happened ----------------------------------------------------------------------------

    def pair_answered(self, transaction: Transaction, now: float) -> None:
        """A check was answered; the pair is valid."""
        pair = transaction.pair
        if transaction is self._nominating:
            self._nominating = None
            pair.nominated_at = now  # spec: ice/nominated-by-answer
            self._take(pair, now)
        elif self.consent is not None and pair is self.consent.pair:
            self.consent.answered()
        else:
            self.consider(pair, now)
        self.nominate_if_due(now)

    def consider(self, pair: Pair, now: float) -> None:
        """A valid pair answered, or was nominated by the peer: is it the one to use?"""
        current = self.pair
        if current is None or self._prefers(pair, current, now):  # spec: ice/valid-pair-carries-data
            self._take(pair, now)
        elif now >= current.unanswered_since + MOVE_AFTER:
            self._move(now)
        elif self._may_renominate and self._nominating is None and self._outranks(pair, current):
            self._nominating = self._prober.send(pair, now, nominates=True)  # spec: ice/renomination
        elif pair is not current and now >= current.answered_at + PROBED_AFTER:
            # Something changed on the peer's side; find out whether the old path still works.
            self._checklist.trigger(current)

    def check_ended(self, transaction: Transaction, how: Input, now: float) -> None:
        """A check failed, was refused, or met a role conflict."""
        if transaction is self._nominating:
            self._nominating = None
        self._lose(transaction.pair, how, now)
        self.nominate_if_due(now)

    def role_switched(self) -> None:
        """Nobody's nominations count any more."""
        self._nominating = None
        for pair in self._checklist.pairs.values():
            pair.nominated_at, pair.nomination = -math.inf, 0

    def path_closed(self, pair: Pair, now: float) -> None:
        """The stream under a pair is gone: take another pair; where there is none, the time of consent runs on."""
        if self._nominating is not None and self._nominating.pair is pair:
            self._nominating = None
        self._prober.transactions.forget(pair)
        pair.unanswered_since = min(pair.unanswered_since, now)
        pair.step(Input.CHECK_FAILED)
        best = self._checklist.best_valid(now)
        if pair is self.pair and best is not None:
            self._take(best, now)
        self.nominate_if_due(now)

    def stop(self) -> None:
        self.consent = self._nominating = None
        self._nominates_at = math.inf

    # --- time passes ------------------------------------------------------------------------------

    def next_timeout(self, disconnected: bool) -> float:
        """When `watch` or `nominate_if_due` has something to do."""
        watch = math.inf if self.consent is None else self.consent.next_timeout(disconnected)
        return min(watch, self._nominates_at)

    def watch(self, now: float) -> None:
        """Do what the silence of the selected pair asks for (protocol/consent.py)."""
        consent = self.consent
        if consent is None:
            return
        if now >= consent.expires_at:
            self._lose(consent.pair, Input.CONSENT_LOST, now)
            return
        if now >= consent.asks_at:
            consent.asked(now, self._dice)
            self._prober.send(consent.pair, now, once=True)  # spec: consent/no-other-keepalive
        if now >= consent.searches_at:
            consent.searched = True
            self._checklist.trigger(consent.pair)
            for pair in self._checklist.pairs.values():
                if pair.state is State.SUCCEEDED:
                    self._checklist.trigger(pair)
        if now >= consent.moves_at:
            consent.moved = True
            self._move(now)

    def nominate_if_due(self, now: float) -> None:
        """As the controlling side: nominate the best valid pair, giving a better one a little time."""
        chosen = self.pair is not None and self.pair.is_nominated
        idle = not self._role.controlling or self._nominating is not None or chosen
        best = None if idle else self._checklist.best_valid(now)
        if best is None:
            self._nominates_at = math.inf
            return
        if self._nominates_at == math.inf:
            patience = min(max(2 * (best.round_trip_time or 0.0), SHORTEST_PATIENCE), LONGEST_PATIENCE)
            self._nominates_at = now + patience
        if now >= self._nominates_at or not self._checklist.is_anything_better_open(best):
            self._nominates_at = math.inf
            self._nominating = self._prober.send(best, now, nominates=True)  # spec: ice/nomination

    # --- the choice -------------------------------------------------------------------------------

    def _prefers(self, pair: Pair, current: Pair, now: float) -> bool:
        if not current.is_valid(now):
            return True
        if pair.is_nominated != current.is_nominated:  # spec: ice/nominated-first
            return pair.is_nominated
        if pair.nomination != current.nomination:
            return pair.nomination > current.nomination  # spec: ice/renomination-number
        # spec: ice/nominated-again
        better = self._outranks(pair, current)
        return better or (pair.is_nominated and pair.nominated_at > current.nominated_at + RENOMINATED_AFTER)

    def _outranks(self, pair: Pair, current: Pair) -> bool:
        return self._checklist.rank(pair) > self._checklist.rank(current)

    def _take(self, pair: Pair, now: float) -> None:
        if pair is self.pair:
            return
        consent = self.consent = Consent(pair, math.inf)  # spec: consent/before-data
        consent.asked(now, self._dice)  # the check that made it valid was the first request
        if now >= consent.searches_at:  # a check of it is unanswered, and we come late: its silence began in the past
            consent.searched, consent.moved = True, now >= consent.moves_at
            self._checklist.trigger(pair)
        self._events.append(PairSelected(pair))

    def _move(self, now: float) -> None:
        """The selected pair is silent: go over to one that answered since, if there is one."""
        current = self.pair
        rivals = [
            pair
            for pair in self._checklist.pairs.values()
            if current is not None and pair.is_valid(now) and pair.answered_at > current.answered_at
        ]
        rival = max(rivals, key=lambda pair: (pair.nominated_at, self._checklist.rank(pair)), default=None)
        if rival is None:
            return
        if not self._role.controlling:
            self._take(rival, now)
        elif self._nominating is None or self._nominating.pair is not rival:
            self._nominating = self._prober.send(rival, now, nominates=True)  # spec: ice/moved-peer

    def _lose(self, pair: Pair, how: Input, now: float) -> None:
        """A pair may be no good any more. If it is the selected one, take the next best, or give up."""
        pair.step(how)
        if pair is not self.pair or pair.state is State.SUCCEEDED:
            return
        self._prober.transactions.forget(pair)
        self.stop()
        best = self._checklist.best_valid(now)
        if best is not None:
            self._take(best, now)
        else:
            self.is_lost = how is Input.CONSENT_LOST
