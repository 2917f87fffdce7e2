"""A relay, somebody behind a NAT, and a peer that echoes, on the virtual network: the scenery of gathering's tests.

Stands below tests/net/test_gathering.py and tests/app/test_doctor.py. Read next: tests/net/test_gathering.py.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import trio

from meetref.app.relay import Settings, serve
from meetref.net.gathering import Gathering
from meetref.net.nat import NAT, PORT_RESTRICTED_CONE, Behaviour, Policy, everything
from meetref.net.news import Complete, Found, News, Seen, Server, Trouble
from meetref.net.relay import RelayServer
from meetref.net.virtual import VirtualNetwork, seed_trio
from meetref.net.virtualhost import VirtualHost
from meetref.wire import uri
from meetref.wire.address import Address

RELAY_HOST = "198.51.100.7"
NAT_HOST = "203.0.113.1"
WORLD = tuple(ip_network(each) for each in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"))


def server(text: str, password: str = "wonder") -> Server:
    """A server as a command line names it; TURN's with an account."""
    parsed = uri.parse(text)
    return Server(parsed, "alice", password) if parsed.relays else Server(parsed)


TURN = server(f"turn:{RELAY_HOST}")
TURN_TCP = server(f"turn:{RELAY_HOST}?transport=tcp")
TURN_TLS = server("turns:relay.example.org")
STUN = server(f"stun:{RELAY_HOST}")


class Place:
    """The network, somebody at `home`, a relay, and a `peer` with an echo at `echo`."""

    def __init__(
        self,
        network: VirtualNetwork,
        home: VirtualHost,
        relay: RelayServer,
        peer: VirtualHost,
        stop_relay: trio.CancelScope,
    ) -> None:
        self.network = network
        self.home = home
        self.relay = relay
        self.peer = peer
        self.echo = Address(peer.addresses()[0], 7)
        self.stop_relay = stop_relay

    async def _answer(self) -> None:
        socket = await self.peer.open_datagram(self.echo)
        while True:
            for datagram in await socket.receive():
                socket.send((b"from " + str(datagram.remote).encode(),), datagram.remote)


@asynccontextmanager
async def place(
    seed: int = 1,
    behaviour: Behaviour | None = PORT_RESTRICTED_CONE,
    policy: Policy = everything,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Place]:
    """Home stands behind a NAT of that behaviour, or behind none."""
    seed_trio(seed)
    network = VirtualNetwork(seed)
    network.names["relay.example.org"] = [RELAY_HOST]
    async with trio.open_nursery() as world:
        await world.start(network.run)
        if behaviour is None:
            home = network.host("home")
        else:
            nat = NAT(NAT_HOST, dice=network.dice("nat"), behaviour=behaviour, policy=policy)
            home = network.host("home", "10.0.0.2", behind=nat)
        host = network.host("relay", RELAY_HOST)
        settings = Settings(hosts=(RELAY_HOST,), users={"alice": "wonder"}, allowed=WORLD, tls=tls)
        stop = trio.CancelScope()
        relay: RelayServer = await world.start(_serve, host, settings, stop)
        scene = Place(network, home, relay, network.host("peer"), stop)
        world.start_soon(scene._answer)
        yield scene
        world.cancel_scope.cancel()


async def _serve(
    host: VirtualHost, settings: Settings, stop: trio.CancelScope, *, task_status: trio.TaskStatus[RelayServer]
) -> None:
    with stop:
        await serve(host, settings, task_status=task_status)


class Told:
    """What a gathering has told so far."""

    def __init__(self) -> None:
        self.news: list[News] = []

    async def until_complete(self, gathering: Gathering) -> None:
        async for news in gathering.news:
            self.news.append(news)
            if isinstance(news, Complete):
                return

    @property
    def found(self) -> list[Found]:
        return [each for each in self.news if isinstance(each, Found)]

    @property
    def seen(self) -> list[Seen]:
        return [each for each in self.news if isinstance(each, Seen)]

    @property
    def troubles(self) -> list[Trouble]:
        return [each for each in self.news if isinstance(each, Trouble)]

    def of(self, kind: str) -> list[Found]:
        return [each for each in self.found if each.candidate.type == kind]
