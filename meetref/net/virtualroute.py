"""Which way a packet takes in the virtual network: out through the boxes it stands behind, and in through others.

Stands below `net/virtual`, which moves packets, and above whatever stands between hosts: a `Middlebox`, such as a NAT.
A realm is what lies behind one box, or the public network (None). Boxes may stand behind boxes. A packet is translated
outward when it leaves its host's link and inward when it gets to the box there, each at that moment.
Leaves out: routing between several ways; there is one way or none.
Read next: `net/nat.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from meetref.wire.address import Address

if TYPE_CHECKING:
    from meetref.net.virtualhost import VirtualHost

Transport = Literal["udp", "tcp"]


class Header(NamedTuple):
    """What boxes look at, and may change."""

    transport: Transport
    source: Address
    destination: Address


class Middlebox(Protocol):
    """What stands between the hosts behind it and all others, such as a NAT: told the time, keeping its own tables."""

    @property
    def addresses(self) -> Sequence[str]:
        """The addresses under which the network on its outer side reaches it."""
        ...

    @property
    def behind(self) -> Middlebox | None:
        """The box that it stands behind itself; None: its outer side is the public network."""
        ...

    def hides(self, host: str) -> bool:
        """Whether an inner address is unknown outside. One that is not hidden is reached there as itself."""
        ...

    def outward(self, header: Header, now: float) -> Header | None:
        """The packet as its outer side sees it; None drops it."""
        ...

    def holder(self, header: Header) -> Address | None:
        """Who behind it would get a packet from outside, whether or not it may pass. Changes nothing."""
        ...

    def inward(self, header: Header, now: float) -> Header | None:
        """A packet from outside as it goes on inside; None drops it."""
        ...


class Routes:
    """Who stands where, and so who gets what."""

    def __init__(self) -> None:
        self._places: dict[tuple[Middlebox | None, str], VirtualHost] = {}
        self._boxes: dict[tuple[Middlebox | None, str], Middlebox] = {}
        self._sides: dict[VirtualHost, int] = {}

    def is_taken(self, behind: Middlebox | None, address: str) -> bool:
        return (behind, address) in self._places

    def place(self, host: VirtualHost, addresses: Sequence[str], behind: Middlebox | None) -> None:
        """Let `host` stand at `addresses`. Raises `ValueError` where somebody else does."""
        for address in addresses:
            if self._places.setdefault((behind, address), host) is not host:
                raise ValueError(f"{address} is taken")
        box, seen = behind, tuple(addresses)
        while box is not None:
            known = (*box.addresses, *(address for address in seen if not box.hides(address)))
            self._boxes.update({(box.behind, address): box for address in known})
            seen, box = known, box.behind

    def remove(self, host: VirtualHost) -> None:
        """It stands nowhere any more."""
        self._places = {place: each for place, each in self._places.items() if each is not host}

    def part(self, sides: Iterable[Iterable[VirtualHost]]) -> None:
        """From now on hosts on different sides do not reach each other."""
        self._sides = {host: number for number, side in enumerate(sides) for host in side}

    def is_reachable(self, sender: VirtualHost, receiver: VirtualHost) -> bool:
        """Whether both are plugged in and no partition stands between them."""
        sides = self._sides
        parted = sender in sides and receiver in sides and sides[sender] != sides[receiver]
        return sender.plugged_in and receiver.plugged_in and not parted

    # --- the way of one packet ------------------------------------------------------------------------

    def neighbour(self, sender: VirtualHost, header: Header) -> VirtualHost | None:
        """Who gets the packet without any box between: the sender itself, or somebody in its realm."""
        if header.destination.host in sender.own_addresses:
            return sender
        return self._places.get((sender.behind, header.destination.host))

    def outward(self, realm: Middlebox | None, header: Header, now: float) -> tuple[Middlebox | None, Header] | None:
        """The realm in which somebody has the destination, and the packet as it reads there; None: there is none."""
        while not self._is_known(realm, header.destination.host):
            if realm is None:
                return None
            outside = realm.outward(header, now)
            if outside is None:
                return None
            realm, header = realm.behind, outside
        return realm, header

    def receiver(self, realm: Middlebox | None, header: Header) -> VirtualHost | None:
        """Who would get a packet that is in `realm`, were it let pass everywhere: for knowing whose path it takes."""
        while True:
            place = self._places.get((realm, header.destination.host))
            box = self._boxes.get((realm, header.destination.host))
            if place is not None or box is None:
                return place
            inside = box.holder(header)
            if inside is None:
                return None
            realm, header = box, header._replace(destination=inside)

    def inward(self, realm: Middlebox | None, header: Header, now: float) -> tuple[VirtualHost, Header] | None:
        """Who gets a packet that is in `realm`, and how it reads there; None where a box drops it."""
        while True:
            place = self._places.get((realm, header.destination.host))
            if place is not None:
                return place, header
            box = self._boxes.get((realm, header.destination.host))
            inside = None if box is None else box.inward(header, now)
            if inside is None:
                return None
            realm, header = box, inside

    def _is_known(self, realm: Middlebox | None, host: str) -> bool:
        return (realm, host) in self._places or (realm, host) in self._boxes
