"""A door with somebody behind it, for the tests of this folder."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import trio

from meetref.app.door import Answer, Door, DoorLimits
from meetref.app.origin import HostNames
from meetref.app.signaling import Channel, serve_signaling
from meetref.app.visitor import Visitor
from meetref.net.network import KernelNetwork, Network
from meetref.wire.address import Address

HOSTS = HostNames.told([], only_loopback=True)


async def say_path(visitor: Visitor) -> None:
    """Answer HTTP with the path that was asked for."""
    body = visitor.head.path.encode()
    await visitor.stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    await visitor.stream.aclose()


async def attend_nothing(channel: Channel) -> None:
    """Hear the channel out."""
    while True:
        await channel.receive()


@dataclass
class Doorway:
    """An open door and where it is."""

    door: Door
    network: Network
    address: Address
    nursery: trio.Nursery

    async def ask(self, request: bytes, *, stream: trio.abc.Stream | None = None) -> bytes:
        """Send `request` on a new connection and read until the other side closes."""
        stream = stream or await self.network.open_stream(self.address)
        async with stream:
            answer = b""
            try:
                await stream.send_all(request)
                while more := await stream.receive_some(65536):
                    answer += bytes(more)
            except trio.BrokenResourceError:
                pass
            return answer


@asynccontextmanager
async def open_doorway(
    *,
    attend: Callable[[Channel], Awaitable[None]] = attend_nothing,
    answer_http: Answer = say_path,
    network: Network | None = None,
    at: Address | None = None,
    tls: ssl.SSLContext | None = None,
    limits: DoorLimits | None = None,
) -> AsyncIterator[Doorway]:
    """Open a door at a free port of loopback, or at `at` on `network`."""
    network = network or KernelNetwork()
    answer_signaling = partial(serve_signaling, attend=attend, hosts=HOSTS)
    door = Door(answer_http=answer_http, answer_signaling=answer_signaling, tls=tls, limits=limits)
    listener = await network.open_listener(at or Address("127.0.0.1", 0))
    async with trio.open_nursery() as nursery:
        await nursery.start(door.serve, listener)
        yield Doorway(door, network, listener.local, nursery)
        nursery.cancel_scope.cancel()
