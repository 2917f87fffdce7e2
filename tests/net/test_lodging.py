"""A place on a relay, with a server that refuses, or sends us elsewhere."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from meetref.net.gathering import open_gathering
from meetref.net.lodging import MAXIMUM_PLACES, MAXIMUM_REDIRECTIONS
from meetref.net.news import Server
from meetref.net.relayed import StreamSplitter
from meetref.net.virtual import VirtualNetwork, seed_trio
from meetref.net.virtualhost import VirtualHost
from meetref.wire import attribute, stun, turn, uri
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute, ErrorCode
from tests.net.relays import Told
from tests.protocol.fake_relay import KEY, RELAYED, Answers, FakeRelay

HOST = "198.51.100.1"


def ada(text: str) -> Server:
    return Server(uri.parse(text), "ada", "secret")


class Sender(FakeRelay):
    """A relay that sends everybody to `elsewhere`, with its word for it."""

    def __init__(self, elsewhere: Address) -> None:
        super().__init__()
        self.elsewhere = elsewhere

    def answer(self, data: bytes) -> bytes | None:
        said = super().answer(data)
        asked = stun.parse(data)
        if not self.asked or asked.transaction != self.asked[-1].transaction:
            return said
        error = Attribute(attribute.ERROR_CODE, ErrorCode(300, "elsewhere"))
        attributes = [error, Attribute(attribute.ALTERNATE_SERVER, self.elsewhere)]
        message = stun.Message(stun.Class.ERROR, asked.method, asked.transaction, attributes)
        return stun.serialize(message, integrity_key=KEY)


async def over_udp(host: VirtualHost, server: FakeRelay, clients: list[Address]) -> None:
    socket = await host.open_datagram(Address(HOST, 3478))
    while True:
        for datagram in await socket.receive():
            if datagram.remote not in clients:
                clients.append(datagram.remote)
            answer = server.answer(datagram.data)
            if answer is not None:
                socket.send((answer,), datagram.remote)


async def over_tcp(host: VirtualHost, port: int, server: FakeRelay) -> None:
    listener = await host.open_listener(Address(host.addresses()[0], port))

    async def attend(stream: trio.abc.Stream) -> None:
        splitter = StreamSplitter()
        try:
            while octets := await stream.receive_some(4096):
                for message in splitter(bytes(octets)):
                    answer = server.answer(message)
                    if answer is not None:
                        await stream.send_all(answer)
        except trio.BrokenResourceError:
            pass

    await trio.serve_listeners(attend, [listener])


@pytest.mark.spec("turn/client-other-port")
@pytest.mark.parametrize("refusals", [2, 3])
async def test_another_port_is_tried_where_ours_is_somebody_elses(autojump_clock: MockClock, refusals: int) -> None:
    seed_trio(1)
    network = VirtualNetwork(1)
    clients, told, server = list[Address](), Told(), FakeRelay()

    def allocate(asked: stun.Message) -> Answers:
        return 437 if len(clients) <= refusals else server.allocate(asked)

    server.rules[turn.ALLOCATE] = allocate
    async with trio.open_nursery() as world:
        await world.start(network.run)
        world.start_soon(over_udp, network.host("server", HOST), server, clients)
        home = network.host("home", "192.0.2.50")
        async with open_gathering(home, [ada(f"turn:{HOST}")], interfaces="none") as gathering:
            await told.until_complete(gathering)
        assert len(clients) == MAXIMUM_PLACES
        assert [each.base for each in told.found] == ([RELAYED] if refusals == 2 else [])
        assert [each.code for each in told.troubles] == ([] if refusals == 2 else [437])
        world.cancel_scope.cancel()


async def test_a_redirection_over_tcp_is_followed(autojump_clock: MockClock) -> None:
    seed_trio(1)
    network = VirtualNetwork(1)
    last, told = FakeRelay(), Told()
    async with trio.open_nursery() as world:
        await world.start(network.run)
        host = network.host("server", HOST)
        world.start_soon(over_tcp, host, 3478, Sender(Address(HOST, 4000)))
        world.start_soon(over_tcp, host, 4000, Sender(Address(HOST, 5000)))
        world.start_soon(over_tcp, host, 5000, last)
        home = network.host("home", "192.0.2.50")
        async with open_gathering(home, [ada(f"turn:{HOST}?transport=tcp")], interfaces="none") as gathering:
            await told.until_complete(gathering)
            assert [each.base for each in told.found] == [RELAYED]
        assert not told.troubles
        assert last.methods()[0] == turn.ALLOCATE
        world.cancel_scope.cancel()


@pytest.mark.parametrize("in_a_circle", [True, False])
async def test_redirections_come_to_an_end(autojump_clock: MockClock, in_a_circle: bool) -> None:
    seed_trio(1)
    network = VirtualNetwork(1)
    told, ports = Told(), range(4000, 4020)
    async with trio.open_nursery() as world:
        await world.start(network.run)
        host = network.host("server", HOST)
        senders = [Sender(Address(HOST, 4000 if in_a_circle else port + 1)) for port in ports]
        for port, sender in zip(ports, senders, strict=True):
            world.start_soon(over_tcp, host, port, sender)
        home = network.host("home", "192.0.2.50")
        async with open_gathering(home, [ada(f"turn:{HOST}:4000?transport=tcp")], interfaces="none") as gathering:
            await told.until_complete(gathering)
        assert [each.why for each in told.troubles] == ["redirected in a circle (300)"]
        assert sum(bool(sender.asked) for sender in senders) == (1 if in_a_circle else 1 + MAXIMUM_REDIRECTIONS)
        world.cancel_scope.cancel()
