"""People whose media reach the server through a relay only, because nothing else gets out, or because they wish it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from meetref.app.bot import Behaviour, hum_light, show_light
from meetref.app.client import Client, open_client
from meetref.app.relay import Settings, serve
from meetref.net.gathering import Interfaces
from meetref.net.nat import NAT, PORT_RESTRICTED_CONE, no_udp
from meetref.net.news import Server
from meetref.net.relay import RelayServer
from meetref.net.virtualhost import VirtualHost
from meetref.wire import signaling
from tests.net.relays import RELAY_HOST, TURN, TURN_TCP, WORLD
from tests.stories.people import Meeting, meeting
from tests.stories.test_meeting import everyone_sees_everyone, until


async def relay_of(scene: Meeting) -> RelayServer:
    """A relay on the network of a meeting."""
    host = scene.network.host("relay", RELAY_HOST)
    relay: RelayServer = await scene.nursery.start(
        serve, host, Settings(hosts=(RELAY_HOST,), users={"alice": "wonder"}, allowed=WORLD)
    )
    return relay


async def stay(
    scene: Meeting,
    home: VirtualHost,
    servers: Sequence[Server],
    interfaces: Interfaces,
    *,
    task_status: trio.TaskStatus[Client],
) -> None:
    behaviour = Behaviour(name=home.name, light=True)
    join = signaling.Join(room="algebra", name=home.name, microphone="on", camera="on")
    async with (
        open_client(home, scene.address, join, servers=servers, interfaces=interfaces) as client,
        trio.open_nursery() as nursery,
    ):
        scene.people[home.name] = client
        await client.publish(["microphone", "camera"])
        nursery.start_soon(show_light, client.senders["camera"], behaviour)
        nursery.start_soon(hum_light, client.senders["microphone"], behaviour)
        task_status.started(client)
        await trio.sleep_forever()


def paths_of(client: Client) -> set[str]:
    """The hosts that a client's media leave from."""
    assert client.up is not None
    assert client.down is not None
    assert client.up.peer.path is not None
    assert client.down.peer.path is not None
    return {client.up.peer.path[0].host, client.down.peer.path[0].host}


@pytest.mark.spec("ice/relayed-candidates")
@pytest.mark.parametrize("turn", [TURN, TURN_TCP])
async def test_whoever_wishes_so_is_seen_through_a_relay_only(autojump_clock: MockClock, turn: Server) -> None:
    async with meeting(1) as scene:
        relay = await relay_of(scene)
        for name in ("alice", "bob"):
            await scene.nursery.start(stay, scene, scene.network.host(name), [turn], "none")
        await until(lambda: everyone_sees_everyone(scene, 30), 20)
        assert all(paths_of(client) == {RELAY_HOST} for client in scene.people.values())
        assert relay.relayed_to_peers > 200
        assert relay.relayed_to_clients > 200
        assert relay.dropped < 10  # checks that came before the permission did


async def test_an_office_without_udp_meets_through_a_relay_over_tcp(autojump_clock: MockClock) -> None:
    async with meeting(2) as scene:
        await relay_of(scene)
        box = NAT("203.0.113.1", dice=scene.network.dice("nat"), behaviour=PORT_RESTRICTED_CONE, policy=no_udp)
        office = scene.network.host("alice", "10.0.0.2", behind=box)
        alice: Client = await scene.nursery.start(stay, scene, office, [TURN, TURN_TCP], "all")
        bob: Client = await scene.nursery.start(stay, scene, scene.network.host("bob"), [], "all")
        await until(lambda: everyone_sees_everyone(scene, 30), 30)
        assert paths_of(alice) == {RELAY_HOST}
        assert RELAY_HOST not in paths_of(bob)


async def test_a_relay_that_is_not_needed_is_not_used(autojump_clock: MockClock) -> None:
    async with meeting(3) as scene:
        relay = await relay_of(scene)
        for name in ("alice", "bob"):
            await scene.nursery.start(stay, scene, scene.network.host(name), [TURN], "all")
        await until(lambda: everyone_sees_everyone(scene, 30), 20)
        assert all(RELAY_HOST not in paths_of(client) for client in scene.people.values())
        assert relay.relayed_to_peers < 100  # checks, at most
