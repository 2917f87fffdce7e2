"""Captures: what taps see becomes packets, secrets stand before what needs them, and everything is bounded."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from meetref.net.capture import Capture, FileWriter, capture_file, in_order
from meetref.net.datagram import KernelDatagramSocket
from meetref.net.virtual import VirtualNetwork
from meetref.net.virtuallink import Impairments
from meetref.protocol.machine import Datagram
from meetref.wire import udp
from meetref.wire.address import Address
from meetref.wire.pcapng import Block, Interface, Packet, Secrets, Section, parse, serialize

HERE, THERE = Address("192.0.2.1", 1), Address("192.0.2.2", 2)


def test_packets_have_their_ends_the_right_way_round() -> None:
    blocks: list[Block] = []
    tap = Capture(blocks.append, clock_offset=100).tap("here")
    tap(Datagram(b"there", HERE, THERE), "out", 1.5)
    tap(Datagram(b"back", HERE, THERE), "in", 1.75)
    out, back = (udp.Packet(HERE, THERE, b"there"), udp.Packet(THERE, HERE, b"back"))
    assert blocks == [
        Section(),
        Interface("here"),
        Packet(0, 101_500_000_000, udp.serialize(out), None, "out"),
        Packet(0, 101_750_000_000, udp.serialize(back), None, "in"),
    ]


def test_order_for_session_files() -> None:
    blocks: list[Block] = []
    capture = Capture(blocks.append)
    first, second = capture.tap("first"), capture.tap("second")
    second(Datagram(b"later", HERE, THERE), "out", 2.0)
    capture.key_log("B 2")
    capture.key_log("A 1")
    capture.key_log("B 2")
    first(Datagram(b"earlier", HERE, THERE), "out", 1.0)
    ordered = in_order(blocks)
    assert ordered[:4] == [Section(), Interface("first"), Interface("second"), Secrets(b"A 1\nB 2\n")]
    assert [block.at_ns for block in ordered[4:] if isinstance(block, Packet)] == [10**9, 2 * 10**9]
    assert sum(isinstance(block, Secrets) for block in blocks) == 2


def test_a_capture_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks: list[Block] = []
    capture = Capture(blocks.append, maximum_octets=10)
    tap = capture.tap("here")
    for _ in range(5):
        tap(Datagram(b"four", HERE, THERE), "out", 0.0)
    assert (capture.packets, capture.dropped) == (2, 3)
    monkeypatch.setattr("meetref.net.capture.MAXIMUM_SECRETS", 3)
    for number in range(5):
        capture.key_log(f"CLIENT_RANDOM {number}")
    assert sum(isinstance(block, Secrets) for block in blocks) == 3


async def test_a_file_of_real_sockets_is_whole_at_any_moment(tmp_path: Path) -> None:
    left, right = (KernelDatagramSocket(Address("127.0.0.1", 0)) for _ in range(2))
    path = tmp_path / "live.pcapng"
    with capture_file(path, clock_offset=0.0) as capture:
        capture.attach([left, right])
        left.send([b"one", b"two"], right.local)
        with trio.fail_after(5):
            await right.receive()
        capture.key_log("CLIENT_RANDOM 00 11")
        assert parse(path.read_bytes())[-1] == Secrets(b"CLIENT_RANDOM 00 11\n")
    blocks = parse(path.read_bytes())
    assert [block.name for block in blocks if isinstance(block, Interface)] == [str(left.local), str(right.local)]
    assert sum(isinstance(block, Packet) for block in blocks) >= 3
    left.close()
    right.close()


class FullDisk:
    def write(self, octets: bytes) -> int:
        raise OSError(errno.ENOSPC, "full")

    def flush(self) -> None: ...


def test_a_full_disk_ends_the_capture_only() -> None:
    writer = FileWriter(FullDisk())  # type: ignore[arg-type]
    tap = Capture(writer.write).tap("here")
    tap(Datagram(b"x", HERE, THERE), "out", 0.0)
    assert writer.problem is not None
    assert writer.problem.errno == errno.ENOSPC


async def capture_conversation(seed: int) -> bytes:
    blocks: list[Block] = []
    capture = Capture(blocks.append)
    network = VirtualNetwork(seed)
    alice, bob = network.host("alice"), network.host("bob")
    for host in (alice, bob):
        host.tap = capture.tap(host.name)
    network.connect(alice, bob, Impairments(delay=0.05, jitter=0.02, loss=0.2))
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        socket = await alice.open_datagram(Address("192.0.2.1", 1))
        await bob.open_datagram(Address("192.0.2.2", 2))
        for _ in range(50):
            socket.send([alice.dice(20)], Address("192.0.2.2", 2))
            await trio.sleep(0.02)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    return serialize(in_order(blocks))


def test_a_story_gives_the_same_file_each_time() -> None:
    first, again, other = (
        trio.run(capture_conversation, seed, clock=MockClock(autojump_threshold=0)) for seed in (1, 1, 2)
    )
    assert first == again != other
    assert len(parse(first)) > 80
