"""TCP on the kernel's sockets, in the shape that the virtual network has too.

Stands above Trio's streams, below the HTTP door of `app`.
A listener knows where it listens; a stream is Trio's own, so that `.socket` is there for servers that ask for it.
Leaves out: TLS (`app` wraps a stream where it is wanted) and names (a remote is an address).
Read next: `net/network.py`.
"""

from __future__ import annotations

from abc import abstractmethod

import trio

from meetref.wire.address import Address, StreamAddress, canonical_host


class Listener(trio.abc.Listener[trio.abc.HalfCloseableStream]):
    """Accepts streams at `local`."""

    __slots__ = ()

    @property
    @abstractmethod
    def local(self) -> Address: ...


class KernelListener(Listener):
    """A listening TCP socket of the operating system."""

    __slots__ = ("_inner", "_local")

    def __init__(self, inner: trio.SocketListener) -> None:
        self._inner = inner
        host, port = inner.socket.getsockname()[:2]
        self._local = Address(canonical_host(host), port)

    @property
    def local(self) -> Address:
        return self._local

    async def accept(self) -> trio.SocketStream:
        return await self._inner.accept()

    async def aclose(self) -> None:
        await self._inner.aclose()


async def open_kernel_listener(local: Address) -> KernelListener:
    """Listen at `local` (port 0: any free one). Raises `OSError` where that is not possible."""
    (inner,) = await trio.open_tcp_listeners(local.port, host=local.host)
    return KernelListener(inner)


async def open_kernel_stream(remote: Address) -> trio.SocketStream:
    """Connect to `remote`. Raises `OSError` where nobody listens."""
    return await trio.open_tcp_stream(remote.host, remote.port)


def ends_of(stream: trio.abc.Stream) -> tuple[StreamAddress, StreamAddress]:
    """Our end and the other one of a plain stream, real or virtual. Raises `OSError` when it is already gone."""
    if isinstance(stream, trio.SocketStream):
        ends = (stream.socket.getsockname(), stream.socket.getpeername())
    else:
        ends = (stream.local, stream.remote)  # type: ignore[attr-defined]  # every stream of the virtual network has them
    here, there = ((canonical_host(host), port) for host, port, *_ in ends)
    return StreamAddress(*here), StreamAddress(*there)
