"""The ICE agents of one connection: one, and during a restart the older ones, whose paths carry the media meanwhile.

A restart begins anew with fresh credentials beside the agent that has a path. Whichever finds one first is chosen, and
those that are older than it are over.
Stands above `protocol/ice` and `protocol/lite`; `protocol/peer` is its only user.
Specification: RFC 8445 section 2.4 and RFC 9429 section 5.7.3 (ICE restart).
Leaves out: when to restart, which the owner of the connection and the other side decide.
Read next: `protocol/peer.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from meetref.protocol import ice
from meetref.protocol.lite import LiteAgent
from meetref.protocol.machine import Dice
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate

Agent = ice.Agent | LiteAgent

MAXIMUM_REPLACED = 2
"""A restart may come before the last one found anything: the one with the path, and the one under way."""


class Agents:
    """`newest` is the one that signaling speaks of, with `credentials`; iterate over it and those it is to replace.

    `make` makes an agent with credentials, controlling or not.
    """

    def __init__(self, make: Callable[[ice.Credentials, bool], Agent], dice: Dice, *, controlling: bool) -> None:
        self.credentials = ice.make_credentials(dice)
        self.newest = make(self.credentials, controlling)
        self._make = make
        self._dice = dice
        self._replaced: list[Agent] = []
        """Newest first, until another one has found a path: one of them has ours."""
        self._former_remotes: deque[ice.Credentials] = deque(maxlen=MAXIMUM_REPLACED)
        self._local_candidates: dict[Candidate, Address | None] = {}
        self._is_offered = False  # a restart, and not answered yet

    def __iter__(self) -> Iterator[Agent]:
        return iter((self.newest, *self._replaced))

    @property
    def are_several(self) -> bool:
        """Whether a new path is being looked for beside the old one."""
        return bool(self._replaced)

    def add_local_candidate(self, candidate: Candidate, now: float, *, base: Address | None = None) -> None:
        """See `ice.Agent.add_local_candidate`; the agents to come get it, too."""
        self._local_candidates[candidate] = base
        self.newest.add_local_candidate(candidate, now, base=base)

    def answered(self) -> None:
        """The other side has told its credentials for the newest agent."""
        self._is_offered = False

    def restart(self, now: float, remote: ice.Credentials | None) -> None:
        """Begin anew; `remote` is what the other side was called by so far.

        Where the last restart has not been answered yet, it stays: the answer on its way is to that.
        """
        # spec: ice/restart
        if self._is_offered:
            return
        self._is_offered = True
        if remote is not None and remote not in self._former_remotes:
            self._former_remotes.append(remote)
        former = self.newest
        former.leave_rider()  # spec: sped/current-credentials
        if former.state in ("new", "failed"):
            former.close(now)
        else:
            self._replaced.insert(0, former)  # spec: consent/during-restart
        if len(self._replaced) > MAXIMUM_REPLACED:
            self._replaced.pop(1).close(now)  # found nothing, or the one behind it would be gone
        self.credentials = ice.make_credentials(self._dice)
        self.newest = self._make(self.credentials, former.controlling)  # spec: ice/restart-role, trickle/restart
        for credentials in self._former_remotes:
            self.newest.remember_peer(credentials)
        for candidate, base in self._local_candidates.items():
            self.newest.add_local_candidate(candidate, now, base=base)

    def addressee(self, message: bytes) -> Agent:
        """Whom a STUN message is for."""
        return next((agent for agent in self._replaced if agent.expects(message)), self.newest)

    def choose(self, chosen: Agent, now: float) -> None:
        """A new path was chosen: those agents are over that are older than the one that found it."""
        at = list(self).index(chosen)
        for agent in self._replaced[at:]:
            agent.close(now)
        del self._replaced[at:]

    def failed(self, agent: Agent) -> bool:
        """One has failed. Whether nothing is left to wait for: a new one only waits for the answer to a restart."""
        if agent in self._replaced:
            self._replaced.remove(agent)
        return all(each.state in ("new", "failed") for each in self)
