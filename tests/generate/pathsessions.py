"""Stories of finding a path: how one looks from outside, relays, two NATs, a restart, a peer that goes away.

Told on the virtual network with NATs between the hosts; captured at the hosts, so on the inner side of a NAT.
Read next: tests/generate/sessions.py, which makes folders of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import trio

from meetref.lab.natcell import answer_questions, serve_relay, servers_at, settled
from meetref.lab.natparty import Party
from meetref.net.driver import drive_socket
from meetref.net.nat import NAT, PORT_RESTRICTED_CONE, SYMMETRIC, Behaviour
from meetref.net.news import Server
from meetref.net.virtual import VirtualNetwork, seed_trio
from meetref.net.virtualhost import VirtualHost
from meetref.net.virtuallink import Impairments
from meetref.protocol import stun
from meetref.wire.address import Address
from tests.generate.told import Story, Told

WAY = Impairments(delay=0.015)
TURN = "192.0.2.100"
QUESTIONS = Address(TURN, 3478)
BEHIND = "192.168.1.10"  # behind a NAT
OUTER = "198.51.100.7"
NEW_PORTS = replace(PORT_RESTRICTED_CONE, ports="random")  # so that one sees them change


async def stun_binding(told: Told, seed: int) -> None:
    """Alice asks how she looks, three times: at once answered, answered to the third try, never."""
    seed_trio(seed)
    network = VirtualNetwork(seed)
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        alice = told.know(
            network.host("alice", BEHIND, behind=NAT(OUTER, dice=network.dice("nat"), behaviour=NEW_PORTS))
        )
        server = told.know(network.host("turn", TURN))
        told.names[OUTER] = "nat"
        network.connect(alice, server, WAY)
        for host in (alice, server):
            told.watch(host)
        nursery.start_soon(answer_questions, await server.open_datagram(QUESTIONS))
        socket = await alice.open_datagram(Address(BEHIND, 5000))
        client = stun.Client(socket.local, QUESTIONS, alice.dice)
        driver = await nursery.start(drive_socket, client, socket, lambda event: None)
        for wait, plugged_in_after in ((1.0, 0.0), (4.0, 1.0), (40.0, 40.0)):
            if plugged_in_after:
                server.unplug()
            client.ask_mapping(trio.current_time())
            driver.turn(trio.current_time())
            await trio.sleep(plugged_in_after)
            server.plug_in()
            await trio.sleep(wait - plugged_in_after)
        nursery.cancel_scope.cancel()


# --- calls --------------------------------------------------------------------------------------------


@dataclass
class Scene:
    """Alice and Bob, and the server between them."""

    told: Told
    network: VirtualNetwork
    nursery: trio.Nursery
    alice: VirtualHost
    bob: VirtualHost
    asks: dict[str, list[Server]]

    async def meet(self, again: str = "") -> tuple[Party, Party]:
        """Two agents with new credentials, who are told about each other; returns when they are connected."""
        parties = []
        for host in (self.alice, self.bob):
            party = Party(host, self.asks[host.name], controlling=host is self.alice)
            credentials = party.agent.credentials
            self.told.credentials[host.name + again] = {
                "ufrag": credentials.ufrag, "password": credentials.password,
            }  # fmt: skip
            await self.nursery.start(party.run)
            parties.append(party)
        first, second = parties
        first.meet(second)
        second.meet(first)
        assert await settled(parties)
        return first, second


@asynccontextmanager
async def scene(
    told: Told, seed: int, alice: Behaviour | None, bob: Behaviour | None, *, with_relay: bool = False
) -> AsyncIterator[Scene]:
    """A call is about to begin: each is behind a NAT of that kind, or has a public address."""
    seed_trio(seed)
    network = VirtualNetwork(seed)
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        server = told.know(network.host("turn", TURN))
        hosts = [place(told, network, *person) for person in (("alice", 7, alice), ("bob", 8, bob))]
        for host in (*hosts, server):
            told.watch(host)
            host.access(Impairments(delay=0.01))
        if with_relay:
            await nursery.start(serve_relay, server)
        else:
            nursery.start_soon(answer_questions, await server.open_datagram(QUESTIONS))
        asks = {host.name: servers_at(TURN, with_relay=with_relay)[:1] for host in hosts}
        yield Scene(told, network, nursery, *hosts, asks)
        nursery.cancel_scope.cancel()


def place(told: Told, network: VirtualNetwork, name: str, number: int, behaviour: Behaviour | None) -> VirtualHost:
    outer = f"198.51.100.{number}"
    if behaviour is None:
        return told.know(network.host(name, outer))
    told.names[outer] = f"nat-{name}"
    box = NAT(outer, dice=network.dice(f"nat {name}"), behaviour=behaviour)
    return told.know(network.host(name, f"192.168.{number}.10", behind=box))


async def talk(first: Party, second: Party, seconds: float) -> None:
    """Say hello once a second, each way."""
    for _ in range(round(seconds)):
        await trio.sleep(1)
        first.greet()
        second.greet()
    await trio.sleep(0.1)


async def direct(told: Told, seed: int) -> None:
    async with scene(told, seed, None, None) as here:
        await talk(*await here.meet(), 2)


async def reflexive(told: Told, seed: int) -> None:
    async with scene(told, seed, NEW_PORTS, NEW_PORTS) as here:
        await talk(*await here.meet(), 2)


async def relayed(told: Told, seed: int) -> None:
    async with scene(told, seed, NEW_PORTS, SYMMETRIC, with_relay=True) as here:
        here.asks["alice"] = servers_at(TURN, with_relay=False)
        await talk(*await here.meet(), 3)


async def symmetric(told: Told, seed: int) -> None:
    async with scene(told, seed, SYMMETRIC, SYMMETRIC, with_relay=True) as here:
        await talk(*await here.meet(), 3)


async def restart(told: Told, seed: int) -> None:
    async with scene(told, seed, NEW_PORTS, NEW_PORTS) as here:
        await talk(*await here.meet(), 2)
        mobile = NAT("198.51.100.77", dice=here.network.dice("mobile"), behaviour=NEW_PORTS)
        here.network.move(here.alice, "10.64.0.5", behind=mobile)
        told.know(here.alice)
        told.names["198.51.100.77"] = "nat-mobile"
        await trio.sleep(1)
        await talk(*await here.meet(" again"), 2)


async def consent_lost(told: Told, seed: int) -> None:
    async with scene(told, seed, None, None) as here:
        _, bob = await here.meet()
        await trio.sleep(3)
        here.alice.unplug()
        while bob.agent.state != "failed":
            await bob.changed.wait()


PATH_STORIES = {
    "ice-direct": Story(
        direct, 11, "Two public addresses: the shortest way there is", ("ice", "stun"),
        ("ice/nomination", "ice/pair-priority", "ice/triggered-check", "ice/valid-pair-carries-data"),
    ),
    "ice-reflexive": Story(
        reflexive, 12, "Two NATs that a STUN server is enough for", ("ice", "stun", "nat"),
        ("ice/peer-reflexive-remote", "nat/filtering", "nat/mapping", "stun/mapped-address"),
    ),
    "ice-relayed": Story(
        relayed, 13, "A symmetric NAT and a port-restricted one: the relay, and a channel on it",
        ("ice", "turn", "nat"),
        ("ice/nomination", "multiplex/first-octet", "nat/filtering", "nat/mapping"),
    ),
    "ice-symmetric": Story(
        symmetric, 14, "Two symmetric NATs, a relay for each", ("ice", "turn", "nat"),
        ("ice/nomination", "multiplex/first-octet", "nat/filtering", "nat/mapping"),
    ),
    "ice-restart": Story(
        restart, 15, "Alice leaves her Wi-Fi in the middle of a call: a restart", ("ice", "stun", "nat"),
        ("ice/restart", "ice/credential-size", "nat/mapping"),
    ),
    "ice-consent-lost": Story(
        consent_lost, 16, "Alice is gone: thirty seconds until Bob stops", ("ice",),
        ("ice/consent-expiry", "ice/consent-interval", "ice/consent-transaction"),
    ),
    "stun-binding": Story(
        stun_binding, 4, "How do I look from outside? Three questions to a STUN server", ("stun", "nat"),
        ("nat/mapping", "stun/mapped-address", "stun/retransmission", "stun/transaction-random"),
    ),
}  # fmt: skip
