"""A bare UDP socket of the load: it costs the machine little and tells when the kernel had each datagram.

Stands above `trio` and `socket` alone; `lab/load` sends and counts on it, `lab/attending` runs a peer over it.
Source: Linux socket(7), SO_TIMESTAMPNS: the arrival is the kernel's, so a slow load makes no packet look late.
Leaves out: joined datagrams (GRO): what comes is counted one by one, as a browser would get it.
Read next: `lab/load.py`.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from struct import Struct

import trio

from meetref.wire.address import Address

HERE = "127.0.0.1"
SO_TIMESTAMPNS = 35  # Linux; Python has no name for it
TIMESPEC = Struct("=qq")
ANCILLARY_OCTETS = socket.CMSG_SPACE(TIMESPEC.size)
BUFFER_OCTETS = 1 << 20
UDP_SEGMENT = 103  # Linux, like the one above
SEGMENT_SIZE = Struct("=H")

Receive = Callable[[bytes, int], None]
"""Is given each datagram and the nanoseconds since 1970 at which the kernel had it."""


class Leg:
    """A socket on loopback, or at another address of this machine. `lost` counts what the kernel would not send."""

    def __init__(self, host: str = HERE) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_OCTETS)
        self._socket.bind((host, 0))
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        except OSError:
            pass  # then the time of reading has to do
        self.local = Address(host, self._socket.getsockname()[1])
        self.lost = 0

    def send(self, data: bytes, remote: Address) -> None:
        try:
            self._socket.sendto(data, (remote.host, remote.port))
        except OSError:
            self.lost += 1

    def send_joined(self, packets: Sequence[bytes], remote: Address) -> None:
        """Packets of one size (the last may be shorter) in one call: they arrive as a network card joins a burst."""
        ancillary = [(socket.IPPROTO_UDP, UDP_SEGMENT, SEGMENT_SIZE.pack(len(packets[0])))]
        try:
            self._socket.sendmsg(packets, ancillary, 0, (remote.host, remote.port))
        except OSError:
            self.lost += len(packets)

    async def run(self, receive: Receive) -> None:
        """Hand over every datagram until cancelled."""
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            self.drain(receive)

    def drain(self, receive: Receive) -> None:
        """Hand over every datagram that is there."""
        try:
            while True:
                data, ancillary, _, _ = self._socket.recvmsg(2048, ANCILLARY_OCTETS)
                receive(data, _stamp(ancillary))
        except OSError:
            pass

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()


class Legs:
    """Reads many legs in one task: hundreds of tasks that wake for a packet each would keep a processor busy."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._legs: dict[int, tuple[Leg, Receive]] = {}

    def add(self, leg: Leg, receive: Receive) -> None:
        self._legs[leg.fileno()] = leg, receive
        self._poll.register(leg.fileno(), select.EPOLLIN)

    def close(self, leg: Leg) -> None:
        """Close it; the kernel watches it no more."""
        self._legs.pop(leg.fileno(), None)
        leg.close()

    async def run(self) -> None:
        """Hand over every datagram until cancelled."""
        with self._poll:
            while True:
                await trio.lowlevel.wait_readable(self._poll.fileno())
                for descriptor, _ in self._poll.poll(0):
                    if descriptor in self._legs:
                        leg, receive = self._legs[descriptor]
                        leg.drain(receive)


def _stamp(ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(value) == TIMESPEC.size:
            seconds, nanoseconds = TIMESPEC.unpack(value)
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return time.time_ns()


@asynccontextmanager
async def open_legs() -> AsyncIterator[Legs]:
    """Legs that are read until the block ends."""
    async with trio.open_nursery() as nursery:
        legs = Legs()
        nursery.start_soon(legs.run, name="legs")
        yield legs
        nursery.cancel_scope.cancel()


def find_runs(sizes: list[int]) -> list[tuple[int, int, int]]:
    """First, end and size of each run that one segmented send can take: equal sizes, only the last may be smaller."""
    runs: list[tuple[int, int, int]] = []
    first = 0
    for place in range(1, len(sizes) + 1):
        if place == len(sizes) or sizes[place] > sizes[first] or sizes[place - 1] < sizes[first]:
            runs.append((first, place, sizes[first]))
            first = place
    return runs


def free_port() -> int:
    """A port that nobody has on loopback, for TCP and UDP, for a program that cannot choose one itself."""
    while True:
        with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            stream.bind((HERE, 0))
            port: int = stream.getsockname()[1]
            try:
                datagrams.bind((HERE, port))
            except OSError:
                continue
            return port
