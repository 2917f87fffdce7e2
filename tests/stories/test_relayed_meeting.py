"""A meeting's own relay: who joined gets through it to the media port, and nowhere else."""

from __future__ import annotations

import random

import pytest
import trio
from trio.testing import MockClock

from meetref.app.signaling import open_client_channel
from meetref.net.virtualhost import VirtualHost
from meetref.protocol.credentials import long_term_key
from meetref.wire import attribute, signaling, stun, turn
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute
from tests.stories.people import Meeting, meeting


async def join(scene: Meeting, host: VirtualHost, name: str) -> signaling.Joined:
    """What somebody who joins is told first."""
    async with open_client_channel(host, scene.address) as channel:
        channel.send(signaling.Join(room="algebra", name=name))
        while True:
            message = await channel.receive()
            if isinstance(message, signaling.Joined):
                return message


def server_of(joined: signaling.Joined) -> Address:
    """The first relay that the page is told of, which is over TCP."""
    (server,) = joined.ice_servers
    url = next(url for url in server.urls if url.startswith("turn:") and url.endswith("?transport=tcp"))
    host, _, port = url.removeprefix("turn:").partition("?")[0].rpartition(":")
    return Address(host.strip("[]"), int(port))


class Lodger:
    """A client of the relay on a virtual host, over UDP or a stream."""

    def __init__(self, joined: signaling.Joined) -> None:
        (server,) = joined.ice_servers
        self.username, self.password = server.username, server.credential
        self.dice = random.Random(3)
        self.realm = self.nonce = ""

    def request(self, method: int, *attributes: tuple[int, object]) -> bytes:
        given = [Attribute(*each) for each in attributes]
        key = None
        if self.nonce:
            names = (attribute.USERNAME, self.username), (attribute.REALM, self.realm), (attribute.NONCE, self.nonce)
            given += [Attribute(*each) for each in names]
            key = long_term_key(self.username, self.realm, self.password)
        message = stun.Message(stun.Class.REQUEST, method, self.dice.randbytes(12), given)
        return stun.serialize(message, integrity_key=key, fingerprint=False)

    def learn(self, answer: stun.Message) -> None:
        self.realm, self.nonce = answer.get(attribute.REALM), answer.get(attribute.NONCE)


async def test_who_joined_reaches_the_media_port_through_the_relay_and_nothing_else(autojump_clock: MockClock) -> None:
    async with meeting(51) as scene:
        host = scene.network.host("behind a firewall")
        joined = await join(scene, host, "carol")
        lodger, target = Lodger(joined), scene.server.port.locals[0]  # over UDP at the media port itself
        socket = await host.open_datagram(Address(host.addresses()[0], 0))

        async def ask(method: int, *attributes: tuple[int, object]) -> stun.Message:
            socket.send((lodger.request(method, *attributes),), target)
            with trio.fail_after(5):
                return stun.parse((await socket.receive())[0].data)

        transport = (attribute.REQUESTED_TRANSPORT, turn.UDP)
        lodger.learn(await ask(turn.ALLOCATE, transport))
        allocated = await ask(turn.ALLOCATE, transport)
        assert allocated.get(attribute.XOR_RELAYED_ADDRESS).host == target.host
        media = scene.server.port.locals[0]
        bound = await ask(turn.CHANNEL_BIND, (attribute.CHANNEL_NUMBER, 0x4000), (attribute.XOR_PEER_ADDRESS, media))
        assert bound.kind is stun.Class.SUCCESS
        question = stun.Message(stun.Class.REQUEST, stun.BINDING, bytes(12))
        data = turn.serialize_channel_data(0x4000, stun.serialize(question, fingerprint=False))
        socket.send((data,), target)
        with trio.fail_after(5):
            back = turn.parse_channel_data((await socket.receive())[0].data)
        mapped = stun.parse(back.data).get(attribute.XOR_MAPPED_ADDRESS)
        assert mapped == allocated.get(attribute.XOR_RELAYED_ADDRESS)
        for peer in (Address(media.host, 22), Address("203.0.113.200", 9), Address("127.0.0.1", 9)):
            refused = await ask(
                turn.CHANNEL_BIND, (attribute.CHANNEL_NUMBER, 0x4001), (attribute.XOR_PEER_ADDRESS, peer)
            )
            assert refused.get(attribute.ERROR_CODE).code == 403
        assert len(scene.server.relay.relay) == 1


@pytest.mark.spec("turn/stream-transports")
async def test_the_same_over_the_one_tcp_port(autojump_clock: MockClock) -> None:
    async with meeting(52) as scene:
        host = scene.network.host("behind a firewall")
        joined = await join(scene, host, "carol")
        lodger = Lodger(joined)
        stream = await host.open_stream(server_of(joined))
        rest = b""

        async def receive() -> bytes:
            nonlocal rest
            with trio.fail_after(5):
                while True:
                    frames, end = turn.split_stream(rest)
                    if frames:
                        assert end == len(rest)
                        rest = b""
                        return frames[0]
                    rest += await stream.receive_some(4096)

        async def ask(method: int, *attributes: tuple[int, object]) -> stun.Message:
            data = lodger.request(method, *attributes)
            await stream.send_all(data[:7])
            await trio.sleep(0.1)
            await stream.send_all(data[7:])
            return stun.parse(await receive())

        transport = (attribute.REQUESTED_TRANSPORT, turn.UDP)
        lodger.learn(await ask(turn.ALLOCATE, transport))
        assert (await ask(turn.ALLOCATE, transport)).kind is stun.Class.SUCCESS
        media = (attribute.XOR_PEER_ADDRESS, scene.server.port.locals[0])
        assert (await ask(turn.CREATE_PERMISSION, media)).kind is stun.Class.SUCCESS
        question = stun.Message(stun.Class.REQUEST, stun.BINDING, bytes(12))
        data = stun.serialize(question, fingerprint=False)
        await stream.send_all(turn.serialize_indication(turn.SEND_TYPE, bytes(12), media[1], data))
        indication = stun.parse(await receive())
        assert indication.method == turn.DATA_METHOD
        assert stun.parse(indication.get(attribute.DATA)).kind is stun.Class.SUCCESS
        assert len(scene.server.relay.relay) == 1
        await stream.aclose()
        await trio.sleep(1)
        assert len(scene.server.relay.relay) == 0
        assert scene.server.relay.server.relayed_sockets == []
        assert scene.server.door.counters["stun"] == 1
