"""Our connectivity checks: sent at their pace, repeated, and matched with the answers that come back.

Stands above `check` (the messages) and `transaction` (the deadlines), below `protocol/ice`, which concludes.
Specification: RFC 8445 sections 7.2.4, 7.2.5 and 14.
Leaves out: ICMP errors, which anybody can forge (RFC 8445 section 7.2.5.2.2 allows to ignore them).
Read next: `protocol/ice.py`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from meetref.protocol import check
from meetref.protocol.check import Credentials, Rider, Role
from meetref.protocol.checklist import Checklist
from meetref.protocol.machine import Datagram, Dice
from meetref.protocol.pair import Input, Pair, State
from meetref.protocol.transaction import FIRST_WAIT, MAXIMUM_PER_PAIR, PACE, Pace, Transaction, Transactions
from meetref.wire import attribute, stun
from meetref.wire.address import Address

CONSENT_ANSWERED_WITHIN = 10.0  # seconds for which the answer to one consent request is waited for
MAXIMUM_FOR_RIDER = MAXIMUM_PER_PAIR - 2  # checks of a pair under way, when the rider asks for one more


@dataclass(slots=True, frozen=True)
class Outcome:
    """What an answer means for the check it answers. `mapped`, how the peer sees us, is there on success."""

    transaction: Transaction
    result: Literal["succeeded", "failed", "role-conflict", "forbidden", "passing-trouble"]
    mapped: Address | None = None


class Prober:
    """Sends checks for the pairs of `checklist` into `transmits`, once it knows the `peer`'s credentials."""

    def __init__(
        self, checklist: Checklist, role: Role, own: Credentials, dice: Dice, rider: Rider | None = None
    ) -> None:
        self.peer: Credentials | None = None
        self.rider = rider
        self.transmits: deque[Datagram] = deque()
        self.transactions = Transactions()
        self._checklist = checklist
        self._role = role
        self._own = own
        self._dice = dice
        self._pace = Pace()
        self.renominates = False
        """The peer takes more than one nomination, and the one of the highest number."""
        self.former_peers: dict[str, Credentials] = {}
        """The peer's credentials of before a restart: see `peer_named`."""
        self._nominations = 0

    def peer_named(self, ufrag: str) -> Credentials | None:
        """Which of the peer's credentials a user fragment belongs to.

        After a restart libwebrtc checks our new credentials from its old sockets too, under their old fragment; such a
        path works, it may choose it, and it answers there under that fragment alone.
        """
        if self.peer is not None and self.peer.ufrag == ufrag:
            return self.peer
        return self.former_peers.get(ufrag)  # spec: ice/mixed-generations

    def send_waiting(self, now: float, *, ordinary: bool) -> None:
        """Send the checks whose turn it is, as the pace allows."""
        while self.peer is not None and now >= self._pace.next_at:
            pair = self._checklist.next_to_check(ordinary=ordinary)
            if pair is None:
                break
            self._checklist.untrigger(pair)
            self._pace.spend(now)
            self.send(pair, now)
        while self.peer is not None and now >= max(self._pace.next_at, self._rider_asks_at):
            due = [pair for at, pair in self._asked_by_rider() if at <= now]
            pair = min(due, key=lambda pair: (not pair.heard_from, pair.checked_at))  # who is heard can hear us
            self._pace.spend(now)  # spec: sped/checks-paced
            self.send(pair, now, once=True)

    def _asked_by_rider(self) -> Iterator[tuple[float, Pair]]:
        """The pairs over which the rider gets one more check, and when; only so many are under way for each."""
        patience = math.inf if self.rider is None else self.rider.patience
        for pair in self._checklist.pairs.values() if patience < math.inf else ():
            # spec: sped/checks-bounded
            if pair.state is State.IN_PROGRESS and len(self.transactions.of(pair)) < MAXIMUM_FOR_RIDER:
                yield pair.checked_at + patience, pair

    @property
    def _rider_asks_at(self) -> float:
        return min((at for at, _ in self._asked_by_rider()), default=math.inf)

    def send(self, pair: Pair, now: float, *, nominates: bool = False, once: bool = False) -> Transaction:
        """Send one check, out of turn; `once` makes it a consent request, which is not repeated."""
        assert self.peer is not None
        identifier = self._dice(12)  # spec: stun/transaction-random, ice/consent-transaction, consent/own-identifier
        number = 0
        if nominates and self.renominates:
            self._nominations = number = self._nominations + 1
        question = check.Question(pair.check_priority, self._role, nominates, number)
        peer = pair.peer or self.peer
        octets = check.request(identifier, question, self._own, peer, self.rider)
        # The formula's N counts checklists, here one (as in RFC 5245 section 16.1); counting checks would make minutes.
        first_wait = max(FIRST_WAIT, PACE * len(self._checklist.unfinished()))  # spec: ice/first-wait
        key = peer.password.encode()
        transaction = Transaction(identifier, pair, octets, key, self._role.controlling, nominates, first_wait, now)
        if once:
            transaction.rest(now + CONSENT_ANSWERED_WITHIN)  # spec: consent/over-tcp, consent/late-answer
        elif pair.local.transport == "tcp":
            transaction.plan_once()
        else:
            transaction.plan()
        self.transactions.add(transaction)
        pair.step(Input.CHECK_SENT)
        pair.checked_at = now
        pair.unanswered_since = min(pair.unanswered_since, now)
        self.transmits.append(Datagram(octets, pair.local, pair.remote))
        return transaction

    def repeat(self, now: float) -> None:
        """Send again what was not answered in time."""
        for transaction in self.transactions.due(now):
            pair = transaction.pair
            self.transmits.append(Datagram(transaction.request, pair.local, pair.remote))
            if pair.state is State.IN_PROGRESS:
                self._checklist.thaw(pair)  # it need not keep others waiting: see there

    def read_answer(self, message: stun.Message, datagram: Datagram) -> Outcome | str:
        """What an answer tells, or a few words on why it is not one."""
        transaction = self.transactions.find(message.transaction)
        if transaction is None or self.peer is None:
            return "answer to no request"  # spec: stun/unknown-transaction
        if not stun.verify_integrity(datagram.data, transaction.key):
            return "answer with wrong integrity"  # spec: stun/unauthentic-answer
        pair = transaction.pair
        if (datagram.local, datagram.remote) != (pair.local, pair.remote):  # spec: ice/symmetric-answer
            return self._closed(transaction, "failed")
        if message.unknown_required:  # spec: stun/unknown-required-answer
            return self._closed(transaction, "failed")
        if message.kind is stun.Class.SUCCESS:
            mapped = message.get(attribute.XOR_MAPPED_ADDRESS)
            # spec: stun/mapped-address-required
            return self._closed(transaction, "failed" if mapped is None else "succeeded", mapped)
        error = message.get(attribute.ERROR_CODE)
        if error is not None and error.code >= 500:
            return Outcome(transaction, "passing-trouble")  # spec: stun/passing-trouble (the repetitions go on)
        code = 0 if error is None else error.code
        # spec: ice/check-refused
        return self._closed(transaction, "role-conflict" if code == 487 else "forbidden" if code == 403 else "failed")

    def _closed(
        self,
        transaction: Transaction,
        result: Literal["succeeded", "failed", "role-conflict", "forbidden"],
        mapped: Address | None = None,
    ) -> Outcome:
        self.transactions.close(transaction)
        return Outcome(transaction, result, mapped)

    def next_timeout(self, *, ordinary: bool) -> float:
        """When something is to be sent, sent again or given up."""
        soonest = self.transactions.next_timeout()
        if self.peer is not None and self._checklist.next_to_check(ordinary=ordinary) is not None:
            return min(soonest, self._pace.next_at)
        if self.peer is None or self.rider is None:
            return soonest
        return min(soonest, max(self._pace.next_at, self._rider_asks_at))
