"""Datagrams on a stream: a `DatagramSocket` whose other end is one peer, over TCP or TLS.

Stands above Trio's streams (`Network.open_stream`, wrapped in TLS or not), below TURN's client and ICE over TCP.
What a message is, the framing says: STUN and ChannelData frame themselves (RFC 8656 section 12.5), everything else has
its length in front (RFC 4571 section 2).
Leaves out: waiting for a slow peer. Live media forgets: what does not fit into a bounded queue is dropped and counted.
Read next: `net/relayed.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import trio

from meetref.net.datagram import Counters, Direction, Run, Tap
from meetref.protocol.machine import Datagram
from meetref.wire.address import Address
from meetref.wire.reader import Malformed

MAXIMUM_QUEUE_OCTETS = 256 * 1024  # a second of two megabits: what is older is of no use to a meeting
PIECE_OCTETS = 64 * 1024  # read or written at once
GOODBYE_TIMEOUT = 0.5  # seconds for what is still queued when the socket is closed

Frame = Callable[[bytes], bytes]
"""Makes a message fit for the stream."""
Split = Callable[[bytes], Iterable[bytes]]
"""Given what was read, gives the messages that are complete by now. Raises `Malformed` where nothing can follow."""


class FramedStream:
    """A `DatagramSocket` on a stream, made by `open_framed`.

    `problem` says in a few words why the stream ended; None while it is open, and when we closed it.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        local: Address,
        remote: Address,
        frame: Frame,
        split: Split,
        piece_octets: int = PIECE_OCTETS,
    ) -> None:
        self._piece_octets = piece_octets
        self.local = local
        self.remote = remote
        self.counters = Counters()
        self.tap: Tap | None = None
        self.problem: str | None = None
        self._stream = stream
        self._frame = frame
        self._split = split
        self._queue: deque[bytes] = deque()
        self._queued_octets = 0
        self._something = trio.Event()
        self._closed = False
        self._goodbye = trio.CancelScope(shield=True)

    # --- in -------------------------------------------------------------------------------------------

    async def receive(self) -> list[Datagram]:
        while not self._closed:
            batch = [Datagram(bytes(message), self.local, self.remote) for message in await self._read()]
            if batch:
                self.counters.receive_calls += 1
                self.counters.datagrams_in += len(batch)
                for datagram in batch:
                    self.counters.octets_in += len(datagram.data)
                    self._show(datagram, "in")
                return batch
        raise trio.ClosedResourceError

    def poll(self) -> list[Datagram]:
        return []  # `receive` gives all that has come

    async def _read(self) -> Iterable[bytes]:
        try:
            data = bytes(await self._stream.receive_some(PIECE_OCTETS))
            messages = list(self._split(data))
        except Malformed as error:
            self._end(f"not a message: {error.what}")
        except trio.BrokenResourceError:
            self._end("the connection broke")
        except trio.ClosedResourceError:
            self._end("closed")
        else:
            if not data:
                self._end("the other end closed the connection")
            return messages
        return ()

    # --- out ------------------------------------------------------------------------------------------

    def send(self, packets: Sequence[bytes], remote: Address) -> None:
        """Queue `packets`, now or never; `remote` must be the one other end."""
        counters = self.counters
        counters.send_calls += 1
        for packet in packets:
            if self._closed or remote != self.remote:
                counters.refused += 1
                continue
            framed = self._frame(packet)
            if self._queued_octets + len(framed) > MAXIMUM_QUEUE_OCTETS:
                counters.dropped += 1
                continue
            counters.datagrams_out += 1
            counters.octets_out += len(packet)
            self._show(Datagram(bytes(packet), self.local, remote), "out")
            self._queue.append(framed)
            self._queued_octets += len(framed)
            self._something.set()

    async def receive_runs(self) -> list[Run]:
        return [Run(each.data, len(each.data), each.remote) for each in await self.receive()]

    def send_unfragmented(self, packet: bytes, remote: Address) -> None:
        self.send((packet,), remote)  # a stream has no datagrams that could be cut

    async def _run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write until closed, and then the rest: being cancelled is no reason to leave without a goodbye."""
        with self._goodbye:
            task_status.started()
            try:
                await self._write()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._end("the connection broke")
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(self._stream)

    async def _write(self) -> None:
        while True:
            while not self._queue:
                if self._closed:
                    return
                self._something = trio.Event()
                await self._something.wait()
            await self._stream.send_all(self._next_piece())

    def _next_piece(self) -> bytes:
        piece = bytearray()
        while self._queue and len(piece) < self._piece_octets:
            piece += self._queue.popleft()
        self._queued_octets -= len(piece)
        return bytes(piece)

    def _end(self, problem: str | None) -> None:
        if not self._closed:
            self.problem = problem
            self._closed = True
            self._something.set()
            self._goodbye.deadline = trio.current_time() + GOODBYE_TIMEOUT

    def close(self) -> None:
        """Take nothing more; what is queued still goes, within half a second."""
        self._end(None)

    def _show(self, datagram: Datagram, direction: Direction) -> None:
        if self.tap is not None:
            self.tap(datagram, direction, trio.current_time())


@asynccontextmanager
async def open_framed(
    stream: trio.abc.Stream,
    local: Address,
    remote: Address,
    frame: Frame,
    split: Split,
    piece_octets: int = PIECE_OCTETS,
) -> AsyncIterator[FramedStream]:
    """Speak in messages on `stream`, which is closed at the end. At `piece_octets` no more is written in one go."""
    socket = FramedStream(stream, local, remote, frame, split, piece_octets)
    async with trio.open_nursery() as nursery:
        await nursery.start(socket._run, name=f"stream to {remote}")
        try:
            yield socket
        finally:
            socket.close()
