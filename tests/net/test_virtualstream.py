"""Streams of the virtual network: order, ends, breaks, and back-pressure."""

from __future__ import annotations

import errno

import pytest
import trio
from trio.testing import MockClock

from meetref.net.virtual import VirtualNetwork
from meetref.net.virtualhost import VirtualHost
from meetref.net.virtuallink import Impairments
from meetref.net.virtuallistener import MAXIMUM_BACKLOG
from meetref.net.virtualstream import WINDOW_OCTETS, VirtualStream
from meetref.wire.address import Address


async def two_hosts(nursery: trio.Nursery, there: Impairments) -> tuple[VirtualHost, VirtualHost]:
    network = VirtualNetwork(1)
    await nursery.start(network.run)
    alice, bob = network.host("alice"), network.host("bob")
    network.connect(alice, bob, there)
    return alice, bob


async def connected(nursery: trio.Nursery, there: Impairments) -> tuple[VirtualStream, VirtualStream]:
    alice, bob = await two_hosts(nursery, there)
    listener = await bob.open_listener(Address(bob.addresses()[0], 80))
    near = await alice.open_stream(listener.local)
    return near, await listener.accept()


async def read_all(stream: VirtualStream) -> bytes:
    return b"".join([part async for part in stream])


async def test_trios_own_check_of_streams(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        network = VirtualNetwork(1)
        await nursery.start(network.run)
        host = network.host("alice")
        listener = await host.open_listener(Address("127.0.0.1", 0))

        async def make_pair() -> tuple[VirtualStream, VirtualStream]:
            near = await host.open_stream(listener.local)
            return near, await listener.accept()

        async def make_clogged_pair() -> tuple[VirtualStream, VirtualStream]:
            near, far = await make_pair()
            for stream in (near, far):
                with trio.move_on_after(1):
                    await stream.send_all(bytes(2 * WINDOW_OCTETS))
            return near, far

        await trio.testing.check_half_closeable_stream(make_pair, make_clogged_pair)
        nursery.cancel_scope.cancel()


async def test_connecting_takes_a_round_trip(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    near, far = await connected(nursery, Impairments(delay=0.05))
    assert trio.current_time() == pytest.approx(0.1)
    assert (near.local, near.remote) == (far.remote, far.local)
    await near.send_all(b"hello")
    assert await far.receive_some() == b"hello"
    assert trio.current_time() == pytest.approx(0.15)


async def test_half_close(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    near, far = await connected(nursery, Impairments(delay=0.05))
    await near.send_all(b"question")
    await near.send_eof()
    assert await read_all(far) == b"question"
    await far.send_all(b"answer")
    await far.aclose()
    assert await read_all(near) == b"answer"


@pytest.mark.parametrize(
    "there",
    [
        Impairments(delay=0.02, loss=0.3),
        Impairments(reordering=0.5, duplication=0.5),
        Impairments(bandwidth_bps=1e6, queue_octets=5000),
    ],
    ids=["loss", "reordering", "bandwidth"],
)
async def test_bad_links_only_make_it_late(
    autojump_clock: MockClock, nursery: trio.Nursery, there: Impairments
) -> None:
    near, far = await connected(nursery, there)
    sent = bytes(range(256)) * 400

    async def send() -> None:
        await near.send_all(sent)
        await near.aclose()

    nursery.start_soon(send)
    assert await read_all(far) == sent


async def test_a_slow_reader_slows_the_writer(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    near, far = await connected(nursery, Impairments())
    with trio.move_on_after(5) as scope:
        await near.send_all(bytes(2 * WINDOW_OCTETS))
    assert scope.cancelled_caught
    assert len(await far.receive_some()) >= WINDOW_OCTETS
    with trio.fail_after(1):
        await near.wait_send_all_might_not_block()


async def test_refused_and_timed_out(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    alice, bob = await two_hosts(nursery, Impairments(delay=0.05))
    with pytest.raises(ConnectionRefusedError):
        await alice.open_stream(Address(bob.addresses()[0], 80))
    with pytest.raises(TimeoutError):
        await alice.open_stream(Address("203.0.113.99", 80))
    lonely = alice.network.host("lonely", "203.0.113.5")
    with pytest.raises(OSError, match="unreachable") as unreachable:
        await lonely.open_stream(Address("2001:db8::2", 80))
    assert unreachable.value.errno == errno.ENETUNREACH


async def test_a_short_partition_delays_and_a_long_one_breaks(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    near, far = await connected(nursery, Impairments(delay=0.05))
    network = near.host.network
    network.partition([near.host], [far.host])
    await near.send_all(b"late")
    await trio.sleep(5)
    network.heal()
    assert await far.receive_some() == b"late"
    network.partition([near.host], [far.host])
    await near.send_all(b"never")
    with pytest.raises(trio.BrokenResourceError):
        await near.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await near.send_all(b"x")


async def test_killing_a_host_resets_its_streams(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    near, far = await connected(nursery, Impairments(delay=0.05))
    socket = await far.host.open_datagram(Address(far.local.host, 9))
    far.host.kill()
    with pytest.raises(trio.BrokenResourceError):
        await near.receive_some()
    with pytest.raises(trio.ClosedResourceError):
        await socket.receive()
    with pytest.raises(ConnectionRefusedError):
        await near.host.open_stream(far.local)
    await far.host.open_listener(far.local)  # as a restarted process does
    await near.host.open_stream(far.local)


async def test_sending_to_who_closed_resets(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    near, far = await connected(nursery, Impairments(delay=0.05))
    await far.aclose()
    assert await near.receive_some() == b""
    await near.send_all(b"are you there?")
    await trio.sleep(1)
    with pytest.raises(trio.BrokenResourceError):
        await near.send_all(b"x")


async def test_the_backlog_is_bounded(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    alice, bob = await two_hosts(nursery, Impairments())
    listener = await bob.open_listener(Address(bob.addresses()[0], 80))
    streams = [await alice.open_stream(listener.local) for _ in range(MAXIMUM_BACKLOG)]
    with pytest.raises(ConnectionRefusedError):
        await alice.open_stream(listener.local)
    await listener.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await streams[0].receive_some()
    with pytest.raises(trio.ClosedResourceError):
        await listener.accept()


async def test_a_cancelled_connect_leaves_nothing(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    alice, bob = await two_hosts(nursery, Impairments(delay=1))
    listener = await bob.open_listener(Address(bob.addresses()[0], 80))
    with trio.move_on_after(1.5):
        await alice.open_stream(listener.local)
    far = await listener.accept()
    with pytest.raises(trio.BrokenResourceError):
        await far.receive_some()
    assert not alice._streams
    assert not bob._streams
