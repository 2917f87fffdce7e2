"""Gathering: what may reach us from outside, found out by asking servers, and sending from wherever that was found.

A `Gathering` has a port of its own (host candidates), asks STUN servers how it looks from there (reflexive ones), and
keeps a place on each relay (relayed ones). News come as they happen; a server that is of no use is news, too.
To its owner it is like a `Port`: `send` from a base; what peers send comes to `receive`.
Specification: RFC 8445 section 5.1.1, RFC 8838 section 8, RFC 8828 section 5 (which interfaces).
Leaves out: finding servers by DNS's service records; ports and transports are written down (`wire/uri`).
Read next: `net/relayed.py` and `net/asking.py` (one server each), `app/doctor.py` (the same for people).
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Literal

import trio

from meetref.net.asking import Asker
from meetref.net.driver import drive_socket
from meetref.net.lodging import Lodging
from meetref.net.network import Network
from meetref.net.news import Complete, Found, News, Seen, Server, Trouble, in_words
from meetref.net.port import Port, open_port
from meetref.net.relayed import Over, Relay, Target, Unreachable, open_way
from meetref.protocol.candidacy import Candidacy
from meetref.protocol.machine import Datagram, Event
from meetref.protocol.stun import Answered, Client, Failed, mapped_address
from meetref.wire import attribute
from meetref.wire.address import Address, StreamAddress
from meetref.wire.uri import ServerUri, serialize

Interfaces = Literal["all", "default-route-only", "none"]
"""Whose addresses are told: of all interfaces, of those with a default route, or only relays'."""

PACE = 0.05  # seconds between two servers that are asked (RFC 8445 section 14.2)
MAXIMUM_SERVERS = 16
MAXIMUM_NEWS = 1000


class Gathering:
    """Made by `open_gathering`. `news` is to be read: beyond a bound what nobody reads is dropped, and counted."""

    def __init__(
        self,
        network: Network,
        port: Port,
        servers: Sequence[Server],
        *,
        interfaces: Interfaces = "all",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.port = port
        self.receive: Callable[[list[Datagram], float], None] = lambda batch, now: None
        """Is given what peers send, in batches."""
        self.dropped_news = 0
        self._network = network
        self._servers = servers[:MAXIMUM_SERVERS]
        self._interfaces = interfaces
        self._tls = tls
        self._candidacy = Candidacy(local.host for local in port.locals)
        self._askers: dict[tuple[Address, Address], Asker] = {}
        self._relays: dict[Address, Relay] = {}
        self._tell_news, self.news = trio.open_memory_channel[News](MAXIMUM_NEWS)
        self._open = 0  # servers that have neither answered nor failed
        self._life = trio.CancelScope(shield=True)

    # --- like a port ----------------------------------------------------------------------------------

    @property
    def locals(self) -> list[Address]:
        """The bases from which can be sent by now."""
        return [*self.port.locals, *self._relays]

    def send(self, packets: Sequence[bytes], local: Address, remote: Address) -> None:
        """Send from a base: one of our sockets, or our address on a relay."""
        relay = self._relays.get(local)
        if relay is None:
            self.port.send(packets, local, remote)
        else:
            relay.send(packets, remote)

    def send_datagram(self, datagram: Datagram) -> None:
        self.send((datagram.data,), datagram.local, datagram.remote)

    async def _run(self) -> None:
        """Gather until closed. Being cancelled waits for that: goodbyes still have to go through relays."""
        with self._life:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.port.run, self._sort, name="sockets")
                self._tell_hosts()
                self._begin()
                for number, server in enumerate(self._servers):
                    self._begin()
                    nursery.start_soon(self._use, server, number * PACE, name=f"server {server.uri.host}")
                self._finish()

    def close(self) -> None:
        """End everything. Each relay gets its place back."""
        self._life.cancel()

    # --- what is found --------------------------------------------------------------------------------

    def _tell_hosts(self) -> None:
        if self._interfaces != "none":
            for local in self.port.locals:
                self._tell(Found(self._candidacy.host(local), local))

    def _tell(self, news: News) -> None:
        try:
            self._tell_news.send_nowait(news)
        except trio.WouldBlock:
            self.dropped_news += 1

    def _begin(self) -> None:
        self._open += 1

    def _finish(self) -> None:
        self._open -= 1
        if not self._open:
            self._tell(Complete())

    # --- one server -----------------------------------------------------------------------------------

    async def _use(self, server: Server, later: float) -> None:
        """Ask a server for all that it can give, at each of its addresses that can be reached from here."""
        await trio.sleep(later)
        uri, name = server.uri, serialize(server.uri)
        over: Over = "tls" if uri.secure else uri.transport or "udp"
        if uri.secure and uri.transport == "udp":
            self._fail(name, "udp", "DTLS to a server is not something we speak")
            return
        hosts = await self._resolve(uri)
        targets = [Target(_place(host, uri.port, over), over, uri.host) for host in hosts if self._bases_for(host)]
        if not targets:
            kinds = {"IPv6" if ":" in host else "IPv4" for host in hosts}
            why = f"this machine has no {' or '.join(sorted(kinds))} address" if kinds else "its name is not known"
            self._fail(name, over, why)
            return
        async with trio.open_nursery() as nursery:
            for target in targets:
                bases = self._bases_for(target.address.host)
                asking = bases if over == "udp" and self._interfaces != "none" else []
                for base in asking:
                    self._begin()
                    nursery.start_soon(self._ask, server, base, target.address, name=f"asking from {base}")
                if uri.relays:
                    self._begin()
                    lodging = self._lodging(server, target, bases[0].host)
                    nursery.start_soon(lodging.run, name=f"relay {target.address}")
                elif over != "udp":
                    self._begin()
                    nursery.start_soon(self._greet, name, target, name=f"greeting {target.address}")
            self._finish()

    async def _resolve(self, uri: ServerUri) -> list[str]:
        """One address of each family, at most."""
        if uri.address is not None:
            return [uri.address.host]
        try:
            found = await self._network.resolve(uri.host)
        except OSError:
            return []
        return [*[host for host in found if ":" in host][:1], *[host for host in found if ":" not in host][:1]]

    def _bases_for(self, host: str) -> list[Address]:
        """Our sockets' addresses from which a server may be reached, the one of the default route first."""
        preferred = self._network.default_addresses()
        fitting = [local for local in self.port.locals if _is_like(local.host, host)]
        return sorted(fitting, key=lambda local: local.host not in preferred)

    def _fail(self, server: str, over: Over, why: str, code: int = 0) -> None:
        self._tell(Trouble(server, over, why, code))
        self._finish()

    def _lodging(self, server: Server, target: Target, base: str) -> Lodging:
        return Lodging(
            network=self._network,
            server=server,
            target=target,
            base=base,
            tls=self._tls,
            candidacy=self._candidacy,
            relays=self._relays,
            receive=lambda batch, now: self.receive(batch, now),
            tell=self._tell,
            settle=self._finish,
        )

    # --- asking how we look ---------------------------------------------------------------------------

    async def _ask(self, server: Server, base: Address, address: Address) -> None:
        """Ask from one of our sockets how it looks, and keep that so."""
        name = serialize(server.uri)
        asker = Asker(base, address, self._network.dice, self.port.send_datagram)
        is_open = True

        def tell(answer: Answered | Failed) -> None:
            nonlocal is_open
            if isinstance(answer, Failed):
                if not server.uri.relays:  # whose place on the relay fails with the same words
                    why = f"{in_words(answer.why, answer.code)} (asked from {base.host})"
                    self._tell(Trouble(name, "udp", why, answer.code))
            else:
                mapped = mapped_address(answer.message) or base
                other = answer.message.get(attribute.OTHER_ADDRESS)
                self._tell(Seen(name, "udp", base, mapped, answer.server, other))
                if mapped != base:  # else it is the host candidate once more (RFC 8445 section 5.1.3)
                    self._tell(Found(self._candidacy.reflexive(mapped, base, address.host), base, name))
            if is_open:
                is_open = False
                self._finish()

        self._askers[base, address] = asker
        await asker.run(tell)

    def _sort(self, batch: list[Datagram], now: float) -> None:
        """Take out what answers our questions; the rest is the owner's."""
        rest = [datagram for datagram in batch if not self._is_answer(datagram, now)] if self._askers else batch
        if rest:
            self.receive(rest, now)

    def _is_answer(self, datagram: Datagram, now: float) -> bool:
        asker = self._askers.get((datagram.local, datagram.remote))
        if asker is None or not asker.owns(datagram.data):
            return False
        asker.receive(datagram, now)
        return True

    async def _greet(self, server: str, target: Target) -> None:
        """Ask a STUN server over a stream: no candidate comes of it, but it tells that there is a way."""
        try:
            async with open_way(self._network, target, "", self._tls) as socket:
                client = Client(socket.local, target.address, self._network.dice, reliable=True)
                client.ask_mapping(trio.current_time())

                def deliver(event: Event) -> None:
                    if isinstance(event, Answered):
                        mapped = mapped_address(event.message) or socket.local
                        self._tell(Seen(server, target.over, socket.local, mapped, target.address))
                    elif isinstance(event, Failed):
                        self._tell(Trouble(server, target.over, in_words(event.why, event.code), event.code))
                    socket.close()

                await drive_socket(client, socket, deliver)
        except Unreachable as unreachable:
            self._tell(Trouble(server, target.over, str(unreachable)))
        self._finish()


@asynccontextmanager
async def open_gathering(
    network: Network,
    servers: Sequence[Server],
    *,
    interfaces: Interfaces = "all",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Gathering]:
    """Gather from the chosen interfaces, until the block ends. Raises `OSError` where no port can be had."""
    hosts = network.default_addresses() if interfaces == "default-route-only" else network.addresses()
    port = await open_port(network, hosts, 0)
    gathering = Gathering(network, port, servers, interfaces=interfaces, tls=tls)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gathering._run, name="gathering")
            try:
                yield gathering
            finally:
                gathering.close()
    finally:
        port.close()


def _place(host: str, port: int, over: Over) -> Address:
    return Address(host, port) if over == "udp" else StreamAddress(host, port)


def _is_like(here: str, there: str) -> bool:
    """Whether one can send to the other at all: the same family, and loopback only to loopback."""
    ours, theirs = ip_address(here), ip_address(there)
    return ours.version == theirs.version and ours.is_loopback == theirs.is_loopback and not ours.is_link_local
