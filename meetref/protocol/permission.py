"""The peers of one allocation: whom it may hear, on which channel, and how one packet is wrapped and unwrapped.

A permission is for a host and lasts five minutes, a channel is for a host and a port and lasts ten. The path of a
packet is two plain calls, `from_client` and `from_peer`; no STUN is parsed for channel data.
Stands above `wire/turn` and `protocol/relayguard`, below `protocol/allocation`. Specification: RFC 8656 sections 9 to
12. Leaves out: timers; what has expired is found out when it is used, and cleared away when room is needed.
Read next: `protocol/relay.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import Final

from meetref.protocol.machine import Dice
from meetref.protocol.relayguard import Guard
from meetref.wire import turn
from meetref.wire.address import Address
from meetref.wire.attribute import ATTRIBUTES, XOR_PEER_ADDRESS
from meetref.wire.turn import CHANNEL_HEADER, DATA_TYPE, frame_indication

PERMISSION_LASTS_FOR: Final = 300.0  # seconds, exactly (RFC 8656 section 9)
CHANNEL_LASTS_FOR: Final = 600.0
MAXIMUM_PERMISSIONS = 128  # hosts; an ICE agent has a hundred remote candidates at most
MAXIMUM_CHANNELS = 256
MAXIMUM_PEERS = 512  # addresses about which something is remembered
TRANSACTION_SIZE = 12
PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")  # by the data's size modulo 4


class Permission:
    """Until when (`until`, seconds) a host may be heard."""

    __slots__ = ("until",)

    def __init__(self, until: float) -> None:
        self.until = until


class Peer:
    """One address of the other side.

    `address` is what the client calls it, `destination` what the kernel calls it. `pending` are packets for it that
    the caller of `from_client` collects until the end of a batch.
    """

    __slots__ = ("address", "bound_until", "channel", "destination", "pending", "permission", "where")

    def __init__(self, address: Address, destination: Address, permission: Permission) -> None:
        self.address = address
        self.destination = destination
        self.permission = permission
        self.channel = 0
        self.bound_until = 0.0
        self.where: bytes | None = None  # the address as an attribute has it, where no transaction changes that
        if not address.is_ipv6:
            self.where = ATTRIBUTES[XOR_PEER_ADDRESS].serialize(address, bytes(TRANSACTION_SIZE))
        self.pending: list[bytes] = []


class Peers:
    """What one allocation knows of its peers. `padded`: the client is behind a stream, which wants padding."""

    def __init__(self, guard: Guard, dice: Dice, *, padded: bool) -> None:
        self._guard = guard
        self._dice = dice
        self._padded = padded
        self._permissions: dict[str, Permission] = {}  # by host as the kernel calls it
        self._by_address: dict[Address, Peer] = {}
        self._by_source: dict[Address, Peer] = {}
        self._by_channel: dict[int, Peer] = {}
        self._by_where: dict[bytes, Peer] = {}

    # --- commands ---------------------------------------------------------------------------------

    def permit(self, hosts: list[str], now: float) -> int | None:
        """Install or refresh permissions for all of `hosts`; the error code when one may not be or does not fit."""
        if not all(self._guard.permits_host(host) for host in hosts):
            return 403
        sources = {self._guard.source_host(host) for host in hosts}
        new = sources - self._permissions.keys()
        if len(self._permissions) + len(new) > MAXIMUM_PERMISSIONS:
            self._forget_expired(now)
        if len(self._permissions) + len(sources - self._permissions.keys()) > MAXIMUM_PERMISSIONS:
            return 508  # spec: turn/permission-capacity
        for source in sources:
            self._renew(source, now)
        return None

    def bind(self, channel: int, address: Address, now: float) -> int | None:
        """Bind or refresh a channel, with its permission; the error code when that may not be or does not fit."""
        destination = self._guard.destination(address)
        holder = self._by_channel.get(channel)
        peer = self._by_address.get(address)
        # spec: turn/channel-of-another
        if holder is not None and holder.bound_until > now and holder is not peer:
            return 400
        if peer is not None and peer.bound_until > now and peer.channel != channel:
            return 400
        if destination is None:
            return 403
        refused = self.permit([address.host], now)
        if refused is None and holder is None and len(self._by_channel) >= MAXIMUM_CHANNELS:
            self._forget_expired(now)
            # spec: turn/channel-capacity
            refused = 508 if len(self._by_channel) >= MAXIMUM_CHANNELS else None
        if refused is not None:
            return refused
        peer = self._meet(address, destination, now)
        self._by_channel.pop(peer.channel, None)
        if holder is not None:
            holder.channel, holder.bound_until = 0, 0.0
        # spec: turn/channel-lifetime, turn/channel-data-refreshes-nothing
        peer.channel, peer.bound_until = channel, now + CHANNEL_LASTS_FOR
        self._by_channel[channel] = peer
        return None

    def forget(self, address: Address) -> None:
        """An own relayed address is gone, and its port may soon be somebody else's."""
        peer = self._by_source.pop(address, None)
        if peer is not None:
            self._by_address.pop(peer.address, None)
            self._by_channel.pop(peer.channel, None)
            self._by_where.pop(peer.where or b"", None)
            peer.bound_until = 0.0

    # --- the path of a packet ---------------------------------------------------------------------

    def from_client(self, data: bytes, now: float) -> tuple[Peer, bytes] | None:
        """Channel data from the client: for whom, and what; None when it is to be dropped."""
        if len(data) < 4:
            return None
        channel, length = CHANNEL_HEADER.unpack_from(data)
        peer = self._by_channel.get(channel)
        if peer is None or peer.bound_until <= now:  # spec: turn/channel-unbound
            return None
        end = length + 4
        if end > len(data):
            return None  # spec: turn/channel-data-short
        return peer, data[4:end]

    def run_from_client(self, data: bytes, size: int, now: float) -> tuple[Peer, list[bytes]] | None:
        """A run of channel data, each of `size` octets or the last one fewer, all on one channel and without padding.

        None for any other run, which goes the way of `from_client`.
        """
        head = data[:4]
        channel, length = CHANNEL_HEADER.unpack(head)
        peer = self._by_channel.get(channel)
        rest = len(data) % size
        if peer is None or peer.bound_until <= now or length + 4 != size:
            return None
        if rest and (rest < 4 or data[-rest : 4 - rest or None] != CHANNEL_HEADER.pack(channel, rest - 4)):
            return None
        starts = range(0, len(data), size)
        if not all(map(data.startswith, repeat(head), starts[1 : len(data) // size])):
            return None
        return peer, [data[start + 4 : start + size] for start in starts]

    def from_indication(self, where: bytes, now: float) -> Peer | None:
        """The peer whose IPv4 address is `where` in a Send indication, if it is known and may be sent to."""
        peer = self._by_where.get(where)
        return peer if peer is not None and peer.permission.until > now else None

    def from_peer(self, data: bytes, source: Address, now: float) -> bytes | None:
        """A datagram from a peer as the client gets it; None when it is to be dropped."""
        peer = self._by_source.get(source)
        if peer is None:
            peer = self._meet_source(source, now)
        # spec: turn/permission-checked
        if peer is None or peer.permission.until <= now:
            return None
        if peer.bound_until > now:  # spec: turn/channel-preferred
            framed = CHANNEL_HEADER.pack(peer.channel, len(data)) + data
            return framed + PADDING[len(data) & 3] if self._padded else framed
        transaction = self._dice(TRANSACTION_SIZE)  # spec: turn/data-indication
        if peer.where is not None:
            return frame_indication(DATA_TYPE, transaction, peer.where, data)
        return turn.serialize_indication(DATA_TYPE, transaction, peer.address, data)

    def run_from_peer(self, data: bytes, size: int, source: Address, now: float) -> list[bytes] | None:
        """A run from a peer with a channel as the client gets it; None for any other, which goes by `from_peer`."""
        peer = self._by_source.get(source)
        if peer is None or peer.bound_until <= now or peer.permission.until <= now or self._padded:
            return None
        head = CHANNEL_HEADER.pack(peer.channel, size)
        packets = [head + data[start : start + size] for start in range(0, len(data), size)]
        rest = len(data) % size
        if rest:
            packets[-1] = CHANNEL_HEADER.pack(peer.channel, rest) + data[-rest:]
        return packets

    def to(self, address: Address, now: float) -> Peer | None:
        """The peer that a Send indication names, if it may be sent to."""
        peer = self._by_address.get(address)
        if peer is None:
            destination = self._guard.destination(address)
            if destination is None or not self._is_permitted(destination.host, now):
                return None
            peer = self._meet(address, destination, now)
        return peer if peer.permission.until > now else None  # spec: turn/send-needs-permission

    # --- memory -----------------------------------------------------------------------------------

    def _renew(self, source: str, now: float) -> None:
        permission = self._permissions.get(source)
        if permission is None:
            permission = self._permissions[source] = Permission(0.0)
        permission.until = now + PERMISSION_LASTS_FOR  # spec: turn/permission-lifetime

    def _is_permitted(self, source: str, now: float) -> bool:
        permission = self._permissions.get(source)
        return permission is not None and permission.until > now

    def _meet_source(self, source: Address, now: float) -> Peer | None:
        if not self._is_permitted(source.host, now):
            return None
        address = self._guard.told(source)
        if self._guard.destination(address) != source:
            return None
        return self._meet(address, source, now)

    def _meet(self, address: Address, destination: Address, now: float) -> Peer:
        """The record of a peer whose host is permitted."""
        peer = self._by_address.get(address)
        if peer is None:
            if len(self._by_address) >= MAXIMUM_PEERS:
                self._forget_unbound(now)
            peer = Peer(address, destination, self._permissions[destination.host])
            self._by_address[address] = self._by_source[destination] = peer
            if peer.where is not None:
                self._by_where[peer.where] = peer
        return peer

    def _forget_unbound(self, now: float) -> None:
        """Of many peers only those with channels are kept; the others are met again when they are heard."""
        self._keep(lambda peer: peer.bound_until > now)

    def _forget_expired(self, now: float) -> None:
        self._keep(lambda peer: peer.bound_until > now or peer.permission.until > now)
        used = {id(peer.permission) for peer in self._by_address.values()}
        self._permissions = {
            host: each for host, each in self._permissions.items() if each.until > now or id(each) in used
        }

    def _keep(self, wanted: Callable[[Peer], bool]) -> None:
        kept = [peer for peer in self._by_address.values() if wanted(peer)]
        self._by_address = {peer.address: peer for peer in kept}
        self._by_source = {peer.destination: peer for peer in kept}
        self._by_channel = {peer.channel: peer for peer in kept if peer.channel}
        self._by_where = {peer.where: peer for peer in kept if peer.where is not None}
