"""Two people behind whatever there is: who can meet does, in time; who cannot is told so, and why."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import trio
from trio.testing import MockClock

from meetref.lab.natcell import HTTPS, PASSWORD, SERVER, USER, Outcome, answer_questions, diagnose, judge, serve_relay
from meetref.lab.natcell import settled as until_settled
from meetref.lab.natparty import Party
from meetref.net.nat import NAT, SYMMETRIC
from meetref.net.news import Server
from meetref.net.virtual import VirtualNetwork, seed_trio
from meetref.net.virtualhost import VirtualHost, is_loopback
from meetref.protocol.transaction import PATIENCE
from meetref.wire.address import Address
from meetref.wire.uri import ServerUri
from tests.stories.natworld import Topology, topology

PATIENT_FOR = 2 * PATIENCE + 5.0  # seconds: a server that does not answer, and checks to the last candidate
MOST_A_SECOND = 70  # datagrams of one side: new checks, repetitions, answers; more is a loop


@dataclass
class Ending:
    """What became of a call."""

    outcome: Outcome
    connected: bool
    reason: str
    states: tuple[str, str]
    datagrams: int
    tasks_left: int


def servers(world: Topology, number: int) -> list[Server]:
    found = []
    for host in world.server_for(world.sides[number]):
        if world.has_relay:
            found.append(Server(ServerUri("turn", host, SERVER.port, "udp"), USER, PASSWORD))
            found.append(Server(ServerUri("turn", host, HTTPS, "tcp"), USER, PASSWORD))
        else:
            found.append(Server(ServerUri("stun", host, SERVER.port)))
    return found


async def start_server(world: Topology, host: VirtualHost, nursery: trio.Nursery) -> None:
    if world.has_relay:
        await nursery.start(serve_relay, host)
        return
    for address in host.addresses():
        if not is_loopback(address):
            nursery.start_soon(answer_questions, await host.open_datagram(Address(address, SERVER.port)))


async def call(world: Topology) -> Ending:
    network = VirtualNetwork(world.seed)
    before = trio.lowlevel.current_statistics().tasks_living
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        server, hosts = world.build(network)
        await start_server(world, server, nursery)
        parties = [
            Party(host, servers(world, number), controlling=number == 0) for number, host in enumerate(hosts)
        ]  # fmt: skip
        for party in parties:
            await nursery.start(party.run)
        first, second = parties
        first.meet(second)
        second.meet(first)
        connected = False
        with trio.move_on_after(PATIENT_FOR):
            connected = await until_settled(parties)
        outcome = await judge(first, second, trio.current_time(), echoes=20)
        reason = diagnose(first, second)
        sent = max(
            socket.counters.datagrams_out for party in parties for socket in party.gathering.port.sockets.values()
        )
        states = first.agent.state, second.agent.state
        nursery.cancel_scope.cancel()
    left = trio.lowlevel.current_statistics().tasks_living - before
    return Ending(outcome, connected, reason, states, sent, left)


def run(world: Topology) -> Ending:
    seed_trio(world.seed)
    return trio.run(call, world, clock=MockClock(autojump_threshold=0))


@pytest.mark.soak(ci=16, full=1000)
@pytest.mark.spec("nat/mapping", "nat/filtering", "nat/hairpinning")
def test_whoever_can_meet_does(seed: int) -> None:
    world = topology(seed)
    ending = run(world)
    said = f"{world.described}: {ending}"
    assert ending.tasks_left == 0, said
    assert ending.datagrams < MOST_A_SECOND * (ending.outcome.after + 10), said
    if world.direct or world.relayed:
        assert ending.connected, said
        assert ending.outcome.path in (["direct", "relay"] if world.relayed else ["direct"]), said
        assert ending.outcome.path == "direct" or world.relayed, said
        assert ending.outcome.after < PATIENCE, said
    else:
        assert not ending.connected, said
        assert ending.outcome.path == "none", said
        assert ending.reason == world.reason, said
        assert ending.states == ("failed", "failed"), said


async def test_a_nat_that_forgets_in_the_middle_of_a_call(autojump_clock: MockClock) -> None:
    """Its outer port is another one from now on: the peer sees a new path, and the call goes on without a restart."""
    network = VirtualNetwork(3)
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        server = network.host("server", SERVER.host)
        nursery.start_soon(answer_questions, await server.open_datagram(SERVER))
        box = NAT("203.0.113.1", dice=network.dice("nat"), behaviour=SYMMETRIC)
        hosts = [network.host("party 1", "192.168.1.2", behind=box), network.host("party 2", "203.0.113.2")]
        asking = [Server(ServerUri("stun", SERVER.host, SERVER.port))]
        first, second = (Party(host, asking, controlling=number == 0) for number, host in enumerate(hosts))
        for party in (first, second):
            await nursery.start(party.run)
        first.meet(second)
        second.meet(first)
        assert await until_settled([first, second])
        await trio.sleep(1)
        assert second.agent.selected is not None
        before = second.agent.selected.remote
        box.forget()
        await trio.sleep(10)
        outcome = await judge(first, second, 0.0)
        assert outcome.path == "direct"
        assert second.agent.selected.remote.host == before.host
        assert second.agent.selected.remote.port != before.port
        assert "failed" not in [state for _, state in first.states + second.states]
        nursery.cancel_scope.cancel()


def test_the_same_seed_gives_the_same_call() -> None:
    assert run(topology(7)) == run(topology(7))


def test_the_seeds_of_ci_have_every_kind_of_ending() -> None:
    """A slice in which everything connects would prove little."""
    worlds = [topology(seed) for seed in range(16)]
    kinds = {(world.direct, world.relayed) for world in worlds}
    assert kinds == {(True, True), (True, False), (False, True), (False, False)}
