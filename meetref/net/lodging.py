"""A place on one relay, kept for as long as it is wanted: asked for elsewhere where the server says so.

Stands above `net/relayed` (a way there, and the relay in use), below `net/gathering`, which has one of these for each
relay and transport. Specification: RFC 8656 section 7.4 (what to do about each refusal), RFC 8489 section 10.
Leaves out: asking for a new place after one was lost; its address is told already, and ICE has other pairs.
Read next: `net/relayed.py`.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import trio

from meetref.net.datagram import DatagramSocket
from meetref.net.network import Network
from meetref.net.news import Found, News, Seen, Server, Trouble, in_words
from meetref.net.relayed import Relay, Target, Unreachable, open_way
from meetref.protocol import turn
from meetref.protocol.account import Account, Anonymous, Credentials
from meetref.protocol.candidacy import Candidacy
from meetref.protocol.machine import Datagram, Event
from meetref.wire.address import Address, StreamAddress
from meetref.wire.uri import serialize

MAXIMUM_PLACES = 3  # ports from which one server is asked (RFC 8656 section 7.4)
MAXIMUM_REDIRECTIONS = 5


@dataclass(slots=True, kw_only=True)
class Lodging:
    """One server over one transport. `relays` is the gathering's table of who sends from which relayed address."""

    network: Network
    server: Server
    target: Target
    base: str
    tls: ssl.SSLContext | None
    candidacy: Candidacy
    relays: dict[Address, Relay]
    receive: Callable[[list[Datagram], float], None]
    tell: Callable[[News], None]
    settle: Callable[[], None]
    """Called once, when there is a place or will be none."""
    _settled: bool = False
    _visited: set[Address] = field(default_factory=set)
    _last: Address | None = None
    """Where the newest allocation was asked for from."""
    _held: list[DatagramSocket] = field(default_factory=list)

    async def run(self) -> None:
        """Until cancelled, or until the place is lost."""
        try:
            await self._keep()
        finally:
            self._let_ports_go()
        self._settle()

    async def _keep(self) -> None:
        credentials: Credentials = Anonymous()
        if self.server.username:
            credentials = Account(self.server.username, self.server.password)
        places = 1
        self._visited.add(self.target.address)
        while True:
            try:
                outcome = await self._stay(credentials)
            except Unreachable as unreachable:
                self.tell(Trouble(self._name, self.target.over, str(unreachable)))
                break
            if isinstance(outcome, turn.Redirected) and self._follow(outcome):
                credentials = credentials.elsewhere()
                continue
            lost = outcome if isinstance(outcome, turn.Lost) else turn.Lost("redirected in a circle", 300)
            if lost.code == 437 and not self._settled and places < MAXIMUM_PLACES:
                places += 1  # spec: turn/client-other-port (somebody had ours before us)
                await self._hold_port()
                continue
            self.tell(Trouble(self._name, self.target.over, in_words(lost.why, lost.code, relays=True), lost.code))
            break

    async def _stay(self, credentials: Credentials) -> Event:
        """One allocation, from asking for it to its end; gives what ended it. Raises `Unreachable`."""
        outcome: Event = turn.Lost("disconnected")
        async with open_way(self.network, self.target, self.base, self.tls) as socket:
            self._last = socket.local
            client = turn.Client(
                socket.local,
                self.target.address,
                self.network.dice,
                credentials,
                reliable=self.target.over != "udp",
                family="both",
            )

            def deliver(event: Event) -> None:
                nonlocal outcome
                if isinstance(event, turn.Allocated):
                    self._lent(relay, event, socket.local)
                elif isinstance(event, (turn.Lost, turn.Redirected)):
                    outcome = event
                    scope.cancel()

            relay = Relay(client, socket, self.receive, deliver)
            try:
                with trio.CancelScope() as scope:
                    await relay.run()
            finally:
                for address in client.relayed:
                    self.relays.pop(address, None)
        return outcome

    def _lent(self, relay: Relay, allocated: turn.Allocated, base: Address) -> None:
        target = self.target
        self.tell(Seen(self._name, target.over, base, allocated.mapped, allocated.server))
        self._let_ports_go()
        for address in allocated.relayed:
            self.relays[address] = relay
            host = target.address.host
            found = self.candidacy.relayed(address, allocated.mapped, base, host, target.over)
            self.tell(Found(found, address, self._name))
        self._settle()

    @property
    def _name(self) -> str:
        return serialize(self.server.uri)

    async def _hold_port(self) -> None:
        """Keep the port that was of no use, or the system gives us the very same one again."""
        if self._last is not None and self.target.over == "udp":
            with suppress(OSError):
                self._held.append(await self.network.open_datagram(self._last))

    def _let_ports_go(self) -> None:
        while self._held:
            self._held.pop().close()

    def _follow(self, redirected: turn.Redirected) -> bool:
        """Aim at the server that we were sent to, unless we have been there."""
        address = StreamAddress(*redirected.server)  # a machine over UDP follows by itself
        if address in self._visited or len(self._visited) > MAXIMUM_REDIRECTIONS:
            return False
        self._visited.add(address)
        self.target = Target(address, self.target.over, redirected.domain or self.target.name)
        return True

    def _settle(self) -> None:
        if not self._settled:
            self._settled = True
            self.settle()
