"""All candidates and candidate pairs of one agent, within bounds, and which pair to check next.

Stands above `protocol/pair`, below `protocol/ice`, which decides what the checks mean.
Specification: RFC 8445 sections 6.1.2 and 6.1.4; RFC 8838 for candidates that come one by one.
Leaves out: pruning. Local candidates are bases already, and a path is in the list at most once.
Read next: `protocol/ice.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from meetref.protocol.check import Role
from meetref.protocol.pair import Input, Pair, Remote, State, may_pair, peer_reflexive_priority
from meetref.wire.address import Address, canonical_host
from meetref.wire.candidate import Candidate
from meetref.wire.reader import Malformed

MAXIMUM_PAIRS = 100  # RFC 8445 section 6.1.2.5


class Checklist:
    """Local and remote candidates and the pairs they make. A stranger's part in it is bounded twice.

    `maximum_remotes` counts the peer's candidates, signaled and discovered; `maximum_pairs` the pairs.
    """

    def __init__(self, role: Role, *, maximum_remotes: int, maximum_pairs: int = MAXIMUM_PAIRS) -> None:
        self._role = role
        self.maximum_remotes = maximum_remotes
        self.maximum_pairs = maximum_pairs
        self.locals: dict[Address, Candidate] = {}
        self.remotes: dict[Address, Remote] = {}
        self.pairs: dict[tuple[Address, Address], Pair] = {}
        self.triggered: deque[Pair] = deque()
        self._may_check: dict[Address, bool] = {}

    def rank(self, pair: Pair) -> int:
        return pair.priority(self._role.controlling)

    def add_local(self, candidate: Candidate) -> None:
        address = Address(candidate.host, candidate.port)
        self.locals[address] = candidate
        for remote in list(self.remotes.values()):
            if self._may_check.get(remote.address, False):
                self._insert(address, remote)

    def add_remote(self, remote: Remote, may_check: Callable[[Address], bool]) -> bool:
        """Take a signaled candidate and pair it. False when there are too many already."""
        known = self.remotes.get(remote.address)
        if known is not None:
            # What signaling says replaces what a check let us guess (RFC 8838 section 11.1).
            known.type, known.priority = remote.type, remote.priority
            remote = known
        elif len(self.remotes) >= self.maximum_remotes:  # spec: ice/candidates-bounded
            return False
        self.remotes[remote.address] = remote
        allowed = self._may_check[remote.address] = may_check(remote.address)  # spec: ice/checks-where-allowed
        if allowed:
            for local in self.locals:
                self._insert(local, remote)
        return True

    def pair_of_check(self, local: Address, remote: Address, priority: int | None) -> Pair | None:
        """The pair that an authenticated check came over, made if need be. None when there is no room for it."""
        pair = self.pairs.get((local, remote))
        if pair is not None:
            return pair
        candidate = self.remotes.get(remote)
        if candidate is None:
            if len(self.remotes) >= self.maximum_remotes and not self._forget_a_remote():
                return None
            # spec: ice/peer-reflexive-remote
            guess = peer_reflexive_priority(self.locals[local].priority) if priority is None else priority
            candidate = self.remotes[remote] = Remote(remote, "prflx", guess)
        return self._insert(local, candidate, from_check=True)

    def _insert(self, local: Address, remote: Remote, *, from_check: bool = False) -> Pair | None:
        path = (local, remote.address)
        # spec: ice/one-pair-a-path
        if path in self.pairs or not (from_check or may_pair(local, remote.address)):
            return self.pairs.get(path)
        pair = Pair(local, remote.address, self.locals[local], remote)
        if len(self.pairs) >= self.maximum_pairs:  # spec: ice/pairs-bounded
            worst = self._worst(from_check)
            if worst is None or not (from_check or worst.state is State.FAILED or self.rank(worst) < self.rank(pair)):
                return None
            self._remove(worst)
        self.pairs[path] = pair
        return pair

    def _worst(self, from_check: bool) -> Pair | None:
        """The pair whose place a new one may take. One that a check proves may displace a check under way."""
        order = [State.FAILED, State.WAITING, State.IN_PROGRESS] if from_check else [State.FAILED, State.WAITING]
        removable = (pair for pair in self.pairs.values() if pair.state in order)
        return min(removable, key=lambda pair: (order.index(pair.state), self.rank(pair)), default=None)

    def _forget_a_remote(self) -> bool:
        """Give up the oldest of the peer's candidates that leads nowhere (yet), so that a new path has a place."""
        needed = {pair.remote for pair in self.pairs.values() if pair.state is State.SUCCEEDED}
        oldest = next((address for address in self.remotes if address not in needed), None)
        if oldest is None:
            return False
        del self.remotes[oldest]
        self._may_check.pop(oldest, None)
        for pair in [pair for pair in self.pairs.values() if pair.remote == oldest]:
            self._remove(pair)
        return True

    def _remove(self, pair: Pair) -> None:
        del self.pairs[pair.local, pair.remote]
        pair.step(Input.FORGOTTEN)
        self.untrigger(pair)

    # --- what to check next -----------------------------------------------------------------------

    def trigger(self, pair: Pair) -> None:
        """Check this pair before all ordinary ones (RFC 8445 section 6.1.4.1)."""
        if pair not in self.triggered:
            self.triggered.append(pair)

    def untrigger(self, pair: Pair) -> None:
        if pair in self.triggered:
            self.triggered.remove(pair)

    def next_to_check(self, *, ordinary: bool) -> Pair | None:
        """The pair whose turn it is: triggered ones first, then, if `ordinary`, the best that waits."""
        # spec: ice/triggered-first
        if self.triggered:
            return self.triggered[0]
        if not ordinary:
            return None
        waiting = (pair for pair in self.pairs.values() if pair.state is State.WAITING)
        return max(waiting, key=self.rank, default=None)

    def best_valid(self, now: float) -> Pair | None:
        """The valid pair of the highest priority."""
        return max((pair for pair in self.pairs.values() if pair.is_valid(now)), key=self.rank, default=None)

    def is_anything_better_open(self, pair: Pair) -> bool:
        """Whether a pair of higher priority may still succeed."""
        rank = self.rank(pair)
        return any(self.rank(other) > rank for other in self.unfinished())

    def unfinished(self) -> list[Pair]:
        return [pair for pair in self.pairs.values() if pair.state in (State.WAITING, State.IN_PROGRESS)]


def doubt_candidate(candidate: Candidate, ufrag: str | None) -> str | None:
    """Why a signaled candidate is not for us; None when it is. `ufrag` is the peer's, where known."""
    if candidate.transport != "udp":
        return "candidate not over UDP"
    if candidate.component != 1:
        return "candidate of another component"
    if None not in (candidate.ufrag, ufrag) and candidate.ufrag != ufrag:
        return "candidate of another generation"  # spec: ice/candidate-generation
    try:
        canonical_host(candidate.host)
    except Malformed:
        return "candidate with a name"
    return None
