"""Candidates that come one by one: which of the peer's count, and when there are no more.

Stands below `protocol/ice`, which pairs those that count (`protocol/checklist`).
Specification: RFC 8838 sections 11 and 14. Our signaling names no generation with the end of candidates, so a candidate
that names the present one counts even after it: the end was that of the generation before.
Leaves out: our own end of candidates, which whoever gathers tells. Read next: `protocol/checklist.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from meetref.wire.address import canonical_host
from meetref.wire.candidate import Candidate
from meetref.wire.reader import Malformed


@dataclass(slots=True)
class Trickle:
    """What the peer has told so far. `ended`: it said that there are no more candidates."""

    ended: bool = False

    def doubt(self, candidate: Candidate, ufrag: str | None) -> str | None:
        """Why a signaled candidate is not for us; None when it is. `ufrag` is the peer's, where known."""
        if self.ended and candidate.ufrag is None:
            return "candidate after the last"  # spec: ice/end-of-candidates
        if (candidate.transport == "tcp") != (candidate.tcp_type is not None):
            return "candidate without a direction"  # spec: ice/tcp-direction
        if candidate.component != 1:
            return "candidate of another component"
        if None not in (candidate.ufrag, ufrag) and candidate.ufrag != ufrag:
            return "candidate of another generation"  # spec: ice/candidate-generation
        try:
            canonical_host(candidate.host)
        except Malformed:
            return "candidate with a name"
        return None
