"""UDP on the kernel's sockets, over loopback: batches, runs, full queues, and who may send."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio

from meetref.net import datagram as module
from meetref.net.addresses import OwnAddresses
from meetref.net.datagram import (
    MAXIMUM_KNOWN_PEERS,
    MAXIMUM_RUN,
    MAXIMUM_RUN_OCTETS,
    KernelDatagramSocket,
)
from meetref.protocol.machine import Datagram
from meetref.wire.address import Address

HOSTS = ["127.0.0.1", "::1"]
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="segmentation is Linux's")

Open = Callable[..., KernelDatagramSocket]


@pytest.fixture
def opened() -> Iterator[Open]:
    sockets: list[KernelDatagramSocket] = []

    def make(host: str = "127.0.0.1", **options: Any) -> KernelDatagramSocket:
        sockets.append(KernelDatagramSocket(Address(host, 0), **options))
        return sockets[-1]

    yield make
    for each in sockets:
        each._socket.close()


class Refusing:
    """Stands before a socket and raises `problem` for the calls in `names`."""

    def __init__(self, inner: socket.socket, problem: int, *names: str) -> None:
        self._inner = inner
        self._problem = problem
        self._names = names

    def __getattr__(self, name: str) -> Any:
        if name in self._names:
            return self._refuse
        return getattr(self._inner, name)

    def _refuse(self, *_: object) -> int:
        raise OSError(self._problem, "refused by the test")


async def receive(receiver: KernelDatagramSocket, number: int) -> list[Datagram]:
    received: list[Datagram] = []
    with trio.fail_after(5):
        while len(received) < number:
            received += await receiver.receive()
    return received


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("segmentation", [True, False])
async def test_there_and_back(opened: Open, host: str, segmentation: bool) -> None:
    left, right = (opened(host, segmentation=segmentation) for _ in range(2))
    left.send([b"one", b"two", b"", b"four"], right.local)
    received = await receive(right, 4)
    assert received == [Datagram(data, right.local, left.local) for data in (b"one", b"two", b"", b"four")]
    assert received[0].remote is received[1].remote
    right.send([b"back"], received[0].remote)
    assert await receive(left, 1) == [Datagram(b"back", left.local, right.local)]
    assert (left.counters.datagrams_out, left.counters.octets_out, left.counters.datagrams_in) == (4, 10, 1)
    assert (right.counters.datagrams_in, right.counters.octets_in) == (4, 10)


@on_linux
@pytest.mark.parametrize(
    ("sizes", "calls"),
    [
        ([1200] * 10, 1),
        ([1200] * 9 + [500], 1),  # the last of a run may be shorter
        ([1200, 1200, 500, 1200, 1200], 2),
        ([100, 1200, 1200], 2),
        ([100, 200, 300], 3),
        ([300, 200, 100], 2),
        ([100] * (2 * MAXIMUM_RUN + 1), 3),
        ([1200] * 60, 2),  # 54 of them are 64,800 octets
        ([1200, 0, 1200], 3),
        ([0, 0, 0], 3),
        ([1200], 1),
        ([], 0),
    ],
    ids=str,
)
async def test_runs_of_equal_size_leave_together(opened: Open, sizes: list[int], calls: int) -> None:
    left, right = opened(), opened()
    packets = [bytes([number]) * size for number, size in enumerate(sizes)]
    left.send(packets, right.local)
    assert left.counters.send_calls == calls
    assert [datagram.data for datagram in await receive(right, len(packets))] == packets
    assert left.counters.datagrams_out == len(packets)
    assert right.counters.joined_in == left.counters.joined_out
    if calls < len(sizes):
        assert right.counters.receive_calls < len(packets)
    assert max((sum(sizes[:MAXIMUM_RUN]), 0)) <= MAXIMUM_RUN_OCTETS or calls > 1


@on_linux
async def test_a_receiver_without_joining_gets_single_datagrams(opened: Open) -> None:
    left, right = opened(), opened(segmentation=False)
    left.send([bytes(1000)] * 5, right.local)
    assert len(await receive(right, 5)) == 5
    assert (left.counters.send_calls, right.counters.receive_calls) == (1, 5)


async def test_more_is_taken_without_waiting(opened: Open) -> None:
    left, right = (opened(segmentation=False) for _ in range(2))
    assert right.poll() == []
    left.send([b"one", b"two"], right.local)
    with trio.fail_after(5):
        assert [datagram.data for datagram in await right.receive()] == [b"one"]
    assert [datagram.data for datagram in right.poll()] == [b"two"]
    assert right.poll() == []
    right.close()
    assert right.poll() == []


@on_linux
@pytest.mark.parametrize("problem", [errno.EIO, errno.EINVAL, errno.EMSGSIZE])
async def test_who_cannot_be_sent_runs_is_sent_single_packets(opened: Open, problem: int) -> None:
    left, right, other = opened(), opened(), opened()
    inner = left._socket
    left._socket = Refusing(inner, problem, "sendmsg")  # type: ignore[assignment]
    left.send([bytes(1000)] * 5, right.local)
    left._socket = inner
    assert len(await receive(right, 5)) == 5
    assert left.counters.datagrams_out == 5
    calls = left.counters.send_calls
    left.send([bytes(1000)] * 5, right.local)
    assert left.counters.send_calls == calls + 5
    left.send([bytes(1000)] * 5, other.local)  # the others keep their runs
    assert left.counters.send_calls == calls + 6


@on_linux
async def test_without_segmentation_everyone_gets_single_packets(opened: Open) -> None:
    left, right, other = opened(), opened(), opened()
    inner = left._socket
    left._socket = Refusing(inner, errno.EOPNOTSUPP, "sendmsg")  # type: ignore[assignment]
    left.send([bytes(1000)] * 2, right.local)
    left.send([bytes(1000)] * 2, other.local)
    assert left.counters.joined_out == 0
    assert len(await receive(other, 2)) == 2


@pytest.mark.parametrize("problem", [errno.EAGAIN, errno.ENOBUFS])
@pytest.mark.parametrize("segmentation", [True, False])
async def test_a_full_queue_drops_and_counts(opened: Open, problem: int, segmentation: bool) -> None:
    left, right = opened(segmentation=segmentation), opened()
    inner = left._socket
    left._socket = Refusing(inner, problem, "sendmsg", "sendto")  # type: ignore[assignment]
    left.send([b"abc"] * 5, right.local)
    left._socket = inner
    assert (left.counters.dropped, left.counters.datagrams_out, left.counters.refused) == (5, 0, 0)
    left.send([b"abc"] * 5, right.local)
    assert len(await receive(right, 5)) == 5


@pytest.mark.parametrize("segmentation", [True, False])
async def test_a_refusal_is_counted_and_no_error(opened: Open, segmentation: bool) -> None:
    left = opened(segmentation=segmentation)
    left._socket = Refusing(left._socket, errno.ECONNREFUSED, "sendmsg", "sendto")  # type: ignore[assignment]
    left.send([b"abc"] * 5, Address("127.0.0.1", 9))
    assert (left.counters.refused, left.counters.dropped) == (5, 0)


@pytest.mark.parametrize(
    ("host", "remote"),
    [
        ("127.0.0.1", Address("::1", 9)),
        ("127.0.0.1", Address("127.0.0.1", 0)),
        ("127.0.0.1", Address("127.0.0.1", 65536)),
        ("127.0.0.1", Address("localhost", 9)),
        ("::1", Address("fe80::1%lo", 9)),
        ("::1", Address("fe80::1%\0", 9)),
    ],
    ids=lambda value: repr(str(value)),
)
async def test_where_nothing_can_go(opened: Open, host: str, remote: Address) -> None:
    left = opened(host)
    left.send([b"abc"] * 5, remote)
    assert (left.counters.refused, left.counters.send_calls) == (5, 0)


async def test_a_real_full_queue_loses_and_raises_nothing(opened: Open) -> None:
    left, right = opened(), opened()
    left._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    for _ in range(200):
        left.send([bytes(1000)] * 60, right.local)
    counters = left.counters
    assert counters.datagrams_out + counters.dropped + counters.refused == 200 * 60


class Moving:
    """Addresses that change."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = list(hosts)

    def __call__(self) -> list[str]:
        return self.hosts


async def test_only_own_addresses_may_send(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Moving("192.0.2.1")
    own = OwnAddresses(here)
    monkeypatch.setattr(own, "holds", lambda host: host in own._hosts)  # loopback plays the stranger
    left, right = opened(), opened(only_from=own)
    left.send([b"knock"] * 3, right.local)
    with trio.move_on_after(0.05):
        await right.receive()
    assert (right.counters.foreign, right.counters.datagrams_in) == (3, 0)
    here.hosts.append("127.0.0.1")
    own._refresh_at = 0.0  # as after some seconds
    left.send([b"hello"], right.local)
    assert len(await receive(right, 1)) == 1


async def test_caches_that_strangers_fill_are_bounded(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = opened(), opened()
    for port in range(1, MAXIMUM_KNOWN_PEERS + 10):
        left._learn_destination(Address("127.0.0.1", port))
        left._learn_origin(("127.0.0.1", port))
    assert len(left._destinations) <= MAXIMUM_KNOWN_PEERS
    assert len(left._origins) <= MAXIMUM_KNOWN_PEERS
    left.send([b"still works"], right.local)
    assert len(await receive(right, 1)) == 1


async def test_taps_see_both_ways(opened: Open) -> None:
    seen: list[tuple[bytes, str, Address]] = []
    left, right = opened(), opened()
    left.tap = lambda datagram, direction, now: seen.append((datagram.data, direction, datagram.local))
    left.send([b"one", b"two"], right.local)
    right.send([b"three"], left.local)
    await receive(left, 1)
    assert seen == [(b"one", "out", left.local), (b"two", "out", left.local), (b"three", "in", left.local)]


async def test_closing_wakes_who_waits(opened: Open) -> None:
    left = opened()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def wait() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await left.receive()

        await trio.testing.wait_all_tasks_blocked()
        left.close()
        left.close()
    with pytest.raises(trio.ClosedResourceError):
        await left.receive()
    left.send([b"x"], Address("127.0.0.1", 9))
    assert left.counters.refused == 1


async def test_an_address_in_use_is_an_error(opened: Open) -> None:
    left = opened()
    with pytest.raises(OSError, match="in use"):
        KernelDatagramSocket(left.local)
    with pytest.raises(OSError, match="assign"):
        KernelDatagramSocket(Address("192.0.2.77", 0))


def test_the_numbers_are_the_kernels() -> None:
    assert (module.UDP_SEGMENT, module.UDP_GRO) == (103, 104)
    assert MAXIMUM_RUN * 1000 <= MAXIMUM_RUN_OCTETS
