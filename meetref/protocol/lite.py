"""ICE lite: an agent that only answers. Everybody can reach it, so the other side does all the looking.

Stands beside `protocol/ice`, with the same commands and events, above `check`; `protocol/peer` takes either.
Specification: RFC 8445 sections 2.5, 5.2, 8.2 and 11; RFC 7675 section 4 (a lite agent asks for no consent).
Leaves out: two lite agents (RFC 8445 section 6.1.1): nobody here offers one to another, so it is always controlled.
Without checks of its own it knows that the peer is there only by the peer's checks: silent for as long as consent
lasts, the peer is gone. Read next: `protocol/ice.py`.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

from meetref.protocol import check
from meetref.protocol.candidacy import Transport
from meetref.protocol.check import Credentials, Heard, Rider
from meetref.protocol.checklist import address_of
from meetref.protocol.ice import AgentState, PathOpened, StateChanged
from meetref.protocol.machine import Datagram, Dice, Event, Ignored
from meetref.protocol.pair import CONSENT_LASTS, Input, Pair, Remote, State, peer_reflexive_priority
from meetref.protocol.selection import RENOMINATED_AFTER, PairSelected
from meetref.protocol.transaction import PATIENCE
from meetref.wire import stun
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate

MAXIMUM_PATHS = 32
QUIET_FOR = 7.0  # seconds without a check, which come every 6 at most (RFC 7675 section 5.1)
KEEPALIVE_EVERY = 15.0  # Tr of RFC 8445 section 11


@dataclass(slots=True, frozen=True)
class _Choice:
    """What the peer chose, in the order in which choices are better."""

    number: int
    at: float
    priority: int


class LiteAgent:
    """A machine (protocol/machine.py) with the commands of `ice.Agent`. `controlling` is always False."""

    controlling = False

    def __init__(self, *, credentials: Credentials, dice: Dice, rider: Rider | None = None) -> None:
        self.credentials = credentials
        self.state: AgentState = "new"
        self.selected: Pair | None = None
        self.ignored: Counter[str] = Counter()
        self._dice = dice
        self._rider = rider
        self._peer: Credentials | None = None
        self._former: set[str] = set()
        self._locals: dict[Address, Candidate] = {}
        self._paths: dict[tuple[Address, Address], Pair] = {}
        self._names: dict[tuple[Address, Address], str] = {}
        self._choice = _Choice(0, -math.inf, 0)
        self._heard_at = -math.inf
        self._keepalive_at = math.inf
        self._transmits: deque[Datagram] = deque()
        self._events: deque[Event] = deque()

    def is_valid_path(self, local: Address, remote: Address) -> bool:
        """Whether an authentic check came from there."""
        return (local, remote) in self._paths

    def expects(self, data: bytes) -> bool:
        """Whether a check names our user fragment."""
        name = stun.peek_username(data)
        return name is not None and name.partition(":")[0] == self.credentials.ufrag

    # --- what the owner tells ---------------------------------------------------------------------

    def add_local_candidate(self, candidate: Candidate, now: float, *, base: Address | None = None) -> None:
        """A lite agent has host candidates only (RFC 8445 section 5.2)."""
        if candidate.type == "host":  # spec: ice/lite
            self._locals[base or address_of(candidate)] = candidate

    def set_remote_credentials(
        self, credentials: Credentials, now: float, *, lite: bool = False, renominates: bool = False
    ) -> None:
        """The peer's. Checks that came before are taken now, if they are its own."""
        if self._peer is not None or not credentials.are_sound or self._is_over:
            return
        self._peer = credentials
        self._heard_at = now
        self._become("checking")
        strangers = [path for path, name in self._names.items() if name not in {credentials.ufrag, *self._former}]
        for path in strangers:
            del self._paths[path], self._names[path]
        chosen = [pair for pair in self._paths.values() if pair.is_nominated]
        if chosen:
            self._select(max(chosen, key=lambda pair: (pair.nomination, pair.nominated_at)), now)

    def remember_peer(self, credentials: Credentials) -> None:
        """See `ice.Agent.remember_peer`."""
        self._former.add(credentials.ufrag)

    def add_remote_candidate(self, candidate: Candidate, now: float) -> None:
        """The peer's candidates are not needed: its checks show where it is."""

    def end_of_remote_candidates(self, now: float) -> None:
        """Nor is their end."""

    def path_closed(self, local: Address, remote: Address, now: float) -> None:
        self._names.pop((local, remote), None)
        pair = self._paths.pop((local, remote), None)
        if pair is not None and pair is self.selected:
            self._choice = _Choice(0, -math.inf, 0)  # whatever it chooses next

    def leave_rider(self) -> None:
        """See `ice.Agent.leave_rider`."""
        self._rider = None

    def close(self, now: float) -> None:
        self._end("closed")

    # --- the five methods -------------------------------------------------------------------------

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        message = "session over" if self._is_over else check.read(datagram.data)
        if isinstance(message, str):
            self._ignore(message)
        elif message.kind is stun.Class.REQUEST:
            self._receive_request(message, datagram, now)
        elif message.kind is not stun.Class.INDICATION:
            self._ignore("answer to no request")

    def next_timeout(self) -> float:
        if self._is_over or self._peer is None:
            return math.inf
        quiet_at = math.inf if self.state != "connected" else self._heard_at + QUIET_FOR
        return min(self._gone_at, quiet_at, self._keepalive_at)

    @property
    def _gone_at(self) -> float:
        return self._heard_at + (PATIENCE if self.selected is None else CONSENT_LASTS)  # spec: consent/lite

    def handle_timeout(self, now: float) -> None:
        if self._is_over or self._peer is None:
            return
        if now >= self._gone_at:
            self._end("failed")
            return
        if now >= self._heard_at + QUIET_FOR and self.state == "connected":
            self._become("disconnected")
        if now >= self._keepalive_at and self.selected is not None:
            self._keepalive_at = now + KEEPALIVE_EVERY  # spec: ice/keepalive
            message = stun.Message(stun.Class.INDICATION, stun.BINDING, self._dice(12))
            octets = stun.serialize(message)
            self._transmits.append(Datagram(octets, self.selected.local, self.selected.remote))

    def transmits(self) -> Iterator[Datagram]:
        while self._transmits:
            yield self._transmits.popleft()

    def events(self) -> Iterator[Event]:
        while self._events:
            yield self._events.popleft()

    # --- the peer's checks ------------------------------------------------------------------------

    def _receive_request(self, message: stun.Message, datagram: Datagram, now: float) -> None:
        why = check.doubt_request(message, datagram.data, self.credentials)
        if why is None and datagram.local not in self._locals:
            why = "request to an address that is no candidate"
        if why is not None:
            self._ignore(why)
            return
        heard = Heard.of(message)
        if self._peer is not None and heard.ufrag not in {self._peer.ufrag, *self._former}:
            self._ignore("request from somebody else")  # spec: ice/stranger-unanswered
            return
        if message.unknown_required:
            answer = check.error(message, 420, self.credentials)
        elif check.Role(False, -1).conflict(message) == "peer must switch":
            answer = check.error(message, 487, self.credentials)  # it must control: we cannot
        else:
            if self._rider is not None:
                self._rider.alight(message, datagram, now)
            answer = check.success(message, datagram.remote, self.credentials, self._rider)
            self._hear(heard, datagram.local, datagram.remote, now)
        self._transmits.append(Datagram(answer, datagram.local, datagram.remote))

    def _hear(self, heard: Heard, local: Address, remote: Address, now: float) -> None:
        pair = self._paths.get((local, remote)) or self._open(heard, local, remote)
        self._names[local, remote] = heard.ufrag
        pair.heard_from, pair.answered_at, self._heard_at = True, now, now
        if heard.nominates:
            pair.nominated_at, pair.nomination = now, max(pair.nomination, heard.nomination)
        if self._peer is not None and heard.nominates:
            self._select(pair, now)
        if self.state == "disconnected":
            self._become("connected")

    def _open(self, heard: Heard, local: Address, remote: Address) -> Pair:
        if len(self._paths) >= MAXIMUM_PATHS:  # spec: ice/candidates-bounded
            oldest = next(path for path, pair in self._paths.items() if pair is not self.selected)
            del self._paths[oldest], self._names[oldest]
        candidate = self._locals[local]
        transport: Transport = local.transport
        guess = peer_reflexive_priority(candidate.priority, transport)
        found = Remote(remote, "prflx", guess if heard.priority is None else heard.priority)
        pair = self._paths[local, remote] = Pair(local, remote, candidate, found, State.WAITING)
        pair.step(Input.ANSWERED)  # our answer to its check is all the proof there will be
        self._events.append(PathOpened(local, remote))
        return pair

    def _select(self, pair: Pair, now: float) -> None:
        """Of several choices take the newest number, or the better pair, or the clearly later one, as a full agent."""
        choice = _Choice(pair.nomination, pair.nominated_at, pair.priority(controlling=False))
        before, self._choice = self._choice, choice
        later = choice.at > before.at + RENOMINATED_AFTER
        better = (choice.number, choice.priority) > (before.number, before.priority)
        if not (better or self.selected is pair or (later and choice.number == before.number)):
            self._choice = before
            return
        if self.selected is not pair:
            self.selected = pair
            self._events.append(PairSelected(pair))  # spec: ice/lite-selects
        self._keepalive_at = min(self._keepalive_at, now + KEEPALIVE_EVERY)
        self._become("connected")

    # --- how things stand -------------------------------------------------------------------------

    @property
    def _is_over(self) -> bool:
        return self.state in ("failed", "closed")

    def _end(self, state: AgentState) -> None:
        self._paths.clear()
        self._names.clear()
        self.selected = None
        self._become(state)

    def _become(self, state: AgentState) -> None:
        if state != self.state and self.state != "closed":
            self.state = state
            self._events.append(StateChanged(state))

    def _ignore(self, why: str) -> None:
        self.ignored[why] += 1
        self._events.append(Ignored(why))
