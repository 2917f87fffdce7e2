"""A network in memory: hosts, links between them, one clock, and every chance from one seed.

Stands beside the kernel: a `VirtualHost` is a `Network` like `KernelNetwork`, so whole meetings run here under
`trio.testing.MockClock`, in virtual time. One task moves everything that is under way; a packet never has one.
A packet crosses the sender's access link, the path between the two hosts, and the receiver's access link. Boxes stand
at both ends of the path.
Read next: `net/virtuallink.py` (what goes wrong), `net/virtualroute.py` (which way), `net/virtualhost.py`.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from random import Random

import trio

from meetref.net.virtualhost import VirtualHost, is_loopback
from meetref.net.virtuallink import Impairments, Link
from meetref.net.virtualroute import Header, Middlebox, Routes
from meetref.wire.address import canonical_host

DOCUMENTATION_NETWORKS = ("192.0.2", "198.51.100", "203.0.113")  # RFC 5737; RFC 3849 for IPv6


Arrive = Callable[[VirtualHost, Header], None]
"""Called for each copy that comes out, with who got it and how its header reads there."""


class Parcel:
    """Something under way: it crosses `links`, then `arrive` is called; where it is lost, `lost` is.

    `ends` tells that this is where it comes out, and not only where the next box stands.
    """

    __slots__ = ("arrive", "ends", "links", "lost", "size")

    def __init__(
        self, size: int, links: tuple[Link, ...], arrive: Callable[[], None], lost: Callable[[], None], ends: bool
    ) -> None:
        self.size = size
        self.links = links
        self.arrive = arrive
        self.lost = lost
        self.ends = ends


def _forget() -> None:
    """What happens to a datagram that is lost."""


class VirtualNetwork:
    """The world. Start `run` in a nursery, make hosts with `host`, and give those to programs as their `Network`.

    `tick` (seconds) rounds arrivals up to a grid: fewer wake-ups, and so more meetings a minute; 0 keeps exact times.
    """

    def __init__(self, seed: int | str, *, tick: float = 0.0) -> None:
        self.seed = seed
        self.hosts: dict[str, VirtualHost] = {}
        self.names: dict[str, list[str]] = {}  # what every host resolves names to
        self.unreachable = 0  # packets for which there was no way
        self._tick = tick
        self._paths: dict[tuple[VirtualHost, VirtualHost], Link] = {}
        self._routes = Routes()
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
        self._routes.place(host, chosen, behind)
        self.hosts[name] = host
        return host

    def move(self, host: VirtualHost, *addresses: str, behind: Middlebox | None = None) -> None:
        """Let a host stand elsewhere, as a telephone that leaves its Wi-Fi; a new NAT is a move of those behind it.

        Its sockets stay open and are of no use any more: nothing leaves from an address that is not its own.
        """
        chosen = [canonical_host(address) for address in addresses]
        self._routes.remove(host)
        self._routes.place(host, chosen, behind)
        host.stand_at(chosen, behind)

    def _next_addresses(self) -> list[str]:
        for number in count(len(self.hosts) + 1):
            block, last = divmod(number - 1, 254)
            chosen = [f"{DOCUMENTATION_NETWORKS[block]}.{last + 1}", f"2001:db8::{number:x}"]
            if not any(self._routes.is_taken(None, address) for address in chosen):
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
        self._routes.part(sides)

    def heal(self) -> None:
        """End a partition."""
        self._routes.part(())

    # --- moving ---------------------------------------------------------------------------------------

    def send(
        self, sender: VirtualHost, header: Header, size: int, arrive: Arrive, lost: Callable[[], None] | None = None
    ) -> None:
        """Send `size` octets on their way: `arrive` is called for each copy that comes out, `lost` if none does."""
        lost = _forget if lost is None else lost
        now, destination = trio.current_time(), header.destination.host
        receiver = self._routes.neighbour(sender, header)
        if is_loopback(destination) or receiver is sender:
            self._advance(Parcel(size, (), partial(arrive, sender, header), lost, True), 0, now, now)
        elif is_loopback(header.source.host) or header.source.host not in sender.own_addresses:
            self._lose(lost)
        elif receiver is not None:
            self._go(sender, receiver, size, (sender.outbound,), partial(arrive, receiver, header), lost)
        else:
            box = partial(self._leave, sender, header, size, arrive, lost)
            self._advance(Parcel(size, (sender.outbound,), box, lost, False), 0, now, now)

    def _go(
        self, sender: VirtualHost, receiver: VirtualHost, size: int, links: tuple[Link, ...],
        arrive: Callable[[], None], lost: Callable[[], None],
    ) -> None:  # fmt: skip
        """The rest of the way, with no box on it."""
        if not self._routes.is_reachable(sender, receiver):
            self._lose(lost)
            return
        path = self._paths.get((sender, receiver))
        links = (*links, *(() if path is None else (path,)), receiver.inbound)
        now = trio.current_time()
        self._advance(Parcel(size, links, arrive, lost, True), 0, now, now)

    def _leave(self, sender: VirtualHost, header: Header, size: int, arrive: Arrive, lost: Callable[[], None]) -> None:
        """A packet has come to the box that its sender stands behind, or needs to get behind another one."""
        now = trio.current_time()
        way = self._routes.outward(sender.behind, header, now)
        if way is None or not sender.plugged_in:
            self._lose(lost)
            return
        realm, outside = way
        receiver = self._routes.receiver(realm, outside)
        path = None if receiver is None else self._paths.get((sender, receiver))
        box = partial(self._enter, sender, way, size, arrive, lost)
        self._advance(Parcel(size, () if path is None else (path,), box, lost, False), 0, now, now)

    def _enter(
        self, sender: VirtualHost, way: tuple[Middlebox | None, Header], size: int, arrive: Arrive,
        lost: Callable[[], None],
    ) -> None:  # fmt: skip
        """A packet has come to the box that its receiver stands behind, if it does."""
        now = trio.current_time()
        found = self._routes.inward(*way, now)
        if found is None or not self._routes.is_reachable(sender, found[0]):
            self._lose(lost)
            return
        receiver, header = found
        self._advance(Parcel(size, (receiver.inbound,), partial(arrive, receiver, header), lost, True), 0, now, now)

    def _lose(self, lost: Callable[[], None]) -> None:
        self.unreachable += 1
        lost()

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
                parcel.lost()
                return
            at = exits[0]
            for copy_at in exits[1:]:
                self.schedule(copy_at, partial(self._advance, parcel, stage, copy_at))
        self.schedule(self._on_grid(at) if parcel.ends else at, parcel.arrive)

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
