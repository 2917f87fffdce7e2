"""What a program may ask of the network it stands on: addresses, sockets, dice and the wall clock.

Stands below `app` and the bots, which are handed a `Network` and never ask the system themselves: the same code runs on
the kernel (`KernelNetwork`) and on a host of the virtual network (`net/virtual`), where everything comes from a seed.
Source: none; the house's own idiom.
Read next: `net/port.py` (one UDP port on all addresses), `net/virtual.py`.
"""

from __future__ import annotations

import secrets
import time
from typing import Protocol

import trio

from meetref.net.addresses import OwnAddresses, default_addresses, own_addresses
from meetref.net.datagram import DatagramSocket, KernelDatagramSocket
from meetref.net.stream import Listener, open_kernel_listener, open_kernel_stream
from meetref.wire.address import Address, canonical_host


class Network(Protocol):
    """The place where a program runs."""

    def addresses(self) -> list[str]:
        """Own addresses in canonical text, loopback last."""
        ...

    def default_addresses(self) -> list[str]:
        """Those of them that packets to the rest of the world leave from: one of each family, at most."""
        ...

    async def resolve(self, name: str) -> list[str]:
        """The addresses of a name in canonical text, the preferred ones first. Raises `OSError` for a name of none."""
        ...

    async def open_datagram(self, local: Address, *, only_local: bool = False) -> DatagramSocket:
        """A UDP socket at `local` (port 0: any free one). Raises `OSError`.

        With `only_local`, datagrams that do not come from this machine are dropped and counted.
        """
        ...

    async def open_listener(self, local: Address) -> Listener:
        """Accept streams at `local` (port 0: any free one). Raises `OSError`."""
        ...

    async def open_stream(self, remote: Address) -> trio.abc.HalfCloseableStream:
        """A reliable stream to `remote`. Raises `OSError` where it is refused or cannot be reached."""
        ...

    def dice(self, size: int) -> bytes:
        """`size` random octets; the method itself is a `Dice` for machines."""
        ...

    def wall_clock(self) -> float:
        """Seconds since 1970, for people and for certificates; never for measuring."""
        ...


class KernelNetwork:
    """The machine that this process runs on."""

    def addresses(self) -> list[str]:
        return own_addresses()

    def default_addresses(self) -> list[str]:
        return default_addresses()

    async def resolve(self, name: str) -> list[str]:
        found = await trio.socket.getaddrinfo(name, None, type=trio.socket.SOCK_DGRAM)
        return list(dict.fromkeys(canonical_host(str(place[0])) for *_, place in found if "%" not in str(place[0])))

    async def open_datagram(self, local: Address, *, only_local: bool = False) -> KernelDatagramSocket:
        return KernelDatagramSocket(local, only_from=OwnAddresses() if only_local else None)

    async def open_listener(self, local: Address) -> Listener:
        return await open_kernel_listener(local)

    async def open_stream(self, remote: Address) -> trio.SocketStream:
        return await open_kernel_stream(remote)

    def dice(self, size: int) -> bytes:
        return secrets.token_bytes(size)

    def wall_clock(self) -> float:
        return time.time()
