"""ICE: finding a path to the peer by trying them all, keeping to one, and noticing when it dies.

Stands above `checklist` (the pairs), `check` (the messages), `transaction` (the requests under way), `selection` and
`consent` (the choice); below `protocol/peer`. Specification: RFC 8445, with RFC 8838 (trickle), RFC 7675 (consent), RFC 8863 (patience).
Leaves out: server-reflexive and relayed candidates of our own, TCP and restarts inside an agent (a restart is a new
agent); a second pair is nominated when the first falls silent, which RFC 8445 section 8.1.1 forbids and peers need.
Read next: `protocol/peer.py`, which brings ICE and DTLS together; tests/protocol/test_ice.py.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from meetref.protocol import check
from meetref.protocol.check import Credentials, make_credentials
from meetref.protocol.checklist import Checklist
from meetref.protocol.machine import Datagram, Dice, Event, Ignored
from meetref.protocol.pair import Input, Pair, Remote, State
from meetref.protocol.selection import Selection
from meetref.protocol.transaction import FIRST_WAIT, PACE, PATIENCE, Pace, Transaction, Transactions
from meetref.wire import attribute, stun
from meetref.wire.address import Address, canonical_host
from meetref.wire.candidate import Candidate
from meetref.wire.reader import Malformed

__all__ = ["Agent", "Credentials", "Pair", "PairSelected", "PathOpened", "StateChanged", "make_credentials"]

AgentState = Literal["new", "checking", "connected", "disconnected", "failed", "closed"]
Path = tuple[Address, Address]

MAXIMUM_EARLY_CHECKS = 32
CONSENT_ANSWERED_WITHIN = 10.0  # seconds for which the answer to one consent request is waited for
FRESH_FOR = 4.0  # seconds after an answer in which a pair that is not selected is not checked again
REPEATED_AFTER = 0.05  # seconds before a check of the peer's repeats one of ours that is under way


@dataclass(slots=True, frozen=True)
class StateChanged(Event):
    """The agent as a whole; `failed` is final once consent was lost, and may recover when no path was found."""

    state: AgentState


@dataclass(slots=True, frozen=True)
class PairSelected(Event):
    """Send over this pair from now on."""

    pair: Pair


@dataclass(slots=True, frozen=True)
class PathOpened(Event):
    """The first authentic check came over this path; the peer may use it."""

    local: Address
    remote: Address


@dataclass(slots=True, frozen=True)
class Heard:
    """What an authentic check of the peer's said."""

    ufrag: str
    priority: int | None
    nominates: bool


class Agent:
    """One side of ICE, for one stream with one component. A machine (protocol/machine.py).

    `controlling` is the role to begin with (RFC 8445 section 6.1.1: the side that offered); a conflict may change it.
    `may_check` says to which signaled addresses checks may go at all; an authentic check opens the way back anyway.
    """

    def __init__(
        self,
        *,
        controlling: bool,
        credentials: Credentials,
        dice: Dice,
        may_check: Callable[[Address], bool] = lambda address: True,
        maximum_remote_candidates: int = 100,
    ) -> None:
        self.credentials = credentials
        self.remote_credentials: Credentials | None = None
        self.state: AgentState = "new"
        self.ignored: Counter[str] = Counter()
        self._dice = dice
        self._may_check = may_check
        self._tie_breaker = int.from_bytes(dice(8), "big")
        self._checklist = Checklist(controlling=controlling, maximum_remotes=maximum_remote_candidates)
        self._selection = Selection(self._checklist)
        self._transactions = Transactions()
        self._pace = Pace()
        self._early: dict[Path, Heard] = {}
        self._nominating: Transaction | None = None
        self._all_candidates_known = False
        self._patience_ends_at = math.inf
        self._is_over = False
        self._due_at: float | None = None
        self._transmits: deque[Datagram] = deque()
        self._events: deque[Event] = deque()

    @property
    def controlling(self) -> bool:
        return self._checklist.controlling

    @property
    def selected(self) -> Pair | None:
        """The pair to send over now."""
        return self._selection.pair

    def is_valid_path(self, local: Address, remote: Address) -> bool:
        """Whether the peer may be sending from there: a check of ours was answered, or an authentic one of its came.

        The peer knows its own path to be valid before we do, and may use it at once.
        """
        if self.state == "closed" or self._is_over:
            return False
        pair = self._checklist.pairs.get((local, remote))
        if pair is None:
            return (local, remote) in self._early
        return pair.state is State.SUCCEEDED or (pair.heard_from and pair.state in (State.WAITING, State.IN_PROGRESS))

    # --- what the owner tells ---------------------------------------------------------------------

    def add_local_candidate(self, candidate: Candidate, now: float) -> None:
        """A host candidate whose address is one of our sockets'."""
        self._checklist.add_local(candidate)
        self._work(now)

    def set_remote_credentials(self, credentials: Credentials, now: float) -> None:
        """What the peer's description says. Until then its checks are answered and remembered."""
        if self.remote_credentials is not None or self.state == "closed":
            if self.remote_credentials != credentials:
                self._ignore("other credentials without a restart")
            return
        if not credentials.are_sound:
            self._ignore("credentials of a wrong form")
            return
        self.remote_credentials = credentials
        self._patience_ends_at = now + PATIENCE
        self._become("checking")
        early, self._early = self._early, {}
        for (local, remote), heard in early.items():  # spec: ice/early-checks
            if heard.ufrag == credentials.ufrag:
                self._checked_by_peer(local, remote, heard, now)
        self._work(now)

    def add_remote_candidate(self, candidate: Candidate, now: float) -> None:
        """One of the peer's candidates, in any order with everything else (RFC 8838)."""
        why = self._doubt_candidate(candidate)
        if why is not None:
            self._ignore(why)
            return
        address = Address(canonical_host(candidate.host), candidate.port)
        if not self._checklist.add_remote(Remote(address, candidate.type, candidate.priority), self._may_check):
            self._ignore("too many candidates")
        self._work(now)

    def _doubt_candidate(self, candidate: Candidate) -> str | None:
        if self._all_candidates_known:
            return "candidate after the last"  # spec: ice/end-of-candidates
        if candidate.transport != "udp":
            return "candidate not over UDP"
        if candidate.component != 1:
            return "candidate of another component"
        peer = self.remote_credentials
        if candidate.ufrag is not None and peer is not None and candidate.ufrag != peer.ufrag:
            return "candidate of another generation"  # spec: ice/candidate-generation
        try:
            canonical_host(candidate.host)
        except Malformed:
            return "candidate with a name"
        return None

    def end_of_remote_candidates(self, now: float) -> None:
        """The peer says that there are no more."""
        self._all_candidates_known = True

    def close(self, now: float) -> None:
        """Stop. Nothing more is sent, and what comes is ignored."""
        self._stop()
        self._become("closed")

    # --- the five methods -------------------------------------------------------------------------

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        if self.state == "closed" or self._is_over:
            self._ignore("session over")
            return
        message = check.read(datagram.data)
        if isinstance(message, str):
            self._ignore(message)
        elif message.kind is stun.Class.REQUEST:
            self._receive_request(message, datagram, now)
        elif message.kind is not stun.Class.INDICATION:  # which only keeps NATs open (RFC 8445 section 11)
            self._receive_answer(message, datagram, now)
        self._work(now)

    def next_timeout(self) -> float:
        if self._due_at is None:
            self._due_at = self._soonest()
        return self._due_at

    def handle_timeout(self, now: float) -> None:
        if self.state == "closed" or self._is_over:
            return
        for transaction in self._transactions.given_up(now):
            self._check_failed(transaction, now)
        for transaction in self._transactions.due(now):
            pair = transaction.pair
            self._transmits.append(Datagram(transaction.request, pair.local, pair.remote))
        self._watch(now)
        self._nominate_if_due(now)
        self._work(now)

    def transmits(self) -> Iterator[Datagram]:
        while self._transmits:
            yield self._transmits.popleft()

    def events(self) -> Iterator[Event]:
        while self._events:
            yield self._events.popleft()

    # --- the peer's checks ------------------------------------------------------------------------

    def _receive_request(self, message: stun.Message, datagram: Datagram, now: float) -> None:
        why = check.doubt_request(message, datagram.data, self.credentials)
        if why is None and datagram.local not in self._checklist.locals:
            why = "request to an address that is no candidate"
        if why is not None:
            self._ignore(why)  # spec: ice/unauthentic-request
            return
        if message.unknown_required:  # spec: stun/unknown-required-request
            answer = check.error(message, 420, self.credentials)
        elif self._peer_must_switch(message):
            answer = check.error(message, 487, self.credentials)
        else:
            answer = check.success(message, datagram.remote, self.credentials)
            self._hear(message, datagram, now)
        # spec: ice/answer-path
        self._transmits.append(Datagram(answer, datagram.local, datagram.remote))

    def _peer_must_switch(self, message: stun.Message) -> bool:
        """Settle who is controlling, should both think to be, or none (RFC 8445 section 7.3.1.1)."""
        same_role = attribute.ICE_CONTROLLING if self.controlling else attribute.ICE_CONTROLLED
        theirs = message.get(same_role)
        if theirs is None:
            return False
        # spec: ice/role-conflict
        we_control = self._tie_breaker >= theirs
        if we_control == self.controlling:
            return True
        self._switch_role()
        return False

    def _switch_role(self) -> None:
        self._checklist.controlling = not self.controlling
        self._nominating = None
        for pair in self._checklist.pairs.values():
            pair.nominated_at = -math.inf

    def _hear(self, message: stun.Message, datagram: Datagram, now: float) -> None:
        """Take what an authentic check says (RFC 8445 sections 7.3.1.3 to 7.3.1.5)."""
        ufrag = message.get(attribute.USERNAME).partition(":")[2]
        nominates = message.get(attribute.USE_CANDIDATE) is not None
        heard = Heard(ufrag, message.get(attribute.PRIORITY), nominates)
        path = (datagram.local, datagram.remote)
        if self.remote_credentials is not None:
            if ufrag == self.remote_credentials.ufrag:
                self._checked_by_peer(*path, heard, now)
            else:
                self._ignore("request from somebody else")
        elif path in self._early or len(self._early) < MAXIMUM_EARLY_CHECKS:
            if path not in self._early:
                self._events.append(PathOpened(*path))
            self._early[path] = heard
        else:
            self._ignore("too many early checks")

    def _checked_by_peer(self, local: Address, remote: Address, heard: Heard, now: float) -> None:
        pair = self._checklist.pair_of_check(local, remote, heard.priority)
        if pair is None:
            self._ignore("too many candidates")
            return
        if not pair.heard_from:
            pair.heard_from = True
            self._events.append(PathOpened(local, remote))
        if heard.nominates and not self.controlling:  # spec: ice/nomination-accepted
            pair.nominated_at = now
            if pair.is_valid(now):
                self._consider(pair, now)
        if self._should_answer_with_a_check(pair, now):
            pair.step(Input.CHECKED_BY_PEER)  # spec: ice/triggered-check
            self._transactions.rest(pair, now)
            self._checklist.trigger(pair)

    def _should_answer_with_a_check(self, pair: Pair, now: float) -> bool:
        if pair.state is State.SUCCEEDED:
            # It may have lost its consent unnoticed, and may be needed any moment.
            return pair is not self.selected and now >= max(pair.answered_at, pair.checked_at) + FRESH_FOR
        return pair.state is not State.IN_PROGRESS or now >= pair.checked_at + REPEATED_AFTER

    # --- our checks -------------------------------------------------------------------------------

    def _work(self, now: float) -> None:
        """Send the checks whose turn it is, as the pace allows, and see how things stand."""
        self._due_at = None
        if self.remote_credentials is None or self.state == "closed" or self._is_over:
            return
        while now >= self._pace.next_at and (pair := self._next_to_check()) is not None:
            self._checklist.untrigger(pair)
            self._pace.spend(now)
            self._send_check(pair, now)
        if now >= self._patience_ends_at and self.selected is None and not self._checklist.unfinished():
            self._become("failed")  # spec: ice/patience

    def _next_to_check(self) -> Pair | None:
        settled = self._selection.is_concluded and self.state == "connected"
        return self._checklist.next_to_check(ordinary=not settled)

    def _send_check(self, pair: Pair, now: float, *, nominates: bool = False, once: bool = False) -> Transaction:
        assert self.remote_credentials is not None
        identifier = self._dice(12)
        question = check.Question(pair.check_priority, self.controlling, self._tie_breaker, nominates)
        octets = check.request(identifier, question, self.credentials, self.remote_credentials)
        # The formula's N is the number of checklists: one (RFC 5245 says so; RFC 8445 would multiply minutes).
        first_wait = max(FIRST_WAIT, PACE * len(self._checklist.unfinished()))  # spec: ice/first-wait
        transaction = Transaction(identifier, pair, octets, self.controlling, nominates, first_wait, now)
        if once:
            transaction.rest(now + CONSENT_ANSWERED_WITHIN)
        else:
            transaction.plan()
        self._transactions.add(transaction)
        pair.step(Input.CHECK_SENT)
        pair.checked_at = now
        pair.unanswered_since = min(pair.unanswered_since, now)
        self._transmits.append(Datagram(octets, pair.local, pair.remote))
        return transaction

    def _receive_answer(self, message: stun.Message, datagram: Datagram, now: float) -> None:
        transaction = self._transactions.find(message.transaction)
        if transaction is None or self.remote_credentials is None:
            self._ignore("answer to no request")  # spec: stun/unknown-transaction
            return
        if not stun.verify_integrity(datagram.data, self.remote_credentials.password.encode()):
            self._ignore("answer with wrong integrity")  # spec: stun/unauthentic-answer
            return
        code = message.get(attribute.ERROR_CODE)
        mapped = message.get(attribute.XOR_MAPPED_ADDRESS)
        if message.kind is stun.Class.ERROR and code is not None and code.code >= 500:
            return  # a passing trouble (RFC 8489 section 14.8): the repetitions go on
        self._transactions.close(transaction)
        symmetric = (datagram.local, datagram.remote) == (transaction.pair.local, transaction.pair.remote)
        if not symmetric or message.unknown_required:  # spec: ice/symmetric-answer stun/unknown-required-answer
            self._check_failed(transaction, now)
        elif message.kind is stun.Class.SUCCESS and mapped is not None:
            self._check_succeeded(transaction, mapped, now)
        else:
            self._check_refused(transaction, code.code if code is not None else 0, now)

    def _check_succeeded(self, transaction: Transaction, mapped: Address, now: float) -> None:
        pair = transaction.pair
        pair.step(Input.ANSWERED)
        if pair.state is not State.SUCCEEDED:
            return
        pair.mapped, pair.answered_at, pair.unanswered_since = mapped, now, math.inf
        if transaction.sends == 1:  # a repeated request does not tell which sending was answered
            pair.round_trip_time = now - transaction.sent_at
        self._transactions.rest(pair, now)
        self._checklist.untrigger(pair)
        if transaction is self._nominating:
            self._nominating = None
            pair.nominated_at = now  # spec: ice/nominated-by-answer
            self._select(pair, now)
        elif pair is self.selected:
            self._selection.heard_from()
            self._become("connected")
        else:
            self._consider(pair, now)
        self._nominate_if_due(now)

    def _check_refused(self, transaction: Transaction, code: int, now: float) -> None:
        pair = transaction.pair
        if code == 487:
            if transaction is self._nominating:
                self._nominating = None
            if transaction.controlling == self.controlling:  # else we have switched since
                self._switch_role()  # spec: ice/role-conflict-answer
                self._tie_breaker = int.from_bytes(self._dice(8), "big")
            pair.step(Input.ROLE_CONFLICT)
            self._checklist.trigger(pair)
        elif code == 403:
            self._lose(pair, Input.CONSENT_LOST, now)  # spec: ice/consent-revoked
        else:
            self._check_failed(transaction, now)

    def _check_failed(self, transaction: Transaction, now: float) -> None:
        if transaction is self._nominating:
            self._nominating = None
        self._lose(transaction.pair, Input.CHECK_FAILED, now)
        self._nominate_if_due(now)

    # --- the choice -------------------------------------------------------------------------------

    def _consider(self, pair: Pair, now: float) -> None:
        """A pair answered, or was nominated: is it the one to use?"""
        if self._selection.prefers(pair, now):
            self._select(pair, now)
        elif self._selection.is_silent(now):
            self._move(now)
        elif self._selection.should_probe(pair, now):
            # Something has changed on the peer's side; find out whether the old path still works.
            assert self.selected is not None
            self._checklist.trigger(self.selected)

    def _select(self, pair: Pair, now: float) -> None:
        if pair is not self.selected:
            self._selection.take(pair, now, self._dice)
            self._events.append(PairSelected(pair))
        self._become("connected")

    def _move(self, now: float) -> None:
        """The selected pair is silent: go over to one that answers, if there is one."""
        rival = self._selection.rival(now)
        if rival is None:
            return
        if not self.controlling:
            self._select(rival, now)
        elif self._nominating is None:
            self._nominate(rival, now)

    def _nominate_if_due(self, now: float) -> None:
        if self.controlling and self._nominating is None:
            pair = self._selection.to_nominate(now)
            if pair is not None:
                self._nominate(pair, now)

    def _nominate(self, pair: Pair, now: float) -> None:
        # spec: ice/nomination
        self._nominating = self._send_check(pair, now, nominates=True)

    def _watch(self, now: float) -> None:
        """Do what the silence of the selected pair asks for (protocol/consent.py)."""
        consent = self._selection.consent
        if consent is None:
            return
        if now >= consent.expires_at:
            self._lose(consent.pair, Input.CONSENT_LOST, now)
            return
        if now >= consent.asks_at:
            consent.asked(now, self._dice)
            self._send_check(consent.pair, now, once=True)
        if now >= consent.searches_at:
            consent.searched = True
            for pair in self._selection.to_search(now):
                self._checklist.trigger(pair)
        if now >= consent.moves_at:
            consent.moved = True
            self._move(now)
        if consent is self._selection.consent and now >= consent.disconnects_at:
            self._become("disconnected")

    def _lose(self, pair: Pair, how: Input, now: float) -> None:
        """A pair is no good any more. If it was the selected one, take the next best, or fail."""
        pair.step(how)
        if pair is not self.selected or pair.state is State.SUCCEEDED:
            return
        self._transactions.forget(pair)
        self._selection.drop()
        best = self._checklist.best_valid(now)
        if best is not None:
            self._select(best, now)
        elif how is Input.CONSENT_LOST:  # spec: ice/consent-expiry
            self._stop()
            self._is_over = True
            self._become("failed")
        else:
            self._become("checking")

    def _stop(self) -> None:
        self._selection.drop()
        self._transactions.clear()
        self._early.clear()
        self._due_at = math.inf

    def _soonest(self) -> float:
        if self.state == "closed" or self._is_over:
            return math.inf
        soonest = min(self._transactions.next_timeout(), self._selection.next_timeout(self.state == "disconnected"))
        if self.remote_credentials is not None and self._next_to_check() is not None:
            soonest = min(soonest, self._pace.next_at)
        if self.state == "checking":
            soonest = min(soonest, self._patience_ends_at)
        return soonest

    def _become(self, state: AgentState) -> None:
        if state != self.state:
            self.state = state
            self._events.append(StateChanged(state))

    def _ignore(self, why: str) -> None:
        self.ignored[why] += 1
        self._events.append(Ignored(why))
