"""A path dies while the WebSocket lives: the server, which offers *down*, looks for another one by itself."""

from __future__ import annotations

import random
from collections.abc import Callable

import trio
from trio.testing import MockClock

from meetref.net.nat import NAT, everything
from meetref.net.virtualroute import Header
from tests.stories.people import meeting
from tests.stories.test_meeting import everyone_sees_everyone, until
from tests.stories.test_resume import frames_from


def only_from(ports: set[int]) -> Callable[[Header], bool]:
    """A policy that lets no datagram out from these ports: somebody's firewall has forgotten a path for good."""
    return lambda header: header.transport == "tcp" or header.source.port not in ports


async def test_the_server_offers_a_restart_of_down_and_media_goes_on(autojump_clock: MockClock) -> None:
    async with meeting(61) as scene:
        box = NAT("203.0.113.9", dice=random.Random(61))
        scene.network.host("alice", "192.168.1.2", behind=box)
        alice = await scene.join("alice")
        await scene.join("bob")
        await until(lambda: everyone_sees_everyone(scene, 10), 10)
        assert alice.down is not None
        before = alice.down.peer.credentials
        box.policy = only_from({address.port for address in alice.down.port.locals})
        await trio.sleep(4)
        assert alice.down.peer.credentials == before
        await until(lambda: alice.down is not None and alice.down.peer.credentials != before, 16)
        offered = alice.down.peer.credentials
        box.policy = everything
        peer = alice.down.peer
        await until(lambda: peer.ice.state == "connected" and not peer.is_restarting, 20)
        seen = frames_from(scene, "alice", "bob")
        await trio.sleep(30)
        assert frames_from(scene, "alice", "bob") > seen + 100
        assert peer.state == "connected"
        assert peer.credentials == offered, "once is enough"
