"""What the kernel puts aside, and that nothing else waits with it."""

from __future__ import annotations

import random
import socket
import sys
from collections.abc import Iterator

import pytest
import trio

from meetref.net.datagram import MAXIMUM_BATCH, KernelDatagramSocket
from meetref.net.network import KernelNetwork
from meetref.net.port import open_port
from meetref.net.unhurried import LONGEST_TRAILER, is_unhurried, open_twin
from meetref.wire.address import Address

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")

FEEDBACK = bytes([0x8F, 205, 0, 4]) + bytes(16)
"""Transport-wide, five words long, and not locked yet."""
TRAILER = bytes(LONGEST_TRAILER)
HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}

CASES = {
    "AES-GCM": (FEEDBACK + TRAILER, True),
    "HMAC-SHA1": (FEEDBACK + TRAILER[:14], True),
    "with padding": (bytes([0xAF]) + FEEDBACK[1:] + TRAILER, True),
    "a request for packets": (bytes([0x81]) + FEEDBACK[1:] + TRAILER, False),
    "with something behind it": (FEEDBACK + bytes(8) + TRAILER, False),
    "a report": (bytes([0x81, 201, 0, 7]) + bytes(28) + TRAILER, False),
    "cut off": (FEEDBACK[:12], False),
    "media": (bytes([0x90, 96]) + bytes(1000), False),
    "a check": (bytes([0, 1, 0, 0]) + bytes(16), False),
    "the other version": (bytes([0x4F]) + FEEDBACK[1:] + TRAILER, False),
}


@pytest.fixture(params=list(HOSTS))
def first(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    with socket.socket(request.param, socket.SOCK_DGRAM) as bound:
        bound.bind((HOSTS[request.param], 0))
        bound.settimeout(1)
        yield bound


@pytest.fixture
def twin(first: socket.socket) -> Iterator[socket.socket]:
    made = open_twin(first)
    assert made is not None
    made.settimeout(1)
    with made:
        yield made


@pytest.mark.parametrize("case", CASES)
def test_only_feedback_on_its_own_comes_by_the_twin(first: socket.socket, twin: socket.socket, case: str) -> None:
    data, waits = CASES[case]
    with socket.socket(first.family, socket.SOCK_DGRAM) as sender:
        sender.sendto(data, first.getsockname())
    assert (twin if waits else first).recv(2000) == data
    assert is_unhurried(data) == waits


def test_the_filter_and_the_function_are_the_same(first: socket.socket, twin: socket.socket) -> None:
    dice = random.Random(1)
    with socket.socket(first.family, socket.SOCK_DGRAM) as sender:
        for number in range(300):
            data = bytearray(FEEDBACK + dice.randbytes(dice.randrange(30)))
            data[dice.randrange(4)] ^= dice.choice([0, 0, 1, 2, 0x20])
            data[8:10] = number.to_bytes(2)
            sender.sendto(data, first.getsockname())
            assert (twin if is_unhurried(data) else first).recv(2000) == data, data.hex()


def test_nobody_else_gets_the_port(first: socket.socket, twin: socket.socket) -> None:
    with socket.socket(first.family, socket.SOCK_DGRAM) as other, pytest.raises(OSError, match="in use"):
        other.bind(first.getsockname())


def test_where_the_system_refuses_all_goes_on_as_before(first: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meetref.net.unhurried.SO_ATTACH_REUSEPORT_CBPF", 9999)
    assert open_twin(first) is None
    with socket.socket(first.family, socket.SOCK_DGRAM) as sender:
        sender.sendto(FEEDBACK + TRAILER, first.getsockname())
    assert first.recv(2000) == FEEDBACK + TRAILER


async def test_a_port_reads_it_when_it_is_asked() -> None:
    port = await open_port(KernelNetwork(), ["127.0.0.1", "::1"], 0)
    count = MAXIMUM_BATCH + 3
    try:
        assert port.poll_aside() == []
        port.put_aside()
        for local in port.locals:
            with socket.socket(socket.AF_INET6 if local.is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.connect((local.host, local.port))
                for number in range(count):
                    sender.send(FEEDBACK[:-1] + bytes([number]) + TRAILER)
                sender.send(b"with haste")
        found = []
        while some := port.poll_aside():
            assert len(some) <= MAXIMUM_BATCH
            found += some
        for local, kernel in port.sockets.items():
            assert [each.data[19] for each in found if each.local == local] == list(range(count))
            assert [each.data for each in await kernel.receive()] == [b"with haste"]
            assert kernel.counters.datagrams_in == count + 1
    finally:
        port.close()
    assert port.poll_aside() == []


async def test_what_was_put_aside_can_come_with_everything_again() -> None:
    port = await open_port(KernelNetwork(), ["127.0.0.1"], 0)
    (kernel,) = port.sockets.values()
    try:
        port.put_aside()
        port.take_back()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(FEEDBACK + TRAILER, (kernel.local.host, kernel.local.port))
        assert [each.data for each in await kernel.receive()] == [FEEDBACK + TRAILER]
        assert port.poll_aside() == []
    finally:
        port.close()


async def test_a_socket_with_a_twin_is_closed_whole() -> None:
    kernel = KernelDatagramSocket(Address("127.0.0.1", 0))
    assert kernel.put_aside()
    kernel.close()
    again = KernelDatagramSocket(kernel.local)
    again.close()
    with pytest.raises(trio.ClosedResourceError):
        await kernel.receive()
