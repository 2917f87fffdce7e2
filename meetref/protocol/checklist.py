"""All candidates and candidate pairs of one agent, within bounds, and which pair to check next.

Stands above `protocol/pair`, below `protocol/ice`, which decides what the checks mean.
Specification: RFC 8445 sections 6.1.2 and 6.1.4; RFC 8838 section 12 for candidates that come one by one.
Departs: a check without an answer holds its foundation back only until it is repeated (half a second, not the 40 that
it takes to fail), because peers that give all their candidates one foundation would else be found pair by pair.
Read next: `protocol/ice.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

from meetref.protocol.check import Role
from meetref.protocol.pair import Input, Pair, Remote, State, may_open, may_pair, peer_reflexive_priority
from meetref.wire.address import Address, StreamAddress, canonical_host
from meetref.wire.candidate import Candidate

MAXIMUM_PAIRS = 100  # RFC 8445 section 6.1.2.5
OPEN = (State.FROZEN, State.WAITING, State.IN_PROGRESS)


class Checklist:
    """Local and remote candidates and the pairs they make. A stranger's part in it is bounded twice.

    `locals` has one candidate for each base, `told` all of ours by their own address.
    `maximum_remotes` counts the peer's candidates, signaled and discovered; `maximum_pairs` the pairs.
    """

    def __init__(self, role: Role, *, maximum_remotes: int, maximum_pairs: int = MAXIMUM_PAIRS) -> None:
        self._role = role
        self.maximum_remotes = maximum_remotes
        self.maximum_pairs = maximum_pairs
        self.locals: dict[Address, Candidate] = {}
        self.told: dict[Address, Candidate] = {}
        self.remotes: dict[Address, Remote] = {}
        self.pairs: dict[tuple[Address, Address], Pair] = {}
        self.triggered: deque[Pair] = deque()
        self._may_check: dict[Address, bool] = {}

    def rank(self, pair: Pair) -> int:
        return pair.priority(self._role.controlling)

    def add_local(self, candidate: Candidate, base: Address | None = None) -> None:
        """Take one of our candidates. Checks go from its `base`, so two of one base make the same pairs."""
        address = address_of(candidate)
        self.told[address] = candidate
        base = address if base is None else base  # spec: ice/relayed-candidates
        if base in self.locals and base != address:
            return  # spec: ice/pruned (the pairs are those of the host candidate)
        self.locals[base] = candidate
        for pair in self.pairs.values():
            if pair.local == base:
                pair.local_candidate = candidate
        for remote in sorted(self.remotes.values(), key=lambda remote: -remote.priority):  # spec: trickle/late-local
            if self._may_check.get(remote.address, False):
                self._insert(base, remote)

    def add_remote(self, remote: Remote, may_check: Callable[[Address], bool]) -> bool:
        """Take a signaled candidate and pair it. False when there are too many already."""
        known = self.remotes.get(remote.address)
        if known is not None:
            # spec: trickle/told-after-found, trickle/told-twice (what is told replaces what a check let us guess)
            known.type, known.priority, known.foundation = remote.type, remote.priority, remote.foundation
            remote = known
        elif len(self.remotes) >= self.maximum_remotes:  # spec: ice/candidates-bounded
            return False
        self.remotes[remote.address] = remote
        allowed = self._may_check[remote.address] = may_check(remote.address)  # spec: ice/checks-where-allowed
        if allowed:
            for local in sorted(self.locals, key=lambda local: -self.locals[local].priority):
                self._insert(local, remote)
        return True

    def seen_as(self, pair: Pair) -> Candidate:
        """Our candidate at the address where the peer sees us; a new, peer-reflexive one where that is news."""
        mapped = pair.local if pair.mapped is None else type(pair.local)(*pair.mapped)
        known = self.told.get(mapped)
        if known is not None or mapped == pair.local:
            return known or pair.local_candidate
        # spec: ice/peer-reflexive-local (kept with its pair, so that a peer cannot make us remember any number)
        return replace(
            pair.local_candidate,
            foundation=f"prflx{pair.local_candidate.foundation}"[:32],
            priority=pair.check_priority,
            host=mapped.host,
            port=mapped.port,
            type="prflx",
            related=(pair.local.host, pair.local.port),
        )

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
            ours = self.locals[local].priority
            guess = peer_reflexive_priority(ours, local.transport) if priority is None else priority
            candidate = self.remotes[remote] = Remote(remote, "prflx", guess, foundation=f"prflx {remote}")
        return self._insert(local, candidate, from_check=True)

    def _insert(self, local: Address, remote: Remote, *, from_check: bool = False) -> Pair | None:
        path = (local, remote.address)
        # spec: ice/one-pair-a-path
        if path in self.pairs or not (from_check or self._may_begin(local, remote)):
            return self.pairs.get(path)
        pair = Pair(local, remote.address, self.locals[local], remote)
        if len(self.pairs) >= self.maximum_pairs:  # spec: ice/pairs-bounded
            worst = self._worst(from_check)
            if worst is None or not (from_check or worst.state is State.FAILED or self.rank(worst) < self.rank(pair)):
                return None
            self._remove(worst)
        if not from_check and self._is_held(pair):
            pair.state = State.FROZEN
        self.pairs[path] = pair
        return pair

    def _may_begin(self, local: Address, remote: Remote) -> bool:
        return may_pair(local, remote.address) and may_open(self.locals[local].tcp_type, remote.tcp_type)

    def _is_held(self, pair: Pair) -> bool:
        """Whether a new pair waits for another one of its foundation (RFC 8838 section 12, rules 1 to 3)."""
        # spec: ice/frozen, trickle/frozen
        others = [other for other in self.pairs.values() if other.foundation == pair.foundation]
        if any(other.state is State.SUCCEEDED for other in others):
            return False
        return any(other.state in OPEN and self.rank(other) > self.rank(pair) for other in others)

    def _worst(self, from_check: bool) -> Pair | None:
        """The pair whose place a new one may take. One that a check proves may displace a check under way."""
        order = {State.FAILED: 0, State.FROZEN: 1, State.WAITING: 1} | ({State.IN_PROGRESS: 2} if from_check else {})
        removable = (pair for pair in self.pairs.values() if pair.state in order)
        return min(removable, key=lambda pair: (order[pair.state], self.rank(pair)), default=None)

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

    def thaw(self, pair: Pair) -> None:
        """Let the pairs of its foundation go on: all of them when it succeeded, the best one when it has no answer."""
        held = [other for other in self.pairs.values() if other.state is State.FROZEN]
        held = sorted((other for other in held if other.foundation == pair.foundation), key=self.rank)
        for other in held if pair.state is State.SUCCEEDED else held[-1:]:
            other.step(Input.UNFROZEN)  # spec: ice/unfrozen

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
        return max(waiting, key=self.rank, default=None) or max(self._free(), key=self.rank, default=None)

    def _free(self) -> Iterator[Pair]:
        """Frozen pairs for whose foundation nothing is under way any more."""
        busy = {pair.foundation for pair in self.pairs.values() if pair.state is State.IN_PROGRESS}
        for pair in self.pairs.values():
            if pair.state is State.FROZEN and pair.foundation not in busy:
                yield pair  # spec: ice/unfrozen

    def best_valid(self, now: float) -> Pair | None:
        """The valid pair of the highest priority."""
        return max((pair for pair in self.pairs.values() if pair.is_valid(now)), key=self.rank, default=None)

    def is_anything_better_open(self, pair: Pair) -> bool:
        """Whether a pair of higher priority may still succeed."""
        rank = self.rank(pair)
        return any(self.rank(other) > rank for other in self.unfinished())

    def unfinished(self) -> list[Pair]:
        return [pair for pair in self.pairs.values() if pair.state in OPEN]


def address_of(candidate: Candidate) -> Address:
    """Where a candidate is. Raises `Malformed` for a name."""
    kind = StreamAddress if candidate.transport == "tcp" else Address
    return kind(canonical_host(candidate.host), candidate.port)
