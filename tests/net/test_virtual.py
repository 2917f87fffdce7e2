"""The virtual network: what arrives, when, and that a seed decides everything."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from meetref.net.virtual import VirtualNetwork, seed_trio
from meetref.net.virtualhost import VirtualHost
from meetref.net.virtuallink import Impairments
from meetref.net.virtualroute import Header
from meetref.net.virtualsocket import MAXIMUM_PAYLOAD, MAXIMUM_QUEUE_OCTETS, OVERHEAD_OCTETS
from meetref.protocol.machine import Datagram
from meetref.wire.address import Address

Log = list[tuple[float, str, str, bytes, Address, Address]]


async def two_hosts(nursery: trio.Nursery, there: Impairments, seed: int = 1) -> tuple[VirtualHost, VirtualHost]:
    network = VirtualNetwork(seed)
    await nursery.start(network.run)
    alice, bob = network.host("alice"), network.host("bob")
    network.connect(alice, bob, there)
    return alice, bob


async def test_datagrams_take_their_delay(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    alice, bob = await two_hosts(nursery, Impairments(delay=0.05))
    left = await alice.open_datagram(Address(alice.addresses()[0], 0))
    right = await bob.open_datagram(Address(bob.addresses()[0], 5000))
    left.send([b"one", b"two"], right.local)
    started_at = trio.current_time()
    batch = await right.receive()
    assert [datagram.data for datagram in batch] == [b"one", b"two"]
    assert trio.current_time() - started_at == pytest.approx(0.05)
    right.send([b"back"], batch[0].remote)
    assert await left.receive() == [Datagram(b"back", left.local, right.local)]
    assert (left.counters.datagrams_out, right.counters.datagrams_in, right.counters.octets_in) == (2, 2, 6)


async def test_addresses_come_from_the_documentation_ranges() -> None:
    network = VirtualNetwork(1)
    for number in range(300):
        network.host(f"host {number}")
    assert network.hosts["host 0"].addresses() == ["192.0.2.1", "2001:db8::1", "127.0.0.1", "::1"]
    assert network.hosts["host 254"].addresses()[:2] == ["198.51.100.1", "2001:db8::ff"]
    with pytest.raises(ValueError, match="taken"):
        network.host("impostor", "192.0.2.1")
    with pytest.raises(ValueError, match="already"):
        network.host("host 0")


async def test_loopback_stays_at_home(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    alice, bob = await two_hosts(nursery, Impairments())
    at_home = await alice.open_datagram(Address("127.0.0.1", 7))
    elsewhere = await bob.open_datagram(Address("127.0.0.1", 7))
    caller = await alice.open_datagram(Address(alice.addresses()[0], 0))
    caller.send([b"hello"], Address("127.0.0.1", 7))
    assert (await at_home.receive())[0].data == b"hello"
    at_home.send([b"out of here"], Address(bob.addresses()[0], 7))
    assert alice.network.unreachable == 1
    assert elsewhere.counters.datagrams_in == 0


async def test_only_local_drops_and_counts_foreigners(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    alice, bob = await two_hosts(nursery, Impairments())
    door = await alice.open_datagram(Address(alice.addresses()[0], 9), only_local=True)
    stranger = await bob.open_datagram(Address(bob.addresses()[0], 0))
    friend = await alice.open_datagram(Address(alice.addresses()[0], 0))
    stranger.send([b"knock"], door.local)
    friend.send([b"hello"], door.local)
    assert [datagram.data for datagram in await door.receive()] == [b"hello"]
    await trio.sleep(1)
    assert door.counters.foreign == 1


async def test_places_are_the_hosts_own_and_free() -> None:
    host = VirtualNetwork(1).host("alice", "192.0.2.7")
    first = await host.open_datagram(Address("192.0.2.7", 80))
    with pytest.raises(OSError, match="in use") as taken:
        await host.open_datagram(Address("192.0.2.7", 80))
    with pytest.raises(OSError, match="assign") as foreign:
        await host.open_datagram(Address("192.0.2.8", 80))
    assert (taken.value.errno, foreign.value.errno) == (errno.EADDRINUSE, errno.EADDRNOTAVAIL)
    first.close()
    with pytest.raises(trio.ClosedResourceError):
        await first.receive()
    await host.open_datagram(Address("192.0.2.7", 80))


@pytest.mark.parametrize(
    "remote", [Address("2001:db8::2", 5), Address("192.0.2.2", 0), Address("192.0.2.2", 70000)], ids=str
)
async def test_nothing_goes_where_nothing_can(remote: Address) -> None:
    host = VirtualNetwork(1).host("alice", "192.0.2.7")
    socket = await host.open_datagram(Address("192.0.2.7", 80))
    socket.send([b"x"], remote)
    socket.send([bytes(MAXIMUM_PAYLOAD + 1)], Address("192.0.2.2", 5))
    assert (socket.counters.refused, socket.counters.datagrams_out) == (2, 0)


async def test_the_receivers_queue_is_bounded(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    alice, bob = await two_hosts(nursery, Impairments())
    sender = await alice.open_datagram(Address(alice.addresses()[0], 0))
    receiver = await bob.open_datagram(Address(bob.addresses()[0], 0))
    fitting = MAXIMUM_QUEUE_OCTETS // (1000 + OVERHEAD_OCTETS)
    sender.send([bytes(1000)] * (fitting + 5), receiver.local)
    await trio.sleep(1)
    assert receiver.counters.dropped == 5
    received = 0
    while received < fitting:
        received += len(await receiver.receive())
    sender.send([b"there is room again"], receiver.local)
    assert len(await receiver.receive()) == 1


async def send_and_count(there: Impairments, packets: int, spacing: float = 0.01) -> tuple[VirtualHost, list[int]]:
    async with trio.open_nursery() as nursery:
        alice, bob = await two_hosts(nursery, there)
        sender = await alice.open_datagram(Address(alice.addresses()[0], 0))
        receiver = await bob.open_datagram(Address(bob.addresses()[0], 0))
        for number in range(packets):
            sender.send([number.to_bytes(4, "big")], receiver.local)
            await trio.sleep(spacing)
        await trio.sleep(10)
        arrived = []
        while len(arrived) < receiver.counters.datagrams_in or receiver._queue:
            arrived += [int.from_bytes(datagram.data, "big") for datagram in await receiver.receive()]
        nursery.cancel_scope.cancel()
    return alice, arrived


async def test_loss(autojump_clock: MockClock) -> None:
    _, arrived = await send_and_count(Impairments(loss=0.2), 1000)
    assert 700 < len(arrived) < 900
    assert arrived == sorted(arrived)


async def test_duplication(autojump_clock: MockClock) -> None:
    _, arrived = await send_and_count(Impairments(duplication=0.1), 1000)
    assert 1050 < len(arrived) < 1150
    assert len(set(arrived)) == 1000


async def test_jitter_keeps_the_order(autojump_clock: MockClock) -> None:
    _, arrived = await send_and_count(Impairments(delay=0.02, jitter=0.1), 300)
    assert arrived == list(range(300))


async def test_reordering_does_not(autojump_clock: MockClock) -> None:
    _, arrived = await send_and_count(Impairments(reordering=0.1, held_for=0.05), 300)
    assert arrived != list(range(300))
    assert sorted(arrived) == list(range(300))


async def test_bandwidth_spreads_and_the_queue_drops_at_its_tail(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    # 1000 octets with their headers take 8.224 ms at 1 Mbit/s; ten of them fit into the queue.
    alice, bob = await two_hosts(nursery, Impairments(bandwidth_bps=1e6, queue_octets=10 * 1028))
    sender = await alice.open_datagram(Address(alice.addresses()[0], 0))
    receiver = await bob.open_datagram(Address(bob.addresses()[0], 0))
    started_at = trio.current_time()
    sender.send([bytes(1000)] * 12, receiver.local)
    arrivals = []
    while len(arrivals) < 10:
        arrivals += [trio.current_time() - started_at for _ in await receiver.receive()]
    assert arrivals == pytest.approx([0.008224 * (number + 1) for number in range(10)])
    await trio.sleep(1)
    assert receiver.counters.datagrams_in == 10


async def test_a_bucket_passes_at_once_what_was_saved(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    alice, bob = await two_hosts(nursery, Impairments(bandwidth_bps=1e6, bucket_octets=2056))
    sender = await alice.open_datagram(Address(alice.addresses()[0], 0))
    receiver = await bob.open_datagram(Address(bob.addresses()[0], 0))
    await trio.sleep(1)
    started_at = trio.current_time()
    sender.send([bytes(1000)] * 4, receiver.local)
    arrivals = []
    while len(arrivals) < 4:
        arrivals += [trio.current_time() - started_at for _ in await receiver.receive()]
    assert arrivals == pytest.approx([0, 0, 0.008224, 2 * 0.008224])


async def test_each_direction_is_its_own(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    network = VirtualNetwork(1)
    await nursery.start(network.run)
    alice, bob = network.host("alice"), network.host("bob")
    alice.access(Impairments(delay=0.1), Impairments(delay=0.3))
    network.connect(alice, bob, Impairments(delay=0.01), Impairments(delay=0.02))
    left = await alice.open_datagram(Address(alice.addresses()[0], 0))
    right = await bob.open_datagram(Address(bob.addresses()[0], 0))
    left.send([b"there"], right.local)
    await right.receive()
    assert trio.current_time() == pytest.approx(0.11)
    right.send([b"back"], left.local)
    await left.receive()
    assert trio.current_time() == pytest.approx(0.11 + 0.32)


async def test_a_shared_link_takes_packets_in_the_order_of_arrival(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Bob's slow access must not make a near neighbour wait for what is still far away."""
    network = VirtualNetwork(1)
    await nursery.start(network.run)
    far, near, bob = network.host("far"), network.host("near"), network.host("bob")
    network.connect(far, bob, Impairments(delay=0.5))
    bob.access(Impairments(bandwidth_bps=1e6))
    receiver = await bob.open_datagram(Address(bob.addresses()[0], 0))
    for host in (far, near):
        sender = await host.open_datagram(Address(host.addresses()[0], 0))
        sender.send([host.name.encode()], receiver.local)
    assert [datagram.data for datagram in await receiver.receive()] == [b"near"]
    assert trio.current_time() < 0.01


async def test_partition_and_plug(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    alice, bob = await two_hosts(nursery, Impairments(delay=0.01))
    network = alice.network
    sender = await alice.open_datagram(Address(alice.addresses()[0], 0))
    receiver = await bob.open_datagram(Address(bob.addresses()[0], 0))
    network.partition([alice], [bob])
    sender.send([b"lost"], receiver.local)
    network.heal()
    sender.send([b"lost too: unplugged when it arrives"], receiver.local)
    bob.unplug()
    await trio.sleep(1)
    bob.plug_in()
    sender.send([b"arrives"], receiver.local)
    assert [datagram.data for datagram in await receiver.receive()] == [b"arrives"]


async def test_a_tick_gathers_arrivals(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    network = VirtualNetwork(1, tick=0.01)
    await nursery.start(network.run)
    alice, bob = network.host("alice"), network.host("bob")
    network.connect(alice, bob, Impairments(delay=0.0123))
    sender = await alice.open_datagram(Address(alice.addresses()[0], 0))
    receiver = await bob.open_datagram(Address(bob.addresses()[0], 0))
    sender.send([b"x"], receiver.local)
    await receiver.receive()
    assert trio.current_time() == pytest.approx(0.02)


class PortMapper:
    """The simplest middlebox: one host behind one address, ports as they are."""

    addresses: Sequence[str] = ("198.51.100.1",)
    behind = None

    def __init__(self, inside: str) -> None:
        self.inside = inside
        self.permitted: set[Address] = set()

    def hides(self, host: str) -> bool:
        return True

    def outward(self, header: Header, now: float) -> Header | None:
        self.permitted.add(header.destination)
        return header._replace(source=Address(self.addresses[0], header.source.port))

    def holder(self, header: Header) -> Address | None:
        return Address(self.inside, header.destination.port)

    def inward(self, header: Header, now: float) -> Header | None:
        return header._replace(destination=self.holder(header)) if header.source in self.permitted else None


async def test_a_middlebox_translates(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    network = VirtualNetwork(1)
    await nursery.start(network.run)
    alice = network.host("alice", "192.168.1.2", behind=PortMapper("192.168.1.2"))
    bob = network.host("bob", "192.0.2.2")
    inside = await alice.open_datagram(Address("192.168.1.2", 1000))
    outside = await bob.open_datagram(Address("192.0.2.2", 2000))
    outside.send([b"too early"], Address("198.51.100.1", 1000))
    await trio.sleep(0.1)
    inside.send([b"out"], outside.local)
    assert await outside.receive() == [Datagram(b"out", outside.local, Address("198.51.100.1", 1000))]
    outside.send([b"in"], Address("198.51.100.1", 1000))
    assert await inside.receive() == [Datagram(b"in", inside.local, outside.local)]
    outside.send([b"nobody has this address"], Address("192.168.1.2", 1000))
    await trio.sleep(0.1)
    assert network.unreachable == 2


# --- everything from the seed -----------------------------------------------------------------------

BAD = Impairments(delay=0.02, jitter=0.03, loss=0.1, duplication=0.05, reordering=0.1, bandwidth_bps=2e6)


def record(seed: int) -> Log:
    """Three hosts talk over bad links, with dice and tasks of their own; everything that taps saw."""
    log: Log = []

    def tap_of(name: str) -> Callable[[Datagram, str, float], None]:
        return lambda datagram, way, now: log.append((now, name, way, datagram.data, datagram.local, datagram.remote))

    async def talk(host: VirtualHost, others: list[VirtualHost]) -> None:
        socket = await host.open_datagram(Address(host.addresses()[0], 5000))
        async with trio.open_nursery() as nursery:
            for other in others:
                nursery.start_soon(say, host, socket, Address(other.addresses()[0], 5000))
            with trio.move_on_after(3):
                while True:
                    for datagram in await socket.receive():
                        if datagram.data[0] < 64:
                            socket.send([b"\xff" + datagram.data], datagram.remote)

    async def say(host: VirtualHost, socket: object, remote: Address) -> None:
        for _ in range(50):
            socket.send([host.dice(host.dice(1)[0] % 200 + 1)], remote)  # type: ignore[attr-defined]
            await trio.sleep(0.01)

    async def main() -> None:
        network = VirtualNetwork(seed)
        hosts = [network.host(name) for name in ("alice", "bob", "carol")]
        for host in hosts:
            host.access(BAD)
            host.tap = tap_of(host.name)
        async with trio.open_nursery() as nursery:
            await nursery.start(network.run)
            async with trio.open_nursery() as talkers:
                for host in hosts:
                    talkers.start_soon(talk, host, [other for other in hosts if other is not host])
            nursery.cancel_scope.cancel()

    seed_trio(seed)
    trio.run(main, clock=MockClock(autojump_threshold=0))
    return log


def test_the_same_seed_gives_the_same_log() -> None:
    first = record(7)
    assert len(first) > 500
    assert record(7) == first
    assert record(8) != first


def test_other_processes_give_the_same_log_too() -> None:
    """Sets of tasks are ordered by where they lie in memory, sets of text by a hash that differs from run to run."""
    program = "from tests.net.test_virtual import *; print(fingerprint(record(7)))"
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", program]
        root = Path(__file__).parent.parent.parent
        done = subprocess.run(
            command, env=environment, cwd=root, capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout.strip() == fingerprint(record(7))


def fingerprint(log: Log) -> str:
    return hashlib.sha256(repr(log).encode()).hexdigest()
