"""Strangers fill nothing: the server's tables have ends, and a meeting goes on while somebody tries."""

from __future__ import annotations

import random
from contextlib import suppress

import trio
from trio.testing import MockClock

from meetref.app.signaling import open_client_channel
from meetref.meeting.channel import ChannelClosed
from meetref.meeting.participant import HANDSHAKE_WITHIN
from meetref.net.virtualhost import VirtualHost
from meetref.wire import signaling
from meetref.wire.address import Address
from tests.stories.people import PORT, Meeting, meeting
from tests.stories.test_meeting import everyone_sees_everyone, until


async def shower(host: VirtualHost, target: Address, count: int) -> None:
    """Random datagrams whose first octets look like each of the protocols."""
    dice = random.Random(5)
    socket = await host.open_datagram(Address(host.addresses()[0], 0))
    for number in range(count):
        first = dice.choice([0, 1, 20, 22, 23, 64, 128, 144, 191, 255])
        socket.send((bytes([first]) + dice.randbytes(dice.randrange(200)),), target)
        if number % 50 == 49:
            await trio.sleep(0.02)


async def join_raw(scene: Meeting, name: str, room: str) -> list[signaling.ServerMessage]:
    """Join with nothing but a WebSocket; what was said until the first `joined` or the end."""
    host = scene.network.host(name)
    heard: list[signaling.ServerMessage] = []
    try:
        async with open_client_channel(host, scene.address) as channel:
            channel.send(signaling.Join(room=room, name=name))
            while not heard or not isinstance(heard[-1], signaling.Joined):
                heard.append(await channel.receive())
    except ChannelClosed:
        pass
    return heard


async def test_a_shower_of_garbage_does_not_disturb_a_meeting(autojump_clock: MockClock) -> None:
    async with meeting(31) as scene:
        await scene.join("alice")
        await scene.join("bob")
        await until(lambda: everyone_sees_everyone(scene, 10), 10)
        tables = len(scene.server.exchange._by_address)
        stranger = scene.network.host("stranger")
        await shower(stranger, Address(scene.host.addresses()[0], PORT), 2000)
        await trio.sleep(0.5)
        ignored = scene.server.exchange.ignored["from nobody we know"]
        ignored += scene.server.relay.relay.ignored.total()  # what looked like a relay's client
        assert ignored == 2000
        assert len(scene.server.exchange._by_address) == tables
        before = [receiver.frames for client in scene.people.values() for receiver in client.receivers.values()]
        await trio.sleep(2)
        after = [receiver.frames for client in scene.people.values() for receiver in client.receivers.values()]
        assert sum(after) > sum(before) + 40


async def test_rooms_and_people_have_an_end(autojump_clock: MockClock) -> None:
    async with meeting(32, maximum_rooms=1, maximum_people=2) as scene:
        await scene.join("alice")
        await scene.join("bob")
        for number, (room, code) in enumerate((("algebra", "room-full"), ("another", "server-full"))):
            heard = await join_raw(scene, f"late-{number}", room)
            assert [message.code for message in heard if isinstance(message, signaling.Error)] == [code]
        scene.leave("bob")
        await trio.sleep(1)
        heard = await join_raw(scene, "patient", "algebra")
        assert isinstance(heard[-1], signaling.Joined)


async def test_handshakes_that_nobody_finishes_do_not_keep_others_out(autojump_clock: MockClock) -> None:
    """A stranger opens one connection after another; each source has a bound, and places come back by themselves."""
    bounds = {"maximum_handshakes": 20, "maximum_handshakes_per_source": 4}
    async with meeting(33, **bounds) as scene, trio.open_nursery() as crowd:
        stranger = scene.network.host("stranger")
        heard: list[signaling.ServerMessage] = []

        async def loiter(number: int) -> None:
            with suppress(ChannelClosed):
                async with open_client_channel(stranger, scene.address) as channel:
                    channel.send(signaling.Join(room=f"room-{number}", name="stranger"))
                    while True:
                        heard.append(await channel.receive())

        for number in range(7):
            crowd.start_soon(loiter, number)
        await scene.join("alice")
        await scene.join("bob")
        await until(lambda: everyone_sees_everyone(scene, 10), 10)
        refusals = [message for message in heard if isinstance(message, signaling.Error)]
        assert [refusal.code for refusal in refusals] == ["server-full"] * 3
        assert "of your network" in refusals[0].message
        assert scene.server.handshakes.taken == 4, "who has finished takes no place"
        await trio.sleep(HANDSHAKE_WITHIN)
        assert scene.server.handshakes.taken == 0
        assert len(scene.server.exchange) == 4
        crowd.start_soon(loiter, 8)
        await until(lambda: scene.server.handshakes.taken == 1, 5)
        crowd.cancel_scope.cancel()
