"""NATs and firewalls of the virtual network, of every kind: mapping times filtering, ports, hairpins, age.

A `Middlebox` of `net/virtualroute`. Of a family of which it has an address it hides what stands behind it; what is of
the other family keeps its address and is filtered all the same, so that a NAT without any address is a firewall.
Specification: RFC 4787 (UDP). Streams are treated alike, as RFC 5382 wants it, with a longer memory.
Leaves out: ICMP, fragments, and reading what is inside a packet (RFC 4787 section 7 wants that turned off).
Read next: `net/natmapping.py`, `net/nat64.py`; `lab/natmatrix.py`, which shows what all this does to a call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Literal

from meetref.net.natmapping import Mapping, MappingTable
from meetref.net.virtualroute import Header, Middlebox
from meetref.wire.address import Address

MAXIMUM_MAPPINGS = 4096  # of each transport
TRIES = 64  # for a port by chance, before all are tried in turn
FIRST_FREE_PORT = 1024


class Dependence(Enum):
    """Of what in a remote address a mapping or a filter depends (RFC 4787 sections 4.1 and 5)."""

    ENDPOINT_INDEPENDENT = "endpoint-independent"
    ADDRESS_DEPENDENT = "address-dependent"
    ADDRESS_AND_PORT_DEPENDENT = "address-and-port-dependent"

    def key(self, remote: Address) -> Hashable:
        """What of `remote` matters: two with the same key are treated alike."""
        if self is Dependence.ENDPOINT_INDEPENDENT:
            return None
        return remote.host if self is Dependence.ADDRESS_DEPENDENT else remote


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What kind of NAT it is. It never changes, whatever happens (RFC 4787 section 8). Times in seconds."""

    # spec: nat/deterministic
    mapping: Dependence = Dependence.ENDPOINT_INDEPENDENT
    filtering: Dependence = Dependence.ADDRESS_AND_PORT_DEPENDENT
    ports: Literal["preserved", "random"] = "preserved"
    parity: bool = True
    """An even port stays even and an odd one odd, where it cannot be preserved."""
    hairpinning: bool = True
    timeout: float = 300.0
    stream_timeout: float = 7440.0  # RFC 5382 section 5
    inbound_refresh: bool = False
    """Whether a packet from outside keeps a mapping alive, too."""


CONE = Behaviour(filtering=Dependence.ENDPOINT_INDEPENDENT)
RESTRICTED_CONE = Behaviour(filtering=Dependence.ADDRESS_DEPENDENT)
PORT_RESTRICTED_CONE = Behaviour()
SYMMETRIC = Behaviour(mapping=Dependence.ADDRESS_AND_PORT_DEPENDENT, ports="random")

Policy = Callable[[Header], bool]
"""Which packets may leave at all. What answers them may come in."""


def everything(header: Header) -> bool:
    """The policy of most homes."""
    return True


def no_udp(header: Header) -> bool:
    """The policy of many an office: what is not a stream does not leave."""
    return header.transport == "tcp"


def only_https(header: Header) -> bool:
    """The policy of hotels and schools: streams to port 443, and nothing else."""
    return header.transport == "tcp" and header.destination.port == 443


def nothing(header: Header) -> bool:
    """The policy of networks that only a proxy leads out of."""
    return False


class NAT:
    """One box with `addresses` on its outer side, in the public network or `behind` another box.

    `dropped` counts what did not pass, by reason. The hosts are placed behind it by `VirtualNetwork.host`.
    """

    def __init__(
        self,
        *addresses: str,
        dice: Random,
        behaviour: Behaviour = PORT_RESTRICTED_CONE,
        policy: Policy = everything,
        behind: Middlebox | None = None,
        maximum_mappings: int = MAXIMUM_MAPPINGS,
    ) -> None:
        self.addresses = addresses
        self.behind = behind
        self.behaviour = behaviour
        self.policy = policy
        self.dropped: Counter[str] = Counter()
        self._dice = dice
        self._paired: dict[str, str] = {}  # by inner host; hosts are made by the story, so there are not many
        self._tables = {
            "udp": MappingTable(behaviour.timeout, maximum_mappings),
            "tcp": MappingTable(behaviour.stream_timeout, maximum_mappings),
        }

    def hides(self, host: str) -> bool:
        return self._own_address(host) is not None

    def forget(self) -> None:
        """Lose every mapping, as when it starts anew."""
        for table in self._tables.values():
            table.clear()

    # --- out ------------------------------------------------------------------------------------------

    def outward(self, header: Header, now: float) -> Header | None:
        if not self.policy(header):
            return self._drop("forbidden")
        outside = self._pooled(header.source.host, header.destination.host)
        if outside is None:
            return self._drop("no address of that family")
        table = self._tables[header.transport]
        # What is not translated has one address, whatever the NAT does to others.
        depends = Dependence.ENDPOINT_INDEPENDENT if outside == header.source.host else self.behaviour.mapping
        key = header.source, outside, depends.key(header.destination)  # spec: nat/mapping
        mapping = table.find(key, now) or self._new_mapping(table, key, header.source, outside, now)
        if mapping is None:
            return self._drop("table full")
        table.used(mapping, self.behaviour.filtering.key(header.destination), now)
        return header._replace(source=mapping.outside)

    def _new_mapping(
        self, table: MappingTable, key: Hashable, inside: Address, outside: str, now: float
    ) -> Mapping | None:
        if not table.has_room(now):
            return None
        candidates = iter((inside,)) if outside == inside.host else self._ports(inside.port, outside)
        # spec: nat/no-overloading
        place = next((place for place in candidates if table.at(place, now) is None), None)
        if place is None:
            return None
        mapping = Mapping(key, inside, place, now)
        table.add(mapping)
        return mapping

    def _ports(self, port: int, host: str) -> Iterator[Address]:
        """Places for a mapping, the best first: the same port, one by chance, any that may be."""
        if self.behaviour.ports == "preserved":
            yield Address(host, port)
        # spec: nat/port-range, nat/port-parity
        first, end = (1, FIRST_FREE_PORT) if port < FIRST_FREE_PORT else (FIRST_FREE_PORT, 1 << 16)
        step = 2 if self.behaviour.parity else 1
        allowed = range(first + (port - first) % step, end, step)
        for _ in range(TRIES):
            yield Address(host, self._dice.choice(allowed))
        for each in allowed:
            yield Address(host, each)

    # --- in -------------------------------------------------------------------------------------------

    def holder(self, header: Header) -> Address | None:
        mapping = self._tables[header.transport].peek(header.destination)
        return None if mapping is None else mapping.inside

    def inward(self, header: Header, now: float) -> Header | None:
        if header.source.host in self.addresses and not self.behaviour.hairpinning:
            return self._drop("hairpin")
        table = self._tables[header.transport]
        mapping = table.at(header.destination, now)
        if mapping is None:
            return self._drop("no mapping")
        remote = self.behaviour.filtering.key(header.source)
        if not mapping.lets_in(remote, now, table.timeout):
            return self._drop("filtered")  # spec: nat/filtering
        if self.behaviour.inbound_refresh:
            table.used(mapping, remote, now)
        # spec: nat/hairpinning, nat/payload-untouched
        return header._replace(destination=mapping.inside)

    # --- addresses ------------------------------------------------------------------------------------

    def _own_address(self, host: str) -> str | None:
        """The first own address of the family of `host`."""
        return next((own for own in self.addresses if (":" in own) == (":" in host)), None)

    def _pooled(self, inside: str, destination: str) -> str | None:
        """The outer address of an inner host on its way to `destination`: its own where nothing hides it."""
        pool = [own for own in self.addresses if (":" in own) == (":" in destination)]
        if not pool:
            return inside if (":" in inside) == (":" in destination) else None
        if len(pool) == 1:
            return pool[0]
        return self._paired.setdefault(inside, pool[len(self._paired) % len(pool)])  # spec: nat/paired-pool

    def _drop(self, why: str) -> Header | None:
        self.dropped[why] += 1
        return None
