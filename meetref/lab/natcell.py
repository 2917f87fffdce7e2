"""One call between two places, in virtual time: does it connect, over which path, and after how long?

Stands above `lab/natparty` (a side) and `lab/natplaces` (where it is), below `lab/natmatrix`.
A server with a public address tells people how they look, and relays if it is asked for; a host's link takes 10 ms.
Leaves out: loss. What it changes is when, and tests/stories/test_nat.py tries that.
Read next: `lab/natmatrix.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Literal

import trio
from trio.testing import MockClock

from meetref.lab.natparty import Party
from meetref.lab.natplaces import Place
from meetref.net.datagram import DatagramSocket
from meetref.net.news import Server
from meetref.net.port import open_port
from meetref.net.relay import RelayServer
from meetref.net.stream import Listener
from meetref.net.virtual import DOCUMENTATION_NETWORKS, VirtualNetwork, seed_trio
from meetref.net.virtualhost import VirtualHost
from meetref.net.virtuallink import Impairments
from meetref.net.virtualstream import VirtualStream
from meetref.protocol import ice
from meetref.protocol.authenticator import Authenticator
from meetref.protocol.binding import answer_binding
from meetref.protocol.credentials import FixedAccounts
from meetref.protocol.relay import Relay
from meetref.protocol.relayguard import Guard
from meetref.wire.address import Address
from meetref.wire.uri import ServerUri

Path = Literal["direct", "relay", "none"]
MakeAgent = Callable[..., ice.Agent]
OURS: Sequence[MakeAgent] = (ice.Agent, ice.Agent)

SERVER = Address("192.0.2.100", 3478)
HTTPS = 443
PUBLIC_HERE = [ip_network(f"{block}.0/24") for block in DOCUMENTATION_NETWORKS] + [ip_network("2001:db8::/32")]
REALM, USER, PASSWORD = "lab", "guest", "let me through"
ONE_WAY = 0.01  # seconds on each access link
SETTLED_AFTER = 1.0  # seconds of being connected after which the chosen path is looked at
GIVE_UP_AFTER = 60.0  # nobody waits longer, whatever the agents think


@dataclass(frozen=True)
class Outcome:
    """How a call went. `after` is when both sides were connected, or had given up; seconds."""

    path: Path
    after: float
    pair: tuple[str, str] | None


# --- the server ---------------------------------------------------------------------------------------


async def answer_questions(socket: DatagramSocket) -> None:
    """A STUN server, until its socket is closed."""
    while True:
        for datagram in await socket.receive():
            answer = answer_binding(datagram.data, datagram.remote)
            if isinstance(answer, bytes):
                socket.send([answer], datagram.remote)


async def serve_relay(
    host: VirtualHost, *, task_status: trio.TaskStatus[RelayServer] = trio.TASK_STATUS_IGNORED
) -> None:
    """A TURN server: UDP, and streams on port 443 for those whose firewall lets nothing else out."""
    authenticator = Authenticator(REALM, FixedAccounts(REALM, {USER: PASSWORD}), host.dice(32))
    addresses = [address for address in host.addresses() if address not in ("127.0.0.1", "::1")]
    guard = Guard(is_own=host.own_addresses.__contains__, relayed=frozenset(addresses), allowed=PUBLIC_HERE)
    port = await open_port(host, addresses, SERVER.port)
    server = RelayServer(host, Relay(authenticator, guard, addresses, host.dice), port)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run, name="relay")
        nursery.start_soon(port.run, server.receive_batch, name="clients")
        for address in addresses:
            listener = await host.open_listener(Address(address, HTTPS))
            nursery.start_soon(_accept, server, listener, nursery, name=f"streams at {address}")
        task_status.started(server)


async def _accept(server: RelayServer, listener: Listener, nursery: trio.Nursery) -> None:
    while True:
        stream = await listener.accept()
        assert isinstance(stream, VirtualStream)
        nursery.start_soon(server.serve_stream, stream, stream.local, stream.remote)


def servers_at(host: str, *, with_relay: bool) -> list[Server]:
    """What somebody has in the configuration, who knows the server as `host`."""
    if not with_relay:
        return [Server(ServerUri("stun", host, SERVER.port))]
    return [
        Server(ServerUri("turn", host, SERVER.port, "udp"), USER, PASSWORD),
        Server(ServerUri("turn", host, HTTPS, "tcp"), USER, PASSWORD),
    ]


# --- the call -----------------------------------------------------------------------------------------


async def settled(parties: Sequence[Party]) -> bool:
    """Wait until all are connected, or all have failed; whether they are connected."""
    while True:
        states = {party.agent.state for party in parties}
        if states == {"connected"} or states == {"failed"}:
            return states == {"connected"}
        await _any_change(parties)


async def _any_change(parties: Sequence[Party]) -> None:
    async with trio.open_nursery() as nursery:
        for party in parties:
            nursery.start_soon(_cancel_after, party.changed, nursery.cancel_scope)


async def _cancel_after(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


async def call(
    places: tuple[Place, Place], seed: int | str, *, with_relay: bool, make_agents: Sequence[MakeAgent] = OURS
) -> Outcome:
    """Let two people at these places call each other."""
    network = VirtualNetwork(seed)
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        server = network.host("server", SERVER.host)
        if with_relay:
            await nursery.start(serve_relay, server, name="server")
        else:
            nursery.start_soon(answer_questions, await server.open_datagram(SERVER), name="server")
        parties = []
        for number, place in enumerate(places, 1):
            host = place.settle(network, f"party {number}", number)
            host.access(Impairments(delay=ONE_WAY))
            servers = servers_at(place.knows(SERVER.host), with_relay=with_relay)
            party = Party(host, servers, controlling=number == 1, make_agent=make_agents[number - 1])
            await nursery.start(party.run, name=f"party {number}")
            parties.append(party)
        first, second = parties
        first.meet(second)
        second.meet(first)
        with trio.move_on_after(GIVE_UP_AFTER):
            await settled(parties)
        outcome = await judge(first, second, trio.current_time())
        nursery.cancel_scope.cancel()
    return outcome


async def judge(first: Party, second: Party, after: float, *, echoes: int = 1) -> Outcome:
    """What it came to, proven by an echo each way; of so many, as some get lost on some networks."""
    await trio.sleep(SETTLED_AFTER)
    before = first.answers, second.answers
    for _ in range(echoes):
        first.greet()
        second.greet()
        await trio.sleep(SETTLED_AFTER)
        if first.answers > before[0] and second.answers > before[1]:
            break
    if first.path is None or second.path is None or first.answers == before[0] or second.answers == before[1]:
        return Outcome("none", after, None)
    relayed = not {*first.path, *second.path}.isdisjoint(first.relays | second.relays)
    return Outcome("relay" if relayed else "direct", after, first.path)


def diagnose(first: Party, second: Party) -> str:
    """Why a call that did not come about did not, from what both sides have seen."""
    for number, party in enumerate((first, second), 1):
        if not party.heard:
            return f"no server answers party {number}"
    if not (first.found["relay"] or second.found["relay"]):
        return "no check gets through, and there is no relay"
    return "no check gets through, not even by the relay"


def run_call(
    places: tuple[Place, Place], seed: int | str, *, with_relay: bool, make_agents: Sequence[MakeAgent] = OURS
) -> Outcome:
    """As `call`, in a Trio of its own, in virtual time."""
    seed_trio(seed)

    async def main() -> Outcome:
        return await call(places, seed, with_relay=with_relay, make_agents=make_agents)

    return trio.run(main, clock=MockClock(autojump_threshold=0))
