"""One port number on every address, real and virtual."""

from __future__ import annotations

import errno

import pytest
import trio
from trio.testing import MockClock

from meetref.net.datagram import MAXIMUM_BATCH
from meetref.net.network import KernelNetwork
from meetref.net.port import MAXIMUM_TRIES, Port, on_free_number, open_port
from meetref.net.virtual import VirtualNetwork
from meetref.protocol.machine import Datagram
from meetref.wire.address import Address


async def test_the_same_number_everywhere() -> None:
    network = KernelNetwork()
    port = await open_port(network, network.addresses(), 0, only_local=True)
    try:
        assert {address.port for address in port.locals} == {port.number}
        assert "127.0.0.1" in [address.host for address in port.locals]
        assert len(port.locals) + len(port.skipped) == len(network.addresses())
        with pytest.raises(OSError, match="in use"):
            await open_port(network, ["127.0.0.1"], port.number)
    finally:
        port.close()


async def test_a_number_that_is_taken_on_one_host_is_not_picked(autojump_clock: MockClock) -> None:
    host = VirtualNetwork(1).host("alice", "192.0.2.1", "192.0.2.2")
    await host.open_datagram(Address("192.0.2.2", 49152))
    with pytest.raises(OSError, match="in use"):
        await open_port(host, ["192.0.2.1", "192.0.2.2"], 49152)
    (await host.open_datagram(Address("192.0.2.1", 49152))).close()  # the failed try left nothing open
    blocker = await host.open_datagram(Address("192.0.2.1", 49152))
    port = await open_port(host, ["192.0.2.1", "192.0.2.2"], 0)
    assert port.number == 49153
    blocker.close()


async def test_it_gives_up(autojump_clock: MockClock) -> None:
    host = VirtualNetwork(1).host("alice", "192.0.2.1", "192.0.2.2")
    await host.open_datagram(Address("192.0.2.2", 49152))
    with pytest.raises(OSError, match="in use"):  # the virtual host offers the same number each time
        await open_port(host, ["192.0.2.1", "192.0.2.2"], 0)
    assert MAXIMUM_TRIES > 1


@pytest.mark.parametrize(
    ("number", "problem", "tries"),
    [(0, errno.EADDRINUSE, 3), (0, errno.EACCES, 1), (5000, errno.EADDRINUSE, 1)],
    ids=["taken elsewhere", "not ours", "asked for"],
)
async def test_only_a_number_that_the_system_picked_is_tried_again(number: int, problem: int, tries: int) -> None:
    asked: list[int] = []

    async def open_on(number: int) -> str:
        asked.append(number)
        if len(asked) < 3:
            raise OSError(problem, "no")
        return "open"

    if tries == 3:
        assert await on_free_number(number, open_on) == "open"
    else:
        with pytest.raises(OSError, match="no"):
            await on_free_number(number, open_on)
    assert asked == [number] * tries


async def test_hosts_that_are_gone_are_skipped() -> None:
    host = VirtualNetwork(1).host("alice", "192.0.2.1")
    port = await open_port(host, ["192.0.2.99", "192.0.2.1"], 5000)
    assert (port.locals, port.skipped) == ([Address("192.0.2.1", 5000)], ["192.0.2.99"])
    for hosts in ([], ["192.0.2.99"]):
        with pytest.raises(OSError, match="can be bound") as problem:
            await open_port(host, hosts, 5000)
        assert problem.value.errno == errno.EADDRNOTAVAIL


async def test_batches_of_all_sockets_and_answers_from_the_right_one(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    network = VirtualNetwork(1)
    await nursery.start(network.run)
    server, client = network.host("server", "192.0.2.1", "2001:db8::1"), network.host("client")
    port = await open_port(server, server.addresses(), 5000)
    batches: list[tuple[list[bytes], float]] = []

    def answer(batch: list[Datagram], now: float) -> None:
        batches.append(([datagram.data for datagram in batch], now))
        for datagram in batch:
            port.send_datagram(Datagram(b"!", datagram.local, datagram.remote))

    nursery.start_soon(port.run, answer)
    for own, remote in zip(client.addresses()[:2], server.addresses()[:2], strict=True):
        socket = await client.open_datagram(Address(own, 0))
        socket.send([b"one", b"two"], Address(remote, 5000))
        assert await socket.receive() == [Datagram(b"!", socket.local, Address(remote, 5000))] * 2
    assert [data for data, _ in batches] == [[b"one", b"two"]] * 2
    port.send([b"x"], Address("192.0.2.99", 5000), Address("192.0.2.98", 1))
    assert port.unroutable == 1
    port.close()


class Pouring:
    """A socket on which there is always one more datagram."""

    local = Address("192.0.2.1", 5000)

    def __init__(self) -> None:
        self.left = 3 * MAXIMUM_BATCH

    async def receive(self) -> list[Datagram]:
        await trio.lowlevel.checkpoint()
        if not self.left:
            raise trio.ClosedResourceError
        return self.poll()

    def poll(self) -> list[Datagram]:
        self.left -= 1
        return [Datagram(b"more", self.local, self.local)] if self.left >= 0 else []


async def test_a_batch_is_what_is_there_but_bounded() -> None:
    port = Port([Pouring()])  # type: ignore[list-item]
    taken: list[int] = [0]

    def receive(some: list[Datagram], now: float) -> None:
        taken[-1] += len(some)

    def finish(now: float) -> None:
        taken.append(0)

    await port.run(receive, finish)
    assert taken == [MAXIMUM_BATCH] * 3 + [0]
