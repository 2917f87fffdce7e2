"""One host of the virtual network: the `Network` that a program on it sees.

Stands between `net/virtual` (which carries) and the programs of a story (which must not notice that nothing is real).
A host has addresses, an access link with an outbound and an inbound direction, dice of its own and a place for a tap.
It can be unplugged (silence, as when a cable is pulled) and killed (its sockets close, as when a process dies).
Read next: `net/virtualsocket.py`, `net/virtualstream.py`.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, TypeVar

import trio

from meetref.net.datagram import Tap
from meetref.net.virtuallink import Impairments, Link
from meetref.net.virtuallistener import VirtualListener, open_virtual_stream, system_error
from meetref.net.virtualroute import Header, Middlebox
from meetref.net.virtualsocket import VirtualDatagramSocket
from meetref.net.virtualstream import VirtualStream
from meetref.protocol.machine import Datagram
from meetref.wire.address import Address

if TYPE_CHECKING:
    from meetref.net.virtual import VirtualNetwork

LOOPBACK = ("127.0.0.1", "::1")
FIRST_EPHEMERAL_PORT = 49152
WALL_CLOCK_AT_START = 1_735_689_600.0  # the first second of 2025

Bound = TypeVar("Bound")


def is_loopback(host: str) -> bool:
    """Whether `host` is an address under which every host reaches itself."""
    return host in LOOPBACK


class VirtualHost:
    """Made by `VirtualNetwork.host`."""

    def __init__(self, network: VirtualNetwork, name: str, addresses: Sequence[str], behind: Middlebox | None) -> None:
        self.network = network
        self.name = name
        self.stand_at(addresses, behind)
        self.outbound = Link(network.dice(f"{name} outbound"))
        self.inbound = Link(network.dice(f"{name} inbound"))
        self.plugged_in = True
        self.tap: Tap | None = None
        self._dice = network.dice(f"{name} dice")
        self._sockets: dict[Address, VirtualDatagramSocket] = {}
        self._listeners: dict[Address, VirtualListener] = {}
        self._stream_ports = count(FIRST_EPHEMERAL_PORT)
        self._streams: dict[VirtualStream, None] = {}  # a dict, since the order of a set changes from run to run

    def stand_at(self, addresses: Sequence[str], behind: Middlebox | None) -> None:
        """Called by the network, which places it."""
        self.behind = behind
        self.own_addresses = (*addresses, *LOOPBACK)

    # --- the Network of programs here -----------------------------------------------------------------

    def addresses(self) -> list[str]:
        return list(self.own_addresses)

    def default_addresses(self) -> list[str]:
        outward = [host for host in self.own_addresses if not is_loopback(host)]
        return [host for first in (False, True) for host in [each for each in outward if (":" in each) is first][:1]]

    async def resolve(self, name: str) -> list[str]:
        await trio.lowlevel.checkpoint()
        if name not in self.network.names:
            raise system_error(errno.ENOENT)
        return self.network.names[name]

    async def open_datagram(self, local: Address, *, only_local: bool = False) -> VirtualDatagramSocket:
        await trio.lowlevel.checkpoint()
        place = self._free_place(local, self._sockets)
        socket = self._sockets[place] = VirtualDatagramSocket(self, place, only_local=only_local)
        return socket

    async def open_listener(self, local: Address) -> VirtualListener:
        await trio.lowlevel.checkpoint()
        place = self._free_place(Address(*local), self._listeners)
        listener = self._listeners[place] = VirtualListener(self, place)
        return listener

    async def open_stream(self, remote: Address) -> VirtualStream:
        return await open_virtual_stream(self, remote)

    def dice(self, size: int) -> bytes:
        return self._dice.randbytes(size)

    def wall_clock(self) -> float:
        return WALL_CLOCK_AT_START + trio.current_time()

    # --- what a story does to it ----------------------------------------------------------------------

    def access(self, outbound: Impairments, inbound: Impairments | None = None) -> None:
        """Set what happens on this host's access link; `inbound` is as `outbound`, unless given."""
        self.outbound.impairments = outbound
        self.inbound.impairments = outbound if inbound is None else inbound

    def unplug(self) -> None:
        """From now on nothing leaves and nothing arrives, also of what is under way."""
        self.plugged_in = False

    def plug_in(self) -> None:
        self.plugged_in = True

    def kill(self) -> None:
        """Close every socket at once, as the kernel does for a process that died; streams are reset."""
        for socket in list(self._sockets.values()):
            socket.close()
        for listener in list(self._listeners.values()):
            listener.close()
        for stream in list(self._streams):
            stream.reset()

    # --- for sockets and streams ----------------------------------------------------------------------

    def _free_place(self, local: Address, taken: dict[Address, Bound]) -> Address:
        if local.host not in self.own_addresses:
            raise system_error(errno.EADDRNOTAVAIL)
        if local.port == 0:
            return next(
                place for port in count(FIRST_EPHEMERAL_PORT) if (place := Address(local.host, port)) not in taken
            )
        if local in taken:
            raise system_error(errno.EADDRINUSE)
        return local

    def stream_place(self, remote: Address) -> Address:
        """The own end of a stream to `remote`: an address of its family, and loopback for loopback."""
        port = next(self._stream_ports)
        if remote.host in self.own_addresses:
            return Address(remote.host, port)
        for host in self.own_addresses:
            if (":" in host) == remote.is_ipv6 and not is_loopback(host):
                return Address(host, port)
        raise system_error(errno.ENETUNREACH)

    def listener_at(self, local: Address) -> VirtualListener | None:
        return self._listeners.get(local)

    def keep(self, stream: VirtualStream) -> None:
        self._streams[stream] = None

    def forget(self, gone: VirtualDatagramSocket | VirtualListener | VirtualStream) -> None:
        """Called by what was closed: its address is free again."""
        if isinstance(gone, VirtualStream):
            self._streams.pop(gone, None)
        elif isinstance(gone, VirtualListener):
            self._listeners.pop(gone.local, None)
        else:
            self._sockets.pop(gone.local, None)

    def send_datagram(self, data: bytes, source: Address, destination: Address) -> None:
        """Put one datagram on its way; whether it arrives is nobody's promise."""
        self.network.send(self, Header("udp", source, destination), len(data), partial(_deliver, data))

    def receive_datagram(self, datagram: Datagram) -> None:
        """A datagram has arrived here: give it to its socket, if there is one."""
        socket = self._sockets.get(datagram.local)
        if socket is not None and self.plugged_in:
            socket.put(datagram)


def _deliver(data: bytes, receiver: VirtualHost, header: Header) -> None:
    receiver.receive_datagram(Datagram(data, header.destination, header.source))
