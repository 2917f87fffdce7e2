"""One candidate pair: a path from one of our addresses to one of the peer's, and what is known about it.

Stands below `protocol/checklist`, which holds all pairs of an agent. What happens to a pair is the table `TRANSITIONS`.
Specification: RFC 8445 sections 6.1.2 and 7.2.5; RFC 7675 for a pair whose consent ran out.
Leaves out: components and streams; there is one of each (BUNDLE, RTCP on the same port).
Read next: `protocol/checklist.py`, then `protocol/ice.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Literal

from meetref.protocol.candidacy import TYPE_PREFERENCES
from meetref.protocol.check import Credentials
from meetref.wire.address import Address, StreamAddress
from meetref.wire.candidate import Candidate, CandidateType, TCPType

CONSENT_LASTS = 30.0  # seconds from the last answer (RFC 7675 section 5.1)


class State(Enum):
    """Where a pair stands. `GONE` is final: consent was lost (RFC 7675 section 5.1) or its place was needed."""

    FROZEN = "frozen"
    WAITING = "waiting"
    IN_PROGRESS = "in-progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    GONE = "gone"


class Input(Enum):
    """What can happen to a pair."""

    UNFROZEN = "unfrozen"
    CHECK_SENT = "check sent"
    ANSWERED = "answered"
    CHECK_FAILED = "check failed"
    ROLE_CONFLICT = "role conflict"
    CHECKED_BY_PEER = "checked by peer"
    CONSENT_LOST = "consent lost"
    FORGOTTEN = "forgotten"


TRANSITIONS: dict[tuple[State, Input], State] = {
    (State.FROZEN, Input.UNFROZEN): State.WAITING,
    (State.FROZEN, Input.CHECK_SENT): State.IN_PROGRESS,
    (State.FROZEN, Input.ANSWERED): State.FROZEN,
    (State.FROZEN, Input.CHECK_FAILED): State.FROZEN,
    (State.FROZEN, Input.ROLE_CONFLICT): State.FROZEN,
    (State.FROZEN, Input.CHECKED_BY_PEER): State.WAITING,
    (State.FROZEN, Input.CONSENT_LOST): State.GONE,
    (State.FROZEN, Input.FORGOTTEN): State.GONE,
    (State.WAITING, Input.UNFROZEN): State.WAITING,
    (State.WAITING, Input.CHECK_SENT): State.IN_PROGRESS,
    (State.WAITING, Input.ANSWERED): State.SUCCEEDED,  # an older check, cancelled in favour of the one that waits
    (State.WAITING, Input.CHECK_FAILED): State.WAITING,
    (State.WAITING, Input.ROLE_CONFLICT): State.WAITING,
    (State.WAITING, Input.CHECKED_BY_PEER): State.WAITING,
    (State.WAITING, Input.CONSENT_LOST): State.GONE,
    (State.WAITING, Input.FORGOTTEN): State.GONE,
    (State.IN_PROGRESS, Input.UNFROZEN): State.IN_PROGRESS,
    (State.IN_PROGRESS, Input.CHECK_SENT): State.IN_PROGRESS,
    (State.IN_PROGRESS, Input.ANSWERED): State.SUCCEEDED,
    (State.IN_PROGRESS, Input.CHECK_FAILED): State.FAILED,
    (State.IN_PROGRESS, Input.ROLE_CONFLICT): State.WAITING,
    (State.IN_PROGRESS, Input.CHECKED_BY_PEER): State.WAITING,
    (State.IN_PROGRESS, Input.CONSENT_LOST): State.GONE,
    (State.IN_PROGRESS, Input.FORGOTTEN): State.GONE,
    (State.SUCCEEDED, Input.UNFROZEN): State.SUCCEEDED,
    (State.SUCCEEDED, Input.CHECK_SENT): State.SUCCEEDED,
    (State.SUCCEEDED, Input.ANSWERED): State.SUCCEEDED,
    (State.SUCCEEDED, Input.CHECK_FAILED): State.FAILED,
    (State.SUCCEEDED, Input.ROLE_CONFLICT): State.SUCCEEDED,
    (State.SUCCEEDED, Input.CHECKED_BY_PEER): State.SUCCEEDED,
    (State.SUCCEEDED, Input.CONSENT_LOST): State.GONE,
    (State.SUCCEEDED, Input.FORGOTTEN): State.GONE,
    (State.FAILED, Input.UNFROZEN): State.FAILED,
    (State.FAILED, Input.CHECK_SENT): State.FAILED,
    (State.FAILED, Input.ANSWERED): State.FAILED,
    (State.FAILED, Input.CHECK_FAILED): State.FAILED,
    (State.FAILED, Input.ROLE_CONFLICT): State.FAILED,
    (State.FAILED, Input.CHECKED_BY_PEER): State.WAITING,
    (State.FAILED, Input.CONSENT_LOST): State.GONE,
    (State.FAILED, Input.FORGOTTEN): State.GONE,
    **{(State.GONE, anything): State.GONE for anything in Input},
}


@dataclass(slots=True)
class Remote:
    """One of the peer's candidates. Signaling may later say more about one that a check revealed first."""

    address: Address
    type: CandidateType
    priority: int
    foundation: str = ""
    tcp_type: TCPType | None = None


@dataclass(slots=True, eq=False)
class Pair:
    """A path from `local`, a base of ours, to `remote`. `local_candidate` is the candidate whose base it is.

    `round_trip_time` is the last one measured, in seconds; `mapped` is how the peer sees us, which differs from
    `local` behind a NAT, and `seen_as` our candidate at that address: told, or peer-reflexive. `nominated_at` is when
    the controlling side last chose this pair, `nomination` the number it gave that choice, if it numbers them.
    """

    local: Address
    remote: Address
    local_candidate: Candidate
    remote_candidate: Remote
    state: State = State.WAITING
    round_trip_time: float | None = None
    mapped: Address | None = None
    seen_as: Candidate | None = None
    nominated_at: float = -math.inf
    nomination: int = 0
    heard_from: bool = False
    """An authenticated check of the peer's came over this path."""
    answered_at: float = -math.inf
    unanswered_since: float = math.inf
    """When the first request after the last answer was sent."""
    checked_at: float = -math.inf
    peer: Credentials | None = None
    """Whose checks come over it, where those are not the peer's newest credentials."""

    def step(self, happened: Input) -> None:
        self.state = TRANSITIONS[self.state, happened]

    def is_valid(self, now: float) -> bool:
        """Whether data may be sent here: a check was answered, and not too long ago."""
        return self.state is State.SUCCEEDED and now < self.answered_at + CONSENT_LASTS

    @property
    def is_nominated(self) -> bool:
        return self.nominated_at > -math.inf

    @property
    def kinds(self) -> str:
        """For people: `host udp / prflx udp`, ours first."""
        transport = self.local.transport
        return f"{self.proven_candidate.type} {transport} / {self.remote_candidate.type} {transport}"

    @property
    def proven_candidate(self) -> Candidate:
        """Our side of the valid pair that a check over this one makes (RFC 8445 section 7.2.5.3.2)."""
        return self.seen_as or self.local_candidate

    @property
    def foundation(self) -> tuple[str, str]:
        """Pairs that share it are likely to work, or not, together."""
        return self.local_candidate.foundation, self.remote_candidate.foundation

    @property
    def check_priority(self) -> int:
        """What PRIORITY says in a check: ours if the peer were to discover us by it (RFC 8445 section 7.1.1)."""
        # spec: ice/check-priority
        return peer_reflexive_priority(self.local_candidate.priority, self.local.transport)

    def priority(self, controlling: bool) -> int:
        """The pair's rank, the same number on both sides (RFC 8445 section 6.1.2.3)."""
        ours, theirs = self.proven_candidate.priority, self.remote_candidate.priority
        leading, following = (ours, theirs) if controlling else (theirs, ours)
        # spec: ice/pair-priority
        return (min(ours, theirs) << 32) + 2 * max(ours, theirs) + (leading > following)


def peer_reflexive_priority(priority: int, transport: Literal["udp", "tcp"] = "udp") -> int:
    """The priority of a candidate, were its type peer-reflexive."""
    return TYPE_PREFERENCES[transport, "prflx"] << 24 | priority & 0xFFFFFF


def may_open(ours: TCPType | None, theirs: TCPType | None) -> bool:
    """Whether we may begin with a check: over UDP always, over TCP where our end opens the stream (RFC 6544 6.2)."""
    # spec: ice/tcp-pairing
    return (ours, theirs) in ((None, None), ("active", "passive"), ("so", "so"))


def may_pair(local: Address, remote: Address) -> bool:
    """Whether a packet from `local` could reach `remote` at all.

    Link-local addresses only reach each other (RFC 8445 section 6.1.2.2), and so do those of the loopback.
    """
    # spec: ice/same-family, ice/link-local-pairs
    here, there = ip_address(local.host), ip_address(remote.host)
    return (
        isinstance(local, StreamAddress) == isinstance(remote, StreamAddress)
        and here.version == there.version
        and here.is_loopback == there.is_loopback
        and here.is_link_local == there.is_link_local
        and remote.port != 0
        and not there.is_unspecified
        and not there.is_multicast
    )
