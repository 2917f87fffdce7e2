"""A TCP stream that carries datagrams: one more path for who can send nothing else out.

Stands above `wire/framing`, below `net/port`, which sends on it like on a socket, and `app/door`, which accepts it.
Live media forgets: what the peer does not take in time waits in a bounded queue, and where that is full the oldest
media go, and are counted; the viewer then asks for what it misses, or for a new picture. STUN, DTLS and RTCP, small and
needed, stay. Specification: RFC 6544 (section 10: sending media), RFC 4571.
Leaves out: telling a keyframe's packets from others; they are locked when they come here. Read next: `net/port.py`.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress

import trio

from meetref.protocol.machine import Datagram
from meetref.wire.address import StreamAddress
from meetref.wire.framing import Deframer, frame
from meetref.wire.multiplex import classify_datagram, is_rtcp

QUEUE_OCTETS = 128 * 1024
"""Half a second of what a viewer of four people gets; older media are of no use to anybody."""

READ_OCTETS = 32 * 1024
BROKEN = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)
SEND_TIMEOUT = 10.0  # seconds in which the peer must take something

Receive = Callable[[list[Datagram], float], None]


class StreamPath:
    """Datagrams between `local` and `remote` over `stream`. `forgotten` counts those that found no place."""

    def __init__(self, stream: trio.abc.Stream, local: StreamAddress, remote: StreamAddress) -> None:
        self.local = local
        self.remote = remote
        self.forgotten: Counter[str] = Counter()
        self._stream = stream
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._filled = trio.Event()
        self._deframer = Deframer()

    def send(self, packets: Sequence[bytes]) -> None:
        """Queue packets, in order, now or never."""
        for packet in packets:
            self._queue.append(packet)
            self._size += len(packet)
        if self._size > QUEUE_OCTETS:
            self._forget_oldest_media()
        self._filled.set()

    def _forget_oldest_media(self) -> None:
        kept: deque[bytes] = deque()
        while self._queue and self._size > QUEUE_OCTETS:
            packet = self._queue.popleft()
            media = is_media(packet)
            if media or self._size > 2 * QUEUE_OCTETS:  # spec: ice/tcp-queue
                self._size -= len(packet)
                self.forgotten["media" if media else "other"] += 1
            else:
                kept.append(packet)
        self._queue.extendleft(reversed(kept))

    async def run(self, receive: Receive) -> None:
        """Carry datagrams both ways until the stream ends. What goes wrong with it is its end."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, nursery.cancel_scope, name="sending")
            await self._read(receive)
            nursery.cancel_scope.cancel()

    async def _read(self, receive: Receive) -> None:
        with suppress(*BROKEN):
            while octets := await self._stream.receive_some(READ_OCTETS):
                batch = [Datagram(data, self.local, self.remote) for data in self._deframer.feed(octets)]
                if batch:
                    receive(batch, trio.current_time())

    async def _write(self, end: trio.CancelScope) -> None:
        """Send what waits, in pieces. Trio's listeners keep the kernel's queue short (TCP_NOTSENT_LOWAT)."""
        with suppress(*BROKEN), trio.CancelScope() as patience:
            while True:
                await self._filled.wait()
                self._filled = trio.Event()
                while self._queue:
                    patience.deadline = trio.current_time() + SEND_TIMEOUT
                    await self._stream.send_all(self._take())
                    patience.deadline = math.inf
        end.cancel()

    def _take(self) -> bytes:
        octets = bytearray()
        while self._queue and len(octets) < 1400:
            packet = self._queue.popleft()
            self._size -= len(packet)
            octets += frame(packet)
        return bytes(octets)


def is_media(packet: bytes) -> bool:
    """Whether it is RTP, of which the receiver can ask again; RTCP is not."""
    return bool(packet) and classify_datagram(packet[0]) == "rtp" and not is_rtcp(packet)
