"""A wire between two programs that loses, doubles and delays their handshake, by a seed; their data go through.

    client  <->  front socket | bad wire | back socket  <->  server (`target`)

Data are spared since nobody repeats them: a test that says hello would wait for ever. They are what 1.2 calls
application data, and what 1.3 protects with the epoch of data.
Read next: tests/peers/test_dtls_bad_wire.py.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from meetref.wire.address import Address
from meetref.wire.dtls import APPLICATION_DATA, EPOCH_BITS, UNIFIED, UNIFIED_MASK

LOST, DOUBLED, LATE_BY = 0.15, 0.15, 0.03
DATA_EPOCH = 3


def is_data(datagram: bytes) -> bool:
    first = datagram[0]
    return first == APPLICATION_DATA or (first & UNIFIED_MASK == UNIFIED and first & EPOCH_BITS == DATA_EPOCH)


class BadWire:
    """`address` is where the client should send to; `counts` what happened to the datagrams."""

    def __init__(self, seed: int, front: trio.socket.SocketType, back: trio.socket.SocketType, target: Address) -> None:
        self.address = Address(*front.getsockname()[:2])
        self.counts = {"passed": 0, "lost": 0, "doubled": 0}
        self._dice = random.Random(f"bad wire {seed}")
        self._front, self._back, self._target = front, back, target
        self._client: Address | None = None
        self._flying: list[tuple[float, int, bool, bytes]] = []
        self._order = itertools.count()
        self._changed = trio.Event()

    async def hear_client(self) -> None:
        while True:
            data, source = await self._front.recvfrom(65536)
            self._client = Address(*source[:2])
            self._take(data, to_server=True)

    async def hear_server(self) -> None:
        while True:
            try:
                data, _ = await self._back.recvfrom(65536)
            except ConnectionRefusedError:
                continue  # it does not listen yet
            self._take(data, to_server=False)

    def _take(self, data: bytes, *, to_server: bool) -> None:
        copies, late_by = 1, 0.0
        if not is_data(data):
            late_by = LATE_BY
            copies = 0 if self._dice.random() < LOST else 1 + (self._dice.random() < DOUBLED)
        self.counts[("lost", "passed", "doubled")[copies]] += 1
        for _ in range(copies):
            due = trio.current_time() + self._dice.random() * late_by
            heapq.heappush(self._flying, (due, next(self._order), to_server, data))
        self._changed.set()
        self._changed = trio.Event()

    async def carry(self) -> None:
        while True:
            while self._flying and self._flying[0][0] <= trio.current_time():
                _, _, to_server, data = heapq.heappop(self._flying)
                await self._send(data, to_server=to_server)
            with trio.move_on_at(self._flying[0][0] if self._flying else math.inf):
                await self._changed.wait()

    async def _send(self, data: bytes, *, to_server: bool) -> None:
        try:
            if to_server:
                await self._back.sendto(data, tuple(self._target))
            elif self._client is not None:
                await self._front.sendto(data, tuple(self._client))
        except ConnectionRefusedError:
            pass  # whoever was there is gone, or not there yet


@asynccontextmanager
async def open_bad_wire(seed: int, target: Address) -> AsyncIterator[BadWire]:
    """A wire to `target`, which need not listen yet."""
    family, kind = trio.socket.AF_INET, trio.socket.SOCK_DGRAM
    with trio.socket.socket(family, kind) as front, trio.socket.socket(family, kind) as back:
        for socket in (front, back):
            await socket.bind(("127.0.0.1", 0))
        wire = BadWire(seed, front, back, target)
        async with trio.open_nursery() as nursery:
            for work in (wire.hear_client, wire.hear_server, wire.carry):
                nursery.start_soon(work)
            yield wire
            nursery.cancel_scope.cancel()
