"""The requests under way: when each may be sent, is sent again, and is given up, and to which pair it belongs.

Stands below `protocol/ice`. One table for checks, which are repeated, and consent requests, which are not.
Specification: RFC 8489 section 6.2.1 (retransmission), RFC 8445 section 14.3 (how long to wait at first).
Leaves out: measuring that first wait; checks go to paths nobody has measured yet.
Read next: `protocol/ice.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from meetref.protocol.pair import Pair, State

MAXIMUM_SENDS = 7  # Rc of RFC 8489 section 6.2.1
LAST_WAIT = 16  # Rm: how many first waits the last one has
MAXIMUM_PER_PAIR = 8
FIRST_WAIT = 0.5  # RTO in seconds, at least (RFC 8445 section 14.3)
PATIENCE = FIRST_WAIT * (2 ** (MAXIMUM_SENDS - 1) - 1 + LAST_WAIT)  # seconds until such a request is given up

PACE = 0.05  # Ta in seconds: the mean distance of new checks (RFC 8445 section 14.2)
CLOSEST = 0.005  # never closer than this
BURST = 10  # so many new checks may go that close, so that a new candidate is tried without waiting


class Pace:
    """When the next new check may go. Repetitions do not count."""

    def __init__(self) -> None:
        self._sent_at = self._paid_until = -math.inf

    @property
    def next_at(self) -> float:
        # spec: ice/pacing
        return max(self._sent_at + CLOSEST, self._paid_until - (BURST - 1) * PACE)

    def spend(self, now: float) -> None:
        self._sent_at = now
        self._paid_until = max(now, self._paid_until) + PACE


@dataclass(slots=True, eq=False)
class Transaction:
    """One request; its answer must be protected with `key`.

    `first_wait` is RTO, in seconds; `sends_at` is math.inf once it is not sent again.
    """

    identifier: bytes
    pair: Pair
    request: bytes
    key: bytes
    controlling: bool
    nominates: bool
    first_wait: float
    sent_at: float
    sends: int = 1
    sends_at: float = math.inf
    gives_up_at: float = math.inf
    counts: bool = True
    """Whether silence means that the check failed."""

    def plan(self) -> None:
        """Set what comes after the sending that was just done at `sent_at`."""
        wait = self.first_wait * 2 ** (self.sends - 1)
        last = self.sends == MAXIMUM_SENDS
        # spec: stun/retransmission
        self.sends_at = math.inf if last else self.sent_at + wait
        self.gives_up_at = self.sent_at + LAST_WAIT * self.first_wait if last else math.inf

    def plan_once(self) -> None:
        """Over TCP nothing is sent twice; the patience is the same (RFC 8489 section 6.2.2)."""
        self.gives_up_at = self.sent_at + PATIENCE  # spec: ice/tcp-no-repetition

    def rest(self, until: float) -> None:
        """Send it no more, but take an answer that comes before `until` (RFC 8445 section 7.3.1.4: cancellation)."""
        self.sends_at, self.gives_up_at, self.counts = math.inf, until, False


class Transactions:
    """All requests of an agent that may still be answered, at most `MAXIMUM_PER_PAIR` a pair."""

    def __init__(self) -> None:
        self._open: dict[bytes, Transaction] = {}

    def add(self, transaction: Transaction) -> None:
        mine = [other for other in self._open.values() if other.pair is transaction.pair]
        if len(mine) >= MAXIMUM_PER_PAIR:  # spec: ice/transactions-bounded
            del self._open[mine[0].identifier]
        self._open[transaction.identifier] = transaction

    def find(self, identifier: bytes) -> Transaction | None:
        return self._open.get(identifier)

    def close(self, transaction: Transaction) -> None:
        self._open.pop(transaction.identifier, None)

    def of(self, pair: Pair) -> list[Transaction]:
        return [transaction for transaction in self._open.values() if transaction.pair is pair]

    def rest(self, pair: Pair, now: float) -> None:
        """Repeat no request of a pair any more, except one that nominates it."""
        for transaction in self.of(pair):
            if transaction.counts and not transaction.nominates:
                transaction.rest(now + LAST_WAIT * transaction.first_wait)

    def forget(self, pair: Pair) -> None:
        for transaction in self.of(pair):
            self.close(transaction)

    def clear(self) -> None:
        self._open.clear()

    def next_timeout(self) -> float:
        return min((min(each.sends_at, each.gives_up_at) for each in self._open.values()), default=math.inf)

    def due(self, now: float) -> Iterator[Transaction]:
        """What must be sent again now, with its next time already set."""
        for transaction in self._open.values():
            while transaction.sends_at <= now:
                transaction.sends += 1
                transaction.sent_at = now
                transaction.plan()
                yield transaction

    def given_up(self, now: float) -> list[Transaction]:
        """Remove what nobody will answer any more, and give those whose check failed by it."""
        over = [each for each in self._open.values() if each.gives_up_at <= now or each.pair.state is State.GONE]
        for transaction in over:
            self.close(transaction)
        return [transaction for transaction in over if transaction.counts]
