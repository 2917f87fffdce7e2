"""Datagrams over a TCP stream: both ways, in order, and with a queue that forgets."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from meetref.net.port import open_port
from meetref.net.streampath import QUEUE_OCTETS, SEND_TIMEOUT, StreamPath, is_media
from meetref.net.virtual import VirtualNetwork
from meetref.protocol.machine import Datagram
from meetref.wire.address import Address, StreamAddress
from meetref.wire.framing import Deframer, frame

HERE, THERE = StreamAddress("192.0.2.1", 443), StreamAddress("192.0.2.2", 50000)
MEDIA, CONTROL, CHECK, HANDSHAKE = b"\x80\x60", b"\x80\xc9", b"\x00\x01", b"\x16\xfe"


def packet(kind: bytes, number: int, size: int = 1000) -> bytes:
    return kind + number.to_bytes(4, "big") + bytes(size - 6)


def test_what_may_be_forgotten() -> None:
    assert is_media(MEDIA)
    assert not any(map(is_media, (CONTROL, CHECK, HANDSHAKE, b"")))


async def drained(stream: trio.abc.ReceiveStream, quiet: float = 0.5) -> list[bytes]:
    """All frames until nothing comes any more."""
    deframer, frames = Deframer(), list[bytes]()
    with trio.move_on_after(quiet) as patience:
        while octets := await stream.receive_some(4096):
            frames += deframer.feed(octets)
            patience.deadline = trio.current_time() + quiet
    return frames


@pytest.mark.spec("ice/tcp-framing", "ice/tcp-passive")
async def test_datagrams_come_and_go_in_order(autojump_clock: MockClock) -> None:
    near, far = memory_stream_pair()
    path = StreamPath(near, HERE, THERE)
    heard: list[Datagram] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(path.run, lambda batch, now: heard.extend(batch))
        await far.send_all(frame(b"one") + frame(b"two")[:3])
        await far.send_all(frame(b"two")[3:])
        path.send([b"three", b"four"])
        path.send([b"five"])
        assert await drained(far) == [b"three", b"four", b"five"]
        await far.aclose()
    assert heard == [Datagram(b"one", HERE, THERE), Datagram(b"two", HERE, THERE)]
    assert not path.forgotten


@pytest.mark.spec("ice/tcp-queue")
async def test_who_does_not_read_loses_the_oldest_media_and_nothing_else(autojump_clock: MockClock) -> None:
    near, far = memory_stream_pair()
    path = StreamPath(near, HERE, THERE)
    path.send([packet(CHECK, 0, 100), packet(CONTROL, 0, 100), packet(HANDSHAKE, 0, 100)])
    for number in range(400):
        path.send([packet(MEDIA, number)])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(path.run, lambda batch, now: None)
        frames = await drained(far)
        await far.aclose()
    assert [each[:2] for each in frames[:3]] == [CHECK, CONTROL, HANDSHAKE]
    numbers = [int.from_bytes(each[2:6], "big") for each in frames[3:]]
    assert numbers == list(range(400 - len(numbers), 400))
    assert QUEUE_OCTETS - 2000 < 1000 * len(numbers) <= QUEUE_OCTETS
    assert path.forgotten == {"media": 400 - len(numbers)}


@pytest.mark.spec("ice/tcp-queue")
async def test_even_what_is_needed_has_a_bound(autojump_clock: MockClock) -> None:
    near, _ = memory_stream_pair()
    path = StreamPath(near, HERE, THERE)
    for number in range(1000):
        path.send([packet(CONTROL, number)])
        assert path._size <= 2 * QUEUE_OCTETS + 1000
    assert path.forgotten["other"] > 700


async def test_a_peer_that_takes_nothing_is_let_go(autojump_clock: MockClock) -> None:
    class Stuck(trio.abc.SendStream):
        async def send_all(self, data: object) -> None:
            await trio.sleep_forever()

        async def wait_send_all_might_not_block(self) -> None:
            await trio.sleep_forever()

        async def aclose(self) -> None:
            pass

    near, _ = memory_stream_pair()
    path = StreamPath(trio.StapledStream(Stuck(), near.receive_stream), HERE, THERE)
    path.send([b"\x00"])
    before = trio.current_time()
    await path.run(lambda batch, now: None)
    assert trio.current_time() - before == pytest.approx(SEND_TIMEOUT)


async def test_a_port_sends_over_a_stream_while_there_is_one(autojump_clock: MockClock) -> None:
    network = VirtualNetwork(1)
    host = network.host("server")
    port = await open_port(host, [host.addresses()[0]], 0)
    near, far = memory_stream_pair()
    path = StreamPath(near, HERE, THERE)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(port.run_stream, path, lambda batch, now: None)
        await trio.testing.wait_all_tasks_blocked()
        port.send([b"a", b"b"], HERE, THERE)
        assert await drained(far) == [b"a", b"b"]
        assert port.unroutable == 0
        await far.aclose()
    port.send([b"c"], HERE, THERE)
    port.send([b"d"], Address("192.0.2.9", 9), Address("192.0.2.2", 50000))
    assert port.unroutable == 2
    port.close()
