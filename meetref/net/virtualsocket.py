"""A UDP socket of the virtual network.

Stands on a `VirtualHost`; a `DatagramSocket` like the kernel's, with the same counters and the same manners: sending
never waits, and what finds the receiver's queue full is dropped and counted.
Leaves out: segmentation. Each packet travels alone, as it would on a wire.
Read next: `net/virtuallink.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import trio

from meetref.net.datagram import MAXIMUM_BATCH, Counters, Direction, Run, Tap
from meetref.protocol.machine import Datagram
from meetref.wire.address import Address

if TYPE_CHECKING:
    from meetref.net.virtualhost import VirtualHost

MAXIMUM_QUEUE_OCTETS = 4 << 20  # as `net/datagram` asks of the kernel
OVERHEAD_OCTETS = 512  # a kernel counts its own bookkeeping too: many small datagrams also fill a queue
MAXIMUM_PAYLOAD = 65_507


class VirtualDatagramSocket:
    """Made by `VirtualHost.open_datagram`."""

    def __init__(self, host: VirtualHost, local: Address, *, only_local: bool) -> None:
        self.local = local
        self.counters = Counters()
        self.tap: Tap | None = None
        self._host = host
        self._only_local = only_local
        self._queue: deque[Datagram] = deque()
        self._queued_octets = 0
        self._waiting = trio.lowlevel.ParkingLot()
        self._closed = False

    async def receive(self) -> list[Datagram]:
        if self._queue:
            await trio.lowlevel.checkpoint()
        while not self._queue:
            if self._closed:
                raise trio.ClosedResourceError
            await self._waiting.park()
        return self.poll()

    def poll(self) -> list[Datagram]:
        batch = [self._queue.popleft() for _ in range(min(MAXIMUM_BATCH, len(self._queue)))]
        self._queued_octets -= sum(len(datagram.data) + OVERHEAD_OCTETS for datagram in batch)
        self.counters.receive_calls += 1
        self.counters.datagrams_in += len(batch)
        self.counters.octets_in += sum(len(datagram.data) for datagram in batch)
        return batch

    def put(self, datagram: Datagram) -> None:
        """A datagram has arrived for this socket."""
        if self._only_local and datagram.remote.host not in self._host.own_addresses:
            self.counters.foreign += 1
            return
        size = len(datagram.data) + OVERHEAD_OCTETS
        if self._queued_octets + size > MAXIMUM_QUEUE_OCTETS:
            self.counters.dropped += 1
            return
        self._show(datagram, "in")
        self._queued_octets += size
        self._queue.append(datagram)
        self._waiting.unpark()

    def send(self, packets: Sequence[bytes], remote: Address) -> None:
        counters = self.counters
        counters.send_calls += 1
        wrong_way = remote.is_ipv6 != self.local.is_ipv6 or not 0 < remote.port <= 0xFFFF
        wrong_way |= self.local.host not in self._host.own_addresses  # the host moved
        for packet in packets:
            data = bytes(packet)  # the caller may use its buffer again
            if wrong_way or self._closed or len(data) > MAXIMUM_PAYLOAD:
                counters.refused += 1
                continue
            counters.datagrams_out += 1
            counters.octets_out += len(data)
            self._show(Datagram(data, self.local, remote), "out")
            self._host.send_datagram(data, self.local, remote)

    async def receive_runs(self) -> list[Run]:
        return [Run(each.data, len(each.data), each.remote) for each in await self.receive()]

    def send_unfragmented(self, packet: bytes, remote: Address) -> None:
        self.send((packet,), remote)  # no link here cuts anything

    def _show(self, datagram: Datagram, direction: Direction) -> None:
        for tap in (self.tap, self._host.tap):
            if tap is not None:
                tap(datagram, direction, trio.current_time())

    def close(self) -> None:
        """Close at once; who waits in `receive` gets `trio.ClosedResourceError`."""
        if not self._closed:
            self._closed = True
            self._queue.clear()
            self._waiting.unpark_all()
            self._host.forget(self)
