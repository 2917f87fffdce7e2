"""The peers that a client wants to reach through a relay: what it asked for, what was granted, when to ask again.

Stands below `protocol/turn`, which asks what is `due` and tells what was answered. A permission lasts 300 s and a
channel 600, whatever is sent; both are asked for anew long enough before that an unanswered request is noticed.
Specification: RFC 8656 sections 9 and 12. Leaves out: ending either early, for which there is no message, and using
a channel's number again: there are 4096 of them, and far fewer peers. Read next: `protocol/turn.py`; the server's side
of the same is `protocol/permission.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from meetref.wire.address import Address

MAXIMUM_HOSTS = 100  # as many as a peer may have candidates
MAXIMUM_CHANNELS = 64
MAXIMUM_WAITING = 4  # packets for a host that the relay is being asked about: a check or two, and a hello

REFRESH_PERMISSION_AFTER = 240.0  # of 300 seconds (RFC 8656 section 9)
REFRESH_CHANNEL_AFTER = 540.0  # of 600 seconds (section 12)
FIRST_CHANNEL = 0x4000
Packet = tuple[Address, bytes]


@dataclass(slots=True, eq=False)
class Permission:
    """For one host. `asks_at` is math.inf while it is being asked for, and once it was refused."""

    host: str
    asks_at: float = -math.inf
    granted: bool = False
    refused: bool = False
    waiting: list[Packet] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Channel:
    """To one peer. `asks_at` is as a permission's."""

    peer: Address
    number: int
    asks_at: float = -math.inf
    bound: bool = False


class Peers:
    """All of one allocation, within bounds: peers say which hosts there are."""

    def __init__(self) -> None:
        self._hosts: dict[str, Permission] = {}
        self._channels: dict[Address, Channel] = {}
        self._numbers: dict[int, Channel] = {}

    # --- what is wanted -------------------------------------------------------------------------------

    def want(self, host: str) -> Permission | None:
        """The permission for a host, new or known. None when there are too many."""
        known = self._hosts.get(host)
        if known is None:
            if len(self._hosts) >= MAXIMUM_HOSTS and not self._forget_a_refused_one():
                return None  # spec: turn/client-bounded
            known = self._hosts[host] = Permission(host)
        return known

    def want_channel(self, peer: Address) -> Channel | None:
        """The channel to a peer, new or known. None when there are too many."""
        known = self._channels.get(peer)
        if known is None:
            if len(self._channels) >= MAXIMUM_CHANNELS or self.want(peer.host) is None:
                return None  # spec: turn/client-bounded
            number = FIRST_CHANNEL + len(self._channels)  # spec: turn/client-channel-once
            known = self._channels[peer] = self._numbers[number] = Channel(peer, number)
        return known

    def _forget_a_refused_one(self) -> bool:
        host = next((host for host, permission in self._hosts.items() if permission.refused), None)
        return host is not None and self._hosts.pop(host) is not None

    def keep(self, peer: Address, data: bytes) -> bool:
        """Let a packet wait for its permission. False when nobody asked for one, or too many wait."""
        permission = self._hosts.get(peer.host)
        if permission is None or permission.refused or len(permission.waiting) >= MAXIMUM_WAITING:
            return False
        permission.waiting.append((peer, data))
        return True

    def clear(self) -> None:
        self._hosts.clear()
        self._channels.clear()
        self._numbers.clear()

    # --- when to ask, and what was answered -------------------------------------------------------------

    @property
    def next_at(self) -> float:
        return min((wish.asks_at for wish in self._wishes()), default=math.inf)

    def due(self, now: float) -> Permission | Channel | None:
        """One that has to be asked for now. The answer must be told."""
        for wish in self._wishes():
            if wish.asks_at <= now:
                wish.asks_at = math.inf
                return wish
        return None

    def _wishes(self) -> Iterator[Permission | Channel]:
        yield from self._channels.values()  # first, since they bring permissions along
        yield from self._hosts.values()

    def grant(self, wish: Permission | Channel, now: float) -> list[Packet]:
        """It was granted; what waited for it may go. A channel brings its host's permission along."""
        if isinstance(wish, Channel):
            wish.bound = True
            wish.asks_at = now + REFRESH_CHANNEL_AFTER  # spec: turn/client-channel-refresh
            known = self._hosts.get(wish.peer.host)
            if known is None:
                return []
            wish = known
        wish.granted, wish.refused = True, False
        wish.asks_at = now + REFRESH_PERMISSION_AFTER  # spec: turn/client-permission-refresh
        waiting, wish.waiting = wish.waiting, []
        return waiting

    def refuse(self, wish: Permission | Channel, *, answered: bool) -> int:
        """It was not granted; gives how many packets that waited are lost. Unless `answered`, it may be wanted anew."""
        wish.asks_at = math.inf
        if isinstance(wish, Channel):
            wish.bound = False  # indications do its job
            return 0
        lost, wish.waiting = len(wish.waiting), []
        wish.granted, wish.refused = False, True
        if not answered:
            self._hosts.pop(wish.host, None)
        return lost

    # --- for each packet ------------------------------------------------------------------------------

    def is_granted(self, host: str) -> bool:
        permission = self._hosts.get(host)
        return permission is not None and permission.granted

    def bound(self, peer: Address) -> int | None:
        """The number of a peer's channel, once it stands."""
        channel = self._channels.get(peer)
        return channel.number if channel is not None and channel.bound else None

    def peer_of(self, number: int) -> Address | None:
        """Whose channel has a number. One that is being asked for counts: the relay may know of it before we do."""
        channel = self._numbers.get(number)
        return None if channel is None else channel.peer
