"""How streams of the virtual network come to be: a listener accepts them, a request travels there and an answer back.

Stands on a `VirtualHost`; makes pairs of `net/virtualstream`.
Opening fails as it does on a kernel: refused where nobody listens, timed out where nothing answers.
Leaves out: half-open handshakes; the request and the answer are one segment each.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import trio

from meetref.net.stream import Listener
from meetref.net.virtualflow import Flow
from meetref.net.virtualroute import Header
from meetref.net.virtualstream import VirtualStream
from meetref.wire.address import Address

if TYPE_CHECKING:
    from meetref.net.virtualhost import VirtualHost

MAXIMUM_BACKLOG = 128  # streams that wait to be accepted


def system_error(number: int) -> OSError:
    """The very exception that the kernel's sockets would raise."""
    return OSError(number, os.strerror(number))


class VirtualListener(Listener):
    """Made by `VirtualHost.open_listener`."""

    def __init__(self, host: VirtualHost, local: Address) -> None:
        self._host = host
        self._local = local
        self._backlog: deque[VirtualStream] = deque()
        self._waiting = trio.lowlevel.ParkingLot()
        self._closed = False

    @property
    def local(self) -> Address:
        return self._local

    async def accept(self) -> VirtualStream:
        await trio.lowlevel.checkpoint()
        while not self._backlog:
            if self._closed:
                raise trio.ClosedResourceError
            await self._waiting.park()
        return self._backlog.popleft()

    def offer(self, stream: VirtualStream) -> bool:
        """A stream was opened to here; False where too many wait already."""
        if len(self._backlog) >= MAXIMUM_BACKLOG:
            return False
        self._backlog.append(stream)
        self._waiting.unpark()
        return True

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Close at once; streams that nobody accepted are reset."""
        if not self._closed:
            self._closed = True
            self._host.forget(self)
            for stream in self._backlog:
                stream.reset()
            self._backlog.clear()
            self._waiting.unpark_all()


class Opening:
    """A stream that is being opened. Whose the far end is turns out when the request arrives."""

    def __init__(self, host: VirtualHost, local: Address, remote: Address) -> None:
        self.near = VirtualStream(host, local, remote)
        self.problem: int | None = None
        self.answered = trio.Event()
        self.near.flow = Flow(host, Header("tcp", local, remote), self.give_up)
        self.near.peer = self._far = VirtualStream(host, remote, local)
        self._far.peer = self.near
        self.near.flow.push(0, self.request_arrives)

    def request_arrives(self) -> None:
        receiver, header = self.near.flow.receiver, self.near.flow.arrived_as
        assert receiver is not None
        far = self._far
        far.host, far.local, far.remote = receiver, header.destination, header.source
        far.flow = Flow(receiver, Header("tcp", far.local, far.remote), far.break_off)
        listener = receiver.listener_at(far.local)
        if listener is not None and listener.offer(far):
            receiver.keep(far)
            far.flow.push(0, self.answered.set)
        else:
            far.flow.push(0, partial(self.fail, errno.ECONNREFUSED))

    def fail(self, problem: int) -> None:
        self.problem = problem
        self.answered.set()

    def give_up(self) -> None:
        """A segment from near to far could not be brought there, whether it was the request or a later one."""
        self.fail(errno.ETIMEDOUT)
        self.near.break_off()


async def open_virtual_stream(host: VirtualHost, remote: Address) -> VirtualStream:
    """Connect; raises the `OSError` that the kernel would: refused, unreachable, or timed out."""
    await trio.lowlevel.checkpoint()
    remote = Address(*remote)  # headers say by themselves whose port it is
    opening = Opening(host, host.stream_place(remote), remote)
    near = opening.near
    host.keep(near)
    try:
        await opening.answered.wait()
    except trio.Cancelled:
        near.reset()
        raise
    if opening.problem is not None:
        near.break_off()
        raise system_error(opening.problem)
    return near
