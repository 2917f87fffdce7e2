"""One end of a TCP-like stream of the virtual network.

Stands on a `VirtualHost` and on two flows (`net/virtualflow`), one each way; what arrives waits here to be read.
A window bounds what is sent and not yet read, so a slow reader slows the writer down.
Leaves out: acknowledgements (the sender knows at once what was read) and congestion control.
Read next: `net/virtualflow.py`, `net/virtuallistener.py` (how streams come to be).
"""

from __future__ import annotations

from functools import partial
from operator import index
from typing import TYPE_CHECKING

import trio

from meetref.net.virtualflow import Flow
from meetref.wire.address import Address

if TYPE_CHECKING:
    from meetref.net.virtualhost import VirtualHost

SEGMENT_OCTETS = 1400
WINDOW_OCTETS = 64 * 1024


class Turn:
    """Lets one task in at a time; a second one is a mistake, and told so."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._taken = False

    def __enter__(self) -> None:
        if self._taken:
            raise trio.BusyResourceError(f"another task is {self._doing} this stream")
        self._taken = True

    def __exit__(self, *_: object) -> None:
        self._taken = False


class VirtualStream(trio.abc.HalfCloseableStream):
    """One end of a stream; `peer` is the other one, and `flow` leads there."""

    peer: VirtualStream
    flow: Flow

    def __init__(self, host: VirtualHost, local: Address, remote: Address) -> None:
        self.host = host
        self.local = local
        self.remote = remote
        self._received = bytearray()
        self._under_way = 0  # octets sent and not yet read at the other end
        self._ended = False  # the other end will send no more
        self._finished = False  # we will send no more
        self._broken = False
        self._closed = False
        self._sending = Turn("writing to")
        self._receiving = Turn("reading from")
        self._readers = trio.lowlevel.ParkingLot()
        self._writers = trio.lowlevel.ParkingLot()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        with self._sending:
            await trio.lowlevel.checkpoint()
            self._check_sending()
            rest = memoryview(bytes(data))
            while rest:
                await self._wait_for_window()
                segment, rest = bytes(rest[:SEGMENT_OCTETS]), rest[SEGMENT_OCTETS:]
                self._under_way += len(segment)
                self.flow.push(len(segment), partial(self.peer._take, segment))

    async def wait_send_all_might_not_block(self) -> None:
        with self._sending:
            await trio.lowlevel.checkpoint()
            self._check_sending()
            await self._wait_for_window()

    async def _wait_for_window(self) -> None:
        while self._under_way >= WINDOW_OCTETS:
            await self._writers.park()
            self._check_sending()

    def _check_sending(self) -> None:
        if self._closed or self._finished:
            raise trio.ClosedResourceError
        if self._broken:
            raise trio.BrokenResourceError("the stream was reset")

    async def send_eof(self) -> None:
        with self._sending:
            await trio.lowlevel.checkpoint()
            if self._closed:
                raise trio.ClosedResourceError
            self._finish()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if max_bytes is not None and index(max_bytes) < 1:
            raise ValueError("max_bytes must be at least 1")
        with self._receiving:
            await trio.lowlevel.checkpoint()
            await self._wait_for_octets()
        data = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        self.peer._read_there(len(data))
        return data

    async def _wait_for_octets(self) -> None:
        """Return when there is something to read, or the end."""
        while True:
            if self._closed:
                raise trio.ClosedResourceError
            if self._broken:
                raise trio.BrokenResourceError("the stream was reset")
            if self._received or self._ended:
                return
            await self._readers.park()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Close at once: the other end reads what is under way, then the end. What it sends after that resets it."""
        if not self._closed:
            if self._received:
                self.flow.push(0, self.peer.break_off)  # as TCP does when something was never read
            self._finish()
            self._closed = True
            self._gone()

    def reset(self) -> None:
        """Break both ends, this one at once and the other when the news arrives there."""
        if not self._closed and not self._broken:
            self.flow.push(0, self.peer.break_off)
            self.break_off()

    def _finish(self) -> None:
        if not self._finished and not self._broken:
            self._finished = True
            self.flow.push(0, self.peer._take_end)

    # --- called from the other end, when something arrives here ------------------------------------------

    def _take(self, segment: bytes) -> None:
        if self._closed:
            self.flow.push(0, self.peer.break_off)
        elif not self._broken:
            self._received += segment
            self._readers.unpark()

    def _take_end(self) -> None:
        self._ended = True
        self._readers.unpark_all()

    def _read_there(self, size: int) -> None:
        self._under_way -= size
        self._writers.unpark_all()

    def break_off(self) -> None:
        """This end is no more: reset by the other one, or the way there was given up."""
        self._broken = True
        self._gone()

    def _gone(self) -> None:
        self._readers.unpark_all()
        self._writers.unpark_all()
        self.host.forget(self)
