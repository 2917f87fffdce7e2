"""One UDP port number with a socket of its own on every local address.

Stands above `net/network`, below `meeting/exchange` (which finds out whose a datagram is) and the bots' clients.
Why not one wildcard socket: it would answer from whatever address the routing table prefers, and ICE checks come from
where they were sent to or they fail (RFC 8445 section 7.2.5.2.1).
Read next: `net/driver.py`.
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import trio

from meetref.net.datagram import MAXIMUM_BATCH, DatagramSocket, KernelDatagramSocket
from meetref.net.network import Network
from meetref.net.streampath import Receive, StreamPath
from meetref.protocol.machine import Datagram
from meetref.wire.address import Address

MAXIMUM_TRIES = 20  # for a number that is free on every address

Opened = TypeVar("Opened")

NOT_OURS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


class Port:
    """The sockets of one port number; `number` is the same on all, `skipped` lists hosts that could not be had."""

    def __init__(self, sockets: Sequence[DatagramSocket], skipped: Sequence[str] = ()) -> None:
        self.number = sockets[0].local.port
        self.sockets = {socket.local: socket for socket in sockets}
        self.skipped = list(skipped)
        self.streams: dict[tuple[Address, Address], StreamPath] = {}
        self._aside: list[KernelDatagramSocket] = []
        self.unroutable = 0  # packets whose local address is not ours, or whose stream is gone

    @property
    def locals(self) -> list[Address]:
        """The addresses at which this port can be reached, in the order in which they were asked for."""
        return list(self.sockets)

    def put_aside(self) -> None:
        """Have what can wait come by `poll_aside` from now on, where the system knows how (`net/unhurried`)."""
        kernels = [socket for socket in self.sockets.values() if isinstance(socket, KernelDatagramSocket)]
        self._aside = [socket for socket in kernels if socket.put_aside()]

    def take_back(self) -> None:
        """Have it come with everything else again: a capture should show when it came."""
        for socket in self._aside:
            socket.take_back()
        self._aside = []

    def poll_aside(self) -> list[Datagram]:
        """Some of what was put aside; nothing where no more is there."""
        return next((some for socket in self._aside if (some := socket.poll_aside())), [])

    def send(self, packets: Sequence[bytes], local: Address, remote: Address) -> None:
        """Send from `local`; see `DatagramSocket.send`. Between the ends of a TCP stream, over that."""
        socket = self.sockets.get(local)
        if socket is not None:
            socket.send(packets, remote)
        elif (stream := self.streams.get((local, remote))) is not None:
            stream.send(packets)
        else:
            self.unroutable += len(packets)

    async def run_stream(self, path: StreamPath, receive: Receive) -> None:
        """Let datagrams go over a stream too, until it ends."""
        self.streams[path.local, path.remote] = path
        try:
            await path.run(receive)
        finally:
            del self.streams[path.local, path.remote]

    def send_datagram(self, datagram: Datagram) -> None:
        """One datagram; the form that `net/driver.Driver` wants."""
        self.send((datagram.data,), datagram.local, datagram.remote)

    async def run(
        self, receive: Callable[[list[Datagram], float], None], finish: Callable[[float], None] = lambda now: None
    ) -> None:
        """Hand what comes with its `now` to `receive`, a task for each socket, until the port is closed.

        A burst is still arriving while its first part is handled. So there is another look before anything is sent:
        `finish` is called once nothing more is there, or enough was taken, and more leaves with one call.
        """
        async with trio.open_nursery() as nursery:
            for socket in self.sockets.values():
                nursery.start_soon(_run_socket, socket, receive, finish, name=f"udp {socket.local}")

    def close(self) -> None:
        for socket in self.sockets.values():
            socket.close()


async def _run_socket(
    socket: DatagramSocket, receive: Callable[[list[Datagram], float], None], finish: Callable[[float], None]
) -> None:
    while True:
        try:
            some = await socket.receive()
        except trio.ClosedResourceError:
            return
        now = trio.current_time()
        taken = 0
        while some:
            receive(some, now)
            taken += len(some)
            some = socket.poll() if taken < MAXIMUM_BATCH else []
        finish(now)


async def open_port(network: Network, hosts: Sequence[str], port: int, *, only_local: bool = False) -> Port:
    """Open `port` on each of `hosts`; 0 picks a number that is free on all of them.

    With `only_local`, datagrams that do not come from this machine are dropped and counted.
    A host that is no address of this machine (any more) is skipped.
    Raises `OSError` when the number is taken, or no host is left.
    """
    return await on_free_number(port, partial(_open_number, network, hosts, only_local=only_local))


async def on_free_number(number: int, open_on: Callable[[int], Awaitable[Opened]]) -> Opened:
    """What `open_on(number)` opens; with number 0 it is tried again while it ends with `EADDRINUSE`.

    The system picks a number that is free for the first socket; on another address, or for TCP beside UDP, another
    program may have it. `open_on` closes what it opened before it raises. Raises `OSError` as it does.
    """
    for tries_left in reversed(range(MAXIMUM_TRIES)):
        try:
            return await open_on(number)
        except OSError as problem:
            if number or not tries_left or problem.errno != errno.EADDRINUSE:
                raise
    raise AssertionError  # the last try returns or raises


async def _open_number(network: Network, hosts: Sequence[str], port: int, *, only_local: bool) -> Port:
    sockets: list[DatagramSocket] = []
    skipped = []
    try:
        for host in hosts:
            try:
                socket = await network.open_datagram(Address(host, port), only_local=only_local)
            except OSError as problem:
                if problem.errno not in NOT_OURS:
                    raise
                skipped.append(host)
                continue
            sockets.append(socket)
            port = socket.local.port
        if not sockets:
            raise OSError(errno.EADDRNOTAVAIL, f"none of {', '.join(hosts) or 'no addresses'} can be bound")
    except BaseException:
        for socket in sockets:
            socket.close()
        raise
    return Port(sockets, skipped)
