"""A wire between two peers of others, which writes down every datagram that goes over it.

    one peer  <->  socket a | written down | socket b  <->  the other

Each is told the address of the socket on its side as the only candidate of the other, and is known by what it sends.
Read next: tests/peers/test_data_channels_tshark.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from meetref.net.capture import Capture, in_order
from meetref.net.network import KernelNetwork
from meetref.protocol.machine import Datagram
from meetref.wire.address import Address
from meetref.wire.pcapng import Block


class TappedWire:
    """`blocks` of a capture file as the two speak; `add_secrets` puts lines of a key log in front of them."""

    def __init__(self, sockets: tuple[trio.socket.SocketType, trio.socket.SocketType]) -> None:
        self._sockets = sockets
        self._ends: list[Address | None] = [None, None]
        self._blocks: list[Block] = []
        self._capture = Capture(self._blocks.append)
        self._tap = self._capture.tap("wire")

    @property
    def blocks(self) -> list[Block]:
        return in_order(self._blocks)

    def add_secrets(self, lines: str) -> None:
        """The lines of a key log; what is none is passed over."""
        for line in lines.splitlines():
            if len(line.split()) == 3:
                self._capture.key_log(line)

    def for_side(self, side: int, sdp: str) -> str:
        """The other's description as that side (0 or 1) is to read it: it is reached over the wire alone."""
        address = Address(*self._sockets[side].getsockname()[:2])
        candidate = f"a=candidate:1 1 UDP 2122252543 {address.host} {address.port} typ host"
        lines = [line for line in sdp.splitlines() if not line.startswith(("a=candidate:", "a=end-of-candidates"))]
        return "\r\n".join([*lines, candidate, "a=end-of-candidates", ""])

    async def carry(self, side: int) -> None:
        """From that side to the other, once both are known."""
        while True:
            try:
                data, source = await self._sockets[side].recvfrom(65536)
            except ConnectionRefusedError:
                continue  # whoever was there is gone
            self._ends[side] = here = Address(*source[:2])
            there = self._ends[1 - side]
            if there is not None:
                self._tap(Datagram(data, here, there), "out", trio.current_time())
                await self._sockets[1 - side].sendto(data, tuple(there))


@asynccontextmanager
async def open_tapped_wire() -> AsyncIterator[TappedWire]:
    """A wire for one conversation of one section: a description has the candidate at its end.

    Browsers send nothing to loopback from an address of this machine, so it has one of those, where there is any.
    """
    family, kind = trio.socket.AF_INET, trio.socket.SOCK_DGRAM
    hosts = [host for host in KernelNetwork().addresses() if "." in host and not host.startswith("127.")]
    with trio.socket.socket(family, kind) as first, trio.socket.socket(family, kind) as second:
        for socket in (first, second):
            await socket.bind(((hosts or ["127.0.0.1"])[0], 0))
        wire = TappedWire((first, second))
        async with trio.open_nursery() as nursery:
            for side in (0, 1):
                nursery.start_soon(wire.carry, side)
            yield wire
            nursery.cancel_scope.cancel()
