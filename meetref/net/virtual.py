"""A network in memory: hosts, links between them, one clock, and every chance from one seed.

Stands beside the kernel: a `VirtualHost` is a `Network` like `KernelNetwork`, so whole meetings run here under
`trio.testing.MockClock`, in virtual time. One task moves everything that is under way; a packet never has one.
A packet crosses the sender's access link, the path between the two hosts, and the receiver's access link.
Leaves out: routing and NATs. A `Middlebox` is the place for the latter.
Read next: `net/virtuallink.py` (what goes wrong), `net/virtualhost.py`, `net/virtualstream.py`.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import count
from random import Random
from typing import Protocol

import trio

from meetref.net.virtualhost import VirtualHost, is_loopback
from meetref.net.virtuallink import Impairments, Link
from meetref.wire.address import Address, canonical_host

DOCUMENTATION_NETWORKS = ("192.0.2", "198.51.100", "203.0.113")  # RFC 5737; RFC 3849 for IPv6


class Middlebox(Protocol):
    """What stands between the hosts behind it and all others, such as a NAT: told the time, keeping its own tables."""

    @property
    def addresses(self) -> Sequence[str]:
        """The addresses under which the rest of the network reaches it."""
        ...

    def outward(self, source: Address, destination: Address, now: float) -> Address | None:
        """The source that the rest of the network sees; None drops the packet."""
        ...

    def inward(self, source: Address, destination: Address, now: float) -> Address | None:
        """The address behind it to which a packet for `destination` goes; None drops the packet."""
        ...


class Parcel:
    """Something under way: it crosses `links`, then `arrive` is called; where it is lost, `lost` is."""

    __slots__ = ("arrive", "links", "lost", "size")

    def __init__(
        self, size: int, links: tuple[Link, ...], arrive: Callable[[], None], lost: Callable[[], None] | None
    ) -> None:
        self.size = size
        self.links = links
        self.arrive = arrive
        self.lost = lost


class VirtualNetwork:
    """The world. Start `run` in a nursery, make hosts with `host`, and give those to programs as their `Network`.

    `tick` (seconds) rounds arrivals up to a grid: fewer wake-ups, and so more meetings a minute; 0 keeps exact times.
    """

    def __init__(self, seed: int | str, *, tick: float = 0.0) -> None:
        self.seed = seed
        self.hosts: dict[str, VirtualHost] = {}
        self.unreachable = 0  # packets for which there was no way
        self._tick = tick
        self._paths: dict[tuple[VirtualHost, VirtualHost], Link] = {}
        self._places: dict[tuple[Middlebox | None, str], VirtualHost] = {}
        self._boxes: dict[str, Middlebox] = {}
        self._sides: dict[VirtualHost, int] = {}
        self._under_way: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._alarm: trio.CancelScope | None = None

    # --- building -------------------------------------------------------------------------------------

    def dice(self, purpose: str) -> Random:
        """Chance for one purpose: independent of what others draw, and the same for the same seed."""
        return Random(f"{self.seed}/{purpose}")

    def host(self, name: str, *addresses: str, behind: Middlebox | None = None) -> VirtualHost:
        """A new host; without addresses it gets one of IPv4 and one of IPv6 from the documentation ranges."""
        if name in self.hosts:
            raise ValueError(f"there is a host {name!r} already")
        chosen = [canonical_host(address) for address in addresses] or self._next_addresses()
        host = VirtualHost(self, name, chosen, behind)
        for address in chosen:
            if self._places.setdefault((behind, address), host) is not host:
                raise ValueError(f"{address} is taken")
        if behind is not None:
            self._boxes.update(dict.fromkeys(behind.addresses, behind))
        self.hosts[name] = host
        return host

    def _next_addresses(self) -> list[str]:
        for number in count(len(self.hosts) + 1):
            block, last = divmod(number - 1, 254)
            chosen = [f"{DOCUMENTATION_NETWORKS[block]}.{last + 1}", f"2001:db8::{number:x}"]
            if not any((None, address) in self._places for address in chosen):
                return chosen
        raise AssertionError  # counting does not end

    def connect(
        self, first: VirtualHost, second: VirtualHost, there: Impairments, back: Impairments | None = None
    ) -> None:
        """Set what happens on the path from `first` to `second`, and `back` (the same, unless given)."""
        self._path(first, second).impairments = there
        self._path(second, first).impairments = there if back is None else back

    def _path(self, sender: VirtualHost, receiver: VirtualHost) -> Link:
        path = self._paths.get((sender, receiver))
        if path is None:
            path = self._paths[sender, receiver] = Link(self.dice(f"path {sender.name} to {receiver.name}"))
        return path

    def partition(self, *sides: Iterable[VirtualHost]) -> None:
        """Until `heal`, hosts on different sides do not reach each other; hosts that are not named reach everyone."""
        self._sides = {host: number for number, side in enumerate(sides) for host in side}

    def heal(self) -> None:
        """End a partition."""
        self._sides = {}

    # --- moving ---------------------------------------------------------------------------------------

    def route(
        self, sender: VirtualHost, source: Address, destination: Address, now: float
    ) -> tuple[VirtualHost, Address, Address] | None:
        """Who gets a packet, with the source and the destination as they read there; None where there is no way."""
        if is_loopback(destination.host) or destination.host in sender.own_addresses:
            return sender, source, destination
        if is_loopback(source.host):
            return None
        realm = sender.behind
        receiver = self._places.get((realm, destination.host))
        if receiver is None and realm is not None:
            outside = realm.outward(source, destination, now)
            if outside is None:
                return None
            source = outside
        if receiver is None:
            box = self._boxes.get(destination.host)
            inside = destination if box is None else box.inward(source, destination, now)
            if inside is None:
                return None
            receiver, destination = self._places.get((box, inside.host)), inside
        if receiver is None or not self.is_reachable(sender, receiver):
            return None
        return receiver, source, destination

    def is_reachable(self, sender: VirtualHost, receiver: VirtualHost) -> bool:
        """Whether both are plugged in and no partition stands between them."""
        sides = self._sides
        parted = sender in sides and receiver in sides and sides[sender] != sides[receiver]
        return sender.plugged_in and receiver.plugged_in and not parted

    def carry(
        self,
        sender: VirtualHost,
        receiver: VirtualHost,
        size: int,
        arrive: Callable[[], None],
        lost: Callable[[], None] | None = None,
    ) -> None:
        """Send `size` octets on their way: `arrive` is called for each copy that comes out, `lost` if none does."""
        if sender is receiver:
            links: tuple[Link, ...] = ()
        else:
            path = self._paths.get((sender, receiver))
            links = (sender.outbound, receiver.inbound) if path is None else (sender.outbound, path, receiver.inbound)
        now = trio.current_time()
        self._advance(Parcel(size, links, arrive, lost), 0, now, now)

    def _advance(self, parcel: Parcel, stage: int, at: float, now: float | None = None) -> None:
        """Let `parcel` enter its link number `stage` at `at`, and the following ones as far as can be told by now."""
        now = at if now is None else now
        while stage < len(parcel.links):
            link = parcel.links[stage]
            if at > now and link.is_shared:
                self.schedule(at, partial(self._advance, parcel, stage, at))
                return
            stage += 1
            exits = link.cross(parcel.size, at)
            if not exits:
                if parcel.lost is not None:
                    parcel.lost()
                return
            at = exits[0]
            for copy_at in exits[1:]:
                self.schedule(copy_at, partial(self._advance, parcel, stage, copy_at))
        self.schedule(self._on_grid(at), parcel.arrive)

    def _on_grid(self, at: float) -> float:
        return math.ceil(at / self._tick) * self._tick if self._tick else at

    def schedule(self, at: float, action: Callable[[], None]) -> None:
        """Call `action` at `at`; at one instant in the order in which they were scheduled."""
        heapq.heappush(self._under_way, (at, next(self._numbers), action))
        if self._alarm is not None and at < self._alarm.deadline:
            self._alarm.deadline = at

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Move everything that is under way, until cancelled."""
        task_status.started()
        under_way = self._under_way
        while True:
            now = trio.current_time()
            while under_way and under_way[0][0] <= now:
                heapq.heappop(under_way)[2]()
            with trio.CancelScope(deadline=under_way[0][0] if under_way else math.inf) as self._alarm:
                await trio.sleep_forever()
            self._alarm = None


def seed_trio(seed: int | str) -> None:
    """Make Trio's scheduler draw from `seed`, in this process and from now on. Call it before `trio.run`.

    Trio shuffles what is ready to run, on purpose, from a generator that it does not hand out; this is the only place
    that reaches for it. Tasks that become ready together because a scope was cancelled come out of a set, so they are
    also put in order first.
    """
    from trio._core import _run

    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    _run._r.seed(f"{seed}/trio")
