"""Two agents and the network between them, in memory: delay, loss and address translation, on a clock of its own."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable

from meetref.protocol import check, ice
from meetref.protocol.machine import Datagram, Event
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate

ALICE = Address("192.0.2.1", 1000)
BOB = Address("192.0.2.2", 2000)


def host(
    address: Address,
    *,
    priority: int = 126 << 24 | 65535 << 8 | 255,
    ufrag: str | None = None,
    foundation: str | None = None,
) -> Candidate:
    """A host candidate; unless told otherwise, each has a foundation of its own."""
    name = foundation or f"{address.host}/{address.port}"
    return Candidate(name, 1, "udp", priority, address.host, address.port, "host", ufrag=ufrag)


def agent(seed: int, *, controlling: bool, maximum_remote_candidates: int = 100) -> ice.Agent:
    dice = random.Random(seed).randbytes
    return ice.Agent(
        controlling=controlling,
        credentials=ice.make_credentials(dice),
        dice=dice,
        maximum_remote_candidates=maximum_remote_candidates,
    )


class Conversation:
    """`a` and `b` talk until `run_until`. `passes` may drop a datagram, `translate` may change its sender's address.

    What an agent sends is delivered to the agent that has the destination among its addresses, `delay` seconds later.
    """

    def __init__(self, a: ice.Agent, b: ice.Agent, *, delay: float = 0.01) -> None:
        self.agents = {"a": a, "b": b}
        self.owner: dict[Address, tuple[str, Address]] = {ALICE: ("a", ALICE), BOB: ("b", BOB)}
        self.now = 100.0
        self.delay = delay
        self.passes: Callable[[Datagram], bool] = lambda datagram: True
        self.translate: dict[Address, Address] = {}
        self.log: list[tuple[float, str, Event]] = []
        self.sent: list[tuple[float, str, Datagram]] = []
        self._flying: list[tuple[float, int, str, Datagram]] = []
        self._order = itertools.count()

    @classmethod
    def ready(cls, *, a_controls: bool = True, b_controls: bool = False, delay: float = 0.01) -> Conversation:
        """Both have their candidates; `exchange` is still to come."""
        talk = cls(agent(1, controlling=a_controls), agent(2, controlling=b_controls), delay=delay)
        talk.a.add_local_candidate(host(ALICE), talk.now)
        talk.b.add_local_candidate(host(BOB), talk.now)
        return talk

    @property
    def a(self) -> ice.Agent:
        return self.agents["a"]

    @property
    def b(self) -> ice.Agent:
        return self.agents["b"]

    def introduce(self, a: bool = True, b: bool = True) -> None:
        """Tell each (or one) side the other's credentials and candidate."""
        if a:
            self.a.set_remote_credentials(self.b.credentials, self.now)
            self.a.add_remote_candidate(host(BOB), self.now)
        if b:
            self.b.set_remote_credentials(self.a.credentials, self.now)
            self.b.add_remote_candidate(host(ALICE), self.now)
        self.flush()

    def move(self, name: str, inside: Address, outside: Address) -> None:
        """From now on what `name` sends from `inside` seems to come from `outside`, and only that leads back."""
        self.owner = {seen: (who, real) for seen, (who, real) in self.owner.items() if real != inside}
        self.owner[outside] = (name, inside)
        self.translate[inside] = outside

    def flush(self) -> None:
        for name, machine in self.agents.items():
            for datagram in machine.transmits():
                self.sent.append((self.now, name, datagram))
                self._fly(datagram)
            self.log += [(self.now, name, event) for event in machine.events()]

    def _fly(self, datagram: Datagram) -> None:
        source = self.translate.get(datagram.local, datagram.local)
        if datagram.remote in self.owner and self.passes(datagram):
            name, real = self.owner[datagram.remote]
            arrived = Datagram(datagram.data, real, source)
            heapq.heappush(self._flying, (self.now + self.delay, next(self._order), name, arrived))

    def run_until(self, end: float) -> None:
        """Let time pass up to `end`, seconds since the beginning."""
        self.flush()
        while (soonest := self._soonest()) <= 100.0 + end:
            self.now = max(self.now, soonest)
            self._step()
        self.now = 100.0 + end

    def _soonest(self) -> float:
        flying = self._flying[0][0] if self._flying else math.inf
        return min(flying, *(machine.next_timeout() for machine in self.agents.values()))

    def _step(self) -> None:
        if self._flying and self._flying[0][0] <= self.now:
            _, _, name, datagram = heapq.heappop(self._flying)
            self.agents[name].receive_datagram(datagram, self.now)
        for machine in self.agents.values():
            if machine.next_timeout() <= self.now:
                machine.handle_timeout(self.now)
                assert machine.next_timeout() > self.now
        self.flush()

    # --- what is asked about it -------------------------------------------------------------------

    def events(self, name: str, kind: type[Event]) -> list[tuple[float, Event]]:
        return [(at - 100.0, event) for at, who, event in self.log if who == name and isinstance(event, kind)]

    def states(self, name: str) -> list[str]:
        return [event.state for _, event in self.events(name, ice.StateChanged) if isinstance(event, ice.StateChanged)]

    def path(self, name: str) -> tuple[Address, Address] | None:
        pair = self.agents[name].selected
        return None if pair is None else (pair.local, pair.remote)


class Puppet:
    """A peer whose every message the test writes. It stands at BOB and talks with the agent that stands at ALICE."""

    def __init__(self, machine: ice.Agent, *, introduced: bool = True, controlling: bool = True) -> None:
        self.machine = machine
        self.credentials = ice.Credentials("pupp", "puppetpuppetpuppetpupp")
        self.role = check.Role(controlling, 1 << 63)
        self.now = 100.0
        self.sent: list[Datagram] = []
        self.events: list[Event] = []
        self._count = itertools.count(1)
        machine.add_local_candidate(host(ALICE), self.now)
        if introduced:
            machine.set_remote_credentials(self.credentials, self.now)
        self.drain()

    def request(self, *, nominates: bool = False, role: check.Role | None = None, priority: int = 99) -> bytes:
        """A genuine check."""
        identifier = next(self._count).to_bytes(12, "big")
        question = check.Question(priority, role or self.role, nominates)
        return check.request(identifier, question, self.credentials, self.machine.credentials)

    def say(self, data: bytes, *, source: Address = BOB, to: Address = ALICE) -> list[stun.Message]:
        """Send octets; give back what the agent sent because of them."""
        self.machine.receive_datagram(Datagram(data, to, source), self.now)
        return self.drain()

    def drain(self) -> list[stun.Message]:
        sent = list(self.machine.transmits())
        self.sent += sent
        self.events += self.machine.events()
        return [stun.parse(datagram.data) for datagram in sent]

    def answer(self, asked: stun.Message, **address: Address) -> list[stun.Message]:
        """Answer one of the agent's checks with success."""
        return self.say(check.success(asked, ALICE, self.credentials), **address)

    def refuse(self, asked: stun.Message, code: int) -> list[stun.Message]:
        return self.say(error(asked, code, self.credentials.password))

    def connect(self, source: Address = BOB, *, nominates: bool = True) -> None:
        """Check, be checked, answer the last check that came to `source`."""
        self.say(self.request(nominates=nominates), source=source)
        self.wait(0.006)  # checks to different places keep a distance of 5 ms
        asked = [datagram.data for datagram in self.sent if datagram.remote == source and datagram.data[0] == 0]
        if asked:
            self.answer(stun.parse(asked[-1]), source=source)

    def wait(self, seconds: float) -> list[stun.Message]:
        """Let time pass; the agent's deadlines are kept exactly."""
        end = self.now + seconds
        messages = []
        while self.machine.next_timeout() <= end:
            self.now = max(self.now, self.machine.next_timeout())
            self.machine.handle_timeout(self.now)
            assert self.machine.next_timeout() > self.now
            messages += self.drain()
        self.now = end
        return messages

    def states(self) -> list[str]:
        return [event.state for event in self.events if isinstance(event, ice.StateChanged)]


def error(asked: stun.Message, code: int, password: str | None) -> bytes:
    """An error answer, protected if there is a password."""
    attributes = [attribute.Attribute(attribute.ERROR_CODE, attribute.ErrorCode(code, ""))]
    message = stun.Message(stun.Class.ERROR, asked.method, asked.transaction, attributes)
    return stun.serialize(message, integrity_key=None if password is None else password.encode())
