"""The relay on real sockets of loopback: runs, streams, and a corpus of malformed messages while somebody uses it."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
import trio

from meetref.app.relay import Settings, serve
from meetref.lab.lodger import PASSWORD, USER, Lodger
from meetref.net.datagram import Run
from meetref.net.network import KernelNetwork
from meetref.net.relay import RelayServer
from meetref.net.stream import Listener
from meetref.protocol.relaylimits import Limits
from meetref.wire.address import Address
from tests.protocol.test_relay_hostile import mutated

HERE = "127.0.0.1"


@asynccontextmanager
async def running() -> AsyncIterator[RelayServer]:
    settings = Settings(
        hosts=(HERE,),
        port=0,
        users={USER: PASSWORD},
        allowed=(ip_network("127.0.0.0/8"),),
        limits=Limits(answers_per_second=1e6, answers_at_once=1e6),
    )
    async with trio.open_nursery() as nursery:
        yield await nursery.start(serve, KernelNetwork(), settings)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def lodging(server: RelayServer, *, by_channel: bool) -> AsyncIterator[Lodger]:
    lodger = Lodger(server.port.locals[0], random.Random(1), by_channel=by_channel)
    async with trio.open_nursery() as nursery:
        await nursery.start(lodger.run)
        yield lodger
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while True:
            if condition():
                return
            await trio.sleep(0.01)


@pytest.mark.parametrize("by_channel", [True, False], ids=["channels", "indications"])
@pytest.mark.parametrize("joined", [True, False], ids=["joined", "single"])
async def test_bursts_go_through_in_both_directions(by_channel: bool, joined: bool) -> None:
    burst = [bytes(900)] * 20 + [bytes(100)]
    async with running() as server, lodging(server, by_channel=by_channel) as lodger:
        for _ in range(5):
            lodger.send_to_peer(burst, joined)
            lodger.send_to_client(burst, joined)
            await trio.sleep(0.01)
        await until(lambda: (lodger.at_peer, lodger.at_client) == (105, 105))
        assert (server.relayed_to_peers, server.relayed_to_clients) == (105, 105)
        assert server.dropped == 0


async def test_a_number_that_another_program_has_for_tcp_is_not_taken_for_udp(monkeypatch: pytest.MonkeyPatch) -> None:
    open_listener, tried = KernelNetwork.open_listener, list[int]()

    async def open_second(network: KernelNetwork, local: Address) -> Listener:
        tried.append(local.port)
        if len(tried) == 1:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        return await open_listener(network, local)

    monkeypatch.setattr(KernelNetwork, "open_listener", open_second)
    async with running() as server:
        assert len(tried) == 2
        assert server.port.number == tried[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind((HERE, tried[0]))  # the failed try left nothing open


async def test_what_one_wake_up_brings_for_a_peer_leaves_together_and_in_order() -> None:
    async with running() as server, lodging(server, by_channel=True) as lodger:
        (relayed,) = server.relayed_sockets
        sent: list[tuple[list[bytes], Address]] = []
        relayed.send = lambda packets, remote: sent.append((list(packets), remote))  # type: ignore[method-assign]
        single = [Run(b"\x40\x00\x00\x01" + bytes([number]), 5, lodger.client.local) for number in range(8)]
        joined = Run(b"\x40\x00\x00\x01\x08\x40\x00\x00\x01\x09", 5, lodger.client.local)
        server.receive_runs([*single[:5], joined, *single[5:]], server.port.locals[0], trio.current_time())
        assert sent == [([bytes([number]) for number in (0, 1, 2, 3, 4, 8, 9, 5, 6, 7)], lodger.peer.local)]
        assert server.relayed_to_peers == 10


async def test_a_run_with_something_odd_in_it_is_looked_at_one_by_one() -> None:
    async with running() as server, lodging(server, by_channel=True) as lodger:
        good = b"\x40\x00\x00\x08" + bytes(8)
        unbound = b"\x40\x07\x00\x08" + bytes(8)
        short = b"\x40\x00\x00\x09" + bytes(8)
        lodger.client.send_joined([good, unbound, good, short, good], server.port.locals[0])
        lodger.client.send_joined([good, good, good[:4]], server.port.locals[0])
        await until(lambda: lodger.at_peer == 5)
        assert server.relay.ignored["channel data for nobody"] == 3


async def test_a_corpus_of_malformed_messages_while_somebody_talks() -> None:
    corpus = mutated(600)
    async with running() as server, lodging(server, by_channel=True) as lodger:
        target = server.port.locals[0]
        for number, data in enumerate(corpus):
            lodger.peer.send(data, target)  # a stranger to the relay's port
            if number % 20 == 0:
                lodger.send_to_peer([bytes(100)], False)
                await trio.sleep(0.002)
        before = lodger.at_client
        await until(lambda: server.relayed_to_peers == 30)
        assert lodger.at_client == before == 0
        assert len(server.relay) == 1


async def test_a_stream_of_something_else_is_closed_and_one_of_nothing_too() -> None:
    async with running() as server:
        number = server.port.number
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\0\3\0\0" + bytes(20), b"\x16\x03\x01\0\x80\x01\0\0\0\0"):
            stream = await trio.open_tcp_stream(HERE, number)
            await stream.send_all(data)
            with trio.fail_after(5):
                try:
                    assert await stream.receive_some(100) == b""
                except trio.BrokenResourceError:
                    pass
            await stream.aclose()
        assert len(server.relay) == 0


async def test_what_was_lent_is_closed_with_the_server() -> None:
    async with running() as server, lodging(server, by_channel=True) as lodger:
        (socket,) = server.relayed_sockets
        assert socket.local == lodger.relayed
    assert server.relayed_sockets == []
    with pytest.raises(trio.ClosedResourceError):
        await socket.receive()
    assert lodger.relayed != Address("", 0)
