"""One side of a call in the laboratory: an ICE agent and what it gathers.

Stands on `net/gathering` and `protocol/ice`, on a host of the virtual network; below `lab/natcell`.
Candidates are told to the other side as they are found, as in a call with trickling.
Leaves out: DTLS and media. A path that carries checks and an echo carries them too.
Read next: `lab/natcell.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import trio

from meetref.net.driver import Driver
from meetref.net.gathering import Gathering, open_gathering
from meetref.net.news import Complete, Found, Seen, Server, Trouble
from meetref.net.virtualhost import VirtualHost
from meetref.protocol import ice
from meetref.protocol.machine import Datagram, Event
from meetref.wire.candidate import Candidate, CandidateType

GREETING = b"\xffhello"  # no STUN message, so it is data
ANSWER = b"\xffhello yourself"


class Party:
    """Somebody at `host`, who asks `servers`.

    `found` counts own candidates by type, `heard` the servers that answered; `troubles` has what was wrong with others.
    `make_agent` may be somebody else's, with the same methods: the learner's, for one.
    """

    gathering: Gathering

    def __init__(
        self,
        host: VirtualHost,
        servers: Sequence[Server],
        *,
        controlling: bool,
        make_agent: Callable[..., ice.Agent] = ice.Agent,
    ) -> None:
        self.host = host
        self.answers = 0  # echoes that came back
        self.states: list[tuple[float, ice.AgentState]] = []
        self.found: Counter[CandidateType] = Counter()
        self.heard = 0
        self.relays: set[str] = set()  # hosts of relayed addresses
        self.troubles: list[str] = []
        self.changed = trio.Event()  # another one after each change of state
        self.agent = make_agent(controlling=controlling, credentials=ice.make_credentials(host.dice), dice=host.dice)
        self._servers = servers
        self._candidates: list[Candidate | None] = []  # None: there will be no more
        self._listener: Callable[[Candidate | None], None] | None = None
        self._driver = Driver(self.agent, self._send, self._happened)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Gather and talk until cancelled."""
        async with (
            open_gathering(self.host, self._servers, interfaces="default-route-only") as self.gathering,
            trio.open_nursery() as nursery,
        ):
            self.gathering.receive = self._receive
            nursery.start_soon(self._driver.run, name="agent")
            task_status.started()
            async for news in self.gathering.news:
                if isinstance(news, Found):
                    self._count(news.candidate)
                    self.agent.add_local_candidate(news.candidate, trio.current_time(), base=news.base)
                    self._tell(news.candidate)
                    self._driver.turn(trio.current_time())
                elif isinstance(news, Seen):
                    self.heard += 1
                elif isinstance(news, Trouble):
                    self.troubles.append(f"{news.over}: {news.why}")
                elif isinstance(news, Complete):
                    self._tell(None)

    def _count(self, candidate: Candidate) -> None:
        self.found[candidate.type] += 1
        if candidate.type == "relay":
            self.relays.add(candidate.host)

    # --- the other side -------------------------------------------------------------------------------

    def meet(self, other: Party) -> None:
        """Learn who the other side is, and its candidates up to now and from now on."""
        self.agent.set_remote_credentials(other.agent.credentials, trio.current_time())
        for candidate in other._candidates:
            self._learn(candidate)
        other._listener = self._learn
        self._driver.turn(trio.current_time())

    def _tell(self, candidate: Candidate | None) -> None:
        self._candidates.append(candidate)
        if self._listener is not None:
            self._listener(candidate)

    def _learn(self, candidate: Candidate | None) -> None:
        if candidate is None:
            self.agent.end_of_remote_candidates(trio.current_time())
        else:
            self.agent.add_remote_candidate(candidate, trio.current_time())
        self._driver.turn(trio.current_time())

    def greet(self) -> None:
        """Say hello over the selected pair; the echo is counted in `answers`."""
        pair = self.agent.selected
        if pair is not None:
            self._send(Datagram(GREETING, pair.local, pair.remote))

    @property
    def path(self) -> tuple[str, str] | None:
        """The hosts at both ends of the selected pair."""
        pair = self.agent.selected
        return None if pair is None else (pair.local.host, pair.remote.host)

    # --- packets --------------------------------------------------------------------------------------

    def _send(self, datagram: Datagram) -> None:
        self.gathering.send_datagram(datagram)

    def _receive(self, batch: list[Datagram], now: float) -> None:
        for datagram in batch:
            if datagram.data == GREETING and self.agent.is_valid_path(datagram.local, datagram.remote):
                self._send(Datagram(ANSWER, datagram.local, datagram.remote))
            elif datagram.data == ANSWER:
                self.answers += 1
            else:
                self._driver.receive(datagram, now)
        self._driver.turn(now)

    def _happened(self, event: Event) -> None:
        if isinstance(event, ice.StateChanged):
            self.states.append((trio.current_time(), event.state))
            self.changed.set()
            self.changed = trio.Event()
