"""Datagrams on a stream: whole, in order, bounded, and with a goodbye."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from meetref.net.framed import GOODBYE_TIMEOUT, MAXIMUM_QUEUE_OCTETS, FramedStream, open_framed
from meetref.net.relayed import StreamSplitter
from meetref.net.virtual import VirtualNetwork
from meetref.net.virtuallink import Impairments
from meetref.net.virtualstream import WINDOW_OCTETS, VirtualStream
from meetref.wire import turn
from meetref.wire.address import Address, StreamAddress
from meetref.wire.framing import Deframer, frame
from meetref.wire.reader import Malformed


@asynccontextmanager
async def streams(there: Impairments | None = None) -> AsyncIterator[tuple[VirtualStream, VirtualStream]]:
    network = VirtualNetwork(1)
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        alice, bob = network.host("alice"), network.host("bob")
        network.connect(alice, bob, there or Impairments(delay=0.01))
        listener = await bob.open_listener(Address(bob.addresses()[0], 80))
        near = await alice.open_stream(listener.local)
        yield near, await listener.accept()
        nursery.cancel_scope.cancel()


def ends(stream: VirtualStream) -> tuple[StreamAddress, StreamAddress]:
    return StreamAddress(*stream.local), StreamAddress(*stream.remote)


@asynccontextmanager
async def both() -> AsyncIterator[tuple[FramedStream, FramedStream]]:
    async with (
        streams() as (near, far),
        open_framed(near, *ends(near), frame, Deframer().feed) as here,
        open_framed(far, *ends(far), frame, Deframer().feed) as there,
    ):
        yield here, there


async def receive(socket: FramedStream, count: int) -> list[bytes]:
    got: list[bytes] = []
    while len(got) < count:
        got += [datagram.data for datagram in await socket.receive()]
    return got


async def test_datagrams_come_out_whole_and_in_order(autojump_clock: MockClock) -> None:
    async with both() as (here, there):
        sent = [bytes([number % 251]) * (1 + 37 * number % 1500) for number in range(300)]
        here.send(sent, here.remote)
        assert await receive(there, 300) == sent
        assert (here.counters.datagrams_out, here.counters.dropped) == (300, 0)
        there.send((b"back",), there.remote)
        (back,) = await here.receive()
        assert (back.data, back.local, back.remote) == (b"back", here.local, here.remote)


async def test_nothing_goes_to_somebody_else(autojump_clock: MockClock) -> None:
    async with both() as (here, _):
        here.send((b"x",), StreamAddress("192.0.2.99", 1))
        assert here.counters.refused == 1
        assert here.counters.datagrams_out == 0


async def test_a_peer_that_does_not_read_costs_a_bounded_queue(autojump_clock: MockClock) -> None:
    async with streams() as (near, far):
        async with open_framed(near, *ends(near), frame, Deframer().feed) as socket:
            for _ in range(3000):
                socket.send((bytes(1000),), socket.remote)
            await trio.sleep(1)
            for _ in range(3000):
                socket.send((bytes(1000),), socket.remote)
            counters = socket.counters
            assert counters.dropped > 5000
            assert counters.datagrams_out + counters.dropped == 6000
            most = 2 * MAXIMUM_QUEUE_OCTETS + WINDOW_OCTETS
            assert counters.octets_out <= most
            before = trio.current_time()
        assert trio.current_time() - before <= GOODBYE_TIMEOUT  # it does not wait for that peer for ever
        await far.aclose()


async def test_a_goodbye_leaves_even_when_cancelled(autojump_clock: MockClock) -> None:
    async with streams() as (near, far):
        with trio.CancelScope() as scope:
            async with open_framed(near, *ends(near), frame, Deframer().feed) as socket:
                try:
                    scope.cancel()
                    await trio.sleep_forever()
                finally:
                    socket.send((b"goodbye",), socket.remote)
        octets = b"".join([part async for part in far])
        assert octets == frame(b"goodbye")


async def test_the_end_of_the_other_side_is_told(autojump_clock: MockClock) -> None:
    async with both() as (here, there):
        there.close()
        with pytest.raises(trio.ClosedResourceError):
            await here.receive()
        assert here.problem == "the other end closed the connection"
        here.send((b"x",), here.remote)
        assert here.counters.refused == 1


async def test_a_stream_that_makes_no_sense_is_ended(autojump_clock: MockClock) -> None:
    async with streams() as (near, far), open_framed(near, *ends(near), bytes, StreamSplitter()) as socket:
        await far.send_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # a TLS hello
        with pytest.raises(trio.ClosedResourceError):
            await socket.receive()
        assert socket.problem is not None
        assert socket.problem.startswith("not a message")


async def test_a_broken_stream_is_told(autojump_clock: MockClock) -> None:
    async with both() as (here, there):
        there._stream.reset()  # type: ignore[attr-defined]  # as a router does that forgot it
        with pytest.raises(trio.ClosedResourceError):
            await here.receive()
        assert here.problem == "the connection broke"


MESSAGES = st.lists(
    st.binary(max_size=40).map(lambda data: turn.serialize_channel_data(0x4001, data, padded=True))
    | st.binary(max_size=40).map(
        lambda data: turn.serialize_indication(turn.DATA_TYPE, bytes(12), Address("192.0.2.1", 1), data)
    ),
    max_size=10,
)


@given(MESSAGES, st.lists(st.integers(1, 50), min_size=1))
def test_messages_are_found_however_the_stream_is_cut(messages: list[bytes], cuts: list[int]) -> None:
    splitter, stream, found = StreamSplitter(), b"".join(messages), list[bytes]()
    for number in range(len(stream)):
        size = cuts[number % len(cuts)]
        found += splitter(stream[:size])
        stream = stream[size:]
    assert len(found) == len(messages)
    assert all(message.startswith(each) for each, message in zip(found, messages, strict=True))


@given(st.binary(max_size=300))
def test_any_octets_are_messages_or_malformed(octets: bytes) -> None:
    splitter = StreamSplitter()
    try:
        for message in splitter(octets):
            assert len(message) >= 4
    except Malformed:
        pass
