"""Long messages are small on the wire, short ones and those of who does not offer it are as they were."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection
from trio_websocket import wrap_client_stream as wrap_plain_stream

from meetref.app.deflate import WORTH_IT, wrap_client_stream, wrap_server_stream
from meetref.wire import signaling
from meetref.wire.signaling import MAXIMUM_MESSAGE_SIZE
from tests.app.doorway import open_doorway
from tests.app.test_signaling import Floor

OFFER = "".join(f"m=video 9 UDP/TLS/RTP/SAVPF 96 97 98\r\na=mid:v{number}\r\na=sendonly\r\n" for number in range(300))


class Counting(trio.abc.Stream):
    """A stream that keeps what was written into it."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.written = b""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.stream.aclose()


@asynccontextmanager
async def conversation(
    *, plain: bool = False
) -> AsyncIterator[tuple[WebSocketConnection, Counting, WebSocketConnection, Counting]]:
    """Server and client, and what each has written; a `plain` client does not know of the extension."""
    one, other = trio.testing.memory_stream_pair()
    theirs, ours = Counting(one), Counting(other)
    wrap = wrap_plain_stream if plain else wrap_client_stream
    accepted: list[WebSocketConnection] = []

    async def accept() -> None:
        request = await wrap_server_stream(nursery, ours, max_message_size=1 << 20)
        accepted.append(await request.accept())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept)
        client = await wrap(nursery, theirs, "localhost", "/signal", max_message_size=1 << 20)  # type: ignore[arg-type]
        await trio.testing.wait_all_tasks_blocked()
        ours.written = theirs.written = b""
        yield accepted[0], ours, client, theirs
        nursery.cancel_scope.cancel()


async def test_a_long_message_is_a_tenth_of_itself_both_ways() -> None:
    async with conversation() as (server, ours, client, theirs):
        for _ in range(2):  # each by itself
            await server.send_message(OFFER)
            assert await client.get_message() == OFFER
            await client.send_message(OFFER)
            assert await server.get_message() == OFFER
        assert len(ours.written) < 2 * len(OFFER) / 10
        assert len(theirs.written) < 2 * len(OFFER) / 10


@pytest.mark.parametrize("length", [0, 1, 125, WORTH_IT - 1])
async def test_a_short_message_goes_as_it_is(length: int) -> None:
    async with conversation() as (server, ours, client, _):
        await server.send_message(OFFER[:length])
        assert await client.get_message() == OFFER[:length]
        assert ours.written.endswith(OFFER[:length].encode())
        await server.send_message(OFFER)
        assert await client.get_message() == OFFER


async def test_what_has_a_secret_goes_as_it_is() -> None:
    joined = signaling.Joined(
        participant="1" * 16, secret="2" * 16, room="demo", resumed=False, sequence=0, ice_servers=[],
        people=[signaling.Person(id=f"{number:016}", name=f"Somebody {number}") for number in range(50)],
    )  # fmt: skip
    text = signaling.serialize(joined)
    assert len(text) > WORTH_IT
    async with conversation() as (server, ours, client, _):
        await server.send_message(text)
        assert await client.get_message() == text
        assert ours.written.endswith(text.encode())


async def test_who_does_not_offer_it_is_sent_everything_as_it_is() -> None:
    async with conversation(plain=True) as (server, ours, client, _):
        await server.send_message(OFFER)
        assert await client.get_message() == OFFER
        assert ours.written.endswith(OFFER.encode())


async def test_what_swells_beyond_the_largest_message_ends_the_connection() -> None:
    floor = Floor()
    async with open_doorway(attend=floor.attend) as doorway, trio.open_nursery() as nursery:
        stream = await doorway.network.open_stream(doorway.address)
        client = await wrap_client_stream(nursery, stream, "localhost", "/signal", max_message_size=1 << 20)
        with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012 (which of both hears it first is chance)
            await client.send_message("a" * 300 * MAXIMUM_MESSAGE_SIZE)
            while True:
                await client.get_message()
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1009
        assert floor.heard == []
        nursery.cancel_scope.cancel()
        await trio.aclose_forcefully(stream)
