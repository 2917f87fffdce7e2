"""A bare UDP socket of the load: it costs the machine little and tells when the kernel had each datagram.

Stands above `trio` and `socket` alone; `lab/load` sends and counts on it, `lab/attending` runs a peer over it.
Source: Linux socket(7), SO_TIMESTAMPNS: the arrival is the kernel's, so a slow load makes no packet look late.
Leaves out: joined datagrams (GRO): what comes is counted one by one, as a browser would get it.
Read next: `lab/load.py`.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
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
    """A socket on loopback. `lost` counts what the kernel would not send."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_OCTETS)
        self._socket.bind((HERE, 0))
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        except OSError:
            pass  # then the time of reading has to do
        self.local = Address(HERE, self._socket.getsockname()[1])
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
            try:
                while True:
                    data, ancillary, _, _ = self._socket.recvmsg(2048, ANCILLARY_OCTETS)
                    receive(data, _stamp(ancillary))
            except OSError:
                continue

    def close(self) -> None:
        self._socket.close()


def _stamp(ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(value) == TIMESPEC.size:
            seconds, nanoseconds = TIMESPEC.unpack(value)
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return time.time_ns()
