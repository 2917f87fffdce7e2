"""ICE: finding a path to the peer by trying them all, keeping to one, and noticing when it dies.

Stands above `checklist` (the pairs), `prober` (our checks), `check` (their messages), `selection` and `consent`.
Specification: RFC 8445, with RFC 8838 (trickle), 7675 (consent), 8863 (patience), 6544 (TCP), draft-thatcher-ice-
renomination. Gathering is the owner's; so are streams and relays: a datagram names its base, the owner carries it.
A restart is a new agent beside the old one (`protocol/peer.py`). A lite agent is `protocol/lite.py`.
Read next: `protocol/peer.py`, which brings ICE and DTLS together; docs/states.md, a picture of a pair's states.

Where it departs from the documents, and why:
- nominations are accepted on any pair, at any time, several times: Chromium nominates early and again later, Firefox
  with every check (`selection`); RFC 8445 knows one, of a pair that succeeded;
- a pair that falls silent is left for one that answers, without a restart, and the other one is nominated: a NAT that
  forgot a mapping costs a second instead of a call (RFC 8445 section 8.1.1 has one nomination a session);
- an unanswered check holds back others of its foundation for half a second only (`checklist`);
- a candidate after the last one counts if it names the present user fragment (`trickle`);
- after a restart checks under the peer's former user fragment count, and are answered by checks to it (`prober`):
  libwebrtc lets old sockets meet new candidates, and may choose such a pair;
- the first wait of a check counts unfinished pairs once, not each stream's (`prober`); ICMP errors do not count.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from meetref.protocol import check
from meetref.protocol.check import Credentials, Heard, Rider, Role, make_credentials
from meetref.protocol.checklist import Checklist, address_of
from meetref.protocol.machine import Datagram, Dice, Event, Ignored
from meetref.protocol.pair import Input, Pair, Remote, State
from meetref.protocol.prober import Outcome, Prober
from meetref.protocol.selection import PairSelected, Selection
from meetref.protocol.transaction import PATIENCE
from meetref.protocol.trickle import Trickle
from meetref.wire import stun
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate

__all__ = ["Agent", "Credentials", "Pair", "PairSelected", "PathOpened", "StateChanged", "make_credentials"]

AgentState = Literal["new", "checking", "connected", "disconnected", "failed", "closed"]
Path = tuple[Address, Address]

SEARCH_LASTS = 2 * PATIENCE
"""Seconds without news from signaling in which a path must be found: one patience until the peer's last first check,
one for ours to where that came from. Two NATs that give each check a port of its own would bring new pairs for ever."""

MAXIMUM_EARLY_CHECKS = 32
FRESH_FOR = 4.0  # seconds after an answer in which a pair that is not selected is not checked again
REPEATED_AFTER = 0.05  # seconds before a check of the peer's repeats one of ours that is under way


@dataclass(slots=True, frozen=True)
class StateChanged(Event):
    """The agent as a whole; `failed` may recover while no path was found, until `SEARCH_LASTS` is over, and is final
    once consent was lost."""

    state: AgentState


@dataclass(slots=True, frozen=True)
class PathOpened(Event):
    """The first authentic check came over this path; the peer may use it."""

    local: Address
    remote: Address


class Agent:
    """One side of ICE, for one stream with one component. A machine (protocol/machine.py).

    `controlling` is the role to begin with (RFC 8445 section 6.1.1: the side that offered); a conflict may change it.
    `may_check` says to which signaled addresses checks may go at all; an authentic check opens the way back anyway.
    A `rider` travels in the checks and answers of both sides (`check.Rider`).
    """

    def __init__(
        self,
        *,
        controlling: bool,
        credentials: Credentials,
        dice: Dice,
        may_check: Callable[[Address], bool] = lambda address: True,
        maximum_remote_candidates: int = 100,
        rider: Rider | None = None,
    ) -> None:
        self.credentials = credentials
        self.state: AgentState = "new"
        self.ignored: Counter[str] = Counter()
        self._dice = dice
        self._may_check = may_check
        self._role = Role(controlling, int.from_bytes(dice(8), "big"))
        self._events: deque[Event] = deque()
        self._checklist = Checklist(self._role, maximum_remotes=maximum_remote_candidates)
        self._prober = Prober(self._checklist, self._role, credentials, dice, rider)
        self._selection = Selection(self._checklist, self._prober, self._role, dice, self._events)
        self._early: dict[Path, Heard] = {}
        self._trickle = Trickle()
        self._fails_at = self._search_ends_at = math.inf
        self._is_patient = True
        self._is_over = False
        self._due_at: float | None = None

    @property
    def controlling(self) -> bool:
        return self._role.controlling

    @property
    def selected(self) -> Pair | None:
        """The pair to send over now."""
        return self._selection.pair

    def is_valid_path(self, local: Address, remote: Address) -> bool:
        """Whether the peer may be sending from there: a check of ours was answered, or an authentic one of its came.

        The peer knows its own path to be valid before we do, and may use it at once.
        """
        if self._is_over:
            return False
        # spec: ice/receive-anywhere
        pair = self._checklist.pairs.get((local, remote))
        if pair is None:
            return (local, remote) in self._early
        return pair.state is State.SUCCEEDED or (pair.heard_from and pair.state in (State.WAITING, State.IN_PROGRESS))

    # --- what the owner tells ---------------------------------------------------------------------

    def add_local_candidate(self, candidate: Candidate, now: float, *, base: Address | None = None) -> None:
        """One of our candidates. Datagrams to and from it have its `base` as their local address.

        A host candidate is its own base, and so is a relayed one; a reflexive one is told its socket's address.
        """
        self._checklist.add_local(candidate, base)
        self._search_on(now)
        self._work(now)  # spec: ice/trickle

    def set_remote_credentials(
        self, credentials: Credentials, now: float, *, lite: bool = False, renominates: bool = False
    ) -> None:
        """What the peer's description says. Until then its checks are answered and remembered.

        A `lite` peer never checks, so we control (RFC 8445 section 6.1.1). One that `renominates` takes the newest of
        several nominations (draft-thatcher-ice-renomination).
        """
        if self._prober.peer is not None:
            if self._prober.peer != credentials:
                self._ignore("other credentials without a restart")
            return
        if not credentials.are_sound or self._is_over:
            self._ignore("credentials of a wrong form, or too late")
            return
        self._prober.peer = credentials
        self._prober.renominates = renominates
        if lite and not self.controlling:
            self._switch_role()  # spec: ice/lite-peer
        self._fails_at = now + PATIENCE
        self._search_on(now)
        early, self._early = self._early, {}
        for (local, remote), heard in early.items():
            if (known := self._prober.peer_named(heard.ufrag)) is not None:
                self._checked_by_peer(local, remote, heard, known, now, announced=True)
        self._work(now)

    def remember_peer(self, credentials: Credentials) -> None:
        """What the peer was called before a restart; its checks may still come under that name."""
        self._prober.former_peers[credentials.ufrag] = credentials

    def add_remote_candidate(self, candidate: Candidate, now: float) -> None:
        """One of the peer's candidates, in any order with everything else (RFC 8838)."""
        peer = self._prober.peer
        why = self._trickle.doubt(candidate, peer.ufrag if peer is not None else None)
        if why is not None:
            self._ignore(why)
            return
        if candidate.tcp_type == "active":
            return  # its stream comes by itself, from a port that nobody knows yet
        found = Remote(
            address_of(candidate), candidate.type, candidate.priority, candidate.foundation, candidate.tcp_type
        )
        is_news = found.address not in self._checklist.remotes
        if not self._checklist.add_remote(found, self._may_check):
            self._ignore("too many candidates")
        elif is_news:
            self._search_on(now)
        self._work(now)

    def end_of_remote_candidates(self, now: float) -> None:
        """The peer says that there are no more."""
        self._trickle.ended = True  # spec: trickle/half, trickle/end-is-no-failure

    def path_closed(self, local: Address, remote: Address, now: float) -> None:
        """The stream of this path is gone, or could not be opened."""
        pair = self._checklist.pairs.get((local, remote))
        if pair is not None and not self._is_over:
            self._checklist.untrigger(pair)
            self._selection.path_closed(pair, now)
        self._early.pop((local, remote), None)
        self._work(now)

    def expects(self, data: bytes) -> bool:
        """Whether a STUN message is for this agent: it names our user fragment, or answers a check of ours."""
        name = stun.peek_username(data)
        if name is not None:
            return name.partition(":")[0] == self.credentials.ufrag
        return self._prober.transactions.find(data[8:20]) is not None

    def leave_rider(self) -> None:
        """Take nobody along any more: another agent does."""
        self._prober.rider = None

    def close(self, now: float) -> None:
        """Stop. Nothing more is sent, and what comes is ignored."""
        self._end("closed")

    # --- the five methods -------------------------------------------------------------------------

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        if self._is_over:
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
            quiet = self.state == "disconnected"
            selection, prober = self._selection, self._prober
            soonest = min(selection.next_timeout(quiet), prober.next_timeout(ordinary=self._looks_around))
            searched = self._search_ends_at if self.state == "checking" else math.inf
            self._due_at = math.inf if self._is_over else min(soonest, self._fails_at, searched)
        return self._due_at

    def handle_timeout(self, now: float) -> None:
        if self._is_over:
            return
        for transaction in self._prober.transactions.given_up(now):  # spec: ice/check-timeout
            self._selection.check_ended(transaction, Input.CHECK_FAILED, now)
        self._prober.repeat(now)
        self._selection.watch(now)
        self._selection.nominate_if_due(now)
        self._work(now)

    def transmits(self) -> Iterator[Datagram]:
        while self._prober.transmits:
            yield self._prober.transmits.popleft()

    def events(self) -> Iterator[Event]:
        while self._events:
            yield self._events.popleft()

    # --- the peer's checks ------------------------------------------------------------------------

    def _receive_request(self, message: stun.Message, datagram: Datagram, now: float) -> None:
        why = check.doubt_request(message, datagram.data, self.credentials)
        if why is None and datagram.local not in self._checklist.locals:
            why = "request to an address that is no candidate"
        if why is None and self._is_stranger(Heard.of(message)):
            why = "request from somebody else"  # spec: ice/stranger-unanswered
        if why is not None:
            self._ignore(why)  # spec: ice/unauthentic-request
            return
        conflict = self._role.conflict(message)
        if message.unknown_required:  # spec: stun/unknown-required-request
            answer = check.error(message, 420, self.credentials)
        elif conflict == "peer must switch":
            answer = check.error(message, 487, self.credentials)
        else:
            self._alight(message, datagram, now)
            answer = check.success(message, datagram.remote, self.credentials, self._prober.rider)
        # spec: ice/answer-path, stun/repeated-request (nothing is remembered: the same check gets the same answer)
        self._prober.transmits.append(Datagram(answer, datagram.local, datagram.remote))
        if message.unknown_required or conflict == "peer must switch":
            return
        if conflict == "we must switch":
            self._switch_role()
        self._hear(Heard.of(message), datagram.local, datagram.remote, now)

    def _alight(self, message: stun.Message, datagram: Datagram, now: float) -> None:
        """Show the rider what is authentic."""
        # spec: sped/unauthentic
        if self._prober.rider is not None:
            self._prober.rider.alight(message, datagram, now)

    def _switch_role(self) -> None:
        self._role.controlling = not self._role.controlling
        self._selection.role_switched()

    def _is_stranger(self, heard: Heard) -> bool:
        """Whether a check comes under a name that is not our peer's.

        After a restart libwebrtc checks our former credentials under its new name until the answer is there. It would
        take our answer for a path and stay with it, while our new agent knows nothing of that.
        """
        return self._prober.peer is not None and self._prober.peer_named(heard.ufrag) is None

    def _hear(self, heard: Heard, local: Address, remote: Address, now: float) -> None:
        """Take an authentic check's word, or keep it until we know whose it is."""
        known = self._prober.peer_named(heard.ufrag)
        if self._prober.peer is not None and known is not None:
            self._checked_by_peer(local, remote, heard, known, now)
        elif (local, remote) in self._early or len(self._early) < MAXIMUM_EARLY_CHECKS:  # spec: ice/early-checks
            if (local, remote) not in self._early:
                self._events.append(PathOpened(local, remote))
            self._early[local, remote] = heard
        else:
            self._ignore("too many early checks")  # spec: ice/early-checks-bounded

    def _checked_by_peer(
        self, local: Address, remote: Address, heard: Heard, known: Credentials, now: float, *, announced: bool = False
    ) -> None:
        pair = self._checklist.pair_of_check(local, remote, heard.priority)
        if pair is None:
            self._ignore("too many candidates")
            return
        if not pair.heard_from and not announced:
            self._events.append(PathOpened(local, remote))
        pair.heard_from, pair.peer = True, known
        if heard.nominates and not self.controlling:  # spec: ice/nomination-accepted
            pair.nominated_at, pair.nomination = now, max(pair.nomination, heard.nomination)
            if pair.is_valid(now):
                self._selection.consider(pair, now)
        if self._should_answer_with_a_check(pair, now):
            pair.step(Input.CHECKED_BY_PEER)  # spec: ice/triggered-check
            self._prober.transactions.rest(pair, now)
            self._checklist.trigger(pair)

    def _should_answer_with_a_check(self, pair: Pair, now: float) -> bool:
        if pair.state is State.SUCCEEDED:
            # spec: ice/consent-regained (lost unnoticed, perhaps, and needed any moment)
            return pair is not self.selected and now >= max(pair.answered_at, pair.checked_at) + FRESH_FOR
        return pair.state is not State.IN_PROGRESS or now >= pair.checked_at + REPEATED_AFTER

    # --- our checks -------------------------------------------------------------------------------

    def _receive_answer(self, message: stun.Message, datagram: Datagram, now: float) -> None:
        outcome = self._prober.read_answer(message, datagram)
        if isinstance(outcome, str):
            self._ignore(outcome)
            return
        transaction = outcome.transaction
        match outcome.result:
            case "succeeded":
                self._alight(message, datagram, now)
                self._check_succeeded(outcome, now)
            case "role-conflict":
                if transaction.controlling == self.controlling:  # else we have switched since
                    self._switch_role()  # spec: ice/role-conflict-answer
                    self._role.tie_breaker = int.from_bytes(self._dice(8), "big")
                self._selection.check_ended(transaction, Input.ROLE_CONFLICT, now)
                self._checklist.trigger(transaction.pair)
            case "forbidden":  # spec: ice/consent-revoked
                self._selection.check_ended(transaction, Input.CONSENT_LOST, now)
            case "failed":
                self._selection.check_ended(transaction, Input.CHECK_FAILED, now)

    def _check_succeeded(self, outcome: Outcome, now: float) -> None:
        transaction, pair = outcome.transaction, outcome.transaction.pair
        pair.step(Input.ANSWERED)
        if pair.state is not State.SUCCEEDED:
            return
        pair.mapped, pair.answered_at, pair.unanswered_since = outcome.mapped, now, math.inf
        pair.seen_as = self._checklist.seen_as(pair)
        self._checklist.thaw(pair)
        if transaction.sends == 1:  # spec: stun/round-trip-without-repetitions
            pair.round_trip_time = now - transaction.sent_at
        self._prober.transactions.rest(pair, now)
        self._checklist.untrigger(pair)
        self._selection.pair_answered(transaction, now)

    # --- how things stand -------------------------------------------------------------------------

    @property
    def _looks_around(self) -> bool:
        """Whether pairs that the peer does not ask about are worth a check."""
        return not (self._selection.is_concluded and self.state == "connected")  # spec: ice/concluded

    def _work(self, now: float) -> None:
        """After every change: say how things stand, and send the checks whose turn it is."""
        self._due_at = None
        if not self._is_over:
            self._assess(now)
        if not self._is_over:
            self._prober.send_waiting(now, ordinary=self._looks_around)

    def _search_on(self, now: float) -> None:
        """There is something new to try, or what was found is gone."""
        if self._prober.peer is not None:
            self._search_ends_at = now + SEARCH_LASTS

    def _assess(self, now: float) -> None:
        if now >= self._fails_at:
            self._is_patient, self._fails_at = False, math.inf
        consent = self._selection.consent
        if consent is not None:
            self._search_on(now)
            self._become("disconnected" if now >= consent.disconnects_at else "connected")
        elif self._selection.is_lost:
            self._end("failed")  # spec: ice/consent-expiry
        elif now >= self._search_ends_at and self._checklist.unfinished():
            self._end("failed")  # spec: ice/search-ends
        elif not (self._is_patient or self._checklist.unfinished()):
            self._become("failed")  # spec: ice/patience
        elif self._prober.peer is not None:
            self._become("checking")

    def _end(self, state: AgentState) -> None:
        self._is_over, self._due_at = True, None
        self._selection.stop()
        self._prober.transactions.clear()  # spec: consent/forgotten-with-it, consent/credentials-spent
        self._early.clear()
        self._become(state)

    def _become(self, state: AgentState) -> None:
        if state != self.state:
            self.state = state
            self._events.append(StateChanged(state))

    def _ignore(self, why: str) -> None:
        self.ignored[why] += 1
        self._events.append(Ignored(why))
